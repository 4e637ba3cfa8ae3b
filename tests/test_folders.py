"""What is made of a run folder: its report, exported fields, and what to cite."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import meshio
import numpy as np
import pytest

import gmnm_pde as gp
from gmnm_pde import catalog
from gmnm_pde.cli import main
from gmnm_pde.config import load_problem, load_recipe
from gmnm_pde.methods import METHODS
from gmnm_pde.networks import NETWORKS
from gmnm_pde.papers import OF_METHODS, OF_PROBLEMS, PAPERS, behind
from gmnm_pde.report.export import export

MINE = """
name: mine
description: "<b>bold</b> & {{ 7 * 7 }}"
coordinates: [x]
unknowns: [u]
domain: {interval: [0, 1]}
equations: [u_xx = -pi^2*sin(pi*x)]
conditions: [{at: boundary, equation: u = 0}]
"""


class Elements(HTMLParser):
    """Elements with their attributes, in order, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """Runs with an exact solution, without one, and in time."""
    place = tmp_path_factory.mktemp("place")
    (place / "mine.yaml").write_text(MINE)
    for arguments in (["poisson", "--out", "poisson"], ["mine.yaml", "--out", "mine"]):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(place)
            assert main(["solve", *arguments, "--rtol", "1e-4", "--quiet"]) == 0
    return place


# ------------------------------------------------------------------------------ report.html


def test_the_report_is_one_file_that_needs_nothing_else(solved):
    text = (solved / "poisson/report.html").read_text()
    elements = Elements(text).found
    sources = [value for _, found in elements for key, value in found.items() if key == "src"]
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in elements}
    # Nothing is loaded: no address but those inside texts that are shown.
    assert not re.search(r"(?:href|src|url)\s*[=(]\s*[\"']?(?!data:)\w+:", text)
    assert "default-src 'none'" in text


def test_the_report_shows_problem_figures_history_and_manifest(solved):
    text = " ".join(Elements((solved / "poisson/report.html").read_text()).text)
    metrics = json.loads((solved / "poisson/metrics.json").read_text())
    assert f"{metrics['relative_l2']['u']:.2e}" in text
    assert metrics["reason"] in text
    assert (solved / "poisson/problem.yaml").read_text().strip() in text
    for words in ("against the exact solution", "residual rms", "torch", "seed", "not an error"):
        assert words in text


def test_texts_of_others_are_not_markup(solved):
    page = (solved / "mine/report.html").read_text()
    elements = Elements(page)
    assert "b" not in {tag for tag, _ in elements.found}
    assert "<b>bold</b> & {{ 7 * 7 }}" in "".join(elements.text)
    assert "there is no reference" in page
    assert "Python code" not in page


def test_the_report_is_written_again(solved, capsys):
    path = solved / "mine/report.html"
    before = path.read_text()
    path.unlink()
    assert main(["report", str(solved / "mine")]) == 0
    assert capsys.readouterr().out == f"wrote {path}\n"
    assert path.read_text() == before
    assert main(["report", str(solved)]) == 2
    assert "no run folder" in capsys.readouterr().err


def test_a_damaged_folder_is_one_message(solved, tmp_path, capsys):
    (tmp_path / "manifest.json").write_text("{}")
    assert main(["report", str(tmp_path)]) == 2
    assert "metrics.json" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text("[")
    assert main(["report", str(tmp_path)]) == 2
    assert "manifest.json" in capsys.readouterr().err


# ----------------------------------------------------------------------------------- export


def columns(path: Path) -> dict[str, np.ndarray]:
    with path.open() as stream:
        rows = list(csv.reader(stream))
    return dict(zip(rows[0], np.array(rows[1:], dtype=float).T, strict=True))


def test_csv_and_npz_hold_what_the_vtu_holds(solved, capsys):
    run = solved / "poisson"
    for kind in ("csv", "npz", "vtu"):
        assert main(["export", str(run), "--format", kind]) == 0
        assert capsys.readouterr().out == f"wrote {run / f'fields.{kind}'}\n"
    table = columns(run / "fields.csv")
    assert list(table) == ["x", "y", "u", "u_reference", "u_error"]
    grid = meshio.read(run / "fields.vtu")
    with np.load(run / "fields.npz") as arrays:
        assert set(arrays) == {*table, "cells"}
        for name, column in table.items():
            assert np.array_equal(arrays[name], column)
        assert np.array_equal(arrays["cells"], grid.cells[0].data)
    assert np.array_equal(grid.point_data["u"], table["u"])
    assert np.array_equal(grid.points[:, :2], np.stack([table["x"], table["y"]], 1))
    solution = gp.load(run)
    assert np.allclose(solution(np.stack([table["x"], table["y"]], 1))[:, 0], table["u"])
    assert np.abs(table["u_error"]).max() < 1e-3
    assert table["x"].min() == -1.0
    assert table["x"].max() == 1.0


