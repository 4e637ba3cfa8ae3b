"""The command: verbs, exit codes, and that bad input is one clear message and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bad_inputs import CASES, EVOLUTION, GOOD, Bad, text_of

from gmnm_pde import catalog
from gmnm_pde.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def refused(arguments, capsys, folder, *words):
    """The command refuses: exit 2, one line on stderr with these words, nothing written."""
    before = files(folder)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    for word in words:
        assert word in err
    assert files(folder) == before


@pytest.mark.parametrize("verb", ["solve", "check"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_files(verb: str, case: Bad, folder, capsys):
    (folder / "demo.yaml").write_text(text_of(case))
    refused([verb, "demo.yaml"], capsys, folder, "demo.yaml", *case.words)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("x,u\n0,1\n", (":1:", "column 'y' is missing")),
        ("x,y,u\n0,0,nan\n", (":2:", "'nan'", "finite")),
        ("x,y,u\n0,0,inf\n", (":2:", "'inf'", "finite")),
        ("x,y,u\n0,0,wet\n", (":2:", "'wet'")),
        ("x,y,u\n", ("no rows",)),
        ("", ("missing",)),
    ],
)
def test_bad_measurements(rows, words, folder, capsys):
    (folder / "rows.csv").write_text(rows)
    (folder / "demo.yaml").write_text(GOOD + "data: {file: rows.csv}\n")
    refused(["solve", "demo.yaml"], capsys, folder, "rows.csv", *words)


def test_measurements_outside(folder, capsys):
    (folder / "rows.csv").write_text("x,y,u\n0,0,1\n0,3,1\n")
    (folder / "demo.yaml").write_text(GOOD + "data: {file: rows.csv}\n")
    refused(["check", "demo.yaml"], capsys, folder, "demo.yaml:13: data", "number 2", "outside")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["other/no.yaml"], ("other/no.yaml", "no such file", "Check")),
        (["demo.yml"], ("no such file", "'demo.yaml'")),
        (["poison"], ("no problem called 'poison'", "'poisson'")),
        (["."], ("folder",)),
        (["demo.yaml", "--solver", "gmmn"], ("no solver called 'gmmn'", "'gmnm'")),
        (["demo.yaml", "--solver", "my.yaml"], ("my.yaml", "no such file")),
        (["demo.yaml", "--solver", "demo.yaml"], ("unknown key",)),
        (["demo.yaml", "--rtol", "0"], ("--rtol 0", "1e-6")),
        (["demo.yaml", "--rtol", "nan"], ("--rtol nan", "1e-6")),
        (["demo.yaml", "--seed", "-1"], ("--seed -1", "whole number")),
        (["demo.yaml", "--time-limit", "-3"], ("--time-limit -3", "seconds")),
        (["demo.yaml", "--device", "gpu"], ("--device 'gpu'", "cuda")),
        (["demo.yaml", "--set", "parameters.q=1"], ("--set parameters.q=1", "Known: k")),
        (["demo.yaml", "--set", "parameters.k"], ("PATH=VALUE",)),
        (["demo.yaml", "--out", "demo.yaml/run"], ("cannot be written", "--out")),
        (["demo.yaml", "--out", "demo.yaml"], ("cannot be written", "--out")),
        (["demo.yaml", "--out", "full"], ("holds files", "--out")),
    ],
)
def test_bad_options(arguments, words, folder, capsys):
    (folder / "demo.yaml").write_text(GOOD)
    (folder / "full").mkdir()
    (folder / "full" / "letter.txt").write_text("mine")
    refused(["solve", *arguments], capsys, folder, *words)


def test_cuda_without_one(folder, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused(["solve", "poisson", "--device", "cuda"], capsys, folder, "no CUDA device", "--device")


def test_no_permission(folder, capsys, monkeypatch):
    def mkdir(self, *arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    refused(["solve", "poisson"], capsys, folder, "Permission denied", "--out")


def test_a_folder_that_cannot_be_written(folder, capsys, monkeypatch):
    def touch(self, *arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", touch)
    refused(["solve", "poisson", "--out", "a/b"], capsys, folder, "Permission denied", "--out")


@pytest.mark.parametrize(
    "arguments", [["solve"], ["solv", "poisson"], ["solve", "poisson", "--tol", "1"], ["plot"]]
)
def test_bad_usage(arguments, folder, capsys):
    assert main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert files(folder) == {}


def test_help_does_not_load_torch():
    code = (
        "import sys, gmnm_pde.cli\n"
        "assert gmnm_pde.cli.main(['--help']) == 0\n"
        "heavy = {'torch', 'numpy', 'scipy', 'matplotlib', 'pydantic', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for word in ("solve", "check", "list", "init", "plot"):
        assert word in done.stdout


def test_version(capsys):
    from gmnm_pde import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gmnm-pde {__version__}\n"


# ------------------------------------------------------------------------------------- verbs


def test_check_says_what_was_understood(folder, capsys):
    (folder / "demo.yaml").write_text(GOOD)
    assert main(["check", "demo.yaml"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for words in (
        "demo",
        "u_xx + u_yy = f  (order 2, linear, elliptic)",
        "-1 < x < 1",
        "area 4",
        "u = 0 at boundary  (selects 512 of 512 sample points)",
        "exact",
        "gmnm",
    ):
        assert words in out
    assert files(folder).keys() == {"demo.yaml"}


def test_check_says_what_evolves(folder, capsys):
    text = EVOLUTION.replace("u = sin(pi*x)}", "u = 1 - x}").replace("{k: 2}", "{k: 2, m: 1}")
    extra = "continuation: {m: [3, 2]}\nsubdomains: {}\n"
    (folder / "demo.yaml").write_text(text + extra)
    assert main(["check", "demo.yaml"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for words in (
        "u  (order 1 in time, 2 in space)",
        "-1 < x < 1; length 2",
        "0 < t < 1",
        "u_t = k*u_xx  (order 1 in time, 2 in space, linear)",
        "u = 1 - x at initial  (selects 256 of 256 sample points at the first time)",
        "u = 0 at boundary  (selects 512 of 512 sample points)",
        "1 initial, 1 on the boundary",
        "m = 3, then m = 2",
        "disagree at x = -1, t = 0",
        "a jump of 2",
    ):
        assert words in out


@pytest.mark.parametrize("name", catalog.names("problems"))
def test_check_accepts_the_catalogue(name, folder, capsys):
    assert main(["check", name]) == 0
    assert name in capsys.readouterr().out
    assert files(folder) == {}


def test_check_keeps_square_brackets(capsys):
    assert main(["check", "neumann"]) == 0
    out = capsys.readouterr().out
    assert "u_n = 0 at [left, right]" in out
    assert "pure Neumann" in out


def test_check_applies_settings(capsys):
    assert main(["check", "poisson", "--set", "domain.rectangle.x=[0, 2*pi]"]) == 0
    assert "0 < x < 6.28319" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["problems", "solvers"])
def test_list(kind, capsys):
    assert main(["list", kind]) == 0
    out = capsys.readouterr().out
    for entry in catalog.entries(kind):
        assert entry.name in out
        assert entry.description.split()[0] in out


def test_list_of_something_else(folder, capsys):
    refused(["list", "problem"], capsys, folder, "'problem'", "'problems'")


def test_init_copies_a_problem(folder, capsys):
    assert main(["init", "fit-data", "mine.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == ["wrote mine.yaml", "wrote fit-data.csv"]
    original = catalog.find("problems", "fit-data")
    assert (folder / "mine.yaml").read_bytes() == original.read_bytes()
    assert main(["check", "mine.yaml"]) == 0
    refused(
        ["init", "fit-data", "mine.yaml"],
        capsys_after(capsys),
        folder,
        "mine.yaml",
        "there already",
    )
    refused(["init", "fit-data", "other.yaml"], capsys, folder, "fit-data.csv", "there already")


def capsys_after(capsys):
    """The capture, emptied of what was printed before."""
    capsys.readouterr()
    return capsys


def test_init_without_a_file(folder, capsys):
    assert main(["init", "poisson"]) == 0
    assert (folder / "poisson.yaml").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["poison"], ("'poisson'",)),
        (["poisson", "problem.txt"], ("problem.txt", "poisson.yaml")),
        (["poisson", "no/folder/x.yaml"], ("cannot be written", "No such file")),
    ],
)
def test_init_refuses(arguments, words, folder, capsys):
    refused(["init", *arguments], capsys, folder, *words)


def test_plot_refuses_other_folders(folder, capsys):
    refused(["plot", "."], capsys, folder, "no run folder", "gmnm-pde solve")
    refused(["plot", "nothing"], capsys, folder, "nothing", "no run folder")
