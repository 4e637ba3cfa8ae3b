"""Measurements from a CSV file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch

from gmnm_pde.csv_file import finite_number, read_rows
from gmnm_pde.errors import InputError, suggest
from gmnm_pde.problem import Data


def read_data(path: Path, coordinates: Sequence[str], unknowns: Sequence[str]) -> Data:
    """The rows of a CSV file whose columns are named after coordinates and unknowns.

    Arguments:
        path: comma-separated, with one line of names first.
        coordinates: every one of them needs a column.
        unknowns: at least one of them does; an empty cell was not measured.

    Raises:
        InputError: no such file, a column that is missing, unknown or twice there, no row, a row
            without a measurement, or a value that is not a finite number, with its line.
    """
    header, table = _read(path, coordinates, unknowns)
    if not table:
        raise InputError(
            "the data file holds no rows.",
            mend="Add one row for each measurement.",
            file=path,
        )
    values = torch.tensor(table, dtype=torch.float64)
    columns = {name: values[:, index] for index, name in enumerate(header)}
    nothing = torch.full((len(values),), torch.nan, dtype=values.dtype)
    return Data(
        points=torch.stack([columns[name] for name in coordinates], dim=1),
        values=torch.stack([columns.get(name, nothing) for name in unknowns], dim=1),
        label=path.name,
    )


def read_outline(path: Path, coordinates: Sequence[str]) -> tuple[tuple[float, float], ...]:
    """The vertices of a polygon: the rows of a CSV file whose columns are the two coordinates.

    Raises:
        InputError: as for :func:`read_data`.
    """
    header, table = _read(path, coordinates[:2], ())
    order = [header.index(name) for name in coordinates[:2]]
    return tuple((row[order[0]], row[order[1]]) for row in table)


def _read(
    path: Path, coordinates: Sequence[str], unknowns: Sequence[str]
) -> tuple[list[str], list[list[float]]]:
    """The names of the columns and the rows."""
    header, rows = read_rows(path)
    _check_header(header, coordinates, unknowns, path)
    return header, [_numbers(row, line, header, coordinates, path) for line, row in rows]


def _check_header(
    header: list[str], coordinates: Sequence[str], unknowns: Sequence[str], path: Path
) -> None:
    expected = (*coordinates, *unknowns)
    for name in header:
        if header.count(name) > 1:
            raise InputError(
                f"the column {name!r} is there twice.", mend="Rename one.", file=path, line=1
            )
    missing = [name for name in coordinates if name not in header]
    if unknowns and not missing and not set(header) & set(unknowns):
        missing = list(unknowns)
    if missing:
        found = ", ".join(header) if any(header) else "none"
        raise InputError(
            f"the column {missing[0]!r} is missing; the first line names {found}.",
            mend=f"Name one column for each of {', '.join(expected)}.",
            file=path,
            line=1,
        )
    for name in header:
        if name not in expected:
            raise InputError(
                f"the column {name!r} is neither a coordinate nor an unknown.",
                mend=f"Remove it. {suggest(name, expected)}",
                file=path,
                line=1,
            )


def _numbers(
    row: list[str], line: int, header: list[str], coordinates: Sequence[str], path: Path
) -> list[float]:
    if len(row) != len(header):
        raise InputError(
            f"{len(row)} values where {len(header)} columns are named.",
            mend="Separate values by commas, numbers with a decimal point.",
            file=path,
            line=line,
        )
    values = [
        math.nan if name not in coordinates and not cell else _number(cell, name, path, line)
        for name, cell in zip(header, row, strict=True)
    ]
    measured = [name for name in header if name not in coordinates]
    if measured and all(math.isnan(values[header.index(name)]) for name in measured):
        raise InputError(
            f"nothing was measured in this row: column {' and '.join(map(repr, measured))} is "
            "empty.",
            mend="Give a value, or remove the row.",
            file=path,
            line=line,
        )
    return values


def _number(cell: str, column: str, path: Path, line: int) -> float:
    value = finite_number(cell)
    if value is None:
        raise InputError(
            f"column {column!r} holds {cell[:40]!r}, which is not a finite number.",
            mend="Correct the value or remove the row.",
            file=path,
            line=line,
        )
    return value
