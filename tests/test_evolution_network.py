"""The network of a problem with time: units in space, polynomials in time."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import evolving
import numpy as np
import pytest
import torch
from test_networks import NetworkConformance, seeded, uniform
from test_time_stepping import explosion
from torch import Tensor

import gmnm_pde as gp
from gmnm_pde.errors import InputError
from gmnm_pde.networks import GMNM, Evolution, GMNMSpec, is_stored, rebuild, stored_name
from gmnm_pde.networks.evolution import (
    EvolutionSegment,
    legendre,
    lines_of,
    segment_from_nodes,
)

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

TIMES = ([-1.0, -0.6, -0.1], [-0.1, 0.3], [0.3, 0.7, 0.9, 1.0])


def random_evolution(
    generator: torch.Generator,
    dtype: torch.dtype,
    *,
    dimension: int,
    n_outputs: int = 2,
    degree: int = 5,
) -> Evolution:
    """Segments with other units each, from t = -1 to 1."""
    segments = []
    for i, times in enumerate(TIMES):
        units = 3 + i
        P = 1.5 * uniform(generator, units, dimension)
        coefficients = uniform(generator, len(times) - 1, degree + 1, units + 1, n_outputs)
        segments.append(
            EvolutionSegment(
                uniform(generator, units, dimension),
                P + 0.5 * P.sign(),
                torch.tensor(times, dtype=torch.float64),
                coefficients,
            )
        )
    return Evolution(segments).to(dtype)


class TestEvolution(NetworkConformance):
    @pytest.fixture(params=[1, 2, 3], ids=lambda d: f"{d}d")
    def make(self, request):
        return partial(random_evolution, dimension=request.param)


class TestEvolutionOfLowDegree(NetworkConformance):
    """Derivatives of a higher order than the polynomials are zero."""

    @pytest.fixture
    def make(self):
        return partial(random_evolution, dimension=1, n_outputs=1, degree=1)


@pytest.fixture
def network() -> Evolution:
    return random_evolution(seeded(0), torch.float64, dimension=2)


def at_times(network: Evolution, times: list[float]) -> Tensor:
    place = [0.1, -0.2][: network.n_inputs - 1]
    with torch.no_grad():
        return network(torch.tensor([[*place, t] for t in times]).double())


def test_it_is_known_from_the_first_time_to_the_last(network):
    assert network.reached == 1.0
    assert network.n_units == 5
    assert at_times(network, [-1.0, 0.0, 1.0, 1.0 + 1e-10]).isfinite().all()
    assert at_times(network, [1.0 + 1e-6, 2.0, 1e9]).isnan().all()


def test_after_the_last_time_derivatives_are_no_numbers_either(network):
    points = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, 1.5]]).double()
    for alpha, values in network.derivatives(points, [(0, 0, 1), (2, 0, 0)]).items():
        assert values[0].isfinite().all(), alpha
        assert values[1].isnan().all(), alpha


def test_points_may_come_in_any_order(network):
    points = uniform(seeded(4), 60, 3)
    order = torch.randperm(60, generator=seeded(5))
    # To rounding: a product of matrices may add the last rows of a block in another order.
    torch.testing.assert_close(network(points[order]), network(points)[order], rtol=0, atol=1e-13)


def test_an_end_of_a_segment_belongs_to_it(network):
    """Its own polynomial is evaluated there, not the next one's."""
    first, second = (part for part in list(network.segments)[:2])
    point = torch.tensor([[0.1, -0.2, -0.1]]).double()
    zero = (0, 0, 0)
    assert torch.equal(network(point), first.derivatives(point, [zero])[zero])
    assert not torch.allclose(network(point), second.derivatives(point, [zero])[zero])


def test_an_evolution_needs_a_segment():
    with pytest.raises(ValueError, match="at least one segment"):
        Evolution([])


@pytest.mark.parametrize("order", range(5))
def test_legendre_polynomials(order):
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    found = legendre(x, 6, order)
    for k in range(7):
        unit = np.eye(7)[k]
        expected = np.polynomial.legendre.legval(
            x.numpy(), np.polynomial.legendre.legder(unit, order)
        )
        np.testing.assert_allclose(found[:, k].numpy(), expected, rtol=1e-12, atol=1e-12)


def test_a_constant_in_time():
    assert torch.equal(legendre(torch.zeros(3), 0, 0), torch.ones(3, 1))


def test_a_segment_takes_given_values_at_its_nodes():
    layer = GMNMSpec().build(uniform(seeded(0), 4, 1), 2 * torch.ones(4, 1).double(), 2)
    assert isinstance(layer, GMNM)
    nodes = torch.tensor([0.0, 0.2, 0.7, 1.0]).double()
    times = torch.tensor([1.0, 1.5, 3.0]).double()
    values = uniform(seeded(1), 2, 4, 5, 2)
    segment = segment_from_nodes(layer, times, nodes, values)
    x = uniform(seeded(2), 6, 1)
    features = layer.features(x)
    for step, (start, end) in enumerate([(1.0, 1.5), (1.5, 3.0)]):
        for i, tau in enumerate(nodes.tolist()[:-1]):
            t = torch.full_like(x, start + tau * (end - start))
            found = segment.derivatives(torch.cat([x, t], 1), [(0, 0)])[0, 0]
            torch.testing.assert_close(found, features @ values[step, i], rtol=0, atol=1e-12)


# storing


