"""Every domain keeps the same promises: a new one states its figures and inherits the tests."""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.geometry import (
    SAMPLERS,
    Ball,
    Box,
    Difference,
    Disk,
    Domain,
    Ellipse,
    Intersection,
    Interval,
    Polygon,
    Rectangle,
    Union,
)
from gmnm_pde.geometry.samplers import lattice, lattice_shape, unit_points

PI = math.pi
SQUARE = Rectangle(x=(-1, 1), y=(-1, 1))
L_VERTICES = ((-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1))


class DomainConformance:
    """What every domain must satisfy. A subclass states the domain and its exact figures."""

    domain: ClassVar[Domain]
    measure: ClassVar[float]
    boundary_measure: ClassVar[float]
    centroid: ClassVar[tuple[float, ...]]
    sides: ClassVar[tuple[str, ...]] = ("boundary",)
    tolerance: ClassVar[float] = 1e-9  # relative, of both measures
    lower: ClassVar[tuple[float, ...]]
    upper: ClassVar[tuple[float, ...]]

    @property
    def scale(self) -> float:
        return math.dist(self.domain.lower, self.domain.upper)

    def test_figures(self) -> None:
        assert self.domain.dimension == len(self.centroid)
        assert self.domain.measure == pytest.approx(self.measure, rel=self.tolerance)
        assert self.domain.boundary_measure == pytest.approx(
            self.boundary_measure, rel=self.tolerance
        )
        assert self.domain.lower == pytest.approx(self.lower, abs=1e-9)
        assert self.domain.upper == pytest.approx(self.upper, abs=1e-9)
        assert self.domain.sides == self.sides

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_interior_is_inside_and_uniform(self, sampler: str) -> None:
        n = 4000
        points = self.domain.sample_interior(n, sampler, seed=3)
        assert points.dtype == torch.float64
        assert points.shape[1] == self.domain.dimension
        if sampler != "grid":
            assert points.shape[0] == n
        assert 0.6 * n <= points.shape[0] <= 1.1 * n
        assert bool(self.domain.contains(points).all())
        assert torch.unique(points, dim=0).shape[0] == points.shape[0]
        # Standard error of a random mean: at most half the extent over sqrt(n).
        error = (points.mean(0) - torch.tensor(self.centroid).double()).abs().max()
        assert float(error) < 3.0 * 0.5 * self.scale / math.sqrt(n)

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_boundary_points_and_normals(self, sampler: str) -> None:
        boundary = self.domain.sample_boundary(500, sampler=sampler, seed=1)
        points, normals = boundary.points, boundary.normals
        assert points.dtype == normals.dtype == torch.float64
        if self.domain.dimension > 1 and (sampler != "grid" or self.domain.dimension == 2):
            assert points.shape == normals.shape == (500, self.domain.dimension)
        assert points.shape[0] > (300 if self.domain.dimension > 1 else 1)
        assert float((normals.norm(dim=1) - 1.0).abs().max()) < 1e-14
        assert float(self.domain.signed_distance(points).abs().max()) < 1e-13 * self.scale
        step = 1e-8 * self.scale
        assert bool(self.domain.contains(points - step * normals).all())
        assert not bool(self.domain.contains(points + step * normals).any())

    def test_divergence_theorem(self) -> None:
        d = self.domain.dimension
        boundary = self.domain.sample_boundary(8000, sampler="grid" if d < 3 else "sobol")
        flux = (boundary.points * boundary.normals).sum(1).mean() * boundary.measure
        assert float(flux) == pytest.approx(d * self.measure, rel=2e-3 if d < 3 else 1e-2)
        # No closed surface has a net normal; a piece that is missing shows here.
        assert float(boundary.normals.mean(0).abs().max()) < (1e-3 if d < 3 else 1e-2)

    def test_signed_distance_is_at_most_the_distance(self) -> None:
        points = self.around(400)
        distance = self.domain.signed_distance(points)
        boundary = self.domain.sample_boundary(4000).points
        nearest = torch.cdist(points, boundary).amin(1)
        assert bool((distance.abs() <= nearest + 1e-12 * self.scale).all())
        assert torch.equal(self.domain.contains(points), distance < 0.0)
        assert bool((distance < 0.0).any())
        assert bool((distance > 0.0).any())

    def test_sub_box_at_the_boundary(self) -> None:
        size = 1e-6 * self.scale
        for point in self.domain.sample_boundary(3, seed=5).points:
            box = (point - size, point + size)
            inside = self.domain.sample_interior(50, lower=box[0], upper=box[1])
            assert inside.shape[0] == 50
            assert bool(self.domain.contains(inside).all())
            assert bool(((inside >= box[0]) & (inside <= box[1])).all())
            boundary = self.domain.sample_boundary(50, lower=box[0], upper=box[1])
            assert boundary.points.shape[0] == (50 if self.domain.dimension > 1 else 1)
            assert bool(((boundary.points >= box[0]) & (boundary.points <= box[1])).all())
            assert float(self.domain.signed_distance(boundary.points).abs().max()) < 1e-14 + size
            # A flat cut through the middle of a cube of edge 2 size, whatever its direction.
            d = self.domain.dimension
            assert boundary.measure >= 0.99 * (2 * size) ** (d - 1)
            assert boundary.measure <= 3.0 * (2 * size) ** (d - 1)

    def test_sub_box_elsewhere_is_empty(self) -> None:
        low = tuple(value + 3.0 * self.scale for value in self.domain.lower)
        high = tuple(value + 1.0 for value in low)
        assert self.domain.sample_interior(10, lower=low, upper=high).shape == (0, len(low))
        boundary = self.domain.sample_boundary(10, lower=low, upper=high)
        assert boundary.points.shape == boundary.normals.shape == (0, len(low))
        assert boundary.measure == 0.0

    def test_halves_make_the_whole(self) -> None:
        axis, middle = 0, self.centroid[0] + 0.01234 * self.scale
        low, high = list(self.domain.lower), list(self.domain.upper)
        low[axis], high[axis] = middle, middle
        left = self.domain.sample_boundary(1000, upper=high)
        right = self.domain.sample_boundary(1000, lower=low)
        chosen = self.domain.sample_boundary(1000, where=lambda p: p[:, axis] < middle)
        assert bool((left.points[:, axis] <= middle).all())
        assert bool((chosen.points[:, axis] < middle).all())
        rel = 1e-8 if self.domain.dimension < 3 else 0.03
        assert left.measure + right.measure == pytest.approx(self.boundary_measure, rel=rel)
        assert chosen.measure == pytest.approx(left.measure, rel=rel)

    def test_sides_are_flat_and_face_outward(self) -> None:
        names = [("left", "right"), ("bottom", "top"), ("back", "front")]
        for axis, end in itertools.product(range(min(3, self.domain.dimension)), (0, 1)):
            name = names[axis][end]
            if name not in self.sides:
                with pytest.raises(InputError, match=f"no side '{name}'; it has boundary"):
                    self.domain.sample_boundary(10, at=name)
                continue
            side = self.domain.sample_boundary(10, at=name)
            face = (self.lower, self.upper)[end][axis]
            assert side.points[:, axis].tolist() == pytest.approx(
                [face] * side.points.shape[0], abs=1e-12
            )
            assert bool((side.normals[:, axis] == (-1.0, 1.0)[end]).all())

    def test_a_seed_is_one_set_of_points(self) -> None:
        state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        for sampler in ("random", "sobol", "halton", "lhs"):
            one, same, other = (
                self.domain.sample_interior(40, sampler, seed=seed) for seed in (1, 1, 2)
            )
            assert torch.equal(one, same)
            assert not torch.equal(one, other)
            one, same, other = (
                self.domain.sample_boundary(40, sampler=sampler, seed=seed).points
                for seed in (1, 1, 2)
            )
            assert torch.equal(one, same)
            assert self.domain.dimension == 1 or not torch.equal(one, other)
        assert torch.equal(state[0], torch.random.get_rng_state())
        assert np.array_equal(state[1], np.random.get_state()[1])  # noqa: NPY002

    def test_bad_arguments(self) -> None:
        with pytest.raises(InputError, match=r"unknown sampler 'sobel'.*'sobol'"):
            self.domain.sample_interior(10, "sobel")
        with pytest.raises(InputError, match="unknown sampler"):
            self.domain.sample_boundary(10, sampler="latin")
        with pytest.raises(InputError, match="number of points is 0"):
            self.domain.sample_interior(0)
        with pytest.raises(InputError, match="dimensions"):
            self.domain.sample_interior(5, lower=(0.0,) * 7)
        with pytest.raises(InputError, match="`where` leaves no boundary"):
            self.domain.sample_boundary(10, where=lambda p: p[:, 0] > 1e6)
        with pytest.raises(InputError, match="one true or false for each point"):
            self.domain.sample_boundary(10, where=lambda p: p > 0.0 if p.shape[1] > 1 else 1)

    def around(self, n: int) -> Tensor:
        """Points in a box somewhat larger than the domain."""
        low, high = torch.tensor([self.domain.lower, self.domain.upper]).double()
        margin = 0.3 * (high - low)
        unit = unit_points(n, self.domain.dimension, "sobol", 9)
        return low - margin + unit * (high - low + 2 * margin)


