"""Pydantic's findings in our words: one error with its file, line, key and mend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from gmnm_pde.config.schema import shown
from gmnm_pde.config.source import KeyPath, Place, Source
from gmnm_pde.errors import InputError, suggest

Model = TypeVar("Model", bound=BaseModel)

_TYPES = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
}
_LIMITS = {"greater_than": ("gt", "greater than"), "greater_than_equal": ("ge", "at least")}
_LIMITS |= {"less_than": ("lt", "less than"), "less_than_equal": ("le", "at most")}
_LIMITS |= {"multiple_of": ("multiple_of", "a multiple of")}
_TAG = re.compile(r"([a-z-]+)?\[.*\]")


def validate(
    model: type[Model], data: Any, source: Source, prefix: KeyPath = (), *, json: str | None = None
) -> Model:
    """The data as a model.

    Arguments:
        model: what is expected.
        data: plain values, a part of ``source.data``.
        source: says where values stand.
        prefix: where in the source the data stands.
        json: the same data as JSON, whose lists may become tuples.

    Raises:
        InputError: the first finding, and how many more there are.
    """
    try:
        return model.model_validate(data) if json is None else model.model_validate_json(json)
    except ValidationError as error:
        findings = error.errors(include_url=False)
    # An unknown key is usually a misspelt one and the cause of the other findings.
    findings.sort(key=lambda finding: finding["type"] != "extra_forbidden")
    first = _translate(findings[0], model, source, prefix)
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    raise InputError(
        first.message,
        mend=(first.mend + more).strip(),
        file=first.file,
        line=first.line,
        key=first.key,
    )


def _translate(
    finding: Mapping[str, Any], model: type[BaseModel], source: Source, prefix: KeyPath
) -> InputError:
    location: KeyPath = tuple(part for part in finding["loc"] if not _is_tag(part))
    place = source.place((*prefix, *location))
    kind, value, context = finding["type"], finding["input"], finding.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(location, place, model)
    if kind == "missing":
        key = str(location[-1])
        return place.error(f"the key `{key}` is missing.", f"Add `{key}:`.")
    if kind == "value_error":
        cause = context["error"]
        if isinstance(cause, InputError):
            return place.error(cause.message, cause.mend)
        return place.error(str(cause))
    if kind == "string_pattern_mismatch":
        message = f"{shown(value)} may hold small letters, digits and hyphens only."
        return place.error(message, "Write for example `name: my-problem`.")
    if kind in _TYPES:
        return place.error(f"expected {_TYPES[kind]}, not {shown(value)}.")
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return place.error(f"{shown(value)} must be {words} {context[name]}.")
    if kind in ("too_short", "too_long"):
        least = kind == "too_short"
        bound = context["min_length" if least else "max_length"]
        words = f"at {'least' if least else 'most'} {bound}"
        return place.error(f"expected {words} entries, not {context['actual_length']}.")
    if kind == "literal_error":
        return place.error(f"expected {context['expected']}, not {shown(value)}.")
    return place.error(f"{finding['msg'][0].lower()}{finding['msg'][1:]}, not {shown(value)}.")


def _is_tag(part: str | int) -> bool:
    """Whether a part of a location is no key of the file, but says how a value was taken."""
    return isinstance(part, str) and _TAG.fullmatch(part) is not None


def _unknown_key(location: KeyPath, place: Place, model: type[BaseModel]) -> InputError:
    key = str(location[-1])
    known = _model_at(model, location[:-1]).model_fields
    return place.error(f"unknown key `{key[:80]}`.", suggest(key, known))


def _model_at(model: type[BaseModel], location: KeyPath) -> type[BaseModel]:
    """The model a part of the data is read as."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _first_model(model.model_fields[part].annotation) or model
    return model


def _first_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = _first_model(part)
        if found is not None:
            return found
    return None
