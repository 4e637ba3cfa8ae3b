"""Problems with time solved in space and time at once, by least squares on the whole region."""

from __future__ import annotations

from dataclasses import replace

import evolving
import pytest
import torch

import gmnm_pde as gp
from gmnm_pde.geometry import Interval
from gmnm_pde.networks import GMNM
from gmnm_pde.problem import Dirichlet, Initial, Neumann, Problem
from gmnm_pde.references import Exact
from gmnm_pde.switches import condition_switches

RECIPE = {"network": {"name": "gmnm"}, "methods": [{"name": "least_squares"}]}
sin, pi = torch.sin, torch.pi


@pytest.mark.parametrize(
    "name",
    ["heat", "advection", "inflow", "burgers", "wave", "robin", "cooling", "constrained",
     "schroedinger", "heat_2d"],
)  # fmt: skip
def test_the_tolerance_is_met(name):
    problem = getattr(evolving, name)()
    solution = gp.solve(problem, rtol=1e-4, solver=RECIPE)
    assert solution.status == "converged"
    assert isinstance(solution.network, GMNM)
    assert solution.network.n_inputs == len(problem.coordinates)
    for unknown, true in solution.errors.relative_l2.items():
        stated = solution.estimated_error[unknown]
        assert true <= 1e-4
        assert true / 5 < stated <= 1e-4


def test_initial_and_boundary_values_are_kept():
    solution = gp.solve(evolving.heat(), rtol=1e-5, solver=RECIPE)
    x = torch.linspace(0, 1, 21, dtype=torch.float64)
    first = solution(torch.stack([x, 0 * x], 1))[:, 0]
    assert (first - sin(pi * x)).abs().max() < 1e-4
    for end in (0.0, 1.0):
        assert solution(torch.stack([0 * x + end, x], 1)).abs().max() < 1e-4


def test_both_forms_agree():
    """On a problem whose solution is not known; its data agree in all derivatives at the corners,
    or the form in space and time would need many units there."""
    problem = Problem(
        "xt", "u", Interval(0, 1), [lambda u: u.t - u.xx - 5 * u * (1 - u**2)],
        [Initial(lambda x: sin(pi / 2 * x) / 3), Dirichlet("left"), Neumann("right")],
        time=(0, 0.5),
    )  # fmt: skip
    at_once = gp.solve(problem, rtol=1e-6, solver=RECIPE)
    stepped = gp.solve(problem, rtol=1e-6)
    assert type(at_once.network) is not type(stepped.network)
    points = problem.region.sample_interior(500, "random", 3)
    difference = (at_once(points) - stepped(points)).norm() / stepped(points).norm()
    assert difference < 1e-5


# where conditions meet


@pytest.mark.parametrize("name", ["heat", "wave", "cooling"])
def test_time_has_no_switches(name):
    """The initial value and rate of a wave hold at the same points: neither ends."""
    assert condition_switches(getattr(evolving, name)()) == ()


def test_data_that_differ_at_the_first_time_are_found_by_the_residual():
    """Quenched from 1 to 0: a jump at both ends, where the error is up to the tolerance."""

    def series(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        k = torch.arange(1, 400, 2, dtype=torch.float64)[:, None]
        return (4 / (pi * k) * sin(pi * k * x) * torch.exp(-((pi * k) ** 2) * t)).sum(0)

    problem = replace(
        evolving.heat(), conditions=[Initial(1.0), Dirichlet("boundary")], time=(0, 0.1),
        reference=Exact({"u": series}),
    )  # fmt: skip
    solution = gp.solve(problem, rtol=2e-2, solver=RECIPE)
    assert solution.status == "converged"
    assert solution.errors.relative_l2["u"] <= 2e-2
