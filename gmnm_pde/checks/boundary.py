"""The checks of boundary conditions: enough of them everywhere, and not too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.checks.demands import Demands
from gmnm_pde.checks.equations import Locate
from gmnm_pde.checks.facts import EquationFacts
from gmnm_pde.checks.linear import LinearForm, linear_form
from gmnm_pde.checks.sites import Sites, on_side
from gmnm_pde.checks.structure import Need, boundary_need, order_words
from gmnm_pde.errors import InputError
from gmnm_pde.fields import unit_orders
from gmnm_pde.geometry.domain import SIDE_NAMES
from gmnm_pde.problem import IntegralCondition, Periodic, Problem

_INFLOW = 1e-8


@dataclass(frozen=True)
class Given:
    """What stands on the boundary.

    Arguments:
        sites: points.
        demands: what conditions ask for there.
        distinct: (c, n), see :meth:`Demands.distinct`.
        count: (n,), different conditions at each point.
        open: (n,) bool, the points where conditions are expected: on the boundary, and not on a
            side across which the domain repeats.
    """

    sites: Sites
    demands: Demands
    distinct: Tensor
    count: Tensor
    open: Tensor

    def labels(self, problem: Problem, site: int) -> tuple[list[int], str]:
        """The conditions at a site by number and in words."""
        numbers = self.demands.numbers
        here = [number for row, number in enumerate(numbers) if bool(self.distinct[row, site])]
        return here, ", ".join(repr(problem.conditions[number].label) for number in here)


def given_on_boundary(problem: Problem, sites: Sites, demands: Demands, distinct: Tensor) -> Given:
    """The conditions counted at every site."""
    count = distinct.sum(0) if len(distinct) else torch.zeros(len(sites.points), dtype=torch.long)
    return Given(
        sites, demands, distinct, count, sites.on_boundary & ~periodic_sites(problem, sites)
    )


def periodic_sites(problem: Problem, sites: Sites) -> Tensor:
    """Which sites lie on a side across which the domain repeats, (n,) bool."""
    mask = torch.zeros(len(sites.points), dtype=torch.bool)
    for condition in problem.conditions:
        if isinstance(condition, Periodic) and condition.coordinate in problem.space:
            for name in SIDE_NAMES[problem.space.index(condition.coordinate)]:
                mask |= on_side(problem.region, name, sites.points, sites.normals)
    return mask


def check_boundary(
    problem: Problem,
    equations: Sequence[EquationFacts],
    forms: Sequence[LinearForm],
    given: Given,
    condition_forms: dict[int, LinearForm],
    locate: Locate,
) -> list[str]:
    """Whether the boundary conditions are those that the equations take; remarks.

    Raises:
        InputError: too few or too many, where that is certain.
    """
    if problem.region.dimension == 1:
        _check_total(problem, equations, given, condition_forms, locate)
        return []
    need = boundary_need(problem, equations, forms)
    if need is not None:
        return _check_everywhere(problem, need, given, locate)
    if problem.time is not None and len(equations) == len(problem.unknowns) == 1:
        if equations[0].in_space == 1:
            return _check_inflow(problem, equations[0], given, locate)
        return _count_at_ends(problem, equations[0], given)
    return []


def _check_everywhere(problem: Problem, need: Need, given: Given, locate: Locate) -> list[str]:
    """An elliptic equation of order 2m takes m conditions everywhere, a parabolic one as well."""
    few = torch.nonzero(given.open & (given.count < need.number)).flatten()
    excused = problem.data is not None or (problem.time is not None and _has_integrals(problem))
    if len(few) and not excused:
        site = int(few[0])
        number, place = int(given.count[site]), given.sites.describe(problem, site)
        found = {0: "no condition", 1: "only one condition"}.get(
            number, f"only {number} conditions"
        )
        if not need.sure:
            return [f"There is {found} on {place}; {need.words} usually take {need.number} there."]
        example = f"{_unheld(problem, given, site)}{'_n' if number and need.only else ''} = 0"
        error = InputError(
            f"{found} on {place}; {need.words} {_takes(need)} {need.number}.",
            mend=f"Add one there, such as {{at: boundary, equation: {example}}}.",
        )
        raise locate(("conditions",), error)
    many = torch.nonzero(given.open & (given.count > need.number)).flatten()
    if len(many) and need.only:
        site = int(many[0])
        here, labels = given.labels(problem, site)
        error = InputError(
            f"too many conditions on {given.sites.describe(problem, site)}: {labels}; "
            f"{need.words} takes {need.number}.",
            mend="Remove one of them, or narrow it with `at` or `where`.",
        )
        raise locate(("conditions", here[need.number]), error)
    return []


def _takes(need: Need) -> str:
    return "takes" if need.only else "take"


def _unheld(problem: Problem, given: Given, site: int) -> str:
    """An unknown that no condition at a site mentions, or the first one."""
    here, _ = given.labels(problem, site)
    held = {name for number in here for name in given.sites.forms[number].unknowns}
    return next((name for name in problem.unknowns if name not in held), problem.unknowns[0])


def _has_integrals(problem: Problem) -> bool:
    return any(isinstance(condition, IntegralCondition) for condition in problem.conditions)


def _check_inflow(
    problem: Problem, equation: EquationFacts, given: Given, locate: Locate
) -> list[str]:
    """A first-order equation a u_t + b . grad u = ... takes one condition where b . n / a < 0."""
    sites, name = given.sites, problem.unknowns[0]
    form = linear_form(problem, problem.laws[0].residual, sites.points)
    rate = form.coefficients.get((name, unit_orders(problem.coordinates, "t")))
    if not form.linear or rate is None or problem.data is not None:
        return []
    flux, speed = torch.zeros_like(rate), torch.zeros_like(rate)
    for axis, letter in enumerate(problem.space):
        b = form.coefficients.get((name, unit_orders(problem.coordinates, letter)))
        if b is not None:
            flux, speed = flux + b / rate * sites.normals[:, axis], speed + (b / rate).abs()
    inflow = given.open & (flux < -_INFLOW * speed)
    few = torch.nonzero(inflow & (given.count == 0)).flatten()
    if len(few) and not _has_integrals(problem):
        place = sites.describe(problem, int(few[0]))
        error = InputError(
            f"no condition on {place}, where {equation.label!r} carries {name} into the domain.",
            mend=f"Add one there, such as {{at: boundary, equation: {name} = 0}}.",
        )
        raise locate(("conditions",), error)
    outflow = given.open & (flux > _INFLOW * speed) & (given.count > 0)
    if bool(outflow.any()):
        site = int(torch.nonzero(outflow).flatten()[0])
        _, labels = given.labels(problem, site)
        return [
            f"{labels} stands on {sites.describe(problem, site)}, where {equation.label!r} "
            f"carries {name} out of the domain: it takes no condition there."
        ]
    return []


def _count_at_ends(problem: Problem, equation: EquationFacts, given: Given) -> list[str]:
    """An equation of odd order in one dimension takes as many conditions as its order in all."""
    if problem.domain.dimension != 1 or equation.in_space < 3 or not bool(given.open.any()):
        return []
    ends = [
        given.open & on_side(problem.region, name, given.sites.points, given.sites.normals)
        for name in SIDE_NAMES[0]
    ]
    total = sum(int(given.count[end].min()) for end in ends if bool(end.any()))
    if total == equation.in_space or problem.data is not None:
        return []
    return [
        f"The two ends have {total} conditions; {order_words(equation)} usually takes "
        f"{equation.in_space} in all."
    ]


def _check_total(
    problem: Problem,
    equations: Sequence[EquationFacts],
    given: Given,
    forms: dict[int, LinearForm],
    locate: Locate,
) -> None:
    """One dimension: an equation of order k takes k conditions in all, wherever they stand."""
    repeats = any(isinstance(condition, Periodic) for condition in problem.conditions)
    if len(equations) != 1 or len(problem.unknowns) > 1 or problem.data is not None or repeats:
        return
    equation, unknown = equations[0], problem.unknowns[0]
    takes = f"{order_words(equation)} takes {equation.order} in all"
    counts = given.distinct.sum(1)
    found = {n: int(count) for n, count in zip(given.demands.numbers, counts, strict=True)}
    total = sum(found.values())
    integrals = sum(isinstance(item, IntegralCondition) for item in problem.conditions)
    pins = integrals + sum(count for number, count in found.items() if _holds_value(forms[number]))
    if total + integrals < equation.order:
        words = {0: "no condition is", 1: "only one condition is"}.get(
            total + integrals, f"only {total + integrals} conditions are"
        )
        error = InputError(
            f"{words} given; {takes}.",
            mend=f"Add one, such as {{at: left, equation: {unknown} = 0}}.",
        )
        raise locate(("conditions",), error)
    # Where fluxes alone leave a constant free, one further condition may pin it.
    allowed = equation.order + (1 if pins == 1 and not integrals else 0)
    if equation.order > 0 and total > allowed:
        labels = ", ".join(repr(problem.conditions[number].label) for number in found)
        error = InputError(f"too many conditions: {labels}; {takes}.", mend="Remove one of them.")
        raise locate(("conditions", max(found)), error)


def _holds_value(form: LinearForm) -> bool:
    return any(sum(orders) == 0 for _, orders in form.coefficients)
