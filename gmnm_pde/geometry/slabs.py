"""Quadrature over any domain in the plane, by slabs across the first coordinate.

Between the places where a piece of the boundary begins, ends or turns back along x, the lengths of
the chords at x are smooth, and grow like a square root at most from the ends. With

    x = m - h cos(theta),   dx = h sin(theta) dtheta

they are smooth in theta up to the ends, and so is the integral over the chords: Gauss-Legendre
along theta and along each chord converges exponentially for smooth functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmnm_pde.geometry.pieces import Facets, Part
from gmnm_pde.quadrature import gauss

if TYPE_CHECKING:
    from gmnm_pde.geometry.domain import Domain

Array = NDArray[np.float64]

SLABS = 128
"""Slabs at most. Corners of a curve of many sides are passed over: they hardly turn."""

PIECES = 8
"""Parts that pieces of a boundary are cut into: none turns back along x within an eighth."""

BISECTIONS = 54
"""Halvings of such a part, down to rounding."""


def slab_quadrature(domain: Domain, n: int) -> tuple[Tensor, Tensor]:
    """About n points (q, 2) in a domain in the plane, and their weights (q,)."""
    x, weights = _columns(domain, n)
    column, low, high = _chords(domain, x)
    nodes, inner = (torch.from_numpy(part) for part in gauss(0.0, 1.0, max(8, round(0.6 * n**0.5))))
    length = high - low
    y = low[:, None] + length[:, None] * nodes
    points = torch.stack([x[column][:, None].expand_as(y), y], dim=-1)
    return points.reshape(-1, 2), (weights[column] * length)[:, None].mul(inner).reshape(-1)


def _columns(domain: Domain, n: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights along x, slab by slab."""
    ends = _ends(domain)
    straight = all(isinstance(part.pieces, Facets) for part in domain.parts)
    rule = gauss if straight else _towards_ends
    per_width = (1.0 if straight else 1.4) * n**0.5 / (ends[-1] - ends[0])
    fewest = 8 if len(ends) < 8 else 3
    parts = [rule(a, b, ceil(per_width * (b - a)) + fewest) for a, b in pairwise(ends)]
    x, weights = (torch.from_numpy(np.concatenate(each)) for each in zip(*parts, strict=True))
    return x, weights


def _towards_ends(start: float, end: float, count: int) -> tuple[Array, Array]:
    """Gauss-Legendre along theta, for what is like a square root at the ends of an interval."""
    angle, weights = gauss(0.0, np.pi, count)
    half = 0.5 * (end - start)
    return start + 2 * half * np.sin(0.5 * angle) ** 2, half * np.sin(angle) * weights


def _ends(domain: Domain) -> list[float]:
    """Where pieces of the boundary begin, end and turn back along x, ascending."""
    bounds = [part.bounds() for part in domain.parts]
    found = torch.cat([torch.cat([low[:, 0], high[:, 0]]) for low, high in bounds]).unique()
    width = domain.upper[0] - domain.lower[0]
    ends = _apart(found.tolist(), 1e-9 * width)
    return ends if len(ends) <= SLABS + 1 else _apart(ends, width / SLABS)


def _apart(places: Sequence[float], least: float) -> list[float]:
    """The first, the last, and those between them that are at least so far apart."""
    kept = [places[0]]
    for place in places[1:-1]:
        if min(place - kept[-1], places[-1] - place) > least:
            kept.append(place)
    return [*kept, places[-1]]


def _chords(domain: Domain, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The parts inside of lines across x: number of the line, and where they begin and end."""
    found = [_crossings(part, x) for part in domain.parts]
    column, y = (torch.cat(each) for each in zip(*found, strict=True))
    order = torch.argsort(y)
    order = order[torch.argsort(column[order], stable=True)]
    column, y = column[order], y[order]
    even = bool((torch.bincount(column, minlength=len(x)) % 2 == 0).all())
    if not even:
        return column[:0], y[:0], y[:0]
    return column[::2], y[::2], y[1::2]


def _crossings(part: Part, x: Tensor) -> tuple[Tensor, Tensor]:
    """Where lines across x cross a part of the boundary: number of the line, and y."""
    steps = torch.arange(PIECES + 1, dtype=x.dtype) / PIECES
    edges = torch.clamp(steps, part.lower, part.upper)
    places = _x_and_y(part, torch.arange(len(edges)).repeat_interleave(PIECES + 1), edges.flatten())
    left = places[:, 0].reshape(edges.shape)
    beyond = x[:, None, None] > left
    line, cell, step = torch.nonzero(beyond[..., :-1] != beyond[..., 1:], as_tuple=True)
    low, high = edges[cell, step], edges[cell, step + 1]
    rising = ~beyond[line, cell, step + 1]
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        before = (x[line] > _x_and_y(part, cell, middle)[:, 0]) == rising
        low, high = torch.where(before, middle, low), torch.where(before, high, middle)
    return line, _x_and_y(part, cell, 0.5 * (low + high))[:, 1]


def _x_and_y(part: Part, cell: Tensor, parameter: Tensor) -> Tensor:
    return part.pieces.evaluate(part.index[cell], parameter[:, None])[0]
