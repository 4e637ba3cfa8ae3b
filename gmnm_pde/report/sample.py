"""A solution, its reference and its error, or its residual, at points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmnm_pde.fields import Orders, Values
from gmnm_pde.inferred import Findings
from gmnm_pde.problem import Problem, ReferenceValues

Array = NDArray[np.float64]


class StepLike(Protocol):
    """What the pictures need of one record of a solution's history."""

    @property
    def units(self) -> int: ...
    @property
    def residual_rms(self) -> float: ...
    @property
    def estimated_error(self) -> float | None: ...
    @property
    def seconds(self) -> float: ...
    @property
    def inferred(self) -> Mapping[str, float]: ...
    @property
    def standard_error(self) -> Mapping[str, float]: ...
    @property
    def loss(self) -> float | None: ...


class ErrorsLike(Protocol):
    """What the pictures need of measured errors."""

    @property
    def relative_l2(self) -> Mapping[str, float]: ...
    @property
    def reference(self) -> str: ...
    @property
    def own_error(self) -> Mapping[str, float]: ...
    @property
    def constants(self) -> Mapping[str, float]: ...


class SolutionLike(Protocol):
    """What the pictures need of a solution."""

    @property
    def problem(self) -> Problem: ...
    @property
    def history(self) -> Sequence[StepLike]: ...
    @property
    def errors(self) -> ErrorsLike | None: ...
    @property
    def estimated_error(self) -> Mapping[str, float | None]: ...
    @property
    def findings(self) -> Findings: ...
    @property
    def units(self) -> int: ...
    @property
    def seconds(self) -> float: ...

    def __call__(self, points: Tensor, /) -> Tensor: ...
    def derivative(
        self, points: Tensor, letters: str | Sequence[str], /, *, unknown: str
    ) -> Tensor: ...
    def reference(self, points: Tensor, /) -> ReferenceValues | None: ...


@dataclass(frozen=True)
class Sample:
    """Values at n points.

    Arguments:
        values: of the solution, (n, unknowns).
        reference: the same of the reference, if there is one.
        residual: of the equations, (n, equations), if there is no reference.
    """

    values: Array
    reference: Array | None = None
    residual: Array | None = None

    @property
    def error(self) -> Array | None:
        """Solution minus reference, (n, unknowns)."""
        return None if self.reference is None else self.values - self.reference

    @property
    def rest(self) -> Array | None:
        """The error, or the residual in its place, (n, unknowns or equations)."""
        return self.residual if self.reference is None else self.error

    def rest_of(self, j: int) -> Array:
        """What stands beside an unknown: its error, or the residual of its equation, (n,)."""
        rest = self.rest
        if rest is None:
            return np.full(len(self.values), np.nan)
        return rest[:, min(j, rest.shape[1] - 1)]

    def take(self, which: NDArray[np.int64]) -> Sample:
        """The same at some of the points, in the order of their numbers."""
        reference, residual = (
            None if field is None else field[which] for field in (self.reference, self.residual)
        )
        return Sample(self.values[which], reference, residual)

    def split(self, counts: Sequence[int]) -> list[Sample]:
        """The same in parts of so many points each."""
        cuts = np.cumsum(counts)[:-1]

        def parts(field: Array | None) -> list[Array | None]:
            return [None] * len(counts) if field is None else list(np.split(field, cuts))

        values = np.split(self.values, cuts)
        each = zip(values, parts(self.reference), parts(self.residual), strict=True)
        return [Sample(*fields) for fields in each]


def sample(solution: SolutionLike, points: Array, rest: bool = True) -> Sample:
    """The solution at points (n, d), with the reference, or with the residual if there is none.

    A reference that is known at its own points only (see :mod:`gmnm_pde.report.scatter`) is not
    asked for elsewhere. Without ``rest`` there is the solution alone.
    """
    at = torch.from_numpy(np.ascontiguousarray(points))
    values = to_numpy(solution(at))
    if not rest or has_own_points(solution):
        return Sample(values)
    reference = solution.reference(at)
    if reference is not None:
        return Sample(values, reference=to_numpy(reference.values))
    if not solution.problem.equations:
        return Sample(values)
    return Sample(values, residual=to_numpy(residuals(solution, at)))


def sample_groups(
    solution: SolutionLike, groups: Sequence[Array], rest: bool = True
) -> list[Sample]:
    """One sample for each group of points (n, d), from one evaluation of all of them."""
    whole = sample(solution, np.concatenate(list(groups)), rest)
    return whole.split([len(group) for group in groups])


def has_own_points(solution: SolutionLike) -> bool:
    """Whether the reference is known at certain points only."""
    reference = solution.problem.reference
    return reference is not None and reference.own_points(solution.problem) is not None


def residuals(solution: SolutionLike, points: Tensor) -> Tensor:
    """The residual of every equation at points (n, d), (n, equations)."""
    problem = solution.problem

    def at(points: Tensor, unknown: str, orders: Orders) -> Tensor:
        letters = [
            name
            for name, count in zip(problem.coordinates, orders, strict=True)
            for _ in range(count)
        ]
        if not letters:
            return solution(points)[:, problem.unknowns.index(unknown)]
        return solution.derivative(points, letters, unknown=unknown)

    def state(points: Tensor) -> Values:
        return partial(at, points)

    jet = problem.jet(points, state(points), elsewhere=state)
    columns = [equation.residual(jet) for equation in problem.laws]
    return torch.stack(columns, dim=1)


def to_numpy(tensor: Tensor) -> Array:
    """A tensor as a float64 array."""
    return tensor.detach().cpu().double().numpy()
