"""Jacobians of residual rows, for any problem and any network.

By the chain rule the rows of a block (:mod:`gmnm_pde.linearised`) have the derivative

    d r / d theta = sum_alpha  diag(dr/dD_alpha)  dD_alpha/dtheta .

The first factor is that of the linearised residual; the second comes from the network. An integral
in the residual adds dr/dI (dI/dtheta)', of rank one. Methods see rows and Jacobians only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gmnm_pde.fields import Orders
from gmnm_pde.linearised import Block, Linearised
from gmnm_pde.networks.base import LinearOutputNetwork, Network, combined
from gmnm_pde.problem import Problem


def weight_rows(
    problem: Problem,
    block: Block,
    lin: Linearised,
    network: LinearOutputNetwork,
    known: Callable[[Tensor, Orders], Tensor] | None = None,
) -> Tensor:
    """Rows of d r / d(output weights), (rows, p): those of ``network.flat_weights``.

    Arguments:
        known: derivatives of the features at points, (n, k), if they were evaluated.
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
                [(a, known(block.points, alpha)[:, network.own(j)]) for alpha, a in each.items()],
                block.points,
                len(network.output_weights[network.own(j)]),
            )
            for j, each in enumerate(weights)
        ]
    rows = columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)
    for term in lin.terms:
        rows = rows + term.times(weight_rows(problem, term.block, term.lin, network, known))
    return block.combine(rows)


def parameter_rows(
    problem: Problem, block: Block, lin: Linearised, network: Network, names: Sequence[str]
) -> Tensor:
    """Rows of d r / d(named parameters), (rows, p)."""
    if lin.coefficients:
        rows = _own_rows(problem, block, lin, network, names)
    else:
        width = sum(dict(network.named_parameters())[name].numel() for name in names)
        rows = block.points.new_zeros(len(block.points), width)
    for term in lin.terms:
        rows = rows + term.times(parameter_rows(problem, term.block, term.lin, network, names))
    return block.combine(rows)


def _own_rows(
    problem: Problem, block: Block, lin: Linearised, network: Network, names: Sequence[str]
) -> Tensor:
    """sum_alpha diag(a_alpha) dD_alpha/d(named parameters), (n, p)."""
    weights: dict[Orders, Tensor] = {}
    for (name, alpha), a in lin.coefficients.items():
        zeros = a.new_zeros(len(a), len(problem.unknowns))
        weights.setdefault(alpha, zeros)[:, problem.unknowns.index(name)] = a
    with torch.no_grad():
        return network.weighted_jacobian(block.points, weights, names)
