"""Points added by the size of the residual (RAR-D).

C. Wu, M. Zhu, Q. Tan, Y. Kartha and L. Lu, arXiv 2207.10289, algorithm 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from gmnm_pde.methods.training.refilling.base import Refill, Region, by_density


@dataclass(frozen=True)
class RARD(Refill):
    """Residual-based adaptive refinement with distribution: none of the points is given up.

    Arguments:
        power: k, of the residual.
        floor: c, what is drawn uniformly beside it.
        added: points each time, over those there are.
    """

    power: float = 2.0
    floor: float = 0.0
    added: float = 0.05

    def chosen(self, points: Tensor, region: Region) -> Tensor:
        count = ceil(self.added * len(points))
        return torch.cat([points, by_density(region, count, self.power, self.floor)])
