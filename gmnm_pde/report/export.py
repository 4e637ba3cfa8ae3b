"""A solution as plain numbers, for programs that know neither this package nor ParaView."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

from gmnm_pde.errors import InputError, suggest
from gmnm_pde.problem import Problem
from gmnm_pde.report.mesh import Array, Mesh, mesh_of
from gmnm_pde.report.moments import at_times, times_of
from gmnm_pde.report.sample import SolutionLike, sample
from gmnm_pde.report.vtk import (
    SERIES_POINTS,
    SERIES_TIMES,
    file_mesh,
    point_fields,
    write_vtu,
)

Format = Literal["vtu", "csv", "npz"]

FORMATS: tuple[str, ...] = get_args(Format)

SCATTERED = 20_000
"""Points in more dimensions than a mesh is made of."""


@dataclass(frozen=True)
class Numbers:
    """A table of points and fields.

    Arguments:
        columns: by name, each (n,): the coordinates, the unknowns, then ``u_reference`` and
            ``u_error`` with a reference, or residuals without one.
        mesh: that the points are the nodes of, None for scattered ones and for a series in time.
    """

    columns: dict[str, Array]
    mesh: Mesh | None = None


def numbers(solution: SolutionLike) -> Numbers:
    """A solution on a grid inside the domain, ends included.

    It is the grid of ``solution.vtu`` in up to three coordinates, or in one and time;
    with time and two or three dimensions the same grid at 21 times; in more dimensions 20,000
    Sobol points.
    """
    problem = solution.problem
    points, mesh = _places(problem)
    # Residuals of every point and time of a series would take longer than many a solve.
    known = mesh is not None or problem.reference is not None
    fields = point_fields(problem, sample(solution, points, rest=known))
    coordinates = dict(zip(problem.coordinates, points.T, strict=True))
    return Numbers({**coordinates, **fields}, mesh)


def export(solution: SolutionLike, path: Path, kind: str) -> Path:
    """Write a solution to a file.

    Arguments:
        kind: ``vtu`` (ParaView; a ``.pvd`` series where fields in two or three dimensions move),
            ``csv`` (a line of names, then a line a point) or ``npz`` (an array a column, and
            ``cells`` with indices of nodes where the points are those of a mesh).

    Returns:
        The file to open.

    Raises:
        InputError: an unknown format, or one that cannot hold this solution.
    """
    if kind not in FORMATS:
        raise InputError(f"there is no format {kind!r}.", mend=suggest(kind, FORMATS))
    if kind == "vtu":
        written = write_vtu(solution, path)
        if written is None:
            raise InputError(
                f"a vtu file holds three dimensions, and this has "
                f"{solution.problem.domain.dimension}.",
                mend="Take csv or npz.",
            )
        return written
    found = numbers(solution)
    if kind == "csv":
        _write_csv(path, found)
    else:
        _write_npz(path, found)
    return path


def _places(problem: Problem) -> tuple[Array, Mesh | None]:
    dimension = problem.domain.dimension
    if dimension > max(SERIES_POINTS):
        return problem.region.sample_interior(SCATTERED, "sobol", 0).numpy(), None
    if problem.time is not None and dimension > 1:
        mesh = mesh_of(problem.domain, SERIES_POINTS[dimension])
        return at_times(mesh.points, times_of(problem, SERIES_TIMES)), None
    mesh = file_mesh(problem)
    return mesh.points, mesh


def _write_csv(path: Path, found: Numbers) -> None:
    """Seventeen digits: reading them gives back the same numbers."""
    rows = np.column_stack(list(found.columns.values()))
    header = ",".join(found.columns)
    np.savetxt(path, rows, fmt="%.17g", delimiter=",", header=header, comments="")


def _write_npz(path: Path, found: Numbers) -> None:
    cells = {} if found.mesh is None else {"cells": found.mesh.cells}
    with path.open("wb") as stream:
        np.savez_compressed(stream, **cast(Any, {**found.columns, **cells}))
