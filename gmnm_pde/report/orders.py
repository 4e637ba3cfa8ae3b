"""The picture of a study of convergence: errors, and the law that was fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from gmnm_pde.report.convergence import plain_ticks
from gmnm_pde.report.plots import save
from gmnm_pde.report.style import ACCENT, INK, MUTED, SMALLEST, STYLE, Head, titled_figure
from gmnm_pde.studies.orders import Fit

LABELS = {
    "units": ("units", "N"),
    "points": ("collocation points", "N"),
    "time": ("time of the solve (s)", "t"),
    "rtol": ("tolerance asked for", "rtol"),
}
"""Names of what is varied: on the axis, and in a formula."""


def write_convergence(
    path: Path,
    title: str,
    over: str,
    places: Sequence[float],
    errors: Sequence[float],
    law: Fit | None,
    own_error: float = 0.0,
) -> Path:
    """Write the picture."""
    with matplotlib.rc_context(STYLE):
        save(order_figure(title, over, places, errors, law, own_error), path)
    return path


def order_figure(
    title: str,
    over: str,
    places: Sequence[float],
    errors: Sequence[float],
    law: Fit | None,
    own_error: float = 0.0,
) -> Figure:
    """Errors as dots and the law as a line, both axes logarithmic."""
    label, letter = LABELS[over]
    x, heights = np.array(places), np.maximum(np.array(errors), SMALLEST)
    figure = titled_figure((7.0, 4.4), Head(title, law_words(over, law)))
    plot = figure.subplots()
    known = np.isfinite(x) & np.isfinite(heights)
    if law is not None and known.any():
        fine = np.geomspace(x[known].min(), x[known].max(), 200)
        line = law(fine)
        shown = line > 0.3 * heights[known].min()
        plot.loglog(fine[shown], line[shown], color=ACCENT, lw=1.4, label="fitted")
    if over == "rtol" and known.any():
        ends = np.array([x[known].min(), x[known].max()])
        plot.loglog(ends, ends, "--", color=MUTED, lw=1.2, label="error = tolerance")
        plot.invert_xaxis()
    if own_error > 0.0:
        plot.axhline(own_error, color=MUTED, lw=1.0, ls=":", label="reference's own error")
    plot.loglog(x, heights, "o", color=INK, ms=6, mec="white", mew=0.8, label="measured")
    plot.set_xlabel(f"{label}, {letter}" if letter != "rtol" else label)
    plot.set_ylabel("relative L2 error")
    if known.any():
        plain_ticks(plot, float(x[known].min()), float(x[known].max()))
    plot.grid(True, which="major")
    plot.spines[["top", "right"]].set_visible(False)
    plot.legend(loc="best")
    return figure


def law_words(over: str, law: Fit | None) -> str:
    """The fitted law in words."""
    if law is None:
        return "too few errors above the floor to fit an order"
    if over == "rtol":
        # A tolerance falls: errors that follow it have the order one.
        turned = Fit(
            law.kind, -law.slope, -law.high, -law.low, law.height, 1, law.used, law.left_out
        )
        return turned.words("rtol").replace(f"rtol^{-turned.slope:.3g}", f"rtol^{turned.slope:.3g}")
    return law.words(LABELS[over][1])
