"""The loss of a network: weighted mean squares of the residuals, block by block.

    L(theta) = sum_b  lambda_b  mean_i  m_bi r_bi(theta)^2

for blocks b (an equation, a condition, an integral, data) with rows r_b, as M. Raissi, P.
Perdikaris and G. E. Karniadakis (J. Comput. Phys. 378, 2019) put it. The same rows, each times
sqrt(lambda_b m_bi / n_b), are what Gauss-Newton methods see: their squares add up to L.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.assembly import parameter_rows
from gmnm_pde.fields import Orders, State, Values
from gmnm_pde.integrals import integrated, with_quadrature
from gmnm_pde.linearised import Block, jet_of, linearise, residual_rows, touched_orders
from gmnm_pde.methods.training.parameters import gradient, trained
from gmnm_pde.networks import Network
from gmnm_pde.problem import Problem


@dataclass(frozen=True)
class Weights:
    """lambda and m.

    Arguments:
        terms: one a block, (blocks,).
        rows: one a row for each block, (rows,), None for ones.
    """

    terms: Tensor
    rows: tuple[Tensor | None, ...]

    @classmethod
    def ones(cls, blocks: Sequence[Block]) -> Weights:
        """All alike."""
        example = blocks[0].points
        return cls(example.new_ones(len(blocks)), (None,) * len(blocks))

    def of_row(self, index: int, rows: Tensor) -> Tensor:
        """What each row of a block is multiplied by, (rows,), for squares that add up to L."""
        inner = self.rows[index]
        factor = self.terms[index] / len(rows)
        return (factor if inner is None else factor * inner).sqrt().expand(len(rows))


class Objective:
    """The loss of a problem at some points.

    Arguments:
        blocks: rows; those at the same points share the derivatives of the network there.
    """

    def __init__(self, problem: Problem, blocks: Sequence[Block]) -> None:
        self.problem = problem
        self.blocks = tuple(with_quadrature(problem, block) for block in blocks)
        self._sites: list[Tensor] = []
        self._site = [self._number(block.points) for block in self.blocks]
        inner = [
            None if block.quadrature is None else self._number(block.quadrature.points)
            for block in self.blocks
        ]
        self._orders: list[set[Orders]] = [set() for _ in self._sites]
        for block, site, within in zip(self.blocks, self._site, inner, strict=True):
            self._orders[site] |= touched_orders(problem, block)
            if within is not None:
                self._orders[within] |= {alpha for _, alpha in integrated(problem, block)}

    @property
    def n_points(self) -> int:
        """Points of all blocks."""
        return sum(len(block.points) for block in self.blocks)

    def rows(self, network: Network) -> tuple[Tensor, ...]:
        """The residual of each block, (rows,), with a graph to the parameters."""
        known = self._known(network)
        return tuple(self._rows_of(block, known) for block in self.blocks)

    def _known(self, network: Network) -> list[dict[Orders, Tensor]]:
        """Derivatives of the network at each set of points."""
        return [
            network.derivatives(points, orders)
            for points, orders in zip(self._sites, self._orders, strict=True)
        ]

    def _state(self, known: Sequence[dict[Orders, Tensor]]) -> State:
        """Values for jets at the points of blocks and of their integrals."""
        names = self.problem.unknowns

        def at(points: Tensor) -> Values:
            here = known[self._number(points)]
            return lambda name, alpha: here[alpha][:, names.index(name)]

        return at

    def _rows_of(self, block: Block, known: Sequence[dict[Orders, Tensor]]) -> Tensor:
        state = self._state(known)
        jet = jet_of(self.problem, block, state(block.points), state)
        return block.combine(block.residual(jet)) - block.offset

    def terms(self, rows: Sequence[Tensor], weights: Weights) -> Tensor:
        """mean m r^2 of each block, (blocks,), without lambda."""
        means = [
            (row.square() if inner is None else inner * row.square()).mean()
            for row, inner in zip(rows, weights.rows, strict=True)
        ]
        return torch.stack(means)

    def loss(self, network: Network, weights: Weights) -> Tensor:
        """L, a scalar with a graph."""
        return self.combined(self.rows(network), weights)

    def combined(self, rows: Sequence[Tensor], weights: Weights) -> Tensor:
        """L from the residual of each block."""
        return (weights.terms * self.terms(rows, weights)).sum()

    def value(self, network: Network, weights: Weights) -> float:
        """L."""
        with torch.no_grad():
            return self.loss(network, weights).item()

    def value_and_gradient(self, network: Network, weights: Weights) -> tuple[float, Tensor]:
        """L and dL/dtheta, (p,)."""
        loss = self.loss(network, weights)
        return loss.item(), gradient(loss, network)

    def residual(self, network: Network, weights: Weights) -> Tensor:
        """All rows, weighted so that their squares add up to L, (rows,)."""
        with torch.no_grad():
            parts = [weights.of_row(i, r) * r for i, r in enumerate(self.rows(network))]
        return torch.cat(parts)

    def linearised(self, network: Network, weights: Weights) -> tuple[Tensor, Tensor]:
        """:meth:`residual` (rows,) and its Jacobian d residual/d theta (rows, p)."""
        parts = self._linearised(network)
        factors = [weights.of_row(i, r) for i, (r, _) in enumerate(parts)]
        residuals = [factor * r for factor, (r, _) in zip(factors, parts, strict=True)]
        jacobians = [factor[:, None] * J for factor, (_, J) in zip(factors, parts, strict=True)]
        return torch.cat(residuals), torch.cat(jacobians)

    def jacobians(self, network: Network) -> list[Tensor]:
        """d(residual of each block)/d theta, (rows, p), without lambda and m."""
        return [J for _, J in self._linearised(network)]

    def _linearised(self, network: Network) -> list[tuple[Tensor, Tensor]]:
        """The residual of each block and its Jacobian."""
        names = list(trained(network))
        with torch.no_grad():
            state = self._state(self._known(network))
        found = []
        for block in self.blocks:
            lin = linearise(self.problem, block, state(block.points), state)
            rows = parameter_rows(self.problem, block, lin, network, names)
            found.append((residual_rows(block, lin), rows))
        return found

    def not_finite(self, network: Network) -> str:
        """Which block is not finite and where, in words."""
        with torch.no_grad():
            found = self.rows(network)
        for block, rows in zip(self.blocks, found, strict=True):
            bad = torch.nonzero(~rows.isfinite())
            if len(bad):
                where = ""
                if block.average is None:
                    point = [round(value, 6) for value in block.points[int(bad[0])].tolist()]
                    where = f" at {point}"
                return f"{block.label!r} is not finite{where}"
        return "the loss is not finite"

    def _number(self, points: Tensor) -> int:
        for site, known in enumerate(self._sites):
            if known is points:
                return site
        for site, known in enumerate(self._sites):
            if known.shape == points.shape and torch.equal(known, points):
                return site
        self._sites.append(points)
        return len(self._sites) - 1
