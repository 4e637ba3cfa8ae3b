"""What `check` finds out about a problem, from Python and without a file."""

from __future__ import annotations

import pytest
import torch

import gmnm_pde as gp
from gmnm_pde.checks import check, find_singularity
from gmnm_pde.checks.sites import on_side
from gmnm_pde.problem import Condition, Data, IntegralCondition

SQUARE = gp.Rectangle(x=(-1, 1), y=(-1, 1))
LINE = gp.Interval(0, 1)


def laplace(*conditions, domain=SQUARE, equations=None, coordinates="xy", **options):
    equations = equations or [lambda u: u.xx + u.yy]
    return gp.Problem(coordinates, "u", domain, equations, conditions, **options)


def ode(*conditions, equation=lambda u: u.xx):
    return gp.Problem("x", "u", LINE, [equation], conditions)


@pytest.mark.parametrize(
    ("equation", "order", "linear", "elliptic"),
    [
        (lambda u: u.xx + u.yy, 2, True, True),
        (lambda u, x: (1 + x**2) * u.xx + u.yy + u.x - 3 * u, 2, True, True),
        (lambda u: -0.001 * u.xx - u.yy, 2, True, True),
        (lambda u: u.xx + 1.9 * u.xy + u.yy, 2, True, True),
        (lambda u: u.xx + 2.1 * u.xy + u.yy, 2, True, False),
        (lambda u: u.xx - u.yy, 2, True, False),
        (lambda u: u.xx - u.y, 2, True, False),
        (lambda u, x: x * u.xx + u.yy, 2, True, False),
        (lambda u: u.xxxx + 2 * u.xxyy + u.yyyy, 4, True, True),
        (lambda u: u.xx + u.yy + torch.exp(u), 2, False, True),
        (lambda u: (1 + u**2) * (u.xx + u.yy), 2, False, True),
        (lambda u: u.xx + u.yy + torch.abs(u), 2, False, True),
        (lambda u: u.xx + u.yy + torch.sign(u), 2, False, True),
        (lambda u: u.xx + u.yy + torch.log(u), 2, False, True),
        (lambda u: u.x + u.y, 1, True, None),
        (lambda u: u.x**2 + u.y**2 - 1, 1, False, None),
        (lambda u: u.xxx + u.yyy, 3, True, False),
    ],
)
def test_order_linear_elliptic(equation, order, linear, elliptic):
    conditions = [gp.Dirichlet("boundary")]
    if order == 4:
        conditions.append(gp.Neumann("boundary"))
    facts = check(laplace(*conditions, equations=[equation]))
    assert (facts.order, facts.linear) == (order, linear)
    assert facts.equations[0].elliptic is elliptic
    assert not facts.pure_neumann


def test_a_zero_coefficient_does_not_count():
    facts = check(laplace(gp.Dirichlet("left"), equations=[lambda u: 0 * u.xxxx + u.x]))
    assert facts.order == 1


def test_pure_neumann_is_recognised():
    facts = check(laplace(gp.Neumann("boundary", 0.0)))
    assert facts.pure_neumann
    assert "mean" in facts.notes[0]


@pytest.mark.parametrize(
    "problem",
    [
        laplace(gp.Neumann("boundary"), equations=[lambda u: u.xx + u.yy - u]),
        laplace(gp.Neumann(["left", "right", "top"]), gp.Dirichlet("bottom")),
        laplace(gp.Robin("boundary", 1.0)),
        laplace(gp.Neumann("boundary"), IntegralCondition(lambda u: u, 0.0)),
        laplace(gp.Neumann("boundary"), Condition((0.0, 0.0), lambda u: u)),
        laplace(
            gp.Neumann("boundary"),
            data=Data(
                torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
            ),
        ),
    ],
)
def test_what_fixes_the_constant(problem):
    assert not check(problem).pure_neumann


def test_conditions_count_their_points():
    quarter = Condition("top", lambda u: u, where=lambda x: x > 0.5, label="quarter")
    facts = check(
        laplace(
            gp.Dirichlet(["left", "right", "bottom"]),
            quarter,
            Condition("top", lambda u: u.n - 1, where=lambda x: x <= 0.5),
        )
    )
    counts = [condition.points for condition in facts.conditions]
    assert sum(counts) == facts.boundary_points
    assert counts[1] == pytest.approx(facts.boundary_points / 16, abs=1)


def test_a_narrow_gap_on_a_named_side_is_found():
    gap = Condition("top", lambda u: u, where=lambda x: x < 0.9)
    with pytest.raises(gp.InputError, match="no condition on the side top") as raised:
        check(laplace(gp.Dirichlet(["left", "right", "bottom"]), gap))
    assert "Add one there" in raised.value.mend


def test_a_conflict_on_a_narrow_part_is_found():
    narrow = Condition("left", lambda u: u - 1, where=lambda y: torch.abs(y - 0.3) < 0.003)
    with pytest.raises(
        gp.InputError, match=r"conflict on the side left, at x = -1, y = 0\.(29|30)"
    ):
        check(laplace(gp.Dirichlet("boundary"), narrow))


def test_a_point_beside_a_corner_lies_on_one_side():
    points = torch.tensor([[-1.0, -1.0 + 1e-12]], dtype=torch.float64)
    normals = torch.tensor([[-1.0, 0.0]], dtype=torch.float64)
    assert [bool(on_side(SQUARE, name, points, normals)) for name in SQUARE.sides] == [
        name in ("boundary", "left") for name in SQUARE.sides
    ]


