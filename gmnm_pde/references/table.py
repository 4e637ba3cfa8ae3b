"""A reference from a file: values at points of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import (
    BSpline,
    CloughTocher2DInterpolator,
    LinearNDInterpolator,
    NearestNDInterpolator,
    make_interp_spline,
)
from scipy.spatial import QhullError
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem, Reference, ReferenceValues
from gmnm_pde.references.stencils import Array
from gmnm_pde.references.table_file import read_table

SLACK = 1e-9
"""How far beyond the domain a point may lie, relative to the size of the domain."""

CHUNK = 2000
"""Points that splines are evaluated at together."""

Interpolant = Callable[[Array], Array]


@dataclass(frozen=True)
class Table(Reference):
    """Values read from a file.

    Errors are measured at the table's own points, where nothing is interpolated. Elsewhere (in
    pictures) there are quintic splines if the points are a full tensor grid, and otherwise a
    triangulation, with the nearest value outside of it.

    Arguments:
        path: CSV with columns named after coordinates and unknowns, or a file that meshio reads
            (.vtu) with point data named after the unknowns; other columns are ignored.
        own_error: relative L2 error of the table, a number or one an unknown; None if it is not
            known.

    Raises:
        InputError: an error that is negative or not a number.
    """

    path: str | Path
    own_error: float | Mapping[str, float] | None = None
    name: str = "file"
    _tables: dict[int, tuple[Problem, _Values]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        given = self.own_error
        sizes = given.values() if isinstance(given, Mapping) else [given]
        for size in sizes:
            if size is not None and not size >= 0.0:
                raise InputError(
                    f"the own error of a reference is {size}.", mend="Give its size, such as 1e-9."
                )

    def own_points(self, problem: Problem) -> Tensor:
        """All points of the table, (n, coordinates).

        Raises:
            InputError: a file that does not fit the problem, or a point outside of its domain.
        """
        return torch.from_numpy(self._read(problem).points.copy())

    def evaluate(self, problem: Problem, points: Tensor) -> ReferenceValues:
        """The table at points (n, d): its own values at its own points, interpolated elsewhere.

        Raises:
            InputError: see :meth:`own_points`.
        """
        table = self._read(problem)
        at = points.detach().cpu().double().numpy()
        same = at.shape == table.points.shape and np.array_equal(at, table.points)
        values = table.values.copy() if same else table.interpolate(at)
        return ReferenceValues(torch.from_numpy(values).to(points), self._errors(problem))

    def _errors(self, problem: Problem) -> dict[str, float]:
        given = self.own_error
        if isinstance(given, Mapping):
            return {name: float(given.get(name, np.nan)) for name in problem.unknowns}
        return dict.fromkeys(problem.unknowns, np.nan if given is None else float(given))

    def _read(self, problem: Problem) -> _Values:
        """The table; read once for each problem."""
        known = self._tables.get(id(problem))
        if known is None or known[0] is not problem:
            path = Path(self.path)
            points, values = read_table(path, problem.coordinates, problem.unknowns)
            _check_inside(problem, points, path)
            known = (problem, _Values(points, values))
            self._tables[id(problem)] = known
        return known[1]


@dataclass(frozen=True, eq=False)
class _Values:
    """Points (n, d) and values (n, m)."""

    points: Array
    values: Array

    @cached_property
    def interpolate(self) -> Interpolant:
        """Values at other points, (k, d) -> (k, m)."""
        axes = [np.unique(column) for column in self.points.T]
        shape = tuple(len(axis) for axis in axes)
        full = np.prod(shape) == len(self.points) and min(shape) > 1
        if full:
            places = [np.searchsorted(a, c) for a, c in zip(axes, self.points.T, strict=True)]
            numbers = np.ravel_multi_index(places, shape)
            if len(np.unique(numbers)) == len(self.points):
                grid = np.empty((len(self.points), self.values.shape[1]))
                grid[numbers] = self.values
                return _splines(axes, grid.reshape(*shape, -1))
        return _scattered(self.points, self.values)


def _splines(axes: list[Array], grid: Array) -> Interpolant:
    """Tensor splines of degree five through values on a full grid (n_1, .., n_d, m), of less along
    an axis of fewer than six points; constant beyond the ends."""
    bases = []
    for number, axis in enumerate(axes):
        degree = 5 if len(axis) > 5 else 3 if len(axis) > 3 else 1
        spline = make_interp_spline(axis, grid, k=degree, axis=number)
        # Its coefficients have this axis in front.
        grid = np.moveaxis(spline.c, 0, number)
        bases.append((spline.t, degree, axis[0], axis[-1]))

    def rows(places: Array, basis: tuple[Array, int, float, float]) -> Array:
        knots, degree, low, high = basis
        inside = np.clip(places, low, high)
        return np.asarray(BSpline.design_matrix(inside, knots, degree).toarray())

    def interpolate(at: Array) -> Array:
        parts = []
        for part in np.split(at, range(CHUNK, len(at), CHUNK)):
            found = np.tensordot(rows(part[:, 0], bases[0]), grid, axes=1)
            for column, basis in zip(part.T[1:], bases[1:], strict=True):
                found = np.einsum("pi...,pi->p...", found, rows(column, basis))
            parts.append(found)
        return np.concatenate(parts)

    return interpolate


def _scattered(points: Array, values: Array) -> Interpolant:
    """Through a triangulation: smooth in two dimensions, linear in more; nearest outside."""
    if points.shape[1] == 1:
        order = np.argsort(points[:, 0])
        x, y = points[order, 0], values[order]
        _, first = np.unique(x, return_index=True)
        if len(first) == 1:
            return lambda at: np.repeat(y[first], len(at), axis=0)
        return _splines([x[first]], y[first])
    lower, size = points.min(axis=0), np.ptp(points, axis=0)
    scale = np.where(size > 0.0, size, 1.0)
    # Triangles of the unit box: a long time or a thin domain would make them needles.
    unit = (points - lower) / scale
    nearest = NearestNDInterpolator(unit, values)
    kind = CloughTocher2DInterpolator if points.shape[1] == 2 else LinearNDInterpolator
    try:
        inside = kind(unit, values)
    except QhullError:
        # All points on one line, or too few of them.
        return lambda at: np.asarray(nearest((at - lower) / scale))

    def interpolate(at: Array) -> Array:
        place = (at - lower) / scale
        found = np.asarray(inside(place))
        outside: NDArray[np.bool_] = ~np.isfinite(found).all(axis=1)
        found[outside] = nearest(place[outside])
        return found

    return interpolate


def _check_inside(problem: Problem, points: Array, path: Path) -> None:
    region = problem.region
    size = max(b - a for a, b in zip(region.lower, region.upper, strict=True))
    beyond = region.signed_distance(torch.from_numpy(points)).numpy() > SLACK * size
    if beyond.any():
        first = int(np.flatnonzero(beyond)[0])
        at = ", ".join(f"{x:g}" for x in points[first])
        raise InputError(
            f"{int(beyond.sum())} of {len(points)} points lie outside the domain, the first one "
            f"at ({at}).",
            mend="A reference has values where the problem is posed.",
            file=path,
        )
