"""Every network keeps the same promises: a new one supplies a factory and inherits the tests."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gmnm_pde.errors import InputError
from gmnm_pde.networks import (
    GMNM,
    NETWORKS,
    GMNMSpec,
    LinearOutputNetwork,
    MLPSpec,
    Network,
    rebuild,
    stored_name,
    stored_options,
)

Orders = tuple[int, ...]
Make = Callable[[torch.Generator, torch.dtype], Network]
ORDER = 4
"""The highest derivative that a shipped equation asks for."""


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """In [-1, 1], float64."""
    return 2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1


def multi_indices(dimension: int, order: int) -> list[Orders]:
    """All of them up to a total order, the mixed ones included."""
    return [
        tuple(axes.count(k) for k in range(dimension))
        for total in range(order + 1)
        for axes in combinations_with_replacement(range(dimension), total)
    ]


def nested_autograd(
    function: Callable[[Tensor], Tensor], points: Tensor, orders: Sequence[Orders]
) -> dict[Orders, Tensor]:
    """D^alpha of every output by repeated backward passes, (n, m) each, attached to the graph."""
    at = points.detach().clone().requires_grad_()
    known = {(0,) * points.shape[1]: function(at)}

    def derivative(alpha: Orders) -> Tensor:
        if alpha not in known:
            axis = max(k for k, order in enumerate(alpha) if order)
            lower = derivative(tuple(order - (k == axis) for k, order in enumerate(alpha)))
            columns = [
                torch.autograd.grad(
                    lower[:, j].sum(), at, create_graph=True, materialize_grads=True
                )[0][:, axis]
                for j in range(lower.shape[1])
            ]
            known[alpha] = torch.stack(columns, dim=1)
        return known[alpha]

    return {alpha: derivative(alpha) for alpha in orders}


def trained_names(network: Network) -> list[str]:
    """The parameters that a method may train: none of a network that is computed as a whole."""
    return [name for name, value in network.named_parameters() if value.requires_grad]


def assert_equal_to_rounding(actual: Tensor, expected: Tensor, tolerance: float = 1e-11) -> None:
    """Relative to the largest entry: single ones may be small by cancellation."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    size = expected.abs().max().item() if expected.numel() else 0.0
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=tolerance * size + 1e-300)


