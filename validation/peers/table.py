"""The peers' part of TABLE.md."""

from __future__ import annotations

from collections.abc import Sequence

from validation.cases import exponent
from validation.peers.catalogue import ENTRIES
from validation.peers.problems import PROBLEMS
from validation.peers.results import Results, targets
from validation.peers.rows import Row
from validation.table import MISSING, duration, figure, grid

HEAD = """## Other solvers

From `results/peers.json`, by `make peers`; how they are run is in `peers/README.md`, the curves
are in `docs/images/peers-*.png`. Times are those of the first measured error below the one at the
head of the column, without imports, set-up and the measurement of errors; for solvers without a
training loop, of one solve.
"""


def peers_table(results: Results) -> str:
    """The section."""
    parts = [HEAD + "\n" + _machine(results)]
    for name in PROBLEMS:
        if rows := results.of(name):
            parts.append(f"### {PROBLEMS[name].title}\n\n" + _problem(rows))
    return "\n".join(parts)


def _machine(results: Results) -> str:
    machine = results.about["machine"]
    versions = {key: value for row in results.rows for key, value in row.versions.items() if value}
    listed = ", ".join(f"{name} {text}" for name, text in sorted(versions.items()))
    return (
        f"Machine: {machine['cpu']}, 1 of {machine['cores']} cores, {machine['os']}; {listed}. "
        f"Commit: {results.about['commit'] or 'unknown'}.\n"
    )


def _problem(rows: Sequence[Row]) -> str:
    errors = targets(rows)
    head = [
        "solver",
        "parameters",
        *(f"s to {exponent(error)}" for error in errors),
        "best relative L2",
        "after s",
        "set-up s",
        "how it ended",
    ]
    order = {entry.name: index for index, entry in enumerate(ENTRIES)}
    ordered = sorted(rows, key=lambda row: order.get(row.peer, len(order)))
    return grid(head, [_line(row, errors) for row in ordered])


def _line(row: Row, errors: Sequence[float]) -> list[str]:
    best = row.best
    labels = {entry.name: entry.label for entry in ENTRIES}
    times = [row.first_below(error) for error in errors]
    setup = row.setup_seconds
    if best is not None and best.setup_seconds is not None:
        setup = best.setup_seconds
    ended = row.note or {"stopped": f"stopped at {row.budget:g} s"}.get(row.status, row.status)
    return [
        labels.get(row.peer, row.peer),
        MISSING if best is None else f"{best.parameters:,}",
        *(duration(None if point is None else point.seconds) for point in times),
        figure(None if best is None else best.relative_l2),
        duration(None if best is None else best.seconds),
        duration(setup),
        ended.replace("|", "/"),
    ]
