"""Disks, balls in any number of dimensions, and ellipses."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.geometry.curves import EllipseCurve, Sphere
from gmnm_pde.geometry.domain import Domain, PointMap, as_vector, finite_numbers
from gmnm_pde.geometry.pieces import Facets, Part
from gmnm_pde.geometry.samplers import check_count, check_sampler, unit_points
from gmnm_pde.quadrature import gauss


class Centred(Domain):
    """A shape with a centre and a semiaxis along each coordinate."""

    @property
    @abstractmethod
    def middle(self) -> tuple[float, ...]:
        """The centre."""

    @property
    @abstractmethod
    def reach(self) -> tuple[float, ...]:
        """Half the extent along each coordinate."""

    @property
    def lower(self) -> tuple[float, ...]:
        return tuple(c - r for c, r in zip(self.middle, self.reach, strict=True))

    @property
    def upper(self) -> tuple[float, ...]:
        return tuple(c + r for c, r in zip(self.middle, self.reach, strict=True))

    @property
    def _boundary_function(self) -> PointMap:
        """1 - |(x - c) / r|^2."""
        return lambda points: 1.0 - self._level(points)

    @property
    def outside_function(self) -> PointMap:
        """1 - 1 / |(x - c) / r|^2: zero on the boundary, positive outside and below one."""
        return lambda points: 1.0 - 1.0 / self._level(points)

    def _level(self, points: Tensor) -> Tensor:
        """|(x - c) / r|^2."""
        scaled = (points - points.new_tensor(self.middle)) / points.new_tensor(self.reach)
        return (scaled * scaled).sum(1)

    def quadrature(self, n: int) -> tuple[Tensor, Tensor]:
        """As :meth:`Domain.quadrature`; in the plane and in space by polar coordinates: Gauss's
        rule along the radius, the trapezoidal rule around the centre, which converges
        exponentially for periodic functions, and Gauss's from pole to pole."""
        rules = {2: _polar, 3: _spherical}
        if self.dimension not in rules:
            return super().quadrature(n)
        nodes, weights = rules[self.dimension](n)
        reach = as_vector(self.reach)
        return as_vector(self.middle) + reach * nodes, weights * float(reach.prod())

    @property
    def measure(self) -> float:
        d = self.dimension
        return math.pi ** (d / 2) / math.gamma(d / 2 + 1) * math.prod(self.reach)


@dataclass(frozen=True)
class Disk(Centred):
    """The disk |x - center| < radius in the plane.

    Raises:
        InputError: a radius that is not positive, or a centre that is not two finite numbers.
    """

    center: tuple[float, float] = (0.0, 0.0)
    radius: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", finite_numbers("disk center", self.center, 2))
        object.__setattr__(self, "radius", _positive("disk radius", (self.radius,))[0])

    @property
    def middle(self) -> tuple[float, ...]:
        return self.center

    @property
    def reach(self) -> tuple[float, ...]:
        return (self.radius, self.radius)

    def signed_distance(self, points: Tensor) -> Tensor:
        return (points - points.new_tensor(self.center)).norm(dim=1) - self.radius

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return (Sphere(as_vector(self.center), self.radius).whole(),)


@dataclass(frozen=True)
class Ball(Centred):
    """The ball |x - center| < radius in as many dimensions as the centre has.

    Raises:
        InputError: a radius that is not positive, or a centre that is not finite.
    """

    center: tuple[float, ...]
    radius: float = 1.0

    def __post_init__(self) -> None:
        center = finite_numbers("ball center", self.center)
        if not center:
            raise InputError("a ball's center needs at least one number.", mend="Give its center.")
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "radius", _positive("ball radius", (self.radius,))[0])

    @property
    def middle(self) -> tuple[float, ...]:
        return self.center

    @property
    def reach(self) -> tuple[float, ...]:
        return (self.radius,) * len(self.center)

    def signed_distance(self, points: Tensor) -> Tensor:
        return (points - points.new_tensor(self.center)).norm(dim=1) - self.radius

    def sample_interior(
        self,
        n: int,
        sampler: str = "sobol",
        seed: int = 0,
        lower: Sequence[float] | Tensor | None = None,
        upper: Sequence[float] | Tensor | None = None,
    ) -> Tensor:
        """As :meth:`Domain.sample_interior`; by polar coordinates in four and more dimensions,
        where a ball fills too little of its box (2 % for d = 8) for rejection."""
        if self.dimension < 4 or lower is not None or upper is not None or sampler == "grid":
            return super().sample_interior(n, sampler, seed, lower, upper)
        check_count(n)
        check_sampler(sampler)
        unit = unit_points(n, self.dimension, sampler, seed)
        zero = torch.zeros(n, dtype=torch.long)
        directions = self.parts[0].pieces.evaluate(zero, unit[:, 1:])[1]
        radii = self.radius * unit[:, :1] ** (1.0 / self.dimension)
        return as_vector(self.center) + radii * directions

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        center = as_vector(self.center)
        if self.dimension > 1:
            return (Sphere(center, self.radius).whole(),)
        normals = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
        axes = torch.zeros(2, 0, 1, dtype=torch.float64)
        return (Facets(center + self.radius * normals, axes, normals).whole(),)


