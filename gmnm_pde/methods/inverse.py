"""Unknown constants and coefficient fields together with the solution, from measurements.

Everything is one nonlinear least-squares problem,

    minimise  |W r(u, k)|^2 + |w (u - d)|^2 + |strength grad theta|^2

over the output weights of u, the fields and the constants: the rows of the equation weigh far more
than those of the measurements, so that u solves the equation and the measurements choose k. Levels
are refined until k changes by less than its standard error.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import torch

from gmnm_pde.collocation import check_blocks, collocate
from gmnm_pde.errors import InputError
from gmnm_pde.estimate import misfit, rms
from gmnm_pde.inferred import CoefficientField
from gmnm_pde.inversion import joint, with_fields
from gmnm_pde.linearised import Block
from gmnm_pde.methods.base import Method, Outcome, Setting, State, placing
from gmnm_pde.methods.growth import Growth, Plan, Progress, units_allowed
from gmnm_pde.methods.least_squares import CHECK_POINTS, PROBES, LeastSquares
from gmnm_pde.methods.measured import (
    Moved,
    Outputs,
    Reached,
    estimated_error,
    findings,
    measured_sizes,
    moved,
    noise_weights,
    outputs,
    over_noise,
    record,
    reweighted,
)
from gmnm_pde.methods.nonlinear import projected
from gmnm_pde.methods.reduced import infer
from gmnm_pde.methods.residuals import Residuals
from gmnm_pde.methods.smoothing import Trial, chosen, smoothing_blocks
from gmnm_pde.methods.uncertainty import Statistics
from gmnm_pde.methods.weights import checked_rows
from gmnm_pde.networks import (
    GMNMSpec,
    LinearOutputNetwork,
    Network,
    Together,
    Uniform,
    enforced,
    evaluate,
)
from gmnm_pde.placement import Layout, first_patch
from gmnm_pde.problem import Data, Problem
from gmnm_pde.weighting import Expected

SETTLED = 0.25
"""A level that moves what is inferred by less than this part of its standard error is the last."""

EXACT = 1e-10
"""And one that moves it by less than this, relatively: measurements without noise."""

MARGIN = 2.0
"""Spacings that the units of a field reach beyond the domain."""


@dataclass(frozen=True)
class Memory:
    """Between levels.

    Arguments:
        joint: the problem in unknowns, fields and constants.
        plan: of the next level.
        strength: of the smoothing, None before it was chosen.
        weights: see :class:`measured.Reached`.
        outputs: of the last level.
        moved: how far the last level moved.
        misfit: of the last level's equations and conditions, at points never used.
        minimum: whether the last iteration ended at one.
        seconds: of an iteration of the last level.
    """

    joint: Problem
    plan: Plan
    probes: torch.Tensor
    strength: float | None = None
    weights: dict[str, float] = field(default_factory=dict)
    outputs: Outputs | None = None
    moved: Moved = field(default_factory=Moved)
    misfit: float = float("inf")
    minimum: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Inverse(Method):
    """Least squares over solution, constants and fields, on levels of growing networks.

    Arguments:
        data_weight: of a measurement over an equation, both in the size of the unknown. The
            equation is missed by the square of it times the noise. With 0.1 standard errors came
            out up to 40 % too large in one dimension, where equations have few rows.
        forward_rtol: of the solution at the initial values, which the search starts from.
    """

    infers: ClassVar[bool] = True
    data_weight: float = 0.02
    forward_rtol: float = 1e-3

    def start(self, setting: Setting, network: Network | None) -> State:
        problem = setting.problem
        placing(setting, self.name)
        whole = joint(problem)
        plan, first, notes = self._forward(setting)
        parts = [first]
        for item in problem.infer.values():
            if isinstance(item, CoefficientField):
                parts.append(setting.placed(_field_network(problem, item)))
        zeros = torch.zeros(len(problem.constants), dtype=torch.float64)
        if len(zeros):
            parts.append(setting.placed(Uniform(len(problem.coordinates), zeros)))
        probes = setting.placed(problem.region.sample_interior(PROBES, "sobol", setting.seed + 1))
        memory = Memory(whole, plan, probes)
        return State(network=Together(parts), notes=notes, memory=memory)

    def step(self, setting: Setting, state: State) -> State:
        memory: Memory = state.memory
        previous = cast(Together, state.network)
        strength = memory.strength
        if strength is None and setting.problem.fields:
            strength = chosen(lambda value: self._trial(setting, memory, previous, value))
        solving = setting.elapsed
        level = self._solved(setting, memory, previous, strength or 0.0)
        found = findings(setting, memory.joint, level, self.data_weight)
        now = outputs(setting, memory.joint, level, memory.probes)
        change = moved(memory.outputs, state.findings, now, found)
        errors = estimated_error(now, change)
        step = len(state.records) + 1
        line = record(setting, memory.joint, level, found, errors, step)
        plan, missed = self._next(setting, memory, level)
        return replace(
            state,
            network=level.network,
            estimated_error=errors,
            findings=found,
            records=(*state.records, line),
            memory=replace(
                memory,
                plan=plan,
                strength=strength,
                weights=dict(level.weights),
                outputs=now,
                moved=change,
                misfit=missed,
                minimum=level.minimum.reason == "minimum",
                seconds=(setting.elapsed - solving) / (1 + level.minimum.iterations),
            ),
        )

    def decide(self, setting: Setting, state: State) -> Outcome | None:
        memory: Memory = state.memory
        if memory.outputs is None:
            return None
        if not bool(memory.outputs.values.isfinite().all()):
            return Outcome("failed", "the search left the numbers; try other initial values")
        by = memory.moved
        if memory.minimum and by.deviations <= SETTLED:
            return Outcome(
                "converged",
                f"a finer level moved what is inferred by {by.deviations:.2f} standard errors",
            )
        if memory.minimum and by.largest <= EXACT:
            return Outcome("converged", f"a finer level changed nothing by more than {EXACT:.0e}")
        why = "" if memory.minimum else "; the last iteration reached no minimum"
        units = self._rules.placed(setting, memory.plan).units
        if units > units_allowed(setting):
            allowed = units_allowed(setting)
            return Outcome("stopped", f"the next level needs {units} units of {allowed}{why}")
        # A level takes a few iterations; the first one, with its smoothing to choose, took more.
        ahead = 3 * memory.seconds * (units / max(state.records[-1].units, 1)) ** 3
        if setting.elapsed + ahead > setting.time_limit:
            limit = f"the time limit of {setting.time_limit:.0f} s"
            return Outcome(
                "stopped", f"the next level would take {ahead:.0f} s, beyond {limit}{why}"
            )
        return None

    def solved(self, setting: Setting, state: State) -> Network:
        network = cast(Together, state.network)
        parts = network.networks[: 1 + len(setting.problem.fields)]
        if len(parts) == 1:
            return parts[0]
        return enforced(Together(parts), with_fields(setting.problem))

    def finish(self, setting: Setting, state: State, outcome: Outcome) -> State:
        return replace(state, notes=(*state.notes, *state.findings.notes))

    @property
    def _rules(self) -> Growth:
        plain = LeastSquares()
        return Growth(plain.cells, plain.growth, plain.ratio, plain.oversampling, plain.grade)

    def _forward(self, setting: Setting) -> tuple[Plan, LinearOutputNetwork, tuple[str, ...]]:
        """A level that resolves the solution at the initial values, and that solution."""
        # What is inferred may move: no finer patches where it was at the start.
        method = LeastSquares(grade=False)
        forward = replace(
            setting,
            problem=replace(setting.problem.initially, data=None),
            rtol=self.forward_rtol,
            time_limit=0.5 * setting.time_limit,
        )
        state = method.start(forward, None)
        while method.decide(forward, state) is None:
            state = method.step(forward, state)
        best = state.memory.best
        if best is None or not isinstance(state.network, LinearOutputNetwork):
            raise InputError(
                "the problem has no solution at the initial values of what is inferred.",
                mend="Give other initial values.",
            )
        return best.plan, state.network, state.notes

    def _next(self, setting: Setting, memory: Memory, level: Reached) -> tuple[Plan, float]:
        """The next level, and what this one misses of equations and conditions."""
        rows = checked_rows(memory.joint, level.network, level.check)
        missed = misfit(rows, level.check)
        size = max(rms(evaluate(level.network, memory.probes)[:, 0]), 1e-300)
        places = list(zip(level.check, rows, strict=True))
        progress = Progress(
            error=missed / size,
            before=memory.misfit / size,
            graded=False,
            points=torch.cat([block.points for block, _ in places]).cpu().double(),
            indicator=torch.cat([block.at_points(row) for block, row in places]).cpu().double(),
        )
        own = level.network.networks[0]
        now = self._rules.placed(setting, memory.plan)
        following, _ = self._rules.following(setting, now, own, progress, memory.probes)
        return following.plan, missed

    def _trial(
        self, setting: Setting, memory: Memory, previous: Together, strength: float
    ) -> Trial:
        level = self._solved(setting, memory, previous, strength)
        noise = over_noise(level, cast(Data, setting.problem.data).noise)
        return Trial(strength, level.statistics.cross_validation, noise)

    def _solved(
        self, setting: Setting, memory: Memory, previous: Together, strength: float
    ) -> Reached:
        """The minimum at a level; measurements of unequal noise are weighted, and it is found
        again."""
        blocks, check, network = self._level(setting, memory, previous, strength)
        noise = cast(Data, setting.problem.data).noise
        deadline = setting.started + setting.time_limit
        weights, start = dict(memory.weights), projected(network, previous, blocks)
        inner = len(network.networks[0].flat_weights)
        for _ in range(2):
            rows = [reweighted(block, weights, self.data_weight) for block in blocks]
            residuals = Residuals(memory.joint, network, rows)
            data = torch.cat(
                [
                    torch.full((size,), block.kind == "data")
                    for block, size in zip(rows, residuals.sizes, strict=True)
                ]
            )
            minimum = infer(residuals, start, inner, data, deadline, not setting.problem.fields)
            assert minimum.iterate.x is not None
            start = minimum.iterate.x
            known = None if noise is None else (self.data_weight * noise) ** 2
            system = residuals.system(minimum.iterate)
            statistics = Statistics.of(system, minimum.iterate.residual, data, known)
            split = residuals.split(minimum.iterate)
            sizes = measured_sizes(memory.joint)
            new = noise_weights(rows, split, statistics.leverages, sizes, weights)
            if noise is not None or new == weights:
                break
            weights = new
        network.set_output_weights(network.unflattened(start))
        return Reached(network, rows, check, minimum, statistics, weights)

    def _level(
        self, setting: Setting, memory: Memory, previous: Together, strength: float
    ) -> tuple[list[Block], list[Block], Together]:
        problem, place = memory.joint, setting.placed
        layout = self._rules.placed(setting, memory.plan).layout
        centres = layout.centres()
        spec = placing(setting, self.name)
        own = layout.network(spec, centres, len(setting.problem.unknowns))
        if not isinstance(own, LinearOutputNetwork):
            raise InputError(
                "the method inverse needs a network whose last layer is linear, and "
                f"{type(own).__name__} is not.",
                mend="Use the network gmnm.",
            )
        network = Together([place(own), *copy.deepcopy(previous.networks[1:])])
        expected = Expected(previous)
        counts, seed = layout.point_counts(centres), setting.seed
        blocks = collocate(problem, layout, counts, setting.sampling, seed, 1.0, expected)
        blocks += smoothing_blocks(problem.domain, setting.problem.fields, strength)
        check = check_blocks(problem, layout, CHECK_POINTS, seed + 2, 1.0, expected)
        return [place(block) for block in blocks], [place(block) for block in check], network


def _field_network(problem: Problem, item: CoefficientField) -> LinearOutputNetwork:
    """Units for a field, zero: it starts at its initial value."""
    domain = problem.domain
    patch = first_patch(domain, item.cells, (1.0,) * domain.dimension)
    layout = Layout(domain, (patch,), MARGIN)
    return cast(LinearOutputNetwork, layout.network(GMNMSpec(), layout.centres(), 1))
