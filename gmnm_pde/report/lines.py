"""Pictures of problems in one dimension: curves."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gmnm_pde.report.mesh import Array, mesh_of
from gmnm_pde.report.sample import Sample, SolutionLike, sample
from gmnm_pde.report.style import ACCENT, INK, MUTED, SMALLEST, Head, tick_format, titled_figure
from gmnm_pde.report.words import error_line, error_name, measured_line

CURVE_POINTS = 1001
COLOURS = (INK, ACCENT, "#3b8b5a", "#b8860b", "#6a4c93")


def line_figure(solution: SolutionLike) -> Figure:
    """The solution over its reference, and their difference or the residual below it."""
    x, found = _sampled(solution)
    figure = titled_figure((8.0, 5.2), Head(solution.problem.name, measured_line(solution)))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1.0))
    names = solution.problem.unknowns
    for j, name in enumerate(names):
        if found.reference is not None:
            label = f"reference ({_reference_name(solution)})" if j == 0 else None
            upper.plot(x, found.reference[:, j], color=_colour(j), alpha=0.25, lw=6.0, label=label)
        upper.plot(x, found.values[:, j], color=_colour(j), label=f"solution ${name}$")
    _mark_data(upper, solution)
    upper.legend(loc="best", ncols=2)
    for j, (label, values) in enumerate(_rests(solution, found)):
        lower.plot(x, values, color=_colour(j), lw=1.2, label=label)
    lower.axhline(0.0, color=MUTED, lw=0.6)
    lower.yaxis.set_major_formatter(tick_format())
    lower.legend(loc="best")
    _finish([upper, lower], x, solution.problem.coordinates[0])
    return figure


def line_error_figure(solution: SolutionLike) -> Figure:
    """The size of the difference, or of the residual, on a logarithmic scale."""
    x, found = _sampled(solution)
    figure = titled_figure((8.0, 3.6), Head(solution.problem.name, error_line(solution, len(x))))
    plot = figure.subplots()
    for j, (label, values) in enumerate(_rests(solution, found)):
        sizes = np.maximum(np.abs(values), SMALLEST)
        plot.semilogy(x, sizes, color=_colour(j), lw=1.2, label=f"|{label}|")
        # The dips where an error changes its sign go down for ever; the scale need not.
        plot.set_ylim(bottom=max(np.quantile(sizes, 0.01) / 3, sizes.max() * 1e-8))
    if plot.lines:
        plot.legend(loc="best")
    _finish([plot], x, solution.problem.coordinates[0])
    return figure


def _sampled(solution: SolutionLike) -> tuple[Array, Sample]:
    points = mesh_of(solution.problem.domain, CURVE_POINTS).points
    return points[:, 0], sample(solution, points)


def _rests(solution: SolutionLike, found: Sample) -> list[tuple[str, Array]]:
    """Errors of every unknown, or residuals of every equation, with their labels."""
    if found.error is not None:
        names = solution.problem.unknowns
        return [(error_name(found, name), found.error[:, j]) for j, name in enumerate(names)]
    if found.residual is not None:
        count = found.residual.shape[1]
        labels = ["residual"] if count == 1 else [f"residual {j + 1}" for j in range(count)]
        return [(label, found.residual[:, j]) for j, label in enumerate(labels)]
    return []


def _mark_data(plot: Axes, solution: SolutionLike) -> None:
    data = solution.problem.data
    if data is None:
        return
    for j, name in enumerate(solution.problem.unknowns):
        x, values = data.points[:, 0].cpu().numpy(), data.values[:, j].cpu().numpy()
        plot.scatter(x, values, s=12, color=_colour(j), alpha=0.5, lw=0, label=f"measured ${name}$")


def _reference_name(solution: SolutionLike) -> str:
    reference = solution.problem.reference
    return "" if reference is None else reference.name.replace("_", " ")


def _colour(j: int) -> str:
    return COLOURS[j % len(COLOURS)]


def _finish(plots: list[Axes], x: Array, name: str) -> None:
    for plot in plots:
        plot.grid(True)
        plot.set_xlim(x[0], x[-1])
        plot.spines[["top", "right"]].set_visible(False)
    plots[-1].set_xlabel(name)
