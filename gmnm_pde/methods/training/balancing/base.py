"""The contract of a balancing rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gmnm_pde.methods.training.objective import Objective, Weights
from gmnm_pde.networks import Network


@dataclass(frozen=True)
class Moment:
    """An iteration before its step.

    Arguments:
        iteration: from zero.
        rows: the residual of each block at the network, with a graph to the parameters.
        seed: of the solve.
    """

    iteration: int
    objective: Objective
    network: Network
    rows: Sequence[Tensor]
    seed: int = 0

    def due(self, every: int) -> bool:
        """Whether something that is done every so many iterations is done now."""
        return self.iteration % every == 0


class Balance(ABC):
    """A rule for the weights of an iteration. Concrete ones are frozen dataclasses of options."""

    @abstractmethod
    def weigh(self, moment: Moment, weights: Weights, memory: Any) -> tuple[Weights, Any]:
        """The weights of an iteration from those of the one before.

        Arguments:
            memory: what this returned before, None at first.
        """
