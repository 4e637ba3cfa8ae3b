"""Newton's method for the numbers of the spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from gmnm_pde.errors import InputError
from gmnm_pde.references.fem.essential import Held, hold
from gmnm_pde.references.fem.galerkin import Galerkin
from gmnm_pde.references.fem.mesh import Mesh
from gmnm_pde.references.fem.roles import Roles
from gmnm_pde.references.fem.spaces import Spaces
from gmnm_pde.references.sparse_solve import solve_sparse
from gmnm_pde.references.steady import NewtonFailed
from gmnm_pde.references.stencils import Array

MOST_ITERATIONS = 40
SHORTEST = 2.0**-10
ROUNDING = 1e-9
"""Steps below this part of the solution that no longer shrink are rounding."""

UNSOLVABLE = 1e-2
"""Share of the largest term that a condition on an integral or at a point may leave unmet."""


@dataclass(frozen=True, eq=False)
class Solved:
    """A solution on one mesh."""

    spaces: Spaces
    numbers: Array

    def at(self, points: Array) -> Array:
        """All unknowns at points (n, d), (n, m)."""
        return self.spaces.at(self.numbers, points)


def solve_on(mesh: Mesh, roles: Roles, degree: int, start: Solved | None = None) -> Solved:
    """The solution on a mesh.

    The first step is the whole one of the problem linearised around zero; those after it are
    halved until they lower the residual.

    Arguments:
        start: of a coarser mesh or an easier problem, for a nonlinear problem.

    Raises:
        InputError: what finite elements cannot do, in words.
        NewtonFailed: there is no convergence.
    """
    spaces = Spaces(mesh, roles.degrees(degree))
    system = Galerkin(roles, spaces)
    held = hold(system)
    numbers = np.zeros(system.size)
    if roles.linear or start is None:
        first = held.particular + held.basis @ _step(system, held, numbers)
    else:
        first = _restrict(held, _carried(spaces, start, system.size))
    found = first if roles.linear else _iterate(system, held, first)
    _check_extra(system, held, found)
    return Solved(spaces, found)


def _step(system: Galerkin, held: Held, numbers: Array) -> Array:
    """y for which the problem linearised around numbers is solved by particular + basis y."""
    residual, matrix = system.linearise(numbers)
    right = residual + matrix @ (held.particular - numbers)
    return -_solve(system, held, matrix, right)


def _solve(system: Galerkin, held: Held, matrix: Any, right: Array) -> Array:
    if not held.basis.shape[1]:
        return np.zeros(0)
    reduced = (held.basis.T @ matrix @ held.basis).tocsr()
    right = held.basis.T @ right
    if system.roles.extra:
        return _bordered(reduced, right, len(system.roles.extra))
    even = min(system.roles.orders) != 1
    iterative = system.spaces.mesh.dimension > 2 and even
    return solve_sparse(reduced, right, even=even, iterative=iterative)


def _bordered(matrix: Any, right: Array, borders: int) -> Array:
    """The solution of a system whose last rows and columns are full, by elimination of the rest.

    The rest alone is singular: it leaves constants free. One of the numbers of each constant is
    held by an entry on the diagonal, which comes back as one more border. Eliminating all at once
    was seen to fill three times as much.

    Raises:
        InputError: the matrix is singular.
    """
    n = matrix.shape[0] - borders
    inner, down, across = matrix[:n, :n], matrix[:n, n:].toarray(), matrix[n:, :n].toarray()
    pins = np.abs(down).argmax(axis=0)
    sizes = np.array([np.abs(inner[[pin]].toarray()).max() for pin in pins])
    units = np.zeros((n, borders))
    units[pins, np.arange(borders)] = 1.0
    held = inner + sparse.csr_array((sizes, (pins, pins)), shape=inner.shape)
    columns, rows = np.hstack([down, -units * sizes]), np.vstack([across, units.T])
    corner = np.diag([*[0.0] * borders, *[-1.0] * borders])
    try:
        factors = splu(held.tocsc())
        solved = factors.solve(np.column_stack([columns, right[:n]]))
        schur = corner - rows @ solved[:, :-1]
        tail = np.linalg.solve(
            schur, np.concatenate([right[n:], np.zeros(borders)]) - rows @ solved[:, -1]
        )
    except (RuntimeError, np.linalg.LinAlgError):
        raise InputError(
            "the matrix of the finite elements is singular: the conditions do not determine one "
            "solution.",
            mend="Check the conditions.",
        ) from None
    return np.concatenate([solved[:, -1] - solved[:, :-1] @ tail, tail[:borders]])


def _restrict(held: Held, numbers: Array) -> Array:
    """The nearest numbers that the conditions on values allow."""
    return held.particular + held.basis @ (held.basis.T @ (numbers - held.particular))


def _iterate(system: Galerkin, held: Held, numbers: Array) -> Array:
    last = np.inf
    for _ in range(MOST_ITERATIONS):
        residual, matrix = system.linearise(numbers)
        change = held.basis @ _solve(system, held, matrix, residual)
        before = float(np.linalg.norm(held.basis.T @ residual))
        size = float(np.abs(change).max() / max(np.abs(numbers).max(), 1e-300))
        if size < 1e-13 or (size < ROUNDING and size > 0.1 * last):
            return numbers - change
        last, length = size, 1.0
        while True:
            trial = numbers - length * change
            after = float(np.linalg.norm(held.basis.T @ system.residual(trial)))
            if np.isfinite(after) and (after < (1.0 - 0.1 * length) * before or size < ROUNDING):
                break
            length *= 0.5
            if length < SHORTEST:
                raise NewtonFailed("no step lowers the residual")
        numbers = trial
    raise NewtonFailed(f"there is no convergence in {MOST_ITERATIONS} steps")


def _carried(spaces: Spaces, start: Solved, size: int) -> Array:
    """The values of another solution at the nodes."""
    numbers = np.zeros(size)
    for j in range(len(spaces.degrees)):
        found = start.at(spaces.nodes(j))[:, j]
        numbers[spaces.starts[j] : spaces.starts[j + 1]] = found
    return numbers


def _check_extra(system: Galerkin, held: Held, numbers: Array) -> None:
    """A constant in an equation that is not small: its conditions contradict each other."""
    if not system.roles.extra:
        return
    count = system.spaces.size
    terms = np.abs((held.basis.T @ system.residual(held.particular))[: -len(system.roles.extra)])
    for k, condition in enumerate(system.roles.extra):
        left = abs(numbers[count + k]) * np.abs(system.load(condition)).max()
        if left > UNSOLVABLE * max(float(terms.max(initial=0.0)), 1e-300) and left > 1e-8:
            raise InputError(
                f"with {condition.label!r} there is no solution: sources and fluxes through the "
                "boundary do not balance.",
                mend="Check the right-hand sides and the conditions.",
            )
