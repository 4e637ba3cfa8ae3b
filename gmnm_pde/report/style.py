"""How the pictures look: type, colours, scales and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import ScalarFormatter
from numpy.typing import NDArray

Array = NDArray[np.float64]

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 10.0,
    "axes.titlepad": 7.0,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#333333",
    "axes.axisbelow": True,
    "text.color": "#222222",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.dpi": 160,
}

INK = "#1f4e79"
ACCENT = "#d1495b"
MUTED = "#8a8f98"
EDGE = "#444444"
FENCE = "#8c8c8c"
"""Boundaries of subdomains: seen on any colour."""

COLOURS = (INK, ACCENT, "#3b8b5a", "#b8860b", "#6a4c93", "#2a9d8f", "#e07a1f", "#7a7a7a")

SMALLEST = 1e-18
"""Errors below are drawn as this: a logarithm has no zero."""

_LETTER = 0.068
"""Mean width in inches of a letter of the words under a title."""


@dataclass(frozen=True)
class Scale:
    """Colours of a field: a colour map and what its ends stand for."""

    colours: str
    norm: Normalize

    @property
    def logarithmic(self) -> bool:
        """Whether the colours follow the logarithm."""
        return isinstance(self.norm, LogNorm)


@dataclass(frozen=True)
class Head:
    """What stands above a picture: a title, and a line or more below it."""

    title: str
    words: str = ""


def titled_figure(size: tuple[float, float], head: Head, arranged: bool = True) -> Figure:
    """An empty figure of a size in inches, with room added above it for its head.

    Arguments:
        arranged: whether matplotlib arranges the axes; otherwise they stay where they are put.
    """
    width, height = size
    lines = [part for line in head.words.splitlines() for part in _broken(line, width)]
    room = 0.48 + 0.2 * len(lines)
    total = height + room
    engine = ConstrainedLayoutEngine(
        w_pad=0.08, h_pad=0.06, wspace=0.05, hspace=0.05, rect=(0.0, 0.0, 1.0, height / total)
    )
    figure = Figure(figsize=(width, total), layout=engine if arranged else None)
    figure.text(0.5, 1 - 0.22 / total, head.title, ha="center", va="center", size=13, weight="bold")
    for i, line in enumerate(lines):
        y = 1 - (0.48 + 0.2 * i) / total
        figure.text(0.5, y, line, ha="center", va="center", size=9.5, color="#555555")
    return figure


def _broken(line: str, width: float) -> Iterator[str]:
    """A line in parts that fit a width in inches; mathematics stays whole."""
    part, length = "", 0.0
    for word in re.findall(r"(?:\$[^$]*\$|\S)+", line):
        # ``$3.1 \times 10^{-15}$`` is about nine letters wide.
        size = _LETTER * (len(re.sub(r"\$[^$]*\$", "123456789", word)) + 1)
        if part and length + size > width - 0.2:
            yield part
            part, length = "", 0.0
        part, length = f"{part} {word}".lstrip(), length + size
    yield part


def field_scale(*fields: Array) -> Scale:
    """One scale for several fields: diverging about zero where both signs matter."""
    low, high = _ends(fields)
    if low < 0.0 < high and min(-low, high) > 0.2 * max(-low, high):
        return signed_scale(*fields, colours="RdBu_r")
    if high - low < 1e-12 * max(abs(low), abs(high), 1e-300):
        low, high = low - 0.5, high + 0.5
    return Scale("viridis", Normalize(low, high))


def signed_scale(*fields: Array, colours: str = "PuOr_r") -> Scale:
    """A scale that is white at zero."""
    low, high = _ends(fields)
    size = max(-low, high) or SMALLEST
    return Scale(colours, Normalize(-size, size))


def logarithmic_scale(sizes: Array, decades: float = 4.0) -> Scale:
    """A scale for sizes of errors; it leaves out the deep dips where an error changes its sign."""
    known = sizes[np.isfinite(sizes)]
    # Where an error is exactly zero, as at the first time, it says nothing about the others.
    if (known > SMALLEST).any():
        known = known[known > SMALLEST]
    elif not len(known):
        known = np.ones(1)
    high = max(float(known.max()), SMALLEST)
    low = max(float(np.quantile(known, 0.01)), high * 10**-decades)
    # The low end is a power of ten, so that at least two of them are on the scale.
    return Scale("magma", LogNorm(10.0 ** floor(log10(min(low, high / 10))), high))


def size_of(field: Array) -> Array:
    """Sizes for a logarithmic scale, which has no zero."""
    return np.maximum(np.abs(field), SMALLEST)


def _ends(fields: Sequence[Array]) -> tuple[float, float]:
    """The least and the largest of all finite values; 0 and 0 if there are none."""
    known = [part for field in fields if len(part := field[np.isfinite(field)])]
    if not known:
        return 0.0, 0.0
    return min(float(part.min()) for part in known), max(float(part.max()) for part in known)


def time_colours(count: int) -> list[str]:
    """Colours of curves at successive times, from dark to light."""
    colours = matplotlib.colormaps["viridis"]
    return [to_hex(colours(place)) for place in np.linspace(0.0, 0.86, count)]


def scientific(value: float, digits: int = 1) -> str:
    """A number for a title, ``3.1 x 10^-15`` as mathematics."""
    if value == 0.0 or not np.isfinite(value):
        return f"{value:g}"
    exponent = floor(log10(abs(value)))
    mantissa = round(value / 10.0**exponent, digits)
    if abs(mantissa) >= 10.0:
        mantissa, exponent = mantissa / 10.0, exponent + 1
    if -2 <= exponent <= 3:
        return f"{value:.{digits + 1}g}"
    return rf"${mantissa:.{digits}f} \times 10^{{{exponent}}}$"


def tick_format() -> ScalarFormatter:
    """Plain ticks, with the power of ten taken out where the numbers are large or small."""
    formatter = ScalarFormatter(useMathText=True)
    formatter.set_powerlimits((-2, 3))
    return formatter
