"""Meshes of simplices, straight or with curved sides, and their boundary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gmnm_pde.references.fem.lagrange import Indices, Lagrange
from gmnm_pde.references.stencils import Array


@dataclass(frozen=True, eq=False)
class Facets:
    """Sides of cells on the boundary.

    Arguments:
        cell: (f,) the cell of each.
        local: (f,) which of its sides: the one opposite to this vertex of the cell.
        conditions: for each, the numbers of the conditions of the problem that hold on it.
    """

    cell: Indices
    local: Indices
    conditions: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Cells, their shapes, and the boundary.

    Arguments:
        vertices: (v, d).
        cells: (e, d + 1), in ascending order in each cell.
        shape: the element that maps the cells, of degree 1 where all are straight.
        nodes: (e, n, d), where the nodes of that element lie.
    """

    vertices: Array
    cells: Indices
    facets: Facets
    shape: Lagrange
    nodes: Array

    @property
    def dimension(self) -> int:
        """d."""
        return int(self.vertices.shape[1])

    @cached_property
    def curved(self) -> Indices:
        """The cells that are not straight."""
        if self.shape.degree == 1:
            return np.zeros(0, np.intp)
        straight = self.shape.places @ self.vertices[self.cells]
        size = np.ptp(self.vertices, axis=0).max()
        return np.flatnonzero(np.abs(self.nodes - straight).max(axis=(1, 2)) > 1e-14 * size)


@dataclass(frozen=True, eq=False)
class Places:
    """Points in cells: where they are, and how the cells are mapped there.

    Arguments:
        points: (e, q, d).
        slopes: (e, q, d, d), d l_k / d x_i of the barycentric coordinates k = 1 ... d.
        volume: (e, q), the size of the determinant of the map from the reference simplex.
    """

    points: Array
    slopes: Array
    volume: Array


def place(mesh: Mesh, cells: Indices | slice, at: Array) -> Places:
    """The same barycentric coordinates (q, d + 1) in some cells."""
    nodes = mesh.nodes[cells]
    points = mesh.shape.values(at) @ nodes
    # d x_i / d l_k, (e, q, i, k)
    jacobian = np.einsum("kqn,eni->eqik", mesh.shape.slopes(at), nodes, optimize=True)
    return Places(points, np.linalg.inv(jacobian), np.abs(np.linalg.det(jacobian)))


def outward(mesh: Mesh, places: Places, local: int) -> tuple[Array, Array]:
    """Outward unit normals (e, q, d) on one side of cells, and the size of area there, (e, q)."""
    slope = places.slopes[:, :, local - 1] if local else -places.slopes.sum(axis=2)
    size = np.linalg.norm(slope, axis=2)
    return -slope / size[:, :, None], places.volume * size


def straight(vertices: Array, cells: Indices, facets: Facets) -> Mesh:
    """A mesh of straight cells."""
    shape = Lagrange(vertices.shape[1], 1)
    return Mesh(vertices, cells, facets, shape, shape.places @ vertices[cells])


def boundary_sides(cells: Indices) -> tuple[Indices, Indices]:
    """Sides that belong to one cell only: the cells (f,) and which side of them (f,)."""
    width = cells.shape[1]
    sides = np.concatenate([np.delete(cells, k, axis=1) for k in range(width)])
    owner = np.tile(np.arange(len(cells)), width)
    local = np.repeat(np.arange(width), len(cells))
    if width == 2:  # points
        _, first, counts = np.unique(sides[:, 0], return_index=True, return_counts=True)
    else:
        _, first, counts = np.unique(
            np.sort(sides, axis=1), axis=0, return_index=True, return_counts=True
        )
    single = np.sort(first[counts == 1])
    return owner[single], local[single]
