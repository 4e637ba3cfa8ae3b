"""Collocation with more and more points, until two levels agree."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from gmnm_pde.errors import InputError
from gmnm_pde.references.collocate import Collocation
from gmnm_pde.references.initial import initial_value
from gmnm_pde.references.level import Level, Options, relative, solve_level
from gmnm_pde.references.marching import OutOfTime, Stopped
from gmnm_pde.references.roles import Roles
from gmnm_pde.references.steady import NewtonFailed
from gmnm_pde.references.stencils import Array

FINEST, LEAST = 1e-12, 2e-13
"""Tolerances of the steps in time: the finest that is aimed at, and the one below which rounding
shows."""

MOST_NUMBERS = {1: 2500}
MOST_NUMBERS_BEYOND = 4000
"""Dense matrices of this size take some seconds to factorise."""

BUDGET = 60.0
"""Seconds that growth may take."""

AIM = 1e-10
GROWTH = 1.25
CHECKS = 400
MOST_FAILURES, SAME_TIME = 4, 0.01
"""So many levels in a row stop within this share of the time: there is a blow-up, not a grid that
is too coarse."""


def grow(roles: Roles, chain: Sequence[Roles]) -> tuple[Level, ...]:
    """More and more points until two levels agree; the two that agree best and, if there is one,
    the level before them, the finest first.

    Raises:
        NewtonFailed, Stopped: no level has a solution.
        InputError: the time is over before there are two levels.
    """
    began, cost = clock.perf_counter(), 0.0
    count = _first(roles)
    search = _Search(roles, start_tolerance(roles, count, 1e-4))
    while fits(roles, count) and not search.done:
        started = clock.perf_counter()
        # A level costs about this much more than the one before.
        if started - began + GROWTH ** (3 * roles.dimension) * cost > BUDGET:
            break
        options = Options(search.tolerance, deadline=began + BUDGET)
        try:
            search.take(with_points(roles, chain, count, options, search.last))
        except OutOfTime:
            break
        except (NewtonFailed, Stopped) as failure:
            search.fail(failure)
        cost = max(cost, clock.perf_counter() - started)
        count = max(count + 2, int(GROWTH * count))
    if search.best:
        return search.best
    raise (
        search.failures[-1]
        if search.failures
        else InputError(
            "the spectral reference does not get two resolutions of this problem within a minute.",
            mend="Give a number of points, or another reference.",
        )
    )


@dataclass
class _Search:
    """What has been found so far.

    Arguments:
        tolerance: in time, for the next level.
        levels: the last three, the finest first.
        best: those of them that differed least, by ``least``.
        worse: levels since then.
        failures: of levels without a solution, since the last one with a solution.
    """

    roles: Roles
    tolerance: float
    levels: tuple[Level, ...] = ()
    best: tuple[Level, ...] = ()
    least: float = np.inf
    worse: int = 0
    done: bool = False
    failures: list[NewtonFailed | Stopped] = field(default_factory=list)

    def __post_init__(self) -> None:
        region = self.roles.problem.region
        self._where = region.sample_interior(CHECKS, "random", 4).numpy()

    @property
    def last(self) -> Level | None:
        """The finest level."""
        return self.levels[0] if self.levels else None

    def take(self, level: Level) -> None:
        """Compare a level with the one before."""
        self.levels, self.failures = (level, *self.levels[:2]), []
        if len(self.levels) == 1:
            return
        error = difference(level, self.levels[1], self._where)
        settled = self.roles.problem.time is None or self.tolerance < 0.1 * AIM
        self.worse = 0 if error < 0.8 * self.least else self.worse + 1
        if error < self.least:
            self.least, self.best = error, self.levels
        stuck = self.worse > 1 and self.least < 1e-4 and self.tolerance < FINEST
        self.done = stuck or (error < AIM and settled)
        # Never twice the same tolerance: the error in time would cancel.
        self.tolerance = max(min(self.tolerance / 2.0, 1e-2 * error), LEAST)

    def fail(self, failure: NewtonFailed | Stopped) -> None:
        """Note a level without a solution. The same again and again ends the search, but grids that
        are too coarse blow up too, each at a time of its own."""
        self.failures.append(failure)
        recent = self.failures[-MOST_FAILURES:]
        times = [f.time for f in recent if isinstance(f, Stopped)]
        time = self.roles.problem.time
        apart = 0.0 if time is None or not times else np.ptp(times) / (time[1] - time[0])
        self.done = len(recent) == MOST_FAILURES and bool(apart < SAME_TIME)


def with_points(
    roles: Roles, chain: Sequence[Roles], count: int, options: Options, start: Level | None = None
) -> Level:
    """The solution with ``count`` points along each coordinate; see :func:`solve_level`."""
    return solve_level(partial(Collocation, points=count), roles, chain, options, start)


def start_tolerance(roles: Roles, count: int, most: float) -> float:
    """A tolerance in time below what polynomials with so many points leave out of the initial
    values.

    Where a grid does not resolve them, it holds waves that are nothing but its own error, and
    following these closely would take far more steps than the solution does.
    """
    if roles.problem.time is None:
        return FINEST
    return float(np.clip(1e-2 * _unresolved(roles, count), FINEST, most))


def _unresolved(roles: Roles, count: int) -> float:
    """Relative error of the initial values between the nodes, the largest of all unknowns."""
    grid, finer = Collocation(roles, count), Collocation(roles, int(1.5 * count) + 1)
    errors = [0.0]
    for j, order in enumerate(roles.time_orders):
        if order:
            exact = initial_value(roles, j, 0, finer.nodes[j])
            known = initial_value(roles, j, 0, grid.nodes[j])
            found = grid.interpolation(j, finer.nodes[j]) @ known
            errors.append(float(relative((found - exact)[:, None], exact[:, None])[0]))
    return max(errors)


def _first(roles: Roles) -> int:
    """Points of the first level: the initial values are seen on them."""
    count, most = {1: (16, 100), 2: (10, 24)}.get(roles.dimension, (7, 10))
    while count < most and _unresolved(roles, count) > 0.01:
        count = int(GROWTH * count)
    return count


def fits(roles: Roles, count: int) -> bool:
    """Whether so many points along each coordinate are few enough."""
    numbers = len(roles.problem.unknowns) * count**roles.dimension
    return numbers <= MOST_NUMBERS.get(roles.dimension, MOST_NUMBERS_BEYOND)


def difference(level: Level, other: Level, points: Array) -> float:
    """The largest relative L2 difference of an unknown at points."""
    values = level.at(points)
    return float(relative(values - other.at(points), values).max())
