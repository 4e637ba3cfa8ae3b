"""Integrals over the domain within equations and conditions, in every form that is solved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import e, pi

import pytest
import torch
from evolution_parts import evenly, make_system
from test_assembly import weights_jacobian
from torch import Tensor, cos, exp, sin

import gmnm_pde as gp
from gmnm_pde import methods, networks
from gmnm_pde.assembly import parameter_rows, weight_rows
from gmnm_pde.checks import check
from gmnm_pde.errors import InputError
from gmnm_pde.evolution.system import shape_of
from gmnm_pde.fields import Values
from gmnm_pde.integrals import integrated, integrates, with_quadrature
from gmnm_pde.linearised import Block, at_network, at_zero, is_linear, residual_rows, target_rows
from gmnm_pde.networks import GMNM, Network
from gmnm_pde.problem import Problem
from gmnm_pde.quadrature import at_times, interpolation
from gmnm_pde.references import Exact, FiniteDifference, FiniteElement, Spectral, exact_values

LINE = gp.Interval(0, 1)
SQUARE = gp.Rectangle((0, 1), (0, 2))
close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-10)


def solved(problem: Problem, **options: object) -> float:
    """The largest relative error of a solve, which must have come to an end."""
    solution = gp.solve(problem, **options)
    assert solution.status == "converged"
    return max(solution.errors.relative_l2.values())


def by(network: object, *found: object) -> gp.Recipe:
    return gp.Recipe(network=network, methods=found)


# rows and Jacobians


LINEAR: dict[str, tuple[str, Callable]] = {
    "mean": ("u", lambda u, x, integral: u.xx + x * integral(u) - 1),
    "weighted": ("u", lambda u, x, integral: u.y + exp(x) * integral(lambda u, y: y * u.x - y)),
    "two unknowns": ("uv", lambda u, v, integral: u - integral(lambda u, v, x: v.xx + x * u)),
    "two integrals": ("uv", lambda u, v, x, integral: v.x + integral(u) - x * integral(v) + 2),
}
NONLINEAR: dict[str, tuple[str, Callable]] = {
    "kirchhoff": ("u", lambda u, integral: (1 + integral(lambda u: u.x**2)) * u.xx),
    "population": ("u", lambda u, x, integral: u.xx + u * (x - integral(u))),
    "inside": ("u", lambda u, integral: u + integral(lambda u, y: exp(u) * y)),
    "product": ("uv", lambda u, v, integral: u.y + integral(u) * integral(lambda v: v.x**3) * v),
    "outside": ("u", lambda u, x, integral: u.x + sin(x * integral(u))),
}


def make(unknowns: str, function: Callable, time: tuple[float, float] | None = None):
    """A problem and a block of one equation; with time it is at three times."""
    coordinates = "xy" if time is None else "xyt"
    problem = Problem(coordinates, unknowns, SQUARE, [function], time=time)
    points = problem.region.sample_interior(9, "random", 3)
    if time is not None:
        points[:, -1] = points[:3, -1].repeat(3)
    block = Block(
        "equation", "r", problem.laws[0].residual, points, torch.linspace(0.5, 2, 9).double()
    )
    return problem, with_quadrature(problem, block, 100)


def layer(problem: Problem) -> GMNM:
    generator = torch.Generator().manual_seed(5)
    d, m = len(problem.coordinates), len(problem.unknowns)
    mu = torch.rand(5, d, generator=generator, dtype=torch.float64)
    P = torch.ones(5, d, dtype=torch.float64)
    pi = torch.rand(5, m, generator=generator, dtype=torch.float64) + 0.1
    return GMNM(mu, P, m, bias=False, pi=pi)


def attached_rows(problem: Problem, block: Block, network: Network) -> Tensor:
    """The rows as a differentiable function of a network's parameters, integrals by a sum."""

    def state(points: Tensor) -> Values:
        at = points.detach().clone().requires_grad_()
        outputs = network(at)

        def values(name: str, orders: tuple[int, ...]) -> Tensor:
            value = outputs[:, problem.unknowns.index(name)]
            for axis, order in enumerate(orders):
                for _ in range(order):
                    (slope,) = torch.autograd.grad(value.sum(), at, create_graph=True)
                    value = slope[:, axis]
            return value

        return values

    jet = problem.jet(block.points, state(block.points), None, state, block.quadrature)
    return block.residual(jet) * block.weights


