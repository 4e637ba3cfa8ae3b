"""Newton's method for a discrete problem without time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmnm_pde.references.discrete import Discrete, Matrix
from gmnm_pde.references.evolve import Interpolation
from gmnm_pde.references.factors import Factors, Singular, largest
from gmnm_pde.references.stencils import Array

MOST_ITERATIONS = 60
SHORTEST = 2.0**-12

Solve = Callable[[Matrix, Array], Array]


class NewtonFailed(Exception):
    """Newton's method found no solution; its text says why."""


@dataclass(frozen=True, eq=False)
class Steady:
    """Values at the nodes, (size,)."""

    system: Discrete
    values: Array

    def at(self, interpolation: Interpolation, points: Array) -> Array:
        """All unknowns at points (n, d), (n, unknowns)."""
        parts = enumerate(self.system.parts)
        return np.stack([interpolation(j, points) @ self.values[p] for j, p in parts], axis=1)

    def last(self) -> list[Array]:
        """U, (size,)."""
        return [self.values]


def solve_dense(matrix: Matrix, right: Array) -> Array:
    """matrix^-1 right.

    Raises:
        NewtonFailed: the matrix is singular.
    """
    try:
        return Factors(matrix).solve(right)
    except Singular:
        raise NewtonFailed("the conditions do not determine one solution") from None


def solve_steady(system: Discrete, start: Array, solve: Solve = solve_dense) -> Array:
    """U with r(U) = 0, (size,).

    A step is halved until it lowers the size of the residual, each row of it by its own scale.

    Arguments:
        solve: linear systems.

    Raises:
        NewtonFailed: the matrix is singular, or the iteration does not converge.
        InputError: a residual that is not finite.
    """
    system.check_finite(None, [start])
    values, last = start, np.inf
    defect = system.residual(None, [values[None]])[0]
    for _ in range(MOST_ITERATIONS):
        matrix = system.jacobian(None, [values])[0]
        top = largest(matrix)
        change = solve(matrix, defect)
        length, values, defect = _search(system, values, change, defect, top)
        size = float(np.abs(change).max() / max(np.abs(values).max(), 1e-300))
        if length == 0.0:
            if size < 1e-6:
                return values
            raise NewtonFailed("no step lowers the residual")
        if length == 1.0 and (size < 1e-14 or (size < 1e-9 and size > 0.1 * last)):
            return values
        last = size
    raise NewtonFailed(f"there is no convergence in {MOST_ITERATIONS} steps")


def _search(
    system: Discrete, values: Array, change: Array, defect: Array, top: Array
) -> tuple[float, Array, Array]:
    before = float(np.linalg.norm(defect / top))
    length = 1.0
    while length > SHORTEST:
        trial = values - length * change
        found = system.residual(None, [trial[None]])[0]
        after = float(np.linalg.norm(found / top))
        rounding = 1e-11 * float(np.abs(trial).max())
        if np.isfinite(after) and (after < (1.0 - 0.1 * length) * before or after < rounding):
            return length, trial, found
        length /= 2.0
    return 0.0, values, defect
