"""How points are spread over the parts of a boundary and over the inside of a domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.geometry.pieces import Part
from gmnm_pde.geometry.samplers import LATTICES, lattice, placed, unit_points

_MOST = 2**21
"""Most points one rejection round draws."""

_HOPELESS = 2**16
"""Draws without a single hit after which there is taken to be nothing."""

_MEASURED = 2**13
"""Fewest points an estimated measure rests on."""


class Region(Protocol):
    """What rejection sampling needs to know of a domain."""

    def signed_distance(self, points: Tensor) -> Tensor:
        """Negative inside, a lower bound in size, (n, d) -> (n,)."""

    def contains(self, points: Tensor) -> Tensor:
        """(n, d) -> (n,) bool."""


# ---------------------------------------------------------------------------------- boundary


def sample_parts(
    parts: Sequence[Part], n: int, sampler: str, seed: int, dimension: int
) -> tuple[Tensor, Tensor, float]:
    """Points (n, d), outward normals (n, d) and measure of parts of a boundary."""
    parts = [part for part in parts if part.index.shape[0]]
    if not parts:
        empty = torch.zeros(0, dimension, dtype=torch.float64)
        return empty, empty, 0.0
    measures = torch.cat([part.measures for part in parts])
    total = float(measures.sum())
    if dimension == 1:
        cell, local = torch.arange(measures.shape[0]), torch.zeros(measures.shape[0], 0)
    elif dimension == 2:
        cell, local = _spread_on_curves(measures, n, sampler, seed)
    elif all(part.keep is None for part in parts):
        cell, local = _spread_on_surfaces(parts, measures, n, sampler, seed)
    else:
        return _reject_on_surfaces(parts, measures, n, sampler, seed)
    points, normals, _ = _evaluate(parts, cell, local)
    return points, normals, total


def accepted(part: Part) -> bool:
    """Whether any point of a part is left by its pointwise selection."""
    if part.keep is None:
        return bool(part.index.numel())
    return bool(sample_parts([part], 64, "sobol", 0, part.parameters + 1)[0].shape[0])


def _evaluate(parts: Sequence[Part], cell: Tensor, local: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points, normals and whether they are kept; cells count through all parts."""
    results, places, start = [], [], 0
    for part in parts:
        count = part.index.shape[0]
        here = torch.nonzero((cell >= start) & (cell < start + count))[:, 0]
        results.append(part.evaluate(cell[here] - start, local[here]))
        places.append(here)
        start += count
    order = torch.argsort(torch.cat(places))
    points, normals, keep = (torch.cat(item)[order] for item in zip(*results, strict=True))
    return points, normals, keep


def _spread_on_curves(measures: Tensor, n: int, sampler: str, seed: int) -> tuple[Tensor, Tensor]:
    if sampler in (*LATTICES, "sobol"):
        counts = allocate(measures, n)
        # One common shift: another seed gives other points, and none comes near a corner.
        shift = 0.5
        if sampler == "sobol":
            shift = float(np.random.default_rng(seed).uniform(0.25, 0.75))
        cell = torch.arange(measures.shape[0]).repeat_interleave(counts)
        first = torch.cumsum(counts, 0) - counts
        local = (torch.arange(cell.shape[0]) - first[cell]).double().add(shift) / counts[cell]
        if sampler == "chebyshev":
            local = placed(local, sampler)
        return cell, local[:, None]
    return _pick(measures, unit_points(n, 1, sampler, seed)[:, 0], stretch=True)


def _spread_on_surfaces(
    parts: Sequence[Part], measures: Tensor, n: int, sampler: str, seed: int
) -> tuple[Tensor, Tensor]:
    if sampler in LATTICES:
        cell, local = _lattice_on_surfaces(parts, measures, n)
        return cell, placed(local, sampler)
    unit = unit_points(n, parts[0].parameters + 1, sampler, seed)
    return _pick(measures, unit[:, 0])[0], unit[:, 1:]


def _lattice_on_surfaces(parts: Sequence[Part], measures: Tensor, n: int) -> tuple[Tensor, Tensor]:
    lengths = torch.cat(
        [part.pieces.lengths(part.index) * (part.upper - part.lower) for part in parts]
    )
    counts = allocate(measures, n).tolist()
    locals_ = [
        lattice(count, extent) if count else torch.zeros(0, len(extent), dtype=torch.float64)
        for count, extent in zip(counts, lengths.tolist(), strict=True)
    ]
    sizes = torch.tensor([local.shape[0] for local in locals_])
    return torch.arange(len(counts)).repeat_interleave(sizes), torch.cat(locals_)


def _reject_on_surfaces(
    parts: Sequence[Part], measures: Tensor, n: int, sampler: str, seed: int
) -> tuple[Tensor, Tensor, float]:
    """Draws more points than asked for and keeps n of those that the parts accept."""
    total = float(measures.sum())
    trial = "sobol" if sampler in LATTICES else sampler
    draws = 1 << (max(_MEASURED, 2 * n) - 1).bit_length()
    while True:
        cell, local = _spread_on_surfaces(parts, measures, draws, trial, seed)
        points, normals, keep = _evaluate(parts, cell, local)
        found = int(keep.sum())
        if found >= n or draws >= (_MOST if found else _HOPELESS):
            break
        draws = min(_MOST, max(2 * draws, _next_power(1.3 * n * draws / max(found, 1))))
    measure = total * found / draws
    if sampler in LATTICES and found:
        cell, local = _lattice_on_surfaces(parts, measures, max(n, round(n * draws / found)))
        local = placed(local, sampler)
        points, normals, keep = _evaluate(parts, cell, local)
        return points[keep], normals[keep], measure
    return points[keep][:n], normals[keep][:n], measure


