"""The picture of how a run went: error against time and against units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, ScalarFormatter

from gmnm_pde.report.sample import SolutionLike
from gmnm_pde.report.style import ACCENT, INK, SMALLEST, Head, scientific, titled_figure


def convergence_figure(solution: SolutionLike) -> Figure:
    """The estimated error after each step, and the measured one at the end.

    Where no step has an estimate the residual is shown, and the axis says that it is no error.
    """
    history = solution.history
    estimates = [step.estimated_error for step in history]
    known = any(value is not None for value in estimates)
    if known:
        heights = [np.nan if value is None else value for value in estimates]
    else:
        heights = [step.residual_rms for step in history]
    figure = titled_figure((8.6, 3.5), Head(solution.problem.name, _words(solution, known)))
    against_time, against_units = figure.subplots(1, 2, sharey=True)
    seconds = [max(step.seconds, 1e-3) for step in history]
    units = [max(step.units, 1) for step in history]
    label = "estimated" if known else "residual (rms)"
    measured = _measured(solution)
    for plot, places in ((against_time, seconds), (against_units, units)):
        _curve(plot, places, np.maximum(heights, SMALLEST), label)
        if measured is not None and places:
            size = max(measured, SMALLEST)
            text = f"measured, {scientific(measured)}"
            plot.plot(places[-1], size, "*", color=ACCENT, ms=13, mec="white", mew=0.7, label=text)
        _axes(plot, places)
    against_time.set_xlabel("time (s)")
    against_units.set_xlabel("units")
    against_time.set_ylabel("relative L2 error" if known else "residual (rms), not an error")
    against_time.legend(loc="best")
    return figure


def _words(solution: SolutionLike, known: bool) -> str:
    if not known:
        return "the residual after each step; no error was estimated"
    rest = "" if _measured(solution) is None else ", and the measured error of the last"
    return f"the estimated error after each step{rest}"


def _measured(solution: SolutionLike) -> float | None:
    """The largest measured relative error of the unknowns."""
    if solution.errors is None or not solution.errors.relative_l2:
        return None
    return max(solution.errors.relative_l2.values())


def _curve(plot: Axes, places: Sequence[float], heights: np.ndarray, label: str) -> None:
    marker = "o" if len(places) <= 60 else ""
    plot.loglog(places, heights, marker=marker, ms=5, mec="white", mew=0.7, color=INK, label=label)


def _axes(plot: Axes, places: Sequence[float]) -> None:
    plot.grid(True, which="major")
    plot.spines[["top", "right"]].set_visible(False)
    if not places:
        return
    low, high = min(places), max(places)
    pad = max(1.25, (high / low) ** 0.06)
    plot.set_xlim(low / pad, high * pad)
    plain_ticks(plot, low, high)


def plain_ticks(plot: Axes, low: float, high: float) -> None:
    """Plain numbers along an axis of less than two decades: it has too few powers of ten to read
    off."""
    if high / low < 30:
        plot.xaxis.set_major_formatter(ScalarFormatter())
        if high / low >= 6:
            plot.xaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
        plot.xaxis.set_minor_formatter(ScalarFormatter())
        plot.tick_params(axis="x", which="minor", labelsize=7)
