"""Weights from how fast terms fall, with random looks back.

    ahead_b(t, t') = m softmax_b( L_b(t) / (T L_b(t')) ) ,
    lambda_b(t) = a ( k lambda_b(t - 1) + (1 - k) ahead_b(t, 0) ) + (1 - a) ahead_b(t, t - 1) ,

m being the number of blocks and k 1 or 0 at random: R. Bischof and M. A. Kraus, arXiv 2110.09813,
eqs. 10 to 12 (relative loss balancing with random lookback).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gmnm_pde.methods.training.balancing.base import Balance, Moment
from gmnm_pde.methods.training.objective import Weights


@dataclass(frozen=True)
class Losses:
    """Of each block at the first iteration and at the last one."""

    first: Tensor
    last: Tensor


@dataclass(frozen=True)
class ReLoBRaLo(Balance):
    """Relative loss balancing.

    Arguments:
        keep: a.
        expected: the mean of k.
        temperature: T; a large one makes all weights alike.
    """

    keep: float = 0.999
    expected: float = 0.999
    temperature: float = 0.1

    def weigh(self, moment: Moment, weights: Weights, memory: Any) -> tuple[Weights, Any]:
        now = moment.objective.terms(moment.rows, weights).detach()
        if memory is None:
            return weights, Losses(now, now)
        known: Losses = memory
        # One generator an iteration: training that is taken up again draws the same numbers.
        generator = torch.Generator().manual_seed(moment.seed * 1_000_003 + moment.iteration)
        stays = float(torch.rand((), generator=generator)) < self.expected
        history = weights.terms if stays else self.ahead(now, known.first)
        new = self.keep * history + (1 - self.keep) * self.ahead(now, known.last)
        return Weights(new, weights.rows), Losses(known.first, now)

    def ahead(self, now: Tensor, before: Tensor) -> Tensor:
        """Weights that a fall from one loss to another asks for, (blocks,)."""
        ratio = now / (self.temperature * before.clamp_min(1e-300))
        return len(now) * torch.softmax(ratio, 0)
