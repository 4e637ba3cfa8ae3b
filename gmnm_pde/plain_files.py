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
    """One row a step; an empty cell where there is no figure. An inferred constant k has the
    columns ``k`` and ``k_standard_error``."""
    rows = [_flat(dataclasses.asdict(record)) for record in records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream, lineterminator="\n")
        if columns:
            lines.writerow(columns)
        for row in rows:
            values = [row.get(name) for name in columns]
            lines.writerow(["" if missing(value) else value for value in values])


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with a column for every constant, whose name may be that of a figure."""
    flat = {key: value for key, value in record.items() if not isinstance(value, Mapping)}
    for name, value in record.get("inferred", {}).items():
        column = f"inferred_{name}" if name in flat else name
        flat[column] = value
        flat[f"{column}_standard_error"] = record.get("standard_error", {}).get(name)
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
