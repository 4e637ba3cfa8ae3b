"""What is known at certain points only: a tabulated reference, or measurements without one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gmnm_pde.problem import Problem
from gmnm_pde.report.canvas import Canvas
from gmnm_pde.report.mesh import Array
from gmnm_pde.report.sample import SolutionLike, to_numpy
from gmnm_pde.report.words import difference_name, reference_name

NEAR = 0.03
"""Points this near to a plane, as a part of the domain's size, are drawn on it."""

MOST = 40_000
"""Points that are drawn."""

FEWEST = 5
"""Points at one time that are worth a picture."""


@dataclass(frozen=True)
class Scatter:
    """Solution and target at points.

    Arguments:
        points: (n, d), with time.
        values: of the solution, (n, unknowns).
        target: what they are compared with, NaN where it is not known.
        title: what the target is.
        word: the same in a difference, ``u - reference``.
    """

    points: Array
    values: Array
    target: Array
    title: str
    word: str

    @property
    def rest(self) -> Array:
        """Solution minus target, (n, unknowns)."""
        return self.values - self.target

    def rest_names(self, problem: Problem) -> list[str]:
        """What its columns are."""
        return [difference_name(name, self.word) for name in problem.unknowns]

    def marks(self, canvas: Canvas, values: Array, time: float | None = None) -> Array:
        """Values (n,) at those of the points that lie near a canvas, (m, 3): place and value.

        Arguments:
            time: of the canvas, if that is a plane in space.
        """
        fixed = {i: x for i, x in enumerate(canvas.points[0]) if i not in canvas.axes}
        if time is not None:
            fixed[self.points.shape[1] - 1] = time
        keep = np.isfinite(values)
        if len(values) > MOST:
            some = np.random.default_rng(0).choice(len(values), MOST, replace=False)
            keep &= np.isin(np.arange(len(values)), some)
        for axis, place in fixed.items():
            across = self.points[:, axis]
            keep &= np.abs(across - place) <= NEAR * max(np.ptp(across), 1e-300)
        return np.column_stack([self.points[keep][:, list(canvas.axes)], values[keep]])

    def times(self, wanted: Array) -> Array:
        """Times to show it at: its own ones next to those wanted, if there are points enough."""
        known, counts = np.unique(self.points[:, -1], return_counts=True)
        known = known[counts >= FEWEST]
        if not len(known):
            return wanted
        return np.unique(known[np.abs(known[None] - wanted[:, None]).argmin(axis=1)])

    def last_time(self) -> float:
        """Of its points."""
        return float(self.points[:, -1].max())


def scatter_of(solution: SolutionLike) -> Scatter | None:
    """The reference at its own points, or the measurements if there is nothing else.

    None where the error, or else the residual, is known everywhere.
    """
    problem = solution.problem
    if problem.reference is not None:
        at = problem.reference.own_points(problem)
        if at is None:
            return None
        target = problem.reference.evaluate(problem, at).values
        title, word = f"reference ({reference_name(solution)})", "reference"
    elif problem.data is not None and not problem.equations:
        at, target = problem.data.points, problem.data.values
        title, word = "measurements", "measurement"
    else:
        return None
    at = torch.as_tensor(at, dtype=torch.float64)
    return Scatter(to_numpy(at), to_numpy(solution(at)), to_numpy(target), title, word)
