"""Chebyshev and Fourier collocation on a box, with an estimate of its own error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem, Reference, ReferenceValues
from gmnm_pde.references.growth import fits, grow, start_tolerance, with_points
from gmnm_pde.references.level import Level, Options, refusal, relative
from gmnm_pde.references.marching import Stopped
from gmnm_pde.references.roles import Roles
from gmnm_pde.references.steady import NewtonFailed
from gmnm_pde.references.stencils import Array

METHOD = "spectral references"
FEWEST_POINTS = 6
COARSER, LOOSER = 0.8, 30.0
"""Points and tolerance of the next resolution: near enough that its error is not another matter,
far enough that the two are not alike where convergence is slow."""


@dataclass(frozen=True)
class Spectral(Reference):
    """Collocation with polynomials, or with waves along a periodic coordinate; Radau collocation
    in time. Any residual, linear or not, and any number of unknowns, on a box of one to three
    dimensions.

    Its own error follows from the differences between solutions with fewer points and looser
    tolerances in time, at the points that are asked for.

    Arguments:
        points: collocation points along each coordinate. None takes more of them until the own
            error is below 1e-10, no longer falls, or a minute is over.

    Raises:
        InputError: too few points.
    """

    points: int | None = None
    name: str = "spectral"
    solves: ClassVar[bool] = True
    _solutions: dict[int, tuple[Problem, tuple[Level, ...]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.points is not None and self.points < FEWEST_POINTS:
            raise InputError(
                f"spectral references need at least {FEWEST_POINTS} points, not {self.points}.",
                mend="Give more points.",
            )

    def evaluate(self, problem: Problem, points: Tensor) -> ReferenceValues:
        """The spectral solution at points (n, d) of the closed region.

        Raises:
            InputError: a problem that collocation cannot do, in words.
        """
        values, own = compare(self.solve(problem), points.detach().cpu().double().numpy())
        errors = dict(zip(problem.unknowns, own.tolist(), strict=True))
        return ReferenceValues(torch.from_numpy(values).to(points), errors)

    def solve(self, problem: Problem) -> tuple[Level, ...]:
        """Two or three resolutions, the finest first; solved once for each problem."""
        known = self._solutions.get(id(problem))
        if known is None or known[0] is not problem:
            levels = self._solve(problem)
            levels[0].check_extra()
            known = (problem, levels)
            self._solutions[id(problem)] = known
        return known[1]

    def _solve(self, problem: Problem) -> tuple[Level, ...]:
        chain = [Roles(easier, METHOD) for _, easier in problem.easier]
        roles = Roles(problem, METHOD)
        try:
            if self.points is None:
                return grow(roles, chain)
            _check_size(roles, self.points)
            levels: tuple[Level, ...] = ()
            for coarser in (2, 1, 0):
                count = int(COARSER**coarser * self.points)
                options = Options(LOOSER**coarser * start_tolerance(roles, count, 1e-6))
                start = levels[0] if levels else None
                try:
                    levels = (with_points(roles, chain, count, options, start), *levels)
                except (NewtonFailed, Stopped):
                    # The coarsest one only sharpens the estimate of the error.
                    if coarser < 2:
                        raise
            return levels
        except (NewtonFailed, Stopped) as error:
            raise refusal(error, METHOD) from None


def compare(levels: Sequence[Level], points: Array) -> tuple[Array, Array]:
    """Values (n, m) of the finest level at points, and their estimated errors (m,).

    The next level differs by about its own error; the finer one has a share of it, which a third
    level shows. It is taken as the square root of what exponential convergence would give, and a
    tenth at least, since errors in time fall with their tolerance only.
    """
    values, *others = [level.at(points) for level in levels]
    near = relative(values - others[0], values)
    if len(others) == 1:
        return values, near
    far = relative(others[0] - others[1], values)
    share = np.sqrt(near / np.maximum(far, np.finfo(float).tiny))
    return values, near * np.clip(share, 0.1, 1.0)


def _check_size(roles: Roles, points: int) -> None:
    if not fits(roles, points):
        most = points
        while not fits(roles, most):
            most -= 1
        raise InputError(
            f"the spectral reference with {points} points along each of {roles.dimension} "
            f"coordinates for {len(roles.problem.unknowns)} unknowns is too large.",
            mend=f"Give points: {most} or fewer.",
        )
