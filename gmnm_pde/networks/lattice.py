"""Gaussian units of equal widths on a lattice: products of functions of one coordinate each,

    g_i(x) = prod_k e_k,i_k(x_k),      e_k,j(x_k) = exp(-(p_k (x_k - c_k,j))^2 / 2),

and so are their derivatives. Along each coordinate there are far fewer centres c_k,j than units, so
exponentials and Hermite recursions are of no account, and a unit at a point costs a multiplication
for each term. Where only the sum of units is wanted, not even those are made: the weights on the
lattice are contracted with one coordinate after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from gmnm_pde.fields import Orders

SPARSE = 2.0
"""Sites over units up to which all sites of a lattice are computed to choose the units from."""

CACHED = 2**18
"""Numbers of one matrix of sites that stays in the cache of a CPU."""

Tables = list[list[Tensor]]
"""Along each coordinate, derivatives of e_k of order 0, 1, ..., each (centres, n)."""


@dataclass(frozen=True)
class Lattice:
    """Units at sites of a lattice.

    Arguments:
        axes: the centres along each coordinate.
        scale: p, (d,).
        sites: which site each unit is at, (K,), counted with the last coordinate fastest.
    """

    axes: tuple[Tensor, ...]
    scale: Tensor
    sites: Tensor

    @classmethod
    def of(cls, mu: Tensor, P: Tensor) -> Lattice | None:
        """The lattice that units with centres (K, d) and 1/sigma (K, 1) or (K, d) are on, None if
        they are not on one, or leave most of it empty."""
        if P.ndim != 2 or not len(P) or not bool((P[0] == P).all()):
            return None
        d, sites = mu.shape[1], mu.new_zeros(len(mu), dtype=torch.long)
        axes: list[Tensor] = []
        for k in range(d):
            axis, index = torch.unique(mu[:, k], return_inverse=True)
            axes.append(axis)
            if prod(map(len, axes)) > SPARSE * len(mu):
                return None
            sites = sites * len(axis) + index
        return cls(tuple(axes), P[0].expand(d), sites)

    @property
    def shape(self) -> tuple[int, ...]:
        """Centres along each coordinate."""
        return tuple(map(len, self.axes))

    def weighted(
        self, points: Tensor, weights: Sequence[Mapping[Orders, Tensor]], constant: bool
    ) -> list[Tensor]:
        """For each output, sum over alpha of weights_alpha D^alpha g of every unit, (n, K).

        Arguments:
            constant: with one more column, of the constant feature.
        """
        units, n = len(self.sites), len(points)
        found = [points.new_empty(n, units + constant) for _ in weights]
        rows = max(n, 1) if points.is_cuda else max(1, CACHED // prod(self.shape))
        for start in range(0, n, rows):
            part = slice(start, start + rows)
            tables = self._tables(points[part], {alpha for each in weights for alpha in each})
            for each, columns in zip(weights, found, strict=True):
                terms = [(a[part], alpha) for alpha, a in each.items()]
                if terms:
                    every = self._at_sites(tables, terms)
                    columns[part, :units] = every.index_select(0, self.sites).T
                else:
                    columns[part, :units] = 0
        for each, columns in zip(weights, found, strict=True):
            columns[:, units:] = each.get((0,) * len(self.axes), points.new_zeros(n))[:, None]
        return found

    def outputs(
        self, points: Tensor, pi: Tensor, orders: Collection[Orders]
    ) -> dict[Orders, Tensor]:
        """D^alpha of the sum of units with weights pi (K, m), each (n, m)."""
        m = pi.shape[1]
        full = pi.new_zeros(prod(self.shape), m).index_copy_(0, self.sites, pi)
        tables = self._tables(points, orders)
        found = {}
        for alpha in orders:
            first, *rest = (table[order] for table, order in zip(tables, alpha, strict=True))
            total = first.T @ full.reshape(len(first), -1)
            for table in rest:
                many = len(table)
                split = total.reshape(len(points), many, total.shape[1] // many)
                total = (split * table.T[:, :, None]).sum(1)
            found[alpha] = total
        return found

    @staticmethod
    def _at_sites(tables: Tables, terms: Sequence[tuple[Tensor, Orders]]) -> Tensor:
        """sum of a (n,) times D^alpha g at every site, (sites, n).

        Points come last, as many of them lie next to each other in memory: that is four times as
        fast as sites last.
        """
        total: Tensor | None = None
        for a, alpha in terms:
            *some, last = (table[order] for table, order in zip(tables, alpha, strict=True))
            others = a[None]
            for table in some:
                others = (others[:, None] * table).flatten(0, 1)
            if total is None:
                total = others[:, None] * last
            else:
                total.addcmul_(others[:, None], last)
        assert total is not None
        return total.flatten(0, 1)

    def _tables(self, points: Tensor, orders: Collection[Orders]) -> Tables:
        """D^(j + 1) e = -p^2 (z D^j e + j D^(j - 1) e), z = x - c, up to the highest order."""
        tables = []
        for k, axis in enumerate(self.axes):
            z = points[:, k] - axis[:, None]
            square = self.scale[k].square()
            slope = -square * z
            known = [torch.exp(z.mul_(slope).mul_(0.5))]
            for j in range(max((alpha[k] for alpha in orders), default=0)):
                following = slope * known[j]
                known.append(following - j * square * known[j - 1] if j else following)
            tables.append(known)
        return tables


@dataclass(frozen=True)
class Known:
    """What was found out about units with centres mu and 1/sigma P: finding it takes ten times as
    long as seeing that they are still the same."""

    mu: Tensor
    P: Tensor
    lattice: Lattice | None

    @classmethod
    def of(cls, mu: Tensor, P: Tensor) -> Known:
        """See :meth:`Lattice.of`."""
        mu, P = mu.detach().clone(), P.detach().clone()
        return cls(mu, P, Lattice.of(mu, P))

    def holds(self, mu: Tensor, P: Tensor) -> bool:
        """Whether the units are still there: parameters are changed in place, and moved."""
        if mu.device != self.mu.device or mu.dtype != self.mu.dtype:
            return False
        return torch.equal(mu, self.mu) and torch.equal(P, self.P)
