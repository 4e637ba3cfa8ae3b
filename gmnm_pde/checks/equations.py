"""The checks of equations: order, linear, elliptic, finite, and every unknown mentioned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from gmnm_pde.checks.facts import EquationFacts, UnknownFacts
from gmnm_pde.checks.finite import find_singularity, lattice
from gmnm_pde.checks.linear import LinearForm, linear_form, sign_of_symbol, size_function
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Equation, Problem

Locate = Callable[[tuple[str | int, ...], InputError], InputError]
"""Adds to an error the place in the file of a part of the problem."""

_POINTS = 600


def check_equations(
    problem: Problem, locate: Locate
) -> tuple[list[EquationFacts], list[LinearForm]]:
    """The facts of every equation.

    Raises:
        InputError: an equation without an unknown, one that is not finite at a point of the
            domain, an unknown that neither an equation nor the data mentions.
    """
    points = lattice(problem.region)
    if len(points) > _POINTS:
        chosen = torch.linspace(0, len(points) - 1, _POINTS, dtype=torch.float64).long()
        points = points[chosen]
    if not len(points):
        points = problem.region.sample_interior(_POINTS)
    facts, forms = [], []
    for index, equation in enumerate(problem.laws):
        try:
            form = linear_form(problem, equation.residual, points)
            if not form.coefficients and form.integrated:
                raise InputError(
                    f"the equation {equation.label!r} holds only integrals of the unknowns.",
                    mend="It says one number: write a condition {integral: ..., equals: ...}.",
                )
            if not form.coefficients:
                raise InputError(
                    f"the equation {equation.label!r} holds no unknown.",
                    mend=f"Mention {' or '.join(problem.unknowns)}, or remove the equation.",
                )
            _check_finite(problem, equation, form.linear)
        except InputError as error:
            raise locate(("equations", index), error) from None
        facts.append(_facts(problem, equation, form))
        forms.append(form)
    _check_mentioned(problem, forms, locate)
    return facts, forms


def unknown_facts(problem: Problem, forms: Sequence[LinearForm]) -> list[UnknownFacts]:
    """The orders of every unknown over all equations."""
    d = problem.domain.dimension
    facts = []
    for name in problem.unknowns:
        orders = [found for form in forms if (found := form.orders(name, d)) is not None]
        in_space = max((item[0] for item in orders), default=0)
        in_time = max((item[1] for item in orders), default=0)
        facts.append(UnknownFacts(name, in_space, None if problem.time is None else in_time))
    return facts


def _facts(problem: Problem, equation: Equation, form: LinearForm) -> EquationFacts:
    d = problem.domain.dimension
    orders = [found for name in form.unknowns if (found := form.orders(name, d)) is not None]
    in_space = max(item[0] for item in orders)
    elliptic = None
    if in_space >= 2 and len(problem.unknowns) == 1:
        elliptic = sign_of_symbol(form, problem.unknowns[0], d) != 0
    return EquationFacts(
        equation.label,
        form.order,
        form.linear,
        elliptic,
        in_space,
        None if problem.time is None else max(item[1] for item in orders),
    )


def _check_finite(problem: Problem, equation: Equation, linear: bool) -> None:
    function = size_function(problem, equation.residual)
    # The state of a nonlinear equation is random: growth towards a point proves nothing.
    found = find_singularity(function, problem.region, refine=linear)
    if found is not None:
        raise InputError(
            f"the equation {equation.label!r} {found.describe(tuple(problem.coordinates))}.",
            mend="Change it so that it is finite everywhere in the domain.",
        )


def _check_mentioned(problem: Problem, forms: list[LinearForm], locate: Locate) -> None:
    mentioned = {name for form in forms for name in form.unknowns}
    mentioned |= measured(problem)
    for index, name in enumerate(problem.unknowns):
        if name not in mentioned:
            error = InputError(
                f"no equation mentions the unknown {name!r}.",
                mend=f"Add an equation for {name}, or remove it from `unknowns`.",
            )
            raise locate(("unknowns", index), error)


def measured(problem: Problem) -> set[str]:
    """The unknowns that the data hold values of."""
    if problem.data is None:
        return set()
    given = problem.data.values.isfinite().any(0).tolist()
    return {name for name, known in zip(problem.unknowns, given, strict=True) if known}
