"""Variable projection: few units, everything trained, the output weights exactly.

For inner parameters y (centres and projections) the output weights are the least-squares solution
pi(y), so the residual depends on y alone,

    r(y) = A(y) pi(y) - b,       J = (I - Q Q') (dA/dy) pi,       A = Q R,

which Levenberg-Marquardt minimises. J is Kaufman's simplification (BIT 15, 1975) of the derivative
of Golub and Pereyra (SIAM J. Numer. Anal. 10, 1973): it leaves out a term of second order in r.
For a nonlinear problem pi(y) is the minimum that Gauss-Newton steps lead to, and A the Jacobian in
pi there. Steps are those of :mod:`gmnm_pde.methods.levenberg_marquardt`, in the coordinates of
:mod:`gmnm_pde.methods.charts`.

Where units start matters as much: several starts are trained for a few iterations, and the one that
is best at points that are not trained on goes on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gmnm_pde.collocation import check_blocks, collocate
from gmnm_pde.estimate import Estimate, calibrated, misfit
from gmnm_pde.linearised import Block
from gmnm_pde.methods import greedy
from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State, Status
from gmnm_pde.methods.charts import Chart, chart_of, moved
from gmnm_pde.methods.elimination import Elimination, Reduced
from gmnm_pde.methods.growth import enough_units
from gmnm_pde.methods.lattices import built, layouts, spacing_of, units_of
from gmnm_pde.methods.levenberg_marquardt import FIRST, Model, searched
from gmnm_pde.methods.limits import Limits
from gmnm_pde.methods.starts import best_start, may_go_on
from gmnm_pde.methods.training.spectrum import decomposed, form_for
from gmnm_pde.methods.weights import checked_rows, unweighted_rms
from gmnm_pde.networks import LinearOutputNetwork, Network, PlacedSpec, evaluate
from gmnm_pde.placement import Layout

TRIED = 5
"""Iterations that each start is trained for before they are compared."""


@dataclass(frozen=True)
class Snapshot:
    """An earlier iterate, to calibrate the estimate with."""

    misfit: float
    values: Tensor


@dataclass(frozen=True)
class Memory:
    """Between iterations.

    Arguments:
        elimination: of the output weights.
        limits: that units are kept to.
        network: where training goes on; the best one at points that are not trained on is that of
            the state.
        reduced: what its output weights leave.
        damping: that was best, None at first.
        largest: squared singular value of the last Jacobian.
        losses: one an iteration, root mean square of the weighted rows.
        stuck: no damping lowered the loss.
        least: the misfit of the best network at those points, and the iteration that led to it.
    """

    blocks: tuple[Block, ...]
    check: tuple[Block, ...]
    probes: Tensor
    elimination: Elimination
    limits: Limits
    network: LinearOutputNetwork
    reduced: Reduced
    damping: float | None = None
    largest: float = 0.0
    losses: tuple[float, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    stuck: bool = False
    least: tuple[float, int] = (math.inf, 0)


@dataclass(frozen=True)
class VariableProjection(Method):
    """Train centres and projections by Levenberg-Marquardt, output weights eliminated.

    Arguments:
        iterations: at most so many steps.
        oversampling: rows over all trained numbers, output weights included.
        condition_weight: of conditions over equations; with few units they compete.
        tolerance: relative decrease of the loss over ``window`` steps below which it stops.
    """

    iterations: int = 300
    oversampling: float = 1.5
    condition_weight: float = 3.0
    tolerance: float = 0.2
    window: int = 25

    def start(self, setting: Setting, network: Network | None) -> State:
        if not isinstance(network, LinearOutputNetwork):
            return self._best_start(setting)
        layout = layouts(setting, units_of(setting))[0]
        return self._begun(setting, layout, network)

    def _best_start(self, setting: Setting) -> State:
        """Of several starts the one that is best after a few iterations.

        Lattices of several widths and margins are compared untrained, which costs little.
        """
        first, *others = layouts(setting, units_of(setting))
        found = self._begun(setting, first, built(setting, first))
        memory: Memory = found.memory
        if not isinstance(setting.network, PlacedSpec) or memory.elimination.linearised is None:
            return found
        lattices = [self._begun(setting, one, built(setting, one)) for one in others]
        found = min((found, *lattices), key=_misfit)
        spacing, units = memory.limits.spacing, units_of(setting)
        network = greedy.chosen(setting, memory.elimination, spacing, units)
        if network is None:
            return found
        starts = (found, self._begun(setting, first, network))
        return best_start(starts, lambda start: self._tried(setting, start), _misfit)

    def _tried(self, setting: Setting, state: State) -> State:
        """A start after a few iterations, which do not count."""
        for _ in range(TRIED):
            if not may_go_on(setting) or state.memory.stuck:
                break
            state = self.step(setting, state)
        memory = replace(state.memory, losses=(), least=(_misfit(state), 0))
        return replace(state, memory=memory, records=())

    def _begun(self, setting: Setting, layout: Layout, network: LinearOutputNetwork) -> State:
        """The rows for a network, its output weights eliminated."""
        problem = setting.problem
        centres = layout.centres()
        placed = sum(len(part) for part in centres)
        enough_units(setting, placed)
        trained = sum(parameter.numel() for parameter in network.parameters())
        counts = [math.ceil(self.oversampling * trained * len(part) / placed) for part in centres]
        weight = self.condition_weight
        found = collocate(problem, layout, counts, setting.sampling, setting.seed, weight)
        check = check_blocks(problem, layout, 1000, setting.seed + 2, weight)
        probes = problem.region.sample_interior(1000, "sobol", setting.seed + 1)
        place = setting.placed
        network, blocks = place(network), tuple(place(block) for block in found)
        points = torch.cat([block.points for block in blocks])
        elimination = Elimination.of(setting, blocks)
        memory = Memory(
            blocks,
            tuple(place(block) for block in check),
            place(probes),
            elimination,
            Limits.around(network, points, place(spacing_of(setting, blocks))),
            network,
            elimination(network),
        )
        now = misfit(checked_rows(problem, network, memory.check), memory.check)
        memory = replace(memory, least=(now if math.isfinite(now) else math.inf, 0))
        return State(network=network, memory=memory)

    def checkpoint(self, state: State) -> Mapping[str, Any]:
        memory: Memory = state.memory
        return {"damping": memory.damping, "losses": list(memory.losses)}

    def resume(self, setting: Setting, network: Network, saved: Mapping[str, Any]) -> State:
        """Goes on with the next iteration; a new estimate waits until the residual has fallen."""
        state = self.start(setting, network)
        if not saved:
            return state
        losses = tuple(saved["losses"])
        memory = replace(state.memory, damping=saved["damping"], losses=losses)
        return replace(state, memory=memory)

    def step(self, setting: Setting, state: State) -> State:
        memory = improved(state.memory)
        return self._measured(setting, replace(state, memory=memory))

    def decide(self, setting: Setting, state: State) -> Outcome | None:
        memory: Memory = state.memory
        if not memory.losses:
            return None
        error = max(state.estimated_error.values(), default=math.inf)
        if setting.rtol is not None and error <= setting.rtol:
            return Outcome(
                "converged", f"estimated error {error:.1e} is under rtol {setting.rtol:.1e}"
            )
        status: Status = "converged" if setting.rtol is None else "stopped"
        if memory.stuck:
            return Outcome(status, "no step lowers the residual any more")
        losses = memory.losses
        if len(losses) - memory.least[1] > self.window:
            return Outcome(
                status,
                f"no better at points that are not trained on for {self.window} iterations",
            )
        if (
            len(losses) > self.window
            and losses[-1] > (1 - self.tolerance) * losses[-1 - self.window]
        ):
            return Outcome(
                status,
                f"the residual fell by less than {self.tolerance:.0%} in {self.window} iterations",
            )
        if len(losses) >= self.iterations:
            return Outcome("stopped", f"{self.iterations} iterations, as many as allowed")
        if setting.elapsed > setting.time_limit:
            return Outcome("stopped", f"the time limit of {setting.time_limit:.0f} s")
        return None

    def _measured(self, setting: Setting, state: State) -> State:
        """The state with its estimate and a line of history."""
        memory: Memory = state.memory
        network = memory.network
        rows = checked_rows(setting.problem, network, memory.check)
        now, values = misfit(rows, memory.check), evaluate(network, memory.probes)
        values = setting.problem.completed(memory.probes, values)
        snapshots = memory.snapshots
        earlier = [shot for shot in snapshots if shot.misfit > 4 * now]
        relative: dict[str, float] = {}
        for shot in earlier[-2:]:
            before = Estimate({}, shot.misfit)
            estimate = calibrated(setting.problem.unknowns, now, values, shot.values, before)
            relative = {
                name: max(error, relative.get(name, 0.0))
                for name, error in estimate.relative.items()
            }
        if not snapshots or now < 0.5 * snapshots[-1].misfit:
            snapshots = (*snapshots, Snapshot(now, values))
        worst = max(relative.values()) if relative else math.inf
        record = Record(
            step=len(state.records) + 1,
            units=network.n_units,
            parameters=sum(p.numel() for p in network.parameters()),
            points=sum(len(block.points) for block in memory.blocks),
            residual_rms=unweighted_rms(rows, memory.check, ("equation", "data")),
            boundary_rms=unweighted_rms(rows, memory.check, ("condition",)),
            estimated_error=worst if math.isfinite(worst) else None,
            seconds=setting.elapsed,
        )
        best = now < memory.least[0]
        least = (now, len(memory.losses)) if best else memory.least
        return replace(
            state,
            network=network if best else state.network,
            # Training lowers the residual, so what an earlier method estimated still holds.
            estimated_error=relative or state.estimated_error,
            records=(*state.records, record),
            memory=replace(memory, snapshots=snapshots, least=least),
        )


def improved(memory: Memory) -> Memory:
    """One step of Levenberg-Marquardt, or the word that none lowers the loss."""
    network, reduced = memory.network, memory.reduced
    chart = chart_of(network)
    J = reduced.projected(chart.columns(memory.elimination.jacobian(network)))
    scales = chart.scales(J)
    J = unblocked(J / scales, reduced.residual, outward(chart, memory.limits))
    spectrum = decomposed(J, form_for(J, memory.damping, memory.largest))

    lowest = (network, reduced)

    def rows(step: Tensor) -> Tensor:
        nonlocal lowest
        try:
            found = memory.limits.keep(moved(network, chart, step / scales))
            left = memory.elimination(found)
        except RuntimeError:  # columns that overflow, units stretched until P has no inverse
            return reduced.residual.new_full((len(J),), math.inf)
        if left.loss < lowest[1].loss:
            lowest = (found, left)
        return left.residual

    damping = FIRST * spectrum.largest if memory.damping is None else memory.damping
    loss = reduced.residual.square().sum().item()
    model = Model(rows, reduced.residual, J, spectrum, correct=True)
    best = searched(model, damping, loss)
    memory = replace(memory, largest=spectrum.largest)
    if best is None:
        return replace(memory, losses=(*memory.losses, reduced.loss), stuck=True)
    # The lowest of all that were tried: the search sees each damping's last one.
    found, left = lowest
    losses = (*memory.losses, left.loss)
    return replace(memory, damping=best.damping, losses=losses, network=found, reduced=left)


def outward(chart: Chart, limits: Limits) -> Tensor:
    """Directions (k, q) along which units at their limits leave them."""
    found = (chart.narrowing(limits.spacing), chart.leaving(limits.points, limits.reach))
    return torch.cat([each for each in found if len(each)] or [limits.spacing.new_zeros(0, 0)])


def unblocked(J: Tensor, residual: Tensor, outward: Tensor) -> Tensor:
    """A Jacobian (n, q) without the directions (k, q) that the residual pushes along.

    Steps to beyond a limit, brought back to it, are no longer those of the linear model: a single
    unit at its limit was seen to hold up all others.
    """
    if not len(outward):
        return J
    pushed = outward[outward @ (J.T @ residual) < 0]
    pushed = torch.linalg.qr(pushed.T).Q
    return J - (J @ pushed) @ pushed.T


def _misfit(state: State) -> float:
    """The least at points that are not trained on."""
    return float(state.memory.least[0])
