"""Which files a problem file names: data, references, meshes, surfaces and outlines."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gmnm_pde.config.source import KeyPath

SECTIONS = ("data", "reference")
"""Sections that may name a file as ``file``."""

SHAPES = ("mesh", "surface")
"""Shapes that are a file's name."""

COMBINED = ("union", "intersection", "difference")


def files_named(data: Mapping[str, Any]) -> dict[KeyPath, str]:
    """The place and the name of every file, in the order of the problem file's keys.

    Arguments:
        data: a problem file's values, not yet validated.
    """
    found = dict(_in_domain(data.get("domain"), ("domain",)))
    parts = data.get("subdomains")
    for name, part in parts.items() if isinstance(parts, Mapping) else ():
        found.update(_in_domain(part, ("subdomains", name)))
    for key in SECTIONS:
        found.update(_in_section(data.get(key), (key,)))
    return found


def renamed(data: Mapping[str, Any], names: Mapping[KeyPath, str]) -> dict[str, Any]:
    """The same values with other names at some places."""
    values: dict[str, Any] = copy.deepcopy(dict(data))
    for path, name in names.items():
        inside: Any = values
        for part in path[:-1]:
            inside = inside[part]
        inside[path[-1]] = name
    return values


def copies(data: Mapping[str, Any]) -> dict[KeyPath, str]:
    """A name for a copy of every file: after its key, with a number if there are several; the same
    for the same file."""
    taken: dict[str, str] = {}
    result: dict[KeyPath, str] = {}
    for path, name in files_named(data).items():
        if name not in taken:
            stem = str(path[0] if path[0] in SECTIONS else path[-1]).replace("file", "outline")
            suffix, number = Path(name).suffix, 1
            while (made := f"{stem}{number if number > 1 else ''}{suffix}") in taken.values():
                number += 1
            taken[name] = made
        result[path] = taken[name]
    return result


def companions(path: Path) -> list[Path]:
    """Further files that a file refers to by their names: the numbers of an .xdmf lie in a .h5."""
    beside = path.with_suffix(".h5")
    return [beside] if path.suffix.lower() in (".xdmf", ".xmf") and beside.is_file() else []


def _in_domain(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        if key in SHAPES and isinstance(inner, str):
            yield (*path, key), inner
        elif key == "polygon":
            yield from _in_section(inner, (*path, key))
        elif key in COMBINED and isinstance(inner, list):
            for index, item in enumerate(inner):
                yield from _in_domain(item, (*path, key, index))


def _in_section(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, Mapping) and isinstance(value.get("file"), str):
        yield (*path, "file"), value["file"]
