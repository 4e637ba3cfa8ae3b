"""Coordinates that Gaussian units are trained in, their limits, and where they start."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from gmnm_pde.geometry import Rectangle
from gmnm_pde.methods.charts import Affine, Plain, chart_of, moved
from gmnm_pde.methods.greedy import selected
from gmnm_pde.methods.limits import REACH, Limits, bounded, nearest
from gmnm_pde.methods.variable_projection import unblocked
from gmnm_pde.networks import GMNM, LinearOutputNetwork
from gmnm_pde.networks.pieces import LinearPieces

LEFT, RIGHT = Rectangle(x=(-1, 0), y=(-1, 1)), Rectangle(x=(0, 1), y=(-1, 1))


def units(kind: str, seed: int = 0, outputs: int = 1) -> GMNM:
    generator = torch.Generator().manual_seed(seed)
    rank = 1 if kind == "low_rank" else 2
    return GMNM.random(2, 5, outputs, projection=kind, rank=rank, generator=generator)


def some_points(n: int = 40, d: int = 2) -> Tensor:
    return 2 * torch.rand(n, d, generator=torch.Generator().manual_seed(9), dtype=torch.float64) - 1


def jacobian(network: LinearOutputNetwork, points: Tensor) -> Tensor:
    """In the coordinates that the network is trained in."""
    order = (0,) * points.shape[1]
    with torch.no_grad():
        found = network.parameter_jacobian(points, [order], network.inner_parameters)[order]
    return chart_of(network).columns(found.flatten(0, 1))


NETWORKS = {
    **{kind: units(kind, outputs=2) for kind in ("isotropic", "diagonal", "full", "low_rank")},
    "pieces": LinearPieces([units("full", 1), units("low_rank", 2)], [LEFT, RIGHT]),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_columns_are_derivatives_along_the_coordinates(kind):
    network, points = NETWORKS[kind], some_points()
    J, chart = jacobian(network, points), chart_of(network)
    for i in range(J.shape[1]):
        step = J.new_zeros(J.shape[1])
        step[i] = 1e-5
        with torch.no_grad():
            difference = moved(network, chart, step)(points) - moved(network, chart, -step)(points)
        assert torch.allclose(J[:, i], difference.flatten() / 2e-5, rtol=1e-6, atol=1e-8)


def test_a_full_unit_has_no_coordinate_that_only_turns_it():
    network = units("full")
    assert isinstance(chart_of(network), Affine)
    J = jacobian(network, some_points(200))
    assert J.shape[1] == 5 * (2 + 3)
    assert torch.linalg.matrix_rank(J) == J.shape[1]


def test_damping_does_not_depend_on_how_a_unit_lies():
    """J J' is the same for P and Q P, and for a problem in other coordinates."""
    network, points = units("full"), some_points()
    Q = torch.linalg.qr(some_points(2)).Q
    J = jacobian(network, points)
    turned = GMNM(network.mu, Q @ network.P, pi=network.pi)
    assert torch.allclose(jacobian(turned, points) @ jacobian(turned, points).T, J @ J.T)
    T = torch.tensor([[3.0, 1.0], [-0.5, 2.0]], dtype=torch.float64)
    other = GMNM(network.mu @ T.T, network.P @ torch.linalg.inv(T), pi=network.pi)
    changed = jacobian(other, points @ T.T)
    assert torch.allclose(changed @ changed.T, J @ J.T)


def test_a_long_step_leaves_units_that_can_be_inverted():
    network = units("full")
    chart = chart_of(network)
    far = moved(network, chart, torch.full((25,), -1e4, dtype=torch.float64))
    assert far.P.isfinite().all()
    assert far.mu.isfinite().all()
    assert bool((torch.linalg.det(far.P) != 0).all())


