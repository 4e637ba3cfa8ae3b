"""Spaces of elements on a mesh, one for each unknown, and their values at points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gmnm_pde.references.fem.lagrange import Indices, Lagrange
from gmnm_pde.references.fem.locate import Locator
from gmnm_pde.references.fem.mesh import Mesh, Places, place
from gmnm_pde.references.stencils import Array


@dataclass(frozen=True, eq=False)
class Space:
    """The continuous functions that are polynomials of a degree on the cells.

    Arguments:
        numbers: (e, n) of the nodes of each cell.
    """

    element: Lagrange
    numbers: Indices
    size: int

    def trial(self, places: Places, at: Array) -> Array:
        """Values and slopes of the basis at barycentric coordinates (q, d + 1) of cells,
        (e, q, 1 + d, n)."""
        values = self.element.values(at)
        slopes = np.einsum("kqn,eqki->eqin", self.element.slopes(at), places.slopes, optimize=True)
        first = np.broadcast_to(values[None, :, None], (len(slopes), len(at), 1, values.shape[1]))
        return np.concatenate([first, slopes], axis=2)


@dataclass(frozen=True, eq=False)
class Spaces:
    """One space for each unknown; their numbers stand one unknown after the other.

    Arguments:
        degrees: of each unknown.
    """

    mesh: Mesh
    degrees: tuple[int, ...]

    @cached_property
    def each(self) -> tuple[Space, ...]:
        """The space of each unknown."""
        found = {}
        for degree in set(self.degrees):
            element = Lagrange(self.mesh.dimension, degree)
            found[degree] = Space(element, *element.number(self.mesh.cells))
        return tuple(found[degree] for degree in self.degrees)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The first number of each unknown, and the end of all."""
        return (0, *np.cumsum([space.size for space in self.each]).tolist())

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self.starts[-1]

    def numbers(self, unknown: int, cells: Indices | slice) -> Indices:
        """Of an unknown in some cells, (e, n)."""
        return self.starts[unknown] + self.each[unknown].numbers[cells]

    def states(self, values: Array, trials: list[Array], cells: Indices | slice) -> Array:
        """Values and slopes of all unknowns, (m, 1 + d, e, q)."""
        found = [
            np.einsum("eqan,en->aeq", trial, values[self.numbers(j, cells)], optimize=True)
            for j, trial in enumerate(trials)
        ]
        return np.stack(found)

    def at(self, values: Array, points: Array) -> Array:
        """All unknowns at points (n, d), (n, m)."""
        cell, where = self._locator.find(points)
        columns = []
        for j, space in enumerate(self.each):
            weights = space.element.values(where)
            columns.append((weights * values[self.numbers(j, cell)]).sum(axis=1))
        return np.stack(columns, axis=1)

    def nodes(self, unknown: int) -> Array:
        """Where the numbers of an unknown are the values, (size, d)."""
        space = self.each[unknown]
        points = place(self.mesh, slice(None), space.element.places).points
        found = np.zeros((space.size, self.mesh.dimension))
        found[space.numbers] = points
        return found

    @cached_property
    def _locator(self) -> Locator:
        return Locator(self.mesh)
