"""The ``domain:`` section as a :class:`Domain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from gmnm_pde.config import schema
from gmnm_pde.config.data import read_outline
from gmnm_pde.config.source import KeyPath, Source
from gmnm_pde.errors import InputError, suggest
from gmnm_pde.expressions import constant
from gmnm_pde.geometry import (
    Ball,
    Box,
    Difference,
    Disk,
    Domain,
    Ellipse,
    Intersection,
    Interval,
    Mesh,
    Polygon,
    Rectangle,
    Surface,
    Union,
    buffered,
)

Result = TypeVar("Result")

_COMBINE: dict[str, Callable[..., Domain]] = {
    "union": Union,
    "intersection": Intersection,
    "difference": Difference,
}


class DomainReader:
    """Builds domains whose numbers may be constant expressions of the parameters.

    Arguments:
        source: says where values stand.
        coordinates: of space, in order.
        parameters: by name.
        folder: what paths of files are relative to.
    """

    def __init__(
        self,
        source: Source,
        coordinates: Sequence[str],
        parameters: Mapping[str, float],
        folder: Path,
    ) -> None:
        self._folder = folder
        self._source = source
        self._coordinates = tuple(coordinates)
        self._parameters = parameters

    def read(self, model: schema.Domain, path: KeyPath = ("domain",)) -> Domain:
        """The domain. Raises InputError with its line and key."""
        (kind,) = model.model_fields_set
        path = (*path, kind)
        build = getattr(model, kind)
        try:
            return self._build(kind, build, path)
        except InputError as error:
            raise self._source.place(path).locate(error) from None

    def _build(self, kind: str, given: Any, path: KeyPath) -> Domain:
        match given:
            case [schema.Domain(), *_]:
                domains = [self.read(item, (*path, index)) for index, item in enumerate(given)]
                return _COMBINE[kind](*domains)
            case dict():
                bounds = self._bounds(kind, given, path)
                return Rectangle(*bounds) if kind == "rectangle" else Box(tuple(bounds))
            case schema.Disk(center=center, radius=radius):
                middle = self.numbers(center, (*path, "center"))
                size = self.number(radius, (*path, "radius"))
                if kind == "disk":
                    return Disk(self._pair("a disk", middle, (*path, "center")), size)
                return Ball(middle, size)
            case schema.Ellipse(center=center, semiaxes=semiaxes):
                middle = self.numbers(center, (*path, "center"))
                axes = self.numbers(semiaxes, (*path, "semiaxes"))
                return Ellipse(
                    self._pair("an ellipse", middle, (*path, "center")),
                    self._pair("an ellipse", axes, (*path, "semiaxes")),
                )
            case str():
                shape = Mesh if kind == "mesh" else Surface
                return self._from_file(given, path, shape)
            case schema.Outline(file=name):
                columns = self._coordinates
                return self._from_file(
                    name, (*path, "file"), lambda file: Polygon(read_outline(file, columns))
                )
            case schema.Rings(outer=outer, holes=holes):
                rings = [self._vertices(hole, (*path, "holes", i)) for i, hole in enumerate(holes)]
                return Polygon(self._vertices(outer, (*path, "outer")), tuple(rings))
            case schema.Buffer(curve=curve, distance=distance):
                points = self._vertices(curve, (*path, "curve"))
                return buffered(points, self.number(distance, (*path, "distance")))
            case list() if kind == "polygon":
                return Polygon(self._vertices(given, path))
            case list():
                return Interval(*self.numbers(given, path))
        raise TypeError(f"{kind} holds a {type(given).__name__}")

    def _bounds(
        self, kind: str, given: dict[str, list[object]], path: KeyPath
    ) -> list[tuple[float, float]]:
        for name in given:
            if name not in self._coordinates:
                mend = suggest(name, self._coordinates)
                raise self._source.place((*path, name)).error(
                    f"{name!r} is not a coordinate of space.",
                    "`time: [0, 1]` says when." if name == "t" else mend,
                )
        missing = [name for name in self._coordinates if name not in given]
        if missing:
            place = self._source.place(path)
            raise place.error(
                f"the {kind} has no bounds for {', '.join(missing)}.",
                f"Add `{missing[0]}: [0, 1]`, or remove it from `coordinates`.",
            )
        if kind == "rectangle" and len(given) != 2:
            raise self._source.place(path).error(
                f"a rectangle has 2 coordinates, not {len(given)}.", "Write `box:` instead."
            )
        ends = [self.numbers(given[name], (*path, name)) for name in self._coordinates]
        return [(low, high) for low, high in ends]

    def _from_file(self, name: str, path: KeyPath, read: Callable[[Path], Domain]) -> Domain:
        """A domain from a file beside the problem file; its errors stand at the file's name."""
        place, file = self._source.place(path), self._folder / name
        if not file.is_file():
            raise place.error(
                f"there is no file {name!r} beside the problem file.",
                "The path is relative to the problem file.",
            )
        try:
            return read(file)
        except InputError as error:
            where = name if error.line is None else f"{name}:{error.line}"
            raise place.error(f"{where}: {error.message}", error.mend) from None

    def _vertices(
        self, given: Sequence[Sequence[object]], path: KeyPath
    ) -> tuple[tuple[float, float], ...]:
        return tuple(
            self._pair("a vertex", self.numbers(item, (*path, i)), (*path, i))
            for i, item in enumerate(given)
        )

    def _pair(self, what: str, numbers: Sequence[float], path: KeyPath) -> tuple[float, float]:
        if len(numbers) != 2:
            raise self._source.place(path).error(
                f"{what} has 2 coordinates, not {len(numbers)}.", "Write two numbers."
            )
        return numbers[0], numbers[1]

    def numbers(self, values: Sequence[object], path: KeyPath) -> tuple[float, ...]:
        """Constant expressions as floats."""
        return tuple(self.number(value, (*path, index)) for index, value in enumerate(values))

    def number(self, value: object, path: KeyPath) -> float:
        """One constant expression as a float."""
        text = cast("str | float", value)
        return located(self._source, path, lambda: constant(text, self._parameters))


def located(source: Source, path: KeyPath, make: Callable[[], Result]) -> Result:
    """What a function makes; its errors get their place in the file."""
    try:
        return make()
    except InputError as error:
        raise source.place(path).locate(error) from None
