"""Kolmogorov-Arnold networks of B-splines against splines of SciPy, and against pykan."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from test_networks import LinearOutputConformance, assert_equal_to_rounding, seeded, uniform
from torch import Tensor

import gmnm_pde as gp
from gmnm_pde.config import load_problem
from gmnm_pde.errors import InputError
from gmnm_pde.methods import LBFGS
from gmnm_pde.networks import KAN, KANSpec, rebuild, stored_options
from gmnm_pde.networks.base import weighted_in_reverse
from gmnm_pde.networks.kan import joined_weights, parts
from gmnm_pde.networks.splines import basis, extended, fitted, local, pieces, spread, sums
from gmnm_pde.problem import Sampling
from gmnm_pde.recipe import Recipe


def make_kan(spec: KANSpec, generator: torch.Generator, dtype: torch.dtype) -> KAN:
    network = spec.initial([-1.5, -1.0], [1.0, 2.0], 2, generator)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * uniform(generator, *parameter.shape))
    return network.to(dtype)


class TestKAN(LinearOutputConformance):
    order = 3

    @pytest.fixture(
        params=[KANSpec((3,), 2), KANSpec((2, 1), 2, 2), KANSpec((2,), 3, 5, grid_range=(-1.5, 1))],
        ids=["cubic", "deep", "quintic"],
    )
    def make(self, request):
        return partial(make_kan, request.param)


# splines


def uneven(inputs: int, count: int, seed: int = 0) -> Tensor:
    return uniform(seeded(seed), inputs, count).sort(dim=1).values


def scipy_basis(x: np.ndarray, knots: np.ndarray, k: int, r: int) -> np.ndarray:
    """Every spline of one coordinate, (n, functions)."""
    columns = []
    for c in range(len(knots) - k - 1):
        element = BSpline.basis_element(knots[c : c + k + 2], extrapolate=False)
        values = (element.derivative(r) if r else element)(x)
        columns.append(np.nan_to_num(values))
    return np.stack(columns, 1)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("even", [True, False])
def test_splines_and_their_derivatives_are_those_of_scipy(k, even):
    """Inside, at both ends, where fewer than k + 1 are left, and outside."""
    knots = extended(torch.linspace(-1, 1, 5).double().expand(2, -1), k) if even else uneven(2, 12)
    x = 1.4 * knots.abs().max() * uniform(seeded(1), 300, 2)
    found = basis(x, knots, k, k)
    for r, i in ((r, i) for r in range(k + 1) for i in range(2)):
        expected = torch.from_numpy(scipy_basis(x[:, i].numpy(), knots[i].numpy(), k, r))
        assert_equal_to_rounding(found[r][:, i], expected, 1e-10)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_sums_of_splines_are_the_splines_times_weights(k):
    """Inside, outside and at knots; beyond the order of the splines too."""
    knots, weights = uneven(2, 12), uniform(seeded(3), 2, 11 - k, 3)
    x = torch.cat([1.4 * uniform(seeded(1), 50, 2), knots.T])
    found = sums(x, knots, pieces(knots, k), weights, k + 1)
    for value, splines in zip(found, basis(x, knots, k, k + 1), strict=True):
        assert value.shape == (62, 2, 3)
        assert_equal_to_rounding(value, torch.einsum("nic,ico->nio", splines, weights), 1e-11)


def test_sums_of_splines_have_gradients_to_weights_and_places():
    knots, weights = uneven(2, 9), uniform(seeded(3), 2, 5, 2).requires_grad_()
    x = (0.9 * uniform(seeded(1), 6, 2)).requires_grad_()
    slopes = pieces(knots, 3)
    for r in range(3):
        assert torch.autograd.gradcheck(
            lambda x, w, r=r: sums(x, knots, slopes, w, 2)[r], (x, weights)
        )


def test_the_splines_at_a_place_among_all():
    """Also outside, where there is none."""
    knots = uneven(2, 12)
    x = torch.cat([1.4 * uniform(seeded(1), 50, 2), knots.T])
    first, values = local(x, knots, pieces(knots, 3), 1)
    for value, splines in zip(values, basis(x, knots, 3, 1), strict=True):
        assert value.shape == (62, 2, 4)
        assert torch.equal(spread(first, value[..., None], 8)[..., 0], splines)


def test_derivatives_beyond_the_order_are_zero():
    assert not basis(uniform(seeded(0), 9, 1), uneven(1, 8), 2, 4)[3].any()
    assert not basis(uniform(seeded(0), 9, 1), uneven(1, 8), 2, 4)[4].any()


def test_a_grid_goes_on_evenly():
    knots = extended(torch.tensor([[0.0, 1.0, 4.0], [-1.0, 0.0, 1.0]]), 3)
    expected = [[-6, -4, -2, 0, 1, 4, 6, 8, 10], [-4, -3, -2, -1, 0, 1, 2, 3, 4]]
    assert knots.tolist() == expected


@pytest.mark.parametrize("k", [2, 3])
def test_splines_sum_to_one_within_the_grid_and_fit_polynomials(k):
    knots = extended(uneven(2, 6).double(), k)
    low, high = knots[:, k], knots[:, -k - 1]
    x = low + (high - low) * (1 + uniform(seeded(3), 60, 2)) / 2
    splines = basis(x, knots, k)[0]
    torch.testing.assert_close(splines.sum(-1), torch.ones(60, 2).double(), rtol=1e-13, atol=0)
    values = (x**k).T[..., None]
    found = splines.transpose(0, 1) @ fitted(x, values, knots, k)
    assert_equal_to_rounding(found, values, 1e-9)


# the network


def by_hand(network: KAN, points: np.ndarray) -> np.ndarray:
    """The printed sums, edge by edge."""
    low, high = network.lower.numpy(), network.upper.numpy()
    h = (2 * points - low - high) / (high - low)
    for layer, weights in zip(network.bases, [*network.matrices, network.weights], strict=True):
        base, splines = (part.detach().numpy() for part in parts(weights, layer.inputs))
        total = np.zeros((len(h), weights.shape[1]))
        for i, knots in enumerate(layer.knots.numpy()):
            silu = h[:, i] / (1 + np.exp(-h[:, i]))
            total += silu[:, None] * base[i]
            total += scipy_basis(h[:, i], knots, layer.order, 0) @ splines[i]
        h = total
    return h


@pytest.mark.parametrize("spec", [KANSpec(), KANSpec((3, 2), 4, 2, base_scale=2.0)])
def test_a_network_is_its_printed_sums(spec):
    network = make_kan(spec, seeded(0), torch.float64)
    points = 0.25 + 1.2 * uniform(seeded(1), 30, 2)
    expected = torch.from_numpy(by_hand(network, points.numpy()))
    assert_equal_to_rounding(network(points).detach(), expected, 1e-12)


def test_weights_of_a_layer_come_apart_and_together():
    base, splines = uniform(seeded(0), 3, 2), uniform(seeded(1), 3, 7, 2)
    again = parts(joined_weights(base, splines), 3)
    assert torch.equal(again[0], base)
    assert torch.equal(again[1], splines)


def test_starting_weights():
    """Noise at the knots of half the size at most, multiples of silu of size one, over sqrt(n)."""
    network = KANSpec((400,), 5, noise=0.3).initial([0, 0, 0], [1, 1, 1], 1, seeded(0))
    base, splines = parts(network.matrices[0].detach(), 3)
    assert base.abs().max().item() == pytest.approx(1 / 3**0.5, rel=0.02)
    layer = network.bases[0]
    noise = basis(layer.grid.T, layer.knots, 3)[0].transpose(0, 1) @ splines
    assert noise.abs().max().item() == pytest.approx(0.15 / 5 / 3**0.5, rel=0.02)


# grids


@pytest.fixture
def network() -> KAN:
    return make_kan(KANSpec((3, 2), 4), seeded(0), torch.float64)


@pytest.fixture
def samples() -> Tensor:
    """In the box of the network, more of them to the left."""
    x = (1 + uniform(seeded(5), 800, 2)) / 2
    return torch.tensor([-1.5, -1.0]).double() + torch.tensor([2.5, 3.0]).double() * x**1.5


def test_a_grid_follows_the_samples(network, samples):
    network.update_grid(samples)
    for layer, x in zip(network.bases, network.inputs(samples), strict=True):
        grid, x = layer.grid, x.sort(0).values
        assert torch.allclose(grid[:, 0], x[0])
        assert torch.allclose(grid[:, -1], x[-1])
        even = x[0] + (x[-1] - x[0]) * torch.linspace(0, 1, 5).double()[:, None]
        quantiles = x[[0, 200, 400, 600, -1]]
        assert_equal_to_rounding(grid.T.contiguous(), 0.02 * even + 0.98 * quantiles, 1e-12)
        torch.testing.assert_close(layer.knots, extended(grid, 3))


def test_a_new_grid_keeps_the_function_nearly(network, samples):
    network.update_grid(samples)
    before = network(samples).detach()
    network.update_grid(samples)  # the function has now knots where the samples are
    assert_equal_to_rounding(network(samples).detach(), before, 0.05)


def test_a_coordinate_that_does_not_change_keeps_its_grid(network, samples):
    samples[:, 1] = 0.3
    before = network.bases[0].grid[1].clone()
    network.update_grid(samples)
    assert torch.equal(network.bases[0].grid[1], before)
    assert network(samples).isfinite().all()


@pytest.mark.parametrize("times", [2, 3])
def test_refining_keeps_the_function_and_its_derivatives(network, samples, times):
    """Within the grids, to which a network is moved first."""
    with torch.no_grad():
        # A little outwards, so that all that enters later layers stays within their grids.
        network.update_grid(1.05 * samples)
    finer = network.refine(4 * times)
    assert finer.spec.grid == 4 * times
    assert finer.bases[0].grid.shape == (2, 4 * times + 1)
    orders = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    inside = samples[within(network, samples)]
    assert len(inside) > 400
    before, after = network.derivatives(inside, orders), finer.derivatives(inside, orders)
    for alpha in orders:
        assert_equal_to_rounding(after[alpha].detach(), before[alpha].detach(), 1e-10)


def within(network: KAN, points: Tensor) -> Tensor:
    """Which points no layer sees outside its grid, (n,)."""
    inside = torch.ones(len(points), dtype=torch.bool)
    for layer, x in zip(network.bases, network.inputs(points), strict=True):
        low, high = layer.grid[:, 0], layer.grid[:, -1]
        inside &= ((x >= low) & (x < high)).all(1)
    return inside


def test_refining_leaves_the_network_alone(network, samples):
    before = network(samples).detach().clone()
    finer = network.refine(8)
    with torch.no_grad():
        for parameter in finer.parameters():
            parameter.add_(1.0)
    assert torch.equal(network(samples), before)
    assert network.spec.grid == 4


def test_a_refined_network_is_stored(network, samples):
    network.update_grid(samples)
    finer = network.refine(6)
    arrays = {key: value.clone() for key, value in finer.state_dict().items()}
    again = rebuild("kan", arrays, options=json.loads(json.dumps(stored_options(finer))))
    again.load_state_dict(arrays)
    assert torch.equal(again(samples), finer(samples))


def test_rows_of_a_frozen_layer(network, samples):
    """The Jacobian does not need the parameters themselves to be trained."""
    weights = {(2, 0): torch.ones(800, 2).double(), (0, 1): uniform(seeded(3), 800, 2)}
    names = ["weights", "matrices.0"]
    expected = weighted_in_reverse(network, samples, weights, names)
    network.requires_grad_(False)
    with torch.no_grad():
        found = network.weighted_jacobian(samples, weights, names)
    assert not found.requires_grad
    assert_equal_to_rounding(found, expected, 1e-12)


def test_a_refined_network_keeps_its_precision(network):
    assert network.float().refine(8).weights.dtype == torch.float32


# options


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"widths": ()}, "widths"),
        ({"widths": (3, 0)}, "widths"),
        ({"grid": 0}, "grid"),
        ({"k": 0}, "k is 0"),
        ({"noise": -1.0}, "noise"),
        ({"grid_range": (1.0, 1.0)}, "grid_range"),
        ({"grid_eps": 0.0}, "grid_eps"),
    ],
)
def test_options_that_make_no_network_are_refused(options, says):
    with pytest.raises(InputError, match=says) as caught:
        KANSpec(**options)
    assert caught.value.mend


def test_an_equation_of_too_high_an_order_is_refused_by_both_names():
    """The fourth derivative of a cubic is zero, and training ended there with an error of one."""
    cubic = gp.Recipe(network=KANSpec(widths=(2,)), methods=(LBFGS(iterations=1),))
    with pytest.raises(
        InputError, match="network kan .* order 3, .*biharmonic .* order 4"
    ) as found:
        gp.solve("biharmonic", solver=cubic)
    assert "`k: 4`" in found.value.mend
    able = replace(cubic, network=KANSpec(widths=(2,), k=4))
    assert gp.solve("biharmonic", solver=able, device="cpu").history


# pykan, which has its own way of storing the same functions


@pytest.fixture
def peer():
    """A network of pykan with scales off one and a mask, after its own grid update."""
    kan = pytest.importorskip("kan", reason="pykan is in the extra `peers`")
    torch.set_default_dtype(torch.float64)
    try:
        peer = kan.KAN([2, 4, 2], grid=5, k=3, seed=3, auto_save=False, symbolic_enabled=False)
        generator = seeded(0)
        for layer in peer.act_fun:
            for name in ("coef", "scale_base", "scale_sp"):
                value = getattr(layer, name)
                value.data += 0.4 * uniform(generator, *value.shape)
        peer.act_fun[0].mask.data[0, 1] = 0.0
        yield peer
    finally:
        torch.set_default_dtype(torch.float32)


def same_weights(peer: torch.nn.Module, spec: KANSpec) -> KAN:
    network = spec.initial([-1.0, -1.0], [1.0, 1.0], 2, seeded(0))
    with torch.no_grad():
        matrices = [*network.matrices, network.weights]
        for own, theirs, weights in zip(network.bases, peer.act_fun, matrices, strict=True):
            own.move(theirs.grid)
            base = theirs.mask * theirs.scale_base
            scale = theirs.mask * theirs.scale_sp
            splines = (scale[..., None] * theirs.coef).transpose(1, 2)
            weights.copy_(joined_weights(base, splines))
    return network


@pytest.mark.filterwarnings("ignore")
def test_the_same_function_as_pykan_on_the_same_weights(peer):
    points = uniform(seeded(1), 200, 2)
    network = same_weights(peer, KANSpec((4,)))
    assert_equal_to_rounding(network(points).detach(), peer(points).detach(), 1e-13)


@pytest.mark.filterwarnings("ignore")
def test_the_same_grids_as_pykan_from_the_same_samples(peer):
    points = uniform(seeded(1), 500, 2)
    network = same_weights(peer, KANSpec((4,)))
    peer(points)
    peer.update_grid(points)
    network.update_grid(points)
    for own, theirs in zip(network.bases, peer.act_fun, strict=True):
        assert_equal_to_rounding(own.knots, theirs.grid.detach(), 1e-12)
    assert_equal_to_rounding(network(points).detach(), peer(points).detach(), 1e-9)


@pytest.mark.filterwarnings("ignore")
def test_the_same_finer_grids_as_pykan(peer):
    points = uniform(seeded(1), 500, 2)
    network = same_weights(peer, KANSpec((4,)))
    peer(points)
    for own, theirs in zip(network.refine(10).bases, peer.refine(10).act_fun, strict=True):
        assert_equal_to_rounding(own.knots, theirs.grid.detach(), 1e-12)


def test_a_network_with_too_many_numbers_for_its_points_is_refused() -> None:
    kan = Recipe(KANSpec((5,)), (LBFGS(iterations=2, grids=(5, 20)),))
    poisson = load_problem("poisson").problem

    def started(points: int) -> gp.Solution:
        return gp.solve(replace(poisson, sampling=Sampling(points)), solver=kan)

    with pytest.raises(InputError, match=r"network kan .*360 numbers.*problem poisson") as caught:
        started(100)
    found = re.search(r"([\d,]+) points inside", str(caught.value))
    assert found is not None
    needed = int(found[1].replace(",", ""))
    assert 100 < needed < 360
    started(needed)
