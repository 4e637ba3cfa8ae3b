"""The picture of how a run went: error against time, and against units or iterations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, ScalarFormatter

from gmnm_pde.report.sample import SolutionLike
from gmnm_pde.report.style import ACCENT, INK, SMALLEST, Head, scientific, titled_figure


@dataclass(frozen=True)
class Shown:
    """What is drawn of a history.

    Arguments:
        heights: one a step.
        label: of the curve.
        axis: of the ordinate.
        words: below the title.
    """

    heights: Sequence[float]
    label: str
    axis: str
    words: str


def convergence_figure(solution: SolutionLike) -> Figure:
    """The estimated error after each step, and the measured one at the end.

    Where no step has an estimate the training loss is shown, or without one the residual, and the
    axis says that it is no error. Networks that do not grow are shown against steps, not units.
    """
    history = solution.history
    shown = _shown(solution)
    figure = titled_figure((8.6, 3.5), Head(solution.problem.name, shown.words))
    against_time, against_size = figure.subplots(1, 2, sharey=True)
    seconds = [max(step.seconds, 1e-3) for step in history]
    units: list[float] = [max(step.units, 1) for step in history]
    grows = len(history) < 2 or len(set(units)) > 1
    sizes: list[float] = units if grows else [float(i + 1) for i in range(len(history))]
    measured = _measured(solution)
    for plot, places in ((against_time, seconds), (against_size, sizes)):
        _curve(plot, places, np.maximum(shown.heights, SMALLEST), shown.label)
        if measured is not None and places:
            size = max(measured, SMALLEST)
            text = f"measured error, {scientific(measured)}"
            plot.plot(places[-1], size, "*", color=ACCENT, ms=13, mec="white", mew=0.7, label=text)
        _axes(plot, places)
    against_time.set_xlabel("time (s)")
    against_size.set_xlabel("units" if grows else "step")
    against_time.set_ylabel(shown.axis)
    against_time.legend(loc="best")
    return figure


def _shown(solution: SolutionLike) -> Shown:
    """The best that is known of every step."""
    history = solution.history
    estimates = [np.nan if s.estimated_error is None else s.estimated_error for s in history]
    if not np.isnan(estimates).all():
        rest = "" if _measured(solution) is None else ", and the measured error of the last"
        words = f"the estimated error after each step{rest}"
        return Shown(estimates, "estimated", "relative L2 error", words)
    ending = "after each step; no error was estimated"
    losses = [np.nan if step.loss is None else step.loss for step in history]
    if not np.isnan(losses).all():
        return Shown(losses, "loss", "loss, not an error", f"the loss {ending}")
    residuals = [step.residual_rms for step in history]
    axis = "residual (rms), not an error"
    return Shown(residuals, "residual (rms)", axis, f"the residual {ending}")


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
