"""The ``reference:`` section."""

from __future__ import annotations

from pathlib import Path

from gmnm_pde.config import schema
from gmnm_pde.config.domains import DomainReader, located
from gmnm_pde.config.finite import check_finite
from gmnm_pde.config.names import Names
from gmnm_pde.config.source import KeyPath
from gmnm_pde.errors import suggest
from gmnm_pde.expressions import residual
from gmnm_pde.geometry import Domain
from gmnm_pde.problem import Reference
from gmnm_pde.references import Exact, FiniteDifference

_PATH: KeyPath = ("reference",)


class ReferenceReader:
    """Reads what the solution is compared with.

    Arguments:
        names: what names mean.
        reader: of numbers.
        region: where the unknowns live.
        folder: what paths are relative to.
    """

    def __init__(self, names: Names, reader: DomainReader, region: Domain, folder: Path) -> None:
        self._names = names
        self._reader = reader
        self._region = region
        self._folder = folder

    def read(self, model: schema.Reference) -> Reference:
        """The reference. Raises InputError with its line and key."""
        if model.exact is not None:
            return self._exact(model.exact)
        if model.file is not None:
            return self._table(model)
        source = self._names.source
        if model.spectral is not None:
            from gmnm_pde.references import Spectral

            options = model.spectral.model_dump(exclude_none=True)
            return located(source, (*_PATH, "spectral"), lambda: Spectral(**options))
        if model.finite_element is not None:
            from gmnm_pde.references import FiniteElement

            options = model.finite_element.model_dump(exclude_none=True)
            return located(source, (*_PATH, "finite_element"), lambda: FiniteElement(**options))
        assert model.finite_difference is not None  # the schema asks for one of them
        options = model.finite_difference.model_dump(exclude_none=True)
        return located(source, (*_PATH, "finite_difference"), lambda: FiniteDifference(**options))

    def _exact(self, given: dict[str, str]) -> Exact:
        nodes = self._names.of_unknowns(
            given, (*_PATH, "exact"), "exact solution", self._names.inferred
        )
        for path, node in nodes.values():
            check_finite(self._names, "the exact solution", node, self._region, path)
        return Exact({name: residual(node) for name, (_, node) in nodes.items()})

    def _table(self, model: schema.Reference) -> Reference:
        path = self._folder / str(model.file)
        place = (*_PATH, "file")
        if not path.is_file():
            raise self._names.source.place(place).error(
                f"there is no file {model.file!r} beside the problem file.",
                "The path is relative to the problem file.",
            )
        own_error = self._own_error(model.own_error)
        from gmnm_pde.references import Table

        return located(self._names.source, place, lambda: Table(path, own_error))

    def _own_error(self, given: object) -> float | dict[str, float] | None:
        place = (*_PATH, "own_error")
        if given is None:
            return None
        if not isinstance(given, dict):
            return self._size(given, place)
        for name in given:
            if name not in self._names.unknowns:
                raise self._names.source.place((*place, name)).error(
                    f"{name!r} is not an unknown.", suggest(name, self._names.unknowns)
                )
        return {name: self._size(value, (*place, name)) for name, value in given.items()}

    def _size(self, value: object, place: KeyPath) -> float:
        size = self._reader.number(value, place)
        if size < 0.0:
            raise self._names.source.place(place).error(
                f"an error of {size:g} is negative.", "Give its size, such as 1e-9."
            )
        return size
