"""The command ``gmnm-pde``: verbs only, no mathematics.

Everything heavy is imported inside the verbs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gmnm_pde import __version__
from gmnm_pde.errors import InputError, suggest
from gmnm_pde.verbs.app import (
    SOLVED,
    Code,
    Device,
    Folder,
    Out,
    ProblemName,
    Quiet,
    ResumedDevice,
    Rtol,
    Settings,
    TimeLimit,
    check_counts,
    check_device,
    check_options,
    verb,
)
from gmnm_pde.verbs.evidence import validate_checkout
from gmnm_pde.verbs.solving import draw_domain, resume_run, solve_into, understand
from gmnm_pde.verbs.studying import (
    COMPARE,
    begin,
    manifest_of,
    recipes_of,
    run_comparison,
    study_convergence,
    values_of,
)

if TYPE_CHECKING:
    from gmnm_pde.catalog import Kind

app = typer.Typer(
    name="gmnm-pde",
    help="Solve partial differential equations to a tolerance, without a mesh.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"gmnm-pde {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


@app.command()
@verb
def solve(
    problem: ProblemName,
    solver: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="The recipe; gmnm if nothing is said.")
    ] = None,
    rtol: Rtol = None,
    seed: Annotated[int, typer.Option(help="Of every random number.")] = 0,
    device: Device = "auto",
    out: Out = None,
    settings: Settings = None,
    time_limit: TimeLimit = None,
    quiet: Quiet = False,
) -> None:
    """Solve a problem; write the solution, its figures and pictures to a run folder."""
    check_options(rtol, seed, device, time_limit)
    file, recipe, _ = understand(problem, settings, solver)
    check_device(device)
    if rtol is not None:
        recipe = dataclasses.replace(recipe, rtol=rtol)
    options = {"seed": seed, "device": device, "time_limit": time_limit}
    raise typer.Exit(solve_into(out, file, recipe, options, quiet))


@app.command()
@verb
def check(
    problem: ProblemName,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw the domain into domain.png there."),
    ] = None,
) -> None:
    """Say what was understood, and what is wrong, before any training."""
    from gmnm_pde.solve import check_solvable
    from gmnm_pde.terminal import make_console, problem_table

    file, recipe, checked = understand(problem, settings)
    with file.running():
        check_solvable(file.problem, checked)
    make_console().print(problem_table(file.problem, checked, recipe.name))
    if out is not None:
        typer.echo(f"wrote {draw_domain(file.problem, out)}")


@app.command()
@verb
def compare(
    problem: ProblemName,
    solvers: Annotated[
        str, typer.Option(metavar="NAME,...", help="Recipes by name or file, with commas.")
    ],
    seeds: Annotated[int, typer.Option(help="Runs of each solver, with the seeds 0, 1, ...")] = 1,
    points: Annotated[
        int | None, typer.Option(help="Inner points of every solver; a fifth on each condition.")
    ] = None,
    parameters: Annotated[
        int | None, typer.Option(help="The largest number of parameters of every network.")
    ] = None,
    rtol: Rtol = None,
    time_limit: TimeLimit = None,
    classical: Annotated[
        bool, typer.Option(help="Show solvers that are no networks beside them.")
    ] = True,
    settings: Settings = None,
    device: Device = "auto",
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Solve a problem with several solvers and the same budget: errors, times, pictures."""
    check_options(rtol=rtol, device=device, time_limit=time_limit)
    check_counts(seeds=seeds, points=points, parameters=parameters)
    recipes = recipes_of(solvers)
    file, _, _ = understand(problem, settings)
    check_device(device)
    budget = {"points": points, "parameters": parameters, "time_limit": time_limit}
    options = {"seeds": seeds, "budget": budget, "rtol": rtol, "device": device}
    options |= {"classical": classical, "quiet": quiet}
    folder = begin(out, COMPARE, file, recipes, options)
    raise typer.Exit(run_comparison(folder, file, manifest_of(folder)))


