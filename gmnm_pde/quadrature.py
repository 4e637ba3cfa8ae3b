"""Sums that stand for integrals over a domain in space, for rows at one time or at many.

With time the integral is one over space at the time of the row. Rows at few different times get
the sums at these; rows at many get them at the Chebyshev points of the first kind of the interval
of time, and between these by barycentric interpolation (J.-P. Berrut and L. N. Trefethen, SIAM
Review 46, 2004, eqs. 4.2 and 5.3), whose error falls exponentially for functions smooth in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

NODES = 64
"""Nodes of one Gauss-Legendre rule at most; an interval that gets more is cut into panels."""

TIMES = 48
"""Different times at which integrals are evaluated, at most."""


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Integrals over space for n rows.

        I_i = sum_k spread_ik  sum_q average_kq f(x_q)

    Arguments:
        points: (q, d), with time the same points of space at m times.
        average: (m, q), dense or sparse.
        spread: (n, m), None where m = 1 and all rows get the same number.
    """

    points: Tensor
    average: Tensor
    spread: Tensor | None = None

    def at_rows(self, sums: Tensor, n: int) -> Tensor:
        """What the rows get of the sums average @ f, (m, ...) -> (n, ...)."""
        return sums.expand(n, *sums.shape[1:]) if self.spread is None else self.spread @ sums

    def to(self, example: Tensor) -> Quadrature:
        """On the device of a tensor, in its dtype."""
        spread = None if self.spread is None else self.spread.to(example)
        return Quadrature(self.points.to(example), self.average.to(example), spread)


def steady(nodes: Tensor, weights: Tensor) -> Quadrature:
    """One number for all rows."""
    return Quadrature(nodes, weights[None])


def at_one_time(nodes: Tensor, weights: Tensor, time: float) -> Quadrature:
    """One number for all rows, which are at the same time."""
    return steady(torch.cat([nodes, nodes.new_full((len(nodes), 1), time)], 1), weights)


def at_each_time(rule: Quadrature, times: Sequence[float], rows: int) -> Quadrature:
    """A sum at one time taken at others: so many rows at the first, as many at the next."""
    count = len(times)
    points = rule.points.repeat(count, 1)
    points[:, -1] = points.new_tensor(times).repeat_interleave(len(rule.points))
    spread = torch.eye(count).to(points).repeat_interleave(rows, 0)
    return Quadrature(points, _repeated(rule.average[0], count), spread)


def at_times(nodes: Tensor, weights: Tensor, times: Tensor, most: int = TIMES) -> Quadrature:
    """Integrals at the times of rows, (n,).

    Arguments:
        nodes, weights: in space, (q, d) and (q,).
        most: different times at most; beyond, integrals are interpolated in time.
    """
    times = times.detach().to(nodes)
    found, index = torch.unique(times, return_inverse=True)
    if len(found) == 1:
        return at_one_time(nodes, weights, float(found[0]))
    if len(found) <= most:
        spread = torch.nn.functional.one_hot(index, len(found)).to(nodes)
    else:
        found, spread = interpolation(times, float(times.min()), float(times.max()), most)
    points = torch.cat(
        [nodes.repeat(len(found), 1), found.repeat_interleave(len(nodes))[:, None]], 1
    )
    return Quadrature(points, _repeated(weights, len(found)), spread)


def interpolation(times: Tensor, start: float, end: float, count: int) -> tuple[Tensor, Tensor]:
    """Chebyshev points of the first kind of [start, end], (m,), and the matrix (n, m) that
    interpolates values there to times (n,)."""
    angle = (torch.arange(count, dtype=times.dtype, device=times.device) + 0.5) * (torch.pi / count)
    nodes = 0.5 * (start + end) - 0.5 * (end - start) * angle.cos()
    weights = angle.sin() * (1.0 - 2.0 * (torch.arange(count, device=times.device) % 2))
    gaps = times[:, None] - nodes
    hit = gaps == 0.0
    terms = weights / torch.where(hit, torch.ones_like(gaps), gaps)
    plain = terms / terms.sum(1, keepdim=True)
    return nodes, torch.where(hit.any(1, keepdim=True), hit.to(times), plain)


def gauss_box(
    lower: Sequence[float], upper: Sequence[float], per_axis: int
) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes (n, d) and weights (n,) of a box; in panels beyond :data:`NODES`."""
    axes = [gauss(a, b, per_axis) for a, b in zip(lower, upper, strict=True)]
    grid = np.stack(np.meshgrid(*[nodes for nodes, _ in axes], indexing="ij"), -1)
    weights = np.stack(np.meshgrid(*[weights for _, weights in axes], indexing="ij"), -1)
    d = len(axes)
    return (
        torch.from_numpy(np.ascontiguousarray(grid.reshape(-1, d))),
        torch.from_numpy(weights.reshape(-1, d).prod(1)),
    )


def gauss(start: float, end: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights of an interval, about so many."""
    panels = ceil(count / NODES)
    nodes, weights = np.polynomial.legendre.leggauss(ceil(count / panels))
    half = 0.5 * (end - start) / panels
    middles = start + half * (2 * np.arange(panels) + 1)
    return (middles[:, None] + half * nodes).ravel(), np.tile(half * weights, panels)


def _repeated(weights: Tensor, count: int) -> Tensor:
    """Each of ``count`` rows applies the weights to its own points, (count, count n), sparse."""
    n = len(weights)
    rows = torch.arange(count, device=weights.device).repeat_interleave(n)
    columns = torch.arange(count * n, device=weights.device)
    return torch.sparse_coo_tensor(
        torch.stack([rows, columns]),
        weights.repeat(count),
        (count, count * n),
        check_invariants=False,
    )
