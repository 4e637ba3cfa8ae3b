"""What a recipe says about a network: frozen options, one class for each network's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor

from gmnm_pde.networks.base import Network
from gmnm_pde.networks.gmnm import GMNM

UNITS = 64
"""Units of a lattice if nothing is said."""

RATIO = 1.6
"""Width of a unit over the spacing of a lattice."""


@dataclass(frozen=True)
class NetworkSpec:
    """Options of a network. A subclass adds its own and makes the network."""

    @property
    def highest_derivative(self) -> int | None:
        """The order beyond which derivatives of the network vanish almost everywhere, so that an
        equation cannot be told from its rest; None if it has all of them."""
        return None

    @property
    def most_per_row(self) -> float | None:
        """How many numbers a network may have for each row it is trained on, before it follows the
        points and misses what is between them; None if it does not."""
        return None

    def initial(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> Network:
        """A network for the box [lower, upper], float64 on the CPU, with random parameters.

        Arguments:
            lower, upper: the box that points lie in, d numbers each.
            n_outputs: m, the number of unknowns.
            generator: of every random number, so that one seed gives one network.
        """
        raise TypeError(f"{type(self).__name__} does not say how its network starts")

    def rebuild(self, arrays: Mapping[str, Tensor]) -> Network:
        """A network of the shape of stored parameters, which are loaded into it afterwards.

        Arguments:
            arrays: a ``state_dict``. The options are those that were stored with it.
        """
        raise TypeError(f"{type(self).__name__} does not say how its network comes back")


@dataclass(frozen=True)
class PlacedSpec(NetworkSpec):
    """A network of units that have a place: methods may say where each starts.

    Arguments:
        units: size asked for; None lets the method choose.
    """

    units: int | None = None

    def build(self, mu: Tensor, inverse_widths: Tensor, n_outputs: int) -> Network:
        """A network whose units start at centres mu (K, d) with 1/sigma (K, d)."""
        raise TypeError(f"{type(self).__name__} is abstract")

    def initial(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> Network:
        """Units on a lattice over the box, the outermost on its sides; parameters of zero (output
        weights, as a rule) are drawn, so that all of them have a gradient."""
        mu, spacing = lattice(lower, upper, self.units or UNITS)
        network = self.build(mu, (1 / (RATIO * spacing)).expand(len(mu), -1), n_outputs)
        with torch.no_grad():
            for parameter in network.parameters():
                if not parameter.any():
                    drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                    parameter.copy_(drawn / max(1, len(mu)) ** 0.5)
        return network


@dataclass(frozen=True)
class GMNMSpec(PlacedSpec):
    """One GMNM layer.

    Arguments:
        projection: isotropic | diagonal | full | low_rank.
        rank: rows of P for low_rank.
    """

    projection: Literal["isotropic", "diagonal", "full", "low_rank"] = "diagonal"
    rank: int = 1

    def build(self, mu: Tensor, inverse_widths: Tensor, n_outputs: int) -> GMNM:
        d = mu.shape[1]
        if self.projection == "isotropic":
            P = inverse_widths.log().mean(1, keepdim=True).exp()
        elif self.projection == "diagonal":
            P = inverse_widths
        elif self.projection == "full":
            P = torch.diag_embed(inverse_widths)
        else:
            # Rows of the diagonal in turn, so that every direction is seen by some units.
            rows = (torch.arange(len(mu))[:, None] + torch.arange(self.rank)) % d
            P = torch.diag_embed(inverse_widths)[torch.arange(len(mu))[:, None], rows.to(mu.device)]
        return GMNM(mu, P, n_outputs)

    def rebuild(self, arrays: Mapping[str, Tensor]) -> GMNM:
        n_outputs = arrays["pi"].shape[1]
        return GMNM(arrays["mu"], arrays["P"], n_outputs, bias="b" in arrays)


def lattice(lower: Sequence[float], upper: Sequence[float], units: int) -> tuple[Tensor, Tensor]:
    """At most so many points of a lattice over a box, (K, d), and its spacings, (d,).

    The same number along each coordinate, more along the first ones while the limit allows it; one
    point along a coordinate stands in the middle.
    """
    low, high = (torch.tensor(tuple(side), dtype=torch.float64) for side in (lower, upper))
    d = len(low)
    counts = [1] * d
    while True:
        more = list(counts)
        more[more.index(min(more))] += 1
        if prod(more) > units:
            break
        counts = more
    # Digits of a running number: torch has no mesh grid of more than 64 coordinates.
    running = torch.arange(prod(counts))
    digits = [running // prod(counts[k + 1 :]) % n for k, n in enumerate(counts)]
    places = [
        digit.double() / (n - 1) if n > 1 else digit.double() + 0.5
        for digit, n in zip(digits, counts, strict=True)
    ]
    steps = torch.tensor([max(1, n - 1) for n in counts], dtype=torch.float64)
    return low + (high - low) * torch.stack(places, 1), (high - low) / steps
