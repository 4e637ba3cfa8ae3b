"""The picture of what was inferred: every constant after each step, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gmnm_pde.report.sample import SolutionLike, StepLike
from gmnm_pde.report.style import ACCENT, INK, Head, scientific, tick_format, titled_figure
from gmnm_pde.report.words import symbol

ACROSS = 3
"""Constants in a row."""

SIZE = (4.3, 2.9)
"""Of the picture of one, in inches."""

WIDE = 8.0
"""An interval so many times the range of the values is cut off: nothing else would be seen."""


def inferred_figure(solution: SolutionLike) -> Figure:
    """Constants against the step, with intervals of two standard errors, and the reference's."""
    names = list(solution.findings.values)
    across = min(ACROSS, len(names))
    down = math.ceil(len(names) / across)
    size = (max(SIZE[0] * across, 6.0), SIZE[1] * down)
    figure = titled_figure(size, Head(solution.problem.name, _words(solution)))
    plots = figure.subplots(down, across, squeeze=False).ravel()
    known = {} if solution.errors is None else solution.errors.constants
    for plot, name in zip(plots, names, strict=False):
        _constant(plot, solution.history, name, known.get(name))
    for plot in plots[len(names) :]:
        plot.remove()
    return figure


def _words(solution: SolutionLike) -> str:
    found = solution.findings
    several = len(found.values) <= ACROSS
    if not several:
        return "constants after each step, with two standard errors"
    parts = [
        rf"{symbol(name)} = {value:.4g} $\pm$ {scientific(2 * found.errors[name])}"
        for name, value in found.values.items()
    ]
    return f"{', '.join(parts)} (two standard errors)"


def _constant(plot: Axes, history: Sequence[StepLike], name: str, truth: float | None) -> None:
    """One constant."""
    steps = [number for number, step in enumerate(history, 1) if name in step.inferred]
    values = np.array([history[k - 1].inferred[name] for k in steps])
    errors = np.array([2 * history[k - 1].standard_error.get(name, np.nan) for k in steps])
    plot.errorbar(
        steps, values, errors, fmt="o-", label="inferred", ms=5, capsize=4, color=INK, lw=1.2
    )
    if truth is not None:
        plot.axhline(truth, color=ACCENT, lw=1.2, ls="--", label=f"reference, {truth:.4g}")
    shown = values if truth is None else np.append(values, truth)
    last = errors[-1] if len(errors) and np.isfinite(errors[-1]) else 0.0
    reach = WIDE * max(float(np.ptp(shown)), last) or 1.0
    low, high = plot.get_ylim()
    middle = float(values[-1]) if len(values) else 0.0
    low, high = max(low, middle - reach), min(high, middle + reach)
    # Room for the legend above the curve.
    plot.set_ylim(low, high + 0.2 * (high - low))
    plot.set_title(symbol(name))
    plot.set_xlabel("step")
    plot.xaxis.set_major_locator(MaxNLocator(integer=True))
    plot.set_xlim(0.6, max(len(history), 2) + 0.4)
    plot.yaxis.set_major_formatter(tick_format())
    plot.grid(True)
    plot.spines[["top", "right"]].set_visible(False)
    plot.legend(loc="upper right", ncols=2)
