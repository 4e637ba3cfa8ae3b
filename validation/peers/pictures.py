"""Error against time, all peers of a problem in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gmnm_pde.report.style import ACCENT, STYLE
from validation.peers.catalogue import ENTRIES, Entry
from validation.peers.problems import PROBLEMS
from validation.peers.results import Results
from validation.peers.rows import Row

NETWORK_COLOURS = {
    "deepxde": "#1f4e79",
    "deepxde-64": "#4f93ce",
    "pina": "#3b8b5a",
    "pykan": "#b8860b",
    "pykan-10": "#e0b040",
    "scimba": "#6a4c93",
    "scimba-ssb": "#b79ad6",
}
CLASSICAL_MARKERS = {"fem-2": "v", "fem-4": "^", "fem-6": "s", "fem-8": "D", "spectral": "x"}
GREY = "#8a8f98"
HOW = (
    "Down and left is better. Networks: the best error so far while they train. "
    "Markers joined by lines: each is a solve of its own."
)
FLOOR = 1e-16
"""Errors below are drawn as this: rounding."""


def draw(results: Results, folder: Path) -> list[Path]:
    """Write ``peers-PROBLEM.png`` for every problem that has a curve.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in PROBLEMS:
        rows = results.of(name)
        if any(row.curve for row in rows):
            path = folder / f"peers-{name}.png"
            with matplotlib.rc_context(STYLE):
                figure = picture(name, rows, str(results.about["machine"]["cpu"]))
                FigureCanvasAgg(figure).print_png(str(path))
            written.append(path)
    return written


def picture(name: str, rows: Sequence[Row], cpu: str) -> Figure:
    """Relative L2 error against seconds, both logarithmic: down and left is better."""
    figure = Figure(figsize=(8.6, 4.9), layout="constrained", dpi=160)
    axes = figure.add_subplot()
    for entry in ENTRIES:
        for row in rows:
            if row.peer == entry.name and row.curve:
                _curve(axes, entry, row)
    axes.set(xscale="log", yscale="log", xlabel="seconds of solving", ylabel="relative L2 error")
    axes.set_title(PROBLEMS[name].title, loc="left")
    axes.grid(True, which="major")
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        title=f"One thread, {cpu}",
        title_fontsize=8,
    )
    words = "\n".join(filter(None, (HOW, _without(rows))))
    figure.supxlabel(words, fontsize=7.5, color="#555555", x=0.01, ha="left")
    return figure


def _curve(axes: Any, entry: Entry, row: Row) -> None:
    """A network's curve is the best error so far; a direct solver has a point for each solve."""
    seconds = np.array([point.seconds for point in row.curve])
    errors = np.maximum([point.relative_l2 for point in row.curve], FLOOR)
    look: dict[str, Any] = {
        "network": {
            "color": NETWORK_COLOURS.get(entry.name, GREY),
            "linewidth": 1.6,
            "marker": "o",
            "markersize": 3,
            "markevery": [-1],
        },
        "ours": {"color": ACCENT, "linewidth": 2.4, "marker": "o", "markersize": 5, "zorder": 5},
        "classical": {
            "color": GREY,
            "linewidth": 0.8,
            "linestyle": "--",
            "marker": CLASSICAL_MARKERS.get(entry.name, "."),
            "markersize": 4,
        },
    }[entry.kind]
    axes.plot(seconds, np.minimum.accumulate(errors), label=entry.label, **look)


def _without(rows: Sequence[Row]) -> str:
    """A line that names those without a curve that were to have one."""
    labels = {entry.name: entry.label for entry in ENTRIES}
    absent = [row for row in rows if not row.curve and row.status != "no recipe"]
    said = [f"{labels.get(row.peer, row.peer)}: {row.status}" for row in absent]
    return f"Without a curve: {'; '.join(said)}." if said else ""
