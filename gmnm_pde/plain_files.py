"""CSV and JSON as the run folder has them: a figure that does not exist is empty, or null."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_history(path: Path, records: Sequence[Any]) -> None:
    """One row a step; an empty cell where there is no figure."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        lines = [_flat(dataclasses.asdict(record)) for record in records]
        columns = list(dict.fromkeys(name for line in lines for name in line))
        if lines:
            rows.writerow(columns)
        for line in lines:
            cells = [line.get(name) for name in columns]
            rows.writerow(["" if missing(value) else value for value in cells])


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """``inferred: {k: 2}`` as ``inferred_k: 2``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        inner = (
            {f"{name}_{key}": item for key, item in value.items()}
            if isinstance(value, Mapping)
            else {name: value}
        )
        flat |= inner
    return flat


def missing(value: Any) -> bool:
    """Whether there is no such figure."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _finite(value: Any) -> Any:
    """A figure that does not exist is null: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if missing(value) else value


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """A mapping as JSON, which has no NaN."""
    write_text(path, json.dumps(_finite(values), indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """A text in UTF-8."""
    path.write_text(text, encoding="utf-8")
