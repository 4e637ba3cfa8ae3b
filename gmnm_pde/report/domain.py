"""A picture of a problem's domain: named boundaries, outward normals and points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gmnm_pde.geometry import Domain
from gmnm_pde.problem import Condition, Problem
from gmnm_pde.report.mesh import Array, lattice, lattice_points
from gmnm_pde.report.plots import save
from gmnm_pde.report.style import COLOURS, EDGE, MUTED, STYLE, Head, titled_figure
from gmnm_pde.report.surface import boundary_triangles, paint, space_axes

INSIDE, LINE, ARROWS = 400, 4000, 60
"""Points inside, points that the boundary is drawn with, and normals."""

INSIDE_IN_SPACE, ARROWS_IN_SPACE = 300, 80

ARROW = 0.05
"""Length of a normal, in diagonals of the bounding box."""


def write_domain(problem: Problem, directory: str | Path) -> Path:
    """Draw a problem's domain into ``domain.png`` in a directory."""
    path = Path(directory) / "domain.png"
    with matplotlib.rc_context(STYLE):
        save(domain_figure(problem), path)
    return path


def domain_figure(problem: Problem) -> Figure:
    """The domain with a colour for each named part of its boundary, outward normals as arrows,
    points inside and corners. Of more than three dimensions the first three are shown."""
    domain = problem.domain
    if domain.dimension == 1:
        return _line(problem)
    return _plane(problem) if domain.dimension == 2 else _space(problem)


def part_numbers(domain: Domain, points: Array) -> np.ndarray:
    """The part of the boundary that each point belongs to, as a number in :attr:`Domain.sides`:
    one that a file names before a flat side, and 0 for the rest."""
    at, result = torch.from_numpy(points), np.zeros(len(points), int)
    plain = [name for name in domain.sides[1:] if name not in domain.named]
    for name in (*plain, *domain.named):
        result[domain.on_side(at, name).numpy()] = domain.sides.index(name)
    return result


def _head(problem: Problem) -> Head:
    domain = problem.domain
    size = {1: "length", 2: "area"}.get(domain.dimension, "volume")
    around = {1: "ends", 2: "length"}.get(domain.dimension, "area")
    words = f"{size} {domain.measure:.6g}, boundary {around} {domain.boundary_measure:.6g}"
    return Head(problem.name, words)


def _plane(problem: Problem) -> Figure:
    domain = problem.domain
    width, height = np.subtract(domain.upper, domain.lower)
    shape = float(np.clip(height / width, 0.3, 1.3))
    figure = titled_figure((7.4, 5.6 * shape + 0.5), _head(problem))
    plot = figure.add_subplot()
    x, y = lattice(domain, 90_000)
    inside = domain.signed_distance(torch.from_numpy(lattice_points([x, y]))).numpy()
    grid = inside.reshape(len(x), len(y)).T
    plot.contourf(x, y, grid, levels=[min(grid.min(), 0.0) - 1.0, 0.0], colors=["#eef2f6"])
    dots = domain.sample_interior(INSIDE).numpy()
    plot.plot(*dots.T, ".", color=MUTED, markersize=2.0)
    line = domain.sample_boundary(LINE, sampler="grid").points.numpy()
    numbers = part_numbers(domain, line)
    plot.scatter(line[:, 0], line[:, 1], c=[_colour(n) for n in numbers], s=3.0, linewidths=0)
    few = domain.sample_boundary(ARROWS, sampler="sobol")
    points, normals = few.points.numpy(), few.normals.numpy()
    length = _arrow(domain)
    plot.quiver(
        *points.T, *(length * normals).T, angles="xy", scale_units="xy", scale=1.0, width=0.0022,
        headwidth=4.0, color=[_colour(n) for n in part_numbers(domain, points)],
    )  # fmt: skip
    corners = domain.corners().points.numpy()
    plot.plot(*corners.T, "s", color=EDGE, markersize=3.5, markerfacecolor="white")
    places = _point_conditions(problem)
    plot.plot(*places.T, "*", color=EDGE, markersize=9)
    plot.set_aspect("equal")
    margin = 1.6 * ARROW * float(np.hypot(width, height))
    low, high = np.array(domain.lower) - margin, np.array(domain.upper) + margin
    plot.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    plot.set_xlabel(problem.space[0])
    plot.set_ylabel(problem.space[1], rotation=0, labelpad=8)
    _legend(figure, plot, domain, numbers, len(corners), len(places))
    return figure


