"""How scikit-fem is used: elements, assembly, conditions and the linear solve.

Needs numpy and scikit-fem only, so that the peers' environment can run it as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import skfem
from skfem.helpers import dot, grad

from validation.fem_problems import Array, Weak

QUADRATURE = {skfem.MeshTri2: 12, skfem.MeshHex: 6}
"""Order of the quadrature on meshes where errors are measured by one."""


@dataclass(frozen=True)
class Element:
    """A kind of element.

    Arguments:
        mesh: its key in ``Weak.meshes`` and ``Weak.sizes``.
        sizes: of the meshes, unless the problem has its own.
        solver: the fastest of scikit-fem's solvers for such matrices (of those that need no
            further package); SuperLU's default ordering is five times slower for the triangles,
            but the better one for the quadrilaterals.
        order: of the quadrature, None for scikit-fem's own choice. For the bricks that is twice
            6, the degree of x^2 y^2 z^2: many times the work, and not a digit gained.
    """

    element: Any
    mesh: str
    sizes: tuple[int, ...]
    solver: Callable[[], Any]
    order: int | None = None


_TRIANGLES = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_QUADRILATERALS = (2, 3, 4, 6, 8, 12, 16)


def _triangles_solver() -> Any:
    return skfem.solver_direct_scipy(permc_spec="MMD_AT_PLUS_A")


ELEMENTS = {
    "triangles-2": Element(skfem.ElementTriP2(), "triangles-4", _TRIANGLES, _triangles_solver),
    "triangles-4": Element(skfem.ElementTriP4(), "triangles-4", _TRIANGLES[:-2], _triangles_solver),
    "quadrilaterals-6": Element(
        skfem.ElementQuadP(6), "quadrilaterals-8", _QUADRILATERALS, skfem.solver_direct_scipy
    ),
    "quadrilaterals-8": Element(
        skfem.ElementQuadP(8), "quadrilaterals-8", _QUADRILATERALS, skfem.solver_direct_scipy
    ),
    "bricks-2": Element(
        skfem.ElementHex2(),
        "bricks-2",
        (2, 4, 6, 8, 12, 16, 24, 32),
        lambda: skfem.solver_iter_pcg(rtol=1e-12),
        order=4,
    ),
}


def solve(weak: Weak, basis: Any, solver: Any) -> Array:
    """Degrees of freedom of the solution."""
    matrix, load = skfem.BilinearForm(_bilinear(weak)).assemble(basis), _load(weak.source, basis)
    for side, (exchange, flux) in weak.natural.items():
        edge = basis.boundary(side)
        load = load + _load(flux, edge)
        if exchange:
            matrix = matrix + exchange * skfem.BilinearForm(_mass).assemble(edge)
    start, fixed = basis.zeros(), np.array([0])  # a pure Neumann problem: one value is pinned
    if not weak.up_to_constant:
        fixed = basis.get_dofs(weak.essential_sides).all()
        if weak.essential is not None:
            start = basis.boundary(weak.essential_sides).project(weak.essential)
    return np.asarray(skfem.solve(*skfem.condense(matrix, load, x=start, D=fixed), solver=solver))


def sampled(basis: Any, values: Array, points: Array) -> tuple[Array, Array, Array]:
    """Points (n, d), the solution there and weights (n,), for norms.

    On meshes with curved sides scikit-fem cannot look points up, and on bricks it takes minutes:
    there the points are those of a quadrature finer than the one of the assembly.
    """
    if order := QUADRATURE.get(type(basis.mesh)):
        fine = skfem.Basis(basis.mesh, basis.elem, intorder=order)
        there = np.asarray(fine.global_coordinates())
        found = np.asarray(fine.interpolate(values)).ravel()
        return there.reshape(len(there), -1).T, found, np.asarray(fine.dx.ravel())
    return points, np.asarray(basis.probes(points.T) @ values), np.ones(len(points))


def _bilinear(weak: Weak) -> Callable[..., Any]:
    """Only the terms that the problem has: a zero term would cost assembly time."""

    def form(u: Any, v: Any, w: Any) -> Any:
        total = dot(grad(u), grad(v))
        if weak.diffusion is not None:
            total = weak.diffusion(w.x) * total
        if weak.wind:
            total = total + weak.wind * grad(u)[0] * v
        return total + weak.reaction * u * v if weak.reaction else total

    return form


def _mass(u: Any, v: Any, w: Any) -> Any:
    return u * v


def _load(function: Callable[[Array], Any], basis: Any) -> Array:
    return np.asarray(skfem.LinearForm(lambda v, w: function(w.x) * v).assemble(basis))
