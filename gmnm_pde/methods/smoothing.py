"""Smoothness of unknown coefficient fields, and how much of it the data ask for.

A field theta is regularised by the rows  strength * grad theta  (in widths of the domain): where
the data say nothing, it continues as a constant. (With second derivatives in place of the gradient
it continued linearly, and was three times further from the truth there.) The strength is the
largest one that leaves no more misfit than the noise where that is known (the discrepancy
principle, V. A. Morozov 1966), and otherwise the minimum of generalised cross-validation (G. H.
Golub, M. Heath and G. Wahba, Technometrics 21, 1979).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from gmnm_pde.fields import Jet, Orders
from gmnm_pde.geometry import Domain
from gmnm_pde.linearised import Block

STRENGTHS = tuple(10.0 ** (1 - k / 2) for k in range(15))
"""From smooth to rough."""

WORSE = 3
"""So many weaker smoothings in succession may be worse than the best one."""

POINTS = 400


@dataclass(frozen=True)
class Trial:
    """A strength and how it did.

    Arguments:
        score: of generalised cross-validation.
        misfit: root mean square of the measurements' residual over their noise; None if the noise
            is not known.
    """

    strength: float
    score: float
    misfit: float | None = None


def smoothing_blocks(domain: Domain, fields: Sequence[str], strength: float) -> list[Block]:
    """Rows for the gradient of every field."""
    points = domain.sample_interior(POINTS, "sobol", 3)
    weight = strength / math.sqrt(len(points))
    blocks = []
    for name in fields:
        for axis, (low, high) in enumerate(zip(domain.lower, domain.upper, strict=True)):
            alpha = tuple(int(k == axis) for k in range(domain.dimension))
            weights = points.new_full((len(points),), weight * (high - low))
            label = f"smoothness of {name}"
            blocks.append(Block("smoothing", label, _leaf(name, alpha), points, weights))
    return blocks


def _leaf(name: str, alpha: Orders) -> Callable[[Jet], Tensor]:
    return lambda jet: jet.leaf(name, alpha)


def chosen(trial: Callable[[float], Trial]) -> float:
    """The strength to use, from smooth to rough."""
    tried: list[Trial] = []
    for strength in STRENGTHS:
        tried.append(trial(strength))
        known = tried[-1].misfit
        if known is not None and known <= 1.0:
            return strength
        best = min(range(len(tried)), key=lambda i: tried[i].score)
        if known is None and len(tried) - 1 - best >= WORSE:
            break
    return min(tried, key=lambda item: item.score).strength
