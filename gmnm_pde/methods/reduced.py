"""What is inferred, with the solution eliminated: variable projection by Levenberg-Marquardt.

For values theta of what is inferred the weights u of the solution are the minimum of all rows,
u(theta), so that the loss is a function of theta alone. Its Gauss-Newton model comes from the same
Jacobian as that of all unknowns together,

    J = Q [ R_uu  R_ut ]      c = -Q'r,      R_tt dtheta = c_t ,
          [  0    R_tt ]

(L. Kaufman, BIT 15, 1975). Steps in theta and u together follow the curved valley where the
equation holds only in short pieces, because the equation weighs far more than the measurements;
solving for u after every step stays in it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gmnm_pde.linalg import damped_solve, factor
from gmnm_pde.methods.residuals import Iterate, Residuals
from gmnm_pde.methods.uncertainty import seen

ITERATIONS = 40

INNER = 8
"""Gauss-Newton steps for u at most; a linear equation needs one."""

LINEAR = 1e-6
"""A step that does what the linear model said, up to this part, needs no other."""

SETTLED = 0.01
"""An iterate is a minimum where the step that is left is smaller than this in standard errors."""

DAMPINGS = (0.0, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 1e2, 1e3)
"""Of columns of norm one, tried until the loss falls."""

GOOD = 0.25
"""A step whose loss falls by this part of what the linear model promised is taken as it is."""

Reason = Literal["minimum", "stuck", "iterations", "time", "not finite"]


@dataclass(frozen=True)
class Found:
    """Where the search ended, and why."""

    iterate: Iterate
    reason: Reason
    iterations: int


def infer(
    rows: Residuals,
    start: Tensor,
    inner: int,
    data: Tensor,
    deadline: float = math.inf,
    constants_only: bool = False,
) -> Found:
    """Minimise over theta.

    Arguments:
        start: weights, those of u first, (p,).
        inner: how many are those of u.
        data: which rows are measurements, (rows,).
        constants_only: theta are constants; nothing moves along directions that the data do not
            determine. (Those of fields are a matter of their smoothing.)
    """
    point, first = settle(rows, rows.at(start), inner), 0
    if not math.isfinite(point.loss):
        return Found(point, "not finite", 0)
    for count in range(ITERATIONS):
        if time.perf_counter() > deadline:
            return Found(point, "time", count)
        assert point.x is not None
        system = rows.system(point)
        factored = factor(system.rows, -point.residual)
        R, c = factored.R[inner:, inner:], factored.c[inner:]
        # Where nothing is known of theta's size, a measurement's residual is the unit.
        unit = point.residual[data].norm().item() / max(int(data.sum()) - len(c), 1) ** 0.5
        if constants_only:
            c = seen(R * factored.scale[inner:], unit).projected(c)
        if c.norm().item() <= SETTLED * unit:
            return Found(point, "minimum", count)
        better = None
        for number in range(max(first - 1, 0), len(DAMPINGS)):
            step = damped_solve(R, c, DAMPINGS[number])
            if not bool(step.isfinite().all()):
                continue
            promised = c.square().sum() - (R @ step - c).square().sum()
            outer = point.x[inner:] + step / factored.scale[inner:]
            found = settle(rows, rows.at(torch.cat([point.x[:inner], outer])), inner)
            gain = len(point.residual) * (point.loss**2 - found.loss**2) / promised.item()
            if gain > 0 and (better is None or found.loss < better.loss):
                better, first = found, number
            if gain >= GOOD or (better is not None and gain < 0):
                break
        if better is None:
            return Found(point, "stuck" if _open(point, unit, c) else "minimum", count)
        if point.loss - better.loss <= 1e-9 * point.loss:
            return Found(better, "minimum", count + 1)
        point = better
    return Found(point, "iterations", ITERATIONS)


def settle(rows: Residuals, point: Iterate, inner: int) -> Iterate:
    """The minimum over u for the theta of an iterate."""
    for _ in range(INNER):
        assert point.x is not None
        if not math.isfinite(point.loss):
            return point
        factored = factor(rows.system(point).rows[:, :inner], -point.residual)
        step = factored.solve()
        promised = factored.residual(step) / len(point.residual) ** 0.5
        x = torch.cat([point.x[:inner] + step, point.x[inner:]])
        after = rows.at(x)
        if not after.loss < point.loss:
            return point
        done = after.loss - promised <= LINEAR * after.loss
        slow = after.loss > 0.999 * point.loss
        point = after
        if done or slow:
            return point
    return point


def _open(point: Iterate, unit: float, c: Tensor) -> bool:
    """Whether a step is left that would matter."""
    return c.norm().item() > 10 * SETTLED * unit and c.norm().item() > 1e-6 * point.residual.norm()
