"""Polynomials and trigonometric polynomials along one coordinate, by their values at nodes.

    (d/dx)^k u(y_i)  =  sum_j  matrix[i, j] u(x_j)      for any points y_i

Polynomials live on Chebyshev-Lobatto nodes, whose derivatives follow by recurrence from the
barycentric weights (J. A. C. Weideman and S. C. Reddy, ACM Transactions on Mathematical Software
26, 2000, 465-519), and equations are collocated at the Gauss-Legendre points. A polynomial with k
conditions has k nodes more than there are collocation points (T. A. Driscoll and N. Hale, IMA
Journal of Numerical Analysis 36, 2016, 108-132), so no row of an equation is ever thrown away.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gmnm_pde.references.stencils import Array


class Basis(ABC):
    """Functions of one coordinate that their values at the nodes determine."""

    @property
    @abstractmethod
    def nodes(self) -> Array:
        """(n,), ascending."""

    @abstractmethod
    def matrix(self, points: Array, order: int = 0) -> Array:
        """The derivative of one order at points (k,) from values at the nodes, (k, n)."""


@dataclass(frozen=True)
class Polynomials(Basis):
    """Polynomials of degree count - 1 on [lower, upper]."""

    lower: float
    upper: float
    count: int

    @cached_property
    def nodes(self) -> Array:
        return self.lower + (self.upper - self.lower) * (_lobatto(self.count) + 1.0) / 2.0

    def matrix(self, points: Array, order: int = 0) -> Array:
        at = 2.0 * (points - self.lower) / (self.upper - self.lower) - 1.0
        # The ends are nodes exactly, whatever the rounding of the map.
        at[points == self.lower], at[points == self.upper] = -1.0, 1.0
        values = _interpolation(self.count, at)
        if order == 0:
            return values
        return values @ self._derivative(order) * (2.0 / (self.upper - self.lower)) ** order

    def _derivative(self, order: int) -> Array:
        """d^order/dx^order on [-1, 1] at the nodes, (n, n)."""
        n = self.count
        angle = np.pi * np.arange(n) / (n - 1)
        half, less = (angle[:, None] + angle) / 2.0, (angle[:, None] - angle) / 2.0
        # x_i - x_j as a product: the difference of two cosines loses digits where nodes crowd.
        gaps = 2.0 * np.sin(half) * np.sin(less)
        np.fill_diagonal(gaps, 1.0)
        weights = _lobatto_weights(n)
        ratios = weights / weights[:, None]
        matrix = np.eye(n)
        for k in range(1, order + 1):
            matrix = k / gaps * (ratios * np.diag(matrix)[:, None] - matrix)
            np.fill_diagonal(matrix, 0.0)
            # The derivative of a constant is zero exactly, which is worth several digits.
            np.fill_diagonal(matrix, -matrix.sum(axis=1))
        return matrix


@dataclass(frozen=True)
class Waves(Basis):
    """Trigonometric polynomials of period upper - lower; an odd number of nodes."""

    lower: float
    upper: float
    count: int

    @cached_property
    def nodes(self) -> Array:
        return self.lower + (self.upper - self.lower) * np.arange(self.count) / self.count

    def matrix(self, points: Array, order: int = 0) -> Array:
        turns = 2.0j * np.pi / (self.upper - self.lower) * np.arange(-(self.count // 2), 1)
        ahead = np.exp(np.outer(points - self.lower, turns)) * turns**order
        behind = np.exp(-np.outer(turns, self.nodes - self.lower))
        # Frequencies k and -k together are twice the real part.
        both = np.where(turns == 0.0, 1.0, 2.0) / self.count
        return ((ahead * both) @ behind).real


@dataclass(frozen=True)
class Axis:
    """One coordinate of a spectral grid.

    Arguments:
        count: collocation points; odd if periodic.
    """

    lower: float
    upper: float
    count: int
    periodic: bool = False

    @cached_property
    def points(self) -> Array:
        """Where equations are imposed, (count,)."""
        if self.periodic:
            return self.basis(0).nodes
        middle, half = (self.lower + self.upper) / 2.0, (self.upper - self.lower) / 2.0
        return middle + half * np.polynomial.legendre.leggauss(self.count)[0]

    @cached_property
    def weights(self) -> Array:
        """Of the integral, at the collocation points."""
        length = self.upper - self.lower
        if self.periodic:
            return np.full(self.count, length / self.count)
        return length / 2.0 * np.polynomial.legendre.leggauss(self.count)[1]

    def basis(self, conditions: int) -> Basis:
        """Functions that the collocation points and so many conditions determine."""
        kind = Waves if self.periodic else Polynomials
        return kind(self.lower, self.upper, self.count + conditions)


def _lobatto(count: int) -> Array:
    return -np.cos(np.pi * np.arange(count) / (count - 1))


def _lobatto_weights(count: int) -> Array:
    weights: Array = np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    weights[[0, -1]] *= 0.5
    return weights


def _interpolation(count: int, at: Array) -> Array:
    """Barycentric interpolation from Chebyshev-Lobatto nodes on [-1, 1], (len(at), count)."""
    gaps = at[:, None] - _lobatto(count)
    hits = gaps == 0.0
    gaps[hits] = 1.0
    matrix = _lobatto_weights(count) / gaps
    matrix /= matrix.sum(axis=1, keepdims=True)
    on_node = hits.any(axis=1)
    matrix[on_node] = hits[on_node]
    return matrix
