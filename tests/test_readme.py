"""The README and the guides: code runs, files exist, messages are what is really said."""

from __future__ import annotations

import ast
import inspect
import re
import runpy
import shlex
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gmnm_pde import runs
from gmnm_pde.checks import check
from gmnm_pde.cli import main
from gmnm_pde.config import load_problem
from gmnm_pde.errors import InputError
from gmnm_pde.solve import solve

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
GUIDE = ROOT / "docs" / "problem-file.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = (
    README,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "problems" / "README.md",
    ROOT / "solvers" / "README.md",
)
FOLDERS = ("docs", "gmnm_pde", "problems", "solvers", "tests", "validation")


class Snippet(NamedTuple):
    """A fenced block: what stands after its backticks, its text and its line."""

    info: str
    text: str
    line: int


def snippets(page: Path, kind: str = "") -> list[Snippet]:
    """The fenced blocks of a page whose first word is ``kind``, or all of them."""
    found = re.finditer(r"^```(\w.*)\n((?:(?!```).*\n)*)^```$", page.read_text(), re.MULTILINE)
    blocks = [
        Snippet(match[1], match[2], match.string.count("\n", 0, match.start()) + 1)
        for match in found
    ]
    return [block for block in blocks if block.info.split()[0] == kind or not kind]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def at_line(block: Snippet) -> str:
    return f"line-{block.line}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# the README


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) < 100


@pytest.mark.parametrize("block", snippets(README, "python"), ids=at_line)
def test_python_of_the_readme_runs(block: Snippet, folder, capsys):
    script = folder / "example.py"
    script.write_text(block.text)
    names = runpy.run_path(str(script))
    assert capsys.readouterr().out
    solution = names["solution"]
    assert solution.status == "converged"
    assert solution.errors.relative_l2["u"] < 1e-8


def commands() -> Iterator[tuple[str, list[str]]]:
    """The commands of the README, each with the output that it shows."""
    command, output = "", []
    for block in snippets(README, "console"):
        for line in [*block.text.splitlines(), "$ "]:
            if not line.startswith("$ "):
                output.append(line)
                continue
            if command:
                yield command, output
            command, output = line[2:].partition("#")[0].strip(), []


def label(line: str) -> str:
    """The words of a line of output before its figures."""
    return re.split(r"\s{2,}|[0-9]", line)[0].strip()


def test_the_commands_of_the_readme_run(folder, capsys, monkeypatch):
    # Pictures have their own tests and would take most of the time.
    monkeypatch.setattr(runs, "write_pictures", lambda folder, solution: None)
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    ours = 0
    for command, shown in commands():
        program, *arguments = shlex.split(command)
        if program == "make":
            assert arguments[0] in targets
            continue
        assert program == "gmnm-pde"
        ours += 1
        assert main(arguments) == 0, command
        printed = [label(line) for line in capsys.readouterr().out.splitlines()]
        for line in shown:
            assert label(line) in printed, line
    assert ours >= 4


def test_the_results_stand_between_their_marks():
    between = README.read_text().partition("<!-- results:begin -->")[2]
    table = between.partition("<!-- results:end -->")[0].strip().splitlines()
    assert any(line.startswith("|---") for line in table)
    assert any("core" in line or "thread" in line for line in table), "the machine is not named"


