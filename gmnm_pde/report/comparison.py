"""Pictures of a comparison: error against time, and error against parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gmnm_pde.report.plots import save
from gmnm_pde.report.style import COLOURS, SMALLEST, STYLE, Head, titled_figure
from gmnm_pde.studies.rows import Point, Row
from gmnm_pde.studies.summary import spread

Array = NDArray[np.float64]

GRID = 400
"""Times at which the seeds of a solver are compared."""

OWN = {
    "gmnm": COLOURS[0],
    "gmnm-small": COLOURS[5],
    "pinn": COLOURS[1],
    "pinn-gauss-newton": COLOURS[2],
    "kan": COLOURS[3],
    "kan-gauss-newton": COLOURS[6],
    "pig": COLOURS[4],
}
"""Solvers that have the same colour in every picture."""

CLASSICAL = ("#4d4d4d", "#8c8c8c", "#b0b0b0")
MARKERS = ("s", "D", "^")
DASHES = ("--", ":", "-.")


@dataclass(frozen=True)
class Look:
    """How a solver is drawn, in all pictures alike."""

    colour: str
    marker: str = "o"
    dash: str = "-"


def looks(networks: Sequence[str], classical: Sequence[str]) -> dict[str, Look]:
    """Colours for networks; greys, markers and dashes for solvers that are none."""
    found = {name: Look(OWN[name]) for name in networks if name in OWN}
    taken = {look.colour for look in found.values()}
    free = [colour for colour in reversed(COLOURS) if colour not in taken] or list(COLOURS)
    others = [name for name in networks if name not in OWN]
    found |= {name: Look(free[i % len(free)]) for i, name in enumerate(others)}
    for i, name in enumerate(classical):
        found[name] = Look(CLASSICAL[i % 3], MARKERS[i % 3], DASHES[i % 3])
    return found


def write_comparison(
    folder: Path, title: str, words: str, rows: Sequence[Row], points: Sequence[Point]
) -> list[Path]:
    """error-against-time.png and pareto.png; none if nothing was measured."""
    measured = [row for row in rows if row.worst is not None]
    if not measured:
        return []
    with matplotlib.rc_context(STYLE):
        figures = {
            "error-against-time": time_figure(title, words, measured, points),
            "pareto": size_figure(title, words, measured, points),
        }
        paths = [folder / f"{name}.png" for name in figures]
        for path, figure in zip(paths, figures.values(), strict=True):
            save(figure, path)
    return paths


def time_figure(title: str, words: str, rows: Sequence[Row], points: Sequence[Point]) -> Figure:
    """Error against seconds of the solve, both logarithmic."""
    head = Head(title, f"measured error against the time of the solve\n{words}".rstrip())
    figure = titled_figure((8.2, 4.6), head)
    plot = figure.subplots()
    draw_times(plot, rows, points)
    plot.set_xlabel("time of the solve (s)")
    plot.set_ylabel("relative L2 error")
    plot.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def draw_times(plot: Axes, rows: Sequence[Row], points: Sequence[Point]) -> None:
    """Error against seconds into axes: networks as bands over their seeds, classical solvers as
    lines over their resolutions."""
    networks, classical = _names(rows)
    style = looks(networks, classical)
    for name in networks:
        _band(plot, [p for p in points if p.solver == name], style[name], name)
    for name in classical:
        own = sorted((row for row in rows if row.solver == name), key=lambda row: row.points or 0)
        _line(plot, own, [row.seconds or 0.0 for row in own], style[name], name)
    _logarithmic(plot)


def size_figure(title: str, words: str, rows: Sequence[Row], points: Sequence[Point]) -> Figure:
    """Error against parameters, both logarithmic; thin lines are networks that grew."""
    head = Head(title, f"measured error against the numbers that are solved for\n{words}".rstrip())
    figure = titled_figure((8.2, 4.6), head)
    plot = figure.subplots()
    networks, classical = _names(rows)
    style = looks(networks, classical)
    for name in networks:
        _growth(plot, [p for p in points if p.solver == name], style[name])
        _dots(plot, [row for row in rows if row.solver == name], style[name], name)
    for name in classical:
        own = sorted((row for row in rows if row.solver == name), key=lambda row: row.points or 0)
        _line(plot, own, [float(row.parameters or 1) for row in own], style[name], name)
    plot.set_xlabel("parameters, or unknown values of a classical solver")
    plot.set_ylabel("relative L2 error")
    _logarithmic(plot)
    plot.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _names(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Networks and classical solvers, in the order of their rows."""
    networks = list(dict.fromkeys(row.solver for row in rows if row.seed is not None))
    classical = list(dict.fromkeys(row.solver for row in rows if row.seed is None))
    return networks, classical


