"""The distance to a shell and the side of it, for many points at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmnm_pde.geometry.shell import Array, Indices, Shell

FEW, MORE = 8, 64
"""Nearest facets by their middles that are looked at first, and where these do not settle it."""

HALF = 0.5
"""A lower bound of a distance that is not below this part of it is as good."""

SIZES = 4.0
"""Facets whose radii differ by more are kept in different trees."""

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

    def take(self, rows: NDArray[np.bool_] | Indices) -> Found:
        """Some of the points."""
        return Found(
            self.distance[rows], self.place[rows], self.normal[rows], self.facet[rows],
            self.bound[rows],
        )  # fmt: skip


class NearestFacet:
    """Distances to a shell.

    Facets are looked up by their middles: one whose middle is at the distance s and whose radius
    is r is no nearer than s - r. Close to the boundary a few of them settle which is nearest. Far
    from it they give a lower bound of the distance, and the side is that of a point nearer to the
    boundary, reached within a ball that the bound shows to be free of it.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        middles = shell.corners.mean(1)
        radii = np.linalg.norm(shell.corners - middles[:, None], axis=2).max(1)
        sizes = np.floor(np.log(np.maximum(radii, 1e-300)) / np.log(SIZES)).astype(int)
        self._trees = [
            (cKDTree(middles[rows]), rows, float(radii[rows].max()))
            for rows in (np.flatnonzero(sizes == size) for size in np.unique(sizes))
        ]

    def signed_distance(self, points: Array) -> Array:
        """Negative inside, (n, d) -> (n,): a lower bound in size of at least half the distance,
        exact near the boundary; its sign is exact."""
        step = PAIRS // (FEW * len(self._trees))
        parts = [self._signed(points[i : i + step]) for i in range(0, len(points), step)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def facets(self, points: Array) -> Indices:
        """The nearest facet of points close to the boundary, (n,)."""
        return self._settled(points).facet

    def _signed(self, points: Array) -> Array:
        found = self._settled(points)
        size = np.minimum(found.distance, found.bound)
        side = ((points - found.place) * found.normal).sum(1)
        far = np.flatnonzero(found.bound < found.distance)
        if len(far):
            share = PULL * found.bound[far] / found.distance[far]
            pulled = points[far] + share[:, None] * (found.place[far] - points[far])
            side[far] = self._signed(pulled)
        return np.copysign(size, side)

    def _settled(self, points: Array) -> Found:
        """The nearest facet, or a bound that is at least half of the distance."""
        found = self._among(points, FEW)
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
        for tree, rows, radius in self._trees:
            k = min(count, len(rows))
            distance, index = tree.query(points, np.arange(1, k + 1))
            candidates.append(rows[index])
            if k < len(rows):
                bound = np.minimum(bound, distance[:, -1] - radius)
        facet = np.concatenate(candidates, axis=1)
        weights = _weights(points[:, None], self._shell.corners[facet])
        place = (weights[..., None] * self._shell.corners[facet]).sum(2)
        distance = np.linalg.norm(points[:, None] - place, axis=2)
        rows = np.arange(len(points))
        best = distance.argmin(1)
        facet, weights = facet[rows, best], weights[rows, best]
        zeros = ((weights <= 0.0) << np.arange(weights.shape[1])).sum(1)
        normal = self._shell.pseudonormals[facet, zeros]
        return Found(
            distance[rows, best], place[rows, best], normal, facet, np.maximum(bound, 0.0)
        )


def _weights(points: Array, corners: Array) -> Array:
    """Barycentric coordinates of the closest points of facets, (..., d) and (..., d, d)."""
    return _on_segment(points, corners) if corners.shape[-1] == 2 else _on_triangle(points, corners)


def _on_segment(points: Array, corners: Array) -> Array:
    """Of segments between corners (..., 2, d)."""
    axis = corners[..., 1, :] - corners[..., 0, :]
    along = ((points - corners[..., 0, :]) * axis).sum(-1)
    share = np.clip(along / np.maximum((axis**2).sum(-1), 1e-300), 0.0, 1.0)
    return np.stack([1.0 - share, share], axis=-1)


def _on_triangle(points: Array, corners: Array) -> Array:
    """Of triangles: the foot of the perpendicular where it is inside, else of the nearest edge."""
    a, b, c = (corners[..., i, :] for i in range(3))
    e, f, g = b - a, c - a, points - a
    ee, ef, ff = (e * e).sum(-1), (e * f).sum(-1), (f * f).sum(-1)
    ge, gf = (g * e).sum(-1), (g * f).sum(-1)
    size = ee * ff - ef * ef
    safe = np.maximum(size, 1e-300)
    v, w = (ff * ge - ef * gf) / safe, (ee * gf - ef * ge) / safe
    weights = np.stack([1.0 - v - w, v, w], axis=-1)
    beside = (weights <= 0.0).any(-1) | (size <= 1e-28 * ee * ff)
    if beside.any():
        broad = np.broadcast_to(points, a.shape)[beside]
        weights[beside] = _on_edges(broad, corners[beside])
    return weights


def _on_edges(points: Array, corners: Array) -> Array:
    """The closest points of the three edges of triangles, (n, d) and (n, 3, d)."""
    best, result = np.full(len(points), np.inf), np.zeros((len(points), 3))
    for i in range(3):
        j = (i + 1) % 3
        weights = _on_segment(points, corners[:, [i, j]])
        place = (weights[..., None] * corners[:, [i, j]]).sum(1)
        distance = ((points - place) ** 2).sum(1)
        nearer = distance < best
        best = np.where(nearer, distance, best)
        full = np.zeros_like(result)
        full[:, [i, j]] = weights
        result[nearer] = full[nearer]
    return result
