"""What `check` finds out about problems in time, systems and special conditions, from Python."""

from __future__ import annotations

import math

import pytest
import torch

import gmnm_pde as gp
from gmnm_pde.checks import check
from gmnm_pde.problem import Condition, Data, IntegralCondition, Interface, Periodic

LINE = gp.Interval(0, 1)
SQUARE = gp.Rectangle(x=(0, 1), y=(0, 1))
PI = math.pi


def sine(x):
    return torch.sin(PI * x)


def in_time(*conditions, equations, unknowns="u", domain=LINE, **options):
    coordinates = {1: "xt", 2: "xyt", 3: "xyzt"}[domain.dimension]
    options = {"time": (0, 1), **options}
    return gp.Problem(coordinates, unknowns, domain, equations, conditions, **options)


def heat(*conditions, equation=lambda u: u.t - u.xx, **options):
    return in_time(*conditions, equations=[gp.Equation(equation, "the equation")], **options)


START, REST, ENDS = gp.Initial(sine), gp.Initial(0.0, rate=True), gp.Dirichlet("boundary")
ABSORBING = Condition("boundary", lambda u: u.t + u.n)


def both(kind, *arguments, **options):
    return [kind(*arguments, unknown=name, **options) for name in "uv"]


def reaction(*conditions):
    equations = [
        lambda u, v: u.t - 0.1 * (u.xx + u.yy) - u**2 * v,
        lambda u, v: v.t - (v.xx + v.yy) + u**2 * v,
    ]
    return in_time(*conditions, equations=equations, unknowns="uv", domain=SQUARE)


def flow(*conditions):
    equations = [
        lambda u, v, p: u.t + u * u.x + v * u.y + p.x - u.xx - u.yy,
        lambda u, v, p: v.t + u * v.x + v * v.y + p.y - v.xx - v.yy,
        lambda u, v: u.x + v.y,
    ]
    return in_time(*conditions, equations=equations, unknowns="uvp", domain=SQUARE)


# orders


def test_orders_in_space_and_time():
    facts = check(flow(*both(gp.Dirichlet, "boundary"), *both(gp.Initial, 0.0)))
    assert [(item.in_time, item.in_space) for item in facts.equations] == [(1, 2), (1, 2), (0, 1)]
    assert [item.describe() for item in facts.equations] == [
        "order 1 in time, 2 in space, nonlinear",
        "order 1 in time, 2 in space, nonlinear",
        "a constraint, order 1 in space, linear",
    ]
    orders = {item.name: (item.in_time, item.in_space) for item in facts.unknowns}
    assert orders == {"u": (1, 2), "v": (1, 2), "p": (0, 1)}
    assert facts.in_time


@pytest.mark.parametrize(
    ("equation", "in_time", "in_space", "linear"),
    [
        (lambda u: u.t - u.xx, 1, 2, True),
        (lambda u: u.tt - u.xx, 2, 2, True),
        (lambda u: u.t + u * u.x + u.xx + u.xxxx, 1, 4, False),
        (lambda u: u.t + 6 * u * u.x + u.xxx, 1, 3, False),
        (lambda u: u.t - u.xxt - u.x, 1, 2, True),
        (lambda u, t: u.xx - t, 0, 2, True),
    ],
)
def test_orders_of_one_equation(equation, in_time, in_space, linear):
    conditions = [START, REST][:in_time]
    facts = check(heat(*conditions, Periodic("x"), equation=equation))
    (item,) = facts.equations
    assert (item.in_time, item.in_space, item.linear) == (in_time, in_space, linear)
    assert facts.in_time == (in_time > 0)


def test_a_steady_problem_has_no_order_in_time():
    facts = check(gp.Problem("x", "u", LINE, [lambda u: u.xx], [ENDS]))
    assert facts.equations[0].in_time is None
    assert facts.unknowns[0].in_time is None
    assert not facts.in_time


# what is accepted


