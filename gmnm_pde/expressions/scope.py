"""What the names of an expression mean: coordinates, unknowns, constants, functions."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gmnm_pde.errors import InputError, suggest
from gmnm_pde.expressions.algebra import NUMERIC, add, call, integral, multiply, number, where
from gmnm_pde.expressions.derivative import differentiate
from gmnm_pde.expressions.nodes import (
    Budget,
    Coordinate,
    Derivative,
    Node,
    NormalDerivative,
)
from gmnm_pde.fields import orders_of

BUILT_IN = {"pi": math.pi, "e": math.e}

FUNCTIONS = (*NUMERIC, "where", "d", "laplacian", "div", "dot", "integral")


@dataclass(frozen=True)
class Scope:
    """The names that an expression may use. They go before the built-in pi and e.

    Arguments:
        coordinates: single letters; ``t`` is time, which ``laplacian`` and ``div`` leave out.
        unknowns: their names.
        constants: named numbers.
        definitions: named expressions.
        comparisons: the expression is a condition, ``x < 0 and y > 1``.
    """

    coordinates: tuple[str, ...]
    unknowns: tuple[str, ...] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    definitions: Mapping[str, Node] = field(default_factory=dict)
    comparisons: bool = False

    @property
    def space(self) -> tuple[str, ...]:
        """The coordinates but time."""
        return tuple(name for name in self.coordinates if name != "t")

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that was declared."""
        return (*self.coordinates, *self.unknowns, *self.constants, *self.definitions)

    def resolve(self, name: str) -> Node:
        """The node that a name stands for; ``u_xy`` is a derivative.

        Raises:
            InputError: an unknown name, or a derivative in what is not a coordinate.
        """
        if name in self.definitions:
            return self.definitions[name]
        if name in self.constants:
            return number(self.constants[name])
        if name in self.coordinates:
            return Coordinate(name)
        if name in self.unknowns:
            return self._derivative(name, "")
        if name in BUILT_IN:
            return number(BUILT_IN[name])
        unknown, _, letters = name.rpartition("_")
        if letters and unknown in self.unknowns:
            return self._derivative(unknown, letters)
        if self._differentiated(name) and unknown not in self.names:
            raise InputError(
                f"derivative {name}: {shorten(unknown)} is not an unknown.",
                mend=suggest(unknown, self.unknowns),
            )
        raise InputError(f"unknown name {shorten(name)}.", mend=self._mend(name))

    def apply(self, function: str, arguments: Sequence[Node], budget: Budget) -> Node:
        """A function applied to its arguments; all but ``d``, whose arguments are names.

        Raises:
            InputError: an unknown function, or a wrong number of arguments.
        """
        if function not in FUNCTIONS:
            raise self._no_function(function)
        self._check_count(function, len(arguments))
        match function:
            case "where":
                return where(*arguments)
            case "laplacian":
                return add(*(self.d(arguments[0], (name,) * 2, budget) for name in self.space))
            case "div":
                pairs = zip(arguments, self.space, strict=True)
                return add(*(self.d(part, (name,), budget) for part, name in pairs))
            case "dot":
                half = len(arguments) // 2
                return add(*map(multiply, arguments[:half], arguments[half:]))
            case "integral":
                return self._integral(arguments[0])
            case "min" | "max":
                return functools.reduce(functools.partial(call, function), arguments)
        return call(function, *arguments)

    def d(self, node: Node, coordinates: Sequence[str], budget: Budget) -> Node:
        """The derivative in one coordinate after the other."""
        for name in coordinates:
            node = differentiate(node, name, budget)
        return node

    def _integral(self, integrand: Node) -> Node:
        if not self.unknowns:
            raise InputError(
                "integral(...) stands in equations and conditions only.",
                mend="Write it there, or give the number.",
            )
        return integral(integrand, self.space)

    def _derivative(self, unknown: str, letters: str) -> Node:
        if letters == "n" and "n" not in self.coordinates:
            return NormalDerivative(unknown)
        orders = orders_of(letters, self.coordinates, unknown)
        return Derivative(unknown, orders, self.coordinates)

    def _differentiated(self, name: str) -> bool:
        """Whether a name has the form of a derivative, ``f_xx``."""
        base, _, letters = name.rpartition("_")
        return bool(
            base and letters and len(letters) < 10 and set(letters) <= set(self.coordinates)
        )

    def _check_count(self, function: str, given: int) -> None:
        least, most = {
            "where": (3, 3),
            "atan2": (2, 2),
            "min": (2, given),
            "max": (2, given),
            "div": (len(self.space),) * 2,
            "dot": (2, given),
        }.get(function, (1, 1))
        if function in ("div", "laplacian", "integral") and not self.space:
            raise InputError(f"{function} needs a coordinate of space; there is none.")
        if least <= given <= most and not (function == "dot" and given % 2):
            return
        number_of = "an even number of" if function == "dot" else str(least)
        if function in ("min", "max"):
            number_of = f"at least {least}"
        raise InputError(
            f"{function} takes {number_of} argument{'' if number_of == '1' else 's'}, "
            f"{given} {'was' if given == 1 else 'were'} given.",
            mend=_USES.get(function, ""),
        )

    def _no_function(self, name: str) -> InputError:
        if name in self.names or name in BUILT_IN:
            return InputError(
                f"{shorten(name)} is not a function.",
                mend="Write '*' to multiply; arguments such as (x, y) are left out.",
            )
        return InputError(f"unknown function {shorten(name)}.", mend=suggest(name, FUNCTIONS))

    def _mend(self, name: str) -> str:
        if name in FUNCTIONS:
            return f"It is a function: {_USES.get(name, f'{name}(...)')}."
        if self._differentiated(name):
            base, _, letters = name.rpartition("_")
            return f"Derivatives of expressions are written d({base}, {', '.join(letters)})."
        return suggest(name, (*self.names, *FUNCTIONS, *BUILT_IN))


_USES = {
    "where": "where(condition, then, otherwise)",
    "d": "d(expression, x, ...)",
    "div": "div(a, b), one argument for each coordinate of space",
    "dot": "dot(a, b, c, d) = a*c + b*d, the components of two vectors",
    "integral": "integral(expression), over the domain",
    "min": "min(a, b)",
    "max": "max(a, b)",
    "atan2": "atan2(y, x)",
}


def shorten(name: str) -> str:
    """A name as a message quotes it."""
    return repr(name if len(name) <= 40 else name[:37] + "...")
