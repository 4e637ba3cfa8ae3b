"""Unknowns with units of their own: several networks side by side, each for some of the outputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from gmnm_pde.fields import Orders
from gmnm_pde.networks.base import LinearOutputNetwork


class Uniform(LinearOutputNetwork):
    """Outputs that are numbers, the same at every point: one feature, which is one.

    Arguments:
        n_inputs: d.
        values: the numbers, (m,).
    """

    def __init__(self, n_inputs: int, values: Tensor) -> None:
        super().__init__()
        self.n_inputs, self.n_outputs = n_inputs, len(values)
        self.values = nn.Parameter(values.clone())

    @property
    def n_units(self) -> int:
        return 0

    @property
    def output_weights(self) -> Tensor:
        return self.values[None]

    def set_output_weights(self, weights: Tensor) -> None:
        with torch.no_grad():
            self.values.copy_(weights[0])

    @property
    def inner_parameters(self) -> tuple[str, ...]:
        return ()

    def features(self, points: Tensor) -> Tensor:
        return points.new_ones(len(points), 1)

    def feature_derivatives(
        self, points: Tensor, orders: Collection[Orders]
    ) -> dict[Orders, Tensor]:
        return {alpha: points.new_full((len(points), 1), float(not any(alpha))) for alpha in orders}


class Together(LinearOutputNetwork):
    """The outputs of several networks, one after the other. The features are all of theirs; an
    output is a combination of those of its own network only, see :meth:`own`.

    Arguments:
        networks: of the same inputs.
    """

    def __init__(self, networks: Sequence[LinearOutputNetwork]) -> None:
        super().__init__()
        self.n_inputs = networks[0].n_inputs
        self.n_outputs = sum(network.n_outputs for network in networks)
        self.networks: Sequence[LinearOutputNetwork] = tuple(networks)
        # The tuple keeps the type; the list makes their parameters those of this module.
        self.parts = nn.ModuleList(networks)

    @property
    def n_units(self) -> int:
        return sum(network.n_units for network in self.networks)

    @property
    def output_weights(self) -> Tensor:
        return torch.block_diag(*(network.output_weights for network in self.networks))

    def set_output_weights(self, weights: Tensor) -> None:
        row = column = 0
        for network in self.networks:
            k, m = network.output_weights.shape
            network.set_output_weights(weights[row : row + k, column : column + m])
            row, column = row + k, column + m

    @property
    def inner_parameters(self) -> tuple[str, ...]:
        return tuple(
            f"parts.{i}.{name}"
            for i, network in enumerate(self.networks)
            for name in network.inner_parameters
        )

    def own(self, output: int) -> slice:
        start = 0
        for network in self.networks:
            k = network.output_weights.shape[0]
            if output < network.n_outputs:
                return slice(start, start + k)
            start, output = start + k, output - network.n_outputs
        raise IndexError(output)

    def features(self, points: Tensor) -> Tensor:
        return torch.cat([network.features(points) for network in self.networks], dim=1)

    def feature_derivatives(
        self, points: Tensor, orders: Collection[Orders]
    ) -> dict[Orders, Tensor]:
        found = [network.feature_derivatives(points, orders) for network in self.networks]
        return {alpha: torch.cat([part[alpha] for part in found], dim=1) for alpha in orders}

    def forward(self, points: Tensor) -> Tensor:
        return torch.cat([network(points) for network in self.networks], dim=1)

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        found = [network.derivatives(points, orders) for network in self.networks]
        return {alpha: torch.cat([part[alpha] for part in found], dim=1) for alpha in orders}
