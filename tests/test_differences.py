"""Finite differences in time, for nonlinear equations and for systems: rates and own errors."""

from __future__ import annotations

import evolving as e
import numpy as np
import pytest
import torch
from shared import refused_by

from gmnm_pde.geometry import Interval, Rectangle
from gmnm_pde.problem import Condition, Dirichlet, Initial, Neumann, Periodic, Problem
from gmnm_pde.references import FiniteDifference
from gmnm_pde.references.grid import Grid
from gmnm_pde.references.stencils import periodic_matrix


def measured(problem: Problem, points: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """True and own relative L2 error of each unknown."""
    where = problem.region.sample_interior(300, "random", 3)
    exact = problem.reference.evaluate(problem, where).values
    found = FiniteDifference(points=points, order=order).evaluate(problem, where)
    true = (found.values - exact).norm(dim=0) / exact.norm(dim=0)
    return true.numpy(), np.array([found.own_error[name] for name in problem.unknowns])


BOUNDS = {
    e.heat: (6e-4, 4e-7),
    e.cooling: (2e-4, 1e-7),
    e.robin: (2e-3, 5e-6),
    e.advection: (3e-2, 6e-4),
    e.inflow: (2e-3, 2e-5),
    e.wave: (4e-3, 2e-5),
    e.burgers: (6e-3, 2e-4),
    e.bratu: (1e-4, 5e-8),
    e.constrained: (2e-3, 4e-6),
    e.schroedinger: (2e-2, 1e-3),
}
"""Errors that 41 points must stay below, for orders 2 and 4."""


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("make", BOUNDS, ids=lambda make: make.__name__)
def test_rate(make, order):
    true = []
    for n in (41, 81):
        error, own = measured(make(), n, order)
        true.append(error)
        assert (error / 5 < own).all()
        assert (own < 5 * error).all()
    assert true[0].max() < BOUNDS[make][order // 2 - 1]
    rates = np.log2(true[0] / true[1])
    assert rates.min() > order - 0.6


@pytest.mark.parametrize("make", [e.heat_2d, e.periodic_2d, e.traction], ids=lambda m: m.__name__)
def test_two_dimensions(make):
    true, own = measured(make(), 25, 4)
    assert true.max() < 2e-4
    assert (true / 10 < own).all()
    assert (own < 10 * true).all()


def test_two_conditions_at_an_end():
    true, own = measured(e.beam(), 41, 4)
    assert true < 5e-5
    assert true / 20 < own < 20 * true


def test_differences_around_a_circle():
    x = np.linspace(0.0, 2.0, 41)[:-1]
    for order, accuracy in ((1, 4), (2, 4), (3, 2), (4, 2)):
        matrix = periodic_matrix(len(x), x[1] - x[0], order, accuracy)
        found = matrix @ np.exp(1j * np.pi * x)
        exact = (1j * np.pi) ** order * np.exp(1j * np.pi * x)
        assert abs(found - exact).max() < (0.2 if accuracy == 2 else 0.003) * np.pi**order


def test_a_periodic_grid_interpolates_across_its_ends():
    grid = Grid((0.0,), (2.0,), 41, 4, (True,))
    assert grid.size == 40
    assert grid.sides == ()
    at = np.array([[0.0], [0.01], [1.99], [2.0]])
    values = grid.interpolation(at) @ np.sin(np.pi * grid.nodes[:, 0])
    np.testing.assert_allclose(values, np.sin(np.pi * at[:, 0]), rtol=0, atol=1e-7)
    assert grid.quadrature().sum() == pytest.approx(2.0, rel=1e-14)


def test_a_periodic_problem_without_time():
    problem = Problem(
        "xy", "u", Rectangle(x=(0, 2), y=(0, 1)),
        [lambda u, x, y: u.xx + u.yy - 2 * u.value + (1 + e.pi**2) * e.sin(e.pi * x) * e.exp(y)],
        [
            Periodic("x"),
            Dirichlet("bottom", lambda x: e.sin(e.pi * x)),
            Neumann("top", lambda x, y: e.sin(e.pi * x) * e.exp(y)),
        ],
    )  # fmt: skip
    where = problem.domain.sample_interior(100, "random", 0)
    exact = e.sin(e.pi * where[:, 0]) * e.exp(where[:, 1])
    found = FiniteDifference(points=41, order=4).evaluate(problem, where)
    error = float((found.values[:, 0] - exact).norm() / exact.norm())
    assert error < 2e-5
    assert error / 5 < found.own_error["u"] < 5 * error


def test_continuation_starts_from_the_easier_problem():
    def troesch(k, easier=()):
        return Problem(
            "x", "u", Interval(0, 1), [lambda u: u.xx - k * torch.sinh(k * u.value)],
            [Dirichlet("left"), Dirichlet("right", 1.0)], easier=easier,
        )  # fmt: skip

    steps = [(f"k = {k}", troesch(float(k))) for k in (1, 2, 3)]
    at = torch.tensor([[0.5], [0.8]], dtype=torch.float64)
    direct = FiniteDifference(points=201, order=4).evaluate(troesch(4.0), at).values
    found = FiniteDifference(points=201, order=4).evaluate(troesch(4.0, steps), at).values
    torch.testing.assert_close(found, direct, rtol=1e-9, atol=0)


def refused(words: str, *, points: int = 21, **parts: object) -> None:
    refused_by(FiniteDifference(points=points), words, **parts)


def test_refusals():
    refused("no initial condition for u", conditions=[Dirichlet("boundary")])
    refused("points: 20000 or fewer", points=30_000)
    refused("second derivatives in time", equations=[lambda u: u.ttt - u.xx])
    refused("not finite at", equations=[lambda u, t: u.t - u.xx - 1 / (t - t)])
    square = {
        "coordinates": "xy",
        "unknowns": "uvp",
        "domain": Rectangle(x=(0, 1), y=(0, 1)),
        "time": None,
        "conditions": [Dirichlet("boundary", 0.0, "u"), Dirichlet("boundary", 0.0, "v")],
    }
    stokes = [
        lambda u, p: u.xx + u.yy - p.x,
        lambda v, p: v.xx + v.yy - p.y,
        lambda u, v: u.x + v.y,
    ]
    refused("like a pressure", **square, equations=stokes)
    refused(
        "blow up",
        equations=[lambda u: u.t - u.xx / 10 - u**2],
        conditions=[Initial(2.0), Neumann("boundary")],
    )
    refused(
        "no solution",
        coordinates="x",
        time=None,
        equations=[lambda u: u.xx + 40 * e.exp(u.value)],
        conditions=[Dirichlet("left"), Condition("right", lambda u: u.value)],
    )
