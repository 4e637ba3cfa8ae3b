"""The command: what is run, what is written, and the exit code."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from validation import classical, machine, measure
from validation.cases import GROUPS, PARTS, QUICK, Case, CommandCase, Suite, load_suite
from validation.experiments.command import main as experiments
from validation.page import RESULTS, TABLE, write_page

GPU = "gpu"
"""The file of the results on a GPU."""

EXPERIMENTS = "experiments"

CPU, CUDA = "cpu", "cuda"

MISSED, BAD_INPUT = 1, 2

REPEATS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, print. Returns 0, 1 if a limit is missed, 2 for a bad argument."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == [EXPERIMENTS]:
        return experiments(words[1:])
    options = _parser().parse_args(arguments)
    try:
        everything = load_suite()
        suite = everything.select(options.cases)
        about = found_gpu(options.device)
        if options.table:
            write_page(RESULTS, TABLE)
            return 0
    except (ValueError, OSError, measure.MeasurementError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    if options.list:
        items: tuple[Case | CommandCase, ...] = (*suite.cases, *suite.commands)
        for item in items:
            print(f"{item.name:28} {', '.join(item.groups)}")
        return 0
    quick = options.cases == [QUICK]
    repeats = options.repeats or (1 if quick else REPEATS)
    if options.device != CPU:
        # scikit-fem and the commands have no GPU, and the limits of seconds are for a CPU.
        suite = replace(suite, commands=())
    plain = options.device == CPU and not quick
    budget = None if options.no_fem or not plain else options.fem_budget
    data = run(suite, repeats, budget, _say, timed=plain, device=options.device)
    data["machine"].update(about)
    if options.out:
        write(data, options.out)
    elif options.device != CPU:
        if everything.part(["figures"]).names <= suite.names:
            write(data, RESULTS / f"{GPU}.json")
    else:
        write_parts(data, suite, everything)
    print(summary(data))
    return 0 if passed(data) else MISSED


def run(
    suite: Suite,
    repeats: int,
    fem_budget: float | None,
    say: Callable[[str], None],
    timed: bool = True,
    device: str = CPU,
) -> dict[str, Any]:
    """Measure a suite.

    Arguments:
        fem_budget: seconds that the last mesh of scikit-fem may take; None leaves it out.
        say: called with a line of progress.
        timed: whether limits of seconds count; they are measured anyway.
    """
    cases = []
    for case in suite.cases:
        result = measure.measure_case(case, suite, repeats, timed, device)
        say(line(result))
        cases.append(result)
    commands = []
    for command in suite.commands:
        result = measure.measure_command(command, suite, repeats)
        say(line(result))
        commands.append(result)
    if fem_budget is not None:
        compared = [case for case in cases if {"figures", "sweep"} & set(case["groups"])]
        names = (result["problem"] for result in compared)
        found = classical.ladders(names, fem_budget, repeats, say)
        for result in compared:
            result["scikit_fem"] = classical.beside(result, found)
    about = {
        "machine": machine.describe(),
        "commit": machine.commit(),
        "repeats": repeats,
        "fem_budget_seconds": fem_budget,
        "reference_seconds": suite.calibration["reference_seconds"],
    }
    checks = measure.judge_sweeps(cases, suite.noise) if timed else []
    return gathered(about, cases, checks, commands)


def found_gpu(device: str) -> dict[str, Any]:
    """What is known of the GPU, nothing for the CPU.

    Raises:
        MeasurementError: a GPU was asked for, and there is none.
    """
    return {} if device == CPU else dict(measure.run_worker("gpu", device))


def gathered(
    about: Mapping[str, Any],
    cases: Sequence[dict[str, Any]],
    checks: Sequence[dict[str, Any]],
    commands: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Results, and the range of the calibrations beside them."""
    times = [item["calibration_seconds"] for item in (*cases, *commands) if "seconds" in item]
    return {
        **about,
        "calibration_seconds": statistics.median(times) if times else None,
        "calibration_min": min(times, default=None),
        "calibration_max": max(times, default=None),
        "cases": list(cases),
        "checks": list(checks),
        "commands": list(commands),
    }


def part_of(data: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Any]:
    """The results of some groups."""
    about = {key: data[key] for key in data if key not in ("cases", "checks", "commands")}
    cases, commands = (
        [item for item in data[key] if set(item["groups"]) & set(groups)]
        for key in ("cases", "commands")
    )
    return gathered(about, cases, data["checks"] if "sweep" in groups else [], commands)


def passed(data: dict[str, Any]) -> bool:
    """Whether every limit was met."""
    return all(item["passed"] for key in ("cases", "checks", "commands") for item in data[key])


def write(data: Mapping[str, Any], path: Path) -> None:
    """The JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def write_parts(data: Mapping[str, Any], suite: Suite, everything: Suite) -> None:
    """The files of the parts all of whose cases were measured, and TABLE.md, if there are any."""
    whole = []
    for part, groups in PARTS.items():
        needed = everything.part(groups).names
        if needed and needed <= suite.names:
            write(part_of(data, groups), RESULTS / f"{part}.json")
            whole.append(part)
    if whole:
        write_page(RESULTS, TABLE)


def line(result: dict[str, Any]) -> str:
    """One result as a line of text."""
    parts = [f"{result['name']:28}", "passed" if result["passed"] else "MISSED"]
    if result.get("relative_l2") is not None:
        parts.append(f"error {result['relative_l2']:.1e}")
    if result.get("estimated_error") is not None:
        parts.append(f"estimated {result['estimated_error']:.1e}")
    if "seconds" in result:
        parts.append(f"{result['seconds']:.3f} s, scaled {result['seconds_scaled']:.3f} s")
    if "errors_at_ends" in result:
        parts.append("first and last {:.1e}, {:.1e}".format(*result["errors_at_ends"]))
    if result.get("memory_gb") is not None:
        parts.append(f"{result['memory_gb']:.2f} GB")
    return "  ".join([*parts, *result["missed"]])


def summary(data: dict[str, Any]) -> str:
    """How many limits were met."""
    items = [item for key in ("cases", "checks", "commands") for item in data[key]]
    missed = [item["name"] for item in items if not item["passed"]]
    text = f"{len(items) - len(missed)} of {len(items)} passed."
    return text if not missed else f"{text} Missed: {', '.join(missed)}."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python validation/run.py",
        description="Measure the project's figures on one core and compare them with their limits.",
    )
    parser.add_argument(
        "cases",
        nargs="*",
        help=f"names, patterns (poisson*) or groups ({', '.join(GROUPS)}); all if left out; "
        "`experiments` first, with options of its own, for the comparison of networks",
    )
    parser.add_argument("--repeats", type=_positive, help="solves of each case (3; quick 1)")
    parser.add_argument(
        "--out",
        type=Path,
        help="JSON file; if not given, each file of results/ all of whose cases were measured",
    )
    parser.add_argument(
        "--device",
        choices=(CPU, CUDA),
        default=CPU,
        help="cuda: solve on a GPU; `figures` then goes to results/gpu.json, and limits of "
        "seconds fail nothing",
    )
    parser.add_argument("--no-fem", action="store_true", help="leave scikit-fem out")
    parser.add_argument(
        "--fem-budget", type=float, default=20.0, help="seconds scikit-fem's last mesh may take"
    )
    parser.add_argument("--list", action="store_true", help="show the cases and stop")
    parser.add_argument("--table", action="store_true", help="write TABLE.md again and stop")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _say(text: str) -> None:
    print(text, flush=True)
