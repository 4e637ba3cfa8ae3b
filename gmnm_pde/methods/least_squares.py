"""Growing a network until its error is small enough, each level one least-squares solve.

Centres and widths are chosen, not trained (:mod:`gmnm_pde.placement`,
:mod:`gmnm_pde.methods.growth`); the output weights are found exactly
(:mod:`gmnm_pde.methods.weights`). A level is solved, its error is estimated, and the next level
follows from how it did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gmnm_pde.collocation import collocate, data_blocks, unweighted_checks
from gmnm_pde.errors import InputError
from gmnm_pde.estimate import Estimate, calibrated, doubt, held_back, misfit, rms
from gmnm_pde.linearised import Block, is_linear, with_rest
from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State, placing
from gmnm_pde.methods.checkpoint import matrix, numbers, packed, unpacked
from gmnm_pde.methods.endings import DIVERGED, stagnated, too_large
from gmnm_pde.methods.growth import (
    SEEN,
    Growth,
    Plan,
    Progress,
    enough_units,
    goal,
    units_allowed,
)
from gmnm_pde.methods.levels import PARTS, PLAIN, Best, CheckedAt, Coming, Level, Memory
from gmnm_pde.methods.nonlinear import NotFinite, fit_nonlinear
from gmnm_pde.methods.weights import (
    Damping,
    checked_rows,
    fit_linear,
    imbalance_notes,
    refuse_unbalanced,
    unweighted_rms,
)
from gmnm_pde.networks import LinearOutputNetwork, Network, evaluate
from gmnm_pde.placement import Layout
from gmnm_pde.weighting import Expected, weighted

NEAR_ROUNDING = 1e-10
"""Without a tolerance, a level that brings nothing below this ends the solve, and so does one that
would take more than half as long as all levels before."""

SINGULAR = 1e-5
"""The same towards singularities, where every digit takes several times as long as the last."""

PATIENT_SECONDS = 3.0
"""A level that takes less is always tried."""

LITTLE = 0.5
"""Without a tolerance, no level that would take longer than all before it follows one that left
more than this part of the error: what limits it, a singularity most often, is still there."""

UNSEEN_LEVELS = 10
"""So many levels may bring nothing while a solution is not seen yet."""

TROUBLED = 3
"""Levels in succession whose iteration reaches no minimum before the solve is given up."""

PROBES = 1000
"""Points at which levels are compared with each other."""

CHECK_POINTS = 400
"""Points of a patch at which the residual is measured."""


@dataclass(frozen=True)
class LeastSquares(Method):
    """Grow a network level by level.

    Arguments:
        cells: spacings across the domain at the first level.
        growth: factor from level to level.
        ratio: width of a unit over the spacing.
        oversampling: collocation points over units.
        condition_weight: of conditions over equations; errors were seen to change by less than two
            between 1 and 10, and an outflow layer that is not resolved yet spoils less at 1.
        grade: add finer patches where the residual is concentrated.
    """

    cells: float = 4.0
    growth: float = 1.35
    ratio: float = 1.6
    oversampling: float = 1.15
    condition_weight: float = 1.0
    grade: bool = True

    def start(self, setting: Setting, network: Network | None) -> State:
        problem = setting.problem
        placing(setting, self.name)
        first = self._rules.first(setting)
        enough_units(setting, first.units)
        check = self._checked_at(setting, None, first.layout)
        linear = all(is_linear(problem, block) for block in check.blocks)
        probes = setting.placed(problem.region.sample_interior(PROBES, "sobol", setting.seed + 1))
        if not linear and isinstance(network, LinearOutputNetwork):
            first = self._rules.starting_from(setting, first.plan, network, probes)
        memory = Memory(Coming.known(first), probes, linear, check=check)
        if network is not None:
            values = evaluate(network, probes)
            memory = replace(memory, expected=self._expected(memory, network, values))
        return State(network=network, memory=memory)

    def checkpoint(self, state: State) -> Mapping[str, Any]:
        memory: Memory = state.memory
        if memory.best is None:
            return {}
        plain = {name: getattr(memory, name) for name in PLAIN}
        parts = {name: packed(getattr(memory, name)) for name in ("plan", *PARTS)}
        last = memory.last is not None and memory.last[0].plan == memory.best.plan
        extra = {"graded": memory.graded, "values": numbers(memory.values), "last_is_best": last}
        return {**plain, **parts, **extra}

    def resume(self, setting: Setting, network: Network, saved: Mapping[str, Any]) -> State:
        """Goes on with the level that would have come next."""
        state = self.start(setting, network)
        if not saved:
            return state
        memory: Memory = state.memory
        kept = {name: saved[name] for name in PLAIN}
        parts: dict[str, Any] = {name: unpacked(kind, saved[name]) for name, kind in PARTS.items()}
        memory = replace(
            memory,
            **kept,
            **parts,
            coming=Coming.known(
                self._rules.placed(setting, unpacked(Plan, saved["plan"])), saved["graded"]
            ),
            values=matrix(saved["values"], memory.probes),
        )
        # A better network than that of the last level is kept, and that of the last level is not.
        if saved["last_is_best"] and memory.best and isinstance(network, LinearOutputNetwork):
            placed = self._rules.placed(setting, memory.best.plan)
            memory = replace(memory, last=(placed, network))
        raw = evaluate(network, memory.probes)
        expected = self._expected(memory, network, raw, memory.estimate)
        return replace(state, memory=replace(memory, expected=expected))

    def step(self, setting: Setting, state: State) -> State:
        memory: Memory = state.memory
        began = setting.elapsed
        memory = replace(
            memory, check=self._checked_at(setting, memory.check, memory.placed.layout)
        )
        try:
            level = self._solve(setting, memory, state.network)
        except NotFinite as error:
            if state.network is None:
                raise InputError(str(error), mend=error.mend) from None
            return replace(state, memory=replace(memory, failure=str(error)))
        raw = evaluate(level.network, memory.probes)
        values = setting.problem.completed(memory.probes, raw)
        estimate = self._estimate(setting, memory, level, values)
        progress = _progress(memory, level, estimate)
        solved, probes = memory.placed, memory.probes
        coming = Coming(
            lambda: self._rules.following(setting, solved, level.network, progress, probes)
        )
        better = memory.best is None or memory.best.outdone(estimate)
        refuse_unbalanced(level.fit.imbalance, memory.imbalance)
        network = level.network if better or state.network is None else state.network
        if network is not level.network:
            raw = evaluate(network, memory.probes)
        return State(
            network=network,
            estimated_error=estimate.relative if better else state.estimated_error,
            records=(*state.records, _record(setting, state, level, estimate)),
            notes=state.notes,
            memory=replace(
                memory,
                coming=coming,
                values=values,
                estimate=estimate,
                best=Best(estimate.worst, estimate.misfit, level.fit.ridge, solved.plan)
                if better
                else memory.best,
                since_best=0 if better else memory.since_best + 1,
                imbalance=level.fit.imbalance,
                seconds=setting.elapsed - began,
                expected=self._expected(memory, network, raw, estimate),
                troubled=memory.troubled + 1 if level.trouble else 0,
                last=(solved, level.network),
            ),
        )

    def decide(self, setting: Setting, state: State) -> Outcome | None:
        memory: Memory = state.memory
        if memory.failure is not None:
            return Outcome("failed", f"diverged: {memory.failure}; the last good level is kept")
        if memory.best is None:
            return None
        error = memory.best.error
        if error <= goal(setting):
            met = "at rounding" if setting.rtol is None else f"under rtol {setting.rtol:.1e}"
            return Outcome("converged", f"estimated error {error:.1e} is {met}")
        asked = setting.rtol is not None
        only_data = not setting.problem.equations
        enough = SINGULAR if memory.plan.singular else NEAR_ROUNDING
        near = not asked and (error < enough or only_data)
        unseen = error > SEEN and not only_data
        if memory.troubled >= TROUBLED and unseen:
            return Outcome("failed", DIVERGED)
        patience = UNSEEN_LEVELS if unseen else 1 if near else 4 if asked else 3
        if memory.since_best >= patience:
            return stagnated(error, patience, asked, unseen)
        units = memory.placed.units
        lost = memory.troubled > 0 and unseen
        if units > units_allowed(setting):
            return Outcome("failed", DIVERGED) if lost else too_large(setting, units)
        # The factorisation dominates: rows x units^2.
        ahead = memory.seconds * (units / max(state.records[-1].units, 1)) ** 3
        if near and ahead > max(0.5 * setting.elapsed, PATIENT_SECONDS):
            reason = "the next level would take more than half as long as all before it"
            return Outcome("converged" if error < NEAR_ROUNDING else "stopped", reason)
        long = ahead > max(setting.elapsed, PATIENT_SECONDS)
        if long and not asked and not unseen and _left(state.records) > LITTLE:
            reason = "the last level brought little, and the next would take longer than all before"
            return Outcome("converged" if error < NEAR_ROUNDING else "stopped", reason)
        if setting.elapsed + ahead > setting.time_limit:
            return Outcome(
                "failed" if lost else "stopped",
                ("diverged so far, and " if lost else "")
                + f"the next level would take about {ahead:.0f} s, beyond the time limit of "
                f"{setting.time_limit:.0f} s",
            )
        return None

    def finish(self, setting: Setting, state: State, outcome: Outcome) -> State:
        best: Best | None = state.memory.best
        if best is not None:
            notes = imbalance_notes(state.memory.imbalance, best.error)
            state = replace(state, notes=(*state.notes, *notes))
        if setting.problem.equations or best is None:
            return state
        # Some data were held back to measure the error on; the answer uses all of them.
        placed = self._rules.placed(setting, best.plan)
        level = self._solve(
            setting,
            replace(state.memory, coming=Coming.known(placed)),
            state.network,
            final=best.ridge,
        )
        return replace(state, network=level.network)

    @property
    def _rules(self) -> Growth:
        return Growth(self.cells, self.growth, self.ratio, self.oversampling, self.grade)

    def _solve(
        self,
        setting: Setting,
        memory: Memory,
        previous: Network | None,
        final: float | None = None,
    ) -> Level:
        """A level; the last one uses all data, with the damping that was best without some."""
        problem, place = setting.problem, setting.placed
        layout = memory.placed.layout
        centres = layout.centres()
        spec = placing(setting, self.name)
        network = place(layout.network(spec, centres, len(problem.unknowns)))
        if not isinstance(network, LinearOutputNetwork):
            raise InputError(
                "the method least_squares needs a network whose last layer is linear, and "
                f"{type(network).__name__} is not.",
                mend="Use the network gmnm, or another method.",
            )
        weight, seed = self.condition_weight, setting.seed
        counts = layout.point_counts(centres)
        expected = memory.expected
        blocks = collocate(problem, layout, counts, setting.sampling, seed, weight, expected)
        if final is not None:
            blocks += data_blocks(problem, held_back=True)
        blocks = [place(block) for block in blocks]
        check = [] if final is not None else self._check(setting, memory, layout)
        trouble = None
        if memory.linear:
            free = setting.constants_free
            damping = None if final is None else Damping((final,))
            fit = fit_linear(problem, network, blocks, check, constants_free=free, damping=damping)
        else:
            deadline = setting.started + setting.time_limit
            fit, trouble = fit_nonlinear(problem, network, blocks, check, previous, deadline)
        return Level(layout, network, blocks, check, fit, trouble)

    def _checked_at(self, setting: Setting, known: CheckedAt | None, layout: Layout) -> CheckedAt:
        """Points that no fit uses, those that are known if they would be the same."""
        boxes = tuple((patch.lower, patch.upper) for patch in layout.patches)
        if known is not None and known.boxes == boxes:
            return known
        many = CHECK_POINTS * min(len(layout.patches), 8)
        blocks = unweighted_checks(setting.problem, layout, many, setting.seed + 2)
        return CheckedAt(boxes, tuple(with_rest(setting.problem, block) for block in blocks))

    def _check(self, setting: Setting, memory: Memory, layout: Layout) -> list[Block]:
        """Rows at points that no fit uses, weighted for a layout."""
        problem, weight, expected = setting.problem, self.condition_weight, memory.expected
        return [
            setting.placed(weighted(problem, block, layout, weight, expected))
            for block in self._checked_at(setting, memory.check, layout).blocks
        ]

    def _expected(
        self, memory: Memory, network: Network, values: Tensor, estimate: Estimate | None = None
    ) -> Expected:
        """What a network says about the solution; a linear problem needs the sizes only.

        Arguments:
            values: of the network at the probes.

        The size of an unknown is taken from levels that agree on it: one that vanishes would
        otherwise have rows as heavy as its error is small.
        """
        moves = estimate.moves if estimate is not None else {}
        columns = dict(zip(moves, values.T, strict=False))
        sizes = {
            name: rms(column) for name, column in columns.items() if moves[name] < 0.1 * rms(column)
        }
        if len(sizes) < values.shape[1]:
            sizes = {}
        expected = Expected.after(network, sizes)
        return replace(expected, network=None) if memory.linear else expected

    def _estimate(self, setting: Setting, memory: Memory, level: Level, values: Tensor) -> Estimate:
        unknowns = setting.problem.unknowns
        missed = misfit(level.fit.checked, level.check)
        if not setting.problem.equations:
            return held_back(unknowns, missed, values)
        doubted = math.inf if level.trouble else doubt(level.fit.checked, level.check)
        return calibrated(
            unknowns, missed, values, memory.values, self._before(setting, memory), doubted,
            singular=memory.plan.singular,
        )  # fmt: skip

    def _before(self, setting: Setting, memory: Memory) -> Estimate | None:
        """The estimate of the last level, its misfit weighted as this level's is.

        Weights follow the solution where there are several unknowns or a nonlinear residual.
        """
        before, single = memory.estimate, len(setting.problem.unknowns) == 1
        if before is None or memory.last is None or (memory.linear and single):
            return before
        placed, network = memory.last
        check = self._check(setting, memory, placed.layout)
        return before.reweighted(misfit(checked_rows(setting.problem, network, check), check))


def _progress(memory: Memory, level: Level, estimate: Estimate) -> Progress:
    rows = list(zip(level.check, level.fit.checked, strict=True))
    return Progress(
        error=estimate.worst,
        before=math.inf if memory.estimate is None else memory.estimate.worst,
        graded=memory.graded,
        points=torch.cat([block.points for block, _ in rows]).cpu().double(),
        indicator=torch.cat([block.at_points(row) for block, row in rows]).cpu().double(),
    )


def _left(records: Sequence[Record]) -> float:
    """The part of the smallest estimate so far that the last level left, zero if there is none."""
    *before, last = [math.inf if r.estimated_error is None else r.estimated_error for r in records]
    least = min(before, default=math.inf)
    return last / least if math.isfinite(least) else 0.0


def _record(setting: Setting, state: State, level: Level, estimate: Estimate) -> Record:
    rows, check = level.fit.checked, level.check
    return Record(
        step=len(state.records) + 1,
        units=level.network.n_units,
        parameters=sum(p.numel() for p in level.network.parameters()),
        points=sum(len(block.points) for block in level.blocks),
        residual_rms=unweighted_rms(rows, check, ("equation", "data")),
        boundary_rms=unweighted_rms(rows, check, ("condition",)),
        estimated_error=estimate.worst if math.isfinite(estimate.worst) else None,
        seconds=setting.elapsed,
    )
