"""Text -> tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gmnm_pde.errors import InputError

MAX_TEXT = 20_000
"""Characters of one expression."""

WORDS = ("and", "or", "not")

_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>\*\*|<=|>=|==|!=|[-+*/^()<>=,])"
    r"|(?P<space>\s+)"
)

_MENDS = {
    ".": "Derivatives are written u_x, and nothing has attributes.",
    "\N{MINUS SIGN}": "Write '-'.",
    "\N{MULTIPLICATION SIGN}": "Write '*'.",
    "\N{MIDDLE DOT}": "Write '*'.",
    "\N{GREEK SMALL LETTER PI}": "Write pi.",
    "\N{SUPERSCRIPT TWO}": "Write ^2.",
    "&": "Write 'and'.",
    "|": "Write 'or' to combine comparisons, abs(...) for the absolute value.",
    "[": "Write round brackets.",
}


@dataclass(frozen=True)
class Token:
    """A piece of the text; ``kind`` is number, name, operator or end; ``column`` is from 1."""

    kind: str
    text: str
    column: int

    @property
    def shown(self) -> str:
        """The text as a message quotes it."""
        return repr(self.text if len(self.text) <= 40 else self.text[:37] + "...")


def tokenize(text: str) -> list[Token]:
    """The tokens of a text, the last one of kind ``end``.

    Raises:
        InputError: too long a text, or a character that has no meaning.
    """
    if len(text) > MAX_TEXT:
        raise InputError(
            f"the expression has {len(text)} characters, more than {MAX_TEXT}.",
            mend="Split it with `definitions:`, or read values from a file.",
        )
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            character = text[position]
            raise InputError(
                f"unexpected character {character!r} (column {position + 1}).",
                mend=_MENDS.get(character, ""),
            )
        kind, piece = str(found.lastgroup), found.group()
        if piece in WORDS:
            kind = "operator"
        if kind != "space":
            tokens.append(Token(kind, "^" if piece == "**" else piece, position + 1))
        position = found.end()
    tokens.append(Token("end", "", len(text) + 1))
    return tokens
