"""The run folder: what was asked, what came out, and what it ran on.

    problem.yaml solver.yaml      as resolved; both load again (a problem in Python: problem.py)
    metrics.json history.csv      the figures, and how they came about
    solution.* solution-times/    the solution itself and for ParaView; no pickle
    manifest.json                 versions, seed, device, threads, commit, command
    *.png animation.gif           pictures
    report.html                   all of it as one file

Nothing is written anywhere else, and the folder is made only when everything was validated.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gmnm_pde import __version__
from gmnm_pde.config import ProblemFile, dump, load_problem, problem_text, recipe_data
from gmnm_pde.config.files import companions, copies
from gmnm_pde.errors import InputError
from gmnm_pde.plain_files import write_history, write_json, write_text
from gmnm_pde.problem import Problem
from gmnm_pde.recipe import Recipe
from gmnm_pde.solution import Solution

if TYPE_CHECKING:
    from gmnm_pde.report.sample import SolutionLike

MANIFEST = "manifest.json"
SOLUTION = "solution"

_PICTURES = (
    *("solution.png", "error.png", "convergence.png", "inferred.png", "streamlines.png"),
    *("surface.png", "animation.gif", "solution.vtu", "solution.pvd", "solution-times"),
    "report.html",
)
"""Drawn last: those of an earlier run in the same folder would be wrong until then."""


@dataclass(frozen=True)
class RunFolder:
    """A folder that this run may write to.

    Arguments:
        path: the folder.
        created: the folders that were made for it, the outermost first.
    """

    path: Path
    created: tuple[Path, ...] = ()

    def discard(self) -> None:
        """Remove again what was made, as far as it is still empty."""
        for folder in reversed(self.created):
            if any(folder.iterdir()):
                return
            folder.rmdir()


def default_folder(name: str) -> Path:
    """``runs/NAME-TIME`` in the current directory, not yet there."""
    stem = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, number = stem, 1
    while path.exists():
        number += 1
        path = stem.with_name(f"{stem.name}-{number}")
    return path


def open_run(path: Path) -> RunFolder:
    """Make the folder, or take one that is empty or holds an earlier run.

    Raises:
        InputError: it cannot be made or written, or holds something else.
    """
    missing = [path, *path.parents]
    created = tuple(reversed([folder for folder in missing if not folder.exists()]))
    try:
        if path.is_dir() and any(path.iterdir()) and not (path / MANIFEST).is_file():
            raise InputError(
                f"the folder {str(path)!r} holds files that are no run of this program.",
                mend="Give --out a new folder.",
            )
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        for folder in reversed([folder for folder in created if folder.is_dir()]):
            folder.rmdir()
        raise InputError(
            f"the run folder {str(path)!r} cannot be written: {error.strerror or error}.",
            mend="Give --out a folder that you may write to.",
        ) from None
    return RunFolder(path, created)


@contextmanager
def writing(folder: RunFolder) -> Iterator[None]:
    """Turns a full disk, or a folder that went away, into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the run folder {str(folder.path)!r} cannot be written: {error.strerror or error}.",
            mend="Give --out a folder with enough room.",
        ) from None


def write_inputs(folder: RunFolder, file: ProblemFile, recipe: Recipe) -> None:
    """The problem and solver.yaml as resolved, with the files that the problem reads beside them.

    A problem in Python is kept as it is, in problem.py. A recipe with a network of its own has no
    name for it: there is no solver.yaml then, and problem.py says what it was.
    """
    write_problem(folder, file)
    stale = list(_PICTURES)
    try:
        write_text(folder.path / "solver.yaml", dump(recipe_data(recipe)))
    except InputError:
        stale.append("solver.yaml")
    for name in stale:
        _remove(folder.path / name)


def write_problem(folder: RunFolder, file: ProblemFile) -> None:
    """problem.yaml as resolved, or problem.py, with the files that it reads beside it."""
    # Only what is not written again is removed: the problem may be read from this very folder.
    if file.is_code:
        _copy(file.path, folder.path / "problem.py")
    else:
        names = copies(file.source)
        for place, path in file.files.items():
            _copy(path, folder.path / names[place])
            for other in companions(path):
                _copy(other, folder.path / other.name)
        write_text(folder.path / "problem.yaml", problem_text(file, names))
    _remove(folder.path / ("problem.yaml" if file.is_code else "problem.py"))


