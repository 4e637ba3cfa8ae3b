"""The clock and the ruler of a peer: what an adapter calls while it trains."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any, TextIO

import numpy as np

from validation.peers.problems import PROBLEMS, Array, PeerProblem

GROWTH, SHORTEST = 1.07, 0.02
"""Errors are measured whenever the clock has grown by this factor, and by these seconds."""

Predict = Callable[[Array], Any]
"""Points (n, 2) -> values (n,), as numpy."""


class OutOfTimeError(Exception):
    """The budget is spent; the adapter just lets it through."""


class Meter:
    """Seconds of solving, and errors at the test points, as lines of JSON.

    The clock runs from ``start`` (everything before is set-up) and stands still while errors are
    measured. ``budget`` is in seconds of this clock.
    """

    def __init__(self, problem: PeerProblem, budget: float, out: TextIO) -> None:
        self.budget = budget
        self._out = out
        self._points, self._exact = problem.test_set()
        self._made = time.perf_counter()
        self._began: float | None = None
        self._paused = 0.0
        self._next = 0.0

    def start(self) -> None:
        """Set-up is over."""
        self._began = time.perf_counter()
        self.write(event="started", setup_seconds=self._began - self._made)

    @property
    def seconds(self) -> float:
        """Of solving until now."""
        if self._began is None:
            raise RuntimeError("the meter was not started")
        return time.perf_counter() - self._began - self._paused

    @property
    def share(self) -> float:
        """Of the budget that is spent, 0 to 1 and above."""
        return self.seconds / self.budget

    def tick(self, predict: Predict, parameters: int) -> None:
        """Measure if it is time to; called as often as the peer allows, after each step.

        Raises:
            OutOfTimeError: after the measurement, when the budget is spent.
        """
        seconds = self.seconds
        if seconds >= self._next or seconds >= self.budget:
            self.point(seconds, predict, parameters)
            self._next = max(seconds * GROWTH, seconds + SHORTEST)
        if seconds >= self.budget:
            raise OutOfTimeError

    def point(
        self,
        seconds: float,
        predict: Predict,
        parameters: int,
        setup_seconds: float | None = None,
    ) -> None:
        """Measure the errors of an approximation that took these seconds."""
        paused = time.perf_counter()
        difference = np.asarray(predict(self._points), dtype=float).reshape(-1) - self._exact
        mse = float(np.mean(difference**2))
        self.write(
            seconds=seconds,
            relative_l2=float(np.sqrt(mse / np.mean(self._exact**2))),
            mse=mse,
            parameters=parameters,
            **({} if setup_seconds is None else {"setup_seconds": setup_seconds}),
        )
        self._paused += time.perf_counter() - paused

    def known(
        self, seconds: float, relative_l2: float, parameters: int, setup_seconds: float
    ) -> None:
        """A point whose error was measured by the adapter itself."""
        mse = relative_l2**2 * float(np.mean(self._exact**2))
        self.write(
            seconds=seconds,
            relative_l2=relative_l2,
            mse=mse,
            parameters=parameters,
            setup_seconds=setup_seconds,
        )

    def write(self, **values: Any) -> None:
        """A line for the runner."""
        self._out.write(json.dumps(values) + "\n")
        self._out.flush()


def run(solve: Callable[[PeerProblem, str, Meter], None], packages: Sequence[str]) -> None:
    """The main function of an adapter: the task in JSON as the only argument, lines as output.

    Peers print progress; it goes to the standard error, and the lines alone to the output.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task = json.loads(sys.argv[1])
    meter = Meter(PROBLEMS[task["problem"]], float(task["budget"]), out)
    meter.write(event="versions", versions={name: version(name) for name in packages})
    try:
        solve(PROBLEMS[task["problem"]], task["variant"], meter)
    except OutOfTimeError:
        meter.write(event="end", status="stopped")
    except Exception as error:
        traceback.print_exc()
        meter.write(event="end", status="failed", note=f"{type(error).__name__}: {error}")
        sys.exit(1)
    else:
        meter.write(event="end", status="finished")


def version(name: str) -> str | None:
    """Of an installed distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
