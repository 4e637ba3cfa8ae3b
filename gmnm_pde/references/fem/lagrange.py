"""Lagrange elements of any degree on intervals, triangles and tetrahedra.

With barycentric coordinates l_0 ... l_d and the multi-index a of a node, |a| = p,

    phi_a = prod_i prod_{m < a_i} (p l_i - m) / (m + 1) ,

which is one there and zero at the other nodes a / p (Nicolaides, SIAM J. Numer. Anal. 9 (1972)
435-445). One formula for all shapes and degrees: scikit-fem has no Lagrange elements of degree 3
and 4 on intervals and tetrahedra.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gmnm_pde.references.stencils import Array

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Lagrange:
    """The element of a degree on a simplex."""

    dimension: int
    degree: int

    @cached_property
    def nodes(self) -> Indices:
        """Multi-indices of the nodes, (n, d + 1)."""
        every = itertools.product(range(self.degree + 1), repeat=self.dimension)
        return np.array([(self.degree - sum(a), *a) for a in every if sum(a) <= self.degree])

    @property
    def places(self) -> Array:
        """Barycentric coordinates of the nodes, (n, d + 1)."""
        return self.nodes / self.degree

    def values(self, at: Array) -> Array:
        """phi at barycentric coordinates (q, d + 1), (q, n)."""
        return np.asarray(np.prod(self._factors(at)[0], axis=2))

    def slopes(self, at: Array) -> Array:
        """d phi / d l_k for k = 1 ... d, l_0 = 1 - l_1 - ..., (d, q, n)."""
        factors, rates = self._factors(at)
        partial = []
        for i in range(self.dimension + 1):
            others = [factors[:, :, k] for k in range(self.dimension + 1) if k != i]
            partial.append(rates[:, :, i] * np.prod(others, axis=0))
        return np.stack([part - partial[0] for part in partial[1:]])

    def _factors(self, at: Array) -> tuple[Array, Array]:
        """The factor of each barycentric coordinate and its derivative, (q, n, d + 1) both."""
        p = self.degree
        ladder, rates = [np.ones_like(at)], [np.zeros_like(at)]
        for m in range(p):
            rates.append((rates[-1] * (p * at - m) + ladder[-1] * p) / (m + 1))
            ladder.append(ladder[-1] * (p * at - m) / (m + 1))
        columns = np.arange(self.dimension + 1)
        powers, slopes = np.stack(ladder), np.stack(rates)
        pick = (self.nodes[None, :, :], np.arange(len(at))[:, None, None], columns[None, None, :])
        return powers[pick], slopes[pick]

    def number(self, cells: Indices) -> tuple[Indices, int]:
        """Numbers of the nodes of each cell, (e, n), the same where cells meet, and how many.

        Arguments:
            cells: (e, d + 1) vertices, in ascending order in each cell.
        """
        index = self.nodes
        # A node is known by the vertices that it lies between and its shares of them.
        vertices = np.where(index[None] > 0, cells[:, None, :], -1)
        keys = np.concatenate([vertices, np.broadcast_to(index, vertices.shape)], axis=2)
        order = np.argsort(np.where(index > 0, 0, 1), axis=1, kind="stable")
        both = np.concatenate([order, order + index.shape[1]], axis=1)
        keys = np.take_along_axis(keys, np.broadcast_to(both, keys.shape), axis=2)
        flat = np.ascontiguousarray(keys.reshape(-1, keys.shape[2]))
        packed = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel()
        found, numbers = np.unique(packed, return_inverse=True)
        return numbers.reshape(len(cells), len(index)), len(found)
