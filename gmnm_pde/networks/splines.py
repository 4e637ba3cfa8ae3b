"""B-splines on knots of their own for each coordinate, with all their derivatives.

    B_(i,0)(x) = 1 for t_i <= x < t_(i+1), else 0
    B_(i,p)(x) = (x - t_i) C_(i,p) + (t_(i+p+1) - x) C_(i+1,p)
    B_(i,p)'   = p C_(i,p) - p C_(i+1,p),          C_(i,p) = B_(i,p-1) / (t_(i+p) - t_i)

De Boor, A Practical Guide to Splines, Springer 2001, chapters IX and X.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor


def extended(grid: Tensor, order: int) -> Tensor:
    """Ends of intervals (inputs, G + 1) as knots (inputs, G + 2k + 1): k more on each side, at the
    mean distance of the given ones."""
    h = (grid[:, -1:] - grid[:, :1]) / (grid.shape[1] - 1)
    steps = h * torch.arange(1, order + 1, dtype=grid.dtype, device=grid.device)
    return torch.cat([grid[:, :1] - steps.flip(1), grid, grid[:, -1:] + steps], dim=1)


def basis(x: Tensor, knots: Tensor, order: int, derivatives: int = 0) -> list[Tensor]:
    """Every B-spline of an order at x (..., inputs), and its derivatives.

    Arguments:
        knots: (inputs, K), rising; one row for each coordinate.
        order: k, the degree of the pieces.
        derivatives: the highest one.

    Returns:
        (..., inputs, K - k - 1) for the values, the first derivatives and so on.
    """
    k, count = order, knots.shape[1]
    at = x.reshape(-1, len(knots))
    interval = torch.searchsorted(knots, at.T.contiguous(), right=True).T - 1
    inside = (interval >= 0) & (interval < count - 1)
    # k more knots on each side, so that every interval has k + 1 splines.
    around = extended(knots, k)
    interval = interval.clamp(0, count - 2) + k
    rows = torch.arange(len(knots), device=x.device) * around.shape[1]
    t = {j: torch.take(around, rows + interval + j) for j in range(1 - k, k + 1)}
    local = _local(at, t, k, derivatives)
    place = interval[..., None] + torch.arange(-k, 1, device=x.device)
    result = []
    for values in local:
        stacked = torch.stack(values, dim=-1) * inside[..., None]
        every = at.new_zeros(*at.shape, count + k - 1).scatter_(-1, place, stacked)
        result.append(every[..., k : count - 1].reshape(*x.shape, count - k - 1))
    return result


def _local(x: Tensor, t: dict[int, Tensor], k: int, derivatives: int) -> list[list[Tensor]]:
    """The k + 1 splines that are not zero in the interval of x, and their derivatives.

    Arguments:
        t: the knots around, t_1 being the first one beyond x.
    """
    # A spline of order p is not zero over p + 1 intervals, l = 0 ... p: from t_(l-p) to t_(l+1).
    orders = [[torch.ones_like(x)]]
    for p in range(1, k + 1):
        parts = [b / (t[m + 1] - t[m + 1 - p]) for m, b in enumerate(orders[-1])]
        rising = [(x - t[m + 1 - p]) * part for m, part in enumerate(parts)]
        falling = [(t[m + 1] - x) * part for m, part in enumerate(parts)]
        inner = [a + b for a, b in zip(rising, falling[1:], strict=False)]
        orders.append([falling[0], *inner, rising[-1]])
    result = [orders[k]]
    for r in range(1, derivatives + 1):
        if r > k:
            result.append([torch.zeros_like(x)] * (k + 1))
            continue
        values = orders[k - r]
        for p in range(k - r + 1, k + 1):
            parts = [p * v / (t[m + 1] - t[m + 1 - p]) for m, v in enumerate(values)]
            inner = [a - b for a, b in pairwise(parts)]
            values = [-parts[0], *inner, parts[-1]]
        result.append(values)
    return result


def fitted(x: Tensor, values: Tensor, knots: Tensor, order: int) -> Tensor:
    """Coefficients of the splines that are closest to values at points.

    Arguments:
        x: (n, inputs).
        values: (inputs, n, outputs).

    Returns:
        (inputs, K - k - 1, outputs); of all that are equally close, the smallest.
    """
    rows = basis(x, knots, order)[0].transpose(0, 1)
    return torch.linalg.pinv(rows, rtol=1e-13) @ values
