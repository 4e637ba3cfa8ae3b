"""Pictures of problems in two and more dimensions and time: fields at a few times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from gmnm_pde.report.canvas import Canvas
from gmnm_pde.report.fields import misfit_line
from gmnm_pde.report.mesh import Array
from gmnm_pde.report.moments import Course, at_times, course, scattered_course, times_of
from gmnm_pde.report.panels import FieldPanel, Panel, panel_grid
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
    moment,
    moments,
    rest_name,
    rest_names,
)

SNAPSHOTS = 4
RASTER_POINTS = 8_000
MESH_POINTS = 6_000
SLICE_POINTS = 2_500
"""At each time; a picture needs as many again for each of them."""

COURSE_TIMES, COURSE_POINTS, COURSE_SEED = 41, 400, 0
PANEL = 2.5


@dataclass(frozen=True)
class Snapshots:
    """A solution on planes at a few times.

    Arguments:
        times: (k,).
        samples: for each plane, one for each time.
        over_time: the error at more times.
    """

    solution: SolutionLike
    planes: Sequence[Canvas]
    times: Array
    samples: Sequence[Sequence[Sample]]
    over_time: Course | None
    scatter: Scatter | None

    def panel(
        self,
        i: int,
        title: str,
        values: Array | None,
        scale: Scale,
        marks: Array | None = None,
        bar: bool = True,
    ) -> FieldPanel:
        """A panel on a plane."""
        plane = self.planes[i]
        names = tuple(self.solution.problem.coordinates)
        return FieldPanel(title, plane, values, scale, names, marks, bar)

    def row(self, i: int, title: str, fields: Sequence[Array | None], scale: Scale) -> list[Panel]:
        """A field at all times, with one colour bar for all."""
        note = f"{self.planes[i].note}, " if self.planes[i].note else ""
        titles = moments(self.times)
        titles[0] = f"{title}, {note}{titles[0]}"
        last = len(titles) - 1
        return [
            self.panel(i, text, field, scale, bar=k == last)
            for k, (text, field) in enumerate(zip(titles, fields, strict=True))
        ]

    def inside(self, i: int, fields: Sequence[Array]) -> list[Array]:
        """The values that are shown on a plane, which the colours have to cover."""
        return [field[self.planes[i].inside] for field in fields]


def snapshots_of(solution: SolutionLike) -> Snapshots:
    """Evaluate a solution for its pictures, once."""
    problem = solution.problem
    planes = space_planes(problem, raster=RASTER_POINTS, mesh=MESH_POINTS, plane=SLICE_POINTS)
    times, many = times_of(problem, SNAPSHOTS), times_of(problem, COURSE_TIMES)
    places = problem.domain.sample_interior(COURSE_POINTS, "sobol", COURSE_SEED).numpy()
    groups = [at_times(plane.points, [time]) for plane in planes for time in times]
    *found, course_sample = sample_groups(solution, [*groups, at_times(places, many)])
    samples = [found[i : i + len(times)] for i in range(0, len(found), len(times))]
    scatter = scatter_of(solution)
    if scatter is not None:
        over_time: Course | None = scattered_course(problem, scatter)
    else:
        over_time = course(problem, many, course_sample)
    return Snapshots(solution, planes, times, samples, over_time, scatter)


def snapshot_figure(shots: Snapshots) -> Figure:
    """The solution at a few times, and its difference from the reference at the last one."""
    solution, rows = shots.solution, []
    for j, name in enumerate(solution.problem.unknowns):
        values = [[found.values[:, j] for found in samples] for samples in shots.samples]
        rests = [samples[-1].rest_of(j) for samples in shots.samples]
        shown = [field for i, fields in enumerate(values) for field in shots.inside(i, fields)]
        ends = [field for i, rest in enumerate(rests) for field in shots.inside(i, [rest])]
        scale, rest_scale = field_scale(*shown), signed_scale(*ends)
        for i, samples in enumerate(shots.samples):
            row = shots.row(i, f"${name}$", values[i], scale)
            if shots.scatter is not None:
                row.append(_scattered(shots, shots.scatter, i, j))
            elif samples[-1].rest is not None:
                title = rest_name(solution.problem, samples[-1], j)
                title += f", {moment(shots.times[-1])}"
                row.append(shots.panel(i, title, rests[i], rest_scale))
            rows.append(row)
    return panel_grid(rows, Head(solution.problem.name, measured_line(solution)), PANEL)


def snapshot_error_figure(shots: Snapshots) -> Figure:
    """The error's size at the same times on a logarithmic scale, and the error over time."""
    solution, scatter = shots.solution, shots.scatter
    problem = solution.problem
    if scatter is not None:
        names, words = scatter.rest_names(problem), misfit_line(solution, scatter)
    else:
        names = rest_names(problem, shots.samples[0][0])
        count = sum(len(found.values) for samples in shots.samples for found in samples)
        words = error_line(solution, count)
    rows = []
    for j, name in enumerate(names):
        for i, samples in enumerate(shots.samples):
            if scatter is not None:
                row = _scattered_sizes(shots, scatter, i, j)
            else:
                sizes = [size_of(found.rest_of(j)) for found in samples]
                scale = logarithmic_scale(np.concatenate(shots.inside(i, sizes)))
                row = shots.row(i, f"| {name} |", sizes, scale)
            if i == 0 and shots.over_time is not None:
                row.append(shots.over_time.panel(solution, j))
            rows.append(row)
    return panel_grid(rows, Head(problem.name, words), PANEL)


def _scattered(shots: Snapshots, scatter: Scatter, i: int, j: int) -> FieldPanel:
    """The difference at the points near the last of their times, as dots."""
    rest, last = scatter.rest[:, j], scatter.last_time()
    title = f"{scatter.rest_names(shots.solution.problem)[j]}, {moment(last)}"
    marks = scatter.marks(shots.planes[i], rest, last)
    return shots.panel(i, title, None, signed_scale(rest), marks)


def _scattered_sizes(shots: Snapshots, scatter: Scatter, i: int, j: int) -> list[Panel]:
    """The difference's size at the points near each time, as dots."""
    size, times = size_of(scatter.rest[:, j]), scatter.times(shots.times)
    scale, last = logarithmic_scale(size), len(times) - 1
    name = scatter.rest_names(shots.solution.problem)[j]
    return [
        shots.panel(
            i, f"| {name} |, " * (k == 0) + moment(time), None, scale,
            scatter.marks(shots.planes[i], size, time), bar=k == last,
        )
        for k, time in enumerate(times)
    ]  # fmt: skip
