"""The spectral reference against exact solutions, and what it says about its own error."""

from __future__ import annotations

import math

import evolving as e
import numpy as np
import pytest
import torch
from shared import refused_by

from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Box, Disk, Interval, Rectangle
from gmnm_pde.problem import (
    Condition,
    Data,
    Dirichlet,
    Initial,
    IntegralCondition,
    Interface,
    Neumann,
    Periodic,
    Problem,
)
from gmnm_pde.references import Exact, Spectral
from gmnm_pde.references.bases import Axis, Polynomials, Waves
from gmnm_pde.references.factors import Factors, Singular
from gmnm_pde.references.grid import Side
from gmnm_pde.references.roles import Roles
from gmnm_pde.references.rule import radau

exp, sin, cos, pi = torch.exp, torch.sin, torch.cos, math.pi


def errors(problem: Problem, reference: Spectral) -> tuple[np.ndarray, np.ndarray]:
    """True and own relative L2 error of each unknown."""
    points = problem.region.sample_interior(500, "random", 3)
    exact = problem.reference.evaluate(problem, points).values
    found = reference.evaluate(problem, points)
    true = (found.values - exact).norm(dim=0) / exact.norm(dim=0)
    return true.numpy(), np.array([found.own_error[name] for name in problem.unknowns])


# functions of one coordinate


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_polynomials_are_differentiated_exactly(order):
    basis = Polynomials(-1.0, 3.0, 12)
    at = np.array([-1.0, -0.3, 0.0, 1.0, 2.9, 3.0])
    power = np.polynomial.Polynomial.basis(11)
    derivative = power.deriv(order) if order else power
    found = basis.matrix(at, order) @ power(basis.nodes)
    np.testing.assert_allclose(found, derivative(at), rtol=0, atol=1e-9 * abs(derivative(3.0)))


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_waves_are_differentiated_exactly(order):
    basis = Waves(0.5, 2.5, 11)
    at = np.array([0.5, 0.77, 1.9, 2.5])
    for k in range(6):
        wave = np.exp(1j * pi * k * basis.nodes)
        exact = (1j * pi * k) ** order * np.exp(1j * pi * k * at)
        np.testing.assert_allclose(basis.matrix(at, order) @ wave, exact, rtol=0, atol=1e-8)
    assert abs(basis.matrix(at) @ np.exp(6j * pi * basis.nodes) - np.exp(6j * pi * at)).max() > 0.1


def test_the_axis_integrates():
    axis = Axis(0.0, 2.0, 5)
    assert axis.weights @ axis.points**9 == pytest.approx(2.0**10 / 10, rel=1e-13)
    ring = Axis(0.0, 1.0, 5, periodic=True)
    assert ring.weights @ np.cos(2 * pi * ring.points) ** 2 == pytest.approx(0.5, rel=1e-13)


@pytest.mark.parametrize("stages", [3, 5])
def test_the_rule_solves_a_linear_equation_to_its_order(stages):
    """y' = -y on one step: the end is right to order 2 s - 1."""
    rule = radau(stages)
    sizes, found = np.array([0.6, 0.3]) * stages / 3, []
    for h in sizes:
        y = np.linalg.solve(rule.slopes[:, 1:] / h + np.eye(stages), -rule.slopes[:, 0] / h)
        found.append(abs(y[-1] - math.exp(-h)))
    slopes = np.diff(np.log(found)) / np.diff(np.log(sizes))
    assert slopes[0] == pytest.approx(2 * stages, abs=0.8)
    values = np.concatenate([rule.values, rule.values.conj()])
    inverse = np.linalg.eigvals(rule.slopes[:, 1:])
    assert all(np.abs(values - v).min() < 1e-8 for v in inverse)
    assert inverse.real.min() > 0.0


# problems

