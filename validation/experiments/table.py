"""The experiments' part of TABLE.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from validation.table import MISSING, duration, figure, grid

WORDS = """\
Relative L2 error on 4000 points that no solver used, at the end of a run: median (range) over the
seeds. Bold is the smallest median. `gmnm` places its units and solves for output weights only;
`gmnm-small` trains centres and widths too, output weights by variable projection; `pinn` is a
perceptron by Adam and L-BFGS; the Gauss-Newton recipes train every parameter by
Levenberg-Marquardt.
"""


def experiments_table(data: Mapping[str, Any]) -> str:
    """All experiments of the JSON."""
    about = data["machine"]
    parts = [
        "## GMNM, perceptrons and Kolmogorov-Arnold networks\n\n"
        "From `results/experiments.json`, written by `python validation/run.py experiments`. "
        f"Machine: {about['cpu']}, one thread, {about['os']}; python {about['python']}, "
        f"torch {about['torch']}; float64. Commit: {data['commit'] or 'unknown'}.\n\n{WORDS}"
    ]
    parts += [_experiment(item) for item in data["experiments"]]
    return "\n".join(parts)


def _experiment(item: Mapping[str, Any]) -> str:
    problems: Mapping[str, Any] = item["problems"]
    solvers = list(dict.fromkeys(row["solver"] for p in problems.values() for row in p["rows"]))
    rows, sooner = [], []
    for name, found in problems.items():
        medians = {solver: _errors(found["rows"], solver) for solver in solvers}
        best = min((m[0] for m in medians.values() if m is not None), default=None)
        rows.append([f"`{name}`", *(_cell(medians[solver], best) for solver in solvers)])
        sooner.append([f"`{name}`", *_overtaken(found, medians)])
    text = f"### {item['title']}\n\n{item['words'].capitalize()}.\n\n"
    text += grid(["problem", *solvers], rows) + "\n"
    text += "Parameters: " + "; ".join(_sizes(problems, solver) for solver in solvers) + ".\n\n"
    head = ["problem", "best GMNM", "best of MLP and KAN", "their error over ours"]
    text += grid([*head, "they reach it after", "GMNM reaches it after"], sooner)
    lost = [row[0] for row in sooner if row[3] != MISSING and float(row[3]) < 1]
    return text + f"\nGMNM loses on: {', '.join(lost) or 'none of them'}.\n"


def _errors(rows: Sequence[Mapping[str, Any]], solver: str) -> tuple[float, float, float] | None:
    """Median, least and largest error of a solver; None if it has none."""
    from gmnm_pde.studies.summary import spread

    found = spread(error_of(row) for row in rows if row["solver"] == solver)
    return None if found is None else (found.median, found.low, found.high)


def error_of(row: Mapping[str, Any]) -> float | None:
    """The largest error of the unknowns."""
    return max((value for value in row["relative_l2"].values() if value is not None), default=None)


def _cell(found: tuple[float, float, float] | None, best: float | None) -> str:
    if found is None:
        return MISSING
    median, low, high = found
    text = f"**{figure(median)}**" if median == best else figure(median)
    return text if figure(low) == figure(high) else f"{text} ({figure(low)} to {figure(high)})"


def _sizes(problems: Mapping[str, Any], solver: str) -> str:
    sizes = [
        row["parameters"]
        for found in problems.values()
        for row in found["rows"]
        if row["solver"] == solver and row["parameters"]
    ]
    if not sizes:
        return f"{solver} {MISSING}"
    ends = f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
    return f"{solver} {ends}"


def _overtaken(found: Mapping[str, Any], medians: Mapping[str, Any]) -> list[str]:
    """The best GMNM, the best of the others, and when each comes to the others' error."""
    ours = {name: m[0] for name, m in medians.items() if m is not None and "gmnm" in name}
    theirs = {name: m[0] for name, m in medians.items() if m is not None and "gmnm" not in name}
    if not ours or not theirs:
        return [MISSING] * 5
    us, them = min(ours, key=lambda n: ours[n]), min(theirs, key=lambda n: theirs[n])
    # Their own median, read from a file: a hair of room for the rounding of its digits.
    target = theirs[them] * 1.0001
    reached = [_reached(found["points"], name, target) for name in ours]
    soonest = min((time for time in reached if time is not None), default=None)
    return [
        f"{us} {figure(ours[us])}",
        f"{them} {figure(theirs[them])}",
        f"{theirs[them] / ours[us]:.2g}",
        _time(_reached(found["points"], them, target)),
        _time(soonest),
    ]


def _time(seconds: float | None) -> str:
    return "not reached" if seconds is None else f"{duration(seconds)} s"


def _reached(points: Sequence[Mapping[str, Any]], solver: str, target: float) -> float | None:
    """Median over the seeds of the time of the first error below the target; None if fewer than
    half of them come there."""
    seeds = {point["seed"] for point in points if point["solver"] == solver}
    times = sorted(
        min(
            (
                point["seconds"]
                for point in points
                if (point["solver"], point["seed"]) == (solver, seed)
                and (error_of(point) or 0.0) <= target
            ),
            default=float("inf"),
        )
        for seed in seeds
    )
    middle = times[(len(times) - 1) // 2] if times else float("inf")
    return middle if middle < float("inf") else None
