"""Pictures of problems in one dimension and time: maps of space and time, and curves at times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from gmnm_pde.report.canvas import Raster
from gmnm_pde.report.fields import misfit_line
from gmnm_pde.report.mesh import Array
from gmnm_pde.report.moments import Course, at_times, course, scattered_course, times_of
from gmnm_pde.report.panels import Curve, CurvePanel, FieldPanel, Panel, panel_grid
from gmnm_pde.report.planes import fence_places, time_plane
from gmnm_pde.report.sample import Sample, SolutionLike, sample_groups
from gmnm_pde.report.scatter import Scatter, scatter_of
from gmnm_pde.report.style import (
    Head,
    Scale,
    field_scale,
    logarithmic_scale,
    signed_scale,
    size_of,
    time_colours,
)
from gmnm_pde.report.words import (
    error_line,
    measured_line,
    moment,
    reference_name,
    rest_name,
    rest_names,
)

COLUMNS, ROWS = 361, 121
CURVES = 6
CURVE_POINTS = 801
PANEL = 2.9


@dataclass(frozen=True)
class History:
    """A solution in one dimension at all times.

    Arguments:
        plane: space to the right, time up.
        found: at the plane's points.
        x, times: places (n,) and times (k,) of the curves.
        curves: the sample at each of those times.
    """

    solution: SolutionLike
    plane: Raster
    found: Sample
    x: Array
    times: Array
    curves: Sequence[Sample]
    scatter: Scatter | None

    def panel(
        self, title: str, values: Array | None, scale: Scale, marks: Array | None = None
    ) -> FieldPanel:
        """A map."""
        names = tuple(self.solution.problem.coordinates)
        return FieldPanel(title, self.plane, values, scale, names, marks)

    def course(self) -> Course | None:
        """The error over time."""
        problem = self.solution.problem
        if self.scatter is not None:
            return scattered_course(problem, self.scatter)
        # The points run along time fastest; a course wants them time after time.
        rows, columns = len(self.plane.lines[1]), len(self.plane.lines[0])
        order = np.arange(rows * columns).reshape(columns, rows).T.ravel()
        return course(problem, self.plane.lines[1], self.found.take(order))


def history_of(solution: SolutionLike) -> History:
    """Evaluate a solution for its pictures, once."""
    problem = solution.problem
    plane, scatter = time_plane(problem, COLUMNS, ROWS), scatter_of(solution)
    times = times_of(problem, CURVES)
    times = times if scatter is None else scatter.times(times)
    x = np.linspace(problem.domain.lower[0], problem.domain.upper[0], CURVE_POINTS)
    groups = [plane.points, *(at_times(x[:, None], [time]) for time in times)]
    found, *curves = sample_groups(solution, groups)
    return History(solution, plane, found, x, times, curves, scatter)


def history_figure(history: History) -> Figure:
    """Maps of the solution, its reference and the difference, and curves at a few times."""
    solution, found, scatter = history.solution, history.found, history.scatter
    rows: list[list[Panel]] = []
    for j, name in enumerate(solution.problem.unknowns):
        shown = [found.values[:, j]]
        shown += [] if found.reference is None else [found.reference[:, j]]
        shown += [] if scatter is None else [scatter.target[:, j]]
        scale = field_scale(*shown)
        row: list[Panel] = [history.panel(f"solution ${name}$", shown[0], scale, _data(history, j))]
        if found.reference is not None:
            row.append(history.panel(f"reference ({reference_name(solution)})", shown[1], scale))
        if found.rest is not None:
            title = rest_name(solution.problem, found, j)
            rest = found.rest_of(j)
            row.append(history.panel(title, rest, signed_scale(rest)))
        if scatter is not None:
            row += _scattered(history, scatter, j, scale)
        rows.append([*row, _curves(history, j)])
    return panel_grid(rows, Head(solution.problem.name, measured_line(solution)), PANEL)


def history_error_figure(history: History) -> Figure:
    """A map of the error's size on a logarithmic scale, and the error over time."""
    solution, scatter = history.solution, history.scatter
    problem, over_time = solution.problem, history.course()
    names = rest_names(problem, history.found)
    if scatter is not None:
        names, words = scatter.rest_names(problem), misfit_line(solution, scatter)
    else:
        words = error_line(solution, len(history.plane.points))
    rows: list[list[Panel]] = []
    for j, name in enumerate(names):
        if scatter is not None:
            size = size_of(scatter.rest[:, j])
            scale = logarithmic_scale(size)
            marks = scatter.marks(history.plane, size)
            row: list[Panel] = [history.panel(f"| {name} |", None, scale, marks)]
        else:
            size = size_of(history.found.rest_of(j))
            row = [history.panel(f"| {name} |", size, logarithmic_scale(size))]
        rows.append(row if over_time is None else [*row, over_time.panel(solution, j)])
    return panel_grid(rows, Head(problem.name, words), 1.3 * PANEL)


def _scattered(history: History, scatter: Scatter, j: int, scale: Scale) -> list[Panel]:
    """What is known at points only: the target and the difference, as dots."""
    panels: list[Panel] = []
    if history.solution.problem.reference is not None:
        marks = scatter.marks(history.plane, scatter.target[:, j])
        panels.append(history.panel(scatter.title, None, scale, marks))
    rest = scatter.rest[:, j]
    title = scatter.rest_names(history.solution.problem)[j]
    marks = scatter.marks(history.plane, rest)
    return [*panels, history.panel(title, None, signed_scale(rest), marks)]


def _curves(history: History, j: int) -> CurvePanel:
    """An unknown at a few times, its reference dashed or as dots."""
    curves = [
        Curve(history.x, found.values[:, j], moment(time), {"color": colour, "lw": 1.7})
        for time, found, colour in zip(
            history.times, history.curves, time_colours(len(history.times)), strict=True
        )
    ]
    curves += _dashes(history, j) if history.scatter is None else _dots(history.scatter, history, j)
    problem = history.solution.problem
    title = f"${problem.unknowns[j]}$ at {len(history.times)} times"
    return CurvePanel(
        title, curves, (problem.coordinates[0], ""), fences=fence_places(problem), key="beside"
    )


def _dashes(history: History, j: int) -> list[Curve]:
    style = {"color": "black", "lw": 0.9, "ls": (0, (3, 3))}
    return [
        Curve(history.x, found.reference[:, j], "reference" if i == 0 else None, style)
        for i, found in enumerate(history.curves)
        if found.reference is not None
    ]


def _dots(scatter: Scatter, history: History, j: int) -> list[Curve]:
    style = {"color": "black", "ls": "", "marker": ".", "ms": 3.5}
    curves: list[Curve] = []
    for time in history.times:
        here = scatter.points[:, -1] == time
        if here.any():
            label = None if curves else scatter.word
            x, y = scatter.points[here, 0], scatter.target[here, j]
            curves.append(Curve(x, y, label, style))
    return curves


def _data(history: History, j: int) -> Array | None:
    """Measurements of an unknown, (m, 3): x, t and value."""
    data = history.solution.problem.data
    if data is None:
        return None
    marks = np.column_stack([data.points.cpu().numpy(), data.values[:, j].cpu().numpy()])
    return marks[np.isfinite(marks[:, 2])]
