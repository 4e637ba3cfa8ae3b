"""One measurement in a process of its own: a task in JSON in, its result in JSON out.

python -m validation.worker '{"task": "solve", "problem": "poisson", ...}'

A fresh process sees no caches, memory or threads of the case before.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg

if TYPE_CHECKING:
    from gmnm_pde.problem import Problem
    from gmnm_pde.solution import Solution


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
) -> dict[str, Any]:
    """Solve a problem of the catalogue ``repeats`` times, or with each of several seeds, after the
    calibration and a warm-up.

    Arguments:
        changes: of the problem, as ``--set`` takes them.
        growth: whether errors in the first and the last hundredth of the time are compared.

    The warm-up is another, small solve: it loads what torch and scipy load on first use and
    cannot leave anything behind that helps the case.
    """
    import torch

    import gmnm_pde as gp
    from gmnm_pde.config import load_problem

    torch.set_num_threads(1)
    before = calibrate(int(calibration["rows"]), int(calibration["columns"]))
    gp.solve("poisson", rtol=0.1, device="cpu")
    file = load_problem(problem, changes)
    recipe = file.recipe() if solver is None else solver
    options: dict[str, Any] = {"rtol": rtol, "time_limit": time_limit, "device": "cpu"}
    chosen = range(seeds) if seeds > 1 else [0] * repeats
    solutions = [gp.solve(file.problem, solver=recipe, seed=seed, **options) for seed in chosen]
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
        "dtype": runs[-1]["dtype"],
        **({"errors_at_ends": errors_at_ends(file.problem, solutions[-1])} if growth else {}),
    }


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


def _worst(values: list[float | None]) -> float | None:
    """The largest, None if one is missing."""
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


TASKS: dict[str, Callable[..., Any]] = {"calibrate": calibrate, "solve": solve, "fem": fem}


def main() -> None:
    """Run the task that the first argument describes."""
    task = json.loads(sys.argv[1])
    result = TASKS[task.pop("task")](**task)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
