"""A domain in space and time keeps the promises of every domain, time being one coordinate."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest
import torch
from test_geometry import BOX_SIDES, PI, DomainConformance

from gmnm_pde.errors import InputError
from gmnm_pde.geometry import SAMPLERS, Cylinder, Difference, Disk, Domain, Interval, Rectangle
from gmnm_pde.geometry.cylinder import ENDS


class CylinderConformance(DomainConformance):
    """The domain's promises; its ``"boundary"`` is open at the first and the last time."""

    domain: ClassVar[Cylinder]
    base_measure: ClassVar[float]

    def test_divergence_theorem(self) -> None:
        """With both ends; and without them for the normals in space alone."""
        d = self.domain.dimension
        whole = self.domain.sample_boundary(8000, self.domain.hull)
        parts = [self.domain.sample_boundary(8000, side) for side in self.domain.hull]
        assert whole.measure == pytest.approx(sum(part.measure for part in parts))
        flux = sum(
            float((part.points * part.normals).sum(1).mean()) * part.measure for part in parts
        )
        assert flux == pytest.approx(d * self.measure, rel=5e-3)
        lateral = parts[0].normals
        assert (lateral[:, -1] == 0).all()
        assert float(lateral.mean(0).abs().max()) < 1e-2

    def test_signed_distance_is_at_most_the_distance(self) -> None:
        points = self.around(400)
        distance = self.domain.signed_distance(points)
        boundary = self.domain.sample_boundary(6000, self.domain.hull).points
        nearest = torch.cdist(points, boundary).amin(1)
        assert bool((distance.abs() <= nearest + 1e-12 * self.scale).all())
        assert torch.equal(self.domain.contains(points), distance < 0.0)
        # And not much less: the nearest of some thousand points is near.
        spacing = 2 * self.scale / math.sqrt(2000)
        assert bool((distance.abs() >= 0.5 * nearest - 3 * spacing).all())

    @pytest.mark.parametrize("end", [0, 1])
    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_ends_are_the_domain_at_one_time(self, end: int, sampler: str) -> None:
        side = self.domain.sample_boundary(500, ENDS[end], sampler, seed=2)
        assert (side.points[:, -1] == self.domain.time[end]).all()
        assert bool(self.domain.base.contains(side.points[:, :-1]).all())
        assert len(side.points) > 300
        assert (side.normals[:, :-1] == 0).all()
        assert (side.normals[:, -1] == (-1.0, 1.0)[end]).all()
        assert side.measure == pytest.approx(self.base_measure, rel=self.tolerance)

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_the_boundary_is_that_of_the_base_at_all_times(self, sampler: str) -> None:
        side = self.domain.sample_boundary(900, "boundary", sampler, seed=2)
        start, end = self.domain.time
        place, times = side.points[:, :-1], side.points[:, -1]
        assert float(self.domain.base.signed_distance(place).abs().max()) < 1e-12 * self.scale
        # Evenly spread in time, and at every place alike.
        share = (times - start) / (end - start)
        assert abs(float(share.mean()) - 0.5) < 0.06
        assert abs(float(share.var()) - 1 / 12) < 0.02
        for axis in range(place.shape[1]):
            both = torch.stack([place[:, axis], times])
            if float(place[:, axis].std()) > 0:
                assert abs(float(torch.corrcoef(both)[0, 1])) < 0.15

    def test_a_window_of_time(self) -> None:
        start, end = self.domain.time
        low, high = list(self.domain.lower), list(self.domain.upper)
        low[-1], high[-1] = start + 0.25 * (end - start), start + 0.5 * (end - start)
        window = self.domain.sample_boundary(200, lower=low, upper=high)
        assert window.measure == pytest.approx(0.25 * self.boundary_measure, rel=1e-6)
        assert bool(((window.points[:, -1] >= low[-1]) & (window.points[:, -1] <= high[-1])).all())
        for name in ENDS:
            empty = self.domain.sample_boundary(50, name, lower=low, upper=high)
            assert empty.points.shape == empty.normals.shape == (0, self.domain.dimension)
            assert empty.measure == 0.0
        early = self.domain.sample_boundary(50, "initial", upper=high)
        assert early.measure == pytest.approx(self.base_measure, rel=1e-6)

    def test_a_part_of_an_end(self) -> None:
        """Halves make the whole, and beside the domain there is nothing."""
        low, high = list(self.domain.lower), list(self.domain.upper)
        middle = self.centroid[0] + 0.01234 * self.scale
        halves = [
            self.domain.sample_boundary(200, "final", lower=[middle, *low[1:]]),
            self.domain.sample_boundary(200, "final", upper=[middle, *high[1:]]),
        ]
        assert sum(h.measure for h in halves) == pytest.approx(self.base_measure, rel=0.01)
        assert bool((halves[0].points[:, 0] >= middle).all())
        assert bool((halves[1].points[:, 0] <= middle).all())
        beside = [value + 3 * self.scale for value in low[:-1]]
        far = self.domain.sample_boundary(50, "final", lower=[*beside, low[-1]])
        assert far.points.shape == (0, self.domain.dimension)
        assert far.measure == 0.0

    def test_where_is_of_time_too(self) -> None:
        start, end = self.domain.time
        late = self.domain.sample_boundary(
            1000, self.domain.hull, where=lambda p: p[:, -1] > 0.5 * (start + end)
        )
        expected = 0.5 * self.boundary_measure + self.base_measure
        assert late.measure == pytest.approx(expected, rel=0.05)
        assert (late.points[:, -1] > 0.5 * (start + end)).all()

    def test_several_sides_at_once(self) -> None:
        both = self.domain.sample_boundary(300, ENDS)
        assert both.measure == pytest.approx(2 * self.base_measure, rel=self.tolerance)
        assert both.points[:, -1].unique().tolist() == list(self.domain.time)

    def test_sides_that_are_hard(self) -> None:
        """Functions that vanish on a side and nowhere inside."""
        inside = self.domain.sample_interior(200)
        for side in self.domain.hull:
            function = self.domain.distance_function(side)
            assert function is not None
            on = self.domain.sample_boundary(100, side).points
            assert float(function(on).abs().max()) < 1e-12
            assert float(function(inside).min()) > 0
        both = self.domain.distance_function(("boundary", "initial"))
        first = self.domain.distance_function("boundary")
        start = self.domain.distance_function("initial")
        assert both is not None
        assert first is not None
        assert start is not None
        torch.testing.assert_close(both(inside), first(inside) * start(inside))


