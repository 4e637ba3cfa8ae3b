"""Many dimensions: units drawn at random, their output weights by least squares.

Grids of units end at about three dimensions. Random ones do not: what is drawn is kept
(:mod:`gmnm_pde.methods.drawing`), and the output weights follow from one linear least-squares
solve, or Newton's method where the problem is nonlinear. Several kinds of units of several widths
are tried with few of them; the one that leaves the smallest residual at points never used grows
until the estimated error is small enough.

Random features for partial differential equations: J. Chen et al., arXiv 2207.13380; W. E, C. Ma
and L. Wu on why their error falls with 1 / sqrt(units) in any dimension, arXiv 1906.08039.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gmnm_pde.collocation import scattered
from gmnm_pde.errors import InputError
from gmnm_pde.estimate import Estimate, calibrated, misfit
from gmnm_pde.linearised import Block, at_network, is_linear, residual_rows
from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State
from gmnm_pde.methods.drawing import SHAPES, Draw, Shape, Slopes, data_slopes, units
from gmnm_pde.methods.growth import goal
from gmnm_pde.methods.training.begin import scaled
from gmnm_pde.methods.weights import (
    Fit,
    assemble,
    damped,
    fit_linear,
    unweighted_rms,
)
from gmnm_pde.networks import GMNM, GMNMSpec, Network, evaluate
from gmnm_pde.problem import Problem, Sampling

PROBES = 1000
"""Points at which levels are compared with each other."""

CHECKED = 600
"""Points inside, never used in a fit, at which the residual is measured."""

NEWTON_STEPS = 12
"""Most linear solves of a level of a nonlinear problem."""

TRIAL_STEPS = 3
"""The same where kinds of units are compared."""

SAFETY = 5.0
"""The estimate over the error that is expected: two draws of units have less in common than two
grids, and the factor between residual and error varies more."""

SETTLED = 1e-2
"""A Newton step that lowers the loss by a smaller part is the last, and so is one that does not
lower what is missed at points never used by more, if that is above the loss."""

PATIENCE = 2
"""So many levels may bring nothing."""


@dataclass(frozen=True)
class Memory:
    """Between levels.

    Arguments:
        draw: the kind of units.
        count: units of the next level.
        slopes: see :func:`drawing.data_slopes`.
        check: rows at points that no fit uses.
        probes: points (n, d) at which levels are compared.
        linear: whether the problem is.
        values, estimate: of the last level.
        best: the smallest estimated error.
        since_best: levels since then.
        seconds: of the last level.
    """

    draw: Draw
    count: int
    slopes: Slopes | None
    check: Sequence[Block]
    probes: Tensor
    linear: bool
    values: Tensor | None = None
    estimate: Estimate | None = None
    best: float = math.inf
    since_best: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class RandomFeatures(Method):
    """Draw units, solve for their weights, double their number.

    Arguments:
        units: of the first level.
        growth: factor from level to level.
        oversampling: rows over units.
        interior: the part of the rows that are the equations'.
        condition_weight: of conditions over equations.
        shapes: the kinds of units that are tried, see :mod:`gmnm_pde.methods.drawing`.
        widths: that are tried.
    """

    units: int = 250
    growth: float = 2.0
    oversampling: float = 2.0
    interior: float = 0.5
    condition_weight: float = 3.0
    shapes: tuple[Shape, ...] = SHAPES
    widths: tuple[float, ...] = (0.35, 0.7, 1.4, 2.8)

    def __post_init__(self) -> None:
        wrong = None
        if not self.growth > 1:
            # A level like the one before would look like one without an error.
            wrong = f"growth is {self.growth}, expected more than 1"
        elif self.units < 1 or not self.oversampling > 0 or not 0 < self.interior <= 1:
            wrong = "units, oversampling and interior are positive, and interior is at most 1"
        elif not self.widths or not all(width > 0 for width in self.widths):
            wrong = f"widths are {list(self.widths)}, expected positive numbers"
        elif not self.shapes:
            wrong = "no shape of units is given"
        if wrong is not None:
            raise InputError(f"{wrong}.", mend="See solvers/README.md for the options.")

    def start(self, setting: Setting, network: Network | None) -> State:
        self._refuse(setting)
        problem = setting.problem
        count = min(self._first(setting), setting.max_units)
        check = self._check(setting)
        linear = all(is_linear(problem, block) for block in check)
        stated = problem.stated
        slopes = data_slopes(stated, scattered(stated, Sampling(256, 256, "random"), setting.seed))
        probes = setting.placed(problem.region.sample_interior(PROBES, "sobol", setting.seed + 1))
        memory = Memory(Draw("round", 1.0), count, slopes, check, probes, linear)
        return State(network=network, memory=self._tried(setting, memory))

    def step(self, setting: Setting, state: State) -> State:
        memory: Memory = state.memory
        began, problem = setting.elapsed, setting.problem
        previous = state.network if not memory.linear else None
        blocks = self._blocks(setting, memory.count)
        network, fit = self._level(setting, memory, memory.draw, blocks, previous)
        values = problem.completed(memory.probes, evaluate(network, memory.probes))
        missed = misfit(fit.checked, memory.check)
        estimate = calibrated(
            problem.unknowns, missed, values, memory.values, memory.estimate, safety=SAFETY
        )
        better = state.network is None or missed <= self._best_misfit(memory)
        record = _record(setting, state, memory, network, blocks, fit, estimate)
        return State(
            network=network if better else state.network,
            estimated_error=estimate.relative if better else state.estimated_error,
            records=(*state.records, record),
            notes=state.notes,
            memory=replace(
                memory,
                count=round(self.growth * memory.count),
                values=values if better else memory.values,
                estimate=estimate if better else memory.estimate,
                best=min(memory.best, estimate.worst),
                since_best=0 if better else memory.since_best + 1,
                seconds=setting.elapsed - began,
            ),
        )

    def decide(self, setting: Setting, state: State) -> Outcome | None:
        memory: Memory = state.memory
        if not state.records:
            return None
        error = memory.estimate.worst if memory.estimate is not None else math.inf
        if error <= goal(setting):
            met = "at rounding" if setting.rtol is None else f"under rtol {setting.rtol:.1e}"
            return Outcome("converged", f"estimated error {error:.1e} is {met}")
        if isinstance(setting.network, GMNMSpec) and setting.network.units is not None:
            return Outcome("stopped", f"{state.records[-1].units} units were asked for")
        if memory.since_best >= PATIENCE:
            reason = f"the last {PATIENCE} levels brought no improvement on {error:.1e}"
            return Outcome("stopped" if math.isfinite(error) else "failed", reason)
        if memory.count > setting.max_units:
            return Outcome(
                "stopped",
                f"the next level needs {memory.count} units, more than the {setting.max_units} "
                "allowed",
            )
        ahead = memory.seconds * self.growth**3
        if setting.elapsed + ahead > setting.time_limit:
            return Outcome(
                "stopped",
                f"the next level would take about {ahead:.0f} s, beyond the time limit of "
                f"{setting.time_limit:.0f} s",
            )
        return None

    def _refuse(self, setting: Setting) -> None:
        if not isinstance(setting.network, GMNMSpec):
            raise InputError(
                "the method random_features draws Gaussian units, which the network "
                f"{type(setting.network).__name__} has not.",
                mend="Use the network gmnm, or another method.",
            )
        if len(setting.problem.pieces) > 1:
            raise InputError(
                "the method random_features does not know subdomains.",
                mend="Use least_squares.",
            )

    def _first(self, setting: Setting) -> int:
        spec = setting.network
        assert isinstance(spec, GMNMSpec)
        return self.units if spec.units is None else spec.units

    def _tried(self, setting: Setting, memory: Memory) -> Memory:
        """The kind and the width of units that leave the smallest residual."""
        best = math.inf
        blocks = self._blocks(setting, memory.count)
        for shape in self.shapes:
            if shape == "data" and memory.slopes is None:
                continue
            for width in self.widths:
                draw = Draw(shape, width)
                _, fit = self._level(setting, memory, draw, blocks, None, TRIAL_STEPS)
                missed = misfit(fit.checked, memory.check)
                if missed < best:
                    best, memory = missed, replace(memory, draw=draw)
        if not math.isfinite(best):
            raise InputError(
                "the residual has no finite value for any units that were tried.",
                mend="Check the equation's terms; log and sqrt need positive unknowns.",
            )
        return memory

    def _level(
        self,
        setting: Setting,
        memory: Memory,
        draw: Draw,
        blocks: Sequence[Block],
        previous: Network | None,
        steps: int = NEWTON_STEPS,
    ) -> tuple[GMNM, Fit]:
        """Units and their weights."""
        problem, count = setting.problem, memory.count
        generator = torch.Generator().manual_seed(1000 * setting.seed + count)
        network = setting.placed(units(draw, problem, count, memory.slopes, generator))
        if memory.linear:
            return network, fit_linear(problem, network, blocks, memory.check)
        return network, newton(problem, network, blocks, memory.check, previous, steps)

    def _blocks(self, setting: Setting, count: int) -> list[Block]:
        """Rows for so many units."""
        found = scattered(setting.problem, self._sampling(setting, count), setting.seed + count)
        return self._placed(setting, found)

    def _sampling(self, setting: Setting, count: int) -> Sampling:
        rows = math.ceil(self.oversampling * (count + 1))
        given, conditions = setting.sampling, max(1, len(setting.problem.conditions))
        inside = math.ceil(self.interior * rows) if setting.problem.conditions else rows
        return Sampling(
            given.interior or inside,
            given.boundary or math.ceil((rows - inside) / conditions) or 1,
            given.sampler or "sobol",
        )

    def _check(self, setting: Setting) -> list[Block]:
        sampling = Sampling(CHECKED, CHECKED, "random")
        found = scattered(replace(setting.problem, data=None), sampling, setting.seed + 2)
        found = [block for block in found if block.kind in ("equation", "condition")]
        return self._placed(setting, found)

    def _placed(self, setting: Setting, blocks: Sequence[Block]) -> list[Block]:
        """Rows in units of the unknowns, which vary over half the region."""
        weight = self.condition_weight
        return [
            setting.placed(scaled(setting.problem, block, weight, cells=2.0)) for block in blocks
        ]

    @staticmethod
    def _best_misfit(memory: Memory) -> float:
        return math.inf if memory.estimate is None else memory.estimate.misfit


def newton(
    problem: Problem,
    network: GMNM,
    blocks: Sequence[Block],
    check: Sequence[Block],
    previous: Network | None,
    steps: int = NEWTON_STEPS,
) -> Fit:
    """Output weights of a nonlinear problem: linear solves around the last weights, each shortened
    until it lowers the loss.

    Arguments:
        previous: whose solution the first one is linearised around; zero if there is none.
        steps: most linear solves.
    """
    _put(network, torch.zeros_like(network.flat_weights))
    around: Network = network if previous is None else previous
    loss, least, x = math.inf, math.inf, network.flat_weights
    for _ in range(steps):
        system, checks = (
            assemble(problem, network, some, [at_network(problem, b, around) for b in some])
            for some in (blocks, check)
        )
        target, fit = damped(system, checks)
        missed = torch.cat(fit.checked).square().mean().sqrt().item()
        part, before = 1.0, loss
        for _ in range(8):
            trial = x + part * (target - x) if math.isfinite(loss) else target
            _put(network, trial)
            loss = _loss(problem, network, blocks)
            if loss < before:
                break
            part *= 0.5
        if not loss < before:
            _put(network, x)
            break
        x, around = trial, network
        if math.isfinite(before) and loss > (1 - SETTLED) * before:
            break
        if missed > max(loss, (1 - SETTLED) * least):
            break
        least = missed
    rows = tuple(residual_rows(block, at_network(problem, block, network)) for block in check)
    return Fit(loss, rows)


def _put(network: GMNM, x: Tensor) -> None:
    network.set_output_weights(network.unflattened(x))


def _loss(problem: Problem, network: Network, blocks: Sequence[Block]) -> float:
    rows = [residual_rows(block, at_network(problem, block, network)) for block in blocks]
    loss = torch.cat(rows).square().mean().sqrt().item()
    return loss if math.isfinite(loss) else math.inf


def _record(
    setting: Setting,
    state: State,
    memory: Memory,
    network: GMNM,
    blocks: Sequence[Block],
    fit: Fit,
    estimate: Estimate,
) -> Record:
    return Record(
        step=len(state.records) + 1,
        units=network.n_units,
        parameters=sum(p.numel() for p in network.parameters()),
        points=sum(len(block.points) for block in blocks),
        residual_rms=unweighted_rms(fit.checked, memory.check, ("equation",)),
        boundary_rms=unweighted_rms(fit.checked, memory.check, ("condition",)),
        estimated_error=estimate.worst if math.isfinite(estimate.worst) else None,
        seconds=setting.elapsed,
    )
