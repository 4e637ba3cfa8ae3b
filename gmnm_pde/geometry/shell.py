"""Closed boundaries made of flat facets: segments in the plane, triangles in space."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gmnm_pde.errors import InputError

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


def closed_shell(
    vertices: Array, facets: Indices, groups: dict[str, Indices] | None = None
) -> Shell:
    """A shell whose facets are ordered, without the vertices that none of them has.

    Raises:
        InputError: it is open or branches, or has no inside; an edge where is named.
    """
    refuse_open(vertices, facets)
    used, facets = np.unique(facets, return_inverse=True)
    facets = facets.reshape(-1, vertices.shape[1])
    vertices = vertices[used]
    order = _along_loops(facets) if facets.shape[1] == 2 else _along_curve(vertices, facets)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    shell = Shell(
        vertices,
        facets[order],
        {name: np.sort(place[rows]) for name, rows in (groups or {}).items()},
    )
    if abs(shell.volume) <= 1e-14 * np.ptp(vertices, axis=0).max() ** shell.dimension:
        raise InputError("the boundary encloses nothing.", mend="Check the file.")
    return shell


def refuse_open(vertices: Array, facets: Indices) -> None:
    """Raises InputError where facets do not close: each edge (in the plane, each vertex) belongs to
    as many facets one way round as the other."""
    if vertices.shape[1] == 2:
        ends = np.bincount(facets[:, 0], minlength=len(vertices))
        ends = ends - np.bincount(facets[:, 1], minlength=len(vertices))
        bad, places = np.flatnonzero(ends), vertices[:, None]
        what = "vertex"
    else:
        directed = facets[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        turned = directed[:, 0] > directed[:, 1]
        edges, number = np.unique(np.sort(directed, 1), axis=0, return_inverse=True)
        balance = np.bincount(number.ravel(), np.where(turned, -1.0, 1.0), len(edges))
        bad, places = np.flatnonzero(balance), vertices[edges]
        what = "edge"
    if not len(bad):
        return
    points = " to ".join(_shown(point) for point in places[bad[0]])
    count = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    raise InputError(
        f"the surface is not watertight: it is open at the {what} {points}{count}.",
        mend="Close it in the program that it comes from.",
    )


def turned_outward(vertices: Array, facets: Indices) -> Indices:
    """Triangles that are turned so that neighbours agree and each closed surface encloses a volume
    that is positive, or negative where it lies in an odd number of others: a cavity.

    Triangles with a neighbour missing, or with two at an edge, are left as they are there.
    """
    directed = facets[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    up = directed[:, 0] < directed[:, 1]
    _, number, count = np.unique(
        np.sort(directed, 1), axis=0, return_inverse=True, return_counts=True
    )
    number = number.ravel()
    order = np.argsort(number, kind="stable")
    pairs = order[np.repeat(count == 2, count)].reshape(-1, 2)
    agree = up[pairs[:, 0]] != up[pairs[:, 1]]
    a, b = pairs[:, 0] // 3, pairs[:, 1] // 3
    many = len(facets)
    # Each triangle is there twice, as it is and turned round: neighbours that agree are joined to
    # each other's same side, those that do not to the other one.
    rows = np.concatenate([a, a + many])
    columns = np.concatenate([np.where(agree, b, b + many), np.where(agree, b + many, b)])
    graph = coo_array((np.ones(len(rows)), (rows, columns)), (2 * many, 2 * many))
    label = connected_components(graph, directed=False)[1]
    first = np.minimum(label[:many], label[many:])
    facets = np.where((label[:many] > first)[:, None], facets[:, ::-1], facets)
    bodies = [facets[first == one] for one in np.unique(first)]
    bodies = [body if Shell(vertices, body).volume > 0 else body[:, ::-1] for body in bodies]
    return np.concatenate([_as_cavity(vertices, body, bodies) for body in bodies])


def _as_cavity(vertices: Array, body: Indices, bodies: list[Indices]) -> Indices:
    """A closed surface, turned inside out where it lies in an odd number of others."""
    from gmnm_pde.geometry.nearest import NearestFacet

    point = vertices[body[0]].mean(0)[None]
    low, high = vertices[body].min(0), vertices[body].max(0)
    depth = 0
    for other in bodies:
        span = vertices[other]
        around = (span.min((0, 1)) <= low.min(0)).all() and (span.max((0, 1)) >= high.max(0)).all()
        if other is not body and around:
            depth += int(NearestFacet(Shell(vertices, other)).signed_distance(point)[0] < 0)
    return body[:, ::-1] if depth % 2 else body


def _shown(point: Array) -> str:
    return "(" + ", ".join(f"{x:.6g}" for x in point) + ")"


def _along_loops(facets: Indices) -> Indices:
    """The order of segments along closed curves, each of which starts at its first segment."""
    leaving: dict[int, list[int]] = {}
    for number in range(len(facets) - 1, -1, -1):
        leaving.setdefault(int(facets[number, 0]), []).append(number)
    order: list[int] = []
    for start in facets[:, 0].tolist():
        vertex = start
        while leaving[vertex]:
            order.append(leaving[vertex].pop())
            vertex = int(facets[order[-1], 1])
    return np.array(order)


def _along_curve(vertices: Array, facets: Indices) -> Indices:
    """The order of facets along a Morton curve through the bounding box of their middles."""
    points = vertices[facets].mean(1)
    size = np.maximum(np.ptp(points, axis=0).max(), 1e-300)
    bits = 20
    cell = np.minimum((points - points.min(0)) / size * 2**bits, 2**bits - 1).astype(np.int64)
    code = np.zeros(len(points), np.int64)
    for bit in range(bits):
        for axis in range(points.shape[1]):
            code |= ((cell[:, axis] >> bit) & 1) << (bit * points.shape[1] + axis)
    return np.argsort(code, kind="stable")
