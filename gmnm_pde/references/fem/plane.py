"""Triangles on any plane domain, without a mesher: Delaunay's triangulation of points that are
placed by the wanted sizes, smoothed, and split towards singular corners.

The triangles inside are those whose centroid is. Their outer sides must be the sides of the
boundary; where they are not, these are halved and everything is done again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import Delaunay, cKDTree

from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Domain
from gmnm_pde.problem import Problem
from gmnm_pde.references.fem.lagrange import Indices, Lagrange
from gmnm_pde.references.fem.mesh import Facets, Mesh, boundary_sides, straight
from gmnm_pde.references.fem.outline import Curve, outline
from gmnm_pde.references.fem.sizes import Sizes, sizes_of
from gmnm_pde.references.stencils import Array

ROUNDS = 8
SMOOTHINGS = 10
DENSITY = 0.93
"""Side of the square that holds one point, over the sides of equilateral triangles."""

BESIDE = 0.7
"""How far inner points stay from those on the boundary, in sizes."""

TOWARDS = 0.3
"""Each split of the triangles at a corner leaves smaller ones by this factor."""

MOST_TRIANGLES = 200_000

Side = tuple[int, float, float]
"""A side of the boundary: the number of its curve, and its shares at the vertices of the lower and
the higher number."""


@dataclass(frozen=True, eq=False)
class Triangles:
    """Vertices (v, 2), cells (e, 3), and the sides on the boundary by their vertices."""

    vertices: Array
    cells: Indices
    sides: dict[tuple[int, int], Side]


def mesh_plane(problem: Problem, size: float, degree: int) -> Mesh:
    """A mesh of triangles with sides of a size, curved ones of a degree.

    Raises:
        InputError: the domain has details too fine for it.
    """
    curves = outline(problem)
    sizes = sizes_of(problem, curves, size, degree)
    triangles = triangulate(problem.domain, curves, sizes)
    extent = max(b - a for a, b in zip(problem.domain.lower, problem.domain.upper, strict=True))
    for corner in sizes.corners:
        if corner.singular:
            least = (size / extent) ** min(degree + 1, 6)
            triangles = split_towards(triangles, curves, corner.point, least * corner.reach)
    return _curved(triangles, curves, degree)


def triangulate(domain: Domain, curves: Sequence[Curve], sizes: Sizes) -> Triangles:
    """Triangles of the wanted sizes."""
    shares = [_subdivide(curve, sizes) for curve in curves]
    inner = _inner_points(domain, sizes)
    for _ in range(ROUNDS):
        outer, sides = _boundary(curves, shares)
        points = _smooth(domain, outer, _away(domain, inner, outer, sizes), sizes, sides)
        cells = _inside(domain, points)
        missing = _missing(cells, sides)
        if not missing:
            return Triangles(points, np.sort(cells, axis=1), sides)
        for curve, a, b in missing:
            shares[curve] = np.sort(np.append(shares[curve], 0.5 * (a + b)))
    raise InputError(
        "the finite elements found no triangles that follow the domain's boundary.",
        mend="Give a larger `refine`: the domain has details finer than its triangles.",
    )


def _subdivide(curve: Curve, sizes: Sizes) -> Array:
    """Shares of the ends of its sides, both ends included."""
    shares = np.linspace(curve.first, curve.last, 5)
    whole = curve.length / (curve.last - curve.first)
    for _ in range(60):
        middle = 0.5 * (shares[1:] + shares[:-1])
        wide = np.diff(shares) * whole > 0.3 * sizes.at(curve.at(middle)[0])
        if not wide.any():
            break
        shares = np.sort(np.concatenate([shares, middle[wide]]))
    middle = 0.5 * (shares[1:] + shares[:-1])
    sides = np.diff(shares) * whole / sizes.at(curve.at(middle)[0])
    total = np.concatenate([[0.0], np.cumsum(sides)])
    count = max(3 if curve.closed else 1, math.ceil(total[-1] - 0.2))
    found = np.interp(np.linspace(0.0, total[-1], count + 1), total, shares)
    found[0], found[-1] = curve.first, curve.last
    return found


def _boundary(
    curves: Sequence[Curve], shares: Sequence[Array]
) -> tuple[Array, dict[tuple[int, int], Side]]:
    """Vertices on the boundary and its sides; ends of curves that touch are one vertex."""
    points = [curve.at(share)[0] for curve, share in zip(curves, shares, strict=True)]
    stacked = np.concatenate(points)
    firsts = np.cumsum([0, *(len(part) for part in points)])
    ends = np.concatenate([firsts[:-1], firsts[1:] - 1])
    number = np.arange(len(stacked))
    slack = 1e-9 * float(np.ptp(stacked, axis=0).max())
    for a, b in sorted(cKDTree(stacked[ends]).query_pairs(slack)):
        low, high = sorted((number[ends[a]], number[ends[b]]))
        number[number == high] = low
    kept, number = np.unique(number, return_inverse=True)
    sides: dict[tuple[int, int], Side] = {}
    for k, share in enumerate(shares):
        for i in range(len(share) - 1):
            a, b = int(number[firsts[k] + i]), int(number[firsts[k] + i + 1])
            low, high = (share[i], share[i + 1]) if a < b else (share[i + 1], share[i])
            sides[min(a, b), max(a, b)] = (k, float(low), float(high))
    return stacked[kept], sides


def _inner_points(domain: Domain, sizes: Sizes) -> Array:
    """Points of the wanted density: squares that are halved until they are small enough, their
    centres shifted in alternate rows."""
    low, high = np.array(domain.lower), np.array(domain.upper)
    side = DENSITY * sizes.largest
    counts = np.ceil((high - low) / side).astype(int)
    rows = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), -1).reshape(-1, 2)
    found = []
    while len(rows):
        centres = low + side * (rows + 0.5)
        wide = side > math.sqrt(2.0) * DENSITY * sizes.at(centres)
        kept = rows[~wide]
        shift = np.where(kept[:, 1] % 2 == 0, 0.25, -0.25)
        found.append(centres[~wide] + side * np.stack([shift, 0.0 * shift], axis=1))
        children = [2 * rows[wide] + np.array([i, j]) for i in (0, 1) for j in (0, 1)]
        rows, side = np.concatenate(children), 0.5 * side
        if sum(map(len, found)) + len(rows) > MOST_TRIANGLES:
            raise InputError(
                f"the mesh would have more than {MOST_TRIANGLES:,} triangles.",
                mend="Give a smaller `refine`.",
            )
    points = np.concatenate(found)
    return points[_contains(domain, points)]


def _away(domain: Domain, points: Array, outer: Array, sizes: Sizes) -> Array:
    """The inner points that are not too close to the boundary."""
    gaps, _ = cKDTree(outer).query(points)
    return points[gaps > BESIDE * sizes.at(points)]


def _smooth(
    domain: Domain, outer: Array, inner: Array, sizes: Sizes, sides: dict[tuple[int, int], Side]
) -> Array:
    """Inner points moved to the weighted mean of the centroids around them, several times; those
    that come into the circle over a side of the boundary are dropped."""
    points, count = np.concatenate([outer, inner]), len(outer)
    for _ in range(SMOOTHINGS):
        cells = _inside(domain, points)
        centroids = points[cells].mean(axis=1)
        weights = np.abs(_areas(points, cells)) / sizes.at(centroids) ** 3
        total = np.zeros(len(points))
        mean = np.zeros((len(points), 2))
        for k in range(3):
            np.add.at(total, cells[:, k], weights)
            np.add.at(mean, cells[:, k], weights[:, None] * centroids)
        moved = mean[count:] / np.maximum(total[count:], 1e-300)[:, None]
        points[count:] = np.where(total[count:, None] > 0.0, moved, points[count:])
    ends = points[np.array(list(sides))]
    middle, radius = ends.mean(axis=1), 0.5 * np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    near = cKDTree(points[count:]).query_ball_point(middle, 1.05 * radius) if len(inner) else []
    drop = np.unique([i for some in near for i in some]).astype(np.intp)
    return np.concatenate([outer, np.delete(points[count:], drop, axis=0)])


def _inside(domain: Domain, points: Array) -> Indices:
    """Delaunay's triangles in the domain, without those that have no area."""
    origin = points.mean(axis=0)
    cells = Delaunay(points - origin).simplices.astype(np.intp)
    corners = points[cells]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    cells = cells[np.abs(_areas(points, cells)) > 1e-6 * longest**2]
    return cells[_contains(domain, points[cells].mean(axis=1))]


