"""Where fields are drawn: a raster of a box or of a slice, or a triangle mesh of a domain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.tri import Triangulation
from numpy.typing import NDArray

from gmnm_pde.geometry import Domain
from gmnm_pde.report.mesh import Array, Mesh, lattice, lattice_points, mesh_of, outline, slices
from gmnm_pde.report.style import Scale

RASTER_POINTS = 40_000
MESH_POINTS = 16_000
SLICE_POINTS = 10_000
EDGE = "#444444"


class Canvas(ABC):
    """A plane set of points that values are drawn at."""

    points: Array
    """(n, d), what to evaluate."""
    axes: tuple[int, int]
    """Which coordinates run to the right and up."""
    note: str
    """Where the plane lies, for a slice."""

    @property
    @abstractmethod
    def inside(self) -> NDArray[np.bool_]:
        """(n,), which points belong to the domain; the others are not shown."""

    @abstractmethod
    def draw(self, plot: Axes, values: Array, scale: Scale) -> ScalarMappable:
        """Draw values (n,) at the points."""

    @property
    @abstractmethod
    def extent(self) -> tuple[float, float, float, float]:
        """left, right, bottom, top."""


@dataclass(frozen=True)
class Raster(Canvas):
    """A lattice over a rectangle, cut out along the boundary of a domain that does not fill it.

    Arguments:
        lines: coordinates of its columns and of its rows.
        distances: (n,) signed, to the boundary; None where the domain fills the rectangle.
    """

    points: Array
    lines: tuple[Array, Array]
    axes: tuple[int, int] = (0, 1)
    note: str = ""
    distances: Array | None = None

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(n,), which points belong to the domain."""
        everywhere = np.ones(len(self.points), bool)
        return everywhere if self.distances is None else self.distances <= 0.0

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """left, right, bottom, top."""
        x, y = self.lines
        return float(x[0]), float(x[-1]), float(y[0]), float(y[-1])

    def draw(self, plot: Axes, values: Array, scale: Scale) -> ScalarMappable:
        """Draw values (n,) at the points."""
        x, y = self.lines
        left, right, bottom, top = self.extent
        # A pixel is centred on its point, so the outermost reach half a pixel beyond the domain.
        dx, dy = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
        image = plot.imshow(
            self._grid(values),
            origin="lower",
            extent=(left - dx, right + dx, bottom - dy, top + dy),
            cmap=scale.colours,
            norm=scale.norm,
            interpolation="bilinear",
        )
        if self.distances is not None:
            edge = plot.contour(
                x, y, self._grid(self.distances), levels=[0.0], colors=EDGE, linewidths=0.8
            )
            image.set_clip_path(edge.get_paths()[0], plot.transData)
        plot.set_xlim(left, right)
        plot.set_ylim(bottom, top)
        return image

    def _grid(self, values: Array) -> Array:
        columns, rows = self.lines
        return values.reshape(len(columns), len(rows)).T


@dataclass(frozen=True)
class Triangles(Canvas):
    """A triangle mesh of a plane domain, with its boundary."""

    mesh: Mesh
    axes: tuple[int, int] = (0, 1)
    note: str = ""

    @property
    def points(self) -> Array:  # type: ignore[override]
        """(n, 2), what to evaluate."""
        return self.mesh.points

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """left, right, bottom, top."""
        (left, bottom), (right, top) = self.points.min(0), self.points.max(0)
        return float(left), float(right), float(bottom), float(top)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(n,), which points belong to the domain: all of them."""
        return np.ones(len(self.points), bool)

    @cached_property
    def boundary(self) -> Array:
        """Segments (m, 2, 2)."""
        return outline(self.mesh)

    def draw(self, plot: Axes, values: Array, scale: Scale) -> ScalarMappable:
        """Draw values (n,) at the points."""
        x, y = self.points.T
        triangles = Triangulation(x, y, self.mesh.cells)
        colours = plot.tripcolor(
            triangles, values, shading="gouraud", cmap=scale.colours, norm=scale.norm
        )
        plot.add_collection(LineCollection(list(self.boundary), colors=EDGE, linewidths=0.8))
        left, right, bottom, top = self.extent
        margin = 0.02 * max(right - left, top - bottom)
        plot.set_xlim(left - margin, right + margin)
        plot.set_ylim(bottom - margin, top + margin)
        plot.set_aspect("equal")
        for spine in plot.spines.values():
            spine.set_visible(False)
        return colours


def canvases(domain: Domain, coordinates: tuple[str, ...]) -> list[Canvas]:
    """The domain itself in two dimensions; three slices through its middle in more."""
    if domain.dimension > 2:
        planes = [_slice(domain, coordinates, *plane) for plane in slices(domain, SLICE_POINTS)]
        return [plane for plane in planes if plane.inside.any()]
    if domain.fills_box:
        columns, rows = lattice(domain, RASTER_POINTS)
        return [Raster(lattice_points([columns, rows]), (columns, rows))]
    return [Triangles(mesh_of(domain, MESH_POINTS))]


def _slice(
    domain: Domain,
    coordinates: tuple[str, ...],
    axes: tuple[int, int],
    lines: list[Array],
    points: Array,
) -> Raster:
    fixed = [i for i in range(domain.dimension) if i not in axes]
    note = ", ".join(f"{coordinates[i]} = {points[0, i]:g}" for i in fixed)
    distances = None
    if not domain.fills_box:
        distances = domain.signed_distance(torch.from_numpy(points)).numpy()
    return Raster(points, (lines[0], lines[1]), axes, note, distances)
