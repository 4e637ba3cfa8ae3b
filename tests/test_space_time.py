"""Problems with time solved in space and time at once, by least squares on the whole region."""

from __future__ import annotations

from dataclasses import replace

import evolving
import pytest
import torch

import gmnm_pde as gp
from gmnm_pde.geometry import Interval
from gmnm_pde.networks import GMNM
from gmnm_pde.problem import Dirichlet, Initial, Neumann, Periodic, Problem, Robin
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
    """On a problem whose solution is not known."""
    problem = Problem(
        "xt", "u", Interval(0, 1), [lambda u, x: u.t - u.xx - 5 * u * (1 - u) * sin(3 * x)],
        [Initial(lambda x: x * (1 - x) ** 2), Dirichlet("left"), Neumann("right")], time=(0, 0.5),
    )  # fmt: skip
    at_once = gp.solve(problem, rtol=1e-6, solver=RECIPE)
    stepped = gp.solve(problem, rtol=1e-6)
    assert type(at_once.network) is not type(stepped.network)
    points = problem.region.sample_interior(500, "random", 3)
    difference = (at_once(points) - stepped(points)).norm() / stepped(points).norm()
    assert difference < 1e-5


# where conditions meet


def switches(*conditions: object, wave: bool = False) -> tuple[tuple[float, ...], ...]:
    problem = evolving.wave() if wave else evolving.heat()
    return condition_switches(replace(problem, conditions=conditions))


@pytest.mark.parametrize("name", ["heat", "wave", "sine_gordon", "burgers", "cooling", "robin"])
def test_data_that_agree_at_the_first_time_are_not_singular(name):
    assert condition_switches(getattr(evolving, name)()) == ()


def test_data_that_differ_at_the_first_time_are():
    assert switches(Initial(1.0), Dirichlet("boundary")) == ((0.0, 0.0), (1.0, 0.0))
    found = switches(Initial(lambda x: 1 - x), Dirichlet("left"), Dirichlet("right"))
    assert found == ((0.0, 0.0),)
    assert switches(Initial(1.0), Dirichlet("left", 1.0), Neumann("right")) == ()
    assert switches(Initial(1.0), Periodic("x")) == ()


def test_two_conditions_at_the_first_time_do_not_meet():
    rates = Initial(lambda x: sin(pi * x)), Initial(2.0, rate=True)
    assert switches(*rates, Dirichlet("boundary"), wave=True) == ()
    assert switches(Initial(1.0), rates[1], Dirichlet("left"), Robin("right", 1.0), wave=True) == (
        (0.0, 0.0),
    )
