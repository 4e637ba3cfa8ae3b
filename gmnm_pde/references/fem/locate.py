"""Which cell a point lies in, and where in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from gmnm_pde.references.fem.lagrange import Indices
from gmnm_pde.references.fem.mesh import Mesh
from gmnm_pde.references.stencils import Array

NEAREST = 12
INSIDE = -1e-9
"""A barycentric coordinate this far below zero still counts as inside."""
ITERATIONS = 12
TOGETHER = 2_000_000


@dataclass(frozen=True, eq=False)
class Locator:
    """Finds cells of a mesh.

    A point in none of the straight cells, between a chord and its arc, belongs to the cell that it
    is least outside of; there the map of the curved cell is inverted by Newton's method.
    """

    mesh: Mesh

    def find(self, points: Array) -> tuple[Indices, Array]:
        """The cell of each point (n, d), (n,), and barycentric coordinates in it, (n, d + 1)."""
        count = min(NEAREST, len(self.mesh.cells))
        _, near = self._tree.query(points, k=count)
        cell, at = self._best(points, near.reshape(len(points), count))
        lost = np.flatnonzero(at.min(axis=1) < INSIDE)
        chunk = max(1, TOGETHER // len(self.mesh.cells))
        every = np.arange(len(self.mesh.cells))
        for start in range(0, len(lost), chunk):
            some = lost[start : start + chunk]
            cell[some], at[some] = self._best(
                points[some], np.broadcast_to(every, (len(some), len(every)))
            )
        curved = np.flatnonzero(np.isin(cell, self.mesh.curved))
        if len(curved):
            at[curved] = self._invert(points[curved], cell[curved], at[curved])
        return cell, at

    def _best(self, points: Array, cells: Indices) -> tuple[Indices, Array]:
        """Of candidates (n, k) the cell that each point is least outside of."""
        first, slopes = self._affine
        offset = points[:, None] - first[cells]
        tail = np.einsum("nkdi,nki->nkd", slopes[cells], offset)
        at = np.concatenate([1.0 - tail.sum(axis=2, keepdims=True), tail], axis=2)
        best = at.min(axis=2).argmax(axis=1)
        rows = np.arange(len(points))
        return cells[rows, best], at[rows, best]

    def _invert(self, points: Array, cell: Indices, at: Array) -> Array:
        nodes, shape = self.mesh.nodes[cell], self.mesh.shape
        for _ in range(ITERATIONS):
            gap = points - np.einsum("nm,nmi->ni", shape.values(at), nodes)
            jacobian = np.einsum("knm,nmi->nik", shape.slopes(at), nodes)
            step = np.linalg.solve(jacobian, gap[:, :, None])[:, :, 0]
            tail = np.clip(at[:, 1:] + step, -0.5, 1.5)
            at = np.concatenate([1.0 - tail.sum(axis=1, keepdims=True), tail], axis=1)
            if np.abs(step).max() < 1e-13:
                break
        return at

    @cached_property
    def _tree(self) -> Any:
        return cKDTree(self.mesh.vertices[self.mesh.cells].mean(axis=1))

    @cached_property
    def _affine(self) -> tuple[Array, Array]:
        """The first vertex of each cell (e, d) and d l_k / d x_i there, (e, d, d)."""
        corners = self.mesh.vertices[self.mesh.cells]
        edges = corners[:, 1:] - corners[:, :1]
        return corners[:, 0], np.linalg.inv(edges.transpose(0, 2, 1))
