"""scikit-fem: finer and finer meshes, as its documentation solves Poisson's equation.

https://scikit-fem.readthedocs.io/en/latest/listofexamples.html, example 1 and those of higher
degree, version 12.0.2; elements, orderings and meshes are those of ``validation/fem_solve.py``,
chosen in its favour. Seconds are assembly, conditions and the linear solve; mesh and basis are the
set-up of each point.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import skfem

from validation import fem_problems
from validation.fem_solve import ELEMENTS, QUADRATURE, Element, sampled
from validation.fem_solve import solve as solve_weak
from validation.peers.meter import Meter, run
from validation.peers.problems import Array, PeerProblem

VARIANTS = {
    "fem-2": "triangles-2",
    "fem-4": "triangles-4",
    "fem-6": "quadrilaterals-6",
    "fem-8": "quadrilaterals-8",
}
QUICK, REPEATS = 1.0, 3
"""Solves that take less seconds are repeated; the median counts."""

LONGEST, SHARE = 10.0, 0.2
"""Seconds of the longest single solve, and its share of the budget, if that is less."""


def solve(problem: PeerProblem, variant: str, meter: Meter) -> None:
    """Refine until the next solve would take too long."""
    weak = fem_problems.PROBLEMS[problem.name]
    kind = ELEMENTS[VARIANTS[variant]]
    meter.start()
    before: tuple[float, int] | None = None
    for size in weak.sizes.get(kind.mesh, kind.sizes):
        seconds, setup, basis, values = _level(weak, kind, size)
        times = [seconds]
        while seconds < QUICK and len(times) < REPEATS:
            times.append(_level(weak, kind, size)[0])
        seconds = statistics.median(times)
        _write(problem, meter, (seconds, setup), basis, values)
        growth = 1.0
        if before is not None:
            growth = max((seconds + setup) / before[0], basis.N / before[1])
        if (seconds + setup) * growth > min(LONGEST, SHARE * meter.budget):
            break
        before = (seconds + setup, basis.N)


def _level(
    weak: fem_problems.Weak, kind: Element, size: int
) -> tuple[float, float, skfem.Basis, Array]:
    began = time.perf_counter()
    basis = skfem.Basis(weak.meshes[kind.mesh](size), kind.element, intorder=kind.order)
    ready = time.perf_counter()
    values = solve_weak(weak, basis, kind.solver())
    return time.perf_counter() - ready, ready - began, basis, values


def _write(
    problem: PeerProblem,
    meter: Meter,
    seconds: tuple[float, float],
    basis: skfem.Basis,
    values: Array,
) -> None:
    if type(basis.mesh) not in QUADRATURE:
        meter.point(
            seconds[0], lambda points: basis.probes(points.T) @ values, int(basis.N), seconds[1]
        )
        return
    if problem.exact is None:
        raise ValueError(f"{problem.name} has no exact solution")
    points, found, weights = sampled(basis, values, np.empty((0, 2)))
    exact = np.asarray(problem.exact(np, points[:, 0], points[:, 1]))
    error = np.sqrt((weights * (found - exact) ** 2).sum() / (weights * exact**2).sum())
    meter.known(seconds[0], float(error), int(basis.N), seconds[1])


if __name__ == "__main__":
    run(solve, ("scikit-fem", "numpy", "scipy"))