CASES = {
    e.heat: (16, 1e-11),
    e.cooling: (12, 1e-11),
    e.robin: (12, 1e-11),
    e.advection: (25, 1e-11),
    e.inflow: (14, 1e-10),
    e.wave: (22, 1e-11),
    e.sine_gordon: (54, 1e-9),
    e.burgers: (72, 1e-9),
    e.korteweg: (48, 1e-10),
    e.beam: (16, 1e-10),
    e.schroedinger: (44, 1e-8),
    e.constrained: (16, 1e-10),
    e.heat_2d: (10, 1e-10),
    e.periodic_2d: (7, 1e-11),
    e.bratu: (16, 1e-11),
    e.kovasznay: (13, 1e-6),
    e.vortex: (10, 1e-6),
    e.traction: (11, 1e-9),
}
"""Points, and what the true error must stay below."""


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_against_the_exact_solution(make):
    points, bound = CASES[make]
    true, own = errors(make(), Spectral(points=points))
    assert true.max() < bound
    assert (true < 3 * own + 1e-13).all()


@pytest.mark.parametrize(
    ("make", "points"),
    [(e.heat, 9), (e.advection, 15), (e.wave, 13), (e.burgers, 22), (e.korteweg, 24),
     (e.sine_gordon, 24), (e.constrained, 9), (e.kovasznay, 10), (e.schroedinger, 18)],
    ids=lambda item: getattr(item, "__name__", str(item)),
)  # fmt: skip
def test_it_knows_its_own_error(make, points):
    """On grids that do not resolve the solution to rounding."""
    true, own = errors(make(), Spectral(points=points))
    assert true.min() > 1e-12
    assert (true < own).all()
    assert (own < 100 * true).all()


def test_errors_fall_exponentially():
    found = [errors(e.burgers(), Spectral(points=n))[0][0] for n in (12, 20, 28)]
    assert found[1] < found[0] / 15
    assert found[2] < found[1] / 15


@pytest.mark.parametrize("make", [e.heat, e.advection, e.robin, e.bratu, e.periodic_2d])
def test_it_finds_how_many_points_it_needs(make):
    true, own = errors(make(), Spectral())
    assert own.max() < 1e-10
    assert true.max() < 1e-10