def _band(plot: Axes, points: Sequence[Point], look: Look, name: str) -> None:
    """The median of the seeds as a line, their range as a band, ends as dots."""
    runs: dict[int | None, list[Point]] = {}
    for point in points:
        if point.worst is not None:
            runs.setdefault(point.seed, []).append(point)
    if not runs:
        return
    curves = [
        (np.array([p.seconds for p in run]), np.array([_size(p.worst) for p in run]))
        for run in runs.values()
    ]
    if len(curves) == 1:
        ((seconds, errors),) = curves
        plot.loglog(seconds, errors, "o-", color=look.colour, ms=4.5, mec="white", mew=0.7,
                    label=name)  # fmt: skip
        return
    times, heights = together(curves)
    # Of an even number of seeds the median is the geometric mean of two: the axis is logarithmic.
    middle = np.exp(np.median(np.log(heights), 0))
    low, high = heights.min(0), heights.max(0)
    plot.fill_between(times, low, high, color=look.colour, alpha=0.18, lw=0)
    plot.loglog(times, middle, color=look.colour, label=f"{name} ({len(curves)} seeds)")
    for seconds, errors in curves:
        plot.plot(seconds[-1], errors[-1], "o", color=look.colour, ms=4.5, mec="white", mew=0.7)


def together(curves: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Curves (seconds, errors) at common times, (k,) and (curves, k).

    A run that was stopped at a time would have left the last network before it, so curves are
    steps; after the end of a run its error stays. They begin where the slowest has a first error.
    """
    first = max(seconds[0] for seconds, _ in curves)
    last = max(seconds[-1] for seconds, _ in curves)
    times = np.geomspace(first, max(last, first * 1.0001), GRID)
    rows = [
        errors[np.clip(np.searchsorted(seconds, times * (1 + 1e-9), side="right") - 1, 0, None)]
        for seconds, errors in curves
    ]
    return times, np.stack(rows)


def _line(plot: Axes, rows: Sequence[Row], places: Sequence[float], look: Look, name: str) -> None:
    heights = [_size(row.worst) for row in rows]
    plot.loglog(
        places, heights, look.dash, marker=look.marker, color=look.colour, ms=4, lw=1.2,
        mec="white", mew=0.5, label=name, zorder=1.5,
    )  # fmt: skip


def _dots(plot: Axes, rows: Sequence[Row], look: Look, name: str) -> None:
    """Each run faintly, the median with its range."""
    sizes = [float(row.parameters or 1) for row in rows]
    heights = [_size(row.worst) for row in rows]
    middle, across = spread(heights), spread(sizes)
    if middle is None or across is None:
        return
    plot.loglog(sizes, heights, "o", color=look.colour, ms=4, alpha=0.35, mec="none")
    plot.vlines(across.median, middle.low, middle.high, color=look.colour, lw=1.5)
    plot.plot(across.median, middle.median, "o", color=look.colour, ms=7.5, mec="white", mew=0.9,
              label=name)  # fmt: skip


def _growth(plot: Axes, points: Sequence[Point], look: Look) -> None:
    """How the first run came to its size."""
    if not points:
        return
    run = [p for p in points if p.seed == points[0].seed and p.worst is not None]
    if len({p.parameters for p in run}) > 1:
        sizes = [p.parameters for p in run]
        plot.loglog(sizes, [_size(p.worst) for p in run], color=look.colour, lw=1.0, alpha=0.5)


def _size(value: float | None) -> float:
    return SMALLEST if value is None else max(value, SMALLEST)


def _logarithmic(plot: Axes) -> None:
    plot.set_xscale("log")
    plot.set_yscale("log")
    plot.grid(True, which="major")
    plot.spines[["top", "right"]].set_visible(False)