@app.command()
@verb
def converge(
    problem: ProblemName,
    solver: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="The recipe.")] = None,
    over: Annotated[
        str, typer.Option(metavar="units|points|time|rtol", help="What is varied.")
    ] = "units",
    values: Annotated[
        str | None, typer.Option(metavar="N,...", help="Its values, with commas.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each value.")] = 1,
    time_limit: TimeLimit = None,
    settings: Settings = None,
    device: Device = "auto",
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Measure how the error falls with units, points, time or tolerance; fit the order."""
    check_options(device=device, time_limit=time_limit)
    check_counts(seeds=seeds)
    file, recipe, _ = understand(problem, settings, solver)
    check_device(device)
    options = {"over": over, "values": values_of(over, values), "seeds": seeds}
    options |= {"time_limit": time_limit, "device": device, "quiet": quiet}
    raise typer.Exit(study_convergence(out, file, recipe, options))


@app.command()
@verb
def validate(
    cases: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CASE ...]", help="Names, patterns or groups; all if left out."),
    ] = None,
    repeats: Annotated[int | None, typer.Option(help="Solves of each case.")] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="cpu|cuda", help="Where to compute; cpu.")
    ] = None,
    fem: Annotated[bool, typer.Option(help="Set scikit-fem beside them.")] = True,
    shown: Annotated[bool, typer.Option("--list", help="Show the cases and stop.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where the JSON goes.")
    ] = None,
) -> None:
    """Measure the project's figures again; `validate quick` takes minutes. Needs a checkout."""
    check_counts(repeats=repeats)
    options = {"--repeats": repeats, "--device": device, "--out": out}
    flags = [*([] if fem else ["--no-fem"]), *(["--list"] if shown else [])]
    raise typer.Exit(validate_checkout([*(cases or ()), *flags], options))


@app.command("list")
@verb
def list_entries(
    kind: Annotated[str, typer.Argument(metavar="problems|solvers", help="What to list.")],
) -> None:
    """List the problems or the solvers that a name stands for."""
    from gmnm_pde.catalog import entries
    from gmnm_pde.terminal import make_console, two_columns

    if kind not in ("problems", "solvers"):
        raise InputError(
            f"there is no list of {kind!r}.", mend=suggest(kind, ("problems", "solvers"))
        )
    table = two_columns()
    for entry in entries(cast("Kind", kind)):
        table.add_row(entry.name, entry.description)
    make_console().print(table)


@app.command()
@verb
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A problem of the catalogue.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="NAME.yaml or NAME.py if not given.")
    ] = None,
) -> None:
    """Copy a problem of the catalogue to a file, to start your own from."""
    from gmnm_pde.catalog import copy_problem

    written = copy_problem(name, file)
    for path in written:
        typer.echo(f"wrote {path}")


@app.command()
@verb
def resume(
    folder: Folder,
    rtol: Rtol = None,
    device: ResumedDevice = None,
    time_limit: TimeLimit = None,
    problem: Code = None,
    quiet: Quiet = False,
) -> None:
    """Go on where an interrupted or time-limited run or comparison ended, in its folder."""
    check_options(rtol=rtol, device=device or "auto", time_limit=time_limit)
    raise typer.Exit(resume_run(folder, problem, rtol, device, time_limit, quiet))


@app.command()
@verb
def plot(folder: Folder, problem: Code = None) -> None:
    """Draw the pictures of a run folder again."""
    from gmnm_pde import runs

    for path in runs.redraw(folder, problem):
        typer.echo(f"wrote {path}")


@app.command()
@verb
def report(folder: Folder) -> None:
    """Write report.html of a run folder again: one file, pictures inside, no network."""
    from gmnm_pde import runs

    typer.echo(f"wrote {runs.write_report(runs.RunFolder(folder))}")


@app.command()
@verb
def export(
    folder: Folder,
    kind: Annotated[
        str, typer.Option("--format", metavar="vtu|csv|npz", help="What to write.")
    ] = "vtu",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="DIR/fields.FORMAT if not given."),
    ] = None,
    problem: Code = None,
) -> None:
    """Write the solution of a run folder on a grid, for other programs."""
    from gmnm_pde import runs

    typer.echo(f"wrote {runs.export(folder, kind, out, problem)}")


@app.command()
@verb
def cite(
    problem: ProblemName,
    solver: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="The recipe, if it is another one.")
    ] = None,
    kind: Annotated[
        str, typer.Option("--format", metavar="bibtex|text", help="How to print them.")
    ] = "bibtex",
) -> None:
    """Print the papers behind a problem, the network and the methods that solve it."""
    from gmnm_pde.config import load_problem, load_recipe
    from gmnm_pde.papers import behind, bibliography

    if kind not in ("bibtex", "text"):
        raise InputError(f"there is no format {kind!r}.", mend=suggest(kind, ("bibtex", "text")))
    file = load_problem(problem)
    recipe = file.recipe() if solver is None else load_recipe(solver)
    typer.echo(bibliography(behind(file.problem, recipe), kind))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="gmnm-pde")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return SOLVED


if __name__ == "__main__":
    sys.exit(main())
