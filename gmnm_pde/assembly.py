"""Residual rows and their Jacobian, for any problem and any network.

A block is one equation, condition or set of measurements at its points. Its residual is a
pointwise function r of the derivatives D_alpha of the unknowns, so by the chain rule

    d r / d theta = sum_alpha  diag(dr/dD_alpha)  dD_alpha/dtheta .

The first factor comes from automatic differentiation of the pointwise residual, in which no
network occurs; the second from the network. Methods see rows and Jacobians only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from gmnm_pde.fields import Orders, Residual
from gmnm_pde.networks.base import LinearOutputNetwork, Network, combined
from gmnm_pde.networks.products import FEW
from gmnm_pde.problem import Problem

Kind = Literal["equation", "condition", "integral", "data", "smoothing"]
Key = tuple[str, Orders]


@dataclass(frozen=True)
class Block:
    """Rows of one kind.

    Arguments:
        label: how a person wrote the equation or condition.
        residual: pointwise.
        points: (n, d).
        weights: (n,), multiply the rows; 1 / the size that a residual of order one has there.
        normals: (n, d), on a boundary.
        average: (rows, n), dense or sparse; combines the points to fewer rows (a quadrature, a
            difference of two), None for a row each.
        offset: subtracted from the combined rows (the value of an integral).
        share: (n,), the part of its full weight that a condition is held with, where it is less.
        at_rest: see :func:`with_rest`.
    """

    kind: Kind
    label: str
    residual: Residual
    points: Tensor
    weights: Tensor
    normals: Tensor | None = None
    average: Tensor | None = None
    offset: float = 0.0
    share: Tensor | None = None
    at_rest: AtRest | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> Block:
        """The block on a device in a dtype."""

        def moved(value: Tensor | None) -> Tensor | None:
            return None if value is None else value.to(device=device, dtype=dtype)

        return replace(
            self,
            points=self.points.to(device=device, dtype=dtype),
            weights=self.weights.to(device=device, dtype=dtype),
            normals=moved(self.normals),
            average=moved(self.average),
            share=moved(self.share),
        )

    def combine(self, rows: Tensor) -> Tensor:
        """Apply the weights and, for an integral, the quadrature."""
        weighted = rows * (self.weights if rows.ndim == 1 else self.weights[:, None])
        return weighted if self.average is None else self.average @ weighted

    @property
    def row_weights(self) -> Tensor:
        """The weight of each row, (rows,): of the points it combines, the mean."""
        if self.average is None:
            return self.weights
        combined = self.combined
        return combined @ self.weights / (combined @ torch.ones_like(self.weights))

    def at_points(self, rows: Tensor) -> Tensor:
        """The size of the row that each point takes part in, (rows,) -> (n,)."""
        return rows.abs() if self.average is None else self.combined.T @ rows.abs()

    @property
    def combined(self) -> Tensor:
        """Which points each row combines, (rows, n): one where it does."""
        assert self.average is not None
        if not self.average.is_sparse:
            return (self.average != 0).to(self.average)
        average = self.average.coalesce()
        ones = torch.ones_like(average.values())
        return torch.sparse_coo_tensor(
            average.indices(), ones, average.shape, check_invariants=False
        )


@dataclass(frozen=True)
class Linearised:
    """A block's residual around a state u0, r(u) = sum_alpha a_alpha D_alpha u - target.

    residual: r(u0); coefficients: a_alpha = dr/dD_alpha at u0; target: sum_alpha a_alpha D_alpha u0
    - r(u0), which for a linear equation is its right-hand side, whatever u0. Each (n,).
    """

    residual: Tensor
    coefficients: dict[Key, Tensor]
    target: Tensor


@dataclass(frozen=True)
class AtRest:
    """A block's residual around u = 0, and what it was computed from."""

    problem: Problem
    residual: Residual
    points: Tensor
    normals: Tensor | None
    lin: Linearised

    def holds(self, problem: Problem, block: Block) -> bool:
        """Whether it is that of a block: of the same objects, as it may have been changed since."""
        same = problem is self.problem and block.residual is self.residual
        return same and block.points is self.points and block.normals is self.normals


def linearise(
    problem: Problem, block: Block, values: Callable[[str, Orders], Tensor]
) -> Linearised:
    """r and dr/dD_alpha where the derivatives of the unknowns have the given values."""
    jet = problem.jet(
        block.points,
        lambda name, orders: values(name, orders).detach().requires_grad_(),
        block.normals,
    )
    with torch.enable_grad():
        residual = block.residual(jet)
        keys = list(jet.leaves)
        if not residual.requires_grad:
            return Linearised(residual, {}, -residual)
        leaves = [jet.leaves[key] for key in keys]
        gradients = torch.autograd.grad(residual.sum(), leaves, allow_unused=True)
    coefficients = {
        key: gradient for key, gradient in zip(keys, gradients, strict=True) if gradient is not None
    }
    target = -residual.detach()
    for key, a in coefficients.items():
        target = target + a * jet.leaves[key].detach()
    return Linearised(residual.detach(), coefficients, target)


