"""Finite differences on a box, with an estimate of their own error."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem, Reference, ReferenceValues
from gmnm_pde.references.discretise import solve_on_grid
from gmnm_pde.references.grid import Grid
from gmnm_pde.references.stencils import Array

FEWEST_POINTS = 21
MOST_NODES = {1: 1_000_000, 2: 300_000}
MOST_NODES_3D = 130_000
"""What a sparse solution takes about half a minute and 2 GB for."""


@dataclass(frozen=True)
class GridSolution:
    """Values (size,) at the nodes of a grid and their relative L2 error, estimated."""

    grid: Grid
    values: Array
    own_error: float


@dataclass(frozen=True)
class FiniteDifference(Reference):
    """Central differences of order 2 or 4 on a uniform grid, for a linear equation on a box.

    The equation is scalar, with derivatives up to order four and variable coefficients; the
    conditions are Dirichlet, Neumann, Robin or any other linear ones. Its own error is the
    difference from a grid of half the points, divided by 2^order - 1, or by less where a third
    grid shows that the differences converge more slowly than that.

    Arguments:
        points: nodes along each coordinate, ends included.
        order: of accuracy, 2 or 4.

    Raises:
        InputError: an order or a number of points that it does not have.
    """

    points: int = 201
    order: int = 2
    name: str = "finite_difference"
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
        """The finite-difference solution at points (n, d) of the closed box.

        Raises:
            InputError: a problem that finite differences cannot do, in words.
        """
        solution = self.solve(problem)
        values = solution.grid.interpolate(solution.values, points.detach().cpu().double().numpy())
        column = torch.from_numpy(values).to(points)[:, None]
        return ReferenceValues(column, {problem.unknowns[0]: solution.own_error})

    def solve(self, problem: Problem) -> GridSolution:
        """The solution on the grid; solved once for each problem."""
        known = self._solutions.get(id(problem))
        if known is None or known[0] is not problem:
            _check(problem, self.points)
            known = (problem, self._solve(problem))
            self._solutions[id(problem)] = known
        return known[1]

    def _solve(self, problem: Problem) -> GridSolution:
        grids = [self._grid(problem, 2**level) for level in range(3)]
        fine, middle, coarse = [(grid, solve_on_grid(problem, grid)) for grid in grids]
        near, far = _difference(fine, middle), _difference(middle, coarse)
        ratio = (fine[0].points - 1) / (middle[0].points - 1)
        observed = far / near if near > 0.0 else np.inf
        # Rounding, or a solution that is not smooth, leaves less than the nominal gain.
        gain = min(ratio**self.order, max(observed, 1.5))
        return GridSolution(*fine, own_error=near / (gain - 1.0))

    def _grid(self, problem: Problem, divisor: int) -> Grid:
        points = (self.points - 1) // divisor + 1
        return Grid(problem.domain.lower, problem.domain.upper, points, self.order)


def _difference(fine: tuple[Grid, Array], coarse: tuple[Grid, Array]) -> float:
    """Relative L2 difference at the coarse nodes."""
    at_coarse = fine[0].interpolate(fine[1], coarse[0].nodes)
    size = float(np.linalg.norm(at_coarse))
    return float(np.linalg.norm(at_coarse - coarse[1])) / (size or 1.0)


def _check(problem: Problem, points: int) -> None:
    """Refuse, in words, what finite differences cannot do."""
    mend = "Give an exact solution or a file as the reference."
    if not problem.domain.fills_box:
        kind = type(problem.domain).__name__.lower()
        raise InputError(
            f"finite differences need an interval, a rectangle or a box, not a domain of kind "
            f"{kind!r}.",
            mend=mend,
        )
    if len(problem.unknowns) != 1 or len(problem.equations) != 1:
        raise InputError(
            "finite differences solve one equation for one unknown; there are "
            f"{len(problem.equations)} and {len(problem.unknowns)}.",
            mend=mend,
        )
    if problem.data is not None:
        raise InputError("finite differences cannot use measurements (`data`).", mend=mend)
    d = problem.domain.dimension
    most = MOST_NODES.get(d, MOST_NODES_3D)
    if points**d > most:
        largest = int(most ** (1 / d) + 1e-9)
        raise InputError(
            f"finite differences with {points} points along each of {d} coordinates are "
            f"{points**d:,} unknowns, more than {most:,}.",
            mend=f"Give points: {largest} or fewer.",
        )
