"""Orders of convergence: laws that are known are found, and nothing is claimed without ground."""

from __future__ import annotations

import csv
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from gmnm_pde.cli import main
from gmnm_pde.config import load_problem, load_recipe
from gmnm_pde.report.orders import law_words
from gmnm_pde.studies.converge import Convergence, own_error
from gmnm_pde.studies.orders import fit

N = np.array([20.0, 40.0, 80.0, 160.0, 320.0])
LINE = """
name: line
coordinates: [x]
unknowns: [u]
domain: {interval: [0, 1]}
equations: [u_xx = -pi^2*sin(pi*x)]
conditions: [{at: boundary, equation: u = 0}]
reference: {exact: {u: sin(pi*x)}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.yaml").write_text(LINE)
    return tmp_path


def noise(count: int, seed: int) -> np.ndarray:
    return np.exp(0.1 * np.random.default_rng(seed).standard_normal(count))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("order", [1.0, 2.0, 4.0])
def test_a_power_is_found_with_its_interval(order):
    inside = 0
    for seed in range(100):
        law = fit(N, 3.0 * N**-order * noise(5, seed), dimension=2)
        assert law.kind == "power"
        inside += law.low <= order <= law.high
    # 95 of a hundred are expected; a wrong interval would hold far fewer, or all of them.
    assert 88 <= inside < 100
    exact = fit(N, 3.0 * N**-order)
    assert exact.slope == pytest.approx(order)
    assert exact(N) == pytest.approx(3.0 * N**-order)


@pytest.mark.parametrize("dimension", [1, 2])
def test_an_exponential_is_named_as_one(dimension):
    n = np.arange(2.0, 16.0, 2.0) ** dimension
    errors = np.exp(-1.5 * n ** (1 / dimension)) * noise(7, 1)
    law = fit(n, errors, dimension)
    assert law.kind == "exponential"
    assert law.low < 1.5 < law.high
    assert law(n) == pytest.approx(errors, rel=0.5)
    words = law.words("N")
    assert words.startswith("faster than any power")
    # Of time or tolerances no such law is claimed.
    assert fit(n, errors, dimension, exponential=False).kind == "power"


def test_what_is_at_the_floor_is_left_out():
    errors = np.maximum(N**-6.0, 1e-15)
    law = fit(N, errors)
    assert (law.used, law.left_out) == (4, 1)
    assert law.slope == pytest.approx(6.0)
    assert "1 at the floor left out" in law.words("N")
    assert fit(N, errors, own_error=1e-9) is None
    assert "too few" in law_words("units", None)


def test_nothing_is_claimed_without_ground():
    assert fit([10.0, 20.0], [0.1, 0.01]) is None
    assert fit([10.0, 10.0, 10.0], [0.1, 0.2, 0.3]) is None
    assert fit([], []) is None
    flat = fit(N, 0.1 * np.array([1.0, 3.0, 0.5, 2.0, 1.0]))
    assert flat.words("N").startswith("no order can be stated")
    with_gaps = fit([*N, np.nan], [*(N**-2.0), 1.0])
    assert with_gaps.used == 5


def test_a_tolerance_that_is_kept_has_the_order_one():
    tolerances = [1e-2, 1e-4, 1e-6, 1e-8]
    law = fit(tolerances, [0.3 * value for value in tolerances], exponential=False)
    assert law_words("rtol", law).startswith("order 1: error = C rtol^1 ")


# ------------------------------------------------------------------------------ the command


def test_converge_writes_rows_picture_and_report(folder, capsys):
    assert main(["converge", "line.yaml", "--values", "10,14,20,28", "--out", "cv"]) == 0
    found = rows(folder / "cv/results.csv")
    assert len(found) == 4
    units = [int(row["units"]) for row in found]
    assert units == sorted(units)
    assert all(int(unit) <= most for unit, most in zip(units, (10, 14, 20, 28), strict=True))
    assert {item.name for item in (folder / "cv").iterdir()} == {
        *("results.csv", "convergence.png", "report.html", "manifest.json", "problem.yaml"),
        "solvers",
    }
    out = capsys.readouterr().out
    assert "points" in out
    assert "95 %" in out


def test_over_time_one_run_is_watched(folder):
    command = ["converge", "line.yaml", "--over", "time", "--seeds", "2", "--quiet"]
    main([*command, "--out", "cv"])
    found = rows(folder / "cv/results.csv")
    for seed in ("0", "1"):
        own = [row for row in found if row["seed"] == seed]
        assert own[-1]["status"] == "converged"
        assert {row["status"] for row in own[:-1]} == {"running"}
        assert float(own[-1]["relative_l2_u"]) < 1e-12


def test_over_tolerances(folder):
    command = ["converge", "line.yaml", "--over", "rtol", "--values", "1e-6,1e-2,1e-4"]
    main([*command, "--out", "cv", "--quiet"])
    found = rows(folder / "cv/results.csv")
    for row, rtol in zip(found, (1e-2, 1e-4, 1e-6), strict=True):
        assert float(row["relative_l2_u"]) < rtol


def test_over_points_with_the_points_that_were_asked_for():
    problem = load_problem("poisson").problem
    study = Convergence(problem, "gmnm", load_recipe("gmnm"), "points", (200, 400))
    for value in study.values:
        varied, _ = study._varied(value)
        assert varied.sampling.interior == value
    assert study.dimension == 2
    heat = Convergence(load_problem("heat").problem, "gmnm", load_recipe("gmnm"))
    assert heat.dimension == 2  # of space: time is marched through


def test_an_interrupted_study_goes_on(folder, monkeypatch, capsys):
    module = import_module("gmnm_pde.studies.converge")
    solve, calls = module.solve, []

    def stopping(problem, **options):
        calls.append(options)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return solve(problem, **options)

    command = ["converge", "line.yaml", "--values", "10,14,20", "--out", "cv"]
    with monkeypatch.context() as patch:
        patch.setattr(module, "solve", stopping)
        assert main(command) == 130
    first = (folder / "cv/results.csv").read_text()
    assert len(first.splitlines()) == 3
    assert main(["resume", "cv"]) in (0, 1)
    whole = (folder / "cv/results.csv").read_text()
    assert whole.startswith(first)
    assert len(whole.splitlines()) == 4


def test_a_value_that_no_network_has_is_a_row(folder):
    command = ["converge", "line.yaml", "--values", "1,12", "--out", "cv", "--quiet"]
    assert main(command) == 1
    first, second = rows(folder / "cv/results.csv")
    assert first["status"] == "refused"
    assert "at most 1 units" in first["reason"]
    assert float(second["relative_l2_u"]) < 1e-3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--over", "unit"], "'units'"),
        (["--values", "10,many"], "no numbers"),
        (["--values", "10,-3"], "whole numbers"),
        (["--values", "10.5"], "whole numbers"),
        (["--over", "rtol", "--values", "1e-3,2"], "between 0 and 1"),
        (["--over", "time", "--values", "3"], "--values"),
        (["--seeds", "0"], "--seeds 0"),
        (["--solver", "gmmn"], "'gmnm'"),
    ],
)
def test_bad_options_write_nothing(arguments, words, folder, capsys):
    assert main(["converge", "line.yaml", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert [item.name for item in folder.iterdir()] == ["line.yaml"]


def test_without_a_reference_there_is_no_order(folder, capsys):
    (folder / "line.yaml").write_text(LINE.partition("reference")[0])
    assert main(["converge", "line.yaml"]) == 2
    assert "no reference" in capsys.readouterr().err


def test_the_references_own_error_is_the_floor():
    assert own_error(load_problem("poisson").problem) == 0.0
    assert own_error(load_problem("burgers").problem) > 0.0
    assert torch.get_default_dtype() == torch.float32
