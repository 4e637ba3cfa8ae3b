"""The weak form assembled on a mesh: Newton's residual and its matrix.

On the boundary F . n is replaced by what the conditions make of it. With c(u, grad u) = 0 the
conditions on derivatives there, N = d(F . n)/d(u_n), B = dc/d(u_n) and P the projection on the
directions that conditions on values leave free, it is

    P F . n - K c ,     K B = P N ,

which no longer contains u_n, whatever combination of fluxes a condition is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from gmnm_pde.errors import InputError
from gmnm_pde.problem import Condition, IntegralCondition
from gmnm_pde.references.claims import dependence
from gmnm_pde.references.fem.lagrange import Indices
from gmnm_pde.references.fem.mesh import Places, outward, place
from gmnm_pde.references.fem.outline import boundary_conditions
from gmnm_pde.references.fem.pointwise import condition_at, form_at
from gmnm_pde.references.fem.quadrature import on_cells, on_side
from gmnm_pde.references.fem.roles import MEND, Roles, residual_of
from gmnm_pde.references.fem.spaces import Spaces
from gmnm_pde.references.stencils import Array

TOGETHER = 60_000
"""Points that are assembled at once."""

MATCHES = 1e-6


@dataclass(frozen=True, eq=False)
class Edge:
    """Sides of cells with the same conditions, on the same side of the cells.

    Arguments:
        values, slopes: the conditions on values, and those on derivatives.
    """

    cells: Indices
    local: int
    values: tuple[Condition, ...]
    slopes: tuple[Condition, ...]


@dataclass(frozen=True, eq=False)
class Galerkin:
    """A problem on a mesh. The numbers that are solved for are those of the spaces, then one for
    each condition on an integral or at a point: a constant added to an equation."""

    roles: Roles
    spaces: Spaces

    @property
    def size(self) -> int:
        """Numbers that are solved for."""
        return self.spaces.size + len(self.roles.extra)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """The boundary in groups.

        Raises:
            InputError: a condition of second derivatives.
        """
        facets, found = self.spaces.mesh.facets, []
        kinds = {number: self._order(c) for number, c in boundary_conditions(self.roles.problem)}
        groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for f, held in enumerate(facets.conditions):
            groups.setdefault((int(facets.local[f]), held), []).append(f)
        for (local, held), some in groups.items():
            conditions = [self.roles.problem.conditions[number] for number in held]
            given = [c for c in conditions if isinstance(c, Condition)]
            orders = [kinds[number] for number in held]
            values = tuple(c for c, order in zip(given, orders, strict=True) if order == 0)
            slopes = tuple(c for c, order in zip(given, orders, strict=True) if order == 1)
            found.append(Edge(facets.cell[some], local, values, slopes))
        return tuple(found)

    def residual(self, numbers: Array) -> Array:
        """The residual, (size,)."""
        return self._assemble(numbers, False)[0]

    def linearise(self, numbers: Array) -> tuple[Array, Any]:
        """The residual and its matrix, (size, size)."""
        return self._assemble(numbers, True)

    def _assemble(self, numbers: Array, wanted: bool) -> tuple[Array, Any]:
        vector = np.zeros(self.size)
        collected: list[tuple[Indices, Indices, Array]] = []
        self._cells(numbers, vector, collected if wanted else None)
        for edge in self.edges:
            self._edge(edge, numbers, vector, collected if wanted else None)
        self._extra(numbers, vector, collected if wanted else None)
        if not wanted:
            return vector, None
        rows, columns, entries = (np.concatenate(part) for part in zip(*collected, strict=True))
        shape = (self.size, self.size)
        return vector, sparse.csr_array((entries, (rows, columns)), shape=shape)

    def pieces(self) -> Iterator[tuple[slice, Places, Array, Array, list[Array]]]:
        """Cells some at a time: their places, weights (e, q), coordinates and trial functions."""
        degree = max(self.spaces.degrees)
        at, weights = on_cells(self.spaces.mesh.dimension, 2 * degree)
        step = max(1, TOGETHER // len(at))
        for start in range(0, len(self.spaces.mesh.cells), step):
            cells = slice(start, start + step)
            places = place(self.spaces.mesh, cells, at)
            trials = [space.trial(places, at) for space in self.spaces.each]
            yield cells, places, places.volume * weights, at, trials

    def _cells(self, numbers: Array, vector: Array, matrix: list[Any] | None) -> None:
        m, d = len(self.spaces.degrees), self.spaces.mesh.dimension
        signs = np.array([1.0, *[-1.0] * d])
        for cells, places, weights, _, trials in self.pieces():
            states = self.spaces.states(numbers, trials, cells).reshape(m, 1 + d, -1)
            points = places.points.reshape(-1, d)
            form = form_at(
                self.roles.problem, self.roles.residuals, points, states[:, 0], states[:, 1:]
            )
            self._check_finite(form.terms, points)
            shape = weights.shape
            terms = (form.terms * weights.ravel()).reshape(m, 1 + d, *shape)
            terms *= signs[None, :, None, None]
            for i in range(m):
                rows = self.spaces.numbers(i, cells)
                np.add.at(
                    vector, rows, np.einsum("aeq,eqan->en", terms[i], trials[i], optimize=True)
                )
            if matrix is not None:
                rates = form.rates * weights.ravel() * signs[None, :, None, None, None]
                rates = rates.reshape(m, 1 + d, m, 1 + d, *shape)
                self._blocks(cells, trials, rates, matrix)

    def _blocks(
        self, cells: Indices | slice, trials: list[Array], rates: Array, matrix: list[Any]
    ) -> None:
        """Adds the matrices of cells; ``rates`` (m, a, m, 1 + d, e, q), a of 1 + d or 1."""
        for i, test in enumerate(trials):
            count = rates.shape[1]
            left = test[:, :, :count].reshape(len(test), -1, test.shape[3])
            for j, trial in enumerate(trials):
                if not rates[i, :, j].any():
                    continue
                right = np.einsum("abeq,eqbn->eqan", rates[i, :, j], trial, optimize=True)
                block = left.transpose(0, 2, 1) @ right.reshape(len(trial), -1, trial.shape[3])
                rows, columns = self.spaces.numbers(i, cells), self.spaces.numbers(j, cells)
                matrix.append(_spread(rows, columns, block))

    def _edge(self, edge: Edge, numbers: Array, vector: Array, matrix: list[Any] | None) -> None:
        problem, mesh = self.roles.problem, self.spaces.mesh
        m, d = len(self.spaces.degrees), mesh.dimension
        at, weights = on_side(d, 2 * max(self.spaces.degrees), edge.local)
        places = place(mesh, edge.cells, at)
        normals, area = outward(mesh, places, edge.local)
        trials = [space.trial(places, at) for space in self.spaces.each]
        states = self.spaces.states(numbers, trials, edge.cells).reshape(m, 1 + d, -1)
        points, out = places.points.reshape(-1, d), normals.reshape(-1, d)
        form = form_at(problem, self.roles.residuals, points, states[:, 0], states[:, 1:])
        flux = np.einsum("ikn,nk->in", form.terms[:, 1:], out)
        rates = np.einsum("ikjbn,nk->ijbn", form.rates[:, 1:], out)
        free = self._projection(edge, points, out)
        flux, rates = np.einsum("nij,jn->in", free, flux), np.einsum("nil,ljbn->ijbn", free, rates)
        found = [
            condition_at(problem, c.residual, points, out, states[:, 0], states[:, 1:])
            for c in edge.slopes
        ]
        held = np.stack([c for c, _ in found]) if found else np.zeros((0, len(points)))
        ratio = np.stack([r for _, r in found]) if found else np.zeros((0, m, 1 + d, len(points)))
        factor = self._factor(edge, rates, ratio, out)
        flux = flux - np.einsum("nip,pn->in", factor, held)
        rates = rates - np.einsum("nip,pjbn->ijbn", factor, ratio)
        size = (area * weights).ravel()
        terms = (flux * size).reshape(m, *area.shape)
        for i, trial in enumerate(trials):
            rows = self.spaces.numbers(i, edge.cells)
            np.add.at(vector, rows, np.einsum("eq,eqn->en", terms[i], trial[:, :, 0]))
        if matrix is not None:
            shaped = (rates * size).reshape(m, 1, m, 1 + d, *area.shape)
            self._blocks(edge.cells, trials, shaped, matrix)

    def _projection(self, edge: Edge, points: Array, normals: Array) -> Array:
        """On the directions of the unknowns that conditions on values leave free, (n, m, m)."""
        m, d = len(self.spaces.degrees), points.shape[1]
        identity = np.broadcast_to(np.eye(m), (len(points), m, m))
        if not edge.values:
            return identity
        zero = np.zeros((m, 1 + d, len(points)))
        rows = [
            condition_at(self.roles.problem, c.residual, points, normals, zero[:, 0], zero[:, 1:])[
                1
            ][:, 0]
            for c in edge.values
        ]
        bound = np.stack(rows).transpose(2, 0, 1)
        return identity - np.linalg.pinv(bound, rcond=1e-10) @ bound

    def _factor(self, edge: Edge, flux: Array, given: Array, normals: Array) -> Array:
        """K with K B = P N, (n, m, r).

        Raises:
            InputError: there is none: conditions are missing, or are not for these fluxes.
        """
        wanted = np.einsum("ijbn,nb->nij", flux[:, :, 1:], normals)
        have = np.einsum("pjbn,nb->npj", given[:, :, 1:], normals)
        factor = wanted @ np.linalg.pinv(have, rcond=1e-10)
        gap = np.abs(wanted - factor @ have).max(initial=0.0)
        if gap <= MATCHES * max(np.abs(wanted).max(initial=0.0), 1e-300):
            return factor
        labels = [f"{c.label!r}" for c in (*edge.values, *edge.slopes)]
        held = f"only {' and '.join(labels)} there" if labels else "none there"
        raise InputError(
            "finite elements need, on every part of the boundary, a condition for each flux that "
            f"the equations leave open; there is {held}, and no combination of them gives it.",
            mend=f"Add the condition, or write the normal derivative that it lacks. {MEND}",
        )

    def _extra(self, numbers: Array, vector: Array, matrix: list[Any] | None) -> None:
        for k, condition in enumerate(self.roles.extra):
            number = self.spaces.size + k
            row, value = self._row(condition, numbers)
            load = self.load(condition)
            vector[number] = value
            vector[: len(load)] += numbers[number] * load
            if matrix is not None:
                across, down = np.flatnonzero(row), np.flatnonzero(load)
                matrix.append((np.full(len(across), number), across, row[across]))
                matrix.append((down, np.full(len(down), number), load[down]))

    def _row(self, condition: Condition | IntegralCondition, numbers: Array) -> tuple[Array, float]:
        """A condition on an integral or at a point: its derivatives by all numbers, its value."""
        m, d = len(self.spaces.degrees), self.spaces.mesh.dimension
        row, value = np.zeros(self.spaces.size), 0.0
        if isinstance(condition, IntegralCondition):
            residual, pieces = condition.integrand, self.pieces()
            value = -float(condition.equals)
        else:
            residual, pieces = condition.residual, iter([self._point(condition)])
        for cells, places, weights, _, trials in pieces:
            states = self.spaces.states(numbers, trials, cells).reshape(m, 1 + d, -1)
            points = places.points.reshape(-1, d)
            found, rates = condition_at(
                self.roles.problem, residual, points, None, states[:, 0], states[:, 1:]
            )
            value += float(found @ weights.ravel())
            shaped = (rates * weights.ravel()).reshape(m, 1 + d, *weights.shape)
            for j, trial in enumerate(trials):
                local = np.einsum("beq,eqbn->en", shaped[j], trial, optimize=True)
                np.add.at(row, self.spaces.numbers(j, cells), local)
        return row, value

    def _point(self, condition: Condition) -> Any:
        at = np.array([[float(x) for x in condition.at]])
        cell, where = self.spaces._locator.find(at)
        places = place(self.spaces.mesh, cell, where)
        trials = [space.trial(places, where) for space in self.spaces.each]
        return cell, places, np.ones((1, 1)), where, trials

    def load(self, condition: Condition | IntegralCondition) -> Array:
        """The integrals of the test functions of the equation that a condition on an integral or
        at a point goes with: where its constant is added, (size of the spaces,)."""
        keys = dependence(self.roles.problem, residual_of(condition), normals=True)
        unknown = max(number for number, _ in keys)
        found = np.zeros(self.spaces.size)
        for cells, _, weights, _, trials in self.pieces():
            local = np.einsum("eq,eqn->en", weights, trials[unknown][:, :, 0])
            np.add.at(found, self.spaces.numbers(unknown, cells), local)
        return found

    def _order(self, condition: Condition) -> int:
        keys = dependence(self.roles.problem, condition.residual, normals=True)
        order = max((sum(alpha) for _, alpha in keys), default=0)
        if order > 1 or not keys:
            raise InputError(
                f"finite elements cannot hold {condition.label!r}: it has derivatives of order "
                f"{order}."
                if keys
                else f"{condition.label!r} does not depend on an unknown.",
                mend=MEND,
            )
        return order

    def _check_finite(self, terms: Array, points: Array) -> None:
        bad = np.argwhere(~np.isfinite(terms))
        if len(bad):
            i, _, n = bad[0]
            at = ", ".join(f"{x:g}" for x in points[n])
            raise InputError(
                f"{self.roles.equations[i].label!r} is not finite at ({at}), a point of the "
                "finite elements' quadrature.",
                mend="Give another reference, or a coefficient that is finite and differentiable.",
            )


def _spread(rows: Indices, columns: Indices, block: Array) -> tuple[Indices, Indices, Array]:
    shape = block.shape
    return (
        np.broadcast_to(rows[:, :, None], shape).ravel(),
        np.broadcast_to(columns[:, None, :], shape).ravel(),
        block.ravel(),
    )
