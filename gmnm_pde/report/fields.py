"""Pictures of steady problems in two and more dimensions: fields on planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from gmnm_pde.report.canvas import Canvas
from gmnm_pde.report.mesh import Array
from gmnm_pde.report.panels import PANEL, FieldPanel, panel_grid
from gmnm_pde.report.planes import space_planes
from gmnm_pde.report.sample import Sample, SolutionLike, sample_groups
from gmnm_pde.report.scatter import Scatter, scatter_of
from gmnm_pde.report.style import (
    Head,
    Scale,
    field_scale,
    logarithmic_scale,
    signed_scale,
    size_of,
)
from gmnm_pde.report.words import (
    error_line,
    measured_line,
    reference_name,
    rest_name,
    rest_names,
    solution_name,
)


@dataclass(frozen=True)
class Fields:
    """A solution on planes.

    Arguments:
        planes: what is drawn on.
        samples: one for each plane, at its points.
        scatter: what the solution is compared with where that is not known on the planes.
    """

    solution: SolutionLike
    planes: Sequence[Canvas]
    samples: Sequence[Sample]
    scatter: Scatter | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the coordinates."""
        return tuple(self.solution.problem.coordinates)

    def panel(
        self, i: int, title: str, values: Array | None, scale: Scale, marks: Array | None = None
    ) -> FieldPanel:
        """A panel on a plane; for a slice its title says where that lies."""
        plane = self.planes[i]
        title += f",  {plane.note}" if plane.note else ""
        return FieldPanel(title, plane, values, scale, self.names, marks)

    def inside(self, fields: Sequence[Array]) -> list[Array]:
        """The values that are shown, which the colours have to cover."""
        return [field[plane.inside] for plane, field in zip(self.planes, fields, strict=True)]


def fields_of(solution: SolutionLike) -> Fields:
    """Evaluate a solution for its pictures."""
    planes = space_planes(solution.problem)
    samples = sample_groups(solution, [plane.points for plane in planes])
    return Fields(solution, planes, samples, scatter_of(solution))


def field_figure(fields: Fields) -> Figure:
    """Solution, reference and difference side by side; a row for each unknown and plane."""
    solution, rows = fields.solution, []
    for j, name in enumerate(solution.problem.unknowns):
        values = [found.values[:, j] for found in fields.samples]
        references = [f.reference[:, j] for f in fields.samples if f.reference is not None]
        shown = fields.inside(values) + (fields.inside(references) if references else [])
        if fields.scatter is not None:
            shown.append(fields.scatter.target[:, j])
        scale = field_scale(*shown)
        rests = [found.rest_of(j) for found in fields.samples]
        rest_scale = signed_scale(*fields.inside(rests))
        for i, found in enumerate(fields.samples):
            title = solution_name(solution, name)
            row = [fields.panel(i, title, values[i], scale, _data(solution, j))]
            if references:
                title = f"reference ({reference_name(solution)})"
                row.append(fields.panel(i, title, references[i], scale))
            if found.rest is not None:
                title = rest_name(solution.problem, found, j)
                row.append(fields.panel(i, title, rests[i], rest_scale))
            if fields.scatter is not None:
                row += _scattered(fields, fields.scatter, i, j, scale)
            rows.append(row)
    head = Head(solution.problem.name, measured_line(solution))
    return panel_grid(rows, head)


def field_error_figure(fields: Fields) -> Figure:
    """The size of the error on a logarithmic scale; a row an unknown (or a residual)."""
    solution, scatter = fields.solution, fields.scatter
    if scatter is not None:
        return _misfit_figure(fields, scatter)
    rows = []
    for j, name in enumerate(rest_names(solution.problem, fields.samples[0])):
        rests = [found.rest for found in fields.samples if found.rest is not None]
        sizes = [size_of(rest[:, j]) for rest in rests]
        scale = logarithmic_scale(np.concatenate(fields.inside(sizes)))
        rows.append([fields.panel(i, f"| {name} |", size, scale) for i, size in enumerate(sizes)])
    count = sum(len(plane.points) for plane in fields.planes)
    return _error_grid(rows, Head(solution.problem.name, error_line(solution, count)))


def _error_grid(rows: Sequence[Sequence[FieldPanel]], head: Head) -> Figure:
    """A row an unknown, or where each has only one panel a few of them in a row."""
    if len(rows) == 1:
        return panel_grid(rows, head, 1.3 * PANEL)
    if max(len(row) for row in rows) == 1:
        panels = [panel for row in rows for panel in row]
        across = 2 if len(panels) == 4 else 3
        rows = [panels[i : i + across] for i in range(0, len(panels), across)]
    return panel_grid(rows, head, PANEL)


def _scattered(fields: Fields, scatter: Scatter, i: int, j: int, scale: Scale) -> list[FieldPanel]:
    """What is known at points only: the target and the difference, as dots."""
    plane, panels = fields.planes[i], []
    if fields.solution.problem.reference is not None:
        marks = scatter.marks(plane, scatter.target[:, j])
        panels.append(fields.panel(i, scatter.title, None, scale, marks))
    rest = scatter.rest[:, j]
    title = scatter.rest_names(fields.solution.problem)[j]
    marks = scatter.marks(plane, rest)
    return [*panels, fields.panel(i, title, None, signed_scale(rest), marks)]


def _misfit_figure(fields: Fields, scatter: Scatter) -> Figure:
    """How far the solution is from what is known at points."""
    rows = []
    for j, name in enumerate(scatter.rest_names(fields.solution.problem)):
        rest = scatter.rest[:, j]
        size = size_of(rest)
        known = fields.solution.problem.reference is not None
        shown, scale = (size, logarithmic_scale(size)) if known else (rest, signed_scale(rest))
        rows.append(
            [
                fields.panel(i, f"| {name} |" if known else name, None, scale, marks)
                for i, marks in enumerate(scatter.marks(plane, shown) for plane in fields.planes)
            ]
        )
    head = Head(fields.solution.problem.name, misfit_line(fields.solution, scatter))
    return _error_grid(rows, head)


def misfit_line(solution: SolutionLike, scatter: Scatter) -> str:
    """What an error picture of dots shows."""
    if solution.problem.reference is not None:
        return error_line(solution, len(scatter.points))
    return "difference at each measurement; there is no reference, so no error is known"


def _data(solution: SolutionLike, j: int) -> Array | None:
    """Measurements of an unknown in the plane, (m, 3)."""
    data = solution.problem.data
    if data is None or data.points.shape[1] != 2:
        return None
    marks = np.column_stack([data.points.cpu().numpy(), data.values[:, j].cpu().numpy()])
    return marks[np.isfinite(marks[:, 2])]
