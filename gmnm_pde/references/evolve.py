"""The solution of a discrete evolution problem, at any point and time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gmnm_pde.references.discrete import Discrete, Matrix
from gmnm_pde.references.initial import initial_values, make_consistent
from gmnm_pde.references.marching import Marcher, Path
from gmnm_pde.references.roles import Roles
from gmnm_pde.references.stencils import Array

Interpolation = Callable[[int, Array], Matrix]
"""(unknown, points (n, d)) -> the matrix (n, size) from its values at the nodes, of either kind."""

CHUNK = 2000
"""Points that are evaluated at once."""


@dataclass(frozen=True, eq=False)
class Evolution:
    """A path of the values at the nodes."""

    system: Discrete
    path: Path

    def at(self, interpolation: Interpolation, points: Array) -> Array:
        """All unknowns at points (n, d + 1), (n, unknowns)."""
        order = np.argsort(points[:, -1], kind="stable")
        found = np.empty((len(points), len(self.system.sizes)))
        for begin in range(0, len(points), CHUNK):
            which = order[begin : begin + CHUNK]
            steps, weights = self.path.weights(points[which, -1])
            edges = np.flatnonzero(np.diff(steps, prepend=-1, append=len(self.path.values)))
            for j, part in enumerate(self.system.parts):
                rows = interpolation(j, points[which, :-1])
                for first, after in pairwise(edges.tolist()):
                    nodes = self.path.values[steps[first]][:, part]
                    values = rows[first:after] @ nodes.T
                    found[which[first:after], j] = (values * weights[first:after]).sum(axis=1)
        return found

    def last(self) -> list[Array]:
        """U and dU/dt at the last time, and zero for a second derivative, each (size,)."""
        path = self.path
        length = path.ends[-1] - path.ends[-2]
        values = path.values[-1]
        rate = path.rule.slopes[-1] @ values / length
        return [values[-1], rate, np.zeros_like(rate)]


def evolve(
    roles: Roles,
    nodes: Sequence[Array],
    system: Discrete,
    tolerance: float,
    stages: int = 7,
    deadline: float = np.inf,
) -> Evolution:
    """March from the initial conditions to the last time.

    Arguments:
        nodes: of each unknown, (n, d).
        tolerance, stages, deadline: see :class:`marching.Marcher`.

    Raises:
        InputError: initial conditions that are missing, or a residual that is not finite at first.
        marching.Stopped: steps became too short.
        marching.OutOfTime: the deadline is over.
    """
    problem = roles.problem
    assert problem.time is not None
    first, last = problem.time
    state = make_consistent(system, first, initial_values(roles, nodes))
    system.check_finite(first, [*state, np.zeros(system.size)])
    unsettled = [order == 0 for order in roles.time_orders]
    marcher = Marcher(system, state, first, last - first, unsettled, tolerance, stages, deadline)
    return Evolution(system, marcher.run())
