"""One entry of ``conditions:`` as a condition of the problem."""

from __future__ import annotations

from collections.abc import Callable, Collection

from torch import Tensor

from gmnm_pde.config import schema
from gmnm_pde.config.domains import DomainReader
from gmnm_pde.config.names import Names
from gmnm_pde.config.source import KeyPath
from gmnm_pde.expressions import parse, parse_equation, residual
from gmnm_pde.problem import AnyCondition, Condition, IntegralCondition, Interface, Periodic


class ConditionReader:
    """Reads conditions.

    Arguments:
        names: what the names in them mean.
        reader: of numbers.
        sides: names that the boundary has parts of.
    """

    def __init__(self, names: Names, reader: DomainReader, sides: Collection[str]) -> None:
        self._sides = sides
        self._names = names
        self._reader = reader

    def read(self, index: int, item: schema.Condition) -> AnyCondition:
        """The condition. Raises InputError with its line and key."""
        path: KeyPath = ("conditions", index)
        match item.kind:
            case "integral":
                return self._integral(item, path)
            case "periodic":
                return Periodic(str(item.periodic), f"periodic in {item.periodic}")
            case "interface":
                return self._interface(item, path)
        return self._condition(item, path)

    def _integral(self, item: schema.Condition, path: KeyPath) -> IntegralCondition:
        node = self._names.parse(parse, str(item.integral), (*path, "integral"), unknowns=True)
        equals = self._reader.number(item.equals, (*path, "equals"))
        label = f"integral of {item.integral} = {item.equals}"
        return IntegralCondition(residual(node), equals, label)

    def _interface(self, item: schema.Condition, path: KeyPath) -> Interface:
        node = self._names.parse(parse, str(item.jump), (*path, "jump"), unknowns=True)
        equals = self._reader.number(item.equals, (*path, "equals"))
        name = str(item.interface)
        return Interface(
            name, residual(node), equals, f"jump of {item.jump} = {item.equals} across {name}"
        )

    def _condition(self, item: schema.Condition, path: KeyPath) -> Condition:
        text = str(item.equation)
        node = self._names.parse(parse_equation, text, (*path, "equation"), unknowns=True)
        where: Callable[..., Tensor] | None = None
        label = f"{text} at {_shown(item.at)}"
        if item.where is not None:
            inside = self._names.parse(parse, item.where, (*path, "where"), comparisons=True)
            where = residual(inside)
            label += f" where {item.where}"
        at = self._at(item.at, (*path, "at"))
        return Condition(at, residual(node), where, label, item.enforce)

    def _at(
        self, at: str | list[object], path: KeyPath
    ) -> str | tuple[str, ...] | tuple[float, ...]:
        if isinstance(at, str):
            return at
        words = [name for name in at if isinstance(name, str)]
        plain = all(name.isalpha() and name != "pi" for name in words)
        if len(words) == len(at) and (plain or any(name in self._sides for name in words)):
            return tuple(words)
        point = self._reader.numbers(at, path)
        space, coordinates = self._names.space, self._names.coordinates
        # In time a place alone is meant at all times.
        if len(point) not in (len(space), len(coordinates)):
            raise self._names.source.place(path).error(
                f"a point has {len(space)} coordinates here, not {len(point)}.",
                f"Give {', '.join(space)}.",
            )
        return point


def _shown(at: str | list[object]) -> str:
    return at if isinstance(at, str) else f"[{', '.join(str(item) for item in at)}]"
