"""The comparison with other solvers: no peer is needed here, a fake one behaves in every way."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gmnm_pde.config import load_problem
from validation.peers import command, meter, pictures, results
from validation.peers.catalogue import ENTRIES, Entry, choose
from validation.peers.meter import Meter, OutOfTimeError
from validation.peers.problems import NU, PROBLEMS
from validation.peers.process import Runner
from validation.peers.rows import STATUSES, Point, Row, read
from validation.peers.table import peers_table

RUNNER = Runner(Path(sys.executable), package="tests", grace=120.0)
MESHES = ("triangles-4", "quadrilaterals-8")
ABOUT = {"machine": {"cpu": "A CPU", "cores": 2, "os": "Linux"}, "commit": None, "threads": 1}


def fake(name: str) -> Entry:
    return Entry(name, f"The {name} one", "fake_peer", "network", ("poisson",))


def ran(name: str, budget: float = 30.0, runner: Runner = RUNNER) -> Row:
    row = runner.row(fake(name), "poisson", budget)
    assert row is not None
    return row


def sloping(problem: str = "poisson", peer: str = "deepxde", **changes: Any) -> Row:
    curve = tuple(Point(10.0**-k, 10.0 ** (k - 5), 1e-3, 321) for k in range(3, -1, -1))
    return replace(Row(problem, peer, "stopped", 20.0, curve=curve), **changes)


class Fake:
    """A runner without processes."""

    def __init__(self, answer: Callable[[str, str], Row | None]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def row(self, entry: Entry, problem: str, budget: float | None) -> Row | None:
        self.asked.append(entry.name)
        return self.answer(entry.name, problem)


# --- a process becomes a row --------------------------------------------------------------------


def test_a_peer_that_ends_by_itself_has_a_curve_in_order_of_time() -> None:
    row = ran("good")
    assert (row.status, row.note) == ("finished", "")
    assert [point.seconds for point in row.curve] == [0.25, 0.5]  # not the one that is no number
    assert row.curve[1].relative_l2 == pytest.approx(0.01)
    assert row.curve[1].mse == pytest.approx(1e-4 * 0.25, rel=0.1)
    assert row.curve[1].parameters == 7
    assert row.versions == {"numpy": np.__version__, "a-package-that-does-not-exist": None}
    assert row.setup_seconds is not None


def test_a_peer_that_spends_its_budget_is_stopped() -> None:
    row = ran("spending", budget=0.05)
    assert row.status == "stopped"
    assert len(row.curve) > 2


def test_a_crash_says_why_and_keeps_what_was_measured() -> None:
    row = ran("crashing")
    assert (row.status, row.note) == ("failed", "failed: RuntimeError: the loss is not a number")
    assert len(row.curve) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_killed_peer_is_a_row_too() -> None:
    row = ran("killed")
    assert (row.status, row.note) == ("failed", "failed: killed by signal 9")
    assert len(row.curve) == 2


def test_a_package_that_is_missing_names_the_command_that_installs_it() -> None:
    row = ran("absent")
    assert row.status == "missing"
    assert "a_package_that_does_not_exist" in row.note
    assert "make peers" in row.note


def test_without_the_environment_every_peer_is_missing() -> None:
    row = ran("good", runner=replace(RUNNER, python=Path("no/such/python")))
    assert (row.status, row.curve) == ("missing", ())
    assert "make peers" in row.note


def test_a_peer_that_does_not_stop_is_killed_and_keeps_what_was_measured() -> None:
    row = ran("endless", budget=0.5, runner=replace(RUNNER, grace=5.0))
    assert row.status == "late"
    assert "did not stop after 0.5 s" in row.note
    assert len(row.curve) == 2


def test_no_recipe_is_a_row_and_nothing_to_say_is_none() -> None:
    entry = replace(fake("good"), absent={"burgers": "no recipe: it cannot"})
    row = RUNNER.row(entry, "burgers", None)
    assert row is not None
    assert (row.status, row.note) == ("no recipe", "no recipe: it cannot")
    assert row.budget == PROBLEMS["burgers"].budget
    assert RUNNER.row(entry, "fit", None) is None


def test_lines_that_are_no_json_are_left_out() -> None:
    good = '{"seconds": 1, "relative_l2": 0.5, "mse": 0.1, "parameters": 3}'
    report = read(
        ["", "chatter", "[1]", "3", good, good[:20], '{"event": "end", "status": "stopped"}']
    )
    assert report.curve == (Point(1, 0.5, 0.1, 3),)
    assert report.status == "stopped"


# --- the clock ----------------------------------------------------------------------------------


def test_the_clock_stands_still_while_errors_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(meter.time, "perf_counter", lambda: now[0])
    out = StringIO()
    clock = Meter(PROBLEMS["poisson"], 10.0, out)

    def slow(points: np.ndarray) -> np.ndarray:
        now[0] += 100.0
        return np.zeros(len(points))

    now[0] = 3.0
    clock.start()
    for step in (1.0, 1.0, 0.01, 4.0):
        now[0] += step
        clock.tick(slow, 5)
    now[0] += 5.0
    with pytest.raises(OutOfTimeError):
        clock.tick(slow, 5)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines[0] == {"event": "started", "setup_seconds": 3.0}
    # The third step was too soon after the second to be worth a measurement.
    assert [line["seconds"] for line in lines[1:]] == pytest.approx([1.0, 2.0, 6.01, 11.01])
    assert {line["relative_l2"] for line in lines[1:]} == {1.0}


def test_a_meter_that_was_not_started_says_so() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        Meter(PROBLEMS["fit"], 1.0, StringIO()).tick(lambda points: points, 1)


# --- the problems -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_problems_are_those_of_the_catalogue(name: str) -> None:
    points, exact = PROBLEMS[name].test_set()
    problem = load_problem(name).problem
    assert len(points) == 4000
    assert problem.reference is not None
    known = problem.reference.evaluate(problem, torch.from_numpy(points)).values[:, 0]
    assert np.abs(known.numpy() - exact).max() < 1e-13


@pytest.mark.parametrize("name", [n for n, p in PROBLEMS.items() if p.kind == "elliptic"])
def test_the_exact_solutions_satisfy_equation_and_conditions(name: str) -> None:
    problem = PROBLEMS[name]
    assert problem.exact is not None
    assert problem.source is not None
    points = torch.from_numpy(problem.sample(50, 1)).requires_grad_()
    x, y = points[:, 0], points[:, 1]
    u = problem.exact(torch, x, y)
    (slope,) = torch.autograd.grad(u.sum(), points, create_graph=True)
    second = [
        torch.autograd.grad(slope[:, i].sum(), points, retain_graph=True)[0][:, i] for i in (0, 1)
    ]
    residual = second[0] + second[1] + problem.reaction * u - problem.source(torch, x, y)
    assert residual.abs().max() < 1e-11
    angle = np.linspace(0, 6, 20)
    edge = (np.cos(angle), np.sin(angle))
    if problem.shape == "square":
        scale = np.maximum(*np.abs(edge))
        edge = (edge[0] / scale, edge[1] / scale)
    assert np.abs(problem.exact(np, *edge)).max() < 1e-14
    assert np.abs(problem.hard(*edge)).max() < 1e-15


def test_hard_conditions_of_burgers() -> None:
    problem, one = PROBLEMS["burgers"], np.ones(5)
    x = np.linspace(-1, 1, 5)
    assert np.allclose(problem.imposed(np, x, 0 * one, 7 * one), -np.sin(np.pi * x))
    assert np.abs(problem.imposed(np, one, 0.3 * one, 7 * one)).max() < 1e-15
    assert pytest.approx(0.01 / np.pi) == NU


def test_points_of_the_disk_are_in_it() -> None:
    points = PROBLEMS["poisson-disk"].sample(4000, 3)
    assert points.shape == (4000, 2)
    assert np.hypot(*points.T).max() < 1


# --- the adapters that need no peer -------------------------------------------------------------


def solved(adapter: str, problem: str, variant: str, budget: float) -> tuple[Point, ...]:
    module = importlib.import_module(f"validation.peers.adapters.{adapter}")
    out = StringIO()
    module.solve(PROBLEMS[problem], variant, Meter(PROBLEMS[problem], budget, out))
    return read(out.getvalue().splitlines()).curve


@pytest.mark.parametrize(
    ("problem", "method", "size", "limit"),
    [
        ("poisson", "_square", 22, 1e-13),
        ("poisson-kan", "_square", 40, 1e-12),
        ("helmholtz", "_square", 38, 1e-12),
        ("poisson-disk", "_disk", 17, 1e-13),
        ("fit", "_polynomial_fit", 22, 3e-5),
        ("burgers", "_fourier_burgers", 1024, 2e-5),
    ],
)
def test_spectral(problem: str, method: str, size: int, limit: float) -> None:
    module = importlib.import_module("validation.peers.adapters.spectral")
    predict, numbers = getattr(module, method)(PROBLEMS[problem], size)
    points, exact = (array[:400] for array in PROBLEMS[problem].test_set())
    assert np.linalg.norm(predict(points) - exact) / np.linalg.norm(exact) < limit
    assert numbers > 200


@pytest.mark.parametrize("problem", ["poisson", "fit"])
def test_spectral_grows_until_its_end(problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validation.peers.adapters.spectral.REPEATS", 1)
    curve = solved("spectral", problem, "spectral", 1e6)
    assert len({point.parameters for point in curve}) == len(curve) > 1


@pytest.mark.parametrize(
    ("problem", "variant", "size", "limit"),
    [
        ("poisson", "fem-2", 16, 2e-3),
        ("poisson-kan", "fem-4", 8, 1e-3),
        ("helmholtz", "fem-6", 4, 1e-2),
        ("poisson-disk", "fem-4", 2, 1e-3),
        ("poisson", "fem-8", 2, 1e-6),
    ],
)
def test_scikit_fem(
    problem: str, variant: str, size: int, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("skfem")
    module = importlib.import_module("validation.peers.adapters.scikit_fem")
    weak = replace(module.fem_problems.PROBLEMS[problem], sizes=dict.fromkeys(MESHES, (size,)))
    monkeypatch.setitem(module.fem_problems.PROBLEMS, problem, weak)
    monkeypatch.setattr(module, "REPEATS", 1)
    (point,) = solved("scikit_fem", problem, variant, 0.5)
    assert point.relative_l2 < limit
    assert point.setup_seconds is not None


def test_gmnm(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("validation.peers.adapters.gmnm")
    monkeypatch.setattr(module, "TOLERANCES", (1e-2, 1e-6))
    loose, strict = sorted(
        solved("gmnm", "poisson", "gmnm", 60), key=lambda point: -point.relative_l2
    )
    assert loose.relative_l2 < 1e-2
    assert strict.relative_l2 < 1e-6


# --- the catalogue ------------------------------------------------------------------------------


def test_every_entry_has_an_adapter_problems_and_a_colour() -> None:
    folder = Path(command.__file__).parent / "adapters"
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    for entry in ENTRIES:
        assert (folder / f"{entry.adapter}.py").exists()
        assert set(entry.problems) <= set(PROBLEMS)
        assert not set(entry.problems) & set(entry.absent)
    looks = {**pictures.NETWORK_COLOURS, **pictures.CLASSICAL_MARKERS}
    assert set(looks) == {entry.name for entry in ENTRIES if entry.kind != "ours"}
    assert len(set(pictures.NETWORK_COLOURS.values())) == len(pictures.NETWORK_COLOURS)


def test_peers_are_chosen_by_name_pattern_or_family() -> None:
    assert choose([]) == ENTRIES
    assert [entry.name for entry in choose(["deepxde", "gmnm"])] == [
        "gmnm",
        "deepxde",
        "deepxde-64",
    ]
    assert [entry.name for entry in choose(["fem-[24]"])] == ["fem-2", "fem-4"]
    with pytest.raises(ValueError, match=r"no peer matches 'fenics'.*scimba"):
        choose(["fenics"])


# --- files, pictures, table ---------------------------------------------------------------------


def test_rows_survive_their_file(tmp_path: Path) -> None:
    row = sloping(setup_seconds=0.5, versions={"torch": "2"}, note="a note")
    point = replace(row.curve[0], setup_seconds=0.25)
    row = replace(row, curve=(point, *row.curve[1:]))
    written = results.Results(ABOUT, (row, sloping("fit", status="failed", curve=())))
    written.write(tmp_path / "deep" / "peers.json")
    assert results.load(tmp_path / "deep" / "peers.json") == written
    data = json.loads((tmp_path / "deep" / "peers.json").read_text())
    assert set(data) == {"machine", "commit", "threads", "rows"}
    assert set(data["rows"][0]["curve"][1]) == {"seconds", "relative_l2", "mse", "parameters"}
    assert {row["status"] for row in data["rows"]} <= set(STATUSES)


@pytest.mark.parametrize("text", ["", "[]", '{"machine": {}, "commit": null, "threads": 1}', "{}"])
def test_a_file_that_holds_no_results_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "peers.json").write_text(text)
    with pytest.raises(ValueError, match="holds no results of peers"):
        results.load(tmp_path / "peers.json")


def test_a_row_takes_the_place_of_the_older_one() -> None:
    old, other, new = sloping(), sloping("fit"), sloping(note="new")
    found = results.Results(ABOUT, (old, other)).with_row(new)
    assert found.rows == (other, new)
    assert found.find("poisson", "deepxde") == new
    assert found.find("poisson", "gmnm") is None


def test_times_are_those_of_the_first_error_below_a_target() -> None:
    row = sloping()
    assert row.best == row.curve[-1]
    first = row.first_below(1e-3)
    assert first is not None
    assert first.relative_l2 <= 1e-3
    assert row.first_below(1e-9) is None
    assert replace(row, curve=()).best is None


def test_a_picture_for_each_problem_with_a_curve(tmp_path: Path) -> None:
    rows = (
        sloping(),
        sloping(peer="gmnm"),
        sloping(peer="fem-4"),
        sloping(peer="scimba", status="missing", curve=()),
        sloping("fit", status="failed", curve=()),
    )
    written = pictures.draw(results.Results(ABOUT, rows), tmp_path)
    assert [path.name for path in written] == ["peers-poisson.png"]
    assert written[0].stat().st_size > 10_000
    figure = pictures.picture("poisson", rows[:4], "A CPU")
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "gmnm",
        "DeepXDE, its examples",
        "scikit-fem, triangles of degree 4",
    ]
    assert "Scimba, energy natural gradient: missing" in str(figure.get_supxlabel())


def test_a_network_is_drawn_by_its_best_error_so_far_and_zero_as_rounding() -> None:
    curve = (Point(1, 0.1, 1, 1), Point(2, 0.5, 1, 1), Point(3, 0.0, 1, 1))
    figure = pictures.picture("poisson", [sloping(curve=curve)], "A CPU")
    drawn = figure.axes[0].get_lines()[0].get_ydata()
    assert list(np.asarray(drawn)) == [0.1, 0.1, pictures.FLOOR]


def test_the_table_has_times_best_errors_and_reasons() -> None:
    rows = (
        sloping(),
        sloping(peer="gmnm", status="finished"),
        sloping(peer="pina", status="failed", note="failed: a | b", curve=()),
    )
    text = peers_table(results.Results(ABOUT, rows))
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines[0].startswith("| solver | parameters | s to 1e-2 | s to 1e-4 |")
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| gmnm",
        "| DeepXDE, its examples",
        "| PINA, hard conditions, L-BFGS",
    ]
    assert "stopped at 20 s" in lines[3]
    assert "failed: a / b" in lines[4]
    assert "321" in lines[2]
    assert len({line.count("|") for line in lines}) == 1


# --- the command --------------------------------------------------------------------------------


def measured(
    runner: Fake, path: Path, names: Sequence[str] = ("poisson",), **options: Any
) -> results.Results:
    options = {"budget": None, "start": results.Results(ABOUT), "say": lambda text: None} | options
    entries = [fake(name) for name in ("one", "two")]
    return command.measure(runner, entries, names, path=path, **options)


def test_a_run_goes_on_after_a_failure_and_keeps_its_rows(tmp_path: Path) -> None:
    def answer(name: str, problem: str) -> Row | None:
        failed = sloping(problem, name, status="failed", note="failed: so", curve=())
        return failed if name == "one" else sloping(problem, name)

    said: list[str] = []
    path = tmp_path / "peers.json"
    found = measured(Fake(answer), path, ("poisson", "fit"), say=said.append)
    assert [(row.problem, row.status) for row in found.rows] == [
        ("poisson", "failed"),
        ("poisson", "stopped"),
        ("fit", "failed"),
        ("fit", "stopped"),
    ]
    assert results.load(path) == found
    assert "failed: so" in said[0]
    assert "best 1.0e-05" in said[1]


def test_an_interrupted_run_keeps_what_finished_and_continues(tmp_path: Path) -> None:
    def interrupted(name: str, problem: str) -> Row | None:
        if name == "two":
            raise KeyboardInterrupt
        return sloping(problem, name, budget=5.0)

    path = tmp_path / "peers.json"
    with pytest.raises(KeyboardInterrupt):
        measured(Fake(interrupted), path, budget=5.0)
    kept = results.load(path)
    assert [row.peer for row in kept.rows] == ["one"]

    again = Fake(lambda name, problem: sloping(problem, name, budget=5.0))
    found = measured(again, path, budget=5.0, start=kept, resume=True)
    assert again.asked == ["two"]
    assert [row.peer for row in found.rows] == ["one", "two"]
    longer = Fake(lambda name, problem: sloping(problem, name, budget=9.0))
    measured(longer, path, budget=9.0, start=found, resume=True)
    assert longer.asked == ["one", "two"]  # another budget is another measurement


def test_the_command_measures_draws_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        command.Runner, "row", lambda self, entry, problem, budget: sloping(problem, entry.name)
    )
    path = tmp_path / "here" / "some.json"
    assert command.main(["fit", "--peers", "gmnm,pina", "--quick", "--out", str(path)]) == 0
    assert (tmp_path / "here" / "peers-fit.png").exists()
    assert "some.json" in capsys.readouterr().out
    assert [row.peer for row in results.load(path).rows] == ["gmnm", "pina"]
    (tmp_path / "here" / "peers-fit.png").unlink()
    assert command.main(["--draw", "--out", str(path)]) == 0
    assert (tmp_path / "here" / "peers-fit.png").exists()


def test_rows_of_another_machine_are_not_continued(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "peers.json"
    results.Results(ABOUT, (sloping(),)).write(path)
    assert command.main(["fit", "--peers", "gmnm", "--resume", "--out", str(path)]) == 2
    assert "another machine" in capsys.readouterr().err
    assert results.load(path).rows == (sloping(),)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["heat"], "no problem 'heat'. Known: poisson"),
        (["--peers", "fenics"], "no peer matches 'fenics'"),
        (["--draw", "--out", "no/such/file.json"], "no/such/file.json"),
    ],
)
def test_bad_arguments(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("budget", ["0", "-1", "nan", "soon"])
def test_a_budget_is_a_number_above_zero(budget: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["--budget", budget])
    assert stopped.value.code == 2


def test_an_interruption_says_how_to_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: Any) -> Row:
        raise KeyboardInterrupt

    monkeypatch.setattr(command.Runner, "row", interrupted)
    assert command.main(["fit", "--out", str(tmp_path / "peers.json")]) == 130
    assert "--resume" in capsys.readouterr().err
