"""A problem file as a :class:`Problem`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gmnm_pde.catalog import SUFFIXES, find
from gmnm_pde.config import schema
from gmnm_pde.config.builder import Builder
from gmnm_pde.config.overrides import override
from gmnm_pde.config.recipe_file import DEFAULT_RECIPE, load_recipe, recipe_from, recipe_source
from gmnm_pde.config.source import KeyPath, Source
from gmnm_pde.config.validation import validate
from gmnm_pde.config.yaml_source import read_yaml
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem
from gmnm_pde.recipe import Recipe


@dataclass(frozen=True)
class ProblemFile:
    """A problem and the file it came from.

    Arguments:
        problem: what is solved.
        source: the file's values as resolved, with every ``--set`` applied.
        path: the file.
        solver: the recipe that the file asks for: its name, in place, or None.
        origin: says where values stand.
    """

    problem: Problem
    source: Mapping[str, Any]
    path: Path
    solver: str | Mapping[str, Any] | None
    origin: Source

    @property
    def data_file(self) -> Path | None:
        """The file of measurements."""
        data = self.source.get("data")
        return None if data is None else self.path.parent / data["file"]

    def locate(self, path: KeyPath, error: InputError) -> InputError:
        """An error about a part of the problem with its file, line and key."""
        return self.origin.place(path).locate(error)

    def recipe(self) -> Recipe:
        """The recipe that the file asks for, or the default one.

        Raises:
            InputError: not found, or what is wrong in it.
        """
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
        name_or_path: ``poisson`` or ``my/problem.yaml``.
        overrides: ``PATH=VALUE`` settings, applied in turn.

    Raises:
        InputError: not found, or what is wrong in it with file, line, key and the mend.
    """
    path = find("problems", name_or_path)
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"a problem is a .yaml file, and this is a {path.suffix or 'nameless'} one.",
            mend="Write the problem in YAML, or call gmnm_pde.solve from Python.",
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


def problem_text(file: ProblemFile, data_name: str | None = None) -> str:
    """The resolved problem as YAML that :func:`load_problem` reads again.

    Arguments:
        file: the problem.
        data_name: where the measurements will lie, relative to the new file.
    """
    values = copy.deepcopy(dict(file.source))
    if "data" in values and values["data"] is not None and data_name is not None:
        values["data"]["file"] = data_name
    return dump(values)


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
