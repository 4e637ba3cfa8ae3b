"""Equations in space and time as equations for the coefficients of modes."""

from __future__ import annotations

import math
from dataclasses import replace

import evolving
import numpy as np
import pytest
import torch
from evolution_parts import evenly, graded, growth, make_system
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.evolution.rows import at_time, orders_along
from gmnm_pde.evolution.spacing import Spacing
from gmnm_pde.evolution.system import Shape, System, shape_of
from gmnm_pde.geometry import Disk, Interval, Rectangle
from gmnm_pde.problem import (
    Condition,
    Dirichlet,
    Initial,
    IntegralCondition,
    Interface,
    Neumann,
    Periodic,
    Problem,
    Robin,
)

exp, sin, cos, pi = torch.exp, torch.sin, torch.cos, math.pi
LINE, TIME = Interval(-1, 1), (0.0, 1.0)

MIXED = Problem(
    "xyt",
    "uv",
    Rectangle(x=(0, 1), y=(0, 2)),
    [
        lambda u, v, x, t: u.t - v + u**3 + (1 + x * t) * u * u.y,
        lambda u, v: v - u.xx - u.yy - u * v,
    ],
    [
        Initial(lambda x, y: cos(x) + sin(pi * y), "u"),
        Initial(lambda x, y: cos(x) * cos(pi * y), "v"),
        Periodic("y"),
        Robin("left", lambda y, t: 2 + t * sin(pi * y), lambda t: exp(-t), "u"),
        Dirichlet("right", lambda y, t: sin(pi * y) * cos(t), "u"),
        Condition("right", lambda v, t: v.n + v**3 - t),
        IntegralCondition(lambda v, x: x * v**2 + v.x, 0.3),
    ],
    time=TIME,
)
"""A constraint, and conditions of every kind; nonlinear wherever something can be."""

SECOND = Problem(
    "xt",
    "uv",
    LINE,
    [
        lambda u, v: v.t - v.xx + u.t * v,
        lambda u, v, x: (2 + x) * u.tt + (1 + u**2) * u.t - u.xx + v * v.t,
    ],
    [
        Initial(lambda x: sin(x), "u"), Initial(lambda x: cos(x), "u", rate=True),
        Initial(0.0, "v"),
        Condition("left", lambda u: u.t - u.x),
        Dirichlet("right", lambda t: sin(t), "u"),
        Condition("boundary", lambda u, v, t: v.n + v**2 * u + t * u.t),
    ],
    time=TIME,
)  # fmt: skip
"""Orders one and two in time, and rates in conditions."""


def line(**options: object) -> Problem:
    given = {
        "coordinates": "xt", "unknowns": "u", "domain": LINE, "time": TIME,
        "equations": [lambda u: u.t - u.xx], "conditions": [Initial(0.0)], **options,
    }  # fmt: skip
    return Problem(**given)


def some_state(system: System, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (3, system.unknowns, system.modes.count)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# F and its derivatives


@pytest.mark.parametrize(
    ("problem", "spacings"),
    [
        (MIXED, evenly(MIXED.domain, 3)),
        (SECOND, [graded(LINE, 0.3, "left")]),
        (evolving.cooling(), evenly(evolving.LINE, 6)),
        (evolving.vortex(), evenly(evolving.vortex().domain, 2)),
    ],
    ids=["constraint and all conditions", "second order", "radiation", "pressure"],
)
def test_jacobians_are_those_of_the_residual(problem, spacings):
    system = make_system(problem, spacings, aim=1e-2)
    c, time, h = some_state(system), 0.37, 1e-5
    jacobians = system.jacobians(time, c)
    assert len(jacobians) == max(system.shape.orders) + 1
    for rate, jacobian in enumerate(jacobians):
        assert jacobian.shape == (system.size, system.size)
        for seed in range(4):
            change, full = torch.zeros_like(c), some_state(system, seed)[0]
            change[rate] = full
            after, before = (system.residual(time, c + sign * h * change) for sign in (1, -1))
            expected = (after - before) / (2 * h)
            found = jacobian @ full.flatten()
            size = float(expected.abs().max())
            torch.testing.assert_close(found, expected, rtol=0, atol=3e-7 * size)


@pytest.mark.parametrize(
    ("problem", "spacings"),
    [
        (MIXED, evenly(MIXED.domain, 3)),
        (SECOND, [graded(LINE, 0.3, "left")]),
        (evolving.vortex(), evenly(evolving.vortex().domain, 2)),
    ],
    ids=["constraint and all conditions", "second order", "pressure"],
)
def test_residuals_at_several_times_are_those_at_each(problem, spacings):
    system = make_system(problem, spacings, aim=1e-2)
    times, c = [0.1, 0.7, 0.4], torch.stack([some_state(system, seed) for seed in range(3)])
    found = system.residuals(times, c)
    expected = torch.stack([system.residual(t, part) for t, part in zip(times, c, strict=True)])
    assert found.shape == (3, system.size)
    size = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12 * size)
    # They depend on both.
    assert float((found[0] - system.residual(0.7, c[0])).abs().max()) > 1e-6 * size


