"""Panels of a picture, fields and curves, and the grid that they stand in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from gmnm_pde.report.canvas import Canvas
from gmnm_pde.report.mesh import Array
from gmnm_pde.report.style import FENCE, Head, Scale, tick_format, titled_figure

PANEL = 3.5
"""Width of a panel in inches."""

LABELLED, BARE = 0.66, 0.14
"""Room left of a panel with ticks and a label, and without."""

BAR, KEY = 0.78, 1.15
"""Room right of a panel for a colour bar, and for a legend."""

ABOVE, BELOW = 0.36, 0.44
"""Room for the title, and for ticks and a label."""

FLAT, TALL = 0.45, 1.6
"""Panels that are flatter than this stand below one another; none is taller."""

MOST_COLUMNS = 3
"""Of panels that stand below one another."""

SHORTEST = 1.3
"""Height of curves in inches."""

FEW_DOTS = 600
"""So many dots may have a rim."""


class Panel(ABC):
    """One pair of axes under a title."""

    title: str

    @property
    @abstractmethod
    def shape(self) -> float | None:
        """Height over width, None to follow the others."""

    @property
    @abstractmethod
    def labels(self) -> tuple[str, str]:
        """Of the two axes."""

    @property
    @abstractmethod
    def beside(self) -> float:
        """Width in inches of what stands beside the axes."""

    @abstractmethod
    def draw(self, plot: Axes) -> None:
        """Draw everything but the title and the labels."""


@dataclass(frozen=True)
class FieldPanel(Panel):
    """A field on a canvas.

    Arguments:
        values: (n,) at the canvas' points; None draws its outline and the marks only.
        names: of the coordinates.
        marks: values at points of the plane, (m, 3), drawn as coloured dots.
        bar: whether it has a colour bar; fields beside one another may share theirs.
    """

    title: str
    canvas: Canvas
    values: Array | None
    scale: Scale
    names: tuple[str, ...]
    marks: Array | None = None
    bar: bool = True

    @property
    def shape(self) -> float | None:
        """Height over width."""
        return self.canvas.shape

    @property
    def labels(self) -> tuple[str, str]:
        """Of the two axes."""
        across, up = self.canvas.axes
        return self.names[across], self.names[up]

    @property
    def beside(self) -> float:
        """Width in inches of what stands beside the axes."""
        return BAR if self.bar else BARE

    def draw(self, plot: Axes) -> None:
        """Draw the field, the marks and the colour bar."""
        mapped = self.canvas.draw(plot, self.values, self.scale)
        plot.locator_params(axis="x", nbins=5)
        plot.locator_params(axis="y", nbins=_ticks(plot))
        if self.marks is not None and len(self.marks):
            self._dots(plot, self.marks)
        if self.bar:
            self._bar(plot, mapped)

    def _dots(self, plot: Axes, marks: Array) -> None:
        # Many dots have to be small ones, or the last drawn would hide the others.
        size = float(np.clip(25_000.0 / len(marks), 2.5, 14.0))
        few = len(marks) <= FEW_DOTS
        x, y, values = marks.T
        if few and self.values is not None:
            # Over a field a dot has nearly its colour: a dark rim in a white one is seen on any.
            plot.scatter(x, y, s=2.2 * size, c="white", linewidths=0.0, zorder=3, clip_on=False)
        plot.scatter(
            x, y, c=values, s=size, cmap=self.scale.colours, norm=self.scale.norm, zorder=3,
            edgecolors="#222222", linewidths=0.5 if few else 0.0, clip_on=False,
        )  # fmt: skip

    def _bar(self, plot: Axes, mapped: Any) -> None:
        # An inset follows the plot, whose height is known only when its aspect has been applied.
        inch = plot.figure.dpi / plot.bbox.width
        place = plot.inset_axes((1 + 0.12 * inch, 0.0, 0.16 * inch, 1.0))
        extend = "min" if self.scale.logarithmic else "neither"
        bar = plot.figure.colorbar(mapped, cax=place, extend=extend)
        bar.outline.set_visible(False)
        if self.scale.logarithmic:
            place.yaxis.set_minor_formatter(NullFormatter())
        else:
            place.yaxis.set_major_formatter(tick_format())


@dataclass(frozen=True)
class Curve:
    """A line through (x, y); ``style`` holds matplotlib's options of a line."""

    x: Array
    y: Array
    label: str | None = None
    style: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CurvePanel(Panel):
    """Curves over one coordinate.

    Arguments:
        fences: where thin vertical lines stand.
        key: where the legend stands, in the panel or ``"beside"`` it; None for none.
        limits: of the horizontal axis; those of the curves if not given.
    """

    title: str
    curves: Sequence[Curve]
    labels: tuple[str, str] = ("", "")
    logarithmic: bool = False
    fences: Sequence[float] = ()
    key: Literal["best", "beside"] | None = None
    limits: tuple[float, float] | None = None

    @property
    def shape(self) -> float | None:
        """Height over width: that of the others."""
        return None

    @property
    def beside(self) -> float:
        """Width in inches of what stands beside the axes."""
        return KEY if self.key == "beside" else BARE

    def draw(self, plot: Axes) -> None:
        """Draw the curves."""
        for curve in self.curves:
            x, y = broken(curve.x, curve.y, self.fences)
            plot.plot(x, y, label=curve.label, **curve.style)
        for place in self.fences:
            plot.axvline(place, color=FENCE, lw=0.5)
        ends = [end for curve in self.curves for end in curve.x[[0, -1]]]
        plot.set_xlim(*(self.limits or (min(ends), max(ends))))
        plot.grid(True)
        plot.spines[["top", "right"]].set_visible(False)
        plot.locator_params(axis="x", nbins=5)
        if self.logarithmic:
            self._decades(plot)
        else:
            plot.locator_params(axis="y", nbins=_ticks(plot))
            plot.yaxis.set_major_formatter(tick_format())
        if self.key == "beside":
            plot.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), handlelength=1.3)
        elif self.key is not None:
            plot.legend(loc="best")

    def _decades(self, plot: Axes) -> None:
        """A logarithmic axis with at least two powers of ten, and at most twelve."""
        plot.set_yscale("log")
        sizes = np.concatenate([curve.y for curve in self.curves])
        known = sizes[np.isfinite(sizes) & (sizes > 0.0)]
        if not len(known):
            return
        high = float(known.max())
        # At the first time there may be hardly any error, and none of the others would be seen.
        low = max(float(np.quantile(known, 0.05)), high * 1e-12)
        if high / low < 100.0:
            middle = np.sqrt(high * low)
            low, high = middle / 11.0, middle * 11.0
        plot.set_ylim(low / 1.6, high * 1.6)
        plot.yaxis.set_major_locator(LogLocator(numticks=7))
        plot.yaxis.set_minor_formatter(NullFormatter())


