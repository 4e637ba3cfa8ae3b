"""Solving into a run folder, and going on with what stands in one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmnm_pde.errors import InputError
from gmnm_pde.verbs.app import INTERRUPTED, NOT_MET, SOLVED, check_device
from gmnm_pde.verbs.studying import resume_study

if TYPE_CHECKING:
    from gmnm_pde.checks import Checked
    from gmnm_pde.config import ProblemFile
    from gmnm_pde.problem import Problem
    from gmnm_pde.recipe import Recipe
    from gmnm_pde.runs import RunFolder
    from gmnm_pde.solution import Solution


def understand(
    problem: str, settings: Sequence[str] | None, solver: str | None = None
) -> tuple[ProblemFile, Recipe, Checked]:
    """Everything that can be known before solving. Raises InputError."""
    from gmnm_pde.checks import check as check_problem
    from gmnm_pde.config import load_problem, load_recipe

    chosen = [] if solver is None else [f"solver={solver}"]
    changes_recipe = any(item.strip().startswith("solver.") for item in settings or ())
    file = load_problem(problem, [*(chosen if changes_recipe else []), *(settings or ())])
    recipe = file.recipe() if solver is None or changes_recipe else load_recipe(solver)
    with file.running():
        return file, recipe, check_problem(file.problem, file.locate)


def draw_domain(problem: Problem, folder: Path) -> Path:
    """A picture of a problem's domain in a folder, which is made. Raises InputError."""
    from gmnm_pde.report.domain import write_domain

    try:
        folder.mkdir(parents=True, exist_ok=True)
        return write_domain(problem, folder)
    except OSError as error:
        raise InputError(
            f"the folder {str(folder)!r} cannot be written: {error.strerror or error}.",
            mend="Give --out a folder that you may write to.",
        ) from None


def solve_into(
    out: Path | None, file: ProblemFile, recipe: Recipe, options: dict[str, Any], quiet: bool
) -> int:
    """Solve into a new run folder; returns the exit code."""
    from gmnm_pde import runs

    folder = runs.open_run(out or runs.default_folder(file.problem.name))
    try:
        return _solve(folder, file, recipe, options, quiet)
    except BaseException:
        folder.discard()
        raise


def resume_run(
    path: Path,
    code: Path | None,
    rtol: float | None,
    device: str | None,
    time_limit: float | None,
    quiet: bool,
) -> int:
    """Go on with the run of a folder; returns the exit code. Raises InputError.

    Arguments:
        device: where it goes on; None for where it was begun.
    """
    from gmnm_pde import runs
    from gmnm_pde.config import load_problem, load_recipe

    manifest = runs.read_manifest(path)
    if manifest.get("kind", "solve") != "solve":
        return _resume_study(path, code, manifest, device)
    solution = runs.open_solution(path, code)
    if solution.status == "converged" and rtol is None:
        raise InputError(
            f"this run is over: {solution.reason}.",
            mend="Ask for a smaller error with --rtol.",
            file=path,
        )
    recipe_file = path / "solver.yaml"
    if not recipe_file.is_file():
        raise InputError("this run keeps no recipe that could go on.", file=path)
    recipe = load_recipe(recipe_file)
    if rtol is not None:
        recipe = dataclasses.replace(recipe, rtol=rtol)
    asked = manifest.get("options") or {}
    device = device or str(asked.get("device") or "auto")
    check_device(device, resumed=True)
    options = {
        "seed": solution.seed,
        "device": device,
        "time_limit": time_limit if time_limit is not None else asked.get("time_limit"),
        "resume": solution,
    }
    file = load_problem(code or path / "problem.yaml")
    return _solve(runs.open_run(path), file, recipe, options, quiet)


def _resume_study(
    path: Path, code: Path | None, manifest: Mapping[str, Any], device: str | None
) -> int:
    asked = str((manifest.get("options") or {}).get("device") or "auto")
    if device not in (None, asked):
        raise InputError(
            f"--device {device}: the rows of a study are compared, and so far they are from "
            f"{asked}.",
            mend="Leave --device out, or begin another study.",
            file=path,
        )
    check_device(asked)
    return resume_study(path, code, manifest)


def _solve(
    folder: RunFolder, file: ProblemFile, recipe: Recipe, options: dict[str, Any], quiet: bool
) -> int:
    from gmnm_pde import runs
    from gmnm_pde.solve import solve as solve_problem
    from gmnm_pde.terminal import Progress, files_text, make_console, solution_table

    console = make_console(quiet)
    with file.running(), Progress(console, quiet) as progress:
        solution = solve_problem(file.problem, solver=recipe, monitor=progress, **options)
    kept = {name: options.get(name) for name in ("device", "time_limit")}
    with runs.writing(folder):
        runs.write_inputs(folder, file, recipe)
        runs.write_solution(folder, solution, runs.command_line(), kept)
        if solution.status != "interrupted":
            runs.write_pictures(folder, solution)
        runs.write_report(folder)
    console.print(solution_table(solution))
    console.print(files_text(folder.path), soft_wrap=True)
    if solution.status == "interrupted":
        console.print(f"Go on with: gmnm-pde resume {folder.path}", soft_wrap=True)
    return _exit_code(solution, recipe)


def _exit_code(solution: Solution, recipe: Recipe) -> int:
    if solution.status == "interrupted":
        return INTERRUPTED
    asked = recipe.rtol is not None
    met = solution.status == "converged" if asked else solution.status != "failed"
    return SOLVED if met else NOT_MET
