"""B-splines on knots of their own for each coordinate, with all their derivatives.

    B_(i,0)(x) = 1 for t_i <= x < t_(i+1), else 0
    B_(i,p)(x) = (x - t_i) C_(i,p) + (t_(i+p+1) - x) C_(i+1,p)
    B_(i,p)'   = p C_(i,p) - p C_(i+1,p),          C_(i,p) = B_(i,p-1) / (t_(i+p) - t_i)

De Boor, A Practical Guide to Splines, Springer 2001, chapters IX and X. A sum of splines is one
polynomial in every interval; where only the sum is needed that form, chapter VII, is much cheaper.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import pad


def extended(grid: Tensor, order: int) -> Tensor:
    """Ends of intervals (inputs, G + 1) as knots (inputs, G + 2k + 1): k more on each side, at the
    mean distance of the given ones."""
    h = (grid[:, -1:] - grid[:, :1]) / (grid.shape[1] - 1)
    steps = h * torch.arange(1, order + 1, dtype=grid.dtype, device=grid.device)
    return torch.cat([grid[:, :1] - steps.flip(1), grid, grid[:, -1:] + steps], dim=1)


def basis(
    x: Tensor, knots: Tensor, order: int, derivatives: int = 0, slopes: Tensor | None = None
) -> list[Tensor]:
    """Every B-spline of an order at x (..., inputs), and its derivatives.

    Arguments:
        knots: (inputs, K), rising; one row for each coordinate.
        order: k, the degree of the pieces.
        derivatives: the highest one.
        slopes: of the splines on these knots, by :func:`pieces`, if they are known.

    Returns:
        (..., inputs, K - k - 1) for the values, the first derivatives and so on.
    """
    slopes = pieces(knots, order) if slopes is None else slopes
    splines = knots.shape[1] - order - 1
    first, values = local(x, knots, slopes, derivatives)
    return [spread(first, value[..., None], splines)[..., 0] for value in values]


def local(
    x: Tensor, knots: Tensor, slopes: Tensor, derivatives: int
) -> tuple[Tensor, list[Tensor]]:
    """The k + 1 splines that may not be zero at x (..., inputs), and their derivatives.

    Returns:
        The number of the first of them, from -k - 1 on, and each (..., inputs, k + 1).
    """
    k = slopes.shape[-1] - 1
    interval, row, z = _located(x, knots)
    table = pad(slopes.flatten(2), (0, 0, 1, 1)).flatten(0, 1)
    return interval - k - 1, _taylor(table, row, z, k, derivatives)


def spread(first: Tensor, values: Tensor, count: int) -> Tensor:
    """What belongs to the k + 1 splines of :func:`local`, (..., inputs, k + 1, m), among all,
    (..., inputs, count, m)."""
    k, m = values.shape[-2] - 1, values.shape[-1]
    place = first[..., None] + torch.arange(k + 1, 2 * k + 2, device=first.device)
    every = values.new_zeros(*first.shape, count + 2 * k + 2, m)
    every.scatter_(-2, place[..., None].expand_as(values), values)
    return every[..., k + 1 : k + 1 + count, :]


def sums(
    x: Tensor, knots: Tensor, slopes: Tensor, weights: Tensor, derivatives: int = 0
) -> list[Tensor]:
    """sum_c w_c B_c(x) and its derivatives, with a graph to the weights and to x.

    Arguments:
        x: (..., inputs).
        knots: (inputs, K).
        slopes: of the splines on these knots, by :func:`pieces`.
        weights: (inputs, K - k - 1, outputs).
        derivatives: the highest one.

    Returns:
        (..., inputs, outputs) for the values, the first derivatives and so on.
    """
    k = slopes.shape[-1] - 1
    _, row, z = _located(x, knots)
    padded, intervals = pad(weights, (0, 0, k, k)), knots.shape[1] - 1
    # Not Tensor.unfold, whose backward pass cannot be mapped.
    windows = torch.stack([padded[:, c : c + intervals] for c in range(k + 1)], dim=2)
    table = pad((slopes @ windows).flatten(2), (0, 0, 1, 1)).flatten(0, 1)
    return _taylor(table, row, z, k, derivatives)


def _located(x: Tensor, knots: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The interval of x (..., inputs): its number, 0 before the first knot and K from the last one
    on; its row in tables of all coordinates; the distance from where it begins."""
    inputs, count = knots.shape
    # Few knots: comparing with all of them costs no more than looking each x up, and may be mapped.
    interval = (x.detach()[..., None] >= knots).sum(-1)
    row = interval + (count + 1) * torch.arange(inputs, device=x.device)
    # Before the first knot all is zero, from wherever.
    begins = torch.cat([knots[:, :1], knots], dim=1).flatten()
    return interval, row, x - begins.index_select(0, row.reshape(-1)).reshape(x.shape)


def _taylor(table: Tensor, row: Tensor, z: Tensor, k: int, derivatives: int) -> list[Tensor]:
    """Polynomials and their derivatives, each (..., inputs, m).

    Arguments:
        table: derivatives 0 to k at z = 0, (rows, (k + 1) m).
        row: of the table, (..., inputs).
        z: (..., inputs).
    """
    m = table.shape[1] // (k + 1)
    found = table.index_select(0, row.reshape(-1)).reshape(*row.shape, k + 1, m).unbind(-2)
    parts = [z[..., None] / q for q in range(1, k + 1)]
    result = []
    for r in range(derivatives + 1):
        total = found[k] if r <= k else torch.zeros_like(found[k])
        for q in range(k - 1, r - 1, -1):
            total = torch.addcmul(found[q], total, parts[q - r])
        result.append(total)
    return result


def pieces(knots: Tensor, order: int) -> Tensor:
    """Derivatives of splines where the intervals between knots begin.

    Of the splines c = i - k ... i, which are all that do not vanish for t_i <= x < t_(i+1),

        B_c(x) = sum_q B_c^(q)(t_i) (x - t_i)^q / q! .

    Arguments:
        knots: (inputs, K), rising.

    Returns:
        B_c^(q)(t_i), (inputs, K - 1, k + 1 derivatives, k + 1 splines). Those beyond the ends,
        which a sum over the splines does not have, are splines on knots that go on evenly.
    """
    k, count = order, knots.shape[1]
    around = extended(knots, k)
    t = {j: around[:, k + j : k + j + count - 1] for j in range(1 - k, k + 1)}
    rows = _recursive(knots[:, :-1], t, k, k)
    return torch.stack([torch.stack(values, dim=-1) for values in rows], dim=2)


def _recursive(x: Tensor, t: dict[int, Tensor], k: int, derivatives: int) -> list[list[Tensor]]:
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