class NetworkConformance:
    """What every network must satisfy. A subclass states a ``make`` fixture: a factory
    (generator, dtype) -> network, which draws the same parameters for the same generator."""

    order = ORDER

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError

    @pytest.fixture
    def network(self, make: Make) -> Network:
        return make(seeded(0), torch.float64)

    @pytest.fixture
    def points(self, network: Network) -> Tensor:
        return uniform(seeded(1), 4, network.n_inputs)

    @pytest.fixture
    def orders(self, network: Network) -> list[Orders]:
        return multi_indices(network.n_inputs, self.order)

    def test_forward_maps_points_to_outputs(self, network, points):
        values = network(points)
        assert values.shape == (4, network.n_outputs)
        assert values.dtype == torch.float64
        assert values.isfinite().all()
        assert values.abs().max() > 1e-3  # nothing is shown about a network that vanishes

    def test_is_pointwise(self, network, points):
        alone = torch.cat([network(point[None]) for point in points])
        assert_equal_to_rounding(alone, network(points), 1e-14)

    def test_no_points(self, network):
        none = torch.zeros(0, network.n_inputs, dtype=torch.float64)
        zero = (0,) * network.n_inputs
        assert network(none).shape == (0, network.n_outputs)
        assert network.derivatives(none, [zero])[zero].shape == (0, network.n_outputs)

    def test_derivatives_equal_nested_autograd(self, network, points, orders):
        actual = network.derivatives(points, orders)
        assert set(actual) == set(orders)
        for alpha, expected in nested_autograd(network, points, orders).items():
            assert_equal_to_rounding(actual[alpha].detach(), expected.detach())

    def test_derivatives_equal_finite_differences(self, network, points):
        """Central differences of D^alpha against D^(alpha + e_k)."""
        h = 1e-5
        for alpha in multi_indices(network.n_inputs, self.order - 1):
            for axis in range(network.n_inputs):
                higher = tuple(order + (k == axis) for k, order in enumerate(alpha))
                step = h * torch.eye(network.n_inputs, dtype=torch.float64)[axis]
                with torch.no_grad():
                    after = network.derivatives(points + step, [alpha])[alpha]
                    before = network.derivatives(points - step, [alpha])[alpha]
                    exact = network.derivatives(points, [higher])[higher]
                assert_equal_to_rounding((after - before) / (2 * h), exact, 1e-6)

    def test_a_derivative_does_not_depend_on_what_else_is_asked_for(self, network, points, orders):
        everything = network.derivatives(points, orders[::-1])
        for alpha in orders[:: max(1, len(orders) // 5)]:
            assert torch.equal(network.derivatives(points, [alpha])[alpha], everything[alpha])

    def test_parameter_jacobian_equals_autograd(self, network, points, orders):
        parameters = dict(network.named_parameters())
        names = trained_names(network)[::-1]  # the order is the caller's
        if not names:
            with pytest.raises(InputError, match="no parameters to train") as caught:
                network.parameter_jacobian(points, orders, list(parameters))
            assert caught.value.mend
            return
        actual = network.parameter_jacobian(points, orders, names)
        graph = nested_autograd(network, points, orders)
        # Random combinations of the rows: one backward pass instead of n * m.
        weights = uniform(seeded(2), 2, len(points), network.n_outputs)
        for alpha in orders:
            size = sum(parameter.numel() for parameter in parameters.values())
            assert actual[alpha].shape == (len(points), network.n_outputs, size)
            for weight in weights:
                gradients = torch.autograd.grad(
                    (weight * graph[alpha]).sum(),
                    [parameters[name] for name in names],
                    retain_graph=True,
                    materialize_grads=True,
                )
                expected = torch.cat([gradient.flatten() for gradient in gradients])
                combined = torch.einsum("nm,nmp->p", weight, actual[alpha].detach())
                assert_equal_to_rounding(combined, expected, 1e-10)

    def test_weighted_jacobian_is_a_combination_of_rows(self, network, points, orders):
        names = trained_names(network)
        if not names:
            pytest.skip("nothing to train")
        size = (len(points), network.n_outputs)
        weights = {alpha: uniform(seeded(len(alpha) + k), *size) for k, alpha in enumerate(orders)}
        rows = network.parameter_jacobian(points, orders, names)
        expected = sum(torch.einsum("nm,nmp->np", weights[a], rows[a]) for a in orders)
        actual = network.weighted_jacobian(points, weights, names)
        assert_equal_to_rounding(actual.detach(), expected.detach(), 1e-12)

    def test_parameter_jacobian_of_one_parameter(self, network, points):
        alpha = (1, *[0] * (network.n_inputs - 1))
        names = trained_names(network)
        if not names:
            pytest.skip("nothing to train")
        together = network.parameter_jacobian(points, [alpha], names)[alpha]
        parts = [network.parameter_jacobian(points, [alpha], [name])[alpha] for name in names]
        assert_equal_to_rounding(torch.cat(parts, dim=2).detach(), together.detach())

    def test_every_parameter_is_trained(self, network, points):
        if not trained_names(network):
            assert not network(points).requires_grad
            return
        network(points).square().sum().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name

    def test_state_dict_round_trip(self, make, network, points):
        other = make(seeded(7), torch.float64)
        assert not torch.equal(other(points), network(points))
        other.load_state_dict(network.state_dict())
        assert torch.equal(other(points), network(points))

    def test_a_copy_is_its_own(self, network, points):
        before = network(points).detach().clone()
        twin = copy.deepcopy(network)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.add_(0.1)
        assert torch.equal(network(points), before)
        assert not torch.equal(twin(points), before)

    def test_single_precision(self, make, points):
        single, double = make(seeded(0), torch.float32), make(seeded(0), torch.float64)
        double.load_state_dict(single.state_dict())
        orders = multi_indices(double.n_inputs, 2)
        rounded, same = points.float(), points.float().double()
        pairs = [(single.derivatives(rounded, orders), double.derivatives(same, orders))]
        if names := trained_names(double):
            rows = single.parameter_jacobian(rounded, orders, names)
            pairs.append((rows, double.parameter_jacobian(same, orders, names)))
        assert single(rounded).dtype == torch.float32
        for (got, expected), alpha in product(pairs, orders):
            assert got[alpha].dtype == torch.float32
            value, exact = got[alpha].detach().double(), expected[alpha].detach()
            assert_equal_to_rounding(value, exact, 2e-5)

    def test_moves_between_dtypes(self, make, network, points):
        single = make(seeded(0), torch.float64).to(torch.float32)
        assert single(points.float()).dtype == torch.float32
        assert_equal_to_rounding(single(points.float()).double(), network(points), 2e-5)


class LinearOutputConformance(NetworkConformance):
    """What a network whose output is linear in its last weights must satisfy as well."""

    def test_output_is_features_times_weights(self, network, points):
        features, weights = network.features(points), network.output_weights
        assert features.shape == (len(points), weights.shape[0])
        assert weights.shape[1] == network.n_outputs
        assert_equal_to_rounding(features @ weights, network(points), 1e-13)

    def test_feature_derivatives_equal_nested_autograd(self, network, points, orders):
        actual = network.feature_derivatives(points, orders)
        # Random combinations of the features: fewer backward passes.
        mixing = uniform(seeded(5), network.output_weights.shape[0], 2)
        graph = nested_autograd(lambda x: network.features(x) @ mixing, points, orders)
        for alpha, expected in graph.items():
            assert_equal_to_rounding((actual[alpha] @ mixing).detach(), expected.detach())

    def test_set_output_weights_round_trip(self, network, points):
        weights = uniform(seeded(3), *network.output_weights.shape)
        given_weights = weights.clone()
        network.set_output_weights(weights)
        assert torch.equal(network.output_weights, weights)
        weights.zero_()  # the network took the numbers, not the tensor
        assert torch.equal(network.output_weights, given_weights)
        assert_equal_to_rounding(network(points), network.features(points) @ given_weights, 1e-13)

    def test_output_weights_stay_parameters(self, network, points):
        network.set_output_weights(torch.zeros_like(network.output_weights.detach()))
        assert torch.equal(network(points), torch.zeros_like(network(points)))
        network(points).sum().backward()
        assert sum(p.grad is not None and bool(p.grad.any()) for p in network.parameters()) >= 1
        assert all(p.requires_grad for p in network.parameters())

    def test_features_depend_on_the_inner_parameters_only(self, network, points):
        inner = set(network.inner_parameters)
        parameters = dict(network.named_parameters())
        assert inner < set(parameters)
        gradients = torch.autograd.grad(
            (network.features(points) * uniform(seeded(4), len(points), 1)).sum(),
            list(parameters.values()),
            allow_unused=True,
        )
        moved = {
            name
            for name, gradient in zip(parameters, gradients, strict=True)
            if gradient is not None and bool(gradient.any())
        }
        assert moved == inner


# the GMNM layer


def random_gmnm(
    generator: torch.Generator,
    dtype: torch.dtype,
    *,
    kind: str,
    dimension: int,
    n_outputs: int = 2,
    units: int = 3,
    rank: int = 1,
    bias: bool = True,
) -> GMNM:
    """Units of unequal, possibly negative widths: nothing is constrained."""
    columns = {"isotropic": (1,), "diagonal": (dimension,), "full": (dimension, dimension)}
    P = 1.5 * uniform(generator, units, *columns.get(kind, (rank, dimension)))
    layer = GMNM(
        uniform(generator, units, dimension),
        P + 0.5 * P.sign(),
        n_outputs,
        bias=bias,
        pi=uniform(generator, units, n_outputs),
    )
    if layer.b is not None:
        with torch.no_grad():
            layer.b.copy_(uniform(generator, n_outputs))
    return layer.to(dtype)


KINDS = [("isotropic", 1), ("diagonal", 1), ("full", 1), ("low_rank", 1), ("low_rank", 2)]
GMNM_CASES = {
    f"{kind}-{rank}-{dimension}d": partial(
        random_gmnm, kind=kind, rank=rank, dimension=dimension, bias=(dimension + rank) % 2 == 0
    )
    for (kind, rank), dimension in product(KINDS, (1, 2, 3))
    if not (kind == "isotropic" and dimension == 1)  # the same as diagonal
}


class TestGMNM(LinearOutputConformance):
    @pytest.fixture(params=GMNM_CASES.values(), ids=GMNM_CASES)
    def make(self, request):
        return request.param


class TestGMNMWithOneOutput(LinearOutputConformance):
    @pytest.fixture
    def make(self):
        return partial(random_gmnm, kind="full", dimension=2, n_outputs=1)


class Stack(Network):
    """GMNM layers in a row, on the automatic path."""

    def __init__(self, generator: torch.Generator, dtype: torch.dtype) -> None:
        super().__init__()
        self.n_inputs, self.n_outputs = 2, 2
        layer = partial(GMNM.random, generator=generator, dtype=dtype, width=0.8)
        self.layers = nn.Sequential(
            layer(2, 3, 3, projection="full"), layer(3, 2, 2, projection="low_rank", rank=2)
        )

    def forward(self, points: Tensor) -> Tensor:
        return self.layers(points)


class TestStackedGMNM(NetworkConformance):
    @pytest.fixture
    def make(self):
        return Stack


class OwnMLP(Network):
    """What a person writes: one method."""

    def __init__(self, generator: torch.Generator, dtype: torch.dtype) -> None:
        super().__init__()
        self.n_inputs, self.n_outputs = 2, 2
        self.first = nn.Linear(2, 5, dtype=dtype)
        self.last = nn.Linear(5, 2, dtype=dtype)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(uniform(generator, *parameter.shape))

    def forward(self, points: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(points)))


class TestOwnNetwork(NetworkConformance):
    @pytest.fixture
    def make(self):
        return OwnMLP


class Multiquadrics(LinearOutputNetwork):
    """Another basis, by the features alone."""

    def __init__(self, generator: torch.Generator, dtype: torch.dtype) -> None:
        super().__init__()
        self.n_inputs, self.n_outputs = 2, 2
        self.centres = nn.Parameter(uniform(generator, 4, 2).to(dtype))
        self.weights = nn.Parameter(uniform(generator, 4, 2).to(dtype))

    @property
    def output_weights(self) -> Tensor:
        return self.weights

    def set_output_weights(self, weights: Tensor) -> None:
        with torch.no_grad():
            self.weights.copy_(weights)

    @property
    def inner_parameters(self) -> tuple[str, ...]:
        return ("centres",)

    def features(self, points: Tensor) -> Tensor:
        return (1 + (points[:, None] - self.centres).square().sum(-1)).sqrt()


class TestOwnLinearOutputNetwork(LinearOutputConformance):
    @pytest.fixture
    def make(self):
        return Multiquadrics


# closed form against autograd, over random inputs


@st.composite
def layers(draw: st.DrawFn) -> tuple[GMNM, Tensor, Orders]:
    """A layer, points near and far from its units, and a multi-index up to order 5."""
    dimension = draw(st.integers(1, 4))
    kind = draw(st.sampled_from(["isotropic", "diagonal", "full", "low_rank"]))
    rank = draw(st.integers(1, dimension + 1))
    generator = seeded(draw(st.integers(0, 2**20)))
    layer = random_gmnm(
        generator,
        torch.float64,
        kind=kind,
        rank=rank,
        dimension=dimension,
        units=draw(st.integers(1, 2)),
        bias=draw(st.booleans()),
    )
    with torch.no_grad():
        layer.P.mul_(10.0 ** draw(st.floats(-2, 2)))
    reach = 10.0 ** draw(st.floats(-1, 1))
    points = reach * uniform(generator, draw(st.integers(1, 4)), dimension)
    axes = draw(st.lists(st.integers(0, dimension - 1), max_size=5))
    return layer, points, tuple(axes.count(k) for k in range(dimension))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(layers())
def test_closed_form_equals_autograd_for_any_layer(case):
    layer, points, alpha = case
    closed = layer.feature_derivatives(points, [alpha])[alpha].detach()
    expected = nested_autograd(layer.features, points, [alpha])[alpha].detach()
    # |D^alpha g| <= (max singular value of P)^|alpha| max |He_n g|, the scale of the rounding.
    sharpness = layer.P.detach().abs().max().item() * math.sqrt(layer.P[0].numel())
    scale = max(1.0, math.sqrt(math.factorial(sum(alpha)))) * sharpness ** sum(alpha)
    torch.testing.assert_close(closed, expected, rtol=1e-11, atol=1e-12 * scale)


# the formulas as they are printed, z = x - mu, w = P z, s = P'w, M = P'P


def one_unit(kind: str, dimension: int, rank: int, seed: int) -> tuple[GMNM, Tensor, Tensor]:
    """A unit of weight one without a bias, its P as a matrix, and points."""
    generator = seeded(seed)
    make = partial(random_gmnm, kind=kind, dimension=dimension, rank=rank)
    layer = make(generator, torch.float64, units=1, n_outputs=1, bias=False)
    with torch.no_grad():
        layer.pi.fill_(1.0)
    P = layer.P.detach()[0]
    if P.ndim == 1:
        P = torch.diag(P.expand(dimension))
    return layer, P, uniform(generator, 6, dimension)


MATRIX_KINDS = [("full", 2, 2), ("full", 3, 3), ("low_rank", 3, 1), ("low_rank", 3, 2)]
ALL_KINDS = [("isotropic", 2, 1), ("diagonal", 3, 1), *MATRIX_KINDS]


def second_orders(d: int) -> list[Orders]:
    """The multi-indices of the Laplacian."""
    return [tuple(2 * (k == j) for k in range(d)) for j in range(d)]


@pytest.mark.parametrize(("kind", "d", "rank"), ALL_KINDS)
def test_gradient_hessian_and_laplacian_as_printed(kind, d, rank):
    layer, P, points = one_unit(kind, d, rank, 5)
    got = layer.derivatives(points, multi_indices(d, 2))
    eye = torch.eye(d, dtype=torch.long)
    M = P.T @ P
    for i, x in enumerate(points):
        z = x - layer.mu.detach()[0]
        w = P @ z
        s, g = P.T @ w, torch.exp(-(w @ w) / 2)
        gradient = torch.stack([got[tuple(eye[j].tolist())][i, 0] for j in range(d)])
        hessian = torch.stack(
            [
                torch.stack([got[tuple((eye[j] + eye[k]).tolist())][i, 0] for k in range(d)])
                for j in range(d)
            ]
        )
        laplacian = sum(got[alpha][i, 0] for alpha in second_orders(d))
        exact = torch.testing.assert_close
        exact(gradient, -g * s, rtol=1e-12, atol=1e-13)
        exact(hessian, g * (torch.outer(s, s) - M), rtol=1e-12, atol=1e-13)
        exact(laplacian, g * (s @ s - M.trace()), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("kind", "d", "rank"), MATRIX_KINDS)
def test_parameter_derivatives_as_printed(kind, d, rank):
    layer, P, points = one_unit(kind, d, rank, 6)
    zero = (0,) * d
    orders = [zero, *second_orders(d)]
    rows = layer.parameter_jacobian(points, orders, ["mu", "P"])
    laplacian = sum(rows[alpha] for alpha in second_orders(d))
    M = P.T @ P
    for i, x in enumerate(points):
        z = x - layer.mu.detach()[0]
        w = P @ z
        s, g = P.T @ w, torch.exp(-(w @ w) / 2)
        rest = s @ s - M.trace()
        dg = torch.cat([g * s, (-g * torch.outer(w, z)).flatten()])
        d_laplacian_d_mu = g * (rest * s - 2 * M @ s)
        d_laplacian_d_p = g * (
            -rest * torch.outer(w, z) + 2 * torch.outer(w, s) + 2 * torch.outer(P @ s, z) - 2 * P
        )
        exact = torch.testing.assert_close
        exact(rows[zero][i, 0], dg, rtol=1e-12, atol=1e-13)
        exact(
            laplacian[i, 0],
            torch.cat([d_laplacian_d_mu, d_laplacian_d_p.flatten()]),
            rtol=1e-11,
            atol=1e-12,
        )


@pytest.mark.parametrize("n", range(9))
@pytest.mark.parametrize("kind", ["diagonal", "full", "low_rank"])
def test_hermite_polynomials_in_one_dimension(kind, n):
    """g^(n) = (-1)^n sigma^-n He_n(xi) g with xi = z / sigma."""
    layer, P, _ = one_unit(kind, 1, 1, 7)
    inverse = P.item()
    points = uniform(seeded(8), 20, 1) * 3
    xi = inverse * (points - layer.mu.detach()).numpy()[:, 0]
    hermite = np.polynomial.hermite_e.hermeval(xi, [0] * n + [1])
    expected = (-inverse) ** n * hermite * np.exp(-(xi**2) / 2)
    got = layer.derivatives(points, [(n,)])[(n,)].detach().numpy()[:, 0]
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max())


