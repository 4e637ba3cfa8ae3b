"""The distance to a shell and the side of it, for many points at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from gmnm_pde.geometry.shell import Array, Indices, Shell

FEW = 8
"""Nearest facets by their middles that are looked at first."""

MORE = 64
"""So many facets or fewer are all looked at."""

SOME = 4096
"""Points handled at once where more facets have to be looked at."""

HALF = 0.5
"""A lower bound of a distance that is not below this part of it is as good."""

CLOSE = 0.3
"""Distances below this part of the largest radius of a part are exact."""

SIZES = 4.0
"""Facets whose radii differ by more are kept in different trees."""

CELLS = 24_000
"""Cells of the grid on which sides are kept."""

PARTS = 4_000
"""About how many parts a shell is looked up in, if it has fewer facets and more than a few."""

PULL = 0.999
"""How far towards the boundary a point is moved within the ball that is free of it."""

PAIRS = 2**20
"""Most pairs of points and facets handled at once."""


@dataclass(frozen=True)
class Found:
    """What is nearest to n points.

    Arguments:
        distance: to the closest of the facets that were looked at, (n,).
        place: where on it, (n, d).
        normal: that tells inside from outside there, (n, d).
        facet: which, (n,).
        bound: no other facet is nearer than this, (n,).
    """

    distance: Array
    place: Array
    normal: Array
    facet: Indices
    bound: Array


class NearestFacet:
    """Distances to a shell.

    Facets, large ones in parts, are looked up by their middles: one whose middle is at the distance
    s and whose radius is r is no nearer than s - r. Close to the boundary a few of them settle
    which is nearest. Far from it that bound will do, and the side is that of a point nearer to the
    boundary, reached within a ball that the bound shows to be free of it. Sides are kept for a grid
    of cells.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        few = len(shell.facets) <= MORE
        parts, self._owner = divided(shell.corners, 0 if few else PARTS)
        self._middles = parts.mean(1)
        self._radii = np.linalg.norm(parts - self._middles[:, None], axis=2).max(1)
        sizes = np.floor(np.log(np.maximum(self._radii, 1e-300)) / np.log(SIZES)).astype(int)
        self._trees = [
            (cKDTree(self._middles[rows]), rows, float(self._radii[rows].max()))
            for rows in (np.flatnonzero(sizes == size) for size in np.unique(sizes))
        ]

    def signed_distance(self, points: Array) -> Array:
        """Negative inside, (n, d) -> (n,): a lower bound in size of at least half the distance,
        exact near the boundary, and everywhere for few facets; its sign is exact."""
        step = PAIRS // (FEW * len(self._trees))
        known = self._cells.sides(points)
        parts = [
            self._signed(points[i : i + step], known[i : i + step])
            for i in range(0, len(points), step)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def facets(self, points: Array) -> Indices:
        """The nearest facet of points close to the boundary, (n,)."""
        step = PAIRS // (FEW * len(self._trees))
        parts = [self._settled(points[i : i + step]).facet for i in range(0, len(points), step)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    @cached_property
    def _cells(self) -> Cells:
        low, high = self._shell.vertices.min(0), self._shell.vertices.max(0)
        count = round(CELLS ** (1 / len(low)))
        size = np.maximum((high - low) / count, 1e-300)
        axes = [a + h * (np.arange(count) + 0.5) for a, h in zip(low, size, strict=True)]
        centres = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(low))
        unknown = np.zeros(len(centres))
        step = PAIRS // (FEW * len(self._trees))
        parts = [
            self._signed(centres[i : i + step], unknown[i : i + step])
            for i in range(0, len(centres), step)
        ]
        distance = np.concatenate(parts)
        clear = np.abs(distance) > 0.501 * np.linalg.norm(size)
        return Cells(
            low, size, np.where(clear, np.sign(distance), 0.0).reshape((count,) * len(low))
        )

    def _signed(self, points: Array, known: Array) -> Array:
        """Signed distances; ``known`` is the sign where that is known, else 0."""
        upper, lower, middle = self._bounds(points)
        size, side = lower.copy(), known.copy()
        far = (lower >= HALF * upper) & (lower > 0.0) & (len(self._radii) > MORE)
        near = np.flatnonzero(~far)
        aims = self._middles[middle]
        if len(near):
            found = self._settled(points[near])
            size[near] = np.minimum(found.distance, found.bound)
            beside = np.einsum("ni,ni->n", points[near] - found.place, found.normal)
            settled = found.bound >= found.distance
            side[near] = np.where(settled, np.sign(beside), known[near])
            # The point lies on the boundary, which counts as outside.
            side[near[settled & (beside == 0.0)]] = 1.0
            upper[near], lower[near] = found.distance, found.bound
            aims[near] = found.place
        open_ = np.flatnonzero(side == 0.0)
        if len(open_):
            share = PULL * lower[open_] / upper[open_]
            pulled = points[open_] + share[:, None] * (aims[open_] - points[open_])
            side[open_] = np.sign(self._signed(pulled, side[open_]))
        return np.copysign(size, side)

    def _bounds(self, points: Array) -> tuple[Array, Array, Indices]:
        """Distances to the nearest middle, lower bounds of those to facets, and whose middle."""
        upper, lower = np.full(len(points), np.inf), np.full(len(points), np.inf)
        facet = np.zeros(len(points), np.int64)
        for tree, rows, radius in self._trees:
            distance, index = tree.query(points)
            nearer = distance < upper
            upper[nearer], facet[nearer] = distance[nearer], rows[index[nearer]]
            lower = np.minimum(lower, distance - radius)
        return upper, np.maximum(lower, 0.0), facet

    def _settled(self, points: Array) -> Found:
        """The nearest facet, or a bound that is at least half of the distance."""
        found = self._few(points, FEW if len(self._radii) > MORE else MORE)
        close = found.distance < CLOSE * self._radii.max()
        open_ = np.flatnonzero(found.bound < np.where(close, 1.0, HALF) * found.distance)
        for rows in (open_[i : i + SOME] for i in range(0, len(open_), SOME)):
            better = self._within(points[rows], found.distance[rows])
            for name in ("distance", "place", "normal", "facet", "bound"):
                getattr(found, name)[rows] = getattr(better, name)
        return found

    def _few(self, points: Array, count: int) -> Found:
        """The nearest of some facets, whose middles are nearest."""
        parts, distances, bound = [], [], np.full(len(points), np.inf)
        for tree, rows, radius in self._trees:
            k = min(count, len(rows))
            distance, index = tree.query(points, np.arange(1, k + 1))
            parts.append(rows[index])
            distances.append(distance)
            if k < len(rows):
                bound = np.minimum(bound, distance[:, -1] - radius)
        part, middles = np.concatenate(parts, 1), np.concatenate(distances, 1)
        # Those that cannot be nearer than the nearest middle are not looked at.
        row, column = np.nonzero(middles - self._radii[part] <= middles.min(1, keepdims=True))
        return self._best(points, row, part[row, column], np.maximum(bound, 0.0))

    def _within(self, points: Array, reach: Array) -> Found:
        """The nearest of all facets that may be nearer than a distance which one of them has."""
        rows, parts = [], []
        for tree, numbers, radius in self._trees:
            near = tree.query_ball_point(points, reach * (1 + 1e-12) + radius)
            rows.append(np.repeat(np.arange(len(points)), [len(item) for item in near]))
            parts += [numbers[item] for item in near if len(item)]
        row, part = np.concatenate(rows), np.concatenate(parts)
        return self._best(points, row, part, np.full(len(points), np.inf))

    def _best(self, points: Array, row: Indices, part: Indices, bound: Array) -> Found:
        """The nearest of the facets of some parts for each point; every point has one."""
        many = len(self._shell.facets)
        row, facet = np.divmod(np.unique(row * many + self._owner[part]), many)
        corners = self._shell.corners[facet]
        weights = _weights(points[row], corners)
        offset = points[row] - np.einsum("ni,nij->nj", weights, corners)
        square = np.einsum("ni,ni->n", offset, offset)
        first = np.flatnonzero(np.diff(row, prepend=-1))
        least = np.minimum.reduceat(square, first)
        best = np.flatnonzero(square == np.repeat(least, np.diff(first, append=len(row))))
        best = best[np.flatnonzero(np.diff(row[best], prepend=-1))]
        zeros = ((weights[best] <= 0.0) << np.arange(weights.shape[1])).sum(1)
        return Found(
            np.sqrt(least),
            points - offset[best],
            self._shell.pseudonormals[facet[best], zeros],
            facet[best],
            bound,
        )


@dataclass(frozen=True)
class Cells:
    """A grid of cells over a shell: 1 outside, -1 inside, 0 where the boundary may pass.

    Arguments:
        lower: its corner, (d,).
        size: of a cell, (d,).
        side: one number a cell.
    """

    lower: Array
    size: Array
    side: Array

    def sides(self, points: Array) -> Array:
        """What is known of points, (n, d) -> (n,)."""
        place = (points - self.lower) / self.size
        inside = ((place >= 0.0) & (place < self.side.shape)).all(1)
        result = np.ones(len(points))
        # On a wall of the grid there may be a facet: that is left open.
        result[(np.abs(place - np.clip(place, 0.0, self.side.shape)) <= 1e-9).all(1)] = 0.0
        result[inside] = self.side[tuple(place[inside].astype(np.int64).T)]
        return result


def divided(corners: Array, count: int) -> tuple[Array, Indices]:
    """Facets (m, d, d) in about ``count`` parts or more, halved along their longest edges, and the
    facet that each part is of. None are divided where there are as many already."""
    owner = np.arange(len(corners))
    d = corners.shape[1]
    if len(corners) >= count:
        return corners, owner
    if d == 2:
        size = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
    else:
        axes = corners[:, 1:] - corners[:, :1]
        size = 0.5 * np.linalg.norm(np.cross(axes[:, 0], axes[:, 1]), axis=1)
    longest = 2.2 * (size.sum() / count) ** (1 / (d - 1))
    while True:
        edges = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
        long_ = edges.max(1) > longest
        if not long_.any() or len(corners) > 8 * count:
            return corners, owner
        some, which = corners[long_], edges[long_].argmax(1)
        rows = np.arange(len(some))
        a, b, *rest = (some[rows, (which + i) % d] for i in range(d))
        middle = 0.5 * (a + b)
        halves = [np.stack([a, middle, *rest], 1), np.stack([middle, b, *rest], 1)]
        corners = np.concatenate([corners[~long_], *halves])
        owner = np.concatenate([owner[~long_], owner[long_], owner[long_]])


def _weights(points: Array, corners: Array) -> Array:
    """Barycentric coordinates of the closest points of facets, (n, d) and (n, d, d)."""
    return _on_segment(points, corners) if corners.shape[-1] == 2 else _on_triangle(points, corners)


def _dot(a: Array, b: Array) -> Array:
    return np.einsum("ni,ni->n", a, b)


def _on_segment(points: Array, corners: Array) -> Array:
    """Of segments between corners (n, 2, d)."""
    axis = corners[:, 1] - corners[:, 0]
    along = _dot(points - corners[:, 0], axis)
    share = np.clip(along / np.maximum(_dot(axis, axis), 1e-300), 0.0, 1.0)
    return np.stack([1.0 - share, share], axis=-1)


def _on_triangle(points: Array, corners: Array) -> Array:
    """Of triangles: the foot of the perpendicular where it is inside, else of the nearest edge."""
    e, f = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    g = points - corners[:, 0]
    ee, ef, ff, ge, gf = _dot(e, e), _dot(e, f), _dot(f, f), _dot(g, e), _dot(g, f)
    size = ee * ff - ef * ef
    safe = np.maximum(size, 1e-300)
    v, w = (ff * ge - ef * gf) / safe, (ee * gf - ef * ge) / safe
    weights = np.stack([1.0 - v - w, v, w], axis=-1)
    beside = (weights <= 0.0).any(1) | (size <= 1e-28 * ee * ff)
    if beside.any():
        weights[beside] = _on_edges(points[beside], corners[beside])
    return weights


def _on_edges(points: Array, corners: Array) -> Array:
    """The closest points of the three edges of triangles, (n, d) and (n, 3, d)."""
    best, result = np.full(len(points), np.inf), np.zeros((len(points), 3))
    for i, j in ((0, 1), (1, 2), (2, 0)):
        ends = corners[:, [i, j]]
        weights = _on_segment(points, ends)
        offset = points - np.einsum("ni,nij->nj", weights, ends)
        distance = _dot(offset, offset)
        nearer = np.flatnonzero(distance < best)
        best[nearer] = distance[nearer]
        result[nearer] = 0.0
        result[nearer, i], result[nearer, j] = weights[nearer].T
    return result