def coefficients(system: System, t: float) -> Tensor:
    """Those of the exact solution and of its derivatives in time, by differences."""
    problem = system.problem
    assert problem.reference is not None

    def values(time: float) -> Tensor:
        points = at_time(system.modes.points, time)
        return problem.reference.evaluate(problem, points).values.T

    h = 1e-3
    far, near = values(t + 2 * h), values(t + h)
    now, back, behind = values(t), values(t - h), values(t - 2 * h)
    rate = (8 * (near - back) - (far - behind)) / (12 * h)
    second = (16 * (near + back) - (far + behind) - 30 * now) / (12 * h**2)
    return torch.stack([system.modes.project(part) for part in (now, rate, second)])


EXACT = ["heat", "cooling", "robin", "advection", "inflow", "wave", "sine_gordon", "burgers",
         "korteweg", "beam", "schroedinger", "constrained", "heat_2d"]  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_exact_solutions_satisfy_the_system(name):
    problem = getattr(evolving, name)()
    # Long domains and fronts need more; noise of fourth derivatives is less for few.
    more = {"burgers": 40, "korteweg": 32, "schroedinger": 32, "sine_gordon": 32}
    cells = {"beam": 8, "heat_2d": 6, **more}.get(name, 16)
    system = make_system(problem, evenly(problem.domain, cells), aim=1e-7)
    c = coefficients(system, 0.3)
    missed = float(system.residual(0.3, c).norm())
    # As it is, and with the unknowns, but not their rates, changed by a tenth.
    other = float(system.residual(0.3, c * torch.tensor([1.1, 1, 1])[:, None, None]).norm())
    assert missed < 1e-4 * other


def test_conditions_take_the_place_of_as_many_equations():
    for problem, rows in ((evolving.heat(), 2), (evolving.korteweg(), 3), (evolving.beam(), 4)):
        system = make_system(problem, evenly(problem.domain, 12))
        assert system._bound.shape == (rows, rows)
        assert system._free.shape == (system.size, system.size - rows)


def test_a_condition_that_is_said_twice_counts_once():
    twice = replace(evolving.heat(), conditions=[*evolving.heat().conditions, Dirichlet("left")])
    system = make_system(twice, evenly(twice.domain, 12))
    assert system._bound.shape == (3, 2)
    c = some_state(system)
    assert len(system.residual(0.0, c)) == system.size
    assert torch.linalg.cond(sum(system.jacobians(0.0, c))) < 1e12


def test_without_conditions_all_equations_are_kept():
    problem = line(equations=[lambda u, x: u.t - x * (1 - x**2) * u.x])
    system = make_system(problem, evenly(LINE, 8))
    c = some_state(system)
    assert len(system.residual(0.0, c)) == system.size
    assert torch.equal(system.admissible(0.0, c), c)


# which equation determines which unknown

SHAPES = {
    "heat": Shape((1,), (0,)),
    "wave": Shape((2,), (0,)),
    "schroedinger": Shape((1, 1), (0, 1)),
    "constrained": Shape((1, 0), (0, 1)),
    "vortex": Shape((1, 1, 0), (0, 1, 2), (2,)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    assert shape_of(getattr(evolving, name)()) == SHAPES[name]


@pytest.mark.parametrize("name", SHAPES)
def test_the_order_of_the_equations_does_not_matter(name):
    problem = getattr(evolving, name)()
    turned = replace(problem, equations=problem.equations[::-1])
    assert shape_of(turned).determines == SHAPES[name].determines[::-1]
    assert shape_of(turned).orders == SHAPES[name].orders


def test_rates_of_other_unknowns_do_not_mislead():
    """Both equations hold u_t; v_t is in one only."""
    problem = line(
        unknowns="uv", equations=[lambda u, v: u.t + v.t - u.xx, lambda u, v: u.t - v.xx]
    )
    assert shape_of(problem) == Shape((1, 1), (1, 0))


def test_an_order_that_vanishes_is_none():
    assert shape_of(line(equations=[lambda u: 0 * u.tt + u.t - u.xx])).orders == (1,)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"equations": [lambda u: u.t - u.xx] * 2}, "2 equations for 1 unknowns"),
        ({"unknowns": "uv"}, "1 equations for 2 unknowns"),
        ({"equations": [lambda u: u.ttt - u.xx]}, "order 3"),
    ],
)
def test_other_shapes_are_refused(options, words):
    with pytest.raises(InputError, match=words) as caught:
        shape_of(line(**options))
    assert caught.value.mend


