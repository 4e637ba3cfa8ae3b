"""Weights as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gmnm_pde.methods.training.balancing.base import Balance, Moment
from gmnm_pde.methods.training.objective import Weights


@dataclass(frozen=True)
class Static(Balance):
    """The weights that training began with."""

    def weigh(self, moment: Moment, weights: Weights, memory: Any) -> tuple[Weights, Any]:
        return weights, memory
