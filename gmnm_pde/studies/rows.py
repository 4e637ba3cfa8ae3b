"""results.csv and curves.csv: one row a run, written as soon as the run is over.

What is in the file is done, so a study that is interrupted goes on after its last row.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gmnm_pde.accuracy import finite
from gmnm_pde.errors import InputError
from gmnm_pde.plain_files import missing
from gmnm_pde.solution import Solution

RESULTS, CURVES = "results.csv", "curves.csv"

Figures = Mapping[str, float | None]
"""One an unknown, None where there is no figure."""


@dataclass(frozen=True)
class Row:
    """One run.

    Arguments:
        solver: its name.
        seed: None for a classical solver, which has no random numbers.
        relative_l2, max_error: measured, one an unknown.
        seconds: of the solve.
        units, parameters: of the network; of a classical solver the numbers that it solves for.
        points: collocation points, or nodes.
        status: as in metrics.json, or "refused" where the solver cannot do the problem.
        reason: why it ended so.
    """

    solver: str
    seed: int | None
    status: str
    reason: str = ""
    relative_l2: Figures = field(default_factory=dict)
    max_error: Figures = field(default_factory=dict)
    seconds: float | None = None
    units: int | None = None
    parameters: int | None = None
    points: int | None = None

    @property
    def worst(self) -> float | None:
        """The largest relative error of the unknowns."""
        return worst(self.relative_l2)


@dataclass(frozen=True)
class Point:
    """The error of a run some way through it."""

    solver: str
    seed: int | None
    seconds: float
    units: int
    parameters: int
    relative_l2: Figures = field(default_factory=dict)

    @property
    def worst(self) -> float | None:
        """The largest relative error of the unknowns."""
        return worst(self.relative_l2)


def worst(figures: Figures) -> float | None:
    """The largest figure that there is; a reference may know less than the solution."""
    return max((value for value in figures.values() if value is not None), default=None)


def row_of(solver: str, solution: Solution) -> Row:
    """The row of a solve."""
    errors = solution.errors
    return Row(
        solver,
        solution.seed,
        solution.status,
        solution.reason,
        {} if errors is None else finite(errors.relative_l2),
        {} if errors is None else finite(errors.max_error),
        solution.seconds,
        solution.units,
        solution.parameters,
        solution.points,
    )


@dataclass(frozen=True)
class Table:
    """A CSV file of rows or points.

    Arguments:
        kind: :class:`Row` or :class:`Point`.
        unknowns: figures by unknown have a column each, ``relative_l2_u``.
    """

    path: Path
    kind: type
    unknowns: Sequence[str]

    @property
    def columns(self) -> list[str]:
        """The first line."""
        shown = CONTRACT if self.kind is Row else tuple(item.name for item in fields(self.kind))
        return [
            column
            for name in shown
            for column in (
                [f"{name}_{unknown}" for unknown in self.unknowns] if name in FIGURES else [name]
            )
        ]

    def append(self, *rows: Row | Point) -> None:
        """Add rows, and the first line to a new file."""
        new = not self.path.is_file()
        if not new:
            _cut_to_whole_lines(self.path)
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if new:
                writer.writerow(self.columns)
            for row in rows:
                values = self._values(row)
                writer.writerow(["" if missing(v) else v for v in values])

    def read(self) -> list[Any]:
        """The rows; none if there is no file.

        Raises:
            InputError: a file that holds something else.
        """
        if not self.path.is_file():
            return []
        with self.path.open(newline="", encoding="utf-8") as stream:
            lines = list(csv.reader(stream))
        if not lines or lines[0] != self.columns:
            raise InputError(
                "this holds other columns than a study of this problem.",
                mend=f"Expected {', '.join(self.columns)}.",
                file=self.path,
            )
        # The last line of a study that was killed while it wrote may be cut off.
        whole = [line for line in lines[1:] if len(line) == len(self.columns)]
        try:
            return [self._row(dict(zip(self.columns, line, strict=True))) for line in whole]
        except ValueError as error:
            raise InputError(f"a row cannot be read: {error}.", file=self.path) from None

    def _values(self, row: Row | Point) -> list[Any]:
        values: list[Any] = []
        for column in self.columns:
            name, unknown = self._split(column)
            value = getattr(row, name)
            values.append(value if unknown is None else value.get(unknown))
        return values

    def _row(self, cells: Mapping[str, str]) -> Any:
        given: dict[str, Any] = {name: {} for name in FIGURES}
        for column, cell in cells.items():
            name, unknown = self._split(column)
            if unknown is not None:
                given[name][unknown] = float(cell) if cell else None
            else:
                given[name] = CELLS.get(name, str)(cell) if cell or name in TEXTS else None
        known = {item.name for item in fields(self.kind)}
        return self.kind(**{name: value for name, value in given.items() if name in known})

    def _split(self, column: str) -> tuple[str, str | None]:
        """``relative_l2_u`` is of ``relative_l2`` and the unknown u."""
        for name in FIGURES:
            if column.startswith(f"{name}_"):
                return name, column.removeprefix(f"{name}_")
        return column, None


FIGURES = ("relative_l2", "max_error")
TEXTS = ("solver", "status", "reason")
CELLS = {"seed": int, "units": int, "parameters": int, "points": int, "seconds": float}
CONTRACT = (
    *("solver", "seed", "relative_l2", "max_error", "seconds", "units", "parameters", "points"),
    *("status", "reason"),
)
"""The order of the columns of results.csv."""


def _cut_to_whole_lines(path: Path) -> None:
    text = path.read_bytes()
    if text and not text.endswith(b"\n"):
        path.write_bytes(text[: text.rfind(b"\n") + 1])