def test_fourth_order_takes_two_conditions():
    def plate(u):
        return u.xxxx + 2 * u.xxyy + u.yyyy

    with pytest.raises(gp.InputError, match=r"only one condition on .* of order 4, takes 2"):
        check(laplace(gp.Dirichlet("boundary"), equations=[plate]))


def test_conditions_on_a_curved_boundary():
    disk = gp.Disk(center=(0, 0), radius=1)
    with pytest.raises(gp.InputError, match="no condition on the boundary, at x ="):
        check(laplace(Condition("boundary", lambda u: u, where=lambda y: y > 0), domain=disk))


def test_parallel_conditions_of_equal_value_are_one():
    check(laplace(gp.Dirichlet("boundary", 2.0), Condition("left", lambda u: 4 - 2 * u)))


def test_conflict_names_both_conditions_and_values():
    first = Condition("boundary", lambda u, x, y: u - x * y, label="first")
    second = Condition("right", lambda u: 3 * u - 9, label="second")
    with pytest.raises(gp.InputError) as raised:
        check(laplace(first, second))
    message = str(raised.value)
    for words in ("'first'", "'second'", "side right", "x = 1", "other for 3"):
        assert words in message


def test_flux_and_derivative_are_the_same_quantity():
    across = Condition("right", lambda u: u.x - 1, label="u_x = 1")
    with pytest.raises(gp.InputError, match="in conflict"):
        check(laplace(gp.Dirichlet(["left", "top", "bottom"]), gp.Neumann("right", 0.0), across))


def test_values_that_jump_at_a_corner_are_no_conflict():
    check(laplace(gp.Dirichlet("top", 1.0), gp.Dirichlet(["left", "right", "bottom"], 0.0)))


def test_nonlinear_conditions_are_counted_but_not_compared():
    radiation = Condition("boundary", lambda u: u.n + u**4 - 1)
    assert not check(laplace(radiation)).linear


@pytest.mark.parametrize(
    "problem",
    [
        ode(gp.Dirichlet("boundary")),
        ode(gp.Dirichlet("left"), Condition("left", lambda u: u.x - 1)),
        ode(Condition((0.0,), lambda u: u), Condition((0.5,), lambda u: u - 1)),
        ode(gp.Neumann("boundary"), Condition((0.5,), lambda u: u)),
        ode(gp.Neumann("boundary"), IntegralCondition(lambda u: u)),
        ode(gp.Neumann("boundary")),
        ode(gp.Dirichlet("left", 1.0), equation=lambda u: u.x - u),
    ],
)
def test_ordinary_equations_take_as_many_conditions_as_their_order(problem):
    check(problem)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (ode(gp.Dirichlet("left")), "only one condition is given; .* takes 2 in all"),
        (ode(), "no condition is given"),
        (ode(gp.Dirichlet("boundary"), gp.Neumann("left")), "too many conditions"),
        (ode(gp.Dirichlet("boundary"), Condition((0.0,), lambda u: u - 1)), "conflict .* x = 0"),
        (ode(gp.Dirichlet("boundary"), equation=lambda u: u.x), "too many conditions"),
    ],
)
def test_ordinary_equations_with_other_numbers_of_conditions(problem, words):
    with pytest.raises(gp.InputError, match=words):
        check(problem)


def test_transport_needs_one_condition():
    with pytest.raises(gp.InputError, match="order 1 needs at least one"):
        check(laplace(equations=[lambda u: u.x + u.y]))


def test_a_fit_needs_none():
    facts = check(laplace(equations=[lambda u, x: u - x]))
    assert facts.order == 0
    assert "fitted" in facts.notes[0]


def test_unknown_without_an_equation():
    problem = gp.Problem("xy", "uv", SQUARE, [lambda u: u.xx + u.yy], [gp.Dirichlet("boundary")])
    with pytest.raises(gp.InputError, match="no equation mentions the unknown 'v'"):
        check(problem)


def test_data_outside_the_domain():
    points = torch.tensor([[0.0, 0.0], [0.0, 1.5]], dtype=torch.float64)
    problem = gp.Problem("xy", "u", SQUARE, data=Data(points, points[:, :1]))
    with pytest.raises(gp.InputError, match="1 of 2 measurements lie outside .* number 2"):
        check(problem)


@pytest.mark.parametrize(
    ("function", "point"),
    [
        (lambda p: 1 / p[:, 0], (0.0, None)),
        (lambda p: 1 / (p[:, 0] - 0.123456789), (0.123456789, None)),
        (lambda p: 1 / ((p[:, 0] - 0.21) ** 2 + (p[:, 1] + 0.63) ** 2), (0.21, -0.63)),
        (lambda p: (p[:, 0] - 0.777) ** -2 + p[:, 1], (0.777, None)),
        (lambda p: torch.log(p[:, 0] * 0 - 1), (None, None)),
    ],
)
def test_singularities_are_found(function, point):
    found = find_singularity(function, SQUARE)
    assert found is not None
    for value, expected in zip(found.point, point, strict=True):
        assert expected is None or value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda p: torch.exp(50 * p[:, 0]),
        lambda p: 1 / (p[:, 0] ** 2 + 1e-6),
        lambda p: 1 / (1.0 + p[:, 0]),  # infinite on the boundary, where no point of the inside is
        lambda p: p[:, 0] * 0 + 3,
        lambda p: torch.tanh(1e4 * p[:, 1]),
        lambda p: p[:, 0].abs().sqrt(),
    ],
)
def test_steep_functions_are_no_singularities(function):
    assert find_singularity(function, SQUARE) is None


def test_nothing_is_seeded_or_changed():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check(laplace(gp.Dirichlet("boundary")))
    assert torch.equal(torch.rand(2), expected)
