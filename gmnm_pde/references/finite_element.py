"""Finite elements on plane domains, intervals and imported meshes, with their own error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem, Reference, ReferenceValues
from gmnm_pde.references.fem.meshes import mesh_of
from gmnm_pde.references.fem.quadrature import need_skfem
from gmnm_pde.references.fem.roles import METHOD, Roles
from gmnm_pde.references.fem.solving import Solved, solve_on
from gmnm_pde.references.level import refusal, relative
from gmnm_pde.references.steady import NewtonFailed
from gmnm_pde.references.stencils import Array

DEGREES = (1, 2, 3, 4)
FINEST = 12
CHECKS = 4000


@dataclass(frozen=True)
class FiniteElement(Reference):
    """Continuous elements of degree 1 to 4 (Lagrange), on triangles that follow curved boundaries
    with the same degree and become smaller towards corners where the solution is singular.

    Any steady problem whose equations are of second order and linear in second derivatives, with
    factors that depend on the coordinates and the unknowns; one or several unknowns; a pressure
    gets elements of one degree less. Conditions: Dirichlet, Neumann, Robin and tractions, integrals
    and values at points.

    The own error of each unknown is the relative L2 difference from the solution on a mesh of twice
    the size, whose error is the larger one of the two: it is an upper estimate.

    Arguments:
        degree: of the elements.
        refine: the longest side of the domain is 2^refine sides of triangles long; on an imported
            mesh, how often its cells are divided. None is 5 in a plane, 6 on an interval, 1 on an
            imported mesh.

    Raises:
        InputError: a degree or a refinement that there is not.
    """

    degree: int = 4
    refine: int | None = None
    name: str = "finite_element"
    solves: ClassVar[bool] = True
    _solutions: dict[int, tuple[Problem, Solved, Array]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.degree not in DEGREES:
            raise InputError(
                f"finite elements have degrees 1 to 4, not {self.degree}.", mend="Give degree: 4."
            )
        if self.refine is not None and not 1 <= self.refine <= FINEST:
            raise InputError(
                f"`refine` is {self.refine}; the own error comes from a mesh of half of that.",
                mend=f"Give a whole number from 1 to {FINEST}.",
            )

    def evaluate(self, problem: Problem, points: Tensor) -> ReferenceValues:
        """The finite-element solution at points (n, d) of the closed domain.

        Raises:
            InputError: a problem that finite elements cannot do, in words.
        """
        solved, own = self.solve(problem)
        values = solved.at(points.detach().cpu().double().numpy())
        errors = dict(zip(problem.unknowns, own.tolist(), strict=True))
        return ReferenceValues(torch.from_numpy(values).to(points), errors)

    def solve(self, problem: Problem) -> tuple[Solved, Array]:
        """The solution and the own error of each unknown (m,); solved once for each problem."""
        known = self._solutions.get(id(problem))
        if known is None or known[0] is not problem:
            need_skfem()
            roles = Roles(problem)
            chain = [Roles(easier) for _, easier in problem.easier]
            try:
                known = (problem, *self._solve(roles, chain))
            except NewtonFailed as error:
                raise refusal(error, METHOD) from None
            self._solutions[id(problem)] = known
        return known[1], known[2]

    def _solve(self, roles: Roles, chain: Sequence[Roles]) -> tuple[Solved, Array]:
        coarse_mesh = mesh_of(roles.problem, self.degree, self.refine, coarser=True)
        coarse: Solved | None = None
        for easier in chain:
            coarse = solve_on(coarse_mesh, easier, self.degree, coarse)
        coarse = solve_on(coarse_mesh, roles, self.degree, coarse)
        mesh = mesh_of(roles.problem, self.degree, self.refine, coarser=False)
        fine = solve_on(mesh, roles, self.degree, coarse)
        where = roles.problem.domain.sample_interior(CHECKS, "random", 4).numpy()
        values = fine.at(where)
        return fine, np.asarray(relative(values - coarse.at(where), values))
