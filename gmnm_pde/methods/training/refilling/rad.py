"""Points drawn anew by the size of the residual (RAD).

C. Wu, M. Zhu, Q. Tan, Y. Kartha and L. Lu, arXiv 2207.10289, algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gmnm_pde.methods.training.refilling.base import Refill, Region, by_density


@dataclass(frozen=True)
class RAD(Refill):
    """Residual-based adaptive distribution.

    Arguments:
        power: k, of the residual.
        floor: c, what is drawn uniformly beside it.
    """

    power: float = 1.0
    floor: float = 1.0

    def chosen(self, points: Tensor, region: Region) -> Tensor:
        return by_density(region, len(points), self.power, self.floor)
