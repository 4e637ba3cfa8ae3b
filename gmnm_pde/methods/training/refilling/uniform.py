"""New uniform points."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gmnm_pde.methods.training.refilling.base import Refill, Region


@dataclass(frozen=True)
class Uniform(Refill):
    """As many points as there are, uniform in the domain."""

    def chosen(self, points: Tensor, region: Region) -> Tensor:
        return region.uniform(len(points))
