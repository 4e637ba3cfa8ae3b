"""Rank-revealing linear least squares, on CPU and CUDA.

The matrices of smooth bases are numerically rank deficient on purpose: their condition number says
nothing about the error, the size of the coefficients does. So normal equations are of no use here
(they stop at 1e-6), columns are scaled to norm one first, and directions below rounding are damped.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

RIDGE = 1e-15
"""Damping relative to columns of norm one: about rounding."""

BLOCK = 128
"""Columns of a triangle that are eliminated together."""

PANEL, MANY = 256, 1000
"""About so many columns of a matrix are eliminated together if it has many."""


@dataclass(frozen=True)
class Factored:
    """min |A x - b|^2 + RIDGE^2 |scale x|^2 brought to triangular form.

    One factorisation serves every damping: solving again costs a smaller factorisation only.

    Arguments:
        R, c: the triangle (k, k) and the right-hand side (k,) for the scaled unknowns scale * x.
        outside: the part of |b| that no x reaches.
    """

    R: Tensor
    c: Tensor
    scale: Tensor
    outside: float

    def solve(self, ridge: float = RIDGE) -> Tensor:
        """The x that minimises |A x - b|^2 + ridge^2 |scale x|^2, (k,), ridge at least RIDGE."""
        if ridge > RIDGE:
            return damped_solve(self.R, self.c, ridge) / self.scale
        return torch.linalg.solve_triangular(self.R, self.c[:, None], upper=True)[:, 0] / self.scale

    def residual(self, x: Tensor) -> float:
        """|A x - b|."""
        inside = (self.R @ (self.scale * x) - self.c).norm().item()
        return float((inside**2 + self.outside**2) ** 0.5)


def factor(A: Tensor, b: Tensor) -> Factored:
    """Scale the columns of A (rows, k) and triangularise it with b (rows,).

    A blocked Householder factorisation of the rows and of RIDGE times the identity below them,
    which damps what is below rounding as truncation by pivoting or singular values would, in less
    than half of their time and by the same calls on CPU and CUDA. (LAPACK's factorisation of two
    stacked triangles would save a third more; called through scipy it brings a second pool of
    threads, which was seen to slow it down a hundredfold on busy machines.)
    """
    scale = _column_scale(A)
    rows, k = A.shape
    if k >= MANY and not A.is_cuda:
        return _by_panels(torch.cat([A / scale, b[:, None]], dim=1), scale)
    both = A.new_zeros(rows + k, k + 1)
    torch.div(A, scale, out=both[:rows, :k])
    both[:rows, k] = b
    both[rows:].diagonal().fill_(RIDGE)
    triangle = torch.linalg.qr(both, mode="r").R
    outside = triangle[k, k].abs().item() if triangle.shape[0] > k else 0.0
    return Factored(triangle[:k, :k], triangle[:k, k], scale, outside)


def _by_panels(rest: Tensor, scale: Tensor) -> Factored:
    """:func:`factor` of scaled rows and right-hand side (rows, k + 1), some columns at a time.

    Only those rows of the identity take part that have something in these columns, which saves a
    fifth of the time. With fewer columns than MANY, copies take as much.
    """
    rows, k = len(rest), len(scale)
    R, c = rest.new_zeros(k, k), rest.new_empty(k)
    size = ceil(k / max(1, round(k / PANEL)))
    for start in range(0, k, size):
        end = min(start + size, k)
        now = end - start
        # By columns, as LAPACK wants it.
        both = rest.new_zeros(rest.shape[1], rows + now).T
        both[:rows] = rest
        both[rows:].diagonal().fill_(RIDGE)
        a, tau = torch.geqrf(both[:, :now])
        turned = torch.ormqr(a, tau, both[:, now:], transpose=True)
        R[start:end, start:end] = a[:now].triu()
        R[start:end, end:], c[start:end] = turned[:now, :-1], turned[:now, -1]
        rest = turned[now:]
    return Factored(R, c, scale, rest[:, -1].norm().item())


@dataclass(frozen=True)
class Reflections:
    """The scaled columns of a matrix A (rows, k) with RIDGE times the identity below them, as a
    product of Householder reflections and a triangle: any number of right-hand sides can follow.

    Arguments:
        a, tau: as LAPACK's geqrf leaves them, (rows + k, k) and (k,).
    """

    a: Tensor
    tau: Tensor
    scale: Tensor

    @property
    def R(self) -> Tensor:
        """The triangle, (k, k)."""
        return self.a[: len(self.scale)].triu()

    def against(self, b: Tensor, x: Tensor | None = None) -> Factored:
        """min |A y - b|^2 + RIDGE^2 |scale (x + y)|^2 in triangular form; x (k,) is zero if not
        given."""
        k = len(self.scale)
        below = b.new_zeros(k) if x is None else -RIDGE * self.scale * x
        turned = torch.ormqr(self.a, self.tau, torch.cat([b, below])[:, None], transpose=True)[:, 0]
        outside = turned[k:].norm().item()
        return Factored(self.R, turned[:k], self.scale, outside)


def reflections(A: Tensor) -> Reflections:
    """Scale the columns of A (rows, k), in place, and factorise it for many right-hand sides."""
    scale = _column_scale(A)
    below = torch.eye(A.shape[1], dtype=A.dtype, device=A.device).mul_(RIDGE)
    a, tau = torch.geqrf(torch.cat([A.div_(scale), below]))
    return Reflections(a, tau, scale)


def damped_solve(R: Tensor, c: Tensor, ridge: float) -> Tensor:
    """min |R x - c|^2 + ridge^2 |x|^2 for upper triangular R (k, k), c (k,).

    R and c of fewer rows than unknowns are taken to have zeros below.

    The rows below R are a triangle as well, from the left to the right: a block of columns at a
    time, only the rows that have something in it take part. That is a third of the work.
    """
    k = R.shape[1]
    top = R.new_zeros(k, k + 1)
    top[: len(R), :k], top[: len(R), k] = R, c
    below = torch.eye(k, k + 1, dtype=R.dtype, device=R.device).mul_(ridge)
    for start in range(0, k, BLOCK):
        end = min(start + BLOCK, k)
        size = end - start
        both = torch.cat([top[start:end, start:], below[:end, start:]])
        a, tau = torch.geqrf(both[:, :size])
        turned = torch.ormqr(a, tau, both[:, size:].contiguous(), transpose=True)
        top[start:end, start:end] = a[:size].triu()
        top[start:end, end:], below[:end, end:] = turned[:size], turned[size:]
    return torch.linalg.solve_triangular(top[:, :k], top[:, k:], upper=True)[:, 0]


def _column_scale(A: Tensor) -> Tensor:
    """The norms of the columns, one where a column is zero."""
    scale = A.norm(dim=0)
    return torch.where(scale > 0, scale, torch.ones_like(scale))
