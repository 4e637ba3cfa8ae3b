"""Variable projection: few units, everything trained, the output weights exactly.

For inner parameters y (centres and projections) the output weights are the least-squares solution
pi(y), so the residual depends on y alone,

    r(y) = A(y) pi(y) - b,       J = (I - Q Q') (dA/dy) pi,       A = Q R,

which Levenberg-Marquardt minimises. J is Kaufman's simplification (BIT 15, 1975) of the derivative
of Golub and Pereyra (SIAM J. Numer. Anal. 10, 1973): it leaves out a term of second order in r.
For a nonlinear problem pi(y) is the minimum that Gauss-Newton steps lead to, and A the Jacobian in
pi there.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from gmnm_pde.assembly import Block, at_network, at_zero, is_linear, parameter_rows
from gmnm_pde.collocation import check_blocks, collocate
from gmnm_pde.estimate import Estimate, calibrated, misfit
from gmnm_pde.linalg import RIDGE, damped_solve
from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State, Status
from gmnm_pde.methods.gauss_newton import minimise
from gmnm_pde.methods.growth import enough_units
from gmnm_pde.methods.lattices import built, layouts, spacing_of, units_of, widened
from gmnm_pde.methods.residuals import Residuals
from gmnm_pde.methods.weights import (
    assemble,
    checked_rows,
    unweighted_rms,
)
from gmnm_pde.networks import LinearOutputNetwork, Network, PlacedSpec, evaluate
from gmnm_pde.placement import Layout

DAMPINGS = 12
"""Dampings tried before a step is given up."""


@dataclass(frozen=True)
class Snapshot:
    """An earlier iterate, to calibrate the estimate with."""

    misfit: float
    values: Tensor


@dataclass(frozen=True)
class Memory:
    """Between iterations.

    Arguments:
        damping: of the next Levenberg-Marquardt step.
        losses: one an iteration, root mean square of the weighted rows.
        stuck: no damping lowered the loss.
        linear: whether the problem is.
        network: where training goes on; the best one at points that are not trained on is that of
            the state.
        spacing: of the points along each coordinate, (d,).
        least: the misfit of the best network at those points, and the iteration that led to it.
    """

    blocks: tuple[Block, ...]
    check: tuple[Block, ...]
    probes: Tensor
    spacing: Tensor
    damping: float = 1e-2
    losses: tuple[float, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    stuck: bool = False
    linear: bool = True
    network: LinearOutputNetwork | None = None
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

    iterations: int = 150
    oversampling: float = 1.5
    condition_weight: float = 3.0
    tolerance: float = 0.02
    window: int = 40

    def start(self, setting: Setting, network: Network | None) -> State:
        if not isinstance(network, LinearOutputNetwork):
            return self._best_start(setting)
        layout = layouts(setting, units_of(setting))[0]
        return self._begun(setting, layout, network)

    def _best_start(self, setting: Setting) -> State:
        """Of lattices of several widths and margins the one that fits best, untrained."""
        found: list[State] = []
        for layout in layouts(setting, units_of(setting)):
            found.append(self._begun(setting, layout, built(setting, layout)))
            if not isinstance(setting.network, PlacedSpec) or not found[0].memory.linear:
                break
        return min(found, key=lambda state: float(state.memory.least[0]))

    def _begun(self, setting: Setting, layout: Layout, network: LinearOutputNetwork) -> State:
        """The rows for a network, its output weights eliminated."""
        problem = setting.problem
        centres = layout.centres()
        enough_units(setting, sum(len(part) for part in centres))
        trained = sum(parameter.numel() for parameter in network.parameters())
        placed = sum(len(part) for part in centres)
        counts = [math.ceil(self.oversampling * trained * len(part) / placed) for part in centres]
        weight = self.condition_weight
        blocks = collocate(problem, layout, counts, setting.sampling, setting.seed, weight)
        check = check_blocks(problem, layout, 1000, setting.seed + 2, weight)
        probes = problem.region.sample_interior(1000, "sobol", setting.seed + 1)
        place = setting.placed
        network = place(network)
        memory = Memory(
            tuple(place(block) for block in blocks),
            tuple(place(block) for block in check),
            place(probes),
            place(spacing_of(setting, blocks)),
            linear=all(is_linear(problem, block) for block in blocks),
            network=network,
        )
        eliminate(setting, network, memory)
        now = misfit(checked_rows(problem, network, memory.check), memory.check)
        memory = replace(memory, least=(now if math.isfinite(now) else math.inf, 0))
        return State(network=network, memory=memory)

    def checkpoint(self, state: State) -> Mapping[str, Any]:
        return {"damping": state.memory.damping, "losses": list(state.memory.losses)}

    def resume(self, setting: Setting, network: Network, saved: Mapping[str, Any]) -> State:
        """Goes on with the next iteration; a new estimate waits until the residual has fallen."""
        state = self.start(setting, network)
        if not saved:
            return state
        losses = tuple(saved["losses"])
        memory = replace(state.memory, damping=saved["damping"], losses=losses)
        return replace(state, memory=memory)

    def step(self, setting: Setting, state: State) -> State:
        memory: Memory = state.memory
        network = memory.network
        assert network is not None
        loss, residual, projector = eliminate(setting, network, memory)
        J = projector(_jacobian(setting, network, memory.blocks))
        network, loss, damping, stuck = _improve(setting, network, memory, residual, J, loss)
        losses = (*memory.losses, loss)
        memory = replace(memory, damping=damping, losses=losses, stuck=stuck, network=network)
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
        assert network is not None
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


@dataclass(frozen=True)
class Projector:
    """I - Q Q' for an orthonormal basis Q of the columns of A."""

    Q: Tensor = field(repr=False)

    def __call__(self, columns: Tensor) -> Tensor:
        return columns - self.Q @ (self.Q.T @ columns)


