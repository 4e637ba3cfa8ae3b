"""The method that a problem calls for."""

from __future__ import annotations

from dataclasses import dataclass

from gmnm_pde.methods.base import Method, Outcome, Setting, State
from gmnm_pde.methods.inverse import Inverse
from gmnm_pde.methods.inverse_in_time import InverseInTime
from gmnm_pde.methods.least_squares import LeastSquares
from gmnm_pde.methods.random_features import RandomFeatures
from gmnm_pde.methods.time_stepping import TimeStepping
from gmnm_pde.networks import Network
from gmnm_pde.networks.products import FEW
from gmnm_pde.problem import Interface, Problem


@dataclass(frozen=True)
class Auto(Method):
    """``inverse`` or ``inverse_in_time`` where something is to be inferred; in up to three
    dimensions of space ``time_stepping`` for an evolution problem and ``least_squares`` for any
    other, in more ``random_features`` for both.

    Problems with time and interfaces are solved in space and time at once, by least squares.
    """

    def chosen(self, problem: Problem) -> Method:
        whole = any(isinstance(condition, Interface) for condition in problem.conditions)
        if problem.infer:
            return Inverse() if problem.time is None or whole else InverseInTime()
        if len(problem.space) > FEW:
            return RandomFeatures()
        return LeastSquares() if problem.time is None or whole else TimeStepping()

    def start(self, setting: Setting, network: Network | None) -> State:
        return self.chosen(setting.problem).start(setting, network)

    def step(self, setting: Setting, state: State) -> State:
        return self.chosen(setting.problem).step(setting, state)

    def decide(self, setting: Setting, state: State) -> Outcome | None:
        return self.chosen(setting.problem).decide(setting, state)
