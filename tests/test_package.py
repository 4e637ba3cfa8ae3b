"""What is installed, what an import costs, and what the package offers."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from email.parser import Parser
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import gmnm_pde

ROOT = Path(__file__).parents[1]
CORE = {
    "torch",
    "numpy",
    "scipy",
    "jinja2",
    "matplotlib",
    "meshio",
    "pillow",
    "pydantic",
    "pyyaml",
    "typer",
    "rich",
}


def python(
    *arguments: str, cwd: Path = ROOT, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path or ROOT), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked, as an installer would put it into site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def metadata(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (path for path in archive.namelist() if path.endswith(f".dist-info/{name}"))
        return archive.read(path).decode()


# the wheel


def test_nothing_but_the_package_is_installed(wheel, installed):
    version = gmnm_pde.__version__
    assert wheel.name == f"gmnm_pde-{version}-py3-none-any.whl"
    assert {path.name for path in installed.iterdir()} == {
        "gmnm_pde",
        f"gmnm_pde-{version}.dist-info",
    }
    assert list(installed.rglob("*.pyc")) == []


def test_every_module_and_the_catalogue_are_in_the_wheel(installed):
    package = installed / "gmnm_pde"
    assert (package / "py.typed").is_file()
    for source in sorted((ROOT / "gmnm_pde").rglob("*.py")):
        assert (package / source.relative_to(ROOT / "gmnm_pde")).is_file(), source.name
    for kind in ("problems", "solvers"):
        shipped = {path.name for path in (package / "_catalog" / kind).iterdir()}
        kept = {path.name for path in (ROOT / kind).iterdir() if path.is_file()}
        assert kept == shipped
        assert any(name.endswith(".yaml") for name in shipped)


def test_the_wheel_declares_the_command_and_the_core_dependencies(wheel):
    assert "gmnm-pde = gmnm_pde.cli:main" in metadata(wheel, "entry_points.txt")
    fields = Parser().parsestr(metadata(wheel, "METADATA"))
    requirements = [Requirement(text) for text in fields.get_all("Requires-Dist", [])]
    assert {r.name.lower() for r in requirements if r.marker is None} == CORE
    assert fields["Requires-Python"] == ">=3.10"


def test_names_are_found_in_what_is_installed(installed, tmp_path):
    code = "from gmnm_pde.catalog import find; print(find('problems', 'poisson'))"
    found = Path(python("-c", code, cwd=tmp_path, path=installed).stdout.strip())
    assert found.resolve().is_relative_to(installed.resolve())
    assert list(tmp_path.iterdir()) == []


READS = {
    "poisson-mesh": "poisson-mesh.msh",
    "poisson-torus": "poisson-torus.stl",
    "gear": "gear.csv",
    "fit-data": "fit-data.csv",
}


def test_what_is_installed_is_listed_checked_and_copied(installed, tmp_path):
    """Problems in Python, and those that read meshes, surfaces, outlines and measurements."""
    code = f"""
from gmnm_pde.cli import main
assert main(["list", "problems"]) == 0
for name in {["poisson-100d", *READS]}:
    assert main(["init", name]) == 0
    assert main(["check", name]) == 0
"""
    said = python("-c", code, cwd=tmp_path, path=installed).stdout
    for name in ("poisson-100d", "heat-10d", "hjb-100d", *READS):
        assert name in said
    written = {"poisson-100d.py", *(f"{name}.yaml" for name in READS), *READS.values()}
    assert {path.name for path in tmp_path.iterdir()} == written


def test_what_is_installed_is_solved_by_name(installed, tmp_path):
    code = """
from gmnm_pde.cli import main
options = ["--time-limit", "1", "--rtol", "0.5", "--quiet", "--out"]
assert main(["solve", "heat-10d", "--solver", "gmnm-ridge", *options, "code"]) < 2
assert main(["solve", "poisson-mesh", *options, "mesh"]) < 2
assert main(["check", "mesh/problem.yaml"]) == 0
"""
    python("-c", code, cwd=tmp_path, path=installed)
    assert {path.name for path in tmp_path.iterdir()} == {"code", "mesh"}
    assert (tmp_path / "code" / "problem.py").is_file()
    copied, original = tmp_path / "mesh" / "mesh.msh", ROOT / "problems" / "poisson-mesh.msh"
    assert copied.read_bytes() == original.read_bytes()


@pytest.mark.slow
def test_a_fresh_environment_solves_by_name(wheel, tmp_path):
    home = tmp_path / "environment"
    python("-m", "venv", str(home))
    binaries = home / ("Scripts" if os.name == "nt" else "bin")
    install = [str(binaries / "python"), "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run([*install, "-c", str(ROOT / "constraints.txt")], check=True, cwd=tmp_path)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(binaries / "gmnm-pde"), "solve", "poisson", "--out", "run", "--rtol", "1e-6"]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment)
    assert (tmp_path / "run" / "metrics.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["environment", "run"]
    importable = [str(binaries / "python"), "-c", "import problems"]
    assert subprocess.run(importable, cwd=home, env=environment, capture_output=True).returncode


WITHOUT_EXTRAS = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("shapely", "trimesh", "skfem", "h5py"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from gmnm_pde.cli import main
"""


