"""scikit-fem on the same problems: the classical solver that stands beside every figure.

One element after the other on finer and finer meshes, as its documentation does it: assemble,
condense the essential conditions, solve directly (in three dimensions by conjugate gradients).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import skfem
import torch
from skfem.helpers import dot, grad

from gmnm_pde.catalog import find_in_catalogue
from gmnm_pde.config import load_problem
from gmnm_pde.problem import Problem
from gmnm_pde.solution import ERROR_POINTS, ERROR_SEED
from validation.fem_problems import PROBLEMS, Array, Weak

QUICK = 1.0
"""Levels that take less are timed several times."""


QUADRATURE = {skfem.MeshTri2: 12, skfem.MeshHex: 6}
"""Order of the quadrature on meshes where errors are measured by one."""


@dataclass(frozen=True)
class Element:
    """A kind of element.

    Arguments:
        sizes: of the meshes, unless the problem has its own.
        solver: the fastest of scikit-fem's solvers for such matrices (of those that need no
            further package); SuperLU's default ordering is five times slower for the triangles,
            but the better one for the quadrilaterals.
        order: of the quadrature, None for scikit-fem's own choice. For the bricks that is twice
            6, the degree of x^2 y^2 z^2: many times the work, and not a digit gained.
    """

    element: Any
    sizes: tuple[int, ...]
    solver: Callable[[], Any]
    order: int | None = None


ELEMENTS = {
    "triangles-4": Element(
        skfem.ElementTriP4(),
        (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256),
        lambda: skfem.solver_direct_scipy(permc_spec="MMD_AT_PLUS_A"),
    ),
    "quadrilaterals-8": Element(
        skfem.ElementQuadP(8), (2, 3, 4, 6, 8, 12, 16), skfem.solver_direct_scipy
    ),
    "bricks-2": Element(
        skfem.ElementHex2(),
        (2, 4, 6, 8, 12, 16, 24, 32),
        lambda: skfem.solver_iter_pcg(rtol=1e-12),
        order=4,
    ),
}


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
    for size in weak.sizes.get(element, kind.sizes):
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
    mesh = weak.meshes[element](size)
    basis = skfem.Basis(mesh, kind.element, intorder=kind.order)
    ready = time.perf_counter()
    values = solve(weak, basis, kind.solver())
    seconds = time.perf_counter() - ready
    error = float("nan") if problem is None else relative_l2(weak, problem, basis, values)
    return Level(size, int(basis.N), ready - began, seconds, error)


def solve(weak: Weak, basis: Any, solver: Any) -> Array:
    """Degrees of freedom of the solution."""
    matrix, load = skfem.BilinearForm(_bilinear(weak)).assemble(basis), _load(weak.source, basis)
    for side, (exchange, flux) in weak.natural.items():
        edge = basis.boundary(side)
        load = load + _load(flux, edge)
        if exchange:
            matrix = matrix + exchange * skfem.BilinearForm(_mass).assemble(edge)
    start, fixed = basis.zeros(), np.array([0])  # a pure Neumann problem: one value is pinned
    if not weak.up_to_constant:
        fixed = basis.get_dofs(weak.essential_sides).all()
        if weak.essential is not None:
            start = basis.boundary(weak.essential_sides).project(weak.essential)
    return np.asarray(skfem.solve(*skfem.condense(matrix, load, x=start, D=fixed), solver=solver))


def relative_l2(weak: Weak, problem: Problem, basis: Any, values: Array) -> float:
    """|u - exact| / |exact| on the random points where the solutions of this package are measured.

    On meshes with curved sides scikit-fem cannot look points up, and on bricks it takes minutes:
    there the norms are integrals, by a quadrature finer than the one of the assembly.
    """
    if order := QUADRATURE.get(type(basis.mesh)):
        fine = skfem.Basis(basis.mesh, basis.elem, intorder=order)
        points, weights = np.asarray(fine.global_coordinates()), fine.dx.ravel()
        found = np.asarray(fine.interpolate(values)).ravel()
        points = points.reshape(len(points), -1)
    else:
        points = problem.domain.sample_interior(ERROR_POINTS, "random", ERROR_SEED).numpy().T
        found, weights = basis.probes(points) @ values, np.ones(points.shape[1])
    if problem.reference is None:
        raise ValueError("the problem has no reference")
    reference = problem.reference.evaluate(problem, torch.from_numpy(np.array(points.T)))
    exact = reference.values[:, 0].numpy()
    difference = found - exact
    if weak.up_to_constant:
        difference = difference - difference.mean()
    return float(np.sqrt((weights * difference**2).sum() / (weights * exact**2).sum()))


def _bilinear(weak: Weak) -> Callable[..., Any]:
    """Only the terms that the problem has: a zero term would cost assembly time."""

    def form(u: Any, v: Any, w: Any) -> Any:
        total = dot(grad(u), grad(v))
        if weak.diffusion is not None:
            total = weak.diffusion(w.x) * total
        if weak.wind:
            total = total + weak.wind * grad(u)[0] * v
        return total + weak.reaction * u * v if weak.reaction else total

    return form


def _mass(u: Any, v: Any, w: Any) -> Any:
    return u * v


def _load(function: Callable[[Array], Any], basis: Any) -> Array:
    return np.asarray(skfem.LinearForm(lambda v, w: function(w.x) * v).assemble(basis))
