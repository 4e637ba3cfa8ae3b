"""Where units and collocation points go.

Units sit on lattices. The first patch covers the domain and a margin beyond its boundary: without
units outside, a sum of Gaussians cannot follow a function up to the boundary (arXiv 2211.12598),
and the margin, in widths, sets the smallest error that can be reached. Further patches are smaller,
with smaller spacings, laid over corners and layers; coarser units stay below them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from math import ceil, log10, prod

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from gmnm_pde.geometry import Domain
from gmnm_pde.networks import Network, PlacedSpec, joined

LEAST_POINTS = 1.5
"""Collocation points over units along a coordinate; below, units alias between the points."""


@dataclass(frozen=True)
class Patch:
    """A box with a lattice of units in it.

    Arguments:
        lower, upper: the box, (d,).
        spacing: distance of units along each coordinate, (d,).
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    spacing: tuple[float, ...]

    @property
    def cells(self) -> tuple[float, ...]:
        """Number of spacings along each coordinate."""
        return tuple(
            (b - a) / h for a, b, h in zip(self.lower, self.upper, self.spacing, strict=True)
        )

    def refined(self, factor: float) -> Patch:
        """The same box with spacings divided by a factor."""
        return replace(self, spacing=tuple(h / factor for h in self.spacing))

    def within(self, domain: Domain) -> Patch | None:
        """The part of the box in a domain's bounding box, None if there is none."""
        lower = tuple(map(max, self.lower, domain.lower))
        upper = tuple(map(min, self.upper, domain.upper))
        if any(a >= b for a, b in zip(lower, upper, strict=True)):
            return None
        return replace(self, lower=lower, upper=upper)

    def encloses(self, domain: Domain) -> bool:
        """Whether a domain lies in the box."""
        low = all(a <= b for a, b in zip(self.lower, domain.lower, strict=True))
        return low and all(a >= b for a, b in zip(self.upper, domain.upper, strict=True))

    def finer(self, other: Patch) -> bool:
        """Whether no spacing is larger than the other's."""
        return all(h <= k for h, k in zip(self.spacing, other.spacing, strict=True))

    def holds(self, points: Tensor) -> Tensor:
        """Which points (n, d) lie in the box, (n,)."""
        lower, upper = points.new_tensor(self.lower), points.new_tensor(self.upper)
        return ((points >= lower) & (points <= upper)).all(1)


