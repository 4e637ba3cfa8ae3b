"""Finite-difference weights and differentiation matrices on a uniform grid.

    u^(m)(x_i)  ~  h^-m  sum_j  w_j u_(i + j)

Central weights inside; near an end, one-sided weights of the same order of accuracy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]


def finite_difference_weights(nodes: Array, point: float, order: int) -> Array:
    """Weights of the derivatives 0 to ``order`` at ``point`` of the polynomial through the nodes.

    The nodes are added one at a time and the weights of all the derivatives follow by recurrence
    (B. Fornberg, Mathematics of Computation 51, 1988, 699-706).

    Arguments:
        nodes: (k,), distinct, k > order.

    Returns:
        (order + 1, k).
    """
    weights = np.zeros((order + 1, len(nodes)))
    weights[0, 0] = 1.0
    derivatives = np.arange(1, order + 1)
    previous = 1.0
    for k in range(1, len(nodes)):
        gaps = nodes[k] - nodes[:k]
        product = float(np.prod(gaps))
        last = weights[:, k - 1].copy()
        behind, ahead = nodes[k - 1] - point, nodes[k] - point
        lower = np.concatenate([[0.0], derivatives * last[:-1]])
        weights[:, k] = previous / product * (lower - behind * last)
        lower = np.vstack([np.zeros(k), derivatives[:, None] * weights[:-1, :k]])
        weights[:, :k] = (ahead * weights[:, :k] - lower) / gaps
        previous = product
    return weights


def _reach(order: int, accuracy: int) -> int:
    """Neighbours on each side that a central difference takes."""
    return (2 * ((order + 1) // 2) - 1 + accuracy) // 2


def differentiation_matrix(
    points: int, spacing: float, order: int, accuracy: int
) -> sparse.csr_array:
    """The derivative of one order at every node of a uniform grid, (points, points)."""
    if order == 0:
        return sparse.csr_array(sparse.diags_array(np.ones(points)))
    reach = _reach(order, accuracy)
    skewed = order + accuracy
    central = finite_difference_weights(np.arange(-reach, reach + 1.0), 0.0, order)[-1]
    matrix = sparse.lil_array((points, points))
    for i in range(reach):
        row = finite_difference_weights(np.arange(float(skewed)), float(i), order)[-1]
        matrix[i, :skewed] = row
        matrix[points - 1 - i, points - skewed :] = (-1) ** order * row[::-1]
    for i in range(reach, points - reach):
        matrix[i, i - reach : i + reach + 1] = central
    return sparse.csr_array(matrix / spacing**order)


def periodic_matrix(points: int, spacing: float, order: int, accuracy: int) -> sparse.csr_array:
    """The same on a grid whose first node follows the last one, with central weights throughout."""
    if order == 0:
        return sparse.csr_array(sparse.diags_array(np.ones(points)))
    reach = _reach(order, accuracy)
    central = finite_difference_weights(np.arange(-reach, reach + 1.0), 0.0, order)[-1]
    rows = np.repeat(np.arange(points), len(central))
    columns = (np.arange(points)[:, None] + np.arange(-reach, reach + 1)) % points
    entries = (np.tile(central, points) / spacing**order, (rows, columns.ravel()))
    return sparse.csr_array(entries, shape=(points, points))


def interpolation_weights(offsets: Array, count: int) -> Array:
    """Lagrange weights of ``count`` unit-spaced nodes 0, 1, ... at positions (n,): (n, count)."""
    nodes = np.arange(float(count))
    weights = np.ones((len(offsets), count))
    for j in range(count):
        for k in range(count):
            if k != j:
                weights[:, j] *= (offsets - nodes[k]) / (nodes[j] - nodes[k])
    return weights


def quadrature_weights(points: int, spacing: float, accuracy: int) -> Array:
    """Weights (points,) that integrate a smooth function to the order of the differences.

    The trapezium rule with end corrections: sum w f = h (f_0/2 + f_1 + ... + f_N/2) minus
    h^2/12 (f'_N - f'_0), with one-sided differences for f' in the corrected rule.
    """
    weights = np.full(points, spacing)
    weights[[0, -1]] *= 0.5
    if accuracy > 2:
        ends = finite_difference_weights(np.arange(4.0), 0.0, 1)[-1] * spacing / 12.0
        weights[:4] += ends
        weights[-4:] += ends[::-1]
    return weights