@pytest.mark.parametrize(
    "problem",
    [
        heat(START, ENDS),
        heat(START, gp.Dirichlet("left"), gp.Neumann("right")),
        heat(START, Periodic("x")),
        heat(START, gp.Dirichlet("left"), IntegralCondition(lambda u: u, 0.0)),
        heat(gp.Initial(0.0), ENDS, domain=gp.Disk(), equation=lambda u: u.t - u.xx - u.yy),
        heat(
            gp.Initial(0.0),
            ENDS,
            domain=gp.Box(((0, 1),) * 3),
            equation=lambda u: u.t - u.xx - u.yy - u.zz,
        ),
        heat(START, REST, ENDS, equation=lambda u: u.tt - u.xx),
        heat(START, REST, ABSORBING, equation=lambda u: u.tt - u.xx),
        heat(START, gp.Dirichlet("left"), equation=lambda u: u.t + u.x),
        heat(START, gp.Dirichlet("right"), equation=lambda u: u.t - u.x),
        heat(START, Periodic("x"), equation=lambda u: u.t + 6 * u * u.x + u.xxx),
        heat(START, Periodic("x"), equation=lambda u: u.t + u * u.x + u.xx + u.xxxx),
        heat(START, ENDS, gp.Neumann("boundary"), equation=lambda u: u.t + u.xxxx),
        heat(START, Condition((0.0,), lambda u: u), gp.Dirichlet("boundary")),
        reaction(*both(gp.Neumann, "boundary"), *both(gp.Initial, 1.0)),
        reaction(Periodic("x"), Periodic("y"), *both(gp.Initial, 1.0)),
        flow(*both(gp.Dirichlet, "boundary"), *both(gp.Initial, 0.0)),
        in_time(
            Periodic("x"),
            *both(gp.Initial, 0.0),
            equations=[lambda u, v: u.t + v.xx / 2, lambda u, v: v.t - u.xx / 2],
            unknowns="uv",
        ),
        in_time(
            gp.Neumann("boundary", unknown="u"),
            *both(gp.Initial, 0.0),
            equations=[lambda u, v: u.t - u.xx - u + u**3 + v, lambda u, v: v.t - u + v],
            unknowns="uv",
        ),
        in_time(
            *both(gp.Dirichlet, "boundary"),
            gp.Initial(0.0, "u"),
            equations=[lambda u, v: u.t - v.xx, lambda u, v: v - u**3 + u + 0.01 * u.xx],
            unknowns="uv",
        ),
    ],
)
def test_what_can_be_solved(problem):
    facts = check(problem)
    assert not facts.pure_neumann
    assert not any("usually" in note or "disagree" in note for note in facts.notes)


# what is refused


@pytest.mark.parametrize(
    ("problem", "words", "mend"),
    [
        (heat(ENDS), "no initial condition of u", "at: initial, equation: u = 0"),
        (
            heat(START, ENDS, equation=lambda u: u.tt - u.xx),
            "only one initial condition of u; .* takes u and u_t",
            "equation: u_t = 0",
        ),
        (
            heat(REST, ENDS, equation=lambda u: u.tt - u.xx),
            "no initial condition of u|only one initial condition of u",
            "equation: u = 0",
        ),
        (heat(REST, ENDS), "gives u_t, which the equations, of order 1 in time", "u = 0"),
        (heat(START, REST, ENDS), "'Initial rate' gives u_t", "u = 0"),
        (
            heat(START, Condition("initial", lambda u: u.x), ENDS),
            "too many initial conditions",
            "Remove one",
        ),
        (
            heat(Condition("initial", lambda u: u, where=lambda x: x < 0.9), ENDS),
            r"no initial condition of u at x = 0\.9",
            "Add",
        ),
        (heat(START, ENDS, equation=lambda u, t: u.xx - t), "order 0 in time", "Remove it"),
        (heat(START, gp.Dirichlet("left")), "no condition on the side right", "Add one there"),
        (heat(START, ENDS, gp.Neumann("left")), "too many conditions on the side left", "Remove"),
        (
            heat(START, ENDS, equation=lambda u: u.t + u.xxxx),
            "only one condition on .* of order 4 in space, takes 2",
            "u_n = 0",
        ),
        (
            heat(START, gp.Dirichlet("right"), equation=lambda u: u.t + u.x),
            "no condition on the side left, .* carries u into",
            "Add one there",
        ),
        (
            heat(START, ENDS, gp.Dirichlet("left", 1.0)),
            "in conflict on the side left",
            "Remove",
        ),
        (heat(ENDS, Condition("final", lambda u: u)), "at the final time", "another letter"),
        (
            reaction(gp.Neumann("boundary", unknown="u"), *both(gp.Initial, 1.0)),
            "only one condition on .*; the equations together take 2",
            "v = 0",
        ),
        (
            reaction(*both(gp.Neumann, "boundary"), gp.Initial(1.0, "u")),
            "no initial condition of v",
            "v = 0",
        ),
        (flow(*both(gp.Dirichlet, "boundary")), "no initial condition of u", "u = 0"),
    ],
)
def test_what_cannot_be_solved(problem, words, mend):
    with pytest.raises(gp.InputError, match=words) as raised:
        check(problem)
    assert mend in raised.value.mend


