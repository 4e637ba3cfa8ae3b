"""Taylor arithmetic: all derivatives of a network in one pass.

A jet holds the derivatives D^alpha h of an array h of functions of a point, for every alpha that is
asked for and every one below. Each operation of a network has a rule for jets. For a function
s applied to h entry by entry, Leibniz' rule on D^(e_j) s(h) = s'(h) D^(e_j) h gives

    D^alpha s_r(h) = sum over beta <= alpha - e_j of
        binomial(alpha - e_j, beta) D^beta s_(r+1)(h) D^(alpha - beta) h,      s_r = s^(r),

down to the values s_r(h). Griewank and Walther, Evaluating Derivatives, SIAM 2008, chapter 13.
Nested forward-mode differentiation gives the same numbers, several times more slowly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from itertools import product
from math import comb, prod
from operator import add
from typing import Any

import torch
from torch import Tensor

from gmnm_pde.fields import Orders

Function = Callable[[Tensor, int], Sequence[Tensor]]
"""(h, K) -> s(h), s'(h), ..., s^(K)(h). Each has the shape of h, or that and one more axis.

It may not contain anything that is trained: s^(r + 1) is all there is to the derivative of s^(r).
"""


@dataclass(frozen=True)
class Jet:
    """Derivatives of an array of functions.

    Arguments:
        orders: every alpha that is followed, lower ones first, none missing below another.
        parts: D^alpha for each of them; one that is absent is zero, one that does not change from
            point to point may have fewer axes.
    """

    orders: tuple[Orders, ...]
    parts: Mapping[Orders, Tensor]

    @classmethod
    def of_coordinates(cls, points: Tensor, orders: Collection[Orders]) -> Jet:
        """Points (..., d) as functions of themselves, with what the derivatives ``orders`` need."""
        d = points.shape[-1]
        followed = below(frozenset(orders)) or ((0,) * d,)
        parts = {followed[0]: points}
        units = torch.eye(d, dtype=points.dtype, device=points.device)
        for axis in range(d):
            alpha = tuple(int(k == axis) for k in range(d))
            if alpha in followed:
                parts[alpha] = units[axis]
        return cls(followed, parts)

    @property
    def zero(self) -> Orders:
        """The multi-index of the value."""
        return self.orders[0]

    @property
    def value(self) -> Tensor:
        """The array itself."""
        return self.parts[self.zero]

    def part(self, alpha: Orders) -> Tensor:
        """D^alpha."""
        found = self.parts.get(alpha)
        return torch.zeros_like(self.value) if found is None else found.expand_as(self.value)

    def each(self, operation: Callable[[Tensor], Tensor]) -> Jet:
        """A linear operation on every derivative."""
        return Jet(self.orders, {alpha: operation(part) for alpha, part in self.parts.items()})

    def linear(self, matrix: Tensor, shift: Tensor | None = None) -> Jet:
        """h A + a along the last axis."""
        product = torch.stack([self.part(alpha) for alpha in self.parts]) @ matrix
        parts = dict(zip(self.parts, product.unbind(0), strict=True))
        return Jet(self.orders, parts) if shift is None else Jet(self.orders, parts).plus(shift)

    def plus(self, constant: Tensor) -> Jet:
        """h + a."""
        return Jet(self.orders, {**self.parts, self.zero: self.value + constant})

    def times(self, other: Jet) -> Jet:
        """The product, entry by entry."""
        parts: dict[Orders, Tensor] = {}
        for alpha in self.orders:
            terms = [
                _scaled(count, self.parts[beta] * other.parts[rest])
                for beta, rest, count in splits(alpha)
                if beta in self.parts and rest in other.parts
            ]
            if terms:
                parts[alpha] = sum_of(terms)
        return Jet(self.orders, parts)

    @property
    def top(self) -> int:
        """The highest total order that is followed."""
        return max(sum(alpha) for alpha in self.orders)

    def apply(self, function: Function) -> Jet:
        """s(h), entry by entry; a function with values along one more axis adds it at the end."""
        return self.composed(self.table(function))

    def table(self, function: Function) -> tuple[Tensor, ...]:
        """s(h), s'(h), ... up to :attr:`top`."""
        found: tuple[Tensor, ...] = _Table.apply(self.value, function, self.top)
        return found

    def composed(self, derivatives: Sequence[Tensor]) -> Jet:
        """s(h), entry by entry, of s, s', ... at h up to :attr:`top`, with their own graphs.

        Arguments:
            derivatives: each of the shape of h, or that and one more axis.
        """
        added = derivatives[0].ndim - self.value.ndim
        inner = {
            alpha: part[..., None] if added else part
            for alpha, part in self.parts.items()
            if alpha != self.zero
        }
        known: dict[tuple[int, Orders], Tensor | None] = {
            (r, self.zero): value for r, value in enumerate(derivatives)
        }

        def outer(r: int, alpha: Orders) -> Tensor | None:
            if (r, alpha) not in known:
                terms = []
                axis = next(k for k, order in enumerate(alpha) if order)
                for beta, rest, count in splits(_lowered(alpha, axis)):
                    change = inner.get(_raised(rest, axis))
                    factor = outer(r + 1, beta) if change is not None else None
                    if factor is not None and change is not None:
                        terms.append(_scaled(count, factor * change))
                known[r, alpha] = sum_of(terms) if terms else None
            return known[r, alpha]

        parts = {alpha: outer(0, alpha) for alpha in self.orders}
        return Jet(self.orders, {alpha: part for alpha, part in parts.items() if part is not None})

    def exp(self) -> Jet:
        """exp(h), entry by entry: :meth:`apply` where all derivatives of s are the same."""
        parts = {self.zero: torch.exp(self.value)}
        for alpha in self.orders[1:]:
            axis = next(k for k, order in enumerate(alpha) if order)
            terms = []
            for beta, rest, count in splits(_lowered(alpha, axis)):
                change = self.parts.get(_raised(rest, axis))
                if change is not None and beta in parts:
                    terms.append(_scaled(count, parts[beta] * change))
            if terms:
                parts[alpha] = sum_of(terms)
        return Jet(self.orders, parts)

    def with_constant(self) -> Jet:
        """One more entry at the end of the last axis, which is one."""
        zeros = torch.zeros_like(self.value[..., :1])
        return Jet(
            self.orders,
            {
                alpha: torch.cat(
                    [self.part(alpha), zeros + 1 if alpha == self.zero else zeros], dim=-1
                )
                for alpha in self.parts
            },
        )


