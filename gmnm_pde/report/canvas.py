"""What fields are drawn on: a raster of a rectangle, or a triangle mesh of a plane domain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, TriMesh
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from matplotlib.path import Path
from matplotlib.tri import Triangulation
from numpy.typing import NDArray

from gmnm_pde.report.mesh import Array, Mesh, outline
from gmnm_pde.report.style import EDGE, FENCE, Scale

Painted = AxesImage | TriMesh
"""What a field becomes."""

Extent = tuple[float, float, float, float]
"""left, right, bottom, top."""

BLANK = Scale("Greys", Normalize(0.0, 5.0))
"""Of a domain without a field: a light grey, on which dots of any colour are seen."""

SQUARE = 0.85
"""Height over width of a panel whose axes have different units."""

MARGIN = 0.02
"""Around a domain that is no rectangle, as a part of its size: its outline needs room."""


@dataclass(frozen=True)
class Fence:
    """A subdomain in a plane. Values may jump at its boundary, so it is painted by itself.

    Arguments:
        lines: of a lattice over the plane.
        distances: to its boundary (rows, columns), NaN outside the domain.
        region: at most zero in it and in the domain (rows, columns).
        own: (n,) for each point of the canvas the nearest one in the subdomain.
    """

    lines: tuple[Array, Array]
    distances: Array
    region: Array
    own: NDArray[np.int64]

    def draw(self, plot: Axes) -> None:
        """Draw its boundary thinly."""
        plot.contour(*self.lines, self.distances, levels=[0.0], colors=FENCE, linewidths=0.6)


def region_path(plot: Axes, lines: tuple[Array, Array], values: Array) -> Path:
    """Where values (rows, columns) on a lattice are at most zero, with holes."""
    filled = plot.contourf(*lines, values, levels=[min(values.min(), 0.0) - 1.0, 0.0])
    path = filled.get_paths()[0]
    filled.remove()
    return path


class Canvas(ABC):
    """A plane set of points that values are drawn at."""

    points: Array
    """(n, d), what to evaluate."""
    axes: tuple[int, int]
    """Which coordinates run to the right and up."""
    note: str
    """Where the plane lies, for a slice."""
    fences: tuple[Fence, ...]
    """The subdomains, those that lie in others after them."""
    rest: NDArray[np.int64] | None
    """(n,) for each point the nearest one in no subdomain; None if there is none."""

    @property
    @abstractmethod
    def inside(self) -> NDArray[np.bool_]:
        """(n,), which points belong to the domain; the others are not shown."""

    @property
    @abstractmethod
    def extent(self) -> Extent:
        """left, right, bottom, top."""

    @property
    @abstractmethod
    def shape(self) -> float:
        """Height over width as drawn."""

    @abstractmethod
    def paint(self, plot: Axes, values: Array, scale: Scale) -> Painted:
        """Draw values (n,) at the points."""

    @abstractmethod
    def frame(self, plot: Axes) -> None:
        """Draw the outline, and set the limits and the aspect."""

    def layers(self, values: Array) -> list[Array]:
        """Values (n,) as painted: those in no subdomain, and those in each, continued beyond."""
        base = values if self.rest is None else values[self.rest]
        return [base, *(values[fence.own] for fence in self.fences)]

    def draw(self, plot: Axes, values: Array | None, scale: Scale) -> ScalarMappable:
        """Draw values (n,), or only the shape of the domain without any."""
        if values is None:
            self.paint(plot, np.ones(len(self.points)), BLANK)
            mapped = ScalarMappable(scale.norm, scale.colours)
        else:
            base, *layers = self.layers(values)
            mapped = self.paint(plot, base, scale)
            for fence, layer in zip(self.fences, layers, strict=True):
                path = region_path(plot, fence.lines, fence.region)
                self.paint(plot, layer, scale).set_clip_path(path, plot.transData)
        for fence in self.fences:
            fence.draw(plot)
        self.frame(plot)
        return mapped


@dataclass(frozen=True)
class Raster(Canvas):
    """A lattice over a rectangle, cut out along the boundary of a domain that does not fill it.

    Arguments:
        lines: coordinates of its columns and of its rows.
        distances: (n,) signed, to the boundary; None where the domain fills the rectangle.
        equal: whether both coordinates have the same scale; not for time against space.
    """

    points: Array
    lines: tuple[Array, Array]
    axes: tuple[int, int] = (0, 1)
    note: str = ""
    fences: tuple[Fence, ...] = ()
    rest: NDArray[np.int64] | None = None
    distances: Array | None = None
    equal: bool = True

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(n,), which points belong to the domain."""
        everywhere = np.ones(len(self.points), bool)
        return everywhere if self.distances is None else self.distances <= 0.0

    @property
    def extent(self) -> Extent:
        """left, right, bottom, top."""
        x, y = self.lines
        return float(x[0]), float(x[-1]), float(y[0]), float(y[-1])

    @property
    def shape(self) -> float:
        """Height over width as drawn."""
        return _shape(self.extent) if self.equal else SQUARE

    def paint(self, plot: Axes, values: Array, scale: Scale) -> Painted:
        """Draw values (n,) at the points."""
        left, right, bottom, top = self.extent
        x, y = self.lines
        # A pixel is centred on its point, so the outermost reach half a pixel beyond the domain.
        dx, dy = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
        image = plot.imshow(
            self.grid(values),
            origin="lower",
            extent=(left - dx, right + dx, bottom - dy, top + dy),
            cmap=scale.colours,
            norm=scale.norm,
            interpolation="bilinear",
        )
        if self.distances is not None:
            path = region_path(plot, self.lines, self.grid(self.distances))
            image.set_clip_path(path, plot.transData)
        return image

    def frame(self, plot: Axes) -> None:
        """Draw the outline, and set the limits and the aspect."""
        if self.distances is not None:
            grid = self.grid(self.distances)
            plot.contour(*self.lines, grid, levels=[0.0], colors=EDGE, linewidths=0.8)
        left, right, bottom, top = self.extent
        plot.set_xlim(left, right)
        plot.set_ylim(bottom, top)
        plot.set_aspect("equal" if self.equal else "auto")

    def grid(self, values: Array) -> Array:
        """Values (n,) as (rows, columns)."""
        columns, rows = self.lines
        return values.reshape(len(columns), len(rows)).T


