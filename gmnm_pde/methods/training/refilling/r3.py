"""Retain, resample, release (R3).

A. Daw, J. Bu, S. Wang, P. Perdikaris and A. Karpatne, ICML 2023, arXiv 2207.02338, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.methods.training.refilling.base import Refill, Region


@dataclass(frozen=True)
class R3(Refill):
    """Points whose residual is above the mean stay, uniform ones take the place of the others."""

    def chosen(self, points: Tensor, region: Region) -> Tensor:
        size = region.residual(points).abs().nan_to_num(0.0, 0.0, 0.0)
        kept = points[size > size.mean()]
        return torch.cat([kept, region.uniform(len(points) - len(kept))])