@dataclass(frozen=True)
class Ellipse(Centred):
    """The ellipse ((x - c_1)/a)^2 + ((y - c_2)/b)^2 < 1, its axes along the coordinates.

    The distance is a lower bound: with k = |x/s| and g = |x/s^2| (x from the centre, s the
    semiaxes, m the smaller), outside k (k - 1) / g, since k is convex; inside the root of
    D^2/m^2 + 2 g D = 1 - k^2, since 1 - k^2 is quadratic. Both are exact on the axes' ends and
    to first order at the boundary.

    Raises:
        InputError: semiaxes that are not positive, or numbers that are not finite.
    """

    center: tuple[float, float] = (0.0, 0.0)
    semiaxes: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", finite_numbers("ellipse center", self.center, 2))
        semiaxes = _positive("ellipse semiaxes", finite_numbers("semiaxes", self.semiaxes, 2))
        object.__setattr__(self, "semiaxes", semiaxes)

    @property
    def middle(self) -> tuple[float, ...]:
        return self.center

    @property
    def reach(self) -> tuple[float, ...]:
        return self.semiaxes

    def signed_distance(self, points: Tensor) -> Tensor:
        semiaxes = points.new_tensor(self.semiaxes)
        scaled = (points - points.new_tensor(self.center)) / semiaxes
        level, gradient = scaled.norm(dim=1), (scaled / semiaxes).norm(dim=1)
        outside = level * (level - 1.0) / gradient.clamp(min=1e-300)
        depth = (1.0 - level) * (1.0 + level)
        square = gradient**2 + depth.clamp(min=0.0) / min(self.semiaxes) ** 2
        inside = -depth / (gradient + square.sqrt())
        return torch.where(level < 1.0, inside, outside)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return (EllipseCurve(as_vector(self.center), as_vector(self.semiaxes)).whole(),)


def _polar(n: int) -> tuple[Tensor, Tensor]:
    """About n points in the unit disk, (q, 2), and weights (q,)."""
    size = max(4, round(0.5 * n**0.5))
    radius, along = (torch.from_numpy(part) for part in gauss(0.0, 1.0, size))
    directions, around = _circle(4 * size)
    nodes = radius[:, None, None] * directions
    return nodes.reshape(-1, 2), (radius * along)[:, None].mul(around).reshape(-1)


def _spherical(n: int) -> tuple[Tensor, Tensor]:
    """About n points in the unit ball, (q, 3), and weights (q,)."""
    size = max(4, round((n / 2) ** (1 / 3)))
    radius, along = (torch.from_numpy(part) for part in gauss(0.0, 1.0, size))
    height, across = (torch.from_numpy(part) for part in gauss(-1.0, 1.0, size))
    directions, around = _circle(2 * size)
    level = (1 - height**2).sqrt()[:, None, None] * directions
    sphere = torch.cat([level, height[:, None, None].expand(-1, 2 * size, 1)], 2).reshape(-1, 3)
    area = (across[:, None] * around).reshape(-1)
    nodes = radius[:, None, None] * sphere
    return nodes.reshape(-1, 3), (radius**2 * along)[:, None].mul(area).reshape(-1)


def _circle(count: int) -> tuple[Tensor, Tensor]:
    """Evenly spaced directions, (count, 2), and their weights, (count,)."""
    angle = (torch.arange(count, dtype=torch.float64) + 0.5) * (2 * math.pi / count)
    weights = torch.full((count,), 2 * math.pi / count, dtype=torch.float64)
    return torch.stack([angle.cos(), angle.sin()], 1), weights


def _positive(name: str, values: Sequence[float]) -> tuple[float, ...]:
    numbers = finite_numbers(name, values)
    if not all(number > 0.0 for number in numbers):
        given = numbers[0] if len(numbers) == 1 else list(numbers)
        raise InputError(f"{name} is {given}, expected positive.", mend="Give positive numbers.")
    return numbers
