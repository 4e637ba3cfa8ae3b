"""A-posteriori error: what a solution's error is, without the exact solution.

The residual at points never used, weighted to the units of the unknowns, falls and rises with the
error, but by an unknown factor: a smooth error hides in a small residual. Two levels of a growing
network give the factor. The earlier one's error is nearly its distance from the later one, so

    C = |u_k - u_(k-1)| / misfit_(k-1),        estimated error of u_k = 2 max(C, C_before) misfit_k .

A wrong problem (a residual that does not determine u) is not noticed by this, as by any residual.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.assembly import Block

SAFETY = 2.0
"""The estimate is to be above the error, not around it."""

FLOOR = 1e-15
"""No estimate is below rounding."""


@dataclass(frozen=True)
class Estimate:
    """An error estimate.

    Arguments:
        relative: relative L2 error, one an unknown; infinite before there are two levels.
        misfit: of this level, see :func:`misfit`.
        constants: C, one an unknown.
    """

    relative: Mapping[str, float]
    misfit: float
    constants: Mapping[str, float]

    @property
    def worst(self) -> float:
        """The largest over the unknowns."""
        return max(self.relative.values())


def misfit(rows: Sequence[Tensor], blocks: Sequence[Block]) -> float:
    """Weighted residual at points never used: root mean square of the equations and of the
    conditions, added."""
    parts = []
    for kinds in (("equation", "data"), ("condition",)):
        chosen = [r for r, b in zip(rows, blocks, strict=True) if b.kind in kinds and b.average is None]
        if chosen:
            parts.append(torch.cat(chosen).square().mean().sqrt().item())
    return math.hypot(*parts)


def calibrated(
    unknowns: Sequence[str],
    misfit_now: float,
    values: Tensor,
    values_before: Tensor | None,
    misfit_before: float,
    constants_before: Mapping[str, float],
) -> Estimate:
    """The estimate of a level from its misfit and the level before.

    Arguments:
        values, values_before: both levels at the same points, (n, m).
        constants_before: C of the level before, if it had one.
    """
    relative, constants = {}, {}
    for j, name in enumerate(unknowns):
        size = values[:, j].norm().item() / math.sqrt(len(values))
        if values_before is None or not misfit_before > 0 or not size > 0:
            relative[name] = math.inf
            continue
        moved = (values[:, j] - values_before[:, j]).norm().item() / math.sqrt(len(values))
        constants[name] = moved / misfit_before
        factor = max(constants[name], constants_before.get(name, 0.0))
        relative[name] = max(SAFETY * factor * misfit_now / size, FLOOR)
        if not math.isfinite(relative[name]):
            relative[name] = math.inf
    return Estimate(relative, misfit_now, constants)
