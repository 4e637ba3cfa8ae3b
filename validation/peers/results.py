"""results/peers.json: rows of one machine, written after each of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from validation import machine
from validation.peers.rows import Row

_ABOUT = ("machine", "commit", "threads")


@dataclass(frozen=True)
class Results:
    """Rows, and what they were measured on."""

    about: Mapping[str, Any]
    rows: tuple[Row, ...] = ()

    def of(self, problem: str) -> tuple[Row, ...]:
        """Of one problem."""
        return tuple(row for row in self.rows if row.problem == problem)

    def find(self, problem: str, peer: str) -> Row | None:
        """The row of a peer on a problem, None if there is none."""
        return next((row for row in self.of(problem) if row.peer == peer), None)

    def with_row(self, row: Row) -> Results:
        """The row in the place of an older one, or at the end."""
        kept = [old for old in self.rows if (old.problem, old.peer) != (row.problem, row.peer)]
        return Results(self.about, (*kept, row))

    def write(self, path: Path) -> None:
        """Write the file whole or not at all: an interrupted run keeps what finished."""
        path.parent.mkdir(parents=True, exist_ok=True)
        data = {**self.about, "rows": [row.as_json() for row in self.rows]}
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)


def here() -> Results:
    """No rows yet, on this machine."""
    about = {"machine": machine.describe(), "commit": machine.commit(), "threads": 1}
    return Results(about)


def load(path: Path) -> Results:
    """Read a file.

    Raises:
        ValueError: it is not such a file.
        OSError: it cannot be read.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Results(
            {key: data[key] for key in _ABOUT}, tuple(Row.from_json(row) for row in data["rows"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no results of peers ({error}).") from None


def same_machine(one: Results, other: Results) -> bool:
    """Whether rows of both may stand in one picture: the same machine and versions."""
    return bool(one.about["machine"] == other.about["machine"])


def targets(rows: Sequence[Row]) -> tuple[float, ...]:
    """The errors whose times are compared: every second power of ten down to the best error."""
    best = min((row.best.relative_l2 for row in rows if row.best), default=1.0)
    return tuple(t for t in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12) if t >= best) or (1e-2,)
