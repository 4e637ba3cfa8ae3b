"""What `check` says about a problem, and `solve` before it starts: found without any training.

from gmnm_pde.checks import check
facts = check(problem)          # raises InputError for what cannot be solved
"""

from __future__ import annotations

import torch

from gmnm_pde.checks.conditions import Findings, check_conditions
from gmnm_pde.checks.equations import Locate, check_equations, unknown_facts
from gmnm_pde.checks.facts import Checked, ConditionFacts, EquationFacts, UnknownFacts
from gmnm_pde.checks.finite import Singularity, find_singularity
from gmnm_pde.checks.inference import check_inferred, positive_notes
from gmnm_pde.checks.linear import LinearForm, sign_of_symbol
from gmnm_pde.checks.structure import check_determined
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem

__all__ = [
    "Checked",
    "ConditionFacts",
    "EquationFacts",
    "Locate",
    "Singularity",
    "UnknownFacts",
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
        InputError: an unknown that no equation mentions or determines; equations, conditions or
            measurements that are not finite or stand outside the domain; conditions that are
            missing, too many, in conflict or cannot stand where they do.
    """
    check_inferred(problem, locate)
    kept = positive_notes(problem)
    problem = problem.initially
    equations, forms = check_equations(problem, locate)
    check_determined(problem, forms, locate)
    unknowns = unknown_facts(problem, forms)
    _check_data(problem, locate)
    _check_reference(problem, locate)
    found = Findings(equations, unknowns, forms)
    conditions, condition_forms, notes = check_conditions(problem, found, locate)
    order = max((item.order for item in equations), default=0)
    linear = all(item.linear for item in equations) and all(item.linear for item in conditions)
    free = _free(problem, [*forms, *condition_forms]) if order > 0 else ()
    return Checked(
        equations=tuple(equations),
        conditions=tuple(conditions),
        order=order,
        linear=linear,
        pure_neumann=linear and bool(free) and len(problem.unknowns) == 1,
        boundary_points=max((item.of for item in conditions if item.kind == "boundary"), default=0),
        notes=(*_remarks(problem, order, linear, free, equations, forms), *notes, *kept),
        unknowns=tuple(unknowns),
        free=free,
    )


def _free(problem: Problem, forms: list[LinearForm]) -> tuple[str, ...]:
    """The unknowns to which a constant may be added: only their derivatives are mentioned."""
    if problem.data is not None:
        return ()
    keys = (key for form in forms for key in (*form.coefficients, *form.integrated))
    held = {name for name, orders in keys if not sum(orders)}
    return tuple(name for name in problem.unknowns if name not in held)


def _remarks(
    problem: Problem,
    order: int,
    linear: bool,
    free: tuple[str, ...],
    equations: list[EquationFacts],
    forms: list[LinearForm],
) -> list[str]:
    notes = [note for equation in problem.laws for note in equation.notes]
    notes += problem.region.notes
    if free and len(problem.unknowns) == 1:
        notes.append(
            "Equations and conditions leave a constant free (a pure Neumann problem): "
            "the mean of the solution is set to zero."
        )
    elif free:
        notes.append(
            f"Equations and conditions leave a constant of {' and of '.join(free)} free: "
            "its mean is set to zero."
        )
    if order == 0:
        notes.append(
            "No equation holds a derivative: a function is fitted."
            if equations
            else "There is no equation: the measurements are fitted."
        )
    if problem.time is not None and len(equations) == len(problem.unknowns) == 1:
        notes += _ill_posed(problem, equations[0], forms[0])
    return notes


def _ill_posed(problem: Problem, equation: EquationFacts, form: LinearForm) -> list[str]:
    """A linear parabolic or hyperbolic equation whose sign makes short waves grow."""
    name, order = problem.unknowns[0], (0,) * len(problem.space)
    if not equation.elliptic or not equation.linear or equation.in_time not in (1, 2):
        return []
    rate = form.coefficients.get((name, (*order, equation.in_time)))
    if rate is None or not (bool((rate > 0).all()) or bool((rate < 0).all())):
        return []
    sign = sign_of_symbol(form, name, problem.domain.dimension)
    # r = a u_t + P(d/dx) u decays where a P(i xi) > 0: P(i xi) = (-1)^m times the symbol.
    if sign * (1 if float(rate[0]) > 0 else -1) * (-1) ** (equation.in_space // 2) > 0:
        return []
    return [
        f"{equation.label!r} lets short waves grow the faster the shorter they are (a heat "
        "equation backwards in time): check the sign of its highest derivative."
    ]


def _check_reference(problem: Problem, locate: Locate) -> None:
    """A reference that is a file is read before anything is solved."""
    if problem.reference is None:
        return
    try:
        problem.reference.own_points(problem)
    except InputError as error:
        raise locate(("reference",), error) from None


def _check_data(problem: Problem, locate: Locate) -> None:
    data = problem.data
    if data is None:
        return
    domain = problem.region
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
