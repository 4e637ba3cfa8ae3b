"""Conditions that hold exactly, whatever the network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import gmnm_pde as gp
from gmnm_pde.assembly import weight_rows
from gmnm_pde.collocation import collocate
from gmnm_pde.errors import InputError
from gmnm_pde.fields import Jet
from gmnm_pde.geometry import (
    Ball,
    Box,
    Cylinder,
    Difference,
    Disk,
    Domain,
    Ellipse,
    Intersection,
    Interval,
    Polygon,
    Rectangle,
    Union,
)
from gmnm_pde.lift import Lift, lifted
from gmnm_pde.linearised import Block, at_zero
from gmnm_pde.networks import GMNM, Enforced, Network, enforced
from gmnm_pde.networks.base import forward_derivative
from gmnm_pde.placement import Layout, first_patch
from gmnm_pde.problem import Condition, Sampling

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

SQUARE = Rectangle(x=(-1, 1), y=(-1, 1))
LINE = Interval(-1, 2)
CUBE = Box(((0, 1), (0, 2), (-1, 1)))

PARTS: dict[str, tuple[Domain, tuple[str, ...]]] = {
    "interval": (LINE, ("boundary",)),
    "an end": (LINE, ("right",)),
    "square": (SQUARE, ("boundary",)),
    "a side": (SQUARE, ("bottom",)),
    "three sides": (SQUARE, ("left", "right", "top")),
    "cube": (CUBE, ("boundary",)),
    "two faces": (CUBE, ("front", "left")),
    "disk": (Disk((0.5, 0.0), 2.0), ("boundary",)),
    "ellipse": (Ellipse((0.0, 1.0), (2.0, 0.5)), ("boundary",)),
    "ball": (Ball((0.0, 1.0, 0.0), 0.5), ("boundary",)),
    "a side of an L": (Polygon(((-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1))), ("left",)),
    "lens": (Intersection(Disk((-0.5, 0), 1.0), Disk((0.5, 0), 1.0)), ("boundary",)),
    "hole": (Difference(SQUARE, Disk((0.2, 0), 0.4)), ("boundary",)),
    "first time": (Cylinder(LINE, (1.0, 3.0)), ("initial",)),
    "all times": (Cylinder(Disk(), (0.0, 2.0)), ("boundary",)),
    "both": (Cylinder(LINE, (0.0, 2.0)), ("boundary", "initial")),
}


# distance functions


@pytest.mark.parametrize("name", PARTS)
def test_a_distance_function_vanishes_on_its_part_alone(name):
    domain, at = PARTS[name]
    function = domain.distance_function(at)
    assert function is not None
    edge = domain.sample_boundary(300, at, "random", 3)
    inside = domain.sample_interior(500, "random", 3)
    values = function(inside)
    assert function(edge.points).abs().max() < 3e-15
    assert values.min() > 0.0
    assert values.max() <= 4.0
    step = 1e-6
    slope = function(edge.points - step * edge.normals) / step
    assert slope.median() > 0.05
    others = [side for side in domain.sides if side not in (*at, "boundary")]
    if others and "boundary" not in at:
        beyond = domain.sample_boundary(300, others, "random", 4).points
        assert function(beyond).median() > 0.05


@pytest.mark.parametrize("name", PARTS)
def test_a_distance_function_has_derivatives(name):
    domain, at = PARTS[name]
    function = domain.distance_function(at)
    assert function is not None
    points = domain.sample_interior(20, "random", 5)
    axis = domain.dimension - 1
    orders = tuple(2 * int(k == axis) for k in range(domain.dimension))
    found = forward_derivative(lambda x: function(x)[:, None], points, orders)[:, 0]
    step = torch.zeros_like(points)
    step[:, axis] = 1e-4
    wanted = (function(points + step) - 2 * function(points) + function(points - step)) / 1e-8
    assert torch.allclose(found, wanted, atol=1e-4 * (1 + float(wanted.abs().max())))


@pytest.mark.parametrize(
    "domain",
    [
        Polygon(((-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1))),
        Union(Disk(), Disk((1, 0), 0.5)),
        Difference(Disk(), Rectangle(x=(-0.2, 0.2), y=(-0.2, 0.2))),
        Intersection(SQUARE, Polygon(((-3, -1.5), (3, -5), (3, 1.5)))),
    ],
)
def test_no_distance_function_is_made_up(domain):
    assert domain.distance_function() is None
    with pytest.raises(InputError, match="no side 'front'"):
        domain.distance_function("front")


# the substitution


def wave(x: Tensor, y: Tensor) -> Tensor:
    return torch.sin(2 * x) * torch.exp(0.5 * y) + x * y


def hard(condition: Condition) -> Condition:
    return replace(condition, enforce="hard")


def problem_on(domain: Domain, *conditions: Condition, unknowns: str = "u") -> gp.Problem:
    equations = [
        lambda jet, name=name: jet.derivative(name, (2, 0)) + jet.derivative(name, (0, 2))
        for name in unknowns
    ]
    equations = [gp.Equation(function) for function in equations]
    bound = [replace(item, residual=_only_jet(item.residual)) for item in equations]
    return gp.Problem("xy", unknowns, domain, bound, conditions)


def _only_jet(function: Callable[..., Tensor]) -> Callable[[Jet], Tensor]:
    return lambda jet: function(jet)


def random_network(outputs: int = 1) -> GMNM:
    generator = torch.Generator().manual_seed(1)
    return GMNM.random(2, 6, outputs, width=0.8, generator=generator)


SETS: dict[str, tuple[Domain, list[Condition]]] = {
    "square": (SQUARE, [gp.Dirichlet("boundary", wave)]),
    "disk": (Disk((0.2, 0), 1.5), [gp.Dirichlet("boundary", wave)]),
    "one side": (SQUARE, [gp.Dirichlet("top", wave)]),
    "opposite sides": (SQUARE, [gp.Dirichlet("left", wave), gp.Dirichlet("right", wave)]),
    "adjacent sides": (SQUARE, [gp.Dirichlet("left", wave), gp.Dirichlet("bottom", wave)]),
    "four sides": (
        SQUARE,
        [
            gp.Dirichlet("left", lambda y: wave(torch.full_like(y, -1), y)),
            gp.Dirichlet("right", lambda y: wave(torch.ones_like(y), y)),
            gp.Dirichlet("bottom", lambda x: wave(x, torch.full_like(x, -1))),
            gp.Dirichlet("top", lambda x: wave(x, torch.ones_like(x))),
        ],
    ),
    "scaled": (SQUARE, [Condition("boundary", lambda u, x, y: 3 * (wave(x, y) - u))]),
    "variable": (SQUARE, [Condition("left", lambda u, x, y: (2 + y) * (u - wave(x, y)))]),
    "hole": (Difference(SQUARE, Disk((0, 0), 0.5)), [gp.Dirichlet("boundary", wave)]),
}


@pytest.mark.parametrize("name", SETS)
def test_any_network_satisfies_hard_conditions(name):
    domain, conditions = SETS[name]
    problem = lifted(problem_on(domain, *map(hard, conditions)))
    assert not problem.conditions
    assert problem.held == tuple(problem.stated.conditions)
    network = enforced(random_network(), problem)
    assert isinstance(network, Enforced)
    for condition in problem.held:
        points = domain.sample_boundary(200, condition.at, "random", 2).points
        values = network(points)[:, 0]
        assert (values - wave(*points.T)).abs().max() < 1e-14
    inside = domain.sample_interior(100)
    assert (network(inside)[:, 0] - wave(*inside.T)).abs().max() > 0.01


def test_without_hard_conditions_nothing_is_substituted():
    problem = problem_on(SQUARE, gp.Dirichlet("boundary"))
    assert lifted(problem) is problem
    network = random_network()
    assert enforced(network, problem) is network
    assert problem.held == ()


ORDERS = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 4)]


def two_unknowns() -> tuple[gp.Problem, Enforced]:
    conditions = [hard(gp.Dirichlet("left", wave, "u")), gp.Dirichlet("boundary", 1.0, "v")]
    problem = lifted(problem_on(SQUARE, *conditions, unknowns="uv"))
    network = enforced(random_network(2), problem)
    assert isinstance(network, Enforced)
    return problem, network


def test_derivatives_are_those_of_the_completed_function():
    _, network = two_unknowns()
    points = SQUARE.sample_interior(30, "random", 4)
    found = network.derivatives(points, ORDERS)
    general = Network.derivatives(network, points, ORDERS)
    for alpha in ORDERS:
        assert torch.allclose(found[alpha], general[alpha], rtol=1e-9, atol=1e-9)
    assert torch.allclose(found[0, 0][:, 1], network.free(points)[:, 1], rtol=1e-13)


def test_a_jet_of_the_problem_is_one_of_the_completed_network():
    problem, network = two_unknowns()
    points = SQUARE.sample_interior(30, "random", 4)

    def inner(name: str, orders: tuple[int, ...]) -> Tensor:
        return network.free.derivatives(points, [orders])[orders][:, "uv".index(name)]

    jet = problem.jet(points, inner)
    for alpha in ORDERS:
        wanted = network.derivatives(points, [alpha])[alpha]
        for j, name in enumerate("uv"):
            assert torch.allclose(jet.derivative(name, alpha), wanted[:, j], rtol=1e-12, atol=1e-12)
    again = problem.jet(points, inner)
    assert torch.equal(again.derivative("u", (2, 0)), jet.derivative("u", (2, 0)))


def test_parameter_jacobian_by_differences():
    _, network = two_unknowns()
    names = ["free.mu", "free.b"]
    points = SQUARE.sample_interior(15, "random", 4)
    orders = [(0, 0), (2, 0)]
    found = network.parameter_jacobian(points, orders, names)
    parameters = dict(network.named_parameters())
    column = 0
    for name in names:
        flat = parameters[name].data.view(-1)
        for entry in range(len(flat)):
            values = []
            for step in (1e-6, -1e-6):
                flat[entry] += step
                values.append(network.derivatives(points, orders))
                flat[entry] -= step
            for alpha in orders:
                slope = (values[0][alpha] - values[1][alpha]) / 2e-6
                assert torch.allclose(found[alpha][:, :, column], slope, atol=1e-7)
            column += 1
    assert found[0, 0].shape == (15, 2, column)


def test_weighted_jacobian_is_a_combination_of_rows():
    _, network = two_unknowns()
    names, points = ["free.mu", "free.b"], SQUARE.sample_interior(15, "random", 4)
    weights = {alpha: SQUARE.sample_interior(15, "random", k) for k, alpha in enumerate(ORDERS)}
    rows = network.parameter_jacobian(points, ORDERS, names)
    wanted = sum(torch.einsum("nm,nmp->np", weights[alpha], rows[alpha]) for alpha in ORDERS)
    found = network.weighted_jacobian(points, weights, names)
    assert torch.allclose(found, wanted, rtol=1e-10, atol=1e-10)


def test_rows_are_those_of_the_free_network():
    """r(g + phi v) of a linear residual: rows @ weights - target for every v."""
    problem, network = two_unknowns()
    points = SQUARE.sample_interior(20, "random", 6)
    residual = problem.equations[0].residual
    block = Block("equation", "", residual, points, points.new_ones(20))
    free = network.free
    assert isinstance(free, GMNM)
    lin = at_zero(problem, block)
    rows = weight_rows(problem, block, lin, free)
    x = free.output_weights.detach().T.reshape(-1)
    values = network.derivatives(points, [(2, 0), (0, 2)])
    wanted = values[2, 0][:, 0] + values[0, 2][:, 0]
    assert torch.allclose(rows @ x - lin.target, wanted, rtol=1e-11, atol=1e-11)


def test_values_are_kept_for_points_that_come_again():
    calls = []

    def g(points: Tensor) -> Tensor:
        calls.append(len(points))
        return points[:, 0]

    lift = Lift(("u",), {"u": g}, {"u": lambda points: 1 - points[:, 0]}, ())
    points, others = torch.rand(5, 1).double(), torch.rand(5, 1).double()
    first, factors = lift.terms("u", points, (1,))
    lift.terms("u", points, (1,))
    assert len(calls) == 1
    assert first.tolist() == [1.0] * 5
    assert torch.equal(factors[1,], 1 - points[:, 0])
    assert factors[0,].tolist() == [-1.0] * 5
    lift.terms("u", others, (1,))
    assert len(calls) == 2
    for _ in range(600):
        lift.terms("u", torch.rand(2, 1).double(), (0,))
    assert len(lift._known) <= 256


def test_the_equation_is_kept_up_to_a_hard_boundary():
    problem = lifted(problem_on(SQUARE, hard(gp.Dirichlet("boundary", wave))))
    layout = Layout(SQUARE, (first_patch(SQUARE, 6, (1, 1)),), 2.0)
    (equation,) = collocate(problem, layout, layout.point_counts(layout.centres()), Sampling(), 0)
    on_edge = SQUARE.signed_distance(equation.points).abs() < 1e-12
    assert int(on_edge.sum()) > 30


# refusals


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ([gp.Neumann("boundary")], "only a value can, u = g"),
        ([gp.Robin("boundary", 1.0)], "only a value can"),
        ([Condition("boundary", lambda u: u * u - 1)], "only a value can"),
        ([Condition("boundary", lambda x: x)], "only a value can"),
        ([Condition("boundary", lambda u: u, where=lambda x: x > 0)], "`where` selects"),
        ([Condition((0.5, 0.5), lambda u: u)], "a point has no smooth distance"),
        ([gp.Dirichlet("left", 1.0), gp.Dirichlet("top", 0.0)], "sides that it meets"),
    ],
)
def test_what_cannot_hold_exactly_is_refused(conditions, words):
    with pytest.raises(InputError, match=words) as raised:
        lifted(problem_on(SQUARE, *map(hard, conditions)))
    assert "enforce: hard" in (raised.value.mend or "")


def test_a_domain_without_a_smooth_distance_is_refused():
    L = Polygon(((-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1)))
    with pytest.raises(InputError, match="kind 'polygon' has no smooth distance"):
        gp.solve(problem_on(L, hard(gp.Dirichlet("boundary"))))


# solutions


def error(solution: gp.Solution, exact: Callable[..., Tensor], problem: gp.Problem) -> float:
    points = problem.region.sample_interior(1000, "random", 99)
    values = exact(*points.T)
    return float((solution(points)[:, 0] - values).norm() / values.norm())


def missed(
    solution: gp.Solution, exact: Callable[..., Tensor], problem: gp.Problem, at: str = "boundary"
) -> float:
    points = problem.region.sample_boundary(300, at, "random", 5).points
    return float((solution(points)[:, 0] - exact(*points.T)).abs().max())


def product_sine(x: Tensor, y: Tensor) -> Tensor:
    return torch.sin(math.pi * x) * torch.sin(math.pi * y)


def poisson(domain: Domain = SQUARE) -> gp.Problem:
    return gp.Problem(
        "xy", "u", domain,
        [lambda u, x, y: u.xx + u.yy + 2 * math.pi**2 * product_sine(x, y)],
        [hard(gp.Dirichlet("boundary", lambda x, y: product_sine(x, y) * (2 - x * x)))],
    )  # fmt: skip


def test_least_squares_to_rounding():
    problem = poisson()
    solution = gp.solve(problem)
    assert error(solution, product_sine, problem) < 1e-13
    assert missed(solution, product_sine, problem) < 1e-14
    assert "Enforced" in type(solution.network).__name__


def test_variable_projection_is_better_off_with_hard_conditions():
    problem = poisson()
    recipe = {
        "network": {"name": "gmnm", "units": 36},
        "methods": [{"name": "variable_projection", "iterations": 25}],
    }
    soft = replace(problem, conditions=[gp.Dirichlet("boundary")])
    errors = [error(gp.solve(each, solver=recipe), product_sine, each) for each in (problem, soft)]
    assert errors[0] < 1e-4
    assert errors[0] < 0.2 * errors[1]


def test_the_error_is_that_of_the_completed_solution():
    """Relative to a large boundary value it is smaller."""
    estimates = []
    for value in (0.0, 1e4):
        base = poisson()
        problem = replace(base, conditions=[hard(gp.Dirichlet("boundary", value))])
        solution = gp.solve(problem, rtol=1e-7)
        estimates.append(solution.estimated_error["u"] or 0.0)
        assert error(solution, lambda x, y, c=value: c + product_sine(x, y), problem) < 1e-7
    assert 0.0 < estimates[1] < 1e-3 * estimates[0]


def test_a_curved_boundary():
    def exact(x: Tensor, y: Tensor) -> Tensor:
        return x + (1 - x * x - y * y) * torch.exp(x)

    problem = gp.Problem(
        "xy", "u", Disk(),
        [lambda u, x, y: u.xx + u.yy + (3 + 4 * x + x * x + y * y) * torch.exp(x)],
        [hard(gp.Dirichlet("boundary", lambda x: x))],
    )  # fmt: skip
    solution = gp.solve(problem)
    assert error(solution, exact, problem) < 1e-12
    assert missed(solution, exact, problem) < 1e-14


def test_hard_and_soft_conditions_together():
    def exact(x: Tensor, y: Tensor) -> Tensor:
        return torch.exp(x) * torch.cos(2 * y)

    problem = gp.Problem(
        "xy", "u", SQUARE,
        [lambda u, x, y: u.xx + u.yy + 3 * exact(x, y)],
        [
            hard(gp.Dirichlet("left", lambda y: math.exp(-1) * torch.cos(2 * y))),
            hard(gp.Dirichlet("bottom", lambda x: math.cos(2) * torch.exp(x))),
            gp.Neumann("right", exact),
            gp.Dirichlet("top", exact),
        ],
    )  # fmt: skip
    solution = gp.solve(problem, rtol=1e-9)
    assert error(solution, exact, problem) < 1e-9
    assert missed(solution, exact, problem, "left") < 1e-14
    assert missed(solution, exact, problem, "bottom") < 1e-14
    assert missed(solution, exact, problem, "top") > 1e-14


def test_a_nonlinear_problem():
    def exact(x: Tensor) -> Tensor:
        return torch.sin(3 * x)

    problem = gp.Problem(
        "x", "u", Interval(-1, 1),
        [lambda u, x: u.xx - u**3 + 9 * exact(x) + exact(x) ** 3],
        [hard(gp.Dirichlet("left", -math.sin(3))), hard(gp.Dirichlet("right", math.sin(3)))],
    )  # fmt: skip
    solution = gp.solve(problem)
    assert error(solution, exact, problem) < 1e-11
    assert missed(solution, exact, problem) < 1e-14


def test_the_first_time_and_the_boundary_in_space_and_time():
    def exact(x: Tensor, t: Tensor) -> Tensor:
        return torch.exp(-t) * torch.sin(x) + x * t

    problem = gp.Problem(
        "xt", "u", Interval(-1, 1), time=(0, 1),
        equations=[lambda u, x, t: u.t - u.xx - x],
        conditions=[
            hard(gp.Initial(lambda x: torch.sin(x))),
            hard(gp.Dirichlet("left", lambda t: -math.sin(1) * torch.exp(-t) - t)),
            hard(gp.Dirichlet("right", lambda t: math.sin(1) * torch.exp(-t) + t)),
        ],
    )  # fmt: skip
    recipe = {"network": {"name": "gmnm"}, "methods": [{"name": "least_squares"}]}
    solution = gp.solve(problem, solver=recipe, rtol=1e-6)
    assert error(solution, exact, problem) < 1e-6
    assert missed(solution, exact, problem) < 1e-14
    assert missed(solution, exact, problem, "initial") < 1e-14


def test_with_an_interface():
    def k(x: Tensor) -> Tensor:
        return torch.where(x < 0.0, 5.0, 1.0).to(x)

    def exact(x: Tensor) -> Tensor:
        return torch.sin(x) / k(x)

    problem = gp.Problem(
        "x", "u", Interval(-1, 1),
        [lambda u, x: k(x) * u.xx + torch.sin(x)],
        [
            hard(gp.Dirichlet("left", -math.sin(1) / 5)),
            hard(gp.Dirichlet("right", math.sin(1))),
            gp.Interface("left", lambda u: u),
            gp.Interface("left", lambda u, x: k(x) * u.n),
        ],
        subdomains={"left": Interval(-1, 0)},
    )  # fmt: skip
    solution = gp.solve(problem)
    assert error(solution, exact, problem) < 1e-12
    assert missed(solution, exact, problem) < 1e-14


def test_a_solution_that_is_what_was_given_is_found_at_once():
    problem = gp.Problem(
        "xy", "u", SQUARE, [lambda u: u.xx + u.yy],
        [hard(gp.Dirichlet("boundary", lambda x, y: x * y))],
    )  # fmt: skip
    solution = gp.solve(problem)
    assert len(solution.history) <= 3
    assert error(solution, lambda x, y: x * y, problem) < 1e-14


def test_a_solution_comes_back_with_its_problem(tmp_path: Path):
    problem = poisson()
    solution = gp.solve(problem, rtol=1e-4)
    solution.save(tmp_path / "u")
    loaded = gp.load(tmp_path / "u", problem=problem)
    points = SQUARE.sample_interior(50)
    assert torch.equal(loaded(points), solution(points))
    assert torch.equal(loaded.derivative(points, "xy"), solution.derivative(points, "xy"))
    with pytest.raises(InputError, match="hard conditions"):
        gp.load(tmp_path / "u")
