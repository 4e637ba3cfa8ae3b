"""A mapping from a file as the frozen dataclass of options that a network or a method declares.

One mechanism for all of them: the dataclass is the schema. Adding an option to a network is one
field, and files, messages and the resolved recipe follow.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from gmnm_pde.config.schema import shown
from gmnm_pde.config.source import KeyPath, Source
from gmnm_pde.config.validation import validate
from gmnm_pde.errors import InputError, suggest

Options = TypeVar("Options")


def read_options(
    data: Mapping[str, Any],
    known: Mapping[str, type[Options]],
    kind: str,
    source: Source,
    prefix: KeyPath,
) -> Options:
    """``{name: gmnm, units: 64}`` -> ``GMNMSpec(units=64)``.

    Arguments:
        data: the mapping, with ``name``.
        known: names to dataclasses.
        kind: "network" or "method", for messages.
        source, prefix: where the mapping stands.

    Raises:
        InputError: an unknown name or option, or a value that does not fit.
    """
    name = data.get("name")
    if not isinstance(name, str):
        place = source.place((*prefix, "name") if "name" in data else prefix)
        given = f", not {shown(name)}" if "name" in data else ""
        raise place.error(f"a {kind} needs a `name`{given}.", f"Known: {', '.join(sorted(known))}.")
    if name not in known:
        place = source.place((*prefix, "name"))
        raise place.error(f"unknown {kind} {name!r}.", suggest(name, known))
    cls = known[name]
    options = {key: value for key, value in data.items() if key != "name"}
    # Strict in JSON's sense: lists may become tuples, but no text becomes a number.
    schema = _model(cls)  # type: ignore[arg-type]  # a class is hashable
    model = validate(schema, None, source, prefix, json=json.dumps(options))
    values = {key: getattr(model, key) for key in model.model_fields_set}
    try:
        return cls(**values)
    except InputError as error:
        raise source.place(prefix).locate(error) from None
    except ValueError as error:
        raise source.place(prefix).error(f"{kind} {name!r}: {error}") from None


def write_options(options: Any, known: Mapping[str, type]) -> dict[str, Any]:
    """The mapping that :func:`read_options` turns into these options."""
    names = [name for name, cls in known.items() if cls is type(options)]
    if not names:
        raise InputError(
            f"{type(options).__name__} has no name, so it cannot be written to a file.",
            mend=f"Known: {', '.join(sorted(known))}.",
        )
    data: dict[str, Any] = {"name": names[0]}
    for item in dataclasses.fields(options):
        value = getattr(options, item.name)
        if value is not None or item.default is not None:
            data[item.name] = list(value) if isinstance(value, tuple) else value
    return data


@cache
def _model(cls: type) -> type[BaseModel]:
    hints = get_type_hints(cls, include_extras=True)
    # Every field optional: the dataclass itself supplies what is left out.
    fields: dict[str, Any] = {
        item.name: (hints[item.name], None) for item in dataclasses.fields(cls) if item.init
    }
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(cls.__name__, __config__=config, **fields)