BOX_SIDES = ("boundary", "left", "right", "bottom", "top", "back", "front")


class TestInterval(DomainConformance):
    domain = Interval(-1, 3)
    measure, boundary_measure, centroid = 4.0, 2.0, (1.0,)
    sides, lower, upper = BOX_SIDES[:3], (-1.0,), (3.0,)


class TestRectangle(DomainConformance):
    domain = Rectangle(x=(-1, 2), y=(0, 0.5))
    measure, boundary_measure, centroid = 1.5, 7.0, (0.5, 0.25)
    sides, lower, upper = BOX_SIDES[:5], (-1.0, 0.0), (2.0, 0.5)


class TestBox(DomainConformance):
    domain = Box(((0, 1), (0, 2), (-1, 2)))
    measure, boundary_measure, centroid = 6.0, 22.0, (0.5, 1.0, 0.5)
    sides, lower, upper = BOX_SIDES, (0.0, 0.0, -1.0), (1.0, 2.0, 2.0)


class TestBoxInFive(DomainConformance):
    domain = Box(((0, 1),) * 5)
    measure, boundary_measure, centroid = 1.0, 10.0, (0.5,) * 5
    sides, lower, upper = BOX_SIDES, (0.0,) * 5, (1.0,) * 5


class TestDisk(DomainConformance):
    domain = Disk((1, -2), 0.5)
    measure, boundary_measure, centroid = PI / 4, PI, (1.0, -2.0)
    lower, upper = (0.5, -2.5), (1.5, -1.5)


