"""The errors a person can cause, and the words that help mend them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class GmnmError(Exception):
    """Base of every error raised on purpose by this package."""


class InputError(GmnmError, ValueError):
    """Bad input: says what was given, what was expected and the mend.

    Arguments:
        message: what is wrong, naming what was given and what was expected.
        mend: what to do about it, a sentence of its own.
        file, line, key: where it stands, as far as known (``line`` counts from 1,
            ``key`` is dotted, such as ``conditions.0.equation``).
    """

    def __init__(
        self,
        message: str,
        *,
        mend: str = "",
        file: str | Path | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> None:
        self.message = message
        self.mend = mend
        self.file = file
        self.line = line
        self.key = key
        super().__init__(message)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        parts = [part for part in (place, self.key) if part]
        text = ": ".join([*parts, self.message])
        return f"{text} {self.mend}" if self.mend else text

    def located(
        self,
        file: str | Path | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> InputError:
        """The same error with the parts of its place that were not known yet."""
        return InputError(
            self.message,
            mend=self.mend,
            file=self.file if self.file is not None else file,
            line=self.line if self.line is not None else line,
            key=self.key if self.key is not None else key,
        )


class CodeError(InputError):
    """A person's own code raised.

    Arguments:
        trace: its traceback, shown above the message.
    """

    def __init__(
        self,
        message: str,
        *,
        mend: str = "",
        file: str | Path | None = None,
        line: int | None = None,
        key: str | None = None,
        trace: str = "",
    ) -> None:
        super().__init__(message, mend=mend, file=file, line=line, key=key)
        self.trace = trace

    def located(
        self,
        file: str | Path | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> CodeError:
        """The same error; its place is known."""
        return self


def suggest(name: str, known: Iterable[str]) -> str:
    """The mend for an unknown name: the closest known ones, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(repr(match) for match in close)}?"
    return f"Known: {', '.join(known)}." if known else ""
