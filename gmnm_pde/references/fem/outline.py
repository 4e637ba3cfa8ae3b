"""The boundary of a plane domain as curves on each of which the same conditions hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch

from gmnm_pde.collocation import where_of
from gmnm_pde.geometry.pieces import Part, Pieces
from gmnm_pde.problem import Condition, Problem
from gmnm_pde.references.stencils import Array


@dataclass(frozen=True, eq=False)
class Curve:
    """A part of one piece of the boundary, by shares of that piece's arc length.

    Arguments:
        conditions: numbers of the conditions of the problem that hold on it.
    """

    pieces: Pieces
    index: int
    first: float
    last: float
    sign: float
    conditions: tuple[int, ...]

    @property
    def length(self) -> float:
        """Its length."""
        return float(self.pieces.measures[self.index]) * (self.last - self.first)

    def at(self, shares: Array) -> tuple[Array, Array]:
        """Points and outward normals, (n, 2) both, at shares (n,) of the piece."""
        index = torch.full((len(shares),), self.index)
        points, normals = self.pieces.evaluate(index, torch.from_numpy(shares)[:, None])
        return points.numpy(), self.sign * normals.numpy()

    @cached_property
    def closed(self) -> bool:
        """Whether it ends where it begins."""
        ends = self.at(np.array([self.first, self.last]))[0]
        return bool(np.abs(ends[0] - ends[1]).max() < 1e-9 * self.length)


def outline(problem: Problem) -> list[Curve]:
    """All of the boundary, cut where conditions begin or end."""
    held = {
        number: [cell for part in _parts(problem, condition) for cell in _cells(part)]
        for number, condition in boundary_conditions(problem)
    }
    curves: list[Curve] = []
    for part in problem.domain.boundary_parts():
        for pieces, index, first, last, sign in _cells(part):
            here = {
                number: [(a, b) for p, i, a, b, _ in cells if p is pieces and i == index]
                for number, cells in held.items()
            }
            inner = sorted(t for spans in here.values() for span in spans for t in span)
            ends = [first, *_between(inner, first, last), last]
            for a, b in pairwise(ends):
                middle = 0.5 * (a + b)
                on = tuple(n for n, spans in here.items() if any(s < middle < e for s, e in spans))
                curves.append(Curve(pieces, index, a, b, sign, on))
    return curves


def boundary_conditions(problem: Problem) -> list[tuple[int, Condition]]:
    """The conditions on parts of the boundary, with their numbers."""
    return [
        (number, condition)
        for number, condition in enumerate(problem.conditions)
        if isinstance(condition, Condition) and (names_of(condition) or at_end(problem, condition))
    ]


def at_end(problem: Problem, condition: Condition) -> bool:
    """Whether a condition at a point is at an end of an interval."""
    domain = problem.domain
    return domain.dimension == 1 and condition.at in ((domain.lower[0],), (domain.upper[0],))


def _parts(problem: Problem, condition: Condition) -> tuple[Part, ...]:
    return problem.domain.boundary_parts(names_of(condition), where_of(condition, problem))


def names_of(condition: Condition) -> tuple[str, ...]:
    """The parts of the boundary that a condition names, none if it is at a point."""
    if isinstance(condition.at, str):
        return (condition.at,)
    return tuple(name for name in condition.at if isinstance(name, str))


def _cells(part: Part) -> list[tuple[Pieces, int, float, float, float]]:
    columns = (part.index, part.lower[:, 0], part.upper[:, 0], part.sign)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [(part.pieces, int(i), a, b, sign) for i, a, b, sign in rows]


def _between(values: Sequence[float], first: float, last: float) -> list[float]:
    """Each value inside once."""
    slack, kept = 1e-9 * (last - first), [first]
    for value in values:
        if value > kept[-1] + slack and value < last - slack:
            kept.append(value)
    return kept[1:]