class TestBall(DomainConformance):
    domain = Ball((1, 0, -1), 2)
    measure, boundary_measure, centroid = 32 * PI / 3, 16 * PI, (1.0, 0.0, -1.0)
    lower, upper = (-1.0, -2.0, -3.0), (3.0, 2.0, 1.0)


class TestBallInFive(DomainConformance):
    domain = Ball((0,) * 5, 1)
    measure, boundary_measure, centroid = 8 * PI**2 / 15, 8 * PI**2 / 3, (0.0,) * 5
    lower, upper = (-1.0,) * 5, (1.0,) * 5


class TestEllipse(DomainConformance):
    domain = Ellipse((0, 1), (2, 0.5))
    # 8 E(15/16), the complete elliptic integral of the second kind.
    measure, boundary_measure, centroid = PI, 8.578421775156833, (0.0, 1.0)
    lower, upper = (-2.0, 0.5), (2.0, 1.5)


class TestPolygon(DomainConformance):
    domain = Polygon(L_VERTICES)
    measure, boundary_measure, centroid = 3.0, 8.0, (-1 / 6, 1 / 6)
    sides, lower, upper = BOX_SIDES[:5], (-1.0, -1.0), (1.0, 1.0)


class TestTriangle(DomainConformance):
    domain = Polygon([(0, 0), (0, 1), (1, 0), (0, 0)])  # clockwise and closed
    measure, boundary_measure, centroid = 0.5, 2 + math.sqrt(2), (1 / 3, 1 / 3)
    sides, lower, upper = ("boundary", "left", "bottom"), (0.0, 0.0), (1.0, 1.0)


class TestLOfUnion(DomainConformance):
    domain = Union(Rectangle(x=(-1, 0), y=(-1, 1)), Rectangle(x=(0, 1), y=(0, 1)))
    measure, boundary_measure, centroid = 3.0, 8.0, (-1 / 6, 1 / 6)
    sides, lower, upper = BOX_SIDES[:5], (-1.0, -1.0), (1.0, 1.0)


class TestLOfDifference(DomainConformance):
    domain = Difference(SQUARE, Rectangle(x=(0, 1), y=(-1, 0)))
    measure, boundary_measure, centroid = 3.0, 8.0, (-1 / 6, 1 / 6)
    sides, lower, upper = BOX_SIDES[:5], (-1.0, -1.0), (1.0, 1.0)


