"""The command: ``python validation/run.py experiments``.

Every comparison is one ``gmnm-pde compare`` in a process of its own, on one thread; what is
interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from validation import machine
from validation.experiments.plan import Experiment, load_plan
from validation.page import EXPERIMENTS as RESULTS
from validation.page import write_page

IMAGES = machine.ROOT / "docs" / "images"
RUNS = machine.ROOT / "runs" / "experiments"

FAILED, BAD_INPUT = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, draw. Returns 0, 1 if a comparison could not be run, 2 for a bad argument."""
    options = _parser().parse_args(arguments)
    try:
        plan = load_plan(options.names)
        path: Path = options.out or (RUNS / "experiments.json" if options.names else RESULTS)
        if options.draw:
            _finish(json.loads(path.read_text(encoding="utf-8")), path)
            return 0
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    data: dict[str, Any] = {"machine": machine.describe(), "commit": machine.commit(), "threads": 1}
    try:
        data["experiments"] = [_measured(item, options) for item in plan]
    except subprocess.CalledProcessError as error:
        print(f"{shlex.join(error.cmd)} ended with {error.returncode}.", file=sys.stderr)
        return FAILED
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    _finish(data, path)
    return 0


def _measured(experiment: Experiment, options: argparse.Namespace) -> dict[str, Any]:
    """One experiment as plain values.

    Raises:
        CalledProcessError: a comparison ended with an error.
    """
    seeds = options.seeds or experiment.seeds
    limit = options.time_limit or experiment.time_limit
    problems = {}
    for problem in experiment.problems:
        folder = options.runs / experiment.name / problem
        words = experiment.arguments(problem, folder, seeds, limit)
        if (folder / "manifest.json").is_file():
            words = ["resume", str(folder)]
        print("gmnm-pde", shlex.join(words), flush=True)
        command = [sys.executable, "-m", "gmnm_pde.cli", *words]
        subprocess.run(command, env=machine.one_thread(), check=True)
        problems[problem] = measured(folder)
    return {
        "name": experiment.name,
        "title": experiment.title,
        "words": experiment.words(seeds, limit),
        "seeds": seeds,
        "time_limit": limit,
        "parameters": experiment.parameters,
        "problems": problems,
    }


def measured(folder: Path) -> dict[str, Any]:
    """Rows and curves of a comparison, as plain values."""
    from gmnm_pde.config import load_problem
    from gmnm_pde.studies.compare import Comparison

    problem = load_problem(folder / "problem.yaml").problem
    results, curves = Comparison(problem, {}).tables(folder)
    return {
        "rows": [asdict(row) for row in results.read()],
        "points": [asdict(point) for point in curves.read()],
    }


def _finish(data: dict[str, Any], path: Path) -> None:
    """Pictures and TABLE.md; those of a part stay beside its file."""
    from validation.experiments.pictures import draw
    from validation.experiments.table import experiments_table

    whole = path.resolve() == RESULTS
    for picture in draw(data, IMAGES if whole else path.parent):
        print(f"Drew {picture}")
    if whole:
        write_page()
    else:
        print(experiments_table(data))
    print(f"Wrote {path}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python validation/run.py experiments",
        description="GMNM against perceptrons and Kolmogorov-Arnold networks, as experiments.yaml.",
    )
    parser.add_argument("names", nargs="*", help="of experiments; all if left out")
    parser.add_argument("--seeds", type=int, help="instead of those of the file")
    parser.add_argument("--time-limit", type=float, help="seconds of a solve, likewise")
    parser.add_argument("--out", type=Path, help="JSON file; pictures go beside it")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folders of the comparisons")
    parser.add_argument("--draw", action="store_true", help="draw from the JSON file and stop")
    return parser
