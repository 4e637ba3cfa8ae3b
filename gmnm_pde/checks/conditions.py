"""The checks of conditions: enough of them everywhere, not too many, and none in conflict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmnm_pde.checks.boundary import check_boundary, given_on_boundary
from gmnm_pde.checks.corners import corner_notes
from gmnm_pde.checks.demands import Conflict, find_demands
from gmnm_pde.checks.equations import Locate
from gmnm_pde.checks.facts import ConditionFacts, EquationFacts, UnknownFacts
from gmnm_pde.checks.initial import check_initial
from gmnm_pde.checks.interfaces import check_interfaces
from gmnm_pde.checks.kinds import (
    check_ends,
    check_hard,
    check_periodic,
    check_subdomains,
    integral_forms,
    interface_forms,
)
from gmnm_pde.checks.linear import LinearForm
from gmnm_pde.checks.sites import Sites, find_sites, is_initial, is_point
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Condition, IntegralCondition, Periodic, Problem


@dataclass(frozen=True)
class Findings:
    """What the equations say before the conditions are looked at.

    Arguments:
        equations, unknowns: their facts.
        forms: the equations linearised.
    """

    equations: Sequence[EquationFacts]
    unknowns: Sequence[UnknownFacts]
    forms: Sequence[LinearForm]


def check_conditions(
    problem: Problem, found: Findings, locate: Locate
) -> tuple[list[ConditionFacts], list[LinearForm], list[str]]:
    """The facts of every condition, all of them linearised, and remarks.

    Raises:
        InputError: a condition that cannot stand there, two in conflict, too few or too many.
    """
    check_periodic(problem, locate)
    check_subdomains(problem, locate)
    sites = find_sites(problem, locate)
    check_ends(problem, sites, locate)
    forms = {**sites.forms, **integral_forms(problem, locate), **interface_forms(problem, locate)}
    check_interfaces(problem, found.equations, locate)
    demands = find_demands(sites)
    distinct, conflict = demands.distinct()
    if conflict is not None:
        raise locate(("conditions", conflict.second), _conflict(problem, sites, conflict))
    notes = check_initial(problem, found.unknowns, found.forms, sites, demands, distinct, locate)
    given = given_on_boundary(problem, sites, demands, distinct)
    notes += check_boundary(problem, found.equations, found.forms, given, forms, locate)
    _check_any(problem, found.equations, locate)
    check_hard(problem, locate)
    facts = [_facts(problem, sites, forms, index) for index in range(len(problem.conditions))]
    return facts, list(forms.values()), notes + corner_notes(problem)


def _facts(
    problem: Problem, sites: Sites, forms: dict[int, LinearForm], index: int
) -> ConditionFacts:
    condition = problem.conditions[index]
    linear = forms[index].linear if index in forms else True
    if not isinstance(condition, Condition):
        kind = "interface"
        if isinstance(condition, Periodic | IntegralCondition):
            kind = "periodic" if isinstance(condition, Periodic) else "integral"
        return ConditionFacts(condition.label, None, linear, kind=kind)
    if is_point(condition):
        return ConditionFacts(condition.label, None, linear, kind="point")
    mask, counted = sites.applies[index], sites.counted
    if is_initial(condition):
        end = counted + sites.counted_initial
        points = int(mask[counted:end].sum()) or int(mask.any())
        return ConditionFacts(condition.label, points, linear, sites.counted_initial, "initial")
    points = int(mask[:counted].sum()) or int(mask.any())
    return ConditionFacts(condition.label, points, linear, counted)


def _conflict(problem: Problem, sites: Sites, conflict: Conflict) -> InputError:
    first, second = (problem.conditions[i].label for i in (conflict.first, conflict.second))
    return InputError(
        f"the conditions {first!r} and {second!r} are in conflict on "
        f"{sites.describe(problem, conflict.site)}: one asks for {conflict.values[0]:.6g}, "
        f"the other for {conflict.values[1]:.6g}.",
        mend="Remove one of them, or narrow it with `at` or `where`.",
    )


def _check_any(problem: Problem, equations: Sequence[EquationFacts], locate: Locate) -> None:
    order = max((item.order for item in equations), default=0)
    if order > 0 and not problem.conditions and problem.data is None:
        error = InputError(
            f"there is no condition, but an equation of order {order} needs at least one.",
            mend=f"Add for example {{at: boundary, equation: {problem.unknowns[0]} = 0}}.",
        )
        raise locate(("conditions",), error)