class TestPlateWithHole(DomainConformance):
    domain = Difference(SQUARE, Disk((0.25, 0), 0.5))
    measure, boundary_measure = 4 - PI / 4, 8 + PI
    centroid = (-0.25 * PI / 4 / (4 - PI / 4), 0.0)
    sides, lower, upper = BOX_SIDES[:5], (-1.0, -1.0), (1.0, 1.0)


class TestHalfDisk(DomainConformance):
    domain = Intersection(Disk(), Rectangle(x=(0, 2), y=(-2, 2)))
    measure, boundary_measure, centroid = PI / 2, PI + 2, (4 / (3 * PI), 0.0)
    sides, lower, upper = ("boundary", "left"), (0.0, -1.0), (1.0, 1.0)


class TestMoon(DomainConformance):
    """Two unit circles a unit apart: the lens between them is 2 pi/3 - sqrt(3)/2."""

    domain = Difference(Disk((0, 0), 1), Disk((1, 0), 1))
    measure, boundary_measure = PI / 3 + math.sqrt(3) / 2, 2 * PI
    centroid = (-(2 * PI / 3 - math.sqrt(3) / 2) * 0.5 / (PI / 3 + math.sqrt(3) / 2), 0.0)
    lower, upper = (-1.0, -1.0), (0.5, 1.0)


class TestSharedArc(DomainConformance):
    """Half a disk cut from the whole: the arcs coincide."""

    domain = Difference(Disk(), TestHalfDisk.domain)
    measure, boundary_measure, centroid = PI / 2, PI + 2, (-4 / (3 * PI), 0.0)
    sides, lower, upper = ("boundary", "right"), (-1.0, -1.0), (0.0, 1.0)


class TestOverlapWithSharedEdge(DomainConformance):
    """The bottom edges coincide from 0 to 1 and must not count twice."""

    domain = Union(Rectangle(x=(0, 1), y=(0, 1)), Rectangle(x=(-1, 2), y=(0, 0.5)))
    measure, boundary_measure, centroid = 2.0, 8.0, (0.5, 0.375)
    sides, lower, upper = BOX_SIDES[:5], (-1.0, 0.0), (2.0, 1.0)


class TestIntervals(DomainConformance):
    domain = Union(Interval(0, 1), Interval(2, 3), Interval(1, 1.5))
    measure, boundary_measure, centroid = 2.5, 4.0, (1.45,)
    sides, lower, upper = BOX_SIDES[:3], (0.0,), (3.0,)

    def test_divergence_theorem(self) -> None:
        boundary = self.domain.sample_boundary(1)
        assert float((boundary.points * boundary.normals).sum()) == pytest.approx(2.5)


class TestBoxWithHole(DomainConformance):
    domain = Difference(Box(((-1, 1),) * 3), Ball((0, 0, 0), 0.5))
    measure, boundary_measure, centroid = 8 - PI / 6, 24 + PI, (0.0,) * 3
    sides, lower, upper, tolerance = BOX_SIDES, (-1.0,) * 3, (1.0,) * 3, 5e-3


class TestHalfBox(DomainConformance):
    """The hole shares faces with the box; the bounding box is pulled in exactly."""

    domain = Difference(Box(((0, 1),) * 3), Box(((0.5, 1), (0, 1), (0, 1))))
    measure, boundary_measure, centroid = 0.5, 4.0, (0.25, 0.5, 0.5)
    sides, lower, upper, tolerance = BOX_SIDES, (0.0,) * 3, (0.5, 1.0, 1.0), 5e-3


# ------------------------------------------------------------------------------ distances


def test_distance_of_a_box() -> None:
    points = torch.tensor([[0.0, 0.0], [0.9, 0.2], [4.0, 5.0], [1.0, 3.0], [-2.0, 0.5]]).double()
    distance = Rectangle(x=(-1, 1), y=(-1, 1)).signed_distance(points)
    assert distance.tolist() == pytest.approx([-1.0, -0.1, 5.0, 2.0, 1.0])


