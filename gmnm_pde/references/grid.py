"""A uniform tensor grid on a box: nodes, sides, difference matrices, interpolation, quadrature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gmnm_pde.fields import Orders
from gmnm_pde.references.stencils import (
    Array,
    differentiation_matrix,
    finite_difference_weights,
    interpolation_weights,
    quadrature_weights,
)

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Side:
    """One side of a box: the end of one axis."""

    axis: int
    end: int
    """0 for the lower end, 1 for the upper one."""


@dataclass(frozen=True)
class Grid:
    """The same number of nodes along each axis of a box, numbered with the last axis fastest.

    Arguments:
        lower, upper: corners of the box, d numbers each.
        points: nodes along an axis, both ends included.
        accuracy: order of the differences, 2 or 4.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    points: int
    accuracy: int

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.lower)

    @property
    def size(self) -> int:
        """The number of nodes, points^d."""
        return self.points**self.dimension

    @cached_property
    def spacings(self) -> tuple[float, ...]:
        """h along each axis."""
        return tuple(
            (b - a) / (self.points - 1) for a, b in zip(self.lower, self.upper, strict=True)
        )

    @cached_property
    def nodes(self) -> Array:
        """(size, d)."""
        axes = [np.linspace(a, b, self.points) for a, b in zip(self.lower, self.upper, strict=True)]
        return np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """The position of each node along each axis, (size, d)."""
        shape = (self.points,) * self.dimension
        return np.stack(np.unravel_index(np.arange(self.size), shape), axis=1)

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """Lower and upper side of each axis."""
        return tuple(Side(axis, end) for axis, end in product(range(self.dimension), (0, 1)))

    def nodes_of(self, side: Side) -> Indices:
        """The nodes on a side, its edges included."""
        return np.flatnonzero(self.indices[:, side.axis] == side.end * (self.points - 1))

    def inward(self, nodes: Indices, side: Side) -> Indices:
        """The neighbours of a side's nodes, one layer in from *every* side they touch.

        A corner's neighbour along one axis alone would still be on the boundary.
        """
        inner = np.clip(self.indices[nodes], 1, self.points - 2)
        return np.ravel_multi_index(tuple(inner.T), (self.points,) * self.dimension)

    def normal(self, side: Side) -> Array:
        """The outward unit normal of a side, (d,)."""
        normal = np.zeros(self.dimension)
        normal[side.axis] = 2 * side.end - 1
        return normal

    def derivative(self, orders: Orders) -> sparse.csr_array:
        """D^orders at every node, (size, size): the Kronecker product of one matrix an axis."""
        factors = [
            differentiation_matrix(self.points, spacing, order, self.accuracy)
            for spacing, order in zip(self.spacings, orders, strict=True)
        ]
        return sparse.csr_array(reduce(sparse.kron, factors))

    def quadrature(self) -> Array:
        """Weights (size,) of the integral over the box."""
        factors = [quadrature_weights(self.points, h, self.accuracy) for h in self.spacings]
        weights = factors[0]
        for factor in factors[1:]:
            weights = np.outer(weights, factor).ravel()
        return weights

    def interpolate(self, values: Array, points: Array) -> Array:
        """Values at the nodes (size,) -> at points (n, d), by tensor Lagrange polynomials.

        Their order is two above that of the differences, so that they add no error of their own.
        """
        count = min(self.accuracy + 4, self.points)
        starts, weights = self._local(points, count)
        block = values.reshape((self.points,) * self.dimension)
        result = np.zeros(len(points))
        for offsets in product(range(count), repeat=self.dimension):
            factor = np.prod([w[:, k] for w, k in zip(weights, offsets, strict=True)], axis=0)
            result += factor * block[tuple(s + k for s, k in zip(starts, offsets, strict=True))]
        return result

    def row_at(self, point: Sequence[float], orders: Orders) -> sparse.csr_array:
        """D^orders at any one point of the box, (1, size)."""
        factors = []
        for axis, order in enumerate(orders):
            count = min(order + self.accuracy + 2, self.points)
            position = (point[axis] - self.lower[axis]) / self.spacings[axis]
            start = int(np.clip(round(position - (count - 1) / 2), 0, self.points - count))
            weights = finite_difference_weights(np.arange(float(count)), position - start, order)
            factor = np.zeros((1, self.points))
            factor[0, start : start + count] = weights[-1] / self.spacings[axis] ** order
            factors.append(sparse.csr_array(factor))
        return sparse.csr_array(reduce(sparse.kron, factors))

    def _local(self, points: Array, count: int) -> tuple[list[Indices], list[Array]]:
        """First node and Lagrange weights (n, count) of the nodes around points, for each axis."""
        starts, weights = [], []
        for axis in range(self.dimension):
            position = (points[:, axis] - self.lower[axis]) / self.spacings[axis]
            start = np.clip(
                np.round(position - (count - 1) / 2).astype(np.intp), 0, self.points - count
            )
            starts.append(start)
            weights.append(interpolation_weights(position - start, count))
        return starts, weights
