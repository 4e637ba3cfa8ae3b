"""``--set PATH=VALUE``: one value of a file replaced from the command line.

A path is dotted, ``parameters.k`` or ``conditions.0.equation``; a value is YAML, so that
``domain.rectangle.x=[0, 2]`` is a list and ``parameters.k=2*pi`` an expression.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gmnm_pde.config.source import KeyPath, Source
from gmnm_pde.config.yaml_source import parse_yaml
from gmnm_pde.errors import InputError, suggest

FREE_NAMES = ("parameters", "definitions", "subdomains")
"""Mappings whose keys a person chooses: no schema can tell a misspelt one, so none is added."""

Expand = Callable[[str], Mapping[str, Any]]
"""A recipe's name to the recipe in place."""


def override(source: Source, settings: Sequence[str], expand: Expand | None = None) -> Source:
    """The source with each ``PATH=VALUE`` applied in turn.

    Arguments:
        source: unchanged.
        settings: as given on the command line.
        expand: what ``solver.network.units=100`` is applied to where ``solver`` is a name.

    Raises:
        InputError: no ``=``, a value that is no YAML, a path that leads nowhere.
    """
    for setting in settings:
        source = _override(source, setting, expand)
    return source


def _override(source: Source, setting: str, expand: Expand | None) -> Source:
    origin = f"--set {setting}"
    name, equals, text = setting.partition("=")
    if not equals or not all(name.strip().split(".")):
        raise InputError(
            f"{origin} is not PATH=VALUE.", mend="Write for example --set parameters.k=3."
        )
    value = parse_yaml(text, origin).data
    data = copy.deepcopy(source.data)
    parts = name.strip().split(".")
    inside_recipe = parts[0] == "solver" and len(parts) > 1
    if expand is not None and inside_recipe and isinstance(data.get("solver"), str):
        data["solver"] = copy.deepcopy(dict(expand(data["solver"])))
    path = _assign(data, parts, value, origin)
    inside = len(path)
    lines = {key: line for key, line in source.lines.items() if key[:inside] != path}
    origins = {key: item for key, item in source.origins.items() if key[:inside] != path}
    return replace(source, data=data, lines=lines, origins={**origins, path: origin})


def _assign(data: Any, parts: list[str], value: Any, origin: str) -> KeyPath:
    """Sets one value in place; returns the path of what is new, which may be a mapping around."""
    path: KeyPath = ()
    new: KeyPath | None = None
    holder = data
    for part in parts[:-1]:
        key = _key(holder, part, path, origin)
        path = (*path, key)
        if isinstance(holder, dict) and holder.get(part) is None:
            holder[part] = {}
            new = path if new is None else new
        holder = holder[key]
    key = _key(holder, parts[-1], path, origin)
    holder[key] = value
    return (*path, key) if new is None else new


def _key(holder: Any, part: str, path: KeyPath, origin: str) -> str | int:
    place = ".".join(str(item) for item in path)
    if isinstance(holder, list):
        if part.isdecimal() and len(part) < 10 and int(part) < len(holder):
            return int(part)
        raise InputError(
            f"{origin}: {place!r} is a list of {len(holder)}, and {part!r} is no place in it.",
            mend=f"Use a number from 0 to {len(holder) - 1}." if holder else "The list is empty.",
        )
    if not isinstance(holder, dict):
        raise InputError(
            f"{origin}: {place!r} is {holder!r}, which holds no {part!r}.",
            mend=f"Set {place!r} as a whole.",
        )
    if path and path[0] in FREE_NAMES and part not in holder:
        raise InputError(
            f"{origin}: there is no {part!r} in {place!r}.", mend=suggest(part, holder)
        )
    return part
