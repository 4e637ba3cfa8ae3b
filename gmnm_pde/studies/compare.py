"""The same problem for several solvers, with the same budget, over several seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gmnm_pde.checks import Checked, check
from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Interval
from gmnm_pde.problem import Dirichlet, Problem
from gmnm_pde.recipe import Recipe
from gmnm_pde.solution import Solution
from gmnm_pde.solve import solve
from gmnm_pde.studies import classical
from gmnm_pde.studies.budget import Budget
from gmnm_pde.studies.rows import CURVES, RESULTS, Point, Row, Table, row_of
from gmnm_pde.studies.trace import Trace

Say = Callable[[Row], None]


def warm_up(device: str) -> None:
    """Load what torch and scipy load on first use, which would count for the first solver."""
    line = Problem(
        "x",
        "u",
        Interval(0.0, 1.0),
        [lambda u, x: u.xx + 1.0],
        [Dirichlet("boundary", 0.0)],
        name="warm-up",
    )
    solve(line, rtol=0.1, device=device)


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Arguments:
        recipes: by the names of their rows.
        seeds: every recipe is run with 0, 1, ... of them.
        budget: the same for every one.
        rtol: relative L2 error asked for; None lets each recipe say.
        with_classical: whether classical solvers stand beside them.
    """

    problem: Problem
    recipes: Mapping[str, Recipe]
    seeds: int = 1
    budget: Budget = field(default_factory=Budget)
    rtol: float | None = None
    device: str = "auto"
    with_classical: bool = True

    def tables(self, folder: Path) -> tuple[Table, Table]:
        """results.csv and curves.csv."""
        unknowns = self.problem.outputs
        return (
            Table(folder / RESULTS, Row, unknowns),
            Table(folder / CURVES, Point, unknowns),
        )

    def run(self, folder: Path, say: Say) -> list[Row]:
        """Run what is not in the folder's tables yet; each row is written when it is known.

        Arguments:
            say: called with every new row.

        Raises:
            KeyboardInterrupt: Ctrl-C. The run in progress is lost, the others are in the tables.
        """
        results, curves = self.tables(folder)
        known: list[Row] = results.read()
        checked = check(self.problem)
        warm_up(self.device)
        for row, points in self._missing(known, checked):
            # Curves first: a row that stands in results.csv is done.
            if points:
                curves.append(*points)
            results.append(row)
            known.append(row)
            say(row)
        return known

    def _missing(
        self, known: Sequence[Row], checked: Checked
    ) -> Iterator[tuple[Row, Sequence[Point]]]:
        done = {(row.solver, row.seed) for row in known}
        # Seed by seed, so that an early end leaves every solver with as many runs.
        for seed in range(self.seeds):
            for name in self.recipes:
                if (name, seed) not in done:
                    yield self._solved(name, seed, checked)
        if self.with_classical and self.problem.reference is not None and not self.problem.infer:
            past = {(row.solver, row.points or 0) for row in known if row.seed is None}
            limit = self.budget.time_limit
            for row in classical.rows(self.problem, limit, past, checked.free):
                yield row, ()

    def _solved(self, name: str, seed: int, checked: Checked) -> tuple[Row, Sequence[Point]]:
        trace = Trace()
        try:
            problem, recipe = self.budget.applied(self.problem, self.recipes[name])
            solution = self._solve(problem, recipe, seed, trace)
        except InputError as error:
            return Row(name, seed, "refused", error.message), ()
        except (RuntimeError, ArithmeticError, ValueError, TypeError, MemoryError) as error:
            # One solver that breaks is a row, not the end of the others.
            return Row(name, seed, "failed", f"{type(error).__name__}: {error}"), ()
        if solution.status == "interrupted":
            raise KeyboardInterrupt
        return row_of(name, solution), trace.points(name, problem, solution, checked.free)

    def _solve(self, problem: Problem, recipe: Recipe, seed: int, trace: Trace) -> Solution:
        if self.rtol is not None:
            recipe = dataclasses.replace(recipe, rtol=self.rtol)
        return solve(
            problem,
            solver=recipe,
            seed=seed,
            device=self.device,
            time_limit=self.budget.time_limit,
            observe=trace,
        )