def test_a_layer_is_a_sum_of_gaussians():
    layer = random_gmnm(seeded(9), torch.float64, kind="diagonal", dimension=2, units=2)
    x = torch.tensor([0.3, -0.2], dtype=torch.float64)
    expected = layer.b.detach().clone()
    for i in range(2):
        w = layer.P[i].detach() * (x - layer.mu[i].detach())
        expected += layer.pi[i].detach() * math.exp(-float(w @ w) / 2)
    torch.testing.assert_close(layer(x[None])[0].detach(), expected, rtol=1e-15, atol=1e-15)


# kinds, construction and errors


@pytest.mark.parametrize(("kind", "rank"), KINDS)
@pytest.mark.parametrize("dimension", [2, 3])
def test_a_layer_knows_its_kind(kind, rank, dimension):
    layer = random_gmnm(seeded(0), torch.float64, kind=kind, rank=rank, dimension=dimension)
    square = kind == "low_rank" and rank == dimension
    assert layer.projection == ("full" if square else kind)
    assert layer.n_units == 3


@pytest.mark.parametrize(("kind", "rank"), KINDS)
def test_random_layers(kind, rank):
    make = partial(GMNM.random, 3, 5, 2, projection=kind, rank=rank, width=0.25)
    layer = make(generator=seeded(1))
    assert layer.projection == kind
    assert (layer.n_units, layer.n_inputs, layer.n_outputs) == (5, 3, 2)
    assert layer.mu.abs().max() <= 1
    points = uniform(seeded(2), 3, 3)
    assert torch.equal(make(generator=seeded(1))(points), layer(points))
    assert not torch.equal(make(generator=seeded(2))(points), layer(points))
    # As wide as asked for: along a row of P, g = exp(-1/2) at the distance of one width.
    P = layer.P.detach()
    rows = P.reshape(-1, 3) if P.ndim == 3 else torch.diag_embed(P.expand(-1, 3)).reshape(-1, 3)
    torch.testing.assert_close(rows.norm(dim=1), torch.full((len(rows),), 4.0).double())


