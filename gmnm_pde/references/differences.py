"""A problem on a box by finite differences: which node takes which row.

Inside, a node's row is the equation that its unknown is matched with; on the boundary it is a
condition. A second condition on a side (fourth-order equations) takes the rows of the first layer
of nodes inside, where the equation's own stencils would reach beyond the boundary; a boundary node
without a condition (first-order equations) keeps the equation, with one-sided differences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from scipy import sparse

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders, Residual
from gmnm_pde.problem import Condition, Equation, IntegralCondition
from gmnm_pde.references.claims import Claim
from gmnm_pde.references.discrete import Discrete, Patch, one
from gmnm_pde.references.grid import Grid, Indices
from gmnm_pde.references.roles import Roles
from gmnm_pde.references.stencils import Array

HIGHEST_ORDER = 4
Derivative = Callable[[Orders], sparse.csr_array]


@dataclass(frozen=True, eq=False)
class Differences:
    """One grid for all unknowns.

    Arguments:
        points: nodes along each coordinate.
        order: of accuracy, 2 or 4.
    """

    roles: Roles
    points: int
    order: int

    @cached_property
    def grid(self) -> Grid:
        """Of space."""
        domain = self.roles.problem.domain
        return Grid(domain.lower, domain.upper, self.points, self.order, self.roles.periodic)

    @property
    def nodes(self) -> tuple[Array, ...]:
        """Of each unknown, (n, d)."""
        return (self.grid.nodes,) * len(self.roles.problem.unknowns)

    def interpolation(self, unknown: int, points: Array) -> sparse.csr_array:
        """The matrix (n, size) from an unknown's values at its nodes to points (n, d)."""
        return self.grid.interpolation(points)

    def system(self) -> Discrete:
        """All rows, each in the place of the node that it takes.

        Raises:
            InputError: derivatives, or conditions on a side, of which there are too many.
        """
        problem, size = self.roles.problem, self.grid.size
        self._check_orders()
        derivative = cache(self.grid.derivative)
        slacks = {i: slack for slack, i in enumerate(self.roles.slack_equations)}
        patches: list[Patch] = []
        taken: list[Indices] = []
        for unknown in range(len(problem.unknowns)):
            free = np.ones(size, bool)
            for placed in self._place(unknown):
                free[placed.taken] = False
                patches.append(self._condition(placed, derivative))
                taken.append(unknown * size + placed.taken)
            i = self.roles.equation_of[unknown]
            equation = problem.laws[i]
            rest = np.flatnonzero(free)
            patch = self._patch(equation.label, equation.residual, rest, derivative)
            patches.append(replace(patch, slack=slacks.get(i)))
            taken.append(unknown * size + rest)
        for slack, condition in enumerate(self.roles.extra):
            patches.append(self._extra(condition, derivative))
            taken.append(np.array([len(problem.unknowns) * size + slack]))
        sizes = (size,) * len(problem.unknowns)
        places = np.concatenate(taken)
        inside = self._integral(one, "an integral", derivative)
        return Discrete(
            problem, tuple(patches), sizes, inside, len(slacks), sparse=True, places=places
        )

    def _place(self, unknown: int) -> list[_Placed]:
        """Which nodes of an unknown take which conditions.

        A node on several sides (a corner) takes a condition on a value if one of them has one.
        """
        grid = self.grid
        owner = np.full(grid.size, -1)
        claims = [claim for claim in self.roles.claims if claim.unknown == unknown]
        conditions = [claim.condition for claim in claims]
        # One condition on two sides is one owner: a corner does not take it twice.
        numbers = [next(i for i, c in enumerate(conditions) if c is d) for d in conditions]
        held = [self._held(claim) for claim in claims]
        found: list[_Placed] = []
        for value in (True, False):
            for claim, nodes, number in zip(claims, held, numbers, strict=True):
                if (claim.order == 0) == value:
                    mine = nodes[owner[nodes] < 0]
                    owner[mine] = number
                    found.append(_Placed(claim, mine, mine))
        for claim, nodes, number in zip(claims, held, numbers, strict=True):
            second = nodes[(owner[nodes] != number) & (grid.touching[nodes] == 1)]
            inner = grid.inward(second)
            if len(inner) and (owner[inner] >= 0).all():
                raise InputError(
                    "finite differences take at most two conditions on a side, there are more.",
                    mend="Give another reference.",
                )
            _, first = np.unique(inner, return_index=True)
            first = first[owner[inner[first]] < 0]
            owner[inner[first]] = number
            found.append(_Placed(claim, second[first], inner[first]))
        return [placed for placed in found if len(placed.taken)]

    def _held(self, claim: Claim) -> Indices:
        """The nodes of a side where a condition holds."""
        nodes = self.grid.nodes_of(claim.side)
        time = self.roles.problem.time
        first = None if time is None else time[0]
        return nodes[self.roles.true_at(claim.condition, self.grid.nodes[nodes], first)]

    def _condition(self, placed: _Placed, derivative: Derivative) -> Patch:
        condition = placed.claim.condition
        patch = self._patch(condition.label, condition.residual, placed.nodes, derivative)
        normal = self.roles.normal(placed.claim.side)
        return replace(patch, normals=np.tile(normal, (len(placed.nodes), 1)))

    def _extra(self, condition: Condition | IntegralCondition, derivative: Derivative) -> Patch:
        """The one row of a condition on an integral or at a point."""
        if isinstance(condition, IntegralCondition):
            patch = self._integral(condition.integrand, condition.label, derivative)
            return replace(patch, offset=condition.equals)
        point = [float(x) for x in condition.at]

        def matrix(unknown: int, orders: Orders) -> sparse.csr_array:
            return self.grid.row_at(point, orders)

        return Patch(condition.label, condition.residual, np.array([point]), matrix)

    def _integral(self, integrand: Residual, label: str, derivative: Derivative) -> Patch:
        """The row of an integral over the domain."""
        patch = self._patch(label, integrand, np.arange(self.grid.size), derivative)
        return replace(patch, average=self.grid.quadrature())

    def _patch(
        self, label: str, residual: Residual, nodes: Indices, derivative: Derivative
    ) -> Patch:
        """A residual at some nodes."""

        @cache
        def matrix(unknown: int, orders: Orders) -> sparse.csr_array:
            return derivative(orders)[nodes]

        return Patch(label, residual, self.grid.nodes[nodes], matrix)

    def _check_orders(self) -> None:
        """Refuse derivatives that there are no stencils for."""
        timed = self.roles.problem.time is not None
        for equation, keys in zip(self.roles.problem.equations, self.roles.orders, strict=True):
            highest = max((sum(a[:-1] if timed else a) for _, a in keys), default=0)
            if highest > HIGHEST_ORDER:
                assert isinstance(equation, Equation)
                raise InputError(
                    f"finite differences go to derivatives of order {HIGHEST_ORDER}, "
                    f"{equation.label!r} has one of order {highest}.",
                    mend="Give another reference.",
                )


@dataclass(frozen=True)
class _Placed:
    """A condition at some nodes of a side, and the nodes whose rows it takes."""

    claim: Claim
    nodes: Indices
    taken: Indices
