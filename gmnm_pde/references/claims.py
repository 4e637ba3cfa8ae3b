"""Which derivatives a residual depends on, and which unknown a condition on a side determines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders, Residual, Values
from gmnm_pde.integrals import integrated
from gmnm_pde.linearised import Block, at_state
from gmnm_pde.problem import Condition, Problem
from gmnm_pde.references.grid import Side

PROBES = 5

Dependence = dict[tuple[int, Orders], float]
"""(number of the unknown, orders) of each derivative, with the size of its coefficient."""


@dataclass(frozen=True)
class Claim:
    """A condition on one side, and the unknown whose values there it determines.

    Arguments:
        order: of the highest derivative of the unknown across the side.
    """

    condition: Condition
    side: Side
    unknown: int
    order: int


def dependence(
    problem: Problem, residual: Residual, side: Side | None = None, normals: bool = False
) -> Dependence:
    """The derivatives that a residual depends on at generic places and values.

    Arguments:
        side: where it holds, for a condition.
        normals: it may ask for a normal, and gets one in no particular direction.
    """
    where = problem.region.sample_interior(PROBES, "random", 0)
    out = torch.ones_like(where) / where.shape[1] ** 0.5 if normals else None
    if side is not None:
        ends = (problem.domain.lower, problem.domain.upper)
        where[:, side.axis] = ends[side.end][side.axis]
        out = torch.zeros_like(where)
        out[:, side.axis] = 2.0 * side.end - 1.0
    generator = torch.Generator().manual_seed(0)

    def generic(at: Tensor) -> Values:
        return lambda name, orders: 0.5 + torch.rand(len(at), generator=generator, dtype=at.dtype)

    block = Block("equation", "", residual, where, where.new_ones(len(where)), out)
    lin = at_state(problem, block, generic)
    names = list(problem.unknowns)
    sizes = {(names.index(n), alpha): a.abs() for (n, alpha), a in lin.coefficients.items()}
    return {key: float(size.max()) for key, size in sizes.items() if bool((size != 0.0).any())}


def integrated_values(problem: Problem, residual: Residual) -> set[int]:
    """The numbers of the unknowns whose values an integral in a residual holds."""
    where = problem.region.sample_interior(2, "random", 0)
    out = torch.ones_like(where) / where.shape[1] ** 0.5
    block = Block("equation", "", residual, where, where.new_ones(2), out)
    names = list(problem.unknowns)
    return {names.index(name) for name, alpha in integrated(problem, block) if not any(alpha)}


def assign(
    problem: Problem, conditions: Sequence[Condition], side: Side, method: str
) -> list[Claim]:
    """Which unknown each condition on a side determines.

    A condition of several unknowns (a traction) goes to the one whose derivative across the side
    weighs most in it, each to another one.

    Raises:
        InputError: a condition without unknowns, or more conditions than can be told apart.
    """
    found, several = [], []
    for condition in conditions:
        keys = dependence(problem, condition.residual, side)
        unknowns = {unknown for unknown, _ in keys}
        if not unknowns:
            raise InputError(
                f"{condition.label!r} does not depend on an unknown.", mend="Check its equation."
            )
        if len(unknowns) == 1:
            order = max(alpha[side.axis] for _, alpha in keys)
            found.append(Claim(condition, side, unknowns.pop(), order))
        else:
            several.append((condition, keys))
    return [*found, *_share(problem, several, side, method)] if several else found


def _share(
    problem: Problem, several: list[tuple[Condition, Dependence]], side: Side, method: str
) -> list[Claim]:
    score = np.full((len(several), len(problem.unknowns)), -1e6)
    orders = np.zeros(score.shape, int)
    for i, (_, keys) in enumerate(several):
        for (unknown, alpha), size in keys.items():
            across = alpha[side.axis]
            weight = size if sum(alpha) == across else 0.1 * size
            score[i, unknown] = max(score[i, unknown], (1 + 10 * across) * weight)
            orders[i, unknown] = max(orders[i, unknown], across)
    rows, columns = linear_sum_assignment(score, maximize=True)
    if len(rows) < len(several):
        raise InputError(
            f"{method} cannot tell which unknowns the conditions on one side determine.",
            mend="Give an exact solution or a file as the reference.",
        )
    return [
        Claim(several[i][0], side, int(j), int(orders[i, j]))
        for i, j in zip(rows, columns, strict=True)
    ]
