"""The checks of conditions: enough of them everywhere, not too many, and none in conflict."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gmnm_pde.checks.demands import Conflict, find_demands
from gmnm_pde.checks.equations import Locate
from gmnm_pde.checks.facts import ConditionFacts, EquationFacts
from gmnm_pde.checks.linear import LinearForm, linear_form
from gmnm_pde.checks.sites import Sites, find_sites, is_point
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Condition, IntegralCondition, Problem


def check_conditions(
    problem: Problem, equations: list[EquationFacts], locate: Locate
) -> tuple[list[ConditionFacts], dict[int, LinearForm]]:
    """The facts of every condition, and all of them linearised.

    Raises:
        InputError: a condition that cannot stand there, two in conflict, too few or too many.
    """
    sites = find_sites(problem, locate)
    forms = {**sites.forms, **_integral_forms(problem, locate)}
    demands = find_demands(sites)
    distinct, conflict = demands.distinct()
    if conflict is not None:
        raise locate(("conditions", conflict.second), _conflict(problem, sites, conflict))
    if problem.domain.dimension == 1:
        _check_total(problem, equations, distinct, demands.numbers, forms, locate)
    else:
        _check_everywhere(problem, equations, sites, distinct, demands.numbers, locate)
    _check_any(problem, equations, locate)
    return [_facts(problem, sites, forms, index) for index in range(len(forms))], forms


def _facts(
    problem: Problem, sites: Sites, forms: dict[int, LinearForm], index: int
) -> ConditionFacts:
    condition = problem.conditions[index]
    selected = None
    if isinstance(condition, Condition) and not is_point(condition):
        mask = sites.applies[index]
        selected = int(mask[: sites.counted].sum()) or int(mask.any())
    return ConditionFacts(condition.label, selected, forms[index].linear)


def _integral_forms(problem: Problem, locate: Locate) -> dict[int, LinearForm]:
    forms = {}
    points = problem.domain.sample_interior(64)
    for index, condition in enumerate(problem.conditions):
        if not isinstance(condition, IntegralCondition):
            continue
        try:
            forms[index] = linear_form(problem, condition.integrand, points)
            if not forms[index].coefficients:
                raise InputError(
                    f"the integral {condition.label!r} holds no unknown.",
                    mend=f"Mention {' or '.join(problem.unknowns)}.",
                )
        except InputError as error:
            raise locate(("conditions", index), error) from None
    return forms


def _conflict(problem: Problem, sites: Sites, conflict: Conflict) -> InputError:
    first, second = (problem.conditions[i].label for i in (conflict.first, conflict.second))
    return InputError(
        f"the conditions {first!r} and {second!r} are in conflict on "
        f"{sites.describe(problem, conflict.site)}: one asks for {conflict.values[0]:.6g}, "
        f"the other for {conflict.values[1]:.6g}.",
        mend="Remove one of them, or narrow it with `at` or `where`.",
    )


def _takes(equation: EquationFacts, number: int) -> str:
    return f"the equation {equation.label!r}, of order {equation.order}, takes {number}"


def _check_everywhere(
    problem: Problem,
    equations: list[EquationFacts],
    sites: Sites,
    distinct: Tensor,
    numbers: Sequence[int],
    locate: Locate,
) -> None:
    """Two and more dimensions: an elliptic equation of order 2m takes m conditions everywhere."""
    if len(equations) != 1 or not equations[0].elliptic or len(problem.unknowns) > 1:
        return
    equation, needed = equations[0], equations[0].order // 2
    count = distinct.sum(0)
    few = torch.nonzero(sites.on_boundary & (count < needed)).flatten()
    if len(few) and problem.data is None:
        site = int(few[0])
        number = int(count[site])
        found = {0: "no condition", 1: "only one condition"}.get(
            number, f"only {number} conditions"
        )
        example = f"{problem.unknowns[0]}{'_n' if number else ''} = 0"
        error = InputError(
            f"{found} on {sites.describe(problem, site)}; {_takes(equation, needed)}.",
            mend=f"Add one there, such as {{at: boundary, equation: {example}}}.",
        )
        raise locate(("conditions",), error)
    many = torch.nonzero(sites.on_boundary & (count > needed)).flatten()
    if len(many):
        site = int(many[0])
        here = [number for row, number in enumerate(numbers) if bool(distinct[row, site])]
        labels = ", ".join(repr(problem.conditions[number].label) for number in here)
        error = InputError(
            f"too many conditions on {sites.describe(problem, site)}: {labels}; "
            f"{_takes(equation, needed)}.",
            mend="Remove one of them, or narrow it with `at` or `where`.",
        )
        raise locate(("conditions", here[needed]), error)


def _check_total(
    problem: Problem,
    equations: list[EquationFacts],
    distinct: Tensor,
    numbers: Sequence[int],
    forms: dict[int, LinearForm],
    locate: Locate,
) -> None:
    """One dimension: an equation of order k takes k conditions in all, wherever they stand."""
    if len(equations) != 1 or len(problem.unknowns) > 1 or problem.data is not None:
        return
    equation, unknown = equations[0], problem.unknowns[0]
    found = {number: int(count) for number, count in zip(numbers, distinct.sum(1), strict=True)}
    total = sum(found.values())
    integrals = len(forms) - len(found)
    pins = integrals + sum(count for number, count in found.items() if _holds_value(forms[number]))
    if total + integrals < equation.order:
        given = {0: "no condition is", 1: "only one condition is"}.get(
            total + integrals, f"only {total + integrals} conditions are"
        )
        error = InputError(
            f"{given} given; {_takes(equation, equation.order)} in all.",
            mend=f"Add one, such as {{at: left, equation: {unknown} = 0}}.",
        )
        raise locate(("conditions",), error)
    # Where fluxes alone leave a constant free, one further condition may pin it.
    allowed = equation.order + (1 if pins == 1 and not integrals else 0)
    if equation.order > 0 and total > allowed:
        labels = ", ".join(repr(problem.conditions[number].label) for number in found)
        error = InputError(
            f"too many conditions: {labels}; {_takes(equation, equation.order)} in all.",
            mend="Remove one of them.",
        )
        raise locate(("conditions", max(found)), error)


def _holds_value(form: LinearForm) -> bool:
    return any(sum(orders) == 0 for _, orders in form.coefficients)


def _check_any(problem: Problem, equations: list[EquationFacts], locate: Locate) -> None:
    order = max((item.order for item in equations), default=0)
    if order > 0 and not problem.conditions and problem.data is None:
        error = InputError(
            f"there is no condition, but an equation of order {order} needs at least one.",
            mend=f"Add for example {{at: boundary, equation: {problem.unknowns[0]} = 0}}.",
        )
        raise locate(("conditions",), error)
