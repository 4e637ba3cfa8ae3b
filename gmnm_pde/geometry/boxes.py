"""Intervals, rectangles and boxes in any number of dimensions."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.geometry.corners import Corners, no_corners
from gmnm_pde.geometry.domain import (
    Domain,
    PointMap,
    as_vector,
    finite_numbers,
    product_of,
)
from gmnm_pde.geometry.pieces import Facets, Part


class AxisBox(Domain):
    """A product of intervals."""

    @property
    def fills_box(self) -> bool:
        return True

    @property
    @abstractmethod
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """Lower and upper end along each coordinate."""

    @property
    def lower(self) -> tuple[float, ...]:
        return tuple(low for low, _ in self.intervals)

    @property
    def upper(self) -> tuple[float, ...]:
        return tuple(high for _, high in self.intervals)

    @property
    def measure(self) -> float:
        return math.prod(high - low for low, high in self.intervals)

    def signed_distance(self, points: Tensor) -> Tensor:
        low, high = points.new_tensor(self.lower), points.new_tensor(self.upper)
        excess = torch.maximum(low - points, points - high)
        return excess.clamp(min=0.0).norm(dim=1) + excess.amax(1).clamp(max=0.0)

    @property
    def _boundary_function(self) -> PointMap:
        """The product of 4 (x - a) (b - x) / (b - a)^2 over the coordinates."""

        def along(axis: int, low: float, high: float) -> PointMap:
            scale = 4.0 / (high - low) ** 2
            return lambda points: scale * (points[:, axis] - low) * (high - points[:, axis])

        return product_of([along(axis, *ends) for axis, ends in enumerate(self.intervals)])

    @cached_property
    def _corners(self) -> Corners:
        if self.dimension != 2:
            return no_corners(self.dimension)
        (a, b), (c, d) = self.intervals
        points = torch.tensor([(a, c), (b, c), (b, d), (a, d)], dtype=torch.float64)
        return Corners(points, torch.full_like(points[:, 0], 0.5 * math.pi))

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        low, high = as_vector(self.lower), as_vector(self.upper)
        d = self.dimension
        edges = torch.diag(high - low)
        others = [[j for j in range(d) if j != axis] for axis in range(d)]
        # Two faces an axis: both span the other edges, one starts at the upper end.
        axes = torch.stack([edges[other] for other in others]).repeat_interleave(2, 0)
        origins = low.repeat(2 * d, 1)
        normals = torch.zeros(2 * d, d, dtype=torch.float64)
        for axis in range(d):
            origins[2 * axis + 1, axis] = high[axis]
            normals[2 * axis, axis], normals[2 * axis + 1, axis] = -1.0, 1.0
        return (Facets(origins, axes, normals).whole(),)


@dataclass(frozen=True)
class Interval(AxisBox):
    """The interval a < x < b.

    Raises:
        InputError: not a < b, or not finite.
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        a, b = _ends("interval", (self.a, self.b))
        object.__setattr__(self, "a", a)
        object.__setattr__(self, "b", b)

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        return ((self.a, self.b),)


@dataclass(frozen=True)
class Rectangle(AxisBox):
    """The rectangle of two intervals, ``Rectangle(x=(-1, 1), y=(0, 2))``.

    Raises:
        InputError: an interval whose ends are not in order, or not finite.
    """

    x: tuple[float, float]
    y: tuple[float, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", _ends("rectangle x", self.x))
        object.__setattr__(self, "y", _ends("rectangle y", self.y))

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        return (self.x, self.y)


@dataclass(frozen=True)
class Box(AxisBox):
    """A box in any number of dimensions, ``Box(((0, 1), (0, 1), (0, 2)))``.

    Raises:
        InputError: no interval, or one whose ends are not in order, or not finite.
    """

    bounds: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        bounds = tuple(_ends(f"box bounds {i + 1}", pair) for i, pair in enumerate(self.bounds))
        if not bounds:
            raise InputError("a box needs at least one interval.", mend="Give its bounds.")
        object.__setattr__(self, "bounds", bounds)

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        return self.bounds


def _ends(name: str, pair: Sequence[float]) -> tuple[float, float]:
    low, high = finite_numbers(name, pair, 2)
    if not low < high:
        raise InputError(
            f"{name} is [{low:g}, {high:g}], expected its lower end first.",
            mend="Give [a, b] with a < b.",
        )
    return low, high
