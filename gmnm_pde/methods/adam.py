"""Adam: first-order training with moments of the gradient.

D. P. Kingma and J. Ba, ICLR 2015, arXiv 1412.6980, as ``torch.optim.Adam`` implements it. Learning
rates that fall: exponentially, as in most PINN codes, or along a cosine (I. Loshchilov and F.
Hutter, ICLR 2017, arXiv 1608.03983); with a linear warm-up on request.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from gmnm_pde.errors import InputError
from gmnm_pde.methods.base import Setting
from gmnm_pde.methods.training.balancing import BALANCES, Moment
from gmnm_pde.methods.training.base import Memory, Stretch, Trained, out_of_time
from gmnm_pde.methods.training.parameters import copied, trained


@dataclass(frozen=True)
class Engine:
    """Between stretches.

    Arguments:
        moments: Adam's.
        factor: the part of the learning rate that is left of it.
        balance: what the balancing rule remembers.
    """

    moments: dict[str, Any] | None = None
    factor: float = 1.0
    balance: Any = None


@dataclass(frozen=True)
class Adam(Trained):
    """Adam on all parameters.

    Arguments:
        learning_rate: the largest.
        schedule: constant | exponential | cosine.
        final: the learning rate at the end over the largest, where it falls.
        warmup: iterations over which it grows from zero.
        balance: static | gradient_norm | ntk | relobralo | self_adaptive, how the terms of the loss
            are weighted (:mod:`gmnm_pde.methods.training.balancing`).
    """

    iterations: int = 5000
    learning_rate: float = 5e-3
    schedule: Literal["constant", "exponential", "cosine"] = "exponential"
    final: float = 0.02
    warmup: int = 0
    balance: Literal["static", "gradient_norm", "ntk", "relobralo", "self_adaptive"] = "static"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.balance == "self_adaptive" and self.points != "fixed":
            raise InputError(
                f"the balance self_adaptive has a weight for each point, and points {self.points} "
                "are chosen anew.",
                mend="Use another balance, or `points: fixed`.",
            )
        if not self.learning_rate > 0 or not 0 < self.final <= 1:
            raise InputError(
                f"adam: learning_rate is {self.learning_rate:g} and final is {self.final:g}.",
                mend="Give a positive learning rate, and a part of it between 0 and 1.",
            )

    def rate(self, iteration: int) -> float:
        """The learning rate of an iteration."""
        part = min(1.0, iteration / max(self.iterations, 1))
        falls = {
            "constant": 1.0,
            "exponential": self.final**part,
            "cosine": self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * part)),
        }
        ramp = min(1.0, (iteration + 1) / self.warmup) if self.warmup > 0 else 1.0
        return self.learning_rate * ramp * falls[self.schedule]

    def retreat(self, engine: Engine | None) -> Engine:
        engine = engine or Engine()
        return replace(engine, factor=engine.factor / 2)

    def retargeted(self, engine: Engine | None) -> Engine | None:
        # The moments average over iterations anyway.
        return engine

    def weighed(self, memory: Memory) -> Memory:
        # Every iteration is weighed by itself below.
        return memory

    def advance(self, setting: Setting, memory: Memory, count: int) -> Stretch:
        engine: Engine = memory.engine or Engine()
        network = copied(memory.network)
        parameters = list(trained(network).values())
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate)
        if engine.moments is not None:
            optimizer.load_state_dict(copy.deepcopy(engine.moments))
        rule, balance = BALANCES[self.balance], engine.balance
        weights, seed = memory.weights, setting.seed
        value, done = math.nan, 0
        for done in range(1, count + 1):
            for group in optimizer.param_groups:
                group["lr"] = engine.factor * self.rate(memory.iterations + done - 1)
            rows = memory.objective.rows(network)
            moment = Moment(memory.iterations + done - 1, memory.objective, network, rows, seed)
            weights, balance = rule.weigh(moment, weights, balance)
            used = self.ordered(memory, rows, weights)
            loss = memory.objective.combined(rows, used)
            value = loss.item()
            if not math.isfinite(value):
                trouble = memory.objective.not_finite(network)
                return Stretch(network, math.nan, done, trouble=trouble)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if out_of_time(setting):
                break
        engine = Engine(optimizer.state_dict(), engine.factor, balance)
        return Stretch(network, value, done, engine, weights=weights)
