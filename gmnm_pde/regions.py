"""How many points a part of the boundary, or of an interface, gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from gmnm_pde.geometry import Boundary, Domain, locate, nudge
from gmnm_pde.placement import Layout
from gmnm_pde.problem import Problem, Sampling

EDGE_DENSITY = 1 / 0.6
"""By how much more dense boundary points are than a section through the inner ones where these do
not cluster at the boundary: in number, so that a surface in space has no more than it needs."""

Window = tuple[tuple[float, ...] | None, tuple[float, ...] | None]


@dataclass(frozen=True)
class Region:
    """A box and the distance of boundary points in it.

    Arguments:
        spacings: along each coordinate, for each piece of the problem; None where a person gives
            the number of points.
    """

    lower: tuple[float, ...] | None
    upper: tuple[float, ...] | None
    spacings: tuple[tuple[float, ...], ...] | None

    @property
    def window(self) -> Window:
        """The box."""
        return self.lower, self.upper


def regions_of(layout: Layout, counts: Sequence[int]) -> list[Region]:
    """The patches of a layout with so many points."""
    spacings, many = layout.point_spacings(counts), len(layout.patches)
    edge = EDGE_DENSITY ** (-1 / max(1, layout.domain.dimension - 1))
    closer = [1.0 if piece.fills_box else edge for piece in layout.pieces]
    return [
        Region(
            patch.lower if i else None,
            patch.upper if i else None,
            tuple(
                tuple(factor * h for h in spacings[k * many + i]) for k, factor in enumerate(closer)
            ),
        )
        for i, patch in enumerate(layout.sampled())
    ]


@dataclass(frozen=True)
class Selection:
    """A part of the boundary of a domain: sides, and what ``where`` leaves of them."""

    domain: Domain
    at: str | Sequence[str] = "boundary"
    where: Callable[[Tensor], Tensor] | None = None

    def sample(self, n: int, sampler: str, seed: int, window: Window = (None, None)) -> Boundary:
        """n points, or those in a box."""
        return self.domain.sample_boundary(n, self.at, sampler, seed, *window, self.where)

    def parts(
        self, problem: Problem, regions: Sequence[Region], sampling: Sampling, seed: int
    ) -> Iterator[Boundary]:
        """Points in each region as close as the regions say."""
        touched = self._touched(problem)
        for region in regions:
            n = self._count(region, touched, sampling, seed)
            if n:
                yield self.sample(n, sampling.sampler or "chebyshev", seed, region.window)

    def _count(self, region: Region, touched: list[int], sampling: Sampling, seed: int) -> int:
        dimension = self.domain.dimension
        if sampling.boundary is not None:
            return sampling.boundary
        if region.spacings is None:
            return 4 * ceil((sampling.interior or 100) ** (1 - 1 / dimension))
        few = self.sample(16, "grid", seed, region.window)
        h = few.points.new_tensor([region.spacings[i] for i in touched]).amin(0)
        if not len(few.points) or not bool(h.isfinite().all()):
            return 0
        # On a face with normal n, points of a lattice with spacings h are 1 / (h_1 ... h_d) times
        # |h n| dense: what it is along the coordinates that the face runs along.
        density = (few.normals * h).norm(dim=1).max() / h.prod()
        return ceil(few.measure * float(density))

    def _touched(self, problem: Problem) -> list[int]:
        """The pieces of the problem that have this part as a boundary."""
        if len(problem.pieces) == 1:
            return [0]
        found, beside = self.sample(256, "grid", 0), nudge(problem.region)
        both = [found.points + sign * beside * found.normals for sign in (1.0, -1.0)]
        return torch.unique(locate(problem.pieces, torch.cat(both))).tolist()
