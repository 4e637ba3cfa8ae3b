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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from gmnm_pde.linalg import Factored, Reflections, reflections
from gmnm_pde.methods.residuals import Iterate, Residuals

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

NEARLY = 0.999
"""A step that promises no less than this part of the loss starts at a minimum."""

ROUNDINGS = 30.0
"""What is left is rounding up to so many of them."""

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
        done = step.promised > NEARLY * before.loss or point.loss <= _rounding(point, factors)
        if settled or (done and point.loss > LITTLE * before.loss):
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
        if left <= max(SETTLED * point.loss, _rounding(point, factors)):
            return point, True
        if left > 0.3 * before:
            return point, False
        after = rows.at(point.x + rest.solve())
        if not after.loss < point.loss:
            return point, False
        point, before = after, left


def _rounding(point: Iterate, factors: Reflections) -> float:
    """What products of rows and weights round to, root mean square."""
    if point.x is None:
        return 0.0
    size = (factors.scale * point.x).norm().item() / len(point.residual) ** 0.5
    return ROUNDINGS * torch.finfo(point.residual.dtype).eps * size


def _damped(rows: Residuals, step: Step) -> list[Iterate]:
    """Ends of steps that are short in the weights."""
    x = step.start.x
    assert x is not None
    rest = step.factors.against(-step.start.residual, x)
    return [rows.at(x + rest.solve(damping)) for damping in DAMPINGS]


def _best(tried: Sequence[Iterate]) -> Iterate:
    return min(tried, key=lambda iterate: iterate.loss)