def _missing(cells: Indices, sides: dict[tuple[int, int], Side]) -> list[Side]:
    """Sides of the boundary that the triangles do not end at."""
    owner, local = boundary_sides(cells)
    keep = np.array([[1, 2], [0, 2], [0, 1]])[local]
    ends = np.sort(np.take_along_axis(cells[owner], keep, axis=1), axis=1)
    have = {(int(a), int(b)) for a, b in ends}
    found = [side for key, side in sides.items() if key not in have]
    # What is no side of the boundary but ends the triangles lies beside one that is missing.
    if not found and len(have) > len(sides):
        found = list(sides.values())
    return found


def split_towards(
    triangles: Triangles, curves: Sequence[Curve], point: Sequence[float], least: float
) -> Triangles:
    """The triangles at a vertex split in three, the one at the vertex smaller, until it is small.

    Neighbours share the side that is cut, so nothing hangs; angles stay as they are.
    """
    vertices = list(triangles.vertices)
    gaps = np.linalg.norm(triangles.vertices - np.array(point), axis=1)
    corner = int(gaps.argmin())
    if gaps[corner] > 1e-6 * float(np.ptp(triangles.vertices, axis=0).max()):
        return triangles
    at = (triangles.cells == corner).any(axis=1)
    rest, sides = [list(map(int, c)) for c in triangles.cells[~at]], dict(triangles.sides)
    fans = [[int(v) for v in cell if v != corner] for cell in triangles.cells[at]]
    radius = max(float(np.linalg.norm(vertices[v] - vertices[corner])) for f in fans for v in f)
    while radius > least:
        radius *= TOWARDS
        nearer: dict[int, int] = {}
        for v in {v for fan in fans for v in fan}:
            nearer[v] = len(vertices)
            vertices.append(_towards(vertices, curves, sides, corner, v, len(vertices)))
        for k, (a, b) in enumerate(fans):
            c, d = nearer[a], nearer[b]
            rest += [[a, b, c], [b, c, d]]
            fans[k] = [c, d]
    rest += [[corner, *fan] for fan in fans]
    return Triangles(np.array(vertices), np.sort(np.array(rest, np.intp), axis=1), sides)


