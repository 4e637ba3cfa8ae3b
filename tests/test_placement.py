"""Where units and collocation points go, and where they become finer."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from shared import f64
from torch import Tensor

from gmnm_pde.geometry import (
    Ball,
    Box,
    Difference,
    Disk,
    Domain,
    Ellipse,
    Interval,
    Polygon,
    Rectangle,
)
from gmnm_pde.grading import Corner, grade, hot_corners, reentrant_corners, variation
from gmnm_pde.networks import GMNM, GMNMSpec
from gmnm_pde.placement import Layout, Patch, clustered, first_patch, lattice, margin_for

L_SHAPE = Polygon(((-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1)))
SQUARE = Rectangle(x=(-1, 1), y=(-1, 1))
NOTCHED = Difference(SQUARE, Rectangle(x=(-0.25, 0.25), y=(0, 1)))

DOMAINS: dict[str, Domain] = {
    "interval": Interval(-1, 2),
    "square": SQUARE,
    "long rectangle": Rectangle(x=(0, 5), y=(0, 1)),
    "disk": Disk((0.5, 0.0), 1.0),
    "ellipse": Ellipse((0.0, 0.0), (2.0, 0.5)),
    "L-shape": L_SHAPE,
    "notched": NOTCHED,
    "cube": Box(((0, 1), (0, 1), (0, 1))),
    "ball": Ball((0.0, 0.0, 0.0), 1.0),
}
TWO_DIMENSIONAL = {name: domain for name, domain in DOMAINS.items() if domain.dimension == 2}


def uniform_layout(domain: Domain, cells: float = 6.0, margin: float = 4.0) -> Layout:
    return Layout(domain, (first_patch(domain, cells, (1.0,) * domain.dimension),), margin)


def distance_in_spacings(domain: Domain, spacing: tuple[float, ...], points: Tensor) -> Tensor:
    """From points outside to the domain, where a spacing is one along every coordinate."""
    h = np.array(spacing)
    d = domain.dimension
    many = domain.sample_boundary(4000 if d < 3 else 20_000, sampler="sobol").points.numpy()
    scaled, samples = torch.from_numpy(points.numpy() / h), torch.from_numpy(many / h)
    return torch.cdist(scaled, samples).amin(1)


# units


@pytest.mark.parametrize("margin", [2.0, 4.5])
@pytest.mark.parametrize("name", DOMAINS)
def test_centres_reach_the_margin_and_no_further(name, margin):
    domain = DOMAINS[name]
    layout = uniform_layout(domain, 6.0 if domain.dimension < 3 else 4.0, margin)
    (centres,) = layout.centres()
    outside = centres[domain.signed_distance(centres) > 1e-9]
    reach = distance_in_spacings(domain, layout.patches[0].spacing, outside)
    assert reach.max() <= margin + 0.2  # the samples of the boundary are a little apart
    assert reach.max() > margin - 1.0
    # Every side is reached, not one alone.
    h = f64(layout.patches[0].spacing)
    low, high = f64(domain.lower), f64(domain.upper)
    assert bool((centres.amin(0) <= low - (margin - 1.01) * h).all())
    assert bool((centres.amax(0) >= high + (margin - 1.01) * h).all())


@pytest.mark.parametrize(("margin", "beside", "beyond"), [(2.0, 1, 1), (2.01, 2, 1), (2.3, 2, 3)])
def test_a_margin_around_a_rectangle_is_exact(margin, beside, beyond):
    """Units beside each side, and beyond each corner: (1, 1) is 1.41 spacings away, (1, 2) 2.24."""
    layout = uniform_layout(Rectangle(x=(0, 4), y=(0, 2)), 2.0 * 2**0.5, margin)
    across, up = (round(cells) + 1 for cells in layout.patches[0].cells)
    assert layout.n_units == across * up + 2 * beside * (across + up) + 4 * beyond


def test_without_a_margin_units_are_inside():
    layout = uniform_layout(SQUARE, 6.0, 0.0)
    assert layout.n_units == (round(layout.patches[0].cells[0]) - 1) ** 2


@pytest.mark.parametrize("name", DOMAINS)
def test_the_domain_is_covered(name):
    """No point inside is further from a unit than half the diagonal of a cell."""
    domain = DOMAINS[name]
    layout = uniform_layout(domain, 6.0 if domain.dimension < 3 else 4.0)
    h = f64(layout.patches[0].spacing)
    points = domain.sample_interior(2000, "sobol")
    apart = torch.cdist(points / h, layout.centres()[0] / h).amin(1)
    assert apart.max() <= 0.5 * math.sqrt(domain.dimension) + 1e-9


@pytest.mark.parametrize("name", DOMAINS)
def test_no_unit_is_there_twice(name):
    for layout in (uniform_layout(DOMAINS[name]), with_a_finer_patch(DOMAINS[name])):
        for centres in layout.centres():
            assert torch.pdist(centres).min() > 0.9 * min(
                min(patch.spacing) for patch in layout.patches
            )


def test_spacings_differ_by_coordinate():
    patch = first_patch(SQUARE, 8, (2.0, 0.5))
    assert patch.cells == pytest.approx((4, 16))
    (centres,) = Layout(SQUARE, (patch,), margin=3.2).centres()
    for axis, step in enumerate((2 / 4, 2 / 16)):
        values = torch.unique((centres[:, axis] / step).round())
        assert torch.equal(values, torch.arange(values[0], values[-1] + 1).double())
        # The margin is in spacings, so it is narrow where units are.
        assert centres[:, axis].max().item() == pytest.approx(1 + 3 * step)


@pytest.mark.parametrize("cells", [4, 7.3, 12])
def test_cells_are_the_geometric_mean(cells):
    stretched = first_patch(SQUARE, cells, (1.25, 0.8))
    assert math.sqrt(math.prod(stretched.cells)) == pytest.approx(cells, rel=0.12)
    assert stretched.cells[0] < stretched.cells[1]
    assert (stretched.lower, stretched.upper) == (SQUARE.lower, SQUARE.upper)


def test_more_cells_are_more_units_and_a_wider_margin_too():
    def units(cells: float, margin: float) -> int:
        return sum(len(part) for part in uniform_layout(SQUARE, cells, margin).centres())

    by_cells = [units(cells, 3.0) for cells in (4, 6, 8, 12)]
    by_margin = [units(6.0, margin) for margin in (1.0, 2.0, 3.0, 5.0)]
    assert by_cells == sorted(set(by_cells))
    assert by_margin == sorted(set(by_margin))


def test_a_wider_margin_keeps_the_units_inside():
    narrow, wide = (uniform_layout(L_SHAPE, 6.0, margin).centres()[0] for margin in (2.0, 4.0))
    assert set(map(tuple, narrow.tolist())) < set(map(tuple, wide.tolist()))


# margins


def test_a_margin_grows_with_what_is_asked_for():
    tolerances = 10.0 ** -np.arange(2, 17)
    margins = [margin_for(tolerance, 1.6) for tolerance in tolerances]
    assert margins == sorted(margins)
    assert margins[-1] > margins[0] + 3
    for tolerance in (1e-6, 1e-12):
        assert margin_for(tolerance, 1.4) < margin_for(tolerance, 1.6)


def test_a_margin_is_what_was_measured():
    """2.5 widths stop at 1e-7, 4.3 at 1e-12, 5 at 3e-15."""
    for tolerance, widths in ((1e-7, 2.5), (1e-12, 4.3), (3e-15, 5.0)):
        assert margin_for(tolerance, 1.6) / 1.6 == pytest.approx(widths, abs=0.25)


# finer patches


def with_a_finer_patch(domain: Domain) -> Layout:
    """The lower left quarter, with half the spacing."""
    layout = uniform_layout(domain, 6.0 if domain.dimension < 3 else 4.0)
    (first,) = layout.patches
    middle = tuple(0.5 * (a + b) for a, b in zip(first.lower, first.upper, strict=True))
    fine = replace(first, upper=middle).refined(2.0)
    return replace(layout, patches=(first, fine))


@pytest.mark.parametrize("name", DOMAINS)
def test_a_finer_patch_adds_units_around_its_box_only(name):
    domain = DOMAINS[name]
    layout = with_a_finer_patch(domain)
    fine = layout.centres()[1]
    patch = layout.patches[1]
    h = f64(patch.spacing)
    reach = max(layout.overlap, layout.margin) * h * 1.5
    assert bool((fine >= f64(patch.lower) - reach - 1e-9).all())
    assert bool((fine <= f64(patch.upper) + reach + 1e-9).all())
    inside = fine[domain.contains(fine)]
    beyond = (inside - f64(patch.upper)).clamp_min(0) / h
    assert beyond.norm(dim=1).max() <= layout.overlap + 1e-9
    # Inside its box it is as dense as it says.
    points = domain.sample_interior(500, "sobol", 0, patch.lower, patch.upper)
    assert torch.cdist(points / h, fine / h).amin(1).max() <= 0.51 * math.sqrt(domain.dimension)


def test_coarse_units_stay_below_finer_ones():
    layout = with_a_finer_patch(SQUARE)
    alone = replace(layout, patches=layout.patches[:1])
    assert torch.equal(layout.centres()[0], alone.centres()[0])


def test_the_spacing_at_a_point_is_that_of_the_finest_patch():
    layout = with_a_finer_patch(SQUARE)
    points = f64([[-0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    coarse, fine = (f64(patch.spacing) for patch in layout.patches)
    torch.testing.assert_close(layout.spacing_at(points), torch.stack([fine, coarse, coarse]))


def test_widths_of_units_follow_the_spacings_of_their_patch():
    layout = with_a_finer_patch(Rectangle(x=(0, 4), y=(0, 1)))
    parts = layout.centres()
    network = layout.network(GMNMSpec(), parts, 2)
    assert isinstance(network, GMNM)
    assert torch.equal(network.mu.detach(), torch.cat(parts))
    assert network.n_outputs == 2
    assert not network.output_weights.any()
    for patch, P in zip(
        layout.patches, network.P.detach().split([len(part) for part in parts]), strict=True
    ):
        widths = layout.ratio * f64(patch.spacing)
        torch.testing.assert_close(P, (1 / widths).expand_as(P))


# collocation points


@pytest.mark.parametrize("name", DOMAINS)
def test_collocation_points_are_inside_and_enough(name):
    domain = DOMAINS[name]
    for layout in (uniform_layout(domain), with_a_finer_patch(domain)):
        counts = layout.point_counts(layout.centres())
        points = layout.interior(counts)
        assert points.shape == (len(points), domain.dimension)
        assert points.dtype == torch.float64
        assert bool(domain.contains(points).all())
        assert len(points) >= sum(counts) * (0.8 if domain.fills_box else 0.6)
        # No unit is left without points: they are closer to each other than units inside.
        h = f64(layout.patches[-1].spacing)
        inner = torch.cat([part[domain.contains(part)] for part in layout.centres()])
        patch = layout.patches[-1]
        mine = inner[patch.holds(inner)]
        assert torch.cdist(mine / h, points / h).amin(1).max() < 1.0


@pytest.mark.parametrize("name", DOMAINS)
def test_more_points_than_units_inside(name):
    """Fewer rows than unknowns that matter leave the units undetermined between the points."""
    layout = uniform_layout(DOMAINS[name])
    (centres,) = layout.centres()
    inside = int(DOMAINS[name].contains(centres).sum())
    counts = layout.point_counts([centres])
    assert counts[0] > len(centres)
    assert len(layout.interior(counts)) > 1.5 ** DOMAINS[name].dimension * inside


@pytest.mark.parametrize("factor", [2, 5])
def test_points_follow_the_count(factor):
    layout = uniform_layout(SQUARE)
    counts = layout.point_counts(layout.centres())
    few, many = layout.interior(counts), layout.interior([factor * count for count in counts])
    assert len(many) / len(few) == pytest.approx(factor, rel=0.25)
    few_apart, many_apart = (
        layout.point_spacings(counts),
        layout.point_spacings([factor * count for count in counts]),
    )
    assert all(more < less for more, less in zip(many_apart[0], few_apart[0], strict=True))


@pytest.mark.parametrize("count", [1, 2, 7, 40])
@pytest.mark.parametrize("density", [1.0, 1.5, 3.0])
def test_points_of_one_coordinate(count, density):
    for points in (lattice(count), clustered(count, density)):
        assert len(points) == count
        assert np.all(np.abs(points) < 1)
        assert np.all(np.diff(points) > 0)
        np.testing.assert_allclose(points, -points[::-1], atol=1e-14)
    if count > 5:
        gaps = np.diff(clustered(count, density))
        assert gaps.argmax() in range(count // 3, 2 * count // 3 + 1)
        assert 1 + clustered(count, density)[0] < 1 + lattice(count)[0]


# corners


def test_only_re_entrant_corners_are_refined_from_the_start():
    (corner,) = reentrant_corners(L_SHAPE)
    assert corner.point == pytest.approx((0, 0))
    for name, domain in DOMAINS.items():
        if name not in ("L-shape", "notched"):
            assert reentrant_corners(domain) == (), name


def test_every_re_entrant_corner_is():
    points = {tuple(round(x, 6) for x in corner.point) for corner in reentrant_corners(NOTCHED)}
    assert points == {(-0.25, 0.0), (0.25, 0.0)}


def test_patches_of_a_corner_are_nested_and_geometric():
    first = first_patch(L_SHAPE, 6, (1.0, 1.0))
    (corner,) = reentrant_corners(L_SHAPE)
    patches = replace(corner, levels=5).patches(first)
    assert len(patches) == 5
    for patch in patches:
        assert 0.5 * (np.array(patch.lower) + patch.upper) == pytest.approx([0, 0])
    for outer, inner in pairwise(patches):
        ratio = (inner.upper[0] - inner.lower[0]) / (outer.upper[0] - outer.lower[0])
        assert ratio < 0.8
        # The same number of units across every level.
        assert inner.cells == pytest.approx(outer.cells)
    for outer, inner in pairwise((first, *patches)):
        assert bool(outer.holds(f64([inner.lower, inner.upper])).all())
        assert inner.spacing[0] < outer.spacing[0]
    assert replace(corner, levels=2).patches(first) == patches[:2]
    assert len(corner.grown().patches(first)) > len(corner.patches(first))


def test_a_convex_corner_is_refined_where_the_residual_is():
    points = SQUARE.sample_interior(20_000, "random", 0)
    layout = uniform_layout(SQUARE)

    def found(*spots: tuple[float, float], known: tuple[Corner, ...] = ()) -> list[tuple]:
        indicator = torch.exp(-5 * torch.cdist(points, f64(spots))).sum(1)
        corners = hot_corners(layout, known, points, indicator)
        return sorted(corner.point for corner in corners)

    assert found((-1, -1)) == [(-1, -1)]
    assert found((-1, -1), (1, 1)) == [(-1, -1), (1, 1)]
    assert found((0.2, 0.1)) == []
    assert found((1, 0)) == []  # a side is no corner
    (taken,) = hot_corners(layout, (), points, torch.exp(-5 * (points + 1).norm(dim=1)))
    assert found((-1, -1), known=(taken,)) == []
    disk = uniform_layout(DOMAINS["disk"])
    inside = disk.domain.sample_interior(100)
    assert hot_corners(disk, (), inside, inside[:, 0].abs()) == ()


# grading


def points_and(indicator) -> tuple[Tensor, Tensor]:
    points = SQUARE.sample_interior(3000, "random", 0)
    return points, indicator(*points.T)


def test_a_residual_that_is_spread_asks_for_no_patch():
    layout = uniform_layout(SQUARE)
    assert not grade(layout, *points_and(lambda x, y: 1 + 0.1 * torch.sin(5 * x)))
    assert not grade(layout, *points_and(lambda x, y: torch.ones_like(x)))


@pytest.mark.parametrize("where", [(0.3, -0.4), (0.9, 0.9), (-0.95, 0.0)])
def test_a_residual_in_a_spot_asks_for_a_patch_there(where):
    a, b = where
    points, indicator = points_and(lambda x, y: torch.exp(-50 * ((x - a) ** 2 + (y - b) ** 2)))
    layout = uniform_layout(SQUARE)
    (patch,) = grade(layout, points, indicator)
    assert isinstance(patch, Patch)
    assert bool(patch.holds(points[indicator > 0.5]).all())
    assert bool(layout.patches[0].holds(f64([patch.lower, patch.upper])).all())
    for axis in range(2):
        assert patch.upper[axis] - patch.lower[axis] <= 1.5
        assert patch.spacing[axis] < layout.patches[0].spacing[axis]


def test_two_spots_ask_for_two_patches():
    spots = f64([[-0.6, -0.6], [0.6, 0.6]])
    points = SQUARE.sample_interior(3000, "random", 0)
    indicator = torch.exp(-100 * torch.cdist(points, spots).square()).sum(1)
    patches = grade(uniform_layout(SQUARE), points, indicator)
    assert len(patches) == 2
    assert sorted(patch.holds(spots).tolist() for patch in patches) == [
        [False, True],
        [True, False],
    ]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_layer_is_refined_across_not_along(axis):
    points, indicator = points_and(lambda *x: torch.exp(-20 * (1 - x[axis])))
    (patch,) = grade(uniform_layout(SQUARE), points, indicator)
    (first,) = uniform_layout(SQUARE).patches
    along = 1 - axis
    assert patch.spacing[axis] < first.spacing[axis]
    assert patch.spacing[along] == first.spacing[along]
    assert (patch.lower[along], patch.upper[along]) == (-1, 1)
    assert patch.upper[axis] == pytest.approx(1)
    assert patch.lower[axis] >= 0


def test_grading_goes_on_inside_the_finest_patch():
    points, indicator = points_and(lambda x, y: torch.exp(-400 * (x**2 + y**2)))
    layout = uniform_layout(SQUARE)
    sizes = []
    for _ in range(3):
        (patch,) = grade(layout, points, indicator)
        sizes.append(patch.spacing[0])
        layout = replace(layout, patches=(*layout.patches, patch))
    assert sizes == sorted(set(sizes), reverse=True)
    assert sizes[-1] == pytest.approx(layout.patches[0].spacing[0] / 8)


def test_how_quickly_a_network_varies():
    """sin(a x) has (|d^4 u| / |u|)^(1/4) = a."""
    layout = uniform_layout(SQUARE, 12.0, 6.0)
    network = layout.network(GMNMSpec(), layout.centres(), 1)
    points = SQUARE.sample_interior(3000, "sobol")
    values = torch.sin(2 * points[:, :1]) * torch.sin(4 * points[:, 1:])
    with torch.no_grad():
        weights = torch.linalg.lstsq(network.features(points), values, driver="gelsd").solution
    network.set_output_weights(weights)
    rates = variation(network, points[:500])
    assert rates[1] / rates[0] == pytest.approx(2, rel=0.05)
    assert rates[0] == pytest.approx(2, rel=0.1)


def test_constants_vary_nowhere():
    layout = uniform_layout(SQUARE)
    network = layout.network(GMNMSpec(), layout.centres(), 1)
    assert all(rate > 0 for rate in variation(network, SQUARE.sample_interior(50)))
