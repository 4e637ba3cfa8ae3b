"""A peer that behaves as its name says; ``test_peers`` runs it as the real ones are run."""

from __future__ import annotations

import os
import signal
import sys
import time
from importlib import import_module

import numpy as np

from validation.peers.meter import Meter, run
from validation.peers.problems import PeerProblem


def solve(problem: PeerProblem, variant: str, meter: Meter) -> None:
    """An approximation that is 1 % wrong, then whatever the name says."""
    # Chatter that would be taken for a point, if it got into the runner's stream.
    sys.stdout.write('{"seconds": 0.1, "relative_l2": 0.1, "mse": 0.1, "parameters": 1}\n')

    def predict(points: np.ndarray) -> np.ndarray:
        assert problem.exact is not None
        return 1.01 * np.asarray(problem.exact(np, points[:, 0], points[:, 1]))

    if variant == "absent":
        import_module("a_package_that_does_not_exist")
    meter.start()
    meter.point(0.5, predict, 7)
    meter.point(0.25, lambda points: 10 * predict(points), 7)
    meter.point(0.75, lambda points: np.nan * predict(points), 7)
    if variant == "crashing":
        raise RuntimeError("the loss is not a number")
    if variant == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if variant == "endless":
        time.sleep(600)
    if variant == "spending":
        while True:
            meter.tick(predict, 7)


if __name__ == "__main__":
    run(solve, ("numpy", "a-package-that-does-not-exist"))
