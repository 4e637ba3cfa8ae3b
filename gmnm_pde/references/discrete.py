"""A problem whose unknowns are values at nodes: residual rows and their Jacobian.

    r(t, U, dU/dt, d2U/dt2) = 0

Every row is a pointwise residual of the problem at one point of space; every derivative in space
that it asks for is a matrix times the values at the nodes. Nothing is solved for a derivative in
time, so conditions and equations without one are rows like others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Jet, Orders, Residual, State
from gmnm_pde.integrals import integrates
from gmnm_pde.linearised import Block, Linearised, linearise
from gmnm_pde.problem import Problem
from gmnm_pde.quadrature import Quadrature
from gmnm_pde.references.stencils import Array

Matrix = Any
"""A dense array or a sparse one; a grid has one kind throughout."""


@dataclass(frozen=True)
class Patch:
    """The rows of one residual at some points of space.

    Arguments:
        points: (n, d), without time.
        matrix: (number of the unknown, orders in space) -> (n, size of that unknown).
        normals: (n, d), on a boundary.
        average: (n,), combines all points into one row (an integral).
        offset: subtracted from that row.
        slack: number of the constant that is added to the rows, see :class:`Discrete`.
    """

    label: str
    residual: Residual
    points: Array
    matrix: Callable[[int, Orders], Matrix]
    normals: Array | None = None
    average: Array | None = None
    offset: float = 0.0
    slack: int | None = None

    @property
    def rows(self) -> int:
        """How many rows it makes."""
        return 1 if self.average is not None else len(self.points)


@dataclass(frozen=True, eq=False)
class Discrete:
    """Rows for the values of all unknowns at their nodes, one unknown after the other.

    A condition on an integral or at a point comes on top of rows that leave a constant free (pure
    Neumann conditions, a pressure). Each brings one more number, a constant added to an equation,
    which takes up what the rows violate of their solvability condition.

    Arguments:
        sizes: nodes of each unknown.
        slacks: how many such constants.
        inside: the patch whose average is an integral over the domain, for residuals that hold
            integrals.
        sparse: whether the matrices of the patches are.
        places: (size,), the number that each row, patch by patch, belongs to; the rows are in that
            order, which keeps large entries of sparse matrices on the diagonal.
    """

    problem: Problem
    patches: tuple[Patch, ...]
    sizes: tuple[int, ...]
    inside: Patch
    slacks: int = 0
    sparse: bool = False
    places: NDArray[np.intp] | None = None

    @property
    def size(self) -> int:
        """Numbers that are solved for."""
        return sum(self.sizes) + self.slacks

    @cached_property
    def parts(self) -> tuple[slice, ...]:
        """Where each unknown stands among them."""
        ends = np.cumsum(self.sizes)
        return tuple(slice(int(e) - n, int(e)) for e, n in zip(ends, self.sizes, strict=True))

    def residual(self, times: Array | None, values: Sequence[Array]) -> Array:
        """r at k times at once, (k, rows).

        Arguments:
            times: (k,), None for a steady problem.
            values: one array (k, size) for each order of the derivative in time, from 0.
        """
        rows = [self._rows(patch, times, values) for patch in self.patches]
        return np.concatenate(rows, axis=1)[:, self._order]

    def jacobian(self, time: float | None, values: Sequence[Array]) -> list[Matrix]:
        """dr/dU, dr/d(dU/dt), ... at one time, each (rows, size)."""
        blocks = [self._block(patch, time, values) for patch in self.patches]
        columns = zip(*blocks, strict=True)
        if self.sparse:
            return [sparse.vstack(parts, format="csr")[self._order] for parts in columns]
        return [np.vstack(parts) for parts in columns]

    @cached_property
    def _order(self) -> slice | NDArray[np.intp]:
        return slice(None) if self.places is None else np.argsort(self.places)

    def slack_shares(self, time: float | None, values: Sequence[Array]) -> Array:
        """Each added constant over the largest term of its equation, (slacks,).

        Arguments:
            values: of one time, each (size,).
        """
        shares = np.zeros(self.slacks)
        for patch in self.patches:
            if patch.slack is not None:
                points = _points(patch, None if time is None else np.array([time]))
                lin = self._linearise(patch, points, [value[None] for value in values])
                leaf = self._leaves(patch, [value[None] for value in values])
                terms = [a * leaf(*key) for key, a in lin.coefficients.items()]
                top = max([float(term.abs().max()) for term in terms] + [1e-300])
                shares[patch.slack] = abs(values[0][sum(self.sizes) + patch.slack]) / top
        return shares

    def check_finite(self, time: float | None, values: Sequence[Array]) -> None:
        """Refuse a residual that is not finite at a node.

        Raises:
            InputError: it names the equation and the point.
        """
        for patch in self.patches:
            points = _points(patch, None if time is None else np.array([time]))
            lin = self._linearise(patch, points, [value[None] for value in values])
            for found in (lin.residual, *lin.coefficients.values()):
                bad = ~torch.isfinite(found)
                if bool(bad.any()):
                    at = ", ".join(f"{x:g}" for x in points[int(bad.nonzero()[0, 0])].tolist())
                    raise InputError(
                        f"{patch.label!r} is not finite at ({at}), a node of the reference's grid.",
                        mend="Give another reference, or a coefficient that is finite there.",
                    )

    def _rows(self, patch: Patch, times: Array | None, values: Sequence[Array]) -> Array:
        points = _points(patch, times)
        around = self._around(patch, times, values)
        leaves, normals = self._leaves(patch, values), _normals(patch, points)
        jet = self.problem.jet(points, leaves, normals, *around)
        with torch.no_grad():
            found = patch.residual(jet).detach().numpy()
        rows = found.reshape(len(values[0]), len(patch.points))
        if patch.average is not None:
            rows = (rows @ patch.average)[:, None] - patch.offset
        if patch.slack is not None:
            rows = rows + values[0][:, sum(self.sizes) + patch.slack, None]
        return np.asarray(rows)

    def _block(self, patch: Patch, time: float | None, values: Sequence[Array]) -> list[Matrix]:
        """The rows of one patch in each dr/d(d^k U/dt^k)."""
        points = _points(patch, None if time is None else np.array([time]))
        lin = self._linearise(patch, points, [value[None] for value in values])
        timed = time is not None
        blocks = []
        for order in range(len(values)):
            columns = []
            for j, name in enumerate(self.problem.unknowns):
                terms = [
                    _scale_rows(a.numpy(), patch.matrix(j, alpha[:-1] if timed else alpha))
                    for (other, alpha), a in lin.coefficients.items()
                    if other == name and (alpha[-1] if timed else 0) == order
                ]
                terms += self._integral_terms(lin, j, order)
                columns.append(reduce(_add, terms) if terms else None)
            blocks.append(self._assemble(patch, columns, order))
        return blocks

    def _assemble(self, patch: Patch, columns: Sequence[Matrix | None], order: int) -> Matrix:
        """Columns of all unknowns and of the added constants side by side."""
        average = patch.average
        if average is not None:
            columns = [None if part is None else (average @ part)[None] for part in columns]
        slack = np.zeros((patch.rows, self.slacks))
        if patch.slack is not None and order == 0:
            slack[:, patch.slack] = 1.0
        sizes = zip(columns, self.sizes, strict=True)
        if self.sparse:
            empty = [sparse.csr_array((patch.rows, n)) for n in self.sizes]
            parts = [e if part is None else part for e, part in zip(empty, columns, strict=True)]
            return sparse.hstack([sparse.csr_array(p) for p in (*parts, slack)], format="csr")
        dense = [np.zeros((patch.rows, n)) if part is None else part for part, n in sizes]
        return np.hstack([*dense, slack])

    def _integral_terms(self, lin: Linearised, unknown: int, order: int) -> list[Matrix]:
        """The parts of rank one that integrals have in dr/d(d^k U/dt^k) of an unknown."""
        timed, average = self.problem.time is not None, self.inside.average
        assert average is not None
        terms = []
        for term in lin.terms:
            for (name, alpha), a in term.lin.coefficients.items():
                mine = name == self.problem.unknowns[unknown]
                if not mine or (alpha[-1] if timed else 0) != order:
                    continue
                matrix = self.inside.matrix(unknown, alpha[:-1] if timed else alpha)
                slope = (average * a.numpy()) @ matrix
                outer = np.outer(term.factor.numpy(), slope)
                terms.append(sparse.csr_array(outer) if self.sparse else outer)
        return terms

    def _linearise(self, patch: Patch, points: Tensor, values: Sequence[Array]) -> Linearised:
        weights = points.new_ones(len(points))
        normals = _normals(patch, points)
        times = None if self.problem.time is None else points[:1, -1].numpy()
        state, rule = self._around(patch, times, values)
        block = Block(
            "equation", patch.label, patch.residual, points, weights, normals, quadrature=rule
        )
        return linearise(self.problem, block, self._leaves(patch, values), state)

    def _around(
        self, patch: Patch, times: Array | None, values: Sequence[Array]
    ) -> tuple[State | None, Quadrature | None]:
        """Values at the points of integrals, and what these are at the points of a patch."""
        if not self._integrates:
            return None, None
        assert self.inside.average is not None
        each = torch.eye(1 if times is None else len(times), dtype=torch.float64)
        rule = Quadrature(
            _points(self.inside, times),
            torch.kron(each, torch.from_numpy(self.inside.average)[None]),
            each.repeat_interleave(len(patch.points), 0),
        )
        return lambda points: self._leaves(self.inside, values), rule

    @cached_property
    def _integrates(self) -> bool:
        """Whether any residual holds an integral."""
        return any(
            integrates(
                self.problem,
                Block(
                    "equation",
                    patch.label,
                    patch.residual,
                    points := _points(patch, None if time is None else np.array(time[:1])),
                    points.new_ones(len(points)),
                    _normals(patch, points),
                ),
            )
            for time in [self.problem.time]
            for patch in self.patches
        )

    def _leaves(self, patch: Patch, values: Sequence[Array]) -> Callable[[str, Orders], Tensor]:
        timed = self.problem.time is not None

        def leaf(name: str, orders: Orders) -> Tensor:
            j = self.problem.unknowns.index(name)
            space, order = (orders[:-1], orders[-1]) if timed else (orders, 0)
            nodes = values[order][:, self.parts[j]]
            found = (patch.matrix(j, space) @ nodes.T).T
            return torch.from_numpy(np.ascontiguousarray(found)).view(-1)

        return leaf


def one(jet: Jet) -> Tensor:
    """The integrand 1, for a patch of which only the points and the average matter."""
    return torch.ones_like(jet.points[:, 0])


def _points(patch: Patch, times: Array | None) -> Tensor:
    """The points at all times, time by time, (k n, d + 1); (n, d) of a steady problem."""
    if times is None:
        return torch.from_numpy(patch.points)
    n = len(patch.points)
    stacked = np.column_stack([np.tile(patch.points, (len(times), 1)), np.repeat(times, n)])
    return torch.from_numpy(stacked)


def _normals(patch: Patch, points: Tensor) -> Tensor | None:
    """Normals at all times; they have no component in time."""
    if patch.normals is None:
        return None
    normals = torch.zeros_like(points)
    repeat = len(points) // len(patch.points)
    normals[:, : patch.normals.shape[1]] = torch.from_numpy(patch.normals).repeat(repeat, 1)
    return normals


def _scale_rows(factors: NDArray[np.float64], matrix: Matrix) -> Matrix:
    if sparse.issparse(matrix):
        return sparse.diags_array(factors) @ matrix
    return factors[:, None] * matrix


def _add(left: Matrix, right: Matrix) -> Matrix:
    return left + right
