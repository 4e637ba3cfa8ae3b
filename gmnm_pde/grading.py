"""Where a layout should become finer.

A residual that is spread over the domain asks for smaller spacings everywhere; one that sits in a
small part, a corner or a layer, asks for a finer patch there, and only along the coordinates in
which the solution changes quickly.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.geometry import Domain
from gmnm_pde.networks import Network
from gmnm_pde.placement import Layout, Patch

HOT = 0.3
"""A point is hot where its indicator is above this part of the largest."""

REENTRANT = 1.01 * np.pi
"""Corners with a larger interior angle are singular for second-order equations."""

CORNER = 0.375
"""A corner's first patch reaches this far from it, in half widths of the bounding box."""

CELLS = 8
"""A patch is looked at in this many parts along each coordinate."""


def grade(layout: Layout, points: Tensor, indicator: Tensor) -> Patch | None:
    """A new patch where the indicator is concentrated; None if it is not.

    Arguments:
        points: (n, d), in every patch.
        indicator: (n,), the size of the weighted residual there.
    """
    worst = points[indicator.argmax()]
    parent = finest(layout, worst)
    hot = points[(indicator > HOT * indicator.max()) & parent.holds(points)]
    box = _hot_box(parent, hot, worst)
    if box is None:
        return None
    lower, upper, fine = box
    spacing = tuple(h / 2 if f else h for h, f in zip(parent.spacing, fine, strict=True))
    patch = Patch(lower, upper, spacing)
    return None if patch in layout.patches else patch


def finest(layout: Layout, point: Tensor) -> Patch:
    """The finest patch that holds a point."""
    return next(
        patch
        for patch in reversed(layout.patches)
        if patch.holds(point[None])[0] or patch is layout.patches[0]
    )


def _hot_box(
    parent: Patch, hot: Tensor, worst: Tensor
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[bool, ...]] | None:
    """The box of hot cells connected to the worst one, and along which coordinates it is narrow.

    None if it is narrow along none. Where it is wide, a layer, it takes all of the parent.
    """
    lower, upper = np.array(parent.lower), np.array(parent.upper)
    size = (upper - lower) / CELLS
    index = np.clip(((hot.numpy() - lower) / size).astype(int), 0, CELLS - 1)
    seed = tuple(np.clip(((worst.numpy() - lower) / size).astype(int), 0, CELLS - 1))
    cells = set(map(tuple, index))
    found, queue = {seed}, [seed]
    offsets = list(product((-1, 0, 1), repeat=len(seed)))
    while queue:
        cell = queue.pop()
        for offset in offsets:
            other = tuple(c + o for c, o in zip(cell, offset, strict=True))
            if other in cells and other not in found:
                found.add(other)
                queue.append(other)
    first = np.min(list(found), axis=0)
    last = np.max(list(found), axis=0) + 1
    extent = last - first
    # A region much longer along one coordinate than along another is a layer, also a short one.
    narrow = (extent <= CELLS // 2) & (extent <= 2 * extent.min())
    if not narrow.any():
        return None
    # Half of the parent: geometric grading, as many spacings in every level as in the one above.
    # The worst point is the middle, so that a corner is, and all hot cells are inside.
    width = np.where(narrow, CELLS // 2, CELLS) * size
    low = worst.numpy() - width / 2
    low = np.clip(low, lower + last * size - width, lower + first * size)
    low = np.clip(low, lower, upper - width)
    return tuple(low.tolist()), tuple((low + width).tolist()), tuple(narrow.tolist())


def variation(network: Network, points: Tensor) -> list[float]:
    """How quickly a network's outputs change along each coordinate, in 1 / length:
    (mean |d^4 u / dx_k^4| / mean |u - mean u|)^(1/4)."""
    d = points.shape[1]
    orders = [tuple(4 * (k == j) for j in range(d)) for k in range(d)]
    with torch.no_grad():
        values = network.derivatives(points, [(0,) * d, *orders])
    base = values[(0,) * d]
    size = (base - base.mean(0)).abs().mean().item() or 1.0
    return [max((values[alpha].abs().mean().item() / size) ** 0.25, 1e-12) for alpha in orders]


def corner_patches(domain: Domain, first: Patch, levels: int) -> tuple[Patch, ...]:
    """Nested patches around every re-entrant corner, halved with each level.

    A solution at a re-entrant corner has unbounded second derivatives. Least squares then smears
    the residual over the domain, so the corner cannot be found from it; the geometry is known.
    Halving was seen to be better than a factor of three or four at the same number of units.
    """
    corners = domain.corners()
    reach = [CORNER * (b - a) / 2 for a, b in zip(first.lower, first.upper, strict=True)]
    return tuple(
        Patch(
            tuple(c - r / 2**level for c, r in zip(corner, reach, strict=True)),
            tuple(c + r / 2**level for c, r in zip(corner, reach, strict=True)),
            tuple(h / 2 ** (level + 1) for h in first.spacing),
        )
        for corner, angle in zip(corners.points.tolist(), corners.angles.tolist(), strict=True)
        if angle > REENTRANT
        for level in range(levels)
    )
