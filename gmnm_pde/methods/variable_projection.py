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
from gmnm_pde.errors import InputError
from gmnm_pde.estimate import Estimate, calibrated, misfit
from gmnm_pde.linalg import RIDGE, damped_solve
from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State, Status
from gmnm_pde.methods.gauss_newton import minimise
from gmnm_pde.methods.growth import enough_units
from gmnm_pde.methods.residuals import Residuals
from gmnm_pde.methods.weights import (
    assemble,
    checked_rows,
    evaluate,
    unweighted_rms,
)
from gmnm_pde.networks import LinearOutputNetwork, Network, PlacedSpec
from gmnm_pde.placement import Layout, first_patch

UNITS = 64
"""Units of a network if nothing is said."""

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
    """

    blocks: tuple[Block, ...]
    check: tuple[Block, ...]
    probes: Tensor
    damping: float = 1e-2
    losses: tuple[float, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    stuck: bool = False
    linear: bool = True


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
        problem = setting.problem
        units = min(setting.units or UNITS, setting.max_units)
        layout = _layout(setting, units)
        centres = layout.centres()
        enough_units(setting, sum(len(part) for part in centres))
        if not isinstance(network, LinearOutputNetwork):
            spec = setting.network
            built = (
                layout.network(spec, centres, len(problem.unknowns))
                if isinstance(spec, PlacedSpec)
                else setting.initial()
            )
            if not isinstance(built, LinearOutputNetwork):
                raise InputError(
                    "the method variable_projection needs a network whose last layer is linear, "
                    f"and {type(built).__name__} is not.",
                    mend="Use the network gmnm, or another method.",
                )
            network = built
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
            linear=all(is_linear(problem, block) for block in blocks),
        )
        eliminate(setting, network, memory)
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
        network = state.network
        assert isinstance(network, LinearOutputNetwork)
        loss, residual, projector = eliminate(setting, network, memory)
        J = projector(_jacobian(setting, network, memory.blocks))
        network, loss, damping, stuck = _improve(setting, network, memory, residual, J, loss)
        memory = replace(memory, damping=damping, losses=(*memory.losses, loss), stuck=stuck)
        return self._measured(setting, replace(state, network=network, memory=memory))

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
        network = state.network
        assert isinstance(network, LinearOutputNetwork)
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
        return replace(
            state,
            # Training lowers the residual, so what an earlier method estimated still holds.
            estimated_error=relative or state.estimated_error,
            records=(*state.records, record),
            memory=replace(memory, snapshots=snapshots),
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
        tried = moved(network, step)
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


def _layout(setting: Setting, units: int) -> Layout:
    """One patch with at most so many units, a narrow margin included: they move where they pay."""
    domain = setting.problem.region
    ones = (1.0,) * domain.dimension
    cells, best = 1.0, None
    while True:
        patch = first_patch(domain, cells, ones)
        layout = Layout(domain, (patch,), margin=1.0, pieces=setting.problem.pieces)
        if sum(len(part) for part in layout.centres()) > units:
            break
        best, cells = layout, cells + 1
    return best or layout
