"""The ``infer:`` section."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from gmnm_pde.config import schema
from gmnm_pde.config.domains import DomainReader, located
from gmnm_pde.config.names import Names
from gmnm_pde.config.source import KeyPath
from gmnm_pde.inferred import CoefficientField, Constant, Inferred


def inferred_from(
    model: Mapping[str, schema.Infer], names: Names, reader: DomainReader
) -> dict[str, Inferred]:
    """Constants and fields by name. Raises InputError with line and key."""
    return {
        name: located(names.source, ("infer", name), partial(_one, name, item, reader))
        for name, item in model.items()
    }


def _one(name: str, item: schema.Infer, reader: DomainReader) -> Inferred:
    path: KeyPath = ("infer", name)
    initial = 1.0 if item.initial is None else reader.number(item.initial, (*path, "initial"))
    bounds = _bounds(item, reader, (*path, "bounds"))
    if item.kind == "constant":
        return Constant(initial, bounds)
    cells = CoefficientField.cells if item.cells is None else item.cells
    return CoefficientField(initial, bounds, cells)


def _bounds(
    item: schema.Infer, reader: DomainReader, path: KeyPath
) -> tuple[float | None, float | None] | None:
    if item.bounds is None:
        return None
    low, high = (
        None if value is None else reader.number(value, (*path, index))
        for index, value in enumerate(item.bounds)
    )
    return low, high
