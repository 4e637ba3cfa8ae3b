"""How finely a state has to be resolved, and where: the length over which it changes.

Along a coordinate x an unknown u of half range U changes over

    l = min( U / |u_x|, (U / |u_xx|)^(1/2) ),

near the width of a front and near the wave length over 2 pi of an oscillation. A function whose
nearest complex singularity is delta away needs units about sqrt(x^2 + delta^2) / q apart at a
distance x from it, so l may grow by one for each unit of length, no faster: units then thin out
geometrically away from a front. q, the density, decides the error.

Derivatives are those of the state without waves of a few units: what is left over by earlier steps
at that scale asks for no closer ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.evolution.modes import Modes
from gmnm_pde.evolution.spacing import Spacing
from gmnm_pde.geometry import Domain

FEWEST_CELLS = 4.0
"""Units across the domain are never farther apart than a part of its width by this."""

CLOSEST = 1e-7
"""Units are never closer than this part of the width of the domain: a jump has no length."""

GRID = 401
"""Samples of a coordinate in domains that are not boxes."""

Scales = list[tuple[np.ndarray, np.ndarray]]
"""For each coordinate: its samples x (k,) and l(x) (k,)."""


def scales(
    domain: Domain,
    spacings: Sequence[Spacing],
    modes: Modes,
    c: Tensor,
    sizes: Tensor,
    smooth_first: bool = True,
) -> Scales:
    """l along every coordinate, the smallest over the others and over the unknowns.

    Arguments:
        c: (unknowns, modes).
        sizes: U of each unknown, (unknowns,).
        smooth_first: leave short waves out.
    """
    d = domain.dimension
    if smooth_first:
        c = modes.smoothed(c)
    found = []
    for axis in range(d):
        first, second = (tuple(k * int(i == axis) for i in range(d)) for k in (1, 2))
        slope = modes.derivative(first, c).abs() / sizes[:, None]
        bend = (modes.derivative(second, c).abs() / sizes[:, None]).sqrt()
        rate = torch.maximum(slope, bend).amax(0).numpy()
        width = domain.upper[axis] - domain.lower[axis]
        length = 1 / np.maximum(rate, 1e-12 / width)
        found.append(_along(domain, axis, spacings[axis], modes.points[:, axis].numpy(), length))
    return found


def _along(
    domain: Domain, axis: int, spacing: Spacing, x: np.ndarray, length: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The smallest length at every sample of a coordinate."""
    low, high = domain.lower[axis], domain.upper[axis]
    grid = spacing.samples if domain.fills_box else np.linspace(low, high, GRID)
    smallest = np.full(len(grid), np.inf)
    nearest = np.clip(np.searchsorted(0.5 * (grid[1:] + grid[:-1]), x), 0, len(grid) - 1)
    np.minimum.at(smallest, nearest, length)
    return grid, smooth(grid, smallest)


def smooth(x: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The largest function below that grows by at most one for each unit of x."""
    # Lists: single numbers of an array take several times as long.
    result, gaps = length.tolist(), np.diff(x).tolist()
    for i, gap in enumerate(gaps):
        result[i + 1] = min(result[i + 1], result[i] + gap)
    for i in range(len(gaps) - 1, -1, -1):
        result[i] = min(result[i], result[i + 1] + gaps[i])
    return np.array(result)


def widened(
    scale: tuple[np.ndarray, np.ndarray], reach: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """l with every value carried on for a distance: where fronts will soon have moved to."""
    x, length = scale
    distance = np.maximum(np.abs(x[:, None] - x[None]) - reach[None], 0.0)
    return x, (length[None] + distance).min(1)


def merged(first: Scales, second: Scales) -> Scales:
    """The smaller of two, on the samples of the first."""
    return [
        (x, smooth(x, np.minimum(a, np.interp(x, y, b))))
        for (x, a), (y, b) in zip(first, second, strict=True)
    ]


def spacing_for(
    domain: Domain, scale: Scales, density: float, cells: float = FEWEST_CELLS
) -> list[Spacing]:
    """h = l / density along every coordinate."""
    result = []
    for axis, (x, length) in enumerate(scale):
        width = domain.upper[axis] - domain.lower[axis]
        h = np.clip(length / density, CLOSEST * width, width / cells)
        result.append(Spacing(x, h))
    return result


def shortfall(spacings: Sequence[Spacing], needed: Sequence[Spacing]) -> float:
    """The largest ratio of a spacing to the one needed."""
    return max(
        float((have.at(want.x) / want.at(want.x)).max())
        for have, want in zip(spacings, needed, strict=True)
    )


def speeds(
    domain: Domain, modes: Modes, c: Tensor, rate: Tensor, axis: int, x: np.ndarray
) -> np.ndarray:
    """How fast a state moves along a coordinate, |u_t| / |u_x| where it is steep, (k,)."""
    d = domain.dimension
    first = tuple(int(i == axis) for i in range(d))
    slope = modes.derivative(first, c).abs()
    change = modes.values(rate).abs()
    steep = slope > 0.1 * slope.amax(1, keepdim=True)
    speed = torch.where(steep, change / slope.clamp_min(1e-300), torch.zeros_like(slope)).amax(0)
    result = np.zeros(len(x))
    places = modes.points[:, axis].numpy()
    nearest = np.clip(np.searchsorted(0.5 * (x[1:] + x[:-1]), places), 0, len(x) - 1)
    np.maximum.at(result, nearest, speed.numpy())
    return result