def panel_grid(rows: Sequence[Sequence[Panel]], head: Head, width: float = PANEL) -> Figure:
    """A figure of rows of panels; ``width`` is that of one, in inches.

    One row of flat panels becomes a column of wide ones, and many rows become smaller. Every
    panel has its place: to let matplotlib find the places takes as long as the drawing.
    """
    flattest = min(map(_shape, rows))
    even = len({len(row) for row in rows}) == 1
    if flattest < FLAT and even and len(rows) <= MOST_COLUMNS and len(rows[0]) > 1:
        rows, width = list(zip(*rows, strict=True)), (2.0 if len(rows) == 1 else 1.6) * width
    else:
        width *= (0.8 if len(rows) > 3 else 1.0) / max(1.0, max(map(_shape, rows)) ** 0.5)
    heights = [_height(row, width, flattest) for row in rows]
    left, right = _margins(rows)
    size = (sum(left) + sum(right) + width * len(left), sum(heights) + len(rows) * (ABOVE + BELOW))
    figure = titled_figure(size, head, arranged=False)
    across, total = size[0], figure.get_figheight()
    top = size[1]
    for row, height in zip(rows, heights, strict=True):
        x, bottom = 0.0, top - ABOVE - height
        for i, panel in enumerate(row):
            x += left[i]
            plot = figure.add_axes((x / across, bottom / total, width / across, height / total))
            _place(plot, panel, _follows(row, i))
            x += width + right[i]
        top = bottom - BELOW
    return figure


def _shape(row: Sequence[Panel], otherwise: float = 0.7) -> float:
    """Height over width of a row."""
    shapes = [panel.shape for panel in row if panel.shape is not None]
    return min(max(shapes, default=otherwise), TALL)


def _height(row: Sequence[Panel], width: float, otherwise: float) -> float:
    """Of a row, in inches."""
    height = width * _shape(row, otherwise)
    curves = any(isinstance(panel, CurvePanel) for panel in row)
    return max(height, SHORTEST) if curves else height


def _margins(rows: Sequence[Sequence[Panel]]) -> tuple[list[float], list[float]]:
    """Room left and right of each column."""
    columns = range(max(len(row) for row in rows))
    left = [
        max(BARE if _follows(row, i) else LABELLED for row in rows if i < len(row)) for i in columns
    ]
    return left, [max(row[i].beside for row in rows if i < len(row)) for i in columns]


def _follows(row: Sequence[Panel], i: int) -> bool:
    """Whether a panel has the vertical axis of the one before it."""
    if i == 0:
        return False
    before, panel = row[i - 1], row[i]
    return (
        isinstance(panel, FieldPanel)
        and isinstance(before, FieldPanel)
        and panel.canvas is before.canvas
    )


def _place(plot: Axes, panel: Panel, follows: bool) -> None:
    panel.draw(plot)
    plot.set_title(panel.title)
    across, up = panel.labels
    plot.set_xlabel(across, labelpad=1)
    if follows:
        plot.tick_params(labelleft=False)
    else:
        upright = panel.shape is not None
        plot.set_ylabel(up, rotation=0 if upright else 90, labelpad=8 if upright else 4)


def _ticks(plot: Axes) -> int:
    """How many steps between ticks an axis has room for, from bottom to top."""
    return int(np.clip(plot.bbox.height / plot.figure.dpi / 0.3, 2, 5))


def broken(x: Array, y: Array, fences: Sequence[float]) -> tuple[Array, Array]:
    """A curve with a gap at each fence: no line is drawn across a jump."""
    for fence in fences:
        at = int(np.searchsorted(x, fence))
        if 0 < at < len(x) and (np.diff(x[at - 1 : at + 1]) > 0.0).all():
            near = np.isclose(x, fence, rtol=0.0, atol=1e-9 * abs(x[-1] - x[0]))
            x, y = np.insert(x, at, fence), np.insert(np.where(near, np.nan, y), at, np.nan)
    return x, y
