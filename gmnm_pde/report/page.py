"""``report.html``: a folder as one file that needs no network.

Pictures are inside as data, the style is, and there is no script. Every text is escaped: a problem
that somebody else wrote cannot bring markup of its own.
"""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gmnm_pde import __version__
from gmnm_pde.errors import InputError

NAME = "report.html"

CAPTIONS = {
    "solution.png": "The solution, and what it is compared with.",
    "error.png": "The error against the reference, or the residual where there is none.",
    "streamlines.png": "Streamlines of the plane vector field.",
    "convergence.png": "How the error fell.",
    "animation.gif": "The solution in time.",
    "error-against-time.png": "Error against time: the median of the seeds and their range.",
    "pareto.png": "Error against the number of parameters; each run a dot.",
}
"""In the order in which they are shown."""

MIME = {".png": "image/png", ".gif": "image/gif"}

DASH = "-"
"""A figure that does not exist."""

LONGEST = 200
"""Rows of a table that are shown; the file has all of them."""


@dataclass(frozen=True)
class Fact:
    """A figure in a box."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI."""

    source: str
    caption: str


@dataclass(frozen=True)
class Text:
    """A file shown as it is."""

    title: str
    content: str


@dataclass(frozen=True)
class Grid:
    """A table; ``numeric`` sets all columns but the first to the right."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Page:
    """What a report shows."""

    title: str
    words: str = ""
    status: str = ""
    reason: str = ""
    facts: Sequence[Fact] = ()
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    texts: Sequence[Text] = ()
    tables: Sequence[Grid] = ()
    version: str = __version__


def write_page(page: Page, path: Path) -> Path:
    """Write a page; returns its path."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("page.html").render(page=page)
    path.write_text(text, encoding="utf-8")
    return path


def pictures_in(folder: Path) -> list[Picture]:
    """The pictures of a folder, in the order of their captions."""
    return [
        Picture(_data_uri(folder / name), caption)
        for name, caption in CAPTIONS.items()
        if (folder / name).is_file()
    ]


def _data_uri(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:{MIME[path.suffix]};base64,{data}"


def texts_in(folder: Path, names: Mapping[str, str]) -> list[Text]:
    """Text files of a folder by their titles, those that are there."""
    return [
        Text(title, (folder / name).read_text(encoding="utf-8"))
        for name, title in names.items()
        if (folder / name).is_file()
    ]


def table_in(path: Path, title: str, words: str = "") -> list[Grid]:
    """A CSV file as a table with short numbers, the last rows of a long one; none if empty."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    if len(rows) < 2:
        return []
    head, body = rows[0], rows[1:]
    if len(body) > LONGEST:
        words = f"{words} The last {LONGEST} of {len(body)} rows.".strip()
    shown = [[short(cell) for cell in row] for row in body[-LONGEST:]]
    return [Grid(title, [name.replace("_", " ") for name in head], shown, words)]


def mapping_table(values: Mapping[str, Any], title: str) -> Grid:
    """Names and values, nested ones on one line."""
    rows = [[name.replace("_", " "), _plain(value)] for name, value in values.items()]
    return Grid(title, (), rows, numeric=False)


def short(cell: str) -> str:
    """A number with four digits, a dash for nothing, any other text as it is."""
    if not cell:
        return DASH
    try:
        value = float(cell)
    except ValueError:
        return cell
    if value == int(value) and abs(value) < 1e6 and "e" not in cell.lower():
        return f"{int(value):,}"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e5 else f"{value:.2e}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) or DASH
    if isinstance(value, list):
        return " ".join(_plain(item) for item in value) or DASH
    return DASH if value is None else str(value)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run folder.

    Raises:
        InputError: not there, or not a mapping.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"this cannot be read: {error}.", file=path) from None
    if not isinstance(values, dict):
        raise InputError("this is not a mapping.", file=path)
    return values
