"""The command ``gmnm-pde``: verbs only, no mathematics.

Everything heavy is imported inside the verbs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gmnm_pde import __version__
from gmnm_pde.errors import CodeError, InputError, suggest

if TYPE_CHECKING:
    from gmnm_pde.checks import Checked
    from gmnm_pde.config import ProblemFile
    from gmnm_pde.problem import Problem
    from gmnm_pde.recipe import Recipe

SOLVED, NOT_MET, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

DEVICES = ("auto", "cpu", "cuda")

app = typer.Typer(
    name="gmnm-pde",
    help="Solve partial differential equations to a tolerance, without a mesh.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Verb = TypeVar("Verb", bound=Callable[..., Any])

ProblemName = Annotated[
    str, typer.Argument(metavar="PROBLEM", help="A problem's name, or a file's path.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Replace a value of the file: parameters.k=3."
    ),
]


def verb(function: Verb) -> Verb:
    """Bad input is one message on stderr and exit 2; Ctrl-C is exit 130. Never a traceback, but
    that of a person's own code."""

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            function(*arguments, **options)
        except InputError as error:
            if isinstance(error, CodeError):
                typer.echo(error.trace.rstrip("\n"), err=True)
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            typer.echo("interrupted.", err=True)
            raise typer.Exit(INTERRUPTED) from None

    return run  # type: ignore[return-value]


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
    rtol: Annotated[
        float | None, typer.Option(help="Relative L2 error asked for, such as 1e-6.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every random number.")] = 0,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda", help="Where to compute.")
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run folder; runs/NAME-TIME if not given."),
    ] = None,
    settings: Settings = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop the solve after that time.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Solve a problem; write the solution, its figures and pictures to a run folder."""
    _check_options(rtol, seed, device, time_limit)
    file, recipe, _ = _understand(problem, settings, solver)
    _check_device(device)
    if rtol is not None:
        recipe = dataclasses.replace(recipe, rtol=rtol)
    options = {"seed": seed, "device": device, "time_limit": time_limit}
    raise typer.Exit(_solve(file, recipe, out, quiet, options))


def _understand(
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


def _check_options(rtol: float | None, seed: int, device: str, time_limit: float | None) -> None:
    if rtol is not None and not 0.0 < rtol < 1.0:
        raise InputError(f"--rtol {rtol:g} is not between 0 and 1.", mend="Give for example 1e-6.")
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed {seed} is out of range.", mend="Give a whole number from 0 on.")
    if time_limit is not None and not 0.0 < time_limit < float("inf"):
        raise InputError(f"--time-limit {time_limit:g} is no time.", mend="Give some seconds.")
    if device not in DEVICES:
        raise InputError(f"--device {device!r} is unknown.", mend="Use auto, cpu or cuda.")


def _check_device(device: str) -> None:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "--device cuda: torch finds no CUDA device on this machine.",
            mend="Leave --device out, or install a CUDA build of torch.",
        )


def _solve(
    file: ProblemFile,
    recipe: Recipe,
    out: Path | None,
    quiet: bool,
    options: dict[str, Any],
) -> int:
    from gmnm_pde import runs
    from gmnm_pde.solve import solve as solve_problem
    from gmnm_pde.terminal import Progress, files_text, make_console, solution_table

    console = make_console(quiet)
    folder = runs.open_run(out or runs.default_folder(file.problem.name))
    try:
        with file.running(), Progress(console, quiet) as progress:
            solution = solve_problem(file.problem, solver=recipe, monitor=progress, **options)
        with runs.writing(folder):
            runs.write_inputs(folder, file, recipe)
            runs.write_solution(folder, solution, runs.command_line())
    except BaseException:
        folder.discard()
        raise
    interrupted = solution.status == "interrupted"
    if not interrupted:
        with runs.writing(folder):
            runs.write_pictures(folder, solution)
    console.print(solution_table(solution))
    console.print(files_text(folder.path), soft_wrap=True)
    if interrupted:
        return INTERRUPTED
    asked = recipe.rtol is not None
    met = solution.status == "converged" if asked else solution.status != "failed"
    return SOLVED if met else NOT_MET


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

    file, recipe, checked = _understand(problem, settings)
    with file.running():
        check_solvable(file.problem, checked)
    make_console().print(problem_table(file.problem, checked, recipe.name))
    if out is not None:
        _draw(file.problem, out)


def _draw(problem: Problem, folder: Path) -> None:
    """A picture of the domain."""
    from gmnm_pde.report.domain import write_domain

    try:
        folder.mkdir(parents=True, exist_ok=True)
        typer.echo(f"wrote {write_domain(problem, folder)}")
    except OSError as error:
        raise InputError(
            f"the folder {str(folder)!r} cannot be written: {error.strerror or error}.",
            mend="Give --out a folder that you may write to.",
        ) from None


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
    for entry in entries(kind):  # type: ignore[arg-type]
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
def plot(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    problem: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its problem, where that is Python code."),
    ] = None,
) -> None:
    """Draw the pictures of a run folder again."""
    from gmnm_pde import runs

    for path in runs.redraw(folder, problem):
        typer.echo(f"wrote {path}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="gmnm-pde")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return SOLVED


if __name__ == "__main__":
    sys.exit(main())
