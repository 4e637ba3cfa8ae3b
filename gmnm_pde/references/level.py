"""A solution on one grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gmnm_pde.errors import InputError
from gmnm_pde.references.discrete import Discrete, Matrix
from gmnm_pde.references.evolve import Evolution, evolve
from gmnm_pde.references.marching import Stopped
from gmnm_pde.references.roles import Roles
from gmnm_pde.references.steady import NewtonFailed, Solve, Steady, solve_dense, solve_steady
from gmnm_pde.references.stencils import Array

CONTRADICTION = 0.01
"""A constant that an extra condition adds to its equation, over the largest term there."""


class SpaceGrid(Protocol):
    """A grid for each unknown of a problem, and the rows for the values there."""

    @property
    def roles(self) -> Roles:
        """The problem."""

    @property
    def nodes(self) -> tuple[Array, ...]:
        """Of each unknown, (n, d)."""

    def interpolation(self, unknown: int, points: Array) -> Matrix:
        """The matrix (k, n) from an unknown's values at its nodes to points (k, d)."""

    def system(self) -> Discrete:
        """All rows."""


@dataclass(frozen=True)
class Options:
    """How a grid's rows are solved.

    Arguments:
        tolerance, stages, deadline: in time, see :class:`marching.Marcher`.
        solve: linear systems of a steady problem.
    """

    tolerance: float = 1e-12
    stages: int = 7
    deadline: float = np.inf
    solve: Solve = solve_dense


@dataclass(frozen=True)
class Level:
    """A solution on one grid."""

    grid: SpaceGrid
    solution: Evolution | Steady

    def at(self, points: Array) -> Array:
        """All unknowns at points (n, coordinates), (n, unknowns)."""
        return self.solution.at(self.grid.interpolation, points)

    def check_extra(self) -> None:
        """Refuse a condition on an integral or at a point that contradicts the others.

        Raises:
            InputError: the constant that was added to its equation is not small.
        """
        system, roles = self.solution.system, self.grid.roles
        time = roles.problem.time
        shares = system.slack_shares(None if time is None else time[1], self.solution.last())
        for share, condition in zip(shares, roles.extra, strict=True):
            if share > CONTRADICTION:
                raise InputError(
                    f"{condition.label!r} contradicts the other conditions, or is one condition "
                    "too many.",
                    mend="Remove it, or check the conditions on the boundary.",
                )


def solve_level(
    make: Callable[[Roles], SpaceGrid],
    roles: Roles,
    chain: Sequence[Roles] = (),
    options: Options | None = None,
    start: Level | None = None,
) -> Level:
    """The solution of a problem on a grid.

    Arguments:
        make: the grid for a problem.
        chain: easier steady problems that are solved first, each from the one before.
        start: a solution on another grid, from which a steady problem starts instead.

    Raises:
        NewtonFailed, Stopped, OutOfTime: there is none.
        InputError: a residual that is not finite, initial conditions that are missing.
    """
    options = options or Options()
    grid = make(roles)
    system = grid.system()
    if roles.problem.time is not None:
        path = evolve(
            roles, grid.nodes, system, options.tolerance, options.stages, options.deadline
        )
        return Level(grid, path)
    values = np.zeros(system.size)
    if start is not None:
        known = np.concatenate([start.at(at)[:, j] for j, at in enumerate(grid.nodes)])
        values[: len(known)] = known
    else:
        for easier in chain:
            values = solve_steady(make(easier).system(), values, options.solve)
    return Level(grid, Steady(system, solve_steady(system, values, options.solve)))


def refusal(error: NewtonFailed | Stopped, method: str) -> InputError:
    """The message of a problem without a solution."""
    if isinstance(error, Stopped):
        return InputError(
            f"{method} come to t = {error.time:g} only: no step in time is short enough there.",
            mend="The solution may blow up; shorten `time`, or give more points.",
        )
    return InputError(
        f"{method} find no solution: {error}.",
        mend="Check the conditions; for a strongly nonlinear equation give `continuation`.",
    )


def relative(difference: Array, values: Array) -> Array:
    """Norms of the columns (n, m) over those of the values; where these are zero, the root mean
    square itself."""
    size = np.linalg.norm(values, axis=0)
    return np.linalg.norm(difference, axis=0) / np.where(size > 0, size, np.sqrt(len(values)))
