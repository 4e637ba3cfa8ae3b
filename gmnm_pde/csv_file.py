"""Tables of numbers from CSV files."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from gmnm_pde.errors import InputError

Rows = list[tuple[int, list[str]]]
"""The cells of each row that is not empty, with its line."""


def read_rows(path: Path) -> tuple[list[str], Rows]:
    """The names in the first line, and the rows below it.

    Raises:
        InputError: no such file, or one that is no CSV text.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.reader(stream)
            header = [name.strip() for name in next(rows, [])]
            return header, [
                (rows.line_num, [cell.strip() for cell in row])
                for row in rows
                if any(cell.strip() for cell in row)
            ]
    except OSError as error:
        raise InputError(
            f"the file cannot be read: {error.strerror or error}.",
            mend="A path is relative to the problem file.",
            file=path,
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"this is not CSV text: {error}.", mend="Save it as UTF-8 CSV.", file=path
        ) from None


def finite_number(text: str) -> float | None:
    """The number that a cell holds, None if it holds no finite one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
