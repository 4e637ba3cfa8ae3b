"""Units in space for a problem in time: spacings, lattices, modes, and what asks for how many."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from evolution_parts import cut_for, evenly, graded, make_modes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gmnm_pde.evolution import monitor
from gmnm_pde.evolution.modes import GeneralModes, Modes
from gmnm_pde.evolution.product_modes import ProductModes, modes_of
from gmnm_pde.evolution.spacing import Spacing, even, lattice, product
from gmnm_pde.geometry import Box, Disk, Interval, Rectangle
from gmnm_pde.networks import GMNM, GMNMSpec

LINE = Interval(-1, 2)
DOMAINS = {
    "line": (LINE, [even(LINE, 0, 14)]),
    "graded to an end": (LINE, [graded(LINE, 0.25, "left")]),
    "graded inside": (LINE, [graded(LINE, 0.15, "middle")]),
    "rectangle": (Rectangle((0, 2), (-1, 0)), evenly(Rectangle((0, 2), (-1, 0)), 6)),
    "disk": (Disk((1, 0), 1), evenly(Disk((1, 0), 1), 7)),
}


@pytest.fixture(params=DOMAINS)
def modes(request: pytest.FixtureRequest) -> Modes:
    domain, spacings = DOMAINS[request.param]
    return make_modes(domain, spacings, 1e-8)


def assert_close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Relative to the largest."""
    size = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * size)


def smooth(points: Tensor) -> Tensor:
    """A function without symmetry, (n,)."""
    x = points - 0.3
    return torch.exp(-(x.square().sum(1)) / 2) * torch.sin(1 + x.sum(1)) + x[:, 0]


# spacings

SPACINGS = {
    "even": even(LINE, 0, 10),
    "left": graded(LINE, 0.2, "left"),
    "middle": graded(LINE, 0.1, "middle"),
    "wide": Spacing(np.linspace(0, 1, 201), np.linspace(5.0, 7.0, 201)),
}
positive = st.lists(st.floats(0.01, 10.0), min_size=2, max_size=8)


@pytest.fixture(params=SPACINGS.values(), ids=SPACINGS)
def spacing(request: pytest.FixtureRequest) -> Spacing:
    return request.param


@pytest.mark.parametrize("cells", [2, 3, 10, 57])
def test_an_even_spacing_has_as_many_cells_as_asked_for(cells):
    found = even(LINE, 0, cells)
    assert found.cells == cells
    np.testing.assert_allclose(found.at(np.linspace(-2, 3, 7)), 3 / cells, rtol=1e-12)
    np.testing.assert_allclose(found.centres(0), np.linspace(-1, 2, cells + 1), atol=1e-12)


def test_units_are_a_spacing_apart(spacing):
    """As wide as said, or a little closer, so that a whole number fits."""
    centres = spacing.centres(0)
    assert len(centres) == spacing.cells + 1
    assert centres[[0, -1]].tolist() == pytest.approx(spacing.x[[0, -1]].tolist(), abs=1e-12)
    gaps = np.diff(centres)
    assert (gaps > 0).all()
    # The harmonic mean of h over a gap is between its ends.
    between = np.stack([spacing.at(centres[:-1]), spacing.at(centres[1:])])
    inside = np.array([spacing.at(np.linspace(a, b, 50)) for a, b in pairwise(centres)])
    assert (gaps <= np.maximum(between.max(0), inside.max(1)) * 1.001).all()
    assert (gaps >= np.minimum(between.min(0), inside.min(1)) * 0.999).all()
    assert (spacing.at(spacing.x) <= spacing.h * (1 + 1e-12)).all()


