"""The Network contract: what the assembly and the methods ask of any network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, jvp, vmap

from gmnm_pde.fields import Orders

PointMap = Callable[[Tensor], Tensor]
"""A function of points, (n, d) -> (n, m)."""


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

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        """D^alpha of every output for each multi-index alpha, each (n, m)."""
        return {alpha: forward_derivative(self.forward, points, alpha) for alpha in orders}

    def parameter_jacobian(
        self, points: Tensor, orders: Collection[Orders], names: Sequence[str]
    ) -> dict[Orders, Tensor]:
        """d(D^alpha u_j)/d(theta) for the named parameters, flattened in that order: (n, m, p)."""
        held = {name: value.detach() for name, value in self.named_parameters()}
        free = {name: held[name] for name in names}

        def single(alpha: Orders, values: dict[str, Tensor], point: Tensor) -> Tensor:
            def network(x: Tensor) -> Tensor:
                return functional_call(self, {**held, **values}, (x,))

            return forward_derivative(network, point[None], alpha)[0]

        result = {}
        for alpha in orders:
            jacobian = vmap(jacrev(lambda v, x, a=alpha: single(a, v, x)), in_dims=(None, 0))
            parts = jacobian(free, points)
            result[alpha] = torch.cat([parts[name].flatten(2) for name in names], dim=2)
        return result


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

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        features = self.feature_derivatives(points, orders)
        return {alpha: value @ self.output_weights for alpha, value in features.items()}


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
