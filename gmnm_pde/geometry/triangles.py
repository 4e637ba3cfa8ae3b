"""Triangles in space as pieces of a boundary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gmnm_pde.geometry.pieces import Pieces


@dataclass(frozen=True, eq=False)
class Triangles(Pieces):
    """Triangles a b c: the point a + sqrt(s) ((1 - t) (b - a) + t (c - a)) of (s, t) in [0, 1]^2.

    The root makes equal parameters equal areas. Lines of constant s or t are straight, so that
    a parameter cell lies between its four corners.

    Arguments:
        corners: (m, 3, 3).
        normals: (m, 3) unit.
    """

    corners: Tensor
    normals: Tensor

    @cached_property
    def measures(self) -> Tensor:
        axes = self.corners[:, 1:] - self.corners[:, :1]
        return 0.5 * torch.linalg.cross(axes[:, 0], axes[:, 1]).norm(dim=1)

    @property
    def parameters(self) -> int:
        return 2

    def evaluate(self, index: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return self._points(index, parameters), self.normals[index]

    def bounds(self, index: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        ends = lower, upper
        points = torch.stack(
            [
                self._points(index, torch.stack([first[:, 0], second[:, 1]], 1))
                for first in ends
                for second in ends
            ]
        )
        return points.amin(0), points.amax(0)

    def _points(self, index: Tensor, parameters: Tensor) -> Tensor:
        a, b, c = self.corners[index].unbind(1)
        s, t = parameters[:, :1].sqrt(), parameters[:, 1:]
        return a + s * ((1.0 - t) * (b - a) + t * (c - a))
