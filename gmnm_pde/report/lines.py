"""Pictures of steady problems in one dimension: curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gmnm_pde.report.mesh import Array, mesh_of
from gmnm_pde.report.panels import broken
from gmnm_pde.report.planes import fence_places
from gmnm_pde.report.sample import Sample, SolutionLike, sample, to_numpy
from gmnm_pde.report.scatter import Scatter, scatter_of
from gmnm_pde.report.style import (
    COLOURS,
    FENCE,
    MUTED,
    Head,
    size_of,
    tick_format,
    titled_figure,
)
from gmnm_pde.report.words import (
    error_line,
    measured_line,
    reference_name,
    rest_names,
    solution_name,
)

CURVE_POINTS = 1001


@dataclass(frozen=True)
class Lines:
    """A solution at the points x (n,) of an interval.

    Arguments:
        scatter: what it is compared with where that is not known at these points.
    """

    solution: SolutionLike
    x: Array
    found: Sample
    scatter: Scatter | None = None

    def rests(self) -> list[tuple[str, Array, Array]]:
        """Errors of every unknown, or residuals of every equation: name, places, values."""
        problem = self.solution.problem
        if self.scatter is not None:
            x, rest = self.scatter.points[:, 0], self.scatter.rest
            names = self.scatter.rest_names(problem)
            return [(name, x, rest[:, j]) for j, name in enumerate(names)]
        names = rest_names(problem, self.found)
        return [(name, self.x, self.found.rest_of(j)) for j, name in enumerate(names)]


def lines_of(solution: SolutionLike) -> Lines:
    """Evaluate a solution for its pictures."""
    points = mesh_of(solution.problem.domain, CURVE_POINTS).points
    return Lines(solution, points[:, 0], sample(solution, points), scatter_of(solution))


def line_figure(lines: Lines) -> Figure:
    """The solution over its reference, and their difference or the residual below it."""
    solution, found = lines.solution, lines.found
    figure = titled_figure((8.0, 5.2), Head(solution.problem.name, measured_line(solution)))
    fences = fence_places(solution.problem)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1.0))
    for j, name in enumerate(solution.problem.unknowns):
        if found.reference is not None:
            label = f"reference ({reference_name(solution)})" if j == 0 else None
            wide: dict[str, Any] = {"color": _colour(j), "alpha": 0.25, "lw": 6.0}
            upper.plot(*broken(lines.x, found.reference[:, j], fences), label=label, **wide)
        curve = broken(lines.x, found.values[:, j], fences)
        upper.plot(*curve, color=_colour(j), label=solution_name(solution, name))
    _mark_known(upper, lines)
    _key(upper, 2)
    dots = "." if lines.scatter is not None else "-"
    for j, (label, x, values) in enumerate(lines.rests()):
        lower.plot(x, values, dots, color=_colour(j), lw=1.2, ms=4, label=label)
    lower.axhline(0.0, color=MUTED, lw=0.6)
    lower.yaxis.set_major_formatter(tick_format())
    _key(lower, 1)
    _finish([upper, lower], lines)
    return figure


def line_error_figure(lines: Lines) -> Figure:
    """The size of the difference, or of the residual, on a logarithmic scale."""
    solution, rests = lines.solution, lines.rests()
    count = len(lines.x) if lines.scatter is None else len(lines.scatter.points)
    figure = titled_figure((8.0, 3.6), Head(solution.problem.name, error_line(solution, count)))
    plot = figure.subplots()
    dots = "." if lines.scatter is not None else "-"
    bottoms = []
    for j, (label, x, values) in enumerate(rests):
        sizes = size_of(values[np.isfinite(values)])
        x = x[np.isfinite(values)]
        plot.semilogy(x, sizes, dots, color=_colour(j), lw=1.2, ms=4, label=f"|{label}|")
        # The dips where an error changes its sign go down for ever; the scale need not.
        if len(sizes):
            bottoms.append(max(np.quantile(sizes, 0.01) / 3, sizes.max() * 1e-8))
    if bottoms:
        plot.set_ylim(bottom=min(bottoms))
        _key(plot, 1)
    _finish([plot], lines)
    return figure


def _mark_known(plot: Axes, lines: Lines) -> None:
    """Measurements, and a reference that is known at points only, as dots."""
    problem, scatter = lines.solution.problem, lines.scatter
    dots: dict[str, Any] = {"alpha": 0.5, "lw": 0, "s": 12}
    for j, name in enumerate(problem.unknowns):
        if scatter is not None and problem.reference is not None:
            label = scatter.title if j == 0 else None
            plot.scatter(
                scatter.points[:, 0], scatter.target[:, j], color="black", label=label, **dots
            )
        if problem.data is not None:
            x, values = to_numpy(problem.data.points[:, 0]), to_numpy(problem.data.values[:, j])
            plot.scatter(x, values, color=_colour(j), label=f"measured ${name}$", **dots)


def _key(plot: Axes, columns: int) -> None:
    """A legend inside, or beside the curves where there are many of them."""
    labels = plot.get_legend_handles_labels()[1]
    if len(labels) > 6:
        plot.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02))
    elif labels:
        plot.legend(loc="best", ncols=columns)


def _colour(j: int) -> str:
    return COLOURS[j % len(COLOURS)]


def _finish(plots: list[Axes], lines: Lines) -> None:
    for plot in plots:
        plot.grid(True)
        plot.set_xlim(lines.x[0], lines.x[-1])
        plot.spines[["top", "right"]].set_visible(False)
        for place in fence_places(lines.solution.problem):
            plot.axvline(place, color=FENCE, lw=0.5)
    plots[-1].set_xlabel(lines.solution.problem.coordinates[0])
