"""The checks of initial conditions: one for each derivative in time but the highest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gmnm_pde.checks.demands import Demands
from gmnm_pde.checks.equations import Locate
from gmnm_pde.checks.facts import UnknownFacts
from gmnm_pde.checks.linear import LinearForm
from gmnm_pde.checks.sites import Sites, is_initial, point_text
from gmnm_pde.checks.structure import order_table, transversal
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem


def check_initial(
    problem: Problem,
    unknowns: Sequence[UnknownFacts],
    forms: Sequence[LinearForm],
    sites: Sites,
    demands: Demands,
    distinct: Tensor,
    locate: Locate,
) -> list[str]:
    """Whether the initial conditions are those that the equations ask for; remarks.

    Raises:
        InputError: too few, too many, or one of a rate that the equations give already.
    """
    if problem.time is None:
        return []
    orders = {item.name: item.in_time or 0 for item in unknowns}
    notes = _check_rates(problem, orders, sites, locate)
    if problem.data is None:
        notes += _check_enough(problem, orders, forms, sites, demands, distinct, locate)
    _check_many(problem, orders, sites, demands, distinct, locate)
    return notes


def _check_rates(
    problem: Problem, orders: dict[str, int], sites: Sites, locate: Locate
) -> list[str]:
    """Nothing may be given that the equations determine: u_t where they hold u_t."""
    notes = []
    for index, condition in enumerate(problem.conditions):
        if not is_initial(condition):
            continue
        held = {(name, alpha[-1]) for name, alpha in sites.forms[index].coefficients}
        if any(rate < orders[name] for name, rate in held):
            continue
        name, rate = max(held, key=lambda pair: pair[1])
        letters = name + ("_" + "t" * rate if rate else "")
        if orders[name] == 0 and any(orders.values()):
            notes.append(
                f"The initial condition {condition.label!r} is of {name}, which has no time "
                "derivative: the equations determine it at all times, the first one included."
            )
            continue
        error = InputError(
            f"the initial condition {condition.label!r} gives {letters}, which the equations, "
            f"of order {orders[name]} in time, determine already.",
            mend="Remove it." if rate == 0 else f"Give {name} itself: {_example(name, 0)}.",
        )
        raise locate(("conditions", index), error)
    return notes


def _check_enough(
    problem: Problem,
    orders: dict[str, int],
    forms: Sequence[LinearForm],
    sites: Sites,
    demands: Demands,
    distinct: Tensor,
    locate: Locate,
) -> list[str]:
    """As many as there are time derivatives, less what constraints give."""
    total = sum(orders.values())
    if not total:
        return []
    matches = transversal(order_table(problem, forms, in_time=True))
    free = sum(match.order for match in matches)
    sample = _sample(sites)
    counts = distinct[_evolving(orders, sites, demands)][:, sample].sum(0)
    few = torch.nonzero(counts < total).flatten()
    if not len(few):
        return []
    site = int(sample[few[0]])
    name, rate, given = _missing(problem, orders, sites, demands, site)
    if free < total and int(counts.min()) >= free:
        # Constraints, such as div u = 0, tie the initial values together.
        return [
            f"There is no initial condition of {name}: the constraints have to give its first "
            "values."
        ]
    place = (
        "" if not bool(counts.any()) or len(few) == len(sample) else _place(problem, sites, site)
    )
    kind = ("an evolution equation", "an equation of second order in time")[
        min(orders[name], 2) - 1
    ]
    wanted = f"{name}_t" if rate else name
    found = (
        f"only one initial condition of {name}{place}"
        if rate and given
        else f"no initial condition of {wanted}{place}"
    )
    needs = f"{name} and {name}_t" if orders[name] > 1 else name
    error = InputError(
        f"{found}; {kind} takes {needs} at the first time.", mend=f"Add {_example(name, rate)}."
    )
    raise locate(("conditions",), error)


def _missing(
    problem: Problem, orders: dict[str, int], sites: Sites, demands: Demands, site: int
) -> tuple[str, int, bool]:
    """An unknown and the derivative in time that no condition gives at a site, and whether
    another derivative of that unknown is given."""
    held = {
        (name, alpha[-1])
        for row, number in enumerate(demands.numbers)
        if bool(demands.active[row, site])
        for (name, alpha), a in sites.forms[number].coefficients.items()
        if float(a[site]) != 0.0
    }
    wanted = [(name, rate) for name in problem.unknowns for rate in range(orders[name])]
    missing = [pair for pair in wanted if pair not in held]
    name, rate = (missing or wanted)[0]
    return name, rate, any(other == name for other, _ in held)


def _check_many(
    problem: Problem,
    orders: dict[str, int],
    sites: Sites,
    demands: Demands,
    distinct: Tensor,
    locate: Locate,
) -> None:
    """Not more than the equations take."""
    total, sample = sum(orders.values()), _sample(sites)
    evolving = _evolving(orders, sites, demands)
    counts = distinct[evolving][:, sample].sum(0)
    many = torch.nonzero(counts > total).flatten()
    if not len(many):
        return
    site = int(sample[many[0]])
    here = [demands.numbers[row] for row in evolving if bool(distinct[row, site])]
    labels = ", ".join(repr(problem.conditions[number].label) for number in here)
    error = InputError(
        f"too many initial conditions: {labels}; the equations, of order {total} in time "
        f"together, take {total}.",
        mend="Remove one of them.",
    )
    raise locate(("conditions", here[total]), error)


def _evolving(orders: dict[str, int], sites: Sites, demands: Demands) -> list[int]:
    """The conditions, as rows of the demands, that mention an unknown with a time derivative."""
    return [
        row
        for row, number in enumerate(demands.numbers)
        if any(orders[name] for name in sites.forms[number].unknowns)
    ]


def _sample(sites: Sites) -> Tensor:
    """The sites at the first time."""
    return torch.nonzero(sites.initial).flatten()


def _place(problem: Problem, sites: Sites, site: int) -> str:
    return f" at {point_text(problem, sites.points[site])}"


def _example(name: str, rate: int) -> str:
    equation = f"{name}_{'t' * rate} = 0" if rate else f"{name} = 0"
    return f"{{at: initial, equation: {equation}}}"
