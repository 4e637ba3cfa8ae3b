"""The Method contract: four steps, with the state passed in and returned.

    state = start(setting);  while not decide(setting, state):  state = step(setting, state)

then ``finish``. There is one loop, in :mod:`gmnm_pde.solve`.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import torch

from gmnm_pde.errors import InputError
from gmnm_pde.inferred import Findings
from gmnm_pde.networks import Network, NetworkSpec, PlacedSpec, enforced, joined, spec_name
from gmnm_pde.problem import Problem, Sampling


class _Movable(Protocol):
    def to(self, *, device: torch.device, dtype: torch.dtype) -> Any: ...


Placeable = TypeVar("Placeable", bound=_Movable)

Status = Literal["converged", "stopped", "failed", "interrupted"]


@dataclass(frozen=True)
class Setting:
    """Everything a method is given and does not change.

    Arguments:
        rtol: relative L2 error asked for, None for as small as possible.
        deadline: ``time.perf_counter()`` at which to stop.
        max_units: largest network allowed.
        constants_free: constants satisfy every homogeneous equation and condition (a pure Neumann
            problem), so the mean has to be fixed.
    """

    problem: Problem
    network: NetworkSpec
    sampling: Sampling
    rtol: float | None = None
    max_units: int = 5000
    time_limit: float = 60.0
    started: float = field(default_factory=time.perf_counter)
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float64
    constants_free: bool = False

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the solve."""
        return time.perf_counter() - self.started

    @property
    def units(self) -> int | None:
        """The size that the recipe asks for, None if it does not."""
        return self.network.units if isinstance(self.network, PlacedSpec) else None

    def initial(self) -> Network:
        """A network that starts from random numbers, one for each piece of the domain."""
        problem, boxes = self.problem, self.problem.pieces
        generator = torch.Generator().manual_seed(self.seed)
        made = [
            self.network.initial(box.lower, box.upper, len(problem.unknowns), generator)
            for box in boxes
        ]
        return self.placed(joined(made, boxes))

    def placed(self, item: Placeable) -> Placeable:
        """A tensor, network or block on the device and in the dtype of this solve."""
        moved: Placeable = item.to(device=self.device, dtype=self.dtype)
        return moved


def placing(setting: Setting, method: str) -> PlacedSpec:
    """The options of a network for a method that says where units are.

    Arguments:
        method: its name in recipes.

    Raises:
        InputError: the network has no units with a place.
    """
    if isinstance(setting.network, PlacedSpec):
        return setting.network
    raise InputError(
        f"the method {method} places Gaussian units, which the network "
        f"{spec_name(setting.network)} has not.",
        mend="Use the network gmnm, or a method that trains any network.",
    )


@dataclass(frozen=True)
class Record:
    """One line of the history: the state after a step. Errors are relative L2, None if unknown;
    those of inferred constants are standard errors.

    ``loss`` is what a training method minimises, with its own weights; it is no error.
    """

    step: int
    units: int
    parameters: int
    points: int
    residual_rms: float
    boundary_rms: float
    estimated_error: float | None
    seconds: float
    loss: float | None = None
    inferred: Mapping[str, float] = field(default_factory=dict)
    standard_error: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Why a method ended."""

    status: Status
    reason: str


@dataclass(frozen=True)
class State:
    """What a method has reached.

    Arguments:
        network: the best network so far, None before the first step.
        estimated_error: relative L2, one an unknown; empty if there is no estimate.
        records: the history.
        findings: what was inferred from data.
        memory: the method's own, not looked at by others.
    """

    network: Network | None = None
    estimated_error: Mapping[str, float] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    notes: tuple[str, ...] = ()
    findings: Findings = field(default_factory=Findings)
    memory: Any = None


class Method(ABC):
    """A way to find a network's parameters. Concrete methods are frozen dataclasses of options.

    Attributes:
        infers: whether it finds the constants and fields of an inverse problem.
    """

    infers: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What recipes call it."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def chosen(self, problem: Problem) -> Method:
        """The method that is run for a problem: itself, unless it only chooses among others."""
        return self

    @abstractmethod
    def start(self, setting: Setting, network: Network | None) -> State:
        """The state before the first step; ``network`` is what an earlier method left."""

    def checkpoint(self, state: State) -> Mapping[str, Any]:
        """What :meth:`resume` needs beside the network, as plain values that JSON can hold."""
        return {}

    def resume(self, setting: Setting, network: Network, saved: Mapping[str, Any]) -> State:
        """The state to go on from, of a solve that ended before it was done.

        Arguments:
            network: the best one so far.
            saved: what :meth:`checkpoint` gave then; empty if the solve ended before a first step.

        Without a method of its own this is a start from that network.
        """
        return self.start(setting, network)

    @abstractmethod
    def step(self, setting: Setting, state: State) -> State:
        """One step: one level of a growing network, or one iteration."""

    @abstractmethod
    def decide(self, setting: Setting, state: State) -> Outcome | None:
        """Whether to stop, and why."""

    def finish(self, setting: Setting, state: State, outcome: Outcome) -> State:
        """Last touches."""
        return state

    def solved(self, setting: Setting, state: State) -> Network:
        """The network for what the problem states, from the one that was found."""
        assert state.network is not None
        return enforced(state.network, setting.problem)
