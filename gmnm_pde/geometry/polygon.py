"""Simple polygons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.geometry.corners import Corners, polygon_corners
from gmnm_pde.geometry.domain import Domain, finite_numbers
from gmnm_pde.geometry.pieces import Facets, Part

_CHUNK = 2**21
"""Most point-edge pairs handled at once: 16 MB for each intermediate."""

Vertices = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Polygon(Domain):
    """A polygon by its vertices in order, either way round; the last need not repeat the first.

    Raises:
        InputError: fewer than three vertices, a vertex twice, no area, or edges that cross.
    """

    vertices: Vertices

    def __post_init__(self) -> None:
        vertices = _checked(self.vertices)
        object.__setattr__(self, "vertices", vertices)

    @cached_property
    def lower(self) -> tuple[float, ...]:
        return tuple(map(min, zip(*self.vertices, strict=True)))

    @cached_property
    def upper(self) -> tuple[float, ...]:
        return tuple(map(max, zip(*self.vertices, strict=True)))

    @cached_property
    def measure(self) -> float:
        return _signed_area(self.vertices)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        start = torch.tensor(self.vertices, dtype=torch.float64)
        edges = torch.roll(start, -1, 0) - start
        # Counter-clockwise: the outside is to the right of every edge.
        normals = torch.stack([edges[:, 1], -edges[:, 0]], 1)
        normals = normals / normals.norm(dim=1, keepdim=True)
        return (Facets(start, edges[:, None], normals).whole(),)

    @cached_property
    def _corners(self) -> Corners:
        return polygon_corners(self.vertices)

    def signed_distance(self, points: Tensor) -> Tensor:
        step = max(1, _CHUNK // len(self.vertices))
        start = points.new_tensor(self.vertices)
        return torch.cat([_signed_distance(part, start) for part in points.split(step)])


def _signed_distance(points: Tensor, start: Tensor) -> Tensor:
    """Exact distance to the nearest edge; the sign from the parity of crossings to the right."""
    edge = torch.roll(start, -1, 0) - start
    x, y = points[:, :1] - start[:, 0], points[:, 1:] - start[:, 1]
    along = ((x * edge[:, 0] + y * edge[:, 1]) / (edge**2).sum(1)).clamp(0.0, 1.0)
    square = (x - along * edge[:, 0]) ** 2 + (y - along * edge[:, 1]) ** 2
    distance = square.amin(1).sqrt()
    # Half-open in y, so a ray through a vertex counts once.
    top = torch.roll(start, -1, 0)[:, 1]
    spans = (points[:, 1:] >= start[:, 1]) != (points[:, 1:] >= top)
    turn = x * edge[:, 1] - y * edge[:, 0]
    crossing = spans & ((turn < 0.0) == (edge[:, 1] > 0.0))
    inside = crossing.sum(1) % 2 == 1
    return torch.where(inside, -distance, distance)


def _checked(given: Sequence[Sequence[float]]) -> Vertices:
    vertices = []
    for number, vertex in enumerate(given, 1):
        x, y = finite_numbers(f"polygon vertex {number}", vertex, 2)
        vertices.append((x, y))
    if len(vertices) > 1 and vertices[0] == vertices[-1]:
        vertices.pop()
    if len(set(vertices)) < 3:
        raise InputError(
            f"a polygon of {len(set(vertices))} distinct vertices has no inside.",
            mend="Give three vertices or more.",
        )
    seen: dict[tuple[float, float], int] = {}
    for number, vertex in enumerate(vertices, 1):
        if vertex in seen:
            raise InputError(
                f"polygon vertices {seen[vertex]} and {number} are both {list(vertex)}.",
                mend="Give each vertex once; cut a polygon that touches itself in two.",
            )
        seen[vertex] = number
    _refuse_crossings(vertices)
    area = _signed_area(vertices)
    if area == 0.0:
        raise InputError(
            "the polygon has no area.", mend="Its vertices must not all lie on one line."
        )
    return tuple(vertices) if area > 0.0 else tuple(reversed(vertices))


def _signed_area(vertices: Sequence[tuple[float, float]]) -> float:
    """Positive if counter-clockwise; about the first vertex, so that a far origin costs nothing."""
    x0, y0 = vertices[0]
    moved = [(x - x0, y - y0) for x, y in vertices]
    pairs = zip(moved, [*moved[1:], moved[0]], strict=True)
    return 0.5 * sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)


def _refuse_crossings(vertices: Sequence[tuple[float, float]]) -> None:
    """Raises InputError naming two edges that cross, touch or fold back on each other."""
    start = torch.tensor(vertices, dtype=torch.float64)
    end = torch.roll(start, -1, 0)
    count = start.shape[0]

    def side(points: Tensor) -> Tensor:
        """Which side of edge i point j lies on, (m, m): -1, 0 (on its line) or 1."""
        edge, offset = (end - start)[:, None], points[None] - start[:, None]
        return torch.sign(edge[..., 0] * offset[..., 1] - edge[..., 1] * offset[..., 0])

    apart = side(start) * side(end)
    low, high = torch.minimum(start, end), torch.maximum(start, end)
    overlap = ((low[:, None] <= high[None]) & (high[:, None] >= low[None])).all(2)
    crossing = (apart <= 0) & (apart.T <= 0) & overlap
    i, j = torch.triu_indices(count, count, 1)
    neighbours = (j - i == 1) | ((i == 0) & (j == count - 1))
    edge = end - start
    turn = edge[i, 0] * edge[j, 1] - edge[i, 1] * edge[j, 0]
    folded = (turn == 0.0) & ((edge[i] * edge[j]).sum(1) < 0.0)
    bad = torch.where(neighbours, folded, crossing[i, j])
    if not bool(bad.any()):
        return
    first = int(torch.nonzero(bad)[0, 0])
    names = [
        f"edge {k + 1} from {list(vertices[k])} to {list(vertices[(k + 1) % count])}"
        for k in (int(i[first]), int(j[first]))
    ]
    raise InputError(
        f"the polygon intersects itself: {names[0]} meets {names[1]}.",
        mend="Give the vertices in order around the polygon.",
    )
