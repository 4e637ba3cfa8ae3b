"""What `check` says about a problem, and `solve` before it starts: found without any training.

from gmnm_pde.checks import check
facts = check(problem)          # raises InputError for what cannot be solved
"""

from __future__ import annotations

import torch

from gmnm_pde.checks.conditions import check_conditions
from gmnm_pde.checks.equations import Locate, check_equations
from gmnm_pde.checks.facts import Checked, ConditionFacts, EquationFacts
from gmnm_pde.checks.finite import Singularity, find_singularity
from gmnm_pde.checks.linear import LinearForm
from gmnm_pde.checks.sites import BOUNDARY_POINTS
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem

__all__ = [
    "Checked",
    "ConditionFacts",
    "EquationFacts",
    "Locate",
    "Singularity",
    "check",
    "find_singularity",
]


def _nowhere(path: tuple[str | int, ...], error: InputError) -> InputError:
    return error


def check(problem: Problem, locate: Locate = _nowhere) -> Checked:
    """Understand a problem, or say what is wrong with it.

    Arguments:
        problem: from a file or from Python.
        locate: adds file and line to an error about a part such as ``("conditions", 0)``.

    Raises:
        InputError: an unknown that no equation mentions; equations, conditions or measurements
            that are not finite or stand outside the domain; conditions that are missing, too
            many or in conflict.
    """
    equations, forms = check_equations(problem, locate)
    _check_data(problem, locate)
    conditions, condition_forms = check_conditions(problem, equations, locate)
    order = max((item.order for item in equations), default=0)
    pure_neumann = order > 0 and _constants_free(problem, [*forms, *condition_forms.values()])
    notes = []
    if pure_neumann:
        notes.append(
            "Equations and conditions leave a constant free (a pure Neumann problem): "
            "the mean of the solution is set to zero."
        )
    if order == 0:
        notes.append(
            "No equation holds a derivative: a function is fitted."
            if equations
            else "There is no equation: the measurements are fitted."
        )
    return Checked(
        equations=tuple(equations),
        conditions=tuple(conditions),
        order=order,
        linear=all(item.linear for item in equations) and all(item.linear for item in conditions),
        pure_neumann=pure_neumann,
        boundary_points=min(BOUNDARY_POINTS, 2)
        if problem.domain.dimension == 1
        else BOUNDARY_POINTS,
        notes=tuple(notes),
    )


def _constants_free(problem: Problem, forms: list[LinearForm]) -> bool:
    """Whether some unknown + constant satisfies everything that the unknown satisfies."""
    if problem.data is not None or not all(form.linear for form in forms):
        return False
    held = {name for form in forms for name, orders in form.coefficients if not sum(orders)}
    return bool(set(problem.unknowns) - held)


def _check_data(problem: Problem, locate: Locate) -> None:
    data = problem.data
    if data is None:
        return
    domain = problem.domain
    size = max(high - low for low, high in zip(domain.lower, domain.upper, strict=True))
    outside = torch.nonzero(domain.signed_distance(data.points.cpu().double()) > 1e-6 * size)
    if len(outside):
        index = int(outside[0])
        point = [round(value, 6) for value in data.points[index].tolist()]
        error = InputError(
            f"{len(outside)} of {len(data.points)} measurements lie outside the domain, "
            f"the first is number {index + 1} at {point}.",
            mend="Enlarge the domain, or remove them.",
        )
        raise locate(("data",), error)
