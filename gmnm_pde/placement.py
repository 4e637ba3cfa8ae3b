"""Where units and collocation points go.

Units sit on lattices. The first patch covers the domain and a margin beyond its boundary: without
units outside, a sum of Gaussians cannot follow a function up to the boundary (arXiv 2211.12598),
and the margin, in widths, sets the smallest error that can be reached. Further patches are smaller,
with smaller spacings, laid over corners and layers; coarser units stay below them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log10, prod

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from gmnm_pde.geometry import Domain
from gmnm_pde.networks import Network, NetworkSpec

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
    """

    domain: Domain
    patches: tuple[Patch, ...]
    margin: float
    ratio: float = 1.6
    overlap: float = 3.0
    oversampling: float = 1.15

    def centres(self) -> list[Tensor]:
        """Units of each patch, (K_i, d)."""
        return [self._centres(patch, first=i == 0) for i, patch in enumerate(self.patches)]

    def network(self, spec: NetworkSpec, centres: Sequence[Tensor], n_outputs: int) -> Network:
        """A network with units at the centres of each patch, output weights zero."""
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
            self._lattice(patch, count) for patch, count in zip(self.sampled(), counts, strict=True)
        ]
        return torch.cat(parts)

    def sampled(self) -> tuple[Patch, ...]:
        """The patches with the boxes that their units need points in, the overlap included."""
        first, *rest = self.patches
        return (first, *(Patch(*self._grown(p, self.overlap), p.spacing) for p in rest))

    def point_spacings(self, counts: Sequence[int]) -> list[float]:
        """Smallest distance of collocation points in each patch."""
        return [
            min(
                w / q
                for w, q in zip(_widths(patch), self._lattice_shape(patch, count), strict=True)
            )
            for patch, count in zip(self.sampled(), counts, strict=True)
        ]

    def _centres(self, patch: Patch, *, first: bool) -> Tensor:
        """Lattice points whose distance to the domain's part in the patch is small enough.

        Distances are measured in spacings, to the nearest of many samples of that part.
        """
        h = np.array(patch.spacing)
        reach = self.margin if first else max(self.margin, self.overlap)
        axes = [
            a + step * np.arange(-ceil(reach), ceil((b - a) / step - 1e-9) + ceil(reach) + 1)
            for a, b, step in zip(patch.lower, patch.upper, patch.spacing, strict=True)
        ]
        lattice = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(h))
        inside = self.domain.contains(torch.from_numpy(lattice)).numpy()
        box = np.maximum(np.array(patch.lower) - lattice, lattice - np.array(patch.upper)).clip(0)
        from_box = np.linalg.norm(box / h, axis=1)
        keep = inside if first else inside & (from_box <= self.overlap + 1e-9)
        outside = np.flatnonzero(~inside & (from_box <= self.margin + 1e-9))
        edge = self._edge_samples(patch, 0.0 if first else self.overlap + self.margin)
        if len(outside) and len(edge):
            distance, nearest = cKDTree(edge / h).query(lattice[outside] / h)
            # A unit outside belongs to the patch whose box, overlap included, has its foot point.
            grown = Patch(*self._grown(patch, 0.0 if first else self.overlap), patch.spacing)
            mine = grown.holds(torch.from_numpy(edge[nearest])).numpy() | first
            keep[outside[(distance <= self.margin + 1e-9) & mine]] = True
        return torch.from_numpy(lattice[keep])

    def _edge_samples(self, patch: Patch, overlap: float) -> np.ndarray:
        """Points on the domain's boundary in and around a patch, several a spacing."""
        lower, upper = self._grown(patch, overlap)
        cells = [(b - a) / h for a, b, h in zip(lower, upper, patch.spacing, strict=True)]
        d = len(cells)
        per_face = prod(sorted(3 * max(cell, 1.0) for cell in cells)[-(d - 1) :]) if d > 1 else 1
        boundary = self.domain.sample_boundary(
            int(4 * d * per_face), sampler="grid", lower=lower, upper=upper
        )
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

    def _lattice(self, patch: Patch, count: int) -> Tensor:
        """Lattice points of the box that lie in the domain, about ``count``, clustered at sides.

        With about as many points as units, an even lattice loses two digits at the sides.
        """
        shape = self._lattice_shape(patch, ceil(count / self._share(patch)))
        even = not self.domain.fills_box
        axes = [
            0.5 * (a + b) + 0.5 * (b - a) * (lattice(q) if even else clustered(q, q / (cell + 1)))
            for a, b, q, cell in zip(patch.lower, patch.upper, shape, patch.cells, strict=True)
        ]
        points = torch.from_numpy(
            np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
        )
        return points[self.domain.contains(points)]

    def _share(self, patch: Patch) -> float:
        """The part of a patch's box that is in the domain, at least a tenth."""
        steps = 24 if len(patch.lower) < 3 else 10
        axes = [
            np.linspace(a, b, steps, endpoint=False) + 0.5 * (b - a) / steps
            for a, b in zip(patch.lower, patch.upper, strict=True)
        ]
        points = torch.from_numpy(
            np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
        )
        return max(0.1, self.domain.contains(points).double().mean().item())


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
    # arcsin(alpha)/alpha grows from 1 to pi/2 as the points become even.
    alphas = np.linspace(0.01, 0.999, 400)
    alpha = float(np.interp(np.pi / 2 / stretch, np.arcsin(alphas) / alphas, alphas))
    return np.arcsin(alpha * points) / np.arcsin(alpha)


def _widths(patch: Patch) -> list[float]:
    return [b - a for a, b in zip(patch.lower, patch.upper, strict=True)]
