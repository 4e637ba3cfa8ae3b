"""The weighted residual as a function of the output weights, for one network and its points.

Features do not depend on the weights: they are evaluated once and serve every iteration, and the
rows of a linear block do not change at all. What is left for an iteration is the pointwise residual
and the rows of nonlinear blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde import fields
from gmnm_pde.assembly import weight_rows
from gmnm_pde.fields import Orders, State
from gmnm_pde.integrals import integrated, with_quadrature
from gmnm_pde.linearised import (
    Block,
    at_network,
    at_zero,
    is_linear,
    jet_of,
    linearise,
    residual_rows,
    target_rows,
    touched_orders,
)
from gmnm_pde.methods.weights import System
from gmnm_pde.networks import LinearOutputNetwork, Network
from gmnm_pde.problem import Problem

REMEMBERED = 2**31
"""Bytes of features that are kept; beyond, they are evaluated again for every iteration."""

Values = Callable[[int, Orders], Tensor]
"""D^alpha of every unknown, (n, m), at the points with a number."""


@dataclass(frozen=True)
class Iterate:
    """Output weights and what they leave.

    Arguments:
        x: (p,), output by output; None for another network's output.
        values: derivatives of the unknowns.
        residual: weighted, (rows,).
    """

    x: Tensor | None
    values: Values
    residual: Tensor

    @property
    def loss(self) -> float:
        """Root mean square of the weighted residual; infinite where it is not finite."""
        value = self.residual.square().mean().sqrt().item()
        return value if math.isfinite(value) else math.inf


class Remembered:
    """A network's features at points that come again and again.

    Arguments:
        points: the different sets of them.
        orders: for each set, the derivatives that will be asked for.
    """

    def __init__(
        self,
        network: LinearOutputNetwork,
        points: Sequence[Tensor],
        orders: Sequence[set[Orders]],
    ) -> None:
        self.network = network
        self.points = points
        count = sum(len(p) * len(o) for p, o in zip(points, orders, strict=True))
        size = count * network.output_weights.shape[0] * network.output_weights.element_size()
        self.known = [
            self._evaluated(p, o) if size <= REMEMBERED else {}
            for p, o in zip(points, orders, strict=True)
        ]

    def __call__(self, site: int, alpha: Orders) -> Tensor:
        known = self.known[site]
        return (
            known[alpha] if alpha in known else self._evaluated(self.points[site], {alpha})[alpha]
        )

    def _evaluated(self, points: Tensor, orders: set[Orders]) -> dict[Orders, Tensor]:
        with torch.no_grad():
            return self.network.feature_derivatives(points, orders) if orders else {}


class Residuals:
    """The rows of some blocks for a network with the output weights x.

    Arguments:
        blocks: at the points of a fit.
    """

    def __init__(
        self, problem: Problem, network: LinearOutputNetwork, blocks: Sequence[Block]
    ) -> None:
        blocks = [with_quadrature(problem, block) for block in blocks]
        self.problem, self.network, self.blocks = problem, network, blocks
        self.linear = [is_linear(problem, block) for block in blocks]
        self._points: list[Tensor] = []
        self._site = [self._number(block.points) for block in blocks]
        for block in blocks:
            if block.quadrature is not None:
                self._number(block.quadrature.points)
        self._orders: list[set[Orders]] = [set() for _ in self._points]
        for block, site, linear in zip(blocks, self._site, self.linear, strict=True):
            if linear:
                continue
            self._orders[site] |= touched_orders(problem, block)
            if block.quadrature is not None:
                inner = self._number(block.quadrature.points)
                self._orders[inner] |= {alpha for _, alpha in integrated(problem, block)}
        self._features = Remembered(network, self._points, self._orders)
        self._constant = {
            i: (weight_rows(problem, block, lin, network), target_rows(block, lin))
            for i, block in enumerate(blocks)
            if self.linear[i]
            for lin in [at_zero(problem, block)]
        }

    def at(self, x: Tensor) -> Iterate:
        """The rows for output weights (p,)."""
        weights = self.network.unflattened(x)
        return self._iterate(
            x,
            _once(lambda site, alpha: self._features(site, alpha) @ weights),
            lambda i: self._constant[i][0] @ x - self._constant[i][1],
        )

    def of(self, network: Network) -> Iterate:
        """The rows for what another network gives."""

        def values(site: int, alpha: Orders) -> Tensor:
            with torch.no_grad():
                return network.derivatives(self._points[site], [alpha])[alpha]

        return self._iterate(
            None,
            _once(values),
            lambda i: residual_rows(
                self.blocks[i], at_network(self.problem, self.blocks[i], network)
            ),
        )

    def between(self, start: Iterate, end: Iterate, part: float) -> Iterate:
        """The rows on the way from one iterate to another, without any product."""
        assert start.x is not None
        assert end.x is not None
        before, after = self.split(start), self.split(end)
        return self._iterate(
            start.x + part * (end.x - start.x),
            lambda site, alpha: torch.lerp(
                start.values(site, alpha), end.values(site, alpha), part
            ),
            lambda i: torch.lerp(before[i], after[i], part),
        )

    def system(self, iterate: Iterate) -> System:
        """Rows A and right-hand side b of the linearised problem: A x = b at its solution."""
        rows, targets = [], []
        for i, block in enumerate(self.blocks):
            if self.linear[i]:
                part, target = self._constant[i]
            else:
                state = self._state(iterate.values)
                lin = linearise(self.problem, block, state(block.points), state)
                part = weight_rows(self.problem, block, lin, self.network, self._features_at)
                target = target_rows(block, lin)
            rows.append(part)
            targets.append(target)
        return System(torch.cat(rows), torch.cat(targets), self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each block."""
        return tuple(
            len(block.points) if block.average is None else len(block.average)
            for block in self.blocks
        )

    @property
    def has_data(self) -> bool:
        """Whether some rows are measurements."""
        return any(block.kind == "data" for block in self.blocks)

    def not_finite(self, iterate: Iterate) -> str | None:
        """Which block is not finite and where, in words; None if all are."""
        for block, rows in zip(self.blocks, self.split(iterate), strict=True):
            bad = torch.nonzero(~rows.isfinite())
            if len(bad):
                where = ""
                if block.average is None:
                    point = [round(value, 6) for value in block.points[int(bad[0])].tolist()]
                    where = f" at {point}"
                return f"{block.label!r} is not finite{where}"
        return None

    def split(self, iterate: Iterate) -> tuple[Tensor, ...]:
        """The rows of each block."""
        return iterate.residual.split(self.sizes)

    def _iterate(
        self, x: Tensor | None, values: Values, linear_rows: Callable[[int], Tensor]
    ) -> Iterate:
        parts = []
        for i, block in enumerate(self.blocks):
            if self.linear[i]:
                parts.append(linear_rows(i))
                continue
            state = self._state(values)
            jet = jet_of(self.problem, block, state(block.points), state)
            with torch.no_grad():
                parts.append(block.combine(block.residual(jet)) - block.offset)
        return Iterate(x, values, torch.cat(parts))

    def _state(self, values: Values) -> State:
        """Values for jets at the points of blocks and of their integrals."""
        names = tuple(self.problem.unknowns)

        def at(points: Tensor) -> fields.Values:
            site = self._number(points)
            return lambda name, alpha: values(site, alpha)[:, names.index(name)]

        return at

    def _features_at(self, points: Tensor, alpha: Orders) -> Tensor:
        return self._features(self._number(points), alpha)

    def _number(self, points: Tensor) -> int:
        """The number of a set of points; blocks of several equations share theirs."""
        for site, known in enumerate(self._points):
            if known is points:
                return site
        for site, known in enumerate(self._points):
            if known.shape == points.shape and torch.equal(known, points):
                return site
        self._points.append(points)
        return len(self._points) - 1


def _once(function: Values) -> Values:
    """The function with its results kept."""
    known: dict[tuple[int, Orders], Tensor] = {}

    def values(site: int, alpha: Orders) -> Tensor:
        if (site, alpha) not in known:
            known[site, alpha] = function(site, alpha)
        return known[site, alpha]

    return values
