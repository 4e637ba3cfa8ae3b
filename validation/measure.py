"""Runs cases, each in a process of its own, and judges them against their limits."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from validation.cases import Case, CommandCase, Suite
from validation.machine import ROOT, one_thread

Result = dict[str, Any]

DATA_SETS = 100
"""With other noise, of an inverse problem."""

TIME_LIMIT = 3600.0
"""Seconds after which a measurement counts as failed."""


class MeasurementError(Exception):
    """A measurement that gave no result."""


def run_worker(task: str, device: str = "cpu", **arguments: Any) -> Any:
    """A task of :mod:`validation.worker` in a fresh process on one thread.

    Arguments:
        device: what it may see: "cpu" or "cuda".

    Raises:
        MeasurementError: it failed; the last line it printed.
    """
    seen = {"device": device} if task == "solve" else {}
    words = json.dumps({"task": task, **seen, **arguments})
    command = [sys.executable, "-m", "validation.worker", words]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=one_thread(device),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"not finished after {TIME_LIMIT:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise MeasurementError(lines[-1].replace(str(ROOT), "."))
    return json.loads(done.stdout.splitlines()[-1])


def measure_case(
    case: Case, suite: Suite, repeats: int, timed: bool = True, device: str = "cpu"
) -> Result:
    """Solve a case and judge it; a solve that fails misses its limits.

    Arguments:
        timed: whether the limit of its seconds counts.
    """
    about = {
        "name": case.name,
        "problem": case.problem,
        "solver": case.solver,
        "rtol": case.rtol,
        "set": list(case.set),
        "groups": list(case.groups),
        "limits": {
            "relative_l2": case.relative_l2,
            "aim": case.aim,
            "seconds": case.seconds,
            "factor": case.factor,
            "growth": case.growth,
            "inferred": case.inferred,
            "inside": case.inside,
        },
    }
    try:
        found = run_worker(
            "solve",
            problem=case.problem,
            solver=case.solver,
            rtol=case.rtol,
            repeats=repeats,
            calibration=dict(suite.calibration),
            changes=case.set,
            time_limit=case.time_limit,
            growth=case.growth is not None,
            seeds=case.seeds,
            data_sets=0 if case.inside is None else DATA_SETS,
            device=device,
        )
    except MeasurementError as error:
        return {**about, "passed": False, "missed": [f"failed: {error}"]}
    calibration = statistics.median(found.pop("calibration_runs"))
    result = {
        **about,
        **found,
        **timing(found["seconds_runs"], calibration, suite.calibration["reference_seconds"]),
    }
    missed = judge_case(case if timed else replace(case, seconds=None), result)
    return {**result, "passed": not missed, "missed": missed}


def timing(seconds: Sequence[float], calibration: float, reference: float) -> Result:
    """Median and range, and the median as the reference machine would have it."""
    median = statistics.median(seconds)
    return {
        "seconds": median,
        "seconds_min": min(seconds),
        "seconds_max": max(seconds),
        "calibration_seconds": calibration,
        "seconds_scaled": median * reference / calibration,
    }


def judge_case(case: Case, result: Mapping[str, Any]) -> list[str]:
    """The limits that a solve missed, in words."""
    missed = []
    error, estimate = result["relative_l2"], result["estimated_error"]
    if error is None and case.inferred is None:
        return ["no error was measured"]
    if case.inferred is not None:
        worst = max(result["inferred_error"].values(), default=math.inf)
        if not worst <= case.inferred:
            missed.append(f"a constant is off by {worst:.1e}, over {case.inferred:.0e}")
    if case.inside is not None and not result["inside"] >= case.inside:
        missed.append(f"{result['inside']} of {DATA_SETS} data sets are within two standard errors")
    if case.relative_l2 is not None and not error <= case.relative_l2:
        missed.append(f"error {error:.1e} is over {case.relative_l2:.0e}")
    if case.rtol is not None and set(result["statuses"]) != {"converged"}:
        missed.append(f"{result['status']}: {result['reason']}")
    if case.factor is not None:
        if estimate is None:
            missed.append("there is no estimate")
        elif not error / case.factor <= estimate <= error * case.factor:
            missed.append(f"estimate {estimate:.1e} is not within {case.factor:g} of {error:.1e}")
    if case.growth is not None:
        first, last = result["errors_at_ends"]
        if not last <= case.growth * first:
            missed.append(f"the error grew from {first:.1e} to {last:.1e}")
    return missed + _late(case.seconds, result["seconds_scaled"])


def judge_sweeps(results: Sequence[Mapping[str, Any]], noise: float) -> list[Result]:
    """Whether a looser tolerance is cheaper, one check a problem with two tolerances or more."""
    problems: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        if "sweep" in result["groups"] and "seconds" in result:
            problems.setdefault(result["problem"], []).append(result)
    checks = []
    for problem, rows in problems.items():
        rows = sorted(rows, key=lambda row: -row["rtol"])
        # In units of each one's own calibration: the clock may drift between cases.
        costs = [row["seconds_scaled"] for row in rows]
        if len(rows) > 1:
            rising = all(a <= b * noise for a, b in pairwise(costs))
            checks.append(
                {
                    "name": f"{problem}: a looser tolerance is cheaper",
                    "problem": problem,
                    "rtol": [row["rtol"] for row in rows],
                    "seconds_scaled": costs,
                    "passed": rising and costs[0] < costs[-1],
                }
            )
    return checks


def measure_command(case: CommandCase, suite: Suite, repeats: int) -> Result:
    """Run a command ``repeats`` times after one untimed run; time, peak memory, side effects."""
    about = {
        "name": case.name,
        "command": " ".join(case.command),
        "groups": list(case.groups),
        "limits": {"seconds": case.seconds, "memory_gb": case.memory_gb},
    }
    try:
        calibration = run_worker(
            "calibrate",
            rows=int(suite.calibration["rows"]),
            columns=int(suite.calibration["columns"]),
        )
    except MeasurementError as error:
        return {**about, "passed": False, "missed": [f"failed: {error}"]}
    runs = [run_command(case) for _ in range(repeats + 1)][1:]
    missed = list(dict.fromkeys(text for run in runs for text in run.missed))
    memory = max(run.memory_gb for run in runs)
    result = {
        **about,
        **timing(
            [run.seconds for run in runs],
            statistics.median(calibration),
            suite.calibration["reference_seconds"],
        ),
        "seconds_runs": [run.seconds for run in runs],
        "memory_gb": memory,
    }
    if case.memory_gb is not None and memory > case.memory_gb:
        missed.append(f"{memory:.2f} GB is over {case.memory_gb:g} GB")
    missed += _late(case.seconds, result["seconds_scaled"])
    return {**result, "passed": not missed, "missed": missed}


@dataclass(frozen=True)
class Run:
    """One run of a command: wall seconds, peak resident memory, and what was wrong."""

    seconds: float
    memory_gb: float
    missed: tuple[str, ...]


def run_command(case: CommandCase) -> Run:
    """Run a command once, in an empty working directory."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        command = _expand(case.command, Path(folder) / "RUN")
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=one_thread(), stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        missed = []
        if process.returncode:
            missed.append(f"exit code {process.returncode}")
        if case.silent and output.tell():
            missed.append("it printed something")
        if stray := sorted(item.name for item in Path(folder).iterdir() if item.name != "RUN"):
            missed.append(f"it wrote {', '.join(stray)}")
    # Kilobytes, except on macOS, which counts bytes.
    scale = 1e-9 if sys.platform == "darwin" else 1.024e-6
    return Run(seconds, usage.ru_maxrss * scale, tuple(missed))


def _expand(words: Sequence[str], run: Path) -> list[str]:
    script = Path(sys.executable).with_name("gmnm-pde")
    # In an environment that has the dependencies only, the module is the command.
    program = [str(script)] if script.exists() else [sys.executable, "-m", "gmnm_pde.cli"]
    known = {"gmnm-pde": program, "python": [sys.executable], "RUN": [str(run)]}
    return [part for word in words for part in known.get(word, [word])]


def _late(limit: float | None, scaled: float) -> list[str]:
    if limit is None or scaled <= limit:
        return []
    return [f"{scaled:.2f} s on the reference machine is over {limit:g} s"]
