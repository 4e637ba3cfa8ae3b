"""The mesh of a problem's domain: its own where it has one, otherwise one that is made for it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from gmnm_pde.collocation import where_of
from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Mesh as MeshDomain
from gmnm_pde.problem import Problem
from gmnm_pde.references.fem.lagrange import Indices
from gmnm_pde.references.fem.mesh import Facets, Mesh, boundary_sides, straight
from gmnm_pde.references.fem.outline import at_end, boundary_conditions, names_of
from gmnm_pde.references.fem.plane import mesh_plane
from gmnm_pde.references.fem.roles import MEND
from gmnm_pde.references.stencils import Array

USUAL = {1: 6, 2: 5, 3: 3}
USUAL_IMPORTED = 1

MOST_NUMBERS = {1: 400_000, 2: 400_000, 3: 150_000}
"""What a solution takes about a minute and a few GB for, by dimension."""


def mesh_of(problem: Problem, degree: int, refine: int | None, *, coarser: bool) -> Mesh:
    """The mesh for a refinement, or the one of twice the size.

    Raises:
        InputError: a domain that has no mesh, or more cells than can be.
    """
    domain, dimension = problem.domain, problem.domain.dimension
    imported = isinstance(domain, MeshDomain)
    usual = USUAL_IMPORTED if imported else USUAL.get(dimension, 0)
    level = (usual if refine is None else refine) - coarser
    if isinstance(domain, MeshDomain):
        return _simplices(problem, *_divided(problem, domain, level, degree))
    extent = max(b - a for a, b in zip(domain.lower, domain.upper, strict=True))
    if dimension == 2:
        mesh = mesh_plane(problem, extent / 2**level, degree)
        _check_count(problem, len(mesh.cells), degree)
        return mesh
    if domain.fills_box and dimension in (1, 3):
        return _simplices(problem, *_box(problem, extent / 2**level, degree))
    raise InputError(
        "the finite-element reference makes meshes of plane domains, intervals and boxes; in space "
        "it needs a domain that comes from a mesh.",
        mend="Give a `mesh` of tetrahedra as the domain, or another reference.",
    )


def _simplices(problem: Problem, vertices: Array, cells: Indices) -> Mesh:
    """Straight cells, with the conditions that hold at the middle of each side."""
    cells = np.sort(cells, axis=1)
    owner, local = boundary_sides(cells)
    kept = np.array([[k for k in range(cells.shape[1]) if k != j] for j in range(cells.shape[1])])
    ends = vertices[np.take_along_axis(cells[owner], kept[local], axis=1)]
    middles = torch.from_numpy(ends.mean(axis=1))
    held: list[list[int]] = [[] for _ in owner]
    for number, condition in boundary_conditions(problem):
        on = torch.zeros(len(owner), dtype=torch.bool)
        if at_end(problem, condition):
            on |= middles[:, 0] == float(condition.at[0])
        for name in names_of(condition):
            on |= problem.domain.on_side(middles, name)
        where = where_of(condition, problem)
        on = on if where is None else on & where(middles)
        for side in torch.nonzero(on)[:, 0].tolist():
            held[side].append(number)
    return straight(vertices, cells, Facets(owner, local, tuple(map(tuple, held))))


def _box(problem: Problem, size: float, degree: int) -> tuple[Array, Indices]:
    """An interval in equal cells, or the bricks of a box in tetrahedra."""
    import skfem

    domain = problem.domain
    ends = list(zip(domain.lower, domain.upper, strict=True))
    lines = [np.linspace(a, b, max(1, round((b - a) / size)) + 1) for a, b in ends]
    if len(lines) == 1:
        mesh: Any = skfem.MeshLine(lines[0])
    else:
        _check_count(problem, 6 * math.prod(len(line) - 1 for line in lines), degree)
        mesh = skfem.MeshTet.init_tensor(*lines)
    return np.asarray(mesh.p.T), np.asarray(mesh.t.T, np.intp)


def _divided(
    problem: Problem, domain: MeshDomain, times: int, degree: int
) -> tuple[Array, Indices]:
    """The cells of a file, each divided in 4 or 8 so many times.

    Raises:
        InputError: cells that are neither triangles nor quadrilaterals nor tetrahedra.
    """
    import skfem

    kinds, points = domain.data.cells, np.asarray(domain.data.points, float)
    simplex = "triangle" if domain.dimension == 2 else "tetra"
    found = [np.asarray(kinds[simplex])] if simplex in kinds else []
    if "quad" in kinds and domain.dimension == 2:
        quads = np.asarray(kinds["quad"])
        found += [quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]
    other = sorted(set(kinds) - {simplex, "quad" if domain.dimension == 2 else simplex})
    if other:
        raise InputError(
            f"finite elements need a mesh of tetrahedra, not of cells of the kind {other[0]}.",
            mend="Make the mesh of tetrahedra.",
        )
    cells = np.sort(np.concatenate(found), axis=1)
    _check_count(problem, len(cells) * 2 ** (domain.dimension * times), degree)
    used, cells = np.unique(cells, return_inverse=True)
    cells = cells.reshape(-1, domain.dimension + 1)
    kind = skfem.MeshTri if domain.dimension == 2 else skfem.MeshTet
    mesh = kind(points[used].T.copy(), cells.T.copy()).refined(times)
    return np.asarray(mesh.p.T), np.asarray(mesh.t.T, np.intp)


def _check_count(problem: Problem, cells: int, degree: int) -> None:
    """Refuse more than can be solved, by the nodes that each cell brings on average."""
    d = problem.domain.dimension
    count = len(problem.unknowns) * cells * degree**d // math.factorial(d)
    if count > MOST_NUMBERS[d]:
        raise InputError(
            f"finite elements of degree {degree} on {cells:,} cells have about {count:,} unknowns, "
            f"more than {MOST_NUMBERS[d]:,}.",
            mend=f"Give a smaller `refine` or a lower `degree`. {MEND}",
        )
