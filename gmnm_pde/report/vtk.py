"""Fields for ParaView and other programs that read VTK files."""

from __future__ import annotations

from pathlib import Path

import meshio
import numpy as np

from gmnm_pde.problem import Problem
from gmnm_pde.report.mesh import Array, Mesh, brick_mesh, mesh_of
from gmnm_pde.report.moments import at_times, times_of
from gmnm_pde.report.sample import Sample, SolutionLike, sample

FILE_POINTS = {1: 1001, 2: 20_000, 3: 30_000}
SPACE_TIME = (301, 101)
SERIES_POINTS = {2: 4_000, 3: 8_000}
SERIES_TIMES = 21

_COLLECTION = """<?xml version="1.0"?>
<VTKFile type="Collection" version="0.1" byte_order="LittleEndian">
  <Collection>
{}
  </Collection>
</VTKFile>
"""


def write_vtu(solution: SolutionLike, path: str | Path) -> Path | None:
    """Write a solution as a VTK unstructured grid (.vtu), or as a series of them.

    Lines in one dimension, triangles in two, hexahedra (boxes) or tetrahedra in three. Each unknown
    is a point field of its name; with a reference there are ``u_reference`` and ``u_error`` (the
    difference) as well, without one the ``residual`` of each equation.

    With time a problem in one dimension is one surface, x to the right and t up. In two and three
    dimensions there is a file for each of 21 times in the folder ``NAME-times`` and ``NAME.pvd``
    beside it, which is what ParaView opens; these have no residuals.

    Returns:
        The file to open, or None in more than three dimensions, which the format does not have.
    """
    problem, path = solution.problem, Path(path)
    if problem.domain.dimension > 3:
        return None
    if problem.time is not None and problem.domain.dimension > 1:
        return _write_series(solution, path.with_suffix(".pvd"))
    mesh = file_mesh(problem)
    return _write(path, mesh, point_fields(problem, sample(solution, mesh.points)))


def series_folder(path: Path) -> Path:
    """Where the files of ``NAME.pvd`` are."""
    return path.with_name(f"{path.stem}-times")


def file_mesh(problem: Problem) -> Mesh:
    """What a field is stored on: a mesh of the domain, with time one of space and time."""
    if problem.time is None:
        return mesh_of(problem.domain, FILE_POINTS[problem.domain.dimension])
    region = problem.region
    ends = zip(region.lower, region.upper, SPACE_TIME, strict=True)
    return brick_mesh([np.linspace(low, high, count) for low, high, count in ends])


def _write_series(solution: SolutionLike, path: Path) -> Path:
    problem, folder = solution.problem, series_folder(path)
    folder.mkdir(exist_ok=True)
    mesh = mesh_of(problem.domain, SERIES_POINTS[problem.domain.dimension])
    times = times_of(problem, SERIES_TIMES)
    known = problem.reference is not None
    found = sample(solution, at_times(mesh.points, times), rest=known)
    lines = []
    for i, part in enumerate(found.split([len(mesh.points)] * len(times))):
        file = _write(folder / f"{i:02d}.vtu", mesh, point_fields(problem, part))
        lines.append(
            f'    <DataSet timestep="{float(times[i])!r}" part="0" '
            f'file="{folder.name}/{file.name}"/>'
        )
    path.write_text(_COLLECTION.format("\n".join(lines)), encoding="utf-8")
    return path


def point_fields(problem: Problem, found: Sample) -> dict[str, Array]:
    """Point fields by name: unknowns, then ``u_reference`` and ``u_error``, or residuals."""
    fields = {}
    for j, name in enumerate(problem.unknowns):
        fields[name] = found.values[:, j]
        if found.reference is not None and found.error is not None:
            fields[f"{name}_reference"] = found.reference[:, j]
            fields[f"{name}_error"] = found.error[:, j]
    if found.residual is not None:
        count = found.residual.shape[1]
        for i in range(count):
            fields["residual" if count == 1 else f"residual_{i + 1}"] = found.residual[:, i]
    return fields


def _write(path: Path, mesh: Mesh, fields: dict[str, Array]) -> Path:
    points = np.zeros((len(mesh.points), 3))
    points[:, : mesh.points.shape[1]] = mesh.points
    meshio.write(path, meshio.Mesh(points, [(mesh.kind, mesh.cells)], point_data=fields))
    return path