def test_the_place_of_an_error_in_a_condition():
    places = []

    def locate(path, error):
        places.append(path)
        return error

    with pytest.raises(gp.InputError):
        check(heat(START, ENDS, gp.Initial(1.0)), locate)
    assert places == [("conditions", 2)]


# what is remarked


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (heat(START, ENDS, equation=lambda u: u.t + u.xx), ["short waves", "sign"]),
        (heat(START, REST, ENDS, equation=lambda u: u.tt + u.xx), ["short waves"]),
        (
            heat(START, ENDS, gp.Neumann("boundary"), equation=lambda u: u.t - u.xxxx),
            ["short waves"],
        ),
        (
            heat(START, ENDS, equation=lambda u: u.t + u.x),
            ["the side right", "out of the domain", "no condition"],
        ),
        (
            heat(START, ENDS, equation=lambda u: u.t + 6 * u * u.x + u.xxx),
            ["The two ends have 2", "of order 3", "usually takes 3"],
        ),
        (
            flow(gp.Dirichlet("boundary", unknown="u"), *both(gp.Initial, 0.0)),
            ["only one condition", "usually take 2"],
        ),
        (
            # Each unknown's second derivatives stand in both equations: nothing is certain.
            in_time(
                gp.Dirichlet("boundary", unknown="u"),
                *both(gp.Initial, 0.0),
                equations=[lambda u, v: u.t - u.xx - v.xx, lambda u, v: v.t - u.xx - 3 * v.xx],
                unknowns="uv",
            ),
            ["only one condition", "usually take 2"],
        ),
        (
            flow(*both(gp.Dirichlet, "boundary"), gp.Initial(0.0, "u")),
            ["no initial condition of v", "constraints"],
        ),
        (
            flow(*both(gp.Dirichlet, "boundary"), *both(gp.Initial, 0.0), gp.Initial(0.0, "p")),
            ["of p", "no time derivative"],
        ),
        (
            flow(*both(gp.Dirichlet, "boundary"), *both(gp.Initial, 0.0)),
            ["a constant of p free"],
        ),
    ],
)
def test_remarks(problem, words):
    notes = check(problem).notes
    assert any(all(word in note for word in words) for note in notes), notes


def test_well_posed_signs_are_not_remarked():
    for equation, more in (
        (lambda u: u.t - u.xx, []),
        (lambda u: -u.t + u.xx, []),
        (lambda u: u.tt - u.xx, [REST]),
        (lambda u: u.t + u.xxxx, [gp.Neumann("boundary")]),
        (lambda u: u.tt + u.xxxx, [REST, gp.Neumann("boundary")]),
    ):
        assert not check(heat(START, ENDS, *more, equation=equation)).notes


# corners


@pytest.mark.parametrize(
    ("start", "sides", "words"),
    [
        (1.0, [ENDS], ["x = 0, t = 0", "a jump of 1", "'Initial' gives 1", "'Dirichlet' gives 0"]),
        (sine, [gp.Dirichlet("left"), gp.Dirichlet("right", 0.25)], ["x = 1, t = 0", "0.25"]),
        (
            lambda x: x,
            [gp.Dirichlet("left"), gp.Dirichlet("right", lambda t: 1.5 + t)],
            ["x = 1, t = 0", "gives 1 ", "gives 1.5", "a jump of 0.5"],
        ),
    ],
)
def test_data_that_disagree_at_a_corner(start, sides, words):
    (note,) = check(heat(gp.Initial(start), *sides)).notes
    for word in words:
        assert word in note


@pytest.mark.parametrize(
    "conditions",
    [
        (START, ENDS),
        (gp.Initial(lambda x: x + 1e-12), gp.Dirichlet("left"), gp.Dirichlet("right", 1.0)),
        (gp.Initial(1.0), gp.Neumann("boundary")),
        (gp.Initial(1.0), Periodic("x")),
    ],
)
def test_data_that_agree_are_not_noted(conditions):
    assert not check(heat(*conditions)).notes


