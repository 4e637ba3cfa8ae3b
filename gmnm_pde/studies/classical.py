"""Solvers that are no networks, on the same problem: what a comparison has to beat.

Each is run at a few resolutions, and only that resolution is timed: none of them has to estimate
its own error here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.accuracy import ERROR_POINTS, ERROR_SEED, finite
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem, Reference, ReferenceValues
from gmnm_pde.references.differences import Differences
from gmnm_pde.references.finite_difference import (
    MOST_IN_TIME,
    MOST_IN_TIME_3D,
    MOST_NUMBERS,
    MOST_NUMBERS_3D,
    options_for,
)
from gmnm_pde.references.growth import fits, start_tolerance, with_points
from gmnm_pde.references.level import Level, Options, refusal, solve_level
from gmnm_pde.references.marching import Stopped
from gmnm_pde.references.roles import Roles
from gmnm_pde.references.steady import NewtonFailed
from gmnm_pde.references.stencils import Array
from gmnm_pde.studies.rows import Row

NAME = "classical"

BUDGET = 20.0
"""Seconds for one classical solver, unless the runs have less; the next resolution is not begun if
it would take longer."""

COST = 6.0
"""The next resolution over the last one, in seconds."""

DEGREE = 4
"""Of finite elements."""

SHORT = 0.3
"""What takes less is taken three times, and the fastest counts: in the favour of these solvers."""


@dataclass(frozen=True)
class Found:
    """A solution at one resolution.

    Arguments:
        at: values (n, m) at points (n, d).
        numbers: how many were solved for.
    """

    at: Callable[[Array], Array]
    numbers: int


Solve = Callable[[Problem, int], Found]


@dataclass(frozen=True)
class Classical:
    """A solver and its resolutions.

    Arguments:
        name: of its rows.
        resolutions: points along each coordinate, or refinements of a mesh; rising.
        solve: one resolution.
        unit: what a resolution counts.
    """

    name: str
    resolutions: Sequence[int]
    solve: Solve
    unit: str = "points along each coordinate"


def rows(
    problem: Problem,
    time_limit: float | None = None,
    done: Collection[tuple[str, int]] = (),
    free: Collection[str] = (),
) -> Iterator[Row]:
    """A row for each classical solver and resolution, or one that says why there is none.

    Arguments:
        time_limit: seconds a solver may take.
        done: names and points of resolutions that are known already.
        free: unknowns that are known up to a constant only.
    """
    limit = BUDGET if time_limit is None else min(time_limit, BUDGET)
    for solver in SOLVERS:
        spent = 0.0
        for points in solver.resolutions:
            if (solver.name, points) in done:
                continue
            if spent * COST > limit:
                break
            began = time.perf_counter()
            try:
                found = solver.solve(problem, points)
            except InputError as error:
                if (solver.name, 0) not in done and points == solver.resolutions[0]:
                    yield Row(solver.name, None, "refused", error.message, points=0)
                break
            except (NewtonFailed, Stopped) as error:
                reason = refusal(error, solver.name).message
                yield Row(solver.name, None, "failed", reason, points=points)
                continue
            spent = time.perf_counter() - began
            if spent < SHORT:
                spent = min(spent, *(_timed(solver, problem, points) for _ in range(2)))
            yield _row(problem, solver, found, points, spent, free)


def _timed(solver: Classical, problem: Problem, points: int) -> float:
    began = time.perf_counter()
    solver.solve(problem, points)
    return time.perf_counter() - began


def _row(
    problem: Problem,
    solver: Classical,
    found: Found,
    points: int,
    seconds: float,
    free: Collection[str],
) -> Row:
    reference = problem.reference
    assert reference is not None
    where = reference.own_points(problem)
    if where is None:
        where = problem.region.sample_interior(ERROR_POINTS, "random", ERROR_SEED)
    values = found.at(where.numpy())
    relative, largest = differences(problem, reference, values, where, free)
    return Row(
        solver.name,
        None,
        "converged",
        f"{points} {solver.unit}",
        finite(relative),
        finite(largest),
        seconds,
        0,
        found.numbers,
        points,
    )


def differences(
    problem: Problem,
    reference: Reference,
    values: np.ndarray,
    where: Tensor,
    free: Collection[str] = (),
) -> tuple[dict[str, float], dict[str, float]]:
    """Relative L2 and largest differences from the reference, one an unknown."""
    known: ReferenceValues = reference.evaluate(problem, where)
    rest = torch.from_numpy(values) - known.values.cpu()
    rest = rest - rest.mean(0) * rest.new_tensor([float(name in free) for name in problem.unknowns])
    relative, largest = {}, {}
    for j, name in enumerate(problem.unknowns):
        size, top = known.values[:, j].norm().item(), known.values[:, j].abs().max().item()
        relative[name] = rest[:, j].norm().item() / (size or len(where) ** 0.5)
        largest[name] = rest[:, j].abs().max().item() / (top or 1.0)
    return relative, largest


def _spectral(problem: Problem, points: int) -> Found:
    roles = Roles(problem, "spectral collocation")
    if not fits(roles, points):
        raise InputError(f"{points} points along each coordinate are too many.")
    chain = [Roles(easier, "spectral collocation") for _, easier in problem.easier]
    options = Options(start_tolerance(roles, points, 1e-6))
    return _on_nodes(with_points(roles, chain, points, options, None))


def _finite_differences(problem: Problem, points: int) -> Found:
    roles = Roles(problem, "finite differences")
    timed = problem.time is not None
    limits, most_3d = (MOST_IN_TIME, MOST_IN_TIME_3D) if timed else (MOST_NUMBERS, MOST_NUMBERS_3D)
    if len(problem.unknowns) * points**roles.dimension > limits.get(roles.dimension, most_3d):
        raise InputError(f"{points} points along each coordinate are too many.")
    chain = [Roles(easier, "finite differences") for _, easier in problem.easier]
    make = partial(Differences, points=points, order=4)

    return _on_nodes(solve_level(make, roles, chain, options_for(roles)))


def _on_nodes(level: Level) -> Found:
    return Found(level.at, sum(len(nodes) for nodes in level.grid.nodes))


def _finite_elements(problem: Problem, refine: int) -> Found:
    """Elements of degree four on a mesh whose making counts as well."""
    try:
        fem = import_module("gmnm_pde.references.fem.solving")
        meshes = import_module("gmnm_pde.references.fem.meshes")
        parts = import_module("gmnm_pde.references.fem.roles")
        import_module("skfem")
    except ImportError as error:
        raise InputError(
            f"finite elements are not installed: {error}.", mend="Install 'gmnm-pde[fem]'."
        ) from None
    mesh, found = meshes.mesh_of(problem, DEGREE, refine, coarser=False), None
    for _, easier in problem.easier:
        found = fem.solve_on(mesh, parts.Roles(easier), DEGREE, found)
    solved = fem.solve_on(mesh, parts.Roles(problem), DEGREE, found)
    return Found(solved.at, len(solved.numbers))


SOLVERS = (
    Classical("spectral", (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256), _spectral),
    Classical("finite-differences-4", (21, 41, 81, 161, 321, 641), _finite_differences),
    Classical("finite-elements-4", (2, 3, 4, 5, 6, 7), _finite_elements, "refinements of a mesh"),
)
"""Chebyshev or Fourier collocation, central differences of order four, and finite elements."""
