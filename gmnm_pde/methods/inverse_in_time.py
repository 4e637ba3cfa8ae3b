"""Unknown constants of an evolution problem, from measurements: forward solves and sensitivities.

    minimise |u(x_i, t_i; k) - d_i|^2

by Levenberg-Marquardt over theta (:mod:`gmnm_pde.transforms`). The solution for given constants is
marched through time to a tolerance well below the noise; its derivative is a difference quotient at
first and kept up to date by Broyden's formula (C. G. Broyden, Math. Comp. 19, 1965).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.estimate import rms
from gmnm_pde.inferred import Findings
from gmnm_pde.inversion import check_inference
from gmnm_pde.methods.base import Method, Outcome, Setting, State
from gmnm_pde.methods.time_stepping import TimeStepping
from gmnm_pde.methods.uncertainty import correlations, covariance_of, seen, undetermined
from gmnm_pde.networks import Network, evaluate
from gmnm_pde.problem import Data, Problem
from gmnm_pde.transforms import Transform, bound_notes, transforms_of

DIFFERENCE = 0.01
"""Step in theta of a difference quotient: a hundred times the forward solves' error and more."""

SETTLED = 0.1
"""A step shorter than this part of every standard error is the last one."""

GOOD = 0.25
"""Of the promised decrease; below, the derivative is computed again."""

DAMPING = (1e-3, 10.0)
"""Of theta, at first, and the factor that it changes by."""

TRIES = 8
"""Dampings in succession that may bring nothing."""

FARTHEST = 1.0
"""The longest step in theta."""


class OutOfTime(Exception):
    """A forward solve that the time limit ended: what it misses says nothing."""


@dataclass(frozen=True)
class March:
    """A forward solve.

    Arguments:
        residual: what the measurements are missed by, (n,).
    """

    theta: Tensor
    network: Network
    state: State
    residual: Tensor


@dataclass(frozen=True)
class Memory:
    """Between iterations.

    Arguments:
        rtol: of the forward solves.
        jacobian: of the residual, (n, p); None where it has to be computed.
        fresh: whether it was computed at this theta.
        left: the step that is left, in standard errors.
        late: the time limit ended a forward solve.
    """

    transforms: Mapping[str, Transform]
    march: March | None = None
    jacobian: Tensor | None = None
    fresh: bool = False
    damping: float = DAMPING[0]
    rtol: float = 1e-4
    left: float = math.inf
    stuck: int = 0
    verified: bool = False
    late: bool = False