@pytest.mark.parametrize("time", [None, (0.0, 1.0)], ids=["steady", "in time"])
@pytest.mark.parametrize("name", {**LINEAR, **NONLINEAR})
def test_rows_equal_autograd(name, time):
    problem, block = make(*{**LINEAR, **NONLINEAR}[name], time)
    network = layer(problem)
    lin = at_network(problem, block, network)
    rows = attached_rows(problem, block, network)
    close(residual_rows(block, lin), rows.detach())
    close(weight_rows(problem, block, lin, network), weights_jacobian(rows, network))
    product = weight_rows(problem, block, lin, network) @ network.flat_weights
    close(product - target_rows(block, lin), residual_rows(block, lin))


@pytest.mark.parametrize(
    "kind", [networks.MLPSpec(width=4, depth=1), networks.KANSpec(widths=(2,))]
)
@pytest.mark.parametrize("name", {**LINEAR, **NONLINEAR})
def test_parameter_rows_equal_finite_differences(name, kind):
    problem, block = make(*{**LINEAR, **NONLINEAR}[name])
    network = kind.initial(
        problem.region.lower, problem.region.upper, len(problem.unknowns),
        torch.Generator().manual_seed(1),
    )  # fmt: skip
    names = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    parameters = [dict(network.named_parameters())[name] for name in names]
    got = parameter_rows(problem, block, at_network(problem, block, network), network, names)
    start, step = torch.nn.utils.parameters_to_vector(parameters).detach().clone(), 1e-6
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        direction = torch.randn(len(start), generator=generator, dtype=torch.float64)
        ends = []
        for sign in (1, -1):
            torch.nn.utils.vector_to_parameters(start + sign * step * direction, parameters)
            ends.append(residual_rows(block, at_network(problem, block, network)))
        expected = (ends[0] - ends[1]) / (2 * step)
        torch.testing.assert_close(got @ direction, expected, rtol=1e-6, atol=1e-6)


def test_linear_and_nonlinear_residuals_are_told_apart():
    assert all(is_linear(*make(*case)) for case in LINEAR.values())
    assert not any(is_linear(*make(*case)) for case in NONLINEAR.values())


def test_the_derivatives_inside_are_known():
    problem, block = make(*LINEAR["weighted"])
    assert integrates(problem, block)
    assert integrated(problem, block) == {("u", (1, 0))}
    assert not integrates(*make("u", lambda u: u.x))


def test_an_integral_without_unknowns_is_a_number():
    problem, block = make("u", lambda u, integral: u - integral(lambda x, y: x * y**2))
    lin = at_zero(problem, block)
    assert not lin.terms
    close(lin.target, torch.full((9,), 4 / 3, dtype=torch.float64))


def test_integrals_are_at_the_time_of_the_row():
    problem = Problem("xt", "u", LINE, [lambda u, integral: integral(u)], time=(0, 2))
    points = problem.region.sample_interior(300, "random", 0)

    def state(at: Tensor) -> Values:
        return lambda name, orders: exp(at[:, 0]) * sin(3 * at[:, 1])

    for some in (points, points[:5]):  # at many times by interpolation, at few without
        found = problem.laws[0].residual(problem.jet(some, state(some), elsewhere=state))
        close(found, (e - 1) * sin(3 * some[:, 1]))


def test_interpolation_in_time_is_exact_at_its_nodes_and_for_smooth_functions():
    times = torch.linspace(1, 3, 200, dtype=torch.float64)
    nodes, matrix = interpolation(times, 1.0, 3.0, 24)
    close(matrix @ sin(4 * nodes), sin(4 * times))
    close(interpolation(nodes, 1.0, 3.0, 24)[1], torch.eye(24, dtype=torch.float64))


def test_few_times_are_not_interpolated():
    one = torch.ones(1, 1, dtype=torch.float64)
    rule = at_times(one, one[0], torch.tensor([0.5, 0.1, 0.5], dtype=torch.float64))
    assert rule.points[:, -1].tolist() == [0.1, 0.5]
    assert rule.at_rows(torch.tensor([7.0, 8.0], dtype=torch.float64), 3).tolist() == [8, 7, 8]


# evolution: the projected system


