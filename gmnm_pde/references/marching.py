"""Collocation in time at Radau points, for r(t, U, U', U'') = 0 with constraints among the rows.

    U(t_0 + c h),  0 <= c <= 1,  is a polynomial of degree s with r = 0 at c_1 < ... < c_s = 1 .

The polynomial itself is what a reference is read from, at any time, so it is what the length of a
step is chosen by: its last Legendre coefficients must have decayed to the tolerance. The implicit
solvers of scipy have polynomials of degree 3 to 5 only, too few at tolerances of 1e-12, and want
the equations solved for U'.
"""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gmnm_pde.references.discrete import Discrete, Matrix
from gmnm_pde.references.factors import Factors, Singular
from gmnm_pde.references.rule import Rule, radau
from gmnm_pde.references.stencils import Array

MOST_STEPS = 20_000
MOST_ITERATIONS = 14
LOOSER = 1e-4
"""Weight of errors in unknowns without a derivative in time: they do not carry on to later."""

SLOW = 5
"""Iterations after which the next step takes a new Jacobian."""

GROWTH = 1.5
"""A step is lengthened by at least this much, as new factors cost more than a step."""


class Stopped(Exception):
    """The steps became too short, at ``time``: a blow-up, or data that no step resolves."""

    def __init__(self, time: float) -> None:
        super().__init__(f"stopped at t = {time:g}")
        self.time = time


class OutOfTime(Exception):
    """The time that was given is over."""


@dataclass(frozen=True)
class Path:
    """U(t), a polynomial on each step.

    Arguments:
        start: the first time; ``ends`` are counted from it, so that early steps may be very short.
        ends: (steps + 1,).
        values: (steps, s + 1, size), at the nodes of the rule.
    """

    rule: Rule
    start: float
    ends: Array
    values: Array

    def weights(self, times: Array) -> tuple[NDArray[np.intp], Array]:
        """The step that each time (k,) is in, and the weights (k, s + 1) of the step's values."""
        since = np.clip(times - self.start, 0.0, self.ends[-1])
        steps = np.clip(np.searchsorted(self.ends, since) - 1, 0, len(self.values) - 1)
        begin, end = self.ends[steps], self.ends[steps + 1]
        return steps, self.rule.values_at((since - begin) / (end - begin))


@dataclass
class _Newton:
    """Newton matrices of one step length, which serve as long as the iterations converge fast."""

    jacobian: list[Matrix]
    step: float = 0.0
    solvers: list[Factors] = field(default_factory=list)


@dataclass(frozen=True)
class _Step:
    """One step: stage values (s, size) of U, U', ..., and the polynomial (s + 1, size) of U."""

    stages: list[Array]
    polynomial: Array
    iterations: int


