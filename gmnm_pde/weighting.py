"""How rows are weighted: each in the units of the unknowns.

A residual sum_alpha a_alpha D_alpha u of units h apart can be as large as sum_alpha |a_alpha| /
h^alpha times u, and its row is divided by that. Boundary rows then weigh about 1/h^order more than
those of the equation, which is what collocation with soft conditions needs. With several unknowns
each term counts with the size of its unknown, so that a pressure in pascal and a velocity in
metres a second have rows that can be compared. The coefficients of a nonlinear residual are those
around the solution of the level before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gmnm_pde.fields import uniform
from gmnm_pde.linearised import (
    Block,
    Linearised,
    at_network,
    at_state,
    at_zero,
    probed,
    with_rest,
)
from gmnm_pde.networks import Network
from gmnm_pde.placement import Layout
from gmnm_pde.problem import Problem

SMALLEST = 1e-10
"""An unknown is taken to be at least this part of the largest one."""


@dataclass(frozen=True)
class Expected:
    """What is known of a solution before it is solved for.

    Arguments:
        network: near the solution; None at the first level.
        sizes: of the unknowns, relative to the largest; those left out count as one.
    """

    network: Network | None = None
    sizes: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def after(cls, network: Network, sizes: Mapping[str, float]) -> Expected:
        """From a network and the sizes of the unknowns that it resolves, in their own units."""
        known = [size for size in sizes.values() if size > 0]
        if not all(math.isfinite(size) for size in sizes.values()):
            return cls()
        largest = max(known, default=1.0)
        return cls(network, {name: max(size / largest, SMALLEST) for name, size in sizes.items()})

    def form(self, problem: Problem, block: Block) -> Linearised:
        """A block's residual around what is expected."""
        if self.network is not None:
            return self._around(problem, block, self.network)
        lin = at_zero(problem, block)
        if _tells(lin):
            return lin
        # At zero u^2 has no slope and log(u) no value.
        lin = at_state(problem, block, uniform(1.0))
        return lin if _tells(lin) else Linearised(lin.residual, {}, lin.target)

    @staticmethod
    def _around(problem: Problem, block: Block, network: Network) -> Linearised:
        """The residual around a network, computed where the network is."""
        example = next(network.parameters())
        lin = at_network(problem, block.to(example.device, example.dtype), network)
        coefficients = {key: a.to(block.points) for key, a in lin.coefficients.items()}
        return Linearised(lin.residual, coefficients, lin.target)

    def row_size(self, problem: Problem, block: Block, spacing: Tensor) -> Tensor | None:
        """How large the residual is for units of the expected size a spacing apart, (n,)."""
        terms = [
            a.abs() * self.sizes.get(name, 1.0) / (spacing ** spacing.new_tensor(alpha)).prod(1)
            for (name, alpha), a in self.form(problem, block).coefficients.items()
        ]
        size = torch.stack(terms).sum(0) if terms else None
        return size if size is not None and bool(size.isfinite().all()) else None


def _tells(lin: Linearised) -> bool:
    """Whether coefficients are finite, and not all zero."""
    values = list(lin.coefficients.values())
    finite = all(bool(a.isfinite().all()) for a in values)
    return finite and any(bool(a.any()) for a in values)


def weighted(
    problem: Problem,
    block: Block,
    layout: Layout,
    condition_weight: float = 1.0,
    expected: Expected | None = None,
) -> Block:
    """The block with its rows divided by the size of its residual for units a spacing apart."""
    if block.kind in ("integral", "data", "smoothing") or not len(block.points):
        return block
    expected = expected or Expected()
    if expected.network is None:
        block = with_rest(problem, block)
    spacing = layout.spacing_at(block.points)
    size = expected.row_size(problem, block, spacing)
    if size is None:
        return block
    weights = block.weights / size.clamp_min(1e-12 * size.max() if size.max() > 0 else 1.0)
    # Finer patches have more points in a smaller part: rows count by the volume they stand for.
    volume = spacing.prod(1)
    weights = weights * (volume / spacing.new_tensor(layout.patches[0].spacing).prod()).sqrt()
    if block.average is not None:
        return replace(block, weights=_common(block.combined, weights) * condition_weight)
    if block.normals is not None:
        share = _resolved_share(problem, block, spacing, expected)
        return replace(block, weights=weights * condition_weight * share, share=share)
    return replace(block, weights=weights)


def _common(combined: Tensor, weights: Tensor) -> Tensor:
    """Weights of points that a row combines made equal: one over the mean of their sizes."""
    count = combined @ torch.ones_like(weights)
    return combined.T @ (count / (combined @ (1 / weights)))


def _resolved_share(problem: Problem, block: Block, spacing: Tensor, expected: Expected) -> Tensor:
    """How well units can follow a layer at boundary points, (n,) in (0, 1]; one without a layer.

    A second-order equation a u_nn + b u_n + c u = f has solutions exp(-s k) in the distance s from
    the boundary, with k a = -b (an outflow layer of convection) or k^2 = -c/a (of reaction). Where
    k h > 1 units cannot follow. The condition held with full weight would then spoil the solution
    everywhere; held with this share it is missed at the layer alone, which shows where to refine.
    Only terms of an unknown that the condition is on count: p_n beside u_nn is no convection of u.
    """
    share = torch.ones_like(block.weights)
    assert block.normals is not None
    h = 1 / (block.normals / spacing).norm(dim=1)
    held = {name for name, _ in expected.form(problem, block).coefficients}
    for equation in problem.laws:
        law = replace(block, residual=equation.residual)
        # With second derivatives alone there is no layer, whatever their coefficients.
        asked = probed(problem, law).leaves
        if not any(name in held and sum(alpha) < 2 for name, alpha in asked):
            continue
        lin = expected.form(problem, law)
        for name in held:
            orders = [sum(alpha) for other, alpha in lin.coefficients if other == name]
            if max(orders, default=0) != 2:
                continue
            a, b, c = (_along_normal(lin, name, block.normals, order) for order in (2, 1, 0))
            diffusion = a.abs() / h**2
            # Without diffusion along the normal both are zero, and there is no layer.
            opposing = (-a.sign() * b / h).clamp_min(0) + (-a.sign() * c).clamp_min(0)
            resolved = diffusion / (diffusion + opposing).clamp_min(1e-300)
            share = torch.where(diffusion > 0, torch.minimum(share, resolved), share)
    return share.clamp_min(1e-6)


def _along_normal(lin: Linearised, name: str, normals: Tensor, order: int) -> Tensor:
    """The coefficient of the order-th derivative of an unknown along the normal, (n,)."""
    total = normals.new_zeros(len(normals))
    for (other, alpha), a in lin.coefficients.items():
        if other == name and sum(alpha) == order:
            total = total + a * (normals ** normals.new_tensor(alpha)).prod(1)
    return total
