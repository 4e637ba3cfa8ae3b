"""The multilayer perceptron, the network of most physics-informed neural networks.

    h_0 = xi,   h_i = s(w (h_(i-1) A_i + a_i)),   u = h_L W + W_0

Lagaris, Likas and Fotiadis, IEEE Transactions on Neural Networks 9 (1998); Raissi, Perdikaris and
Karniadakis, Journal of Computational Physics 378 (2019), doi:10.1016/j.jcp.2018.10.045. Starts:
Glorot and Bengio, AISTATS 2010 (xavier); Sitzmann, Martel, Bergman, Lindell and Wetzstein,
Implicit neural representations with periodic activation functions, arXiv 2006.09661 (siren).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from gmnm_pde.errors import InputError
from gmnm_pde.networks.activations import ACTIVATIONS
from gmnm_pde.networks.boxed import (
    BoxedNetwork,
    BoxedSpec,
    at_least,
    glorot,
    positive,
    uniform,
    with_constant,
)
from gmnm_pde.networks.jets import Jet

Activation = Literal["tanh", "sin", "gelu", "silu"]
Start = Literal["xavier", "siren"]


@dataclass(frozen=True)
class MLPSpec(BoxedSpec):
    """A multilayer perceptron.

    Arguments:
        width: units of each hidden layer.
        depth: hidden layers.
        activation: tanh | sin | gelu | silu.
        start: xavier | siren, the distribution of the starting weights; siren is made for sin.
        omega: the frequency w that siren puts into every sine; 1 for xavier.

    Raises:
        InputError: numbers that are too small, or siren without sin.
    """

    width: int = 20
    depth: int = 2
    activation: Activation = "tanh"
    start: Start = "xavier"
    omega: float = 30.0

    def __post_init__(self) -> None:
        at_least(1, width=self.width, depth=self.depth)
        positive(omega=self.omega)
        if self.start == "siren" and self.activation != "sin":
            raise InputError(
                f"the start siren is made for sin, and the activation is {self.activation}.",
                mend="Write `activation: sin`, or `start: xavier`.",
            )

    def initial(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> MLP:
        return MLP(self, lower, upper, n_outputs, generator)


class Dense(nn.Module):
    """x A + a, (n, inputs) -> (n, outputs)."""

    def __init__(self, matrix: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)
        self.shift = nn.Parameter(shift)

    def forward(self, x: Jet) -> Jet:
        return x.linear(self.matrix, self.shift)


class Perceptron(nn.Module):
    """Hidden layers, (n, inputs) -> (n, width).

    Arguments:
        inputs: of the first layer.
        width, depth, activation, start, omega: see :class:`MLPSpec`.
        generator: of the starting weights.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        depth: int,
        generator: torch.Generator,
        activation: Activation = "tanh",
        start: Start = "xavier",
        omega: float = 30.0,
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.omega = omega if start == "siren" else 1.0
        layers = []
        for index in range(depth):
            before = inputs if index == 0 else width
            if start == "siren":
                bound = 1 / before if index == 0 else sqrt(6 / before) / omega
                matrix = uniform(generator, (before, width), bound)
            else:
                matrix = glorot(generator, before, width)
            # Without shifts a network of tanh is odd, and a solution that is even about the middle
            # of the box has no gradient in its output weights.
            layers.append(Dense(matrix, uniform(generator, (width,), 1 / sqrt(before))))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Jet) -> Jet:
        for layer in self.layers:
            x = layer(x)
            if self.omega != 1:
                x = x.each(lambda part: self.omega * part)
            x = x.apply(self.activation)
        return x


class MLP(BoxedNetwork):
    """See :class:`MLPSpec`, which makes it."""

    def __init__(
        self,
        spec: MLPSpec,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(spec, lower, upper, n_outputs)
        self.inner = Perceptron(
            len(lower),
            spec.width,
            spec.depth,
            generator,
            spec.activation,
            spec.start,
            spec.omega,
        )
        self.weights = with_constant(glorot(generator, spec.width, n_outputs))

    def hidden(self, x: Jet) -> Jet:
        return self.inner(x)
