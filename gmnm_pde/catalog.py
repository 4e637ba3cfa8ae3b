"""Problems and recipes by name: a path, the installed catalogue, the checkout.

A problem is a YAML file, or Python code where YAML cannot say it; nothing here runs that code.
"""

from __future__ import annotations

import ast
import difflib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gmnm_pde.errors import InputError, suggest

Kind = Literal["problems", "solvers"]

SUFFIXES = (".yaml", ".yml")
PATTERNS: dict[Kind, tuple[str, ...]] = {"problems": ("*.yaml", "*.py"), "solvers": ("*.yaml",)}

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
    paths = [find_in_catalogue(kind, name) for name in names(kind)]
    return [Entry(path.stem, _description(path), path) for path in paths]


def _description(path: Path) -> str:
    """What a file says about itself; of Python code the first line of its docstring."""
    from gmnm_pde.config.yaml_source import read_text, read_yaml

    if path.suffix in SUFFIXES:
        return str(read_yaml(path).data.get("description", ""))
    text = ast.get_docstring(ast.parse(read_text(path))) or ""
    return text.partition("\n")[0]


def copy_problem(name: str, target: Path | None = None) -> list[Path]:
    """A problem of the catalogue as a file to edit, with the files it reads.

    Arguments:
        name: in the catalogue.
        target: the new file; of the same name in the current directory if not given.

    Returns:
        The files written.

    Raises:
        InputError: an unknown name, a file that is there already or cannot be written.
    """
    source = find_in_catalogue("problems", name)
    target = Path(source.name) if target is None else target
    code = source.suffix not in SUFFIXES
    if target.suffix not in ((source.suffix,) if code else SUFFIXES):
        raise InputError(
            f"{str(target)!r} is no {'Python' if code else 'YAML'} file's name.",
            mend=f"Write for example {source.name}.",
        )
    copies = {target: source}
    for beside in [] if code else _files_read(source):
        copies[target.parent / beside.name] = beside
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


def _files_read(source: Path) -> list[Path]:
    """The files that a YAML problem reads."""
    from gmnm_pde.config.files import companions, files_named
    from gmnm_pde.config.yaml_source import read_yaml

    named = files_named(read_yaml(source).data).values()
    paths = [source.parent / name for name in dict.fromkeys(named)]
    return [part for path in paths for part in (path, *companions(path))]


def _files(kind: Kind) -> list[Path]:
    return [
        path
        for place in directories(kind)
        for pattern in PATTERNS[kind]
        for path in sorted(place.glob(pattern))
    ]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, or a null character
        return False


def _missing_file(path: Path) -> InputError:
    try:
        if path.is_dir():
            return InputError(
                "this is a folder, not a file.", mend="Name the file in it.", file=path
            )
        near = [item.name for item in path.parent.iterdir() if item.is_file()]
    except (OSError, ValueError):
        return InputError("there is no such file.", mend="Check the folder's name.", file=path)
    close = difflib.get_close_matches(path.name, near, n=3, cutoff=0.6)
    mend = f"Did you mean {' or '.join(repr(str(path.parent / name)) for name in close)}?"
    return InputError(
        "there is no such file.", mend=mend if close else "Check the path.", file=path
    )
