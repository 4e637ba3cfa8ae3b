"""Evolution problems by a space-time split: units in space, their weights implicitly in time.

    u(x, t) = sum_i pi_i(t) g_i(x)

The equations are projected on orthonormal combinations of the units (:mod:`gmnm_pde.evolution`),
which leaves F(t, c, c', c'') = 0 for their coefficients. Radau IIA solves it with steps that follow
the tolerance. Units are placed by the state and placed anew when it has changed.
A level is one march from the first time to the last; the next one has smaller tolerances in space
and time, until the estimated error is small enough.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.estimate import Estimate, calibrated
from gmnm_pde.evolution.march import Journey, March, Plan, TooManyUnits
from gmnm_pde.evolution.radau import tableau
from gmnm_pde.evolution.spacing import Spacing
from gmnm_pde.evolution.system import Shape, shape_of
from gmnm_pde.integrals import integrates
from gmnm_pde.linearised import Block, at_network
from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State, placing
from gmnm_pde.methods.checkpoint import matrix, numbers, packed, unpacked
from gmnm_pde.methods.patience import Patience
from gmnm_pde.networks import GMNMSpec, Network, spec_name
from gmnm_pde.networks.evolution import Evolution, segment_from_nodes
from gmnm_pde.placement import margin_for
from gmnm_pde.problem import Condition, Problem
from gmnm_pde.quadrature import TIMES

FIRST = 1e-3
"""What the first level aims at."""

SMALLER = 0.1
"""What the second level aims at over what the first did."""

HOPED = 0.01
"""What later levels aim at, at most, over the error of the one before: steps of high order and a
wider margin cost little, and errors stay near the aim where there are enough units."""

SMALLEST = 2e-11
"""No level aims at less: rounding of second derivatives is above it."""

PROBES = 2000
CHECK_POINTS = 1500
"""Points in space and time at which levels are compared, and at which residuals are measured."""

SAFETY = 4.0
"""The estimate over the error that is expected: levels fall less evenly than in steady problems,
and with a factor of two errors were seen to be up to four times the estimate."""

STEP_SAFETY = 1.0
"""The estimate is at least this many times the largest error of a step: levels that take the same
steps have their error in common. With 1, 2 and 3 the same levels were taken, and met their rtol."""

EXPECTED = 2.0
"""The estimate over the error that the next level is planned with."""

UNRESOLVED = 1e-4
"""A solve that ends with a larger error has not converged."""

ENDED = "steps become ever shorter"


@dataclass(frozen=True)
class Memory:
    """Between levels.

    Arguments:
        shape: which equation determines which unknown.
        aim: the error that the next level is made for: steps, margin and modes.
        density: its units for each length over which the solution changes.
        probes: (n, d + 1).
        first: spacings at the first time, as the last level ended up with for its density.
        values: of the last level there.
        estimate: of the last level.
        best: the smallest estimated error so far, None before the first level.
        since_best: levels since then.
        seconds: of the last level.
        finest: whether the last level's aim was the smallest there is.
        ended: why the next level cannot be solved, or the last one did not reach the end.
    """

    shape: Shape
    aim: float
    density: float
    probes: Tensor
    first: tuple[Spacing, ...] | None = None
    values: Tensor | None = None
    estimate: Estimate | None = None
    best: float | None = None
    since_best: int = 0
    seconds: float = 0.0
    finest: bool = False
    ended: str | None = None


PLAIN = ("aim", "density", "best", "since_best", "seconds", "finest")
"""What a checkpoint holds of the memory as it is."""


@dataclass(frozen=True)
class TimeStepping(Method):
    """March through time, level by level.

    Arguments:
        ratio: width of a unit over the spacing.
        density: units for each length over which the solution changes, at the first level.
        growth: factor from level to level where errors in space are the larger ones.
    """

    ratio: float = 2.4
    density: float = 1.5
    growth: float = 1.4

    def start(self, setting: Setting, network: Network | None) -> State:
        problem = setting.problem
        if problem.time is None:
            raise InputError(
                "the method time_stepping needs a problem with time.",
                mend="Use least_squares, or `auto`, which chooses.",
            )
        if not isinstance(placing(setting, self.name), GMNMSpec):
            raise InputError(
                "the method time_stepping needs the network gmnm, and "
                f"{spec_name(setting.network)} is not.",
                mend="Use another method for other networks; they solve in space and time at once.",
            )
        shape = shape_of(problem)
        probes = problem.region.sample_interior(PROBES, "sobol", setting.seed + 1)
        return State(memory=Memory(shape, FIRST, self.density, probes))

    def checkpoint(self, state: State) -> Mapping[str, Any]:
        memory: Memory = state.memory
        if memory.best is None or memory.estimate is None:
            return {}
        plain = {name: getattr(memory, name) for name in PLAIN}
        spacings = [] if memory.first is None else [[item.x, item.h] for item in memory.first]
        return {
            **plain,
            "estimate": packed(memory.estimate),
            "values": numbers(memory.values),
            "first": [[x.tolist(), h.tolist()] for x, h in spacings],
        }

    def resume(self, setting: Setting, network: Network, saved: Mapping[str, Any]) -> State:
        """Goes on with the level that would have come next."""
        state = replace(self.start(setting, network), network=network)
        if not saved:
            return state
        memory: Memory = state.memory
        spacings = [Spacing(np.asarray(x), np.asarray(h)) for x, h in saved["first"]]
        memory = replace(
            memory,
            **{name: saved[name] for name in PLAIN},
            estimate=unpacked(Estimate, saved["estimate"]),
            values=matrix(saved["values"], memory.probes),
            first=tuple(spacings) or None,
        )
        return replace(state, memory=memory)

    def step(self, setting: Setting, state: State) -> State:
        memory: Memory = state.memory
        began, plan = setting.elapsed, self._plan(setting, memory, state.network)
        try:
            spec = placing(setting, self.name)
            journey = March(setting.problem, memory.shape, spec, plan, memory.first).run()
        except TooManyUnits as error:
            allowed = plan.max_units if plan.units is None else plan.units
            reason = f"the next level needs {error.needed} units, more than the {allowed} allowed"
            return replace(state, memory=replace(memory, ended=reason))
        if not journey.segments:
            return replace(state, memory=replace(memory, ended=journey.stopped or "no step"))
        whole = journey.stopped is None
        if not whole and state.network is not None and journey.reached < _reached(state.network):
            return replace(state, memory=replace(memory, ended=journey.stopped))
        network = _network(journey, plan.stages)
        rows = checked(setting.problem, network, setting.seed + 2)
        with torch.no_grad():
            values = network(memory.probes)
        estimate = self._estimate(setting, memory, rows, values, journey)
        better = memory.best is None or estimate.worst <= memory.best
        aim, density = self._next(setting, memory, estimate, journey)
        return State(
            network=setting.placed(network) if better or state.network is None else state.network,
            estimated_error=estimate.relative if better else state.estimated_error,
            records=(*state.records, _record(setting, state, network, journey, rows, estimate)),
            notes=state.notes,
            memory=replace(
                memory,
                aim=aim,
                density=density,
                first=tuple(
                    replace(spacing, h=spacing.h * (memory.density / density))
                    for spacing in journey.first
                ),
                values=values,
                estimate=estimate,
                best=estimate.worst if better else memory.best,
                since_best=0 if better else memory.since_best + 1,
                seconds=setting.elapsed - began,
                finest=memory.aim <= SMALLEST,
                ended=None if whole else _where(journey),
            ),
        )

    def decide(self, setting: Setting, state: State) -> Outcome | None:
        memory: Memory = state.memory
        patience = _patience(setting, memory)
        if memory.ended is not None:
            if patience.near:
                return Outcome("converged", patience.over)
            return Outcome("failed" if state.network is None else "stopped", memory.ended)
        if memory.best is None:
            return None
        error = memory.best
        if setting.rtol is not None and error <= setting.rtol:
            return Outcome(
                "converged", f"estimated error {error:.1e} is under rtol {setting.rtol:.1e}"
            )
        asked = setting.rtol is not None
        if memory.since_best >= patience.vain(memory.seconds):
            reason = f"further levels brought no improvement on an estimated error of {error:.1e}"
            unsure = asked or error > UNRESOLVED
            return Outcome("stopped" if unsure else "converged", reason)
        if memory.finest and error < 2 * SMALLEST:
            reason = f"estimated error {error:.1e} is as small as this method goes"
            return Outcome("stopped" if asked else "converged", reason)
        # Closer units in every direction.
        ahead = 2.0**setting.problem.domain.dimension * memory.seconds
        likely = min(max(ahead, _growth(state) * memory.seconds), 2 * ahead)
        if patience.ends(likely, setting.elapsed):
            return Outcome("converged", patience.over)
        if setting.elapsed + ahead > setting.time_limit:
            return Outcome(
                "stopped",
                f"the next level would take about {ahead:.0f} s, beyond the time limit of "
                f"{setting.time_limit:.0f} s",
            )
        return None

    # -------------------------------------------------------------------------------- details

    def _plan(self, setting: Setting, memory: Memory, network: Network | None) -> Plan:
        aim, patience = max(memory.aim, SMALLEST), _patience(setting, memory)
        left = setting.time_limit - setting.elapsed
        return Plan(
            tolerance=0.3 * aim,
            density=memory.density,
            margin=margin_for(0.1 * aim, self.ratio),
            ratio=self.ratio,
            cut=min(max(1e-3 * aim, 3e-13), 1e-7),
            max_units=setting.max_units,
            units=setting.units,
            deadline=time.perf_counter() + min(left, patience.seconds(setting.elapsed)),
            pace=_pace(network) if patience.near else (),
        )

    def _next(
        self, setting: Setting, memory: Memory, estimate: Estimate, journey: Journey
    ) -> tuple[float, float]:
        """What the next level aims at, and its density."""
        error = estimate.worst / EXPECTED
        before = math.inf if memory.estimate is None else memory.estimate.worst / EXPECTED
        if not math.isfinite(error):
            return SMALLER * memory.aim, self.growth * memory.density
        drop = error / before if math.isfinite(before) else HOPED
        hoped = error * min(max(drop, 1e-3), HOPED)
        if setting.rtol is not None:
            hoped = max(hoped, 0.2 * setting.rtol)
        aim = max(min(hoped, memory.aim), SMALLEST)
        if journey.error > 0.3 * error:
            aim = max(min(aim, 0.1 * memory.aim), SMALLEST)
        # Errors below the aim were reached with units to spare. A few more all the same: levels
        # with the same ones would have their error in common, and not see it.
        spare = error <= memory.aim or journey.error > 0.3 * error
        return aim, (self.growth**0.4 if spare else self.growth) * memory.density

    def _estimate(
        self, setting: Setting, memory: Memory, rows: Sequence[tuple[Block, Tensor]],
        values: Tensor, journey: Journey,
    ) -> Estimate:  # fmt: skip
        known = [row for block, row in rows if block.kind == "equation"]
        missed = torch.cat(known)
        missed = missed[missed.isfinite()]
        size = missed.square().mean().sqrt().item() if len(missed) else math.inf
        both = values.isfinite().all(1)
        before = memory.values
        if before is not None:
            both &= before.isfinite().all(1)
            before = before[both]
        doubted = STEP_SAFETY * journey.largest * values[both].square().mean().sqrt().item()
        # Levels that take the same steps have the error of these in common. Residuals of high order
        # grow with the noise of close units; the distances of levels do not.
        last = memory.estimate
        return calibrated(
            setting.problem.unknowns, size, values[both], before, last, doubted,
            singular=last is not None and bool(last.moves), safety=SAFETY,
        )  # fmt: skip


def _patience(setting: Setting, memory: Memory) -> Patience:
    return Patience(memory.best if setting.rtol is None else None)


def _growth(state: State) -> float:
    """How many times as long as the level before the last one took; one where there are none."""
    ends = [record.seconds for record in state.records[-3:]]
    return (ends[2] - ends[1]) / max(ends[1] - ends[0], 1e-9) if len(ends) == 3 else 1.0


def _pace(network: Network | None) -> tuple[float, ...]:
    """The ends of a march's steps."""
    return network.steps if isinstance(network, Evolution) else ()


