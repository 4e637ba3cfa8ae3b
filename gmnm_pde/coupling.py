"""Rows that couple two points each: the two ends of a periodic coordinate, the two sides of an
interface."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Jet, Residual, uniform
from gmnm_pde.geometry import Boundary, nudge
from gmnm_pde.geometry.domain import SIDE_NAMES
from gmnm_pde.linearised import Block, at_state
from gmnm_pde.problem import Interface, Periodic, Problem
from gmnm_pde.regions import Selection


def periodic_selection(problem: Problem, condition: Periodic) -> Selection:
    """The lower end of the coordinate."""
    return Selection(problem.region, SIDE_NAMES[_axis(problem, condition)][0])


def periodic_blocks(
    problem: Problem, condition: Periodic, parts: Iterable[Boundary]
) -> list[Block]:
    """Rows D^k u(at one end) - D^k u(at the other) = 0 of every unknown, for k below the order of
    the equations along the coordinate.

    Arguments:
        parts: points at the lower end.
    """
    axis = _axis(problem, condition)
    low = torch.cat([part.points for part in parts])
    high = low.clone()
    high[:, axis] = problem.region.upper[axis]
    blocks = []
    for name, count in _orders_along(problem, axis).items():
        for k in range(count):
            orders = tuple(k * int(i == axis) for i in range(len(problem.coordinates)))

            def residual(jet: Jet, name: str = name, orders: tuple[int, ...] = orders) -> Tensor:
                return jet.derivative(name, orders)

            blocks.append(_combination(condition.label, residual, [low, high], (1.0, -1.0)))
    return blocks


def interface_selection(problem: Problem, condition: Interface) -> Selection:
    """The interface: what of the subdomain's boundary lies in the domain."""
    return Selection(problem.interfaces[condition.of])


def interface_block(problem: Problem, condition: Interface, parts: Iterable[Boundary]) -> Block:
    """Rows expression(outside) - expression(inside) = a number.

    Each side is evaluated one and two steps h beside the interface, so that everything in the
    expression, the unknowns and ``where(...)``, takes the side by itself, and extrapolated to the
    interface: e(0) = 2 e(h) - e(2 h) + O(h^2), with an h whose square is below rounding.
    """
    parts = [part for part in parts if len(part.points)]
    if not parts:
        raise InputError(
            f"no part of the boundary of {condition.of!r} is left for {condition.label!r}."
        )
    points = torch.cat([part.points for part in parts])
    normals = torch.cat([part.normals for part in parts])
    step = nudge(problem.region) * normals
    places = [points + factor * step for factor in (1, -1, 2, -2)]
    return _combination(
        condition.label, _jump(problem, condition), places, (2.0, -2.0, -1.0, 1.0), normals
    )


def sides(block: Block) -> Tensor:
    """The points nearest to an interface on both sides, of a block that couples them."""
    assert block.average is not None
    return block.points[: 2 * len(block.average)]


def _jump(problem: Problem, condition: Interface) -> Residual:
    """The expression less half of its jump outside, plus half of it inside."""
    if condition.equals == 0.0:
        return condition.jump
    sub, space = problem.subdomains[condition.of], len(problem.space)

    def residual(jet: Jet) -> Tensor:
        side = sub.signed_distance(jet.points[:, :space]).sign()
        return condition.jump(jet) - 0.5 * condition.equals * side

    return residual


def _combination(
    label: str,
    residual: Residual,
    places: Sequence[Tensor],
    factors: Sequence[float],
    normals: Tensor | None = None,
) -> Block:
    """Rows sum_i factor_i residual(place_i)."""
    points, n = torch.cat(list(places)), len(places[0])
    rows = torch.arange(n).repeat(len(places))
    values = points.new_tensor(factors).repeat_interleave(n)
    average = torch.sparse_coo_tensor(
        torch.stack([rows, torch.arange(len(points))]),
        values,
        (n, len(points)),
        check_invariants=False,
    )
    return Block(
        "condition",
        label,
        residual,
        points,
        points.new_ones(len(points)),
        None if normals is None else normals.repeat(len(places), 1),
        average=average,
    )


def _axis(problem: Problem, condition: Periodic) -> int:
    return tuple(problem.coordinates).index(condition.coordinate)


def _orders_along(problem: Problem, axis: int) -> dict[str, int]:
    """How often the equations differentiate each unknown along a coordinate, at least once."""
    few = problem.region.sample_interior(4)
    found = dict.fromkeys(problem.unknowns, 1)
    for item in problem.laws:
        block = Block("equation", item.label, item.residual, few, few.new_ones(len(few)))
        lin = at_state(problem, block, uniform(0.7))
        for name, orders in lin.coefficients:
            found[name] = max(found[name], orders[axis])
    return found