@given(positive)
@settings(max_examples=50, deadline=None)
def test_positions_ascend_for_any_spacing(h):
    spacing = Spacing(np.linspace(0, 1, len(h)), np.array(h))
    numbers = np.linspace(-3, spacing.cells + 3, 200)
    places = spacing.positions(numbers)
    assert (np.diff(places) > 0).all()
    assert spacing.positions(np.array([0.0, spacing.cells])).tolist() == pytest.approx([0, 1])
    assert spacing.cells >= 2
    points, weights = spacing.quadrature()
    assert (np.diff(points) > 0).all()
    assert (weights > 0).all()
    assert points[0] > 0
    assert points[-1] < 1


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.3])
def test_beyond_the_ends_the_spacing_goes_on(spacing, margin):
    centres, inside = spacing.centres(margin), spacing.centres(0)
    extra = math.ceil(margin)
    assert len(centres) == len(inside) + 2 * extra
    low, high = spacing.x[[0, -1]]
    expected = np.concatenate(
        [
            low - spacing.at(low) * np.arange(extra, 0, -1),
            inside,
            high + spacing.at(high) * np.arange(1, extra + 1),
        ]
    )
    np.testing.assert_allclose(centres, expected, atol=1e-12)


def test_a_symmetric_spacing_has_symmetric_units():
    x = np.linspace(-1, 1, 401)
    spacing = Spacing(x, 0.05 + 0.2 * np.abs(x))
    centres = spacing.centres(3)
    np.testing.assert_allclose(centres, -centres[::-1], atol=1e-12)
    points, weights = spacing.quadrature()
    np.testing.assert_allclose(points, -points[::-1], atol=1e-12)
    np.testing.assert_allclose(weights, weights[::-1], atol=1e-12)


@pytest.mark.parametrize("count", [6, 10])
def test_polynomials_are_integrated_exactly(spacing, count):
    points, weights = spacing.quadrature(count)
    low, high = spacing.x[[0, -1]]
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    for degree in range(2 * count):
        exact = half * (1 + (-1) ** degree) / (degree + 1)
        found = float(weights @ ((points - middle) / half) ** degree)
        assert found == pytest.approx(exact, abs=1e-13 * half)


# lattices


def test_a_lattice_of_a_box_is_the_product():
    domain = Box(((0, 1), (0, 2), (0, 3)))
    spacings = [even(domain, axis, 2 + axis) for axis in range(3)]
    found = lattice(domain, spacings, 1.0, 2.0)
    assert len(found.centres) == 5 * 6 * 7
    torch.testing.assert_close(found.widths[0], torch.tensor([1.0, 4 / 3, 1.5]).double())
    assert float(found.weights.sum()) == pytest.approx(6.0, rel=1e-13)
    assert bool(domain.contains(found.points).all())
    integral = (found.weights * found.points.prod(1)).sum()
    assert float(integral) == pytest.approx(0.5 * 2 * 4.5, rel=1e-13)


def test_a_lattice_of_a_disk_has_units_within_the_margin():
    domain = Disk((1, 0), 1)
    spacings = evenly(domain, 10)
    margin, h = 2.5, 0.2
    found = lattice(domain, spacings, margin, 2.0)
    beyond = domain.signed_distance(found.centres)
    assert float(beyond.max()) <= margin * h * (1 + 1e-12)
    # None is left out that is nearer: there are as many as the area says.
    expected = math.pi * (1 + margin * h) ** 2 / h**2
    assert len(found.centres) == pytest.approx(expected, rel=0.05)
    assert bool(domain.contains(found.points).all())
    assert float(found.weights.sum()) == pytest.approx(math.pi, rel=1e-12)
    second = (found.weights * (found.points[:, 0] - 1) ** 2).sum()
    assert float(second) == pytest.approx(math.pi / 4, rel=0.05)
    assert len(found.points) > 2 * int(domain.contains(found.centres).sum())


# modes


def test_modes_are_orthonormal(modes):
    gram = modes.project(modes.values(torch.eye(modes.count, dtype=torch.float64)))
    eye = torch.eye(modes.count, dtype=torch.float64)
    torch.testing.assert_close(gram, eye, rtol=0, atol=1e-12)
    assert modes.count > 10