# links and names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text).strip().lower().replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path):
    for name in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`", page.read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_place_of_one_machine(page: Path):
    assert not re.search(r"(?<![\w.])/(?:work|tmp|home|root|usr)\b", page.read_text())


def dotted_names() -> list[str]:
    """Names such as ``assembly.weight_rows`` in the page on the architecture."""
    found = re.findall(r"`([a-z_]+(?:\.\w+)+)(?:\(\))?`", ARCHITECTURE.read_text())
    endings = ("py", "yaml", "json", "csv", "png", "vtu", "npz", "md", "txt", "toml")
    return sorted({name for name in found if name.rpartition(".")[2] not in endings})


@pytest.mark.parametrize("name", dotted_names())
def test_the_architecture_names_what_is_there(name: str):
    resolved(name)


def layers() -> list[list[str]]:
    """The modules and packages that the architecture lists, from those that use nothing on."""
    text = ARCHITECTURE.read_text().partition("## Who depends on whom")[2].partition("\n## ")[0]
    lines = re.findall(r"^    (\w+/?(?:, \w+/?)*)(?:   .*)?$", text, re.MULTILINE)
    return [line.replace("/", "").split(", ") for line in lines]


def imported(file: Path) -> set[str]:
    """What a file takes from the package when it is loaded itself."""
    names = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gmnm_pde."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "gmnm_pde":
            names |= {alias.name for alias in node.names}
    return names


def test_the_architecture_says_who_depends_on_whom():
    package = ROOT / "gmnm_pde"
    place = {name: number for number, line in enumerate(layers()) for name in line}
    there = {path.stem for path in package.iterdir() if path.suffix == ".py"} - {"__init__"}
    there |= {path.parent.name for path in package.glob("*/__init__.py")}
    assert set(place) == there
    assert sum(map(len, layers())) == len(place)
    for file in package.rglob("*.py"):
        name = file.relative_to(package).with_suffix("").parts[0]
        for other in imported(file) & set(place) - {name}:
            if name != "__init__":
                assert place[other] < place[name], f"{file} uses {other}"


def resolved(name: str) -> Any:
    """The module, class, function or field that a dotted name inside the package stands for."""
    path, rest = "gmnm_pde", name.split(".")
    while rest and find_spec(f"{path}.{rest[0]}") is not None:
        path = f"{path}.{rest.pop(0)}"
        if not hasattr(import_module(path), "__path__"):
            break
    assert path != "gmnm_pde", f"there is no module {name!r}"
    thing: Any = import_module(path)
    for part in rest:
        if inspect.isclass(thing) and part in getattr(thing, "__annotations__", {}):
            return None
        thing = getattr(thing, part)
    return thing


# the guide to the problem file

BASE = snippets(GUIDE, "yaml")[0]


def problem_of(block: Snippet, folder: Path) -> Path:
    """The file that a snippet stands for, with the measurements of the guide beside it."""
    for name in ("observations.csv", "reference.csv"):
        (folder / name).write_text(snippets(GUIDE, "csv")[0].text)
    for own in snippets(TUTORIAL, "csv"):
        (folder / own.info.split()[1]).write_text(own.text)
    file = folder / "problem.yaml"
    file.write_text(block.text if block.info == "yaml whole" else spliced(BASE.text, block.text))
    return file


def spliced(whole: str, part: str) -> str:
    """A file with some of its keys replaced in place by those of a part; new ones come last."""
    sections, given = by_key(whole), by_key(part)
    return "".join({**sections, **given}.values())


def by_key(text: str) -> dict[str, str]:
    """The lines of each key of the top level."""
    parts = re.split(r"^(?=\w)", text, flags=re.MULTILINE)
    return {part.partition(":")[0]: part for part in parts if part}


def understand(path: Path) -> None:
    """Everything that `gmnm-pde check` does."""
    file = load_problem(path)
    check(file.problem, file.locate)
    file.recipe()


def test_python_of_the_guide_is_a_problem(folder, capsys):
    (block,) = snippets(GUIDE, "python")
    (folder / "mine.py").write_text(block.text)
    assert main(["check", "mine.py"]) == 0
    assert "order 1 in time, 2 in space, nonlinear" in capsys.readouterr().out


def guide(refused: bool) -> list[Snippet]:
    return [block for block in snippets(GUIDE, "yaml") if (block.info == "yaml refused") == refused]


@pytest.mark.parametrize("block", snippets(TUTORIAL, "yaml"), ids=at_line)
def test_examples_of_the_tutorial_are_understood(block, tmp_path):
    understand(problem_of(block, tmp_path))


@pytest.mark.parametrize("block", guide(refused=False), ids=at_line)
def test_examples_of_the_guide_are_understood(block: Snippet, folder):
    understand(problem_of(block, folder))


def test_the_integral_in_an_equation_is_solved(folder):
    (block,) = [block for block in guide(refused=False) if "name: nonlocal" in block.text]
    solution = solve(problem_of(block, folder), rtol=1e-8)
    assert max(solution.errors.relative_l2.values()) < 1e-8


@pytest.mark.parametrize("block", guide(refused=True), ids=at_line)
def test_what_the_guide_says_is_refused(block: Snippet, folder):
    following = [other for other in snippets(GUIDE) if other.line > block.line]
    assert following[0].info == "text"
    file = problem_of(block, folder).relative_to(folder)
    with pytest.raises(InputError) as refusal:
        understand(file)
    # Which sample point is named first is not the guide's business.
    given, said = (
        re.sub(r"\b([xy]) = [-\d.]+\d", r"\1 = ...", text)
        for text in (following[0].text.strip(), str(refusal.value))
    )
    assert said == given


def test_every_key_of_the_schema_is_in_the_guide():
    from gmnm_pde.config import schema
    from gmnm_pde.expressions import FUNCTIONS
    from gmnm_pde.geometry import SAMPLERS
    from gmnm_pde.methods import METHODS
    from gmnm_pde.networks import NETWORKS

    text = GUIDE.read_text()
    models = (schema.ProblemFile, schema.Domain, schema.Condition, schema.Data, schema.Sampling)
    models += (schema.Infer,)
    keys = {key for model in models for key in model.model_fields}
    keys |= {*schema.Reference.model_fields, *schema.FiniteDifference.model_fields}
    keys |= {*schema.Spectral.model_fields}
    keys |= {*SAMPLERS, *FUNCTIONS, *METHODS, *NETWORKS}
    for options in (*METHODS.values(), *NETWORKS.values()):
        keys |= set(inspect.signature(options).parameters)
    missing = {key for key in keys if not re.search(rf"\b{key}\b", text)}
    assert not missing
