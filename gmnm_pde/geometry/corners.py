"""Corners of two-dimensional domains and their interior angles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.geometry.pieces import Part

_DIRECTIONS = 720
_PROBES = 2**18
_STRAIGHT = 1e-3
"""Angles this close to pi are no corner, but a place where two pieces meet smoothly. The
estimate looks at a circle of 1e-5 of the domain, so a curved edge turns it by about 1e-5."""


@dataclass(frozen=True, eq=False)
class Corners:
    """Corners of a domain.

    Arguments:
        points: (m, 2); (0, d) for domains without corners.
        angles: (m,) interior angles in (0, 2 pi), re-entrant above pi.
    """

    points: Tensor
    angles: Tensor


def no_corners(dimension: int) -> Corners:
    """What a domain without corners has."""
    zeros = torch.zeros(0, dimension, dtype=torch.float64)
    return Corners(zeros, zeros.sum(1))


def find_corners(
    contains: Callable[[Tensor], Tensor],
    parts: Sequence[Part],
    lower: Sequence[float],
    upper: Sequence[float],
) -> Corners:
    """The ends of boundary pieces where the interior angle is not pi.

    The angle is the share of a small circle that lies inside, its ends found by bisection:
    it needs no knowledge of which pieces meet there.
    """
    scale = math.dist(lower, upper)
    points = _ends(parts, 1e-8 * scale)
    gaps = torch.cdist(points, points) + torch.diag(torch.full((points.shape[0],), torch.inf))
    radii = torch.clamp(0.25 * gaps.amin(1), max=1e-5 * scale)
    angles = _angles(contains, points, radii)
    keep = (angles - math.pi).abs() > _STRAIGHT
    return Corners(points[keep], angles[keep])


def _ends(parts: Sequence[Part], tolerance: float) -> Tensor:
    """Both ends of every cell, (m, 2), each place once; not where a piece goes on smoothly."""
    ends = [torch.zeros(0, 2, dtype=torch.float64)]
    for part in parts:
        joins = part.pieces.joins(part.index)
        for k, end in enumerate((part.lower, part.upper)):
            keep = ~(joins[:, k] & (end[:, 0] == float(k)))
            ends.append(part.pieces.evaluate(part.index[keep], end[keep])[0])
    points = torch.cat(ends)
    near = torch.cdist(points, points) < tolerance
    first = near.to(torch.uint8).argmax(1)
    return points[first == torch.arange(points.shape[0])]


def _angles(contains: Callable[[Tensor], Tensor], points: Tensor, radii: Tensor) -> Tensor:
    """Interior angle at each point, (m,)."""

    def inside(index: Tensor, angle: Tensor) -> Tensor:
        direction = torch.stack([angle.cos(), angle.sin()], 1)
        return contains(points[index] + radii[index, None] * direction)

    count = points.shape[0]
    directions = max(90, min(_DIRECTIONS, _PROBES // max(count, 1)))
    step = 2.0 * math.pi / directions
    # Offset by an irrational fraction: edges along round angles would be hit exactly.
    angle = (torch.arange(directions + 1, dtype=torch.float64) + math.sqrt(0.1)) * step
    index = torch.arange(count).repeat_interleave(directions + 1)
    value = inside(index, angle.repeat(count)).reshape(count, -1)
    total = step * 0.5 * (value[:, :-1].double() + value[:, 1:]).sum(1)
    row, column = torch.nonzero(value[:, :-1] != value[:, 1:], as_tuple=True)
    left, right = angle[column], angle[column + 1]
    was = value[row, column]
    for _ in range(50):
        middle = 0.5 * (left + right)
        same = inside(row, middle) == was
        left, right = torch.where(same, middle, left), torch.where(same, right, middle)
    shift = left - angle[column] - 0.5 * step
    return total.index_add(0, row, torch.where(was, shift, -shift))
