"""Random Fourier features followed by a perceptron; coordinates may be periodic exactly.

    f(xi) = (cos(pi B e(xi)), sin(pi B e(xi))),     B normal, fixed, of given scales

Tancik and others, Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional
Domains, arXiv 2006.10739; several scales: Wang, Wang and Perdikaris, arXiv 2012.10047. A periodic
coordinate enters as e = (cos(pi xi), sin(pi xi)) only: Dong and Ni, arXiv 2007.07442.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor, nn

from gmnm_pde.errors import InputError
from gmnm_pde.networks.activations import cos, sin
from gmnm_pde.networks.boxed import (
    BoxedNetwork,
    BoxedSpec,
    at_least,
    glorot,
    positive,
    with_constant,
)
from gmnm_pde.networks.jets import Jet, joined_along_last
from gmnm_pde.networks.mlp import Activation, Perceptron


@dataclass(frozen=True)
class FourierMLPSpec(BoxedSpec):
    """Random Fourier features and a perceptron.

    Arguments:
        frequencies: random ones for each scale; 0 leaves the coordinates (embedded, where they are
            periodic) as they are.
        scales: standard deviations of the frequencies, in periods over the box.
        periodic: numbers of the coordinates, from 0, whose period is the length of the box.
        width, depth: of the perceptron.
        activation: tanh | sin | gelu | silu.

    Raises:
        InputError: numbers that are too small.
    """

    frequencies: int = 10
    scales: tuple[float, ...] = (1.0,)
    periodic: tuple[int, ...] = ()
    width: int = 20
    depth: int = 1
    activation: Activation = "tanh"

    def __post_init__(self) -> None:
        at_least(1, width=self.width, depth=self.depth)
        at_least(0, frequencies=self.frequencies)
        positive(scales=min(self.scales, default=0.0))

    def initial(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> FourierMLP:
        wrong = [axis for axis in self.periodic if not 0 <= axis < len(lower)]
        if wrong:
            raise InputError(
                f"periodic names the coordinate {wrong[0]}, and there are {len(lower)}.",
                mend=f"They are counted from 0 to {len(lower) - 1}.",
            )
        return FourierMLP(self, lower, upper, n_outputs, generator)


class FourierFeatures(nn.Module):
    """Coordinates to features, (..., d) -> (..., F).

    Arguments:
        inputs: d.
        spec: see :class:`FourierMLPSpec`.
    """

    B: Tensor

    def __init__(self, inputs: int, spec: FourierMLPSpec, generator: torch.Generator) -> None:
        super().__init__()
        self.periodic = sorted(set(spec.periodic))
        self.plain = [axis for axis in range(inputs) if axis not in self.periodic]
        entries = len(self.plain) + 2 * len(self.periodic)
        drawn = [
            scale * torch.randn(entries, spec.frequencies, generator=generator).double()
            for scale in spec.scales
        ]
        self.register_buffer("B", torch.cat(drawn, dim=1))
        self.features = 2 * self.B.shape[1] or entries

    def forward(self, x: Jet) -> Jet:
        if self.periodic:
            angle = x.each(lambda part: pi * part[..., self.periodic])
            plain = x.each(lambda part: part[..., self.plain])
            x = joined_along_last([plain, angle.apply(cos), angle.apply(sin)])
        if not self.B.shape[1]:
            return x
        phase = x.linear(pi * self.B)
        return joined_along_last([phase.apply(cos), phase.apply(sin)])


class FourierMLP(BoxedNetwork):
    """See :class:`FourierMLPSpec`, which makes it."""

    def __init__(
        self,
        spec: FourierMLPSpec,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__(spec, lower, upper, n_outputs)
        self.embedding = FourierFeatures(len(lower), spec, generator)
        inputs = self.embedding.features
        self.inner = Perceptron(inputs, spec.width, spec.depth, generator, spec.activation)
        self.weights = with_constant(glorot(generator, spec.width, n_outputs))

    def hidden(self, x: Jet) -> Jet:
        return self.inner(self.embedding(x))