def checked(problem: Problem, network: Network, seed: int) -> list[tuple[Block, Tensor]]:
    """Residuals at random points of space and time that no step used, one a block."""
    region = problem.region
    interior = region.sample_interior(CHECK_POINTS, "random", seed)
    ones = interior.new_ones(len(interior))
    blocks = [Block("equation", item.label, item.residual, interior, ones) for item in problem.laws]
    for condition in problem.conditions:
        if isinstance(condition, Condition) and isinstance(condition.at[0], str):
            names = (condition.at,) if isinstance(condition.at, str) else condition.at
            found = region.sample_boundary(
                CHECK_POINTS // 4, [str(name) for name in names], "random", seed
            )
            blocks.append(
                Block(
                    "condition", condition.label, condition.residual, found.points,
                    found.points.new_ones(len(found.points)), found.normals,
                )
            )  # fmt: skip
    blocks = [_at_few_times(problem, block) for block in blocks]
    return [(block, at_network(problem, block, network).residual) for block in blocks]


def _at_few_times(problem: Problem, block: Block) -> Block:
    """A block with integrals at times so few that these are not interpolated between them: the
    solution is smooth within a step, not across several."""
    if not integrates(problem, block):
        return block
    points = block.points.clone()
    points[:, -1] = points[torch.arange(len(points)) % TIMES, -1]
    return replace(block, points=points)


