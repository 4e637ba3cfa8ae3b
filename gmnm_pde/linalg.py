"""Rank-revealing linear least squares, on CPU and CUDA.

The matrices of smooth bases are numerically rank deficient on purpose: their condition number says
nothing about the error, the size of the coefficients does. So normal equations are of no use here
(they stop at 1e-6), columns are scaled to norm one first, and directions below rounding are damped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.linalg import lapack
from torch import Tensor

RIDGE = 1e-15
"""Damping relative to columns of norm one: about rounding."""


@dataclass(frozen=True)
class Factored:
    """min |A x - b| brought to triangular form: Q'A / scale = [R; 0], Q'b = [c; rest].

    One factorisation serves every damping: solving again costs the smaller factorisation only.
    """

    R: Tensor
    c: Tensor
    scale: Tensor
    outside: float

    def solve(self, ridge: float = RIDGE) -> Tensor:
        """The x that minimises |A x - b|^2 + ridge^2 |scale x|^2, (k,)."""
        return damped_solve(self.R, self.c, ridge) / self.scale

    def residual(self, x: Tensor) -> float:
        """|A x - b|."""
        inside = (self.R @ (self.scale * x) - self.c).norm().item()
        return float((inside**2 + self.outside**2) ** 0.5)


def factor(A: Tensor, b: Tensor) -> Factored:
    """Scale the columns of A (rows, k), in place, and triangularise it with b (rows,).

    The first of two Householder factorisations, a fast blocked one; the second, of [R; ridge I],
    damps what is below rounding as truncation by pivoting or singular values would, at a third of
    their time.
    """
    scale = A.norm(dim=0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    A = A.div_(scale)
    rows, k = A.shape
    if rows < k:
        A = torch.cat([A, A.new_zeros(k - rows, k)])
        b = torch.cat([b, b.new_zeros(k - rows)])
    triangle = torch.linalg.qr(torch.cat([A, b[:, None]], dim=1), mode="r").R
    outside = triangle[k, k].abs().item() if triangle.shape[0] > k else 0.0
    return Factored(triangle[:k, :k], triangle[:k, k], scale, outside)


def damped_solve(R: Tensor, c: Tensor, ridge: float) -> Tensor:
    """min |R x - c|^2 + ridge^2 |x|^2 for upper triangular R (k, k), c (k,)."""
    k = R.shape[0]
    eye = ridge * torch.eye(k, dtype=R.dtype, device=R.device)
    if R.device.type == "cpu" and R.dtype == torch.float64:
        return _damped_solve_lapack(R, c, eye)
    stacked = torch.cat([torch.cat([R, c[:, None]], 1), torch.cat([eye, c.new_zeros(k, 1)], 1)])
    triangle = torch.linalg.qr(stacked, mode="r").R
    return torch.linalg.solve_triangular(triangle[:k, :k], triangle[:k, k, None], upper=True)[:, 0]


def _damped_solve_lapack(R: Tensor, c: Tensor, eye: Tensor) -> Tensor:
    """The same with LAPACK's QR of two stacked triangles (tpqrt), which skips their zeros."""
    k = R.shape[0]
    block = min(32, k)
    triangle, v, t, _ = lapack.dtpqrt(k, block, R.numpy(), eye.numpy())
    top, _, _ = lapack.dtpmqrt(k, v, t, c[:, None].numpy(), eye.new_zeros(k, 1).numpy(), trans="T")
    x, _ = lapack.dtrtrs(triangle, top)
    return torch.from_numpy(x[:, 0].copy())