class _Table(torch.autograd.Function):
    """s(h) ... s^(K)(h) for a :data:`Function`, whose own operations are not recorded."""

    @staticmethod
    def forward(h: Tensor, function: Function, order: int) -> tuple[Tensor, ...]:
        found: list[Tensor] = []
        for values in function(h, order):
            # Each output has a gradient of its own, so one that comes twice must be two.
            found.append(values.clone() if any(values is other for other in found) else values)
        return tuple(found)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        h, ctx.function, ctx.order = inputs
        ctx.save_for_backward(h)
        ctx.save_for_forward(h)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None]:
        (h,) = ctx.saved_tensors
        top = max((r for r, g in enumerate(gradients) if g is not None), default=-1)
        if top < 0:
            return None, None, None
        higher = _Table.apply(h, ctx.function, top + 1)[1:]
        terms = [g * s for g, s in zip(gradients, higher, strict=False) if g is not None]
        total = sum_of(terms)
        return (total.sum(-1) if total.ndim > h.ndim else total), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, ...]:
        (h,) = ctx.saved_tensors
        higher = _Table.apply(h, ctx.function, ctx.order + 1)[1:]
        tangent = tangent[..., None] if higher[0].ndim > h.ndim else tangent
        return tuple(s * tangent for s in higher)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int, None, None], h: Tensor, function: Function, order: int
    ) -> tuple[tuple[Tensor, ...], int]:
        # It takes any leading axes.
        return _Table.apply(h.movedim(in_dims[0], 0), function, order), 0


def joined_along_last(jets: Sequence[Jet]) -> Jet:
    """Jets of the same orders side by side along the last axis."""
    orders = jets[0].orders
    present = [alpha for alpha in orders if any(alpha in jet.parts for jet in jets)]
    return Jet(orders, {a: torch.cat([jet.part(a) for jet in jets], dim=-1) for a in present})


@cache
def below(orders: frozenset[Orders]) -> tuple[Orders, ...]:
    """Every multi-index that is below one of these or equal to it, lower totals first."""
    found = {beta for alpha in orders for beta in product(*(range(n + 1) for n in alpha))}
    return tuple(sorted(found, key=lambda alpha: (sum(alpha), alpha)))


@cache
def splits(alpha: Orders) -> tuple[tuple[Orders, Orders, int], ...]:
    """(beta, alpha - beta, binomial(alpha, beta)) for every beta <= alpha."""
    return tuple(
        (
            beta,
            tuple(n - k for n, k in zip(alpha, beta, strict=True)),
            prod(comb(n, k) for n, k in zip(alpha, beta, strict=True)),
        )
        for beta in product(*(range(n + 1) for n in alpha))
    )


def _raised(alpha: Orders, axis: int) -> Orders:
    return tuple(order + (k == axis) for k, order in enumerate(alpha))


def _lowered(alpha: Orders, axis: int) -> Orders:
    return tuple(order - (k == axis) for k, order in enumerate(alpha))


def _scaled(count: int, value: Tensor) -> Tensor:
    return value if count == 1 else count * value


def sum_of(terms: Iterable[Tensor]) -> Tensor:
    """The sum of one or more arrays; not ``sum``, which begins with an addition to zero."""
    return reduce(add, terms)
