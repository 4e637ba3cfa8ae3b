"""Stacks of GMNM layers, each taking what the one before puts out.

    h_j = sum_i pi_ij exp(-|P_i (x - mu_i)|^2 / 2) + b_j

The layer of :mod:`gmnm_pde.networks.gmnm`; Lu, Yuan, Zhang and Li, arXiv 2510.06660.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gmnm_pde.errors import InputError
from gmnm_pde.networks.boxed import BoxedSpec, at_least, positive, with_constant
from gmnm_pde.networks.gaussians import GaussianUnits, on_lattice
from gmnm_pde.networks.gmnm import GMNM, Projection
from gmnm_pde.networks.stacked import StackedNetwork


@dataclass(frozen=True)
class DeepGMNMSpec(BoxedSpec):
    """A stack of GMNM layers.

    Arguments:
        units: of each layer, in turn; two numbers or more.
        widths: what the hidden layers put out, one number less.
        projection: isotropic | diagonal | full | low_rank.
        rank: rows of P for low_rank.
        sigma: starting width of the units of later layers.

    Raises:
        InputError: numbers that are too small or too few.
    """

    units: tuple[int, ...] = (25, 20)
    widths: tuple[int, ...] = (4,)
    projection: Projection = "diagonal"
    rank: int = 1
    sigma: float = 1.0

    def __post_init__(self) -> None:
        at_least(1, rank=self.rank, units=min(self.units, default=0))
        at_least(1, widths=min(self.widths, default=0))
        positive(sigma=self.sigma)
        if len(self.units) != len(self.widths) + 1:
            raise InputError(
                f"units has {len(self.units)} entries and widths {len(self.widths)}.",
                mend="Give the units of every layer, and a width between each two.",
            )

    def initial(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> DeepGMNM:
        inputs = (len(lower), *self.widths)
        layers = [on_lattice(self.units[0], len(lower), self.projection, self.rank, generator)]
        for entries, count in zip(inputs[1:], self.units[1:], strict=True):
            layers.append(
                GMNM.random(
                    entries,
                    count,
                    projection=self.projection,
                    rank=self.rank,
                    width=self.sigma * entries**0.5,
                    generator=generator,
                )
            )
        matrices = []
        for layer, outputs in zip(layers, (*self.widths, n_outputs), strict=True):
            drawn = torch.randn(layer.n_units, outputs, generator=generator, dtype=torch.float64)
            # A few units overlap at a point, so that what comes out has the size of its weights.
            matrices.append(with_constant(0.5 * drawn).detach())
        units = [GaussianUnits(layer, constant=True) for layer in layers]
        return DeepGMNM(self, lower, upper, units, matrices)


class DeepGMNM(StackedNetwork):
    """See :class:`DeepGMNMSpec`, which makes it."""