@dataclass(eq=False)
class Marcher:
    """March a discrete problem from consistent initial values to the last time.

    Arguments:
        initial: U and its derivatives in time below the order of the problem, each (size,).
        unsettled: whether each unknown has no derivative in time: the first step says what it is
            at first, and rounding divided by the length of a step limits it (a pressure).
        tolerance: of each unknown relative to its largest value so far.
        stages: s, odd.
        deadline: on the clock of :func:`time.perf_counter`.
    """

    system: Discrete
    initial: Sequence[Array]
    start: float
    duration: float
    unsettled: Sequence[bool]
    tolerance: float
    stages: int = 7
    deadline: float = np.inf

    def __post_init__(self) -> None:
        self._rule = radau(self.stages)
        self._newton: _Newton | None = None
        self._weights = np.where(self.unsettled, LOOSER, 1.0)
        self._loose = np.zeros(self.system.size, bool)
        for part, loose in zip(self.system.parts, self.unsettled, strict=True):
            self._loose[part] = loose
        self._scales = self._sizes(self.initial[0][None])

    def run(self) -> Path:
        """All steps.

        Raises:
            Stopped: the steps became too short.
            OutOfTime: the deadline is over.
        """
        state, done, step = list(self.initial), 0.0, 1e-3 * self.duration
        ends, length = [0.0], 0.0
        polynomials: list[Array] = []
        while done < self.duration:
            left = self.duration - done
            if step > left / 2.0:
                # Two equal last steps: the second one is served by the factors of the first.
                step = left if step > 0.99 * left else left / 2.0
            before = (length, polynomials[-1]) if polynomials else None
            found = self._try(state, done, step, before)
            error = np.inf if found is None else self._error(found)
            if found is None or error > 1.0:
                step *= 0.25 if found is None else min(0.7, max(0.1, self._gain(error)))
                if step < max(1e-13 * done, 1e-26 * self.duration):
                    raise Stopped(self.start + done)
                continue
            polynomials.append(found.polynomial)
            length, done = step, self.duration if step == left else done + step
            ends.append(done)
            state = [stage[-1] for stage in found.stages[: len(state)]]
            self._accept(found, len(ends), done)
            gain = self._gain(error)
            step *= min(gain, 4.0) if gain > GROWTH else 1.0
        return Path(self._rule, self.start, np.array(ends), np.stack(polynomials))

    def _accept(self, found: _Step, count: int, done: float) -> None:
        self._scales = np.maximum(self._scales, self._sizes(found.polynomial))
        if found.iterations > SLOW:
            self._newton = None
        if count > MOST_STEPS:
            raise Stopped(self.start + done)
        if clock.perf_counter() > self.deadline:
            raise OutOfTime

    def _gain(self, error: float) -> float:
        """How much longer a step may be."""
        return float(0.8 * max(error, 1e-12) ** (-1.0 / (self.stages + 1)))

    def _try(
        self, state: list[Array], done: float, step: float, before: tuple[float, Array] | None
    ) -> _Step | None:
        """A step, with a new Jacobian if it does not converge with the old one; or None."""
        guess = self._guess(state, step, before)
        times = self.start + done + step * self._rule.nodes[1:]
        if self._newton is not None:
            found = self._iterate(state, times, step, guess)
            if found is not None:
                return found
        middle = self.stages // 2
        derivatives = self._derivatives(state, step, guess)
        jacobian = self.system.jacobian(float(times[middle]), [d[middle] for d in derivatives])
        self._newton = _Newton(jacobian)
        return self._iterate(state, times, step, guess)

    def _guess(self, state: list[Array], step: float, before: tuple[float, Array] | None) -> Array:
        """Stage values (s, size) from the polynomial of the step before."""
        nodes = self._rule.nodes[1:]
        if before is None:
            rate = state[1] if len(state) > 1 else np.zeros_like(state[0])
            return state[0] + step * nodes[:, None] * rate
        length, polynomial = before
        return self._rule.values_at(1.0 + min(step / length, 2.0) * nodes) @ polynomial

    def _iterate(
        self, state: list[Array], times: Array, step: float, stages: Array
    ) -> _Step | None:
        """Newton's method with one matrix for all stages; None if it does not converge."""
        try:
            solvers = self._solvers(step)
        except Singular:
            return None
        last = np.inf
        for iteration in range(1, MOST_ITERATIONS + 1):
            defect = self.system.residual(times, self._derivatives(state, step, stages))
            if not np.isfinite(defect).all():
                return None
            turned = self._rule.inverse @ defect
            moves = np.stack([f.solve(row) for f, row in zip(solvers, turned, strict=True)])
            change = (self._rule.vectors @ moves).real
            stages = stages - change
            size = self._relative(change, stages)
            rate = size / last
            # What is left of a geometric sequence; rounding ends its decay.
            left = size * rate / (1.0 - rate) if iteration > 1 and rate < 1.0 else size
            if left < 0.02 * self.tolerance or (rate > 0.5 and size < self.tolerance):
                return self._step(state, step, stages, iteration)
            if not np.isfinite(size) or (iteration > 2 and rate > 1.5):
                return None
            last = size
        return None

    def _solvers(self, step: float) -> list[Factors]:
        """The matrices sum_k (value / step)^k dr/dU^(k), one for each eigenvalue of the rule."""
        newton = self._newton
        assert newton is not None
        if newton.step != step:
            newton.solvers = []
            for value in self._rule.values:
                number = value.real if value.imag == 0.0 else value
                total = newton.jacobian[0]
                for order, part in enumerate(newton.jacobian[1:], start=1):
                    total = total + (number / step) ** order * part
                newton.solvers.append(Factors(total))
            newton.step = step
        return newton.solvers

    def _step(self, state: list[Array], step: float, stages: Array, iterations: int) -> _Step:
        polynomial = np.concatenate([state[0][None], stages])
        if state[0] is self.initial[0]:
            # Nothing but the stages is known of these: the polynomial through them alone.
            polynomial[0, self._loose] = self._rule.first @ stages[:, self._loose]
        return _Step(self._derivatives(state, step, stages), polynomial, iterations)

    def _derivatives(self, state: list[Array], step: float, stages: Array) -> list[Array]:
        """The stages of U, U', ... from those of U."""
        found = [stages]
        for value in state:
            found.append(self._rule.slopes @ np.concatenate([value[None], found[-1]]) / step)
        return found

    def _sizes(self, values: Array) -> Array:
        """The largest |value| of each unknown, (unknowns,)."""
        return np.array([np.abs(values[:, part]).max() for part in self.system.parts])

    def _relative(self, change: Array, values: Array) -> float:
        return float((self._sizes(change) * self._factors(values)).max())

    def _factors(self, values: Array) -> Array:
        """What errors of each unknown are multiplied with, once these values are known."""
        scales = np.maximum(self._scales, self._sizes(values))
        return self._weights / np.where(scales > 0, scales, 1.0)

    def _error(self, found: _Step) -> float:
        """What the polynomial leaves out, over the tolerance: the next Legendre coefficient, if
        their decay goes on."""
        before, _, last = self._rule.legendre[-3:] @ found.polynomial
        size, earlier = self._sizes(last[None]), self._sizes(before[None])
        ratio = np.sqrt(np.minimum(size / np.where(earlier > 0, earlier, 1.0), 1.0))
        errors = size * ratio * self._factors(found.polynomial)
        return float(errors.max() / self.tolerance)
