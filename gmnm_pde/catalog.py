"""Problems and recipes by name: a path, the installed catalogue, the checkout."""

from __future__ import annotations

import difflib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gmnm_pde.errors import InputError, suggest

Kind = Literal["problems", "solvers"]

SUFFIXES = (".yaml", ".yml")

_PACKAGE = Path(__file__).resolve().parent
_WORDS = {"problems": "problem", "solvers": "solver"}


@dataclass(frozen=True)
class Entry:
    """One file of the catalogue."""

    name: str
    description: str
    path: Path


def directories(kind: Kind) -> list[Path]:
    """Where names are looked up: what is installed first, then the checkout."""
    places = [_PACKAGE / "_catalog" / kind, _PACKAGE.parent / kind]
    return [place for place in places if place.is_dir()]


def find(kind: Kind, name: str | Path) -> Path:
    """The file that a name or a path stands for.

    Raises:
        InputError: nothing of that name; says the closest ones.
    """
    path = Path(name)
    if _is_file(path):
        return path
    if path.suffix or len(path.parts) != 1:
        raise _missing_file(path)
    return find_in_catalogue(kind, str(name))


def find_in_catalogue(kind: Kind, name: str) -> Path:
    """The catalogue's file of that name, whatever lies in the current directory.

    Raises:
        InputError: nothing of that name; says the closest ones.
    """
    for path in _files(kind):
        if path.stem == name:
            return path
    raise InputError(
        f"there is no {_WORDS[kind]} called {name[:80]!r}.",
        mend=f"{suggest(name, names(kind))} `gmnm-pde list {kind}` shows all.".strip(),
    )


def names(kind: Kind) -> list[str]:
    """The names of the catalogue."""
    return sorted({path.stem for path in _files(kind)})


def entries(kind: Kind) -> list[Entry]:
    """The catalogue with its descriptions."""
    from gmnm_pde.config.yaml_source import read_yaml

    found = []
    for name in names(kind):
        path = find_in_catalogue(kind, name)
        description = str(read_yaml(path).data.get("description", ""))
        found.append(Entry(name, description, path))
    return found


def copy_problem(name: str, target: Path) -> list[Path]:
    """A problem of the catalogue as a file to edit, with the measurements it reads.

    Returns:
        The files written.

    Raises:
        InputError: an unknown name, a file that is there already or cannot be written.
    """
    from gmnm_pde.config.yaml_source import read_yaml

    source = find_in_catalogue("problems", name)
    if target.suffix not in SUFFIXES:
        raise InputError(
            f"{str(target)!r} is no YAML file's name.", mend=f"Write for example {name}.yaml."
        )
    data = read_yaml(source).data.get("data")
    copies = {target: source}
    if data is not None:
        copies[target.parent / data["file"]] = source.parent / data["file"]
    for path in copies:
        if path.exists():
            raise InputError(
                "the file is there already, and nothing is overwritten.",
                mend="Give another name.",
                file=path,
            )
    try:
        for path, original in copies.items():
            shutil.copyfile(original, path)
    except OSError as error:
        raise InputError(
            f"the file cannot be written: {error.strerror or error}.",
            mend="Give a file in a folder that you may write to.",
            file=target,
        ) from None
    return list(copies)


def _files(kind: Kind) -> list[Path]:
    return [path for place in directories(kind) for path in sorted(place.glob("*.yaml"))]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, or a null character
        return False


def _missing_file(path: Path) -> InputError:
    try:
        if path.is_dir():
            return InputError(
                "this is a folder, not a file.", mend="Name the YAML file in it.", file=path
            )
        near = [item.name for item in path.parent.iterdir() if item.is_file()]
    except (OSError, ValueError):
        return InputError("there is no such file.", mend="Check the folder's name.", file=path)
    close = difflib.get_close_matches(path.name, near, n=3, cutoff=0.6)
    mend = f"Did you mean {' or '.join(repr(str(path.parent / name)) for name in close)}?"
    return InputError(
        "there is no such file.", mend=mend if close else "Check the path.", file=path
    )
