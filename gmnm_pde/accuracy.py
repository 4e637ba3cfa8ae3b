"""Errors of a solution against its problem's reference, on points that no solve uses."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gmnm_pde.networks import Network, evaluate
from gmnm_pde.problem import Problem

ERROR_POINTS = 4000
"""Points on which errors are measured; no solver uses them."""

ERROR_SEED = 202_511
"""Their seed, apart from every seed that a solve derives from its own."""


@dataclass(frozen=True)
class Errors:
    """Errors against a reference, on points that the solve never used.

    Arguments:
        relative_l2: |u - reference| / |reference|, one an unknown.
        max_error: the largest |u - reference| over the largest |reference|.
        reference: its kind.
        own_error: of the reference itself, 0 for an exact one.
        up_to_constant: the mean difference was taken off where a constant is free.
        inferred: |k - reference| / |reference| of the constants that the reference knows.
        constants: these.
    """

    relative_l2: Mapping[str, float]
    max_error: Mapping[str, float]
    reference: str
    own_error: Mapping[str, float]
    up_to_constant: bool = False
    inferred: Mapping[str, float] = field(default_factory=dict)
    constants: Mapping[str, float] = field(default_factory=dict)


def measure(
    problem: Problem,
    network: Network,
    *,
    up_to_constant: Collection[str] = (),
    points: int = ERROR_POINTS,
    inferred: Mapping[str, float] | None = None,
) -> Errors | None:
    """Errors of a network against the problem's reference, None without one.

    They are measured at random points, or at the reference's own points if it has some. The mean
    difference is taken off for the unknowns that are known ``up_to_constant`` only.
    """
    if problem.reference is None:
        return None
    names = problem.reference.known(problem)
    truth = problem.reference.constants(problem)
    kind = problem.reference.name
    constants = {
        name: abs(value - truth[name]) / (abs(truth[name]) or 1.0)
        for name, value in (inferred or {}).items()
        if name in truth
    }
    if not names:
        return Errors({}, {}, kind, {}, inferred=constants, constants=truth)
    where = problem.reference.own_points(problem)
    if where is None:
        where = problem.region.sample_interior(points, "random", ERROR_SEED)
    reference = problem.reference.evaluate(problem, where)
    example = next(network.parameters())
    there = where.to(device=example.device, dtype=example.dtype)
    values = evaluate(network, there).cpu().double()
    # A reference may know less than the solution: not the fields that were inferred.
    difference = values[:, [problem.outputs.index(name) for name in names]] - reference.values
    free = difference.new_tensor([float(name in up_to_constant) for name in names])
    difference = difference - free * difference.mean(0)
    relative, largest = {}, {}
    for j, name in enumerate(names):
        size, top = reference.values[:, j].norm().item(), reference.values[:, j].abs().max().item()
        # A reference of zero has no relative error: the error itself is given.
        relative[name] = difference[:, j].norm().item() / (size or math.sqrt(len(where)))
        largest[name] = difference[:, j].abs().max().item() / (top or 1.0)
    own_error = reference.own_error
    return Errors(relative, largest, kind, own_error, bool(up_to_constant), constants, truth)


def finite(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    """The figures, None for one that is not a number: it does not exist."""
    return {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in figures.items()
    }
