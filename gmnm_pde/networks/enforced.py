"""A network whose outputs are functions of another one's: u = g + phi v, v being any network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from gmnm_pde.fields import Orders
from gmnm_pde.networks.base import Network
from gmnm_pde.problem import Lifting, Problem

Key = tuple[str, Orders]


def enforced(free: Network, problem: Problem) -> Network:
    """The unknowns of a problem from a network for those that it is solved for."""
    lift = problem.substitution
    return free if lift is None else Enforced(free, lift, tuple(problem.unknowns))


class Enforced(Network):
    """u as a function of v, see :mod:`gmnm_pde.lift`.

    Arguments:
        free: v.
        lift: the function.
        unknowns: the names of the outputs.
    """

    def __init__(self, free: Network, lift: Lifting, unknowns: Sequence[str]) -> None:
        super().__init__()
        self.n_inputs, self.n_outputs = free.n_inputs, free.n_outputs
        self.free = free
        self.lift = lift
        self.unknowns = tuple(unknowns)

    def forward(self, points: Tensor) -> Tensor:
        return self.lift.complete(points, self.free(points))

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        needed = {beta for _, beta in self._needed(points, orders)}
        inner = self.free.derivatives(points, needed)

        def values(name: str, beta: Orders) -> Tensor:
            return inner[beta][:, self.unknowns.index(name)]

        return {
            alpha: torch.stack(
                [self.lift.derivative(values, name, points, alpha) for name in self.unknowns], 1
            )
            for alpha in orders
        }

    def parameter_jacobian(
        self, points: Tensor, orders: Collection[Orders], names: Sequence[str]
    ) -> dict[Orders, Tensor]:
        own = [name.removeprefix("free.") for name in names]
        needed = self._needed(points, orders)
        betas = {beta for _, beta in needed}
        leaves = self._leaves(points, needed)
        jacobians = self.free.parameter_jacobian(points, betas, own)
        return {
            alpha: torch.stack(
                [self._chained(name, points, alpha, leaves, jacobians) for name in self.unknowns], 1
            )
            for alpha in orders
        }

    def _chained(
        self,
        name: str,
        points: Tensor,
        orders: Orders,
        leaves: dict[Key, Tensor],
        jacobians: dict[Orders, Tensor],
    ) -> Tensor:
        """The chain rule for one output, (n, p)."""
        with torch.enable_grad():
            column = self.lift.derivative(
                lambda other, beta: leaves[other, beta], name, points, orders
            )
        gradients = torch.autograd.grad(column.sum(), list(leaves.values()), allow_unused=True)
        total = torch.zeros_like(next(iter(jacobians.values()))[:, 0])
        for (other, beta), gradient in zip(leaves, gradients, strict=True):
            if gradient is not None:
                j = self.unknowns.index(other)
                total = total + gradient[:, None] * jacobians[beta][:, j]
        return total

    def weighted_jacobian(
        self, points: Tensor, weights: Mapping[Orders, Tensor], names: Sequence[str]
    ) -> Tensor:
        leaves = self._leaves(points, self._needed(points, weights))
        with torch.enable_grad():
            terms = [
                weight[:, j] * self.lift.derivative(lambda *key: leaves[key], name, points, alpha)
                for alpha, weight in weights.items()
                for j, name in enumerate(self.unknowns)
            ]
            total = torch.stack(terms).sum()
        gradients = torch.autograd.grad(total, list(leaves.values()), materialize_grads=True)
        inner: dict[Orders, Tensor] = {}
        for (name, beta), gradient in zip(leaves, gradients, strict=True):
            zeros = points.new_zeros(len(points), self.n_outputs)
            inner.setdefault(beta, zeros)[:, self.unknowns.index(name)] = gradient
        own = [name.removeprefix("free.") for name in names]
        return self.free.weighted_jacobian(points, inner, own)

    def _leaves(self, points: Tensor, needed: Collection[Key]) -> dict[Key, Tensor]:
        """Derivatives of v that gradients are taken in."""
        with torch.no_grad():
            values = self.free.derivatives(points, {beta for _, beta in needed})
        return {
            (name, beta): values[beta][:, self.unknowns.index(name)].clone().requires_grad_()
            for name, beta in needed
        }

    def _needed(self, points: Tensor, orders: Collection[Orders]) -> dict[Key, None]:
        """The derivatives of v that those of u are made of, in the order they are asked for."""
        found: dict[Key, None] = {}

        def asked(name: str, beta: Orders) -> Tensor:
            found[name, beta] = None
            return points.new_zeros(len(points))

        for alpha in orders:
            for name in self.unknowns:
                self.lift.derivative(asked, name, points, alpha)
        return found
