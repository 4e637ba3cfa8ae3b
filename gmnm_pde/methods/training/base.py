"""The loop that all training methods share: stretches of iterations, looked at in between.

A method says how one stretch goes (:meth:`Trained.advance`). Kept here: the best network, what
happens to losses that are not finite, why training ends, and the history.
"""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State, Status
from gmnm_pde.methods.starts import best_start, may_go_on, seeds
from gmnm_pde.methods.training.begin import begin, training_blocks
from gmnm_pde.methods.training.causal import causal, check_time
from gmnm_pde.methods.training.grids import check_grids, check_support
from gmnm_pde.methods.training.objective import Objective, Weights
from gmnm_pde.methods.training.parameters import copied
from gmnm_pde.methods.training.refilling import REFILLS
from gmnm_pde.methods.training.refilling.apply import refilled
from gmnm_pde.methods.training.watch import Snapshot, Watch
from gmnm_pde.methods.training.windows import windowed
from gmnm_pde.networks import LinearOutputNetwork, Network

FAILURES = 5
"""Stretches in succession that end in a loss that is not finite before training is given up."""

RECORDS = 40
"""About so many lines of history for a method."""

POSITIVE = (
    "iterations", "condition_weight", "cells", "points_every", "windows", "starts",
    "start_iterations",
)  # fmt: skip
"""Options that are above 0."""


@dataclass(frozen=True)
class Memory:
    """Between stretches.

    Arguments:
        network: where training goes on; the best one so far is that of the state.
        iterations: done.
        losses: at the end of each stretch.
        least: the misfit of the best network.
        engine: the method's own.
        failures: stretches in succession whose loss was not finite.
        trouble: what was not finite in the last of them.
        ended: why no further stretch is worth it.
        refills: how often points were chosen anew.
        stage: which of the grids the network has.
        updates: how often these grids were moved.
        window: which part of the time interval is the last one that counts.
    """

    objective: Objective
    weights: Weights
    watch: Watch
    network: Network
    iterations: int = 0
    losses: tuple[float, ...] = ()
    least: float = math.inf
    snapshots: tuple[Snapshot, ...] = ()
    engine: Any = None
    failures: int = 0
    trouble: str | None = None
    ended: str | None = None
    refills: int = 0
    stage: int = -1
    updates: int = 0
    window: int = 0


@dataclass(frozen=True)
class Stretch:
    """What some iterations led to.

    Arguments:
        network: a copy that is not shared with anyone.
        loss: not finite if the stretch failed; ``network`` is then not used.
        iterations: done, at least one.
        engine: for the next stretch.
        trouble: what was not finite, in words.
        ended: why there is nothing more to gain.
        weights: where the stretch changed them.
    """

    network: Network
    loss: float
    iterations: int
    engine: Any = None
    trouble: str | None = None
    ended: str | None = None
    weights: Weights | None = None