def test_other_networks_are_trained_in_their_own_parameters():
    chart = chart_of(units("low_rank"))
    assert isinstance(chart, Plain)
    J = torch.tensor([[3.0, 0.0], [4.0, 0.0]], dtype=torch.float64)
    assert chart.columns(J) is J
    assert chart.scales(J).tolist() == [5.0, 1e-30]


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "full", "pieces"])
def test_directions_that_narrow_units_at_their_limit(kind):
    network = copy.deepcopy(NETWORKS[kind])
    layers = network.networks[:1] if isinstance(network, LinearPieces) else [network]
    spacing = torch.tensor([0.1, 0.2], dtype=torch.float64)
    with torch.no_grad():
        for layer in layers:
            layer.P[1] *= 100.0
            bounded(layer, spacing)
    chart = chart_of(network)
    found = chart.narrowing(spacing)
    assert torch.allclose(found @ found.T, torch.eye(len(found), dtype=torch.float64))
    assert len(found) >= 1
    for direction in found:
        for sign, kept in ((1.0, True), (-1.0, False)):
            after = moved(network, chart, sign * 0.1 * direction)
            layer = after.networks[0] if isinstance(after, LinearPieces) else after
            before = layer.P.detach().clone()
            with torch.no_grad():
                bounded(layer, spacing)
            assert torch.allclose(layer.P, before, rtol=1e-6) is not kept
    wide = chart_of(NETWORKS[kind])
    assert len(wide.narrowing(0.01 * spacing)) == 0


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "full", "pieces"])
def test_directions_that_leave_the_points(kind):
    network, points = copy.deepcopy(NETWORKS[kind]), some_points()
    layer = network.networks[0] if isinstance(network, LinearPieces) else network
    with torch.no_grad():
        layer.mu[2] += 50.0
        mu, P = layer.mu.clone(), layer.P.clone()
    far = nearest(mu, P, points)[0]
    reach = [far.clamp_min(far[2].item() / 2)]
    reach[0][2] = far[2]
    reach[0][[0, 1, 3, 4]] += 1.0
    others = network.networks[1:] if isinstance(network, LinearPieces) else []
    reach += [torch.full_like(far, 1e6) for _ in others]
    chart = chart_of(network)
    (found,) = chart.leaving(points, reach)
    assert found.norm().item() == pytest.approx(1.0)
    changed = []
    for sign in (1e-3, -1e-3):
        after = moved(network, chart, sign * found)
        layer = after.networks[0] if isinstance(after, LinearPieces) else after
        with torch.no_grad():
            changed.append(nearest(layer.mu, layer.P, points)[0] - far)
    assert changed[0][2] > 0 > changed[1][2]
    assert float(torch.stack(changed)[:, [0, 1, 3, 4]].abs().max()) < 1e-12
    # Orthogonal to it, |w| does not change to first order.
    generator = torch.Generator().manual_seed(3)
    other = torch.randn(found.shape, generator=generator, dtype=torch.float64)
    across = 1e-5 * (other - (other @ found) * found)
    after = moved(network, chart, across)
    layer = after.networks[0] if isinstance(after, LinearPieces) else after
    with torch.no_grad():
        change = nearest(layer.mu, layer.P, points)[0] - far
    assert abs(change[2].item()) < 1e-2 * abs(1e-2 * changed[0][2].item())


def test_a_unit_with_large_weights_is_damped_more_than_others():
    chart = chart_of(units("full"))
    J = torch.ones(4, 25, dtype=torch.float64)
    J[:, [2, 3, 13, 14, 15]] *= 1e6  # unit 1
    J[:, [4, 5, 16, 17, 18]] = 0.0  # unit 2
    scales = chart.scales(J)
    for i in range(5):
        own = torch.cat([scales[2 * i : 2 * i + 2], scales[10 + 3 * i : 13 + 3 * i]])
        assert bool((own == own[0]).all())
    assert (scales[2] / scales[0]).item() == pytest.approx(1e6**0.3)
    assert (J / scales).isfinite().all()
    assert bool((J[:, 4] / scales[4] == 0).all())


# limits


