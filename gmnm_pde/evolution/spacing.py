"""How far apart units are along each coordinate, and the lattices that follow from it.

A spacing h(x) > 0 along a coordinate gives the number of units from its lower end,

    n(x) = integral of dx / h(x),

and units stand where n is whole. Beyond the ends units go on at the spacing of the end: without
them a sum of Gaussians cannot follow a function up to the boundary (arXiv 2211.12598).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from math import ceil

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.geometry import Domain

PANEL_UNITS = 2.0
PANEL_POINTS = 5
PANEL_POINTS_LINE = 10
"""Gauss-Legendre points for every so many units; more on a line, where they cost nothing. Products
of units have to be integrated so well that skew operators stay skew: waves must not grow."""

END_POINTS = 5
"""More of them in the first and the last panel."""

SCATTERED_POINTS = 2.5
"""Points over units inside domains that are not boxes."""


@cache
def _gauss(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre points and weights on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


@dataclass(frozen=True)
class Spacing:
    """h at a fine grid of one coordinate, linear between.

    Arguments:
        x: (k,) ascending, from end to end.
        h: (k,), positive.
    """

    x: np.ndarray
    h: np.ndarray

    @property
    def cells(self) -> int:
        """Units from end to end, at least two, as many as an even division by h asks for."""
        return max(2, ceil(self._counted[-1] - 1e-9))

    def at(self, x: np.ndarray) -> np.ndarray:
        """h(x), that of the nearest end beyond the ends."""
        scale = self._counted[-1] / self.cells
        return np.interp(x, self.x, self.h) * scale

    def positions(self, numbers: np.ndarray) -> np.ndarray:
        """Where so many units have been counted; beyond the ends by the spacing there."""
        count = self._counted
        scaled = count * (self.cells / count[-1])
        inside = np.interp(numbers, scaled, self.x)
        first, last = self.at(self.x[0]), self.at(self.x[-1])
        below, above = np.minimum(numbers, 0.0), np.maximum(numbers - self.cells, 0.0)
        return inside + below * first + above * last

    def centres(self, margin: float) -> np.ndarray:
        """Centres from so many units before one end to as many after the other."""
        reach = ceil(margin - 1e-9)
        return self.positions(np.arange(-reach, self.cells + reach + 1, dtype=float))

    @cached_property
    def samples(self) -> np.ndarray:
        """The points of a quadrature and both ends."""
        return np.unique(np.concatenate([self.x[:1], self.quadrature()[0], self.x[-1:]]))

    def quadrature(self, per_panel: int = PANEL_POINTS) -> tuple[np.ndarray, np.ndarray]:
        """Gauss-Legendre points and weights on panels of :data:`PANEL_UNITS` units.

        The first and the last panel have :data:`END_POINTS` more: units in the margin are large
        next to the ends only, and have to be seen there.
        """
        panels = max(2, ceil(self.cells / PANEL_UNITS))
        edges = self.positions(np.linspace(0.0, self.cells, panels + 1))
        points, weights = [], []
        for i, (low, high) in enumerate(pairwise(edges)):
            ends = END_POINTS if i in (0, panels - 1) else 0
            nodes, parts = _gauss(per_panel + ends)
            points.append(low + 0.5 * (high - low) * (1 + nodes))
            weights.append(0.5 * (high - low) * parts)
        return np.concatenate(points), np.concatenate(weights)

    @cached_property
    def _counted(self) -> np.ndarray:
        """Units up to every sample."""
        slices = np.diff(self.x) * 0.5 * (1 / self.h[1:] + 1 / self.h[:-1])
        return np.concatenate([[0.0], np.cumsum(slices)])


@dataclass(frozen=True)
class Lattice:
    """Where units and points go in space.

    Arguments:
        centres, widths: (K, d) both.
        points, weights: (n, d) inside the domain, and (n,) that integrate over it.
        axes: lattices of the coordinates whose product this one is; none where it is not one.
    """

    centres: Tensor
    widths: Tensor
    points: Tensor
    weights: Tensor
    axes: tuple[Lattice, ...] = ()


def lattice(domain: Domain, spacings: Sequence[Spacing], margin: float, ratio: float) -> Lattice:
    """The product of the lattices of every coordinate, as far as the domain needs it.

    Arguments:
        margin: units beyond the boundary.
        ratio: width of a unit over the spacing.
    """
    axes = [spacing.centres(margin) for spacing in spacings]
    widths = [ratio * spacing.at(axis) for spacing, axis in zip(spacings, axes, strict=True)]
    centres, sigma = product(axes), product(widths)
    if domain.fills_box:
        count = PANEL_POINTS_LINE if domain.dimension == 1 else PANEL_POINTS
        parts = [spacing.quadrature(count) for spacing in spacings]
        points = product([nodes for nodes, _ in parts])
        weights = product([w for _, w in parts]).prod(1)
        lines = zip(axes, widths, parts, strict=True)
        return Lattice(
            centres, sigma, points, weights,
            tuple(
                Lattice(_column(c), _column(s), _column(x), torch.from_numpy(w))
                for c, s, (x, w) in lines
            ),
        )  # fmt: skip
    far = domain.signed_distance(centres) / (sigma.amax(1) / ratio)
    near = far <= margin
    centres, sigma = centres[near], sigma[near]
    points = _scattered(domain, centres, sigma / ratio)
    weights = points.new_full((len(points),), domain.measure / len(points))
    return Lattice(centres, sigma, points, weights)


def _scattered(domain: Domain, centres: Tensor, spacing: Tensor) -> Tensor:
    """Evenly spread points inside, several for each unit inside."""
    inside = int(domain.contains(centres).sum())
    count = max(64, ceil(SCATTERED_POINTS * max(inside, len(centres) // 2)))
    return domain.sample_interior(count, "grid")


def _column(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values)[:, None]


def product(axes: Sequence[np.ndarray]) -> Tensor:
    """The tensor product of axes, (n, d)."""
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    return torch.from_numpy(np.ascontiguousarray(grid.reshape(-1, len(axes))))


def even(domain: Domain, axis: int, cells: float, samples: int = 401) -> Spacing:
    """The same spacing everywhere along a coordinate."""
    low, high = domain.lower[axis], domain.upper[axis]
    return Spacing(np.linspace(low, high, samples), np.full(samples, (high - low) / cells))