def eliminate(
    setting: Setting, network: LinearOutputNetwork, memory: Memory
) -> tuple[float, Tensor, Projector]:
    """Set the output weights to their least-squares values.

    Returns:
        the loss (root mean square), the weighted residual (rows,), the projector off the columns.
    """
    problem, blocks = setting.problem, memory.blocks
    if not memory.linear:
        return _eliminate_nonlinear(setting, network, blocks)
    system = assemble(
        problem,
        network,
        blocks,
        [at_zero(problem, block) for block in blocks],
        setting.constants_free,
    )
    scale = system.rows.norm(dim=0).clamp_min(1e-300)
    Q, R = torch.linalg.qr(system.rows / scale)
    x = damped_solve(R, Q.T @ system.target, RIDGE) / scale
    residual = system.rows @ x - system.target
    weights = x[:-1] if setting.constants_free else x
    network.set_output_weights(network.unflattened(weights))
    return residual.square().mean().sqrt().item(), residual, Projector(Q)


def _eliminate_nonlinear(
    setting: Setting, network: LinearOutputNetwork, blocks: Sequence[Block]
) -> tuple[float, Tensor, Projector]:
    """The same by Gauss-Newton steps from the weights that the network has."""
    rows = Residuals(setting.problem, network, blocks)
    deadline = setting.started + setting.time_limit
    iterate = minimise(rows, rows.at(network.flat_weights), deadline).iterate
    assert iterate.x is not None
    network.set_output_weights(network.unflattened(iterate.x))
    A = rows.system(iterate).rows
    Q = torch.linalg.qr(A / A.norm(dim=0).clamp_min(1e-300)).Q
    return iterate.loss, iterate.residual, Projector(Q)


def _jacobian(setting: Setting, network: LinearOutputNetwork, blocks: Sequence[Block]) -> Tensor:
    """(dA/dy) pi, (rows, p)."""
    problem, names = setting.problem, network.inner_parameters
    return torch.cat(
        [
            parameter_rows(problem, block, at_network(problem, block, network), network, names)
            for block in blocks
        ]
    )


def _improve(
    setting: Setting,
    network: LinearOutputNetwork,
    memory: Memory,
    residual: Tensor,
    J: Tensor,
    loss: float,
) -> tuple[LinearOutputNetwork, float, float, bool]:
    """The first damping whose step lowers the loss; the network itself if none does."""
    scale = J.norm(dim=0).clamp_min(1e-30)
    J = J / scale
    Q, R = torch.linalg.qr(J)
    c, damping = -(Q.T @ residual), memory.damping
    for _ in range(DAMPINGS):
        step = damped_solve(R, c, math.sqrt(damping)) / scale
        tried = widened(moved(network, step), memory.spacing)
        try:
            new_loss, _, _ = eliminate(setting, tried, memory)
        except RuntimeError:  # a unit so narrow that its columns overflow
            new_loss = math.inf
        if new_loss < loss:
            return tried, new_loss, max(damping / 3, 1e-14), False
        damping = min(damping * 4, 1e6)
    return network, loss, damping, True


def moved(network: LinearOutputNetwork, step: Tensor) -> LinearOutputNetwork:
    """A copy whose inner parameters are a step away."""
    result = copy.deepcopy(network)
    parameters: dict[str, nn.Parameter] = dict(result.named_parameters())
    start = 0
    with torch.no_grad():
        for name in network.inner_parameters:
            parameter = parameters[name]
            part = step[start : start + parameter.numel()]
            parameter.add_(part.reshape(parameter.shape))
            start += parameter.numel()
    return result
