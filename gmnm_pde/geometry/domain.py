"""The contract of a domain: what every shape says about itself, and how it is sampled."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.geometry.corners import Corners, find_corners, no_corners
from gmnm_pde.geometry.pieces import Part, State, restrict
from gmnm_pde.geometry.samplers import check_count, check_sampler
from gmnm_pde.geometry.sampling import accepted, sample_parts, sample_region
from gmnm_pde.geometry.slabs import slab_quadrature
from gmnm_pde.quadrature import gauss_box

SIDE_NAMES = (("left", "right"), ("bottom", "top"), ("back", "front"))
"""Names of the two ends of the first three coordinates."""


LINE = 4
"""On a line a quadrature takes fewer points than it may, by this factor: it needs no more."""

SEEN = 1e-4
"""By how much a quadrature may miss the area, relative: more says that a gap was overlooked."""

FEWEST = 4
"""Nodes of a Gauss rule along a coordinate, at least; in many dimensions there are none."""

PointMap = Callable[[Tensor], Tensor]
"""A function of points, (n, d) -> (n,)."""


@dataclass(frozen=True, eq=False)
class Boundary:
    """Points on a boundary.

    Arguments:
        points: (n, d).
        normals: (n, d) outward unit normals.
        measure: length or area of the part that was sampled; in one dimension the number of
            points. With surfaces (d >= 3), a sub-box or ``where`` it is a quasi-Monte Carlo
            estimate, good to about 1 %; otherwise it is exact.
    """

    points: Tensor
    normals: Tensor
    measure: float


class Domain(ABC):
    """An open, bounded set of R^d.

    A concrete domain says its box, its signed distance, its measure and the parts of its
    boundary; everything else follows. All tensors are float64.
    """

    @property
    def fills_box(self) -> bool:
        """Whether it is its bounding box."""
        return False

    @property
    @abstractmethod
    def lower(self) -> tuple[float, ...]:
        """Lower corner of the bounding box."""

    @property
    @abstractmethod
    def upper(self) -> tuple[float, ...]:
        """Upper corner of the bounding box."""

    @property
    @abstractmethod
    def measure(self) -> float:
        """Length, area or volume."""

    @property
    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """The whole boundary."""

    @abstractmethod
    def signed_distance(self, points: Tensor) -> Tensor:
        """Distance to the boundary, negative inside, (n, d) -> (n,).

        Where no closed form exists it is a lower bound in size; its sign is always exact.
        """

    @property
    def named(self) -> Mapping[str, tuple[Part, ...]]:
        """Parts of the boundary that a file gives names to."""
        return {}

    @property
    def hole_boxes(self) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
        """The bounding box of each hole: its lower and its upper corner."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how it was understood."""
        return ()

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.lower)

    @property
    def boundary_measure(self) -> float:
        """Length or area of the boundary; 2 for an interval (its two ends)."""
        return float(sum(part.measures.sum() for part in self.parts))

    def contains(self, points: Tensor) -> Tensor:
        """Whether points lie strictly inside, (n, d) -> (n,) bool."""
        return self.signed_distance(points) < 0.0

    @cached_property
    def sides(self) -> tuple[str, ...]:
        """Names that `at` may use: "boundary", each flat side of the bounding box that the
        boundary has (left/right for the first coordinate, bottom/top, back/front), and those of
        :attr:`named` parts. A part that a file calls `left` is that."""
        pairs = SIDE_NAMES[: self.dimension]
        names = [
            name
            for axis, pair in enumerate(pairs)
            for end, name in enumerate(pair)
            if name not in self.named and any(accepted(part) for part in self._side(axis, end))
        ]
        return ("boundary", *names, *self.named)

    def on_side(self, points: Tensor, name: str) -> Tensor:
        """Whether points of the boundary belong to one of :attr:`sides`, (n, d) -> (n,) bool."""
        if name in self.named:
            return self._on_named(points, name)
        if name == "boundary":
            return torch.ones(len(points), dtype=torch.bool, device=points.device)
        axis, end = next((k, pair.index(name)) for k, pair in enumerate(SIDE_NAMES) if name in pair)
        slack = 1e-12 * math.dist(self.lower, self.upper)
        return (points[:, axis] - (self.lower, self.upper)[end][axis]).abs() <= slack

    def _on_named(self, points: Tensor, name: str) -> Tensor:
        """:meth:`on_side` of a :attr:`named` part; whoever names parts writes this as well."""
        raise NotImplementedError(f"{type(self).__name__} has no part {name!r}")

    @property
    def hull(self) -> tuple[str, ...]:
        """The sides that enclose it."""
        return ("boundary",)

    def distance_function(self, at: str | Sequence[str] = "boundary") -> PointMap | None:
        """A function (n, d) -> (n,) that vanishes on sides, is positive elsewhere in the domain, of
        size one, and has derivatives of all orders; None where none is known.

        Not a distance in length; near the sides it is proportional to it, away from corners.

        Raises:
            InputError: an unknown side.
        """
        names = (at,) if isinstance(at, str) else tuple(at)
        self._check_names(names)
        if "boundary" in names:
            return self._boundary_function
        if any(name in self.named for name in names):
            return None
        return product_of([self._face_function(name) for name in names])

    @property
    def _boundary_function(self) -> PointMap | None:
        """:meth:`distance_function` of the whole boundary."""
        return None

    def _face_function(self, name: str) -> PointMap:
        """(x - a) / (b - a), from a flat side of the bounding box to the other."""
        axis, end = next((k, pair.index(name)) for k, pair in enumerate(SIDE_NAMES) if name in pair)
        ends = (self.lower[axis], self.upper[axis])
        start, width = ends[end], ends[1 - end] - ends[end]
        return lambda points: (points[:, axis] - start) / width

    def sample_interior(
        self,
        n: int,
        sampler: str = "sobol",
        seed: int = 0,
        lower: Sequence[float] | Tensor | None = None,
        upper: Sequence[float] | Tensor | None = None,
    ) -> Tensor:
        """Points uniform in the domain, or in its intersection with the box [lower, upper].

        Returns:
            (n, d); none if the intersection is empty; about n for "grid" (at most n in boxes).

        Raises:
            InputError: a bad number of points, sampler or box.
        """
        check_count(n)
        check_sampler(sampler)
        low, high = self._window(lower, upper)
        whole = self if not self.fills_box else None
        return sample_region(whole, low, high, n, sampler, seed)

    def quadrature(self, n: int) -> tuple[Tensor, Tensor]:
        """About n points (q, d) inside and their weights (q,), for integrals over the domain.

        Exact to rounding for smooth functions on boxes, disks, balls and ellipses, and on what a
        few pieces bound in the plane; elsewhere quasi-Monte Carlo, with an error of about 1 / n.
        """
        per_axis = n // LINE if self.dimension == 1 else round(n ** (1 / self.dimension))
        if self.fills_box and FEWEST**self.dimension <= 4 * n:
            return gauss_box(self.lower, self.upper, max(FEWEST, per_axis))
        if self.dimension == 2:
            nodes, weights = slab_quadrature(self, n)
            if abs(float(weights.sum()) - self.measure) < SEEN * self.measure:
                return nodes, weights
        nodes = self.sample_interior(n, "sobol", 0)
        return nodes, torch.full((len(nodes),), self.measure / len(nodes), dtype=nodes.dtype)

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
        """Points uniform by length or area on the boundary, never on a corner or an edge.

        In two dimensions "grid" and "sobol" space them evenly on every piece, at least one on
        each if n allows. In one dimension the boundary is its points, whatever n.

        Arguments:
            at: one of :attr:`sides`, or several.
            lower, upper: only the part in this box; it may have no boundary and so no points.
            where: points (n, d) -> bool (n,), keeps the points where it is true.

        Raises:
            InputError: an unknown side or sampler, or ``where`` leaves nothing.
        """
        check_count(n)
        check_sampler(sampler)
        boxed = lower is not None or upper is not None
        parts = self._select(at)
        if boxed:
            low, high = self._window(lower, upper, clip=False)
            parts = tuple(part.clip(low, high) for part in parts)
        if where is not None:
            parts = _kept(parts, where)
        points, normals, measure = sample_parts(parts, n, sampler, seed, self.dimension)
        if points.shape[0] == 0 and where is not None and not boxed:
            raise InputError(
                "`where` leaves no boundary.",
                mend="It is false on the whole selected part; check its sign and its numbers.",
            )
        return Boundary(points, normals, measure)

    def boundary_parts(
        self,
        at: str | Sequence[str] = "boundary",
        where: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Part, ...]:
        """Sides as cells on the pieces of :attr:`parts`; curves are cut where ``where`` changes.

        Raises:
            InputError: an unknown side.
        """
        parts = self._select(at)
        return parts if where is None else _kept(parts, where)

    def corners(self) -> Corners:
        """Corners of a two-dimensional domain with their interior angles; otherwise none."""
        return self._corners

    @cached_property
    def _corners(self) -> Corners:
        if self.dimension != 2:
            return no_corners(self.dimension)
        return find_corners(self.contains, self.parts, self.lower, self.upper)

    def _select(self, at: str | Sequence[str]) -> tuple[Part, ...]:
        names = (at,) if isinstance(at, str) else tuple(at)
        self._check_names(names)
        if "boundary" in names:
            return self.parts
        flat = tuple(
            part
            for axis, pair in enumerate(SIDE_NAMES)
            for end, name in enumerate(pair)
            if name in names and name not in self.named
            for part in self._side(axis, end)
        )
        return (*flat, *(part for name in self.named if name in names for part in self.named[name]))

    def _check_names(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self.sides:
                raise InputError(
                    f"this domain has no side {name!r}; it has {', '.join(self.sides)}.",
                    mend="Use one of these, or `boundary` with `where`.",
                )

    def _side(self, axis: int, end: int) -> list[Part]:
        """The flat pieces on one face of the bounding box."""
        return self._flat_sides[axis][end]

    @cached_property
    def _flat_sides(self) -> list[list[list[Part]]]:
        """:meth:`_side` of both ends of the coordinates: every sample of a side asks for them."""
        named = range(min(self.dimension, len(SIDE_NAMES)))
        return [[self._find_side(axis, end) for end in (0, 1)] for axis in named]

    def _find_side(self, axis: int, end: int) -> list[Part]:
        face = (self.lower, self.upper)[end][axis]
        slack = 1e-12 * max(math.dist(self.lower, self.upper), abs(face))
        found = []
        for part in self.parts:
            low, high = part.bounds()
            on_face = ((low[:, axis] - face).abs() <= slack) & (
                (high[:, axis] - face).abs() <= slack
            )
            if on_face.any():
                found.append(part.select(on_face))
        return found

    def _window(
        self,
        lower: Sequence[float] | Tensor | None,
        upper: Sequence[float] | Tensor | None,
        clip: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """A sub-box as two (d,) tensors, the bounding box where an end is not given."""
        box = as_vector(self.lower), as_vector(self.upper)
        low = box[0] if lower is None else as_vector(lower)
        high = box[1] if upper is None else as_vector(upper)
        if low.shape != box[0].shape or high.shape != box[1].shape:
            raise InputError(
                f"a sub-box has {low.numel()} lower and {high.numel()} upper numbers, "
                f"the domain has {self.dimension} dimensions.",
                mend="Give one number for each dimension.",
            )
        if not clip:
            return low, high
        return torch.maximum(low, box[0]), torch.minimum(high, box[1])


def _kept(parts: Sequence[Part], where: Callable[[Tensor], Tensor]) -> tuple[Part, ...]:
    keep = checked_where(where)
    return tuple(restrict(part, keep) for part in parts)


def checked_where(where: Callable[[Tensor], Tensor]) -> State:
    """A person's selection as a state."""

    def state(points: Tensor, normals: Tensor) -> Tensor:
        mask = where(points)
        if not isinstance(mask, Tensor) or mask.shape != points.shape[:1]:
            raise InputError(
                "`where` must give one true or false for each point.",
                mend="It takes points (n, d) and returns a bool tensor (n,).",
            )
        return mask.bool().long()

    return state


def product_of(functions: Sequence[PointMap]) -> PointMap:
    """The product of functions of points."""

    def product(points: Tensor) -> Tensor:
        values = functions[0](points)
        for function in functions[1:]:
            values = values * function(points)
        return values

    return product


def as_vector(numbers: Sequence[float] | Tensor) -> Tensor:
    """Numbers as a float64 tensor (d,) on the CPU."""
    return torch.as_tensor(numbers, dtype=torch.float64, device="cpu")


def finite_numbers(
    name: str, values: Sequence[float], length: int | None = None
) -> tuple[float, ...]:
    """Numbers a person gave, as floats.

    Raises:
        InputError: not numbers, not finite, or not as many as expected.
    """
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {values!r}, expected numbers.") from None
    if not all(math.isfinite(number) for number in numbers):
        raise InputError(f"{name} is {list(numbers)}, expected finite numbers.")
    if length is not None and len(numbers) != length:
        raise InputError(f"{name} has {len(numbers)} numbers, expected {length}.")
    return numbers
