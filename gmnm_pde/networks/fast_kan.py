"""Kolmogorov-Arnold networks of Gaussians on a fixed grid.

    h_j = a_0j + sum_i a_ij silu(x_i) + sum_i sum_c w_icj exp(-((x_i - c) / s)^2)

Li, Kolmogorov-Arnold Networks are Radial Basis Function Networks, arXiv 2405.06721. The author's
program normalises what enters a layer over its entries, which maps the points of a plane onto two
points; this is left out, and coordinates are scaled to the grid instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.networks.activations import gauss, silu
from gmnm_pde.networks.basis import Basis
from gmnm_pde.networks.boxed import BoxedSpec, at_least, glorot, positive
from gmnm_pde.networks.jets import Jet, joined_along_last
from gmnm_pde.networks.stacked import StackedNetwork, hidden_widths


@dataclass(frozen=True)
class FastKANSpec(BoxedSpec):
    """A Kolmogorov-Arnold network of Gaussians.

    Arguments:
        widths: of each hidden layer.
        centres: Gaussians for each input of a layer.
        grid_range: from the first to the last of them; coordinates are scaled to [-1, 1].
        ratio: s over their distance.
        scale: of the starting weights of Gaussians, which are normal.

    Raises:
        InputError: numbers that are too small, or an empty range.
    """

    widths: tuple[int, ...] = (6,)
    centres: int = 8
    grid_range: tuple[float, float] = (-1.5, 1.5)
    ratio: float = 1.0
    scale: float = 0.1

    def __post_init__(self) -> None:
        hidden_widths(self.widths)
        at_least(2, centres=self.centres)
        positive(ratio=self.ratio, scale=self.scale)
        if not self.grid_range[0] < self.grid_range[1]:
            raise InputError(f"grid_range is {list(self.grid_range)}.", mend="Give [-1.5, 1.5].")

    def initial(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> FastKAN:
        sizes = [len(lower), *self.widths, n_outputs]
        centres = torch.linspace(*self.grid_range, self.centres, dtype=torch.float64)
        matrices = []
        for inputs, outputs in pairwise(sizes):
            base = glorot(generator, inputs, outputs)
            shape = (inputs * self.centres, outputs)
            drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
            matrices.append(torch.cat([base, self.scale * drawn, base.new_zeros(1, outputs)]))
        bases = [GaussianBasis(centres, self.ratio) for _ in matrices]
        return FastKAN(self, lower, upper, bases, matrices)


class GaussianBasis(Basis):
    """silu(x_i) for every i, then every Gaussian of x_i, coordinate by coordinate, and one.

    Arguments:
        centres: (C,), evenly spaced.
        ratio: s over their distance.
    """

    centres: Tensor

    def __init__(self, centres: Tensor, ratio: float) -> None:
        super().__init__()
        self.register_buffer("centres", centres.clone())
        self.ratio = ratio

    def forward(self, x: Jet) -> Jet:
        # exp(-(z / s)^2) is the normal curve of sqrt(2) z / s.
        rate = sqrt(2) / (self.ratio * (self.centres[1] - self.centres[0]))

        def gaussians(h: Tensor, top: int) -> list[Tensor]:
            found = gauss(rate * (h[..., None] - self.centres), top)
            return [value * rate**r for r, value in enumerate(found)]

        curves = x.apply(gaussians).each(lambda part: part.flatten(-2))
        return joined_along_last([x.apply(silu), curves]).with_constant()


class FastKAN(StackedNetwork):
    """See :class:`FastKANSpec`, which makes it."""
