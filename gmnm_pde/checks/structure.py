"""Which equation determines which unknown, and how many conditions that asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from gmnm_pde.checks.equations import Locate, measured
from gmnm_pde.checks.facts import EquationFacts
from gmnm_pde.checks.linear import LinearForm, sign_of_symbol
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem

_ABSENT = -1e6


@dataclass(frozen=True)
class Match:
    """An equation, the unknown that it is taken to determine, and that unknown's order there."""

    equation: int
    unknown: int
    order: int


def transversal(orders: Sequence[Sequence[int | None]]) -> list[Match]:
    """Every equation with an unknown of its own, as many as there are, the sum of orders largest.

    The sum over the orders in time is how many functions the initial conditions give (J. D. Pryce,
    A simple structural analysis method for DAEs, BIT 41, 2001); over those in space it is the
    order of the system, which takes half as many boundary conditions if it is elliptic.

    Arguments:
        orders: of each unknown in each equation; None where it is not there.
    """
    table = np.array([[_ABSENT if v is None else float(v) for v in row] for row in orders])
    rows, columns = linear_sum_assignment(table, maximize=True)
    return [
        Match(int(i), int(j), int(table[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if table[i, j] > _ABSENT / 2
    ]


def order_table(
    problem: Problem, forms: Sequence[LinearForm], in_time: bool
) -> list[list[int | None]]:
    """The order of each unknown (column) in each equation (row), in time or in space."""
    d = problem.domain.dimension
    found = [[form.orders(name, d) for name in problem.unknowns] for form in forms]
    return [[None if pair is None else pair[int(in_time)] for pair in row] for row in found]


def check_determined(problem: Problem, forms: Sequence[LinearForm], locate: Locate) -> None:
    """Every unknown needs an equation of its own, or measurements.

    Raises:
        InputError: an unknown that is left without one, whatever equation is given to which.
    """
    wanted = [name for name in problem.unknowns if name not in measured(problem)]
    if not forms or not wanted:
        return
    columns = [problem.unknowns.index(name) for name in wanted]
    table = [[row[j] for j in columns] for row in order_table(problem, forms, in_time=False)]
    matches = transversal(table)
    left = sorted(set(range(len(wanted))) - {match.unknown for match in matches})
    if not left:
        return
    name = wanted[left[0]]
    if len(forms) < len(wanted):
        many = "equation" if len(forms) == 1 else "equations"
        message = f"{len(forms)} {many} cannot determine {len(wanted)} unknowns"
    else:
        holding = [i for i, row in enumerate(table) if row[left[0]] is not None]
        labels = " and ".join(repr(problem.laws[i].label) for i in holding)
        others = [wanted[match.unknown] for match in matches if match.equation in holding]
        message = f"what holds {name}, {labels}, is needed for {' and '.join(sorted(others))}"
    error = InputError(
        f"no equation is left that determines the unknown {name!r}: {message}.",
        mend=f"Add an equation for {name}, or remove it from `unknowns`.",
    )
    raise locate(("unknowns", problem.unknowns.index(name)), error)


@dataclass(frozen=True)
class Need:
    """How many conditions there should be at every point of the boundary.

    Arguments:
        number: so many.
        sure: whether fewer are refused; otherwise a remark is made.
        only: whether more are refused.
        words: who takes them, ``the equation 'u_xx + u_yy = 0', of order 2,``.
    """

    number: int
    sure: bool
    only: bool
    words: str


def boundary_need(
    problem: Problem, equations: Sequence[EquationFacts], forms: Sequence[LinearForm]
) -> Need | None:
    """What an elliptic or parabolic problem takes; None where that is not known."""
    if len(equations) == len(problem.unknowns) == 1:
        if not equations[0].elliptic:
            return None
        order = equations[0].in_space
        return Need(order // 2, sure=True, only=True, words=order_words(equations[0]))
    if len(equations) != len(problem.unknowns):
        return None
    table = order_table(problem, forms, in_time=False)
    matches = transversal(table)
    total = sum(match.order for match in matches)
    if len(matches) < len(forms) or total % 2 or max(match.order for match in matches) < 2:
        return None
    sure = all(_own(problem, forms, table, matches, match) for match in matches)
    return Need(total // 2, sure=sure, only=False, words="the equations together")


def order_words(equation: EquationFacts) -> str:
    """``the equation 'u_t = u_xx', of order 2 in space,``."""
    where = "" if equation.in_time is None else " in space"
    return f"the equation {equation.label!r}, of order {equation.in_space}{where},"


def _own(
    problem: Problem,
    forms: Sequence[LinearForm],
    table: Sequence[Sequence[int | None]],
    matches: Sequence[Match],
    match: Match,
) -> bool:
    """Whether an unknown's highest derivatives stand in its own equation only, with a definite
    symbol: the system is then elliptic or parabolic whatever the other terms are."""
    if match.order == 0:
        return True
    name = problem.unknowns[match.unknown]
    others = [
        row[match.unknown]
        for index, row in enumerate(table)
        if index != match.equation and row[match.unknown] is not None
    ]
    d = problem.domain.dimension
    return sign_of_symbol(forms[match.equation], name, d) != 0 and all(
        order is not None and order < match.order for order in others
    )
