"""The runner of the evidence: its cases, its judgement, its table and its exit code."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gmnm_pde.catalog import names
from gmnm_pde.cli import main
from gmnm_pde.config import load_problem
from gmnm_pde.verbs import evidence
from validation import classical, machine, measure, runner
from validation.cases import Case, CommandCase, Suite, exponent, load_suite
from validation.experiments.plan import FUNCTIONS, load_plan
from validation.page import write_page
from validation.peers.results import Results
from validation.peers.rows import Row
from validation.published import Figure, load_published
from validation.table import table
from validation.worker import errors_at_ends

SWEEP = Case("poisson", rtol=1e-4, relative_l2=1e-4, seconds=1.0, factor=30.0)
GOOD = {
    "relative_l2": 2e-5,
    "estimated_error": 9e-5,
    "status": "converged",
    "reason": "under the tolerance",
    "statuses": ["converged"],
    "seconds_scaled": 0.5,
}


TABLED = {
    "machine": {
        "cpu": "A CPU",
        "cores": 2,
        "cores_used": 1,
        "memory_gb": None,
        "os": "Linux",
        **dict.fromkeys(("python", "torch", "numpy", "scipy"), "1.0"),
        "scikit-fem": None,
    },
    "commit": None,
    "repeats": 3,
    "reference_seconds": 0.4,
    "calibration_seconds": 0.4,
    "calibration_min": 0.4,
    "calibration_max": 0.5,
    "cases": [],
    "checks": [],
    "commands": [],
}


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite()


def solved(
    name: str = "poisson", rtol: float | None = None, seconds: float = 0.1, **changes: Any
) -> dict[str, Any]:
    """What a worker returns, as far as a record needs it."""
    return {
        "calibration_runs": [0.2, 0.2, 0.3],
        "relative_l2": 1e-14,
        "max_error": 1e-14,
        "estimated_error": 2e-14,
        "seconds_runs": [seconds, 2 * seconds, 3 * seconds],
        "status": "converged",
        "reason": "at rounding",
        "statuses": ["converged"] * 3,
        "units": 824,
        "parameters": 1648,
        "points": 3000,
        "dtype": "float64",
        "device": "cpu",
        **changes,
    }


def test_every_case_names_an_existing_problem_and_solver(suite: Suite) -> None:
    own = {path.stem for path in FUNCTIONS.glob("*.yaml")}
    compared = {problem for one in load_plan() for problem in one.problems} - own
    known = {case.problem for case in suite.cases} | compared | {"fit-data"}
    assert known == set(names("problems"))
    assert {solver for one in load_plan() for solver in one.solvers} <= set(names("solvers"))
    assert {case.solver for case in suite.cases if case.solver} <= set(names("solvers"))
    compared = {"figures", "sweep"}
    linear = {case.problem for case in suite.cases if compared & set(case.groups)}
    assert set(classical.ELEMENTS) | set(classical.NOT_COMPARED) == linear | {"fit-data"}


def test_every_problem_of_the_sweep_meets_every_tolerance(suite: Suite) -> None:
    sweep = [case for case in suite.cases if "sweep" in case.groups]
    assert len(sweep) == 9 * 4 + 3
    assert all(case.relative_l2 == case.rtol and case.factor == 30 for case in sweep)


def test_limits_are_numbers_and_names_are_unique(suite: Suite) -> None:
    for group, count in (("figures", 15), ("any-equation", 27)):
        cases = [case for case in suite.cases if group in case.groups and not case.label]
        assert len(cases) == count
        limits = [(case.relative_l2, case.seconds) for case in cases]
        assert all(isinstance(value, float) for pair in limits for value in pair)
    found = [item.name for item in (*suite.cases, *suite.commands)]
    assert len(found) == len(set(found))


def test_a_figure_that_is_also_in_the_sweep_is_one_case(suite: Suite) -> None:
    (case,) = suite.select(["poisson@1e-8"]).cases
    assert case.groups == ("figures", "sweep", "quick")
    assert (case.seconds, case.factor) == (0.25, 30.0)


def test_a_case_that_changes_its_problem(suite: Suite) -> None:
    (case,) = suite.select(["wave/100-periods*"]).cases
    assert (case.name, case.set) == ("wave/100-periods@1e-8", ("time=[0, 200]",))
    assert (case.growth, case.time_limit) == (10.0, 300.0)


def test_selection_by_name_pattern_and_group(suite: Suite) -> None:
    assert [case.name for case in suite.select(["poisson"]).cases] == ["poisson"]
    assert suite.select(["poisson"]).commands == ()
    assert len(suite.select(["robin*"]).cases) == 5
    assert suite.select(["commands"]).cases == ()
    assert suite.select([]) is suite
    with pytest.raises(ValueError, match="'poison'.*"):
        suite.select(["poison"])


@pytest.mark.parametrize(
    ("value", "text"), [(1e-8, "1e-8"), (0.01, "1e-2"), (1e-13, "1e-13"), (3e-6, "3e-6"), (2, "2")]
)
def test_exponent(value: float, text: str) -> None:
    assert exponent(value) == text


def test_a_good_result_misses_nothing() -> None:
    assert measure.judge_case(SWEEP, GOOD) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"relative_l2": 1.1e-4}, "error 1.1e-04 is over"),
        ({"relative_l2": None}, "no error was measured"),
        ({"relative_l2": float("nan")}, "is over"),
        ({"estimated_error": 6.1e-4}, "not within 30"),
        ({"estimated_error": 6.0e-7}, "not within 30"),
        ({"estimated_error": None}, "no estimate"),
        ({"status": "stopped", "statuses": ["converged", "stopped"]}, "stopped: under"),
        ({"seconds_scaled": 1.01}, "1.01 s on the reference machine is over 1 s"),
    ],
)
def test_each_limit_can_be_missed(change: dict[str, Any], words: str) -> None:
    missed = measure.judge_case(SWEEP, {**GOOD, **change})
    assert missed
    assert words in missed[0]


def test_a_solve_has_no_more_seconds_than_on_the_reference_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import gmnm_pde as gp
    from validation import worker

    given: list[float | None] = []
    real = gp.solve

    def solve(problem: Any, **options: Any) -> gp.Solution:
        given.append(options.get("time_limit"))
        return real(problem, **options)

    monkeypatch.setattr(gp, "solve", solve)
    about = {"rows": 200, "columns": 100, "reference_seconds": 0.4}
    for seconds, limit, asked in ((0.1, 15.0, None), (0.1, 25.0, 100.0), (0.8, 60.0, None)):
        monkeypatch.setattr(worker, "calibrate", lambda *_, s=seconds: [s, s])
        found = worker.solve("poisson", None, 1e-2, 1, about, time_limit=asked)
        assert given[-1] == pytest.approx(limit)
        # A solve of milliseconds is repeated.
        assert len(found["seconds_runs"]) > 1


def test_seconds_are_scaled_to_the_reference_machine() -> None:
    timing = measure.timing([3.0, 1.0, 2.0], calibration=0.2, reference=0.4)
    assert (timing["seconds"], timing["seconds_min"], timing["seconds_max"]) == (2.0, 1.0, 3.0)
    assert timing["seconds_scaled"] == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("costs", "passed"),
    [
        ((1.0, 2.0, 3.0), True),
        ((2.1, 2.0, 3.0), True),
        ((2.3, 2.0, 3.0), False),
        ((1.0, 1.0, 1.0), False),
    ],
)
def test_a_looser_tolerance_has_to_be_cheaper(costs: tuple[float, ...], passed: bool) -> None:
    rows = [
        {"problem": "fit", "groups": ["sweep"], "rtol": rtol, "seconds": 1, "seconds_scaled": cost}
        for rtol, cost in zip((1e-2, 1e-4, 1e-6), costs, strict=True)
    ]
    (check,) = measure.judge_sweeps(rows[::-1], noise=1.1)
    assert check["rtol"] == [1e-2, 1e-4, 1e-6]
    assert check["passed"] is passed
    assert measure.judge_sweeps(rows[:1], noise=1.1) == []


def test_the_level_of_scikit_fem_that_stands_beside_a_result() -> None:
    levels = [{"relative_l2": 10.0**-k, "seconds": k} for k in (2, 5, 8)]
    found = {"poisson": {"triangles-4": levels, "quadrilaterals-8": "scikit-fem is not installed"}}

    def beside(error: float) -> dict[str, Any]:
        return classical.beside({"problem": "poisson", "relative_l2": error}, found)

    assert beside(1e-4)["triangles-4"] == {**levels[1], "reached": True}
    assert beside(1e-15)["triangles-4"] == {**levels[2], "reached": False}
    assert beside(1e-4)["quadrilaterals-8"] == {"note": "scikit-fem is not installed"}
    asked = {"problem": "poisson", "relative_l2": 1e-7, "rtol": 1e-4}
    row = classical.beside(asked, found)["triangles-4"]
    assert (row["seconds"], row["seconds_for_rtol"]) == (8, 5)
    unmet = classical.beside({**asked, "rtol": 1e-9}, found)["triangles-4"]
    assert unmet["seconds_for_rtol"] is None
    fit = classical.beside({"problem": "fit", "relative_l2": 1.0}, found)
    assert "not a finite element" in fit["note"]


def test_scikit_fem_that_is_not_installed_is_a_row_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(task: str, **arguments: Any) -> Any:
        raise measure.MeasurementError("ModuleNotFoundError: No module named 'skfem'")

    monkeypatch.setattr(classical, "run_worker", missing)
    found = classical.ladders(["poisson-3d", "fit"], 1.0, 1, lambda text: None)
    assert list(found) == ["poisson-3d"]
    assert "not installed" in found["poisson-3d"]["bricks-2"]


@pytest.mark.parametrize(
    ("name", "element", "sizes", "limit"),
    [
        ("poisson", "triangles-4", (4, 8), 1e-4),
        ("poisson-kan", "triangles-4", (4, 8), 1e-3),
        ("poisson-disk", "triangles-4", (1, 2), 2e-4),
        ("poisson-lshape", "triangles-4", (0, 2), 2e-6),
        ("poisson-3d", "bricks-2", (2, 4), 1e-2),
        ("variable-diffusion", "triangles-4", (4, 8), 1e-4),
        ("convection-diffusion", "triangles-4", (4, 8), 1e-4),
        ("helmholtz", "triangles-4", (8, 16), 1e-3),
        ("neumann", "triangles-4", (4, 8), 1e-6),
        ("robin", "triangles-4", (4, 8), 1e-7),
        ("robin", "quadrilaterals-8", (1, 2), 1e-9),
    ],
)
def test_weak_forms_tend_to_the_exact_solutions(
    name: str, element: str, sizes: tuple[int, int], limit: float
) -> None:
    pytest.importorskip("skfem")
    from gmnm_pde.config import load_problem
    from validation.fem import level_of
    from validation.fem_problems import PROBLEMS

    weak, problem = PROBLEMS[name], load_problem(name).problem
    assert set(weak.meshes) == set(classical.ELEMENTS[name])
    coarse, fine = (level_of(weak, problem, element, size).relative_l2 for size in sizes)
    assert fine < limit
    assert fine < 0.2 * coarse


def test_a_command_is_timed_and_watched() -> None:
    code = "open('stray', 'w').close(); print('hello'); raise SystemExit(3)"
    run = measure.run_command(CommandCase("x", ("python", "-c", code), 1.0, silent=True))
    assert run.missed == ("exit code 3", "it printed something", "it wrote stray")
    assert 0 < run.seconds < 30
    assert 0.001 < run.memory_gb < 10
    quiet = measure.run_command(CommandCase("x", ("python", "-c", "pass"), 1.0, silent=True))
    assert quiet.missed == ()


def test_a_worker_that_fails_misses_its_case(suite: Suite) -> None:
    result = measure.measure_case(Case("no-such-problem", relative_l2=1.0), suite, 1)
    assert not result["passed"]
    assert "InputError" in result["missed"][0]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """No case is solved: the worker returns what this dictionary says."""
    answer = solved()
    monkeypatch.setattr(measure, "run_worker", lambda task, **arguments: dict(answer))
    monkeypatch.setattr(runner, "RESULTS", tmp_path)
    monkeypatch.setattr(runner, "TABLE", tmp_path / "TABLE.md")
    return answer


def test_exit_code_0_and_the_json_where_all_limits_are_met(
    fake: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "one.json"
    assert runner.main(["poisson", "--no-fem", "--out", str(out)]) == 0
    data = json.loads(out.read_text())
    (case,) = data["cases"]
    assert case["passed"]
    assert case["seconds_scaled"] == pytest.approx(0.4)
    assert data["machine"]["cores_used"] == 1
    assert data["machine"]["torch"]
    assert str(Path(sys.prefix)) not in out.read_text()
    assert not (tmp_path / "TABLE.md").exists()


def test_exit_code_1_where_a_limit_is_missed(
    fake: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fake["relative_l2"] = 2e-13
    assert runner.main(["poisson", "--no-fem"]) == 1
    assert "Missed: poisson." in capsys.readouterr().out


def test_exit_code_2_for_an_unknown_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["poison"]) == 2
    assert "no case matches 'poison'" in capsys.readouterr().err


def test_a_part_that_was_measured_whole_is_written(
    fake: dict[str, Any], suite: Suite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (other,) = suite.select(["bratu"]).cases
    small = replace(suite, cases=(*suite.cases[:3], other), commands=())
    monkeypatch.setattr(runner, "load_suite", lambda: small)
    runner.main(["--no-fem", "poisson"])
    assert list(tmp_path.iterdir()) == []
    assert runner.main(["--table"]) == 2
    runner.main(["--no-fem", "any-equation"])
    assert {path.name for path in tmp_path.iterdir()} == {"any-equation.json", "TABLE.md"}
    assert [case["name"] for case in part(tmp_path, "any-equation")["cases"]] == ["bratu"]
    assert "poisson-kan" not in (tmp_path / "TABLE.md").read_text()
    runner.main(["--no-fem"])
    assert len(part(tmp_path, "issue-figures")["cases"]) == 3
    assert len(part(tmp_path, "any-equation")["cases"]) == 1
    text = (tmp_path / "TABLE.md").read_text()
    assert text.index("| poisson-kan |") < text.index("| bratu |")
    (tmp_path / "TABLE.md").unlink()
    assert runner.main(["--table"]) == 0
    assert (tmp_path / "TABLE.md").read_text() == text


def part(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / f"{name}.json").read_text())


def test_an_error_that_grows_is_a_limit_missed(
    fake: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fake["errors_at_ends"] = [1e-9, 9e-9]
    run = ["wave/100-periods*", "--no-fem", "--out", str(tmp_path / "out.json")]
    assert runner.main(run) == 0
    (case,) = json.loads((tmp_path / "out.json").read_text())["cases"]
    assert "| wave/100-periods@1e-8 | 1.0e-09 | 9.0e-09 | 9 | 10 |" in table(
        {"x": {**TABLED, "cases": [case]}}
    )
    fake["errors_at_ends"] = [1e-9, 1.1e-8]
    assert runner.main(run) == 1
    assert "the error grew from 1.0e-09 to 1.1e-08" in capsys.readouterr().out


def test_errors_at_both_ends_of_the_time() -> None:
    problem = load_problem("wave", ["time=[0, 200]"]).problem

    def solution(points: torch.Tensor) -> torch.Tensor:
        known = problem.reference.evaluate(problem, points).values
        return known * (1 + 1e-6 * points[:, 1:])

    first, last = errors_at_ends(problem, solution)
    assert 0.2e-6 < first < 2e-6
    assert last == pytest.approx(199e-6, rel=0.01)


def test_the_table_says_what_was_measured_and_what_was_missed(suite: Suite) -> None:
    case = suite.select(["convection-diffusion"]).cases[0]
    result = {
        "name": case.name,
        "problem": case.problem,
        "groups": ["figures"],
        "limits": {"relative_l2": 1e-7, "aim": 1e-9, "seconds": 10.0, "factor": None},
        **{key: value for key, value in solved().items() if key != "calibration_runs"},
        **measure.timing([1.0, 2.0], 0.4, 0.4),
        "passed": False,
        "missed": ["error 1.0e-06 is over 1e-07"],
        "scikit_fem": {
            "triangles-4": {
                "size": 8,
                "dofs": 12345,
                "setup_seconds": 0.25,
                "seconds": 12.0,
                "relative_l2": 1e-9,
                "reached": False,
            },
            "quadrilaterals-8": {"note": "scikit-fem is not installed"},
        },
    }
    data = {**TABLED, "cases": [result]}
    lines = table({"some": data}).splitlines()
    (row,) = [line for line in lines if line.startswith("| convection-diffusion | 1.0e-14")]
    assert "1e-7, aim 1e-9" in row
    assert "1.50 (1.00 to 2.00)" in row
    assert "**no**" in row
    assert "1.0e-09 (short) | 12.0 |" in row
    assert any("12,345" in line and "not reached" in line for line in lines)
    assert any("quadrilaterals of degree 8: scikit-fem is not installed" in line for line in lines)
    assert lines[-1] == "- convection-diffusion: error 1.0e-06 is over 1e-07"
    assert "A CPU, 1 of 2 cores, - GB" in "\n".join(lines)


# ------------------------------------------------------------------ quick cases and seeds


def test_the_quick_cases_are_cheap_and_of_many_kinds(suite: Suite) -> None:
    quick = suite.select(["quick"])
    assert 6 <= len(quick.cases) <= 12
    assert not quick.commands
    assert any(load_problem(case.problem).problem.time for case in quick.cases)
    assert any(case.rtol for case in quick.cases)
    assert all(case.relative_l2 is not None for case in quick.cases)
    assert "validation/run.py quick" in (machine.ROOT / "Makefile").read_text()


def test_a_quick_case_that_is_none_is_an_error(tmp_path: Path) -> None:
    text = measure.ROOT.joinpath("validation/cases.yaml").read_text()
    path = tmp_path / "cases.yaml"
    path.write_text(text.replace("quick:\n", "quick:\n  - poison\n"))
    with pytest.raises(ValueError, match="'poison' is none of the cases"):
        load_suite(path)


def test_quick_cases_fail_by_their_errors_and_never_by_the_clock(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, Any]] = []

    def worker(task: str, **options: Any) -> dict[str, Any]:
        asked.append(options)
        return solved(seconds=1e5, relative_l2=error)

    monkeypatch.setattr(measure, "run_worker", worker)
    error = 1e-15
    assert runner.main(["quick"]) == 0
    assert {item["repeats"] for item in asked} == {1}
    error = 0.5
    assert runner.main(["quick"]) == 1
    error = 1e-15
    assert runner.main(["poisson-disk", "--no-fem"]) == 1  # here the clock counts
    assert "is over 3 s" in capsys.readouterr().out


def test_a_case_with_seeds_takes_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    import gmnm_pde as gp
    from validation import worker

    seeds: list[int] = []

    def solve(problem: Any, *, seed: int = 0, **options: Any) -> Any:
        seeds.append(seed)
        metrics = {
            **solved(),
            **{key: {"u": 10.0**-seed} for key in ("relative_l2", "max_error", "estimated_error")},
            "seconds": 1.0,
            "inferred": {},
            "inferred_error": {},
        }
        return type("Solution", (), {"metrics": lambda self: metrics})()

    monkeypatch.setattr(gp, "solve", solve)
    sizes = {"rows": 20, "columns": 10, "reference_seconds": 0.4}
    found = worker.solve("poisson", None, None, 2, sizes, seeds=3)
    assert seeds[1:] == [0, 1, 2]
    assert found["relative_l2"] == 1.0
    assert found["relative_l2_runs"] == [1.0, 0.1, 0.01]
    seeds.clear()
    assert worker.solve("poisson", None, None, 2, sizes)["seeds"] == 1
    assert seeds[1:] == [0, 0]


# ------------------------------------------------------------------------ published figures


def test_every_published_figure_can_be_compared(suite: Suite) -> None:
    measured = {case.problem for case in suite.cases if not (case.solver or case.rtol or case.set)}
    figures = load_published()
    assert figures
    for figure in figures:
        assert figure.problem in names("problems")
        assert figure.problem in measured, f"{figure.problem} is not measured"
        assert figure.source
        assert 0.0 < figure.relative_l2 < 1.0


@pytest.mark.parametrize("figure", [f for f in load_published() if f.metric == "mse"], ids=str)
def test_the_size_of_a_solution_is_its_root_mean_square(figure: Figure) -> None:
    problem = load_problem(figure.problem).problem
    points = problem.region.sample_interior(20_000, "sobol", 1)
    assert problem.reference is not None
    values = problem.reference.evaluate(problem, points).values
    rms = values.square().mean().sqrt().item()
    assert figure.solution_rms == pytest.approx(rms, rel=5e-3)


def test_published_files_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "published.yaml"
    row = "- {problem: poisson, by: A, network: B, source: C, read: true, metric: %s, figure: 1e-4}"
    path.write_text(row % "mse")
    with pytest.raises(ValueError, match="solution_rms"):
        load_published(path)
    path.write_text(row % "l2")
    with pytest.raises(ValueError, match="'l2'"):
        load_published(path)
    path.write_text(row % "relative_l2")
    assert load_published(path)[0].relative_l2 == 1e-4


def test_the_table_sets_published_figures_beside_ours() -> None:
    case = {"name": "poisson", "problem": "poisson", "groups": ["figures"], "limits": {}}
    case |= {"passed": True, "relative_l2": 1e-15, "seconds": 0.3, "seconds_min": 0.3}
    case |= {"seconds_max": 0.3, "missed": []}
    loose = {**case, "name": "poisson@1e-2", "rtol": 1e-2, "relative_l2": 1e-3}
    text = table({"issue-figures": {**TABLED, "cases": [case, loose]}})
    (row,) = [line for line in text.splitlines() if "pykan" in line]
    assert "1.74e-04 (MSE)" in row
    assert "2.6e-02" in row
    assert "1.0e-15" in row
    assert "(as quoted)" not in row
    assert "trust-region" not in text  # its problem was not measured here
    burgers = {**case, "name": "burgers", "problem": "burgers"}
    text = table({"any-equation": {**TABLED, "cases": [burgers]}})
    assert any("SSBroyden" in line and "(as quoted)" in line for line in text.splitlines())


# ------------------------------------------------------------------------------ the verb


def test_the_verb_runs_the_checkouts_cases(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "poisson", "--list"]) == 0
    assert capfd.readouterr().out.split() == ["poisson", "figures"]
    assert main(["validate", "poison"]) == 2
    assert "no case matches 'poison'" in capfd.readouterr().err
    assert main(["validate", "--repeats", "0"]) == 2


def test_the_verb_needs_a_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evidence, "__file__", str(tmp_path / "a/b/c.py"))
    assert main(["validate"]) == 2
    assert "Clone the project" in capsys.readouterr().err


def test_the_peers_are_the_last_part_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "issue-figures.json").write_text(json.dumps(TABLED))
    write_page(tmp_path, tmp_path / "TABLE.md")
    assert "Other solvers" not in (tmp_path / "TABLE.md").read_text()
    row = Row("poisson", "pina", "missing", 9.0, "not installed")
    Results({"machine": TABLED["machine"], "commit": None, "threads": 1}, (row,)).write(
        tmp_path / "peers.json"
    )
    write_page(tmp_path, tmp_path / "TABLE.md")
    text = (tmp_path / "TABLE.md").read_text()
    assert text.index("## Linear problems") < text.index("## Other solvers")
    assert "| not installed |" in text


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["poisson", "--device", "cuda"]) == runner.BAD_INPUT
    assert "no CUDA device" in capsys.readouterr().err


def test_a_gpu_is_named_and_its_figures_have_a_file(
    fake: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The processes see the device; limits of seconds, commands and scikit-fem are left out."""
    about = {"gpu": "a GPU", "gpu_memory_gb": 1.0, "cuda": "0"}
    asked = []

    def worker(task: str, device: str = "cpu", **arguments: Any) -> Any:
        asked.append((task, device))
        return about if task == "gpu" else {**fake, "seconds_runs": [1e6], "device": device}

    monkeypatch.setattr(measure, "run_worker", worker)
    runner.main(["figures", "commands", "--device", "cuda"])
    data = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert {device for _, device in asked} == {"cuda"}
    assert data["machine"].items() >= about.items()
    assert {case["device"] for case in data["cases"]} == {"cuda"}
    assert data["commands"] == []
    assert not any("reference machine" in text for case in data["cases"] for text in case["missed"])
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.json"]
    assert "CUDA_VISIBLE_DEVICES" not in set(machine.one_thread("cuda")) - set(os.environ)
    assert machine.one_thread()["CUDA_VISIBLE_DEVICES"] == ""