def test_it_is_stored_by_its_name(network):
    assert stored_name(network) == "evolution"
    assert is_stored("evolution")
    arrays = {key: value.clone() for key, value in network.state_dict().items()}
    again = rebuild("evolution", arrays)
    points = uniform(seeded(3), 50, 3)
    assert torch.equal(again(points), network(points))
    arrays["segments.0.mu"].zero_()  # the network took the numbers, not the arrays
    assert torch.equal(again(points), network(points))


def test_more_than_nine_segments_come_back_in_order():
    layers = [
        EvolutionSegment(
            uniform(seeded(i), 2, 1), torch.ones(2, 1).double(),
            torch.tensor([float(i), i + 1.0]).double(), uniform(seeded(i), 1, 3, 3, 1),
        )
        for i in range(12)
    ]  # fmt: skip
    network = Evolution(layers)
    again = rebuild("evolution", dict(sorted(network.state_dict().items())))
    assert isinstance(again, Evolution)
    points = torch.tensor([[0.1, i + 0.5] for i in range(12)]).double()
    assert torch.equal(again(points), network(points))


@pytest.mark.parametrize("name", ["burgers", "wave", "schroedinger"])
def test_solutions_are_saved_and_loaded_bit_for_bit(name, tmp_path: Path):
    problem = getattr(evolving, name)()
    solution = gp.solve(problem, rtol=1e-3)
    assert isinstance(solution.network, Evolution)
    solution.save(tmp_path / "u")
    again = gp.load(tmp_path / "u", problem=problem)
    points = problem.region.sample_interior(200, "random", 3)
    assert torch.equal(again(points), solution(points))
    for letters in ("x", "t", "xxt"):
        for unknown in problem.unknowns:
            assert torch.equal(
                again.derivative(points, letters, unknown=unknown),
                solution.derivative(points, letters, unknown=unknown),
            )
    for name_ in ("status", "reason", "estimated_error", "errors", "units", "history"):
        assert getattr(again, name_) == getattr(solution, name_)
    assert gp.load(tmp_path / "u")(points).shape == (200, len(problem.unknowns))


def test_derivatives_of_a_solution_satisfy_the_equation():
    solution = gp.solve(evolving.burgers(), rtol=1e-6)
    points = evolving.burgers().region.sample_interior(300, "random", 3)
    u, u_t, u_x, u_xx = (solution.derivative(points, letters) for letters in ("", "t", "x", "xx"))
    assert (u_t + u * u_x - 0.1 * u_xx).square().mean().sqrt() < 1e-3


def test_a_solution_that_ended_early_comes_back_too(tmp_path: Path):
    solution = gp.solve(explosion(0.2, 0.0), rtol=1e-3)
    assert solution.status == "stopped"
    solution.save(tmp_path / "u")
    again = gp.load(tmp_path / "u")
    points = torch.tensor([[0.5, 0.3], [0.5, 1.7]]).double()
    values = again(points)
    assert torch.equal(values.isnan(), torch.tensor([[False], [True]]))
    assert torch.equal(values[:1], solution(points[:1]))
    assert again.reason == solution.reason


def test_a_damaged_solution_is_refused(tmp_path: Path):
    solution = gp.solve(evolving.heat(), rtol=1e-2)
    solution.save(tmp_path / "u")
    with np.load(tmp_path / "u.npz") as stored:
        arrays = dict(stored)
    del arrays["network.segments.0.times"]
    np.savez(tmp_path / "u.npz", **arrays)
    with pytest.raises(InputError, match="do not fit"):
        gp.load(tmp_path / "u")


# products of units


def grid(sizes: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres and inverse widths of a product, with distances and widths that vary."""
    axes = [torch.linspace(-1, 1, n, dtype=torch.float64) ** 3 + 0.1 * n for n in sizes]
    widths = [1.5 + 0.2 * torch.arange(n, dtype=torch.float64) for n in sizes]
    centres, inverse = (torch.meshgrid(*lines, indexing="ij") for lines in (axes, widths))
    return (
        torch.stack([part.flatten() for part in centres], 1),
        torch.stack([part.flatten() for part in inverse], 1),
    )


@pytest.mark.parametrize("sizes", [(4, 5), (3, 4, 2)])
def test_products_of_units_are_the_sum_of_all(sizes, monkeypatch):
    generator = seeded(3)
    mu, P = grid(sizes)
    d, times = len(sizes), torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64)
    coefficients = uniform(generator, 2, 4, len(mu) + 1, 2)
    segment = EvolutionSegment(mu, P, times, coefficients)
    shuffled = torch.randperm(len(mu), generator=generator)
    rows = torch.cat([shuffled, torch.tensor([len(mu)])])
    other = EvolutionSegment(mu[shuffled], P[shuffled], times, coefficients[:, :, rows])
    assert lines_of(segment.mu, segment.P) is not None
    assert lines_of(other.mu, other.P) is None
    points = uniform(generator, 40, d + 1)
    points[:, -1] = 0.5 + 0.5 * points[:, -1]
    zero = (0,) * (d + 1)
    orders = [zero, (1, *zero[1:]), (0, 2, *zero[2:]), (*zero[:-1], 1), (1, 1, *zero[2:])]
    monkeypatch.setattr("gmnm_pde.networks.evolution.AT_ONCE", 500)  # a few points at once
    found, expected = segment.derivatives(points, orders), other.derivatives(points, orders)
    for alpha in orders:
        torch.testing.assert_close(found[alpha], expected[alpha], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("what", ["a centre", "a width", "one coordinate"])
def test_units_that_are_no_products_are_found_out(what):
    mu, P = grid((4,) if what == "one coordinate" else (3, 3))
    if what != "one coordinate":
        (mu if what == "a centre" else P)[4, 0] += 1e-9
    assert lines_of(mu, P) is None