def test_the_largest_jump_on_a_curved_edge_is_named():
    problem = heat(
        gp.Initial(0.0),
        gp.Dirichlet("boundary", lambda x, t: x * torch.exp(-t)),
        domain=gp.Disk(),
        equation=lambda u: u.t - u.xx - u.yy,
    )
    (note,) = check(problem).notes
    assert "a jump of 0.999" in note or "a jump of 1" in note


def test_corners_of_each_unknown_by_itself():
    problem = reaction(
        gp.Dirichlet("boundary", 1.0, "u"),
        gp.Dirichlet("boundary", 2.0, "v"),
        gp.Initial(1.0, "u"),
        gp.Initial(1.0, "v"),
    )
    (note,) = check(problem).notes
    assert "gives 1 and" in note
    assert "gives 2" in note


# unknowns that equations determine


@pytest.mark.parametrize(
    ("equations", "unknowns", "words"),
    [
        ([lambda u, v: u.xx + v.yy], "uv", "'v': 1 equation cannot determine 2 unknowns"),
        (
            [lambda u, v, w: u.xx + v + w, lambda u: u.xx - 1, lambda u: u.yy],
            "uvw",
            "what holds .*, 'equation', is needed for",
        ),
    ],
)
def test_unknowns_without_an_equation_of_their_own(equations, unknowns, words):
    problem = gp.Problem("xy", unknowns, SQUARE, equations, [gp.Dirichlet("boundary")])
    with pytest.raises(gp.InputError, match=words):
        check(problem)


def test_measurements_determine_an_unknown():
    points = SQUARE.sample_interior(20)
    data = Data(points, torch.stack([torch.full((20,), math.nan), points[:, 0]], 1))
    equations = [lambda u, v: u.xx + u.yy - v]
    problem = gp.Problem("xy", "uv", SQUARE, equations, [gp.Dirichlet("boundary")], data=data)
    check(problem)


def test_stokes_is_determined():
    equations = [
        lambda u, p: u.xx + u.yy - p.x,
        lambda v, p: v.xx + v.yy - p.y,
        lambda u, v: u.x + v.y,
    ]
    facts = check(gp.Problem("xy", "uvp", SQUARE, equations, both(gp.Dirichlet, "boundary")))
    assert facts.free == ("p",)
    assert not facts.pure_neumann
    pinned = [*both(gp.Dirichlet, "boundary"), Condition((0.0, 0.0), lambda p: p)]
    assert check(gp.Problem("xy", "uvp", SQUARE, equations, pinned)).free == ()


def test_a_clamped_plate_as_a_system_has_both_conditions_on_one_unknown():
    equations = [lambda u, v: u.xx + u.yy - v, lambda v: v.xx + v.yy - 1]
    clamped = [gp.Dirichlet("boundary", unknown="u"), gp.Neumann("boundary", unknown="u")]
    assert not check(gp.Problem("xy", "uv", SQUARE, equations, clamped)).notes
    with pytest.raises(gp.InputError, match="the equations together take 2"):
        check(gp.Problem("xy", "uv", SQUARE, equations, clamped[:1]))


# periodic, interfaces, hard conditions


@pytest.mark.parametrize(
    ("conditions", "domain", "words"),
    [
        ([Periodic("z")], SQUARE, "'z' is not a coordinate"),
        ([Periodic("t")], SQUARE, "time cannot be periodic"),
        ([Periodic("x")], gp.Disk(), "kind 'disk' cannot be periodic"),
        ([Periodic("x"), Periodic("x")], SQUARE, "periodic twice"),
        ([Periodic("x"), gp.Dirichlet("boundary")], SQUARE, "no such boundary"),
        ([Periodic("x"), gp.Dirichlet("right")], SQUARE, "stands on the side right"),
        ([Periodic("x")], SQUARE, "no condition on the side bottom"),
    ],
)
def test_periodic_conditions(conditions, domain, words):
    problem = heat(
        gp.Initial(0.0), *conditions, domain=domain, equation=lambda u: u.t - u.xx - u.yy
    )
    with pytest.raises(gp.InputError, match=words):
        check(problem)


