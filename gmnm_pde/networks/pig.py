"""Physics-informed Gaussians: sums of Gaussians as features of a small perceptron.

    f_j = sum_i c_ij exp(-|(xi - mu_i) / sigma_i|^2 / 2),   u = s(f A + a) W + W_0

Kang, Oh, Hong and Park, PIG: Physics-Informed Gaussians as Adaptive Parametric Mesh
Representations, arXiv 2412.05994: centres, widths (here along the coordinates), c and the
perceptron of one hidden layer are all trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gmnm_pde.networks.boxed import (
    BoxedNetwork,
    BoxedSpec,
    at_least,
    glorot,
    positive,
    uniform,
    with_constant,
)
from gmnm_pde.networks.gaussians import GaussianUnits
from gmnm_pde.networks.gmnm import GMNM
from gmnm_pde.networks.jets import Jet
from gmnm_pde.networks.mlp import Activation, Perceptron


@dataclass(frozen=True)
class PIGSpec(BoxedSpec):
    """Physics-informed Gaussians.

    Arguments:
        gaussians: how many, at random places at the start.
        features: sums of Gaussians that enter the perceptron.
        sigma: starting width of a Gaussian; coordinates are scaled to [-1, 1].
        width: of the perceptron's hidden layer.
        activation: tanh | sin | gelu | silu.

    Raises:
        InputError: numbers that are too small.
    """

    gaussians: int = 40
    features: int = 4
    sigma: float = 0.4
    width: int = 16
    activation: Activation = "tanh"

    def __post_init__(self) -> None:
        at_least(1, gaussians=self.gaussians, features=self.features, width=self.width)
        positive(sigma=self.sigma)

    def initial(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> PIG:
        d = len(lower)
        mu = uniform(generator, (self.gaussians, d))
        layer = GMNM(mu, torch.full((self.gaussians, d), 1 / self.sigma, dtype=torch.float64))
        embedding = glorot(generator, self.gaussians, self.features)
        inner = Perceptron(self.features, self.width, 1, generator, self.activation)
        weights = with_constant(glorot(generator, self.width, n_outputs))
        units = GaussianUnits(layer, constant=False)
        return PIG(self, lower, upper, units, embedding, inner, weights)


class PIG(BoxedNetwork):
    """See :class:`PIGSpec`, which makes it."""

    def __init__(
        self,
        spec: PIGSpec,
        lower: Sequence[float],
        upper: Sequence[float],
        units: GaussianUnits,
        embedding: Tensor,
        inner: Perceptron,
        weights: nn.Parameter,
    ) -> None:
        super().__init__(spec, lower, upper, weights.shape[1])
        self.units, self.inner, self.weights = units, inner, weights
        self.embedding = nn.Parameter(embedding)

    def hidden(self, x: Jet) -> Jet:
        return self.inner(self.units(x).linear(self.embedding))
