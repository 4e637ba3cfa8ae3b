"""The output weights of a network by linear least squares: exact for a linear problem, and one step
for a nonlinear one (:mod:`gmnm_pde.methods.gauss_newton`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gmnm_pde.assembly import weight_rows
from gmnm_pde.errors import InputError
from gmnm_pde.linalg import RIDGE, factor
from gmnm_pde.linearised import Block, Linearised, at_network, at_zero, residual_rows, target_rows
from gmnm_pde.networks import LinearOutputNetwork
from gmnm_pde.problem import Problem


@dataclass(frozen=True)
class Damping:
    """Which dampings are tried.

    Arguments:
        ridges: weakest first.
        overfit: stronger ones are tried where points never used miss by this much more than the
            points used.
        thorough: try them all, not only until one is no better than the one before.
    """

    ridges: tuple[float, ...] = (RIDGE, 1e-12, 1e-9, 1e-6, 1e-3)
    overfit: float = 20.0
    thorough: bool = False


UNBALANCED = 1e-2
"""A pure Neumann problem whose data miss the solvability condition by more has no solution."""

FOR_NOISE = Damping((RIDGE, 1e-9, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0), 1.0, True)
"""For measurements, whose noise is to be left out: every smoothing is tried."""


@dataclass(frozen=True)
class Fit:
    """What a solve for the weights left.

    Arguments:
        residual: root mean square of the weighted rows that were fitted.
        checked: weighted rows of the check blocks, one tensor a block.
        imbalance: the constant source that had to be added for a solution to exist, over the size
            of sources and fluxes; None unless constants are free.
        ridge: the damping that was used.
    """

    residual: float
    checked: tuple[Tensor, ...]
    imbalance: float | None = None
    ridge: float = RIDGE


@dataclass(frozen=True)
class System:
    """Rows and right-hand side for the output weights, unknown by unknown.

    Arguments:
        sizes: rows of each block.
    """

    rows: Tensor
    target: Tensor
    sizes: tuple[int, ...]


def assemble(
    problem: Problem,
    network: LinearOutputNetwork,
    blocks: Sequence[Block],
    lins: Sequence[Linearised],
    constants_free: bool = False,
) -> System:
    """The system of all blocks.

    With ``constants_free`` one more column, a constant source, absorbs what the equations and the
    fluxes do not balance: the problem is solvable only if it comes out as zero.
    """
    pairs = list(zip(blocks, lins, strict=True))
    rows = torch.cat([weight_rows(problem, block, lin, network) for block, lin in pairs])
    targets = [target_rows(block, lin) for block, lin in pairs]
    sizes = tuple(len(target) for target in targets)
    if constants_free:
        source = [
            block.weights if block.kind == "equation" else block.weights.new_zeros(size)
            for block, size in zip(blocks, sizes, strict=True)
        ]
        rows = torch.cat([rows, torch.cat(source)[:, None]], dim=1)
    return System(rows, torch.cat(targets), sizes)


def fit_linear(
    problem: Problem,
    network: LinearOutputNetwork,
    blocks: Sequence[Block],
    check: Sequence[Block] = (),
    *,
    constants_free: bool = False,
    damping: Damping | None = None,
) -> Fit:
    """Set the output weights that minimise the weighted residual of a linear problem."""
    if damping is None:
        damping = FOR_NOISE if any(block.kind == "data" for block in blocks) else Damping()
    system, checks = (
        assemble(problem, network, some, [at_zero(problem, b) for b in some], constants_free)
        if some
        else None
        for some in (blocks, check)
    )
    assert system is not None
    x, fit = damped(system, checks, damping)
    if constants_free:
        fit = replace(fit, imbalance=abs(x[-1].item()) / _source_size(problem, blocks))
        x = x[:-1]
    network.set_output_weights(network.unflattened(x))
    return fit


def damped(
    system: System, check: System | None, damping: Damping = Damping()
) -> tuple[Tensor, Fit]:
    """Least squares with the damping that does best at points never used.

    Directions that the points hardly see cost nothing there and anything between them. As long as
    the solution is resolved there are none and the weakest damping is the best.
    """
    factored = factor(system.rows, system.target)
    count = len(system.target) ** 0.5
    best: tuple[float, Tensor, Fit] | None = None
    for ridge in damping.ridges:
        x = factored.solve(ridge)
        residual = factored.residual(x) / count
        if check is None:
            return x, Fit(residual, (), ridge=ridge)
        missed = check.rows @ x - check.target
        size = missed.square().mean().sqrt().item()
        if best is None or size < best[0]:
            best = (size, x, Fit(residual, tuple(missed.split(check.sizes)), ridge=ridge))
        elif not damping.thorough:
            break
        if size <= damping.overfit * residual + 1e-14 * check.target.abs().max().item():
            break
    assert best is not None
    return best[1], best[2]


def checked_rows(
    problem: Problem, network: LinearOutputNetwork, check: Sequence[Block]
) -> tuple[Tensor, ...]:
    """Weighted residual of a network's output, one tensor a block."""
    return tuple(residual_rows(block, at_network(problem, block, network)) for block in check)


def unweighted_rms(
    rows: Sequence[Tensor], blocks: Sequence[Block], kinds: tuple[str, ...]
) -> float:
    """Root mean square of the residuals of some kinds of blocks; nan if there are none."""
    chosen = [
        row / block.row_weights
        for row, block in zip(rows, blocks, strict=True)
        if block.kind in kinds
    ]
    return torch.cat(chosen).square().mean().sqrt().item() if chosen else math.nan


def refuse_unbalanced(now: float | None, before: float | None) -> None:
    """Refuse a pure Neumann problem whose sources and fluxes are far apart.

    Arguments:
        now, before: the imbalance of two levels; two that agree are not a matter of resolution.

    Raises:
        InputError: there is no solution.
    """
    if now is None or before is None:
        return
    if now > UNBALANCED and abs(now - before) < 0.1 * before:
        raise InputError(
            "sources and boundary fluxes do not balance, so this pure Neumann problem has no "
            f"solution: they are apart by {now:.1%} of their size.",
            mend="Correct the source or the flux, or give u on a part of the boundary.",
        )


def imbalance_notes(imbalance: float | None, error: float) -> tuple[str, ...]:
    """What to say where sources and fluxes are a little apart, more than the error explains."""
    if imbalance is None or imbalance <= max(100 * error, 1e-9):
        return ()
    return (
        f"Sources and fluxes are out of balance by {imbalance:.0e} of their size; "
        "a constant source makes up for it.",
    )


def _source_size(problem: Problem, blocks: Sequence[Block]) -> float:
    """The largest root mean square of a right-hand side."""
    sizes = [
        at_zero(problem, block).target.square().mean().sqrt().item()
        for block in blocks
        if block.average is None
    ]
    return max(sizes, default=0.0) or 1.0
