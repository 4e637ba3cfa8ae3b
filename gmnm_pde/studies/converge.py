"""One solver on one problem with more and more units, points or time, or smaller tolerances."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from gmnm_pde.accuracy import ERROR_POINTS, ERROR_SEED
from gmnm_pde.checks import check
from gmnm_pde.errors import InputError
from gmnm_pde.methods import TimeStepping
from gmnm_pde.networks.sizing import with_size
from gmnm_pde.problem import Problem
from gmnm_pde.recipe import Recipe
from gmnm_pde.solve import solve
from gmnm_pde.studies.budget import Budget
from gmnm_pde.studies.compare import warm_up
from gmnm_pde.studies.orders import Fit, fit
from gmnm_pde.studies.rows import RESULTS, Row, Table, row_of
from gmnm_pde.studies.trace import Trace

Over = Literal["units", "points", "time", "rtol"]

OVER: tuple[str, ...] = get_args(Over)

VALUES: dict[str, tuple[float, ...]] = {
    "units": (50, 75, 110, 160, 240, 360, 540, 800),
    "points": (100, 150, 220, 330, 500, 750, 1100, 1600),
    "time": (),
    "rtol": (1e-2, 1e-4, 1e-6, 1e-8, 1e-10),
}
"""What is tried if nothing is said. Time is not tried but watched: one run, as it goes on."""


@dataclass(frozen=True)
class Convergence:
    """What is varied.

    Arguments:
        values: of what is varied, in the order of the rows; none for time.
        seeds: every value is run with 0, 1, ... of them.
    """

    problem: Problem
    name: str
    recipe: Recipe
    over: str = "units"
    values: Sequence[float] = ()
    seeds: int = 1
    time_limit: float | None = None
    device: str = "auto"

    def table(self, folder: Path) -> Table:
        """results.csv."""
        return Table(folder / RESULTS, Row, self.problem.outputs)

    def run(self, folder: Path, say: Callable[[Row], None]) -> list[Row]:
        """Run what is not in the folder's table yet; each row is written when it is known.

        Rows are in the order of :attr:`runs`, so as many as there are have been run.

        Raises:
            InputError: there is no reference to measure an error against.
            KeyboardInterrupt: Ctrl-C; the run in progress is lost.
        """
        check_measurable(self.problem)
        table = self.table(folder)
        known: list[Row] = list(table.read())
        warm_up(self.device)
        watched = self.over == "time"
        missing: Iterator[Row] = self._watched(known) if watched else self._tried(len(known))
        for row in missing:
            table.append(row)
            known.append(row)
            say(row)
        return known

    @property
    def runs(self) -> list[tuple[float, int]]:
        """Values and seeds."""
        return [(value, seed) for value in self.values for seed in range(self.seeds)]

    def places(self, rows: Sequence[Row]) -> list[float]:
        """Where the rows stand: what the run really had, or was asked for."""
        if self.over == "rtol":
            return [value for value, _ in self.runs[: len(rows)]]
        name = {"time": "seconds"}.get(self.over, self.over)
        found = [getattr(row, name) for row in rows]
        return [float("nan") if value is None else float(value) for value in found]

    def fitted(self, rows: Sequence[Row], own_error: float) -> Fit | None:
        """The law that the errors of the rows follow."""
        errors = [float("nan") if row.worst is None else row.worst for row in rows]
        exponential = self.over in ("units", "points")
        dimension = self.dimension if exponential else 1
        return fit(self.places(rows), errors, dimension, own_error, exponential)

    @property
    def dimension(self) -> int:
        """Coordinates along which units are placed: space alone where the method marches."""
        marching = any(
            isinstance(item.chosen(self.problem), TimeStepping) for item in self.recipe.methods
        )
        return self.problem.domain.dimension if marching else len(self.problem.coordinates)

    def _tried(self, done: int) -> Iterator[Row]:
        for value, seed in self.runs[done:]:
            try:
                problem, recipe = self._varied(value)
                solution = solve(
                    problem,
                    solver=recipe,
                    seed=seed,
                    device=self.device,
                    time_limit=self.time_limit,
                )
            except InputError as error:
                yield Row(self.name, seed, "refused", error.message)
                continue
            if solution.status == "interrupted":
                raise KeyboardInterrupt
            yield row_of(self.name, solution)

    def _varied(self, value: float) -> tuple[Problem, Recipe]:
        if self.over == "units":
            network = with_size(self.recipe.network, round(value))
            return self.problem, dataclasses.replace(self.recipe, network=network)
        if self.over == "points":
            return Budget(points=round(value)).applied(self.problem, self.recipe)
        return self.problem, dataclasses.replace(self.recipe, rtol=value)

    def _watched(self, known: Sequence[Row]) -> Iterator[Row]:
        """A row for each step of a run that was kept; a solve of that many seconds had that error.

        A run is written as a whole, so the seeds that have rows are done.
        """
        free = check(self.problem).free
        for seed in range(self.seeds):
            if seed in {row.seed for row in known}:
                continue
            trace = Trace()
            solution = solve(
                self.problem,
                solver=self.recipe,
                seed=seed,
                device=self.device,
                time_limit=self.time_limit,
                observe=trace,
            )
            if solution.status == "interrupted":
                raise KeyboardInterrupt
            for point in trace.points(self.name, self.problem, solution, free)[:-1]:
                yield Row(
                    self.name,
                    seed,
                    "running",
                    relative_l2=point.relative_l2,
                    seconds=point.seconds,
                    units=point.units,
                    parameters=point.parameters,
                )
            yield row_of(self.name, solution)


def check_measurable(problem: Problem) -> None:
    """Refuse a problem without a reference. Raises InputError."""
    if problem.reference is None:
        raise InputError(
            f"the problem {problem.name!r} has no reference, so there is no error to measure.",
            mend="Add a `reference:`, or a `manufactured:` solution.",
        )


def own_error(problem: Problem) -> float:
    """The reference's own error, the largest of the unknowns; zero for an exact one or where it is
    not known."""
    reference = problem.reference
    assert reference is not None
    where = reference.own_points(problem)
    if where is None:
        where = problem.region.sample_interior(ERROR_POINTS, "random", ERROR_SEED)
    errors = reference.evaluate(problem, where).own_error.values()
    return max((error for error in errors if error == error), default=0.0)
