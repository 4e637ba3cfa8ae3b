"""What a peer gave on a problem: its curve, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["finished", "stopped", "late", "failed", "missing", "no recipe"]

STATUSES: dict[Status, str] = {
    "finished": "its recipe ended by itself",
    "stopped": "stopped when its seconds were spent",
    "late": "killed: it did not stop when its seconds were spent",
    "failed": "it ended with an error",
    "missing": "it is not installed",
    "no recipe": "there is nothing to run",
}
"""What they mean. A curve exists after the first four, as far as the peer came."""


@dataclass(frozen=True)
class Point:
    """An approximation.

    Arguments:
        seconds: of solving, without imports, set-up and the measurement of errors.
        relative_l2: |u - exact| / |exact| at the test points, ``mse`` the mean of (u - exact)^2.
        parameters: numbers that were solved for.
        setup_seconds: of meshes and bases, where each point is a solve of its own.
    """

    seconds: float
    relative_l2: float
    mse: float
    parameters: int
    setup_seconds: float | None = None


@dataclass(frozen=True)
class Row:
    """A peer on a problem.

    Arguments:
        peer: the name of its entry in the catalogue.
        budget: seconds that it was given.
        note: why there is no curve, or why it ended.
        setup_seconds: before the clock started: points, networks, compilation.
        versions: of its packages.
    """

    problem: str
    peer: str
    status: Status
    budget: float
    note: str = ""
    setup_seconds: float | None = None
    versions: Mapping[str, str | None] = field(default_factory=dict)
    curve: tuple[Point, ...] = ()

    @property
    def best(self) -> Point | None:
        """The most accurate point."""
        return min(self.curve, key=lambda point: point.relative_l2, default=None)

    def first_below(self, target: float) -> Point | None:
        """The first point at least as accurate as the target."""
        return next((point for point in self.curve if point.relative_l2 <= target), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        values = asdict(self)
        values["curve"] = [
            {key: value for key, value in point.items() if value is not None}
            for point in values["curve"]
        ]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Row:
        """The inverse of ``as_json``.

        Raises:
            TypeError, KeyError: the values are not those of a row.
        """
        curve = tuple(Point(**point) for point in values["curve"])
        return cls(**{**values, "curve": curve})


@dataclass(frozen=True)
class Report:
    """The lines that an adapter wrote, read."""

    curve: tuple[Point, ...] = ()
    status: Status | None = None
    note: str = ""
    setup_seconds: float | None = None
    versions: Mapping[str, str | None] = field(default_factory=dict)


def read(lines: Iterable[str]) -> Report:
    """Read the lines of an adapter; those that are no JSON objects (a killed process) are left out.

    Points whose error is not a number are left out as well: a diverged network has no place in a
    logarithmic picture. They are sorted by time, which solves of their own need.
    """
    curve: list[Point] = []
    found: dict[str, Any] = {}
    for line in lines:
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if not isinstance(values, dict):
            continue
        event = values.pop("event", None)
        if event is None:
            point = Point(**values)
            if 0 <= point.relative_l2 < float("inf"):
                curve.append(point)
        else:
            found.update(values)
    curve.sort(key=lambda point: point.seconds)
    return Report(
        tuple(curve),
        found.get("status"),
        found.get("note", ""),
        found.get("setup_seconds"),
        found.get("versions", {}),
    )
