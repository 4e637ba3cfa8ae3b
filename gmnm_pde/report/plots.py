"""The three pictures of a run: solution, pointwise error, convergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from gmnm_pde.report.canvas import Canvas, canvases
from gmnm_pde.report.convergence import convergence_figure
from gmnm_pde.report.lines import line_error_figure, line_figure
from gmnm_pde.report.mesh import Array
from gmnm_pde.report.sample import Sample, SolutionLike, sample
from gmnm_pde.report.style import (
    STYLE,
    Head,
    Scale,
    field_scale,
    logarithmic_scale,
    signed_scale,
    tick_format,
    titled_figure,
)
from gmnm_pde.report.words import error_line, error_name, measured_line

PANEL = 3.5
"""Width of a panel in inches."""


@dataclass(frozen=True)
class Panel:
    """A field (n,) on a canvas under a title; measured values (m, 3) may be marked on it."""

    title: str
    canvas: Canvas
    values: Array
    scale: Scale
    marks: Array | None = None


def write_pictures(solution: SolutionLike, directory: str | Path) -> list[Path]:
    """Write solution.png, error.png and convergence.png into a directory.

    - solution.png: the solution, its reference and the difference; without a reference the
      solution and its residual. Curves in 1-D, fields in 2-D, slices through the middle in more.
    - error.png: the size of the difference (or of the residual) at every point, logarithmic.
    - convergence.png: the estimated error of each step against time and units, and the measured
      one at the end.

    Returns:
        The files.
    """
    directory = Path(directory)
    with matplotlib.rc_context(STYLE):
        if solution.problem.domain.dimension == 1:
            figures = [line_figure(solution), line_error_figure(solution)]
        else:
            places = canvases(solution.problem.domain, tuple(solution.problem.coordinates))
            samples = [sample(solution, place.points) for place in places]
            figures = [
                field_figure(solution, places, samples),
                field_error_figure(solution, places, samples),
            ]
        figures.append(convergence_figure(solution))
        paths = [directory / f"{name}.png" for name in ("solution", "error", "convergence")]
        for path, figure in zip(paths, figures, strict=True):
            figure.savefig(path)
    return paths


def field_figure(
    solution: SolutionLike, places: Sequence[Canvas], samples: Sequence[Sample]
) -> Figure:
    """Solution, reference and difference side by side; a row for each unknown and slice."""
    rows = []
    for j, name in enumerate(solution.problem.unknowns):
        values = [found.values[:, j] for found in samples]
        references = [found.reference[:, j] for found in samples if found.reference is not None]
        scale = field_scale(*_inside(places, values), *_inside(places, references))
        rests = _differences(samples, j)
        rest_scale = signed_scale(*_inside(places, rests))
        for i, place in enumerate(places):
            row = [Panel(f"solution ${name}$", place, values[i], scale, _marks(solution, j))]
            if references:
                title = f"reference ({_reference_name(solution)})"
                row.append(Panel(title, place, references[i], scale))
            if rests:
                row.append(Panel(error_name(samples[0], name), place, rests[i], rest_scale))
            rows.append(row)
    head = Head(solution.problem.name, measured_line(solution))
    return _draw(rows, solution.problem.coordinates, head, PANEL)


def field_error_figure(
    solution: SolutionLike, places: Sequence[Canvas], samples: Sequence[Sample]
) -> Figure:
    """The size of the error on a logarithmic scale; a row an unknown."""
    rows = []
    for j, name in enumerate(solution.problem.unknowns):
        sizes = [np.abs(rest) for rest in _differences(samples, j)]
        if not sizes:
            return _misfit_figure(solution, places[0], samples[0])
        scale = logarithmic_scale(np.concatenate(_inside(places, sizes)))
        title = f"| {error_name(samples[0], name)} |"
        rows.append(
            [Panel(title, place, size, scale) for place, size in zip(places, sizes, strict=True)]
        )
    count = sum(len(place.points) for place in places)
    head = Head(solution.problem.name, error_line(solution, count))
    return _draw(rows, solution.problem.coordinates, head, 1.3 * PANEL)


def _misfit_figure(solution: SolutionLike, place: Canvas, found: Sample) -> Figure:
    """Measurements without a reference: how far the solution is from each of them."""
    panels = []
    for j, name in enumerate(solution.problem.unknowns):
        marks = _marks(solution, j, misfit=True)
        blank = np.full(len(found.values), np.nan)
        scale = signed_scale(np.zeros(1) if marks is None else marks[:, 2])
        panels.append([Panel(f"${name}$ - measurement", place, blank, scale, marks)])
    words = "difference at each measurement; there is no reference, so no error is known"
    head = Head(solution.problem.name, words)
    return _draw(panels, solution.problem.coordinates, head, 1.3 * PANEL)


def _differences(samples: Sequence[Sample], j: int) -> list[Array]:
    """What the last column shows: the error, or the (first or own) residual."""
    found = []
    for one in samples:
        if one.error is not None:
            found.append(one.error[:, j])
        elif one.residual is not None:
            found.append(one.residual[:, min(j, one.residual.shape[1] - 1)])
    return found


def _inside(places: Sequence[Canvas], fields: Sequence[Array]) -> list[Array]:
    """The values that are shown, which the colours have to cover."""
    return [field[place.inside] for place, field in zip(places, fields, strict=False)]


def _marks(solution: SolutionLike, j: int, misfit: bool = False) -> Array | None:
    """Measurements of an unknown in the plane, (m, 3): place and value, or solution minus value."""
    data = solution.problem.data
    if data is None or data.points.shape[1] != 2:
        return None
    values = data.values[:, j : j + 1].cpu().numpy()
    if misfit:
        values = solution(data.points)[:, j : j + 1].detach().cpu().numpy() - values
    marks = np.concatenate([data.points.cpu().numpy(), values], axis=1)
    return marks[np.isfinite(values[:, 0])]


def _reference_name(solution: SolutionLike) -> str:
    reference = solution.problem.reference
    return "" if reference is None else reference.name.replace("_", " ")


def _draw(rows: list[list[Panel]], coordinates: Sequence[str], head: Head, width: float) -> Figure:
    """A grid of panels, each with its colour bar."""
    columns = max(len(row) for row in rows)
    left, right, bottom, top = rows[0][0].canvas.extent
    aspect = min(max((top - bottom) / (right - left), 0.4), 1.6)
    size = ((width + 1.15) * columns, (width * aspect + 0.7) * len(rows))
    figure = titled_figure(size, head)
    plots = figure.subplots(len(rows), columns, squeeze=False)
    for row, line in zip(rows, plots, strict=True):
        same = all(panel.canvas is row[0].canvas for panel in row)
        for i, (panel, plot) in enumerate(zip(row, line, strict=False)):
            _draw_panel(plot, panel)
            across, up = panel.canvas.axes
            plot.set_xlabel(coordinates[across], labelpad=1)
            if i == 0 or not same:
                plot.set_ylabel(coordinates[up], rotation=0, labelpad=8)
            else:
                plot.tick_params(labelleft=False)
        for plot in line[len(row) :]:
            plot.set_axis_off()
    return figure


def _draw_panel(plot: Axes, panel: Panel) -> None:
    mapped = panel.canvas.draw(plot, panel.values, panel.scale)
    plot.locator_params(nbins=5)
    plot.set_title(panel.title + (f",  {panel.canvas.note}" if panel.canvas.note else ""))
    if panel.marks is not None:
        x, y, values = panel.marks.T
        plot.scatter(
            x, y, c=values, s=11, cmap=panel.scale.colours, norm=panel.scale.norm,
            edgecolors="#333333", linewidths=0.35,
        )  # fmt: skip
    # An inset follows the plot, whose height is known only when its aspect has been applied.
    place = plot.inset_axes((1.035, 0.0, 0.045, 1.0))
    bar = plot.figure.colorbar(
        mapped, cax=place, extend="min" if panel.scale.logarithmic else "neither"
    )
    bar.outline.set_visible(False)
    if panel.scale.logarithmic:
        place.yaxis.set_minor_formatter(NullFormatter())
    else:
        place.yaxis.set_major_formatter(tick_format())
