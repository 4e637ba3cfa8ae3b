"""The Network contract: what the assembly and the methods ask of any network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, jvp, vmap

from gmnm_pde.fields import Orders

PointMap = Callable[[Tensor], Tensor]
"""A function of points, (n, d) -> (n, m)."""

CACHED = 2**15
"""Numbers of one matrix in a block of rows, see :func:`row_blocks`."""

FEWEST_ROWS = 64
"""Rows of such a block at least."""


class Network(nn.Module, ABC):
    """A differentiable function R^d -> R^m, column j of its output being unknown j.

    A subclass writes ``forward``; everything else follows from it by automatic differentiation.
    A network that knows its derivatives in closed form overrides :meth:`derivatives` and
    :meth:`parameter_jacobian` with the same meaning.
    """

    n_inputs: int
    n_outputs: int

    @abstractmethod
    def forward(self, points: Tensor) -> Tensor:
        """(n, d) -> (n, m)."""

    def evaluated(self, points: Tensor) -> Tensor:
        """The same as ``forward`` where no gradient is asked for, of any number of points."""
        return in_blocks(self, points, 1)

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        """D^alpha of every output for each multi-index alpha, each (n, m)."""
        return {alpha: forward_derivative(self.forward, points, alpha) for alpha in orders}

    def parameter_jacobian(
        self, points: Tensor, orders: Collection[Orders], names: Sequence[str]
    ) -> dict[Orders, Tensor]:
        """d(D^alpha u_j)/d(theta) for the named parameters, flattened in that order: (n, m, p).

        Reverse-mode differentiation of :meth:`derivatives`, all points and all orders at once.
        """
        held, free = _held_and_free(self, names)
        orders, module = list(orders), _Derivatives(self)

        def single(values: dict[str, Tensor], point: Tensor) -> Tensor:
            return functional_call(module, {**held, **values}, (point[None], orders))[:, 0]

        parts = vmap(jacrev(single), in_dims=(None, 0))(free, points)
        rows = torch.cat([parts[name].flatten(3) for name in free], dim=3)
        return dict(zip(orders, rows.unbind(1), strict=True))

    def weighted_jacobian(
        self, points: Tensor, weights: Mapping[Orders, Tensor], names: Sequence[str]
    ) -> Tensor:
        """d(sum over alpha and j of weights_alpha,j D^alpha u_j)/d(theta), (n, p).

        Arguments:
            weights: of every derivative at every point, each (n, m).
        """
        jacobians = self.parameter_jacobian(points, list(weights), names)
        rows = [torch.einsum("nm,nmp->np", weights[a], jacobians[a]) for a in jacobians]
        return torch.stack(rows).sum(0) if len(rows) > 1 else rows[0]

    def refined(self, points: Tensor, grid: int | None = None) -> Network | None:
        """A network for about the same function whose grids follow points (n, d).

        Arguments:
            grid: intervals of the grids, as many as before if not given.

        Returns:
            None if the network has no grids.
        """
        return None


def weighted_in_reverse(
    network: Network, points: Tensor, weights: Mapping[Orders, Tensor], names: Sequence[str]
) -> Tensor:
    """:meth:`Network.weighted_jacobian` by one reverse pass for all derivatives together."""
    held, free = _held_and_free(network, names)
    orders, module = list(weights), _Derivatives(network)

    def single(values: dict[str, Tensor], point: Tensor, weight: Tensor) -> Tensor:
        found = functional_call(module, {**held, **values}, (point[None], orders))[:, 0]
        return (weight * found).sum()

    stacked = torch.stack([weights[alpha] for alpha in orders], dim=1)
    parts = vmap(grad(single), in_dims=(None, 0, 0))(free, points, stacked)
    return torch.cat([parts[name].flatten(1) for name in free], dim=1)


def _held_and_free(
    network: Network, names: Sequence[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All parameters and those of some names, as a :class:`_Derivatives` names them."""
    held = {f"network.{name}": value.detach() for name, value in network.named_parameters()}
    return held, {f"network.{name}": held[f"network.{name}"] for name in names}


