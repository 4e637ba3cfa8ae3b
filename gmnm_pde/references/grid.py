"""A uniform tensor grid on a box: nodes, sides, difference matrices, interpolation, quadrature."""

from __future__ import annotations

import math
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
    periodic_matrix,
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
        points: nodes along an axis, both ends included; along a periodic one the upper end is the
            lower one again.
        accuracy: order of the differences, 2 or 4.
        periodic: whether each axis is.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    points: int
    accuracy: int
    periodic: tuple[bool, ...]

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.lower)

    @property
    def shape(self) -> tuple[int, ...]:
        """Different nodes along each axis."""
        return tuple(self.points - periodic for periodic in self.periodic)

    @property
    def size(self) -> int:
        """The number of nodes."""
        return math.prod(self.shape)

    @cached_property
    def spacings(self) -> tuple[float, ...]:
        """h along each axis."""
        return tuple(
            (b - a) / (self.points - 1) for a, b in zip(self.lower, self.upper, strict=True)
        )

    @cached_property
    def nodes(self) -> Array:
        """(size, d)."""
        ends = zip(self.lower, self.upper, self.shape, strict=True)
        axes = [np.linspace(a, b, self.points)[:count] for a, b, count in ends]
        return np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """The position of each node along each axis, (size, d)."""
        return np.stack(np.unravel_index(np.arange(self.size), self.shape), axis=1)

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """Lower and upper side of each axis that has ends."""
        axes = [axis for axis, periodic in enumerate(self.periodic) if not periodic]
        return tuple(Side(axis, end) for axis, end in product(axes, (0, 1)))

    def nodes_of(self, side: Side) -> Indices:
        """The nodes on a side, its edges included."""
        return np.flatnonzero(self.indices[:, side.axis] == side.end * (self.points - 1))

    @cached_property
    def touching(self) -> NDArray[np.int64]:
        """How many sides each node is on, (size,)."""
        axes = [side.axis for side in self.sides]
        ends = [side.end * (self.points - 1) for side in self.sides]
        return np.asarray((self.indices[:, axes] == ends).sum(axis=1), np.int64)

    def inward(self, nodes: Indices) -> Indices:
        """The neighbours of nodes on the boundary, one layer in from *every* side they touch.

        A corner's neighbour along one axis alone would still be on the boundary.
        """
        inner = np.clip(self.indices[nodes], 1, self.points - 2)
        inner = np.where(self.periodic, self.indices[nodes], inner)
        return np.ravel_multi_index(tuple(inner.T), self.shape)

    def derivative(self, orders: Orders) -> sparse.csr_array:
        """D^orders at every node, (size, size): the Kronecker product of one matrix an axis."""
        factors = [
            periodic_matrix(count, spacing, order, self.accuracy)
            if periodic
            else differentiation_matrix(count, spacing, order, self.accuracy)
            for count, periodic, spacing, order in zip(
                self.shape, self.periodic, self.spacings, orders, strict=True
            )
        ]
        return sparse.csr_array(reduce(sparse.kron, factors))

    def quadrature(self) -> Array:
        """Weights (size,) of the integral over the box."""
        factors = [
            np.full(count, h) if periodic else quadrature_weights(count, h, self.accuracy)
            for count, periodic, h in zip(self.shape, self.periodic, self.spacings, strict=True)
        ]
        weights = factors[0]
        for factor in factors[1:]:
            weights = np.outer(weights, factor).ravel()
        return weights

    def interpolation(self, points: Array) -> sparse.csr_array:
        """Tensor Lagrange interpolation from the nodes to points (n, d), (n, size).

        Its order is two above that of the differences, so that it adds no error of its own.
        """
        columns, values = np.zeros((len(points), 1), np.intp), np.ones((len(points), 1))
        for axis, count in enumerate(self.shape):
            nodes, weights = self._local(points[:, axis], axis, min(self.accuracy + 4, count))
            columns = columns[:, :, None] * count + nodes[:, None, :]
            values = values[:, :, None] * weights[:, None, :]
            columns, values = columns.reshape(len(points), -1), values.reshape(len(points), -1)
        rows = np.repeat(np.arange(len(points)), columns.shape[1])
        entries = (values.ravel(), (rows, columns.ravel()))
        return sparse.csr_array(entries, shape=(len(points), self.size))

    def row_at(self, point: Sequence[float], orders: Orders) -> sparse.csr_array:
        """D^orders at any one point of the box, (1, size)."""
        factors = []
        for axis, order in enumerate(orders):
            length = self.shape[axis]
            count = min(order + self.accuracy + 2, length)
            position = (point[axis] - self.lower[axis]) / self.spacings[axis]
            start = self._start(np.array([position]), axis, count)[0]
            weights = finite_difference_weights(np.arange(float(count)), position - start, order)
            factor = np.zeros((1, length))
            factor[0, (start + np.arange(count)) % length] = (
                weights[-1] / self.spacings[axis] ** order
            )
            factors.append(sparse.csr_array(factor))
        return sparse.csr_array(reduce(sparse.kron, factors))

    def _start(self, positions: Array, axis: int, count: int) -> Indices:
        """The first of so many nodes around positions (n,), in spacings from the lower end."""
        start = np.round(positions - (count - 1) / 2).astype(np.intp)
        return start if self.periodic[axis] else np.clip(start, 0, self.points - count)

    def _local(self, places: Array, axis: int, count: int) -> tuple[Indices, Array]:
        """Nodes around places (n,) along an axis and their Lagrange weights, (n, count) each."""
        positions = (places - self.lower[axis]) / self.spacings[axis]
        start = self._start(positions, axis, count)
        nodes = (start[:, None] + np.arange(count)) % self.shape[axis]
        return nodes, interpolation_weights(positions - start, count)
