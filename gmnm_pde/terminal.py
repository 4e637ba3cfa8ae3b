"""What the command prints: a progress line, a table at the end, the answer of `check`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from gmnm_pde.accuracy import Errors
    from gmnm_pde.checks import Checked, ConditionFacts
    from gmnm_pde.geometry import Domain
    from gmnm_pde.methods.base import Record
    from gmnm_pde.problem import Problem
    from gmnm_pde.solution import Solution


_PLAIN_WIDTH = 240


def make_console(quiet: bool = False) -> Console:
    """Standard output. Square brackets are text; away from a terminal, lines are not broken."""
    console = Console(quiet=quiet, markup=False, highlight=False)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    return console


def two_columns() -> Table:
    """A table without lines: names, and what there is to say."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


class Progress:
    """A live line on a terminal, one plain line a step elsewhere, nothing when quiet."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._live: Live | None = None
        self._started = time.perf_counter()
        self._record: Record | None = None

    def __enter__(self) -> Progress:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(
                console=self._console,
                get_renderable=self._line,
                refresh_per_second=8,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, record: Record) -> None:
        """Take one step of the history."""
        self._record = record
        if self._live is None and not self._quiet:
            self._console.print(record_text(record), soft_wrap=True)

    def _line(self) -> Text:
        words = "starting" if self._record is None else record_text(self._record, timed=False)
        elapsed = time.perf_counter() - self._started
        line = f"{words}    {elapsed:.1f} s"
        return Text(line, style="cyan", no_wrap=True, overflow="ellipsis")


def record_text(record: Record, timed: bool = True) -> str:
    """``step 2    units 400    residual 1.2e-05    estimated error 3.1e-06    0.4 s``; of training
    also ``loss 3.4e-08``."""
    parts = [
        f"step {record.step}",
        f"units {record.units}",
        *([] if record.loss is None else [f"loss {figure(record.loss)}"]),
        f"residual {figure(record.residual_rms)}",
        f"estimated error {figure(record.estimated_error)}",
    ]
    return "    ".join([*parts, f"{record.seconds:.2f} s"] if timed else parts)


def figure(value: float | None) -> str:
    """A number in a table; ``-`` for one that does not exist."""
    return "-" if value is None or value != value else f"{value:.2e}"


def solution_table(solution: Solution) -> Table:
    """The end of a solve: errors, units, seconds."""
    metrics: Mapping[str, Any] = solution.metrics()
    table = two_columns()
    for name in solution.unknowns:
        suffix = f" of {name}" if len(solution.unknowns) > 1 else ""
        if solution.errors is not None and name in solution.errors.relative_l2:
            table.add_row(f"relative L2 error{suffix}", measured_text(solution.errors, name))
        table.add_row(f"estimated error{suffix}", figure(solution.estimated_error.get(name)))
    for name in solution.inferred:
        table.add_row(name, inferred_text(solution, name))
    for name, noise in solution.findings.noise.items():
        data = None if solution.problem is None else solution.problem.data
        said = "estimated" if data is None or data.noise is None else "given"
        table.add_row(f"noise of {name}", f"{noise:.3g}  (standard deviation, {said})")
    table.add_row("units", f"{metrics['units']}  ({metrics['parameters']} parameters)")
    table.add_row("seconds", f"{metrics['seconds']:.2f}")
    table.add_row("status", f"{metrics['status']}: {metrics['reason']}")
    for note in solution.notes:
        table.add_row("note", note)
    return table


def inferred_text(solution: Solution, name: str) -> str:
    """A constant with its standard error, and how far it is from the reference's."""
    value, error = solution.inferred[name], solution.findings.errors[name]
    # As many digits as the standard error has, and one more.
    digits = 6
    if 0 < error < abs(value):
        digits = min(15, 2 + math.ceil(math.log10(abs(value) / error)))
    text = f"{value:.{digits}g} +- {error:.2g}"
    if solution.errors is None or name not in solution.errors.inferred:
        return text
    kind = solution.errors.reference.replace("_", " ")
    return f"{text}  ({figure(solution.errors.inferred[name])} from the {kind} value, relatively)"


