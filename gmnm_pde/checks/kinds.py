"""The checks of conditions that are not equations on the boundary: domains that repeat, interfaces,
and conditions that are to hold exactly."""

from __future__ import annotations

from dataclasses import replace

import torch

from gmnm_pde.checks.equations import Locate
from gmnm_pde.checks.linear import LinearForm, linear_form
from gmnm_pde.checks.sites import Sites, is_point, on_side, point_text
from gmnm_pde.errors import InputError, suggest
from gmnm_pde.geometry import Domain
from gmnm_pde.geometry.domain import SIDE_NAMES
from gmnm_pde.lift import lifted
from gmnm_pde.problem import Condition, IntegralCondition, Interface, Periodic, Problem

_POINTS = 256
_SLACK = 1e-9


def check_periodic(problem: Problem, locate: Locate) -> None:
    """Where the domain repeats it is a box, along a coordinate of space, and said once.

    Raises:
        InputError: it is not.
    """
    seen: set[str] = set()
    for index, condition in enumerate(problem.conditions):
        if not isinstance(condition, Periodic):
            continue
        name = condition.coordinate
        message = mend = ""
        if name == "t" and problem.time is not None:
            message, mend = "time cannot be periodic.", "Name a coordinate of space."
        elif name not in problem.space:
            message, mend = f"{name!r} is not a coordinate.", suggest(name, problem.space)
        elif not problem.domain.fills_box:
            kind = type(problem.domain).__name__.lower()
            message = f"a domain of kind {kind!r} cannot be periodic."
            mend = "Use an interval, a rectangle or a box."
        elif problem.space.index(name) >= len(SIDE_NAMES):
            message = f"{name!r} is coordinate number {problem.space.index(name) + 1}."
            mend = "One of the first three can be periodic."
        elif name in seen:
            message, mend = f"{name!r} is periodic twice.", "Remove one of them."
        if message:
            raise locate(("conditions", index), InputError(f"periodic: {message}", mend=mend))
        seen.add(name)


def check_ends(problem: Problem, sites: Sites, locate: Locate) -> None:
    """No condition stands on a side across which the domain repeats.

    Raises:
        InputError: one does.
    """
    for condition in problem.conditions:
        if not isinstance(condition, Periodic):
            continue
        ends = SIDE_NAMES[problem.space.index(condition.coordinate)]
        for number, applies in sites.applies.items():
            other = problem.conditions[number]
            assert isinstance(other, Condition)
            for name in ends:
                hit = applies & on_side(problem.region, name, sites.points, sites.normals)
                if not bool(hit.any()) or is_point(other):
                    continue
                error = InputError(
                    f"the condition {other.label!r} stands on the side {name}, but the domain is "
                    f"periodic in {condition.coordinate} and has no such boundary.",
                    mend="Name the other sides in its `at`, or remove one of the two.",
                )
                raise locate(("conditions", number), error)


def integral_forms(problem: Problem, locate: Locate) -> dict[int, LinearForm]:
    """The integrands, linearised inside the domain.

    Raises:
        InputError: one without an unknown.
    """
    forms = {}
    points = problem.region.sample_interior(64)
    for index, condition in enumerate(problem.conditions):
        if not isinstance(condition, IntegralCondition):
            continue
        try:
            forms[index] = linear_form(problem, condition.integrand, points)
            if not forms[index].coefficients:
                raise InputError(
                    f"the integral {condition.label!r} holds no unknown.",
                    mend=f"Mention {' or '.join(problem.unknowns)}.",
                )
        except InputError as error:
            raise locate(("conditions", index), error) from None
    return forms


def check_subdomains(problem: Problem, locate: Locate) -> None:
    """Every subdomain lies in the domain, and none overlaps another.

    Raises:
        InputError: one that sticks out or overlaps.
    """
    for name, part in problem.subdomains.items():
        try:
            _check_inside(problem, name, part)
        except InputError as error:
            raise locate(("subdomains", name), error) from None
    try:
        _ = problem.pieces  # refuses subdomains that overlap
        _ = problem.interfaces
    except InputError as error:
        raise locate(("subdomains",), error) from None


def _check_inside(problem: Problem, name: str, part: Domain) -> None:
    domain = problem.domain
    if part.dimension != domain.dimension:
        raise InputError(
            f"the subdomain {name!r} has dimension {part.dimension}, "
            f"the domain {domain.dimension}.",
            mend=f"Give {', '.join(problem.space)}.",
        )
    size = max(high - low for low, high in zip(domain.lower, domain.upper, strict=True))
    points = torch.cat([part.sample_boundary(_POINTS).points, part.sample_interior(_POINTS)])
    outside = torch.nonzero(domain.signed_distance(points) > 1e-9 * size).flatten()
    if len(outside):
        place = ", ".join(
            f"{letter} = {value:.4g}"
            for letter, value in zip(problem.space, points[outside[0]].tolist(), strict=True)
        )
        raise InputError(
            f"the subdomain {name!r} sticks out of the domain, at {place}.",
            mend="Make it smaller, or give its intersection with the domain.",
        )


def interface_forms(problem: Problem, locate: Locate) -> dict[int, LinearForm]:
    """The jumps, linearised on the boundaries of their subdomains.

    Raises:
        InputError: an unknown subdomain, or an expression without an unknown.
    """
    forms = {}
    for index, condition in enumerate(problem.conditions):
        if not isinstance(condition, Interface):
            continue
        try:
            forms[index] = _interface_form(problem, condition)
        except InputError as error:
            raise locate(("conditions", index), error) from None
    return forms


def _interface_form(problem: Problem, condition: Interface) -> LinearForm:
    if condition.of not in problem.subdomains:
        known = suggest(condition.of, problem.subdomains)
        raise InputError(
            f"the interface names the subdomain {condition.of!r}, which there is not.",
            mend=known or "Add it to `subdomains`.",
        )
    boundary = problem.interfaces[condition.of].sample_boundary(_POINTS)
    form = linear_form(problem, condition.jump, boundary.points, boundary.normals)
    if not form.coefficients:
        raise InputError(
            f"the condition {condition.label!r} holds no unknown.",
            mend=f"Mention {' or '.join(problem.unknowns)}.",
        )
    bad = torch.nonzero(~form.size().isfinite()).flatten()
    if len(bad):
        raise InputError(
            f"the condition {condition.label!r} is not finite at "
            f"{point_text(problem, boundary.points[bad[0]])}.",
            mend="Change its expression.",
        )
    return form


def check_hard(problem: Problem, locate: Locate) -> None:
    """What is to hold exactly is a value, on a part with a smooth distance, and conditions that
    meet agree.

    Raises:
        InputError: it is not.
    """
    for index, condition in enumerate(problem.conditions):
        if isinstance(condition, Condition) and condition.enforce == "hard":
            try:
                lifted(replace(problem, conditions=(condition,)))
            except InputError as error:
                raise locate(("conditions", index), error) from None
    try:
        lifted(problem)
    except InputError as error:
        raise locate(("conditions",), error) from None