@dataclass(frozen=True)
class InverseInTime(Method):
    """Levenberg-Marquardt on forward solves.

    Arguments:
        forward_rtol: of the forward solves; the end is confirmed with a tenth of it.
        iterations: at most.
    """

    infers: ClassVar[bool] = True
    forward_rtol: float = 1e-4
    iterations: int = 30

    def start(self, setting: Setting, network: Network | None) -> State:
        problem = setting.problem
        if problem.time is None:
            raise InputError(
                "the method inverse_in_time needs a problem with time.",
                mend="Use `inverse`, or `auto`, which chooses.",
            )
        check_inference(problem)
        memory = Memory(transforms_of(problem.infer, ()), rtol=self.forward_rtol)
        try:
            march = self._march(setting, memory, torch.zeros(len(problem.constants)).double())
        except OutOfTime:
            raise _too_short(setting) from None
        return State(network=march.network, memory=replace(memory, march=march))

    def step(self, setting: Setting, state: State) -> State:
        try:
            return self._stepped(setting, state)
        except OutOfTime:
            return replace(state, memory=replace(state.memory, late=True))

    def _stepped(self, setting: Setting, state: State) -> State:
        memory: Memory = state.memory
        march = cast(March, memory.march)
        if memory.jacobian is None:
            jacobian = self._differences(setting, memory, march)
            memory = replace(memory, jacobian=jacobian, fresh=True)
        J = cast(Tensor, memory.jacobian)
        left = _left(setting.problem, march.residual, J)
        if left <= SETTLED and memory.fresh:
            return self._confirmed(setting, state, memory, left)
        if left <= SETTLED:
            return replace(state, memory=replace(memory, jacobian=None))
        step = _damped(J, march.residual, memory.damping)
        tried = self._march(setting, memory, march.theta + step)
        promised = march.residual.square().sum() - (march.residual + J @ step).square().sum()
        gain = float((march.residual.square().sum() - tried.residual.square().sum()) / promised)
        if not gain > 0:
            memory = replace(
                memory,
                damping=memory.damping * DAMPING[1] ** 2,
                jacobian=J if memory.fresh else None,
                stuck=memory.stuck + 1,
            )
            return self._recorded(setting, state, replace(memory, left=left))
        updated = J + torch.outer(tried.residual - march.residual - J @ step, step) / step.dot(step)
        memory = replace(
            memory,
            march=tried,
            jacobian=updated if gain > GOOD else None,
            fresh=False,
            damping=memory.damping / DAMPING[1] if gain > GOOD else memory.damping * DAMPING[1],
            stuck=0,
            left=left,
        )
        return self._recorded(setting, state, memory)

    def decide(self, setting: Setting, state: State) -> Outcome | None:
        memory: Memory = state.memory
        if memory.verified:
            return Outcome(
                "converged",
                "solves ten times as accurate move what is inferred by "
                f"{memory.left:.2f} standard errors",
            )
        if memory.stuck >= TRIES:
            return Outcome("stopped", "no step brings the solution closer to the measurements")
        if len(state.records) >= self.iterations:
            return Outcome("stopped", f"{self.iterations} iterations, as many as allowed")
        if memory.late or setting.elapsed > setting.time_limit:
            return Outcome("stopped", f"the time limit of {setting.time_limit:.0f} s")
        return None

    def finish(self, setting: Setting, state: State, outcome: Outcome) -> State:
        if not state.findings.values:
            raise _too_short(setting)
        return replace(state, notes=(*state.notes, *state.findings.notes))

    def solved(self, setting: Setting, state: State) -> Network:
        assert state.network is not None
        return state.network

    def _march(self, setting: Setting, memory: Memory, theta: Tensor) -> March:
        """A forward solve for theta, and what it misses.

        Raises:
            OutOfTime: the time limit ended it.
        """
        problem = setting.problem
        values = {
            name: memory.transforms[name].value(float(t))
            for name, t in zip(problem.constants, theta, strict=True)
        }
        given = replace(problem.given(values), data=None)
        forward = replace(setting, problem=given, rtol=memory.rtol)
        method = TimeStepping()
        state = method.start(forward, None)
        while (outcome := method.decide(forward, state)) is None:
            state = method.step(forward, state)
        if outcome.status != "converged" and setting.elapsed > setting.time_limit:
            raise OutOfTime
        if state.network is None or outcome.status == "failed":
            at = ", ".join(f"{name} = {value:.6g}" for name, value in values.items())
            raise InputError(
                f"the problem could not be solved for {at}: {outcome.reason}.",
                mend="Give bounds that exclude such values, or another start.",
            )
        return March(theta, state.network, state, _residual(problem, state.network))

    def _differences(self, setting: Setting, memory: Memory, march: March) -> Tensor:
        """The derivative of the residual, a forward solve a constant, (n, p)."""
        columns = []
        for j in range(len(march.theta)):
            moved = march.theta.clone()
            moved[j] += DIFFERENCE
            there = self._march(setting, memory, moved)
            columns.append((there.residual - march.residual) / DIFFERENCE)
        return torch.stack(columns, 1)

    def _confirmed(self, setting: Setting, state: State, memory: Memory, left: float) -> State:
        """The end, solved more accurately: does it stay?"""
        finer = replace(memory, rtol=memory.rtol / 10)
        march = self._march(setting, finer, cast(March, memory.march).theta)
        J = cast(Tensor, memory.jacobian)
        moved = _left(setting.problem, march.residual, J)
        stays = moved <= 2.5 * SETTLED
        memory = replace(finer, march=march, left=moved, verified=stays)
        return self._recorded(setting, state, memory)

    def _recorded(self, setting: Setting, state: State, memory: Memory) -> State:
        march = cast(March, memory.march)
        found = state.findings
        if memory.jacobian is not None:
            found = _findings(setting.problem, memory, march)
        last = march.state.records[-1]
        errors = _estimated(setting.problem, memory, march)
        line = replace(
            last,
            step=len(state.records) + 1,
            seconds=setting.elapsed,
            estimated_error=max(errors.values()) if errors else None,
            inferred=found.values,
            standard_error=found.errors,
        )
        return replace(
            state,
            network=march.network,
            estimated_error=errors,
            findings=found,
            records=(*state.records, line),
            memory=memory,
        )


