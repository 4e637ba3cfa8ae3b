"""From the first time to the last: steps, and new units whenever the ones there are do not fit.

A segment is a stretch of time with the same units. After every step the spacing that the state
needs is compared with the spacing there is. Where it is too wide, units are placed anew and the
state is projected on them; a step that outran its units is taken again with better ones.
"""

from __future__ import annotations

import time as clock
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.evolution.fit import AHEAD, Sizes, fewer
from gmnm_pde.evolution.ground import Ground, Plan, Segment, TooManyUnits, ground_for
from gmnm_pde.evolution.lengths import MUCH_WIDER, OUTRUN, Lengths
from gmnm_pde.evolution.monitor import (
    FEWEST_CELLS,
    Scales,
    merged,
    shortfall,
    spacing_for,
    speeds,
    widened,
)
from gmnm_pde.evolution.radau import tableau
from gmnm_pde.evolution.spacing import Spacing, even
from gmnm_pde.evolution.stepping import Step
from gmnm_pde.evolution.system import Shape
from gmnm_pde.networks import PlacedSpec
from gmnm_pde.problem import Problem

__all__ = ["Journey", "March", "Plan", "Segment", "TooManyUnits"]

WIDER = 1.15
"""A spacing wider than needed by this asks for new units."""

MORE = 10.0
"""Units at first are never so many times as many as those before: what these miss looks steep."""

MOST = 1e-3
"""Units become closer where the square of what is missed is more than this part of the largest."""

UNSEEN = 10.0
"""An initial state that misses more than this many tolerances is looked at more closely."""

SEEN_PACE = 0.1
LATE = 1.2
"""After this part of the steps of the level before, a level ends that is on the way to take so many
times as long as it may."""

HORIZON = 1 / 20
"""Units cover what moves within this part of the time, up to REACH lengths."""

REACH = 6.0

SHORTEST = 1e-12
"""A step that is shorter, relative to all time, means that the solution cannot go on."""


@dataclass(frozen=True)
class Journey:
    """What a march gave.

    Arguments:
        first: spacings at the first time.
        reached: the last time that was reached.
        stopped: why it did not go on, None at the end.
        error, largest: the sum of the steps' error estimates and the largest of them.
    """

    segments: tuple[Segment, ...]
    first: tuple[Spacing, ...]
    reached: float
    stopped: str | None
    error: float
    largest: float
    steps: int
    rejected: int
    units: int
    points: int


