"""Solution of dense and sparse square systems, real and complex, that are solved many times."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import get_lapack_funcs
from scipy.sparse.linalg import splu

SINGULAR = float(np.finfo(float).eps)
"""The inverse condition number of a matrix that rounding alone keeps from having no inverse."""


class Singular(Exception):
    """The matrix has no inverse."""


class Factors:
    """A = L U with its rows scaled to a largest entry of one.

    Rows of conditions and of high derivatives differ by many orders of magnitude; unscaled, the
    choice of pivots says more about units than about the problem.

    Arguments:
        matrix: square, dense or sparse.

    Raises:
        Singular: it has a zero pivot, or its condition number is beyond all rounding.
    """

    def __init__(self, matrix: Any) -> None:
        top = largest(matrix)
        if not np.isfinite(top).all() or not top.all():
            raise Singular
        self._scale = 1.0 / top
        self._kind = matrix.dtype
        if sparse.issparse(matrix):
            self._sparse = _eliminate(sparse.diags_array(self._scale) @ matrix)
        else:
            self._sparse = None
            self._dense = _Triangles(self._scale[:, None] * matrix)

    def solve(self, right: NDArray[Any]) -> NDArray[Any]:
        """A^-1 right, (n,)."""
        real = self._kind.kind == "f"
        scaled = self._scale * (right.real if real else right)
        if self._sparse is not None:
            return np.asarray(self._sparse.solve(scaled))
        return self._dense.solve(scaled)


def largest(matrix: Any) -> NDArray[np.float64]:
    """The largest size in each row, (n,)."""
    top = abs(matrix).max(axis=1)
    return top.toarray().ravel() if sparse.issparse(top) else np.asarray(top).ravel()


class _Triangles:
    """L and U of a dense matrix.

    Columns are scaled as well: unknowns of very different sizes, such as a pressure beside
    velocities, would else look like a matrix without an inverse. By powers of two, which changes
    neither pivots nor roundings.
    """

    def __init__(self, matrix: NDArray[Any]) -> None:
        _, exponents = np.frexp(np.abs(matrix).max(axis=0))
        self._columns = np.ldexp(1.0, -exponents)
        matrix = matrix * self._columns
        factor, condition = get_lapack_funcs(("getrf", "gecon"), (matrix,))
        norm = np.abs(matrix).sum(axis=0).max()
        self._lu, self._pivots, info = factor(matrix, overwrite_a=True)
        if info > 0 or not condition(self._lu, norm)[0] >= SINGULAR:
            raise Singular

    def solve(self, right: NDArray[Any]) -> NDArray[Any]:
        """A^-1 right, (n,)."""
        (solve,) = get_lapack_funcs(("getrs",), (self._lu,))
        return self._columns * np.asarray(solve(self._lu, self._pivots, right)[0])


def _eliminate(matrix: Any) -> Any:
    try:
        # Rows of time derivatives have large diagonals; rows of odd derivatives still need pivots.
        return splu(matrix.tocsc(), diag_pivot_thresh=0.1, permc_spec="MMD_AT_PLUS_A")
    except RuntimeError as error:
        if "singular" in str(error):
            raise Singular from None
        raise
