"""Weights from the sizes of gradients.

    target_b = max_theta |grad L_r| / mean_theta |grad L_b| ,
    lambda_b <- 0.9 lambda_b + 0.1 target_b

for each block b that is no equation, L_r being the loss of the equations, whose weights stay:
S. Wang, Y. Teng and P. Perdikaris, SIAM J. Sci. Comput. 43 (2021), arXiv 2001.04536, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gmnm_pde.methods.training.balancing.base import Balance, Moment
from gmnm_pde.methods.training.objective import Weights
from gmnm_pde.methods.training.parameters import gradient


@dataclass(frozen=True)
class GradientNorm(Balance):
    """Learning-rate annealing.

    Arguments:
        keep: of the weight before.
        every: iterations from one change to the next.
    """

    keep: float = 0.9
    every: int = 100

    def weigh(self, moment: Moment, weights: Weights, memory: Any) -> tuple[Weights, Any]:
        blocks = moment.objective.blocks
        others = [i for i, block in enumerate(blocks) if block.kind != "equation"]
        if not moment.due(self.every) or not others or len(others) == len(blocks):
            return weights, memory
        terms = moment.objective.terms(moment.rows, weights)
        equations = [i for i in range(len(blocks)) if i not in others]
        main = terms[equations] @ weights.terms[equations]
        largest = gradient(main, moment.network, keep=True).abs().max()
        new = weights.terms.clone()
        for i in others:
            mean = gradient(terms[i], moment.network, keep=True).abs().mean()
            if float(mean) > 0:
                new[i] = self.keep * new[i] + (1 - self.keep) * largest / mean
        return Weights(new, weights.rows), memory
