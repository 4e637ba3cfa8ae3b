"""The checks of what is to be inferred: mentioned somewhere, measured enough, and possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from gmnm_pde.checks.equations import Locate
from gmnm_pde.errors import InputError
from gmnm_pde.fields import Residual, uniform
from gmnm_pde.inversion import check_inference, positive_fields
from gmnm_pde.problem import Condition, Equation, IntegralCondition, Interface, Problem

_POINTS = 4


def check_inferred(problem: Problem, locate: Locate) -> None:
    """Whether everything to be inferred can be.

    Raises:
        InputError: a name that no equation or condition mentions, or what
            :func:`gmnm_pde.inversion.check_inference` says.
    """
    if not problem.infer:
        return
    mentioned = _mentioned(problem)
    for name in problem.infer:
        if name not in mentioned:
            error = InputError(
                f"{name} is to be inferred, but no equation or condition mentions it.",
                mend=f"Mention {name}, or remove it from `infer`.",
            )
            raise locate(("infer", name), error)
    try:
        check_inference(problem)
    except InputError as error:
        raise locate(("infer",), error) from None


def positive_notes(problem: Problem) -> tuple[str, ...]:
    """What to say of the fields that are kept positive."""
    return tuple(
        f"{name} multiplies the highest derivatives and is kept positive."
        for name in positive_fields(problem)
    )


def _mentioned(problem: Problem) -> set[str]:
    """The names whose values the residuals ask for."""
    points = problem.region.sample_interior(_POINTS)
    normals = torch.full_like(points, points.shape[1] ** -0.5)

    jet = problem.jet(points, uniform(1.0)(points), normals, uniform(1.0))
    for residual in _residuals(problem.equations):
        residual(jet)
    for residual in _residuals(problem.conditions):
        residual(jet)
    within = [item.jet for item in jet.integrals]
    return {name for each in (jet, *within) for name, _ in each.leaves}


def _residuals(items: Sequence[object]) -> Iterator[Residual]:
    for item in items:
        match item:
            case Equation() | Condition():
                yield item.residual
            case IntegralCondition():
                yield item.integrand
            case Interface():
                yield item.jump
