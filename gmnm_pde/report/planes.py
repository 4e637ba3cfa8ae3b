"""The planes that the pictures of a problem show: its domain, slices of it, space against time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gmnm_pde.geometry import Domain
from gmnm_pde.problem import Problem
from gmnm_pde.report.canvas import Canvas, Fence, Raster, Triangles
from gmnm_pde.report.mesh import Array, lattice, lattice_points, mesh_of, slices

FENCE_POINTS = 40_000
NAMED = 4
"""So many coordinates that a slice does not show are named with their values."""

WIDEST, TALLEST = 12.0, 5.0
"""A domain that is wider or taller than this does not get the same scale both ways."""


def space_planes(
    problem: Problem, *, raster: int = 40_000, mesh: int = 16_000, plane: int = 10_000
) -> list[Canvas]:
    """The domain itself in two dimensions; slices through its middle in more.

    There are three slices for one or two unknowns, and one for more: each slice of each unknown
    is a row of panels.

    Arguments:
        raster, mesh, plane: about how many points on a box, on another domain, on a slice.
    """
    domain = problem.domain
    if domain.dimension > 2:
        cuts = slices(domain, plane)[: 3 if len(problem.unknowns) < 3 else 1]
        found: list[Canvas] = [_slice(problem, *cut) for cut in cuts]
        return [one for one in found if one.inside.any()] or found[:1]
    if domain.fills_box:
        return [domain_raster(problem, raster)]
    triangles = mesh_of(domain, mesh)
    return [Triangles(triangles, **_plane_parts(problem, triangles.points))]


def domain_raster(problem: Problem, count: int) -> Raster:
    """A lattice of about ``count`` points over the bounding box of a plane domain."""
    domain = problem.domain
    width, height = np.subtract(domain.upper, domain.lower)
    equal = bool(width < WIDEST * height and height < TALLEST * width)
    if equal:
        columns, rows = lattice(domain, count)
    else:
        columns, rows = np.linspace(domain.lower, domain.upper, round(count**0.5)).T
    points = lattice_points([columns, rows])
    distances = _outside(domain, points)
    return Raster(
        points, (columns, rows), distances=distances, equal=equal, **_plane_parts(problem, points)
    )


def time_plane(problem: Problem, columns: int, rows: int) -> Raster:
    """Space to the right and time up, for one dimension in space; lattice points (x, t)."""
    region = problem.region
    x, t = (
        np.linspace(low, high, count)
        for low, high, count in zip(region.lower, region.upper, (columns, rows), strict=True)
    )
    points = lattice_points([x, t])
    parts = _parts(problem, (x, t), points[:, :1], points[:, :1], points)
    return Raster(points, (x, t), equal=False, **parts)


def fence_places(problem: Problem) -> list[float]:
    """Where subdomains end inside a domain in one dimension."""
    low, high = problem.domain.lower[0], problem.domain.upper[0]
    slack = 1e-9 * (high - low)
    ends = {
        float(x)
        for part in problem.subdomains.values()
        for x in part.sample_boundary(2).points[:, 0]
    }
    return sorted(x for x in ends if low + slack < x < high - slack)


def _slice(problem: Problem, axes: tuple[int, int], lines: list[Array], points: Array) -> Raster:
    domain, names = problem.domain, problem.space
    fixed = [i for i in range(domain.dimension) if i not in axes]
    note = ", ".join(f"{names[i]} = {points[0, i]:g}" for i in fixed[:NAMED])
    if len(fixed) > NAMED:
        note = f"{len(fixed)} others in the middle"
    across = lines[0], lines[1]
    parts = _parts(problem, across, points, points, points[:, list(axes)])
    return Raster(points, across, axes, note, distances=_outside(domain, points), **parts)


def _outside(domain: Domain, points: Array) -> Array | None:
    """Signed distances of a raster's points, None where all of them are inside anyway."""
    if domain.fills_box:
        return None
    return _distances(domain, points)


def _plane_parts(problem: Problem, points: Array) -> dict[str, Any]:
    """The subdomains of a plane domain that is drawn at points (n, 2)."""
    x, y = lattice(problem.domain, FENCE_POINTS)
    return _parts(problem, (x, y), lattice_points([x, y]), points, points)


def _parts(
    problem: Problem, lines: tuple[Array, Array], nodes: Array, points: Array, plane: Array
) -> dict[str, Any]:
    """The subdomains in a plane, as ``fences`` and ``rest`` of a canvas.

    Arguments:
        nodes: of the lattice between the lines, (k, d) in space.
        points: of the canvas, (n, d) in space, and the same in the ``plane``, (n, 2).
    """
    if not problem.subdomains:
        return {}
    domain, shape = problem.domain, tuple(len(line) for line in lines)
    slack = 1e-9 * float(np.subtract(domain.upper, domain.lower).max())
    outside = _distances(domain, nodes)
    fences, free = [], np.ones(len(points), bool)
    for part in sorted(problem.subdomains.values(), key=lambda part: part.measure):
        there, here = _distances(part, nodes), _distances(part, points)
        # A point on the boundary has the value of one side or of the other: it counts for none.
        own = free & (here < -slack)
        free &= here > slack
        line = np.where(outside > slack, np.nan, there)
        if own.any() and (line < 0.0).any() and (line > 0.0).any():
            region = np.maximum(there, outside - slack)
            line, region = (field.reshape(shape).T for field in (line, region))
            fences.append(Fence(lines, line, region, _nearest(plane, own)))
    return {
        "fences": tuple(reversed(fences)),
        "rest": _nearest(plane, free) if fences and free.any() else None,
    }


def _distances(domain: Domain, points: Array) -> Array:
    return domain.signed_distance(torch.from_numpy(np.ascontiguousarray(points))).numpy()


def _nearest(plane: Array, some: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each of n points the nearest of some of them."""
    places = np.flatnonzero(some)
    # Space and time have no common scale; what counts is the way across the boundary.
    scaled = plane / np.maximum(np.ptp(plane, axis=0), 1e-300)
    return places[cKDTree(scaled[places]).query(scaled)[1]]
