"""TABLE.md from the JSON of a run: the same figures, for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from validation.cases import PLAIN, exponent
from validation.published import load_published, ours

MISSING = "-"

HEAD = """# Measured figures

Written by `python validation/run.py` from `results/`; what the columns mean is in `README.md`.
"""

TITLES = {
    "issue-figures": "Linear problems and whole commands",
    "any-equation": "Nonlinear equations, systems and time",
    "real-problems": "Measurements, real geometry, many dimensions",
}

PUBLISHED_WORDS = """\
From `published.yaml`: errors for the same problem, on other hardware and often in another
precision, so times are shown and not compared. A mean square error (MSE) became a relative one by
the size of the solution. "As quoted" is a figure that was not found at its source.
"""

PEERS = {
    "triangles-4": "scikit-fem, triangles of degree 4",
    "quadrilaterals-8": "scikit-fem, quadrilaterals of degree 8",
    "bricks-2": "scikit-fem, bricks of degree 2",
}


def table(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole document, of the results by the names of their files."""
    cases = [case for data in parts.values() for case in data["cases"]]
    sections = [_part(name, data) for name, data in parts.items()]
    return "\n".join([HEAD, *sections, *_published(cases)])


def _published(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """What others published for problems that were measured, beside ours."""
    measured, rows = ours(cases), []
    for found in load_published():
        if found.problem not in measured:
            continue
        case = measured[found.problem]
        error = case.get("relative_l2")
        given = figure(found.figure, ".2e") + (" (MSE)" if found.metric == "mse" else "")
        rows.append(
            [
                found.problem,
                f"{found.by}: {found.network}",
                given,
                figure(found.relative_l2, ".1e"),
                duration(found.seconds),
                figure(error),
                duration(case.get("seconds")),
                MISSING if error is None else f"{found.relative_l2 / error:.1g}",
                found.source + ("" if found.read else " (as quoted)"),
            ]
        )
    head = ["problem", "published", "as given", "relative L2", "their seconds"]
    head += ["ours, relative L2", "seconds", "theirs over ours", "source"]
    if not rows:
        return []
    return ["## Published by others\n\n" + PUBLISHED_WORDS + "\n" + grid(head, rows)]


def _part(name: str, data: Mapping[str, Any]) -> str:
    cases = data["cases"]

    def of(group: str) -> list[Mapping[str, Any]]:
        return [case for case in cases if group in case["groups"]]

    parts = [f"## {TITLES.get(name, name)}\n\nFrom `results/{name}.json`. {_machine(data)}\n"]
    if figures := [case for group in PLAIN for case in of(group)]:
        parts.append("### Figures\n\n" + _solves(figures))
    if sweep := of("sweep"):
        parts.append("### A tolerance asked for\n\n" + _solves(sweep))
    if data["checks"]:
        parts.append("### A looser tolerance is cheaper\n\n" + _checks(data["checks"]))
    if found := [case for case in cases if case.get("inferred")]:
        parts.append("### What was inferred\n\n" + _inferred(found))
    if longer := [case for case in cases if "errors_at_ends" in case]:
        parts.append("### Errors at the beginning and at the end\n\n" + _growth(longer))
    if data["commands"]:
        parts.append("### Whole commands\n\n" + _commands(data["commands"]))
    if any(case.get("scikit_fem") for case in cases):
        parts.append("### scikit-fem at the same error\n\n" + _peers(cases))
    parts.append("### Missed\n\n" + _missed(data))
    return "\n".join(parts)


def _inferred(cases: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            case["name"],
            name,
            f"{value:.6g}",
            figure(case["inferred_error"].get(name)),
            figure(case["limits"]["inferred"]),
            MISSING if "inside" not in case else f"{case['inside']} of 100",
        ]
        for case in cases
        for name, value in case["inferred"].items()
    ]
    head = ["case", "constant", "value", "relative error", "limit", "within two standard errors"]
    return grid(head, rows)


def figure(value: float | None, style: str = ".1e") -> str:
    """A number, or a dash where there is none."""
    return MISSING if value is None else format(value, style)


def duration(value: float | None) -> str:
    """Seconds with two or three digits."""
    if value is None:
        return MISSING
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _machine(data: Mapping[str, Any]) -> str:
    machine, commit = data["machine"], data["commit"]
    versions = ", ".join(
        f"{name} {machine[name] or 'not installed'}"
        for name in ("python", "torch", "numpy", "scipy", "scikit-fem")
    )
    return (
        f"Machine: {machine['cpu']}, {machine['cores_used']} of {machine['cores']} cores, "
        f"{figure(machine['memory_gb'], 'g')} GB, {machine['os']}; {versions}; float64.\n"
        f"Calibration: {duration(data['calibration_seconds'])} s "
        f"({duration(data['calibration_min'])} to {duration(data['calibration_max'])}), "
        f"reference machine {data['reference_seconds']:g} s. "
        f"Repeats: {data['repeats']}. Commit: {commit or 'unknown'}."
    )


