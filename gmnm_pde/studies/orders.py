"""How fast errors fall: a power or an exponential, fitted by least squares, with its uncertainty.

    power         log e = a - p log x                      order p
    exponential   log e = a - b x^(1/d)                    rate b, "faster than any power"

An interval is that of Student's distribution for the slope, with 95 % confidence: it covers the
scatter of the points about the line, and says nothing about points that were not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

FEWEST = 3
"""With two points a line has no uncertainty."""

CONFIDENCE = 0.95

ROUNDING = 1e-14
"""Errors below are rounding, whatever is refined."""

OWN = 3.0
"""Errors below this many times the reference's own are not known well enough to fit."""

CLEARLY = 0.5
"""An exponential is named if it leaves less than this part of what a power leaves, in squares."""

STEEPER = 1.2
"""And if the second half of the points falls by a steeper power than the first, by this factor."""


@dataclass(frozen=True)
class Fit:
    """A law for errors.

    Arguments:
        kind: of the law.
        slope: p or b, positive where errors fall.
        low, high: its confidence interval.
        height: a.
        dimension: d.
        used: how many points.
        left_out: how many were at rounding or at the reference's own error.
    """

    kind: Literal["power", "exponential"]
    slope: float
    low: float
    high: float
    height: float
    dimension: int
    used: int
    left_out: int

    def __call__(self, x: Array) -> Array:
        """The errors that the law gives."""
        along = np.log(x) if self.kind == "power" else x ** (1 / self.dimension)
        return np.exp(self.height - self.slope * along)

    def words(self, letter: str) -> str:
        """The law in words, for a variable of that name."""
        interval = f"95 %: {_number(self.low)} to {_number(self.high)}"
        left = f"; {self.left_out} at the floor left out" if self.left_out else ""
        root = f"{letter}^(1/{self.dimension})" if self.dimension > 1 else letter
        if self.kind == "exponential":
            law = f"faster than any power: error = C exp(-{_number(self.slope)} {root})"
            return f"{law} ({interval}; {self.used} points{left})"
        if self.low <= 0.0 <= self.high:
            return f"no order can be stated: {_number(self.slope)} ({interval}{left})"
        law = f"order {_number(self.slope)}: error = C {letter}^{_number(-self.slope)}"
        if self.dimension > 1:
            law += f", order {_number(self.slope * self.dimension)} in the spacing 1/{root}"
        return f"{law} ({interval}; {self.used} points{left})"


def fit(
    x: Sequence[float],
    errors: Sequence[float],
    dimension: int = 1,
    own_error: float = 0.0,
    exponential: bool = True,
) -> Fit | None:
    """The law that errors follow, None with fewer than three points to fit.

    Arguments:
        x: what grows, or a tolerance.
        errors: measured.
        dimension: d, for exponentials in the number of units along each coordinate.
        own_error: of the reference.
        exponential: whether an exponential is a law that could hold.
    """
    places, heights = np.asarray(x, float), np.asarray(errors, float)
    known = np.isfinite(heights) & np.isfinite(places) & (places > 0)
    enough = heights > max(ROUNDING, OWN * own_error)
    kept = known & enough
    left_out = int((known & ~enough).sum())
    places, heights = places[kept], np.log(heights[kept])
    if len(places) < FEWEST or len(np.unique(places)) < FEWEST:
        return None
    power = _line(np.log(places), heights)
    if exponential:
        curve = _line(places ** (1 / dimension), heights)
        if curve.rest < CLEARLY * power.rest and curve.slope > 0 and _steepens(places, heights):
            return Fit("exponential", *curve.law, dimension, len(places), left_out)
    return Fit("power", *power.law, dimension, len(places), left_out)


@dataclass(frozen=True)
class _Line:
    """Minus the slope, its interval, the height, and the squares that are left."""

    slope: float
    low: float
    high: float
    height: float
    rest: float

    @property
    def law(self) -> tuple[float, float, float, float]:
        """What a :class:`Fit` holds of it."""
        return self.slope, self.low, self.high, self.height


def _line(x: Array, y: Array) -> _Line:
    found = stats.linregress(x, y)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(x) - 2) * found.stderr)
    rest = float(((y - found.intercept - found.slope * x) ** 2).sum())
    slope = -float(found.slope)
    return _Line(slope, slope - half, slope + half, float(found.intercept), rest)


def _steepens(x: Array, heights: Array) -> bool:
    order = np.argsort(x)
    x, heights = np.log(x[order]), heights[order]
    half = len(x) // 2
    if len(np.unique(x[: half + 1])) < 2 or len(np.unique(x[half:])) < 2:
        return False
    first = np.polyfit(x[: half + 1], heights[: half + 1], 1)[0]
    last = np.polyfit(x[half:], heights[half:], 1)[0]
    return bool(last < STEEPER * min(first, 0.0))


def _number(value: float) -> str:
    return f"{value:.3g}"
