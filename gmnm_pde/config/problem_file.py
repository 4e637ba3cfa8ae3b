"""A problem file as a :class:`Problem`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from gmnm_pde.catalog import SUFFIXES, find
from gmnm_pde.config import schema
from gmnm_pde.config.builder import Builder
from gmnm_pde.config.files import files_named, renamed
from gmnm_pde.config.overrides import override
from gmnm_pde.config.python_file import CODE, run_problem, running
from gmnm_pde.config.recipe_file import (
    DEFAULT_RECIPE,
    load_recipe,
    recipe_data,
    recipe_from,
    recipe_source,
)
from gmnm_pde.config.source import KeyPath, Source
from gmnm_pde.config.validation import validate
from gmnm_pde.config.yaml_source import read_yaml
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem
from gmnm_pde.recipe import Recipe

_UNNAMED = next(item.default for item in fields(Problem) if item.name == "name")


@dataclass(frozen=True)
class ProblemFile:
    """A problem and the file it came from.

    Arguments:
        problem: what is solved.
        source: the file's values as resolved, with every ``--set`` applied; of Python code the
            solver only.
        path: the file.
        solver: the recipe that the file asks for: its name, in place, made by code, or None.
        origin: says where values stand.
    """

    problem: Problem
    source: Mapping[str, Any]
    path: Path
    solver: str | Mapping[str, Any] | Recipe | None
    origin: Source

    @property
    def is_code(self) -> bool:
        """Whether it is Python and not YAML."""
        return self.path.suffix == CODE

    @property
    def files(self) -> dict[KeyPath, Path]:
        """The files that it reads, by the place of their names."""
        named = files_named(self.source)
        return {place: self.path.parent / name for place, name in named.items()}

    @property
    def data_file(self) -> Path | None:
        """The file of measurements."""
        return self.files.get(("data", "file"))

    @property
    def reference_file(self) -> Path | None:
        """The file that the solution is compared with."""
        return self.files.get(("reference", "file"))

    def running(self) -> AbstractContextManager[None]:
        """Around whatever calls the problem's functions: what Python code of the file raises
        becomes a :class:`CodeError`."""
        return running(self.path) if self.is_code else nullcontext()

    def locate(self, path: KeyPath, error: InputError) -> InputError:
        """An error about a part of the problem with its file, line and key."""
        return self.origin.place(path).locate(error)

    def recipe(self) -> Recipe:
        """The recipe that the file asks for, or the default one.

        Raises:
            InputError: not found, or what is wrong in it.
        """
        if isinstance(self.solver, Recipe):
            return self.solver
        if isinstance(self.solver, Mapping):
            return recipe_from(self.origin, ("solver",))
        try:
            return load_recipe(self.solver)
        except InputError as error:
            if error.file is None and self.solver is not None:
                raise self.locate(("solver",), error) from None
            raise


def load_problem(name_or_path: str | Path, overrides: Sequence[str] = ()) -> ProblemFile:
    """A problem by its name in the catalogue or by path.

    Arguments:
        name_or_path: ``poisson``, ``my/problem.yaml`` or ``my/problem.py``, which is run.
        overrides: ``PATH=VALUE`` settings, applied in turn.

    Raises:
        InputError: not found, or what is wrong in it with file, line, key and the mend.
    """
    path = find("problems", name_or_path)
    if path.suffix == CODE:
        return _from_code(path, overrides)
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"a problem is a .yaml or a .py file, and this is a {path.suffix or 'nameless'} one.",
            mend="Write the problem in YAML, or in Python as a file that defines `problem()`.",
            file=path,
        )
    source = read_yaml(path)
    changes_recipe = any(setting.strip().startswith("solver.") for setting in overrides)
    if changes_recipe and source.data.get("solver") is None:
        source.data["solver"] = DEFAULT_RECIPE
    source = override(source, overrides, recipe_source)
    model = validate(schema.ProblemFile, source.data, source)
    if not (model.solver is None or isinstance(model.solver, str | dict)):
        raise source.place(("solver",)).error(
            f"expected a recipe's name or a recipe in place, not {schema.shown(model.solver)}.",
            "Write for example `solver: gmnm`.",
        )
    problem = Builder(source, model, path.parent).problem()
    return ProblemFile(problem, source.data, path, model.solver, source)


def _from_code(path: Path, overrides: Sequence[str]) -> ProblemFile:
    """A problem in Python. Of its values only the solver can be replaced."""
    for setting in overrides:
        if setting.partition("=")[0].strip().split(".")[0] != "solver":
            raise InputError(
                f"--set {setting}: a problem in Python has no values to replace.",
                mend="Only `solver` can be set; change the file for the rest.",
                file=path,
            )
    problem, recipe = run_problem(path)
    if problem.name == _UNNAMED:
        problem = replace(problem, name=path.stem)
    if not overrides:
        return ProblemFile(problem, {}, path, recipe, Source({}, str(path)))
    start = DEFAULT_RECIPE if recipe is None else recipe_data(recipe)
    source = override(Source({"solver": start}, str(path)), overrides, recipe_source)
    return ProblemFile(problem, source.data, path, source.data["solver"], source)


def problem_text(file: ProblemFile, names: Mapping[KeyPath, str] | None = None) -> str:
    """The resolved problem as YAML that :func:`load_problem` reads again.

    Arguments:
        file: the problem, which is not code.
        names: where the files that it reads will lie, relative to the new file.
    """
    return dump(renamed(file.source, names or {}))


def dump(values: Mapping[str, Any]) -> str:
    """Plain values as YAML, in the order given."""
    return str(
        yaml.dump(
            dict(values),
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=100_000,
            default_flow_style=None,
        )
    )


class _Dumper(yaml.SafeDumper):
    """Lists and mappings of scalars on one line, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
