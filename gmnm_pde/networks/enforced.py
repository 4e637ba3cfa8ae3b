"""A network that satisfies conditions exactly: u = g + phi v, v being any network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from gmnm_pde.fields import Orders
from gmnm_pde.networks.base import Network
from gmnm_pde.problem import Lifting, Problem


def enforced(free: Network, problem: Problem) -> Network:
    """The unknowns of a problem from a network for those that it is solved for."""
    lift = problem.substitution
    return free if lift is None else Enforced(free, lift, tuple(problem.unknowns))


class Enforced(Network):
    """u = g + phi v, see :mod:`gmnm_pde.lift`.

    Arguments:
        free: v.
        lift: g and phi.
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
        terms = {
            (name, alpha): self.lift.terms(name, points, alpha)
            for alpha in orders
            for name in self.unknowns
        }
        needed = {beta for _, factors in terms.values() for beta in factors}
        inner = self.free.derivatives(points, needed)
        result = {}
        for alpha in orders:
            columns = []
            for j, name in enumerate(self.unknowns):
                total, factors = terms[name, alpha]
                for beta, factor in factors.items():
                    total = total + factor * inner[beta][:, j]
                columns.append(total)
            result[alpha] = torch.stack(columns, 1)
        return result

    def parameter_jacobian(
        self, points: Tensor, orders: Collection[Orders], names: Sequence[str]
    ) -> dict[Orders, Tensor]:
        own = [name.removeprefix("free.") for name in names]
        factors = {
            (name, alpha): self.lift.terms(name, points, alpha)[1]
            for alpha in orders
            for name in self.unknowns
        }
        inner = self.free.parameter_jacobian(
            points, {beta for found in factors.values() for beta in found}, own
        )
        result = {}
        for alpha in orders:
            rows = []
            for j, name in enumerate(self.unknowns):
                terms = [
                    factor.expand(len(points))[:, None] * inner[beta][:, j]
                    for beta, factor in factors[name, alpha].items()
                ]
                rows.append(torch.stack(terms).sum(0))
            result[alpha] = torch.stack(rows, 1)
        return result

    def weighted_jacobian(
        self, points: Tensor, weights: Mapping[Orders, Tensor], names: Sequence[str]
    ) -> Tensor:
        inner: dict[Orders, Tensor] = {}
        for alpha, weight in weights.items():
            for j, name in enumerate(self.unknowns):
                for beta, factor in self.lift.terms(name, points, alpha)[1].items():
                    inner.setdefault(beta, torch.zeros_like(weight))[:, j] += weight[:, j] * factor
        own = [name.removeprefix("free.") for name in names]
        return self.free.weighted_jacobian(points, inner, own)
