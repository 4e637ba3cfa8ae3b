"""An inverse problem as one larger problem: unknown constants and fields beside the unknowns.

A constant is an unknown whose only feature is one, a field an unknown with units of its own, and a
measurement a row, so that assembly and methods need nothing new. Both are solved for as theta, see
:mod:`gmnm_pde.transforms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders, uniform
from gmnm_pde.linearised import Block, at_state
from gmnm_pde.problem import Condition, Data, Equation, Problem, widened
from gmnm_pde.transforms import Transformed, transforms_of

_POINTS = 64


def joint(problem: Problem) -> Problem:
    """The problem in (unknowns, fields, constants), the last two as theta.

    Raises:
        InputError: what :func:`check_inference` says; a field that has to be positive and does not
            start so.
    """
    check_inference(problem)
    return _in_theta(problem, (*problem.outputs, *problem.constants))


def with_fields(problem: Problem) -> Problem:
    """The problem in (unknowns, fields), the last ones as theta: what a solution's network is
    completed by. The constants are left out."""
    return _in_theta(problem, problem.outputs)


def _in_theta(problem: Problem, names: tuple[str, ...]) -> Problem:
    transforms = transforms_of(problem.infer, positive_fields(problem))
    kept = {name: transform for name, transform in transforms.items() if name in names}
    return replace(
        problem,
        unknowns=names,
        data=widened(cast(Data, problem.data), len(names)),
        infer={},
        substitution=Transformed(kept, names),
    )


def positive_fields(problem: Problem) -> tuple[str, ...]:
    """Fields without bounds that multiply highest derivatives: their sign decides whether the
    equation has a solution."""
    return tuple(
        name
        for name in problem.fields
        if problem.infer[name].bounds is None
        and any(
            _scales_principal_part(problem, name, cast(Equation, item))
            for item in problem.equations
        )
    )


def _scales_principal_part(problem: Problem, name: str, equation: Equation) -> bool:
    points = problem.region.sample_interior(_POINTS, "sobol", 0)
    block = Block("equation", equation.label, equation.residual, points, points.new_ones(_POINTS))
    starts = {other: item.initial for other, item in problem.infer.items()}
    found = [_principal_part(problem.given({**starts, name: value}), block) for value in (1.0, 2.0)]
    return any(not torch.allclose(found[0][key], found[1][key]) for key in found[0])


def _principal_part(problem: Problem, block: Block) -> Mapping[tuple[str, Orders], Tensor]:
    coefficients = at_state(problem, block, uniform(1.0)).coefficients
    highest = max((sum(alpha) for _, alpha in coefficients), default=0)
    return {key: a for key, a in coefficients.items() if sum(key[1]) == highest > 0}


def check_inference(problem: Problem) -> None:
    """Whether there is something to infer, and measurements enough.

    Raises:
        InputError: nothing to infer, fewer measurements than constants, fields in a problem in
            time, conditions of a steady problem that are to hold exactly.
    """
    constants = problem.constants
    if not problem.infer or problem.data is None:
        raise InputError(
            "the methods inverse and inverse_in_time need something to infer, and data.",
            mend="Add `infer:` and `data:`, or use another method.",
        )
    count = int((~torch.isnan(problem.data.values)).sum())
    if count <= len(constants):
        raise InputError(
            f"{count} measurements cannot determine {len(constants)} unknown constants and the "
            "noise.",
            mend="Give more measurements, or infer less.",
        )
    if problem.fields and problem.time is not None:
        raise InputError(
            f"the coefficient field {problem.fields[0]} is asked for in a problem in time.",
            mend="Fields can be found in steady problems; make it a constant, or drop the time.",
        )
    if problem.time is None:
        for condition in problem.conditions:
            if isinstance(condition, Condition) and condition.enforce == "hard":
                raise InputError(
                    f"the condition {condition.label!r} is to hold exactly (`enforce: hard`), "
                    f"which does not go with inferring {' and '.join(problem.infer)}.",
                    mend="Remove `enforce: hard`: it then holds to the tolerance of the solve.",
                )
    if problem.reference is not None and problem.reference.solves:
        raise InputError(
            f"the reference {problem.reference.name.replace('_', ' ')} solves the problem itself, "
            f"which {' and '.join(problem.infer)} would have to be known for.",
            mend="Give `reference: {exact: {k: ...}}` with what is known, or none.",
        )
