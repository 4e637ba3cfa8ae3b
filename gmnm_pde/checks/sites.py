"""The conditions as rows at sample points: which apply, and what they ask.

At a point a linear condition is a row a with a . (u, u_x, u_y, ...) = c. Two conditions with
parallel rows ask for the same quantity, and then for the same value or for two different ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.checks.equations import Locate
from gmnm_pde.checks.linear import LinearForm, linear_form
from gmnm_pde.errors import InputError, suggest
from gmnm_pde.fields import Jet, Orders
from gmnm_pde.geometry.domain import SIDE_NAMES, Boundary, Domain
from gmnm_pde.problem import Condition, Problem

BOUNDARY_POINTS = 512
INITIAL_POINTS = 256
INITIAL, FINAL = "initial", "final"
_FLAT = 1e-9


@dataclass(frozen=True)
class Sites:
    """Points where conditions stand: a sample of the boundary, then, in time, one of the domain at
    the first time, then points of narrow conditions, then the points of `at: [x, y]`.

    Arguments:
        points: (n, d).
        normals: (n, d), zero at the points that conditions name.
        applies: by the condition's number, (n,) bool.
        forms: by the condition's number, linearised at all the points.
        counted: the first so many points are the sample that conditions are counted on.
        initial: which points lie at the first time, (n,) bool.
        counted_initial: so many points after the counted ones are the sample of the first time.
    """

    points: Tensor
    normals: Tensor
    applies: dict[int, Tensor]
    forms: dict[int, LinearForm]
    counted: int
    initial: Tensor
    counted_initial: int

    @property
    def on_boundary(self) -> Tensor:
        """Which sites belong to the boundary sample, (n,) bool."""
        return (self.normals.norm(dim=1) > 0.5) & ~self.initial

    def describe(self, problem: Problem, index: int) -> str:
        """``the side left, at x = -1, y = 0.3``."""
        place = point_text(problem, self.points[index])
        point, normal = self.points[index : index + 1], self.normals[index : index + 1]
        if bool(self.initial[index]):
            return f"the domain at the first time, at {place}"
        if not bool(self.on_boundary[index]):
            return f"the point {place}"
        for name in problem.region.sides[1:]:
            if bool(on_side(problem.region, name, point, normal)):
                return f"the side {name}, at {place}"
        return f"the boundary, at {place}"


def point_text(problem: Problem, point: Tensor) -> str:
    """``x = -1, y = 0.3``."""
    pairs = zip(problem.coordinates, point.tolist(), strict=True)
    return ", ".join(f"{name} = {value:.4g}" for name, value in pairs)


def is_point(condition: Condition) -> bool:
    """Whether a condition stands at a point and not on a part of the boundary."""
    return not isinstance(condition.at, str) and not isinstance(condition.at[0], str)


def sides_of(condition: Condition) -> tuple[str, ...]:
    """The sides of a condition that does not stand at a point."""
    names = (condition.at,) if isinstance(condition.at, str) else condition.at
    return tuple(str(name) for name in names)


def is_initial(condition: object) -> bool:
    """Whether a condition stands at the first time."""
    return (
        isinstance(condition, Condition)
        and not is_point(condition)
        and INITIAL in sides_of(condition)
    )


def on_side(domain: Domain, name: str, points: Tensor, normals: Tensor) -> Tensor:
    """Which boundary points lie on a flat side of the bounding box or a named part, (n,) bool.

    The boundary of a domain in time is that of all times: the ends have names of their own.
    """
    ends = (INITIAL, FINAL)
    lateral = (normals.norm(dim=1) > 0.5) & ~_facing_time(domain, normals)
    if name in domain.named:
        return domain.on_side(points, name) & lateral
    if name in ends and name in domain.sides:
        sign = -1.0 if name == INITIAL else 1.0
        return sign * normals[:, -1] > 1.0 - _FLAT
    for axis, pair in enumerate(SIDE_NAMES):
        if name in pair:
            end = pair.index(name)
            face = (domain.lower, domain.upper)[end][axis]
            slack = _FLAT * (domain.upper[axis] - domain.lower[axis])
            facing = normals[:, axis] * (-1.0, 1.0)[end] > 1.0 - _FLAT
            return ((points[:, axis] - face).abs() <= slack) & facing & lateral
    return lateral


def _facing_time(domain: Domain, normals: Tensor) -> Tensor:
    if INITIAL not in domain.sides:
        return torch.zeros(len(normals), dtype=torch.bool)
    return normals[:, -1].abs() > 0.5


def where_function(problem: Problem, condition: Condition) -> Callable[[Tensor], Tensor] | None:
    """A condition's ``where`` as points (n, d) -> bool (n,)."""
    where = condition.where
    if where is None:
        return None

    def unknown(name: str, orders: Orders) -> Tensor:
        raise InputError(
            f"`where` uses the unknown {name!r}.", mend="Use coordinates and parameters only."
        )

    def function(points: Tensor) -> Tensor:
        jet = Jet(problem.coordinates, problem.unknowns, points, unknown)
        return torch.as_tensor(where(jet)).bool().expand(len(points))

    return function


