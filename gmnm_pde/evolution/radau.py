"""Radau IIA collocation of F(t, c, c', c'') = 0 (Hairer & Wanner, Solving Ordinary Differential
Equations II, IV.5 and IV.8; Axelsson, BIT 9, 1969).

On a step of length h the highest derivative is a polynomial with values y_1..y_s at the nodes
tau_1 < ... < tau_s = 1, lower ones follow by integration, c^(o-1)_i = c^(o-1)_0 + h sum_k A_ik y_k,
and F = 0 at every node. Nothing has to be solved for c': equations without a time derivative
(constraints, boundary conditions) are rows like others. The method is L-stable, of order 2s - 1 at
the end of a step and s + 1 inside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Part:
    """Some of the eigenvalues of A, (k,), their eigenvectors, (s, k), and the rows of the inverse
    of all eigenvectors that belong to them, (k, s)."""

    values: Tensor
    vectors: Tensor
    inverse: Tensor


@dataclass(frozen=True)
class Tableau:
    """Nodes and matrices of s stages.

    Arguments:
        nodes: tau, (s,).
        A: (s, s).
        parts: the eigenvalues of A: the real one, and one of every conjugate pair, with a positive
            imaginary part.
        check: a time in (0, 1) at which the equations are not imposed.
        constant: error of c over h times the filtered defect at ``check``.
        back, inside: what extrapolates from the nodes to the start, (s,), and interpolates to
            ``check``.
        path, slope: what interpolates from the start and the nodes to ``check``, (s + 1,), and
            differentiates there.
    """

    nodes: Tensor
    A: Tensor
    parts: tuple[Part, Part]
    check: float
    constant: float
    back: Tensor
    inside: Tensor
    path: Tensor
    slope: Tensor

    @property
    def stages(self) -> int:
        """s."""
        return len(self.nodes)


@cache
def tableau(stages: int) -> Tableau:
    """The tableau of an odd number of stages; an odd one has a real eigenvalue."""
    if stages % 2 == 0:
        raise ValueError("an odd number of stages is needed for the error estimate")
    nodes = radau_nodes(stages)
    # A integrates the Lagrange polynomials of the nodes: in a Legendre basis, which is well
    # conditioned, V[i, k] = P_k(2 tau_i - 1), and I[i, k] its integral from 0 to tau_i.
    x = 2 * nodes - 1
    V = np.polynomial.legendre.legvander(x, stages - 1)
    integrals = np.stack(
        [
            0.5 * np.polynomial.legendre.legval(x, np.polynomial.legendre.legint(unit, lbnd=-1))
            for unit in np.eye(stages)
        ],
        axis=1,
    )
    A = integrals @ np.linalg.inv(V)
    check, constant = _defect_check(nodes)
    with_start = np.concatenate([[0.0], nodes])
    return Tableau(
        torch.from_numpy(nodes), torch.from_numpy(A), _eigenvalues(A), check, constant,
        lagrange(nodes, 0.0), lagrange(nodes, check), lagrange(with_start, check),
        _slopes(with_start, check),
    )  # fmt: skip


def _eigenvalues(A: np.ndarray) -> tuple[Part, Part]:
    values, vectors = np.linalg.eig(A)
    inverse = np.linalg.inv(vectors)
    real = int(np.argmin(np.abs(values.imag)))
    # Of a real eigenvalue all is real up to one complex factor, which the product loses.
    phase = vectors[np.abs(vectors[:, real]).argmax(), real]
    pairs = np.flatnonzero((values.imag > 0) & (np.arange(len(A)) != real))
    tensor = torch.from_numpy
    return (
        Part(
            tensor(values[[real]].real),
            tensor((vectors[:, [real]] / phase).real),
            tensor((inverse[[real]] * phase).real),
        ),
        Part(tensor(values[pairs]), tensor(vectors[:, pairs]), tensor(inverse[pairs])),
    )


def lagrange(nodes: np.ndarray, at: float | np.ndarray) -> Tensor:
    """The Lagrange polynomials of nodes at a point, (nodes,), or at points, (points, nodes)."""
    at = np.asarray(at)[..., None]
    columns = [
        np.prod((at - others) / (node - others), axis=-1)
        for node, others in ((node, np.delete(nodes, i)) for i, node in enumerate(nodes))
    ]
    return torch.from_numpy(np.stack(columns, -1))


def _slopes(nodes: np.ndarray, at: float) -> Tensor:
    """The derivatives of the Lagrange polynomials of nodes at a point, (nodes,)."""
    rows = [np.polynomial.Polynomial.fromroots(np.delete(nodes, i)) for i in range(len(nodes))]
    return torch.tensor([p.deriv()(at) / p(node) for p, node in zip(rows, nodes, strict=True)])


def radau_nodes(stages: int) -> np.ndarray:
    """Zeros of P_s(x) - P_(s-1)(x), mapped to (0, 1]; the last one is 1."""
    coefficients = np.zeros(stages + 1)
    coefficients[-1], coefficients[-2] = 1.0, -1.0
    roots = np.sort(np.polynomial.legendre.legroots(coefficients).real)
    roots[-1] = 1.0
    return 0.5 * (roots + 1)


def _defect_check(nodes: np.ndarray) -> tuple[float, float]:
    """Where the defect is looked at, and what the error is for a defect of one there.

    The defect of a smooth solution is K prod(tau - tau_i), that of the error its integral.
    """
    fine = np.linspace(0.0, 1.0, 2001)
    defect = np.prod(fine[:, None] - nodes, axis=1)
    error = np.concatenate([[0.0], np.cumsum(0.5 * (defect[1:] + defect[:-1]))]) * (fine[1])
    middle = 0.5 * (nodes[:-1] + nodes[1:])
    at = middle[np.argmax(np.abs(np.prod(middle[:, None] - nodes, axis=1)))]
    return float(at), float(np.abs(error).max() / np.abs(np.prod(at - nodes)))