def test_units_become_no_narrower_than_the_points_can_tell():
    spacing = torch.tensor([0.1, 0.2], dtype=torch.float64)
    mu = torch.zeros(1, 2, dtype=torch.float64)
    turned = torch.tensor([[[0.6, 0.8], [-0.8, 0.6]]], dtype=torch.float64)
    wide, narrow = GMNM(mu, turned), GMNM(mu, 1e3 * turned)
    diagonal = GMNM(mu, torch.tensor([[500.0, -1.0]], dtype=torch.float64))
    with torch.no_grad():
        for layer in (wide, narrow, diagonal):
            bounded(layer, spacing)
    assert torch.equal(wide.P[0], turned[0])
    # Along every direction, not along the axes only.
    assert torch.linalg.svdvals(narrow.P[0] * spacing).tolist() == pytest.approx([2.0, 2.0])
    assert diagonal.P.tolist() == [[20.0, -1.0]]


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "full", "low_rank"])
def test_units_stay_where_points_see_them(kind):
    network, points = units(kind), some_points()
    limits = Limits.around(network, points, torch.full((2,), 0.2, dtype=torch.float64))
    lost = copy.deepcopy(network)
    with torch.no_grad():
        lost.mu[2] += 50.0
    before = nearest(lost.mu, lost.P, points)[0]
    limits.keep(lost)
    after = nearest(lost.mu, lost.P, points)[0]
    assert before[2] > 1.1 * REACH
    assert after[2].item() == pytest.approx(REACH)
    others = [0, 1, 3, 4]
    assert torch.equal(lost.mu[others], network.mu[others])


def test_units_that_start_outside_may_stay_there():
    network, points = units("full"), some_points()
    with torch.no_grad():
        network.mu[2] += 8.0
    limits = Limits.around(network, points, torch.full((2,), 0.2, dtype=torch.float64))
    kept = limits.keep(copy.deepcopy(network))
    assert torch.equal(kept.mu, network.mu)


def test_blocked_directions_are_left_out_where_the_residual_pushes_along_them():
    J = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    narrowing = torch.eye(3, dtype=torch.float64)[:2]
    residual = torch.tensor([-1.0, 3.0], dtype=torch.float64)  # J'r = (-1, 1, 3)
    assert unblocked(J, residual, narrowing).tolist() == [[0.0, 2.0, 0.0], [0.0, 1.0, 1.0]]
    assert unblocked(J, residual, narrowing[:0]) is J


# starts


def test_units_are_taken_by_what_they_leave_of_the_residual():
    """As by trying every candidate with a least-squares solve of its own."""
    generator = torch.Generator().manual_seed(3)
    columns = torch.randn(30, 2, 12, generator=generator, dtype=torch.float64)
    # What is left of a column, not its norm, counts.
    columns = columns + torch.linspace(0, 20, 12, dtype=torch.float64)
    always = torch.ones(30, 1, dtype=torch.float64)
    target = torch.randn(30, generator=generator, dtype=torch.float64)
    taken: list[int] = []
    for index in selected(columns[:, :1], always, target, 4).tolist():
        left = []
        for k in range(12):
            A = torch.cat([always, columns[:, 0, [*taken, k]]], 1)
            x = torch.linalg.lstsq(A, target[:, None]).solution[:, 0]
            left.append((A @ x - target).norm().item() if k not in taken else 1e9)
        assert index == min(range(12), key=left.__getitem__)
        taken.append(index)


def test_units_of_several_unknowns_are_taken_once():
    generator = torch.Generator().manual_seed(4)
    columns = torch.randn(40, 2, 15, generator=generator, dtype=torch.float64)
    target = 3 * columns[:, 0, 7] - 2 * columns[:, 1, 7] + columns[:, 1, 2]
    taken = selected(columns, columns.new_zeros(40, 0), target, 5).tolist()
    assert taken[0] == 7
    assert 2 in taken
    assert len(set(taken)) == 5
