"""Problems as Python code: found, run by path, checked and solved; what their code raises."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import gmnm_pde as gp
from gmnm_pde import catalog, runs
from gmnm_pde.cli import main
from gmnm_pde.config import load_problem
from gmnm_pde.errors import CodeError

# Forward-mode differentiation loads a part of torch that still calls its own torch.jit.script.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

HEAD = '''\
"""Poisson on an interval. And more words."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

import gmnm_pde as gp

'''

PROBLEM = """
def problem():
    return gp.Problem(
        "x", "u", gp.Interval(0, 1),
        [lambda u, x: u.xx + torch.pi**2 * torch.sin(torch.pi * x)],
        [gp.Dirichlet("boundary")],
        reference=gp.Exact({"u": lambda x: torch.sin(torch.pi * x)}),
    )
"""

NETWORK = """
class Bells(gp.LinearOutputNetwork):
    def __init__(self, mu, widths, n_outputs):
        super().__init__()
        self.mu, self.widths = nn.Parameter(mu), nn.Parameter(widths)
        self.weights = nn.Parameter(mu.new_zeros(len(mu), n_outputs))
        self.n_inputs, self.n_outputs = mu.shape[1], n_outputs

    @property
    def output_weights(self):
        return self.weights

    @property
    def inner_parameters(self):
        return ("mu", "widths")

    def set_output_weights(self, weights):
        with torch.no_grad():
            self.weights.copy_(weights)

    def features(self, points):
        z = (points[:, None] - self.mu) * self.widths
        return torch.exp(-z.square().sum(2) / 2)


@dataclass(frozen=True)
class BellsSpec(gp.PlacedSpec):
    def build(self, mu, inverse_widths, n_outputs):
        return Bells(mu, inverse_widths, n_outputs)


def solver():
    return gp.Recipe(network=BellsSpec(), methods=(gp.LeastSquares(),), rtol=1e-6)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current directory, without pictures, which have their own tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "write_pictures", lambda folder, solution: [])
    return tmp_path


def write(folder: Path, *parts: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text("".join(parts))
    return path


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_problem_is_what_its_function_returns(folder):
    file = load_problem(write(folder, HEAD, PROBLEM))
    assert file.problem.name == "mine"
    assert file.problem.domain == gp.Interval(0, 1)
    assert file.is_code
    assert file.data_file is None
    assert file.recipe().name == "gmnm"


def test_nothing_is_written_beside_it_and_nothing_becomes_importable(folder):
    before = list(sys.path)
    path = write(folder, HEAD, PROBLEM)
    load_problem(path)
    assert names(folder) == {"mine.py"}
    assert sys.path == before
    assert "mine" not in sys.modules


def test_two_files_of_one_name_are_two_problems(folder):
    (folder / "other").mkdir()
    write(folder, HEAD, PROBLEM)
    write(folder / "other", HEAD, PROBLEM.replace("Interval(0, 1)", "Interval(0, 2)"))
    assert load_problem("mine.py").problem.domain == gp.Interval(0, 1)
    assert load_problem("other/mine.py").problem.domain == gp.Interval(0, 2)


def test_a_changed_file_is_read_again(folder):
    path = write(folder, HEAD, PROBLEM)
    load_problem(path)
    write(folder, HEAD, PROBLEM.replace("Interval(0, 1)", "Interval(0, 2)"))
    assert load_problem(path).problem.domain == gp.Interval(0, 2)


def test_the_command_checks_and_solves_it(folder, capsys):
    write(folder, HEAD, PROBLEM)
    assert main(["check", "mine.py"]) == 0
    out = capsys.readouterr().out
    assert "order 2, linear, elliptic" in out
    assert names(folder) == {"mine.py"}
    assert main(["solve", "mine.py", "--rtol", "1e-6", "--out", "run"]) == 0
    assert (folder / "run" / "problem.py").read_text() == HEAD + PROBLEM
    assert not (folder / "run" / "problem.yaml").exists()
    assert (folder / "run" / "solver.yaml").is_file()
    assert main(["solve", "run/problem.py", "--rtol", "1e-4", "--out", "run"]) == 0
    assert (folder / "run" / "problem.py").read_text() == HEAD + PROBLEM


def test_a_run_folder_alone_never_runs_code(folder, capsys):
    write(folder, HEAD, PROBLEM)
    assert main(["solve", "mine.py", "--rtol", "1e-4", "--out", "run", "--quiet"]) == 0
    (folder / "run" / "problem.py").write_text("raise SystemExit('it ran')")
    assert gp.load("run").problem is None
    capsys.readouterr()
    assert main(["plot", "run"]) == 2
    assert "--problem" in capsys.readouterr().err
    assert main(["plot", "run", "--problem", "mine.py"]) == 0


def test_a_solve_of_the_other_kind_replaces_the_problem(folder):
    write(folder, HEAD, PROBLEM)
    assert main(["solve", "poisson", "--rtol", "1e-2", "--out", "run", "--quiet"]) == 0
    assert main(["solve", "mine.py", "--rtol", "1e-2", "--out", "run", "--quiet"]) == 0
    assert not (folder / "run" / "problem.yaml").exists()
    assert main(["solve", "poisson", "--rtol", "1e-2", "--out", "run", "--quiet"]) == 0
    assert not (folder / "run" / "problem.py").exists()


# a person's own network


def test_a_network_of_the_file(folder):
    path = write(folder, HEAD, NETWORK, PROBLEM)
    solution = gp.solve(path)
    assert type(solution.network).__name__ == "Bells"
    assert solution.status == "converged"
    assert solution.errors.relative_l2["u"] < 1e-6
    assert main(["solve", "mine.py", "--out", "run", "--quiet"]) == 0
    assert not (folder / "run" / "solver.yaml").exists()
    loaded = gp.load("run", network=solution.network, problem=load_problem(path).problem)
    points = torch.rand(5, 1, dtype=torch.float64)
    torch.testing.assert_close(loaded(points), solution(points))


def test_another_solver_goes_first(folder):
    path = write(folder, HEAD, NETWORK, PROBLEM)
    assert type(gp.solve(path, solver="gmnm", rtol=1e-3).network).__name__ == "GMNM"
    assert main(["solve", "mine.py", "--solver", "gmnm", "--rtol", "1e-3", "--out", "r"]) == 0
    assert (folder / "r" / "solver.yaml").is_file()


def test_only_the_solver_can_be_set(folder):
    path = write(folder, HEAD, PROBLEM)
    file = load_problem(path, ["solver.network.projection=full"])
    assert file.recipe().network.projection == "full"
    with pytest.raises(gp.InputError, match=r"--set parameters.k=3: .* no values to replace"):
        load_problem(path, ["parameters.k=3"])
    with pytest.raises(gp.InputError, match="BellsSpec has no name"):
        load_problem(write(folder, HEAD, NETWORK, PROBLEM), ["solver.rtol=1e-3"])


# what is refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 3", ["`problem` is missing", "def problem()"]),
        ("problem = 3", ["`problem` is not a function"]),
        ("def problem(): pass", ["returned nothing", "Return gp.Problem"]),
        ("def problem(): return 'poisson'", ["returned str", "Return gp.Problem"]),
        (HEAD + PROBLEM + "\ndef solver(): return 'gmnm'", ["solver() returned str", "gp.Recipe"]),
        (
            HEAD + PROBLEM.replace('"x", "u"', '"xy", "u"'),
            ["mine.py:14", "1 dimensions", "2 coordinates"],
        ),
    ],
)
def test_files_that_give_no_problem(text, words, folder, capsys):
    write(folder, text)
    assert main(["check", "mine.py"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    for word in ["error: mine.py", *words]:
        assert word in err


@pytest.mark.parametrize("verb", ["check", "solve"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / 0", ["line 1, in <module>", "ZeroDivisionError", "mine.py:1: the code raised"]),
        ("def problem():\n    return lost", ["line 2, in problem", "NameError: name 'lost'"]),
        ("import not_there", ["ModuleNotFoundError"]),
        ("def problem(:", ["SyntaxError", "mine.py:1"]),
        ("import sys\nsys.exit(0)", ["SystemExit", "mine.py:2"]),
        (
            HEAD + PROBLEM.replace("torch.sin(torch.pi * x)],", "wave(x)],"),
            ["in <lambda>", "NameError: name 'wave'"],
        ),
        (
            HEAD + PROBLEM + "\ndef solver():\n    raise ValueError('no idea')",
            ["in solver", "ValueError: no idea"],
        ),
    ],
)
def test_code_that_raises_shows_its_own_traceback(verb, text, words, folder, capsys):
    write(folder, text)
    assert main([verb, "mine.py"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for word in words:
        assert word in err
    assert err.splitlines()[-1].startswith("error: mine.py")
    assert str(Path(gp.__file__).parent) not in err.partition("File")[0]
    assert names(folder) == {"mine.py"}


def test_code_that_raises_while_it_is_solved(folder, capsys):
    # As long as few points are asked for all is well, so the checks pass.
    residual = "(_ for _ in ()).throw(OverflowError('many')) if len(x) > 2000 else u.xx + x"
    write(folder, HEAD, PROBLEM.replace("u.xx + torch.pi**2 * torch.sin(torch.pi * x)", residual))
    assert main(["check", "mine.py"]) == 0
    capsys.readouterr()
    assert main(["solve", "mine.py", "--set", "solver.sampling.interior=3000"]) == 2
    err = capsys.readouterr().err
    assert "OverflowError: many" in err
    assert names(folder) - {"runs"} == {"mine.py"}


def test_from_python_the_cause_is_kept(folder):
    path = write(folder, "def problem():\n    return 1 / 0")
    with pytest.raises(CodeError, match="ZeroDivisionError") as raised:
        gp.solve(path)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert "1 / 0" in raised.value.trace


def test_errors_elsewhere_pass_through(folder):
    file = load_problem(write(folder, HEAD, PROBLEM))
    with pytest.raises(KeyError), file.running():
        raise KeyError("mine")


# the catalogue


@pytest.fixture
def shelf(folder, monkeypatch):
    """A catalogue with one problem in Python."""
    place = folder / "shelf"
    place.mkdir()
    write(place, HEAD, PROBLEM, name="line.py")
    found = catalog.directories

    def directories(kind):
        return [place, *found(kind)] if kind == "problems" else found(kind)

    monkeypatch.setattr(catalog, "directories", directories)
    return place


def test_the_catalogue_lists_python_without_running_it(shelf, capsys):
    write(shelf, '"""It raises. At once."""\nraise ValueError', name="raises.py")
    assert main(["list", "problems"]) == 0
    out = capsys.readouterr().out
    assert "Poisson on an interval. And more words." in out
    assert "It raises. At once." in out
    assert "poisson-disk" in out


def test_a_name_finds_it_and_init_copies_it(shelf, folder, capsys):
    assert main(["check", "line"]) == 0
    assert load_problem("line").problem.name == "line"
    assert main(["init", "line"]) == 0
    assert (folder / "line.py").read_text() == HEAD + PROBLEM
    capsys.readouterr()
    assert main(["init", "line", "line.yaml"]) == 2
    assert "no Python file's name" in capsys.readouterr().err
    assert main(["init", "poisson", "poisson.py"]) == 2
    assert "no YAML file's name" in capsys.readouterr().err
