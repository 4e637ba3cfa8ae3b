"""Damped least-squares steps of many dampings from one factorisation.

For rows J (n, p) and any right-hand sides r the step of damping l is

    s(l) = -(J'J + l I)^-1 J' r = -J' (J J' + l I)^-1 r ,

which an eigenvalue decomposition gives for every l at the cost of two products. The smaller of the
two matrices is decomposed: J'J (primal) where there are more rows than parameters, J J' (dual, the
kernel form) where there are fewer. Both square J, so that directions below sqrt(rounding) are lost;
singular values of J (orthogonal) keep them, at about four times the cost.
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
        right: parameters to directions, (p, k).
        left: rows to directions times singular values, so that ``left @ r`` is ``right' J' r``,
            (k, n).
    """

    values: Tensor
    right: Tensor
    left: Tensor

    @property
    def largest(self) -> float:
        """The largest squared singular value."""
        return self.values.max().item()

    def against(self, r: Tensor) -> Tensor:
        """Right-hand sides (n,) in the directions, (k,)."""
        return self.left @ r

    def step(self, along: Tensor, damping: float) -> Tensor:
        """s(damping), (p,), for ``along`` from :meth:`against`."""
        return -(self.right @ (along / (self.values + damping)))


def decomposed(J: Tensor, form: Form) -> Spectrum:
    """The spectrum of J (n, p) by one of the forms."""
    if form == "primal":
        values, V = torch.linalg.eigh(J.T @ J)
        return Spectrum(values.clamp_min(0.0), V, (J @ V).T)
    if form == "dual":
        values, U = torch.linalg.eigh(J @ J.T)
        values = values.clamp_min(0.0)
        roots = values.sqrt().clamp_min(torch.finfo(J.dtype).eps * values.max().sqrt())
        return Spectrum(values, J.T @ (U / roots), (U * roots).T)
    if len(J) <= J.shape[1]:
        U, S, Vh = torch.linalg.svd(J, full_matrices=False)
    else:
        # Most rows are gone before the singular values are looked for.
        Q, R = torch.linalg.qr(J)
        U, S, Vh = torch.linalg.svd(R)
        U = Q @ U
    return Spectrum(S.square(), Vh.T, (U * S).T)


def form_for(J: Tensor, damping: float | None, largest: float) -> Form:
    """The cheapest form that is exact enough for a damping.

    Arguments:
        damping: None if not known.
        largest: squared singular value of a Jacobian like this one.
    """
    if damping is not None and damping < SQUARED * largest:
        return "orthogonal"
    return "primal" if len(J) >= J.shape[1] else "dual"
