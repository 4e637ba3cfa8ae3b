"""Modes of a box: products of the modes of its coordinates.

Units on a product of lattices are products themselves, g_(ij)(x, y) = g_i(x) g_j(y), and so are
their singular vectors, with singular values S_i S_j. A mode is a pair of modes, one a coordinate,
and those pairs are kept for which S_i S_j > cut. Nothing of the size of units times points is
needed: functions are evaluated and projected one coordinate after the other ("sum factorisation",
Orszag, J. Comput. Phys. 37, 1980, eq. 2.4), which costs d n^(d + 1) in place of n^(2 d).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod

import torch
from torch import Tensor

from gmnm_pde.evolution.modes import GeneralModes, Modes
from gmnm_pde.evolution.spacing import Lattice
from gmnm_pde.fields import Orders
from gmnm_pde.networks import GMNM


def are_products(network: GMNM, lattice: Lattice) -> bool:
    """Whether units on a lattice are products of units along its coordinates."""
    return len(lattice.axes) > 1 and network.projection == "diagonal"


def modes_of(network: GMNM, lattice: Lattice, cut: float) -> Modes:
    """Modes of the units of a lattice: products, if units and lattice are.

    Arguments:
        cut: smallest singular value over the largest. Lower ones amplify rounding.
    """
    if are_products(network, lattice):
        return ProductModes(network, lattice, cut)
    return GeneralModes(network, lattice, cut)


class ProductModes(Modes):
    """Modes of units that are products along the coordinates of a box.

    A constant feature of the network is not used: units in the margin give it, to the tolerance.

    Arguments:
        network: diagonal units on the product of the lattice's axes.
        cut: smallest singular value over the largest. Lower ones amplify rounding.
    """

    def __init__(self, network: GMNM, lattice: Lattice, cut: float) -> None:
        self.axes = [
            GeneralModes(GMNM(axis.centres, 1 / axis.widths, bias=False), axis, cut)
            for axis in lattice.axes
        ]
        self._cut = cut
        self._kept, singular = _largest([axis.singular for axis in self.axes], cut)
        super().__init__(network, lattice, singular)
        self._shape = tuple(axis.count for axis in self.axes)
        #: Which mode of each coordinate a mode is the product of, d of (count,).
        self.factors = torch.unravel_index(self._kept, self._shape)
        self._products: dict[Orders, Tensor] = {}

    def derivative(self, alpha: Orders, c: Tensor) -> Tensor:
        return self._along([a.matrix((k,)) for a, k in zip(self.axes, alpha, strict=True)], c)

    def project(self, values: Tensor) -> Tensor:
        return self._against([axis.tested for axis in self.axes], values)

    def integrated(self, alpha: Orders, values: Tensor) -> Tensor:
        matrices = [axis.matrix((k,)).T for axis, k in zip(self.axes, alpha, strict=True)]
        return self._against(matrices, values)

    def product(self, alpha: Orders, a: Tensor | None = None) -> Tensor:
        if a is not None:
            return self._weighted(alpha, a)
        if alpha not in self._products:
            self._products[alpha] = self._paired(
                [axis.product((k,)) for axis, k in zip(self.axes, alpha, strict=True)]
            )
        return self._products[alpha]

    def at(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        found = [
            axis.at(points[:, k, None], {(alpha[k],) for alpha in orders})
            for k, axis in enumerate(self.axes)
        ]
        return {
            alpha: prod(
                (f[(k,)][:, which] for f, k, which in zip(found, alpha, self.factors, strict=True)),
                start=points.new_ones(()),
            )
            for alpha in orders
        }

    def on(self, lattice: Lattice, c: Tensor) -> Tensor:
        if len(lattice.axes) != len(self.axes):
            return c @ self.at(lattice.points, [self.zero])[self.zero].T
        pairs = zip(self.axes, lattice.axes, strict=True)
        return self._along([axis.at(other.points, [(0,)])[(0,)] for axis, other in pairs], c)

    def output_weights(self, c: Tensor) -> Tensor:
        weights = self._along([axis.weights_of_modes for axis in self.axes], c)
        constant = 0 if self.network.b is None else 1
        return torch.nn.functional.pad(weights, (0, constant))

    def across(self, axis: int) -> Tensor | None:
        others = [other for k, other in enumerate(self.axes) if k != axis]
        kept, _ = _largest([other.singular for other in others], self._cut)
        total = torch.ones(1, 1, dtype=torch.float64)
        for other in others:
            total = torch.kron(total, other.tested)
        return total[kept]

    # -------------------------------------------------------------------------------- details

    def _along(self, matrices: Sequence[Tensor], c: Tensor) -> Tensor:
        """sum_j c_j times the product of columns of matrices (n_k, modes of axis k), (..., n)."""
        grid = c.new_zeros(*c.shape[:-1], prod(self._shape))
        grid[..., self._kept] = c
        grid = grid.reshape(*c.shape[:-1], *self._shape)
        return _applied(matrices, grid).flatten(-len(self.axes))

    def _against(self, matrices: Sequence[Tensor], values: Tensor) -> Tensor:
        """Sums of values (..., n) times products of rows of matrices (modes of axis k, n_k),
        (..., count)."""
        grid = values.reshape(*values.shape[:-1], *(len(axis.points) for axis in self.axes))
        return _applied(matrices, grid).flatten(-len(self.axes))[..., self._kept]

    def _paired(self, matrices: Sequence[Tensor]) -> Tensor:
        """Products of entries of a matrix for each axis, (count, count)."""
        parts = (
            matrix[which][:, which] for matrix, which in zip(matrices, self.factors, strict=True)
        )
        first, *rest = parts
        for part in rest:
            first = first * part
        return first

    def _weighted(self, alpha: Orders, a: Tensor) -> Tensor:
        """The integrals with a(x): the sum over the points of one axis after the other."""
        total = a.reshape([len(axis.points) for axis in self.axes])
        for axis, k in zip(self.axes, alpha, strict=True):
            both = axis.tested[:, None] * axis.matrix((k,)).T  # (modes, modes, points)
            total = torch.tensordot(total, both.flatten(0, 1), ([0], [1]))
        index = torch.zeros((), dtype=torch.int64)
        for axis, which in zip(self.axes, self.factors, strict=True):
            index = index * axis.count**2 + which[:, None] * axis.count + which
        return total.flatten()[index]


def _largest(singular: Sequence[Tensor], cut: float) -> tuple[Tensor, Tensor]:
    """Products above a cut, descending: where they are in the product of all, and what."""
    total = torch.ones(1, dtype=torch.float64)
    for part in singular:
        total = torch.kron(total, part)
    order = torch.argsort(total, descending=True, stable=True)
    kept = order[: int((total > cut).sum())]
    return kept, total[kept]


def _applied(matrices: Sequence[Tensor], grid: Tensor) -> Tensor:
    """Matrices (n_k, m_k) along the last axes of a grid, (..., m_1, ..., m_d) -> (..., n_1, ...,
    n_d): each takes the first of them away and adds its own at the end."""
    d = len(matrices)
    for matrix in matrices:
        grid = torch.tensordot(grid, matrix, ([grid.ndim - d], [1]))
    return grid