def _too_short(setting: Setting) -> InputError:
    return InputError(
        f"the time limit of {setting.time_limit:g} s is too short: nothing was inferred yet.",
        mend="Give more seconds: --time-limit, or time_limit in gp.solve.",
    )


def _residual(problem: Problem, network: Network) -> Tensor:
    """u - d of every measurement, (n,)."""
    data = cast(Data, problem.data)
    values = evaluate(network, data.points.to(next(network.parameters()))).cpu().double()
    measured = ~torch.isnan(data.values)
    return (values - data.values)[measured]


def _left(problem: Problem, residual: Tensor, J: Tensor) -> float:
    """The length of the Gauss-Newton step in standard errors, |J step| / s.

    Not that of each constant in its own: two that only their product is known of have large errors.
    """
    s = max(math.sqrt(_variance(problem, residual)), 1e-300)
    return float(seen(J, s).projected(residual).norm()) / s


def _damped(J: Tensor, residual: Tensor, damping: float) -> Tensor:
    """The Levenberg-Marquardt step, no longer than what the linear model is good for."""
    scale = J.norm(dim=0).clamp_min(1e-300)
    p = J.shape[1]
    rows = torch.cat([J / scale, math.sqrt(damping) * torch.eye(p, dtype=J.dtype)])
    target = torch.cat([-residual, residual.new_zeros(p)])
    step = torch.linalg.lstsq(rows, target[:, None]).solution[:, 0] / scale
    return step * min(1.0, FARTHEST / max(float(step.abs().max()), 1e-300))


def _covariance(problem: Problem, residual: Tensor, J: Tensor) -> Tensor:
    """Of theta, s^2 (J'J)^-1."""
    return covariance_of(J, _variance(problem, residual))


def _variance(problem: Problem, residual: Tensor) -> float:
    """s^2, of a measurement's noise."""
    noise = cast(Data, problem.data).noise
    free = max(len(residual) - len(problem.constants), 1)
    return float(residual.square().sum()) / free if noise is None else noise**2


def _findings(problem: Problem, memory: Memory, march: March) -> Findings:
    J = cast(Tensor, memory.jacobian)
    names = problem.constants
    covariance = _covariance(problem, march.residual, J)
    spread = covariance.diagonal().clamp_min(0).sqrt().tolist()
    theta = march.theta.tolist()
    transforms = memory.transforms
    variance = _variance(problem, march.residual)
    measured = (~torch.isnan(cast(Data, problem.data).values)).any(0).tolist()
    return Findings(
        {name: transforms[name].value(t) for name, t in zip(names, theta, strict=True)},
        {
            name: transforms[name].slope(t) * size
            for name, t, size in zip(names, theta, spread, strict=True)
        },
        correlations(names, covariance),
        {
            name: math.sqrt(variance)
            for name, known in zip(problem.unknowns, measured, strict=True)
            if known
        },
        (
            *undetermined(names, J, variance),
            *bound_notes(transforms, dict(zip(names, theta, strict=True))),
        ),
    )


def _estimated(problem: Problem, memory: Memory, march: March) -> dict[str, float]:
    """Relative L2 error of the unknowns: of the forward solve, and by the noise, to first order at
    the measurements' places."""
    J = memory.jacobian
    if J is None:
        return {}
    data = cast(Data, problem.data)
    values = (march.residual + data.values[~torch.isnan(data.values)]).abs()
    # The mean of the diagonal of s^2 J (J'J)^-1 J', a projection.
    by_noise = math.sqrt(_variance(problem, march.residual) * J.shape[1] / len(J))
    by_noise /= max(rms(values), 1e-300)
    forward = march.state.estimated_error
    return {
        name: math.hypot(by_noise, forward[name]) for name in problem.unknowns if name in forward
    }
