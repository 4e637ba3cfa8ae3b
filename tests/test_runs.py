"""The run folder: which files, what stands in them, and how a run ends."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import gmnm_pde as gp
from gmnm_pde import catalog, runs
from gmnm_pde.accuracy import Errors
from gmnm_pde.cli import main
from gmnm_pde.config import load_problem, load_recipe
from gmnm_pde.errors import InputError
from gmnm_pde.inferred import Findings
from gmnm_pde.methods.base import Record
from gmnm_pde.problem import Problem
from gmnm_pde.terminal import Progress

RECORDS = (
    Record(1, 100, 500, 300, 1e-2, 1e-3, None, 0.1),
    Record(2, 400, 2000, 1200, 1e-4, math.nan, 2e-5, 0.4),
)


ERRORS = Errors({"u": 1e-5}, {"u": math.inf}, "exact", {"u": 0.0})


@dataclass
class Finished:
    """Stands in for a solution: what the run folder needs of one."""

    problem: Problem
    status: str = "converged"
    reason: str = "the estimated error is below the tolerance"
    history: tuple[Record, ...] = RECORDS
    notes: tuple[str, ...] = ()
    device: str = "cpu"
    dtype: str = "float64"
    seed: int = 0

    unknowns: tuple[str, ...] = ("u",)
    estimated_error: dict[str, float] = field(default_factory=lambda: {"u": math.nan})
    errors: Errors = ERRORS
    inferred: dict[str, float] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)

    def metrics(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "reason": self.reason,
            "relative_l2": {"u": 1e-5},
            "max_error": {"u": math.inf},
            "estimated_error": self.estimated_error,
            "residual_rms": 1e-4,
            "boundary_rms": None,
            "seconds": 0.4,
            "seconds_total": 0.5,
            "units": 400,
            "parameters": 2000,
            "points": 1200,
            "reference": "exact",
        }

    def save(self, path: Path) -> None:
        Path(path).with_suffix(".npz").write_bytes(b"numbers")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def solve_with(monkeypatch):
    """Replace the solver by one that ends in a given way; returns the options it was given."""
    asked: dict[str, Any] = {}

    def replace(**ending):
        def solve(problem, *, monitor, **options):
            asked.update(options)
            for record in RECORDS:
                monitor(record)
            if "raises" in ending:
                raise ending["raises"]
            return Finished(problem, **ending)

        monkeypatch.setattr(import_module("gmnm_pde.solve"), "solve", solve)
        monkeypatch.setattr(runs, "write_pictures", lambda folder, solution: None)
        return asked

    return replace


def names(path: Path) -> set[str]:
    return {str(item.relative_to(path)) for item in path.rglob("*") if item.is_file()}


def test_the_files_of_a_run(folder, solve_with, capsys):
    asked = solve_with()
    arguments = ["poisson", "--out", "a/run", "--rtol", "1e-4", "--seed", "3", "--time-limit", "9"]
    assert main(["solve", *arguments]) == 0
    assert names(folder) == {
        f"a/run/{name}"
        for name in (
            "history.csv",
            "manifest.json",
            "metrics.json",
            "problem.yaml",
            "report.html",
            "solution.npz",
            "solver.yaml",
        )
    }
    assert (asked["seed"], asked["time_limit"], asked["device"]) == (3, 9.0, "auto")
    assert asked["solver"] == dataclasses.replace(load_recipe("gmnm"), rtol=1e-4)
    run = folder / "a/run"
    assert load_problem(run / "problem.yaml").problem.name == "poisson"
    assert load_recipe(run / "solver.yaml") == asked["solver"]
    out, err = capsys.readouterr()
    assert err == ""
    assert "1.00e-05" in out
    assert "measured against the exact solution" in out
    assert "a/run" in out


def test_figures_that_do_not_exist_are_null(folder, solve_with):
    solve_with()
    main(["solve", "poisson", "--out", "run"])
    text = (folder / "run/metrics.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    metrics = json.loads(text)
    assert metrics["relative_l2"] == {"u": 1e-5}
    assert metrics["max_error"] == {"u": None}
    assert metrics["estimated_error"] == {"u": None}
    assert metrics["boundary_rms"] is None


def test_history_has_one_row_a_step(folder, solve_with):
    solve_with()
    main(["solve", "poisson", "--out", "run"])
    with (folder / "run/history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["units"] for row in rows] == ["100", "400"]
    assert rows[0]["estimated_error"] == ""
    assert rows[1]["boundary_rms"] == ""
    assert float(rows[1]["estimated_error"]) == 2e-5


def test_manifest(folder, solve_with, monkeypatch):
    solve_with()
    arguments = ["solve", "poisson", "--out", "run", "--quiet"]
    monkeypatch.setattr(sys, "argv", ["/some/where/gmnm-pde", *arguments])
    main(arguments)
    manifest = json.loads((folder / "run/manifest.json").read_text())
    assert manifest["command"] == ["gmnm-pde", *arguments]
    assert manifest["packages"].keys() == {"torch", "numpy", "scipy"}
    assert manifest["threads"] >= 1
    assert (manifest["device"], manifest["dtype"], manifest["seed"]) == ("cpu", "float64", 0)
    assert manifest["commit"] is None or len(manifest["commit"]) == 40


def test_measurements_travel_with_the_run(folder, solve_with):
    solve_with()
    main(["solve", "fit-data", "--out", "run"])
    original = catalog.find("problems", "fit-data").parent / "fit-data.csv"
    assert (folder / "run/data.csv").read_bytes() == original.read_bytes()
    assert load_problem(folder / "run/problem.yaml").problem.data is not None


def test_the_reference_travels_with_the_run(folder, solve_with):
    rows = "x,y,u\n0.5,0.5,1.0\n-0.5,0.5,-1.0\n0.25,0.5,0.7071067811865476\n"
    (folder / "known.csv").write_text(rows)
    text = (catalog.find("problems", "poisson")).read_text()
    exact = "{exact: {u: sin(pi*x)*sin(pi*y)}}"
    assert exact in text
    (folder / "mine.yaml").write_text(text.replace(exact, "{file: known.csv, own_error: 1e-9}"))
    solve_with()
    assert main(["solve", "mine.yaml", "--out", "run"]) == 0
    assert (folder / "run/reference.csv").read_text() == rows
    again = load_problem(folder / "run/problem.yaml")
    assert again.reference_file == folder / "run/reference.csv"
    assert again.problem.reference.own_error == 1e-9


def test_settings_stand_in_the_resolved_files(folder, solve_with):
    solve_with()
    settings = ["--set", "domain.rectangle.x=[-2, 2]", "--set", "solver.network.units=50"]
    main(["solve", "poisson", "--out", "run", "--solver", "gmnm-small", *settings])
    assert load_problem(folder / "run/problem.yaml").problem.domain.lower == (-2.0, -1.0)
    recipe = load_recipe(folder / "run/solver.yaml")
    assert (recipe.name, recipe.network.units) == ("gmnm-small", 50)


def test_default_folder_is_named_after_problem_and_time(folder, solve_with):
    solve_with()
    main(["solve", "poisson", "--quiet"])
    main(["solve", "poisson", "--quiet"])
    first, second = sorted(path.name for path in (folder / "runs").iterdir())
    assert first.startswith("poisson-2")
    assert second.startswith("poisson-2")


@pytest.mark.parametrize(
    ("status", "rtol", "code"),
    [
        ("converged", "1e-3", 0),
        ("stopped", "1e-3", 1),
        ("failed", "1e-3", 1),
        ("converged", None, 0),
        ("stopped", None, 0),
        ("failed", None, 1),
        ("interrupted", None, 130),
        ("interrupted", "1e-3", 130),
    ],
)
def test_exit_codes(status, rtol, code, folder, solve_with):
    solve_with(status=status)
    option = [] if rtol is None else ["--rtol", rtol]
    assert main(["solve", "poisson", "--out", "run", *option]) == code
    assert json.loads((folder / "run/metrics.json").read_text())["status"] == status


def test_a_tolerance_in_the_recipe_counts_as_asked_for(folder, solve_with):
    solve_with(status="stopped")
    assert main(["solve", "poisson", "--set", "solver.rtol=1e-3", "--out", "run"]) == 1


def test_quiet_prints_nothing(folder, solve_with, capsys):
    solve_with()
    main(["solve", "poisson", "--quiet", "--out", "run"])
    assert capsys.readouterr() == ("", "")


def test_plain_lines_without_a_terminal(folder, solve_with, capsys):
    solve_with()
    main(["solve", "poisson", "--out", "run"])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    lines = [line for line in out.splitlines() if line.startswith("step ")]
    assert lines == [
        "step 1    units 100    residual 1.00e-02    estimated error -    0.10 s",
        "step 2    units 400    residual 1.00e-04    estimated error 2.00e-05    0.40 s",
    ]


@pytest.mark.parametrize(
    ("error", "code"), [(InputError("the equation is odd."), 2), (KeyboardInterrupt(), 130)]
)
def test_a_solve_that_raises_leaves_nothing(error, code, folder, solve_with, capsys):
    solve_with(raises=error)
    assert main(["solve", "poisson", "--quiet"]) == code
    assert main(["solve", "poisson", "--quiet", "--out", "a/b/c"]) == code
    assert list(folder.iterdir()) == []
    assert "Traceback" not in capsys.readouterr().err


def test_an_earlier_run_may_be_overwritten_but_nothing_else(folder, solve_with, capsys):
    solve_with()
    assert main(["solve", "poisson", "--out", "run", "--quiet"]) == 0
    assert main(["solve", "poisson-kan", "--out", "run", "--quiet"]) == 0
    assert load_problem(folder / "run/problem.yaml").problem.name == "poisson-kan"
    (folder / "run/manifest.json").unlink()
    assert main(["solve", "poisson", "--out", "run", "--quiet"]) == 2
    assert "--out" in capsys.readouterr().err


def test_a_run_can_be_repeated_in_its_own_folder(folder, solve_with):
    solve_with()
    assert main(["solve", "fit-data", "--out", "run", "--quiet"]) == 0
    (folder / "run/error.png").write_bytes(b"of the first run")
    assert main(["solve", "run/problem.yaml", "--out", "run", "--quiet"]) == 0
    assert load_problem(folder / "run/problem.yaml").problem.data is not None
    assert not (folder / "run/error.png").exists()


def test_a_full_disk_is_no_traceback(folder, solve_with, monkeypatch, capsys):
    def full(self, *arguments, **options):
        raise OSError(28, "No space left on device")

    solve_with()
    monkeypatch.setattr(Path, "write_text", full)
    assert main(["solve", "poisson", "--out", "run", "--quiet"]) == 2
    assert "No space left" in capsys.readouterr().err


def test_discard_keeps_what_was_there(folder):
    (folder / "runs").mkdir()
    run = runs.open_run(folder / "runs" / "one")
    run.discard()
    assert list(folder.iterdir()) == [folder / "runs"]


# ------------------------------------------------------------------- with the solver itself


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """A real run of a small problem, and the folder it was started in."""
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(["solve", "poisson", "--rtol", "1e-3", "--out", "run", "--quiet"]) == 0
    return place


def test_a_real_run_writes_its_folder_and_nothing_else(solved):
    assert names(solved) == {
        f"run/{name}"
        for name in (
            "convergence.png",
            "error.png",
            "history.csv",
            "manifest.json",
            "metrics.json",
            "problem.yaml",
            "report.html",
            "solution.npz",
            "solution.png",
            "solution.vtu",
            "solver.yaml",
        )
    }


def test_metrics_hold_what_the_contract_names(solved):
    metrics = json.loads((solved / "run/metrics.json").read_text())
    assert metrics.keys() >= {
        *("status", "reason", "relative_l2", "max_error", "estimated_error", "residual_rms"),
        *("boundary_rms", "seconds", "seconds_total", "units", "parameters", "points", "device"),
        *("dtype", "seed", "reference", "inferred", "version"),
    }
    assert metrics["status"] == "converged"
    assert 0.0 < metrics["relative_l2"]["u"] < 1e-3
    assert metrics["reference"] == "exact"


def test_a_run_folder_is_loaded_and_drawn_again(solved, capsys):
    run = solved / "run"
    solution = gp.load(run)
    points = solution.problem.domain.sample_interior(50, seed=5)
    exact = solution.reference(points).values
    assert float((solution(points) - exact).norm() / exact.norm()) < 1e-3
    (run / "error.png").unlink()
    assert main(["plot", str(run)]) == 0
    assert (run / "error.png").is_file()
    written = capsys.readouterr().out.splitlines()
    assert {Path(line.removeprefix("wrote ")).name for line in written} == {
        *("convergence.png", "error.png", "solution.png", "solution.vtu")
    }


def test_an_interrupted_solve_keeps_its_best_level(folder, monkeypatch, capsys):
    def interrupt(self, record):
        if record.step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "__call__", interrupt)
    assert main(["solve", "poisson", "--out", "run"]) == 130
    metrics = json.loads((folder / "run/metrics.json").read_text())
    assert metrics["status"] == "interrupted"
    assert gp.load(folder / "run").status == "interrupted"
    assert "Traceback" not in capsys.readouterr().err


def test_progress_is_one_live_line_on_a_terminal():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    with Progress(console, quiet=False) as progress:
        for record in RECORDS:
            progress(record)
    text = stream.getvalue()
    assert "units 400" in text
    assert "step 1 " not in text.splitlines()[-1]