def test_a_condition_beside_the_periodic_sides():
    top = gp.Dirichlet(["bottom", "top"])
    facts = check(
        heat(
            gp.Initial(0.0),
            Periodic("x"),
            top,
            domain=SQUARE,
            equation=lambda u: u.t - u.xx - u.yy,
        )
    )
    assert [item.kind for item in facts.conditions] == ["initial", "periodic", "boundary"]
    narrow = Condition("boundary", lambda u: u, where=lambda y: (y == 0) | (y == 1))
    check(heat(gp.Initial(0.0), Periodic("x"), narrow, domain=SQUARE,
               equation=lambda u: u.t - u.xx - u.yy))  # fmt: skip


def test_a_periodic_line_leaves_a_constant_free():
    problem = gp.Problem("x", "u", LINE, [lambda u, x: u.xx - sine(2 * x)], [Periodic("x")])
    facts = check(problem)
    assert facts.pure_neumann
    assert facts.free == ("u",)


def two_materials(*conditions, **options):
    subdomains = {"inner": gp.Disk((0.5, 0.5), 0.2)}
    return gp.Problem(
        "xy", "u", SQUARE, [lambda u: u.xx + u.yy], [gp.Dirichlet("boundary"), *conditions],
        **{"subdomains": subdomains, **options},
    )  # fmt: skip


def test_interfaces():
    facts = check(two_materials(Interface("inner", lambda u: u), Interface("inner", lambda u: u.n)))
    assert [item.kind for item in facts.conditions] == ["boundary", "interface", "interface"]
    assert facts.linear
    bent = check(
        two_materials(Interface("inner", lambda u: u**3), Interface("inner", lambda u: u.n))
    )
    assert not bent.linear


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (two_materials(Interface("iner", lambda u: u)), "'iner', which there is not"),
        (two_materials(Interface("inner", lambda x: x)), "holds no unknown"),
        (two_materials(Interface("inner", lambda u, x: u / (x - x))), "not finite at"),
        (two_materials(subdomains={"a": gp.Disk((0.9, 0.5), 0.2)}), "'a' sticks out .* x = 1"),
        (two_materials(subdomains={"a": gp.Interval(0, 1)}), "dimension 1, the domain 2"),
        (
            two_materials(
                subdomains={"a": gp.Disk((0.4, 0.5), 0.2), "b": gp.Disk((0.6, 0.5), 0.2)}
            ),
            "'a' and 'b' overlap",
        ),
    ],
)
def test_interfaces_that_cannot_stand(problem, words):
    with pytest.raises(gp.InputError, match=words):
        check(problem)


def hard(at, residual=lambda u: u - 1, where=None):
    return Condition(at, residual, where, "held", enforce="hard")


@pytest.mark.parametrize(
    "domain", [SQUARE, gp.Disk(), gp.Ellipse((0, 0), (2, 1)), gp.Ball((0.0, 0.0), 1.0)]
)
def test_hard_conditions_on_smooth_boundaries(domain):
    check(gp.Problem("xy", "u", domain, [lambda u: u.xx + u.yy], [hard("boundary")]))


def test_hard_conditions_on_sides_and_at_the_first_time():
    sides = [hard("left"), gp.Neumann(["right", "bottom", "top"])]
    check(gp.Problem("xy", "u", SQUARE, [lambda u: u.xx + u.yy], sides))
    check(heat(hard("initial", lambda u, x: u - sine(x)), ENDS))


@pytest.mark.parametrize(
    ("condition", "domain", "words"),
    [
        (hard("boundary", lambda u: u.n), SQUARE, "only a value can, u = g"),
        (hard("boundary", lambda u: u.n + u), SQUARE, "only a value can"),
        (hard("boundary", lambda u: u**3 - 1), SQUARE, "only a value can"),
        (hard("boundary", where=lambda x: x > -9), SQUARE, "`where` selects"),
        (hard((0.5, 0.5)), SQUARE, "a point has no smooth distance"),
        (hard("boundary"), gp.Polygon([(0, 0), (1, 0), (0, 1)]), "kind 'polygon'"),
        (hard("boundary"), gp.Union(gp.Disk(), gp.Disk((1, 0), 0.5)), "kind 'union'"),
    ],
)
def test_hard_conditions_that_cannot_hold(condition, domain, words):
    others = [gp.Dirichlet("boundary")] if isinstance(condition.at, tuple) else []
    problem = gp.Problem("xy", "u", domain, [lambda u: u.xx + u.yy], [condition, *others])
    with pytest.raises(gp.InputError, match=words) as raised:
        check(problem)
    assert "enforce: hard" in raised.value.mend
