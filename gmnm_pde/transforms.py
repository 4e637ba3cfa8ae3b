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
from gmnm_pde.networks.base import forward_derivative

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

        Those of the composition of k with the Taylor polynomial of theta about each point, by
        forward-mode differentiation: the rule of Faa di Bruno for any order.
        """
        if not any(orders):
            return self(inner(orders))
        every = list(product(*(range(count + 1) for count in orders)))
        terms = {beta: inner(beta) / prod(factorial(k) for k in beta) for beta in every}

        def composed(step: Tensor) -> Tensor:
            total = terms[every[0]]
            for beta in every[1:]:
                power = prod((step[:, axis] ** k for axis, k in enumerate(beta) if k), start=1.0)
                total = total + terms[beta] * power
            return self(total)[:, None]

        zero = terms[every[0]].new_zeros(len(terms[every[0]]), len(orders))
        return forward_derivative(composed, zero, orders)[:, 0]


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
