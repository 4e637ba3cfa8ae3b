"""L-BFGS with a line search that satisfies the strong Wolfe conditions.

D. C. Liu and J. Nocedal, Math. Program. 45 (1989), as ``torch.optim.LBFGS`` implements it, in
double precision: in single precision it ends where the loss rounds.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gmnm_pde.methods.base import Setting
from gmnm_pde.methods.training.base import Memory, Stretch, Trained, out_of_time
from gmnm_pde.methods.training.parameters import copied, trained

TRIALS = 25
"""Evaluations that a line search may take."""


class _Halt(Exception):
    """Leaves the optimizer in the middle of a search."""


@dataclass(frozen=True)
class Engine:
    """Between stretches.

    Arguments:
        memory: the optimizer's pairs of steps and gradients; None to start anew.
        restarted: whether it was started anew because it made no progress.
        length: of the first step of a search.
    """

    memory: dict[str, Any] | None = None
    restarted: bool = False
    length: float = 1.0


@dataclass(frozen=True)
class LBFGS(Trained):
    """L-BFGS on all parameters.

    Arguments:
        history: pairs of steps and gradients that are remembered.
    """

    iterations: int = 2000
    history: int = 100

    @property
    def stretch(self) -> int:
        # A search that gets nowhere is noticed at the end of a stretch only.
        return min(super().stretch, 50)

    def retreat(self, engine: Engine | None) -> Engine:
        return Engine(length=(engine or Engine()).length / 10)

    def advance(self, setting: Setting, memory: Memory, count: int) -> Stretch:
        engine: Engine = memory.engine or Engine()
        network = copied(memory.network)
        parameters = list(trained(network).values())
        optimizer = torch.optim.LBFGS(
            parameters,
            lr=engine.length,
            max_iter=count,
            max_eval=TRIALS * count,
            # Losses fall to rounding here; whether a stretch still pays is decided below.
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=self.history,
            line_search_fn="strong_wolfe",
        )
        if engine.memory is not None:
            optimizer.load_state_dict(copy.deepcopy(engine.memory))
        values: list[float] = []

        def closure() -> Tensor:
            if values and out_of_time(setting):
                raise _Halt
            optimizer.zero_grad()
            loss = memory.objective.loss(network, memory.weights)
            values.append(loss.item())
            if not math.isfinite(values[-1]):
                raise _Halt
            loss.backward()
            return loss

        try:
            optimizer.step(closure)
        except _Halt:
            if not math.isfinite(values[-1]):
                trouble = memory.objective.not_finite(network)
                return Stretch(network, math.nan, 1, trouble=trouble)
            return Stretch(copied(memory.network), values[0], 1, engine)
        end = memory.objective.value(network, memory.weights)
        stuck = not end < values[0]
        if stuck and engine.restarted:
            why = "no step along the gradient lowers the loss any more"
            return Stretch(copied(memory.network), values[0], 1, engine, ended=why)
        kept = None if stuck else optimizer.state_dict()
        return Stretch(network, end, count, Engine(kept, stuck))
