"""Networks side by side, and numbers as networks, keep the promises of every network."""

from __future__ import annotations

import json

import pytest
import torch
from test_networks import LinearOutputConformance, random_gmnm, seeded, uniform

from gmnm_pde.networks import Enforced, Together, Uniform, rebuild, stored_name, stored_options
from gmnm_pde.networks.stored import is_stored, made_for_problem


def two(generator, dtype):
    """Two outputs of one layer, and one of another."""
    first = random_gmnm(generator, dtype, kind="diagonal", dimension=2, units=4)
    second = random_gmnm(generator, dtype, kind="full", dimension=2, n_outputs=1)
    return Together([first, second])


def three(generator, dtype):
    """A layer and two numbers."""
    first = random_gmnm(generator, dtype, kind="diagonal", dimension=2, n_outputs=1)
    return Together([first, Uniform(2, uniform(generator, 2).to(dtype))])


class TestTogether(LinearOutputConformance):
    order = 3

    @pytest.fixture(params=[two, three])
    def make(self, request):
        return request.param

    def test_set_output_weights_round_trip(self, network, points):
        """An output has the features of its own network only."""
        shape = network.output_weights.shape
        mask = torch.zeros(shape, dtype=torch.float64)
        for j in range(network.n_outputs):
            mask[network.own(j), j] = 1
        weights = mask * uniform(seeded(3), *shape)
        network.set_output_weights(weights)
        assert torch.equal(network.output_weights, weights)
        torch.testing.assert_close(network(points), network.features(points) @ weights)
        assert torch.equal(network.unflattened(network.flat_weights), weights)
        assert len(network.flat_weights) == int(mask.sum()) < mask.numel()


class TestUniform(LinearOutputConformance):
    @pytest.fixture
    def make(self):
        return lambda generator, dtype: Uniform(2, uniform(generator, 3).to(dtype))

    def test_feature_derivatives_equal_nested_autograd(self, network, points, orders):
        """The feature is one, which has no graph to differentiate."""
        for alpha, found in network.feature_derivatives(points, orders).items():
            assert found.tolist() == [[float(sum(alpha) == 0)]] * len(points)

    def test_features_depend_on_the_inner_parameters_only(self, network, points):
        assert network.inner_parameters == ()
        assert not network.features(points).requires_grad


def test_outputs_are_those_of_the_networks_in_turn():
    network, points = two(seeded(1), torch.float64), uniform(seeded(2), 5, 2)
    parts = network.networks
    expected = torch.cat([parts[0](points), parts[1](points)], 1)
    assert torch.equal(network(points), expected)
    assert network.n_units == parts[0].n_units + parts[1].n_units
    with pytest.raises(IndexError):
        network.own(3)


def test_it_comes_back_from_what_is_stored():
    network, points = two(seeded(1), torch.float64), uniform(seeded(2), 5, 2)
    name = stored_name(network)
    assert name == "together:gmnm|gmnm"
    assert is_stored(name)
    assert made_for_problem(name)
    options = json.loads(json.dumps(stored_options(network)))
    arrays = network.state_dict()
    again = rebuild(name, arrays, object(), options)
    again.load_state_dict(arrays)
    assert isinstance(again, Together)
    assert torch.equal(again(points), network(points))
    with pytest.raises(ValueError, match="2 networks, 1 are named"):
        rebuild("together:gmnm", arrays, object(), options)


def test_a_network_of_a_persons_own_is_not_stored():
    class Own(Uniform):
        """Not of the package."""

    first = random_gmnm(seeded(0), torch.float64, kind="diagonal", dimension=2)
    network = Together([first, Own(2, torch.zeros(1))])
    assert stored_name(network) is None
    assert stored_name(Enforced(network, object(), ("u", "v", "k"))) is None
    assert not is_stored("together:gmnm|mine")
    assert not is_stored("together")
