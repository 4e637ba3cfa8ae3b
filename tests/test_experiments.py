"""The experiments at equal parameters: the plan, the command on a small part, table, picture."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from gmnm_pde.config import load_problem, load_recipe
from gmnm_pde.studies.budget import Budget
from validation import runner
from validation.experiments import command
from validation.experiments.pictures import draw
from validation.experiments.plan import FUNCTIONS, Experiment, load_plan, source
from validation.experiments.table import experiments_table

TARGETS = (
    *("smooth", "oscillating", "peaked", "discontinuous"),
    *("anisotropic", "ridge", "multi-scale", "noisy"),
)


def test_the_plan_has_eight_targets_and_poisson_with_every_solver_at_one_size() -> None:
    plan = {one.name: one for one in load_plan()}
    assert plan["fitting"].problems == tuple(f"fit-{name}" for name in TARGETS)
    assert "poisson" in plan["equal"].problems
    assert plan["fitting"].parameters == plan["equal"].parameters == 450
    assert all(one.seeds >= 3 for one in plan.values())
    problem = load_problem("fit-smooth").problem
    for solver in plan["fitting"].solvers:
        Budget(parameters=450).applied(problem, load_recipe(solver))


# Minima that are known of Branin's function and of the camel, corners and middles of the others.
VALUES = {
    "franke": ((0.5, 0.5), 0.75 * (math.exp(-12.5 / 4) + math.exp(-(5.5**2) / 49 - 0.55))
               + 0.5 * math.exp(-(2.5**2 + 1.5**2) / 4) - 0.2 * math.exp(-0.25 - 2.5**2)),
    "cliff": ((0.3, 0.3), 1 / 9),
    "saddle": ((1 / 3, 0.0), 2.25 / 6),
    "sphere": ((0.5, 0.5), 7 / 18),
    "branin": ((math.pi, 2.275), 0.397887),
    "camel": ((0.0898, -0.7126), -1.031628),
    "currin": ((0.0, 0.5), 3 * (1 - math.exp(-1))),
    "lim": ((0.0, 0.0), 50 / 6),
    "mccormick": ((0.0, 0.0), 1.0),
    "beale": ((1.0, 1.0), math.log(1 + 1.5**2 + 2.25**2 + 2.625**2)),
    "goldstein-price": ((0.0, -1.0), math.log(3)),
    "levy": ((0.5, 1.0), 1.25),
    "drop-wave": ((0.0, 0.0), 1.0),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(path.stem for path in FUNCTIONS.glob("*.yaml")))
def test_the_functions_are_those_of_their_sources(name: str) -> None:
    assert name in {each for one in load_plan() for each in one.problems}
    problem = load_problem(source(name)).problem
    assert problem.reference is not None
    place, value = VALUES[name]
    found = problem.reference.evaluate(problem, torch.tensor([place], dtype=torch.float64))
    stated = yaml.safe_load(Path(source(name)).read_text(encoding="utf-8"))["parameters"]
    mean, deviation = stated["mean"], stated["deviation"]
    assert found.values.item() * deviation + mean == pytest.approx(value, rel=2e-6)
    many = problem.reference.evaluate(problem, problem.region.sample_interior(4096, "sobol", 0))
    assert many.values.mean().item() == pytest.approx(0.0, abs=5e-3)
    assert many.values.std().item() == pytest.approx(1.0, abs=5e-3)


def test_an_unknown_experiment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["experiments", "fiting"]) == 2
    assert "no experiment 'fiting'. Known: fitting" in capsys.readouterr().err


def test_a_part_is_measured_goes_on_and_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Experiment("small", "Two", ("fit-smooth",), ("gmnm", "gmnm-small"), 1, 0.2, 250)
    monkeypatch.setattr(command, "load_plan", lambda names: [small])
    out = tmp_path / "part" / "small.json"
    arguments = ["experiments", "small", "--out", str(out), "--runs", str(tmp_path / "runs")]
    assert runner.main(arguments) == 0
    first = json.loads(out.read_text(encoding="utf-8"))
    assert runner.main(arguments) == 0  # nothing is missing: the rows are those of before
    again = json.loads(out.read_text(encoding="utf-8"))
    assert again["experiments"] == first["experiments"]
    (item,) = first["experiments"]
    rows = item["problems"]["fit-smooth"]["rows"]
    assert [row["solver"] for row in rows] == ["gmnm", "gmnm-small"]
    assert all(row["parameters"] <= 250 and row["relative_l2"]["u"] < 0.5 for row in rows)
    assert (out.parent / "experiments-small.png").stat().st_size > 10_000
    assert "| `fit-smooth` |" in capsys.readouterr().out


def figures(**errors: float) -> dict[str, Any]:
    """A comparison whose solvers come to their error after a second, or a hundredth of it."""
    rows = [
        {
            "solver": name,
            "seed": seed,
            "status": "stopped",
            "reason": "",
            "max_error": {},
            "relative_l2": {"u": error * (1 + seed)},
            "units": 9,
            "parameters": 400,
            "seconds": 1.0,
            "points": 1000,
        }
        for name, error in errors.items()
        for seed in range(3)
    ]
    keys = ("solver", "seed", "seconds", "units", "parameters", "relative_l2")
    points = [{key: row[key] for key in keys} for row in rows]
    early = [
        {**point, "seconds": 0.01, "relative_l2": {"u": 1e-3}}
        for point in points
        if point["solver"] == "gmnm"
    ]
    return {"rows": rows, "points": early + points}


def results(problems: dict[str, Any]) -> dict[str, Any]:
    """A file of results."""
    machine = {"cpu": "a CPU", "os": "an OS", "python": "3", "torch": "2"}
    item = {"name": "small", "title": "A title", "words": "two seeds", "problems": problems}
    return {"machine": machine, "commit": None, "experiments": [item]}


def test_the_table_says_who_is_best_by_how_much_and_when() -> None:
    won = figures(gmnm=1e-6, pinn=1e-3, kan=2e-3)
    lost = figures(gmnm=1e-1, pinn=1e-4)
    text = experiments_table(results({"won": won, "lost": lost}))
    assert "| `won` | **2.0e-06** (1.0e-06 to 3.0e-06) | 2.0e-03 (1.0e-03 to 3.0e-03) |" in text
    assert "| `won` | gmnm 2.0e-06 | pinn 2.0e-03 | 1e+03 | 1.00 s | 0.010 s |" in text
    assert "| `lost` | 2.0e-01 (1.0e-01 to 3.0e-01) | **2.0e-04**" in text
    assert "| `lost` | gmnm 2.0e-01 | pinn 2.0e-04 | 0.001 |" in text
    assert "GMNM loses on: `lost`.\n" in text


def test_a_solver_that_gave_nothing_is_a_dash(tmp_path: Path) -> None:
    found = figures(gmnm=1e-6, pinn=1e-3)
    refused = {"solver": "kan", "seed": 0, "status": "refused", "reason": "too small"}
    none = dict.fromkeys(("seconds", "units", "parameters", "points"))
    found["rows"].append({**refused, "relative_l2": {}, "max_error": {}, **none})
    data = results({"poisson": found})
    assert "(1.0e-03 to 3.0e-03) | - |" in experiments_table(data)
    (path,) = draw(data, tmp_path)
    assert path.name == "experiments-small.png"
