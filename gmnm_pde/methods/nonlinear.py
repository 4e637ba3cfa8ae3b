"""A level of a nonlinear problem: where its iteration starts, and what is made of its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gmnm_pde.linalg import RIDGE, Factored, Reflections, reflections
from gmnm_pde.linearised import Block
from gmnm_pde.methods.gauss_newton import Minimum, minimise
from gmnm_pde.methods.residuals import Residuals
from gmnm_pde.methods.weights import FOR_NOISE, Damping, Fit
from gmnm_pde.networks import LinearOutputNetwork, Network
from gmnm_pde.problem import Problem

STARTS = (0.0, 1.0, -1.0)
"""Constant states to start from."""


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
    fit, x = _smoothed(found, rows, Residuals(problem, network, check) if check else None)
    network.set_output_weights(network.unflattened(x))
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
    """Output weights of a constant, (p,)."""
    if value == 0.0:
        return torch.zeros_like(network.flat_weights)
    shape = network.n_outputs
    return projected(network, lambda points: points.new_full((len(points), shape), value), blocks)


def _smoothed(found: Minimum, rows: Residuals, check: Residuals | None) -> tuple[Fit, Tensor]:
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
    damping = FOR_NOISE if rows.has_data else Damping()
    best: tuple[float, Tensor, Fit] | None = None
    for ridge in damping.ridges:
        x = iterate.x if ridge == RIDGE else model.solve(ridge)
        residual = model.residual(x) / len(iterate.residual) ** 0.5
        missed = check.at(x)
        if best is None or missed.loss < best[0]:
            best = (missed.loss, x, Fit(residual, check.split(missed), ridge=ridge))
        elif not damping.thorough and math.isfinite(best[0]):
            break
        if missed.loss <= damping.overfit * residual:
            break
    assert best is not None
    return best[2], best[1]


def projected(
    network: LinearOutputNetwork, other: Callable[[Tensor], Tensor], blocks: Sequence[Block]
) -> Tensor:
    """Output weights (p,) that make a network nearly equal to another one at blocks' points."""
    points = torch.cat([block.points for block in blocks if block.average is None])
    with torch.no_grad():
        features, target = network.features(points), other(points)
    known: dict[str, Reflections] = {}
    parts = []
    for j, column in enumerate(target.T):
        own = network.own(j)
        if str(own) not in known:
            known[str(own)] = reflections(features[:, own].clone())
        parts.append(known[str(own)].against(column).solve(1e-10))
    return torch.cat(parts)
