"""What measurements with noise say about constants, fields and the solution.

At the minimum of |r(x)|^2, the rows of measurements being (u - d) times a weight w, the covariance
of x is, to first order in the noise,

    C = s^2 (J'J)^-1,   s^2 = |r_data|^2 / (n - p),   p = trace of the data rows of J (J'J)^-1 J' .

Rows of equations and conditions are part of J and count as measurements of far less noise. p is the
number of parameters that the measurements determine (G. Wahba, Spline Models for Observational
Data, 1990); s / w is the standard deviation of the noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.methods.weights import System

RIDGE = 1e-12
"""Of columns of norm one: directions that no row sees have no say in the statistics."""

UNCERTAIN = 1.0
"""A direction whose standard deviation in theta is larger is not determined: theta is a logarithm
or a relative change."""

FAINT = 0.01
"""A direction that is seen so much less than another may be one that is not determined."""

INFLATION = 1.4
"""Of the freedom, in cross-validation."""


@dataclass(frozen=True)
class Statistics:
    """The linear model about a minimum.

    Arguments:
        R, scale: the triangle of J with columns of norm one, and their norms.
        leverages: of the measurements, the diagonal of J (J'J)^-1 J', (n,).
        misfit: |r_data|^2.
        known: s^2, if the noise is known.
    """

    R: Tensor
    scale: Tensor
    leverages: Tensor
    misfit: float
    known: float | None = None

    @classmethod
    def of(
        cls, system: System, residual: Tensor, data: Tensor, known: float | None = None
    ) -> Statistics:
        """From rows, the residual at the minimum, and which rows are measurements (mask)."""
        scale = system.rows.norm(dim=0).clamp_min(1e-300)
        k = len(scale)
        below = RIDGE * torch.eye(k, dtype=scale.dtype, device=scale.device)
        Q, R = torch.linalg.qr(torch.cat([system.rows / scale, below]))
        rows = Q[: len(residual)][data]
        misfit = float(residual[data].square().sum())
        return cls(R, scale, rows.square().sum(1), misfit, known)

    @property
    def measurements(self) -> int:
        """n."""
        return len(self.leverages)

    @property
    def freedom(self) -> float:
        """p."""
        return float(self.leverages.sum())

    @property
    def variance(self) -> float:
        """s^2."""
        if self.known is not None:
            return self.known
        return self.misfit / max(self.measurements - self.freedom, 1.0)

    @property
    def cross_validation(self) -> float:
        """The generalised cross-validation score of the smoothing, n |r|^2 / (n - a p)^2.

        a = 1.4 in place of one keeps it from following the noise now and then (Y.-J. Kim and
        C. Gu, J. R. Stat. Soc. B 66, 2004).
        """
        left = max(self.measurements - INFLATION * self.freedom, 1.0)
        return self.measurements * self.misfit / left**2

    def information(self, count: int) -> Tensor:
        """M with M'M the inverse covariance of the last ``count`` parameters over s^2, (c, c)."""
        return self.R[-count:, -count:] * self.scale[-count:]

    def deviation(self, rows: Tensor) -> Tensor:
        """The standard deviation of linear functions of the parameters, rows (n, k) -> (n,)."""
        return math.sqrt(self.variance) * self.deviations(rows).norm(dim=1)

    def deviations(self, rows: Tensor) -> Tensor:
        """rows (J'J)^(-1/2), (n, k)."""
        scaled = rows.to(self.R) / self.scale
        return torch.linalg.solve_triangular(self.R, scaled, upper=True, left=False)


def covariance_of(factor: Tensor, variance: float) -> Tensor:
    """variance (M'M)^-1, (p, p), for a factor M (n, p).

    Directions that M does not see at all get a variance that is large and finite.
    """
    _, sizes, directions = torch.linalg.svd(factor, full_matrices=False)
    half = directions / sizes.clamp_min(RIDGE * float(sizes.max()) + 1e-150)[:, None]
    return variance * half.T @ half


@dataclass(frozen=True)
class Seen:
    """Which directions of theta the data determine.

    Arguments:
        left: (n, p), orthonormal.
        known: (p,), mask.
    """

    left: Tensor
    known: Tensor

    def projected(self, residual: Tensor) -> Tensor:
        """What of a residual (n,) the known directions can change."""
        return self.left @ (self.known * (self.left.T @ residual))


def seen(factor: Tensor, s: float) -> Seen:
    """The directions that are worth a step, for a factor M (n, p) and noise s.

    Those along which the equations hardly change anything are left where the search started: a step
    along them follows rounding, or the little that an equation is missed by, as far as a bound.
    Early in a search s is large, so that a direction has to be faint beside the others as well.
    """
    left, sizes, _ = torch.linalg.svd(factor, full_matrices=False)
    return Seen(left, (sizes >= FAINT * sizes.max()) | (UNCERTAIN * sizes >= s))


def undetermined(names: Sequence[str], factor: Tensor, variance: float) -> tuple[str, ...]:
    """What to say of directions of theta that the data do not determine.

    From the factor and not from the covariance: next to a direction without any information the
    others would be lost in its rounding.

    Arguments:
        factor, variance: M (n, p) and s^2 of the covariance s^2 (M'M)^-1.
    """
    notes = []
    _, sizes, directions = torch.linalg.svd(factor, full_matrices=False)
    for size, vector in zip(sizes.tolist(), directions, strict=True):
        if math.sqrt(variance) <= UNCERTAIN * size:
            continue
        part = [
            (name, weight)
            for name, weight in zip(names, vector.tolist(), strict=True)
            if abs(weight) > 0.1 * float(vector.abs().max())
        ]
        if len(part) == 1:
            notes.append(f"The data do not determine {part[0][0]}.")
        else:
            sign = part[0][1] / abs(part[0][1])
            words = " ".join(f"{sign * weight:+.2f} {name}" for name, weight in part)
            notes.append(
                f"The data do not determine {', '.join(n for n, _ in part[:-1])} and {part[-1][0]} "
                "separately: "
                f"relative changes in the direction {words} hardly change what was measured."
            )
    return tuple(notes)


def correlations(names: Sequence[str], covariance: Tensor) -> dict[str, float]:
    """Of every pair of constants."""
    size = covariance.diagonal().clamp_min(1e-300).sqrt()
    matrix = covariance / size / size[:, None]
    return {
        f"{names[i]}, {names[j]}": float(matrix[i, j].clamp(-1, 1))
        for i in range(len(names))
        for j in range(i + 1, len(names))
    }