@dataclass(frozen=True)
class Triangles(Canvas):
    """A triangle mesh of a plane domain, with its boundary."""

    mesh: Mesh
    axes: tuple[int, int] = (0, 1)
    note: str = ""
    fences: tuple[Fence, ...] = ()
    rest: NDArray[np.int64] | None = None
    points: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", self.mesh.points)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(n,), which points belong to the domain: all of them."""
        return np.ones(len(self.points), bool)

    @property
    def extent(self) -> Extent:
        """left, right, bottom, top, with a margin."""
        (left, bottom), (right, top) = self.points.min(0), self.points.max(0)
        margin = MARGIN * max(right - left, top - bottom)
        low, high = (left - margin, bottom - margin), (right + margin, top + margin)
        return float(low[0]), float(high[0]), float(low[1]), float(high[1])

    @property
    def shape(self) -> float:
        """Height over width as drawn."""
        return _shape(self.extent)

    @cached_property
    def boundary(self) -> Array:
        """Segments (m, 2, 2)."""
        return outline(self.mesh)

    def paint(self, plot: Axes, values: Array, scale: Scale) -> Painted:
        """Draw values (n,) at the points."""
        triangles = Triangulation(self.points[:, 0], self.points[:, 1], self.mesh.cells)
        return plot.tripcolor(
            triangles, values, shading="gouraud", cmap=scale.colours, norm=scale.norm
        )

    def frame(self, plot: Axes) -> None:
        """Draw the outline, and set the limits and the aspect."""
        plot.add_collection(LineCollection(list(self.boundary), colors=EDGE, linewidths=0.8))
        left, right, bottom, top = self.extent
        plot.set_xlim(left, right)
        plot.set_ylim(bottom, top)
        plot.set_aspect("equal")
        for spine in plot.spines.values():
            spine.set_visible(False)


def _shape(extent: Extent) -> float:
    left, right, bottom, top = extent
    return (top - bottom) / (right - left)
