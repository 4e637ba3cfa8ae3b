"""``solvers/*.yaml``, or a recipe in place, as a :class:`Recipe`; and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmnm_pde.catalog import find
from gmnm_pde.config import schema
from gmnm_pde.config.options import read_options, write_options
from gmnm_pde.config.source import KeyPath, Source
from gmnm_pde.config.validation import validate
from gmnm_pde.config.yaml_source import read_yaml
from gmnm_pde.errors import InputError
from gmnm_pde.geometry.samplers import check_sampler
from gmnm_pde.methods import METHODS
from gmnm_pde.networks import NETWORKS
from gmnm_pde.problem import Sampling
from gmnm_pde.recipe import Recipe

DEFAULT_RECIPE = "gmnm"


def load_recipe(recipe: str | Path | Mapping[str, Any] | None = None) -> Recipe:
    """A recipe by catalogue name, path or in place; None is the default one.

    Raises:
        InputError: not found, or what is wrong in it with file, line and key.
    """
    if isinstance(recipe, Mapping):
        return recipe_from(Source(dict(recipe), "recipe"))
    path = find("solvers", DEFAULT_RECIPE if recipe is None else recipe)
    source = read_yaml(path)
    source.data.setdefault("name", path.stem)
    return recipe_from(source)


def recipe_source(name: str) -> dict[str, Any]:
    """A recipe of the catalogue or a path as plain values."""
    data: dict[str, Any] = read_yaml(find("solvers", name)).data
    return data


def recipe_from(source: Source, prefix: KeyPath = ()) -> Recipe:
    """The recipe that stands at a place of a file."""
    data = source.data
    for part in prefix:
        data = data[part]
    model = validate(schema.RecipeFile, data, source, prefix)
    methods = tuple(
        read_options(item, METHODS, "method", source, (*prefix, "methods", index))
        for index, item in enumerate(model.methods)
    )
    return Recipe(
        network=read_options(model.network, NETWORKS, "network", source, (*prefix, "network")),
        methods=methods,
        sampling=sampling_from(model.sampling, source, prefix),
        rtol=model.rtol,
        name=model.name or "recipe",
    )


def sampling_from(model: schema.Sampling | None, source: Source, prefix: KeyPath = ()) -> Sampling:
    """The ``sampling:`` section."""
    if model is None:
        return Sampling()
    if model.sampler is not None:
        try:
            check_sampler(model.sampler)
        except InputError as error:
            raise source.place((*prefix, "sampling", "sampler")).locate(error) from None
    return Sampling(model.interior, model.boundary, model.sampler)


def recipe_data(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values that :func:`load_recipe` reads again."""
    sampling = recipe.sampling
    given = {
        name: getattr(sampling, name)
        for name in ("interior", "boundary", "sampler")
        if getattr(sampling, name) is not None
    }
    data: dict[str, Any] = {
        "name": recipe.name,
        "network": write_options(recipe.network, NETWORKS),
        "methods": [write_options(method, METHODS) for method in recipe.methods],
    }
    if given:
        data["sampling"] = given
    if recipe.rtol is not None:
        data["rtol"] = recipe.rtol
    return data
