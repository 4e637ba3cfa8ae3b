"""How long the steps of a march are: what their errors and what their units allow.

A step is refused if its error is above the tolerance, and taken again with new units if its end
asks for much closer ones than it had: it outran them. The latter is seen to come, as what units are
too wide by grows by about the same factor in the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

from gmnm_pde.evolution.fit import AHEAD
from gmnm_pde.evolution.stepping import next_length

MUCH_WIDER = 1.4
"""A spacing wider than needed by this means that the step was wrong."""

OUTRUN = 2.5
"""One wider by this says nothing about the units that are needed."""

ROOM = 0.9
"""A step may take what units are too wide by this part, in logarithms, of the way to MUCH_WIDER."""

STEADY = 3
"""So many steps after one of the same length it may also grow a little: it would stay forever where
errors fall with the length of a step more slowly than they should."""


@dataclass
class Lengths:
    """The length of the next step.

    Arguments:
        h: it.
        tolerance, stages: of the steps.
        wider: what the units are too wide by, as a factor.
        refused: whether the last step was.
        taken: the length of the last step that was not.
        alike: how many were as long before.
    """

    h: float
    tolerance: float
    stages: int
    wider: float = AHEAD
    refused: bool = False
    taken: float = 0.0
    alike: int = 0

    def refuse(self, error: float | None, first: bool = False) -> None:
        """After a step with too large an error, None if it was not solved; whether it was the first
        one of all."""
        # Of data that are not smooth, or do not agree with the conditions, the error does not fall
        # as it should: seen by a second refusal. Later steps that are too short stay so for long.
        shorter = 0.25 * self.h if error is None or (first and self.refused) else inf
        if error is not None:
            shorter = min(shorter, next_length(self.h, error, self.tolerance, self.stages))
        self.h, self.refused = shorter, True

    def outran(self, wider: float) -> None:
        """After a step that ended with units too wide by a factor; it has new ones now."""
        self.h *= 0.5 if wider < OUTRUN else 0.2
        self.wider = AHEAD

    def accept(self, error: float, wider: float, renewed: bool) -> None:
        """After a step that ended with units too wide by a factor, and perhaps got new ones."""
        self.alike = self.alike + 1 if self.h == self.taken else 0
        self.taken, self.refused = self.h, False
        worth = 1.1 if self.alike >= STEADY else 1.5
        growth = log(wider / self.wider) / self.h
        self.wider = AHEAD if renewed else wider
        h = next_length(self.h, error, self.tolerance, self.stages, worth)
        self.h = max(min(h, self._reach(growth)), min(h, 0.2 * self.h))

    def _reach(self, growth: float) -> float:
        """How long the units will do, if what they are too wide by goes on to grow by a rate."""
        if growth <= 0 or self.wider >= MUCH_WIDER:
            return inf
        return ROOM * log(MUCH_WIDER / self.wider) / growth
