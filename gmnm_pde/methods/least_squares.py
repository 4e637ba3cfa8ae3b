"""Growing a network until its error is small enough, each level one least-squares solve.

Centres and widths are chosen, not trained; the output weights are found exactly (see
:mod:`gmnm_pde.placement` and :mod:`gmnm_pde.methods.weights`). A level is solved, its error is
estimated, and the next level gets smaller spacings, a wider margin, finer patches where the
residual is concentrated, and spacings that follow how quickly the solution varies along each
coordinate.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gmnm_pde.assembly import Block, is_linear
from gmnm_pde.collocation import check_blocks, collocate, refit_blocks
from gmnm_pde.errors import InputError
from gmnm_pde.estimate import Estimate, calibrated, doubt, held_back, misfit
from gmnm_pde.grading import corner_patches, grade, variation
from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State
from gmnm_pde.methods.weights import Damping, Fit, evaluate, fit_linear, fit_newton, unweighted_rms
from gmnm_pde.networks import LinearOutputNetwork
from gmnm_pde.placement import Layout, Patch, first_patch, margin_for

ROUNDING = 1e-13
"""What is aimed at without a tolerance: a few hundred roundings, before they are all there is."""

NEAR_ROUNDING = 1e-10
"""Without a tolerance, a level that brings nothing below this ends the solve, and so does one that
would take more than half as long as all levels before."""

PATIENT_SECONDS = 3.0
"""A level that takes less is always tried."""

FAST = 0.3
"""Uniform refinement goes on as it is while it brings the error down by at least this factor."""

STRETCH = 0.75
"""Spacings follow variation to this power. At one, the slow coordinate has so few units that their
weights grow and with them the rounding."""

PROBES = 1000
"""Points at which levels are compared with each other."""


@dataclass(frozen=True)
class Plan:
    """What the next level looks like.

    Arguments:
        cells: spacings across the domain, in the geometric mean over the coordinates.
        stretch: how spacings compare along the coordinates, see :func:`placement.first_patch`.
        tolerance: the error that the margin is made for.
        corner_levels: nested patches around each re-entrant corner.
        extra: patches where the residual was concentrated, with the cells they were made at.
    """

    cells: float
    stretch: tuple[float, ...]
    tolerance: float = 1e-4
    corner_levels: int = 4
    extra: tuple[tuple[Patch, float], ...] = ()

    def layout(self, setting: Setting, ratio: float, oversampling: float) -> Layout:
        """The patches."""
        domain = setting.problem.domain
        first = first_patch(domain, self.cells, self.stretch)
        corners = corner_patches(domain, first, self.corner_levels)
        extra = tuple(patch.refined(self.cells / cells) for patch, cells in self.extra)
        margin = margin_for(self.tolerance, ratio)
        return Layout(
            domain, (first, *corners, *extra), margin, ratio=ratio, oversampling=oversampling
        )


@dataclass(frozen=True)
class Memory:
    """Between levels.

    Arguments:
        plan: of the next level.
        probes: points at which levels are compared, (n, d).
        values: of the last level there, (n, m).
        estimate: of the last level.
        estimates: relative errors of all levels.
        best: the level that was best so far: its plan, estimate and damping.
        linear: whether the problem is.
        graded: whether the last level had a new patch.
    """

    plan: Plan
    probes: Tensor
    linear: bool
    values: Tensor | None = None
    estimate: Estimate | None = None
    estimates: tuple[float, ...] = ()
    best: tuple[Plan, float, float] | None = None
    since_best: int = 0
    graded: bool = False
    imbalance: float | None = None
    last_seconds: float = 0.0


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

    def start(self, setting: Setting, network: object) -> State:
        problem = setting.problem
        d = problem.domain.dimension
        widths = [b - a for a, b in zip(problem.domain.lower, problem.domain.upper, strict=True)]
        # Between equal numbers of units and equal spacings, until a solution says which it is.
        stretch = normalised([width**-0.5 for width in widths])
        plan = Plan(self.cells if d < 3 else min(self.cells, 3.0), stretch)
        probes = setting.placed(problem.domain.sample_interior(PROBES, "sobol", setting.seed + 1))
        first = plan.layout(setting, self.ratio, self.oversampling)
        few = check_blocks(problem, first, 16, setting.seed, self.condition_weight)
        linear = all(is_linear(problem, block) for block in few)
        return State(memory=Memory(plan, probes, linear))

    def step(self, setting: Setting, state: State) -> State:
        memory: Memory = state.memory
        began = setting.elapsed
        layout = memory.plan.layout(setting, self.ratio, self.oversampling)
        centres = layout.centres()
        network = layout.network(setting.network, centres, len(setting.problem.unknowns))
        if not isinstance(network, LinearOutputNetwork):
            raise InputError(
                "the method least_squares needs a network whose last layer is linear.",
                mend="Use the network gmnm, or another method.",
            )
        place = setting.placed
        blocks = collocate(
            setting.problem, layout, layout.point_counts(centres), setting.sampling, setting.seed,
            self.condition_weight,
        )  # fmt: skip
        n_check = 400 * min(len(layout.patches), 8)
        check = check_blocks(
            setting.problem, layout, n_check, setting.seed + 2, self.condition_weight
        )
        network = place(network)
        blocks, check = [place(block) for block in blocks], [place(block) for block in check]
        fit = self._fit(setting, memory, network, blocks, check, state.network)
        values = evaluate(network, memory.probes)
        missed = misfit(fit.checked, check)
        if setting.problem.equations:
            estimate = calibrated(
                setting.problem.unknowns, missed, values, memory.values,
                memory.estimate, doubt(fit.checked, check),
            )  # fmt: skip
        else:
            estimate = held_back(setting.problem.unknowns, missed, values)
        record = self._record(setting, state, network, blocks, check, fit, estimate)
        plan, graded = self._next(setting, memory, layout, network, check, fit, estimate)
        better = memory.best is None or estimate.worst <= memory.best[1]
        best = (memory.plan, estimate.worst, fit.ridge) if better else memory.best
        return State(
            network=network if better else state.network,
            estimated_error=estimate.relative if better else state.estimated_error,
            records=(*state.records, record),
            notes=state.notes,
            memory=replace(
                memory,
                plan=plan, values=values, estimate=estimate,
                estimates=(*memory.estimates, estimate.worst), best=best, graded=graded,
                since_best=0 if better else memory.since_best + 1,
                imbalance=fit.imbalance, last_seconds=setting.elapsed - began,
            ),  # fmt: skip
        )

    def decide(self, setting: Setting, state: State) -> Outcome | None:
        memory: Memory = state.memory
        if not memory.estimates or memory.best is None:
            return None
        error = memory.best[1]
        if error <= goal(setting):
            met = "at rounding" if setting.rtol is None else f"under rtol {setting.rtol:.1e}"
            return Outcome("converged", f"estimated error {error:.1e} is {met}")
        fitted = not setting.problem.equations
        near = setting.rtol is None and (error < NEAR_ROUNDING or fitted)
        patience = 1 if near else 3 if setting.rtol is None else 4
        if memory.since_best >= patience:
            levels = "level" if patience == 1 else f"{patience} levels"
            return Outcome(
                "converged" if setting.rtol is None else "stopped",
                f"the last {levels} brought no improvement",
            )
        units = self.units(setting, memory.plan)
        if units > units_allowed(setting):
            limit = f"{units} units, more than the {units_allowed(setting)}"
            why = "allowed" if units_allowed(setting) == setting.max_units else "the points support"
            return Outcome("stopped", f"the next level needs {limit} {why}")
        # The factorisation dominates: rows x units^2.
        ahead = memory.last_seconds * (units / max(state.records[-1].units, 1)) ** 3
        if near and ahead > max(0.5 * setting.elapsed, PATIENT_SECONDS):
            return Outcome("converged", "the next digit would take more than half as long as all before it")
        if setting.elapsed + ahead > setting.time_limit:
            return Outcome(
                "stopped",
                f"the next level would take about {ahead:.0f} s, beyond the time limit of "
                f"{setting.time_limit:.0f} s",
            )
        return None

    def units(self, setting: Setting, plan: Plan) -> int:
        """Units of a plan."""
        return sum(len(part) for part in plan.layout(setting, self.ratio, self.oversampling).centres())

    def finish(self, setting: Setting, state: State, outcome: Outcome) -> State:
        if setting.problem.data is None or state.memory.best is None:
            return state
        # Some data were held back to measure the error on; the answer uses all of them.
        network = copy.deepcopy(state.network)
        assert isinstance(network, LinearOutputNetwork)
        everything = refit_blocks(setting.problem)
        fit_linear(
            setting.problem,
            network,
            [setting.placed(block) for block in everything],
            damping=Damping((state.memory.best[2],)),
        )
        return replace(state, network=network)

    def _fit(
        self, setting: Setting, memory: Memory, network: LinearOutputNetwork,
        blocks: list[Block], check: list[Block], previous: object,
    ) -> Fit:  # fmt: skip
        if memory.linear:
            free = setting.constants_free
            return fit_linear(setting.problem, network, blocks, check, constants_free=free)
        if isinstance(previous, LinearOutputNetwork):
            _start_from(network, previous, memory.probes)
        return fit_newton(setting.problem, network, blocks, check)

    def _record(
        self, setting: Setting, state: State, network: LinearOutputNetwork,
        blocks: list[Block], check: list[Block], fit: Fit, estimate: Estimate,
    ) -> Record:  # fmt: skip
        return Record(
            step=len(state.records) + 1,
            units=network.output_weights.shape[0] - 1,
            parameters=sum(p.numel() for p in network.parameters()),
            points=sum(len(block.points) for block in blocks),
            residual_rms=unweighted_rms(fit.checked, check, ("equation", "data")),
            boundary_rms=unweighted_rms(fit.checked, check, ("condition",)),
            estimated_error=estimate.worst if math.isfinite(estimate.worst) else None,
            seconds=setting.elapsed,
        )

    def _next(
        self, setting: Setting, memory: Memory, layout: Layout, network: LinearOutputNetwork,
        check: list[Block], fit: Fit, estimate: Estimate,
    ) -> tuple[Plan, bool]:  # fmt: skip
        plan = memory.plan
        error = estimate.worst
        corners = bool(corner_patches(layout.domain, layout.patches[0], 1))
        before = memory.estimates[-1] if memory.estimates else math.inf
        drop = error / before if math.isfinite(before) and before > 0 else 1.0
        plan = replace(plan, tolerance=self._margin_tolerance(setting, plan, error, drop))
        slow = (drop > FAST or memory.graded) and not corners
        if self.grade and slow and math.isfinite(before):
            patch = self._hot_patch(layout, check, fit)
            if patch is not None:
                return replace(plan, extra=(*plan.extra, (patch, plan.cells))), True
        if error < 0.1 and not corners:
            plan = replace(plan, stretch=self._stretch(layout, network, memory.probes))
        cells = self._next_cells(setting, plan, error, drop, corners)
        tolerance = max(min(plan.tolerance, margin_schedule(cells)), 0.02 * goal(setting), 1e-16)
        more = replace(
            plan, cells=cells, tolerance=tolerance, corner_levels=plan.corner_levels + 4
        )
        return self._affordable(setting, plan, more), False

    def _affordable(self, setting: Setting, now: Plan, more: Plan) -> Plan:
        """The next plan, or a smaller one between this and the next that the limits allow."""
        limit = units_allowed(setting)
        cells = more.cells
        for _ in range(6):
            if self.units(setting, replace(more, cells=cells)) <= limit:
                return replace(more, cells=cells)
            cells = now.cells + 0.6 * (cells - now.cells)
            if cells < 1.05 * now.cells:
                break
        return more

    def _hot_patch(self, layout: Layout, check: list[Block], fit: Fit) -> Patch | None:
        rows = [(b, r) for b, r in zip(check, fit.checked, strict=True) if b.average is None]
        points = torch.cat([block.points for block, _ in rows]).cpu().double()
        indicator = torch.cat([row.abs() for _, row in rows]).cpu().double()
        graded = grade(layout, points, indicator)
        return None if graded is None else graded.patches[-1]

    def _margin_tolerance(self, setting: Setting, plan: Plan, error: float, drop: float) -> float:
        """The margin for what the next level may reach: as much again as this one, and a bit."""
        floor = max(0.02 * goal(setting), 1e-16)
        if not math.isfinite(error):
            return max(0.03 * plan.tolerance, floor)
        hoped = error * min(drop, 0.1) * 0.03
        return max(min(hoped, plan.tolerance * 0.3), floor)

    def _next_cells(
        self, setting: Setting, plan: Plan, error: float, drop: float, corners: bool
    ) -> float:
        """A fixed factor more; less where a tolerance is nearly met."""
        growth = self.growth
        if setting.problem.domain.dimension > 2:
            growth = min(growth, 1.25)
        if corners:
            growth = min(growth, 1.2)
        if corners or not 0 < drop < 1 or not math.isfinite(error):
            return plan.cells * growth
        # Errors fall geometrically with the cells: as many more as the tolerance still needs.
        rate = math.log(drop) / math.log(growth)
        needed = min(math.log(0.3 * goal(setting) / error) / rate, math.log(growth))
        return plan.cells * max(math.exp(needed), 1.1)

    def _stretch(self, layout: Layout, network: LinearOutputNetwork, probes: Tensor) -> tuple[float, ...]:
        widths = [b - a for a, b in zip(layout.domain.lower, layout.domain.upper, strict=True)]
        rates = variation(network, probes[:300])
        fastest = max(rate * w for rate, w in zip(rates, widths, strict=True))
        return normalised(
            [
                max(rate * w, fastest / 8) ** -STRETCH
                for rate, w in zip(rates, widths, strict=True)
            ]
        )


def goal(setting: Setting) -> float:
    """The error to reach."""
    return ROUNDING if setting.rtol is None else setting.rtol


def margin_schedule(cells: float) -> float:
    """The error a margin is made for when nothing else is known: what so many cells can reach."""
    return 10.0 ** -(5 + (cells - 4))


def units_allowed(setting: Setting) -> int:
    """The largest network: what was allowed, and no more than two thirds of the points there are."""
    limits = [setting.max_units]
    if setting.sampling.interior is not None:
        limits.append(setting.sampling.interior * 2 // 3)
    if setting.problem.data is not None and not setting.problem.equations:
        limits.append(len(setting.problem.data.points) * 2 // 3)
    return max(8, min(limits))


def normalised(values: list[float]) -> tuple[float, ...]:
    """The values divided by their geometric mean."""
    mean = math.exp(sum(math.log(v) for v in values) / len(values))
    return tuple(v / mean for v in values)


def _start_from(network: LinearOutputNetwork, previous: LinearOutputNetwork, probes: Tensor) -> None:
    """Weights that make a network equal to an earlier one at the probes, for Newton's method."""
    from gmnm_pde.linalg import factor

    target = evaluate(previous, probes)
    with torch.no_grad():
        features = network.features(probes)
    factored = [factor(features.clone(), target[:, j].clone()) for j in range(target.shape[1])]
    network.set_output_weights(torch.stack([f.solve(1e-10) for f in factored], dim=1))