def _remove(path: Path) -> None:
    """A file, or the folder of a series with the files of one; whatever else is in it stays."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for part in path.glob("*.vtu"):
        part.unlink()
    if not any(path.iterdir()):
        path.rmdir()


def _copy(path: Path, target: Path) -> None:
    if path.resolve() != target.resolve():
        shutil.copyfile(path, target)


def write_solution(
    folder: RunFolder,
    solution: Solution,
    command: Sequence[str],
    options: Mapping[str, Any] | None = None,
) -> None:
    """Figures, history, manifest and the solution; ``options`` are those that `resume` repeats."""
    write_json(folder.path / "metrics.json", solution.metrics())
    write_history(folder.path / "history.csv", solution.history)
    about = manifest(solution, command)
    write_json(folder.path / MANIFEST, {**about, "options": dict(options or {})})
    solution.save(folder.path / SOLUTION)


def write_pictures(folder: RunFolder, solution: Solution) -> list[Path]:
    """The pictures, and the field for ParaView.

    Returns:
        The files; of a series the one that is opened.
    """
    from gmnm_pde.report import write_vtu

    pictures = solution.plot(folder.path)
    field = write_vtu(cast("SolutionLike", solution), folder.path / f"{SOLUTION}.vtu")
    return [*pictures, field] if field is not None else pictures


def write_report(folder: RunFolder) -> Path:
    """report.html, from what stands in the folder."""
    from gmnm_pde.report.run_page import write_run_page
    from gmnm_pde.report.study_page import write_study_page

    solved = read_manifest(folder.path).get("kind", "solve") == "solve"
    return write_run_page(folder.path) if solved else write_study_page(folder.path)


def write_manifest(folder: RunFolder, problem: Problem, about: Mapping[str, Any]) -> None:
    """The manifest of a study, which has no solution of its own."""
    values = {**machine(problem, command_line()), **about}
    write_json(folder.path / MANIFEST, values)


def manifest(solution: Solution, command: Sequence[str]) -> dict[str, Any]:
    """What the run can be repeated with."""
    return {
        **machine(solution.problem, command),
        "device": str(solution.device),
        "dtype": str(solution.dtype),
        "seed": solution.seed,
    }


def machine(problem: Problem | None, command: Sequence[str]) -> dict[str, Any]:
    """What a run was made of and on: problem, command, versions, commit, platform."""
    import torch

    packages = ("torch", "numpy", "scipy")
    return {
        "kind": "solve",
        "problem": None if problem is None else problem.name,
        "description": None if problem is None else problem.description,
        "command": list(command),
        "version": __version__,
        "commit": _commit(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def _commit() -> str | None:
    """The commit of the checkout that this runs from, None for an installed copy."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def command_line(arguments: Sequence[str] | None = None) -> list[str]:
    """The command as typed, without the path of the program."""
    given = sys.argv if arguments is None else ["gmnm-pde", *arguments]
    return [Path(given[0]).name, *given[1:]]


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a run folder.

    Raises:
        InputError: no run folder, or a damaged one.
    """
    from gmnm_pde.report.page import read_json

    if not (path / MANIFEST).is_file():
        raise InputError(
            "this is no run folder: it holds no manifest.json.",
            mend="Name a folder that `gmnm-pde solve` wrote.",
            file=path,
        )
    return read_json(path / MANIFEST)


def code_is_not_run(path: Path) -> InputError:
    """A folder alone never makes code run."""
    return InputError(
        "the problem of this run is Python code, which is not run by itself.",
        mend=f"If you trust it, add `--problem {path / 'problem.py'}`.",
        file=path,
    )


def open_solution(path: Path, problem: Path | None = None) -> Solution:
    """The solution of a run folder.

    Arguments:
        path: the folder.
        problem: its problem, if that is Python code.

    Raises:
        InputError: no run folder, one without a solution, or whose problem has to be given.
    """
    from gmnm_pde.solution import load

    read_manifest(path)
    if problem is None and (path / "problem.py").is_file():
        raise code_is_not_run(path)
    return load(path, problem=None if problem is None else load_problem(problem).problem)


def redraw(path: Path, problem: Path | None = None) -> list[Path]:
    """Draw the pictures of a run folder again; see :func:`open_solution`.

    Returns:
        The files written.
    """
    return sorted(write_pictures(RunFolder(path), open_solution(path, problem)))


def export(path: Path, kind: str, out: Path | None = None, problem: Path | None = None) -> Path:
    """Write the solution of a run folder on a grid, as vtu, csv or npz.

    Arguments:
        out: the file, ``fields.KIND`` in the folder if not given.
        problem: see :func:`open_solution`.

    Returns:
        The file to open.

    Raises:
        InputError: what :func:`open_solution` and :func:`report.export.export` refuse, or a file
            that cannot be written.
    """
    from gmnm_pde.report.export import export as write

    solution = cast("SolutionLike", open_solution(path, problem))
    target = path / f"fields.{kind}" if out is None else out
    try:
        return write(solution, target, kind)
    except OSError as error:
        raise InputError(
            f"the file cannot be written: {error.strerror or error}.",
            mend="Give --out a file in a folder that you may write to.",
            file=target,
        ) from None
