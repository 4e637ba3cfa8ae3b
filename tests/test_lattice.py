"""Units on a lattice give what they give one by one."""

from __future__ import annotations

import copy
from itertools import product

import pytest
import torch
from torch import Tensor

from gmnm_pde.networks import GMNM, evaluate
from gmnm_pde.networks import lattice as lattices
from gmnm_pde.networks.lattice import Known, Lattice

D = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grid(*sizes: int) -> Tensor:
    """Sites of a lattice with uneven spacings, some of them left out, in a random order."""
    axes = [torch.linspace(-1, 1, n, dtype=D) ** 3 + 0.1 * k for k, n in enumerate(sizes)]
    sites = torch.cartesian_prod(*axes)
    kept = torch.randperm(len(sites), generator=generator())[: 7 * len(sites) // 10]
    return sites[kept]


def layer(*sizes: int, outputs: int = 1, isotropic: bool = False, bias: bool = True) -> GMNM:
    mu = grid(*sizes)
    P = torch.linspace(2, 3, 1 if isotropic else len(sizes), dtype=D).expand(len(mu), -1)
    pi = torch.randn(len(mu), outputs, generator=generator(1), dtype=D)
    network = GMNM(mu, P, outputs, pi=pi, bias=bias)
    if network.b is not None:
        network.b.data.fill_(0.7)
    return network


def points(d: int, n: int = 50) -> Tensor:
    return 2.4 * torch.rand(n, d, generator=generator(2), dtype=D) - 1.2


def orders(d: int) -> list[tuple[int, ...]]:
    return [alpha for alpha in product(range(5), repeat=d) if sum(alpha) <= 4]


CASES = [
    pytest.param((7, 5), {}, id="plane"),
    pytest.param((4, 3, 5), {"outputs": 2}, id="space"),
    pytest.param((6, 6), {"isotropic": True, "bias": False}, id="isotropic"),
]


@pytest.mark.parametrize(("sizes", "options"), CASES)
def test_derivatives_of_the_output(sizes, options):
    network, at, alphas = layer(*sizes, **options), points(len(sizes)), orders(len(sizes))
    assert Lattice.of(network.mu, network.P) is not None
    # With a gradient, units are evaluated one by one.
    expected = network.derivatives(at, alphas)
    with torch.no_grad():
        found = network.derivatives(at, alphas)
    for alpha in alphas:
        scale = expected[alpha].abs().max().item()
        assert torch.allclose(found[alpha], expected[alpha], rtol=0, atol=1e-13 * scale)
        assert not found[alpha].requires_grad
    assert torch.allclose(evaluate(network, at), network(at), rtol=0, atol=1e-13)


@pytest.mark.parametrize("cached", [1, 700, 2**18])
@pytest.mark.parametrize(("sizes", "options"), CASES)
def test_rows(sizes, options, cached, monkeypatch):
    monkeypatch.setattr(lattices, "CACHED", cached)
    network, at = layer(*sizes, **options), points(len(sizes))
    alphas = orders(len(sizes))[:4]
    weights = [
        {alpha: torch.randn(len(at), generator=generator(k), dtype=D) for alpha in alphas[k:]}
        for k in range(network.n_outputs)
    ]
    weights[-1] = weights[-1] if network.n_outputs == 1 else {}
    expected = network.weighted_features(at, weights)
    with torch.no_grad():
        found = network.weighted_features(at, weights)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12)


def test_no_points():
    network = layer(4, 5)
    with torch.no_grad():
        (rows,) = network.weighted_features(points(2, 0), [{(0, 2): torch.zeros(0, dtype=D)}])
        sums = network.derivatives(points(2, 0), [(0, 2)])[0, 2]
    assert rows.shape == (0, network.n_units + 1)
    assert sums.shape == (0, 1)


def test_other_units_are_on_no_lattice():
    mu = grid(6, 5)
    P = torch.full((len(mu), 2), 2.0, dtype=D)
    assert Lattice.of(mu, P) is not None
    scattered = mu + 1e-12 * torch.randn(mu.shape, generator=generator(), dtype=D)
    assert Lattice.of(scattered, P) is None
    wider = P.clone()
    wider[3] = 1.0
    assert Lattice.of(mu, wider) is None
    assert Lattice.of(mu, torch.eye(2, dtype=D).expand(len(mu), 2, 2)) is None
    # The sites of a diagonal are those of the whole square.
    assert Lattice.of(torch.arange(6, dtype=D)[:, None].expand(-1, 2), P[:6]) is None


@pytest.mark.parametrize("name", ["mu", "P"])
def test_units_that_move_are_seen(name):
    network, at = layer(7, 5), points(2)
    evaluate(network, at)
    # Past the counter of versions, as some code does.
    getattr(network, name).data[0] += 0.3
    assert torch.allclose(evaluate(network, at), network(at), rtol=0, atol=1e-13)
    twin = copy.deepcopy(network)
    assert torch.allclose(evaluate(twin, at), network(at), rtol=0, atol=1e-13)


def test_a_layer_in_another_precision():
    network, at = layer(7, 5), points(2)
    evaluate(network, at)
    single = network.float()
    found = evaluate(single, at.float())
    assert found.dtype == torch.float32
    assert torch.allclose(found, single(at.float()), rtol=0, atol=1e-4)
    assert not Known.of(single.mu, single.P).holds(single.mu.double(), single.P.double())