@given(st.integers(3, 12), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_distance_of_a_polygon_is_exact(count: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    angle = 2 * PI * (np.arange(count) + generator.uniform(0, 0.9, count)) / count
    radius = generator.uniform(0.3, 1.0, count)
    polygon = Polygon(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).tolist())
    points = torch.from_numpy(generator.uniform(-1.2, 1.2, (50, 2)))
    dense = polygon.sample_boundary(20000, sampler="grid")
    nearest = torch.cdist(points, dense.points).amin(1)
    distance = polygon.signed_distance(points)
    assert float((distance.abs() - nearest).abs().max()) < 1e-3
    total = torch.zeros(50).double()  # winding number, another way to tell inside from outside
    for a, b in itertools.pairwise([*polygon.vertices, polygon.vertices[0]]):
        first, last = torch.tensor(a).double() - points, torch.tensor(b).double() - points
        cross = first[:, 0] * last[:, 1] - first[:, 1] * last[:, 0]
        total += torch.atan2(cross, (first * last).sum(1))
    assert torch.equal(distance < 0.0, total > PI)


def test_distance_of_an_ellipse_is_close() -> None:
    ellipse = Ellipse((0, 0), (1, 0.4))
    boundary = ellipse.sample_boundary(2000, sampler="grid")
    for side in (-1.0, 1.0):
        near = ellipse.signed_distance(boundary.points + side * 1e-4 * boundary.normals)
        assert float((near - side * 1e-4).abs().max()) < 1e-7
    assert float(ellipse.signed_distance(torch.zeros(1, 2).double())) == pytest.approx(-0.4)


def test_seams_of_a_union_are_inside() -> None:
    y = torch.linspace(0.1, 0.9, 5).double()
    seam = torch.stack([torch.zeros_like(y), y], 1)
    assert bool(TestLOfUnion.domain.contains(seam).all())
    ends = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, -0.5]]).double()
    assert not bool(TestLOfUnion.domain.contains(ends).any())


def test_touching_to_within_rounding_leaves_no_edge() -> None:
    third = sum([0.1] * 3)  # 0.30000000000000004
    union = Union(Rectangle(x=(0, 0.3), y=(0, 1)), Rectangle(x=(third, 1), y=(0, 1)))
    assert union.boundary_measure == pytest.approx(4.0, rel=1e-12)
    assert union.corners().points.shape == (4, 2)


# ------------------------------------------------------------------------------- sampling


def test_boundary_of_an_interval_is_its_ends() -> None:
    boundary = Interval(0, 2).sample_boundary(100)
    assert boundary.points.tolist() == [[0.0], [2.0]]
    assert boundary.normals.tolist() == [[-1.0], [1.0]]
    assert boundary.measure == 2.0
    assert Interval(0, 2).sample_boundary(5, at="right").points.tolist() == [[2.0]]


@pytest.mark.parametrize("sampler", ["grid", "sobol"])
def test_even_spacing_on_curves(sampler: str) -> None:
    rectangle = Rectangle(x=(0, 30), y=(0, 1))
    boundary = rectangle.sample_boundary(62, sampler=sampler)
    counts = [int((boundary.normals[:, j] == s).sum()) for j in (0, 1) for s in (-1.0, 1.0)]
    assert counts == [1, 1, 30, 30]
    top = boundary.points[boundary.normals[:, 1] == 1.0, 0].sort().values
    assert float((top.diff() - 1.0).abs().max()) < 1e-12
    few = rectangle.sample_boundary(4, sampler=sampler)
    assert sorted(map(tuple, few.normals.tolist())) == [(-1, 0), (0, -1), (0, 1), (1, 0)]
    for domain in (Disk(), Ellipse((0, 0), (3, 0.3))):
        points = domain.sample_boundary(4000, sampler=sampler).points
        chord = (points - points.roll(1, 0)).norm(dim=1)
        assert float(chord.max() / chord.min()) < 1.02


def test_even_spacing_is_by_arc_length() -> None:
    """Against arc length integrated along 10^5 chords: errors 1e-10, where a table has 1e-6."""
    ellipse, n = Ellipse((0, 0), (1, 0.4)), 7
    points = ellipse.sample_boundary(n, sampler="grid").points
    angle = torch.linspace(0.0, 2 * PI, 100_001, dtype=torch.float64)
    dense = torch.stack([angle.cos(), 0.4 * angle.sin()], 1)
    arc = torch.cat([torch.zeros(1).double(), dense.diff(dim=0).norm(dim=1).cumsum(0)]).numpy()
    turned = torch.remainder(torch.atan2(points[:, 1] / 0.4, points[:, 0]), 2 * PI)
    along = np.interp(turned.numpy(), angle.numpy(), arc) / arc[-1]
    assert np.abs(along - (np.arange(n) + 0.5) / n).max() < 1e-8


