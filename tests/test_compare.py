"""Comparisons: equal budgets, rows that are kept, pictures, and going on after an interruption."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import gmnm_pde as gp
from gmnm_pde import catalog
from gmnm_pde.cli import main
from gmnm_pde.config import load_problem, load_recipe
from gmnm_pde.errors import InputError
from gmnm_pde.methods import Record
from gmnm_pde.networks import GMNM, GMNMSpec, NetworkSpec
from gmnm_pde.networks.sizing import parameters_of, sized
from gmnm_pde.report.comparison import looks, together
from gmnm_pde.studies import classical
from gmnm_pde.studies import trace as trace_module
from gmnm_pde.studies.budget import Budget
from gmnm_pde.studies.rows import Point, Row, Table
from gmnm_pde.studies.summary import lines
from gmnm_pde.studies.trace import Trace

LINE = """
name: line
coordinates: [x]
unknowns: [u]
domain: {interval: [0, 1]}
equations: [u_xx = -pi^2*sin(pi*x)]
conditions: [{at: boundary, equation: u = 0}]
reference: {exact: {u: sin(pi*x)}}
"""
FIVE = """
name: five
description: Five units, trained.
network: {name: gmnm, units: 9, projection: full}
methods: [{name: variable_projection, iterations: 3}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.yaml").write_text(LINE)
    (tmp_path / "five.yaml").write_text(FIVE)
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


COMPARE = ["compare", "line.yaml", "--solvers", "gmnm,five.yaml", "--out", "cmp", "--quiet"]


def test_a_comparison_writes_rows_curves_pictures_and_a_report(folder):
    assert main([*COMPARE, "--seeds", "2"]) == 0
    found = rows(folder / "cmp/results.csv")
    assert list(found[0]) == [
        *("solver", "seed", "relative_l2_u", "max_error_u", "seconds", "units", "parameters"),
        *("points", "status", "reason"),
    ]
    runs = [(row["solver"], row["seed"]) for row in found if row["seed"]]
    assert runs == [("gmnm", "0"), ("five", "0"), ("gmnm", "1"), ("five", "1")]
    gmnm, five = found[:2]
    assert float(gmnm["relative_l2_u"]) < 1e-13
    assert float(five["relative_l2_u"]) > float(gmnm["relative_l2_u"])
    others = {row["solver"] for row in found if not row["seed"]}
    assert others == {item.name for item in classical.SOLVERS}
    curves = rows(folder / "cmp/curves.csv")
    for row in found[:4]:
        own = [p for p in curves if (p["solver"], p["seed"]) == (row["solver"], row["seed"])]
        assert own[-1]["relative_l2_u"] == row["relative_l2_u"]
        seconds = [float(point["seconds"]) for point in own]
        assert seconds == sorted(seconds)
        assert len(own) > 1
    assert {item.name for item in (folder / "cmp").iterdir()} == {
        *("results.csv", "curves.csv", "error-against-time.png", "pareto.png", "report.html"),
        *("manifest.json", "problem.yaml", "solvers"),
    }
    page = (folder / "cmp/report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "line: compare" in page
    assert main(["report", "cmp"]) == 0


def test_an_interrupted_comparison_keeps_what_is_done_and_goes_on(folder, monkeypatch, capsys):
    module = import_module("gmnm_pde.studies.compare")
    solve, calls = module.solve, []

    def stopping(problem, **options):
        calls.append(options.get("seed"))
        if len(calls) == 4:  # the warm-up, two runs, and then Ctrl-C
            raise KeyboardInterrupt
        return solve(problem, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "solve", stopping)
        assert main([*COMPARE[:-1], "--seeds", "2", "--no-classical"]) == 130
    assert "gmnm-pde resume cmp" in capsys.readouterr().out
    first = (folder / "cmp/results.csv").read_text()
    assert len(first.splitlines()) == 3
    # A line that was cut off when the program was killed does not count.
    with (folder / "cmp/results.csv").open("a") as stream:
        stream.write("gmnm,1,")
    assert main(["resume", "cmp"]) == 0
    whole = rows(folder / "cmp/results.csv")
    done = [(row["solver"], row["seed"]) for row in whole if row["seed"] and row["status"]]
    assert sorted(done) == [("five", "0"), ("five", "1"), ("gmnm", "0"), ("gmnm", "1")]
    assert (folder / "cmp/results.csv").read_text().startswith(first)
    before = (folder / "cmp/results.csv").read_text()
    assert main(["resume", "cmp"]) == 0
    assert (folder / "cmp/results.csv").read_text() == before


def test_a_solver_that_cannot_is_a_row_with_the_reason(folder, capsys):
    text = LINE.replace("exact: {u: sin(pi*x)}", "finite_difference: {points: 41}")
    (folder / "line.yaml").write_text(text)
    (folder / "march.yaml").write_text(
        "name: march\ndescription: No.\nnetwork: {name: gmnm}\nmethods: [{name: time_stepping}]\n"
    )
    command = ["compare", "line.yaml", "--solvers", "march.yaml,gmnm", "--out", "cmp"]
    assert main([*command, "--no-classical"]) == 0
    refused, solved = rows(folder / "cmp/results.csv")
    assert refused["status"] == "refused"
    assert "time_stepping" in refused["reason"]
    assert refused["relative_l2_u"] == ""
    assert float(solved["relative_l2_u"]) < 1e-2
    assert "refused" in capsys.readouterr().out


def test_without_a_reference_there_are_rows_and_no_pictures(folder, capsys):
    (folder / "line.yaml").write_text(LINE.partition("reference")[0])
    assert main(["compare", "line.yaml", "--solvers", "gmnm", "--out", "cmp"]) == 1
    (row,) = rows(folder / "cmp/results.csv")
    assert (row["status"], row["relative_l2_u"]) == ("converged", "")
    assert "no reference" in capsys.readouterr().out
    assert not list((folder / "cmp").glob("*.png"))
    assert (folder / "cmp/report.html").is_file()


def test_a_solver_that_crashes_is_a_row(folder, monkeypatch):
    module = import_module("gmnm_pde.studies.compare")
    solve = module.solve

    def broken(problem, **options):
        if options.get("seed") == 1:
            raise RuntimeError("out of memory")
        return solve(problem, **options)

    monkeypatch.setattr(module, "solve", broken)
    command = ["compare", "line.yaml", "--solvers", "gmnm", "--seeds", "2", "--no-classical"]
    assert main([*command, "--out", "cmp", "--quiet"]) == 0
    last = rows(folder / "cmp/results.csv")[-1]
    assert (last["status"], last["reason"]) == ("failed", "RuntimeError: out of memory")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--solvers", "gmmn"], "'gmnm'"),
        (["--solvers", ","], "no solver"),
        (["--solvers", "gmnm,gmnm"], "twice"),
        (["--solvers", "gmnm", "--seeds", "0"], "--seeds 0"),
        (["--solvers", "gmnm", "--points", "0"], "--points 0"),
        (["--solvers", "gmnm", "--parameters", "-3"], "--parameters -3"),
        (["--solvers", "gmnm", "--time-limit", "0"], "--time-limit 0"),
        (["--solvers", "gmnm", "--rtol", "2"], "--rtol 2"),
    ],
)
def test_bad_options_write_nothing(arguments, words, folder, capsys):
    assert main(["compare", "line.yaml", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert {item.name for item in folder.iterdir()} == {"line.yaml", "five.yaml"}


def test_a_folder_with_a_run_is_not_taken(folder, capsys):
    assert main([*COMPARE, "--no-classical", "--time-limit", "1"]) == 0
    assert main(COMPARE) == 2
    assert "gmnm-pde resume cmp" in capsys.readouterr().err
    manifest = json.loads((folder / "cmp/manifest.json").read_text())
    assert manifest["solvers"] == ["gmnm", "five"]
    assert manifest["threads"] == torch.get_num_threads()


# ---------------------------------------------------------------------------------- budgets


@pytest.mark.parametrize("projection", ["isotropic", "diagonal", "full", "low_rank"])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_sized_networks_are_as_large_as_allowed(projection, dimension):
    spec = sized(GMNMSpec(projection=projection), 450, dimension, 2)
    assert parameters_of(spec, dimension, 2) <= 450
    assert parameters_of(replace(spec, units=spec.units + 1), dimension, 2) > 450
    mu = torch.zeros(spec.units, dimension, dtype=torch.float64)
    network = spec.build(mu, torch.ones_like(mu), 2)
    assert isinstance(network, GMNM)
    assert sum(p.numel() for p in network.parameters()) == parameters_of(spec, dimension, 2)


def test_a_network_with_a_width_is_sized_by_what_it_builds():
    @dataclass(frozen=True)
    class Wide(NetworkSpec):
        width: int = 3

        def initial(self, lower, upper, n_outputs, generator):
            d = len(lower)
            return torch.nn.Sequential(
                torch.nn.Linear(d, self.width), torch.nn.Linear(self.width, n_outputs)
            )

    spec = sized(Wide(), 100, 2, 1)
    assert spec.width == (100 - 1) // 4
    with pytest.raises(InputError, match="at least 5"):
        sized(Wide(), 4, 2, 1)


def test_a_network_with_several_widths_gets_the_same_in_each():
    @dataclass(frozen=True)
    class Layers(NetworkSpec):
        units: tuple[int, ...] = (4, 2)

        def initial(self, lower, upper, n_outputs, generator):
            sizes = (len(lower), *self.units, n_outputs)
            return torch.nn.Sequential(*(torch.nn.Linear(a, b) for a, b in pairwise(sizes)))

    spec = sized(Layers(), 100, 2, 1)
    assert spec.units == (7, 7)
    assert parameters_of(spec, 2, 1) == 85


def test_a_refined_network_is_sized_by_its_last_grid():
    problem, recipe = load_problem("poisson").problem, load_recipe("kan-gauss-newton")
    _, sized_recipe = Budget(parameters=450).applied(problem, recipe)
    network = sized_recipe.network
    assert network.grid == recipe.network.grid
    assert parameters_of(replace(network, grid=max(recipe.methods[0].grids)), 2, 1) <= 450
    wider = replace(network, widths=(network.widths[0] + 1,), grid=max(recipe.methods[0].grids))
    assert parameters_of(wider, 2, 1) > 450


def test_points_are_the_same_for_all():
    problem, recipe = load_problem("poisson").problem, load_recipe("gmnm-small")
    problem, same = Budget(points=500).applied(problem, recipe)
    assert same == recipe
    assert (problem.sampling.interior, problem.sampling.boundary) == (500, 100)
    heat = load_problem("heat").problem
    for budget in (Budget(points=500), Budget(parameters=500)):
        with pytest.raises(InputError, match="time_stepping"):
            budget.applied(heat, load_recipe("gmnm"))
    assert "equal" not in Budget(time_limit=3).words()


# ------------------------------------------------------------------------- classical solvers


@pytest.fixture
def few(monkeypatch):
    """Few resolutions, and no clock that decides how many."""
    chosen = {"spectral": (12, 24, 32), "finite-differences-4": (21, 41, 81)}
    known = [item for item in classical.SOLVERS if item.name in chosen]
    solvers = [replace(item, resolutions=chosen[item.name]) for item in known]
    monkeypatch.setattr(classical, "SOLVERS", solvers)
    monkeypatch.setattr(classical, "BUDGET", 1e6)
    monkeypatch.setattr(classical, "SHORT", 0.0)


def test_classical_solvers_converge_at_their_order(few):
    problem = load_problem("helmholtz").problem
    found = list(classical.rows(problem))
    differences = [row for row in found if row.solver == "finite-differences-4"]
    h = [1 / (row.points - 1) for row in differences]
    slope = np.polyfit(np.log(h), np.log([row.worst for row in differences]), 1)[0]
    assert 3.7 < slope < 5.2
    spectral = [row.worst for row in found if row.solver == "spectral"]
    assert min(spectral) < 1e-11
    assert all(row.seed is None and row.parameters > 0 for row in found)


def test_what_classical_solvers_cannot_do_is_said(few):
    problem = load_problem("poisson-disk").problem
    found = list(classical.rows(problem))
    assert {row.status for row in found} == {"refused"}
    assert all(row.reason for row in found)
    done = {(row.solver, row.points) for row in found}
    assert list(classical.rows(problem, done=done)) == []


def test_a_resolution_that_is_known_is_not_taken_again(few):
    problem = load_problem("bratu").problem
    done = {("spectral", 12), ("spectral", 32), ("finite-differences-4", 21)}
    found = [(row.solver, row.points) for row in classical.rows(problem, None, done)]
    assert found == [
        ("spectral", 24),
        ("finite-differences-4", 41),
        ("finite-differences-4", 81),
    ]


def test_the_next_resolution_is_left_out_where_it_would_take_too_long(few, monkeypatch):
    monkeypatch.setattr(classical, "BUDGET", 1e-9)
    found = [(row.solver, row.points) for row in classical.rows(load_problem("bratu").problem)]
    assert found == [("spectral", 12), ("finite-differences-4", 21)]


def test_an_inverse_problem_is_compared_without_classical_solvers(folder):
    command = ["compare", "inverse-diffusivity", "--solvers", "gmnm,gmnm-small", "--out", "cmp"]
    assert main([*command, "--quiet"]) == 0
    solved, refused = rows(folder / "cmp/results.csv")
    assert float(solved["relative_l2_u"]) < 1e-2
    assert refused["status"] == "refused"
    assert "cannot infer k" in refused["reason"]


# -------------------------------------------------------------------------- rows and curves


def test_tables_are_read_as_they_were_written(tmp_path):
    table = Table(tmp_path / "results.csv", Row, ("u", "v"))
    written = [
        Row("a", 0, "converged", "done, at last", {"u": 1e-3, "v": 0.1 + 0.2},
            {"u": 1.0, "v": None}, 0.25, 10, 50, 99),
        Row("b", None, "refused", "cannot", {"u": None, "v": None}, {"u": None, "v": None}),
    ]  # fmt: skip
    table.append(*written)
    assert table.read() == written
    assert written[0].worst == 0.1 + 0.2
    assert written[1].worst is None
    curves = Table(tmp_path / "curves.csv", Point, ("u",))
    assert curves.read() == []
    point = Point("a", 3, 0.5, 1, 2, {"u": 1e-9})
    curves.append(point)
    assert curves.read() == [point]
    with pytest.raises(InputError, match="other columns"):
        Table(tmp_path / "results.csv", Row, ("u",)).read()


def test_lines_have_medians_and_ranges():
    runs = [
        Row("a", seed, "stopped", "", {"u": error}) for seed, error in enumerate((3.0, 1.0, 2.0))
    ]
    runs.append(Row("a", 3, "failed", "why"))
    (line,) = lines(runs)
    assert (line.error.median, line.error.low, line.error.high) == (2.0, 1.0, 3.0)
    assert line.status == "3 stopped, 1 failed"
    assert line.runs == 4


def test_curves_are_steps_at_common_times():
    slow = (np.array([1.0, 4.0]), np.array([1e-1, 1e-3]))
    fast = (np.array([0.5, 2.0]), np.array([1e-2, 1e-6]))
    times, heights = together([slow, fast])
    assert times[0] == 1.0
    assert times[-1] == pytest.approx(4.0)
    before = times < 2.0
    assert set(heights[1][before]) == {1e-2}
    assert set(heights[0][times < 3.99]) == {1e-1}
    assert heights[0][-1] == 1e-3
    assert set(heights[1][times > 2.01]) == {1e-6}


def test_a_solver_looks_the_same_in_every_comparison():
    one, two = looks(["gmnm", "x"], ["spectral"]), looks(["kan", "gmnm"], [])
    assert one["gmnm"] == two["gmnm"]
    assert len({look.colour for look in one.values()}) == 3
    many = looks([*catalog.names("solvers"), *"abcdefghij"], [])
    known = catalog.names("solvers")[:8]
    assert len({look.colour for look in looks(known, []).values()}) == 8
    assert many["gmnm"] == one["gmnm"]


def test_a_trace_keeps_copies_at_times_that_grow():
    trace, network = Trace(), GMNM.random(1, 3, generator=torch.Generator().manual_seed(0))
    before = network.pi.detach().clone()
    for step, seconds in enumerate((1.0, 1.01, 1.5)):
        trace(Record(step, 3, 10, 9, 1.0, 1.0, None, seconds), network)
        with torch.no_grad():
            network.pi.add_(1.0)
    assert [record.seconds for record, _ in trace.kept] == [1.0, 1.5]
    assert torch.equal(trace.kept[0][1].pi, before)
    assert torch.equal(trace.kept[1][1].pi, before + 2.0)


def test_errors_of_a_curve_are_those_of_solves_that_ended_there(monkeypatch):
    monkeypatch.setattr(trace_module, "THINNED", 0.0)
    trace = Trace()
    problem = load_problem("poisson").problem
    solution = gp.solve(problem, rtol=1e-6, device="cpu", observe=trace)
    points = trace.points("gmnm", problem, solution, ())

    def stop(record):
        raise KeyboardInterrupt

    short = gp.solve(problem, rtol=1e-6, device="cpu", monitor=stop)
    assert points[0].worst == short.errors.relative_l2["u"]
    assert points[0].units == short.units
    assert points[-1].worst == solution.errors.relative_l2["u"]
