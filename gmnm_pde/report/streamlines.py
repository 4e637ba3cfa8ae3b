"""The picture of a plane vector field: streamlines over its speed."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke

from gmnm_pde.fields import Orders, uniform
from gmnm_pde.problem import Problem
from gmnm_pde.report.canvas import Raster
from gmnm_pde.report.mesh import Array
from gmnm_pde.report.moments import at_times
from gmnm_pde.report.panels import FLAT, FieldPanel, panel_grid
from gmnm_pde.report.planes import domain_raster
from gmnm_pde.report.sample import SolutionLike, sample
from gmnm_pde.report.style import Head, Scale, field_scale
from gmnm_pde.report.words import measured_line, moment

POINTS = 20_000
WIDTH = 5.0
DENSITY = 0.26
"""Streamlines in an inch, in units of matplotlib."""

VECTOR = ("u", "v")


def is_vector_field(problem: Problem) -> bool:
    """Whether (u, v) of a problem in the plane are components along its two coordinates.

    They are where an equation has a derivative of u, and one of v, of odd order along a coordinate
    in space: convection, a divergence, a gradient, a shear. Two concentrations, or the two parts
    of a complex wave, have Laplacians only.
    """
    if problem.domain.dimension != 2 or not set(VECTOR) <= set(problem.unknowns):
        return False
    odd: set[str] = set()

    def values(unknown: str, orders: Orders) -> torch.Tensor:
        if any(count % 2 for count in orders[:2]):
            odd.add(unknown)
        return torch.ones(len(points), dtype=torch.float64)

    points = problem.region.sample_interior(1, "random", 0)
    for equation in problem.laws:
        equation.residual(problem.jet(points, values, elsewhere=uniform(1.0)))
    return set(VECTOR) <= odd


def streamline_figure(solution: SolutionLike) -> Figure:
    """Streamlines of (u, v) over its size; in time at the last time."""
    problem = solution.problem
    plane = domain_raster(problem, POINTS)
    points, when = plane.points, ""
    if problem.time is not None:
        points, when = at_times(points, problem.time[1:]), f", {moment(problem.time[1])}"
    values = sample(solution, points, rest=False).values
    u, v = (values[:, problem.unknowns.index(name)] for name in VECTOR)
    speed = np.hypot(u, v)
    scale = Scale("viridis", field_scale(np.append(speed[plane.inside], 0.0)).norm)
    title = f"size and streamlines of $(u, v)${when}"
    panel = FieldPanel(title, plane, speed, scale, tuple(problem.coordinates))
    width = WIDTH if plane.shape > FLAT else 1.6 * WIDTH
    figure = panel_grid([[panel]], Head(problem.name, measured_line(solution)), width)
    _streams(figure.axes[0], plane, u, v)
    return figure


def _streams(plot: Axes, plane: Raster, u: Array, v: Array) -> None:
    hidden = ~(plane.inside & np.isfinite(u) & np.isfinite(v))
    if not (np.hypot(u, v)[~hidden] > 0.0).any():
        return
    shown = (np.where(hidden, np.nan, part) for part in (u, v))
    across, up = (np.ma.masked_invalid(plane.grid(part)) for part in shown)
    limits = plot.get_xlim(), plot.get_ylim()
    shade: list[AbstractPathEffect] = [withStroke(linewidth=1.8, foreground=(0.0, 0.0, 0.0, 0.35))]
    wide, high = np.maximum(DENSITY * np.array(plot.bbox.size) / plot.figure.dpi, 0.3)
    streams = plot.streamplot(
        *plane.lines,
        across,
        up,
        density=(float(wide), float(high)),
        color="white",
        linewidth=0.9,
        minlength=0.2,
    )
    # White alone is hardly seen where the speed is largest.
    streams.lines.set_path_effects(shade)
    streams.arrows.set_path_effects(shade)
    plot.set_xlim(*limits[0])
    plot.set_ylim(*limits[1])