EVOLVING: dict[str, Problem] = {
    "line": Problem(
        "xt", "uv", LINE,
        [
            lambda u, v, x, integral: u.t - u.xx + v * integral(lambda u, v, x: x * u * v.x**2),
            lambda u, v, integral: v.tt - v.xx + integral(lambda u, v: u.t + v.t * u) * u,
        ],
        [
            gp.Initial(0.0, "u"), gp.Initial(0.0, "v"), gp.Initial(0.0, "v", rate=True),
            gp.Condition("left", lambda u, v, integral: u.n + u - integral(v) ** 2),
            gp.Dirichlet("right", 0.0, "u"), gp.Dirichlet("boundary", 0.0, "v"),
        ],
        time=(0, 1),
    ),
    "square": Problem(
        "xyt", "u", SQUARE,
        [lambda u, integral: u.t - (1 + integral(lambda u, y: y * u.x**2)) * u.yy],
        [gp.Initial(0.0), gp.Condition("left", lambda u, integral: u.n + integral(u) * u)],
        time=(0, 1),
    ),
    "disk": Problem(
        "xyt", "u", gp.Disk((0.1, 0.0), 1.0),
        [lambda u, integral: u.t - (1 + integral(lambda u, y: y * u.x**2)) * u.yy],
        [gp.Initial(0.0), gp.Condition("boundary", lambda u, integral: u + integral(u) * u)],
        time=(0, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EVOLVING)
def test_jacobians_in_time_are_those_of_the_residual(name):
    problem = EVOLVING[name]
    system = make_system(problem, evenly(problem.domain, 3), aim=1e-2)
    generator = torch.Generator().manual_seed(0)
    shape = (3, system.unknowns, system.modes.count)
    c = torch.randn(shape, generator=generator, dtype=torch.float64)
    h = 1e-5
    for rate, got in enumerate(system.jacobians(0.3, c)):
        direction = torch.zeros_like(c)
        direction[rate] = torch.randn(shape[1:], generator=generator, dtype=torch.float64)
        ends = [system.residual(0.3, c + sign * h * direction) for sign in (1, -1)]
        expected = (ends[0] - ends[1]) / (2 * h)
        # Rounding of the residual is seen through 1 / h.
        noise = 1e-14 * float(ends[0].abs().max()) / h
        torch.testing.assert_close(
            got @ direction[rate].flatten(), expected, rtol=1e-6, atol=noise + 1e-7
        )


def test_a_rate_that_only_an_integral_holds_is_refused():
    problem = Problem(
        "xt", "u", LINE, [lambda u, integral: u.t - integral(lambda u: u.tt)], time=(0, 1)
    )
    with pytest.raises(InputError, match="time derivative of u of order 2"):
        shape_of(problem)


# solves


def kirchhoff(domain: gp.Interval | gp.Rectangle) -> Problem:
    """-(1 + int |grad u|^2) lap u = f for a product of sines."""
    if domain.dimension == 1:
        return Problem(
            "x", "u", domain,
            [
                lambda u, x, integral: -(1 + integral(lambda u: u.x**2)) * u.xx
                - pi**2 * (1 + pi**2 / 2) * sin(pi * x)
            ],
            [gp.Dirichlet("boundary", 0.0)], reference=Exact({"u": lambda x: sin(pi * x)}),
        )  # fmt: skip
    return Problem(
        "xy", "u", domain,
        [
            lambda u, x, y, integral: -(1 + integral(lambda u: u.x**2 + u.y**2)) * gp.laplacian(u)
            - 2 * pi**2 * (1 + pi**2 / 2) * sin(pi * x) * sin(pi * y)
        ],
        [gp.Dirichlet("boundary", 0.0)],
        reference=Exact({"u": lambda x, y: sin(pi * x) * sin(pi * y)}),
    )  # fmt: skip


def test_a_linear_integro_differential_equation():
    problem = Problem(
        "x", "u", LINE,
        [lambda u, x, integral: -u.xx + integral(u) - pi**2 * sin(pi * x) - 2 / pi],
        [gp.Dirichlet("boundary", 0.0)], reference=Exact({"u": lambda x: sin(pi * x)}),
    )  # fmt: skip
    assert check(problem).linear
    assert solved(problem) < 1e-13


@pytest.mark.parametrize("domain", [gp.Rectangle((0, 1), (0, 1)), gp.Disk((0.5, 0.3), 0.5)])
def test_a_linear_integro_differential_equation_in_the_plane(domain):
    problem = Problem(
        "xy", "u", domain,
        [lambda u, x, integral: -gp.laplacian(u) + exp(x) * integral(lambda u, x: x * u)],
        [gp.Dirichlet("boundary", 0.0)],
    )  # fmt: skip
    assert solved(gp.manufactured(problem, {"u": "sin(2*x)*exp(y)"})) < 1e-12


def test_kirchhoffs_equation():
    problem = kirchhoff(LINE)
    assert not check(problem).linear
    assert solved(problem) < 1e-12


@pytest.mark.slow
def test_kirchhoffs_equation_in_the_plane():
    assert solved(kirchhoff(gp.Rectangle((0, 1), (0, 1)))) < 1e-11


FIXED = Problem(
    "x", "u", LINE,
    [lambda u, x, integral: -u.xx + integral(u) - pi**2 * cos(pi * x) - 3],
    [gp.Neumann("boundary", 0.0)], reference=Exact({"u": lambda x: 3 + cos(pi * x)}),
)  # fmt: skip


def test_an_integral_fixes_the_constant_that_fluxes_leave_free():
    assert not check(FIXED).free
    assert solved(FIXED) < 1e-12
    slopes = [lambda u, integral: -u.xx + integral(lambda u: u.x**2)]
    assert check(replace(FIXED, equations=slopes)).free == ("u",)


def test_references_see_that_an_integral_fixes_a_constant():
    points = LINE.sample_interior(50)
    found = Spectral().evaluate(FIXED, points).values[:, 0]
    torch.testing.assert_close(found, 3 + cos(pi * points[:, 0]), rtol=1e-10, atol=0)


def test_an_integral_in_a_condition():
    problem = Problem(
        "x", "u", LINE,
        [lambda u, x: u.xx - exp(x)],
        [
            gp.Condition("left", lambda u, integral: u - integral(u) - 2 + e),
            gp.Dirichlet("right", e),
        ],
        reference=Exact({"u": lambda x: exp(x)}),
    )  # fmt: skip
    assert solved(problem) < 1e-12


def test_exact_conditions_go_with_integrals():
    problem = Problem(
        "x", "u", LINE,
        [lambda u, x, integral: -u.xx + integral(lambda u: u**2) - pi**2 * sin(pi * x) - 0.5],
        [replace(gp.Dirichlet("boundary", 0.0), enforce="hard")],
        reference=Exact({"u": lambda x: sin(pi * x)}),
    )  # fmt: skip
    solution = gp.solve(problem)
    assert solution.errors.relative_l2["u"] < 1e-12
    assert solution(torch.tensor([[0.0], [1.0]], dtype=torch.float64)).abs().max() == 0


def test_an_integral_over_subdomains_is_over_all_of_them():
    problem = Problem(
        "x", "u", LINE,
        [lambda u, x, integral: -u.xx + integral(u)],
        [
            gp.Dirichlet("boundary", 0.0),
            gp.Interface("core", lambda u: u), gp.Interface("core", lambda u: u.n),
        ],
        subdomains={"core": gp.Interval(0.3, 0.6)},
    )  # fmt: skip
    assert solved(gp.manufactured(problem, {"u": "exp(2*x)"})) < 1e-12


def test_what_is_inferred_may_stand_beside_an_integral():
    points = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)[:, None]
    problem = Problem(
        "x", "u", LINE,
        [lambda u, x, k, integral: -u.xx + k * integral(u) - pi**2 * sin(pi * x) - 6 / pi],
        [gp.Dirichlet("boundary", 0.0)],
        data=gp.Data(points, sin(pi * points)), infer={"k": gp.Constant(initial=1.0)},
    )  # fmt: skip
    solution = gp.solve(problem)
    assert solution.findings.values["k"] == pytest.approx(3.0, rel=1e-8)


FISHER = Problem(
    "xt", "u", LINE,
    [lambda u, integral: u.t - 0.1 * u.xx - u * (1 - integral(u))],
    [gp.Initial(0.0), gp.Neumann("boundary", 0.0)], time=(0, 1),
)  # fmt: skip
SOLUTION = {"u": "1 + cos(pi*x)*exp(-t)/2 + 0.3*sin(3*t)*x"}


def test_a_population_limited_by_its_size():
    """Without sources, in closed form: u = m(t)/m(0) w, w of the heat equation, m logistic."""

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return (0.2 + 0.15 * cos(pi * x) * exp(-0.1 * pi**2 * t)) * exp(t) / (0.8 + 0.2 * exp(t))

    problem = replace(
        FISHER,
        conditions=[gp.Initial(lambda x: 0.2 + 0.15 * cos(pi * x)), gp.Neumann("boundary", 0.0)],
        reference=Exact({"u": exact}),
    )
    assert solved(problem) < 1e-10


def test_manufactured_in_time_by_steps_and_in_space_time():
    problem = gp.manufactured(FISHER, SOLUTION)
    assert solved(problem) < 1e-10
    assert solved(problem, solver=by(gp.GMNMSpec(), gp.LeastSquares())) < 1e-10


@pytest.mark.parametrize("domain", [SQUARE, gp.Disk((0.2, 0.1), 1.0)], ids=["square", "disk"])
def test_in_time_in_the_plane(domain):
    problem = Problem(
        "xyt", "u", domain,
        [
            lambda u, integral: u.t
            - 0.2 * (1 + integral(lambda u, x: x * u**2)) * gp.laplacian(u)
            - u * (1 - integral(u))
        ],
        [gp.Initial(0.0), gp.Condition("boundary", lambda u, integral: u.n + u - integral(u))],
        time=(0, 0.3),
    )  # fmt: skip
    assert solved(gp.manufactured(problem, {"u": "1 + sin(x + y)*exp(-t)"}), rtol=1e-6) < 1e-6


def test_a_constraint_on_an_integral_holds_at_all_times_in_space_time():
    """The equation and the fluxes leave a function of time free."""

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return 3 + sin(5 * t) + cos(pi * x) * (1 + t)

    problem = Problem(
        "xt", "u", LINE,
        [lambda u, x, t: u.xx + pi**2 * cos(pi * x) * (1 + t)],
        [gp.Neumann("boundary", 0.0), gp.IntegralCondition(lambda u, t: u - sin(5 * t), 3.0)],
        time=(0, 2), reference=Exact({"u": exact}),
    )  # fmt: skip
    assert solved(problem, solver=by(gp.GMNMSpec(), gp.LeastSquares()), rtol=1e-7) < 1e-7


TRAINED = [
    (networks.MLPSpec(width=12, depth=2), methods.LBFGS(iterations=150), 1e-2),
    (networks.MLPSpec(width=12, depth=2), methods.GaussNewton(iterations=40), 1e-4),
    (networks.KANSpec(widths=(4,)), methods.GaussNewton(iterations=30), 1e-4),
    (networks.MLPSpec(width=12, depth=2), methods.NaturalGradient(iterations=30), 1e-3),
]


@pytest.mark.parametrize(("network", "method", "limit"), TRAINED)
def test_trained_networks(network, method, limit):
    solution = gp.solve(kirchhoff(LINE), solver=by(network, method))
    assert solution.errors.relative_l2["u"] < limit


def test_the_loss_of_a_trained_network_has_the_gradient_of_its_rows():
    from gmnm_pde.methods.training.objective import Objective, Weights

    problem, block = make(*NONLINEAR["kirchhoff"])
    network = networks.MLPSpec(width=4, depth=1).initial(
        problem.region.lower, problem.region.upper, 1, torch.Generator().manual_seed(1)
    )
    objective = Objective(problem, [block])
    weights = Weights.ones([block])
    r, J = objective.linearised(network, weights)
    loss, gradient = objective.value_and_gradient(network, weights)
    assert loss == pytest.approx(float(r @ r), rel=1e-12)
    close(gradient, 2 * J.T @ r)


# references and checks


@pytest.mark.parametrize(
    ("reference", "limit"), [(Spectral(), 1e-11), (FiniteDifference(points=81, order=4), 1e-6)]
)
@pytest.mark.parametrize("name", ["steady", "in time"])
def test_references_on_grids(reference, limit, name):
    problem = kirchhoff(LINE) if name == "steady" else gp.manufactured(FISHER, SOLUTION)
    points = problem.region.sample_interior(100)
    wanted = exact_values(problem, points)("u", (0,) * points.shape[1])
    found = reference.evaluate(problem, points)
    error = float((found.values[:, 0] - wanted).norm() / wanted.norm())
    assert error < limit
    assert found.own_error["u"] < 10 * limit


def test_finite_elements_name_the_integral():
    with pytest.raises(InputError, match="finite elements cannot do an integral within"):
        FiniteElement().evaluate(kirchhoff(LINE), torch.zeros(1, 1, dtype=torch.float64))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            lambda u, integral: u.xx - integral(lambda u, integral: integral(u)),
            "not in one another",
        ),
        (lambda u, integral: u.xx - integral(u.x), "takes a function of the unknowns"),
        (lambda u, integral: u.xx - integral(lambda u: u.n), "normal"),
        (lambda u, integral: integral(u) - 1, "only integrals of"),
    ],
)
def test_bad_integrals_are_refused(function, words):
    with pytest.raises(InputError) as error:
        check(Problem("x", "u", LINE, [function], [gp.Dirichlet("boundary", 0.0)]))
    assert words in str(error.value)


def test_a_condition_on_an_integral_alone_is_answered_with_the_right_kind():
    conditions = [gp.Condition("boundary", lambda u, integral: integral(u) - 1)]
    with pytest.raises(InputError) as error:
        check(Problem("x", "u", LINE, [lambda u: u.xx], conditions))
    assert "integral: ..., equals: ..." in str(error.value)
