"""YAML text as plain Python values that remember the line of every key.

Only what a problem file needs: mappings with text keys, lists and scalars. Scalars follow the
YAML 1.2 core schema, so that ``1e-3`` is a number and ``on``, ``y`` and ``no`` are texts.
Nothing in a file can build an object: tags are refused. Size, depth and the number of values are
bounded, aliases included, so that no file can use unbounded time or memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gmnm_pde.config.source import KeyPath, Source
from gmnm_pde.errors import InputError

MAXIMUM_BYTES = 1_000_000
MAXIMUM_DEPTH = 40
MAXIMUM_VALUES = 100_000

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + word: float(f"{sign}inf") for sign in ("", "+", "-") for word in (".inf", ".Inf")},
    ".nan": float("nan"),
    ".NaN": float("nan"),
}


def read_text(path: Path) -> str:
    """A text file of bounded size.

    Raises:
        InputError: it cannot be read, is too large or is not UTF-8 text.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"the file cannot be read: {error.strerror or error}.",
            mend="Check the name and the permissions.",
            file=path,
        ) from None
    if len(raw) > MAXIMUM_BYTES:
        raise InputError(
            f"the file is larger than {MAXIMUM_BYTES:,} bytes.",
            mend="A problem file holds a few lines; put measurements into a CSV file.",
            file=path,
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(
            "the file is not UTF-8 text.", mend="Save it as UTF-8.", file=path, line=line
        ) from None


def read_yaml(path: Path) -> Source:
    """A YAML file whose top level is a mapping. Raises InputError, with the line."""
    source = parse_yaml(read_text(path), str(path))
    if not isinstance(source.data, dict):
        raise InputError(
            "the file does not hold a mapping of keys.",
            mend="Start with lines such as `name: poisson`; `gmnm-pde init poisson` writes one.",
            file=path,
            line=1,
        )
    return source


def parse_yaml(text: str, file: str) -> Source:
    """YAML text of one document. Raises InputError, with the line."""
    lines: dict[KeyPath, int] = {}
    try:
        data = _Builder(yaml.parse(text, Loader=_LOADER), file, lines).document()
    except yaml.YAMLError as error:
        raise _broken(error, text, file) from None
    return Source(data, file, lines)


def _broken(error: yaml.YAMLError, text: str, file: str) -> InputError:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else None
    if isinstance(error, yaml.reader.ReaderError):
        line = text[: error.position].count("\n") + 1
        problem = "a character that YAML does not allow"
    else:
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        context = getattr(error, "context", None)
        problem = f"{problem} {context}" if context else str(problem)
    return InputError(
        f"broken YAML: {problem}.",
        mend="Check indentation, brackets and colons; quote texts that contain ': ' or '#'.",
        file=file,
        line=line,
    )


class _Builder:
    """Builds values from parser events: unlike a loader it can stop at once."""

    def __init__(self, events: Iterator[Any], file: str, lines: dict[KeyPath, int]) -> None:
        self._events = events
        self._file = file
        self._lines = lines
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def document(self) -> Any:
        next(self._events)  # stream start
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return None
        data = self._value(next(self._events), ())
        next(self._events)  # document end
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._error("more than one document.", "Remove the `---` line.", event, ())
        return data

    def _value(self, event: Any, path: KeyPath) -> Any:
        self._count(1, event, path)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        if event.tag not in (None, "!"):
            raise self._error(
                f"the tag {event.tag[:60]!r} is not allowed.", "Remove it.", event, path
            )
        before = self._values
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event.value) if event.implicit[0] else event.value
        elif len(path) >= MAXIMUM_DEPTH:
            raise self._error(
                f"nested more than {MAXIMUM_DEPTH} levels deep.", "Flatten it.", event, path
            )
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(path)
        else:
            value = self._mapping(path)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._values - before + 1)
        return value

    def _sequence(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            here = (*path, len(items))
            self._lines[here] = _line(event)
            items.append(self._value(event, here))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._error("a key must be a text.", "Use a plain word.", event, path)
            key = event.value
            here = (*path, key)
            if key in items:
                raise self._error(
                    f"the key {key[:60]!r} is given twice, first on line {self._lines[here]}.",
                    "Remove one of them.",
                    event,
                    here,
                )
            self._lines[here] = _line(event)
            items[key] = None
            items[key] = self._value(next(self._events), here)
        return items

    def _alias(self, event: Any, path: KeyPath) -> Any:
        if event.anchor not in self._anchors:
            raise self._error(
                f"the alias *{event.anchor[:60]} has no finished anchor before it.",
                f"Write &{event.anchor[:60]} earlier, or the value itself.",
                event,
                path,
            )
        value, size = self._anchors[event.anchor]
        self._count(size, event, path)
        return value

    def _count(self, number: int, event: Any, path: KeyPath) -> None:
        self._values += number
        if self._values > MAXIMUM_VALUES:
            raise self._error(
                f"more than {MAXIMUM_VALUES:,} values.",
                "A problem file holds a few lines; put measurements into a CSV file.",
                event,
                path,
            )

    def _error(self, message: str, mend: str, event: Any, path: KeyPath) -> InputError:
        key = ".".join(str(part) for part in path)
        shown = key if len(key) < 200 else None
        return InputError(message, mend=mend, file=self._file, line=_line(event), key=shown)


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) < 30:
        return int(text)
    if len(text) < 1000 and _FLOAT.fullmatch(text):
        return float(text)
    return text