def test_without_a_reference_there_are_residuals(solved):
    assert main(["export", str(solved / "mine"), "--format", "csv"]) == 0
    table = columns(solved / "mine/fields.csv")
    assert list(table) == ["x", "u", "residual"]
    assert np.abs(table["residual"]).max() < 0.1


def test_a_series_in_time_is_one_table(tmp_path):
    solution = gp.solve("heat", rtol=1e-2, device="cpu")
    folder = tmp_path / "run"
    folder.mkdir()
    export(solution, folder / "heat.csv", "csv")
    table = columns(folder / "heat.csv")
    assert list(table)[:4] == ["x", "y", "t", "u"]
    assert len(np.unique(table["t"])) == 21


def test_more_dimensions_than_a_mesh_has(tmp_path):
    box = gp.Box([(0, 1)] * 4)
    solution = gp.Solution(
        network=gp.GMNM.random(4, 3),
        problem=gp.Problem("abcd", "u", box, [lambda u, a, b, c, d: u]),
        coordinates=tuple("abcd"),
        unknowns=("u",),
        status="stopped",
        reason="",
        estimated_error={},
        history=(),
        seconds=0.0,
        seconds_total=0.0,
        device="cpu",
        dtype="float64",
        seed=0,
    )
    export(solution, tmp_path / "u.npz", "npz")
    with np.load(tmp_path / "u.npz") as arrays:
        assert arrays["d"].shape == arrays["u"].shape == (20_000,)
        assert "cells" not in arrays
    with pytest.raises(gp.InputError, match="three dimensions"):
        export(solution, tmp_path / "u.vtu", "vtu")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "vtk"], "'vtu'"),
        (["--format", "csv", "--out", "no/folder/u.csv"], "cannot be written"),
    ],
)
def test_export_refuses(arguments, words, solved, capsys, monkeypatch):
    monkeypatch.chdir(solved)
    assert main(["export", "mine", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert main(["export", "."]) == 2


# ------------------------------------------------------------------------------------- cite


def test_every_paper_can_be_found_and_is_used():
    problems = [load_problem(name).problem for name in catalog.names("problems")]
    recipes = [load_recipe(name) for name in catalog.names("solvers")]
    used = {key for problem in problems for recipe in recipes for key in behind(problem, recipe)}
    listed = {key for group in (OF_METHODS, OF_PROBLEMS) for keys in group.values() for key in keys}
    assert used <= PAPERS.keys()
    assert listed <= PAPERS.keys()
    for key, paper in PAPERS.items():
        assert paper.doi or paper.arxiv, key
        assert paper.authors
        assert 1800 < paper.year < 2030
    assert set(OF_PROBLEMS) <= set(catalog.names("problems"))
    # A recipe of this package is never without its paper.
    assert all(behind(problems[0], recipe) for recipe in recipes)
    assert METHODS
    assert NETWORKS


def test_cite_prints_bibtex_that_is_balanced(capsys):
    assert main(["cite", "burgers"]) == 0
    text = capsys.readouterr().out
    entries = re.findall(r"^@(\w+)\{(\w+),$", text, re.MULTILINE)
    assert ("misc", "gmnm") in entries
    assert ("article", "basdevant1986") in entries
    assert text.count("{") == text.count("}")
    assert main(["cite", "burgers", "--format", "text"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(entries)
    assert "https://arxiv.org/abs/2510.06660" in lines[0]


def test_cite_names_the_methods_of_another_recipe(capsys):
    assert main(["cite", "poisson", "--solver", "gmnm-small"]) == 0
    text = capsys.readouterr().out
    assert "kaufman1975" in text
    assert "adcock2022" not in text
    assert main(["cite", "poisson", "--format", "ris"]) == 2
    assert main(["cite", "poison"]) == 2
