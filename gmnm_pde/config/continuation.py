"""The ``continuation:`` section: values of parameters that lead to those of the problem."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from gmnm_pde.config import schema
from gmnm_pde.config.names import Names
from gmnm_pde.errors import suggest


@dataclass(frozen=True)
class Step:
    """Parameters by name with the values of one step."""

    values: dict[str, float]

    @property
    def label(self) -> str:
        """``R = 10``."""
        return ", ".join(f"{name} = {value:g}" for name, value in self.values.items())


def steps(model: schema.ProblemFile, names: Names) -> list[Step]:
    """The steps in order, without those at or beyond the problem's own parameters.

    Raises:
        InputError: a parameter that there is not, or lists of different lengths.
    """
    if not model.continuation:
        return []
    values: dict[str, list[float]] = {}
    for name, given in model.continuation.items():
        path = ("continuation", name)
        if name not in names.parameters:
            raise names.source.place(path).error(
                f"{name!r} is not a parameter.", suggest(name, names.parameters)
            )
        values[name] = [names.number(value, (*path, i)) for i, value in enumerate(given)]
        first = next(iter(values))
        if len(values[name]) != len(values[first]):
            raise names.source.place(path).error(
                f"{name!r} has {len(values[name])} values and {first!r} has {len(values[first])}.",
                "Parameters are changed together: give lists of one length.",
            )
    before = {name: _before(row, names.parameters[name]) for name, row in values.items()}
    count = len(next(iter(values.values())))
    return [
        Step({name: row[i] for name, row in values.items()})
        for i in range(count)
        if any(keep[i] for keep in before.values())
    ]


def _before(values: list[float], target: float) -> list[bool]:
    """Which values come before the target: where they rise, the smaller ones."""
    pairs = list(pairwise(values))
    if len(values) > 1 and all(a < b for a, b in pairs):
        return [value < target for value in values]
    if len(values) > 1 and all(a > b for a, b in pairs):
        return [value > target for value in values]
    return [value != target for value in values]
