"""The mesh of a problem's domain: made for plane domains and intervals."""

from __future__ import annotations

import numpy as np

from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem
from gmnm_pde.references.fem.lagrange import Indices
from gmnm_pde.references.fem.mesh import Facets, Mesh, boundary_sides, straight
from gmnm_pde.references.fem.outline import boundary_conditions, parts_of
from gmnm_pde.references.fem.plane import mesh_plane
from gmnm_pde.references.fem.roles import MEND
from gmnm_pde.references.stencils import Array

USUAL = {1: 6, 2: 5}


def mesh_of(problem: Problem, degree: int, refine: int | None, *, coarser: bool) -> Mesh:
    """The mesh for a refinement, or the one of twice the size.

    Raises:
        InputError: a domain that has no mesh.
    """
    domain = problem.domain
    level = (USUAL.get(domain.dimension, 1) if refine is None else refine) - coarser
    extent = max(b - a for a, b in zip(domain.lower, domain.upper, strict=True))
    if domain.dimension == 2:
        return mesh_plane(problem, extent / 2**level, degree)
    if domain.dimension == 1:
        return _line(problem, 2**level)
    raise InputError(
        "the finite-element reference makes meshes of plane domains and intervals only.", mend=MEND
    )


def _line(problem: Problem, count: int) -> Mesh:
    (low,), (high,) = problem.domain.lower, problem.domain.upper
    vertices = np.linspace(low, high, count + 1)[:, None]
    cells = np.stack([np.arange(count), np.arange(1, count + 1)], axis=1)
    owner, local = boundary_sides(cells)
    return straight(vertices, cells, _held(problem, vertices, cells, owner, local))


def _held(
    problem: Problem, vertices: Array, cells: Indices, owner: Indices, local: Indices
) -> Facets:
    """The conditions at the ends of an interval."""
    ends = vertices[cells[owner, 1 - local], 0]
    found: list[tuple[int, ...]] = []
    held = []
    for number, condition in boundary_conditions(problem):
        parts = parts_of(problem, condition)
        places = [part.pieces.evaluate(part.index, part.lower)[0][:, 0] for part in parts]
        held.append((number, np.concatenate([place.numpy() for place in places])))
    for end in ends:
        found.append(tuple(n for n, at in held if np.isclose(at, end, rtol=0, atol=1e-12).any()))
    return Facets(owner, local, tuple(found))
