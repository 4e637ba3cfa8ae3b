"""Where a layout should become finer.

A residual that is spread over the domain asks for smaller spacings everywhere; one that sits in a
small part, a corner or a layer, asks for a finer patch there, and only along the coordinates in
which the solution changes quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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

NEAR_CORNER = 1.0
"""Spacings from a corner within which a hot point is taken to be the corner's."""

CORNER = 0.375
"""A corner's first patch reaches this far from it, in half widths of the bounding box."""

MOST_PATCHES = 4
"""New patches at a time: a square has four corners."""

MOST_NEW = 4
"""Patches at the corners of interfaces that a level adds."""

HOLE = 0.5
"""Largest spacing around a hole, in widths of it where it is narrowest."""

HOLE_REACH = 3.0
"""How far a patch reaches beyond a hole, in its spacings."""

MOST_AROUND = 8
"""Most patches around one hole."""

CELLS = 8
"""A patch is looked at in this many parts along each coordinate."""


def grade(layout: Layout, points: Tensor, indicator: Tensor) -> tuple[Patch, ...]:
    """New patches where the indicator is concentrated; none if it is not.

    Arguments:
        points: (n, d), in every patch.
        indicator: (n,), the size of the weighted residual there.
    """
    hot = indicator > HOT * indicator.max()
    points, indicator = points[hot], indicator[hot]
    patches: list[Patch] = []
    while len(points) and len(patches) < MOST_PATCHES:
        worst = points[indicator.argmax()]
        parent = finest(layout, worst)
        box = _hot_box(parent, points[parent.holds(points)], worst)
        if box is None:
            break
        lower, upper, fine = box
        spacing = tuple(h / 2 if f else h for h, f in zip(parent.spacing, fine, strict=True))
        patch = Patch(lower, upper, spacing)
        if patch in layout.patches:
            break
        patches.append(patch)
        left = ~patch.holds(points)
        points, indicator = points[left], indicator[left]
    return tuple(patches)


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


@dataclass(frozen=True)
class Corner:
    """A corner that patches are nested around.

    Arguments:
        point: where, (d,).
        levels: patches so far.
        step: patches added from level to level of a growing network. Towards a re-entrant corner
            the error falls by two or three with each patch, towards a convex one by about eight.
    """

    point: tuple[float, ...]
    levels: int
    step: int

    def grown(self) -> Corner:
        """With the patches of the next level."""
        return replace(self, levels=self.levels + self.step)

    def patches(self, first: Patch) -> tuple[Patch, ...]:
        """Nested patches, halved with each level.

        Halving was seen to be better than a factor of three or four at the same number of units.
        """
        reach = [CORNER * (b - a) / 2 for a, b in zip(first.lower, first.upper, strict=True)]
        return tuple(
            Patch(
                tuple(c - r / 2**level for c, r in zip(self.point, reach, strict=True)),
                tuple(c + r / 2**level for c, r in zip(self.point, reach, strict=True)),
                tuple(h / 2 ** (level + 1) for h in first.spacing),
            )
            for level in range(self.levels)
        )


def reentrant_corners(domain: Domain) -> tuple[Corner, ...]:
    """The corners at which a solution has unbounded derivatives whatever the data.

    Least squares then smears the residual over the domain, so the corner cannot be found from it;
    but the geometry is known.
    """
    corners = domain.corners()
    return tuple(
        Corner(tuple(point), 4, 4)
        for point, angle in zip(corners.points.tolist(), corners.angles.tolist(), strict=True)
        if angle > REENTRANT
    )