# the initial state


def test_the_initial_state_is_what_the_conditions_say():
    problem = evolving.wave()
    system = make_system(problem, evenly(problem.domain, 16))
    c, x = system.initial(0.0), system.modes.points[:, 0]
    values = system.modes.values(c[:2, 0]).T
    torch.testing.assert_close(values[:, 0], sin(pi * x), rtol=0, atol=1e-7)
    torch.testing.assert_close(values[:, 1], pi * sin(2 * pi * x), rtol=0, atol=1e-5)
    assert system.initial_misfit(0.0, c).abs().max() < 1e-7
    assert system.initial_misfit(0.0, 2 * c).abs().max() > 0.5


def test_an_initial_condition_may_have_a_factor():
    problem = line(conditions=[Condition("initial", lambda u, x: 3 * u - sin(x))])
    system = make_system(problem, evenly(LINE, 8))
    values = system.modes.values(system.initial(0.0)[0, 0])
    torch.testing.assert_close(values, sin(system.modes.points[:, 0]) / 3, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "residual", [lambda u, v: u + v, lambda u: u + u.t, lambda u: u.x - 1, lambda u, x: sin(x)]
)
def test_initial_conditions_that_do_not_say_what_an_unknown_is_are_refused(residual):
    problem = line(
        unknowns="uv",
        equations=[lambda u: u.t - u.xx, lambda v: v.t - v.xx],
        conditions=[Condition("initial", residual, label="this one")],
    )
    system = make_system(problem, evenly(LINE, 8))
    with pytest.raises(InputError, match="this one") as caught:
        system.initial(0.0)
    assert caught.value.mend


CONDITIONS = {
    "values": [Dirichlet("left", 2.0), Dirichlet("right", lambda t: 3 + t)],
    "fluxes": [Neumann("left", 1.0), Robin("right", 5.0, lambda t: t - 2)],
    "a point": [Condition((0.25,), lambda u: u - 4)],
    "an integral": [IntegralCondition(lambda u, x: (1 + x) ** 2 * u, 0.7)],
    "a period": [Periodic("x")],
}


@pytest.mark.parametrize("kind", ["even", "left", "middle"])
@pytest.mark.parametrize("conditions", CONDITIONS.values(), ids=CONDITIONS)
def test_admissible_states_satisfy_the_conditions(conditions, kind):
    """Whatever the spacings at the ends."""
    problem = line(conditions=[Initial(lambda x: sin(x)), *conditions])
    system = make_system(problem, [graded(LINE, 0.2, kind)], aim=1e-6)
    t = 0.4
    c = system.admissible(t, system.initial(0.0))[0, 0]
    at = {
        order: [
            (system.modes.at(torch.tensor([[x]]).double(), [(order,)])[(order,)] @ c).item()
            for x in (-1.0, 0.25, 1.0)
        ]
        for order in range(2)
    }
    points, weights = np.polynomial.legendre.leggauss(60)
    values = system.modes.at(torch.tensor(points[:, None]), [(0,)])[(0,)] @ c
    low, middle, high = at[0]
    slope, _, other = at[1]
    integral = weights @ ((1 + points) ** 2 * values.numpy())
    missed = {
        "values": [low - 2, high - 3 - t],
        "fluxes": [-slope - 1, other + 5 * high - (t - 2)],
        "a point": [middle - 4],
        "an integral": [integral - 0.7],
        "a period": [low - high, slope - other],
    }
    name = next(name for name, item in CONDITIONS.items() if item is conditions)
    assert np.abs(missed[name]).max() < 1e-8


def test_an_integral_over_a_disk_is_right():
    """Of x^2 over the unit disk, to the error of its quadrature."""
    problem = Problem(
        "xyt", "u", Disk((0, 0), 1), [lambda u: u.t - u.xx - u.yy],
        [Initial(1.0), IntegralCondition(lambda u, x: x**2 * u, pi / 4)], time=TIME,
    )  # fmt: skip
    system = make_system(problem, evenly(problem.domain, 5), aim=1e-4)
    c = system.modes.project(torch.ones_like(system.modes.weights))
    state = torch.zeros(3, 1, system.modes.count).double()
    state[0, 0] = c
    moved = system.admissible(0.0, state)
    assert (system.modes.values((moved - state)[0, 0])).abs().max() < 5e-3


# what conditions stand on


