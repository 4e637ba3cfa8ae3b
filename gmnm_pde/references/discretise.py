"""A linear scalar problem on a grid: one row a node, and the sparse solution of the rows.

Inside, a node's row is the equation, sum_alpha a_alpha D_alpha u = f, whose coefficients are read
off the residual by linearising it; on the boundary it is a condition. A second condition on a side
(fourth-order equations) takes the rows of the first layer of nodes inside, where the equation's own
stencils would reach beyond the boundary; a boundary node without a condition (first-order
equations) keeps the equation, with one-sided differences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from gmnm_pde.assembly import Block, Linearised, at_zero, is_linear
from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders, Residual
from gmnm_pde.geometry.domain import SIDE_NAMES
from gmnm_pde.problem import Condition, Equation, IntegralCondition, Problem
from gmnm_pde.references.grid import Grid, Indices, Side
from gmnm_pde.references.sparse_solve import solve_sparse
from gmnm_pde.references.stencils import Array

HIGHEST_ORDER = 4
Matrices = Callable[[Orders], sparse.csr_array]


@dataclass(frozen=True)
class Rows:
    """Linear equations for the values at the nodes, matrix (n, size) @ u = right (n,).

    Arguments:
        order: of the highest derivative in them.
        plain: (n,), whether a row holds no derivative, as in a Dirichlet condition.
    """

    matrix: sparse.csr_array
    right: Array
    order: int
    plain: NDArray[np.bool_]

    def __getitem__(self, which: Indices | NDArray[np.bool_]) -> Rows:
        return Rows(self.matrix[which], self.right[which], self.order, self.plain[which])


@dataclass(frozen=True)
class Claim:
    """The rows of one condition at the nodes of one side."""

    condition: int
    side: Side
    nodes: Indices
    rows: Rows


def solve_on_grid(problem: Problem, grid: Grid) -> Array:
    """The values at the nodes, (size,).

    Raises:
        InputError: the problem is not linear, or its conditions do not determine a solution.
    """
    matrices = cache(grid.derivative)
    placed = _place(problem, grid, list(_claims(problem, grid, matrices)))
    taken = np.concatenate([nodes for nodes, _ in placed]) if placed else np.empty(0, np.intp)
    free = np.setdiff1d(np.arange(grid.size), taken)
    equation = cast(Equation, problem.equations[0])
    rows = _rows(problem, grid, equation.label, equation.residual, free, matrices)
    placed.append((free, rows))
    order = np.argsort(np.concatenate([nodes for nodes, _ in placed]))
    matrix = sparse.vstack([part.matrix for _, part in placed], format="csr")[order]
    right = np.concatenate([part.right for _, part in placed])[order]
    scale = 1.0 / np.maximum(abs(matrix).max(axis=1).toarray().ravel(), np.finfo(float).tiny)
    matrix, right = sparse.diags_array(scale) @ matrix, scale * right
    slack = np.isin(np.arange(grid.size), free).astype(float)
    matrix, right = _fix_constant(problem, grid, matrix, right, slack, matrices)
    even = rows.order % 2 == 0
    return solve_sparse(matrix, right, even=even, iterative=grid.dimension > 2)[: grid.size]


def _rows(
    problem: Problem,
    grid: Grid,
    label: str,
    residual: Residual,
    nodes: Indices,
    matrices: Matrices,
    side: Side | None = None,
) -> Rows:
    """A residual at some nodes as rows."""
    lin = _linearise(problem, label, residual, grid.nodes[nodes], grid, side)
    matrix = sparse.csr_array((len(nodes), grid.size))
    plain = np.ones(len(nodes), bool)
    highest = 0
    for (_, orders), a in lin.coefficients.items():
        matrix = matrix + sparse.diags_array(a.numpy()) @ matrices(orders)[nodes]
        if sum(orders):
            plain &= a.numpy() == 0.0
            highest = max(highest, sum(orders))
    if highest > HIGHEST_ORDER:
        raise InputError(
            f"finite differences go to derivatives of order {HIGHEST_ORDER}, {label!r} has one of "
            f"order {highest}.",
            mend="Give another reference.",
        )
    return Rows(matrix, -lin.residual.numpy(), highest, plain)


def _linearise(
    problem: Problem, label: str, residual: Residual, at: Array, grid: Grid, side: Side | None
) -> Linearised:
    """Coefficients and right-hand side of a linear residual at points (n, d)."""
    points = torch.from_numpy(at)
    normals = None if side is None else torch.from_numpy(np.tile(grid.normal(side), (len(at), 1)))
    block = Block("equation", label, residual, points, torch.ones(len(at)), normals)
    lin = at_zero(problem, block)
    for values in (lin.residual, *lin.coefficients.values()):
        if not torch.isfinite(values).all():
            point = at[int((~torch.isfinite(values)).nonzero()[0, 0])]
            raise InputError(
                f"{label!r} is not finite at ({', '.join(f'{x:g}' for x in point)}), a node of the "
                "finite-difference grid.",
                mend="Give another reference, or a coefficient that is finite there.",
            )
    if not is_linear(problem, _some_of(block, 64)):
        raise InputError(
            f"finite differences solve linear equations only, {label!r} is not linear.",
            mend="Give an exact solution or a file as the reference.",
        )
    return lin


def _some_of(block: Block, count: int) -> Block:
    """A block at some of its points, spread over all of them."""
    step = max(1, len(block.points) // count)
    normals = None if block.normals is None else block.normals[::step]
    return Block(
        block.kind,
        block.label,
        block.residual,
        block.points[::step],
        block.weights[::step],
        normals,
    )


def _claims(problem: Problem, grid: Grid, matrices: Matrices) -> chain[Claim]:
    """The rows of every condition on every side that it names."""

    def of_condition(index: int, condition: Condition) -> list[Claim]:
        found = []
        for side in _sides_of(condition, grid):
            nodes = grid.nodes_of(side)
            if condition.where is not None:
                nodes = nodes[_true_at(problem, condition.where, grid.nodes[nodes])]
            if len(nodes):
                rows = _rows(
                    problem, grid, condition.label, condition.residual, nodes, matrices, side
                )
                found.append(Claim(index, side, nodes, rows))
        return found

    conditions = enumerate(problem.conditions)
    return chain.from_iterable(
        of_condition(i, c) for i, c in conditions if isinstance(c, Condition)
    )


def _sides_of(condition: Condition, grid: Grid) -> list[Side]:
    """The sides of the box that a condition names; none for a point inside."""
    at = (condition.at,) if isinstance(condition.at, str) else condition.at
    if "boundary" in at:
        return list(grid.sides)
    if grid.dimension == 1 and not isinstance(at[0], str):
        ends = (grid.lower[0], grid.upper[0])
        return [side for side in grid.sides if at[0] == ends[side.end]]
    return [
        side
        for side in grid.sides
        if side.axis < len(SIDE_NAMES) and SIDE_NAMES[side.axis][side.end] in at
    ]


def _true_at(problem: Problem, where: Residual, at: Array) -> NDArray[np.bool_]:
    points = torch.from_numpy(at)

    def zero(unknown: str, orders: Orders) -> Tensor:
        return points.new_zeros(len(points))

    return np.asarray(where(problem.jet(points, zero)).numpy() != 0.0)


def _place(problem: Problem, grid: Grid, claims: list[Claim]) -> list[tuple[Indices, Rows]]:
    """Which nodes take which rows of the conditions.

    A node on several sides (a corner) takes a Dirichlet condition if one of them has one.
    """
    owner = np.full(grid.size, -1)
    placed: list[tuple[Indices, Rows]] = []
    for dirichlet in (True, False):
        for claim in claims:
            mine = (claim.rows.plain == dirichlet) & (owner[claim.nodes] < 0)
            owner[claim.nodes[mine]] = claim.condition
            placed.append((claim.nodes[mine], claim.rows[mine]))
    touching = (
        (grid.indices == 0).astype(int) + (grid.indices == grid.points - 1).astype(int)
    ).sum(axis=1)
    for claim in claims:
        second = (owner[claim.nodes] != claim.condition) & (touching[claim.nodes] == 1)
        inner = grid.inward(claim.nodes[second], claim.side)
        if len(inner) and (owner[inner] >= 0).all():
            raise InputError(
                "finite differences take at most two conditions on a side, there are more.",
                mend="Give another reference.",
            )
        _, first = np.unique(inner, return_index=True)
        first = first[owner[inner[first]] < 0]
        owner[inner[first]] = claim.condition
        placed.append((inner[first], claim.rows[np.flatnonzero(second)[first]]))
    return placed


def _fix_constant(
    problem: Problem,
    grid: Grid,
    matrix: sparse.csr_array,
    right: Array,
    slack: Array,
    matrices: Matrices,
) -> tuple[sparse.csr_array, Array]:
    """Where the rows leave a constant free (pure Neumann conditions), the row that fixes it.

    It is the problem's own integral or point condition, or a mean of zero. The square system it is
    bordered to has one more unknown, a constant added to the equation, which takes up what the
    differences violate of the solvability condition.
    """
    extra = _extra_rows(problem, grid, matrices)
    if np.abs(matrix.sum(axis=1)).max() > 1e-9:
        if extra:
            raise InputError(
                f"the conditions on the boundary determine the solution, {extra[0][0]!r} is one "
                "condition too many for finite differences.",
                mend="Remove it, or give another reference.",
            )
        return matrix, right
    if len(extra) > 1:
        raise InputError(
            "finite differences take one integral or point condition, there are "
            f"{len(extra)}: {', '.join(repr(label) for label, _, _ in extra)}.",
            mend="Keep one of them.",
        )
    mean = ("mean", sparse.csr_array(grid.quadrature()[None]), 0.0)
    _, row, value = extra[0] if extra else mean
    scale = 1.0 / abs(row).max()
    corner = sparse.csr_array((1, 1))
    top = sparse.hstack([matrix, sparse.csr_array(slack[:, None])])
    bottom = sparse.hstack([scale * row, corner])
    return sparse.csr_array(sparse.vstack([top, bottom])), np.append(right, scale * value)


def _extra_rows(
    problem: Problem, grid: Grid, matrices: Matrices
) -> list[tuple[str, sparse.csr_array, float]]:
    """Integral conditions, and conditions at a point, as (label, (1, size), value)."""
    found = []
    for condition in problem.conditions:
        if isinstance(condition, IntegralCondition):
            everywhere = np.arange(grid.size)
            rows = _rows(problem, grid, condition.label, condition.integrand, everywhere, matrices)
            weights = grid.quadrature()
            row = sparse.csr_array(weights[None]) @ rows.matrix
            found.append((condition.label, row, condition.equals + float(weights @ rows.right)))
        elif not isinstance(condition.at[0], str) and not _sides_of(condition, grid):
            point = [float(x) for x in condition.at]
            lin = _linearise(
                problem, condition.label, condition.residual, np.array([point]), grid, None
            )
            row = sparse.csr_array((1, grid.size))
            for (_, orders), a in lin.coefficients.items():
                row = row + float(a) * grid.row_at(point, orders)
            found.append((condition.label, row, -float(lin.residual)))
    return found