@dataclass(frozen=True)
class Trained(Method):
    """Training of all parameters.

    Arguments:
        iterations: at most so many.
        condition_weight: rows of conditions, integrals and data over those of the equations.
        cells: rows are divided by the size that the residual has for unknowns that vary over a box
            divided by this.
        points: fixed | random | rad | rar_d | r3, how points of the equations are chosen anew
            (:mod:`gmnm_pde.methods.training.refilling`).
        points_every: iterations from one choice to the next.
        causal: how strictly earlier times come first (:mod:`gmnm_pde.methods.training.causal`);
            0 for all times alike.
        windows: parts of the time interval that are added one after the other
            (:mod:`gmnm_pde.methods.training.windows`); each gets the same share of the iterations.
        grids: intervals of a network that has grids (kan), one after the other; each gets the same
            share of the iterations, or of the time limit where that is shorter.
        grid_updates: so many of the first stretches of each of them begin with grids that follow
            the points.
        starts: networks drawn at random, of which the better half goes on until one is left
            (:mod:`gmnm_pde.methods.starts`); only a method that starts from a new network does.
        start_iterations: between two such choices, at least.
    """

    iterations: int = 1000
    condition_weight: float = 1.0
    cells: float = 4.0
    points: Literal["fixed", "random", "rad", "rar_d", "r3"] = "fixed"
    points_every: int = 500
    causal: float = 0.0
    windows: int = 1
    grids: tuple[int, ...] = ()
    grid_updates: int = 0
    starts: int = 1
    start_iterations: int = 50

    def __post_init__(self) -> None:
        for name in POSITIVE:
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}.", mend="Give a number above 0.")
        if self.causal < 0:
            raise InputError(f"causal is {self.causal:g}.", mend="Give 0 or more.")

    @abstractmethod
    def advance(self, setting: Setting, memory: Memory, count: int) -> Stretch:
        """``count`` iterations from ``memory.network``, which is left as it is; fewer if the time
        is over."""

    def weighed(self, memory: Memory) -> Memory:
        """With the weights of the next stretch."""
        if not self.causal and self.windows == 1:
            return memory
        with torch.no_grad():
            rows = memory.objective.rows(memory.network)
        return replace(memory, weights=self.ordered(memory, rows, memory.weights))

    def ordered(self, memory: Memory, rows: Sequence[Tensor], weights: Weights) -> Weights:
        """The weights with what windows and causality make of them.

        Arguments:
            rows: the residual of each block.
        """
        if self.windows > 1:
            weights = windowed(memory.objective, weights, memory.window, self.windows)
        return causal(memory.objective, rows, weights, self.causal) if self.causal else weights

    def retargeted(self, engine: Any) -> Any:
        """The engine after points were chosen anew: what it knew of the loss may not hold."""
        return None

    def retreat(self, engine: Any) -> Any:
        """The engine with a smaller step, after a loss that was not finite."""
        return None

    @property
    def stretch(self) -> int:
        """Iterations between two lines of history."""
        return max(1, math.ceil(self.iterations / RECORDS))

    @property
    def name(self) -> str:
        """As recipes write it."""
        from gmnm_pde.methods import METHODS

        return next((name for name, kind in METHODS.items() if kind is type(self)), "own")

    def start(self, setting: Setting, network: Network | None) -> State:
        for option in ("causal",) * bool(self.causal) + ("windows",) * (self.windows > 1):
            check_time(setting.problem, self.name, option)
        started = begin(setting, network, self.name)
        if self.grids or self.grid_updates:
            check_grids(setting, started, self.name)
        blocks = training_blocks(setting, setting.sampling, self.condition_weight, self.cells)
        check_support(setting, started, blocks, self.grids)
        watch = Watch(setting, self.condition_weight, self.cells)
        objective = Objective(setting.problem, blocks)
        if network is not None:
            # What an earlier method left is the best one until training finds a better one.
            return begun(objective, watch, started, earlier=True)
        others = seeds(setting.seed, self.starts)[1:]
        networks = [started, *(replace(setting, seed=seed).initial() for seed in others)]
        return best_start(
            [begun(objective, watch, each) for each in networks],
            lambda state: self._tried(setting, state),
            lambda state: float(state.memory.least),
        )

    def _tried(self, setting: Setting, state: State) -> State:
        """A start after some iterations, which count."""
        enough = state.memory.iterations + self.start_iterations
        while state.memory.iterations < enough and self.decide(setting, state) is None:
            if not may_go_on(setting):
                break
            state = self.step(setting, state)
        return state

    def step(self, setting: Setting, state: State) -> State:
        memory = self._refilled(setting, self._regridded(setting, self._further(state.memory)))
        count = min(self.stretch, self.iterations - memory.iterations)
        found = self.advance(setting, self.weighed(memory), max(count, 1))
        if not math.isfinite(found.loss):
            return replace(state, memory=self._failed(memory, found))
        memory = replace(
            memory,
            network=found.network,
            iterations=memory.iterations + found.iterations,
            losses=(*memory.losses, found.loss),
            engine=found.engine,
            weights=found.weights or memory.weights,
            failures=0,
            ended=found.ended,
        )
        return self._recorded(setting, replace(state, memory=memory))

    def decide(self, setting: Setting, state: State) -> Outcome | None:
        memory: Memory = state.memory
        error = max(state.estimated_error.values(), default=math.inf)
        if memory.losses and setting.rtol is not None and error <= setting.rtol:
            return Outcome(
                "converged", f"estimated error {error:.1e} is under rtol {setting.rtol:.1e}"
            )
        if memory.failures >= FAILURES:
            return Outcome(
                "failed", f"{memory.trouble}, also with the step made smaller {FAILURES} times"
            )
        last = memory.stage >= len(self.grids) - 1 and memory.window == self.windows - 1
        if memory.ended is not None and last:
            status: Status = "converged" if setting.rtol is None else "stopped"
            return Outcome(status, memory.ended)
        if memory.iterations >= self.iterations:
            return Outcome("stopped", f"{self.iterations} iterations, as many as allowed")
        if out_of_time(setting):
            return Outcome("stopped", f"the time limit of {setting.time_limit:.0f} s")
        return None

    def _further(self, memory: Memory) -> Memory:
        """With the next window, if it is time for it or the last one has nothing left to gain."""
        due = memory.iterations * self.windows // self.iterations
        further = memory.window + (memory.ended is not None)
        window = min(max(due, further), self.windows - 1)
        if window == memory.window:
            return memory
        engine = self.retargeted(memory.engine)
        return replace(memory, window=window, engine=engine, ended=None)

    def _regridded(self, setting: Setting, memory: Memory) -> Memory:
        """With a finer network if it is time for one, or with grids that follow the points."""
        # Of the iterations or of the time, whichever is sooner over: a short time must not leave a
        # network at its coarsest grid.
        share = max(
            memory.iterations / self.iterations, setting.elapsed / max(setting.time_limit, 1e-9)
        )
        due = int(share * len(self.grids) + 1e-12)
        further = memory.stage + (memory.ended is not None)
        stage = min(max(due, further), len(self.grids) - 1)
        updates = memory.updates if stage == memory.stage else 0
        moved = updates < self.grid_updates
        if stage == memory.stage and not moved:
            return memory
        points = torch.cat([block.points for block in memory.objective.blocks])
        network = memory.network.refined(points, self.grids[stage] if self.grids else None)
        assert network is not None
        return replace(
            memory,
            network=network,
            engine=None,
            ended=None,
            stage=stage,
            updates=updates + moved,
        )

    def _refilled(self, setting: Setting, memory: Memory) -> Memory:
        """With new points, if it is time for them."""
        due = memory.iterations // self.points_every
        if self.points == "fixed" or due <= memory.refills:
            return memory
        rule = REFILLS[self.points]
        objective = refilled(setting, memory.objective, memory.network, rule, memory.iterations)
        engine = self.retargeted(memory.engine)
        return replace(memory, objective=objective, engine=engine, refills=due)

    def _failed(self, memory: Memory, found: Stretch) -> Memory:
        """Back to where the stretch began, with a smaller step."""
        return replace(
            memory,
            engine=self.retreat(memory.engine),
            failures=memory.failures + 1,
            trouble=found.trouble or "the loss is not finite",
        )

    def _recorded(self, setting: Setting, state: State) -> State:
        """The state with the best network, its estimate and a line of history."""
        memory: Memory = state.memory
        seen, snapshots = memory.watch.look(memory.network, memory.snapshots)
        better = seen.misfit < memory.least
        if better:
            memory = replace(memory, least=seen.misfit)
            # Of a network that is better than one with an estimate, that holds until there is one.
            known = dict(seen.relative) or state.estimated_error
            state = replace(state, network=copied(memory.network), estimated_error=known)
        worst = max(seen.relative.values(), default=math.inf)
        record = Record(
            step=len(state.records) + 1,
            units=units_of(memory.network),
            parameters=sum(value.numel() for value in memory.network.parameters()),
            points=memory.objective.n_points,
            residual_rms=seen.residual_rms,
            boundary_rms=seen.boundary_rms,
            estimated_error=worst if math.isfinite(worst) else None,
            seconds=setting.elapsed,
            loss=memory.losses[-1],
        )
        records = (*state.records, record)
        return replace(state, records=records, memory=replace(memory, snapshots=snapshots))


def begun(objective: Objective, watch: Watch, network: Network, earlier: bool = False) -> State:
    """Before the first stretch.

    Arguments:
        earlier: whether the network is what an earlier method left.
    """
    seen, snapshots = watch.look(network, ())
    memory = Memory(
        objective,
        Weights.ones(objective.blocks),
        watch,
        network,
        least=seen.misfit if earlier else math.inf,
        snapshots=snapshots,
    )
    return State(network=network, memory=memory)


def units_of(network: Network) -> int:
    """Units of a network that has such; one for any other, whose size its parameters tell."""
    return network.n_units if isinstance(network, LinearOutputNetwork) else 1


def out_of_time(setting: Setting) -> bool:
    """Whether no further iteration may begin."""
    return time.perf_counter() - setting.started > setting.time_limit