def _space(problem: Problem) -> Figure:
    domain = problem.domain
    figure = titled_figure((7.4, 5.6), _head(problem))
    if domain.dimension > 3:
        return _projected(problem, figure)
    plot = space_axes(figure, (1, 1, 1), domain, problem.space)
    triangles = boundary_triangles(domain)
    numbers = part_numbers(domain, triangles.mean(1))
    colours = np.array([to_rgba(_colour(n)) for n in numbers])
    paint(plot, triangles, colours, alpha=0.35)
    dots = domain.sample_interior(INSIDE_IN_SPACE).numpy()
    plot.plot(*dots.T, ".", color=MUTED, markersize=1.5)
    few = domain.sample_boundary(ARROWS_IN_SPACE)
    points, normals = few.points.numpy(), few.normals.numpy()
    length = 1.4 * _arrow(domain)
    for number in np.unique(near := part_numbers(domain, points)):
        mine = near == number
        plot.quiver(
            *points[mine].T, *normals[mine].T, length=length, color=_colour(int(number)),
            linewidth=0.9,
        )  # fmt: skip
    places = _point_conditions(problem)
    plot.plot(*places.T, "*", color=EDGE, markersize=9)
    _legend(figure, plot, domain, numbers, 0, len(places))
    return figure


def _projected(problem: Problem, figure: Figure) -> Figure:
    """Points of a domain in many dimensions, along the first two coordinates."""
    domain = problem.domain
    plot = figure.add_subplot()
    inside = domain.sample_interior(INSIDE).numpy()
    edge = domain.sample_boundary(INSIDE).points.numpy()
    plot.plot(*inside[:, :2].T, ".", color=MUTED, markersize=3, label="points inside")
    plot.plot(*edge[:, :2].T, ".", color=COLOURS[0], markersize=3, label="on the boundary")
    plot.set(xlabel=problem.space[0], ylabel=problem.space[1])
    figure.legend(loc="outside right upper")
    return figure


def _line(problem: Problem) -> Figure:
    domain = problem.domain
    figure = titled_figure((7.4, 1.4), _head(problem))
    plot = figure.add_subplot()
    inside = np.sort(domain.sample_interior(60, "grid").numpy()[:, 0])
    plot.plot(inside, np.zeros_like(inside), ".", color=MUTED, markersize=3)
    ends = domain.sample_boundary(2)
    points, normals = ends.points.numpy(), ends.normals.numpy()
    numbers = part_numbers(domain, points)
    colours = [_colour(n) for n in numbers]
    length = ARROW * (domain.upper[0] - domain.lower[0])
    plot.quiver(
        points[:, 0], np.zeros(len(points)), length * normals[:, 0], np.zeros(len(points)),
        color=colours, angles="xy", scale_units="xy", scale=1.0, width=0.004,
    )  # fmt: skip
    plot.set(xlim=(domain.lower[0] - 2 * length, domain.upper[0] + 2 * length), ylim=(-1, 1))
    plot.set_yticks([])
    plot.set_xlabel(problem.space[0])
    _legend(figure, plot, domain, numbers, 0, 0)
    return figure


def _arrow(domain: Domain) -> float:
    """Length of a normal: in a narrow hole they must not reach the other side."""
    holes = [min(np.subtract(high, low)) for low, high in domain.hole_boxes]
    whole = ARROW * float(np.linalg.norm(np.subtract(domain.upper, domain.lower)))
    return min([whole, *(0.4 * float(hole) for hole in holes)])


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _point_conditions(problem: Problem) -> Array:
    """Places of conditions at points, (m, d)."""
    places = [
        item.at[: len(problem.space)]
        for item in problem.conditions
        if isinstance(item, Condition) and not isinstance(item.at[0], str)
    ]
    return np.array(places, dtype=float).reshape(-1, len(problem.space))


def _legend(
    figure: Figure, plot: Axes, domain: Domain, numbers: Sequence[int] | np.ndarray, corners: int,
    places: int,
) -> None:  # fmt: skip
    """Names of the parts that are seen, and what the marks are."""
    keys = [
        Line2D([], [], color=_colour(n), linewidth=2.5, label=domain.sides[n])
        for n in sorted({int(n) for n in numbers})
    ]
    marks = [("points inside", ".", MUTED, 1), ("corners", "s", EDGE, corners)]
    for label, mark, colour, count in [*marks, ("conditions at points", "*", EDGE, places)]:
        if count:
            face = "white" if mark == "s" else colour
            keys.append(
                Line2D([], [], linestyle="", marker=mark, color=colour, markerfacecolor=face,
                       markersize=5, label=label)
            )  # fmt: skip
    figure.legend(handles=keys, loc="outside right upper")