def _solves(cases: Sequence[Mapping[str, Any]]) -> str:
    head = [
        "case",
        "relative L2",
        "limit",
        "estimated",
        "units",
        "seconds (range)",
        "scaled",
        "limit",
        "passed",
        "scikit-fem: relative L2",
        "seconds",
    ]
    rows = []
    for case in cases:
        limits, peer = case["limits"], _main_peer(case)
        rows.append(
            [
                case["name"],
                figure(case.get("relative_l2")),
                _limit(limits.get("relative_l2"), limits.get("aim")),
                figure(case.get("estimated_error")),
                figure(case.get("units"), "d"),
                _range(case),
                duration(case.get("seconds_scaled")),
                figure(limits.get("seconds"), "g"),
                "yes" if case["passed"] else "**no**",
                figure(peer.get("relative_l2")) + ("" if peer.get("reached", True) else " (short)"),
                duration(peer.get("seconds")),
            ]
        )
    return grid(head, rows)


def _main_peer(case: Mapping[str, Any]) -> Mapping[str, Any]:
    rows = case.get("scikit_fem", {})
    return next((row for row in rows.values() if isinstance(row, dict) and "seconds" in row), {})


def _peers(cases: Sequence[Mapping[str, Any]]) -> str:
    head = [
        "case",
        "element",
        "dofs",
        "relative L2",
        "at ours",
        "seconds",
        "set-up",
        "seconds for rtol",
    ]
    rows = []
    for case in cases:
        found = case.get("scikit_fem", {})
        if "note" in found:
            rows.append([case["name"], found["note"], *[MISSING] * 6])
            continue
        for element, row in found.items():
            if "note" in row:
                rows.append([case["name"], f"{PEERS[element]}: {row['note']}", *[MISSING] * 6])
                continue
            rows.append(
                [
                    case["name"],
                    PEERS[element],
                    f"{row['dofs']:,}",
                    figure(row["relative_l2"]),
                    "reached" if row["reached"] else "not reached",
                    duration(row["seconds"]),
                    duration(row["setup_seconds"]),
                    duration(row.get("seconds_for_rtol")),
                ]
            )
    return grid(head, rows)


def _growth(cases: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for case in cases:
        first, last = case["errors_at_ends"]
        limit = figure(case["limits"]["growth"], "g")
        rows.append([case["name"], figure(first), figure(last), figure(last / first, ".2g"), limit])
    head = ["case", "first hundredth of the time", "last", "ratio", "limit"]
    return grid(head, rows)


def _checks(checks: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            check["problem"],
            ", ".join(map(exponent, check["rtol"])),
            ", ".join(map(duration, check["seconds_scaled"])),
            "yes" if check["passed"] else "**no**",
        ]
        for check in checks
    ]
    return grid(["problem", "tolerances", "seconds, scaled", "passed"], rows)


def _commands(commands: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"`{item['command']}`",
            _range(item),
            duration(item.get("seconds_scaled")),
            figure(item["limits"].get("seconds"), "g"),
            figure(item.get("memory_gb"), ".2f"),
            figure(item["limits"].get("memory_gb"), "g"),
            "yes" if item["passed"] else "**no**",
        ]
        for item in commands
    ]
    head = ["command", "seconds (range)", "scaled", "limit", "peak GB", "limit", "passed"]
    return grid(head, rows)


def _missed(data: Mapping[str, Any]) -> str:
    lines = [
        f"- {item['name']}: {'; '.join(item['missed'])}"
        for item in (*data["cases"], *data["commands"])
        if not item["passed"]
    ]
    lines += [f"- {check['name']}" for check in data["checks"] if not check["passed"]]
    return "\n".join(lines or ["Nothing."]) + "\n"


def _limit(limit: float | None, aim: float | None) -> str:
    text = MISSING if limit is None else exponent(limit)
    return text if aim is None else f"{text}, aim {exponent(aim)}"


def _range(item: Mapping[str, Any]) -> str:
    if item.get("seconds") is None:
        return MISSING
    ends = f"{duration(item['seconds_min'])} to {duration(item['seconds_max'])}"
    return f"{duration(item['seconds'])} ({ends})"


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
