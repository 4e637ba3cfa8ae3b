"""Damped least-squares steps of many dampings from one factorisation.

For rows J (n, p) and any right-hand sides r the step of damping l is

    s(l) = -(J'J + l I)^-1 J' r = -J' (J J' + l I)^-1 r ,

which an eigenvalue decomposition gives for every l at the cost of two products. The smaller of the
two matrices is decomposed: J'J (primal) where there are more rows than parameters, J J' (dual, the
kernel form) where there are fewer. Both square J, so that directions below sqrt(rounding) are lost;
singular values of J (orthogonal) keep them, at about twice the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Form = Literal["primal", "dual", "orthogonal"]

SQUARED = 1e-13
"""Below this part of the largest eigenvalue, dampings are no longer larger than what squaring J
rounds off, and singular values are needed."""


@dataclass(frozen=True)
class Spectrum:
    """A decomposed Jacobian.

    Arguments:
        values: squares of singular values, (k,).
        inward: matrices whose product, the last one applied first, takes rows (n,) to V' J' r (k,).
        outward: likewise, directions (k,) to parameters (p,).
    """

    values: Tensor
    inward: tuple[Tensor, ...]
    outward: tuple[Tensor, ...]

    @property
    def largest(self) -> float:
        """The largest squared singular value."""
        return self.values.max().item()

    def step(self, r: Tensor, damping: float) -> Tensor:
        """s(damping) for a right-hand side (n,), (p,)."""
        return -_product(self.outward, _product(self.inward, r) / (self.values + damping))


def _product(matrices: tuple[Tensor, ...], x: Tensor) -> Tensor:
    for matrix in reversed(matrices):
        x = matrix @ x
    return x


def decomposed(J: Tensor, form: Form) -> Spectrum:
    """The spectrum of J (n, p) by one of the forms."""
    if form == "primal":
        values, V = torch.linalg.eigh(J.T @ J)
        return Spectrum(values.clamp_min(0.0), (V.T, J.T), (V,))
    if form == "dual":
        values, U = torch.linalg.eigh(J @ J.T)
        values = values.clamp_min(0.0)
        roots = values.sqrt().clamp_min(torch.finfo(J.dtype).eps * values.max().sqrt())
        return Spectrum(values, ((U * roots).T,), (J.T, U / roots))
    if len(J) <= J.shape[1]:
        U, S, Vh = torch.linalg.svd(J, full_matrices=False)
        return Spectrum(S.square(), ((U * S).T,), (Vh.T,))
    # Most rows are gone before the singular values are looked for.
    Q, R = torch.linalg.qr(J)
    U, S, Vh = torch.linalg.svd(R)
    return Spectrum(S.square(), ((U * S).T, Q.T), (Vh.T,))


def form_for(J: Tensor, damping: float | None, largest: float) -> Form:
    """The cheapest form that is exact enough for a damping.

    Arguments:
        damping: None if not known.
        largest: squared singular value of a Jacobian like this one.
    """
    if damping is not None and damping < SQUARED * largest:
        return "orthogonal"
    return "primal" if len(J) >= J.shape[1] else "dual"
