"""Where a change of boundary condition makes the solution singular."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from gmnm_pde.geometry import Box, Disk, Domain, Interval, Polygon, Rectangle
from gmnm_pde.problem import Condition, Dirichlet, IntegralCondition, Neumann, Problem, Robin
from gmnm_pde.switches import condition_switches

SQUARE = Rectangle(x=(-1, 1), y=(-1, 1))
L_SHAPE = Polygon(((-1, -1), (0, -1), (0, 0), (1, 0), (1, 1), (-1, 1)))
HEXAGON = Polygon(tuple((math.cos(k * math.pi / 3), math.sin(k * math.pi / 3)) for k in range(6)))
SIDES = ("left", "right", "bottom", "top")


def poisson(domain: Domain, conditions: Sequence[Condition | IntegralCondition]) -> Problem:
    return Problem("xy", "u", domain, [lambda u, x, y: u.xx + u.yy + 1], conditions)


def only(condition: Condition, where: Callable[..., Any]) -> Condition:
    return replace(condition, where=where)


def assert_points(found: Sequence[Sequence[float]], expected: Sequence[Sequence[float]]) -> None:
    assert len(found) == len(expected)
    for point, other in zip(found, sorted(expected), strict=True):
        assert point == pytest.approx(other, abs=1e-8)


def test_continuous_dirichlet_data_on_four_sides() -> None:
    data = [Dirichlet(side, lambda x, y: torch.exp(3 * x) * torch.cos(3 * y)) for side in SIDES]
    assert condition_switches(poisson(SQUARE, data)) == ()


def test_data_that_vanish_up_to_rounding() -> None:
    data = [Dirichlet(side, lambda x, y: torch.sin(math.pi * x) * y) for side in SIDES[:2]]
    assert condition_switches(poisson(SQUARE, [*data, Dirichlet(("bottom", "top"))])) == ()


def test_dirichlet_values_that_jump_at_a_corner() -> None:
    conditions = [Dirichlet("left", 0.0), Dirichlet("bottom", 1.0)]
    assert condition_switches(poisson(SQUARE, conditions)) == ((-1.0, -1.0),)


def test_a_lid() -> None:
    conditions = [Dirichlet("top", 1.0), Dirichlet(("left", "right", "bottom"))]
    assert condition_switches(poisson(SQUARE, conditions)) == ((-1.0, 1.0), (1.0, 1.0))


def left_and_right(left: Condition, right: Condition) -> list[Condition]:
    return [only(left, lambda x, y: x < 0), only(right, lambda x, y: x >= 0)]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (Neumann("bottom"), Robin("bottom", 2.0)),
        (Neumann("bottom"), Neumann("bottom", 1.0)),
        (Dirichlet("bottom"), Neumann("bottom")),
        (Dirichlet("bottom"), Robin("bottom", 1.0)),
        (Dirichlet("bottom"), Dirichlet("bottom", lambda x, y: torch.cos(x))),
    ],
)
def test_a_switch_in_the_middle_of_a_side(left: Condition, right: Condition) -> None:
    conditions = [*left_and_right(left, right), Neumann(("left", "right", "top"))]
    assert_points(condition_switches(poisson(SQUARE, conditions)), [(0.0, -1.0)])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (Neumann("bottom"), Neumann("bottom", lambda x, y: x)),
        (Robin("bottom", lambda x, y: x), Neumann("bottom")),
        (Dirichlet("bottom"), Dirichlet("bottom", lambda x, y: torch.sin(x))),
    ],
)
def test_a_continuous_change_in_the_middle_of_a_side(left: Condition, right: Condition) -> None:
    problem = poisson(SQUARE, [*left_and_right(left, right), Dirichlet("top")])
    assert condition_switches(problem) == ()


def test_both_ends_of_a_short_part() -> None:
    conditions = [
        only(Dirichlet("bottom", 1.0), lambda x, y: abs(x - 0.3) < 0.004),
        only(Neumann("bottom"), lambda x, y: abs(x - 0.3) >= 0.004),
    ]
    found = condition_switches(poisson(SQUARE, conditions))
    assert_points(found, [(0.296, -1.0), (0.304, -1.0)])


def test_parts_that_do_not_touch() -> None:
    conditions = [
        only(Dirichlet("bottom"), lambda x, y: x < 0),
        only(Neumann("bottom"), lambda x, y: x > 1e-3),
    ]
    assert condition_switches(poisson(SQUARE, conditions)) == ()


def test_two_kinds_at_a_right_angle() -> None:
    conditions = [Dirichlet(("left", "right"), 1.0), Neumann("bottom", 1.0), Robin("top", 3.0)]
    assert condition_switches(poisson(SQUARE, conditions)) == ()


def test_two_fluxes_at_a_right_angle() -> None:
    conditions = [Neumann("left", 1.0), Neumann("bottom", 2.0), Robin("right", 3.0)]
    assert condition_switches(poisson(SQUARE, conditions)) == ()


def test_two_kinds_at_an_obtuse_angle() -> None:
    upper, right = (lambda x, y: y > 0), (lambda x, y: (y < 0) & (x > 0))
    conditions = [only(Dirichlet("boundary"), upper), only(Neumann("boundary"), right)]
    found = condition_switches(poisson(HEXAGON, conditions))
    assert_points(found, [(1.0, 0.0)])
    fluxes = [only(Neumann("boundary", 1.0), upper), only(Neumann("boundary"), right)]
    assert condition_switches(poisson(HEXAGON, fluxes)) == ()


def test_a_disk_in_halves() -> None:
    conditions = left_and_right(Dirichlet("boundary"), Neumann("boundary"))
    found = condition_switches(poisson(Disk((0.0, 0.0), 1.0), conditions))
    assert_points(found, [(0.0, -1.0), (0.0, 1.0)])


def test_reentrant_corners_are_left_out() -> None:
    assert condition_switches(poisson(L_SHAPE, [Dirichlet("boundary")])) == ()
    conditions = [
        only(Dirichlet("boundary"), lambda x, y: (x > -0.5) & (y < 0.5) & (y < -x)),
        only(Neumann("boundary"), lambda x, y: (x > -0.5) & (y < 0.5) & (y >= -x)),
    ]
    assert condition_switches(poisson(L_SHAPE, conditions)) == ()


def test_opposite_faces_of_a_thin_domain() -> None:
    thin = Rectangle(x=(0, 1), y=(0, 1e-3))
    conditions = [Dirichlet("bottom"), Dirichlet("top", 1.0)]
    assert condition_switches(poisson(thin, conditions)) == ()


def test_overlapping_conditions() -> None:
    inside = [Dirichlet("boundary"), Dirichlet("left"), Dirichlet(("left", "top"))]
    assert condition_switches(poisson(SQUARE, inside)) == ()
    problem = Problem(
        "xy",
        "u",
        Rectangle(x=(0, 1), y=(0, 1)),
        [lambda u, x, y: u.yy - u.xx],
        [
            Dirichlet(("left", "right")),
            Dirichlet("bottom", lambda x, y: x * (1 - x)),
            Condition("bottom", lambda u, x, y: u.y - 1),
        ],
    )
    assert condition_switches(problem) == ()


def test_unknowns_do_not_meet_each_other() -> None:
    def problem(value: float) -> Problem:
        return Problem(
            "xy",
            "uv",
            SQUARE,
            [lambda u, v, x, y: u.xx + u.yy - v, lambda u, v, x, y: v.xx + v.yy],
            [
                Dirichlet("left", 0.0, "u"),
                Dirichlet("bottom", 1.0, "v"),
                Dirichlet("top", value, "u"),
            ],
        )

    assert condition_switches(problem(0.0)) == ()
    assert condition_switches(problem(1.0)) == ((-1.0, 1.0),)


def test_other_dimensions() -> None:
    line = Problem(
        "x",
        "u",
        Interval(0, 1),
        [lambda u, x: u.xx],
        [Dirichlet("left"), Neumann("right", 1.0)],
    )
    cube = Problem(
        "xyz",
        "u",
        Box(((0, 1), (0, 1), (0, 1))),
        [lambda u, x, y, z: u.xx + u.yy + u.zz],
        [Dirichlet("left"), Dirichlet("bottom", 1.0)],
    )
    assert condition_switches(line) == ()
    assert condition_switches(cube) == ()


@pytest.mark.parametrize(
    "equation",
    [
        lambda u, x, y: u.xxxx + 2 * u.xxyy + u.yyyy,
        lambda u, x, y: u.x + u.y,
    ],
)
def test_other_orders(equation: Callable[..., Any]) -> None:
    conditions = [Dirichlet("left"), Dirichlet("bottom", 1.0)]
    assert condition_switches(Problem("xy", "u", SQUARE, [equation], conditions)) == ()


def test_nothing_to_compare() -> None:
    point = Condition((0.0, 0.0), lambda u, x, y: u)
    mean = IntegralCondition(lambda u, x, y: u)
    assert condition_switches(poisson(SQUARE, [])) == ()
    assert condition_switches(poisson(SQUARE, [Neumann("boundary"), point, mean])) == ()
