"""Fields for ParaView and other programs that read VTK files."""

from __future__ import annotations

from pathlib import Path

import meshio
import numpy as np

from gmnm_pde.report.mesh import mesh_of
from gmnm_pde.report.sample import SolutionLike, sample

FILE_POINTS = {1: 1001, 2: 20_000, 3: 30_000}


def write_vtu(solution: SolutionLike, path: str | Path) -> Path | None:
    """Write a solution as a VTK unstructured grid (.vtu).

    Lines in one dimension, triangles in two, hexahedra (boxes) or tetrahedra in three. Each unknown
    is a point field of its name; with a reference there are ``u_reference`` and ``u_error`` (the
    difference) as well, without one the ``residual`` of each equation.

    Returns:
        The path, or None in more than three dimensions, which the format does not have.
    """
    domain = solution.problem.domain
    if domain.dimension > 3:
        return None
    mesh = mesh_of(domain, FILE_POINTS[domain.dimension])
    found = sample(solution, mesh.points)
    fields = {}
    for j, name in enumerate(solution.problem.unknowns):
        fields[name] = found.values[:, j]
        if found.reference is not None and found.error is not None:
            fields[f"{name}_reference"] = found.reference[:, j]
            fields[f"{name}_error"] = found.error[:, j]
    if found.residual is not None:
        count = found.residual.shape[1]
        for i in range(count):
            fields["residual" if count == 1 else f"residual_{i + 1}"] = found.residual[:, i]
    points = np.zeros((len(mesh.points), 3))
    points[:, : domain.dimension] = mesh.points
    path = Path(path)
    meshio.write(path, meshio.Mesh(points, [(mesh.kind, mesh.cells)], point_data=fields))
    return path
