"""From the first time to the last: steps, and new units whenever the ones there are do not fit.

A segment is a stretch of time with the same units. After every step the spacing that the state
needs is compared with the spacing there is. Where it is too wide, units are placed anew and the
state is projected on them; a step that outran its units is taken again with better ones.
"""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.evolution.modes import Modes
from gmnm_pde.evolution.monitor import (
    FEWEST_CELLS,
    Scales,
    merged,
    scales,
    shortfall,
    spacing_for,
    speeds,
    widened,
)
from gmnm_pde.evolution.radau import tableau
from gmnm_pde.evolution.spacing import Spacing, even, lattice
from gmnm_pde.evolution.stepping import Step, Stepper, next_length
from gmnm_pde.evolution.system import RATES, Shape, System
from gmnm_pde.networks import GMNM, PlacedSpec
from gmnm_pde.problem import Problem

AHEAD = 0.8
"""Units are placed closer than needed by this, so that they fit for a while."""

WIDER = 1.15
"""A spacing wider than needed by this asks for new units."""

MUCH_WIDER = 1.4
"""One wider by this means that the step was wrong."""

FEWER = 0.6
"""New units also where so much fewer would do along every coordinate."""

OUTRUN = 2.5
"""One wider by this says nothing about the units that are needed."""

UNSEEN = 10.0
"""An initial state that misses more than this many tolerances is looked at more closely."""

HORIZON = 1 / 20
"""Units cover what moves within this part of the time, up to REACH lengths."""

REACH = 6.0

CONDITION_CUT = 1e-4
CONDITION_CUT_LINE = 1e-9
"""Combinations of modes that are smaller than this on the boundary are not held there: their part
in the solution is as small again, and a lower cut amplifies rounding. The boundary of a line is two
points, with few rows, all of which count: without the last of its derivatives a periodic condition
of a fourth-order equation lost six digits."""

SHORTEST = 1e-12
"""A step that is shorter, relative to all time, means that the solution cannot go on."""


@dataclass(frozen=True)
class Plan:
    """How finely a march goes.

    Arguments:
        tolerance: of a step, relative.
        density: units for each length over which the solution changes.
        margin: units beyond the boundary.
        ratio: width of a unit over the spacing.
        cut: of the modes.
        max_units: that are allowed.
        deadline: ``time.perf_counter()`` after which no step is begun.
    """

    tolerance: float
    density: float
    margin: float
    ratio: float
    cut: float
    max_units: int
    deadline: float

    @property
    def stages(self) -> int:
        """More for small tolerances, whose steps would be many."""
        return next(s for s, least in ((3, 1e-3), (5, 1e-7), (7, 0.0)) if self.tolerance >= least)


@dataclass(frozen=True)
class Segment:
    """Units, and their output weights in time.

    Arguments:
        network: the units.
        times: ends of the steps, (steps + 1,).
        values: of every unknown's weights at the start and the nodes of each step,
            (steps, s + 1, features, unknowns).
    """

    network: GMNM
    times: Tensor
    values: Tensor


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


