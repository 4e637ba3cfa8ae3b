"""Collocation at Radau points: nodes, slopes and the eigenvalues that separate its stages.

The points are the right zeros of a difference of two Legendre polynomials, which makes the method
L-stable and of order 2 s - 1 at the end of a step (E. Hairer and G. Wanner, Solving Ordinary
Differential Equations II, section IV.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gmnm_pde.references.stencils import Array


@dataclass(frozen=True)
class Rule:
    """Collocation at s points.

    Arguments:
        nodes: 0, c_1, ..., c_s, (s + 1,).
        slopes: (s, s + 1), the derivative at c_1..c_s of the polynomial through all nodes.
        values: eigenvalues of slopes[:, 1:], of each conjugate pair the one above the real axis.
        vectors, inverse: all eigenvectors (s, s) and the rows of their inverse for ``values``.
        legendre: (s + 1, s + 1), values at the nodes -> coefficients of Legendre polynomials.
    """

    nodes: Array
    slopes: Array
    values: NDArray[np.complex128]
    vectors: NDArray[np.complex128]
    inverse: NDArray[np.complex128]
    legendre: Array

    @property
    def first(self) -> Array:
        """Weights (s,) of the value at 0 of the polynomial through c_1..c_s alone."""
        x = 2.0 * self.nodes - 1.0
        degree = len(x) - 2
        vandermonde = np.polynomial.legendre.legvander(x, degree)
        return np.asarray(np.linalg.solve(vandermonde[1:].T, vandermonde[0]))

    def values_at(self, places: Array) -> Array:
        """Weights (k, s + 1) of the polynomial through all nodes at places c, (k,)."""
        degree = len(self.nodes) - 1
        return np.polynomial.legendre.legvander(2.0 * places - 1.0, degree) @ self.legendre


@cache
def radau(stages: int) -> Rule:
    """The rule of s points."""
    tops = np.polynomial.legendre.Legendre.basis
    inner = np.sort((tops(stages - 1) - tops(stages)).roots().real)[:-1]
    nodes = np.concatenate([[0.0], (inner + 1.0) / 2.0, [1.0]])
    x = 2.0 * nodes - 1.0
    vandermonde = np.polynomial.legendre.legvander(x, stages)
    legendre = np.asarray(np.linalg.inv(vandermonde), np.float64)
    rates = np.stack([2.0 * tops(k).deriv()(x) for k in range(stages + 1)], axis=1)
    slopes = (rates @ legendre)[1:]
    values, vectors = np.linalg.eig(slopes[:, 1:])
    above = values.imag > 1e-9
    real = np.abs(values.imag) <= 1e-9
    inverse = np.linalg.inv(vectors)
    kept = np.concatenate([np.flatnonzero(real), np.flatnonzero(above)])
    # A conjugate pair contributes twice the real part of one of the two.
    double = np.where(values[kept].imag > 1e-9, 2.0, 1.0)
    return Rule(nodes, slopes, values[kept], vectors[:, kept] * double, inverse[kept], legendre)
