"""What a problem's equations and conditions ask for: orders, sides, which unknown they are for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders, Residual
from gmnm_pde.geometry.domain import SIDE_NAMES
from gmnm_pde.problem import Condition, IntegralCondition, Interface, Periodic, Problem
from gmnm_pde.references.claims import (
    Claim,
    Dependence,
    assign,
    dependence,
    integrated_values,
)
from gmnm_pde.references.grid import Side
from gmnm_pde.references.stencils import Array

MEND = "Give an exact solution or a file as the reference."


@dataclass(frozen=True, eq=False)
class Roles:
    """The parts of a problem on a box, sorted by what they are to a discretisation.

    Arguments:
        method: its name in messages.

    Raises:
        InputError: something in the problem that the references on boxes cannot do, in words.
    """

    problem: Problem
    method: str

    def __post_init__(self) -> None:
        problem, method = self.problem, self.method
        if not problem.domain.fills_box:
            kind = type(problem.domain).__name__.lower()
            raise InputError(
                f"{method} need an interval, a rectangle or a box, not a domain of kind {kind!r}.",
                mend=MEND,
            )
        if len(problem.equations) != len(problem.unknowns):
            raise InputError(
                f"{method} need as many equations as unknowns; there are "
                f"{len(problem.equations)} and {len(problem.unknowns)}.",
                mend=MEND,
            )
        if problem.data is not None:
            raise InputError(f"{method} cannot use measurements (`data`).", mend=MEND)
        if any(isinstance(c, Interface) for c in problem.conditions):
            raise InputError(f"{method} cannot do interfaces between subdomains.", mend=MEND)

    @property
    def dimension(self) -> int:
        """Of space."""
        return self.problem.domain.dimension

    @cached_property
    def periodic(self) -> tuple[bool, ...]:
        """Whether each coordinate of space is periodic."""
        names = {c.coordinate for c in self.problem.conditions if isinstance(c, Periodic)}
        return tuple(name in names for name in self.problem.space)

    @cached_property
    def orders(self) -> tuple[Dependence, ...]:
        """For each equation, the derivatives in it."""
        return tuple(dependence(self.problem, equation.residual) for equation in self.problem.laws)

    @cached_property
    def time_orders(self) -> tuple[int, ...]:
        """The highest derivative in time of each unknown, 0 in a steady problem."""
        if self.problem.time is None:
            return (0,) * len(self.problem.unknowns)
        found = [0] * len(self.problem.unknowns)
        for keys in self.orders:
            for unknown, alpha in keys:
                found[unknown] = max(found[unknown], alpha[-1])
        if max(found) > 2:
            raise InputError(
                f"{self.method} go to second derivatives in time, not {max(found)}.", mend=MEND
            )
        return tuple(found)

    @cached_property
    def equation_of(self) -> tuple[int, ...]:
        """The equation that each unknown is matched with, by its highest derivatives; it need not
        occur there (a pressure, which goes with the equation of continuity)."""
        timed = self.problem.time is not None
        return match_equations(self.orders, len(self.problem.unknowns), timed)

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """Every condition on every side that it names, with the unknown that it determines."""
        named = [(condition, self._sides(condition)) for condition in self._conditions]
        found: list[Claim] = []
        for axis, periodic in enumerate(self.periodic):
            for side in [] if periodic else [Side(axis, 0), Side(axis, 1)]:
                conditions = [condition for condition, sides in named if side in sides]
                found.extend(assign(self.problem, conditions, side, self.method))
        return tuple(found)

    @cached_property
    def initial(self) -> tuple[Condition, ...]:
        """Conditions at the first time."""
        return tuple(c for c in self._conditions if "initial" in _names(c))

    @cached_property
    def extra(self) -> tuple[Condition | IntegralCondition, ...]:
        """Conditions on an integral or at a point inside."""
        found: list[Condition | IntegralCondition] = []
        for condition in self.problem.conditions:
            if isinstance(condition, IntegralCondition) or (
                isinstance(condition, Condition) and self._inside(condition)
            ):
                found.append(condition)
        known = [self.unknowns_in(_residual(condition))[-1] for condition in found]
        if len(set(known)) < len(known):
            raise InputError(
                f"{self.method} take one integral or point condition for each unknown, there are "
                f"{len(found)}: {', '.join(repr(condition.label) for condition in found)}.",
                mend="Keep one of them.",
            )
        return (*found, *[self._mean(j) for j in self._free if j not in known])

    @cached_property
    def slack_equations(self) -> tuple[int, ...]:
        """The equation that takes up the constant that each extra condition fixes."""
        return tuple(
            self.equation_of[self.unknowns_in(_residual(condition))[-1]] for condition in self.extra
        )

    @cached_property
    def _free(self) -> tuple[int, ...]:
        """Unknowns that may be shifted by a constant: they occur by derivatives in space only."""
        used = {u for keys in self.orders for u, alpha in keys if not any(alpha)}
        used |= {u for u, order in enumerate(self.time_orders) if order}
        for claim in self.claims:
            used |= {
                u
                for u, alpha in dependence(self.problem, claim.condition.residual, claim.side)
                if not any(alpha)
            }
        residuals = [law.residual for law in self.problem.laws]
        residuals += [claim.condition.residual for claim in self.claims]
        for residual in residuals:
            used |= integrated_values(self.problem, residual)
        return tuple(j for j in range(len(self.problem.unknowns)) if j not in used)

    def _mean(self, unknown: int) -> IntegralCondition:
        name = self.problem.unknowns[unknown]
        orders = (0,) * len(self.problem.coordinates)
        return IntegralCondition(lambda jet: jet.derivative(name, orders), 0.0, f"mean of {name}")

    def unknowns_in(self, residual: Residual) -> tuple[int, ...]:
        """The unknowns that a residual depends on."""
        return tuple(sorted({unknown for unknown, _ in dependence(self.problem, residual)}))

    def normal(self, side: Side) -> Array:
        """The outward unit normal of a side, (d,)."""
        normal = np.zeros(self.dimension)
        normal[side.axis] = 2 * side.end - 1
        return normal

    def true_at(self, condition: Condition, points: Array, time: float | None) -> Array:
        """Where the condition's `where` holds at points (n, d) of space, (n,) bool."""
        if condition.where is None:
            return np.ones(len(points), bool)
        at = with_time(points, time)

        def zero(unknown: str, orders: Orders) -> Tensor:
            return at.new_zeros(len(at))

        return np.asarray(condition.where(self.problem.jet(at, zero)).numpy() != 0.0)

    @property
    def _conditions(self) -> list[Condition]:
        return [c for c in self.problem.conditions if isinstance(c, Condition)]

    def _inside(self, condition: Condition) -> bool:
        """Whether a condition is at a point that is not an end of an interval."""
        return not isinstance(_names(condition)[0], str) and not self._sides(condition)

    def _sides(self, condition: Condition) -> set[Side]:
        at, domain = _names(condition), self.problem.domain
        every = {Side(axis, end) for axis in range(self.dimension) for end in (0, 1)}
        if "boundary" in at:
            return {side for side in every if not self.periodic[side.axis]}
        if not isinstance(at[0], str):
            if len(at) != self.dimension:
                raise InputError(
                    f"{condition.label!r} is at the point {list(at)}, in {self.dimension} "
                    "dimensions of space.",
                    mend="Give its coordinates in space.",
                )
            ends = (domain.lower[0], domain.upper[0])
            return {s for s in every if self.dimension == 1 and at[0] == ends[s.end]}
        named = {
            side
            for side in every
            if side.axis < len(SIDE_NAMES) and SIDE_NAMES[side.axis][side.end] in at
        }
        for side in named:
            if self.periodic[side.axis]:
                raise InputError(
                    f"{condition.label!r} is on a side across which the problem is periodic.",
                    mend="Remove one of the two.",
                )
        return named


def match_equations(orders: Sequence[Dependence], count: int, timed: bool) -> tuple[int, ...]:
    """The equation that each of so many unknowns is matched with, by its highest derivatives."""
    score = np.zeros((count, count))
    for i, keys in enumerate(orders):
        for unknown, alpha in keys:
            space, rate = (sum(alpha[:-1]), alpha[-1]) if timed else (sum(alpha), 0)
            score[unknown, i] = max(score[unknown, i], 4.0 ** (space + 4 * rate))
    _, columns = linear_sum_assignment(score, maximize=True)
    return tuple(int(i) for i in columns)


def _residual(condition: Condition | IntegralCondition) -> Residual:
    if isinstance(condition, IntegralCondition):
        return condition.integrand
    return condition.residual


def with_time(points: Array, time: float | None) -> Tensor:
    """Points (n, d) of space at one time, (n, d + 1); unchanged without one."""
    if time is None:
        return torch.from_numpy(np.ascontiguousarray(points))
    return torch.from_numpy(np.column_stack([points, np.full(len(points), time)]))


def _names(condition: Condition) -> tuple[str | float, ...]:
    return (condition.at,) if isinstance(condition.at, str) else tuple(condition.at)
