"""Expressions as text that parses to the same tree."""

from __future__ import annotations

import math

from gmnm_pde.expressions.nodes import (
    Call,
    Compare,
    Coordinate,
    Derivative,
    Integral,
    Logic,
    Node,
    NormalDerivative,
    Number,
    Power,
    Product,
    Sum,
    Where,
)

# How strongly an operator holds its operands together.
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _POWER, _ATOM = range(8)


def to_text(node: Node) -> str:
    """An expression as a person would write it, ``-2*pi^2*sin(pi*x)``, constants folded."""
    return _write(node, _OR)


def _write(node: Node, level: int) -> str:
    """The text of a node, in brackets where it holds together less than ``level``."""
    text, own = _text(node)
    return text if own >= level else f"({text})"


def _text(node: Node) -> tuple[str, int]:
    match node:
        case Number(value):
            return _number(value), _ATOM if value >= 0 else _SUM
        case Coordinate(name):
            return name, _ATOM
        case Derivative(unknown, orders, coordinates):
            letters = "".join(name * order for name, order in zip(coordinates, orders, strict=True))
            return f"{unknown}_{letters}" if letters else unknown, _ATOM
        case NormalDerivative(unknown):
            return f"{unknown}_n", _ATOM
        case Sum(terms):
            return _sum(terms), _SUM
        case Product(factors):
            return _product(factors), _PRODUCT
        case Power(_, Number(exponent)) if _divides(exponent):
            return _product((node,)), _PRODUCT
        case Power(base, power):
            return f"{_write(base, _ATOM)}^{_write(power, _POWER)}", _POWER
        case Call(function, arguments):
            return f"{function}({_list(arguments)})", _ATOM
        case Integral(integrand):
            return f"integral({_write(integrand, _OR)})", _ATOM
        case Where():
            return f"where({_list(node.children)})", _ATOM
        case Compare(name, left, right):
            return f"{_write(left, _SUM)} {name} {_write(right, _SUM)}", _COMPARE
        case Logic("not", (operand,)):
            return f"not {_write(operand, _NOT)}", _NOT
        case Logic(name, operands):
            level = _AND if name == "and" else _OR
            return f" {name} ".join(_write(part, level + 1) for part in operands), level
    raise TypeError(f"{type(node).__name__} has no text")


def _number(value: float) -> str:
    if abs(value) == math.pi:
        return "pi" if value > 0 else "-pi"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _sum(terms: tuple[Node, ...]) -> str:
    text = _write(terms[0], _SUM)
    for term in terms[1:]:
        part = _write(term, _SUM if isinstance(term, Number) else _PRODUCT)
        text += f" - {part[1:]}" if part.startswith("-") else f" + {part}"
    return text


def _product(factors: tuple[Node, ...]) -> str:
    sign = ""
    if isinstance(factors[0], Number) and factors[0].value < 0:
        sign = "-"
        first = Number(-factors[0].value)
        factors = factors[1:] if first.value == 1.0 else (first, *factors[1:])
    text = ""
    for factor in factors:
        match factor:
            case Power(base, Number(exponent)) if _divides(exponent):
                divisor = base if exponent == -1.0 else Power(base, Number(-exponent))
                text = f"{text or '1'}/{_write(divisor, _POWER)}"
            case _:
                part = _write(factor, _POWER)
                text = f"{text}*{part}" if text else part
    return sign + text


def _divides(exponent: float) -> bool:
    # A fraction stays an exponent: 1/x^0.5 would parse to the power of a power.
    return exponent < 0 and exponent.is_integer()


def _list(nodes: tuple[Node, ...]) -> str:
    return ", ".join(_write(node, _OR) for node in nodes)
