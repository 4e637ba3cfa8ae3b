"""Causal weights: later times count once earlier ones are met.

    m_i = exp( -e  sum_(k < bin of i)  l_k ) ,

l_k being the mean square of the equations' rows in the k-th of some equal intervals of time, and
l_0 beside it that of the initial conditions: S. Wang, S. Sankaran and P. Perdikaris, Comput.
Methods Appl. Mech. Eng. 421 (2024), arXiv 2203.07404, eqs. 3.3 to 3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.linearised import Block
from gmnm_pde.methods.training.objective import Objective, Weights
from gmnm_pde.problem import Problem

BINS = 32
"""Intervals of time."""


def check_time(problem: Problem, method: str, option: str) -> None:
    """Refuse an option that follows time where there is none.

    Raises:
        InputError: naming the method and the problem.
    """
    if problem.time is None:
        raise InputError(
            f"the method {method} has the option `{option}`, which follows time, and the problem "
            f"{problem.name} has none.",
            mend=f"Leave out `{option}`, or give a problem with the coordinate t.",
        )


def causal(objective: Objective, rows: Sequence[Tensor], weights: Weights, e: float) -> Weights:
    """The weights with those of the equations' rows made causal.

    Arguments:
        rows: of each block.
        e: how strictly times are kept in order.
    """
    time = objective.problem.time
    assert time is not None
    equations = [i for i, block in enumerate(objective.blocks) if block.kind == "equation"]
    found = list(weights.rows)
    past = _by_time(objective.blocks, rows, weights, equations, time)
    initial = _initial_loss(objective.blocks, rows, weights, time)
    before = torch.cat([past.new_zeros(1), past.cumsum(0)[:-1]]) + initial
    factor = torch.exp(-e * before)
    for i in equations:
        own, known = factor[_bin(objective.blocks[i], time)], found[i]
        found[i] = own if known is None else own * known
    return replace(weights, rows=tuple(found))


def _bin(block: Block, time: tuple[float, float]) -> Tensor:
    """The interval that each point belongs to."""
    part = (block.points[:, -1] - time[0]) / (time[1] - time[0])
    return (part * BINS).long().clamp(0, BINS - 1)


def _by_time(
    blocks: Sequence[Block],
    rows: Sequence[Tensor],
    weights: Weights,
    equations: Sequence[int],
    time: tuple[float, float],
) -> Tensor:
    """l_k, (BINS,)."""
    total = rows[0].new_zeros(BINS)
    for i in equations:
        which = _bin(blocks[i], time)
        squares = weights.terms[i] * rows[i].detach().square()
        counts = torch.bincount(which, minlength=BINS).clamp_min(1)
        total = total + total.new_zeros(BINS).index_add(0, which, squares) / counts
    return total


def _initial_loss(
    blocks: Sequence[Block], rows: Sequence[Tensor], weights: Weights, time: tuple[float, float]
) -> Tensor:
    """l_0: mean squares of conditions at the first time only."""
    total = rows[0].new_zeros(())
    for i, (block, row) in enumerate(zip(blocks, rows, strict=True)):
        if block.kind == "condition" and bool((block.points[:, -1] == time[0]).all()):
            total = total + weights.terms[i] * row.detach().square().mean()
    return total
