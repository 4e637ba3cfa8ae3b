"""Rows of one solver as one line: the median of its seeds, and their range."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gmnm_pde.studies.rows import Row


@dataclass(frozen=True)
class Spread:
    """Median and range of some figures."""

    median: float
    low: float
    high: float

    @property
    def several(self) -> bool:
        """Whether there is a range."""
        return self.low < self.high


def spread(values: Iterable[float | None]) -> Spread | None:
    """Of the figures that there are; None if there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(statistics.median(known), min(known), max(known))


@dataclass(frozen=True)
class Line:
    """The runs of one solver, at one resolution if it is a classical one."""

    solver: str
    runs: int
    error: Spread | None
    seconds: Spread | None
    units: Spread | None
    parameters: Spread | None
    points: Spread | None
    status: str
    reason: str


def lines(rows: Sequence[Row]) -> list[Line]:
    """One for each solver; classical ones have one for each resolution."""
    groups: dict[tuple[str, int | None], list[Row]] = {}
    for row in rows:
        key = (row.solver, row.points if row.seed is None else None)
        groups.setdefault(key, []).append(row)
    return [_line(name, group) for (name, _), group in groups.items()]


def _line(name: str, group: Sequence[Row]) -> Line:
    statuses = [row.status for row in group]
    counted = ", ".join(
        status if len(set(statuses)) == 1 else f"{statuses.count(status)} {status}"
        for status in dict.fromkeys(statuses)
    )
    return Line(
        name,
        len(group),
        spread(row.worst for row in group),
        spread(row.seconds for row in group),
        spread(row.units for row in group),
        spread(row.parameters for row in group),
        spread(row.points for row in group),
        counted,
        group[-1].reason,
    )