def find_sites(problem: Problem, locate: Locate) -> Sites:
    """Every condition on the boundary, at the first time and at points, at common points.

    Raises:
        InputError: a side the domain does not have, a point outside, a ``where`` that leaves
            nothing, a residual that cannot be evaluated or is not finite.
    """
    region = problem.region
    samples = [region.sample_boundary(BOUNDARY_POINTS)]
    counted = len(samples[0].points)
    if problem.time is not None:
        samples.append(region.sample_boundary(INITIAL_POINTS, INITIAL))
    counted_initial = sum(len(sample.points) for sample in samples) - counted
    named: list[tuple[float, ...]] = []
    conditions = {
        index: item for index, item in enumerate(problem.conditions) if isinstance(item, Condition)
    }
    for index, condition in conditions.items():
        try:
            if is_point(condition):
                named.append(_checked_point(problem, condition))
            else:
                sample = _own_sample(problem, condition)
                samples += [sample] if region.dimension > 1 else []
        except InputError as error:
            raise locate(("conditions", index), error) from None
    points = torch.cat([sample.points for sample in samples])
    normals = torch.cat([sample.normals for sample in samples])
    fresh = [
        point for point in named if not bool((points == points.new_tensor(point)).all(1).any())
    ]
    if fresh:
        points = torch.cat([points, points.new_tensor(fresh)])
        normals = torch.cat([normals, normals.new_zeros(len(fresh), region.dimension)])
    initial = on_side(region, INITIAL, points, normals) & _facing_time(region, normals)
    applies: dict[int, Tensor] = {}
    forms: dict[int, LinearForm] = {}
    for index, condition in conditions.items():
        try:
            applies[index] = _applies(problem, condition, points, normals)
            forms[index] = _form(problem, condition, points, normals, applies[index])
        except InputError as error:
            raise locate(("conditions", index), error) from None
    return Sites(points, normals, applies, forms, counted, initial, counted_initial)


def _own_sample(problem: Problem, condition: Condition) -> Boundary:
    """Points of one condition: a narrow ``where`` may select none of the common ones."""
    _check_sides(problem, condition)
    where = where_function(problem, condition)
    return problem.region.sample_boundary(64, sides_of(condition), where=where)


def _checked_point(problem: Problem, condition: Condition) -> tuple[float, ...]:
    """The point of a condition; in time one without a time stands for all times."""
    region, point = problem.region, tuple(float(number) for number in condition.at)
    if problem.time is not None and len(point) == problem.domain.dimension:
        point = (*point, sum(problem.time) / 2)
    if len(point) != region.dimension:
        raise InputError(
            f"the condition {condition.label!r} stands at a point of {len(condition.at)} "
            f"coordinates; the problem has {len(problem.space)}.",
            mend=f"Give {', '.join(problem.space)}.",
        )
    size = max(high - low for low, high in zip(region.lower, region.upper, strict=True))
    if float(region.signed_distance(torch.tensor([point], dtype=torch.float64))) > 1e-9 * size:
        raise InputError(
            f"the condition {condition.label!r} stands outside the domain.",
            mend="Move its point inside or onto the boundary.",
        )
    return point


def _check_sides(problem: Problem, condition: Condition) -> None:
    region, names = problem.region, sides_of(condition)
    for name in names:
        if name not in region.sides:
            if name in (INITIAL, FINAL):
                raise InputError(
                    f"the condition {condition.label!r} is at the {name} time, but the problem "
                    "has no time.",
                    mend="Add `t` to `coordinates` and `time: [0, 1]`, or name a side.",
                )
            raise InputError(
                f"the condition {condition.label!r} names the side {name!r}, which this domain "
                f"does not have; it has {', '.join(region.sides)}.",
                mend=suggest(name, region.sides),
            )
    if FINAL in names:
        raise InputError(
            f"the condition {condition.label!r} is at the final time.",
            mend="An evolution problem takes initial conditions; for one with conditions at both "
            "ends call the coordinate another letter than t.",
        )
    if INITIAL in names and len(names) > 1:
        raise InputError(
            f"the condition {condition.label!r} is at the initial time and on the boundary.",
            mend="Write two conditions.",
        )


def _applies(problem: Problem, condition: Condition, points: Tensor, normals: Tensor) -> Tensor:
    if is_point(condition):
        place = points.new_tensor([float(number) for number in condition.at])
        mask = (points[:, : len(place)] == place).all(1) & ~_facing_time(problem.region, normals)
    else:
        sides = [on_side(problem.region, name, points, normals) for name in sides_of(condition)]
        mask = torch.stack(sides).any(0)
    where = where_function(problem, condition)
    return mask if where is None else mask & where(points)


def _form(
    problem: Problem, condition: Condition, points: Tensor, normals: Tensor, applies: Tensor
) -> LinearForm:
    none = is_point(condition) or is_initial(condition)
    form = linear_form(problem, condition.residual, points, None if none else normals)
    if not form.coefficients and form.integrated:
        raise InputError(
            f"the condition {condition.label!r} holds only integrals of the unknowns.",
            mend="It says one number: write it as {integral: ..., equals: ...}.",
        )
    if not form.coefficients:
        raise InputError(
            f"the condition {condition.label!r} holds no unknown.",
            mend=f"Mention {' or '.join(problem.unknowns)}, or remove the condition.",
        )
    bad = torch.nonzero(applies & ~form.size().isfinite()).flatten()
    if len(bad) and form.linear:
        raise InputError(
            f"the condition {condition.label!r} is not finite at "
            f"{point_text(problem, points[bad[0]])}.",
            mend="Change it, or narrow it with `where`.",
        )
    return form
