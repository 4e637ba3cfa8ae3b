"""A network of its own for each piece of a domain.

Across the boundary of a subdomain a solution has a kink or a jump, which no sum of smooth units
can follow. With one network for each piece, zero outside it,

    u(x) = sum_i 1_i(x) u_i(x),       1_i = 1 in piece i and 0 elsewhere,

every u_i is as smooth as the solution on its side and may continue beyond it as it likes;
conditions at the interface couple them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gmnm_pde.fields import Orders
from gmnm_pde.geometry import Domain, locate
from gmnm_pde.networks.base import LinearOutputNetwork, Network


def joined(networks: Sequence[Network], domains: Sequence[Domain]) -> Network:
    """One network from one for each of some domains without common points.

    A point belongs to the domain that holds it; one outside of all to the nearest.
    """
    if len(networks) == 1:
        return networks[0]
    linear = [network for network in networks if isinstance(network, LinearOutputNetwork)]
    if len(linear) == len(networks):
        return LinearPieces(linear, domains)
    return Pieces(networks, domains)


class Pieces(Network):
    """Any networks, one a piece.

    Arguments:
        networks: of the same numbers of inputs and outputs.
        domains: the pieces.
    """

    def __init__(self, networks: Sequence[Network], domains: Sequence[Domain]) -> None:
        super().__init__()
        self.n_inputs, self.n_outputs = networks[0].n_inputs, networks[0].n_outputs
        self.pieces = nn.ModuleList(networks)
        self.domains = tuple(domains)

    @property
    def networks(self) -> tuple[Network, ...]:
        """One a piece."""
        return tuple(cast(Iterable[Network], self.pieces))

    def forward(self, points: Tensor) -> Tensor:
        return _spread(self.networks, self.domains, points, self.n_outputs)

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        return _derivatives(self.networks, self.domains, points, orders)

    def parameter_jacobian(
        self, points: Tensor, orders: Collection[Orders], names: Sequence[str]
    ) -> dict[Orders, Tensor]:
        return _jacobian(self.networks, self.domains, points, orders, names)


class LinearPieces(Pieces, LinearOutputNetwork):
    """Networks that are linear in their output weights, one a piece; the features of one are zero
    in the others.

    Arguments:
        networks: of the same numbers of inputs and outputs.
        domains: the pieces.
    """

    def __init__(self, networks: Sequence[LinearOutputNetwork], domains: Sequence[Domain]) -> None:
        super().__init__(networks, domains)

    @property
    def networks(self) -> tuple[LinearOutputNetwork, ...]:
        """One a piece."""
        return tuple(cast(Iterable[LinearOutputNetwork], self.pieces))

    @property
    def n_units(self) -> int:
        return sum(network.n_units for network in self.networks)

    @property
    def output_weights(self) -> Tensor:
        return torch.cat([network.output_weights for network in self.networks])

    def set_output_weights(self, weights: Tensor) -> None:
        sizes = [len(network.output_weights) for network in self.networks]
        for network, part in zip(self.networks, weights.split(sizes), strict=True):
            network.set_output_weights(part)

    @property
    def inner_parameters(self) -> tuple[str, ...]:
        return tuple(
            f"pieces.{i}.{name}"
            for i, network in enumerate(self.networks)
            for name in network.inner_parameters
        )

    def features(self, points: Tensor) -> Tensor:
        blocks = self._blocks(points, lambda network, part: [network.features(part)])
        return next(blocks)

    def feature_derivatives(
        self, points: Tensor, orders: Collection[Orders]
    ) -> dict[Orders, Tensor]:
        orders = list(orders)

        def of(network: LinearOutputNetwork, part: Tensor) -> list[Tensor]:
            found = network.feature_derivatives(part, orders)
            return [found[alpha] for alpha in orders]

        return dict(zip(orders, self._blocks(points, of), strict=True))

    def _blocks(
        self, points: Tensor, of: Callable[[LinearOutputNetwork, Tensor], list[Tensor]]
    ) -> Iterator[Tensor]:
        """Matrices (n, k) whose rows hold something only in the columns of the point's piece."""
        places = _places(self.domains, points)
        found = [of(net, points[place]) for net, place in zip(self.networks, places, strict=True)]
        for parts in zip(*found, strict=True):
            width, start = sum(part.shape[1] for part in parts), 0
            total = points.new_zeros(len(points), width)
            for place, part in zip(places, parts, strict=True):
                total[place, start : start + part.shape[1]] = part
                start += part.shape[1]
            yield total


def _places(domains: Sequence[Domain], points: Tensor) -> list[Tensor]:
    """Which points belong to each piece, indices."""
    owner = locate(domains, points.detach())
    return [torch.nonzero(owner == i)[:, 0] for i in range(len(domains))]


def _spread(
    pieces: Sequence[Network], domains: Sequence[Domain], points: Tensor, n_outputs: int
) -> Tensor:
    """The output of each point's own network, (n, m)."""
    total = points.new_zeros(len(points), n_outputs)
    for network, place in zip(pieces, _places(domains, points), strict=True):
        total = total.index_copy(0, place, network(points[place]))
    return total


def _derivatives(
    pieces: Sequence[Network],
    domains: Sequence[Domain],
    points: Tensor,
    orders: Collection[Orders],
) -> dict[Orders, Tensor]:
    orders = list(orders)
    totals: dict[Orders, Tensor] = {}
    for network, place in zip(pieces, _places(domains, points), strict=True):
        for alpha, part in network.derivatives(points[place], orders).items():
            total = totals.get(alpha, part.new_zeros(len(points), part.shape[1]))
            totals[alpha] = total.index_copy(0, place, part)
    return totals


def _jacobian(
    pieces: Sequence[Network],
    domains: Sequence[Domain],
    points: Tensor,
    orders: Collection[Orders],
    names: Sequence[str],
) -> dict[Orders, Tensor]:
    """d(D^alpha u_j)/d(theta), (n, m, p): zero for the parameters of other pieces."""
    sizes = {
        f"pieces.{i}.{name}": parameter.numel()
        for i, network in enumerate(pieces)
        for name, parameter in network.named_parameters()
    }
    starts, width = {}, 0
    for name in names:
        starts[name], width = width, width + sizes[name]
    totals: dict[Orders, Tensor] = {}
    for i, (network, place) in enumerate(zip(pieces, _places(domains, points), strict=True)):
        prefix = f"pieces.{i}."
        own = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        if not own:
            continue
        found = network.parameter_jacobian(points[place], orders, own)
        widths = [sizes[prefix + name] for name in own]
        for alpha, part in found.items():
            total = totals.setdefault(alpha, part.new_zeros(len(points), part.shape[1], width))
            for name, columns in zip(own, part.split(widths, dim=2), strict=True):
                start = starts[prefix + name]
                total[place, :, start : start + columns.shape[2]] = columns
    return totals
