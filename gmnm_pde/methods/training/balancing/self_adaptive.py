"""A trained weight for every row.

    L = sum_b mean_i  c_bi^2 r_bi^2 ,     theta descends,  c ascends :

points where the residual stays large become heavier until they are met: L. D. McClenny and U. M.
Braga-Neto, J. Comput. Phys. 474 (2023), arXiv 2009.04544, with the mask m(c) = c^2. The ascent is
Adam's, as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gmnm_pde.methods.training.balancing.base import Balance, Moment
from gmnm_pde.methods.training.objective import Weights

BETA = (0.9, 0.999)
"""Decay of Adam's moments."""


@dataclass(frozen=True)
class Ascent:
    """c of every row of all blocks, one after the other, and Adam's moments."""

    c: Tensor
    mean: Tensor
    square: Tensor
    count: int = 0

    def moved(self, slope: Tensor, rate: float) -> Ascent:
        """One step uphill."""
        count = self.count + 1
        mean = BETA[0] * self.mean + (1 - BETA[0]) * slope
        square = BETA[1] * self.square + (1 - BETA[1]) * slope.square()
        step = (mean / (1 - BETA[0] ** count)) / ((square / (1 - BETA[1] ** count)).sqrt() + 1e-30)
        return Ascent(self.c + rate * step, mean, square, count)


@dataclass(frozen=True)
class SelfAdaptive(Balance):
    """Soft attention by a weight a row.

    Arguments:
        rate: the learning rate of the weights.
    """

    rate: float = 5e-3

    def weigh(self, moment: Moment, weights: Weights, memory: Any) -> tuple[Weights, Any]:
        rows = [row.detach() for row in moment.rows]
        sizes = [len(row) for row in rows]
        if memory is None:
            zeros = torch.cat([torch.zeros_like(row) for row in rows])
            memory = Ascent(zeros + 1.0, zeros, zeros)
        ascent: Ascent = memory
        # d/dc of c^2 r^2, each row by its share of the loss.
        share = torch.cat(
            [
                factor * row.square() / len(row)
                for factor, row in zip(weights.terms, rows, strict=True)
            ]
        )
        ascent = ascent.moved(2 * ascent.c * share, self.rate)
        return Weights(weights.terms, ascent.c.square().split(sizes)), ascent
