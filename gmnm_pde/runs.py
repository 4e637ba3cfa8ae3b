"""The run folder: what was asked, what came out, and what it ran on.

    problem.yaml solver.yaml      as resolved; both load again (a problem in Python: problem.py)
    metrics.json history.csv      the figures, and how they came about
    solution.* solution-times/    the solution itself and for ParaView; no pickle
    manifest.json                 versions, seed, device, threads, commit, command
    *.png animation.gif           pictures

Nothing is written anywhere else, and the folder is made only when everything was validated.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
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
from gmnm_pde.errors import InputError
from gmnm_pde.recipe import Recipe
from gmnm_pde.solution import Solution

if TYPE_CHECKING:
    from gmnm_pde.report.sample import SolutionLike

MANIFEST = "manifest.json"
SOLUTION = "solution"

_PICTURES = (
    *("solution.png", "error.png", "convergence.png", "inferred.png"),
    *("streamlines.png", "animation.gif"),
    *("solution.vtu", "solution.pvd", "solution-times"),
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
    # Only what is not written again: the problem may be read from this very folder.
    stale = ["problem.yaml" if file.is_code else "problem.py", *_PICTURES]
    if file.is_code:
        _copy(file.path, folder.path / "problem.py")
    else:
        names = [_beside(folder, path, stem) for path, stem in _read_by(file)]
        _write(folder.path / "problem.yaml", problem_text(file, *names))
    try:
        _write(folder.path / "solver.yaml", dump(recipe_data(recipe)))
    except InputError:
        stale.append("solver.yaml")
    for name in stale:
        _remove(folder.path / name)


def _remove(path: Path) -> None:
    """A file, or the folder of a series with the files of one; whatever else is in it stays."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for part in path.glob("*.vtu"):
        part.unlink()
    if not any(path.iterdir()):
        path.rmdir()


def _read_by(file: ProblemFile) -> list[tuple[Path | None, str]]:
    return [(file.data_file, "data"), (file.reference_file, "reference")]


def _beside(folder: RunFolder, path: Path | None, stem: str) -> str | None:
    """Copies a file that the problem reads; its name in the folder."""
    if path is None:
        return None
    name = f"{stem}{path.suffix}"
    _copy(path, folder.path / name)
    return name


def _copy(path: Path, target: Path) -> None:
    if path.resolve() != target.resolve():
        shutil.copyfile(path, target)


def write_solution(folder: RunFolder, solution: Solution, command: Sequence[str]) -> None:
    """Figures, history, manifest and the solution."""
    _write_json(folder.path / "metrics.json", solution.metrics())
    write_history(folder.path / "history.csv", solution.history)
    _write_json(folder.path / MANIFEST, manifest(solution, command))
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


def write_history(path: Path, records: Sequence[Any]) -> None:
    """One row a step; an empty cell where there is no figure. An inferred constant k has the
    columns ``k`` and ``k_standard_error``."""
    rows = [_flat(dataclasses.asdict(record)) for record in records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream, lineterminator="\n")
        if columns:
            lines.writerow(columns)
        for row in rows:
            values = [row.get(name) for name in columns]
            lines.writerow(["" if _missing(value) else value for value in values])


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with a column for every constant, whose name may be that of a figure."""
    flat = {key: value for key, value in record.items() if not isinstance(value, Mapping)}
    for name, value in record.get("inferred", {}).items():
        column = f"inferred_{name}" if name in flat else name
        flat[column] = value
        flat[f"{column}_standard_error"] = record.get("standard_error", {}).get(name)
    return flat


def manifest(solution: Solution, command: Sequence[str]) -> dict[str, Any]:
    """What the run can be repeated with."""
    import torch

    packages = ("torch", "numpy", "scipy")
    return {
        "command": list(command),
        "version": __version__,
        "commit": _commit(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "device": str(solution.device),
        "dtype": str(solution.dtype),
        "threads": torch.get_num_threads(),
        "seed": solution.seed,
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


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _finite(value: Any) -> Any:
    """A figure that does not exist is null: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if _missing(value) else value


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    _write(path, json.dumps(_finite(values), indent=2, allow_nan=False) + "\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def command_line(arguments: Sequence[str] | None = None) -> list[str]:
    """The command as typed, without the path of the program."""
    given = sys.argv if arguments is None else ["gmnm-pde", *arguments]
    return [Path(given[0]).name, *given[1:]]


def redraw(path: Path, problem: Path | None = None) -> list[Path]:
    """Draw the pictures of a run folder again.

    Arguments:
        path: the folder.
        problem: its problem, if that is Python code: a folder alone never makes code run.

    Returns:
        The files written.

    Raises:
        InputError: no run folder, or one without a solution.
    """
    from gmnm_pde.solution import load

    if not (path / MANIFEST).is_file():
        raise InputError(
            "this is no run folder: it holds no manifest.json.",
            mend="Name a folder that `gmnm-pde solve` wrote.",
            file=path,
        )
    code = path / "problem.py"
    if problem is None and code.is_file():
        raise InputError(
            "the problem of this run is Python code, which is not run by itself.",
            mend=f"If you trust it, add `--problem {code}`.",
            file=path,
        )
    given = None if problem is None else load_problem(problem).problem
    return sorted(write_pictures(RunFolder(path), load(path, problem=given)))
