"""Polygons, with holes or without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.extras import extra
from gmnm_pde.geometry.closing import closed_shell
from gmnm_pde.geometry.domain import finite_numbers
from gmnm_pde.geometry.faceted import Faceted
from gmnm_pde.geometry.shell import Shell

_PAIRS = 2**21
"""Most pairs of edges compared at once."""

_ARC = 32
"""Edges for a quarter of a circle."""

Vertices = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Polygon(Faceted):
    """A polygon by its vertices in order, either way round; the last need not repeat the first.

    Arguments:
        vertices: of the outer boundary.
        holes: of each hole. With holes shapely is needed (the extra ``geometry``).

    Raises:
        InputError: fewer than three vertices, a vertex twice, no area, edges that cross, or a hole
            that is not inside.
    """

    vertices: Vertices
    holes: tuple[Vertices, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "vertices", _checked(self.vertices, "polygon"))
        holes = [_checked(hole, f"hole {i}") for i, hole in enumerate(self.holes, 1)]
        object.__setattr__(self, "holes", tuple(holes))
        if holes:
            _refuse_misplaced(self.vertices, holes)

    @cached_property
    def shell(self) -> Shell:
        rings = [self.vertices, *(tuple(reversed(hole)) for hole in self.holes)]
        facets, first = [], 0
        for ring in rings:
            number = first + np.arange(len(ring))
            facets.append(np.stack([number, np.roll(number, -1)], 1))
            first += len(ring)
        return closed_shell(np.array([v for ring in rings for v in ring]), np.concatenate(facets))


def buffered(curve: Sequence[Sequence[float]], distance: float) -> Polygon:
    """All points nearer than a distance to a curve through some points; arcs become polygons of
    128 edges a circle. Needs shapely (the extra ``geometry``).

    Arguments:
        curve: (n, 2) points in order; a curve that ends where it begins becomes a ring.

    Raises:
        InputError: fewer than two points, or a distance that is not positive.
    """
    points = [
        finite_numbers(f"point {i} of the curve", point, 2) for i, point in enumerate(curve, 1)
    ]
    (size,) = finite_numbers("the distance", (distance,))
    if len(set(points)) < 2:
        raise InputError("a curve needs two points or more.", mend="Give them as [[x, y], ...].")
    if size <= 0.0:
        raise InputError(f"the distance is {size:g}.", mend="Give a positive one.")
    shapely = extra("shapely", "geometry", "buffered curves")
    return _from_shapely(shapely.LineString(points).buffer(size, quad_segs=_ARC))


def _from_shapely(shape: Any) -> Polygon:
    # Rounding leaves edges of 1e-16 where arcs meet lines: they would have no direction.
    low_x, low_y, high_x, high_y = shape.bounds
    shape = shape.simplify(1e-9 * max(high_x - low_x, high_y - low_y))
    rings = [tuple(ring.coords) for ring in (shape.exterior, *shape.interiors)]
    return Polygon(rings[0], tuple(rings[1:]))


def _refuse_misplaced(outer: Vertices, holes: Sequence[Vertices]) -> None:
    """Raises InputError for a hole that is not inside, or touches another one."""
    shapely = extra("shapely", "geometry", "polygons with holes")
    whole = shapely.Polygon(outer)
    shapes = [shapely.Polygon(hole) for hole in holes]
    for i, shape in enumerate(shapes):
        if not whole.contains_properly(shape):
            raise InputError(
                f"hole {i + 1} of the polygon is not inside it, or touches its edge.",
                mend="Move it inside, or write a `difference`.",
            )
        for j, other in enumerate(shapes[:i]):
            if shape.intersects(other):
                raise InputError(
                    f"holes {j + 1} and {i + 1} of the polygon meet.", mend="Give them as one hole."
                )


def _checked(given: Sequence[Sequence[float]], what: str) -> Vertices:
    vertices = []
    for number, vertex in enumerate(given, 1):
        x, y = finite_numbers(f"{what} vertex {number}", vertex, 2)
        vertices.append((x, y))
    if len(vertices) > 1 and vertices[0] == vertices[-1]:
        vertices.pop()
    if len(set(vertices)) < 3:
        raise InputError(
            f"a {what.split()[0]} of {len(set(vertices))} distinct vertices has no inside.",
            mend="Give three vertices or more.",
        )
    seen: dict[tuple[float, float], int] = {}
    for number, vertex in enumerate(vertices, 1):
        if vertex in seen:
            raise InputError(
                f"{what} vertices {seen[vertex]} and {number} are both {list(vertex)}.",
                mend="Give each vertex once; cut a polygon that touches itself in two.",
            )
        seen[vertex] = number
    _refuse_crossings(vertices, what)
    area = _signed_area(vertices)
    if area == 0.0:
        raise InputError(
            f"the {what} has no area.", mend="Its vertices must not all lie on one line."
        )
    return tuple(vertices) if area > 0.0 else tuple(reversed(vertices))


def _signed_area(vertices: Sequence[tuple[float, float]]) -> float:
    """Positive if counter-clockwise; about the first vertex, so that a far origin costs nothing."""
    x0, y0 = vertices[0]
    moved = [(x - x0, y - y0) for x, y in vertices]
    pairs = zip(moved, [*moved[1:], moved[0]], strict=True)
    return 0.5 * sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)


def _refuse_crossings(vertices: Sequence[tuple[float, float]], what: str) -> None:
    """Raises InputError naming two edges that cross, touch or fold back on each other."""
    start = torch.tensor(vertices, dtype=torch.float64)
    end = torch.roll(start, -1, 0)
    many = len(vertices)
    for rows in torch.arange(many).split(max(1, _PAIRS // many)):
        pairs = _meeting(rows, start, end)
        if len(pairs):
            names = [
                f"edge {k + 1} from {list(vertices[k])} to {list(vertices[(k + 1) % many])}"
                for k in pairs[0].tolist()
            ]
            raise InputError(
                f"the {what} intersects itself: {names[0]} meets {names[1]}.",
                mend="Give the vertices in order around it.",
            )


def _meeting(rows: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Pairs (i, j), i in rows and i < j, of edges that meet where they should not, (k, 2)."""
    count, edge = len(start), end - start
    numbers = torch.arange(count)

    def side(of: Tensor, points: Tensor) -> Tensor:
        """Which side of edges (..., 2) points lie on: -1, 0 (on its line) or 1."""
        begin, along = start[of], edge[of]
        offset = points - begin
        return torch.sign(along[..., 0] * offset[..., 1] - along[..., 1] * offset[..., 0])

    i, j = torch.meshgrid(rows, numbers, indexing="ij")
    low, high = torch.minimum(start, end), torch.maximum(start, end)
    near = ((low[i] <= high[j]) & (high[i] >= low[j])).all(2) & (i < j)
    i, j = i[near], j[near]
    crossing = (side(i, start[j]) * side(i, end[j]) <= 0) & (
        side(j, start[i]) * side(j, end[i]) <= 0
    )
    neighbours = (j - i == 1) | ((i == 0) & (j == count - 1))
    turn = edge[i, 0] * edge[j, 1] - edge[i, 1] * edge[j, 0]
    folded = (turn == 0.0) & ((edge[i] * edge[j]).sum(1) < 0.0)
    bad = torch.where(neighbours, folded, crossing)
    return torch.stack([i, j], 1)[bad]