@dataclass(frozen=True)
class Layout:
    """Patches over a domain, coarse to fine.

    Arguments:
        margin: how far units reach beyond the domain, in spacings.
        overlap: how far units of a finer patch reach beyond its box inside the domain, in spacings.
        ratio: width of a unit over the spacing, sigma = ratio * h.
        oversampling: collocation points over units.
        pieces: parts of the domain with units and points of their own; the whole domain if empty.
            All have the same patches. Lists below have an entry for each patch of the first piece,
            then for each patch of the second, and so on.
    """

    domain: Domain
    patches: tuple[Patch, ...]
    margin: float
    ratio: float = 1.6
    overlap: float = 3.0
    oversampling: float = 1.15
    pieces: tuple[Domain, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "pieces", self.pieces or (self.domain,))

    def centres(self) -> list[Tensor]:
        """Units of each patch, (K_i, d)."""
        return list(self._centres_of_all)

    @cached_property
    def _centres_of_all(self) -> tuple[Tensor, ...]:
        """:meth:`centres`, found once: a layout is looked at before it is chosen."""
        return tuple(part for piece in self.pieces for part in self._centres_of(piece))

    @property
    def n_units(self) -> int:
        """Units of all patches."""
        return sum(len(part) for part in self._centres_of_all)

    def network(self, spec: PlacedSpec, centres: Sequence[Tensor], n_outputs: int) -> Network:
        """A network with units at the centres of each patch, output weights zero."""
        many = len(self.patches)
        groups = [centres[i : i + many] for i in range(0, len(centres), many)]
        return joined([self._built(spec, group, n_outputs) for group in groups], self.pieces)

    def _built(self, spec: PlacedSpec, centres: Sequence[Tensor], n_outputs: int) -> Network:
        """The network of one piece."""
        mu = torch.cat(list(centres))
        widths = [
            (1 / (self.ratio * mu.new_tensor(patch.spacing))).expand(len(part), -1)
            for patch, part in zip(self.patches, centres, strict=True)
        ]
        return spec.build(mu, torch.cat(widths), n_outputs)

    def spacing_at(self, points: Tensor) -> Tensor:
        """The spacing of the finest patch at each point, (n, d)."""
        result = points.new_tensor(self.patches[0].spacing).expand(len(points), -1).clone()
        for patch in self.patches[1:]:
            inside = patch.holds(points)
            result[inside] = torch.minimum(result[inside], points.new_tensor(patch.spacing))
        return result

    def point_counts(self, centres: Sequence[Tensor]) -> list[int]:
        """Collocation points of each patch: more than units.

        Units in the margin are seen through their tails only, so they need few points; the inner
        ones need :data:`LEAST_POINTS` along each coordinate.
        """
        return [ceil(self.oversampling * len(part)) for part in centres]

    def interior(self, counts: Sequence[int]) -> Tensor:
        """Collocation points inside, (n, d), as many in each patch as ``counts`` says."""
        parts = [
            self._lattice(piece, window, count)
            for (piece, window), count in zip(self._windows(), counts, strict=True)
            if window is not None and count
        ]
        return torch.cat(parts)

    def sampled(self) -> tuple[Patch, ...]:
        """The patches with the boxes that their units need points in, the overlap included."""
        first, *rest = self.patches
        return (first, *(Patch(*self._grown(p, self.overlap), p.spacing) for p in rest))

    def point_spacings(self, counts: Sequence[int]) -> list[tuple[float, ...]]:
        """Distances of collocation points along each coordinate in each patch; infinite where there
        are none."""
        return [
            (math.inf,) * self.domain.dimension
            if window is None
            else tuple(
                w / q
                for w, q in zip(_widths(window), self._lattice_shape(window, count), strict=True)
            )
            for (_, window), count in zip(self._windows(), counts, strict=True)
        ]

    def _windows(self) -> list[tuple[Domain, Patch | None]]:
        """Pieces with the boxes of :meth:`sampled` that hold them, None where they do not meet."""
        return [(piece, patch.within(piece)) for piece in self.pieces for patch in self.sampled()]

    def _centres_of(self, piece: Domain) -> list[Tensor]:
        """Units of each patch for one piece.

        The first patch that has some is the finest one around all of the piece.
        """
        around = [i for i, patch in enumerate(self.patches) if patch.encloses(piece)]
        first = 0
        for i in around[1:]:
            if self.patches[i].finer(self.patches[first]):
                first = i
        none = torch.zeros(0, self.domain.dimension, dtype=torch.float64)
        return [
            none if i < first else self._centres(piece, patch, first=i == first)
            for i, patch in enumerate(self.patches)
        ]

    def _centres(self, piece: Domain, patch: Patch, *, first: bool) -> Tensor:
        """Lattice points whose distance to the piece's part in the patch is small enough.

        Distances are measured in spacings, to the nearest of many samples of that part, and exactly
        to a rectangle. Samples are never on an edge and leave out some units beyond those of a box
        in space, which are many there and were not seen to bring anything.
        """
        h = np.array(patch.spacing)
        reach = self.margin if first else max(self.margin, self.overlap)
        axes = [
            a + step * np.arange(-ceil(reach), ceil((b - a) / step - 1e-9) + ceil(reach) + 1)
            for a, b, step in zip(patch.lower, patch.upper, patch.spacing, strict=True)
        ]
        lattice = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(h))
        inside = piece.contains(torch.from_numpy(lattice)).numpy()
        if first and piece.fills_box and len(h) == 2:
            # Samples are never straight below a unit: one just at the margin is outside, as there.
            near = _from_box(piece, lattice, h) < self.margin - 1e-9
            return torch.from_numpy(lattice[inside | near])
        from_box = _from_box(patch, lattice, h)
        keep = inside if first else inside & (from_box <= self.overlap + 1e-9)
        outside = np.flatnonzero(~inside & (from_box <= self.margin + 1e-9))
        edge = self._edge_samples(piece, patch, 0.0 if first else self.overlap + self.margin)
        if len(outside) and len(edge):
            distance, nearest = cKDTree(edge / h).query(lattice[outside] / h)
            # A unit outside belongs to the patch whose box, overlap included, has its foot point.
            grown = Patch(*self._grown(patch, 0.0 if first else self.overlap), patch.spacing)
            mine = grown.holds(torch.from_numpy(edge[nearest])).numpy() | first
            keep[outside[(distance <= self.margin + 1e-9) & mine]] = True
        return torch.from_numpy(lattice[keep])

    def _edge_samples(self, piece: Domain, patch: Patch, overlap: float) -> np.ndarray:
        """Points on the piece's boundary in and around a patch, several a spacing."""
        lower, upper = self._grown(patch, overlap)
        cells = [(b - a) / h for a, b, h in zip(lower, upper, patch.spacing, strict=True)]
        d = len(cells)
        per_face = prod(sorted(3 * max(cell, 1.0) for cell in cells)[-(d - 1) :]) if d > 1 else 1
        count = int(4 * d * per_face * len(self.pieces))
        boundary = piece.sample_boundary(count, piece.hull, "grid", lower=lower, upper=upper)
        return boundary.points.numpy()

    def _grown(self, patch: Patch, spacings: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The box of a patch, larger by some spacings on every side, in the bounding box."""
        grow = [spacings * h for h in patch.spacing]
        lower = tuple(
            max(a - g, low) for a, g, low in zip(patch.lower, grow, self.domain.lower, strict=True)
        )
        upper = tuple(
            min(b + g, high)
            for b, g, high in zip(patch.upper, grow, self.domain.upper, strict=True)
        )
        return lower, upper

    def _lattice_shape(self, patch: Patch, count: int) -> list[int]:
        """Points along each coordinate, about ``count`` in all, no fewer than units need."""
        cells = [cell + 1 for cell in patch.cells]
        scale = (count / prod(cells)) ** (1 / len(cells))
        return [ceil(max(scale, LEAST_POINTS) * cell) for cell in cells]

    def _lattice(self, piece: Domain, patch: Patch, count: int) -> Tensor:
        """Lattice points of the box that lie in the piece, about ``count``, clustered at sides.

        With about as many points as units, an even lattice loses two digits at the sides.
        """
        shape = self._lattice_shape(patch, ceil(count / self._share(piece, patch)))
        even = not (piece.fills_box or self._has_sides(piece))
        axes = [
            0.5 * (a + b) + 0.5 * (b - a) * (lattice(q) if even else clustered(q, q / (cell + 1)))
            for a, b, q, cell in zip(patch.lower, patch.upper, shape, patch.cells, strict=True)
        ]
        points = torch.from_numpy(
            np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
        )
        # At rounding distance from an interface, a coefficient may be that of the other side.
        depth = 1e-10 * math.dist(piece.lower, piece.upper)
        return points[piece.signed_distance(points) < -depth]

    def _has_sides(self, piece: Domain) -> bool:
        """Whether a piece has the sides of a box: what is left of one around other pieces."""
        box = self.domain
        return box.fills_box and (piece.lower, piece.upper) == (box.lower, box.upper)

    def _share(self, piece: Domain, patch: Patch) -> float:
        """The part of a patch's box that is in the piece, at least a tenth."""
        if piece.fills_box:
            return 1.0
        steps = 24 if len(patch.lower) < 3 else 10
        axes = [
            np.linspace(a, b, steps, endpoint=False) + 0.5 * (b - a) / steps
            for a, b in zip(patch.lower, patch.upper, strict=True)
        ]
        points = torch.from_numpy(
            np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
        )
        return max(0.1, piece.contains(points).double().mean().item())


def first_patch(domain: Domain, cells: float, stretch: Sequence[float]) -> Patch:
    """A patch over the bounding box.

    Arguments:
        cells: spacings along a coordinate, in the geometric mean over the coordinates.
        stretch: how the spacings compare with each other, (d,), of geometric mean one when
            measured in widths of the bounding box.
    """
    widths = [b - a for a, b in zip(domain.lower, domain.upper, strict=True)]
    spacing = tuple(w / max(2, round(cells / s)) for w, s in zip(widths, stretch, strict=True))
    return Patch(tuple(domain.lower), tuple(domain.upper), spacing)


def margin_for(rtol: float, ratio: float) -> float:
    """Spacings beyond the boundary that a tolerance needs.

    Measured on Poisson's equation with units of ratio 1.4 to 1.6: a margin of 2.5, 4.3 and 5 widths
    stops at 1e-7, 1e-12 and 3e-15; the line through these in log10.
    """
    widths = 2.5 + (-log10(rtol) - 7) / 2.9
    return max(2.0, ratio * widths)


def lattice(count: int) -> np.ndarray:
    """Cell centres of (-1, 1)."""
    return (2 * np.arange(count) + 1) / count - 1


def clustered(count: int, density: float) -> np.ndarray:
    """Points in (-1, 1) clustered at the ends: Chebyshev points mapped towards an even spacing.

    The middle of Chebyshev points is pi/2 wider than even spacing. With few points a unit that is
    too wide, so the map of Kosloff and Tal-Ezer (J. Comput. Phys. 104, 1993) keeps it below
    3/4 of the distance of units.

    Arguments:
        density: points over units.
    """
    points = -np.cos(np.pi * (np.arange(count) + 0.5) / count)
    stretch = 0.75 * density
    if stretch >= np.pi / 2:
        return points
    alpha = float(np.interp(np.pi / 2 / stretch, *_evenness()))
    return np.arcsin(alpha * points) / np.arcsin(alpha)


@cache
def _evenness() -> tuple[np.ndarray, np.ndarray]:
    """arcsin(alpha)/alpha, which grows from 1 to pi/2 as the points become even, and alpha."""
    alphas = np.linspace(0.01, 0.999, 400)
    return np.arcsin(alphas) / alphas, alphas


def _from_box(box: Patch | Domain, points: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Distances of points (n, d) to a box, in spacings, zero inside."""
    beyond = np.maximum(np.array(box.lower) - points, points - np.array(box.upper)).clip(0)
    return np.linalg.norm(beyond / h, axis=1)


def _widths(patch: Patch) -> list[float]:
    return [b - a for a, b in zip(patch.lower, patch.upper, strict=True)]
