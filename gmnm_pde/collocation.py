"""From a problem and points to blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import cast

import torch
from torch import Tensor

from gmnm_pde.coupling import (
    interface_block,
    interface_selection,
    periodic_blocks,
    periodic_selection,
    sides,
)
from gmnm_pde.errors import InputError
from gmnm_pde.fields import as_column, uniform
from gmnm_pde.geometry import Boundary
from gmnm_pde.integrals import with_quadrature
from gmnm_pde.linearised import Block
from gmnm_pde.placement import Layout
from gmnm_pde.problem import (
    INTEGRATED,
    AnyCondition,
    Condition,
    IntegralCondition,
    Interface,
    Periodic,
    Problem,
    Sampling,
)
from gmnm_pde.quadrature import TIMES, interpolation
from gmnm_pde.regions import Region, Selection, regions_of
from gmnm_pde.weighting import Expected, weighted

INTERIOR = 1000
"""Scattered points inside if nothing is said."""

LESS_IN_TIME = 4
"""By how much fewer in space where an integral is taken at several times."""

SCATTERED_QUADRATURE = 900
"""Points of an integral that every iteration of a training method evaluates."""


def collocate(
    problem: Problem,
    layout: Layout,
    counts: Sequence[int],
    sampling: Sampling,
    seed: int,
    condition_weight: float = 1.0,
    expected: Expected | None = None,
) -> list[Block]:
    """Blocks for a fit: lattice points chosen for the units, or as many as a person asked for."""
    if sampling.interior is None:
        interior = layout.interior(counts)
        regions = regions_of(layout, counts)
    else:
        interior = problem.region.sample_interior(
            sampling.interior, sampling.sampler or "sobol", seed
        )
        regions = [Region(None, None, None)]
    conditions: list[Block] = []
    for condition in problem.conditions:
        if isinstance(condition, IntegralCondition):
            conditions.append(integral_block(problem, condition))
        elif isinstance(condition, Condition) and not isinstance(condition.at[0], str):
            conditions.append(_point_block(condition))
        else:
            parts = _selection(problem, condition).parts(problem, regions, sampling, seed)
            conditions += _condition_blocks(problem, condition, list(parts))
    edges = _edges(conditions) + _held_edges(problem, regions, sampling, seed)
    blocks = equation_blocks(problem, torch.cat([interior, *edges])) + conditions
    blocks += data_blocks(problem, held_back=False)
    if problem.equations:
        # The equations measure the error; where there are only data, some are held back for that.
        blocks += data_blocks(problem, held_back=True)
    return [weighted(problem, block, layout, condition_weight, expected) for block in blocks]


def scattered(problem: Problem, sampling: Sampling, seed: int) -> list[Block]:
    """Blocks with rows of weight one, at points that do not depend on any units.

    Arguments:
        sampling: :data:`INTERIOR` points of the sampler "sobol" where it says nothing; on the
            boundary as many as leave about the same distance between points.
    """
    n, sampler = sampling.interior or INTERIOR, sampling.sampler or "sobol"
    sampling = Sampling(n, sampling.boundary, sampler)
    blocks = equation_blocks(problem, problem.region.sample_interior(n, sampler, seed))
    for condition in problem.conditions:
        if isinstance(condition, IntegralCondition):
            blocks.append(integral_block(problem, condition, SCATTERED_QUADRATURE))
        elif isinstance(condition, Condition) and not isinstance(condition.at[0], str):
            blocks.append(_point_block(condition))
        else:
            parts = _selection(problem, condition).parts(
                problem, [Region(None, None, None)], sampling, seed
            )
            blocks += _condition_blocks(problem, condition, list(parts))
    blocks += data_blocks(problem, held_back=False)
    if problem.equations:
        # As in `collocate`: the equations measure the error where there are some.
        blocks += data_blocks(problem, held_back=True)
    return [with_quadrature(problem, block, SCATTERED_QUADRATURE) for block in blocks]


def check_blocks(
    problem: Problem,
    layout: Layout,
    n: int,
    seed: int,
    condition_weight: float = 1.0,
    expected: Expected | None = None,
) -> list[Block]:
    """Blocks at random points that no fit uses, some in each patch, to measure residuals at."""
    return [
        weighted(problem, block, layout, condition_weight, expected)
        for block in unweighted_checks(problem, layout, n, seed)
    ]


def unweighted_checks(problem: Problem, layout: Layout, n: int, seed: int) -> list[Block]:
    """:func:`check_blocks` with rows of weight one: only the boxes of the patches count."""
    share = ceil(n / len(layout.patches))
    each = ceil(share / len(layout.pieces))
    interior = torch.cat(
        [
            piece.sample_interior(each, "random", seed, patch.lower, patch.upper)
            for piece in layout.pieces
            for patch in layout.patches
        ]
    )
    blocks = equation_blocks(problem, interior)
    for condition in problem.conditions:
        on_points = isinstance(condition, Condition) and not isinstance(condition.at[0], str)
        if on_points or isinstance(condition, IntegralCondition):
            continue
        selection = _selection(problem, condition)
        parts = [
            selection.sample(
                ceil(share / 4), "random", seed, (patch.lower, patch.upper) if i else (None, None)
            )
            for i, patch in enumerate(layout.patches)
        ]
        blocks += _condition_blocks(problem, condition, parts)
    if not problem.equations:
        blocks += data_blocks(problem, held_back=True)
    return blocks


def equation_blocks(problem: Problem, interior: Tensor) -> list[Block]:
    """One block for each equation."""
    ones = interior.new_ones(len(interior))
    return [Block("equation", item.label, item.residual, interior, ones) for item in problem.laws]


def _sides(condition: Condition) -> str | Sequence[str]:
    """``at`` of a condition that is on sides, not at a point."""
    return cast("str | Sequence[str]", condition.at)


def data_blocks(problem: Problem, *, held_back: bool) -> list[Block]:
    """The data, without or with only those that are held back to measure the error: every fifth."""
    if problem.data is None:
        return []
    order = torch.randperm(len(problem.data.points), generator=torch.Generator().manual_seed(0))
    chosen = order[::5] if held_back else order[torch.arange(len(order)) % 5 != 0]
    points, values = problem.data.points[chosen], problem.data.values[chosen]
    blocks = [data_block(name, points, values[:, j]) for j, name in enumerate(problem.unknowns)]
    return [block for block in blocks if len(block.points)]


def data_label(name: str) -> str:
    """The label of the measurements of an unknown."""
    return f"data of {name}"


def data_block(name: str, points: Tensor, values: Tensor) -> Block:
    """Rows u(x_i) = value_i of one unknown, where it was measured."""
    known = ~torch.isnan(values)
    points, values = points[known], values[known]
    zero = (0,) * points.shape[1]
    return Block(
        "data",
        data_label(name),
        lambda jet: jet.derivative(name, zero) - values[: len(jet.points)].to(jet.points),
        points,
        torch.ones_like(values),
    )


def integral_block(
    problem: Problem, condition: IntegralCondition, count: int = INTEGRATED
) -> Block:
    """One row: the integral over the domain; with time a row at each of several times."""
    times = torch.zeros(1, 1, dtype=torch.float64)
    if problem.time is not None:
        times = interpolation(times[0], *problem.time, TIMES)[0][:, None]
        count //= LESS_IN_TIME
    rule = problem.quadrature(times, count)
    return Block(
        "integral",
        condition.label,
        condition.integrand,
        rule.points,
        rule.points.new_ones(len(rule.points)),
        average=rule.average,
        offset=condition.equals,
    )


def where_of(condition: Condition, problem: Problem) -> Callable[[Tensor], Tensor] | None:
    """``where`` of a condition as a function of points, None if there is none."""
    where = condition.where
    if where is None:
        return None

    def keep(points: Tensor) -> Tensor:
        jet = problem.jet(points, uniform(0.0)(points))
        return as_column(where(jet), jet).bool()

    return keep


def _selection(problem: Problem, condition: AnyCondition) -> Selection:
    """The part of the boundary, or the interface, that a condition stands on."""
    if isinstance(condition, Periodic):
        return periodic_selection(problem, condition)
    if isinstance(condition, Interface):
        return interface_selection(problem, condition)
    assert isinstance(condition, Condition)
    return Selection(problem.region, _sides(condition), where_of(condition, problem))


def _condition_blocks(
    problem: Problem, condition: AnyCondition, parts: Sequence[Boundary]
) -> list[Block]:
    """The rows of a condition at points of its part of the boundary."""
    if isinstance(condition, Periodic):
        return periodic_blocks(problem, condition, parts)
    if isinstance(condition, Interface):
        return [interface_block(problem, condition, parts)]
    assert isinstance(condition, Condition)
    return [_boundary_block(condition, parts)]


def _edges(conditions: Sequence[Block]) -> list[Tensor]:
    """Points of conditions on the boundary, those of several at the same points once.

    The equation holds up to the boundary; without rows there, units oscillate next to it.
    """
    found: list[Tensor] = []
    for block in conditions:
        if block.normals is None:
            continue
        edge = block.points if block.average is None else sides(block)
        if not any(torch.equal(edge, points) for points in found):
            found.append(edge)
    return found


def _held_edges(
    problem: Problem, regions: Sequence[Region], sampling: Sampling, seed: int
) -> list[Tensor]:
    """Points on the boundary where conditions hold by themselves."""
    return [
        part.points
        for condition in problem.held
        for part in _selection(problem, condition).parts(problem, regions, sampling, seed)
    ]


def _point_block(condition: Condition) -> Block:
    point = torch.tensor([condition.at], dtype=torch.float64)
    return Block(
        "condition", condition.label, condition.residual, point, point.new_full((1,), 10.0)
    )


def _boundary_block(condition: Condition, parts: Sequence[Boundary]) -> Block:
    if not parts:
        raise InputError(
            f"no part of the boundary is left for {condition.label!r}.",
            mend="Check `at` and `where`.",
        )
    points = torch.cat([part.points for part in parts])
    normals = torch.cat([part.normals for part in parts])
    return Block(
        "condition",
        condition.label,
        condition.residual,
        points,
        points.new_ones(len(points)),
        normals,
    )
