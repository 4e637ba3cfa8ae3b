"""Points at several times, and errors as functions of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmnm_pde.problem import Problem
from gmnm_pde.report.mesh import Array
from gmnm_pde.report.panels import Curve, CurvePanel
from gmnm_pde.report.sample import Sample, SolutionLike
from gmnm_pde.report.scatter import Scatter
from gmnm_pde.report.style import COLOURS, MUTED, SMALLEST
from gmnm_pde.report.words import rest_names

BINS = 40


def times_of(problem: Problem, count: int) -> Array:
    """So many times, the first and the last included."""
    start, end = problem.region.lower[-1], problem.region.upper[-1]
    return np.linspace(start, end, count)


def at_times(points: Array, times: Sequence[float] | Array) -> Array:
    """Points (n, d) at k times, (k n, d + 1), time after time."""
    places = np.tile(points, (len(times), 1))
    return np.column_stack([places, np.repeat(np.asarray(times, dtype=float), len(points))])


@dataclass(frozen=True)
class Course:
    """Sizes over time, one column for each unknown or each equation.

    An error is its root mean square at a time over that of the reference at all times: then the
    mean square of the curve is the relative L2 error of the whole run, and a solution that
    passes through zero does not make it infinite.

    Arguments:
        times: (k,).
        sizes: (k, columns).
        names: of the columns.
        errors: whether they are errors; residuals otherwise.
    """

    times: Array
    sizes: Array
    names: Sequence[str]
    errors: bool

    def panel(self, solution: SolutionLike, j: int) -> CurvePanel:
        """The curve of one column."""
        style: dict[str, Any] = {"color": COLOURS[0], "lw": 1.6}
        if len(self.times) <= BINS // 2:
            style |= {"marker": "o", "ms": 4, "clip_on": False}
        curves = [Curve(self.times, np.maximum(self.sizes[:, j], SMALLEST), None, style)]
        limits = solution.problem.time or (float(self.times[0]), float(self.times[-1]))
        own = self._own_error(solution, j)
        # Where it is far below, its line would be off the scale and leave a key without a line.
        if shown := own > np.quantile(curves[0].y, 0.05):
            rule = {"color": MUTED, "lw": 1.0, "ls": "--"}
            curves.append(Curve(np.array(limits), np.full(2, own), "reference's own", rule))
        up = "relative L2 error" if self.errors else "rms, not an error"
        title = f"{'error' if self.errors else self.names[j]} over time"
        return CurvePanel(
            title, curves, ("t", up), logarithmic=True, key="best" if shown else None, limits=limits
        )

    def _own_error(self, solution: SolutionLike, j: int) -> float:
        if not self.errors or solution.errors is None:
            return 0.0
        own = float(solution.errors.own_error.get(solution.problem.unknowns[j], 0.0))
        return own if np.isfinite(own) else 0.0


def course(problem: Problem, times: Array, found: Sample) -> Course | None:
    """The error, or the residual, of a sample at the same number of points at each time."""
    rest = found.rest
    if rest is None:
        return None
    square = np.mean(rest.reshape(len(times), -1, rest.shape[1]) ** 2, axis=1)
    size = _sizes(found.reference, rest.shape[1])
    return Course(
        times, np.sqrt(square) / size, rest_names(problem, found), found.error is not None
    )


def scattered_course(problem: Problem, scatter: Scatter) -> Course:
    """The same at the reference's own points, at their times or in intervals of time."""
    times, rest = scatter.points[:, -1], scatter.rest
    distinct, which = np.unique(times, return_inverse=True)
    if len(distinct) > 2 * BINS:
        edges = np.linspace(times.min(), times.max(), BINS + 1)
        which = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, BINS - 1)
        kept, which = np.unique(which, return_inverse=True)
        distinct = (edges[kept] + edges[kept + 1]) / 2
    sizes = np.full((len(distinct), rest.shape[1]), np.nan)
    for j in range(rest.shape[1]):
        square = np.bincount(which, np.nan_to_num(rest[:, j]) ** 2)
        known = np.bincount(which, np.isfinite(rest[:, j]))
        sizes[:, j] = np.sqrt(np.divide(square, known, out=sizes[:, j], where=known > 0))
    names = scatter.rest_names(problem)
    return Course(distinct, sizes / _sizes(scatter.target, rest.shape[1]), names, True)


def _sizes(reference: Array | None, columns: int) -> Array:
    """Root mean squares of the reference's columns; 1 where there is nothing to compare with."""
    if reference is None:
        return np.ones(columns)
    sizes = np.sqrt(np.nanmean(reference**2, axis=0))
    return np.where(sizes > 0.0, sizes, 1.0)
