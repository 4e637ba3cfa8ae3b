"""A layer of Gaussian units followed by a perceptron.

    g_i = exp(-|P_i (xi - mu_i)|^2 / 2),   h_1 = s(g A_1 + a_1),  ...,   u = h_L W + W_0

Units as in Lu, Yuan, Zhang and Li, arXiv 2510.06660.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from gmnm_pde.networks.boxed import BoxedNetwork, BoxedSpec, at_least, glorot, with_constant
from gmnm_pde.networks.gaussians import GaussianUnits, on_lattice
from gmnm_pde.networks.gmnm import Projection
from gmnm_pde.networks.jets import Jet
from gmnm_pde.networks.mlp import Activation, Perceptron
from gmnm_pde.networks.specs import NetworkSpec


@dataclass(frozen=True)
class GMNMMLPSpec(BoxedSpec):
    """A GMNM layer's units as features of a perceptron.

    Arguments:
        units: Gaussian units, on a lattice over the box at the start.
        projection: isotropic | diagonal | full | low_rank.
        rank: rows of P for low_rank.
        width, depth: of the perceptron.
        activation: tanh | sin | gelu | silu.

    Raises:
        InputError: numbers that are too small.
    """

    units: int = 25
    projection: Projection = "diagonal"
    rank: int = 1
    width: int = 12
    depth: int = 1
    activation: Activation = "tanh"

    def __post_init__(self) -> None:
        at_least(1, units=self.units, rank=self.rank, width=self.width, depth=self.depth)

    def initial(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> GMNMMLP:
        layer = on_lattice(self.units, len(lower), self.projection, self.rank, generator)
        units = GaussianUnits(layer, constant=False)
        inner = Perceptron(layer.n_units, self.width, self.depth, generator, self.activation)
        weights = with_constant(glorot(generator, self.width, n_outputs))
        return GMNMMLP(self, lower, upper, units, inner, weights)


class GMNMMLP(BoxedNetwork):
    """See :class:`GMNMMLPSpec`, which makes it."""

    def __init__(
        self,
        spec: NetworkSpec,
        lower: Sequence[float],
        upper: Sequence[float],
        units: GaussianUnits,
        inner: Perceptron,
        weights: nn.Parameter,
    ) -> None:
        super().__init__(spec, lower, upper, weights.shape[1])
        self.units, self.inner, self.weights = units, inner, weights

    def hidden(self, x: Jet) -> Jet:
        return self.inner(self.units(x))