class TooManyUnits(Exception):
    """The state needs more units than are allowed."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"{needed} units are needed")
        self.needed = needed


@dataclass
class Ground:
    """Units of the present segment and what stands on them."""

    spacings: list[Spacing]
    modes: Modes
    system: System
    stepper: Stepper
    network: GMNM
    times: list[float] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)

    def segment(self) -> Segment | None:
        """The steps so far."""
        if not self.values:
            return None
        weights = self.modes.weights_of_modes
        stacked = torch.stack(self.values)
        values = torch.einsum("fk,nsjk->nsfj", weights, stacked)
        return Segment(self.network, torch.tensor(self.times, dtype=torch.float64), values)


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
        self.sizes = torch.ones(len(problem.unknowns), dtype=torch.float64)
        self.norms = torch.ones(len(problem.unknowns), dtype=torch.float64)
        self.rates = torch.full_like(self.norms, 1e-12)
        self.first = first
        self.sharp = False
        self.units = self.points = 0

    def run(self) -> Journey:
        """Go from the first time to the last."""
        plan, tab = self.plan, tableau(self.plan.stages)
        ground, state, first = self._first()
        segments: list[Segment] = []
        t, h = self.start, 1e-3 * (self.end - self.start)
        before: Step | None = None
        error, largest, steps, rejected, again = 0.0, 0.0, 0, 0, 0
        stopped = None
        while t < self.end - SHORTEST * (self.end - self.start):
            if clock.perf_counter() > plan.deadline:
                stopped = "the time limit"
                break
            if h < SHORTEST * (self.end - self.start):
                stopped = "steps become ever shorter: the solution may cease to exist"
                break
            h = self._fitted(t, h)
            step = ground.stepper.step(t, state, h, before)
            if step is None or not isfinite(step.error) or step.error > plan.tolerance:
                h = (
                    0.25 * h
                    if step is None
                    else next_length(h, step.error, plan.tolerance, tab.stages)
                )
                before = None if step is None else before
                rejected += 1
                continue
            self._measure(ground, step.end)
            fit = self._fit(ground, step.end)
            if fit.wider > MUCH_WIDER and again < 6:
                # The step outran its units: again from its start, with units for its end as well.
                again, rejected = again + 1, rejected + 1
                needed = self._scales(ground, state)
                if fit.wider < OUTRUN:
                    needed = merged(fit.scales, needed)
                ground, state = self._renewed(ground, segments, t, state, needed)
                before, h = None, (0.5 if fit.wider < OUTRUN else 0.2) * h
                continue
            again = 0
            t, state, before = t + h, step.end, step
            ground.times.append(t)
            ground.values.append(step.values)
            error, steps = error + step.error, steps + 1
            largest = max(largest, step.error)
            h = next_length(h, step.error, plan.tolerance, tab.stages)
            if (fit.wider > WIDER or fit.fewer) and t < self.end:
                ground, state = self._renewed(ground, segments, t, state, fit.scales)
                before = None
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
            self._measure(ground, state)
            needed = self._scales(ground, state, smooth_first=False)
            if shortfall(ground.spacings, self._spacings(needed, self.plan.density)) <= 1.1:
                # Every length is resolved; what is missed still is a kink, or does not fit.
                before, missed = missed, self._missed(ground, state).sum().sqrt().item()
                if missed < UNSEEN * self.plan.tolerance or missed > 0.6 * before:
                    break
                needed, sharpened = self._sharpened(ground, state, needed), True
            ground = self._ground(self._spacings(needed, self.plan.density / AHEAD), self.start)
            state = ground.system.initial(self.start)
        self.sharp = sharpened
        if sharpened:
            return ground, state, tuple(ground.spacings)
        enough = self._spacings(self._scales(ground, state), self.plan.density / AHEAD)
        return ground, state, tuple(enough)

    def _spacings(self, needed: Scales, density: float) -> list[Spacing]:
        return spacing_for(self.domain, needed, density)

    def _missed(self, ground: Ground, state: Tensor) -> Tensor:
        """Contributions of the points to the square of the initial state's relative L2 error."""
        missed = ground.system.initial_misfit(self.start, state) / self.norms
        return (missed.square() * ground.modes.weights[:, None]).amax(1)

    def _sharpened(self, ground: Ground, state: Tensor, found: Scales) -> Scales:
        """Lengths of the initial state, shorter where the modes miss what is asked for."""
        modes, missed = ground.modes, self._missed(ground, state)
        # What the cut leaves out, closer units do not bring back.
        bad = (missed * len(missed)).sqrt() > max(self.plan.tolerance, 30 * self.plan.cut)
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
        plan = self.plan
        found = lattice(self.domain, spacings, plan.margin, plan.ratio)
        if len(found.centres) > plan.max_units:
            raise TooManyUnits(len(found.centres))
        network = self.spec.build(found.centres, 1 / found.widths, len(self.problem.unknowns))
        assert isinstance(network, GMNM)
        modes = Modes(network, found, plan.cut)
        condition_cut = CONDITION_CUT if self.domain.dimension > 1 else CONDITION_CUT_LINE
        system = System(self.problem, self.shape, modes, spacings, time, condition_cut)
        stepper = Stepper(system, tableau(plan.stages), plan.tolerance, self.norms)
        self.units = max(self.units, len(found.centres))
        self.points = max(self.points, len(found.points))
        return Ground(spacings, modes, system, stepper, network, [time])

    def _renewed(
        self, old: Ground, segments: list[Segment], t: float, state: Tensor, needed: Scales
    ) -> tuple[Ground, Tensor]:
        """New units for a state, and the state on them."""
        reached = [
            widened(scale, self._reach(old, state, axis, scale))
            for axis, scale in enumerate(needed)
        ]
        spacings = spacing_for(self.domain, reached, self.plan.density / AHEAD)
        ground = self._ground(spacings, t)
        done = old.segment()
        segments += [done] if done is not None else []
        old_at = old.modes.at(ground.modes.points, [(0,) * self.domain.dimension])
        (features,) = old_at.values()
        moved = torch.stack(
            [ground.modes.project(state[rate] @ features.T) for rate in range(RATES)]
        )
        return ground, ground.system.admissible(t, moved)

    def _reach(
        self, ground: Ground, state: Tensor, axis: int, scale: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        x, length = scale
        rate = torch.where(
            torch.tensor(self.shape.orders)[:, None] > 0, state[1], torch.zeros_like(state[1])
        )
        moved = speeds(self.domain, ground.modes, state[0], rate, axis, x)
        return np.minimum(moved * HORIZON * (self.end - self.start), REACH * length)

    def _measure(self, ground: Ground, state: Tensor) -> None:
        """Sizes of the unknowns and their rates so far."""
        values = ground.modes.values @ state[0].T
        half = 0.5 * (values.amax(0) - values.amin(0))
        norm = state[0].norm(dim=1)
        if not ground.times[1:] and ground.times[0] == self.start:
            self.sizes.copy_(torch.maximum(half, 0.5 * values.abs().amax(0)).clamp_min(1e-12))
            self.norms.copy_(torch.where(norm > 1e-8, norm, norm.new_ones(())))
            self.rates.fill_(1e-12)
        rate = 0.5 * (ground.modes.values @ state[1].T).abs().amax(0)
        self.rates.copy_(torch.maximum(self.rates, rate))
        self.sizes.copy_(torch.maximum(self.sizes, half))
        self.norms.copy_(torch.maximum(self.norms, norm))

    def _scales(self, ground: Ground, state: Tensor, smooth_first: bool = True) -> Scales:
        """Lengths of the unknowns, and of the rates of those of second order in time: a standing
        wave passes through zero with its rate at the largest.

        A multiplier follows from the others, and is not known at first.
        """
        orders = self.shape.orders
        seen = [j for j in range(len(orders)) if j not in self.shape.multipliers]
        second = [j for j in seen if orders[j] == 2]
        c = torch.cat([state[0, seen], state[1, second]])
        # At rest, or at zero, at first: the other one says how large it will be.
        duration = self.end - self.start
        rates = torch.maximum(self.rates, self.sizes / duration)
        sizes = self.sizes.clone()
        sizes[second] = torch.maximum(sizes, 0.05 * duration * self.rates)[second]
        sizes = torch.cat([sizes[seen], rates[second]])
        return scales(self.domain, ground.spacings, ground.modes, c, sizes, smooth_first)

    def _fit(self, ground: Ground, state: Tensor) -> Fit:
        needed = self._scales(ground, state)
        wanted = spacing_for(self.domain, needed, self.plan.density)
        wider = shortfall(ground.spacings, wanted)
        now = np.prod([spacing.cells for spacing in ground.spacings])
        then = np.prod([spacing.cells / AHEAD for spacing in wanted])
        few = then < FEWER**self.domain.dimension * now
        return Fit(wider, bool(few and len(ground.values) > 3), needed)


@dataclass(frozen=True)
class Fit:
    """How units fit a state.

    Arguments:
        wider: the largest ratio of their spacing to the one needed.
        fewer: whether so much fewer would do.
        scales: of the state.
    """

    wider: float
    fewer: bool
    scales: Scales
