"""Going on with a solve: as if it had never been interrupted, and never from damaged files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gmnm_pde as gp
from gmnm_pde.cli import main
from gmnm_pde.config import load_recipe
from gmnm_pde.errors import InputError
from gmnm_pde.methods import Record
from gmnm_pde.networks import Evolution
from gmnm_pde.terminal import Progress


def interrupted(name: str, step: int, **options: Any) -> gp.Solution:
    """A solve that ends with Ctrl-C after a step."""

    def stop(record: Record) -> None:
        if record.step == step:
            raise KeyboardInterrupt

    return gp.solve(name, device="cpu", monitor=stop, **options)


def untimed(solution: gp.Solution) -> list[Record]:
    """The history without its seconds."""
    return [replace(record, seconds=0.0) for record in solution.history]


@pytest.mark.parametrize(
    ("name", "step", "options"),
    [
        ("poisson", 1, {}),
        ("poisson", 3, {}),
        ("bratu", 2, {}),
        ("heat", 2, {"rtol": 1e-6}),
    ],
)
def test_levels_go_on_as_if_nothing_had_happened(name, step, options, tmp_path):
    whole = gp.solve(name, device="cpu", **options)
    part = interrupted(name, step, **options)
    assert part.status == "interrupted"
    part.save(tmp_path / "part")
    loaded = gp.load(tmp_path / "part", problem=part.problem)
    assert len(loaded.history) == step
    rest = gp.solve(name, device="cpu", resume=loaded, **options)
    assert untimed(rest) == untimed(whole)
    assert (rest.status, rest.estimated_error) == (whole.status, whole.estimated_error)
    points = np.asarray(whole.problem.region.sample_interior(20, seed=1))
    assert np.array_equal(rest(points), whole(points))


def test_iterations_and_seconds_count_on(tmp_path):
    recipe = load_recipe("gmnm-small")
    recipe = replace(recipe, methods=(replace(recipe.methods[0], iterations=6),))
    whole = gp.solve("poisson", solver=recipe, device="cpu")
    part = interrupted("poisson", 4, solver=recipe)
    rest = gp.solve("poisson", solver=recipe, device="cpu", resume=part)
    assert len(rest.history) == 6
    assert rest.history[:4] == part.history
    assert rest.history[-1].residual_rms == whole.history[-1].residual_rms
    assert rest.history[4].seconds > part.seconds
    assert rest.seconds > part.seconds
    assert rest.seconds_total > part.seconds_total


def test_a_chain_goes_on_with_the_method_it_was_at():
    whole = load_recipe("gmnm")
    small = load_recipe("gmnm-small").methods[0]
    recipe = replace(whole, methods=(*whole.methods, replace(small, iterations=3)))
    part = interrupted("bratu", 5, solver=recipe, rtol=1e-6)
    assert part.checkpoint["method"] == 1
    rest = gp.solve("bratu", solver=recipe, rtol=1e-6, device="cpu", resume=part)
    assert rest.history[: len(part.history)] == part.history
    with pytest.raises(InputError, match="methods"):
        gp.solve("bratu", rtol=1e-6, device="cpu", resume=part)


def test_a_march_is_kept_as_one(tmp_path):
    part = interrupted("heat", 1, rtol=1e-6)
    assert isinstance(part.network, Evolution)
    part.save(tmp_path / "part")
    again = gp.load(tmp_path / "part", problem=part.problem)
    assert again.checkpoint == part.checkpoint


@pytest.mark.parametrize(
    "damage",
    [
        {"plan": {"cells": "many"}},
        {"values": "none"},
        {"best": None},
        {"estimate": {"relative": {}}},
    ],
)
def test_a_damaged_checkpoint_is_refused(damage):
    part = interrupted("poisson", 2)
    memory = {**part.checkpoint["memory"], **damage}
    with pytest.raises(InputError, match="checkpoint"):
        gp.solve("poisson", resume=replace(part, checkpoint={"method": 0, "memory": memory}))
    memory.pop("plan")
    with pytest.raises(InputError, match="checkpoint"):
        gp.solve("poisson", resume=replace(part, checkpoint={"method": 0, "memory": memory}))


# ------------------------------------------------------------------------------ the command


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_resume_goes_on_in_the_same_folder(folder, monkeypatch, capsys):
    with monkeypatch.context() as patch:

        def stop(self: Progress, record: Record) -> None:
            if record.step == 2:
                raise KeyboardInterrupt

        patch.setattr(Progress, "__call__", stop)
        arguments = ["--rtol", "1e-8", "--seed", "4", "--time-limit", "50", "--device", "cpu"]
        assert main(["solve", "poisson", "--out", "run", *arguments]) == 130
    assert "gmnm-pde resume run" in capsys.readouterr().out
    assert not (folder / "run/solution.png").exists()
    assert (folder / "run/report.html").is_file()
    assert main(["resume", "run"]) == 0
    metrics = json.loads((folder / "run/metrics.json").read_text())
    manifest = json.loads((folder / "run/manifest.json").read_text())
    assert metrics["status"] == "converged"
    assert metrics["relative_l2"]["u"] < 1e-8
    assert (metrics["seed"], manifest["options"]["time_limit"]) == (4, 50.0)
    assert manifest["options"]["device"] == "cpu"
    rows = (folder / "run/history.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == [str(k + 1) for k in range(len(rows) - 1)]
    assert (folder / "run/solution.png").is_file()
    # It met the tolerance of its recipe, and is over.
    assert main(["resume", "run"]) == 2
    assert "--rtol" in capsys.readouterr().err
    assert main(["resume", "run", "--rtol", "1e-11", "--quiet"]) == 0
    assert json.loads((folder / "run/metrics.json").read_text())["estimated_error"]["u"] < 1e-11


def test_resume_refuses_other_folders_and_code(folder, capsys):
    assert main(["resume", "nothing"]) == 2
    assert "no run folder" in capsys.readouterr().err
    (folder / "run").mkdir()
    (folder / "run/manifest.json").write_text("{}")
    (folder / "run/problem.py").write_text("raise SystemExit")
    assert main(["resume", "run"]) == 2
    assert "--problem" in capsys.readouterr().err
    (folder / "run/problem.py").unlink()
    assert main(["resume", "run"]) == 2
    assert "no such solution" in capsys.readouterr().err
    assert main(["resume", "run", "--time-limit", "-1"]) == 2
