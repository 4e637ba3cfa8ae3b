"""Expressions as torch functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gmnm_pde.errors import InputError, suggest
from gmnm_pde.expressions.algebra import COMPARISONS
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
    names,
)
from gmnm_pde.fields import Jet, Orders, Residual

TORCH: dict[str, Callable[..., Tensor]] = {
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "atan2": torch.atan2,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "sign": torch.sign,
    "min": torch.minimum,
    "max": torch.maximum,
    "erf": torch.erf,
}


def evaluate(node: Node, jet: Jet) -> Tensor:
    """The value of an expression at every point of a jet, (n,); a condition gives bools.

    Equal subexpressions are evaluated once. Differentiable by autograd; no gradient comes out
    of the side of ``where`` that was not taken, also if it is not finite there.

    Raises:
        InputError: u_n inside the domain, where there is no normal.
    """
    return _Evaluation(jet).of(node).expand(jet.points.shape[0])


def residual(node: Node) -> Residual:
    """The pointwise residual ``jet -> (n,)`` of an expression."""

    def residual_of(jet: Jet) -> Tensor:
        return evaluate(node, jet)

    return residual_of


def point_function(node: Node, coordinates: Sequence[str]) -> Callable[[Tensor], Tensor]:
    """The function (n, d) -> (n,) of an expression without unknowns, one column a coordinate.

    Raises:
        InputError: the expression uses an unknown, or a coordinate that is not given.
    """
    for name in sorted(names(node) - set(coordinates)):
        raise InputError(
            f"the expression uses {name!r}, but only {', '.join(coordinates) or 'constants'} "
            "can stand here.",
            mend=suggest(name, coordinates),
        )

    def function(points: Tensor) -> Tensor:
        return evaluate(node, Jet(coordinates, (), points, _no_unknowns))

    return function


def _no_unknowns(unknown: str, orders: Orders) -> Tensor:
    raise KeyError(unknown)


class _Evaluation:
    """One call of :func:`evaluate`, or one side of a ``where`` in it.

    Arguments:
        jet: the points and fields.
        mask: (n,), the points at which the result will be used; None for all.
        outer: what surrounds this side.
    """

    def __init__(
        self, jet: Jet, mask: Tensor | None = None, outer: _Evaluation | None = None
    ) -> None:
        self.jet = jet
        self.mask = mask
        self.outer = outer
        self.memo: dict[Node, Tensor] = {}

    def of(self, node: Node) -> Tensor:
        if node not in self.memo:
            self.memo[node] = self._compute(node)
        return self.memo[node]

    def _compute(self, node: Node) -> Tensor:
        match node:
            case Number(value):
                return self.jet.points.new_full((), value)
            case Sum(terms):
                return functools.reduce(torch.add, map(self.of, terms))
            case Product(factors):
                return self._product(factors)
            case Power(base, Number(exponent)):
                return self._times(None, node) if exponent < 0 else _raised(self.of(base), exponent)
            case Power(base, exponent):
                return torch.pow(self.of(base), self.of(exponent))
            case Call(function, arguments):
                return TORCH[function](*map(self.of, arguments))
            case Where(condition, then, otherwise):
                return self._where(self.of(condition), then, otherwise)
            case Compare(name, left, right):
                return torch.as_tensor(COMPARISONS[name](self.of(left), self.of(right)))
            case Logic(name, operands):
                return _logic(name, [self.of(operand) for operand in operands])
        return self._leaf(node)

    def _product(self, factors: Sequence[Node]) -> Tensor:
        # From left to right, so that a / b * c is rounded as it was written.
        total = self._times(None, factors[0])
        for factor in factors[1:]:
            total = self._times(total, factor)
        return total

    def _times(self, total: Tensor | None, factor: Node) -> Tensor:
        match factor:
            case Power(base, Number(exponent)) if exponent < 0:
                divisor = _raised(self.of(base), -exponent)
                return 1.0 / divisor if total is None else total / divisor
        value = self.of(factor)
        return value if total is None else total * value

    def _where(self, mask: Tensor, then: Node, otherwise: Node) -> Tensor:
        first = _Evaluation(self.jet, mask, self).of(then)
        second = _Evaluation(self.jet, ~mask, self).of(otherwise)
        return torch.where(mask, first, second)

    def _leaf(self, node: Node) -> Tensor:
        if self.mask is not None and self.outer is not None:
            # torch.where alone sends 0 into the side not taken, and 0 * inf = nan comes back:
            # sqrt at 0. Points outside the mask are cut off from the gradient at the leaves.
            value = self.outer.of(node)
            return torch.where(self.mask, value, value.detach())
        match node:
            case Coordinate(name):
                return self.jet.coordinate(name)
            case Derivative(unknown, orders):
                return self.jet.derivative(unknown, orders)
            case NormalDerivative(unknown):
                return self.jet.normal_derivative(unknown)
            case Integral(integrand):
                return self.jet.integral(residual(integrand))
        raise TypeError(f"{type(node).__name__} has no value")


def _raised(base: Tensor, exponent: float) -> Tensor:
    if exponent == 1.0:
        return base
    # Beyond 2^31 torch could not take it as an integer.
    if exponent.is_integer() and exponent < 2**31:
        return torch.pow(base, int(exponent))
    return torch.pow(base, exponent)


def _logic(name: str, values: list[Tensor]) -> Tensor:
    if name == "not":
        return ~values[0]
    return functools.reduce(torch.logical_and if name == "and" else torch.logical_or, values)
