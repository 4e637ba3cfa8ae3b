"""One measurement in a process of its own: a task in JSON in, its result in JSON out.

python -m validation.worker '{"task": "solve", "problem": "poisson", ...}'

A fresh process sees no caches, memory or threads of the case before.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg

from validation import machine

if TYPE_CHECKING:
    from gmnm_pde.problem import Problem
    from gmnm_pde.solution import Solution


ENOUGH_SECONDS, MOST = 0.5, 9
"""Short solves are repeated until they took so long together, or were so many."""


def calibrate(rows: int, columns: int, repeats: int = 3) -> list[float]:
    """Seconds of a pivoted QR of a matrix (rows, columns) in float64, the economic form."""
    matrix = np.random.default_rng(0).standard_normal((rows, columns))
    scipy.linalg.qr(matrix[:100, :100], mode="economic", pivoting=True)
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        scipy.linalg.qr(matrix, mode="economic", pivoting=True)
        seconds.append(time.perf_counter() - began)
    return seconds


def solve(
    problem: str,
    solver: str | None,
    rtol: float | None,
    repeats: int,
    calibration: Mapping[str, float],
    changes: Sequence[str] = (),
    time_limit: float | None = None,
    growth: bool = False,
    seeds: int = 1,
    data_sets: int = 0,
    device: str = "cpu",
) -> dict[str, Any]:
    """Solve a problem of the catalogue ``repeats`` times, or with each of several seeds, after the
    calibration and a warm-up.

    Arguments:
        changes: of the problem, as ``--set`` takes them.
        time_limit: None for the minute that a solve may take by itself. On a machine that is faster
            than the reference machine both are shorter, as the limits that are compared with are.
        growth: whether errors in the first and the last hundredth of the time are compared.
        data_sets: how many other data sets, of the reference with noise, are made and solved.
        device: "cpu" or "cuda"; a solve's seconds end when the device has finished.

    The warm-up is another, small solve: it loads what torch and scipy load on first use and
    cannot leave anything behind that helps the case.
    """
    import torch

    import gmnm_pde as gp
    from gmnm_pde.config import load_problem
    from gmnm_pde.solve import TIME_LIMIT

    torch.set_num_threads(1)
    before = calibrate(int(calibration["rows"]), int(calibration["columns"]))
    gp.solve("poisson", rtol=0.1, device=device)
    file = load_problem(problem, changes)
    recipe = file.recipe() if solver is None else solver
    slowness = min(1.0, statistics.median(before) / calibration["reference_seconds"])
    limit = slowness * (TIME_LIMIT if time_limit is None else time_limit)
    options: dict[str, Any] = {"rtol": rtol, "time_limit": limit, "device": device}

    def solved(seed: int) -> Solution:
        return gp.solve(file.problem, solver=recipe, seed=seed, **options)

    solutions = [solved(seed) for seed in (range(seeds) if seeds > 1 else [0] * repeats)]
    # The clock is too coarse for one solve of some milliseconds.
    while seeds == 1 and len(solutions) < MOST and _seconds(solutions) < ENOUGH_SECONDS:
        solutions.append(solved(0))
    runs = [solution.metrics() for solution in solutions]
    keys = ("relative_l2", "max_error", "estimated_error")
    return {
        "calibration_runs": before,
        # The worst of the unknowns and of the repeats.
        **{key: _worst([value for run in runs for value in run[key].values()]) for key in keys},
        "seconds_runs": [run["seconds"] for run in runs],
        "relative_l2_runs": [_worst(list(run["relative_l2"].values())) for run in runs],
        "seeds": seeds,
        **{key: runs[-1][key] for key in ("status", "reason", "units", "parameters", "points")},
        "statuses": [run["status"] for run in runs],
        **{key: runs[-1][key] for key in ("dtype", "device")},
        "inferred": runs[-1]["inferred"],
        "inferred_error": _worst_of([run["inferred_error"] for run in runs]),
        **({"errors_at_ends": errors_at_ends(file.problem, solutions[-1])} if growth else {}),
        **({"inside": inside(file.problem, data_sets, device)} if data_sets else {}),
    }


def _seconds(solutions: Sequence[Solution]) -> float:
    return sum(solution.metrics()["seconds"] for solution in solutions)


def inside(problem: Problem, data_sets: int, device: str = "cpu") -> int:
    """How many data sets, the exact solution at the same places with noise of one percent of its
    largest value, give all constants within two standard errors."""
    import torch

    import gmnm_pde as gp

    assert problem.data is not None
    assert problem.reference is not None
    points = problem.data.points
    exact = problem.reference.evaluate(problem, points).values
    truth, count = problem.reference.constants(problem), 0
    for seed in range(data_sets):
        generator = torch.Generator().manual_seed(seed)
        normal = torch.randn(exact.shape, generator=generator, dtype=exact.dtype)
        noise = 0.01 * exact.abs().max() * normal
        solution = gp.solve(replace(problem, data=gp.Data(points, exact + noise)), device=device)
        errors = solution.findings.errors
        count += all(
            abs(value - truth[name]) <= 2 * errors[name]
            for name, value in solution.inferred.items()
        )
    return count


def errors_at_ends(problem: Problem, solution: Solution) -> list[float]:
    """Relative L2 errors in the first and the last hundredth of the time."""
    assert problem.time is not None
    assert problem.reference is not None
    start, end = problem.time
    errors = []
    for first in (start, end - 0.01 * (end - start)):
        points = problem.region.sample_interior(2000, "random", 5)
        points[:, -1] = first + 0.01 * (points[:, -1] - start)
        known = problem.reference.evaluate(problem, points).values
        errors.append(float((solution(points) - known).norm() / known.norm()))
    return errors


def fem(problem: str, element: str, budget: float, repeats: int) -> list[dict[str, Any]]:
    """A ladder of scikit-fem solves on finer and finer meshes."""
    from validation.fem import ladder

    return [asdict(level) for level in ladder(problem, element, budget, repeats)]


def _worst_of(runs: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """The largest of each name."""
    return {name: _worst([run[name] for run in runs]) for name in runs[0]}


def _worst(values: list[float | None]) -> float | None:
    """The largest, None if one is missing."""
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


TASKS: dict[str, Callable[..., Any]] = {
    "calibrate": calibrate,
    "solve": solve,
    "fem": fem,
    "gpu": machine.gpu,
}


def main() -> None:
    """Run the task that the first argument describes."""
    task = json.loads(sys.argv[1])
    result = TASKS[task.pop("task")](**task)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
