"""The texts of a figure, and which of them cover each other."""

from __future__ import annotations

from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from mpl_toolkits.mplot3d import Axes3D


def texts(figure: Figure) -> list[Text]:
    """The texts that are drawn; ticks beyond the ends of an axis are not."""
    plots = figure.findobj(Axes)
    axes = [axis for plot in plots for axis in (plot.xaxis, plot.yaxis)]
    spatial = [plot for plot in plots if isinstance(plot, Axes3D)]
    axes += [plot.zaxis for plot in spatial]
    ticks = {id(label) for axis in axes for label in axis.findobj(Text)}
    found = [text for text in figure.findobj(Text) if id(text) not in ticks]
    # Axes in space give their ticks places in the picture only while they are drawn.
    for axis in (axis for axis in axes if axis.axes not in spatial):
        found += [axis.label, axis.offsetText]
        low, high = sorted(axis.get_view_interval())
        labels = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)
        found += [label for place, label in labels if low <= place <= high]
    return [text for text in found if text.get_text().strip() and text.get_visible()]


def words(figure: Figure) -> str:
    """All of them."""
    return " ".join(text.get_text() for text in texts(figure))


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that cover each other in the picture, or one that leaves it, twice."""
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    width, height = figure.bbox.size
    outside = [
        (text, text)
        for text, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    return outside + [
        (first, second)
        for (first, a), (second, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


def images(figure: Figure) -> list[Axes]:
    """The axes that hold a raster."""
    return [plot for plot in figure.axes if plot.images]
