"""Total derivatives of expressions, by the rules."""

from __future__ import annotations

import math
from collections.abc import Callable

from gmnm_pde.errors import InputError
from gmnm_pde.expressions.algebra import (
    ONE,
    ZERO,
    add,
    call,
    divide,
    integral,
    multiply,
    negate,
    power,
    where,
)
from gmnm_pde.expressions.nodes import (
    Budget,
    Call,
    Compare,
    Coordinate,
    Derivative,
    Integral,
    Node,
    NormalDerivative,
    Number,
    Power,
    Product,
    Sum,
    Where,
    distinct,
    names,
)

_TWO = Number(2.0)
_HALF = Number(0.5)

OUTER: dict[str, Callable[[Node], Node]] = {
    "sin": lambda f: call("cos", f),
    "cos": lambda f: negate(call("sin", f)),
    "tan": lambda f: add(ONE, power(call("tan", f), _TWO)),
    "asin": lambda f: power(call("sqrt", _one_minus_square(f)), Number(-1.0)),
    "acos": lambda f: negate(power(call("sqrt", _one_minus_square(f)), Number(-1.0))),
    "atan": lambda f: power(add(ONE, power(f, _TWO)), Number(-1.0)),
    "sinh": lambda f: call("cosh", f),
    "cosh": lambda f: call("sinh", f),
    "tanh": lambda f: _one_minus_square(call("tanh", f)),
    "exp": lambda f: call("exp", f),
    "log": lambda f: power(f, Number(-1.0)),
    "sqrt": lambda f: divide(_HALF, call("sqrt", f)),
    "abs": lambda f: call("sign", f),
    "sign": lambda f: ZERO,
    "erf": lambda f: multiply(
        Number(2.0 / math.sqrt(math.pi)), call("exp", negate(power(f, _TWO)))
    ),
}
"""h'(f) for the functions h of one argument."""


def differentiate(node: Node, coordinate: str, budget: Budget | None = None) -> Node:
    """d node / d coordinate, simplified; unknowns count as functions of every coordinate.

    d(k u_x)/dx = k_x u_x + k u_xx. At a kink the derivative of one side is taken: d|f| =
    sign(f) f', d min(f, g) = f' where f <= g, g' elsewhere.

    Arguments:
        node: any expression but a condition.
        coordinate: its name.
        budget: shared by the derivatives of one text; None for one of its own.

    Raises:
        InputError: u_n inside, which is known on the boundary only; a condition; an order or a
            result that is too large.
    """
    return _Differentiation(coordinate, budget or Budget()).of(node)


class _Differentiation:
    """One call of :func:`differentiate`: equal subexpressions are differentiated once."""

    def __init__(self, coordinate: str, budget: Budget) -> None:
        self.coordinate = coordinate
        self.budget = budget
        self.memo: dict[Node, Node] = {}

    def of(self, node: Node) -> Node:
        if node not in self.memo:
            if self._may_jump(node):
                self.budget.kinks.append(node)
            result = self._compute(node)
            self.budget.spend(result)
            self.memo[node] = result
        return self.memo[node]

    def _may_jump(self, node: Node) -> bool:
        """Whether a function may jump or have a kink at a value of the coordinate: the derivative
        of either side is taken, and what happens between them is lost."""
        match node:
            case Where(deciding) | (Call("abs" | "sign" | "min" | "max") as deciding):
                return self.coordinate in names(deciding) and not _holds_unknowns(deciding)
        return False

    def _compute(self, node: Node) -> Node:
        match node:
            case Number():
                return ZERO
            case Coordinate(name):
                return ONE if name == self.coordinate else ZERO
            case Derivative():
                return self._derivative(node)
            case Sum(terms):
                return add(*[self.of(term) for term in terms])
            case Product():
                return self._product(node)
            case Power(base, exponent):
                return self._power(base, exponent)
            case Call(function, arguments):
                return self._call(function, arguments)
            case Where(condition, then, otherwise):
                return where(condition, self.of(then), self.of(otherwise))
            case Integral(integrand, coordinates):
                # A number in space; the domain does not move.
                if self.coordinate in coordinates:
                    return ZERO
                return integral(self.of(integrand), coordinates)
            case NormalDerivative(unknown):
                raise InputError(
                    f"{unknown}_n cannot be differentiated: it exists on the boundary only.",
                    mend=f"Differentiate {unknown} itself.",
                )
        raise InputError(
            "a comparison cannot be differentiated.", mend="Write where(c, a, b) for a choice."
        )

    def _derivative(self, node: Derivative) -> Node:
        raised = tuple(
            order + (name == self.coordinate)
            for order, name in zip(node.orders, node.coordinates, strict=True)
        )
        return Derivative(node.unknown, raised, node.coordinates)

    def _product(self, node: Product) -> Node:
        terms = []
        for place, factor in enumerate(node.factors):
            inner = self.of(factor)
            if inner != ZERO:
                self.budget.spend(node)
                others = (*node.factors[:place], inner, *node.factors[place + 1 :])
                terms.append(multiply(*others))
        return add(*terms)

    def _power(self, base: Node, exponent: Node) -> Node:
        """(f^g)' = g f^(g - 1) f' + f^g log(f) g', without the terms that vanish."""
        terms = []
        inner, outer = self.of(base), self.of(exponent)
        if inner != ZERO:
            lowered = power(base, add(exponent, Number(-1.0)))
            terms.append(multiply(exponent, lowered, inner))
        if outer != ZERO and base != ZERO:
            terms.append(multiply(power(base, exponent), call("log", base), outer))
        return add(*terms)

    def _call(self, function: str, arguments: tuple[Node, ...]) -> Node:
        inner = [self.of(argument) for argument in arguments]
        if all(part == ZERO for part in inner):
            return ZERO
        if function == "atan2":
            return _atan2(*arguments, *inner)
        if function in ("min", "max"):
            order = "<=" if function == "min" else ">="
            return where(Compare(order, *arguments), *inner)
        return multiply(OUTER[function](arguments[0]), inner[0])


def _holds_unknowns(node: Node) -> bool:
    return any(isinstance(part, Derivative | NormalDerivative) for part in distinct(node))


def _one_minus_square(f: Node) -> Node:
    return add(ONE, negate(power(f, _TWO)))


def _atan2(y: Node, x: Node, dy: Node, dx: Node) -> Node:
    """atan2(y, x)' = (x y' - y x') / (x^2 + y^2)."""
    return divide(
        add(multiply(x, dy), negate(multiply(y, dx))), add(power(x, _TWO), power(y, _TWO))
    )