class _Derivatives(nn.Module):
    """A network's derivatives as the output of a module, (orders, n, m)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, points: Tensor, orders: Sequence[Orders]) -> Tensor:
        found = self.network.derivatives(points, orders)
        return torch.stack([found[alpha] for alpha in orders])


class LinearOutputNetwork(Network):
    """A network whose output is linear in its last weights: u_j = sum_k features_k weights_kj.

    This is what least squares and variable projection need: the weights are found by one linear
    solve, exactly. A subclass writes ``features`` instead of ``forward``.
    """

    @property
    @abstractmethod
    def output_weights(self) -> Tensor:
        """(k, m)."""

    @abstractmethod
    def set_output_weights(self, weights: Tensor) -> None:
        """Take weights (k, m), in place and without a gradient."""

    @abstractmethod
    def features(self, points: Tensor) -> Tensor:
        """(n, d) -> (n, k)."""

    def evaluated(self, points: Tensor) -> Tensor:
        return in_blocks(self, points, self.n_units)

    @property
    def n_units(self) -> int:
        """How many units the network is counted as: its features, if nothing else is said."""
        return self.output_weights.shape[0]

    @property
    @abstractmethod
    def inner_parameters(self) -> tuple[str, ...]:
        """Names of the parameters that the features depend on."""

    def own(self, output: int) -> slice:
        """The features that an output is a combination of: all, if nothing else is said."""
        return slice(None)

    @property
    def flat_weights(self) -> Tensor:
        """The output weights, output by output, of its own features only; a copy, (p,)."""
        weights = self.output_weights.detach()
        return torch.cat([weights[self.own(j), j] for j in range(self.n_outputs)])

    def unflattened(self, flat: Tensor) -> Tensor:
        """Output weights (k, m) from :attr:`flat_weights`."""
        weights = flat.new_zeros(self.output_weights.shape)
        start = 0
        for j in range(self.n_outputs):
            column = weights[self.own(j), j]
            column.copy_(flat[start : start + len(column)])
            start += len(column)
        return weights

    def forward(self, points: Tensor) -> Tensor:
        return self.features(points) @ self.output_weights

    def feature_derivatives(
        self, points: Tensor, orders: Collection[Orders]
    ) -> dict[Orders, Tensor]:
        """D^alpha of every feature for each multi-index alpha, each (n, k)."""
        return {alpha: forward_derivative(self.features, points, alpha) for alpha in orders}

    def weighted_features(
        self, points: Tensor, weights: Sequence[Mapping[Orders, Tensor]]
    ) -> list[Tensor]:
        """For each output, sum over alpha of weights_alpha D^alpha of its own features, (n, k).

        Arguments:
            weights: of each output, by derivative, at every point (n,).
        """
        blocks = row_blocks(points, self.output_weights.shape[0])
        if len(blocks) == 1:
            return self._weighted_features(points, weights)
        parts = [
            self._weighted_features(
                points[rows],
                [{alpha: a[rows] for alpha, a in each.items()} for each in weights],
            )
            for rows in blocks
        ]
        return [torch.cat(columns) for columns in zip(*parts, strict=True)]

    def _weighted_features(
        self, points: Tensor, weights: Sequence[Mapping[Orders, Tensor]]
    ) -> list[Tensor]:
        """:meth:`weighted_features`, all points at once."""
        known = self.feature_derivatives(points, {alpha for each in weights for alpha in each})
        sizes = [len(self.output_weights[self.own(j)]) for j in range(len(weights))]
        return [
            combined([(a, known[alpha][:, self.own(j)]) for alpha, a in each.items()], points, k)
            for j, (each, k) in enumerate(zip(weights, sizes, strict=True))
        ]

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        weights = self.output_weights
        parts = [
            self.feature_derivatives(points[rows], orders)
            for rows in row_blocks(points, weights.shape[0])
        ]
        return {alpha: torch.cat([part[alpha] @ weights for part in parts]) for alpha in orders}


def evaluate(network: Network, points: Tensor) -> Tensor:
    """A network's outputs without a gradient, (n, m)."""
    with torch.no_grad():
        return network.evaluated(points)


def in_blocks(network: Network, points: Tensor, width: int) -> Tensor:
    """``forward``, some points at a time, where each takes as many numbers as ``width``."""
    parts = [network(points[rows]) for rows in row_blocks(points, width)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def row_blocks(points: Tensor, width: int) -> list[slice]:
    """Rows of a matrix (n, width) for points (n, d) in blocks that stay in the cache of a CPU.

    What a feature is computed from is several matrices as large as the result. Larger than the
    cache, each of them is new memory from the system, which was seen to take four times as long.
    """
    count = max(len(points), 1)
    rows = count if points.is_cuda else max(FEWEST_ROWS, CACHED // max(width, 1))
    return [slice(start, start + rows) for start in range(0, count, rows)]


def combined(terms: Sequence[tuple[Tensor, Tensor]], points: Tensor, size: int) -> Tensor:
    """sum of a (n,) times features (n, k), zeros of k = size columns if there are no terms."""
    if not terms:
        return points.new_zeros(len(points), size)
    total = terms[0][0][:, None] * terms[0][1]
    for a, feature in terms[1:]:
        total.addcmul_(a[:, None], feature)
    return total


def forward_derivative(function: PointMap, points: Tensor, orders: Orders) -> Tensor:
    """D^orders of a function (n, d) -> (n, m) by nested forward-mode differentiation.

    One Jacobian-vector product for each differentiation: exact to rounding for any order.
    """
    for axis, count in enumerate(orders):
        direction = torch.zeros_like(points)
        direction[:, axis] = 1.0
        for _ in range(count):
            function = _directional(function, direction)
    return function(points)


def _directional(function: PointMap, direction: Tensor) -> PointMap:
    return lambda x: jvp(function, (x,), (direction,))[1]