def test_even_spacing_in_a_sub_box() -> None:
    points = Disk().sample_boundary(30, sampler="grid", lower=(-0.3, 0), upper=(0.5, 2)).points
    gaps = torch.atan2(points[:, 1], points[:, 0]).sort().values.diff()
    assert float(gaps.max() / gaps.min()) < 1.0 + 1e-6


def test_even_on_surfaces() -> None:
    boundary = Box(((0, 1), (0, 1), (0, 3))).sample_boundary(1400)
    front = boundary.normals[:, 2] == 1.0
    assert 85 <= int(front.sum()) <= 115
    normals = Ball((0, 0, 0, 0, 0, 0)).sample_boundary(4000).normals
    second = normals.T @ normals / 4000
    assert float((second - torch.eye(6) / 6).abs().max()) < 5e-3


def test_several_sides() -> None:
    boundary = SQUARE.sample_boundary(30, at=("left", "top"))
    assert boundary.measure == 4.0
    assert boundary.points.shape == (30, 2)
    assert set(map(tuple, boundary.normals.tolist())) == {(-1.0, 0.0), (0.0, 1.0)}
    assert SQUARE.sample_boundary(9, at=("left", "boundary")).measure == 8.0
    with pytest.raises(InputError, match="no side 'front'; it has boundary, left, right"):
        SQUARE.sample_boundary(3, at=("left", "front"))


def test_where_cuts_exactly() -> None:
    boundary = SQUARE.sample_boundary(100, at="top", where=lambda p: p[:, 0].abs() > 0.3)
    assert boundary.measure == pytest.approx(1.4, rel=1e-14)
    assert boundary.points.shape == (100, 2)


@pytest.mark.parametrize("domain", [TestLOfUnion.domain, TestLOfDifference.domain])
def test_sub_box_at_a_reentrant_corner(domain: Domain) -> None:
    size = 1e-6
    boundary = domain.sample_boundary(40, lower=(-size, -size), upper=(size, size))
    assert boundary.measure == pytest.approx(2 * size, rel=1e-6)
    assert sorted({tuple(item) for item in boundary.normals.tolist()}) == [(0, -1), (1, 0)]
    assert int((boundary.normals[:, 0] == 1.0).sum()) == 20
    inside = domain.sample_interior(4000, lower=(-size, -size), upper=(size, size))
    assert (inside.mean(0) / size).tolist() == pytest.approx([-1 / 6, 1 / 6], abs=5e-3)


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_sub_box_measures_of_curves(size: float) -> None:
    """A circle of slope -3/4 passes a square through its left and right sides."""
    low, high = (0.6 - size, 0.8 - size), (0.6 + size, 0.8 + size)
    exact = math.acos(0.6 - size) - math.acos(0.6 + size)
    arc = Disk().sample_boundary(20, lower=low, upper=high)
    assert arc.measure == pytest.approx(exact, rel=1e-8)
    assert arc.points.shape == (20, 2)


def test_sub_box_at_a_pole() -> None:
    size = 1e-5
    pole = Ball((0, 0, 0)).sample_boundary(100, lower=(0.5, -size, -size), upper=(2, size, size))
    assert pole.measure == pytest.approx(4 * size**2, rel=0.03)
    assert pole.points.shape == (100, 3)


def test_a_box_that_only_touches_is_empty() -> None:
    for low, high in (((1, -1), (2, 1)), ((0.8, 0.6), (1, 1))):
        assert Disk().sample_interior(10, lower=low, upper=high).shape == (0, 2)


def test_thin_domains_are_sampled() -> None:
    ring = Difference(Disk((0, 0), 1), Disk((0, 0), 0.999))
    points = ring.sample_interior(2000)
    assert points.shape == (2000, 2)
    assert points.mean(0).tolist() == pytest.approx([0, 0], abs=0.03)
    sliver = Polygon([(0, 0), (1, 1), (1, 1 + 1e-6)])
    assert sliver.sample_interior(100).shape == (100, 2)


def test_grid_is_a_lattice() -> None:
    points = Rectangle(x=(0, 2), y=(0, 1)).sample_interior(200, "grid")
    assert points.shape == (200, 2)
    assert torch.unique(points[:, 0]).tolist() == pytest.approx([0.05 + 0.1 * i for i in range(20)])


