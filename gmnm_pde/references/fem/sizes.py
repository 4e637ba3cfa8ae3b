"""How large the triangles of a plane mesh should be, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmnm_pde.problem import Problem
from gmnm_pde.references.fem.outline import Curve
from gmnm_pde.references.stencils import Array
from gmnm_pde.switches import condition_switches

GROWTH = 0.35
"""How much larger triangles may be, over their distance."""

TURN = 0.5
"""Most that the boundary turns along a side, in radians, at COARSE."""

COARSE = 1 / 8
"""Sizes over the domain's from which on those at curves and gaps shrink with all others."""

SMALLEST = 1e-3
"""Of the neighbourhood of a corner, before its triangles are split towards it."""

FINEST = 1e-5
"""The same of the domain: Delaunay's triangulation goes by squares of distances, which rounding
blurs below 1e-8 of it."""

SPARSE = 0.9
"""A source is left out where others ask for a size that is larger by less than this."""

PROBES = 65
TOGETHER = 4_000_000


@dataclass(frozen=True)
class Corner:
    """A place towards which triangles become smaller.

    Around it the solution is like r^power, and sizes like (r / reach)^(1 - grading), not below
    ``least``.
    """

    point: tuple[float, ...]
    reach: float
    power: float
    grading: float
    least: float

    @property
    def singular(self) -> bool:
        """Whether its gradient is unbounded there."""
        return self.power < 1.0


@dataclass(frozen=True, eq=False)
class Sizes:
    """Wanted lengths of sides: the least of ``largest``, of what each source asks for, more with
    the distance from it, and of what the corners do."""

    largest: float
    places: Array
    lengths: Array
    corners: tuple[Corner, ...]

    def at(self, points: Array) -> Array:
        """The size at points (n, 2), (n,)."""
        found = np.full(len(points), self.largest)
        step = max(1, TOGETHER // max(len(self.places), 1))
        for start in range(0, len(points) if len(self.places) else 0, step):
            some = slice(start, start + step)
            gaps = np.linalg.norm(points[some, None] - self.places[None], axis=2)
            found[some] = np.minimum(found[some], (self.lengths + GROWTH * gaps).min(axis=1))
        for corner in self.corners:
            share = np.linalg.norm(points - np.array(corner.point), axis=1) / corner.reach
            graded = np.maximum(share, 1e-300) ** (1.0 - corner.grading)
            graded = np.maximum(graded * min(self.largest, corner.reach), corner.least)
            found = np.where(share < 1.0, np.minimum(found, graded), found)
        return found


def sizes_of(problem: Problem, curves: Sequence[Curve], largest: float, degree: int) -> Sizes:
    """Sizes for triangles of a degree on a domain with such a boundary."""
    domain = problem.domain
    extent = max(b - a for a, b in zip(domain.lower, domain.upper, strict=True))
    finer = min(1.0, largest / (COARSE * extent))
    found = [_of_curve(curve) for curve in curves] + [_of_gaps(curves)]
    places = np.concatenate([place for place, _ in found])
    lengths = finer * np.concatenate([length for _, length in found])
    keep = _needed(places, lengths, largest)
    corners = _corners(problem, curves, extent, degree)
    return Sizes(largest, places[keep], lengths[keep], corners)


def _needed(places: Array, lengths: Array, largest: float) -> list[int]:
    """The sources that ask for clearly less than smaller ones beside them."""
    kept: list[int] = []
    for i in np.argsort(lengths).tolist():
        if lengths[i] >= largest:
            break
        gaps = np.linalg.norm(places[kept] - places[i], axis=1)
        if not kept or lengths[i] < SPARSE * (lengths[kept] + GROWTH * gaps).min():
            kept.append(i)
    return kept


def _of_curve(curve: Curve) -> tuple[Array, Array]:
    """What its length and its curvature ask for at points along it."""
    shares = np.linspace(curve.first, curve.last, PROBES)
    points, normals = curve.at(shares)
    turns = np.linalg.norm(np.diff(normals, axis=0), axis=1)
    step = curve.length / (PROBES - 1)
    lengths = np.minimum(curve.length, TURN * step / np.maximum(turns, 1e-12))
    # Straight ones of which only the length counts need not be looked at everywhere.
    some = slice(None) if turns.max() > 1e-9 else slice(None, None, PROBES - 1)
    return 0.5 * (points[1:] + points[:-1])[some], lengths[some]


def _of_gaps(curves: Sequence[Curve]) -> tuple[Array, Array]:
    """Half the distance to boundary that faces it, where there is some."""
    total = sum(curve.length for curve in curves)
    points, normals = [], []
    for curve in curves:
        count = 4 + math.ceil(500 * curve.length / total)
        shares = (np.arange(count) + 0.5) / count
        found = curve.at(curve.first + shares * (curve.last - curve.first))
        points.append(found[0])
        normals.append(found[1])
    at, out = np.concatenate(points), np.concatenate(normals)
    offset = at[None] - at[:, None]
    gaps = np.linalg.norm(offset, axis=2) + np.diag(np.full(len(at), np.inf))
    # Facing each other through the domain: each lies on the inner side of the other.
    inward = -np.einsum("ijk,ik->ij", offset, out) / gaps
    facing = (inward > 0.8) & (inward.T > 0.8)
    nearest = np.where(facing, gaps, np.inf).min(axis=1)
    some = np.isfinite(nearest)
    return at[some], 0.5 * nearest[some]


def _corners(
    problem: Problem, curves: Sequence[Curve], extent: float, degree: int
) -> tuple[Corner, ...]:
    """Corners with their powers; the worst that a Laplacian can have where it is not known."""
    places: dict[tuple[float, ...], float] = {}
    known = problem.domain.corners()
    for point, angle in zip(known.points.tolist(), known.angles.tolist(), strict=True):
        simple = len(problem.unknowns) == 1 and angle < math.pi
        places[tuple(point)] = math.pi / angle if simple else 0.5
    for point in condition_switches(problem):
        near = [p for p in places if math.dist(p, point) < 1e-6 * extent]
        places[near[0] if near else tuple(point)] = 0.5
    smooth = [curve.at(np.array([curve.first, curve.last]))[0] for curve in curves]
    ends = np.concatenate([*smooth, np.array(list(places)).reshape(-1, 2)])
    corners = []
    for at, power in places.items():
        gaps = np.linalg.norm(ends - np.array(at), axis=1)
        reach = min(0.25 * extent, 0.4 * float(gaps[gaps > 1e-6 * extent].min()))
        grading = power / (degree + 1)
        if grading < 1.0:
            least = max(SMALLEST * reach, FINEST * extent)
            corners.append(Corner(at, reach, power, grading, least))
    return tuple(corners)
