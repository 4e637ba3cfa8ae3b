"""Text -> tree, by precedence climbing. Nothing in a text can run code.

From loose to tight: ``or``, ``and``, ``not``, comparisons, ``+ -``, ``* /``, the sign, ``^``.
Powers associate to the right and bind tighter than a sign before them: -x^2 = -(x^2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gmnm_pde.errors import InputError, suggest
from gmnm_pde.expressions.algebra import COMPARISONS, add, divide, multiply, negate, number, power
from gmnm_pde.expressions.nodes import (
    MAX_ORDER,
    Budget,
    Compare,
    Condition,
    Logic,
    Node,
    Number,
)
from gmnm_pde.expressions.scope import Scope, shorten
from gmnm_pde.expressions.tokens import Token, tokenize

MAX_NESTING = 60
"""Brackets, signs and powers inside one another: the parser recurses through them."""

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _POWER = range(1, 9)

_LEVELS = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(COMPARISONS, _COMPARE),
    **dict.fromkeys("+-", _SUM),
    **dict.fromkeys("*/", _PRODUCT),
    "^": _POWER,
}

_OPERAND = "a number, a name or '('"

_Made = TypeVar("_Made", bound=Node)


class Parser:
    """Reads tokens from left to right; every message it raises names a column."""

    def __init__(self, text: str, scope: Scope, comparisons: bool) -> None:
        self.tokens = tokenize(text)
        self.scope = scope
        self.comparisons = comparisons
        self.budget = Budget()
        self.position = 0
        self.nesting = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def advance(self) -> Token:
        token = self.token
        self.position += 1
        return token

    def expression(self, minimum: int = _OR) -> Node:
        """What follows, as far as its operators are of level ``minimum`` or tighter."""
        left = self._prefix()
        while True:
            token = self.token
            level = _LEVELS.get(token.text, 0)
            if level < minimum or not level:
                return left
            if level in (_OR, _AND):
                left = self._logic(left, token)
            elif level == _COMPARE:
                left = self._compare(left)
            elif level == _POWER:
                self.advance()
                right = self._nested(token, _POWER)
                left = self.make(token, power, left, right)
            else:
                left = self._chain(left, level)

    def end(self) -> None:
        """Refuses what is left over."""
        token = self.token
        if token.kind in ("number", "name") or token.text == "(":
            raise _error(
                f"an operator is missing before {token.shown}", token, "Write '*' to multiply."
            )
        if token.text == "=":
            raise _error(
                "unexpected '='", token, "One '=' stands in an equation; '==' is a comparison."
            )
        if token.kind != "end":
            raise _error(f"unexpected {token.shown}", token)

    def value(self, token: Token, node: Node) -> Node:
        """The same node, if it is not a condition."""
        if isinstance(node, Condition):
            raise _error(
                "a comparison stands where a value was expected",
                token,
                "Write where(c, a, b) for a choice.",
            )
        return node

    def condition(self, token: Token, node: Node) -> Node:
        """The same node, if it is a condition."""
        if not isinstance(node, Condition):
            raise _error("a comparison such as x < 0 was expected", token)
        return node

    def make(self, token: Token, function: Callable[..., _Made], *arguments: Any) -> _Made:
        """function(*arguments), paid from the budget; its errors get the token's column."""
        try:
            node = function(*arguments)
            self.budget.spend(node, *(item for item in arguments if isinstance(item, Node)))
        except InputError as error:
            raise _error(error.message.rstrip("."), token, error.mend) from None
        return node

    def _prefix(self) -> Node:
        token = self.advance()
        if token.kind == "number":
            return self.make(token, number, float(token.text))
        if token.kind == "name":
            if self.token.text == "(":
                return self._call(token)
            return self.make(token, self.scope.resolve, token.text)
        if token.text == "(":
            node = self._nested(token, _OR)
            self._close(token)
            return node
        if token.text in ("-", "+"):
            node = self.value(token, self._nested(token, _SIGN))
            return self.make(token, negate, node) if token.text == "-" else node
        if token.text == "not":
            self._allow(token)
            operand = self.condition(token, self._nested(token, _COMPARE))
            return self.make(token, Logic, "not", (operand,))
        self.position -= 1
        if token.kind == "end":
            raise _error(f"the expression ends where {_OPERAND} was expected", token)
        raise _error(f"{_OPERAND} was expected, not {token.shown}", token)

    def _nested(self, token: Token, minimum: int) -> Node:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise _error(
                f"more than {MAX_NESTING} brackets, signs or powers are nested",
                token,
                "Split the expression with `definitions:`.",
            )
        node = self.expression(minimum)
        self.nesting -= 1
        return node

    def _chain(self, left: Node, level: int) -> Node:
        """a + b - c ... or a * b / c ..., made at once: one by one would be quadratic."""
        first = self.token
        parts = [self.value(first, left)]
        while _LEVELS.get(self.token.text) == level:
            token = self.advance()
            right = self.value(token, self.expression(level + 1))
            if token.text == "-":
                right = self.make(token, negate, right)
            elif token.text == "/":
                right = self.make(token, divide, number(1.0), right)
            parts.append(right)
        return self.make(first, add if level == _SUM else multiply, *parts)

    def _compare(self, left: Node) -> Node:
        """a < b, or a < b < c, which is a < b and b < c."""
        parts: list[Node] = []
        first = self.token
        while self.token.text in COMPARISONS:
            token = self.advance()
            self._allow(token)
            self.value(token, left)
            right = self.value(token, self.expression(_SUM))
            parts.append(self.make(token, Compare, token.text, left, right))
            left = right
        return parts[0] if len(parts) == 1 else self.make(first, Logic, "and", tuple(parts))

    def _logic(self, left: Node, first: Token) -> Node:
        operands = [self.condition(first, left)]
        while self.token.text == first.text:
            token = self.advance()
            self._allow(token)
            operands.append(self.condition(token, self.expression(_LEVELS[first.text] + 1)))
        return self.make(first, Logic, first.text, tuple(operands))

    def _call(self, name: Token) -> Node:
        bracket = self.advance()
        if name.text == "d":
            return self._d(name, bracket)
        arguments: list[Node] = []
        while self.token.text != ")" or arguments:
            first = name.text == "where" and not arguments
            arguments.append(self._argument(comparison=first))
            if self.token.text != ",":
                break
            self.advance()
        self._close(bracket)
        return self.make(name, self.scope.apply, name.text, arguments, self.budget)

    def _argument(self, comparison: bool = False) -> Node:
        token, outside = self.token, self.comparisons
        self.comparisons = comparison
        node = self._nested(token, _OR)
        self.comparisons = outside
        return self.condition(token, node) if comparison else self.value(token, node)

    def _d(self, name: Token, bracket: Token) -> Node:
        """d(expression, x, ...)"""
        node = self._argument()
        coordinates: list[str] = []
        while self.token.text == ",":
            self.advance()
            token = self.advance()
            if token.text not in self.scope.coordinates:
                mend = suggest(token.text, self.scope.coordinates)
                raise _error(f"d: {token.shown} is not a coordinate", token, mend)
            coordinates.append(token.text)
        self._close(bracket)
        if not 1 <= len(coordinates) <= MAX_ORDER:
            raise _error(
                f"d takes an expression and 1 to {MAX_ORDER} coordinates, not {len(coordinates)}",
                name,
                "Write d(expression, x) or d(expression, x, y).",
            )
        return self.make(name, self.scope.d, node, coordinates, self.budget)

    def _close(self, bracket: Token) -> None:
        token = self.token
        if token.text == ")":
            self.advance()
            return
        if token.kind == "end":
            raise _error("a '(' is never closed", bracket)
        if token.text != "=":
            self.end()
        raise _error("')' was expected, not '='", token, "Write '==' to compare.")

    def _allow(self, token: Token) -> None:
        if not self.comparisons:
            raise _error(
                f"{token.shown} cannot stand here",
                token,
                "Comparisons stand in `where:` and in the first argument of where(c, a, b).",
            )


