"""The check that enough is said across the boundary of every subdomain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gmnm_pde.checks.equations import Locate
from gmnm_pde.checks.facts import EquationFacts
from gmnm_pde.checks.sites import point_text
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Interface, Problem

_POINTS = 128
_ON = 1e-9
"""A point this close to another subdomain's boundary lies on it, in widths of the domain."""


def check_interfaces(problem: Problem, equations: Sequence[EquationFacts], locate: Locate) -> None:
    """As many conditions across an interface as the order of the equation in space.

    The unknowns of two pieces are coupled by these conditions alone. Where subdomains touch, those
    of either one count. Systems are asked for one condition at least.

    Raises:
        InputError: too few, or too many.
    """
    order = max((item.in_space or item.order for item in equations), default=0)
    if not problem.subdomains or order == 0:
        return
    alone = len(equations) == 1 and len(problem.unknowns) == 1
    known = alone and (equations[0].elliptic is not False or problem.domain.dimension == 1)
    needed = order if known else 1
    given = {
        name: sum(isinstance(item, Interface) and item.of == name for item in problem.conditions)
        for name in problem.subdomains
    }
    for name in problem.subdomains:
        points = problem.interfaces[name].sample_boundary(_POINTS).points
        count = _counted(problem, points, name, given)
        worst = int(count.argmin())
        if int(count[worst]) < needed:
            raise locate(
                ("conditions",), _too_few(problem, name, points[worst], int(count[worst]), needed)
            )
        if known and given[name] > needed:
            error = InputError(
                f"{given[name]} conditions hold across the boundary of {name!r}; an equation of "
                f"order {order} takes {needed}.",
                mend="Remove one of them.",
            )
            raise locate(("conditions",), error)


def _counted(problem: Problem, points: Tensor, name: str, given: dict[str, int]) -> Tensor:
    """How many conditions hold at points on the boundary of a subdomain, (n,)."""
    domain, space = problem.domain, len(problem.space)
    size = max(b - a for a, b in zip(domain.lower, domain.upper, strict=True))
    count = torch.full((len(points),), given[name])
    for other, sub in problem.subdomains.items():
        if other != name:
            on = sub.signed_distance(points[:, :space]).abs() <= _ON * size
            count = count + given[other] * on.long()
    return count


def _too_few(problem: Problem, name: str, point: Tensor, count: int, needed: int) -> InputError:
    words = {0: "no condition holds", 1: "only one condition holds"}
    said = words.get(count, f"only {count} conditions hold")
    example = f"{problem.unknowns[0]}{'_n' if count else ''}"
    return InputError(
        f"{said} across the boundary of the subdomain {name!r}, at {point_text(problem, point)}; "
        f"it takes {needed}: nothing else couples its two sides.",
        mend=f"Add one, such as {{interface: {name}, jump: {example}}}.",
    )
