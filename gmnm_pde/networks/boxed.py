"""What the networks that are trained from random numbers have in common.

    u_j(x) = sum_k h_k(xi) W_kj + W_0j,       xi = 2 (x - lower) / (upper - lower) - 1

Points are scaled to [-1, 1]^d, features h follow, and the last layer is linear.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders
from gmnm_pde.networks.base import LinearOutputNetwork, Network, weighted_in_reverse
from gmnm_pde.networks.jets import Jet
from gmnm_pde.networks.specs import NetworkSpec


class BoxedNetwork(LinearOutputNetwork):
    """A network for the points of a box. A subclass makes its inner parameters and ``weights``
    and writes :meth:`hidden`.

    Arguments:
        spec: the options it was made with; they are stored with it.
        lower, upper: the box, d numbers each.
        n_outputs: m.
    """

    spec: NetworkSpec
    lower: Tensor
    upper: Tensor
    weights: nn.Parameter
    """Output weights, (k, m); the last row belongs to the constant."""

    def __init__(
        self, spec: NetworkSpec, lower: Sequence[float], upper: Sequence[float], n_outputs: int
    ) -> None:
        super().__init__()
        self.spec = spec
        self.n_inputs, self.n_outputs = len(lower), n_outputs
        self.register_buffer("lower", torch.tensor(tuple(lower), dtype=torch.float64))
        self.register_buffer("upper", torch.tensor(tuple(upper), dtype=torch.float64))

    @abstractmethod
    def hidden(self, x: Jet) -> Jet:
        """Features at points of [-1, 1]^d, (..., d) -> (..., k - 1), without the constant."""

    def feature_jet(self, points: Tensor, orders: Collection[Orders]) -> Jet:
        """Features at points (..., d) of the box, (..., k), with their derivatives."""
        return self.hidden(self.scaled(points, orders)).with_constant()

    def scaled(self, points: Tensor, orders: Collection[Orders]) -> Jet:
        """Points (..., d) of the box as points of [-1, 1]^d."""
        rate = 2 / (self.upper - self.lower)
        x = Jet.of_coordinates(points - 0.5 * (self.lower + self.upper), orders)
        return x.each(lambda part: part * rate)

    def features(self, points: Tensor) -> Tensor:
        return self.feature_jet(points, ()).value

    def feature_derivatives(
        self, points: Tensor, orders: Collection[Orders]
    ) -> dict[Orders, Tensor]:
        jet = self.feature_jet(points, orders)
        return {alpha: jet.part(alpha) for alpha in orders}

    def weighted_jacobian(
        self, points: Tensor, weights: Mapping[Orders, Tensor], names: Sequence[str]
    ) -> Tensor:
        return weighted_in_reverse(self, points, weights, names)

    @property
    def n_units(self) -> int:
        return self.weights.shape[0] - 1

    @property
    def output_weights(self) -> Tensor:
        return self.weights

    def set_output_weights(self, weights: Tensor) -> None:
        with torch.no_grad():
            self.weights.copy_(weights)

    @property
    def inner_parameters(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.named_parameters() if name != "weights")


@dataclass(frozen=True)
class BoxedSpec(NetworkSpec):
    """Options of a :class:`BoxedNetwork`: with the box and the number of outputs, which its arrays
    say, they determine its shape."""

    def rebuild(self, arrays: Mapping[str, Tensor]) -> Network:
        weights = arrays["weights"]
        lower, upper = (arrays[side].tolist() for side in ("lower", "upper"))
        network = self.initial(lower, upper, weights.shape[1], torch.Generator())
        return network.to(weights.dtype)


def uniform(
    generator: torch.Generator, shape: Sequence[int], bound: float | Tensor = 1.0
) -> Tensor:
    """Numbers in [-bound, bound], float64."""
    drawn = torch.rand(tuple(shape), generator=generator, dtype=torch.float64)
    return (2 * drawn - 1) * bound


def glorot(generator: torch.Generator, inputs: int, outputs: int) -> Tensor:
    """A matrix (inputs, outputs) with variance 2 / (inputs + outputs).

    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks,
    AISTATS 2010, equation 16.
    """
    return uniform(generator, (inputs, outputs), (6 / (inputs + outputs)) ** 0.5)


def with_constant(weights: Tensor) -> nn.Parameter:
    """Output weights (k, m) with a row of zeros below, for the constant."""
    return nn.Parameter(torch.cat([weights, weights.new_zeros(1, weights.shape[1])]))


def at_least(least: float, **options: float) -> None:
    """Refuse options that are too small.

    Raises:
        InputError: one is, and its name.
    """
    for name, value in options.items():
        if value < least:
            raise InputError(f"{name} is {value}.", mend=f"Give {least} or more.")


def positive(**options: float) -> None:
    """Refuse options that are zero or negative.

    Raises:
        InputError: one is, and its name.
    """
    for name, value in options.items():
        if not value > 0:
            raise InputError(f"{name} is {value}.", mend="Give a number above zero.")
