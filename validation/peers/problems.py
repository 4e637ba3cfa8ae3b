"""The problems as every peer is given them: plain functions of numpy or torch arrays.

    u_xx + u_yy + k u = f   in the square [-1, 1]^2 or the unit disk,   u = 0 on its boundary
    u_t + u u_x = nu u_xx   for x in [-1, 1], t in [0, 1],   u = -sin(pi x) at t = 0, 0 at x = +-1
    u = g                   at 1000 random points of the square

The same as the files of the same name in ``problems/`` (a test compares them), written out because
the environment of the peers has none of this package's dependencies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = Callable[[Any, Any, Any], Any]
"""(numpy or torch, x, y) -> values: both modules have sin, cos and exp."""

NU = 0.01 / pi
TEST_POINTS, TEST_SEED = 4000, 7_041_776
DATA_POINTS, DATA_SEED = 1000, 31
BURGERS = Path(__file__).resolve().parents[2] / "problems" / "burgers-reference.csv"


@dataclass(frozen=True)
class PeerProblem:
    """One problem.

    Arguments:
        exact: the solution; None for Burgers, where it is a table (``problems/``).
        source: f, or the function that is fitted.
        reaction: k.
        waves: wavelengths along a side, for recipes with points a wavelength.
        budget: seconds that each peer gets, unless told otherwise.
    """

    name: str
    kind: Literal["elliptic", "burgers", "fit"]
    title: str
    budget: float
    exact: Function | None = None
    source: Function | None = None
    shape: Literal["square", "disk"] = "square"
    reaction: float = 0.0
    waves: int = 1

    def hard(self, x: Any, y: Any) -> Any:
        """A function that is zero where conditions are given, and only there."""
        if self.kind == "burgers":
            return y * (1 - x * x)
        return 1 - x * x - y * y if self.shape == "disk" else (1 - x * x) * (1 - y * y)

    def imposed(self, m: Any, x: Any, y: Any, values: Any) -> Any:
        """Values of a network, changed so that they fulfil the conditions (if there are any).

        Arguments:
            m: numpy or torch.
        """
        if self.kind == "fit":
            return values
        lift = -m.sin(pi * x) if self.kind == "burgers" else 0
        return lift + self.hard(x, y) * values

    def test_set(self) -> tuple[Array, Array]:
        """Points (n, 2) that no solver uses, and the exact solution there, (n,)."""
        if self.exact is None:
            table = np.loadtxt(BURGERS, delimiter=",", skiprows=1)
            return table[:, :2], table[:, 2]
        points = self.sample(TEST_POINTS, TEST_SEED)
        return points, np.asarray(self.exact(np, points[:, 0], points[:, 1]))

    def sample(self, n: int, seed: int) -> Array:
        """Uniformly random points, (n, 2)."""
        points = np.random.default_rng(seed).uniform(-1, 1, (2 * n, 2))
        if self.shape == "disk":
            points = points[np.hypot(points[:, 0], points[:, 1]) < 1]
        return points[:n]

    def data(self) -> tuple[Array, Array]:
        """The points (n, 2) and values (n,) of a fit."""
        if self.source is None:
            raise ValueError(f"{self.name} is not a fit")
        points = self.sample(DATA_POINTS, DATA_SEED)
        return points, np.asarray(self.source(np, points[:, 0], points[:, 1]))


def _sines(a: float, b: float) -> Function:
    return lambda m, x, y: m.sin(a * pi * x) * m.sin(b * pi * y)


def _scaled(factor: float, function: Function) -> Function:
    return lambda m, x, y: factor * function(m, x, y)


def _turning(m: Any, x: Any, y: Any) -> Any:
    return m.sin(pi * x) * m.sin(pi * y * y)


def _turning_source(m: Any, x: Any, y: Any) -> Any:
    s = pi * y * y
    return m.sin(pi * x) * (2 * pi * m.cos(s) - pi**2 * (1 + 4 * y * y) * m.sin(s))


def _disk(m: Any, x: Any, y: Any) -> Any:
    return (1 - x * x - y * y) * m.exp(x) * m.cos(y)


def _disk_source(m: Any, x: Any, y: Any) -> Any:
    """lap((1 - r^2) v) = -4 v - 4 (x v_x + y v_y) for the harmonic v = exp(x) cos(y)."""
    return -4 * m.exp(x) * ((1 + x) * m.cos(y) - y * m.sin(y))


def _hills(m: Any, x: Any, y: Any) -> Any:
    return m.exp(m.sin(pi * x) + y * y)


PROBLEMS = {
    problem.name: problem
    for problem in (
        PeerProblem(
            "poisson",
            "elliptic",
            "Poisson, sin(πx) sin(πy) on a square",
            160.0,
            _sines(1, 1),
            _scaled(-2 * pi**2, _sines(1, 1)),
        ),
        PeerProblem(
            "poisson-kan",
            "elliptic",
            "Poisson, sin(πx) sin(πy²) on a square",
            50.0,
            _turning,
            _turning_source,
        ),
        PeerProblem(
            "poisson-disk",
            "elliptic",
            "Poisson, (1 - r²) exp(x) cos(y) on a disk",
            50.0,
            _disk,
            _disk_source,
            shape="disk",
        ),
        PeerProblem(
            "helmholtz",
            "elliptic",
            "Helmholtz, sin(πx) sin(4πy) on a square",
            90.0,
            _sines(1, 4),
            _scaled(1 - 17 * pi**2, _sines(1, 4)),
            reaction=1.0,
            waves=4,
        ),
        PeerProblem("burgers", "burgers", "Burgers, viscosity 0.01/π", 150.0),
        PeerProblem("fit", "fit", "Fit of exp(sin(πx) + y²), 1000 points", 50.0, _hills, _hills),
    )
}