class TestOnInterval(CylinderConformance):
    domain = Cylinder(Interval(-1, 1), (0, 3))
    measure, boundary_measure, centroid = 6.0, 6.0, (0.0, 1.5)
    base_measure = 2.0
    sides, lower, upper = (*BOX_SIDES[:3], *ENDS), (-1.0, 0.0), (1.0, 3.0)


class TestOnRectangle(CylinderConformance):
    domain = Cylinder(Rectangle(x=(0, 2), y=(-1, 0)), (1, 1.5))
    measure, boundary_measure, centroid = 1.0, 3.0, (1.0, -0.5, 1.25)
    base_measure = 2.0
    sides, lower, upper = (*BOX_SIDES[:5], *ENDS), (0.0, -1.0, 1.0), (2.0, 0.0, 1.5)


class TestOnDisk(CylinderConformance):
    domain = Cylinder(Disk((1, 0), 0.5), (-1, 1))
    measure, boundary_measure, centroid = PI / 2, 2 * PI, (1.0, 0.0, 0.0)
    base_measure = PI / 4
    sides, lower, upper = ("boundary", *ENDS), (0.5, -0.5, -1.0), (1.5, 0.5, 1.0)


class TestOnAPlateWithAHole(CylinderConformance):
    domain = Cylinder(Difference(Rectangle(x=(-1, 1), y=(-1, 1)), Disk((0, 0), 0.5)), (0, 2))
    measure, boundary_measure = 2 * (4 - PI / 4), 2 * (8 + PI)
    base_measure, centroid = 4 - PI / 4, (0.0, 0.0, 1.0)
    sides, lower, upper = (*BOX_SIDES[:5], *ENDS), (-1.0, -1.0, 0.0), (1.0, 1.0, 2.0)


# what is not of every domain


def test_a_part_of_an_end_is_measured_as_it_is() -> None:
    """A quarter of a disk, a box inside it, and a corner outside of it."""
    disk = Cylinder(Disk((0, 0), 1), (0, 1))
    for low, high, expected in (
        ((0, 0), (1, 1), PI / 4),
        ((-0.5, -0.5), (0.5, 0.5), 1.0),
        ((0.8, 0.8), (1, 1), 0.0),
    ):
        part = disk.sample_boundary(64, "initial", lower=(*low, 0), upper=(*high, 1))
        assert part.measure == pytest.approx(expected, rel=0.01, abs=1e-12)
        assert len(part.points) == (64 if expected else 0)


def test_it_fills_its_box_if_the_base_does() -> None:
    assert TestOnInterval.domain.fills_box
    assert TestOnRectangle.domain.fills_box
    assert not TestOnDisk.domain.fills_box
    assert TestOnInterval.domain.duration == 3.0


def test_corners_are_where_the_ends_begin() -> None:
    corners = TestOnInterval.domain.corners()
    found = sorted(tuple(point) for point in corners.points.tolist())
    assert found == [(-1.0, 0.0), (-1.0, 3.0), (1.0, 0.0), (1.0, 3.0)]
    assert corners.angles.tolist() == [PI / 2] * 4
    assert len(TestOnRectangle.domain.corners().points) == 0


@pytest.mark.parametrize(
    "time", [(1.0, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0), (0.0, 1.0, 2.0), (0.0,)]
)
def test_times_that_are_none_are_refused(time: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="time"):
        Cylinder(Interval(0, 1), time)


def test_unknown_sides_are_refused() -> None:
    with pytest.raises(InputError, match="no side 'top'"):
        TestOnInterval.domain.sample_boundary(10, "top")
    with pytest.raises(InputError, match="no side 'start'"):
        TestOnInterval.domain.sample_boundary(10, ["left", "start"])


def test_it_shows_what_it_is() -> None:
    assert repr(TestOnInterval.domain) == f"Cylinder({Interval(-1, 1)!r}, time=(0.0, 3.0))"
    assert isinstance(TestOnInterval.domain, Domain)
