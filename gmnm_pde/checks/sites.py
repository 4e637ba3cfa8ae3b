"""The conditions as rows at sample points of the boundary: which apply, and what they ask.

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
_FLAT = 1e-9


@dataclass(frozen=True)
class Sites:
    """Points where conditions stand: a sample of the boundary, then the points of `at: [x, y]`.

    Arguments:
        points: (n, d).
        normals: (n, d), zero at the points that conditions name.
        applies: by the condition's number, (n,) bool.
        forms: by the condition's number, linearised at all the points.
        counted: the first so many points are the sample that conditions are counted on.
    """

    points: Tensor
    normals: Tensor
    applies: dict[int, Tensor]
    forms: dict[int, LinearForm]
    counted: int

    @property
    def on_boundary(self) -> Tensor:
        """Which sites belong to the boundary sample, (n,) bool."""
        return self.normals.norm(dim=1) > 0.5

    def describe(self, problem: Problem, index: int) -> str:
        """``the side left, at x = -1, y = 0.3``."""
        place = point_text(problem, self.points[index])
        point, normal = self.points[index : index + 1], self.normals[index : index + 1]
        if not bool(self.on_boundary[index]):
            return f"the point {place}"
        for name in problem.domain.sides[1:]:
            if bool(on_side(problem.domain, name, point, normal)):
                return f"the side {name}, at {place}"
        return f"the boundary, at {place}"


def point_text(problem: Problem, point: Tensor) -> str:
    """``x = -1, y = 0.3``."""
    pairs = zip(problem.coordinates, point.tolist(), strict=True)
    return ", ".join(f"{name} = {value:.4g}" for name, value in pairs)


def is_point(condition: Condition) -> bool:
    """Whether a condition stands at a point and not on a part of the boundary."""
    return not isinstance(condition.at, str) and not isinstance(condition.at[0], str)


def on_side(domain: Domain, name: str, points: Tensor, normals: Tensor) -> Tensor:
    """Which boundary points lie on a flat side of the bounding box, (n,) bool."""
    for axis, pair in enumerate(SIDE_NAMES):
        if name in pair:
            end = pair.index(name)
            face = (domain.lower, domain.upper)[end][axis]
            slack = _FLAT * (domain.upper[axis] - domain.lower[axis])
            facing = normals[:, axis] * (-1.0, 1.0)[end] > 1.0 - _FLAT
            return ((points[:, axis] - face).abs() <= slack) & facing
    return normals.norm(dim=1) > 0.5


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
    """Every condition but the integrals, at common points.

    Raises:
        InputError: a side the domain does not have, a point outside, a ``where`` that leaves
            nothing, a residual that cannot be evaluated or is not finite.
    """
    domain = problem.domain
    samples = [domain.sample_boundary(BOUNDARY_POINTS)]
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
                samples += [sample] if domain.dimension > 1 else []
        except InputError as error:
            raise locate(("conditions", index), error) from None
    points = torch.cat([sample.points for sample in samples])
    normals = torch.cat([sample.normals for sample in samples])
    fresh = [
        point for point in named if not bool((points == points.new_tensor(point)).all(1).any())
    ]
    if fresh:
        points = torch.cat([points, points.new_tensor(fresh)])
        normals = torch.cat([normals, normals.new_zeros(len(fresh), domain.dimension)])
    applies, forms = {}, {}
    for index, condition in conditions.items():
        try:
            applies[index] = _applies(problem, condition, points, normals)
            forms[index] = _form(problem, condition, points, normals, applies[index])
        except InputError as error:
            raise locate(("conditions", index), error) from None
    return Sites(points, normals, applies, forms, len(samples[0].points))


def _own_sample(problem: Problem, condition: Condition) -> Boundary:
    """Points of one condition: a narrow ``where`` may select none of the common ones."""
    _check_sides(problem.domain, condition)
    names = (
        [condition.at] if isinstance(condition.at, str) else [str(name) for name in condition.at]
    )
    where = where_function(problem, condition)
    return problem.domain.sample_boundary(64, names, where=where)


def _checked_point(problem: Problem, condition: Condition) -> tuple[float, ...]:
    domain, point = problem.domain, tuple(float(number) for number in condition.at)
    if len(point) != domain.dimension:
        raise InputError(
            f"the condition {condition.label!r} stands at a point of {len(point)} "
            f"coordinates; the problem has {domain.dimension}.",
            mend=f"Give {', '.join(problem.coordinates)}.",
        )
    size = max(high - low for low, high in zip(domain.lower, domain.upper, strict=True))
    if float(domain.signed_distance(torch.tensor([point], dtype=torch.float64))) > 1e-9 * size:
        raise InputError(
            f"the condition {condition.label!r} stands outside the domain.",
            mend="Move its point inside or onto the boundary.",
        )
    return point


def _check_sides(domain: Domain, condition: Condition) -> None:
    names = (condition.at,) if isinstance(condition.at, str) else condition.at
    for name in names:
        if name not in domain.sides:
            raise InputError(
                f"the condition {condition.label!r} names the side {name!r}, which this domain "
                f"does not have; it has {', '.join(domain.sides)}.",
                mend=suggest(str(name), domain.sides),
            )


def _applies(problem: Problem, condition: Condition, points: Tensor, normals: Tensor) -> Tensor:
    if is_point(condition):
        mask = (points == points.new_tensor(condition.at)).all(1)
    else:
        names = (condition.at,) if isinstance(condition.at, str) else condition.at
        sides = [on_side(problem.domain, str(name), points, normals) for name in names]
        mask = torch.stack(sides).any(0)
    where = where_function(problem, condition)
    return mask if where is None else mask & where(points)


def _form(
    problem: Problem, condition: Condition, points: Tensor, normals: Tensor, applies: Tensor
) -> LinearForm:
    at_point = is_point(condition)
    form = linear_form(problem, condition.residual, points, None if at_point else normals)
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
