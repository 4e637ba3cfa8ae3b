"""Where the domain's boundary meets the first time: initial and boundary data should agree."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.checks.linear import LinearForm, linear_form
from gmnm_pde.checks.sites import (
    is_initial,
    is_point,
    on_side,
    point_text,
    sides_of,
    where_function,
)
from gmnm_pde.problem import Condition, Problem

_POINTS = 256
_SAME = 1e-8


@dataclass(frozen=True)
class Value:
    """A condition u = g on a part of the boundary: g where it applies, (n,), NaN elsewhere."""

    label: str
    unknown: str
    values: Tensor


def corner_notes(problem: Problem) -> list[str]:
    """A remark for each initial and boundary condition that disagree where they meet, with the
    place and the jump of the largest disagreement."""
    if problem.time is None:
        return []
    edge = problem.domain.sample_boundary(_POINTS)
    start = edge.points.new_full((len(edge.points), 1), problem.time[0])
    points = torch.cat([edge.points, start], 1)
    normals = torch.cat([edge.normals, torch.zeros_like(start)], 1)
    values = [
        (item, value)
        for item in problem.conditions
        if isinstance(item, Condition)
        and not is_point(item)
        and (value := _value(problem, item, points, normals)) is not None
    ]
    notes = []
    for first, initial in values:
        for second, lateral in values:
            together = initial.unknown == lateral.unknown
            if is_initial(first) and not is_initial(second) and together:
                notes += _disagreement(problem, points, initial, lateral)
    return notes


def _disagreement(problem: Problem, points: Tensor, initial: Value, lateral: Value) -> list[str]:
    gap = (initial.values - lateral.values).abs()
    both = ~gap.isnan()
    if not bool(both.any()):
        return []
    size = 1.0 + float(torch.where(both, initial.values, 0.0).abs().max())
    site = int(torch.where(both, gap, -1.0).argmax())
    if not float(gap[site]) > _SAME * size:
        return []
    there, here = float(initial.values[site]) + 0.0, float(lateral.values[site]) + 0.0
    return [
        f"Initial and boundary data disagree at {point_text(problem, points[site])}: "
        f"{initial.label!r} gives {there:.4g} and {lateral.label!r} gives {here:.4g}, a jump of "
        f"{float(gap[site]):.4g}; the solution is not smooth there."
    ]


def _value(problem: Problem, item: Condition, points: Tensor, normals: Tensor) -> Value | None:
    """A condition as a value at points of the edge; None if it is of another kind."""
    initial = is_initial(item)
    form = linear_form(problem, item.residual, points, None if initial else normals)
    key = _only_value(form)
    if key is None:
        return None
    if initial:
        mask = torch.ones(len(points), dtype=torch.bool)
    else:
        sides = [on_side(problem.region, name, points, normals) for name in sides_of(item)]
        mask = torch.stack(sides).any(0)
    where = where_function(problem, item)
    if where is not None:
        mask = mask & where(points)
    values = -form.known / form.coefficients[key]
    return Value(item.label, key[0], torch.where(mask & values.isfinite(), values, torch.nan))


def _only_value(form: LinearForm) -> tuple[str, tuple[int, ...]] | None:
    keys = list(form.coefficients)
    return keys[0] if form.linear and len(keys) == 1 and not sum(keys[0][1]) else None