def test_random_layers_leave_the_global_seed_alone():
    before = torch.get_rng_state()
    GMNM.random(2, 3, generator=seeded(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_layer_takes_copies():
    mu, P, pi = torch.zeros(2, 2), torch.ones(2, 2), torch.ones(2, 1)
    layer = GMNM(mu, P, pi=pi)
    mu.fill_(9.0), P.fill_(9.0), pi.fill_(9.0)
    assert layer.mu.abs().max() == 0
    assert layer.P.max() == 1
    assert layer.pi.max() == 1


BAD_SHAPES = {
    "P of other units": ((4, 2), (3, 2), None),
    "P of other dimensions": ((4, 3), (4, 2), None),
    "P a vector": ((4, 2), (4,), None),
    "P with a matrix of other dimensions": ((4, 2), (4, 2, 3), None),
    "P with matrices of other units": ((4, 2), (3, 2, 2), None),
    "P with too many axes": ((4, 2), (4, 1, 2, 2), None),
    "mu a vector": ((4,), (4, 1), None),
    "mu with too many axes": ((4, 2, 1), (4, 2), None),
    "pi of other units": ((4, 2), (4, 2), (3, 1)),
    "pi of other outputs": ((4, 2), (4, 2), (4, 2)),
    "pi a vector": ((4, 2), (4, 2), (4,)),
}


@pytest.mark.parametrize(("mu", "P", "pi"), BAD_SHAPES.values(), ids=BAD_SHAPES)
def test_shapes_that_do_not_fit_are_refused(mu, P, pi):
    with pytest.raises(InputError, match="shape") as error:
        GMNM(torch.zeros(mu), torch.ones(P), pi=None if pi is None else torch.zeros(pi))
    assert error.value.mend


# specs


@pytest.mark.parametrize(("kind", "rank"), KINDS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_spec_builds_units_where_it_is_told(kind, rank, d):
    rank = min(rank, d)
    mu, inverse = uniform(seeded(0), 6, d), uniform(seeded(1), 6, d).abs() + 0.5
    layer = GMNMSpec(projection=kind, rank=rank).build(mu, inverse, 2)
    assert torch.equal(layer.mu.detach(), mu)
    assert (layer.n_outputs, layer.n_units) == (2, 6)
    assert not layer.output_weights.any()  # output weights zero
    gram = torch.einsum("krj,krl->kjl", *[_as_matrices(layer)] * 2)
    widths = torch.diagonal(gram, dim1=1, dim2=2)
    if kind == "isotropic":
        torch.testing.assert_close(widths.prod(1), inverse.square().prod(1))
    elif kind == "low_rank" and rank < d:
        shown = torch.where(widths > 0, inverse.square(), torch.zeros_like(widths))
        torch.testing.assert_close(widths, shown)
        assert (widths > 0).sum() == 6 * rank
        assert (widths > 0).any(0).all()  # every direction is seen by some unit
    else:
        torch.testing.assert_close(widths, inverse.square())


def _as_matrices(layer: GMNM) -> Tensor:
    P = layer.P.detach()
    return P if P.ndim == 3 else torch.diag_embed(P.expand(-1, layer.n_inputs))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_any_spec_starts_a_network_for_a_box(name, d):
    """Whose parameters all move, and which is the same for the same seed."""
    lower, upper = [-2.0] * d, [3.0] * d
    make = partial(NETWORKS[name]().initial, lower, upper, 2)
    network, points = make(seeded(0)), 0.5 + 2.5 * uniform(seeded(1), 40, d)
    assert (network.n_inputs, network.n_outputs) == (d, 2)
    values = network(points)
    assert values.dtype == torch.float64
    assert values.isfinite().all()
    assert torch.equal(make(seeded(0))(points), values)
    assert not torch.equal(make(seeded(2))(points), values)
    values.square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", NETWORKS)
def test_starting_leaves_the_global_seed_alone(name):
    before = torch.get_rng_state()
    NETWORKS[name]().initial([0.0, 0.0], [1.0, 2.0], 1, seeded(0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_box_is_scaled_away(name):
    """The same network for another box is the same function of where a point lies in it."""
    make = NETWORKS[name]().initial
    small, large = make([0.0, 0.0], [1.0, 1.0], 1, seeded(0)), make([-3, 5], [7, 105], 1, seeded(0))
    points = (1 + uniform(seeded(1), 9, 2)) / 2
    moved = torch.tensor([-3.0, 5.0]).double() + torch.tensor([10.0, 100.0]).double() * points
    assert_equal_to_rounding(large(moved), small(points), 1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_spec_rebuilds_what_was_stored(name):
    network = NETWORKS[name]().initial([0.0, -1.0], [1.0, 2.0], 2, seeded(0))
    points = uniform(seeded(1), 6, 2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)
    arrays = {key: value.clone() for key, value in network.state_dict().items()}
    again = rebuild(name, arrays, options=json.loads(json.dumps(stored_options(network))))
    again.load_state_dict(arrays)
    assert stored_name(again) == name
    assert torch.equal(again(points), network(points))


def test_options_that_a_network_has_not_are_an_error():
    arrays = MLPSpec().initial([0.0], [1.0], 1, seeded(0)).state_dict()
    with pytest.raises(ValueError, match="mlp"):
        rebuild("mlp", arrays, options={"widht": 3})


@pytest.mark.parametrize("name", NETWORKS)
def test_any_spec_starts_in_many_dimensions(name):
    network = NETWORKS[name]().initial([0.0] * 100, [1.0] * 100, 1, seeded(0))
    points = uniform(seeded(1), 3, 100).abs()
    laplacian = [tuple(2 * (k == j) for k in range(100)) for j in range(2)]
    found = network.derivatives(points, laplacian)
    assert all(value.isfinite().all() and value.shape == (3, 1) for value in found.values())


@pytest.mark.parametrize(("units", "shape"), [(64, (8, 8)), (63, (7, 8)), (1, (1, 1)), (6, (2, 3))])
def test_a_lattice_has_no_more_units_than_asked_for(units, shape):
    network = GMNMSpec(units=units).initial([0.0, 0.0], [1.0, 2.0], 1, seeded(0))
    assert network.n_units == shape[0] * shape[1]
    for axis, count in enumerate(sorted(shape, reverse=True)):
        places = network.mu.detach()[:, axis].unique()
        assert len(places) == count
        assert places.mean().item() == pytest.approx(0.5 * (axis + 1), rel=1e-14)
