"""A problem on a box by collocation with polynomials and waves: its rows, and its values anywhere.

Along each coordinate every unknown has as many nodes as there are collocation points and conditions
on the two sides; equations take the tensor product of the collocation points. The conditions of one
coordinate after the other complete the rows, those on values first: the sides across it at all
nodes of the coordinates that come later and at the collocation points of those before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, reduce

import numpy as np
import torch

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders, Residual
from gmnm_pde.problem import Condition, IntegralCondition
from gmnm_pde.references.bases import Axis, Basis
from gmnm_pde.references.claims import Claim
from gmnm_pde.references.discrete import Discrete, Patch, one
from gmnm_pde.references.grid import Side
from gmnm_pde.references.roles import MEND, Roles
from gmnm_pde.references.stencils import Array


@dataclass(frozen=True, eq=False)
class Collocation:
    """The grids of all unknowns.

    Arguments:
        points: collocation points along each coordinate.
    """

    roles: Roles
    points: int

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """One for each coordinate of space."""
        domain = self.roles.problem.domain
        return tuple(
            Axis(a, b, self.points | 1 if periodic else self.points, periodic)
            for a, b, periodic in zip(domain.lower, domain.upper, self.roles.periodic, strict=True)
        )

    @cached_property
    def bases(self) -> tuple[tuple[Basis, ...], ...]:
        """Of each unknown, one for each coordinate."""
        return tuple(
            tuple(
                axis.basis(self._count(j, Side(i, 0)) + self._count(j, Side(i, 1)))
                for i, axis in enumerate(self.axes)
            )
            for j in range(len(self.roles.problem.unknowns))
        )

    @cached_property
    def nodes(self) -> tuple[Array, ...]:
        """Of each unknown, (n, d)."""
        return tuple(_tensor([basis.nodes for basis in bases]) for bases in self.bases)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Nodes of each unknown."""
        return tuple(len(nodes) for nodes in self.nodes)

    def system(self) -> Discrete:
        """All rows.

        Raises:
            InputError: conditions that are not the same number all along a side.
        """
        problem = self.roles.problem
        within = [axis.points for axis in self.axes]
        equations = [
            self._patch(equation.label, equation.residual, within) for equation in problem.laws
        ]
        extra = [self._extra(condition) for condition in self.roles.extra]
        for slack, i in enumerate(self.roles.slack_equations):
            equations[i] = replace(equations[i], slack=slack)
        sides = [patch for claim in self.roles.claims for patch in self._side(claim)]
        patches = (*equations, *sides, *extra)
        return Discrete(problem, patches, self.sizes, self._integral(one), slacks=len(extra))

    def interpolation(self, unknown: int, points: Array) -> Array:
        """The matrix (n, size) from an unknown's values at its nodes to points (n, d)."""
        found = np.ones((len(points), 1))
        for axis, basis in enumerate(self.bases[unknown]):
            factor = basis.matrix(points[:, axis])
            found = (found[:, :, None] * factor[:, None, :]).reshape(len(points), -1)
        return found

    def _count(self, unknown: int, side: Side) -> int:
        """Conditions on a side for an unknown; the same number at every point of it."""
        claims = [c for c in self.roles.claims if c.unknown == unknown and c.side == side]
        whole = [claim for claim in claims if claim.condition.where is None]
        parts = [claim for claim in claims if claim.condition.where is not None]
        if not parts:
            return len(whole)
        ends = self.roles.problem.domain.lower, self.roles.problem.domain.upper
        unit = torch.quasirandom.SobolEngine(len(ends[0]), scramble=True, seed=0)
        low, high = np.array(ends[0]), np.array(ends[1])
        at = low + (high - low) * unit.draw(512, dtype=torch.float64).numpy()
        at[:, side.axis] = ends[side.end][side.axis]
        held = np.sum([self._true(claim, at) for claim in parts], axis=0)
        if np.ptp(held):
            raise InputError(
                f"{self.roles.method} need the same number of conditions all along a side; "
                f"{parts[0].condition.label!r} is on a part of one.",
                mend=MEND,
            )
        return len(whole) + int(held[0])

    def _true(self, claim: Claim, at: Array) -> Array:
        time = self.roles.problem.time
        return self.roles.true_at(claim.condition, at, None if time is None else time[0])

    def _side(self, claim: Claim) -> list[Patch]:
        """The rows of one condition on one side."""
        ranks = self._ranks(claim.unknown)
        places = []
        for i, axis in enumerate(self.axes):
            if i == claim.side.axis:
                places.append(np.array([(axis.lower, axis.upper)[claim.side.end]]))
            elif ranks[i] < ranks[claim.side.axis]:
                places.append(axis.points)
            else:
                places.append(self.bases[claim.unknown][i].nodes)
        condition = claim.condition
        patch = self._patch(condition.label, condition.residual, places)
        held = self._true(claim, patch.points)
        normals = np.tile(self.roles.normal(claim.side), (len(patch.points), 1))
        patch = replace(patch, normals=normals)
        if held.all():
            return [patch]
        whole = patch.matrix

        def matrix(unknown: int, orders: Orders) -> Array:
            return np.asarray(whole(unknown, orders)[held])

        part = replace(patch, points=patch.points[held], normals=normals[held], matrix=matrix)
        return [part] if held.any() else []

    def _ranks(self, unknown: int) -> list[int]:
        """The place of each coordinate in the sequence: conditions on values first."""
        orders = []
        for axis in range(len(self.axes)):
            mine = [c for c in self.roles.claims if c.unknown == unknown and c.side.axis == axis]
            orders.append((min((claim.order for claim in mine), default=99), axis))
        ranked = [axis for _, axis in sorted(orders)]
        return [ranked.index(axis) for axis in range(len(self.axes))]

    def _extra(self, condition: Condition | IntegralCondition) -> Patch:
        """The one row of a condition on an integral or at a point."""
        if isinstance(condition, IntegralCondition):
            patch = self._integral(condition.integrand, condition.label)
            return replace(patch, offset=condition.equals)
        at = [np.array([float(x)]) for x in condition.at]
        return self._patch(condition.label, condition.residual, at)

    def _integral(self, integrand: Residual, label: str = "an integral") -> Patch:
        """The row of an integral over the domain."""
        weights = reduce(np.multiply.outer, [axis.weights for axis in self.axes]).ravel()
        patch = self._patch(label, integrand, [axis.points for axis in self.axes])
        return replace(patch, average=weights)

    def _patch(self, label: str, residual: Residual, places: Sequence[Array]) -> Patch:
        """A residual at the tensor product of places along each coordinate."""

        @cache
        def matrix(unknown: int, orders: Orders) -> Array:
            factors = [
                basis.matrix(place, order)
                for basis, place, order in zip(self.bases[unknown], places, orders, strict=True)
            ]
            return reduce(_kron, factors)

        return Patch(label, residual, _tensor(places), matrix)


def _kron(left: Array, right: Array) -> Array:
    return np.asarray(np.kron(left, right))


def _tensor(places: Sequence[Array]) -> Array:
    """The points of a tensor product, the last coordinate fastest, (n, d)."""
    return np.stack([x.ravel() for x in np.meshgrid(*places, indexing="ij")], axis=1)
