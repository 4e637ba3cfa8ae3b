"""Conditions of an evolution problem as rows at points in space, at any one time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.evolution.modes import Modes
from gmnm_pde.evolution.spacing import Lattice, Spacing, product
from gmnm_pde.fields import Jet, Orders, Values, as_column, uniform
from gmnm_pde.geometry.domain import SIDE_NAMES
from gmnm_pde.integrals import integrates
from gmnm_pde.linearised import Block, Key, at_state
from gmnm_pde.problem import Condition, IntegralCondition, Interface, Periodic, Problem
from gmnm_pde.quadrature import at_each_time, at_one_time

SCATTERED_SPACING = 0.4
"""Distance of points on curved boundaries over that of units."""


def at_time(points: Tensor, time: float) -> Tensor:
    """Points in space (n, d) with a time, (n, d + 1)."""
    return torch.cat([points, points.new_full((len(points), 1), time)], 1)


def moved(block: Block, time: float) -> Block:
    """A block of points in space and time at another time, those of its integrals as well."""
    rule = block.quadrature
    if rule is not None:
        rule = replace(rule, points=_moved(rule.points, time))
    return replace(block, points=_moved(block.points, time), quadrature=rule)


def _moved(points: Tensor, time: float) -> Tensor:
    points = points.clone()
    points[:, -1] = time
    return points


def nodes_of(problem: Problem, lattice: Lattice) -> tuple[Tensor, Tensor]:
    """Points in space and weights of integrals over the domain."""
    if problem.domain.fills_box:
        return lattice.points, lattice.weights
    # Scattered points project well and integrate badly: x^2 over a disk by some percent.
    return problem.nodes()


def integrating(problem: Problem, block: Block, lattice: Lattice, time: float) -> Block:
    """A block with the points of its integrals, if there are any."""
    if not integrates(problem, block):
        return block
    return replace(block, quadrature=at_one_time(*nodes_of(problem, lattice), time))


def repeated(block: Block, times: Sequence[float]) -> Block:
    """A block with its points, its normals and its integrals at one time after the other."""
    count, n = len(times), len(block.points)
    points = block.points.repeat(count, 1)
    points[:, -1] = points.new_tensor(times).repeat_interleave(n)
    rule = block.quadrature
    return replace(
        block,
        points=points,
        weights=block.weights.repeat(count),
        normals=None if block.normals is None else block.normals.repeat(count, 1),
        quadrature=None if rule is None else at_each_time(rule, times, n),
    )


def equation_blocks(problem: Problem, points: Tensor, time: float) -> list[Block]:
    """The equations at points in space."""
    ones = points.new_ones(len(points))
    return [
        Block("equation", item.label, item.residual, at_time(points, time), ones)
        for item in problem.laws
    ]


def condition_blocks(
    problem: Problem, spacings: Sequence[Spacing], modes: Modes, time: float
) -> list[Block]:
    """The conditions that hold at all times; ``where`` is looked at, at the given one.

    On the sides of a box they are projected on modes of the side, as the equations are on those of
    the domain: a row for each of these, not for each point.
    """
    blocks: list[Block] = []
    for condition in problem.conditions:
        if isinstance(condition, IntegralCondition):
            blocks.append(_integral(problem, condition, modes.lattice, time))
        elif isinstance(condition, Periodic):
            blocks += _periodic(problem, condition, spacings, modes, time)
        elif isinstance(condition, Interface):
            raise InputError(
                "interfaces in problems with time are not available.",
                mend="Solve it in the space-time form, with the method least_squares.",
            )
        elif not is_initial(condition):
            blocks += _on_boundary(problem, condition, spacings, modes, time)
    return [_scaled(problem, block, spacings) for block in blocks]


def initial_blocks(problem: Problem, points: Tensor, time: float) -> list[Block]:
    """The initial conditions at points in space."""
    ones = points.new_ones(len(points))
    return [
        Block("condition", item.label, item.residual, at_time(points, time), ones)
        for item in problem.conditions
        if isinstance(item, Condition) and is_initial(item)
    ]


def is_initial(condition: object) -> bool:
    """Whether a condition holds at the first time."""
    if not isinstance(condition, Condition):
        return False
    at = (condition.at,) if isinstance(condition.at, str) else condition.at
    return at == ("initial",)


@dataclass(frozen=True)
class Face:
    """Points on a side with their normals in space and time.

    Arguments:
        project: what makes rows of the points, (rows, n); a row for each if None.
    """

    points: Tensor
    normals: Tensor
    project: Tensor | None = None


def _faces(
    problem: Problem, names: Sequence[str], spacings: Sequence[Spacing], modes: Modes
) -> list[Face]:
    """The sides of a box that are named, at the quadrature points of the other coordinates."""
    domain, d = problem.domain, problem.domain.dimension
    faces = []
    for axis in range(d):
        for end, limit in enumerate((domain.lower, domain.upper)):
            known = axis < len(SIDE_NAMES) and SIDE_NAMES[axis][end] in names
            if not (known or "boundary" in names):
                continue
            axes = [
                np.array([limit[axis]]) if k == axis else spacing.quadrature()[0]
                for k, spacing in enumerate(spacings)
            ]
            points = product(axes)
            normals = torch.zeros(len(points), d + 1, dtype=points.dtype)
            normals[:, axis] = 2.0 * end - 1.0
            faces.append(Face(points, normals, modes.across(axis)))
    return faces


def _on_boundary(
    problem: Problem, condition: Condition, spacings: Sequence[Spacing], modes: Modes, time: float
) -> list[Block]:
    domain = problem.domain
    names = (condition.at,) if isinstance(condition.at, str) else condition.at
    if not isinstance(names[0], str):
        return [_at_point(problem, condition, time)]
    if domain.fills_box:
        faces = _faces(problem, [str(name) for name in names], spacings, modes)
    else:
        step = SCATTERED_SPACING * min(float(spacing.h.min()) for spacing in spacings)
        count = ceil(domain.boundary_measure / step ** (domain.dimension - 1))
        found = domain.sample_boundary(count, [str(name) for name in names], "grid")
        normals = torch.cat([found.normals, torch.zeros_like(found.points[:, :1])], 1)
        faces = [Face(found.points, normals)]
    return [block for face in faces for block in _on_face(problem, condition, face, time)]


def _on_face(problem: Problem, condition: Condition, face: Face, time: float) -> list[Block]:
    points, normals, project = at_time(face.points, time), face.normals, face.project
    if condition.where is not None:
        jet = problem.jet(points, lambda name, orders: points.new_zeros(len(points)))
        keep = as_column(condition.where(jet), jet).bool()
        if not bool(keep.any()):
            return []
        if not bool(keep.all()):
            # Modes of the whole side are not orthogonal on a part of it.
            points, normals, project = points[keep], normals[keep], None
    ones = points.new_ones(len(points))
    return [
        Block(
            "condition", condition.label, condition.residual, points, ones, normals, average=project
        )
    ]


def _at_point(problem: Problem, condition: Condition, time: float) -> Block:
    place = [float(value) for value in condition.at]
    if len(place) != problem.domain.dimension:
        raise InputError(
            f"{condition.label!r} is at a point in space and time.",
            mend=f"Give {', '.join(problem.space)} only: it then holds at all times.",
        )
    point = torch.tensor([[*place, time]], dtype=torch.float64)
    return Block("condition", condition.label, condition.residual, point, point.new_ones(1))


def _integral(
    problem: Problem, condition: IntegralCondition, lattice: Lattice, time: float
) -> Block:
    points, weights = nodes_of(problem, lattice)
    return Block(
        "integral", condition.label, condition.integrand, at_time(points, time),
        torch.ones_like(weights), average=weights[None], offset=condition.equals,
    )  # fmt: skip


def _periodic(
    problem: Problem, condition: Periodic, spacings: Sequence[Spacing], modes: Modes, time: float
) -> list[Block]:
    """D^k u at one end minus D^k u at the other, for k up to the order along the coordinate.

    The highest of these follows from the equation; without it advection had ten times the error.
    """
    axis = problem.space.index(condition.coordinate)
    (face,) = _faces(problem, [SIDE_NAMES[axis][0]], spacings, modes)
    low = at_time(face.points, time)
    high = low.clone()
    high[:, axis] = problem.domain.upper[axis]
    project = torch.eye(len(low), dtype=low.dtype) if face.project is None else face.project
    points = torch.cat([low, high])
    blocks = []
    for name, count in orders_along(problem, axis, time).items():
        for k in range(count + 1):
            orders = tuple(k * int(i == axis) for i in range(len(problem.coordinates)))
            blocks.append(
                Block(
                    "condition", condition.label,
                    partial(_derivative, name=name, orders=orders),
                    points, points.new_ones(len(points)), average=torch.cat([project, -project], 1),
                )
            )  # fmt: skip
    return blocks


def _derivative(jet: Jet, name: str, orders: Orders) -> Tensor:
    return jet.derivative(name, orders)


def orders_along(problem: Problem, axis: int, time: float) -> dict[str, int]:
    """How often the equations differentiate each unknown along a coordinate, at least once."""
    found = dict.fromkeys(problem.unknowns, 1)
    for name, orders in symbol_keys(problem, time):
        found[name] = max(found[name], orders[axis])
    return found


def symbol_keys(problem: Problem, time: float) -> set[Key]:
    """Every derivative that the equations hold with a coefficient that is not zero."""
    keys: set[Key] = set()
    for coefficients in coefficients_at(problem, time):
        keys |= set(coefficients)
    return keys


def coefficients_at(problem: Problem, time: float) -> list[dict[Key, Tensor]]:
    """dr/dD_alpha of each equation at a few points for some values of the unknowns."""
    points = problem.domain.sample_interior(8)
    generator = torch.Generator().manual_seed(0)

    def some(at: Tensor) -> Values:
        return lambda name, orders: 0.5 + torch.rand(len(at), generator=generator, dtype=at.dtype)

    found = []
    for block in equation_blocks(problem, points, time):
        lin = at_state(problem, block, some)
        found.append({k: a for k, a in lin.coefficients.items() if bool((a != 0).any())})
    return found


def _scaled(problem: Problem, block: Block, spacings: Sequence[Spacing]) -> Block:
    """Rows divided by the size of their residual for units a spacing apart: in units of u."""
    ones = torch.ones_like(block.weights)
    h = [
        torch.from_numpy(spacing.at(block.points[:, axis].numpy()))
        for axis, spacing in enumerate(spacings)
    ]
    size = torch.zeros_like(ones)
    lin = at_state(problem, block, uniform(1.0))
    for (_, orders), a in lin.coefficients.items():
        scale = ones
        for step, k in zip(h, orders[:-1], strict=True):
            scale = scale * step**-k
        size = size + a.abs() * scale
    if block.average is None:
        return replace(block, weights=block.weights / size.clamp_min(1e-12))
    # One factor a row: points that a row combines keep their parts in it, or it says something
    # else: h u_x repeats, not u_x. Only integrals, of one row each, have an offset.
    factor = 1 / (block.average.abs() @ size).clamp_min(1e-12)
    average, offset = factor[:, None] * block.average, float(factor[0]) * block.offset
    return replace(block, average=average, offset=offset)
