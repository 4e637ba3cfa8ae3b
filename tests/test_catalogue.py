"""Every problem that is shipped: its exact solution solves it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

import gmnm_pde as gp
from gmnm_pde.catalog import names
from gmnm_pde.config import load_problem
from gmnm_pde.fields import Residual, uniform
from gmnm_pde.geometry import Interval
from gmnm_pde.problem import Condition, IntegralCondition, Interface, Periodic, Problem
from gmnm_pde.references import Exact, Spectral, exact_values

FOLDER = Path(__file__).parents[1] / "problems"
FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".yaml", ".py"))
INFERRING = [path for path in FILES if re.search(r"^infer:|infer=", path.read_text(), re.MULTILINE)]
ROUNDING = 1e-11
NOISE = 0.1


def relative_residual(
    problem: Problem, residual: Residual, points: Tensor, normals: Tensor | None = None
) -> float:
    """Largest residual of the exact solution, relative to the largest term that enters it."""
    exact, nothing = partial(exact_values, problem), uniform(0.0)
    jet = problem.jet(points, exact(points), normals, exact)
    values = residual(jet)
    zero = problem.jet(points, nothing(points), normals, nothing)
    terms = [residual(zero), torch.ones(1), *jet.leaves.values()]
    return float(values.abs().max() / max(term.abs().max() for term in terms))


def condition_points(problem: Problem, condition: Condition) -> tuple[Tensor, Tensor | None]:
    """Points where a condition holds, with their normals."""
    if not isinstance(condition.at, str) and not isinstance(condition.at[0], str):
        points = problem.region.sample_interior(20, "random", 1)
        points[:, : len(condition.at)] = points.new_tensor(condition.at)
        return points, None
    keep: Callable[[Tensor], Tensor] | None = None
    where = condition.where
    if where is not None:

        def keep(points: Tensor) -> Tensor:
            return where(problem.jet(points, exact_values(problem, points))).bool()

    boundary = problem.region.sample_boundary(200, condition.at, "random", 1, where=keep)
    return boundary.points, boundary.normals


def gap_of_ends(problem: Problem, condition: Periodic) -> float:
    """How far values and slopes at the two ends of a periodic coordinate are apart, relative."""
    axis = tuple(problem.coordinates).index(condition.coordinate)
    low, high = problem.region.sample_interior(50, "random", 2).repeat(2, 1).chunk(2)
    low[:, axis] = problem.domain.lower[axis]
    high[:, axis] = problem.domain.upper[axis]
    gaps = []
    for name in problem.unknowns:
        size = exact_values(problem, problem.region.sample_interior(300))(
            name, (0,) * len(problem.coordinates)
        )
        for k in range(3):
            orders = tuple(k * (i == axis) for i in range(len(problem.coordinates)))
            ends = [exact_values(problem, end)(name, orders) for end in (low, high)]
            gaps.append(float((ends[0] - ends[1]).abs().max() / size.abs().max()))
    return max(gaps)


def jump_of(problem: Problem, condition: Interface) -> float:
    """How far the jump of the exact solution is from what it should be."""
    edge = problem.interfaces[condition.of].sample_boundary(100, "boundary", "random", 5)
    sides = []
    for shift in (-1e-13, 1e-13):
        points = edge.points + shift * edge.normals
        jet = problem.jet(points, exact_values(problem, points), edge.normals)
        sides.append(condition.jump(jet))
    return float((sides[1] - sides[0] - condition.equals).abs().max())


def violations(problem: Problem) -> Iterator[tuple[str, float]]:
    """How far the exact solution is from solving each part of its problem."""
    interior = problem.region.sample_interior(300, "random", 0)
    for equation in problem.equations:
        yield equation.label, relative_residual(problem, equation.residual, interior)
    for condition in problem.conditions:
        match condition:
            case Condition():
                points, normals = condition_points(problem, condition)
                yield (
                    condition.label,
                    relative_residual(problem, condition.residual, points, normals),
                )
            case Periodic():
                yield condition.label, gap_of_ends(problem, condition)
            case Interface():
                yield condition.label, jump_of(problem, condition)


def is_known(problem: Problem) -> bool:
    """Whether its solution is known in closed form."""
    exact = problem.reference
    return isinstance(exact, Exact) and {*exact.known(problem)} == {*problem.outputs}


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def problem(request: pytest.FixtureRequest) -> Problem:
    return load_problem(request.param).problem


def test_there_is_a_catalogue():
    assert len(FILES) >= 50
    assert {path.stem for path in FILES} == set(names("problems"))
    assert {path for path in FILES if load_problem(path).problem.infer} == {*INFERRING}


def test_the_exact_solution_solves_its_problem(problem):
    if not is_known(problem):
        # Something else measures its error then, or the values it infers are known.
        assert problem.reference is not None
        assert problem.infer or not isinstance(problem.reference, Exact)
        return
    if problem.infer:
        problem = problem.found(problem.reference.constants(problem))
    for label, size in violations(problem):
        assert size < ROUNDING, label


def test_integral_conditions_hold(problem):
    for condition in problem.conditions:
        if isinstance(condition, IntegralCondition) and isinstance(problem.reference, Exact):
            points = problem.region.sample_interior(2**14, "sobol", 0)
            jet = problem.jet(points, exact_values(problem, points))
            integral = float(condition.integrand(jet).mean()) * problem.domain.measure
            assert integral == pytest.approx(condition.equals, abs=1e-3)


def test_measurements_scatter_about_the_exact_solution():
    problems = [load_problem(path).problem for path in FILES]
    measured = [problem for problem in problems if problem.data is not None and is_known(problem)]
    assert len(measured) >= 3
    for problem in measured:
        values = problem.reference.evaluate(problem, problem.data.points).values
        error = problem.data.values - values
        assert float(error.nanmean().abs()) < NOISE / 10
        assert 0.0 < float(error.square().nanmean().sqrt()) < NOISE


@pytest.mark.parametrize("name", ["inverse-burgers", "inverse-source"])
def test_measurements_scatter_about_what_the_known_constants_give(name):
    """There is no closed form: the forward problem is solved for the constants of the reference."""
    problem = load_problem(name).problem
    truth = problem.reference.constants(problem)
    assert set(truth) == set(problem.infer)
    forward = replace(problem.given(truth), data=None, reference=None)
    solution = gp.solve(forward, rtol=1e-4, device="cpu")
    error = problem.data.values - solution(problem.data.points)
    assert 0.0 < float(error.square().mean().sqrt()) < 0.013
    assert float(error.mean().abs()) < 0.003


@pytest.mark.parametrize(
    ("name", "most"), [("inverse-diffusivity", 0.01), ("inverse-burgers", 0.02)]
)
def test_constants_of_the_catalogue_are_found(name, most):
    solution = gp.solve(name, device="cpu", time_limit=1000)
    assert solution.status == "converged", solution.reason
    assert max(solution.errors.inferred.values()) < most
    for key, value in solution.errors.constants.items():
        assert abs(solution.inferred[key] - value) < 3 * solution.findings.errors[key]


@pytest.mark.slow
def test_the_source_of_the_catalogue_is_found():
    solution = gp.solve("inverse-source", device="cpu")
    assert max(solution.errors.inferred.values()) < 0.01


@pytest.mark.slow
def test_the_field_of_the_catalogue_is_found():
    solution = gp.solve("inverse-field", device="cpu")
    assert solution.errors.relative_l2["k"] < 0.05


@pytest.mark.parametrize("problem", INFERRING, indirect=True, ids=lambda path: path.stem)
def test_what_is_to_be_inferred_is_known_and_within_its_bounds(problem):
    assert problem.infer
    truth = problem.reference.constants(problem)
    assert set(truth) == set(problem.constants)
    for name, value in truth.items():
        low, high = problem.infer[name].bounds
        assert low is None or low < value
        assert high is None or value < high
        assert problem.infer[name].initial != value


def test_every_problem_says_what_it_is(problem, request):
    assert problem.name == request.node.callspec.params["problem"].stem
    assert problem.description.endswith(".")
    assert problem.reference is not None


@pytest.mark.parametrize(("name", "parts", "least"), [("robin", 5, 4), ("klein-gordon", 4, 3)])
def test_a_wrong_solution_is_noticed(name, parts, least):
    problem = load_problem(name).problem
    right = problem.reference.functions["u"]
    wrong = replace(problem, reference=Exact({"u": lambda jet: right(jet) * (1 + 1e-6)}))
    sizes = [size for _, size in violations(wrong)]
    assert len(sizes) == parts
    assert sum(size > ROUNDING for size in sizes) >= least


def test_a_wrong_period_and_a_wrong_jump_are_noticed():
    problem = load_problem("advection").problem
    wrong = replace(problem, reference=Exact({"u": lambda x, t: torch.exp(x - t)}))
    assert dict(violations(wrong))["periodic in x"] > 0.1
    problem = load_problem("interface").problem
    wrong = replace(problem, reference=Exact({"u": lambda x, y: (x / 0.6) ** 2 + (y / 0.4) ** 2}))
    sizes = dict(violations(wrong))
    assert sizes["jump of u = 0 across inner"] < ROUNDING
    assert sizes["jump of k*u_n = 0 across inner"] > 1.0


def test_the_burgers_tables_solve_their_equation():
    """On half of the interval: the solution is odd, and nodes crowd at the front."""
    problem = load_problem("burgers-smooth").problem
    points = problem.reference.own_points(problem)
    values = problem.reference.evaluate(problem, points).values
    right = points[:, 0] > 0
    half = replace(problem, domain=Interval(0.0, 1.0), reference=None)
    found = Spectral(points=80).evaluate(half, points[right]).values
    assert float((found - values[right]).norm() / values[right].norm()) < 1e-9


SLOW = ("schroedinger", "kuramoto-sivashinsky", "wave-2d", "navier-stokes", "schnakenberg")


@pytest.mark.parametrize(
    ("name", "rtol"),
    [
        ("heat", 1e-3),
        ("advection", 1e-4),
        ("wave", 1e-4),
        ("burgers", 1e-3),
        ("burgers-smooth", 1e-4),
        ("burgers-front", 1e-3),
        ("allen-cahn", 1e-3),
        ("kdv", 1e-3),
        ("cahn-hilliard", 1e-3),
        ("klein-gordon", 1e-4),
        ("sine-gordon", 1e-3),
        *(pytest.param(name, 1e-4, marks=pytest.mark.slow) for name in SLOW),
    ],
)
def test_problems_in_time_are_solved_to_a_tolerance(name, rtol):
    solution = gp.solve(name, rtol=rtol, device="cpu")
    assert solution.status == "converged", solution.reason
    assert max(solution.errors.relative_l2.values()) < rtol
