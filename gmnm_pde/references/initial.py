"""Initial values of a discrete evolution problem."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from gmnm_pde.errors import InputError
from gmnm_pde.linearised import Block, at_zero, is_linear
from gmnm_pde.references.discrete import Discrete, Matrix
from gmnm_pde.references.factors import Factors, Singular
from gmnm_pde.references.roles import Roles, with_time
from gmnm_pde.references.stencils import Array

CONSISTENT = 30


def initial_values(roles: Roles, nodes: Sequence[Array]) -> list[Array]:
    """U and, for an unknown of second order in time, dU/dt at the first time; zero where the
    problem does not say, each (size,).

    Arguments:
        nodes: of each unknown, (n, d).

    Raises:
        InputError: no initial condition, or one that does not give a value at every node.
    """
    problem = roles.problem
    assert problem.time is not None
    top = max(1, *roles.time_orders) if roles.time_orders else 1
    found = [np.zeros(sum(len(at) for at in nodes)) for _ in range(top)]
    begin = 0
    for j, at in enumerate(nodes):
        for order in range(roles.time_orders[j]):
            found[order][begin : begin + len(at)] = initial_value(roles, j, order, at)
        begin += len(at)
    return found


def initial_value(roles: Roles, unknown: int, order: int, nodes: Array) -> Array:
    """One unknown, or its derivative in time, at the first time at points (n, d): (n,).

    Raises:
        InputError: see :func:`initial_values`.
    """
    problem = roles.problem
    assert problem.time is not None
    name = problem.unknowns[unknown]
    what = name if order == 0 else f"{name}_t"
    key = (name, (0,) * roles.dimension + (order,))
    values, known = np.zeros(len(nodes)), np.zeros(len(nodes), bool)
    for condition in roles.initial:
        points = with_time(nodes, problem.time[0])
        block = Block("condition", condition.label, condition.residual, points,
                      points.new_ones(len(points)))  # fmt: skip
        lin = at_zero(problem, block)
        keys = {k for k, a in lin.coefficients.items() if bool((a != 0.0).any())}
        if key not in keys:
            continue
        if keys != {key} or lin.terms or not is_linear(problem, block):
            raise InputError(
                f"{roles.method} read initial values off conditions such as `{what} = f(x)`, not "
                f"{condition.label!r}.",
                mend="Write one condition for each unknown.",
            )
        mine = roles.true_at(condition, nodes, problem.time[0]) & ~known
        values[mine] = (-lin.residual / lin.coefficients[key]).numpy()[mine]
        known |= mine
    if not known.all():
        raise InputError(
            f"there is no initial condition for {what}.",
            mend=f"Add `{{at: initial, equation: {what} = ...}}`.",
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"the initial condition for {what} is not finite.", mend="Check its expression."
        )
    return values


def make_consistent(system: Discrete, start: float, state: Sequence[Array]) -> list[Array]:
    """The initial values with what has no derivative in time (conditions on the boundary,
    constraints) solved for; what has one is left as it is.

    Where constraints do not determine their unknown at one time (a pressure), they restrict the
    others (to velocities without divergence), which are moved there.
    """
    values = [*state, *[np.zeros(system.size)] * (3 - len(state))][: len(state) + 1]
    first = [np.concatenate([v, np.zeros(system.size - len(v))]) for v in values]
    current = first[0].copy()
    for _ in range(CONSISTENT):
        parts = system.jacobian(start, [current, *first[1:]])
        matrix, moving = _frozen(parts)
        defect = system.residual(np.array([start]), [v[None] for v in (current, *first[1:])])[0]
        defect[moving] = (matrix @ (current - first[0]))[moving]
        try:
            change = Factors(matrix).solve(defect)
        except Singular:
            return _restricted(system, start, first)
        if not np.isfinite(change).all():
            return first[:-1]
        current = current - change
        if np.abs(change).max() <= 1e-14 * np.abs(current).max():
            break
    return [current, *first[1:-1]]


def _restricted(system: Discrete, start: float, first: list[Array]) -> list[Array]:
    """A step of the implicit Euler method too short for anything but constraints to matter."""
    if len(first) > 2:
        return first[:-1]
    initial = first[0]
    length = 1e-13 * max(1.0, abs(start))
    current = initial.copy()
    for _ in range(3):
        rate = (current - initial) / length
        parts = system.jacobian(start, [current, rate])
        defect = system.residual(np.array([start]), [current[None], rate[None]])[0]
        try:
            change = Factors(parts[0] + parts[1] / length).solve(defect)
        except Singular:
            return first[:-1]
        current = current - change
    if not np.isfinite(current).all():
        return first[:-1]
    # Only what has a derivative in time: the constraints' own unknowns are impulses here.
    moves = np.asarray(abs(system.jacobian(start, first)[1]).sum(axis=0)).ravel() > 0.0
    return [np.where(moves, current, initial)]


def _frozen(parts: Sequence[Matrix]) -> tuple[Matrix, Array]:
    """Rows of the highest derivative in time where there is one, of U elsewhere."""
    matrix, moving = parts[0], np.zeros(parts[0].shape[0], bool)
    for part in parts[1:]:
        has = np.asarray(abs(part).sum(axis=1)).ravel() > 0.0
        if sparse.issparse(part):
            keep = sparse.diags_array((~has).astype(float))
            matrix = sparse.csr_array(keep @ matrix + part)
        else:
            matrix = np.where(has[:, None], part, matrix)
        moving |= has
    return matrix, moving
