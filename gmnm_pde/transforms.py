"""Bounded quantities as functions of free ones.

A quantity k is found as a function of theta, which is zero at the start:

    both bounds  k = a + (b - a) s(theta + c),  s the logistic function, s(c) = (k0 - a) / (b - a)
    lower only   k = a + (k0 - a) exp(theta)
    upper only   k = b - (b - k0) exp(-theta)
    none         k = k0 + scale theta

so that no step can leave the bounds, and none is clipped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import factorial, prod

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders, Values
from gmnm_pde.inferred import Inferred

AT_BOUND = 1e-3
"""Of the room between the bounds: nearer than this is at one."""


@dataclass(frozen=True)
class Transform:
    """k(theta), increasing, with k(0) = initial.

    Arguments:
        initial, lower, upper: k0, a, b.
    """

    initial: float
    lower: float = -math.inf
    upper: float = math.inf

    def __call__(self, theta: Tensor) -> Tensor:
        """k, of the shape of theta."""
        start, low, high = self.initial, self.lower, self.upper
        if math.isfinite(low) and math.isfinite(high):
            part = (start - low) / (high - low)
            return low + (high - low) * torch.sigmoid(theta + math.log(part / (1 - part)))
        if math.isfinite(low):
            return low + (start - low) * theta.exp()
        if math.isfinite(high):
            return high - (high - start) * (-theta).exp()
        return start + (abs(start) or 1.0) * theta

    def value(self, theta: float) -> float:
        """k of a number."""
        return float(self(torch.tensor(theta, dtype=torch.float64)))

    def slope(self, theta: float) -> float:
        """dk/dtheta at a number."""
        at = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(self(at), at)
        return float(slope)

    def bound_at(self, theta: float) -> float | None:
        """The bound that k(theta) has practically reached, None if there is none."""
        value, start = self.value(theta), self.initial
        for bound, other in ((self.lower, self.upper), (self.upper, self.lower)):
            size = abs((other if math.isfinite(other) else start) - bound)
            if math.isfinite(bound) and abs(value - bound) <= AT_BOUND * size:
                return bound
        return None

    def derivative(self, inner: Callable[[Orders], Tensor], orders: Orders) -> Tensor:
        """D^orders k(theta(x)) from the derivatives of theta, (n,).

        The Taylor polynomials of k about theta(x) and of theta about x, one put into the other:
        the rule of Faa di Bruno for any order. (With forward-mode differentiation it took most
        of the time of a solve with a field.)
        """
        total_order = sum(orders)
        if not total_order:
            return self(inner(orders))
        every = list(product(*(range(count + 1) for count in orders)))
        zero = every[0]
        series = {beta: inner(beta) / prod(factorial(k) for k in beta) for beta in every[1:]}
        outer = self.taylor(inner(zero), total_order)
        total = {zero: outer[-1]}
        for coefficient in reversed(outer[:-1]):
            total = {**_product(total, series, orders), zero: coefficient}
        return total[orders] * prod(factorial(k) for k in orders)

    def taylor(self, theta: Tensor, order: int) -> list[Tensor]:
        """k^(n)(theta) / n! for n = 0 ... order, each of the shape of theta."""
        start, low, high = self.initial, self.lower, self.upper
        first = self(theta)
        if math.isfinite(low) and math.isfinite(high):
            s = (first - low) / (high - low)
            slopes = [(high - low) * value for value in _logistic_derivatives(s, order)]
        elif math.isfinite(low):
            slopes = [(start - low) * theta.exp()] * order
        elif math.isfinite(high):
            slopes = [(high - start) * (-theta).exp() * (-1) ** n for n in range(order)]
        else:
            slope = torch.full_like(theta, abs(start) or 1.0)
            slopes = [slope, *[torch.zeros_like(theta)] * (order - 1)]
        return [first, *(value / factorial(n) for n, value in enumerate(slopes, 1))]


def _product(
    left: Mapping[Orders, Tensor], right: Mapping[Orders, Tensor], most: Orders
) -> dict[Orders, Tensor]:
    """Of two polynomials, without powers beyond ``most``."""
    found: dict[Orders, Tensor] = {}
    for (alpha, a), (beta, b) in product(left.items(), right.items()):
        power = tuple(i + j for i, j in zip(alpha, beta, strict=True))
        if all(i <= j for i, j in zip(power, most, strict=True)):
            found[power] = found[power] + a * b if power in found else a * b
    return found


def _logistic_derivatives(s: Tensor, order: int) -> list[Tensor]:
    """Derivatives 1 ... order of the logistic function from its value s, polynomials in s:
    s' = s - s^2."""
    coefficients, found = [0, 1], []
    for _ in range(order):
        slope = [n * c for n, c in enumerate(coefficients)][1:]
        coefficients = [0] * (len(slope) + 2)
        for n, c in enumerate(slope):
            coefficients[n + 1] += c
            coefficients[n + 2] -= c
        value = torch.zeros_like(s)
        for c in reversed(coefficients):
            value = value * s + c
        found.append(value)
    return found


@dataclass(frozen=True, eq=False)
class Transformed:
    """Some unknowns k(theta), see :class:`Transform`, and others as they are.

    Arguments:
        transforms: by the unknown's name.
        unknowns: all of them, in the order of columns.
    """

    transforms: Mapping[str, Transform]
    unknowns: tuple[str, ...]

    @property
    def held(self) -> tuple[()]:
        """No condition holds by this."""
        return ()

    @property
    def unlifted(self) -> Transformed:
        """All of it: no condition holds by this."""
        return self

    def derivative(self, inner: Values, unknown: str, points: Tensor, orders: Orders) -> Tensor:
        """D^orders k at points (n, d), (n,)."""
        if unknown not in self.transforms:
            return inner(unknown, orders)
        return self.transforms[unknown].derivative(lambda beta: inner(unknown, beta), orders)

    def complete(self, points: Tensor, values: Tensor) -> Tensor:
        """The unknowns at points (n, d) from theta, both (n, m)."""
        columns = [
            self.transforms[name](values[:, j]) if name in self.transforms else values[:, j]
            for j, name in enumerate(self.unknowns)
        ]
        return torch.stack(columns, 1)


def transforms_of(infer: Mapping[str, Inferred], positive: Sequence[str]) -> dict[str, Transform]:
    """The transformation of each quantity; those in ``positive`` have zero for a lower bound if
    they were given none."""
    found = {}
    for name, item in infer.items():
        transform = Transform(float(item.initial), item.lower, item.upper)
        if name in positive and item.bounds is None:
            if item.initial <= 0:
                raise InputError(
                    f"{name} multiplies the highest derivatives and starts at {item.initial:g}, "
                    "but the equation needs it positive.",
                    mend="Start at a positive value, or give `bounds`.",
                )
            transform = Transform(item.initial, 0.0)
        found[name] = transform
    return found


def bound_notes(transforms: Mapping[str, Transform], thetas: Mapping[str, float]) -> list[str]:
    """What to say of constants that the data push against a bound."""
    notes = []
    for name, theta in thetas.items():
        bound = transforms[name].bound_at(theta)
        if bound is not None:
            notes.append(
                f"{name} ended at its bound {bound:g}: the measurements ask for a value beyond it, "
                "and its standard error says nothing."
            )
    return notes
