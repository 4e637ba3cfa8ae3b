"""Gaussian units of a hidden layer.

    g_i(x) = exp(-|P_i (x - mu_i)|^2 / 2)

The units of :mod:`gmnm_pde.networks.gmnm`, for layers that others follow or that follow others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmnm_pde.networks.basis import Basis
from gmnm_pde.networks.gmnm import GMNM, Projection
from gmnm_pde.networks.jets import Jet
from gmnm_pde.networks.specs import GMNMSpec


class GaussianUnits(Basis):
    """Values of Gaussian units, (..., d) -> (..., K), or (..., K + 1) with one at the end.

    Arguments:
        layer: whose centres and projections they have.
        constant: add the one.
    """

    def __init__(self, layer: GMNM, *, constant: bool) -> None:
        super().__init__()
        self.mu = nn.Parameter(layer.mu.detach().clone())
        self.P = nn.Parameter(layer.P.detach().clone())
        self.constant = constant

    def forward(self, x: Jet) -> Jet:
        w = x.each(lambda part: part[..., None, :]).plus(-self.mu).each(self._projected)
        exponent = w.times(w).each(lambda part: -0.5 * part.sum(-1))
        values = exponent.exp()
        return values.with_constant() if self.constant else values

    def _projected(self, z: Tensor) -> Tensor:
        """P z of every unit, (..., K, d) -> (..., K, rows)."""
        return z * self.P if self.P.ndim == 2 else (self.P @ z[..., None])[..., 0]


def on_lattice(
    units: int, dimension: int, projection: Projection, rank: int, generator: torch.Generator
) -> GMNM:
    """A layer with at most so many units on a lattice over [-1, 1]^d."""
    spec = GMNMSpec(units=units, projection=projection, rank=rank)
    layer = spec.initial([-1.0] * dimension, [1.0] * dimension, 1, generator)
    assert isinstance(layer, GMNM)
    return layer
