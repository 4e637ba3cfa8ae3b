"""Finite differences on a box, with an estimate of their own error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem, Reference, ReferenceValues
from gmnm_pde.references.differences import Differences
from gmnm_pde.references.discrete import Matrix
from gmnm_pde.references.level import Level, Options, refusal, relative, solve_level
from gmnm_pde.references.marching import Stopped
from gmnm_pde.references.roles import MEND, Roles
from gmnm_pde.references.sparse_solve import solve_sparse
from gmnm_pde.references.steady import NewtonFailed
from gmnm_pde.references.stencils import Array

METHOD = "finite differences"
FEWEST_POINTS = 21
MOST_NUMBERS = {1: 1_000_000, 2: 300_000}
MOST_NUMBERS_3D = 130_000
"""What a sparse solution takes about half a minute and 2 GB for."""

MOST_IN_TIME = {1: 20_000, 2: 45_000}
MOST_IN_TIME_3D = 15_000
"""The same for the hundred solutions or so, of complex matrices, that steps in time take."""

TOLERANCES = {1: 1e-10, 2: 1e-8}
TOLERANCE_3D = 1e-7
STAGES = 5
CHECKS = 1000


@dataclass(frozen=True)
class GridSolution:
    """A solution on a grid and the relative L2 error of each unknown, estimated."""

    level: Level
    own_error: Array


@dataclass(frozen=True)
class FiniteDifference(Reference):
    """Central differences of order 2 or 4 on a uniform grid of a box; Radau collocation in time.

    Equations have derivatives up to order four in space and two in time; they may be nonlinear, and
    as many as there are unknowns. Conditions are Dirichlet, Neumann, Robin, periodic or any others
    that are pointwise. The own error is the difference from a grid of half the points, divided by
    2^order - 1, or by less where a third grid shows that the differences converge more slowly than
    that; tolerances in time are coarser by the same factors.

    Arguments:
        points: nodes along each coordinate of space, ends included.
        order: of accuracy, 2 or 4.

    Raises:
        InputError: an order or a number of points that it does not have.
    """

    points: int = 201
    order: int = 2
    name: str = "finite_difference"
    solves: ClassVar[bool] = True
    _solutions: dict[int, tuple[Problem, GridSolution]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.order not in (2, 4):
            raise InputError(
                f"finite differences have order 2 or 4, not {self.order}.", mend="Give order: 4."
            )
        if self.points < FEWEST_POINTS:
            raise InputError(
                f"finite differences need at least {FEWEST_POINTS} points, not {self.points}: "
                "their own error is taken from coarser grids.",
                mend="Give more points.",
            )

    def evaluate(self, problem: Problem, points: Tensor) -> ReferenceValues:
        """The finite-difference solution at points (n, d) of the closed region.

        Raises:
            InputError: a problem that finite differences cannot do, in words.
        """
        solution = self.solve(problem)
        values = solution.level.at(points.detach().cpu().double().numpy())
        own = dict(zip(problem.unknowns, solution.own_error.tolist(), strict=True))
        return ReferenceValues(torch.from_numpy(values).to(points), own)

    def solve(self, problem: Problem) -> GridSolution:
        """The solution on the grid; solved once for each problem."""
        known = self._solutions.get(id(problem))
        if known is None or known[0] is not problem:
            roles = Roles(problem, METHOD)
            chain = [Roles(easier, METHOD) for _, easier in problem.easier]
            _check(roles, self.points)
            try:
                known = (problem, self._solve(roles, chain))
            except (NewtonFailed, Stopped) as error:
                raise refusal(error, METHOD) from None
            self._solutions[id(problem)] = known
        return known[1]

    def _solve(self, roles: Roles, chain: Sequence[Roles]) -> GridSolution:
        # From the coarsest grid on, whose solution starts Newton's method on the next one.
        levels: list[Level] = []
        for halvings in (2, 1, 0):
            points = (self.points - 1) // 2**halvings + 1
            make = partial(Differences, points=points, order=self.order)
            options = options_for(roles, 2.0 ** (self.order * halvings))
            start = levels[-1] if levels else None
            levels.append(solve_level(make, roles, chain, options, start))
        coarse, middle, fine = levels
        fine.check_extra()
        near, far = _difference(fine, middle), _difference(middle, coarse)
        ratio = (self.points - 1) / ((self.points - 1) // 2)
        observed = far / np.where(near > 0.0, near, 1e-300)
        # Rounding, or a solution that is not smooth, leaves less than the nominal gain.
        gain = np.minimum(ratio**self.order, np.maximum(observed, 1.5))
        return GridSolution(fine, near / (gain - 1.0))


def options_for(roles: Roles, factor: float = 1.0) -> Options:
    """Of a grid whose error is larger by a factor than that of the finest one."""
    timed = roles.problem.time is not None
    keys = [alpha[:-1] if timed else alpha for found in roles.orders for _, alpha in found]
    highest = max((sum(alpha) for alpha in keys), default=0)
    # Systems of several unknowns have no large diagonals.
    even = highest % 2 == 0 and len(roles.problem.unknowns) == 1
    iterative = roles.dimension > 2

    def solve(matrix: Matrix, right: Array) -> Array:
        return solve_sparse(matrix, right, even=even, iterative=iterative)

    tolerance = min(TOLERANCES.get(roles.dimension, TOLERANCE_3D) * factor, 1e-5)
    return Options(tolerance, STAGES, solve=solve)


def _difference(fine: Level, coarse: Level) -> Array:
    """Relative L2 difference of each unknown, at the coarse nodes or at random places and times."""
    problem = fine.grid.roles.problem
    if problem.time is None:
        where = coarse.grid.nodes[0]
    else:
        where = problem.region.sample_interior(CHECKS, "random", 4).numpy()
    values = fine.at(where)
    return relative(values - coarse.at(where), values)


def _check(roles: Roles, points: int) -> None:
    """Refuse, in words, what finite differences cannot do."""
    problem, d = roles.problem, roles.dimension
    for j, name in enumerate(problem.unknowns):
        keys = [a for i in roles.orders for u, a in i if u == j]
        claimed = any(claim.unknown == j for claim in roles.claims)
        if not (claimed or all(roles.periodic) or roles.time_orders[j]) and not any(
            sum(alpha) != 1 for alpha in keys
        ):
            raise InputError(
                f"{name!r} occurs by first derivatives only and has no condition on the boundary, "
                "like a pressure: central differences leave it undetermined between neighbours.",
                mend="Take `reference: {spectral: {points: 24}}`.",
            )
    limits = (MOST_NUMBERS, MOST_NUMBERS_3D)
    if problem.time is not None:
        limits = (MOST_IN_TIME, MOST_IN_TIME_3D)
    most, count = limits[0].get(d, limits[1]), len(problem.unknowns)
    if count * points**d > most:
        largest = int((most / count) ** (1 / d) + 1e-9)
        raise InputError(
            f"finite differences with {points} points along each of {d} coordinates are "
            f"{count * points**d:,} unknowns, more than {most:,}.",
            mend=f"Give points: {largest} or fewer." if largest >= FEWEST_POINTS else MEND,
        )
