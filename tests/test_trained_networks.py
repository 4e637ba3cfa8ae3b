"""The networks that start from random numbers: each keeps the promises of every network."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from test_networks import LinearOutputConformance, seeded, uniform
from torch import Tensor, nn

from gmnm_pde.config import load_recipe
from gmnm_pde.config.recipe_file import recipe_data
from gmnm_pde.errors import InputError
from gmnm_pde.methods.variable_projection import VariableProjection
from gmnm_pde.networks import (
    GMNM,
    NETWORKS,
    ChebyshevKANSpec,
    DeepGMNMSpec,
    FastKANSpec,
    FourierMLPSpec,
    GMNMMLPSpec,
    MLPSpec,
    Network,
    NetworkSpec,
    PIGSpec,
)
from gmnm_pde.networks.activations import ACTIVATIONS, cos, gauss
from gmnm_pde.networks.chebyshev_kan import chebyshev
from gmnm_pde.recipe import Recipe


def shaken(spec: NetworkSpec, generator: torch.Generator, dtype: torch.dtype) -> Network:
    """A network whose parameters are all off their starting values, zeros above all."""
    network = spec.initial([-1.5, -1.0], [1.0, 2.0], 2, generator)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * uniform(generator, *parameter.shape))
    return network.to(dtype)


def cases(**specs: NetworkSpec) -> Callable[..., object]:
    """The fixture ``make`` of a conformance suite."""
    return pytest.fixture(
        params=[partial(shaken, spec) for spec in specs.values()], ids=list(specs)
    )(lambda self, request: request.param)


class TestMLP(LinearOutputConformance):
    make = cases(
        tanh=MLPSpec(4),
        sin=MLPSpec(4, activation="sin"),
        gelu=MLPSpec(3, 1, "gelu"),
        silu=MLPSpec(3, 1, "silu"),
        siren=MLPSpec(4, 2, "sin", "siren", 2.0),
    )


class TestFourierMLP(LinearOutputConformance):
    order = 3
    make = cases(
        plain=FourierMLPSpec(frequencies=2, width=4),
        scales=FourierMLPSpec(frequencies=1, scales=(0.3, 1.0), width=3, activation="sin"),
        periodic=FourierMLPSpec(frequencies=0, periodic=(1,), width=4),
        both=FourierMLPSpec(frequencies=2, scales=(0.5,), periodic=(0,), width=3),
    )


class TestChebyshevKAN(LinearOutputConformance):
    order = 3
    make = cases(one=ChebyshevKANSpec((3,), 4), deep=ChebyshevKANSpec((1, 2), 1))


class TestFastKAN(LinearOutputConformance):
    order = 3
    make = cases(one=FastKANSpec((3,), 4, ratio=1.5), deep=FastKANSpec((1, 1), 2, ratio=2.0))


class TestDeepGMNM(LinearOutputConformance):
    order = 3
    make = cases(
        diagonal=DeepGMNMSpec((4, 3), (2,)),
        full=DeepGMNMSpec((4, 2), (2,), "full"),
        three=DeepGMNMSpec((2, 1, 2), (1, 2), "low_rank", 1),
    )


class TestGMNMMLP(LinearOutputConformance):
    order = 3
    make = cases(
        diagonal=GMNMMLPSpec(4, width=3), isotropic=GMNMMLPSpec(4, "isotropic", width=2, depth=2)
    )


class TestPIG(LinearOutputConformance):
    order = 3
    make = cases(pig=PIGSpec(4, 2, width=3))


# the multilayer perceptron


@pytest.mark.parametrize("depth", [1, 3])
def test_a_perceptron_as_printed(depth):
    network = MLPSpec(width=5, depth=depth).initial([0.0, 0.0], [2.0, 4.0], 3, seeded(0))
    points = torch.tensor([[0.5, 1.0], [2.0, 0.0]], dtype=torch.float64)
    h = np.array([[-0.5, -0.5], [1.0, -1.0]])
    for layer in network.inner.layers:
        h = np.tanh(h @ layer.matrix.detach().numpy() + layer.shift.detach().numpy())
    weights = network.output_weights.detach().numpy()
    expected = h @ weights[:-1] + weights[-1]
    np.testing.assert_allclose(network(points).detach().numpy(), expected, rtol=1e-14)


def test_activations_are_those_of_torch():
    x = torch.linspace(-4, 4, 50, dtype=torch.float64)
    for name in ("gelu", "silu"):
        expected = getattr(nn.functional, name)(x)
        torch.testing.assert_close(ACTIVATIONS[name](x, 0)[0], expected, rtol=1e-13, atol=1e-14)


def test_starting_weights_have_the_size_of_their_papers():
    def largest(**options: object) -> list[float]:
        inner = MLPSpec(width=200, depth=2, **options).initial([0] * 3, [1] * 3, 1, seeded(0)).inner
        return [layer.matrix.abs().max().item() for layer in inner.layers]

    assert largest() == pytest.approx([math.sqrt(6 / 203), math.sqrt(6 / 400)], rel=0.02)
    siren = largest(activation="sin", start="siren", omega=10.0)
    assert siren == pytest.approx([1 / 3, math.sqrt(6 / 200) / 10], rel=0.02)


def test_a_starting_network_is_neither_odd_nor_even_about_the_middle():
    """An odd one has no gradient towards an even solution."""
    network = MLPSpec().initial([-1.0, -1.0], [1.0, 1.0], 1, seeded(0))
    points = uniform(seeded(1), 50, 2)
    here, there = network(points).detach(), network(-points).detach()
    for sign in (1, -1):
        assert (here + sign * there).norm() > 0.05 * here.norm()


@pytest.mark.parametrize(
    ("options", "says"),
    [({"width": 0}, "width"), ({"depth": 0}, "depth"), ({"start": "siren"}, "sin")],
)
def test_options_that_make_no_perceptron_are_refused(options, says):
    with pytest.raises(InputError, match=says) as caught:
        MLPSpec(**options)
    assert caught.value.mend


# activations


@pytest.mark.parametrize("function", [*ACTIVATIONS.values(), cos, gauss], ids=lambda f: f.__name__)
def test_derivatives_of_activations_are_those_of_autograd(function):
    x = torch.linspace(-5, 5, 41, dtype=torch.float64, requires_grad=True)
    found, value = function(x, 6), function(x, 0)[0]
    for derivative in found:
        torch.testing.assert_close(derivative, value, rtol=1e-10, atol=1e-11)
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)


# other networks as they are printed


def box(spec: NetworkSpec, d: int = 2, seed: int = 0) -> tuple[Network, Tensor, np.ndarray]:
    """A network, points of its box, and where they are in it."""
    network = spec.initial([1.0] * d, [3.0] * d, 2, seeded(seed))
    xi = uniform(seeded(1), 12, d)
    return network, 2 + xi, xi.numpy()


def numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def perceptron(network: Network, h: np.ndarray) -> np.ndarray:
    """What follows features, for tanh."""
    for layer in network.inner.layers:
        h = np.tanh(h @ numbers(layer.matrix) + numbers(layer.shift))
    weights = numbers(network.weights)
    return h @ weights[:-1] + weights[-1]


def test_fourier_features_as_printed():
    network, points, xi = box(FourierMLPSpec(frequencies=3, scales=(1.0, 4.0), periodic=(1,)))
    e = np.stack([xi[:, 0], np.cos(np.pi * xi[:, 1]), np.sin(np.pi * xi[:, 1])], 1)
    phase = np.pi * e @ numbers(network.embedding.B)
    expected = perceptron(network, np.concatenate([np.cos(phase), np.sin(phase)], 1))
    np.testing.assert_allclose(numbers(network(points)), expected, rtol=1e-12, atol=1e-13)
    assert network.embedding.B.shape == (3, 6)
    assert network.embedding.B[:, 3:].std() > 2 * network.embedding.B[:, :3].std()


@pytest.mark.parametrize("frequencies", [0, 4])
def test_a_periodic_coordinate_is_periodic_with_all_derivatives(frequencies):
    spec = FourierMLPSpec(frequencies=frequencies, periodic=(0,), activation="sin")
    network = spec.initial([1.0, 0.0], [4.0, 1.0], 1, seeded(0))
    y = uniform(seeded(1), 5, 1)
    for orders in ((0, 0), (1, 0), (2, 0), (1, 1)):
        left, right = (
            network.derivatives(torch.cat([0 * y + x, y], 1), [orders])[orders] for x in (1.0, 4.0)
        )
        torch.testing.assert_close(left, right, rtol=1e-11, atol=1e-11)
    assert not torch.allclose(network(torch.cat([y, 0 * y], 1)), network(torch.cat([y, y], 1)))


def test_a_periodic_coordinate_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="coordinate 2, and there are 2") as caught:
        FourierMLPSpec(periodic=(2,)).initial([0.0, 0.0], [1.0, 1.0], 1, seeded(0))
    assert "from 0 to 1" in caught.value.mend


def test_a_chebyshev_network_as_printed():
    network, points, h = box(ChebyshevKANSpec((3, 2), 5))
    for matrix in (*network.matrices, network.weights):
        polynomials = np.polynomial.chebyshev.chebvander(np.tanh(h), 5)[..., 1:]
        weights = numbers(matrix)
        h = polynomials.reshape(len(h), -1) @ weights[:-1] + weights[-1]
    np.testing.assert_allclose(numbers(network(points)), h, rtol=1e-12)


@pytest.mark.parametrize("degree", [1, 2, 7])
def test_derivatives_of_chebyshev_polynomials(degree):
    x = uniform(seeded(0), 9)
    found = chebyshev(x, degree, 4)
    for n in range(1, degree + 1):
        polynomial = np.polynomial.Chebyshev.basis(n)
        for r in range(5):
            exact = polynomial.deriv(r)(x.numpy()) if r else polynomial(x.numpy())
            size = np.abs(exact).max()
            np.testing.assert_allclose(found[r][:, n - 1], exact, rtol=1e-11, atol=1e-12 * size)


def test_a_network_of_gaussians_on_a_grid_as_printed():
    network, points, h = box(FastKANSpec((3, 2), 5, (-2.0, 2.0), ratio=1.5))
    for matrix in (*network.matrices, network.weights):
        z = (h[..., None] - np.linspace(-2, 2, 5)) / 1.5
        columns = [h / (1 + np.exp(-h)), np.exp(-(z**2)).reshape(len(h), -1), np.ones((len(h), 1))]
        h = np.concatenate(columns, 1) @ numbers(matrix)
    np.testing.assert_allclose(numbers(network(points)), h, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("projection", ["isotropic", "diagonal", "full", "low_rank"])
def test_a_deep_network_is_its_layers_in_a_row(projection):
    network, points, xi = box(DeepGMNMSpec((9, 4, 3), (2, 3), projection))
    h = torch.from_numpy(xi)
    for units, matrix in zip(network.bases, [*network.matrices, network.weights], strict=True):
        layer = GMNM(units.mu, units.P, matrix.shape[1])
        layer.set_output_weights(matrix)
        assert layer.projection == projection
        h = layer(h)
    torch.testing.assert_close(network(points), h, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("projection", ["diagonal", "full"])
def test_units_before_a_perceptron_as_printed(projection):
    network, points, xi = box(GMNMMLPSpec(9, projection, depth=2))
    layer = GMNM(network.units.mu, network.units.P)
    g = numbers(layer.features(torch.from_numpy(xi)))[:, :-1]
    np.testing.assert_allclose(numbers(network(points)), perceptron(network, g), rtol=1e-12)


def test_physics_informed_gaussians_as_printed():
    network, points, xi = box(PIGSpec(7, 3, sigma=0.5))
    assert numbers(network.units.P) == pytest.approx(2.0)
    z = (xi[:, None] - numbers(network.units.mu)) * numbers(network.units.P)
    features = np.exp(-0.5 * (z**2).sum(-1)) @ numbers(network.embedding)
    np.testing.assert_allclose(numbers(network(points)), perceptron(network, features), rtol=1e-11)


# options


@pytest.mark.parametrize("name", NETWORKS)
def test_options_are_read_and_written(name):
    spec = NETWORKS[name]()
    recipe = Recipe(spec, (VariableProjection(),))
    data = json.loads(json.dumps(recipe_data(recipe)))
    assert data["network"]["name"] == name
    assert load_recipe(data).network == spec


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ({"name": "kan", "widths": 5}, "widths"),
        ({"name": "kan", "grid_eps": 2}, "grid_eps"),
        ({"name": "fast_kan", "centres": 1}, "centres"),
        ({"name": "fast_kan", "grid_range": [1, -1]}, "grid_range"),
        ({"name": "chebyshev_kan", "degree": 0}, "degree"),
        ({"name": "fourier_mlp", "scales": [1, -1]}, "scales"),
        ({"name": "fourier_mlp", "frequencies": -1}, "frequencies"),
        ({"name": "pig", "sigma": 0}, "sigma"),
        ({"name": "deep_gmnm", "units": [3, 3, 3]}, "widths"),
        ({"name": "deep_gmnm", "units": [3, 0]}, "units"),
        ({"name": "gmnm_mlp", "width": 0}, "width"),
        ({"name": "mlp", "units": 20}, "units"),
        ({"name": "mlp", "activation": "relu"}, "activation"),
    ],
)
def test_bad_options_in_a_recipe_are_refused(network, says):
    with pytest.raises(InputError, match=says):
        load_recipe({"network": network, "methods": [{"name": "variable_projection"}]})
