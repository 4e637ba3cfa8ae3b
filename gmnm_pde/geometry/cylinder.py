"""A domain in space times an interval of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.geometry.corners import Corners, no_corners
from gmnm_pde.geometry.domain import (
    Boundary,
    Domain,
    PointMap,
    checked_where,
    finite_numbers,
    product_of,
)
from gmnm_pde.geometry.pieces import Part
from gmnm_pde.geometry.samplers import LATTICES, check_count, check_sampler, placed, unit_points

ENDS = ("initial", "final")
"""The sides of a cylinder at its first and last time."""

SHARE_POINTS = 1024
"""Points by which the part of a sub-box that is inside is measured."""

_STREAM = 7919
"""Keeps the times of random points apart from their places."""


class Cylinder(Domain):
    """The points (x, t) with x in a domain and t between two times.

    Its ``"boundary"`` is that of the domain at all times; ``"initial"`` and ``"final"`` are the
    domain at the first and the last time. Other sides are those of the domain.

    Raises:
        InputError: times that are not in order, or not finite.
    """

    def __init__(self, base: Domain, time: tuple[float, float]) -> None:
        start, end = finite_numbers("time", time, 2)
        if not start < end:
            raise InputError(
                f"time is [{start:g}, {end:g}].", mend="Give the first time and a later one."
            )
        self.base = base
        self.time = (start, end)

    def __repr__(self) -> str:
        return f"Cylinder({self.base!r}, time={self.time})"

    @property
    def fills_box(self) -> bool:
        return self.base.fills_box

    @property
    def lower(self) -> tuple[float, ...]:
        return (*self.base.lower, self.time[0])

    @property
    def upper(self) -> tuple[float, ...]:
        return (*self.base.upper, self.time[1])

    @property
    def duration(self) -> float:
        """Last time minus first time."""
        return self.time[1] - self.time[0]

    @property
    def measure(self) -> float:
        return self.base.measure * self.duration

    @property
    def boundary_measure(self) -> float:
        return self.base.boundary_measure * self.duration

    @property
    def sides(self) -> tuple[str, ...]:
        return (*self.base.sides, *ENDS)

    @property
    def named(self) -> Mapping[str, tuple[Part, ...]]:
        return self.base.named

    @property
    def notes(self) -> tuple[str, ...]:
        return self.base.notes

    def on_side(self, points: Tensor, name: str) -> Tensor:
        if name not in ENDS:
            return self.base.on_side(points[:, :-1], name)
        time = self.time[ENDS.index(name)]
        return (points[:, -1] - time).abs() <= 1e-12 * self.duration

    @property
    def hull(self) -> tuple[str, ...]:
        return ("boundary", *ENDS)

    @property
    def parts(self) -> tuple[Part, ...]:
        # Domains ask for them to sample a boundary, which is overridden here; a use elsewhere is
        # a mistake in the code, as a cylinder over a curved base has no parts of its own.
        raise NotImplementedError("a cylinder's boundary is sampled through its base")

    @cached_property
    def _corners(self) -> Corners:
        if self.dimension != 2:
            return no_corners(self.dimension)
        ends = self.base.sample_boundary(1).points
        points = torch.cat(
            [torch.cat([ends, torch.full_like(ends, time)], 1) for time in self.time]
        )
        return Corners(points, torch.full_like(points[:, 0], 0.5 * math.pi))

    def distance_function(self, at: str | Sequence[str] = "boundary") -> PointMap | None:
        """As :meth:`Domain.distance_function`: those of the domain at every time, and (t - t_0) /
        (t_1 - t_0) from the first or the last time."""
        names = (at,) if isinstance(at, str) else tuple(at)
        self._check_names(names)
        lateral = [name for name in names if name not in ENDS]
        found = [self._end_function(name) for name in names if name in ENDS]
        if lateral:
            aside = self.base.distance_function(lateral)
            if aside is None:
                return None
            found.append(lambda points: aside(points[:, :-1]))
        return product_of(found)

    def _end_function(self, name: str) -> PointMap:
        start, other = self.time if name == ENDS[0] else self.time[::-1]
        return lambda points: (points[:, -1] - start) / (other - start)

    def signed_distance(self, points: Tensor) -> Tensor:
        start, end = self.time
        beyond = torch.maximum(start - points[:, -1], points[:, -1] - end)
        aside = self.base.signed_distance(points[:, :-1])
        outside = torch.hypot(beyond.clamp_min(0.0), aside.clamp_min(0.0))
        return outside + torch.maximum(beyond, aside).clamp_max(0.0)

    def sample_boundary(
        self,
        n: int,
        at: str | Sequence[str] = "boundary",
        sampler: str = "sobol",
        seed: int = 0,
        lower: Sequence[float] | Tensor | None = None,
        upper: Sequence[float] | Tensor | None = None,
        where: Callable[[Tensor], Tensor] | None = None,
    ) -> Boundary:
        """Points on sides; see :meth:`Domain.sample_boundary`. ``where`` is of (x, t)."""
        check_count(n)
        check_sampler(sampler)
        names = (at,) if isinstance(at, str) else tuple(at)
        low, high = self._window(lower, upper)
        lateral = [name for name in names if name not in ENDS]
        found = [self._end(name, n, sampler, seed, low, high) for name in names if name in ENDS]
        if lateral:
            found.append(self._lateral(lateral, n, sampler, seed, low, high))
        points = torch.cat([part.points for part in found])
        normals = torch.cat([part.normals for part in found])
        measure = sum(part.measure for part in found)
        if where is None or not len(points):
            return Boundary(points, normals, measure)
        keep = checked_where(where)(points, normals).bool()
        if not bool(keep.any()) and lower is None and upper is None:
            raise InputError(
                "`where` leaves no boundary.",
                mend="It is false on the whole selected part; check its sign and its numbers.",
            )
        share = float(keep.double().mean())
        return Boundary(points[keep], normals[keep], measure * share)

    def _end(
        self, name: str, n: int, sampler: str, seed: int, low: Tensor, high: Tensor
    ) -> Boundary:
        """The domain at the first or the last time."""
        time = self.time[ENDS.index(name)]
        if not low[-1] <= time <= high[-1]:
            empty = torch.zeros(0, len(low), dtype=torch.float64)
            return Boundary(empty, empty, 0.0)
        place = self.base.sample_interior(n, sampler, seed, low[:-1], high[:-1])
        points = torch.cat([place, place.new_full((len(place), 1), time)], 1)
        normals = torch.zeros_like(points)
        normals[:, -1] = 2.0 * ENDS.index(name) - 1.0
        return Boundary(points, normals, self._base_measure(low[:-1], high[:-1]))

    def _base_measure(self, low: Tensor, high: Tensor) -> float:
        """The measure of what of the domain lies in a sub-box."""
        box = low.new_tensor(self.base.lower), low.new_tensor(self.base.upper)
        if torch.equal(low, box[0]) and torch.equal(high, box[1]):
            return self.base.measure
        volume = float((high - low).clamp_min(0.0).prod())
        if self.base.fills_box or volume == 0.0:
            return volume
        some = low + (high - low) * unit_points(SHARE_POINTS, len(low), "sobol", 0)
        return volume * float(self.base.contains(some).double().mean())

    def _lateral(
        self, names: list[str], n: int, sampler: str, seed: int, low: Tensor, high: Tensor
    ) -> Boundary:
        """The domain's boundary at all times of a window."""
        duration = float(high[-1] - low[-1])
        whole = bool((low[:-1] <= low.new_tensor(self.base.lower)).all()) and bool(
            (high[:-1] >= high.new_tensor(self.base.upper)).all()
        )
        box = (None, None) if whole else (low[:-1], high[:-1])

        def places(count: int) -> Boundary:
            return self.base.sample_boundary(count, names, sampler, seed, *box)

        if sampler in LATTICES:
            few = places(max(1, round(n ** (1 - 1 / (self.base.dimension)))))
            side = few if self.base.dimension > 1 else places(1)
            count = max(1, n // max(1, len(side.points)))
            unit = placed((torch.arange(count, dtype=torch.float64) + 0.5) / count, sampler)
            place = side.points.repeat_interleave(count, 0)
            normals = side.normals.repeat_interleave(count, 0)
            times = unit.repeat(len(side.points))
        else:
            side = places(n)
            repeat = -(-n // max(1, len(side.points)))
            place, normals = side.points.repeat(repeat, 1)[:n], side.normals.repeat(repeat, 1)[:n]
            unit = unit_points(max(1, len(place)), 1, sampler, seed + _STREAM)[: len(place), 0]
            mixed = torch.randperm(len(place), generator=torch.Generator().manual_seed(seed))
            times = unit[mixed]
        points = torch.cat([place, (low[-1] + duration * times)[:, None]], 1)
        normals = torch.cat([normals, normals.new_zeros(len(normals), 1)], 1)
        return Boundary(points, normals, side.measure * duration)
