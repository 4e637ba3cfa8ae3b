"""The pictures of a run."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from gmnm_pde.report.animation import write_animation
from gmnm_pde.report.convergence import convergence_figure
from gmnm_pde.report.fields import field_error_figure, field_figure, fields_of
from gmnm_pde.report.inferred import inferred_figure
from gmnm_pde.report.lines import line_error_figure, line_figure, lines_of
from gmnm_pde.report.sample import SolutionLike
from gmnm_pde.report.snapshots import snapshot_error_figure, snapshot_figure, snapshots_of
from gmnm_pde.report.spacetime import history_error_figure, history_figure, history_of
from gmnm_pde.report.streamlines import is_vector_field, streamline_figure
from gmnm_pde.report.style import STYLE
from gmnm_pde.report.surface import surface_figure

WIDEST = 2200
"""Pixels across."""


def write_pictures(solution: SolutionLike, directory: str | Path) -> list[Path]:
    """Write the pictures of a run into a directory.

    - solution.png: the solution, its reference and the difference; without a reference the
      solution and its residual. Curves in 1-D, fields in 2-D, slices through the middle in more;
      with time maps of space and time and curves in 1-D, and fields at a few times in more.
    - error.png: the size of the difference (or of the residual) at every point, logarithmic; with
      time also as a curve over time.
    - convergence.png: the estimated error of each step against time and units, and the measured
      one at the end.
    - inferred.png: every inferred constant after each step, with its interval.
    - surface.png: in three dimensions the solution and its error on the boundary.
    - streamlines.png: for plane problems whose unknowns (u, v) are a vector field.
    - animation.gif: for problems in two dimensions and time.

    Returns:
        The files.
    """
    directory = Path(directory)
    with matplotlib.rc_context(STYLE):
        figures = figures_of(solution)
        paths = [directory / f"{name}.png" for name in figures]
        for path, figure in zip(paths, figures.values(), strict=True):
            save(figure, path)
        if solution.problem.time is not None and solution.problem.domain.dimension == 2:
            paths.append(write_animation(solution, directory / "animation.gif"))
    return paths


def figures_of(solution: SolutionLike) -> dict[str, Figure]:
    """The pictures that do not move, by name."""
    figures = {**_fields(solution), "convergence": convergence_figure(solution)}
    if solution.findings.values:
        figures["inferred"] = inferred_figure(solution)
    if solution.problem.time is None and solution.problem.domain.dimension == 3:
        figures["surface"] = surface_figure(solution)
    if is_vector_field(solution.problem):
        figures["streamlines"] = streamline_figure(solution)
    return figures


def save(figure: Figure, path: Path) -> None:
    """Write a figure; wide ones have fewer dots an inch, so that none is larger than a screen."""
    usual = float(matplotlib.rcParams["savefig.dpi"])
    dpi = min(usual, WIDEST / figure.get_figwidth())
    # Less compression takes half the time and adds a tenth to the size.
    figure.savefig(path, dpi=dpi, pil_kwargs={"compress_level": 3})


def _fields(solution: SolutionLike) -> dict[str, Figure]:
    """Solution and error, by the kind of problem."""
    problem = solution.problem
    if problem.domain.dimension == 1:
        if problem.time is None:
            lines = lines_of(solution)
            pair = line_figure(lines), line_error_figure(lines)
        else:
            history = history_of(solution)
            pair = history_figure(history), history_error_figure(history)
    elif problem.time is None:
        fields = fields_of(solution)
        pair = field_figure(fields), field_error_figure(fields)
    else:
        shots = snapshots_of(solution)
        pair = snapshot_figure(shots), snapshot_error_figure(shots)
    return {"solution": pair[0], "error": pair[1]}
