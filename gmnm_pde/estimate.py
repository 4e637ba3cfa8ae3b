"""A-posteriori error: what a solution's error is, without the exact solution.

The residual at points never used, weighted to the units of the unknowns, falls and rises with the
error, but by an unknown factor: a smooth error hides in a small residual. Two levels of a growing
network give the factor. The earlier one's error is nearly its distance from the later one, so

    C_k = |u_k - u_(k-1)| / misfit_(k-1),       |error of u_k| ~ max(C_k, C_(k-1)) misfit_k .

Towards a singularity (a re-entrant corner) the factor falls from level to level and that is far
too much. There levels grow by equal steps, and their distances fall geometrically, which gives

    |error of u_k| ~ |u_k - u_(k-1)| max(|u_k - u_(k-1)| / |u_(k-1) - u_(k-2)|, 1/10),

and the smaller of the two is taken. Either is doubled. A wrong problem (a residual that does not
determine u) is not noticed by this, as by any residual.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gmnm_pde.linearised import Block

SAFETY = 2.0
"""The estimate is to be above the error, not around it."""

FLOOR = 2e-15
"""No estimate is below rounding."""


UNSEEN = 0.5
"""With a larger error nothing of a solution is known."""

FIRST_SIGHT = 0.01
"""The smallest error of the level after such a one."""

SHIFT = 10.0
"""Weights that change a misfit by more than this factor are quite other ones."""

NOTHING = 1e-10
"""An unknown smaller than this part of the largest one is taken to be zero."""

ALIKE = 0.8
"""A level that leaves more than this part of the misfit before is much like the one before."""

FALL = 0.1
"""Distances between levels are not taken to fall faster than by this."""


@dataclass(frozen=True)
class Estimate:
    """An error estimate.

    Arguments:
        relative: relative L2 error, one an unknown; infinite before there are two levels.
        misfit: of this level, see :func:`misfit`.
        constants: C_k, one an unknown.
        moves: |u_k - u_(k-1)|, one an unknown.
        shifted: whether the misfit is that of quite other weights than the level was solved with.
    """

    relative: Mapping[str, float]
    misfit: float
    constants: Mapping[str, float] = field(default_factory=dict)
    moves: Mapping[str, float] = field(default_factory=dict)
    shifted: bool = False

    @property
    def worst(self) -> float:
        """The largest over the unknowns."""
        return max(self.relative.values())

    def reweighted(self, misfit: float) -> Estimate:
        """The same with the misfit that other weights of the rows give."""
        if not (0 < misfit < math.inf and self.misfit > 0):
            return replace(self, misfit=misfit)
        factor = self.misfit / misfit
        constants = {name: factor * constant for name, constant in self.constants.items()}
        shifted = not 1 / SHIFT < factor < SHIFT
        return replace(self, misfit=misfit, constants=constants, shifted=shifted)


def misfit(rows: Sequence[Tensor], blocks: Sequence[Block]) -> float:
    """Weighted residual at points never used: root mean square of the equations and of the
    conditions, added."""
    parts = []
    for kinds in (("equation", "data"), ("condition",)):
        chosen = [r for r, b in zip(rows, blocks, strict=True) if b.kind in kinds]
        if chosen:
            parts.append(torch.cat(chosen).square().mean().sqrt().item())
    return math.hypot(*parts)


def doubt(rows: Sequence[Tensor], blocks: Sequence[Block]) -> float:
    """By how much conditions are missed where a layer may be too thin to be seen, root mean square.

    Two levels that both miss a layer are close to each other; this keeps them from being believed.
    """
    missed = [
        (1 - block.share) * row / block.share
        for row, block in zip(rows, blocks, strict=True)
        if block.share is not None
    ]
    return torch.cat(missed).square().mean().sqrt().item() if missed else 0.0


def calibrated(
    unknowns: Sequence[str],
    misfit_now: float,
    values: Tensor,
    values_before: Tensor | None,
    before: Estimate | None,
    doubt_now: float = 0.0,
    singular: bool = False,
    safety: float = SAFETY,
) -> Estimate:
    """The estimate of a level from its misfit and the level before.

    Arguments:
        values, values_before: both levels at the same points, (n, m).
        before: the estimate of the level before.
        doubt_now: see :func:`doubt`.
        singular: whether levels grow towards a singularity; two of them are then not enough.
        safety: the estimate over the error that is expected.
    """
    relative, constants, moves = {}, {}, {}
    sizes = [rms(values[:, j]) for j in range(len(unknowns))]
    for j, (name, size) in enumerate(zip(unknowns, sizes, strict=True)):
        if misfit_now == 0.0:
            relative[name] = FLOOR
            continue
        if values_before is None or before is None or not before.misfit > 0 or not max(sizes) > 0:
            relative[name] = math.inf
            continue
        moved = moves[name] = rms(values[:, j] - values_before[:, j])
        constants[name] = moved / before.misfit
        if misfit_now > ALIKE * before.misfit:
            # Two levels that are nearly the same say little about each other.
            constants[name] = max(constants[name], before.constants.get(name, 0.0))
        error = max(constants[name], before.constants.get(name, 0.0)) * misfit_now
        if singular:
            earlier = before.moves.get(name, 0.0)
            geometric = moved * max(moved / earlier, FALL) if earlier > 0 else math.inf
            error = math.inf if earlier == 0 else min(error, geometric)
        if before.shifted:
            # Other rows count than did: the misfit fell because of that, too.
            error = max(error, FIRST_SIGHT * moved)
        error = max(safety * error, doubt_now)
        if _vanishes(size, rms(values_before[:, j]), error, max(sizes)):
            size = max(sizes)
        found = error / size if math.isfinite(error) else math.inf
        relative[name] = max(found, _believable(before.relative.get(name, math.inf)), FLOOR)
    return Estimate(relative, misfit_now, constants, moves)


def _believable(before: float) -> float:
    """The smallest error that can be claimed after a level with this one.

    A level that shows nothing of the solution says nothing about the factor between misfit and
    error either, in a nonlinear problem: the next one has to be compared with another.
    """
    return FIRST_SIGHT if UNSEEN < before < math.inf else 0.0


def _vanishes(size: float, before: float, error: float, largest: float) -> bool:
    """Whether an unknown is zero but for its error, which then is measured by the largest one.

    Nothing is left of it, or it is much smaller than the largest one, no larger than its error and
    shrinks with it from level to level.
    """
    noise = size < 1e-3 * largest and error > 0.3 * size and size < 0.5 * before
    return size < NOTHING * largest or noise


def rms(values: Tensor) -> float:
    """Root mean square."""
    return values.square().mean().sqrt().item()


def held_back(unknowns: Sequence[str], misfit_now: float, values: Tensor) -> Estimate:
    """The estimate where there are only measurements: what those held back are missed by.

    Their noise is part of it, so it is above the error of the field.
    """
    sizes = [rms(values[:, j]) for j in range(len(unknowns))]
    relative = {
        name: max(misfit_now / size, FLOOR) if size > 0 else math.inf
        for name, size in zip(unknowns, sizes, strict=True)
    }
    return Estimate(relative, misfit_now)
