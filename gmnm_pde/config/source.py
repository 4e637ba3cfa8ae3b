"""Values as read from a file, each with the place it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gmnm_pde.errors import InputError

KeyPath = tuple[str | int, ...]
"""The way to a value: ``("conditions", 0, "at")``."""


@dataclass(frozen=True)
class Place:
    """Where a value stands; ``file`` may also be the ``--set`` option it came from."""

    file: str | None = None
    line: int | None = None
    key: str | None = None

    def error(self, message: str, mend: str = "") -> InputError:
        """An input error at this place."""
        return InputError(message, mend=mend, file=self.file, line=self.line, key=self.key)

    def locate(self, error: InputError) -> InputError:
        """An error that did not know its place, at this place."""
        return error.located(file=self.file, line=self.line, key=self.key)


@dataclass(frozen=True)
class Source:
    """A file as read.

    Arguments:
        data: plain dicts, lists, texts, numbers, booleans and None.
        file: shown in messages.
        lines: the line of each key and list item, from 1.
        origins: values that did not come from the file, such as ``--set k=3``.
    """

    data: Any
    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> Place:
        """The file, line and dotted key of a value, or of the nearest thing around it."""
        key = ".".join(str(part)[:80] for part in path) or None
        for end in range(len(path), -1, -1):
            if path[:end] in self.origins:
                return Place(self.origins[path[:end]], None, key)
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return Place(self.file, self.lines[path[:end]], key)
        return Place(self.file, None, key)