class March:
    """One march through time.

    Arguments:
        first: spacings to begin with; even ones if not given.
    """

    def __init__(
        self,
        problem: Problem,
        shape: Shape,
        spec: PlacedSpec,
        plan: Plan,
        first: Sequence[Spacing] | None = None,
    ) -> None:
        assert problem.time is not None
        self.problem, self.shape, self.spec, self.plan = problem, shape, spec, plan
        self.domain = problem.domain
        self.start, self.end = problem.time
        self.sizes = Sizes(problem, shape)
        self.first = first
        self.sharp = False
        self.units = self.points = 0

    def run(self) -> Journey:
        """Go from the first time to the last."""
        plan, tab = self.plan, tableau(self.plan.stages)
        ground, state, first = self._first()
        segments: list[Segment] = []
        t, began = self.start, clock.perf_counter()
        lengths = Lengths(1e-3 * (self.end - self.start), plan.tolerance, tab.stages)
        before: Step | None = None
        known = False
        error, largest, steps, rejected, again = 0.0, 0.0, 0, 0, 0
        stopped = None
        while t < self.end - SHORTEST * (self.end - self.start):
            if self._late(t, began):
                stopped = "the time limit"
                break
            if lengths.h < SHORTEST * (self.end - self.start):
                stopped = "steps become ever shorter: the solution may cease to exist"
                break
            h = lengths.h = self._fitted(t, lengths.h)
            step = ground.stepper.step(t, state, h, before, known)
            # From data that do not agree with the conditions no step is accurate; the error of a
            # short one stays in it, as the method damps what is stiff.
            rough = t == self.start and h <= plan.tolerance**2 * (self.end - self.start)
            if rough and step is not None and isfinite(step.error):
                step = replace(step, error=min(step.error, plan.tolerance))
            if step is None or not isfinite(step.error) or step.error > plan.tolerance:
                lengths.refuse(None if step is None else step.error, first=t == self.start)
                before = step if step is not None and isfinite(step.error) else None
                rejected += 1
                continue
            # What a state was before its first step may be zero, or what a bad step made of it.
            measure = self.sizes.begin if t == self.start else self.sizes.measure
            measure(ground.modes, step.end)
            fit = self.sizes.fit(
                ground.modes, ground.spacings, step.end, plan.density, len(ground.values)
            )
            if fit.wider > MUCH_WIDER and again < 6:
                # The step outran its units: again from its start, with units for its end as well.
                again, rejected = again + 1, rejected + 1
                needed = self._scales(ground, state)
                if fit.wider < OUTRUN:
                    needed = merged(fit.scales, needed)
                ground, state, before = self._renewed(ground, segments, t, state, needed, step)
                known = False
                lengths.outran(fit.wider)
                continue
            again = 0
            t, state, before, known = t + h, step.end, step, True
            ground.times.append(t)
            ground.values.append(step.values)
            error, steps = error + step.error, steps + 1
            largest = max(largest, step.error)
            renewed = (fit.wider > WIDER or fit.fewer) and t < self.end
            lengths.accept(step.error, fit.wider, renewed)
            if renewed:
                ground, state, before = self._renewed(ground, segments, t, state, fit.scales, step)
                known = False
        last = ground.segment()
        segments += [last] if last is not None else []
        return Journey(
            tuple(segments),
            first,
            t,
            stopped,
            error,
            largest,
            steps,
            rejected,
            self.units,
            self.points,
        )

    # -------------------------------------------------------------------------------- details

    def _late(self, t: float, began: float) -> bool:
        """Whether the deadline is over, or the end will be far beyond it, if steps are spread over
        time as those of the level before."""
        now, pace = clock.perf_counter(), self.plan.pace
        if now > self.plan.deadline:
            return True
        share = bisect_right(pace, t) / len(pace) if pace else 0.0
        allowed = share * (self.plan.deadline - began)
        return share > SEEN_PACE and now - began > LATE * allowed

    def _fitted(self, t: float, h: float) -> float:
        """A step that ends with the march, or leaves room for one as long."""
        left = self.end - t
        if h >= left * (1 - 1e-10):
            return left
        return 0.5 * left if h > 0.5 * left else h

    def _first(self) -> tuple[Ground, Tensor, tuple[Spacing, ...]]:
        """Units for the initial state, closer wherever it is not yet represented; the state; and
        the spacings that would do."""
        cells = [max(FEWEST_CELLS, 2 * self.plan.density)] * self.domain.dimension
        spacings = list(self.first or ())
        if not spacings:
            spacings = [even(self.domain, axis, count) for axis, count in enumerate(cells)]
        ground = self._ground(spacings, self.start)
        state = ground.system.initial(self.start)
        missed, sharpened = np.inf, self.sharp
        for _ in range(16):
            self.sizes.begin(ground.modes, state)
            needed = self._scales(ground, state, smooth_first=False)
            if shortfall(ground.spacings, self._spacings(needed, self.plan.density)) <= 1.1:
                # Every length is resolved; what is missed still is a kink, or does not fit.
                before, missed = missed, self._missed(ground, state).sum().sqrt().item()
                if missed < UNSEEN * self.plan.tolerance or missed > 0.6 * before:
                    break
                needed, sharpened = self._sharpened(ground, state, needed), True
            closer = self._spacings(needed, self.plan.density / AHEAD)
            ground = self._ground(self._bounded(ground, closer), self.start)
            state = ground.system.initial(self.start)
        self.sharp = sharpened
        if sharpened:
            return ground, state, tuple(ground.spacings)
        enough = self._spacings(self._scales(ground, state), self.plan.density / AHEAD)
        if fewer(enough, ground.spacings):
            # The first units were too wide, and asked for more than there have to be.
            ground = self._ground(enough, self.start)
            state = ground.system.initial(self.start)
            self.sizes.begin(ground.modes, state)
        return ground, state, tuple(enough)

    def _bounded(self, ground: Ground, closer: list[Spacing]) -> list[Spacing]:
        """Closer spacings, by so much at once as units that are too wide can ask for."""
        least = MORE ** (-1 / self.domain.dimension)
        return [
            Spacing(new.x, np.maximum(new.h, least * old.at(new.x)))
            for new, old in zip(closer, ground.spacings, strict=True)
        ]

    def _spacings(self, needed: Scales, density: float) -> list[Spacing]:
        return spacing_for(self.domain, needed, density)

    def _missed(self, ground: Ground, state: Tensor) -> Tensor:
        """Contributions of the points to the square of the initial state's relative L2 error."""
        missed = ground.system.initial_misfit(self.start, state) / self.sizes.norms
        return (missed.square() * ground.modes.weights[:, None]).amax(1)

    def _sharpened(self, ground: Ground, state: Tensor, found: Scales) -> Scales:
        """Lengths of the initial state, shorter where the modes miss what is asked for."""
        modes, missed = ground.modes, self._missed(ground, state)
        # What the cut leaves out, closer units do not bring back.
        bad = (missed * len(missed)).sqrt() > max(self.plan.tolerance, 30 * self.plan.cut)
        # Most of what is missed around a kink is missed because of it, and goes with it.
        bad &= missed > MOST * missed.max()
        if not bool(bad.any()):
            return found
        result = []
        for axis, (x, length) in enumerate(found):
            places = modes.points[bad, axis].numpy()
            close = ground.spacings[axis].at(places) * self.plan.density * 0.5
            shorter = length.copy()
            nearest = np.clip(np.searchsorted(0.5 * (x[1:] + x[:-1]), places), 0, len(x) - 1)
            np.minimum.at(shorter, nearest, close)
            result.append((x, shorter))
        return merged(result, result)

    def _ground(self, spacings: list[Spacing], time: float) -> Ground:
        ground = ground_for(
            self.problem, self.shape, self.spec, self.plan, spacings, time, self.sizes.norms
        )
        self.units = max(self.units, ground.network.n_units)
        self.points = max(self.points, len(ground.modes.points))
        return ground

    def _renewed(
        self, old: Ground, segments: list[Segment], t: float, state: Tensor, needed: Scales,
        step: Step,
    ) -> tuple[Ground, Tensor, Step]:  # fmt: skip
        """New units for a state; the state and the last step on them."""
        reached = [
            widened(scale, self._reach(old, state, axis, scale))
            for axis, scale in enumerate(needed)
        ]
        spacings = spacing_for(self.domain, reached, self.plan.density / AHEAD)
        ground = self._ground(spacings, t)
        done = old.segment()
        segments += [done] if done is not None else []
        both = torch.cat([state, step.stages])
        moved = ground.modes.project(old.modes.on(ground.modes.lattice, both))
        state, stages = moved[: len(state)], moved[len(state) :]
        return ground, ground.system.admissible(t, state), replace(step, stages=stages)

    def _reach(
        self, ground: Ground, state: Tensor, axis: int, scale: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        x, length = scale
        rate = torch.where(
            torch.tensor(self.shape.orders)[:, None] > 0, state[1], torch.zeros_like(state[1])
        )
        moved = speeds(self.domain, ground.modes, state[0], rate, axis, x)
        return np.minimum(moved * HORIZON * (self.end - self.start), REACH * length)

    def _scales(self, ground: Ground, state: Tensor, smooth_first: bool = True) -> Scales:
        return self.sizes.scales(ground.modes, ground.spacings, state, smooth_first)