def test_the_core_is_enough_to_solve(tmp_path):
    code = """
assert main(["solve", "poisson", "--rtol", "1e-2", "--quiet", "--out", "run"]) == 0
assert main(["check", "gear"]) == 0
"""
    python("-c", WITHOUT_EXTRAS + code, cwd=tmp_path)
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        (["check", "poisson-torus"], "trimesh", "geometry"),
        (["solve", "diffusion-hole", "--rtol", "0.1", "--out", "run"], "skfem", "fem"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(command, package, extra, tmp_path):
    code = f"""
import contextlib, io
with contextlib.redirect_stderr(io.StringIO()) as said:
    code = main({command})
assert code == 2, code
assert "the package {package}, which is not installed" in said.getvalue(), said.getvalue()
assert 'pip install "gmnm-pde[{extra}]"' in said.getvalue(), said.getvalue()
"""
    python("-c", WITHOUT_EXTRAS + code, cwd=tmp_path)


# pins


def pins() -> Iterator[Requirement]:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            yield Requirement(line)


def test_constraints_are_exact_and_within_the_ranges(wheel):
    exact = list(pins())
    for pin in exact:
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert pin.url is None
    fields = Parser().parsestr(metadata(wheel, "METADATA"))
    for text in fields.get_all("Requires-Dist", []):
        wanted = Requirement(text)
        if wanted.name != "gmnm-pde":
            named = [p for p in exact if p.name.lower() == wanted.name.lower()]
            assert named, wanted.name
            for pin in named:
                (specifier,) = pin.specifier
                assert wanted.specifier.contains(specifier.version), wanted.name


def test_every_python_has_one_pin_for_each_package():
    for version in ("3.10", "3.11", "3.12", "3.13"):
        names = [
            pin.name.lower()
            for pin in pins()
            if pin.marker is None or pin.marker.evaluate({"python_version": version})
        ]
        assert len(names) == len(set(names))
        assert set(names) >= CORE


# importing


def loaded_by(code: str, names: Sequence[str]) -> set[str]:
    """Which of some modules are loaded after a piece of code."""
    check = f"import sys; {code}; print(*({set(names)!r} & set(sys.modules)))"
    return set(python("-c", check).stdout.split())


def test_importing_is_cheap_and_silent():
    heavy = ("torch", "numpy", "scipy", "matplotlib", "meshio", "pydantic")
    assert loaded_by("import gmnm_pde, gmnm_pde.errors, gmnm_pde.cli", heavy) == set()


def test_help_does_not_load_torch():
    code = """
import sys
from gmnm_pde.cli import main
try:
    main(["--help"])
except SystemExit as stop:
    assert not stop.code, stop.code
print("LOADED", *({"torch", "numpy", "scipy", "matplotlib"} & set(sys.modules)))
"""
    lines = python("-c", code).stdout.splitlines()
    assert "Usage" in "".join(lines)
    assert lines[-1].strip() == "LOADED"


# the public surface


def test_every_public_name_is_there():
    assert dir(gmnm_pde) == sorted(gmnm_pde.__all__)
    for name in gmnm_pde.__all__:
        assert getattr(gmnm_pde, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'solv'"):
        _ = gmnm_pde.solv


def test_solve_stays_the_function_when_its_module_is_imported():
    code = (
        "import gmnm_pde, gmnm_pde.solve, gmnm_pde.solution;"
        "from gmnm_pde.solve import solve;"
        "assert gmnm_pde.solve is solve"
    )
    python("-c", code)


def test_type_checkers_see_the_same_names():
    tree = ast.parse((ROOT / "gmnm_pde" / "__init__.py").read_text())
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    declared = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared == gmnm_pde._HOME
    assert {*declared, "__version__"} == set(gmnm_pde.__all__)


def test_the_catalogue_is_not_importable():
    assert find_spec("gmnm_pde._catalog") is None
    for kind in ("problems", "solvers"):
        assert list((ROOT / kind).glob("__init__.py")) == []
