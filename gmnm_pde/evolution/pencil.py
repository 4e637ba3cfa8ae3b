"""The matrices of Newton's equations for every eigenvalue of a method.

For a change z of the coefficients c of all unknowns, and f = h lambda, they are

    G(f) z = (G_0 + G_1 / f + G_2 / f^2) z = F,        G_d = dF/dc^(d).

Conditions that hold no rate, B z = g, are the same for every f. They are solved once, for as many
coefficients as there are conditions, z_p = B_p^-1 g - W z_r with W = B_p^-1 B_r, p from a QR
factorisation with pivots (Golub & Van Loan, Matrix Computations, 5.4), so that only

    S(f) = A_r(f) - A_p(f) W

is factored, A being the other rows: in three dimensions half of the modes are held by conditions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

STATIC = 1e-14
"""Rates in a condition, relative, that are rounding."""


@dataclass(frozen=True)
class Factor:
    """Matrices S(f) for k numbers f, their rows scaled, in factors.

    Arguments:
        LU, pivots, scale: of each, (k, ...).
        held: A_p(f), (k, rows, held).
    """

    LU: Tensor
    pivots: Tensor
    scale: Tensor
    held: Tensor


class Pencil:
    """G(f) for any f.

    Arguments:
        jacobians: G_0, G_1, ...: dF/dc^(d), each (size, size).
        held: the last rows, as many as this, are conditions.
    """

    def __init__(self, jacobians: Sequence[Tensor], held: int) -> None:
        first, *rates = jacobians
        size = len(first)
        static = torch.zeros(size, dtype=torch.bool)
        static[size - held :] = True
        for part in rates:
            largest = first.abs().amax(1)
            static &= part.abs().amax(1) <= STATIC * largest
        self._rows, self._static = torch.nonzero(~static)[:, 0], torch.nonzero(static)[:, 0]
        B = first[self._static]
        self._norms = B.norm(dim=1).clamp_min(1e-300)
        Q, R, order = _pivoted(B / self._norms[:, None])
        rank = len(B)
        self._order, self._rank = order, rank
        self._solve_held = torch.linalg.solve_triangular(R[:, :rank], Q.T, upper=True)
        self._W = torch.linalg.solve_triangular(R[:, :rank], R[:, rank:], upper=True)
        self._held: list[Tensor] = []
        self._parts: list[Tensor] = []
        for part in jacobians:
            rows = part[self._rows][:, order]
            held_columns = rows[:, :rank].contiguous()
            self._held.append(held_columns)
            self._parts.append(torch.addmm(rows[:, rank:], held_columns, self._W, alpha=-1))
        self._largest = [part.abs().amax(1) for part in self._parts]

    def factor(self, f: Tensor) -> Factor:
        """G(f) for every f (k,), to solve with; real if f is."""
        powers = [f**-d for d in range(len(self._parts))]
        scale = torch.stack(
            [power.abs()[:, None] * part for power, part in zip(powers, self._largest, strict=True)]
        ).sum(0)
        scale = scale.clamp_min(1e-300)
        matrices = _combined(self._parts, powers) / scale[:, :, None]
        LU, pivots = torch.linalg.lu_factor(matrices)
        return Factor(LU, pivots, scale, _combined(self._held, powers))

    def solve(self, factor: Factor, F: Tensor) -> Tensor:
        """z of G(f) z = F for every f, (k, size)."""
        z = torch.empty_like(F)
        held = _applied(self._solve_held, F[:, self._static] / self._norms)
        right = (F[:, self._rows] - (factor.held @ held[..., None])[..., 0]) / factor.scale
        rest = torch.linalg.lu_solve(factor.LU, factor.pivots, right[..., None])[..., 0]
        z[:, self._order[: self._rank]] = held - _applied(self._W, rest)
        z[:, self._order[self._rank :]] = rest
        return z


def _pivoted(B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Q R = B[:, order] with the largest columns first."""
    size = B.shape[1]
    if not len(B):
        return torch.zeros(0, 0).to(B), B, torch.arange(size)
    Q, R, order = scipy.linalg.qr(B.numpy(), mode="economic", pivoting=True, check_finite=False)
    return torch.from_numpy(Q), torch.from_numpy(R), torch.from_numpy(order.astype(np.int64))


def _applied(matrix: Tensor, z: Tensor) -> Tensor:
    """A real matrix times every z, (k, n) -> (k, m), without a complex copy of the matrix."""
    if z.is_complex():
        return torch.view_as_complex(matrix @ torch.view_as_real(z))
    return z @ matrix.T


def _combined(parts: Sequence[Tensor], powers: Sequence[Tensor]) -> Tensor:
    """sum_d powers_d parts_d for every number of the powers, (k, ...)."""

    def total(numbers: Sequence[Tensor]) -> Tensor:
        result = parts[0] * numbers[0][:, None, None]
        for number, part in zip(numbers[1:], parts[1:], strict=True):
            result.addcmul_(part, number[:, None, None])
        return result

    if not powers[0].is_complex():
        return total(powers)
    return torch.complex(total([p.real for p in powers]), total([p.imag for p in powers]))