def parse(text: str | float, scope: Scope) -> Node:
    """The tree of an expression; a number is an expression too.

    Raises:
        InputError: what is wrong, at which column, and the mend; without file and line.
    """
    if not isinstance(text, str):
        node: Node = _literal(text)
        if not scope.comparisons:
            return node
        text = str(text)
    parser = Parser(text, scope, scope.comparisons)
    first = parser.token
    node = parser.expression()
    parser.end()
    return parser.condition(first, node) if scope.comparisons else parser.value(first, node)


def parse_equation(text: str, scope: Scope, kinks: list[Node] | None = None) -> Node:
    """The residual ``left - right`` of an equation ``left = right``.

    Arguments:
        text, scope: as for :func:`parse`.
        kinks: takes the functions of the coordinates that may jump or have a kink and that were
            differentiated on the way.

    Raises:
        InputError: not exactly one '=', or as :func:`parse`.
    """
    if not isinstance(text, str):
        raise InputError(f"{shorten(str(text))} is not an equation.", mend=_EQUATION)
    parser = Parser(text, scope, comparisons=False)
    signs = [token for token in parser.tokens if token.text == "="]
    if not signs:
        double = any(token.text == "==" for token in parser.tokens)
        raise InputError(
            f"the equation {shorten(text)} has no '='.",
            mend="Write one '=' instead of '=='." if double else _EQUATION,
        )
    if len(signs) > 1:
        raise _error("a second '=' in the equation", signs[1], _EQUATION)
    left = parser.value(signs[0], parser.expression())
    if parser.token is not signs[0]:
        parser.end()
    parser.advance()
    right = parser.value(signs[0], parser.expression())
    parser.end()
    if kinks is not None:
        kinks += parser.budget.kinks
    return parser.make(signs[0], add, left, negate(right))


def constant(text: str | float, constants: Mapping[str, float] | None = None) -> float:
    """The value of a constant expression, ``2*pi``.

    Arguments:
        text: an expression or a number.
        constants: named numbers that it may use.

    Raises:
        InputError: not a finite number, or as :func:`parse`.
    """
    node = parse(text, Scope((), (), constants or {}))
    if not isinstance(node, Number):  # without coordinates and unknowns everything is folded
        raise InputError(f"{shorten(str(text))} is not a constant.", mend="Write a number.")
    return node.value


_EQUATION = "Write left = right, such as u_xx + u_yy = 0."


def _literal(value: Any) -> Node:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(
            f"{shorten(repr(value))} is not an expression.", mend="Write a number or a text."
        )
    try:
        return number(float(value))
    except OverflowError:
        return number(float("inf"))


def _error(message: str, token: Token, mend: str = "") -> InputError:
    return InputError(f"{message} (column {token.column}).", mend=mend)