@given(st.integers(1, 3000), st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_lattice_has_nearly_n_cells(n: int, lengths: list[float]) -> None:
    shape = lattice_shape(n, lengths)
    assert 1 <= math.prod(shape) <= n
    longest = max(range(len(shape)), key=lambda axis: lengths[axis] / shape[axis])
    assert math.prod(shape) // shape[longest] * (shape[longest] + 1) > n
    assert lattice(n, lengths).shape == (math.prod(shape), len(lengths))


def test_sobol_is_stratified() -> None:
    unit = unit_points(256, 2, "sobol", 4)
    cells = (unit[:, 0] * 16).floor() * 16 + (unit[:, 1] * 16).floor()
    assert torch.unique(cells).numel() == 256


# -------------------------------------------------------------------------------- corners


def sorted_corners(domain: Domain) -> dict[tuple[float, float], float]:
    corners = domain.corners()
    keys = [(round(x, 7) + 0.0, round(y, 7) + 0.0) for x, y in corners.points.tolist()]
    return dict(zip(keys, corners.angles.tolist(), strict=True))


@pytest.mark.parametrize(
    "domain", [TestLOfUnion.domain, TestLOfDifference.domain, TestPolygon.domain]
)
def test_corners_of_the_l_shape(domain: Domain) -> None:
    expected = dict.fromkeys(L_VERTICES, PI / 2) | {(0, 0): 1.5 * PI}
    found = sorted_corners(domain)
    assert found == {key: pytest.approx(value, abs=1e-7) for key, value in expected.items()}


def test_corners_of_others() -> None:
    assert set(sorted_corners(SQUARE)) == {(-1, -1), (1, -1), (1, 1), (-1, 1)}
    triangle = sorted_corners(TestTriangle.domain)
    expected = {(0, 0): PI / 2, (1, 0): PI / 4, (0, 1): PI / 4}
    assert triangle == {key: pytest.approx(value) for key, value in expected.items()}
    tips = sorted_corners(TestMoon.domain)
    assert set(tips) == {(0.5, 0.8660254), (0.5, -0.8660254)}
    assert list(tips.values()) == pytest.approx([PI / 3] * 2, abs=1e-4)
    for domain in (Disk(), Ellipse(), Interval(0, 1), Ball((0, 0, 0)), Box(((0, 1),) * 3)):
        assert domain.corners().points.shape == (0, domain.dimension)
        assert domain.corners().angles.shape == (0,)


def test_angles_of_an_odd_triangle() -> None:
    triangle = Intersection(Polygon([(0, 0), (3, 0.4), (0.7, 2)]), Rectangle(x=(-9, 9), y=(-9, 9)))
    expected = sorted_corners(Polygon([(0, 0), (3, 0.4), (0.7, 2)]))
    assert sum(expected.values()) == pytest.approx(PI, rel=1e-12)
    assert sorted_corners(triangle) == {
        key: pytest.approx(value, abs=1e-7) for key, value in expected.items()
    }


def test_reentrant_corner_of_a_crossing() -> None:
    cross = Union(Rectangle(x=(-3, 3), y=(-1, 1)), Rectangle(x=(-1, 1), y=(-3, 3)))
    found = sorted_corners(cross)
    assert len(found) == 12
    for x, y in itertools.product((-1, 1), (-1, 1)):
        assert found[x, y] == pytest.approx(1.5 * PI, abs=1e-7)


# ------------------------------------------------------------------- combinations, nested


@given(
    st.lists(st.tuples(*[st.integers(0, 6)] * 2, *[st.integers(1, 4)] * 2), min_size=2, max_size=5)
)
@settings(max_examples=20, deadline=None)
def test_unions_of_aligned_rectangles(boxes: list[tuple[int, int, int, int]]) -> None:
    """Against counting cells on the integer lattice: full of touching and coinciding edges."""
    union = Union(*(Rectangle(x=(x, x + w), y=(y, y + h)) for x, y, w, h in boxes))
    cells = np.zeros((14, 14), dtype=bool)
    for x, y, w, h in boxes:
        cells[x + 1 : x + w + 1, y + 1 : y + h + 1] = True
    edges = (cells[1:] != cells[:-1]).sum() + (cells[:, 1:] != cells[:, :-1]).sum()
    assert union.measure == pytest.approx(cells.sum(), rel=1e-9)
    assert union.boundary_measure == pytest.approx(edges, rel=1e-9)
    boundary = union.sample_boundary(50)
    assert bool(union.contains(boundary.points - 1e-6 * boundary.normals).all())
    assert not bool(union.contains(boundary.points + 1e-6 * boundary.normals).any())


def test_nested_combinations() -> None:
    holes = Union(Disk((-0.5, 0), 0.2), Disk((0.5, 0), 0.2))
    plate = Difference(SQUARE, holes, Rectangle(x=(-0.1, 0.1), y=(0.5, 1)))
    assert plate.measure == pytest.approx(4 - 0.08 * PI - 0.1, rel=1e-9)
    assert plate.boundary_measure == pytest.approx(8 + 0.8 * PI + 1.0, rel=1e-9)
    again = Intersection(plate, Rectangle(x=(0, 3), y=(-3, 3)))
    assert again.measure == pytest.approx(plate.measure / 2, rel=1e-9)
    assert again.sides == ("boundary", "left", "right", "bottom", "top")
    assert again.sample_boundary(10, at="left").measure == pytest.approx(1.5, rel=1e-9)


# ---------------------------------------------------------------------------------- input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Interval(1, 1), "interval is .1, 1., expected its lower end first"),
        (lambda: Interval(0, math.nan), "finite"),
        (lambda: Interval("a", 1), "expected numbers"),
        (lambda: Rectangle(x=(1, 0), y=(0, 1)), "rectangle x"),
        (lambda: Rectangle(x=(0, 1), y=(0, 1, 2)), "3 numbers, expected 2"),
        (lambda: Rectangle(x=(0, 1), y=3), "expected numbers"),
        (lambda: Box(()), "at least one interval"),
        (lambda: Box(((0, 1), (0, math.inf))), "box bounds 2"),
        (lambda: Disk((0, 0), 0), "disk radius is 0.0, expected positive"),
        (lambda: Disk((0, 0, 0), 1), "3 numbers, expected 2"),
        (lambda: Ball((), 1), "at least one number"),
        (lambda: Ball((0, 0, 0), -1), "expected positive"),
        (lambda: Ellipse((0, 0), (1, 0)), "semiaxes"),
        (lambda: Polygon([(0, 0), (1, 0)]), "2 distinct vertices"),
        (lambda: Polygon([(0, 0), (1, 0), (1, 0), (0, 0)]), "2 distinct vertices"),
        (lambda: Polygon([(0, 0), (1, 0), (1, 1), (1, 0)]), "vertices 2 and 4"),
        (lambda: Polygon([(0, 0), (1, 0), (1, 1, 1)]), "vertex 3 has 3 numbers"),
        (lambda: Polygon([(0, 0), (1, 1), (2, 2)]), "intersects itself|no area"),
        (lambda: Polygon([(0, 0), (2, 0), (1, 0), (1, 1)]), "edge 1 from .* edge 2 from"),
        (
            lambda: Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]),
            r"edge 1 from \[0.0, 0.0\] to \[1.0, 1.0\] meets edge 3 from \[1.0, 0.0\]",
        ),
        (lambda: Union(Disk()), "union of 1 domain"),
        (lambda: Union(Disk(), Interval(0, 1)), r"union of domains with \[2, 1\] dimensions"),
        (lambda: Intersection(Disk(), Disk((5, 0), 1)), "intersection is empty"),
        (lambda: Intersection(SQUARE, Rectangle(x=(1, 2), y=(-1, 1))), "intersection is empty"),
        (lambda: Difference(Disk(), SQUARE), "difference is empty"),
    ],
)
def test_bad_domains(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_domains_are_values() -> None:
    assert Disk([0, 0], 1) == Disk((0.0, 0.0), 1.0)
    assert Union(Disk(), SQUARE) == Union(Disk(), SQUARE)
    assert Union(Disk(), SQUARE) != Intersection(Disk(), SQUARE)
    assert hash(Polygon(L_VERTICES)) == hash(Polygon(list(L_VERTICES)))


def test_chebyshev_points_cluster_at_the_sides():
    square = Rectangle(x=(-1, 1), y=(-1, 1))
    interior = square.sample_interior(400, "chebyshev")
    assert (1 - interior.abs().max()).item() < 1 / 200  # an even lattice stays 1/20 away
    boundary = square.sample_boundary(80, sampler="chebyshev").points
    along = boundary[boundary[:, 1] == -1, 0].sort().values
    expected = -torch.cos(torch.pi * (torch.arange(len(along)) + 0.5) / len(along)).double()
    torch.testing.assert_close(along, expected, rtol=0, atol=1e-6)
