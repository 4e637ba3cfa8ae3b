"""Comparisons and orders of convergence in folders of their own, and going on with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmnm_pde.errors import InputError, suggest
from gmnm_pde.verbs.app import INTERRUPTED, NOT_MET, SOLVED

if TYPE_CHECKING:
    from gmnm_pde.config import ProblemFile
    from gmnm_pde.recipe import Recipe
    from gmnm_pde.runs import RunFolder
    from gmnm_pde.studies.converge import Convergence
    from gmnm_pde.studies.orders import Fit
    from gmnm_pde.studies.rows import Row

COMPARE, CONVERGE = "compare", "converge"


def recipes_of(text: str) -> dict[str, Recipe]:
    """Recipes by the names of their rows, from ``gmnm,pinn,my/recipe.yaml``."""
    from gmnm_pde.config import load_recipe

    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError("--solvers names no solver.", mend="Write for example gmnm,gmnm-small.")
    found: dict[str, Recipe] = {}
    for name in names:
        short = Path(name).stem if Path(name).suffix else name
        if short in found:
            raise InputError(f"--solvers names {short!r} twice.", mend="Name each solver once.")
        found[short] = load_recipe(name)
    return found


def begin(
    out: Path | None, kind: str, file: ProblemFile, recipes: Mapping[str, Recipe], options: Any
) -> RunFolder:
    """A folder with what a study needs to go on: problem, recipes and options."""
    from gmnm_pde import runs
    from gmnm_pde.config import dump, recipe_data

    folder = runs.open_run(out or runs.default_folder(f"{file.problem.name}-{kind}"))
    path = folder.path
    if (path / runs.MANIFEST).is_file():
        raise InputError(
            f"the folder {str(path)!r} holds a run already.",
            mend=f"Give --out a new folder, or go on with `gmnm-pde resume {path}`.",
        )
    with runs.writing(folder):
        runs.write_problem(folder, file)
        (path / "solvers").mkdir(exist_ok=True)
        for name, recipe in recipes.items():
            text = dump({**recipe_data(recipe), "name": name})
            (path / "solvers" / f"{name}.yaml").write_text(text, encoding="utf-8")
        about = {"kind": kind, "solvers": list(recipes), "options": options}
        runs.write_manifest(folder, file.problem, about)
    return folder


def _interrupted(file: ProblemFile, run: Callable[[], object]) -> bool:
    """Run what is missing of a study; whether Ctrl-C ended it. What finished is in its files."""
    try:
        with file.running():
            run()
    except KeyboardInterrupt:
        return True
    return False


def run_comparison(folder: RunFolder, file: ProblemFile, manifest: Mapping[str, Any]) -> int:
    """Run what is missing of a comparison; returns the exit code."""
    from gmnm_pde import runs
    from gmnm_pde.studies.budget import Budget
    from gmnm_pde.studies.compare import Comparison
    from gmnm_pde.terminal import files_text, make_console
    from gmnm_pde.verbs.tables import comparison_table, row_text, setting_words

    options = dict(manifest["options"])
    console = make_console(options.get("quiet", False))
    budget = Budget(**options["budget"])
    comparison = Comparison(
        file.problem,
        _recipes(folder.path, manifest["solvers"]),
        options["seeds"],
        budget,
        options["rtol"],
        options["device"],
        options["classical"],
    )
    with runs.writing(folder):
        interrupted = _interrupted(
            file, lambda: comparison.run(folder.path, lambda row: console.print(row_text(row)))
        )
        results, curves = comparison.tables(folder.path)
        rows, words = results.read(), setting_words(budget, options)
        write_study(folder, manifest, words, rows, curves.read())
    console.print(comparison_table(rows))
    console.print(words)
    if file.problem.reference is None:
        console.print("The problem has no reference: there is no error to measure.")
    console.print(files_text(folder.path), soft_wrap=True)
    if interrupted:
        console.print(f"Go on with: gmnm-pde resume {folder.path}", soft_wrap=True)
        return INTERRUPTED
    return SOLVED if any(row.worst is not None for row in rows) else NOT_MET


def write_study(
    folder: RunFolder,
    manifest: Mapping[str, Any],
    words: str,
    rows: Sequence[Any],
    points: Sequence[Any],
) -> None:
    """Pictures and report of a comparison."""
    from gmnm_pde.report.comparison import write_comparison
    from gmnm_pde.report.study_page import write_study_page

    write_comparison(folder.path, str(manifest["problem"]), words, rows, points)
    write_study_page(folder.path)


def resume_study(path: Path, code: Path | None, manifest: Mapping[str, Any]) -> int:
    """Go on with the study of a folder; returns the exit code."""
    from gmnm_pde import runs
    from gmnm_pde.config import load_problem

    if (path / "problem.py").is_file() and code is None:
        raise runs.code_is_not_run(path)
    file = load_problem(code or path / "problem.yaml")
    return RUNNERS[str(manifest.get("kind"))](runs.open_run(path), file, manifest)


def _recipes(path: Path, names: Sequence[str]) -> dict[str, Recipe]:
    from gmnm_pde.config import load_recipe

    return {name: load_recipe(path / "solvers" / f"{name}.yaml") for name in names}


def manifest_of(folder: RunFolder) -> dict[str, Any]:
    """What :func:`begin` wrote."""
    from gmnm_pde import runs

    text = (folder.path / runs.MANIFEST).read_text(encoding="utf-8")
    values: dict[str, Any] = json.loads(text)
    return values


def values_of(over: str, text: str | None) -> list[float]:
    """The values of what is varied, in the order in which the error should fall."""
    from gmnm_pde.studies.converge import OVER, VALUES

    if over not in OVER:
        raise InputError(f"--over {over!r} is unknown.", mend=suggest(over, OVER))
    if over == "time" and text is not None:
        raise InputError("--over time watches one run.", mend="Leave --values out.")
    if text is None:
        return list(VALUES[over])
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--values {text!r} are no numbers.", mend="Write for example 100,200,400."
        ) from None
    top = 1.0 if over == "rtol" else float("inf")
    if not all(0.0 < value < top and (over == "rtol" or value == int(value)) for value in values):
        kind = "tolerances between 0 and 1" if over == "rtol" else "whole numbers from 1 on"
        raise InputError(f"--values {text!r} are no {kind}.", mend="Give others.")
    return sorted(values, reverse=over == "rtol")


def study_convergence(
    out: Path | None, file: ProblemFile, recipe: Recipe, options: dict[str, Any]
) -> int:
    """Begin a study of convergence and run it; returns the exit code."""
    from gmnm_pde.studies.converge import check_measurable

    check_measurable(file.problem)
    folder = begin(out, CONVERGE, file, {recipe.name: recipe}, options)
    return run_convergence(folder, file, manifest_of(folder))


def run_convergence(folder: RunFolder, file: ProblemFile, manifest: Mapping[str, Any]) -> int:
    """Run what is missing of a study of convergence; returns the exit code."""
    from gmnm_pde import runs
    from gmnm_pde.report.orders import law_words
    from gmnm_pde.studies.budget import Budget
    from gmnm_pde.studies.converge import Convergence
    from gmnm_pde.terminal import files_text, make_console
    from gmnm_pde.verbs.tables import convergence_table, row_text, setting_words

    options = dict(manifest["options"])
    console = make_console(options.get("quiet", False))
    ((name, recipe),) = _recipes(folder.path, manifest["solvers"]).items()
    study = Convergence(
        file.problem,
        name,
        recipe,
        options["over"],
        options["values"],
        options["seeds"],
        options["time_limit"],
        options["device"],
    )
    with runs.writing(folder):
        interrupted = _interrupted(
            file, lambda: study.run(folder.path, lambda row: console.print(row_text(row)))
        )
        rows = study.table(folder.path).read()
        law = write_order(folder, study, rows)
    console.print(convergence_table(study.over, study.places(rows), rows))
    console.print(law_words(study.over, law))
    console.print(setting_words(Budget(time_limit=study.time_limit), options))
    console.print(files_text(folder.path), soft_wrap=True)
    if interrupted:
        console.print(f"Go on with: gmnm-pde resume {folder.path}", soft_wrap=True)
        return INTERRUPTED
    return SOLVED if law is not None else NOT_MET


def write_order(folder: RunFolder, study: Convergence, rows: Sequence[Row]) -> Fit | None:
    """Fit the order, write convergence.png and the report."""
    from gmnm_pde.report.orders import write_convergence
    from gmnm_pde.report.study_page import write_study_page
    from gmnm_pde.studies.converge import own_error

    own = own_error(study.problem)
    law = study.fitted(rows, own)
    if any(row.worst is not None for row in rows):
        errors = [float("nan") if row.worst is None else row.worst for row in rows]
        title = f"{study.problem.name}, {study.name}"
        path = folder.path / "convergence.png"
        write_convergence(path, title, study.over, study.places(rows), errors, law, own)
    write_study_page(folder.path)
    return law


RUNNERS = {COMPARE: run_comparison, CONVERGE: run_convergence}
"""By the kind of a study."""
