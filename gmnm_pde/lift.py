"""Conditions that hold exactly.

For a condition u = g on a part of the boundary where phi vanishes, the problem is solved for v with

    u = g + phi v,   D^alpha u = D^alpha g + sum_beta C(alpha, beta) D^(alpha - beta) phi D^beta v.

Whatever v is, u satisfies the condition. The residuals of the problem become residuals of v, so
that no method needs to know; a network for v is completed to one for u at the end.

After I. E. Lagaris, A. Likas and D. I. Fotiadis, IEEE Trans. Neural Networks 9 (1998), and for phi
N. Sukumar and A. Srivastava, Comput. Methods Appl. Mech. Eng. 389 (2022); where several conditions
meet on a box, g is their transfinite interpolant (W. J. Gordon and C. A. Hall, 1973).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from math import comb, prod

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders, Substitution, Values, uniform
from gmnm_pde.geometry.cylinder import ENDS
from gmnm_pde.geometry.domain import SIDE_NAMES, PointMap
from gmnm_pde.linearised import Block, at_zero, is_linear
from gmnm_pde.networks.base import forward_derivative
from gmnm_pde.problem import Condition, Lifting, Problem

AGREE = 1e-9
"""Values of two conditions that differ by less where they meet, relative to their size, agree."""

REMEMBERED = 256
"""Derivatives of g and phi that are kept."""

Given = tuple[Condition, PointMap]
"""A condition and its g."""


@dataclass(frozen=True, eq=False)
class _Known:
    """A derivative of g or phi.

    Arguments:
        matters: whether it is anything but zero; asked once, since the answer waits for the device.
    """

    points: Tensor
    column: Tensor
    matters: bool


@dataclass(frozen=True, eq=False)
class Lift:
    """u = g + phi v for some unknowns, u = v for the others.

    Arguments:
        unknowns: all of them, in order.
        values, factors: g and phi by the unknown's name, (n, d) -> (n,).
        held: the conditions that hold by this.
        unlifted: what v is in terms of what is solved for; None if it is that.
    """

    unknowns: tuple[str, ...]
    values: Mapping[str, PointMap]
    factors: Mapping[str, PointMap]
    held: tuple[Condition, ...]
    unlifted: Lifting | None = None
    _known: dict[tuple[int, int, Orders], _Known] = field(default_factory=dict, repr=False)

    def terms(
        self, unknown: str, points: Tensor, orders: Orders
    ) -> tuple[Tensor, Mapping[Orders, Tensor]]:
        """D^alpha g and the factors of D^beta v in D^alpha u, each (n,)."""
        if unknown not in self.values:
            return points.new_zeros(len(points)), {orders: points.new_ones(())}
        factors = {}
        for beta in product(*(range(order + 1) for order in orders)):
            rest = tuple(n - k for n, k in zip(orders, beta, strict=True))
            times = prod(comb(n, k) for n, k in zip(orders, beta, strict=True))
            factor = self._derivative(self.factors[unknown], points, rest)
            if factor.matters or beta == orders:
                factors[beta] = times * factor.column
        return self._derivative(self.values[unknown], points, orders).column, factors

    def derivative(self, inner: Values, unknown: str, points: Tensor, orders: Orders) -> Tensor:
        """D^alpha u at points (n, d), (n,)."""
        others = self.unlifted
        total, factors = self.terms(unknown, points, orders)
        for beta, factor in factors.items():
            v = inner if others is None else partial(_composed, others, inner, points)
            total = total + factor * v(unknown, beta)
        return total

    def complete(self, points: Tensor, values: Tensor) -> Tensor:
        """u at points (n, d) from v, both (n, m)."""
        if self.unlifted is not None:
            values = self.unlifted.complete(points, values)
        columns = [
            self.values[name](points) + self.factors[name](points) * values[:, j]
            if name in self.values
            else values[:, j]
            for j, name in enumerate(self.unknowns)
        ]
        return torch.stack(columns, 1)

    def _derivative(self, function: PointMap, points: Tensor, orders: Orders) -> _Known:
        """D^orders of g or phi, kept: a solve asks for the same points again and again."""
        key = (id(function), id(points), orders)
        if key not in self._known or self._known[key].points is not points:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            with torch.no_grad():
                column = forward_derivative(lambda x: function(x)[:, None], points, orders)
            self._known[key] = _Known(points, column[:, 0], bool((column != 0).any()))
        return self._known[key]


def _composed(
    others: Substitution, inner: Values, points: Tensor, unknown: str, orders: Orders
) -> Tensor:
    return others.derivative(inner, unknown, points, orders)


def lifted(problem: Problem) -> Problem:
    """The problem in unknowns for which the conditions with ``enforce="hard"`` hold by themselves.

    Raises:
        InputError: one that is no value u = g, whose part has no smooth distance, or two that do
            not agree where they meet.
    """
    hard = [c for c in problem.conditions if isinstance(c, Condition) and c.enforce == "hard"]
    if not hard:
        return problem
    by_unknown: dict[str, list[Given]] = {}
    for condition in hard:
        name, given = _given(problem, condition)
        by_unknown.setdefault(name, []).append((condition, given))
    lift = Lift(
        tuple(problem.unknowns),
        {name: _blended(problem, givens) for name, givens in by_unknown.items()},
        {name: _factor(problem, givens) for name, givens in by_unknown.items()},
        tuple(hard),
        problem.substitution,
    )
    soft = tuple(c for c in problem.conditions if not (isinstance(c, Condition) and c in hard))
    return replace(problem, conditions=soft, substitution=lift)


def sides_of(condition: Condition) -> tuple[str, ...]:
    """The names of the sides that a condition holds on; none if it holds at a point.

    Raises:
        InputError: a condition at a point, or on a part that ``where`` selects.
    """
    names = (condition.at,) if isinstance(condition.at, str) else condition.at
    if not isinstance(names[0], str):
        raise _unenforceable(condition, "a point has no smooth distance")
    if condition.where is not None:
        raise _unenforceable(condition, "a part that `where` selects has no smooth distance")
    return tuple(str(name) for name in names)


def _unenforceable(condition: Condition, why: str) -> InputError:
    return InputError(
        f"{condition.label!r} cannot be enforced exactly: {why}.",
        mend="Leave out `enforce: hard`; the condition then holds to the tolerance.",
    )


def _given(problem: Problem, condition: Condition) -> tuple[str, PointMap]:
    """The unknown that a condition gives, and g = -r(0) / a of its residual r(u) = a u + r(0)."""
    boundary = problem.region.sample_boundary(64, sides_of(condition))
    points, normals = boundary.points, boundary.normals
    ones = points.new_ones(len(points))
    block = Block("condition", condition.label, condition.residual, points, ones, normals)
    lin = at_zero(problem, block)
    found = lin.coefficients
    kept = [key for key, a in found.items() if bool((a != 0).any())]
    plain = len(kept) == 1 and not any(kept[0][1]) and not lin.terms
    if not plain or not is_linear(problem, block):
        raise _unenforceable(condition, f"only a value can, {problem.unknowns[0]} = g")
    name, zero = kept[0]
    a = found[name, zero]
    constant = float(a[0]) if bool((a == a[0]).all()) else None

    def residual(points: Tensor, value: float) -> Tensor:
        return condition.residual(problem.jet(points, uniform(value)(points)))

    def given(points: Tensor) -> Tensor:
        known = residual(points, 0.0)
        return -known / (residual(points, 1.0) - known if constant is None else constant)

    return name, given


def _factor(problem: Problem, givens: Sequence[Given]) -> PointMap:
    """phi of the conditions on one unknown."""
    names = [name for condition, _ in givens for name in sides_of(condition)]
    found = problem.region.distance_function(tuple(dict.fromkeys(names)))
    if found is None:
        kind = type(problem.domain).__name__.lower()
        raise _unenforceable(
            givens[0][0], f"a domain of kind {kind!r} has no smooth distance to its boundary"
        )
    return found


def _blended(problem: Problem, givens: Sequence[Given]) -> PointMap:
    """One g for all conditions on an unknown.

    Conditions on opposite and adjacent faces are joined coordinate by coordinate: F + P (g - F),
    where P continues what is known on faces into the domain, linearly from one to the other. Where
    the conditions agree, what F satisfied it goes on satisfying.
    """
    if len(givens) == 1:
        return givens[0][1]
    result: PointMap = _zero
    faces: dict[int, dict[float, PointMap]] = {}
    for condition, given in givens:
        for name in sides_of(condition):
            if name == "boundary":
                result = given
            else:
                axis, place = _face(problem, name)
                faces.setdefault(axis, {})[place] = given
    for axis, ends in sorted(faces.items()):
        result = _continued(result, axis, ends)
    size = max(float(given(_samples(problem, c)).abs().max()) for c, given in givens)
    for condition, given in givens:
        _check_kept(problem, condition, given, result, size)
    return result


def _zero(points: Tensor) -> Tensor:
    return points.new_zeros(len(points))


def _face(problem: Problem, name: str) -> tuple[int, float]:
    """The coordinate and the place of a flat side."""
    region = problem.region
    if name in ENDS:
        return region.dimension - 1, (region.lower, region.upper)[ENDS.index(name)][-1]
    axis = next(k for k, pair in enumerate(SIDE_NAMES) if name in pair)
    return axis, (region.lower, region.upper)[SIDE_NAMES[axis].index(name)][axis]


def _continued(inner: PointMap, axis: int, ends: Mapping[float, PointMap]) -> PointMap:
    """F + P (g - F) for the faces of one coordinate."""

    def joined(points: Tensor) -> Tensor:
        total = inner(points)
        for place, given in ends.items():
            foot = torch.cat(
                [
                    points[:, :axis],
                    points.new_full((len(points), 1), place),
                    points[:, axis + 1 :],
                ],
                1,
            )
            gap = given(foot) - inner(foot)
            for other in ends:
                if other != place:
                    gap = gap * (points[:, axis] - other) / (place - other)
            total = total + gap
        return total

    return joined


def _check_kept(
    problem: Problem, condition: Condition, given: PointMap, joined: PointMap, size: float
) -> None:
    """Refuse conditions that do not agree.

    Arguments:
        size: of the largest value that a condition gives: sin(pi x) is not quite zero at x = 1.
    """
    points = _samples(problem, condition)
    wanted, found = given(points), joined(points)
    size = 1e-300 + max(size, float(wanted.abs().max()) + float(found.abs().max()))
    if float((wanted - found).abs().max()) > AGREE * size:
        raise _unenforceable(
            condition, "it asks for another value than the conditions on sides that it meets"
        )


def _samples(problem: Problem, condition: Condition) -> Tensor:
    """Points where a condition holds, (n, d)."""
    return problem.region.sample_boundary(256, sides_of(condition)).points
