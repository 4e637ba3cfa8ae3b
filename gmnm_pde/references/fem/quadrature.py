"""Quadrature on simplices, from scikit-fem."""

from __future__ import annotations

from functools import cache

import numpy as np

from gmnm_pde.extras import extra
from gmnm_pde.references.stencils import Array


def need_skfem() -> None:
    """Refuse in words where scikit-fem is not installed.

    Raises:
        InputError: it is not.
    """
    extra("skfem", "fem", "finite elements")


@cache
def on_cells(dimension: int, order: int) -> tuple[Array, Array]:
    """Barycentric coordinates (q, d + 1) and weights (q,) exact for polynomials of an order."""
    need_skfem()
    from skfem.quadrature import get_quadrature
    from skfem.refdom import RefLine, RefTet, RefTri

    points, weights = get_quadrature({1: RefLine, 2: RefTri, 3: RefTet}[dimension], order)
    return np.column_stack([1.0 - points.sum(axis=0), points.T]), weights


@cache
def on_side(dimension: int, order: int, local: int) -> tuple[Array, Array]:
    """The same on the side of a cell opposite to one of its vertices."""
    if dimension == 1:
        at, weights = np.ones((1, 1)), np.ones(1)
    else:
        at, weights = on_cells(dimension - 1, order)
    return np.insert(at, local, 0.0, axis=1), weights