def test_conditions_on_parts_of_the_boundary():
    problem = replace(
        evolving.heat_2d(),
        conditions=[
            Initial(0.0),
            Condition("bottom", lambda u: u - 1, where=lambda x: x < 0.5),
            Dirichlet(["left", "top"]),
        ],
    )
    system = make_system(problem, evenly(problem.domain, 6), aim=1e-3)
    part, *sides = (block.points for block in system._conditions)
    assert len(sides) == 2
    assert bool(((part[:, 1] == 0) & (part[:, 0] < 0.5)).all())
    assert part[:, 0].max() > 0.4
    assert bool((sides[0][:, 0] == 0).all())
    assert bool((sides[1][:, 1] == 1).all())
    assert sides[1][:, 0].max() > 0.9


def test_normals_point_outwards():
    system = make_system(MIXED, evenly(MIXED.domain, 3), aim=1e-2)
    robin = next(block for block in system._conditions if block.label == "Robin")
    assert robin.normals is not None
    assert torch.equal(robin.normals.unique(dim=0), torch.tensor([[-1.0, 0.0, 0.0]]).double())


def test_derivatives_along_a_coordinate_are_counted():
    problem = replace(MIXED, equations=[lambda u, v: u.t - u.xxx, lambda u, v: v.t - v.yy])
    assert orders_along(problem, 0, 0.0) == {"u": 3, "v": 1}
    assert orders_along(problem, 1, 0.0) == {"u": 1, "v": 2}


def test_interfaces_are_refused():
    problem = line(
        conditions=[Initial(0.0), Interface("inner", lambda u: u)],
        subdomains={"inner": Interval(-0.5, 0.5)},
    )
    with pytest.raises(InputError, match="least_squares"):
        make_system(problem, evenly(LINE, 8))


def test_a_point_in_space_and_time_is_refused():
    problem = line(conditions=[Initial(0.0), Condition((0.0, 0.5), lambda u: u)])
    with pytest.raises(InputError, match="space and time") as caught:
        make_system(problem, evenly(LINE, 8))
    assert "x" in str(caught.value.mend)


# what grows


WAVES = {
    "advection": (line(equations=[lambda u: u.t + u.x], conditions=[Periodic("x")]), 3e-3),
    "wave": (
        line(equations=[lambda u: u.tt - u.xx], conditions=[Dirichlet("left"), Neumann("right")]),
        1e-9,
    ),
    "periodic wave": (
        line(equations=[lambda u: u.tt - u.xx], conditions=[Periodic("x")]), 1e-3,
    ),
    "beam": (
        line(
            equations=[lambda u: u.tt + u.xxxx],
            conditions=[Dirichlet("boundary"), Neumann("boundary")],
        ),
        1e-6,
    ),
    "third order": (
        line(
            equations=[lambda u: u.t + u.xxx], conditions=[Dirichlet("boundary"), Neumann("right")]
        ),
        -1.0,
    ),
    "inflow": (line(equations=[lambda u: u.t + u.x], conditions=[Dirichlet("left")]), 0.0),
    "heat": (line(conditions=[Dirichlet("boundary")]), -2.4),
}  # fmt: skip


@pytest.mark.parametrize("aim", [1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize(("kind", "h"), [("even", 0.1), ("left", 0.1), ("middle", 0.06)])
@pytest.mark.parametrize("name", WAVES)
def test_nothing_grows_that_should_not(name, kind, h, aim):
    problem, limit = WAVES[name]
    system = make_system(problem, [graded(LINE, h, kind)], aim)
    found = growth(system, 0.0)
    assert found < limit


@pytest.mark.parametrize("aim", [1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize(("kind", "h"), [("even", 0.05), ("left", 0.1), ("middle", 0.1)])
def test_third_derivatives_with_a_period_do_not_grow(kind, h, aim):
    """As far as steps follow: eigenvalues above are damped by every step."""
    problem = line(equations=[lambda u: u.t + u.xxx], conditions=[Periodic("x")])
    system = make_system(problem, [graded(LINE, h, kind)], aim)
    found = growth(system, 0.0, below=1e4)
    assert found < 5e-3


def test_spacings_that_differ_at_the_ends_of_a_period():
    """Waves pass from one end to the other unchanged."""
    x = np.linspace(-1, 1, 401)
    problem, _ = WAVES["advection"]
    system = make_system(problem, [Spacing(x, 0.05 * (2 + x))], aim=1e-6)
    values = torch.exp(sin(pi * system.modes.points[:, 0]))
    c = torch.zeros(3, 1, system.modes.count).double()
    c[0, 0] = system.modes.project(values)
    moved = system.admissible(0.0, c)
    assert (moved - c).abs().max() < 1e-8
