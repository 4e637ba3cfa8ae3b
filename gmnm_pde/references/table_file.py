"""A table of values at points, from a CSV file or from any file that meshio reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from gmnm_pde.csv_file import finite_number, read_rows
from gmnm_pde.errors import InputError, suggest
from gmnm_pde.references.stencils import Array

PLAIN = (".csv", ".txt")


def read_table(
    path: Path, coordinates: Sequence[str], unknowns: Sequence[str]
) -> tuple[Array, Array]:
    """Points (n, d) and values (n, unknowns).

    Arguments:
        path: CSV with a first line of names, where more columns than those asked for may stand; or
            a mesh whose point data are named after the unknowns, with time, if it is a coordinate,
            as one more of them or as the coordinate after those of space.

    Raises:
        InputError: no such file, a column that is missing or twice there, no row, or a value that
            is not a finite number.
    """
    if not path.is_file():
        raise InputError("there is no such file.", mend="Check the path.", file=path)
    if path.suffix.lower() in PLAIN:
        return _from_csv(path, coordinates, unknowns)
    return _from_mesh(path, coordinates, unknowns)


def _from_csv(
    path: Path, coordinates: Sequence[str], unknowns: Sequence[str]
) -> tuple[Array, Array]:
    names = [*coordinates, *unknowns]
    header, rows = read_rows(path)
    columns = [_column(name, header, path) for name in names]
    found = [_numbers(row, line, columns, names, path) for line, row in rows]
    if not found:
        raise InputError("there is no row.", mend="Give one row for each point.", file=path)
    table = np.array(found)
    return table[:, : len(coordinates)], table[:, len(coordinates) :]


def _column(name: str, header: Sequence[str], path: Path) -> int:
    if header.count(name) != 1:
        words = "there is no column" if name not in header else "there are two columns"
        mend = suggest(name, [other for other in header if other])
        raise InputError(f"{words} {name!r}.", mend=mend, file=path, line=1)
    return header.index(name)


def _numbers(
    row: list[str], line: int, columns: Sequence[int], names: Sequence[str], path: Path
) -> list[float]:
    numbers = []
    for column, name in zip(columns, names, strict=True):
        text = row[column] if column < len(row) else ""
        number = finite_number(text)
        if number is None:
            raise InputError(
                f"{name} is {text!r}, expected a finite number.",
                mend="A reference has a value at every point.",
                file=path,
                line=line,
            )
        numbers.append(number)
    return numbers


def _from_mesh(
    path: Path, coordinates: Sequence[str], unknowns: Sequence[str]
) -> tuple[Array, Array]:
    mesh = _mesh(path)
    fields = {name: np.asarray(data, float) for name, data in mesh.point_data.items()}
    places = np.asarray(mesh.points, float)
    if "t" in coordinates and "t" in fields:
        space = len(coordinates) - 1
        points = np.column_stack([places[:, :space], fields["t"].reshape(len(places))])
    else:
        points = places[:, : len(coordinates)]
    if points.shape[1] < len(coordinates) or not len(points):
        raise InputError(
            f"it has {len(points)} points in {points.shape[1]} dimensions, the problem has the "
            f"coordinates {', '.join(coordinates)}.",
            mend="Give a point for each row, with all its coordinates.",
            file=path,
        )
    values = _values(fields, unknowns, len(points), path)
    bad = ~(np.isfinite(values).all(axis=1) & np.isfinite(points).all(axis=1))
    if bad.any():
        raise InputError(
            f"point {int(np.flatnonzero(bad)[0])} (from 0) is not finite.",
            mend="A reference has a value at every point.",
            file=path,
        )
    return points, values


def _mesh(path: Path) -> Any:
    import meshio

    said = StringIO()
    try:
        # A reader of one format prints; another one ends the process on a format it does not know.
        with redirect_stdout(said):
            return meshio.read(path)
    except (meshio.ReadError, SystemExit, OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(
            f"meshio cannot read this file: {said.getvalue().strip() or error}",
            mend="Give a CSV file, or a format of meshio such as .vtu.",
            file=path,
        ) from None


def _values(fields: Mapping[str, Array], unknowns: Sequence[str], count: int, path: Path) -> Array:
    """The point data of the unknowns, (n, unknowns)."""
    columns = []
    for name in unknowns:
        if name not in fields:
            raise InputError(
                f"there are no point data {name!r}.", mend=suggest(name, fields), file=path
            )
        if fields[name].size != count:
            raise InputError(
                f"the point data {name!r} are not one number for each point.", file=path
            )
        columns.append(fields[name].reshape(count))
    return np.stack(columns, axis=1)