def interface_corners(domain: Domain, pieces: Sequence[Domain]) -> tuple[Corner, ...]:
    """Corners of the pieces of a domain inside it: where an interface turns, or several meet.

    Solutions behave like r^p there with p between 0 and 1, as at a re-entrant corner.
    """
    points = _corners_of(pieces)
    size = max(b - a for a, b in zip(domain.lower, domain.upper, strict=True))
    inside = points[domain.signed_distance(points) < -1e-9 * size]
    step = max(1, MOST_NEW // max(1, len(inside)))
    return tuple(Corner(tuple(point), max(2, step), step) for point in inside.tolist())


def patches_around(domain: Domain, parts: Sequence[Domain], first: Patch) -> tuple[Patch, ...]:
    """Nested patches around parts of a domain that are small beside it, halved with each level.

    A solution varies around a part as far as the part is wide, so that no coarser units can
    follow it. Parts with corners are left to :func:`interface_corners`.
    """
    found: list[Patch] = []
    for part in parts:
        if interface_corners(domain, [part]):
            continue
        lower, upper, spacing = (
            np.array(first.lower),
            np.array(first.upper),
            np.array(first.spacing),
        )
        middle = 0.5 * (np.array(part.lower) + np.array(part.upper))
        around = 2.0 * (np.array(part.upper) - np.array(part.lower))
        while bool((narrow := 0.5 * (upper - lower) >= 0.99 * around).any()):
            width = np.where(narrow, 0.5, 1.0) * (upper - lower)
            lower = np.where(narrow, middle - 0.5 * width, lower)
            upper = np.where(narrow, middle + 0.5 * width, upper)
            spacing = np.where(narrow, 0.5, 1.0) * spacing
            found.append(Patch(*(tuple(v.tolist()) for v in (lower, upper, spacing))))
    return tuple(found)


def patches_around_holes(domain: Domain, first: Patch) -> tuple[Patch, ...]:
    """Nested patches around holes that are narrow beside the spacing, halved with each level.

    What a solution would be inside a hole nothing says, so that it varies around it as quickly as
    the hole is narrow, in every direction; least squares smears what coarser units leave there
    over the domain.
    """
    found: list[Patch] = []
    for low, high in domain.hole_boxes:
        lower, upper = np.array(low), np.array(high)
        narrow, spacing = float((upper - lower).min()), np.array(first.spacing)
        levels: list[np.ndarray] = []
        while len(levels) < MOST_AROUND and float(spacing.max()) > HOLE * narrow:
            spacing = np.minimum(spacing, 0.5 * spacing.max())
            levels.append(spacing)
        for spacing in levels:
            box = lower - HOLE_REACH * spacing, upper + HOLE_REACH * spacing
            found.append(Patch(*(tuple(v.tolist()) for v in (*box, spacing))))
    return tuple(found)


def _corners_of(domains: Sequence[Domain]) -> Tensor:
    """The corners of some domains, those at the same place once, (m, d)."""
    points = torch.cat([domain.corners().points for domain in domains])
    kept: list[Tensor] = []
    for point in points:
        size = 1e-9 * (1 + float(point.abs().max()))
        if not any(bool(((point - other).abs() < size).all()) for other in kept):
            kept.append(point)
    return torch.stack(kept) if kept else points


def hot_corners(
    layout: Layout, known: Sequence[Corner], points: Tensor, indicator: Tensor
) -> tuple[Corner, ...]:
    """Convex corners at which the indicator is concentrated, none if the worst point is elsewhere.

    A source that does not vanish in a corner held at zero gives a solution like r^2 log r there.

    Arguments:
        known: corners that have patches already.
        points, indicator: as for :func:`grade`.
    """
    corners = _corners_of((layout.domain, *layout.pieces))
    if not len(corners):
        return ()
    spacing = points.new_tensor(layout.patches[0].spacing)
    distance = ((points[:, None] - corners) / spacing).norm(dim=2)
    hot = indicator > HOT * indicator.max()
    at_corner = distance <= NEAR_CORNER
    if not at_corner[indicator.argmax()].any():
        return ()
    taken = {corner.point for corner in known}
    found = [
        tuple(corners[j].tolist()) for j in range(len(corners)) if (hot & at_corner[:, j]).any()
    ]
    return tuple(Corner(point, 2, 2) for point in found if point not in taken)