def measured_text(errors: Errors, name: str) -> str:
    """A measured error, and what it was measured against."""
    error, own = errors.relative_l2[name], errors.own_error.get(name, 0.0)
    kind = errors.reference.replace("_", " ")
    if own == 0.0:
        return f"{figure(error)}  (measured against the {kind} solution)"
    if own != own:
        return f"{figure(error)}  (measured against {kind}, whose own error is not known)"
    if error < own:
        return f"{figure(error)}  (below the {kind} reference's own error, {figure(own)})"
    return f"{figure(error)}  (measured against {kind}, whose own error is {figure(own)})"


def problem_table(problem: Problem, checked: Checked, solver: str) -> Table:
    """What was understood of a problem."""
    table = two_columns()
    table.add_row("problem", problem.name)
    if problem.description:
        table.add_row("", problem.description)
    table.add_row("coordinates", ", ".join(shortened(problem.coordinates)))
    if problem.time is None:
        table.add_row("unknowns", ", ".join(problem.unknowns))
    else:
        for item in checked.unknowns:
            table.add_row("unknown", f"{item.name}  ({item.describe()})")
    table.add_row("domain", _domain_text(problem, problem.domain))
    for name, part in problem.subdomains.items():
        table.add_row("subdomain", f"{name}: {_domain_text(problem, part)}")
    if problem.time is not None:
        table.add_row("time", f"{problem.time[0]:.6g} < t < {problem.time[1]:.6g}")
    for equation in checked.equations:
        table.add_row("equation", f"{equation.label}  ({equation.describe()})")
    for condition in checked.conditions:
        table.add_row("condition", condition.label + _points_text(condition))
    if problem.time is not None:
        table.add_row("conditions", _counts_text(checked))
    if problem.data is not None:
        table.add_row("data", f"{problem.data.label}, {len(problem.data.points)} measurements")
    for name, quantity in problem.infer.items():
        table.add_row("inferred", f"{name}, {quantity.describe()}")
    if problem.easier:
        table.add_row("continuation", ", then ".join(label for label, _ in problem.easier))
    reference = "none" if problem.reference is None else problem.reference.name
    table.add_row("reference", reference.replace("_", " "))
    table.add_row("solver", solver)
    for note in checked.notes:
        table.add_row("note", note)
    return table


def _domain_text(problem: Problem, domain: Domain) -> str:
    size = {1: "length", 2: "area"}.get(domain.dimension, "volume")
    box = ", ".join(
        shortened(
            [
                f"{low:.6g} < {name} < {high:.6g}"
                for name, low, high in zip(problem.space, domain.lower, domain.upper, strict=True)
            ]
        )
    )
    sides = ", ".join(domain.sides)
    return (
        f"{type(domain).__name__.lower()} in {box}; {size} {domain.measure:.6g}, "
        f"boundary {domain.boundary_measure:.6g}; sides: {sides}"
    )


def shortened(parts: Sequence[str], most: int = 12) -> list[str]:
    """A list of many parts without those in the middle."""
    if len(parts) <= most:
        return list(parts)
    return [*parts[:3], f"... ({len(parts)} in all)", *parts[-2:]]


def _points_text(condition: ConditionFacts) -> str:
    if condition.points is None:
        return ""
    where = " at the first time" if condition.kind == "initial" else ""
    return f"  (selects {condition.points} of {condition.of} sample points{where})"


_KINDS = {
    "initial": "initial",
    "boundary": "on the boundary",
    "periodic": "periodic",
    "point": "at a point",
    "interface": "across an interface",
    "integral": "of an integral",
}


def _counts_text(checked: Checked) -> str:
    """``1 initial, 2 on the boundary``."""
    kinds = [condition.kind for condition in checked.conditions]
    counts = [f"{kinds.count(kind)} {words}" for kind, words in _KINDS.items() if kind in kinds]
    return ", ".join(counts) or "none"


def files_text(folder: Path) -> str:
    """Where the files are."""
    return f"Files are in {folder}{'' if str(folder).endswith('/') else '/'}"