def at_zero(problem: Problem, block: Block) -> Linearised:
    """The residual of u = 0: -f and a_alpha of a linear r = sum_alpha a_alpha D_alpha u - f."""
    known = block.at_rest
    if known is not None and known.holds(problem, block):
        return known.lin
    zero = block.points.new_zeros(block.points.shape[0])
    return linearise(problem, block, lambda name, orders: zero)


def with_rest(problem: Problem, block: Block) -> Block:
    """The block with :func:`at_zero` computed: its weight, its rows and its right-hand side of a
    linear problem all follow from it."""
    lin = at_zero(problem, block)
    known = AtRest(problem, block.residual, block.points, block.normals, lin)
    return replace(block, at_rest=known)


def at_network(problem: Problem, block: Block, network: Network) -> Linearised:
    """The residual of a network's output."""
    known: dict[Orders, Tensor] = {}
    if block.points.shape[1] > FEW and len(block.points):
        # All derivatives at once: one at a time, units are evaluated again for each.
        with torch.no_grad():
            known = network.derivatives(block.points, touched_orders(problem, block))
    lazy = lazy_values(problem, network, block.points)

    def values(name: str, orders: Orders) -> Tensor:
        if orders not in known:
            return lazy(name, orders)
        return known[orders][:, problem.unknowns.index(name)]

    return linearise(problem, block, values)


def lazy_values(
    problem: Problem, network: Network, points: Tensor
) -> Callable[[str, Orders], Tensor]:
    """Derivatives of a network's outputs at points, evaluated as they are asked for."""

    def values(name: str, orders: Orders) -> Tensor:
        with torch.no_grad():
            outputs = network.derivatives(points, [orders])[orders]
        return outputs[:, problem.unknowns.index(name)]

    return values


def weight_rows(
    problem: Problem,
    block: Block,
    lin: Linearised,
    network: LinearOutputNetwork,
    known: Callable[[Orders], Tensor] | None = None,
) -> Tensor:
    """Rows of d r / d(output weights), (rows, p): those of ``network.flat_weights``.

    Arguments:
        known: derivatives of the features at the block's points, (n, k), if they were evaluated.
    """
    weights: list[dict[Orders, Tensor]] = [
        {alpha: a for (other, alpha), a in lin.coefficients.items() if other == name}
        for name in problem.unknowns
    ]
    if known is None:
        with torch.no_grad():
            columns = network.weighted_features(block.points, weights)
    else:
        columns = [
            combined(
                [(a, known(alpha)[:, network.own(j)]) for alpha, a in each.items()],
                block.points,
                len(network.output_weights[network.own(j)]),
            )
            for j, each in enumerate(weights)
        ]
    return block.combine(columns[0] if len(columns) == 1 else torch.cat(columns, dim=1))


def parameter_rows(
    problem: Problem, block: Block, lin: Linearised, network: Network, names: Sequence[str]
) -> Tensor:
    """Rows of d r / d(named parameters), (rows, p)."""
    if not lin.coefficients:
        width = sum(dict(network.named_parameters())[name].numel() for name in names)
        return block.combine(block.points.new_zeros(len(block.points), width))
    weights: dict[Orders, Tensor] = {}
    for (name, alpha), a in lin.coefficients.items():
        zeros = a.new_zeros(len(a), len(problem.unknowns))
        weights.setdefault(alpha, zeros)[:, problem.unknowns.index(name)] = a
    with torch.no_grad():
        return block.combine(network.weighted_jacobian(block.points, weights, names))


def target_rows(block: Block, lin: Linearised) -> Tensor:
    """What the weight rows times the output weights should be, (rows,)."""
    return block.combine(lin.target) + block.offset


def residual_rows(block: Block, lin: Linearised) -> Tensor:
    """The weighted residual of a block, (rows,)."""
    return block.combine(lin.residual) - block.offset


def touched_orders(problem: Problem, block: Block) -> set[Orders]:
    """The derivatives that a block's residual asks for."""
    few = _first_points(block, 2)
    jet = problem.jet(
        few.points, lambda name, orders: few.points.new_full((len(few.points),), 0.7), few.normals
    )
    block.residual(jet)
    return {alpha for _, alpha in jet.leaves}


def is_linear(problem: Problem, block: Block) -> bool:
    """Whether the residual is affine in the unknowns: its coefficients do not depend on them."""
    probe = replace(block, average=None)
    generator = torch.Generator().manual_seed(0)

    # Of both signs and away from zero: |u| is linear on either side, log(u) is defined on one.
    def random_values(sign: float) -> Callable[[str, Orders], Tensor]:
        def values(name: str, orders: Orders) -> Tensor:
            size = 0.5 + torch.rand(len(probe.points), generator=generator, dtype=torch.float64)
            return sign * size.to(probe.points)

        return values

    here, there = (linearise(problem, probe, random_values(sign)) for sign in (1.0, -1.0))
    keys = {*here.coefficients, *there.coefficients}
    zero = probe.points.new_zeros(probe.points.shape[0])
    return all(
        torch.allclose(
            here.coefficients.get(key, zero),
            there.coefficients.get(key, zero),
            rtol=1e-10,
            atol=0.0,
        )
        for key in keys
    )


def _first_points(block: Block, count: int) -> Block:
    return replace(
        block,
        points=block.points[:count],
        weights=block.weights[:count],
        normals=None if block.normals is None else block.normals[:count],
        average=None,
    )