def test_a_smooth_function_is_projected(modes):
    values = smooth(modes.points)
    c = modes.project(values)
    assert c.shape == (modes.count,)
    root = modes.weights.sqrt()
    missed = (root * (modes.values(c) - values)).norm() / (root * values).norm()
    assert missed < 1e-9


def test_a_projection_is_that_of_the_features(modes):
    """What is a sum of units is reproduced, and no more units than there are are needed."""
    features = modes.network.features(modes.points)
    weights = torch.sin(torch.arange(features.shape[1]).double())
    values = (features @ weights).detach()
    missed = (modes.values(modes.project(values)) - values).abs().max()
    assert missed < 1e-5 * values.abs().max()
    assert modes.count <= features.shape[1]


def as_network(modes: Modes) -> GMNM:
    """The modes as the outputs of one network."""
    network = modes.network
    twin = GMNM(network.mu.detach(), network.P.detach(), modes.count)
    twin.set_output_weights(modes.output_weights(torch.eye(modes.count).double()).T)
    return twin


def test_derivatives_are_those_of_the_units(modes):
    """Of the functions that ``output_weights`` give, by central differences."""
    network, d = as_network(modes), modes.points.shape[1]
    points, h = modes.points[:: len(modes.points) // 7], 1e-5
    zero, well = (0,) * d, modes.count // 2  # the others are noisier, as they are cut off next

    def outputs(points: Tensor) -> Tensor:
        with torch.no_grad():
            return network(points)

    assert_close(outputs(points)[:, :well], modes.at(points, [zero])[zero][:, :well], 1e-10)
    for axis in range(d):
        step = h * torch.eye(d, dtype=torch.float64)[axis]
        first, second = (tuple(k * int(i == axis) for i in range(d)) for k in (1, 2))
        slope = (outputs(points + step) - outputs(points - step)) / (2 * h)
        assert_close(modes.at(points, [first])[first][:, :well], slope[:, :well], 1e-5)
        after, before = (modes.at(points + x, [first])[first] for x in (step, -step))
        bend = (after - before) / (2 * h)
        assert_close(modes.at(points, [second])[second][:, :well], bend[:, :well], 1e-5)


def test_functions_at_the_quadrature_are_sums_of_modes(modes):
    """Of any number of functions at once."""
    d = modes.points.shape[1]
    # Of functions that are smooth, or rounding of the features is seen through 1 / S.
    c = torch.sin(torch.arange(6 * modes.count).double()).reshape(2, 3, -1) * modes.singular
    for alpha in ((0,) * d, (1,) + (0,) * (d - 1), (0,) * (d - 1) + (2,)):
        matrix = modes.at(modes.points, [alpha])[alpha]
        assert_close(modes.derivative(alpha, c), c @ matrix.T, 1e-9)
    assert torch.equal(modes.values(c), modes.derivative((0,) * d, c))
    other = torch.sin(3 * modes.points.sum(1)) * modes.values(c)
    each = torch.stack([modes.project(part) for part in other.flatten(0, 1)])
    torch.testing.assert_close(modes.project(other).flatten(0, 1), each)


def test_products_are_projections(modes):
    """integral of phi_i a D^alpha phi_j, with and without a."""
    d = modes.points.shape[1]
    a = torch.exp(modes.points.sum(1))
    eye = torch.eye(modes.count, dtype=torch.float64)
    for alpha in ((1,) + (0,) * (d - 1), (0,) * (d - 1) + (2,)):
        values = modes.derivative(alpha, eye)
        assert_close(modes.product(alpha), modes.project(values).T, 1e-12)
        assert_close(modes.product(alpha, a), modes.project(a * values).T, 1e-12)


def test_functions_on_another_lattice(modes):
    domain, spacings = DOMAINS["rectangle"] if modes.points.shape[1] == 2 else DOMAINS["line"]
    other = lattice(domain, spacings, 2.0, 2.4)
    c = torch.sin(torch.arange(2 * modes.count).double()).reshape(2, -1)
    c[:, modes.count // 2 :] = 0.0
    zero = (0,) * modes.points.shape[1]
    assert_close(modes.on(other, c), c @ modes.at(other.points, [zero])[zero].T, 1e-10)


@pytest.mark.parametrize("cells", [(6, 5), (9, 3), (2, 3, 2)])
def test_modes_of_a_box_are_those_of_all_features(cells):
    """As many, of the same singular values, for the same functions."""
    domain = Box(tuple((0.0, 1.0 + k) for k in range(len(cells))))
    spacings = [even(domain, axis, count) for axis, count in enumerate(cells)]
    aim = 1e-4 if len(cells) == 2 else 1e-1
    found = make_modes(domain, spacings, aim)
    assert isinstance(found, ProductModes)
    network = GMNM(found.network.mu.detach(), found.network.P.detach(), bias=False)
    other = GeneralModes(network, found.lattice, cut_for(aim))
    few = min(other.count, found.count)
    assert abs(other.count - found.count) <= 0.01 * few
    torch.testing.assert_close(found.singular[:few], other.singular[:few], rtol=1e-2, atol=0)
    eye = torch.eye(found.count, dtype=torch.float64)[: few // 2]
    values = found.values(eye)
    assert (other.values(other.project(values)) - values).abs().max() < 1e-2 * aim


def test_units_that_are_no_products_have_modes_all_the_same():
    domain, spacings = DOMAINS["rectangle"]
    found = lattice(domain, spacings, 3.0, 2.4)
    network = GMNMSpec(projection="full").build(found.centres, 1 / found.widths, 1)
    general, products = (
        modes_of(net, found, 1e-7)
        for net in (network, GMNMSpec().build(found.centres, 1 / found.widths, 1))
    )
    assert isinstance(general, GeneralModes)
    assert isinstance(products, ProductModes)
    values = smooth(found.points)
    torch.testing.assert_close(
        general.values(general.project(values)), products.values(products.project(values)),
        rtol=0, atol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize(("aim", "tolerance"), [(1e-4, 1e-6), (1e-6, 1e-4)])
@pytest.mark.parametrize("name", ["line", "graded to an end", "graded inside"])
def test_skew_operators_stay_skew(name, aim, tolerance):
    """integral of phi_i phi_j' + phi_i' phi_j = what is left at the ends: waves neither grow nor
    decay."""
    domain, spacings = DOMAINS[name]
    modes = make_modes(domain, spacings, aim)
    slopes = modes.product((1,))
    low, high = modes.at(torch.tensor([domain.lower, domain.upper]), [(0,)])[(0,)]
    ends = torch.outer(high, high) - torch.outer(low, low)
    assert (slopes + slopes.T - ends).abs().max() < tolerance * slopes.abs().max()


def test_rescaled_units_give_the_same_modes():
    """What is cut off does not depend on how long units are."""
    for factor in (1e-3, 1e3):
        domain = Interval(0, factor)
        count = make_modes(domain, [even(domain, 0, 12)], 1e-8).count
        assert count == make_modes(Interval(0, 1), [even(Interval(0, 1), 0, 12)], 1e-8).count


def test_a_lower_cut_leaves_more_modes():
    counts = [make_modes(LINE, [even(LINE, 0, 14)], aim).count for aim in (1e-4, 1e-6, 1e-8)]
    assert counts[0] < counts[1] < counts[2]


def test_smoothed_leaves_long_waves_and_removes_short_ones():
    spacings = [graded(LINE, 0.1, "middle")]
    modes = make_modes(LINE, spacings, 1e-8)
    c = modes.project(smooth(modes.points))
    assert (modes.smoothed(c) - c).norm() < 1e-3 * c.norm()
    noise = torch.sin(1e3 * torch.arange(modes.count).double())
    kept = modes.smoothed(noise)
    assert kept[-modes.count // 5 :].norm() < 1e-3
    assert (kept[:5] - noise[:5]).norm() < 1e-3


# what a state asks for


def front(width: float, at: float) -> monitor.Scales:
    """The lengths found for tanh((x - at) / width) on [-1, 2] with units that resolve it."""
    modes, spacings = resolved(width, at)
    c = modes.project(torch.tanh((modes.points[:, 0] - at) / width))
    return monitor.scales(LINE, spacings, modes, c[None], torch.ones(1).double())


def resolved(width: float, at: float) -> tuple[Modes, list[Spacing]]:
    x = np.linspace(-1, 2, 1201)
    spacings = [Spacing(x, np.minimum(np.hypot(width, x - at) / 4, 0.2))]
    return make_modes(LINE, spacings, 1e-6), spacings


@pytest.mark.parametrize("width", [0.3, 0.03, 0.003])
@pytest.mark.parametrize("at", [0.1, 1.4])
def test_the_width_of_a_front_is_found(width, at):
    ((x, length),) = front(width, at)
    assert width / 2 < length.min() < 2 * width
    assert abs(x[length.argmin()] - at) < 2 * width
    # Geometrically wider away from it, and no faster.
    assert (np.abs(np.diff(length)) <= np.diff(x) * (1 + 1e-9)).all()
    far = np.abs(x - at) > 10 * width
    assert not far.any() or length[far].min() > 5 * width


def test_a_maximum_has_a_length_by_its_curvature():
    """1 - x^2 has no slope at 0, and l = (1 / 2)^(1/2)."""
    spacings = [even(LINE, 0, 20)]
    modes = make_modes(LINE, spacings, 1e-8)
    c = modes.project(1 - modes.points[:, 0] ** 2)
    ((x, length),) = monitor.scales(LINE, spacings, modes, c[None], torch.ones(1).double())
    assert np.interp(0.0, x, length) == pytest.approx(math.sqrt(0.5), rel=0.05)


def test_lengths_do_not_depend_on_the_size_of_an_unknown():
    modes, spacings = resolved(0.05, 0.5)
    c = modes.project(torch.tanh((modes.points[:, 0] - 0.5) / 0.05))
    for size in (1e-6, 1e6):
        sizes = torch.tensor([size]).double()
        ((_, found),) = monitor.scales(LINE, spacings, modes, size * c[None], sizes)
        ((_, expected),) = front(0.05, 0.5)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_shortest_length_of_all_unknowns_counts():
    modes, spacings = resolved(0.03, 0.5)
    x = modes.points[:, 0]
    c = torch.stack(
        [modes.project(torch.tanh((x - 0.5) / 0.03)), modes.project(0.1 * torch.sin(x))]
    )
    for state in (c, c.flip(0)):
        ((_, both),) = monitor.scales(LINE, spacings, modes, state, torch.ones(2).double())
        np.testing.assert_allclose(both, front(0.03, 0.5)[0][1], rtol=1e-9)


def test_a_front_across_one_coordinate_asks_for_units_along_it_only():
    domain = Rectangle((-1, 1), (-1, 1))
    x = np.linspace(-1, 1, 401)
    spacings = [Spacing(x, np.hypot(0.15, x) / 4), even(domain, 1, 5)]
    modes = make_modes(domain, spacings, 1e-4)
    c = modes.project(torch.tanh(modes.points[:, 0] / 0.15))
    (_, along), (_, across) = monitor.scales(domain, spacings, modes, c[None], torch.ones(1))
    assert 0.07 < along.min() < 0.3
    assert across.min() > 2.0


def test_a_domain_that_is_no_box_is_sampled_everywhere():
    domain = Disk((0, 0), 1)
    spacings = evenly(domain, 12)
    modes = make_modes(domain, spacings, 1e-4)
    c = modes.project(torch.tanh(modes.points[:, 0] / 0.4))
    (x, along), (_, across) = monitor.scales(domain, spacings, modes, c[None], torch.ones(1))
    assert x[[0, -1]].tolist() == [-1, 1]
    assert np.isfinite(along).all()
    assert np.isfinite(across).all()
    assert 0.2 < along.min() < 0.8
    assert abs(x[along.argmin()]) < 0.5


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=30))
@settings(max_examples=50, deadline=None)
def test_smooth_is_the_largest_function_below(lengths):
    x = np.linspace(0, 1, len(lengths)) ** 2
    length = np.array(lengths)
    expected = (length[None] + np.abs(x[:, None] - x[None])).min(1)
    np.testing.assert_allclose(monitor.smooth(x, length), expected, rtol=1e-12)


def test_widened_carries_lengths_on():
    x = np.linspace(0, 1, 101)
    scale = (x, monitor.smooth(x, np.where(x == 0.5, 0.01, 1.0)))
    _, moved = monitor.widened(scale, np.where(x == 0.5, 0.2, 0.0))
    np.testing.assert_allclose(moved[np.abs(x - 0.5) < 0.2], 0.01)
    assert moved[0] == pytest.approx(0.01 + 0.3)
    _, same = monitor.widened(scale, np.zeros(101))
    np.testing.assert_allclose(same, scale[1])


def test_merged_is_the_smaller_on_the_first_samples():
    x, y = np.linspace(0, 1, 51), np.linspace(0, 1, 101)
    first, second = np.full(51, 0.5), monitor.smooth(y, np.where(y == 0.2, 0.1, 1.0))
    ((at, both),) = monitor.merged([(x, first)], [(y, second)])
    assert at is x
    assert both[10] == pytest.approx(0.1)
    assert both[-1] == pytest.approx(0.5)
    assert (np.abs(np.diff(both)) <= np.diff(x) * (1 + 1e-12)).all()


def test_a_spacing_is_a_length_over_the_density_and_not_too_wide():
    ((x, length),) = front(0.03, 0.5)
    (found,) = monitor.spacing_for(LINE, [(x, length)], 3.0)
    assert found.h.min() == pytest.approx(length.min() / 3)
    assert found.h.max() <= 3 / monitor.FEWEST_CELLS
    (wide,) = monitor.spacing_for(LINE, [(x, 1e9 + 0 * x)], 3.0)
    assert wide.cells == monitor.FEWEST_CELLS


def test_shortfall_is_the_largest_ratio():
    fine, coarse = even(LINE, 0, 40), even(LINE, 0, 10)
    assert monitor.shortfall([fine], [coarse]) == pytest.approx(0.25)
    assert monitor.shortfall([coarse], [fine]) == pytest.approx(4.0)
    assert monitor.shortfall([fine, coarse], [fine, fine]) == pytest.approx(4.0)
    assert monitor.shortfall([graded(LINE, 0.1, "left")], [even(LINE, 0, 100)]) > 3.0


@pytest.mark.parametrize("speed", [-2.0, 0.5])
def test_speeds_of_a_travelling_front(speed):
    modes, spacings = resolved(0.05, 0.5)
    z = (modes.points[:, 0] - 0.5) / 0.05
    c = modes.project(torch.tanh(z))[None]
    rate = modes.project(-speed / 0.05 / torch.cosh(z) ** 2)[None]
    ((x, _),) = monitor.scales(LINE, spacings, modes, c, torch.ones(1).double())
    found = monitor.speeds(LINE, modes, c, rate, 0, x)
    assert found.shape == x.shape
    assert found.max() == pytest.approx(abs(speed), rel=0.01)
    # Where nothing is steep, nothing moves.
    assert (found[np.abs(x - 0.5) > 0.3] == 0).all()


def test_products_of_axes():
    found = product([np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0])])
    assert found.shape == (6, 2)
    assert found[1].tolist() == [1.0, 4.0]