def _towards(
    vertices: list[Array],
    curves: Sequence[Curve],
    sides: dict[tuple[int, int], Side],
    corner: int,
    other: int,
    fresh: int,
) -> Array:
    """A vertex between a corner and another one, on the boundary if their side is."""
    side = sides.pop((min(corner, other), max(corner, other)), None)
    if side is None:
        return vertices[corner] + TOWARDS * (vertices[other] - vertices[corner])
    curve, low, high = side
    here, there = (low, high) if corner < other else (high, low)
    between = here + TOWARDS * (there - here)
    # The new vertex has the highest number of all.
    sides[corner, fresh] = (curve, here, between)
    sides[other, fresh] = (curve, there, between)
    return np.asarray(curves[curve].at(np.array([between]))[0][0])


def _curved(triangles: Triangles, curves: Sequence[Curve], degree: int) -> Mesh:
    """The triangles with their sides on the boundary bent to it.

    The displacement of a side at s is carried into the triangle by l_a l_b / (s (1 - s)),
    s = (1 + l_b - l_a) / 2, which leaves the other sides straight and keeps the order (Szabo and
    Babuska, Finite Element Analysis, Wiley 1991, section 6.2).
    """
    vertices, cells = triangles.vertices, triangles.cells
    owner, local = boundary_sides(cells)
    pairs = np.array([[1, 2], [0, 2], [0, 1]])[local]
    keys = [tuple(row) for row in np.take_along_axis(cells[owner], pairs, axis=1).tolist()]
    sides = [triangles.sides[a, b] for a, b in keys]
    facets = Facets(owner, local, tuple(curves[k].conditions for k, _, _ in sides))
    flat, shape = (vertices, cells, facets), Lagrange(2, degree)
    nodes = shape.places @ vertices[cells]
    bent = False
    for curve in {k for k, _, _ in sides}:
        some = np.array([i for i, side in enumerate(sides) if side[0] == curve])
        low, high = np.array([sides[i][1:] for i in some]).T
        a, b = shape.places[:, pairs[some, 0]].T, shape.places[:, pairs[some, 1]].T
        share = 0.5 * (1.0 + b - a)
        ends = vertices[cells[owner[some][:, None], pairs[some]]]
        chord = (1.0 - share)[:, :, None] * ends[:, None, 0] + share[:, :, None] * ends[:, None, 1]
        at = low[:, None] + share * (high - low)[:, None]
        exact = curves[curve].at(at.ravel())[0].reshape(chord.shape)
        factor = np.where(a * b > 0.0, a * b / np.maximum(share * (1.0 - share), 1e-300), 0.0)
        moved = factor[:, :, None] * (exact - chord)
        size = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).max()
        if np.abs(moved).max() > 1e-9 * size:
            np.add.at(nodes, owner[some], moved)
            bent = True
    return Mesh(vertices, cells, facets, shape, nodes) if bent else straight(*flat)


def _areas(points: Array, cells: Indices) -> Array:
    a, b = points[cells[:, 1]] - points[cells[:, 0]], points[cells[:, 2]] - points[cells[:, 0]]
    return np.asarray(0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]))


def _contains(domain: Domain, points: Array) -> NDArray[np.bool_]:
    return np.asarray(domain.contains(torch.from_numpy(np.ascontiguousarray(points))).numpy())
