"""Domains whose boundary is made of flat facets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.geometry.corners import Corners, no_corners
from gmnm_pde.geometry.domain import Domain
from gmnm_pde.geometry.nearest import NearestFacet
from gmnm_pde.geometry.pieces import Facets, Part
from gmnm_pde.geometry.shell import Shell
from gmnm_pde.geometry.triangles import Triangles


class Faceted(Domain):
    """A domain in the plane or in space inside a :class:`Shell`, with named parts.

    The distance is exact near the boundary and at least half of the true one elsewhere.
    """

    @property
    @abstractmethod
    def shell(self) -> Shell:
        """The boundary."""

    @cached_property
    def lower(self) -> tuple[float, ...]:
        return tuple(self.shell.vertices.min(0).tolist())

    @cached_property
    def upper(self) -> tuple[float, ...]:
        return tuple(self.shell.vertices.max(0).tolist())

    @property
    def measure(self) -> float:
        return self.shell.volume

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        corners, normals = (torch.from_numpy(x) for x in (self.shell.corners, self.shell.normals))
        if self.dimension == 3:
            return (Triangles(corners, normals).whole(),)
        axes = corners[:, 1:] - corners[:, :1]
        return (Facets(corners[:, 0], axes, normals, ~self._ends_at_corners).whole(),)

    @cached_property
    def named(self) -> Mapping[str, tuple[Part, ...]]:
        (whole,) = self.parts
        return {name: (_rows(whole, rows),) for name, rows in self.shell.groups.items()}

    @cached_property
    def hole_boxes(self) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
        return tuple(
            (tuple(corners.min((0, 1)).tolist()), tuple(corners.max((0, 1)).tolist()))
            for corners in self.shell.cavities
        )

    def signed_distance(self, points: Tensor) -> Tensor:
        distance = self._nearest.signed_distance(_numpy(points))
        return torch.from_numpy(distance).to(points)

    def _on_named(self, points: Tensor, name: str) -> Tensor:
        held = np.zeros(len(self.shell.facets), bool)
        held[self.shell.groups[name]] = True
        return torch.from_numpy(held[self._nearest.facets(_numpy(points))])

    @cached_property
    def _nearest(self) -> NearestFacet:
        return NearestFacet(self.shell)

    @cached_property
    def _corners(self) -> Corners:
        if self.dimension != 2:
            return no_corners(self.dimension)
        rows = self.shell.is_corner
        angles = np.pi - self.shell.turns[rows]
        return Corners(torch.from_numpy(self.shell.corners[rows, 0]), torch.from_numpy(angles))

    @property
    def _ends_at_corners(self) -> Tensor:
        """Whether the start and the end of each segment are corners, (m, 2) bool."""
        starts = self.shell.is_corner
        at_vertex = np.zeros(len(self.shell.vertices), bool)
        at_vertex[self.shell.facets[:, 0]] = starts
        return torch.from_numpy(np.stack([starts, at_vertex[self.shell.facets[:, 1]]], 1))


def _numpy(points: Tensor) -> np.ndarray:
    return points.detach().cpu().double().numpy()


def _rows(part: Part, rows: Sequence[int] | np.ndarray) -> Part:
    mask = torch.zeros(len(part.index), dtype=torch.bool)
    mask[torch.as_tensor(rows)] = True
    return replace(part).select(mask)