def _network(journey: Journey, stages: int) -> Evolution:
    nodes = torch.cat([torch.zeros(1, dtype=torch.float64), tableau(stages).nodes])
    return Evolution(
        [
            segment_from_nodes(part.network, part.times, nodes, part.values)
            for part in journey.segments
        ]
    )


def _reached(network: Network) -> float:
    return network.reached if isinstance(network, Evolution) else -math.inf


def _where(journey: Journey) -> str:
    if journey.stopped is not None and journey.stopped.startswith(ENDED):
        return f"stopped at t = {journey.reached:.6g}: {journey.stopped}"
    return f"stopped at t = {journey.reached:.6g} by {journey.stopped}"


def _record(
    setting: Setting, state: State, network: Evolution, journey: Journey,
    rows: Sequence[tuple[Block, Tensor]], estimate: Estimate,
) -> Record:  # fmt: skip
    def rms(kind: str) -> float:
        chosen = [row for block, row in rows if block.kind == kind]
        known = torch.cat(chosen) if chosen else torch.zeros(0)
        known = known[known.isfinite()]
        return known.square().mean().sqrt().item() if len(known) else math.nan

    return Record(
        step=len(state.records) + 1,
        units=journey.units,
        parameters=sum(p.numel() for p in network.parameters()),
        points=journey.points * journey.steps,
        residual_rms=rms("equation"),
        boundary_rms=rms("condition"),
        estimated_error=estimate.worst if math.isfinite(estimate.worst) else None,
        seconds=setting.elapsed,
    )
