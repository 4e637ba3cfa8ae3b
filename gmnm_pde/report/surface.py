"""Boundaries of domains in space as triangles, and pictures of fields on them."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LightSource
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from gmnm_pde.geometry import Domain, Faceted
from gmnm_pde.geometry.mesh_file import KINDS
from gmnm_pde.geometry.nearest import divided
from gmnm_pde.report.mesh import Array, mesh_of
from gmnm_pde.report.sample import SolutionLike, sample
from gmnm_pde.report.style import (
    Head,
    Scale,
    field_scale,
    logarithmic_scale,
    size_of,
    tick_format,
    titled_figure,
)
from gmnm_pde.report.words import measured_line, rest_names

FACES = 6_000
"""About how many triangles are drawn."""

VIEW = (28.0, -56.0)
"""Elevation and azimuth of the eye, in degrees."""

PANEL, TALL = 4.6, 3.7
"""Width and height of a panel in inches."""


def boundary_triangles(domain: Domain, count: int = FACES) -> Array:
    """The boundary of a domain in space as about ``count`` triangles, (m, 3, 3).

    Facets that the domain has itself, large ones divided; otherwise the outer sides of the cells
    that fill it in pictures.
    """
    if isinstance(domain, Faceted):
        return divided(domain.shell.corners, count)[0]
    mesh = mesh_of(domain, count)
    sides = np.concatenate([mesh.cells[:, list(face)] for face in KINDS[mesh.kind].faces])
    _, first, often = np.unique(np.sort(sides, 1), axis=0, return_index=True, return_counts=True)
    outer = sides[first[often == 1]]
    halves = [outer[:, [0, i, i + 1]] for i in range(1, outer.shape[1] - 1)]
    return mesh.points[np.concatenate(halves)]


def surface_figure(solution: SolutionLike) -> Figure:
    """The solution on the boundary and the size of its error there; a row an unknown."""
    problem = solution.problem
    triangles = boundary_triangles(problem.domain)
    points = _pulled_in(problem.domain, triangles.mean(1))
    found = sample(solution, points)
    rests = rest_names(problem, found)
    many = len(problem.unknowns)
    head = Head(problem.name, measured_line(solution))
    figure = titled_figure((2 * PANEL, many * TALL), head)
    for j, name in enumerate(problem.unknowns):
        values, rest = found.values[:, j], size_of(found.rest_of(j))
        shown = (
            (f"solution ${name}$ on the boundary", values, field_scale(values)),
            (f"| {rests[min(j, len(rests) - 1)]} |", rest, logarithmic_scale(rest)),
        )
        for i, (title, field, scale) in enumerate(shown):
            plot = space_axes(figure, (many, 2, 2 * j + i + 1), problem.domain, problem.space)
            paint(plot, triangles, colours_of(field, scale))
            plot.set_title(title)
            bar = figure.colorbar(
                ScalarMappable(scale.norm, scale.colours), ax=plot, shrink=0.7, pad=0.1
            )
            if not scale.logarithmic:
                bar.formatter = tick_format()
                bar.update_ticks()
    return figure


def _pulled_in(domain: Domain, points: Array) -> Array:
    """Points beside the boundary moved onto the inside of it where a cell cuts a corner."""
    distance = domain.signed_distance(torch.from_numpy(points)).numpy()
    if not (distance > 0).any():
        return points
    middle = 0.5 * (np.array(domain.lower) + np.array(domain.upper))
    return np.where((distance > 0)[:, None], points + 1e-9 * (middle - points), points)


def colours_of(values: Array, scale: Scale) -> Array:
    """Colours of values, (n, 4)."""
    return np.asarray(ScalarMappable(scale.norm, scale.colours).to_rgba(values))


def space_axes(
    figure: Figure, place: tuple[int, int, int], domain: Domain, names: tuple[str, ...]
) -> Axes3D:
    """Axes in space with the same scale along all coordinates."""
    plot = figure.add_subplot(*place, projection="3d")
    plot.view_init(*VIEW)
    ends = list(zip(domain.lower, domain.upper, strict=True))
    plot.set(xlim=ends[0], ylim=ends[1], zlim=ends[2])
    plot.set(xlabel=names[0], ylabel=names[1], zlabel=names[2])
    plot.set_box_aspect([high - low for low, high in ends], zoom=1.05)
    for axis in (plot.xaxis, plot.yaxis, plot.zaxis):
        axis.set_pane_color((1.0, 1.0, 1.0, 0.0))
        axis.set_major_locator(_few())
    plot.grid(False)
    return plot


def _few() -> object:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)


def paint(plot: Axes3D, triangles: Array, colours: Array, alpha: float = 1.0) -> None:
    """Draw triangles (m, 3, 3) in colours (m, 4), lit from above."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    light = LightSource(azdeg=225, altdeg=50).direction
    shade = 0.72 + 0.28 * np.abs(normals @ light)
    lit = np.clip(np.column_stack([colours[:, :3] * shade[:, None], colours[:, 3] * alpha]), 0, 1)
    # Edges in the colour of their triangle close the gaps; where one sees through they show.
    edges, width = (lit, 0.2) if alpha == 1.0 else ("none", 0.0)
    plot.add_collection3d(
        Poly3DCollection(list(triangles), facecolors=lit, edgecolors=edges, linewidths=width)
    )
