"""Output weights of a nonlinear problem: Gauss-Newton with a trust region on the true loss.

Around an iterate the weighted residual is r + J dx. A step minimises

    |r + J dx|^2   with   |J dx| <= radius ,

a region measured by how far the rows move, which does not depend on how units and weights are
scaled. Its solution is the Gauss-Newton step, shortened; the rows on the way are pointwise
functions of values that are known at both ends, so many radii are tried at the cost of one. Where
all of them bring little, J is nearly singular, and steps damped in the weights are tried (Levenberg
and Marquardt). Whatever raises the true loss is rejected.

The factorisation of J dominates. Near the solution it serves for more steps (chord steps, a product
each) until what is left of the residual is orthogonal to what the weights can change.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from gmnm_pde.assembly import Block
from gmnm_pde.linalg import RIDGE, Factored, Reflections, reflections
from gmnm_pde.methods.residuals import Iterate, Residuals
from gmnm_pde.methods.weights import FOR_NOISE, Damping, Fit, flat, set_flat
from gmnm_pde.networks import LinearOutputNetwork, Network
from gmnm_pde.problem import Problem

ITERATIONS = 60
"""Most factorisations at one level."""

SETTLED = 1e-3
"""An iterate is a minimum where at most this part of the loss could be removed to first order. Such
a rest is smooth, and a smooth residual stands for a larger error than a rough one."""

GOOD = 0.25
"""A step whose loss falls by this part of what the linear model promised is taken as it is."""

RADII = tuple(0.5**k for k in range(1, 12))
"""Of the full step, tried together."""

DAMPINGS = (1e-6, 1e-4, 1e-2, 1.0)
"""In weights of columns of norm one."""

LITTLE = 0.9
"""A loss that falls to no less than this part has fallen little."""

ROUNDINGS = 30.0
"""What is left is rounding up to so many of them."""

STARTS = (0.0, 1.0, -1.0)
"""Constant states to start from."""

PATIENCE = 6
"""So many steps one after the other may bring little."""

Reason = Literal["minimum", "slow", "stuck", "iterations", "time", "not finite"]


@dataclass(frozen=True)
class Minimum:
    """Where an iteration ended.

    Arguments:
        iterate: the one with the smallest loss.
        reason: "minimum" of the loss, or why it was not reached.
        losses: root mean square of the weighted residual, at the start and after each step.
        factors: of the Jacobian at the iterate, or close to it; None if no step was made.
    """

    iterate: Iterate
    reason: Reason
    losses: tuple[float, ...]
    factors: Reflections | None = None


@dataclass(frozen=True)
class Step:
    """The linear model at an iterate and its minimum.

    Arguments:
        full: the Gauss-Newton step's end.
        promised: the loss that the model has there.
    """

    start: Iterate
    factors: Reflections
    factored: Factored
    full: Iterate
    promised: float

    def gain(self, loss: float) -> float:
        """How much of the promised decrease came, in squares."""
        promised = self.start.loss**2 - self.promised**2
        return (self.start.loss**2 - loss**2) / promised if promised > 0 else -math.inf


def minimise(rows: Residuals, start: Iterate, deadline: float = math.inf) -> Minimum:
    """Follow Gauss-Newton steps from a start to a minimum of the loss."""
    point, losses, slow, factors = start, [start.loss], 0, None

    def ended(reason: Reason) -> Minimum:
        return Minimum(point, reason, tuple(losses), factors)

    if not math.isfinite(start.loss):
        return ended("not finite")
    if start.loss == 0.0:
        return ended("minimum")
    for _ in range(ITERATIONS):
        if time.perf_counter() > deadline:
            return ended("time")
        before = point
        step = gauss_newton(rows, before)
        factors = step.factors
        point, settled = _followed(rows, step)
        fell = point.loss < before.loss
        if fell:
            losses.append(point.loss)
            slow = slow + 1 if point.loss > LITTLE * before.loss else 0
        little = step.promised > LITTLE * before.loss
        if settled or (little and point.loss > LITTLE * before.loss):
            return ended("minimum")
        if not fell:
            return ended("stuck")
        if slow >= PATIENCE:
            return ended("slow")
    return ended("iterations")


def gauss_newton(rows: Residuals, point: Iterate) -> Step:
    """The full step, by one least-squares solve."""
    system = rows.system(point)
    factors = reflections(system.rows)
    factored = factors.against(system.target)
    x = factored.solve()
    promised = factored.residual(x) / len(system.target) ** 0.5
    return Step(point, factors, factored, rows.at(x), promised)


def _followed(rows: Residuals, step: Step) -> tuple[Iterate, bool]:
    """The iterate a step leads to, the start if it leads nowhere, and whether it is a minimum."""
    if step.gain(step.full.loss) >= GOOD:
        return _settled(rows, step.factors, step.full)
    start = step.start
    if start.x is None:
        return start, False
    radii = [rows.between(start, step.full, part) for part in RADII]
    best = _best([start, step.full, *radii])
    if step.promised < LITTLE * start.loss:
        best = _best([best, *_damped(rows, step)])
    return best, False


def _settled(rows: Residuals, factors: Reflections, point: Iterate) -> tuple[Iterate, bool]:
    """Chord steps: the same Jacobian against the residual that is left."""
    count, before = len(point.residual) ** 0.5, math.inf
    while True:
        assert point.x is not None
        rest = factors.against(-point.residual, point.x)
        left = rest.c.norm().item() / count
        # Products of rows and weights round to this.
        eps = torch.finfo(point.x.dtype).eps
        rounding = ROUNDINGS * eps * (factors.scale * point.x).norm().item() / count
        if left <= max(SETTLED * point.loss, rounding):
            return point, True
        if left > 0.3 * before:
            return point, False
        after = rows.at(point.x + rest.solve())
        if not after.loss < point.loss:
            return point, False
        point, before = after, left


def _damped(rows: Residuals, step: Step) -> list[Iterate]:
    """Ends of steps that are short in the weights."""
    x = step.start.x
    assert x is not None
    rest = step.factors.against(-step.start.residual, x)
    return [rows.at(x + rest.solve(damping)) for damping in DAMPINGS]


def _best(tried: Sequence[Iterate]) -> Iterate:
    return min(tried, key=lambda iterate: iterate.loss)


class NotFinite(ArithmeticError):
    """A residual without a finite value wherever an iteration could start."""

    mend = (
        "Start from an easier problem (`continuation`), or write it so that it has a value there."
    )


def fit_nonlinear(
    problem: Problem,
    network: LinearOutputNetwork,
    blocks: Sequence[Block],
    check: Sequence[Block] = (),
    previous: Network | None = None,
    deadline: float = math.inf,
) -> tuple[Fit, str | None]:
    """Set the output weights that minimise the weighted residual of a nonlinear problem.

    Arguments:
        previous: a network to start from, of any kind; without one, the first constant in
            :data:`STARTS` with a finite residual.
        deadline: in ``time.perf_counter()``, after which no further factorisation is begun.

    Returns:
        the fit, and what kept the iteration from a minimum.

    Raises:
        NotFinite: there is nowhere to start from.
    """
    rows = Residuals(problem, network, blocks)
    found = None
    if previous is not None:
        found = minimise(rows, rows.of(previous), deadline)
        if found.iterate.x is None:
            # No whole step lowers the loss of the other network: shorter ones need weights.
            found = minimise(rows, rows.at(projected(network, previous, blocks)), deadline)
    if found is None or found.reason == "not finite":
        found = _from_constants(rows, network, blocks, deadline)
    fit, x = _smoothed(found, Residuals(problem, network, check) if check else None)
    set_flat(network, x)
    return fit, None if found.reason == "minimum" else found.reason


def _from_constants(
    rows: Residuals, network: LinearOutputNetwork, blocks: Sequence[Block], deadline: float
) -> Minimum:
    """From the first constant state that has a finite residual and is no stationary point."""
    found = None
    for value in STARTS:
        start = rows.at(_constant(network, value, blocks))
        if math.isfinite(start.loss):
            found = minimise(rows, start, deadline)
            # Where u = 0, u^2 and |grad u|^2 have no slope: that is no minimum to stay at.
            if len(found.losses) > 1 or found.iterate.loss == 0.0 or found.reason == "time":
                return found
            found = replace(found, reason="stuck")
    if found is None:
        values = ", ".join(f"{value:g}" for value in STARTS)
        raise NotFinite(f"{rows.not_finite(start)} for unknowns that are {values}")
    return found


def _constant(network: LinearOutputNetwork, value: float, blocks: Sequence[Block]) -> Tensor:
    """Output weights of a constant, (k m,)."""
    if value == 0.0:
        return torch.zeros_like(flat(network))
    shape = network.n_outputs
    return projected(network, lambda points: points.new_full((len(points), shape), value), blocks)


def _smoothed(found: Minimum, check: Residuals | None) -> tuple[Fit, Tensor]:
    """The damping that does best at points never used, see :func:`weights.damped`."""
    iterate, factors = found.iterate, found.factors
    assert iterate.x is not None
    if check is None or factors is None:
        checked = () if check is None else check.split(check.at(iterate.x))
        return Fit(iterate.loss, checked), iterate.x
    rest = factors.against(-iterate.residual, iterate.x)
    # The linear model about the iterate, for the weights themselves and not for a step.
    c = rest.c + factors.R @ (factors.scale * iterate.x)
    model = Factored(factors.R, c, factors.scale, rest.outside)
    damping = FOR_NOISE if check.has_data else Damping()
    best: tuple[float, Tensor, Fit] | None = None
    for ridge in damping.ridges:
        x = iterate.x if ridge == RIDGE else model.solve(ridge)
        residual = model.residual(x) / len(iterate.residual) ** 0.5
        missed = check.at(x)
        if best is None or missed.loss < best[0]:
            best = (missed.loss, x, Fit(residual, check.split(missed), ridge=ridge))
        elif not damping.thorough:
            break
        if missed.loss <= damping.overfit * residual:
            break
    assert best is not None
    return best[2], best[1]


def projected(
    network: LinearOutputNetwork, other: Callable[[Tensor], Tensor], blocks: Sequence[Block]
) -> Tensor:
    """Output weights (k m,) that make a network nearly equal to another one at blocks' points."""
    points = torch.cat([block.points for block in blocks if block.average is None])
    with torch.no_grad():
        features, target = network.features(points), other(points)
    factors = reflections(features)
    return torch.cat([factors.against(column).solve(1e-10) for column in target.T])