def test_what_space_resolves_at_once_is_still_measured_in_time():
    """Levels of one tolerance have the same error in time, which cancels from their difference."""

    def exact(x, t):
        return x * (1 - x) * cos(6 * t)

    problem = Problem(
        "xt", "u", Interval(0, 1),
        [lambda u, x, t: u.t - u.xx + 6 * x * (1 - x) * sin(6 * t) - 2 * cos(6 * t)],
        [Initial(exact), Dirichlet("boundary")], time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip
    true, own = errors(problem, Spectral())
    assert true.max() < 1e-10
    assert (true < 3 * own).all()


def test_a_traction_determines_the_displacement_that_it_pulls_at():
    problem = e.traction()
    claims = Roles(problem, "test").claims
    tractions = {Side(0, 1): problem.conditions[2:4], Side(1, 1): problem.conditions[4:]}
    for side, conditions in tractions.items():
        for unknown, condition in enumerate(conditions):
            (claim,) = [c for c in claims if c.side == side and c.condition is condition]
            assert claim.unknown == unknown


def test_many_periods_do_not_grow():
    problem = Problem(
        "xt", "u", Interval(-1, 1), [lambda u: u.t + u.x],
        [Initial(lambda x: sin(pi * x)), Periodic("x")], time=(0, 40),
    )  # fmt: skip
    at = torch.tensor([[-0.7, 40.0], [0.2, 40.0], [1.0, 40.0]], dtype=torch.float64)
    found = Spectral(points=7).evaluate(problem, at).values[:, 0]
    torch.testing.assert_close(found, sin(pi * at[:, 0]), rtol=0, atol=1e-10)


def test_initial_values_that_disagree_with_the_boundary():
    """Heat that leaves a bar at once: the series of the exact solution."""
    problem = Problem(
        "xt", "u", Interval(0, 1), [lambda u: u.t - u.xx], [Initial(1.0), Dirichlet("boundary")],
        time=(0, 1),
    )  # fmt: skip
    at = problem.region.sample_interior(300, "random", 0)
    x, t = at.T
    k = pi * torch.arange(1, 400, 2, dtype=torch.float64)
    exact = (4 / k * sin(k * x[:, None]) * exp(-(k**2) * t[:, None])).sum(1)
    found = Spectral(points=40).evaluate(problem, at)
    error = float((found.values[:, 0] - exact).norm() / exact.norm())
    assert error < 1e-4
    assert error < 3 * found.own_error["u"]


def test_the_pressure_may_be_fixed_by_its_mean_or_not_at_all():
    problem = e.kovasznay()
    velocity = problem.conditions[:2]
    points = problem.region.sample_interior(100, "random", 0)
    reference = Spectral(points=12)
    found = reference.evaluate(problem, points).values
    for extra in ([IntegralCondition(lambda p: p)], []):
        other = Problem("xy", "uvp", problem.domain, problem.equations, [*velocity, *extra])
        values = reference.evaluate(other, points).values
        torch.testing.assert_close(values[:, :2], found[:, :2], rtol=0, atol=1e-9)
        shift = values[:, 2] - found[:, 2]
        torch.testing.assert_close(shift, shift.mean().expand(100), rtol=0, atol=1e-8)
        assert abs(float(shift.mean())) > 0.1


def test_a_free_constant():

    def equation(u, x, y):
        return u.xx + u.yy - (1 - pi**2) * cos(pi * x) * exp(y)

    sides = [
        Neumann(["left", "right"]),
        Neumann("top", lambda x, y: cos(pi * x) * exp(y)),
        Neumann("bottom", lambda x, y: -cos(pi * x) * exp(y)),
    ]
    domain = Rectangle(x=(0, 1), y=(0, 1))
    points = domain.sample_interior(100, "random", 0)
    exact = cos(pi * points[:, 0]) * exp(points[:, 1])
    for shift, extra in {0.0: [], 2.0: [IntegralCondition(lambda u: u, 2.0)]}.items():
        problem = Problem("xy", "u", domain, [equation], [*sides, *extra])
        found = Spectral(points=14).evaluate(problem, points).values[:, 0]
        torch.testing.assert_close(found, exact + shift, rtol=0, atol=1e-10)


def test_two_conditions_on_every_side_of_a_plate():
    def exact(x, y):
        return (sin(pi * x) * sin(pi * y)) ** 2

    def equation(u, x, y):
        a, b = cos(2 * pi * x), cos(2 * pi * y)
        return u.xxxx + 2 * u.xxyy + u.yyyy - 4 * pi**4 * (4 * a * b - a - b)

    domain = Rectangle(x=(0, 1), y=(0, 1))
    conditions = [Dirichlet("boundary"), Neumann("boundary")]
    problem = Problem("xy", "u", domain, [equation], conditions)
    points = domain.sample_interior(100, "random", 0)
    found = Spectral(points=16).evaluate(problem, points).values[:, 0]
    torch.testing.assert_close(found, exact(*points.T), rtol=0, atol=1e-8)


def test_where_splits_a_side():
    """Dirichlet on one part, the same numbers by another condition on the rest."""

    def exact(x, y):
        return exp(x) * sin(y)

    problem = Problem(
        "xy", "u", Rectangle(x=(0, 1), y=(0, 1)), [lambda u: u.xx + u.yy],
        [
            Dirichlet(["left", "right", "top"], exact),
            Condition("bottom", lambda u, x, y: u - exact(x, y), where=lambda x: x < 0.4),
            Condition("bottom", lambda u, x: 2 * u.value, where=lambda x: x >= 0.4),
        ],
    )  # fmt: skip
    points = problem.domain.sample_interior(50, "random", 0)
    found = Spectral(points=12).evaluate(problem, points).values[:, 0]
    torch.testing.assert_close(found, exact(*points.T), rtol=0, atol=1e-10)


def test_three_dimensions():
    def exact(x, y, z):
        return sin(x + 2 * y) * exp(z)

    cube = Box(((0, 1), (0, 1), (0, 1)))
    problem = Problem(
        "xyz", "u", cube, [lambda u, x, y, z: u.xx + u.yy + u.zz + 4 * exact(x, y, z)],
        [Dirichlet(["left", "right", "bottom", "top", "back"], exact), Neumann("front", exact)],
    )  # fmt: skip
    points = cube.sample_interior(50, "random", 0)
    found = Spectral(points=8).evaluate(problem, points).values[:, 0]
    torch.testing.assert_close(found, exact(*points.T), rtol=0, atol=1e-6)


def test_continuation_starts_from_the_easier_problem():
    """u'' = k sinh(k u), u(1) = 1 (Troesch): from zero Newton's method does not get there."""

    def troesch(k, easier=()):
        return Problem(
            "x", "u", Interval(0, 1), [lambda u: u.xx - k * torch.sinh(k * u.value)],
            [Dirichlet("left"), Dirichlet("right", 1.0)], easier=easier,
        )  # fmt: skip

    steps = [(f"k = {k}", troesch(float(k))) for k in (1, 2, 3, 4, 5)]
    at = torch.tensor([[0.5], [0.9]], dtype=torch.float64)
    found = Spectral(points=70).evaluate(troesch(6.0, steps), at)
    # S. M. Roberts and J. S. Shipman, J. Comput. Phys. 21, 1976: u'(0) = 0.0183..., k = 5, and the
    # invariant u'^2 / 2 - cosh(k u) is the same at all points.
    assert found.own_error["u"] < 1e-6
    assert 0.0 < float(found.values[0, 0]) < 0.05


def test_it_solves_once_for_each_problem():
    reference, problem = Spectral(points=8), e.heat()
    assert reference.solve(problem) is reference.solve(problem)
    assert reference == Spectral(points=8)


# refusals


def refused(words: str, *, points: int | None = 8, **parts: object) -> None:
    refused_by(Spectral(points=points), words, **parts)


def test_refusals():
    steady = {"coordinates": "x", "time": None, "equations": [lambda u: u.xx]}
    refused("not a domain of kind 'disk'", coordinates="xyt", domain=Disk((0, 0), 1))
    refused("as many equations as unknowns", unknowns="uv")
    refused("cannot use measurements", data=Data(torch.zeros(1, 2), torch.zeros(1, 1)))
    refused("interfaces", conditions=[Initial(0.0), Interface("part", lambda u: u)])
    refused("no initial condition for u", conditions=[Dirichlet("boundary")])
    refused("no initial condition for u_t", equations=[lambda u: u.tt - u.xx])
    refused(
        "read initial values off",
        conditions=[Condition("initial", lambda u: u + u.x), Dirichlet("boundary")],
    )
    refused("not finite at", equations=[lambda u, x: u.t - u.xx - 1 / (x - x)])
    refused("do not determine", **steady, conditions=[Dirichlet("left")])
    refused(
        "one condition too many",
        **steady,
        conditions=[Dirichlet("boundary"), IntegralCondition(lambda u: u, 1.0)],
    )
    refused(
        "is on a side across which", conditions=[Initial(0.0), Periodic("x"), Dirichlet("left")]
    )
    refused(
        "does not depend on an unknown", conditions=[Initial(0.0), Condition("left", lambda x: x)]
    )
    refused("points: 2500 or fewer", points=3000)
    with pytest.raises(InputError, match="at least 6 points, not 4"):
        Spectral(points=4)


@pytest.mark.parametrize("n", range(3, 40))
def test_a_matrix_that_rounding_alone_keeps_from_being_singular_is_seen(n):
    """One row is a sum of the others; sizes of unknowns and equations say nothing about that."""
    generator = np.random.default_rng(n)
    matrix = generator.standard_normal((n, n))
    sizes = 10.0 ** generator.uniform(-8, 8, (2, n))
    right = generator.standard_normal(n)
    regular = sizes[0, :, None] * matrix * sizes[1]
    found = Factors(regular).solve(regular @ (right / sizes[1]))
    np.testing.assert_allclose(sizes[1] * found, right, rtol=0, atol=1e-10)
    matrix[0] = matrix[1:].sum(axis=0)
    for singular in (matrix, sizes[0, :, None] * matrix * sizes[1]):
        with pytest.raises(Singular):
            Factors(singular)


def test_a_blow_up_is_refused_with_its_time():
    """u_t = u^2 from 2 ends at t = 1/2."""
    refused(
        r"come to t = 0\.5 only",
        equations=[lambda u: u.t - u.xx / 10 - u**2],
        conditions=[Initial(2.0), Neumann("boundary")],
    )
