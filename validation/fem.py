"""scikit-fem on the same problems: the classical solver that stands beside every figure.

One element after the other on finer and finer meshes, as its documentation does it: assemble,
condense the essential conditions, solve directly (in three dimensions by conjugate gradients).
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import skfem
import torch

from gmnm_pde.accuracy import ERROR_POINTS, ERROR_SEED
from gmnm_pde.catalog import find_in_catalogue
from gmnm_pde.config import load_problem
from gmnm_pde.problem import Problem
from validation.fem_problems import PROBLEMS, Array, Weak
from validation.fem_solve import ELEMENTS, sampled, solve

QUICK = 1.0
"""Levels that take less are timed several times."""


@dataclass(frozen=True)
class Level:
    """One mesh.

    Arguments:
        setup_seconds: of the mesh and the basis.
        seconds: of assembly, conditions and the linear solve.
    """

    size: int
    dofs: int
    setup_seconds: float
    seconds: float
    relative_l2: float


def ladder(name: str, element: str, budget: float, repeats: int = 3) -> list[Level]:
    """Finer and finer meshes until the next solve would take longer than the budget."""
    weak, kind = PROBLEMS[name], ELEMENTS[element]
    problem = load_problem(find_in_catalogue("problems", name)).problem
    levels: list[Level] = []
    for size in weak.sizes.get(kind.mesh, kind.sizes):
        level = level_of(weak, problem, element, size)
        times = [level.seconds]
        while level.seconds < QUICK and len(times) < repeats:
            times.append(level_of(weak, None, element, size).seconds)
        levels.append(
            Level(
                size, level.dofs, level.setup_seconds, statistics.median(times), level.relative_l2
            )
        )
        if _next(levels) > budget:
            break
    return levels


def _next(levels: list[Level]) -> float:
    """Seconds that the next level will take, from how the last ones grew."""
    if len(levels) < 2:
        return 0.0
    last, before = levels[-1], levels[-2]
    total, total_before = (level.seconds + level.setup_seconds for level in (last, before))
    return total * max(total / total_before, last.dofs / before.dofs)


def level_of(weak: Weak, problem: Problem | None, element: str, size: int) -> Level:
    """Solve on one mesh; the error is NaN without a problem, whose reference it needs."""
    kind = ELEMENTS[element]
    began = time.perf_counter()
    mesh = weak.meshes[kind.mesh](size)
    basis = skfem.Basis(mesh, kind.element, intorder=kind.order)
    ready = time.perf_counter()
    values = solve(weak, basis, kind.solver())
    seconds = time.perf_counter() - ready
    error = float("nan") if problem is None else relative_l2(weak, problem, basis, values)
    return Level(size, int(basis.N), ready - began, seconds, error)


def relative_l2(weak: Weak, problem: Problem, basis: Any, values: Array) -> float:
    """|u - exact| / |exact| on the random points where the solutions of this package are measured.

    On meshes where points cannot be looked up, the norms are integrals (``fem_solve.sampled``).
    """
    there = problem.domain.sample_interior(ERROR_POINTS, "random", ERROR_SEED).numpy()
    points, found, weights = sampled(basis, values, there)
    if problem.reference is None:
        raise ValueError("the problem has no reference")
    reference = problem.reference.evaluate(problem, torch.from_numpy(np.array(points)))
    exact = reference.values[:, 0].numpy()
    difference = found - exact
    if weak.up_to_constant:
        difference = difference - difference.mean()
    return float(np.sqrt((weights * difference**2).sum() / (weights * exact**2).sum()))
