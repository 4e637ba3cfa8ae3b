"""The checks of equations: order, linear, elliptic, finite, and every unknown mentioned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch

from gmnm_pde.checks.facts import EquationFacts
from gmnm_pde.checks.finite import find_singularity, lattice
from gmnm_pde.checks.linear import LinearForm, directions, linear_form, size_function, symbol
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Equation, Problem

Locate = Callable[[tuple[str | int, ...], InputError], InputError]
"""Adds to an error the place in the file of a part of the problem."""

_POINTS = 600
_DEFINITE = 1e-10


def check_equations(
    problem: Problem, locate: Locate
) -> tuple[list[EquationFacts], list[LinearForm]]:
    """The facts of every equation.

    Raises:
        InputError: an equation without an unknown, one that is not finite at a point of the
            domain, an unknown that neither an equation nor the data mentions.
    """
    points = lattice(problem.domain)
    if len(points) > _POINTS:
        chosen = torch.linspace(0, len(points) - 1, _POINTS, dtype=torch.float64).long()
        points = points[chosen]
    if not len(points):
        points = problem.domain.sample_interior(_POINTS)
    facts, forms = [], []
    for index, equation in enumerate(cast(Sequence[Equation], problem.equations)):
        try:
            form = linear_form(problem, equation.residual, points)
            if not form.coefficients:
                raise InputError(
                    f"the equation {equation.label!r} holds no unknown.",
                    mend=f"Mention {' or '.join(problem.unknowns)}, or remove the equation.",
                )
            _check_finite(problem, equation, form.linear)
        except InputError as error:
            raise locate(("equations", index), error) from None
        facts.append(
            EquationFacts(equation.label, form.order, form.linear, _elliptic(problem, form))
        )
        forms.append(form)
    _check_mentioned(problem, forms, locate)
    return facts, forms


def _check_finite(problem: Problem, equation: Equation, linear: bool) -> None:
    function = size_function(problem, equation.residual)
    # The state of a nonlinear equation is random: growth towards a point proves nothing.
    found = find_singularity(function, problem.domain, refine=linear)
    if found is not None:
        raise InputError(
            f"the equation {equation.label!r} {found.describe(tuple(problem.coordinates))}.",
            mend="Change it so that it is finite everywhere in the domain.",
        )


def _elliptic(problem: Problem, form: LinearForm) -> bool | None:
    order = form.order
    if order < 2 or len(problem.unknowns) > 1:
        return None
    if order % 2 and problem.domain.dimension > 1:
        return False
    values = symbol(form, problem.unknowns[0], order, directions(problem.domain.dimension))
    smallest, largest = float(values.min()), float(values.max())
    size = values.abs()
    definite = smallest > 0.0 or largest < 0.0
    return definite and float(size.min()) > _DEFINITE * float(size.max())


def _check_mentioned(problem: Problem, forms: list[LinearForm], locate: Locate) -> None:
    mentioned = {name for form in forms for name in form.unknowns}
    if problem.data is not None:
        measured = problem.data.values.isfinite().any(0).tolist()
        mentioned |= {name for name, given in zip(problem.unknowns, measured, strict=True) if given}
    for index, name in enumerate(problem.unknowns):
        if name not in mentioned:
            error = InputError(
                f"no equation mentions the unknown {name!r}.",
                mend=f"Add an equation for {name}, or remove it from `unknowns`.",
            )
            raise locate(("unknowns", index), error)