def allocate(measures: Tensor, n: int) -> Tensor:
    """n points over cells in proportion to their measure, (c,); one for each if n allows."""
    edges = torch.floor(torch.cumsum(measures, 0) / measures.sum() * n + 0.5).long()
    edges[-1] = n
    counts = torch.diff(edges, prepend=torch.zeros(1, dtype=torch.long))
    if n >= counts.shape[0]:
        for cell in torch.nonzero(counts == 0)[:, 0].tolist():
            counts[counts.argmax()] -= 1
            counts[cell] = 1
    return counts


def _pick(measures: Tensor, position: Tensor, stretch: bool = False) -> tuple[Tensor, Tensor]:
    """The cell at each position in (0, 1) of all measure, and how far along it, (n, 1)."""
    ends = torch.cumsum(measures, 0)
    position = position * ends[-1]
    cell = torch.searchsorted(ends, position).clamp_(max=measures.shape[0] - 1)
    if not stretch:
        return cell, position[:, None]
    local = (position - ends[cell] + measures[cell]) / measures[cell]
    return cell, local.clamp_(2.0**-31, 1.0 - 2.0**-31)[:, None]


# ---------------------------------------------------------------------------------- interior


def sample_region(
    region: Region | None, lower: Tensor, upper: Tensor, n: int, sampler: str, seed: int
) -> Tensor:
    """Points uniform in the box [lower, upper], and inside the region where one is given.

    Returns:
        (n, d); (0, d) if there is nothing to sample; about n for "grid".
    """
    empty = torch.zeros(0, lower.shape[0], dtype=torch.float64)
    if bool((lower >= upper).any()):
        return empty
    if region is not None:
        centre, radius = 0.5 * (lower + upper), 0.5 * float((upper - lower).norm())
        distance = float(region.signed_distance(centre[None])[0])
        if distance >= radius:
            return empty
        region = None if distance <= -radius else region
    if region is None:
        size = upper - lower
        unit = (
            placed(lattice(n, size.tolist()), sampler)
            if sampler in LATTICES
            else unit_points(n, lower.shape[0], sampler, seed)
        )
        return lower + unit * size
    if sampler in LATTICES:
        return _grid_in(region, lower, upper, n, sampler)
    return _reject(region, lower, upper, n, sampler, seed)


def _reject(
    region: Region, lower: Tensor, upper: Tensor, n: int, sampler: str, seed: int
) -> Tensor:
    """Rejection, first from the box; from cells near the region if that accepts too few."""
    cells, refined = (lower[None], upper[None]), False
    draws = _next_power(max(256, 1.3 * n))
    while True:
        points = _draw(cells, draws, sampler, seed)
        points = points[region.contains(points)]
        found = points.shape[0]
        if found >= n or draws >= _MOST:
            return points[:n]
        if found < 0.1 * draws and not refined:
            cells, refined = _cells_near(region, lower, upper), True
            if cells[0].shape[0] == 0:
                return points[:0]
            continue
        if found == 0 and draws >= _HOPELESS:
            return points
        draws = min(_MOST, max(2 * draws, _next_power(1.2 * n * draws / max(found, 1))))


def _draw(cells: tuple[Tensor, Tensor], draws: int, sampler: str, seed: int) -> Tensor:
    """Points uniform in a union of boxes, two (c, d)."""
    low, high = cells
    size = high - low
    if low.shape[0] == 1:
        return low + unit_points(draws, low.shape[1], sampler, seed) * size
    unit = unit_points(draws, low.shape[1] + 1, sampler, seed)
    cell, _ = _pick(size.prod(1), unit[:, 0])
    return low[cell] + unit[:, 1:] * size[cell]


def _cells_near(region: Region, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes that cover the region: the box halved again and again, without those outside."""
    low, high = lower[None], upper[None]
    for _ in range(60 * lower.shape[0]):
        centre, radius = 0.5 * (low + high), 0.5 * (high - low).norm(dim=1)
        distance = region.signed_distance(centre)
        hit = distance < radius
        low, high = low[hit], high[hit]
        split = distance[hit] > -radius[hit]
        if not bool(split.any()) or low.shape[0] > 2048:
            break
        axis = (high - low)[split].argmax(1, keepdim=True)
        middle = (0.5 * (low + high))[split].gather(1, axis)
        left, right = high[split].scatter(1, axis, middle), low[split].scatter(1, axis, middle)
        low, high = (
            torch.cat([low[~split], low[split], right]),
            torch.cat([high[~split], left, high[split]]),
        )
    return low, high


def _grid_in(region: Region, lower: Tensor, upper: Tensor, n: int, sampler: str) -> Tensor:
    """A lattice on the box with about n of its points inside the region."""
    size = upper - lower
    draws, best = 2 * n, torch.zeros(0, lower.shape[0], dtype=torch.float64)
    for _ in range(6):
        points = lower + placed(lattice(draws, size.tolist()), sampler) * size
        points = points[region.contains(points)]
        found = points.shape[0]
        if abs(found - n) < abs(best.shape[0] - n):
            best = points
        if abs(found - n) <= 0.02 * n or draws >= _MOST:
            break
        draws = min(_MOST, round(draws * (n / found if found else 8.0)))
    return best


def _next_power(number: float) -> int:
    return 1 << max(0, int(number) - 1).bit_length()
