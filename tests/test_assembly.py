"""Rows and their Jacobian against automatic differentiation of the whole residual."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gmnm_pde.assembly import parameter_rows, weight_rows
from gmnm_pde.collocation import check_blocks, collocate
from gmnm_pde.geometry import Rectangle
from gmnm_pde.linearised import (
    Block,
    Linearised,
    at_network,
    at_zero,
    is_linear,
    linearise,
    residual_rows,
    target_rows,
)
from gmnm_pde.methods.weights import assemble
from gmnm_pde.networks import GMNM, LinearOutputNetwork, Network
from gmnm_pde.placement import Layout, first_patch
from gmnm_pde.problem import (
    Condition,
    Data,
    Dirichlet,
    Equation,
    IntegralCondition,
    Neumann,
    Problem,
    Robin,
    Sampling,
)

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

SQUARE = Rectangle(x=(-1, 1), y=(-1, 1))
exp, sin, cos, pi = torch.exp, torch.sin, torch.cos, math.pi


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_points(n: int = 6, d: int = 2, seed: int = 0) -> Tensor:
    return 2 * torch.rand(n, d, generator=seeded(seed), dtype=torch.float64) - 1


def gmnm(n_outputs: int, d: int = 2, bias: bool = True) -> GMNM:
    layer = GMNM.random(d, 4, n_outputs, projection="full", width=0.8, generator=seeded(1))
    if not bias:
        return GMNM(
            layer.mu.detach(), layer.P.detach(), n_outputs, bias=False, pi=layer.pi.detach()
        )
    with torch.no_grad():
        layer.b.copy_(torch.linspace(0.3, 1.0, n_outputs))
    return layer


class MLP(Network):
    """A network on the automatic path."""

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.n_inputs, self.n_outputs = 2, n_outputs
        self.first = nn.Linear(2, 4, dtype=torch.float64)
        self.last = nn.Linear(4, n_outputs, dtype=torch.float64)
        with torch.no_grad():
            for seed, parameter in enumerate(self.parameters()):
                parameter.normal_(generator=seeded(seed))

    def forward(self, points: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(points)))


def attached_rows(problem: Problem, block: Block, network: Network) -> Tensor:
    """The block's rows as a differentiable function of the network's parameters."""
    at = block.points.detach().clone().requires_grad_()
    outputs = network(at)

    def values(name: str, orders: tuple[int, ...]) -> Tensor:
        value = outputs[:, problem.unknowns.index(name)]
        for axis, order in enumerate(orders):
            for _ in range(order):
                (gradient,) = torch.autograd.grad(
                    value.sum(), at, create_graph=True, materialize_grads=True
                )
                value = gradient[:, axis]
        return value

    jet = problem.jet(block.points, values, block.normals)
    rows = block.residual(jet) * block.weights
    return rows - block.offset if block.average is None else block.average @ rows - block.offset


def jacobian(rows: Tensor, parameters: list[Tensor]) -> Tensor:
    """(rows, p) by one backward pass a row."""
    return torch.stack(
        [
            torch.cat(
                [
                    gradient.flatten()
                    for gradient in torch.autograd.grad(
                        row, parameters, retain_graph=True, materialize_grads=True
                    )
                ]
            )
            for row in rows
        ]
    )


def weights_jacobian(rows: Tensor, layer: GMNM) -> Tensor:
    """With respect to the output weights, unknown by unknown."""
    parameters = [layer.pi] if layer.b is None else [layer.pi, layer.b]
    flat = jacobian(rows, parameters)
    pi_part = flat[:, : layer.pi.numel()].reshape(len(rows), layer.n_units, layer.n_outputs)
    parts = [pi_part]
    if layer.b is not None:
        parts.append(flat[:, layer.pi.numel() :, None].transpose(1, 2))
    return torch.cat(parts, dim=1).transpose(1, 2).reshape(len(rows), -1)


LINEAR: dict[str, tuple[str, Callable]] = {
    "value": ("u", lambda u, x, y: u - x * y),
    "poisson": ("u", lambda u, x, y: u.xx + u.yy - sin(x)),
    "variable coefficients": ("u", lambda u, x, y: exp(x) * u.xx + y * u.xy - 3 * u.y + x * u - 1),
    "biharmonic": ("u", lambda u, x, y: u.xxxx + 2 * u.xxyy + u.yyyy - x),
    "normals": ("u", lambda u, x, nx: u.n + 2 * u - nx * x),
    "system": ("uv", lambda u, v, x, y: u.xx - x * v.y + 2 * v - y),
    "one of two unknowns": ("uv", lambda v, x: v.x - x),
    "three unknowns": ("uvw", lambda u, v, w: u.x + v.y - w),
}

NONLINEAR: dict[str, tuple[str, Callable]] = {
    "exponential": ("u", lambda u, x, y: u.xx + u.yy + exp(u) - x),
    "advection": ("u", lambda u, x, y: u * u.x - 0.1 * u.xx),
    "minimal surface": ("u", lambda u, x, y: u.xx / torch.sqrt(1 + u.x**2 + u.y**2) + u.y**3),
    "radiation": ("u", lambda u, x, y: u.n + u**4 - x),
    "product of unknowns": ("uv", lambda u, v, x: u.x * v - sin(v.y) * x + u * v),
}

NORMALS = torch.nn.functional.normalize(random_points(seed=9), dim=1)


def make(unknowns: str, function: Callable) -> tuple[Problem, Block]:
    problem = Problem("xy", unknowns, SQUARE, [function])
    weights = 0.5 + torch.rand(6, generator=seeded(3), dtype=torch.float64)
    residual = problem.equations[0].residual
    return problem, Block("equation", "r", residual, random_points(), weights, NORMALS)


def averaged(block: Block) -> Block:
    """Two rows that each combine all points."""
    average = torch.rand(2, 6, generator=seeded(4), dtype=torch.float64)
    return replace(block, average=average, offset=0.7)


CASES = {**LINEAR, **NONLINEAR}
close = partial(torch.testing.assert_close, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("combined", [False, True], ids=["pointwise", "averaged"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("name", CASES)
def test_weight_rows_equal_autograd(name, bias, combined):
    problem, block = make(*CASES[name])
    block = averaged(block) if combined else block
    network = gmnm(len(problem.unknowns), bias=bias)
    lin = at_network(problem, block, network)
    rows = attached_rows(problem, block, network)
    close(residual_rows(block, lin), rows.detach())
    close(weight_rows(problem, block, lin, network), weights_jacobian(rows, network))


@pytest.mark.parametrize("combined", [False, True], ids=["pointwise", "averaged"])
@pytest.mark.parametrize("kind", [gmnm, MLP])
@pytest.mark.parametrize("name", CASES)
def test_parameter_rows_equal_autograd(name, kind, combined):
    problem, block = make(*CASES[name])
    block = averaged(block) if combined else block
    network = kind(len(problem.unknowns))
    names = [name for name, _ in network.named_parameters()][::-1]
    lin = at_network(problem, block, network)
    rows = attached_rows(problem, block, network)
    expected = jacobian(rows, [dict(network.named_parameters())[name] for name in names])
    got = parameter_rows(problem, block, lin, network, names)
    assert not got.requires_grad
    close(got, expected, atol=1e-11 * expected.abs().max().item())


@pytest.mark.parametrize("name", CASES)
def test_weight_rows_equal_finite_differences(name):
    problem, block = make(*CASES[name])
    network = gmnm(len(problem.unknowns))
    rows = weight_rows(problem, block, at_network(problem, block, network), network)
    weights = network.output_weights.detach().clone()
    direction = torch.randn(weights.shape, generator=seeded(5), dtype=torch.float64)
    h, ends = 1e-6, []
    for sign in (1, -1):
        network.set_output_weights(weights + sign * h * direction)
        ends.append(residual_rows(block, at_network(problem, block, network)))
    expected = (ends[0] - ends[1]) / (2 * h)
    scale = expected.abs().max().item()
    close(rows @ direction.T.reshape(-1), expected, rtol=1e-6, atol=1e-8 * scale)


@pytest.mark.parametrize("combined", [False, True], ids=["pointwise", "averaged"])
@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_target_does_not_depend_on_the_state(name, combined):
    problem, block = make(*LINEAR[name])
    block = averaged(block) if combined else block
    network = gmnm(len(problem.unknowns))
    at_rest, here = at_zero(problem, block), at_network(problem, block, network)
    close(target_rows(block, at_rest), target_rows(block, here))
    close(target_rows(block, at_rest), -residual_rows(block, at_rest))
    close(
        weight_rows(problem, block, at_rest, network),
        weight_rows(problem, block, here, network),
    )


@pytest.mark.parametrize("name", CASES)
def test_target_rows_make_a_newton_step(name):
    """Rows times the present weights minus the target is the present residual."""
    problem, block = make(*CASES[name])
    for some in (block, averaged(block)):
        network = gmnm(len(problem.unknowns))
        lin = at_network(problem, some, network)
        rows = weight_rows(problem, some, lin, network)
        product = rows @ network.output_weights.detach().T.reshape(-1)
        close(product - target_rows(some, lin), residual_rows(some, lin))


def test_a_linear_target_is_the_right_hand_side():
    problem, block = make("u", lambda u, x, y: u.xx + x * u - (x + 2 * y))
    x, y = block.points.T
    lin = at_zero(problem, block)
    close(lin.target, x + 2 * y)
    close(lin.coefficients[("u", (2, 0))], torch.ones(6, dtype=torch.float64))
    close(lin.coefficients[("u", (0, 0))], x)
    close(target_rows(block, lin), block.weights * (x + 2 * y))


def test_coefficients_of_a_nonlinear_residual():
    problem, block = make("uv", lambda u, v: u**2 * v.x)
    state = {("u", (0, 0)): 3.0, ("v", (1, 0)): 5.0}
    lin = linearise(problem, block, lambda *key: block.points.new_full((6,), state[key]))
    assert set(lin.coefficients) == set(state)
    full = block.points.new_full
    close(lin.residual, full((6,), 45.0))
    close(lin.coefficients[("u", (0, 0))], full((6,), 30.0))
    close(lin.coefficients[("v", (1, 0))], full((6,), 9.0))
    close(lin.target, full((6,), 30.0 * 3 + 9.0 * 5 - 45.0))


def test_a_residual_without_unknowns_has_rows_of_zeros():
    problem, block = make("u", lambda x: x)
    network = gmnm(1)
    lin = at_network(problem, block, network)
    assert isinstance(lin, Linearised)
    assert not weight_rows(problem, block, lin, network).any()
    close(target_rows(block, lin), -block.weights * block.points[:, 0])
    assert not parameter_rows(problem, block, lin, network, ["mu"]).any()


def test_linearising_leaves_no_graph_and_no_gradients():
    problem, block = make(*NONLINEAR["product of unknowns"])
    network = gmnm(2)
    with torch.no_grad():
        lin = at_network(problem, block, network)  # whatever the caller's mode
    for tensor in (lin.residual, lin.target, *lin.coefficients.values()):
        assert not tensor.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())


# whether a residual is linear


@pytest.mark.parametrize("name", LINEAR)
def test_linear_residuals_are_recognised(name):
    problem, block = make(*LINEAR[name])
    assert is_linear(problem, block)
    assert is_linear(problem, averaged(block))


MORE_NONLINEAR: dict[str, tuple[str, Callable]] = {
    "square": ("u", lambda u: u**2),
    "logarithm": ("u", lambda u: torch.log(u) + u.xx),
    "square root": ("u", lambda u: torch.sqrt(u) + u.xx),
    "reciprocal": ("u", lambda u: 1 / u),
    "absolute value": ("u", lambda u: u.xx + torch.abs(u)),
    "positive part": ("u", lambda u: u.xx - torch.relu(u)),
    "upwind": ("u", lambda u: torch.maximum(u.x, 0 * u.x)),
    "small": ("u", lambda u: u.xx + 1e-6 * u**2),
    "derivatives only": ("u", lambda u: u.x * u.y),
}


@pytest.mark.parametrize("name", [*NONLINEAR, *MORE_NONLINEAR])
def test_nonlinear_residuals_are_recognised(name):
    problem, block = make(*{**NONLINEAR, **MORE_NONLINEAR}[name])
    assert not is_linear(problem, block)
    assert not is_linear(problem, averaged(block))


def test_nonlinear_in_a_few_points_only():
    problem, block = make("u", lambda u, x: torch.where(x > 0, u**2, u))
    assert not is_linear(problem, block)


def test_linearity_is_the_same_every_time_and_leaves_the_global_seed_alone():
    problem, block = make(*LINEAR["system"])
    before = torch.get_rng_state()
    assert [is_linear(problem, block) for _ in range(3)] == [True] * 3
    assert torch.equal(torch.get_rng_state(), before)


# systems


def test_a_system_stacks_the_rows_of_its_blocks():
    problem, block = make(*LINEAR["system"])
    blocks = [block, averaged(block)]
    lins = [at_zero(problem, b) for b in blocks]
    network = gmnm(2)
    system = assemble(problem, network, blocks, lins)
    assert system.sizes == (6, 2)
    assert system.rows.shape == (8, network.output_weights.numel())
    network.set_output_weights(torch.zeros_like(network.output_weights.detach()))
    residual = torch.cat([residual_rows(b, at_network(problem, b, network)) for b in blocks])
    close(system.target, -residual)


def test_a_constant_source_is_a_column_in_the_equations_only():
    problem, block = make(*LINEAR["poisson"])
    blocks = [block, replace(block, kind="condition"), replace(averaged(block), kind="integral")]
    lins = [at_zero(problem, b) for b in blocks]
    system = assemble(problem, gmnm(1), blocks, lins, constants_free=True)
    expected = torch.cat([block.weights, block.weights.new_zeros(8)])
    assert torch.equal(system.rows[:, -1], expected)


def test_a_block_moves_as_a_whole():
    _, block = make(*LINEAR["normals"])
    moved = averaged(block).to(torch.device("cpu"), torch.float32)
    for tensor in (moved.points, moved.weights, moved.normals, moved.average):
        assert tensor.dtype == torch.float32
    assert (moved.kind, moved.label, moved.offset) == ("equation", "r", 0.7)


# integrals


# blocks of a problem


def layout_of(problem: Problem, cells: float = 5.0) -> Layout:
    ones = (1.0,) * problem.domain.dimension
    return Layout(problem.domain, (first_patch(problem.domain, cells, ones),), margin=4.0)


MIXED = Problem(
    "xy",
    "u",
    SQUARE,
    [Equation(lambda u, x, y: u.xx + u.yy - x, "Poisson")],
    [
        Dirichlet("left", lambda x, y: y),
        Neumann("right", 1.0),
        Robin(("top", "bottom"), 2.0, lambda x: x),
        Condition((0.25, 0.5), lambda u: u - 3, label="pin"),
        IntegralCondition(lambda u, x: u * x, 2.0),
    ],
)


def fit_blocks(problem: Problem, sampling: Sampling | None = None, seed: int = 0) -> list[Block]:
    layout = layout_of(problem)
    counts = layout.point_counts(layout.centres())
    return collocate(problem, layout, counts, sampling or Sampling(), seed)


def test_every_part_of_a_problem_is_a_block():
    blocks = fit_blocks(MIXED)
    assert [block.kind for block in blocks] == ["equation", *["condition"] * 4, "integral"]
    assert blocks[0].label == "Poisson"
    assert blocks[4].label == "pin"
    for block in blocks:
        assert block.points.dtype == torch.float64
        assert bool((block.weights > 0).all())
        assert block.weights.shape == (len(block.points),)
    equation, left, right, ends, pin, integral = blocks
    assert bool((MIXED.domain.signed_distance(equation.points) <= 1e-12).all())
    assert torch.equal(left.points[:, 0], torch.full((len(left.points),), -1.0).double())
    assert torch.equal(
        right.normals, torch.tensor([[1.0, 0.0]]).double().expand(len(right.points), 2)
    )
    assert set(ends.points[:, 1].tolist()) == {-1.0, 1.0}
    assert pin.points.tolist() == [[0.25, 0.5]]
    assert integral.average.shape == (1, len(integral.points))
    assert target_rows(integral, at_zero(MIXED, integral)).tolist() == [2.0]


def test_rows_of_the_exact_solution_vanish():
    """x (1 - y) solves its own mixed problem, so that every row, target included, is zero."""
    problem = replace(
        MIXED,
        equations=[lambda u, x, y: u.xx + u.yy - y * u.xy - y * 1.0],
        conditions=[
            Dirichlet("left", lambda x, y: y - 1),
            Neumann("right", lambda y: 1 - y),
            Robin("top", 2.0, lambda x: -x),
            Robin("bottom", lambda x: x, lambda x: x + 2 * x**2),
            Condition((0.25, 0.5), lambda u: u - 0.125),
            IntegralCondition(lambda u, x: u * x, 4 / 3),
        ],
    )
    u = {
        (0, 0): lambda x, y: x * (1 - y),
        (1, 0): lambda x, y: 1 - y,
        (0, 1): lambda x, y: -x,
        (1, 1): lambda x, y: 0 * x - 1,
    }
    for block in fit_blocks(problem):
        x, y = block.points.T
        lin = linearise(
            problem, block, lambda _, alpha, x=x, y=y: u.get(alpha, lambda x, y: 0 * x)(x, y)
        )
        tolerance = 1e-9 if block.kind == "integral" else 1e-13
        assert residual_rows(block, lin).abs().max() < tolerance, block.label


def test_conditions_weigh_about_one_over_h_to_the_order_more():
    """In the units of u: a Dirichlet row counts as u, a row of the equation as h^2 u_xx."""
    blocks = fit_blocks(MIXED)
    h = 2 / 5
    assert (blocks[1].weights / blocks[0].weights.max() * h**2).mean().item() == pytest.approx(
        2.0, rel=0.5
    )
    assert (blocks[2].weights / blocks[1].weights.max()).mean().item() == pytest.approx(h, rel=0.5)


def test_a_condition_holds_where_it_says():
    problem = replace(MIXED, conditions=[Condition("boundary", lambda u: u, lambda x, y: x > y)])
    for blocks in (fit_blocks(problem), check_blocks(problem, layout_of(problem), 400, 2)):
        x, y = blocks[-1].points.T
        assert bool((x > y).all())
        assert len(x) > 5


def test_sampling_is_what_a_person_asked_for():
    sampling = Sampling(interior=50, boundary=16, sampler="random")
    problem = replace(MIXED, conditions=[Dirichlet("boundary")])
    equation, condition = fit_blocks(problem, sampling)
    assert len(condition.points) == 16
    inner = equation.points[problem.domain.contains(equation.points)]
    assert torch.equal(inner, problem.domain.sample_interior(50, "random", 0))
    other, _ = fit_blocks(problem, sampling, seed=1)
    assert not torch.equal(other.points, equation.points)
    again, _ = fit_blocks(problem, sampling)
    assert torch.equal(again.points, equation.points)


def test_check_points_are_never_used_by_a_fit():
    used = torch.cat([block.points for block in fit_blocks(MIXED)])
    checks = check_blocks(MIXED, layout_of(MIXED), 400, 2)
    assert {block.kind for block in checks} == {"equation", "condition"}
    for block in checks:
        assert torch.cdist(block.points, used).min() > 0
    assert len(checks[0].points) >= 400


def test_measurements_are_rows_and_some_are_held_back():
    points = random_points(50)
    values = torch.stack([points[:, 0], points[:, 1]], dim=1)
    values[:10, 1] = math.nan  # v was not measured there
    problem = Problem("xy", "uv", SQUARE, data=Data(points, values))
    fitted, held = fit_blocks(problem), check_blocks(problem, layout_of(problem), 100, 2)
    for j, (some, others) in enumerate(zip(fitted, held, strict=True)):
        assert (some.kind, others.kind) == ("data", "data")
        assert len(some.points) + len(others.points) == (50, 40)[j]
        assert 5 <= len(others.points) <= 15
        assert torch.cdist(some.points, others.points).min() > 0
        lin = linearise(
            problem,
            some,
            lambda name, _, p=some.points: p[:, "uv".index(name)],
        )
        assert residual_rows(some, lin).abs().max() == 0


def test_a_fit_of_a_linear_problem_is_the_least_squares_solution():
    """The rows, given to numpy, have the solution that the weights are set to."""
    problem = replace(MIXED, conditions=[Dirichlet("boundary", lambda x, y: x * y)])
    blocks = fit_blocks(problem)
    network: LinearOutputNetwork = gmnm(1)
    system = assemble(problem, network, blocks, [at_zero(problem, b) for b in blocks])
    weights = np.linalg.lstsq(system.rows.numpy(), system.target.numpy())[0]
    network.set_output_weights(torch.from_numpy(weights)[:, None])
    rows = torch.cat([residual_rows(b, at_network(problem, b, network)) for b in blocks])
    assert (system.rows.T @ rows).abs().max() < 1e-11  # the residual is orthogonal
