"""The distance to a shell and the side of it, for many points at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from gmnm_pde.geometry.shell import Array, Indices, Shell

FEW, MORE = 8, 64
"""Nearest facets by their middles that are looked at first, and where these do not settle it."""

HALF = 0.5
"""A lower bound of a distance that is not below this part of it is as good."""

SIZES = 4.0
"""Facets whose radii differ by more are kept in different trees."""

CELLS = 24_000
"""Cells of the grid on which sides are kept."""

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

    Facets are looked up by their middles: one whose middle is at the distance s and whose radius
    is r is no nearer than s - r. Close to the boundary a few of them settle which is nearest. Far
    from it that bound will do, and the side is that of a point nearer to the boundary, reached
    within a ball that the bound shows to be free of it. Sides are kept for a grid of cells.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._middles = shell.corners.mean(1)
        self._radii = np.linalg.norm(shell.corners - self._middles[:, None], axis=2).max(1)
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
        found = self._among(points, FEW if len(self._radii) > MORE else MORE)
        for count in (MORE, len(self._shell.facets)):
            open_ = np.flatnonzero(found.bound < HALF * found.distance)
            if not len(open_):
                break
            step = max(1, PAIRS // (count * len(self._trees)))
            for rows in (open_[i : i + step] for i in range(0, len(open_), step)):
                better = self._among(points[rows], count)
                for name in ("distance", "place", "normal", "facet", "bound"):
                    getattr(found, name)[rows] = getattr(better, name)
        return found

    def _among(self, points: Array, count: int) -> Found:
        """The nearest of some facets, whose middles are nearest."""
        candidates, bound = [], np.full(len(points), np.inf)
        distances = []
        for tree, rows, radius in self._trees:
            k = min(count, len(rows))
            distance, index = tree.query(points, np.arange(1, k + 1))
            candidates.append(rows[index])
            distances.append(distance)
            if k < len(rows):
                bound = np.minimum(bound, distance[:, -1] - radius)
        facets, middles = np.concatenate(candidates, 1), np.concatenate(distances, 1)
        # Those that cannot be nearer than the nearest middle are not looked at.
        row, column = np.nonzero(middles - self._radii[facets] <= middles.min(1, keepdims=True))
        facet = facets[row, column]
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
            np.maximum(bound, 0.0),
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
