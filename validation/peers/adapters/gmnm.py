"""This project, in its own environment: a solve for each tolerance, from loose to strict.

Every point is a whole solve of its own, not a moment of one; the numbers of a strict tolerance do
not profit from the looser ones before. A small solve of another kind comes first: it loads what
torch and scipy load on first use, which the peers do while they build their networks.
"""

from __future__ import annotations

import statistics

import numpy as np

import gmnm_pde as gp
from gmnm_pde.config import load_problem
from validation.peers.meter import Meter, Predict, run
from validation.peers.problems import PeerProblem

TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12, None)
"""None is the recipe's own end: as accurate as it gets."""

REPEATS = 3


def solve(problem: PeerProblem, variant: str, meter: Meter) -> None:
    """Solve the catalogue's problem of the same name; the fit draws its 1000 points itself."""
    file = load_problem(problem.name)
    gp.solve("robin" if problem.name == "poisson" else "poisson", rtol=0.1, device="cpu")
    meter.start()
    for rtol in TOLERANCES:
        times: list[float] = []
        while not times or (sum(times) < 1.0 and len(times) < REPEATS):
            solution = gp.solve(file.problem, solver=file.recipe(), rtol=rtol, device="cpu")
            times.append(solution.seconds)
        meter.point(statistics.median(times), _values(solution), solution.parameters)
        if meter.seconds > meter.budget:
            break


def _values(solution: gp.Solution) -> Predict:
    return lambda points: np.asarray(solution(points))[:, 0]


if __name__ == "__main__":
    run(solve, ("gmnm-pde", "torch", "numpy", "scipy"))
