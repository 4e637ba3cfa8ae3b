"""Weights from the neural tangent kernel.

Under gradient flow block b converges at a rate of about the mean eigenvalue of its part of the
kernel, tr K_b / n_b with K_b = J_b J_b'. The weights make these equal,

    lambda_b = sum_c (tr K_c / n_c)  /  (tr K_b / n_b) :

S. Wang, X. Yu and P. Perdikaris, J. Comput. Phys. 449 (2022), arXiv 2007.14527, eqs. 6.5 and 6.6,
with traces a row, so that blocks may have different numbers of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from gmnm_pde.methods.training.balancing.base import Balance, Moment
from gmnm_pde.methods.training.objective import Weights


@dataclass(frozen=True)
class NTK(Balance):
    """Equal mean eigenvalues.

    Arguments:
        every: iterations from one change to the next; each takes a Jacobian.
    """

    every: int = 500

    def weigh(self, moment: Moment, weights: Weights, memory: Any) -> tuple[Weights, Any]:
        if not moment.due(self.every):
            return weights, memory
        jacobians = moment.objective.jacobians(moment.network)
        rates = torch.stack([J.square().sum() / len(J) for J in jacobians])
        return Weights(rates.sum() / rates.clamp_min(1e-300), weights.rows), memory
