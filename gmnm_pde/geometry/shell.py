"""Closed boundaries made of flat facets: segments in the plane, triangles in space."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

TURN = 0.35
"""A boundary that turns by more at a point has a corner there: 20 degrees."""

TIMES = 3.0
"""So has one that turns by this many times as much as at the points before and after."""

STRAIGHT = 1e-3
"""A smaller turn is none."""


@dataclass(frozen=True, eq=False)
class Shell:
    """The boundary of a domain in d = 2 or 3 dimensions.

    Facets that are neighbours in the list are neighbours in space, so that points that are spread
    evenly over the list are spread evenly over the boundary: segments run along each closed curve,
    triangles along a space-filling curve.

    Arguments:
        vertices: (n, d).
        facets: (m, d) indices of vertices. Seen from outside a triangle runs anticlockwise; a
            segment has the outside to its right.
        groups: facets by the name of what they belong to.
    """

    vertices: Array
    facets: Indices
    groups: dict[str, Indices] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """d."""
        return self.vertices.shape[1]

    @cached_property
    def corners(self) -> Array:
        """The vertices of each facet, (m, d, d)."""
        return self.vertices[self.facets]

    @cached_property
    def areas(self) -> Array:
        """Length or area of each facet times its normal, (m, d)."""
        axes = self.corners[:, 1:] - self.corners[:, :1]
        if self.dimension == 2:
            return np.stack([axes[:, 0, 1], -axes[:, 0, 0]], 1)
        return 0.5 * np.cross(axes[:, 0], axes[:, 1])

    @cached_property
    def normals(self) -> Array:
        """Outward unit normals, (m, d); zero for a facet without area."""
        size = np.linalg.norm(self.areas, axis=1, keepdims=True)
        return self.areas / np.maximum(size, 1e-300)

    @cached_property
    def volume(self) -> float:
        """Of what is inside: (1/d) times the integral of x . n over the boundary."""
        centre = self.vertices.mean(0)
        return float(((self.corners.mean(1) - centre) * self.areas).sum() / self.dimension)

    @cached_property
    def pseudonormals(self) -> Array:
        """The normal that tells inside from outside where a facet's closest point lies on its
        inside, on an edge or at a vertex, (m, 2^d, d); bit i of the second index is set where the
        i-th barycentric coordinate is zero.

        Those of edges are sums over both facets, those of vertices over all facets weighted by
        their angles (Baerentzen and Aanaes, IEEE TVCG 11(3), 2005).
        """
        d, many = self.dimension, len(self.facets)
        table = np.zeros((many, 2**d, d))
        table[:, 0] = self.normals
        at_vertex = self._summed(self.facets.ravel(), self._angles().ravel(), d, len(self.vertices))
        for i in range(d):
            table[:, 2**d - 1 - 2**i] = at_vertex[self.facets[:, i]]
        if d == 3:
            number, count = self._edge_numbers()
            at_edge = self._summed(number.ravel(), np.ones(3 * many), 3, count)
            for i in range(3):
                table[:, 2**i] = at_edge[number[:, i]]
        return table

    def _summed(self, place: Indices, weight: Array, each: int, count: int) -> Array:
        """Normals times weights added up at the places of each facet, (count, d)."""
        normals = np.repeat(self.normals, each, axis=0) * weight[:, None]
        return np.stack([np.bincount(place, column, count) for column in normals.T], axis=1)

    def _angles(self) -> Array:
        """Interior angles of the facets, (m, d); one for segments."""
        if self.dimension == 2:
            return np.ones(self.facets.shape)
        angles = np.zeros(self.facets.shape)
        for i in range(3):
            a = self.corners[:, (i + 1) % 3] - self.corners[:, i]
            b = self.corners[:, (i + 2) % 3] - self.corners[:, i]
            cross = np.linalg.norm(np.cross(a, b), axis=1)
            angles[:, i] = np.arctan2(cross, (a * b).sum(1))
        return angles

    def _edge_numbers(self) -> tuple[Indices, int]:
        """A number for the edge opposite each vertex of each triangle, (m, 3); how many."""
        opposite = self.facets[:, [[1, 2], [2, 0], [0, 1]]].reshape(-1, 2)
        unique, number = np.unique(np.sort(opposite, 1), axis=0, return_inverse=True)
        return number.reshape(-1, 3), len(unique)

    @cached_property
    def turns(self) -> Array:
        """The angle by which the boundary turns to the left at the start of each segment, (m,)."""
        ends_at = np.zeros(len(self.vertices), np.int64)
        ends_at[self.facets[:, 1]] = np.arange(len(self.facets))
        axes = self.corners[:, 1] - self.corners[:, 0]
        before = axes[ends_at[self.facets[:, 0]]]
        cross = before[:, 0] * axes[:, 1] - before[:, 1] * axes[:, 0]
        return np.arctan2(cross, (before * axes).sum(1))

    @cached_property
    def is_corner(self) -> NDArray[np.bool_]:
        """Which segments start at a corner, (m,).

        A curve that is given by points turns a little at each of them. A corner turns by more than
        :data:`TURN`, or by much more than the places before and after it.
        """
        starts_at = np.zeros(len(self.vertices), np.int64)
        starts_at[self.facets[:, 0]] = np.arange(len(self.facets))
        size = np.abs(self.turns)
        gentle = np.where(size > TURN, 0.0, size)
        following = starts_at[self.facets[:, 1]]
        preceding = np.empty_like(following)
        preceding[following] = np.arange(len(following))
        beside = np.maximum(gentle[following], gentle[preceding])
        return (size > TURN) | ((size > STRAIGHT) & (size > TIMES * beside))

    @cached_property
    def components(self) -> Indices:
        """The connected piece of the boundary that each facet belongs to, (m,)."""
        pairs = np.concatenate([self.facets[:, p] for p in combinations(range(self.dimension), 2)])
        shape = (len(self.vertices),) * 2
        graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape)
        return connected_components(graph, directed=False)[1][self.facets[:, 0]]

    @property
    def cavities(self) -> list[Array]:
        """The facets, (k, d, d), of each closed piece that has the domain around it."""
        found = []
        for number in range(int(self.components.max()) + 1):
            rows = self.components == number
            corners = self.corners[rows]
            middles = corners.mean(1) - corners.mean((0, 1))
            if float((middles * self.areas[rows]).sum()) < 0.0:
                found.append(corners)
        return found
