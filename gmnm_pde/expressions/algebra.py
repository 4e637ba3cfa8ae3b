"""Sums, products, powers and functions of nodes, simplified a little as they are made.

Constants are folded, like terms and equal bases collected (x + x = 2 x, x x^2 = x^3), and the
neutral elements dropped, so that derivatives stay small. Values change by rounding only; 0 * f
is 0 also where f is not finite. A singularity is never removed: x / x stays.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator

from gmnm_pde.errors import InputError
from gmnm_pde.expressions.nodes import (
    Call,
    Compare,
    Integral,
    Logic,
    Node,
    NormalDerivative,
    Number,
    Power,
    Product,
    Sum,
    Where,
    distinct,
)

ZERO = Number(0.0)
ONE = Number(1.0)

COMPARISONS: dict[str, Callable[..., bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

NUMERIC: dict[str, Callable[..., float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "abs": abs,
    "sign": lambda value: float((value > 0) - (value < 0)),
    "min": min,
    "max": max,
    "erf": math.erf,
}
"""The functions of numbers. ``min`` and ``max`` take two arguments here, more in a text."""


def number(value: float) -> Number:
    """A constant.

    Raises:
        InputError: not finite.
    """
    if not math.isfinite(value):
        raise InputError(
            f"a constant is {value}, not a finite number.", mend="Use smaller numbers."
        )
    return Number(value)


def add(*terms: Node) -> Node:
    """terms[0] + terms[1] + ..."""
    coefficients: dict[Hashable, float] = {}
    rests: dict[Hashable, Node] = {}
    for term in _terms(terms):
        coefficient, rest = _split(term)
        key = _unordered(rest)
        coefficients[key] = coefficients.get(key, 0.0) + coefficient
        rests.setdefault(key, rest)
    kept = [_scaled(coefficients[key], rest) for key, rest in rests.items()]
    kept = [term for term in kept if term != ZERO]
    if len(kept) > 1:
        return Sum(tuple(kept))
    return kept[0] if kept else ZERO


def multiply(*factors: Node) -> Node:
    """factors[0] * factors[1] * ..."""
    coefficient = 1.0
    kept: list[Node] = []
    exponents: dict[tuple[Node, bool], tuple[int, float]] = {}
    for factor in _factors(factors):
        if isinstance(factor, Number):
            coefficient *= factor.value
            continue
        base, exponent = _integer_power(factor)
        place, total = exponents.get((base, exponent > 0), (len(kept), 0.0))
        if place == len(kept):
            kept.append(factor)
        else:
            kept[place] = power(base, number(total + exponent))
        exponents[base, exponent > 0] = (place, total + exponent)
    if len(kept) == 1:
        return _scaled(coefficient, kept[0])
    return _scaled(coefficient, Product(tuple(kept)) if kept else ONE)


def negate(node: Node) -> Node:
    """-node"""
    return multiply(Number(-1.0), node)


def divide(left: Node, right: Node) -> Node:
    """left / right"""
    if right == ZERO:
        raise InputError("division by zero.", mend="Check the denominator.")
    return multiply(left, power(right, Number(-1.0)))


def power(base: Node, exponent: Node) -> Node:
    """base ^ exponent

    Raises:
        InputError: two constants whose power is not a finite real number.
    """
    match base, exponent:
        case Number(left), Number(right):
            return _fold("^", math.pow, left, right)
        case _, Number(0.0):
            return ONE
        case _, Number(1.0):
            return base
        case Number(1.0), _:
            return ONE
        case Power(inner, Number(first)), Number(second):
            # Not for fractions, (x^2)^0.5 = |x|, nor for (1/x)^-1, which is singular at 0.
            if first.is_integer() and second.is_integer() and max(first, second) > 0:
                return power(inner, number(first * second))
    return Power(base, exponent)


def call(function: str, *arguments: Node) -> Node:
    """A function of :data:`NUMERIC` applied to its arguments.

    Raises:
        InputError: constants outside the function's domain, or a result that overflows.
    """
    values = [argument.value for argument in arguments if isinstance(argument, Number)]
    if len(values) == len(arguments):
        return _fold(function, NUMERIC[function], *values)
    return Call(function, arguments)


def where(condition: Node, then: Node, otherwise: Node) -> Node:
    """then where the condition is true, otherwise elsewhere."""
    if then == otherwise:
        return then
    known = _truth(condition)
    if known is None:
        return Where(condition, then, otherwise)
    return then if known else otherwise


def integral(integrand: Node, coordinates: tuple[str, ...]) -> Node:
    """The integral over the domain, along coordinates of space.

    Raises:
        InputError: an integral inside, or a normal derivative, which has no meaning there.
    """
    for part in distinct(integrand):
        if isinstance(part, Integral):
            raise InputError(
                "an integral stands within another one.",
                mend="Multiply integrals, or make the inner one an unknown with its own equation.",
            )
        if isinstance(part, NormalDerivative):
            raise InputError(
                f"{part.unknown}_n stands in an integral over the domain, inside which there is "
                "no normal.",
                mend="Integrate derivatives by coordinates.",
            )
    return ZERO if integrand == ZERO else Integral(integrand, coordinates)


def _fold(name: str, function: Callable[..., float], *values: float) -> Number:
    try:
        result = function(*values)
    except (ValueError, OverflowError):
        result = math.nan
    if math.isfinite(result):
        return Number(result)
    given = [f"{value:.6g}" for value in values]
    text = f"{given[0]}^{given[1]}" if name == "^" else f"{name}({', '.join(given)})"
    raise InputError(
        f"the constant {text} is not a finite real number.", mend="Check its arguments."
    )


def _truth(condition: Node) -> bool | None:
    """Whether a condition of constants holds; None if it depends on the point."""
    match condition:
        case Compare(name, Number(left), Number(right)):
            return COMPARISONS[name](left, right)
        case Logic("not", (operand,)):
            known = _truth(operand)
            return None if known is None else not known
        case Logic(name, operands):
            decisive = name == "or"
            known_parts = [_truth(operand) for operand in operands]
            if decisive in known_parts:
                return decisive
            return None if None in known_parts else not decisive
    return None


# One level is enough below: sums hold no sums, products no products.


def _terms(nodes: Iterable[Node]) -> Iterator[Node]:
    """The terms of a sum of sums; a - (b + c) has three, so both sides of an equation join."""
    for node in nodes:
        match node:
            case Sum(terms):
                yield from terms
            case Product((Number(-1.0), Sum(terms))):
                yield from map(negate, terms)
            case _:
                yield node


def _factors(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        if isinstance(node, Product):
            yield from node.factors
        else:
            yield node


def _split(term: Node) -> tuple[float, Node]:
    """A term as its numerical coefficient and the rest."""
    match term:
        case Number(value):
            return value, ONE
        case Product((Number(value), rest)):
            return value, rest
        case Product((Number(value), *rest)):
            return value, Product(tuple(rest))
    return 1.0, term


def _scaled(coefficient: float, rest: Node) -> Node:
    """The inverse of :func:`_split`."""
    if coefficient == 0.0:
        return ZERO
    if coefficient == 1.0:
        return rest
    if rest == ONE:
        return number(coefficient)
    factors = rest.factors if isinstance(rest, Product) else (rest,)
    return Product((number(coefficient), *factors))


def _unordered(node: Node) -> Hashable:
    """A key that is the same for a product and its permutations."""
    if isinstance(node, Product):
        return frozenset(Counter(node.factors).items())
    return node


def _integer_power(factor: Node) -> tuple[Node, float]:
    """A factor as base and integer exponent; other powers are bases themselves, (x^0.5)^1."""
    match factor:
        case Power(base, Number(exponent)) if exponent.is_integer():
            return base, exponent
    return factor, 1.0
