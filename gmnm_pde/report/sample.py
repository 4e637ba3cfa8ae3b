"""A solution, its reference and its error, or its residual, at points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmnm_pde.fields import Jet, Orders
from gmnm_pde.problem import Equation, Problem, ReferenceValues

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


class ErrorsLike(Protocol):
    """What the pictures need of measured errors."""

    @property
    def relative_l2(self) -> Mapping[str, float]: ...
    @property
    def reference(self) -> str: ...
    @property
    def own_error(self) -> Mapping[str, float]: ...


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
    def units(self) -> int: ...
    @property
    def seconds(self) -> float: ...

    def __call__(self, points: Tensor, /) -> Tensor: ...
    def derivative(self, points: Tensor, letters: str, /, *, unknown: str) -> Tensor: ...
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


def sample(solution: SolutionLike, points: Array) -> Sample:
    """The solution at points (n, d), with the reference, or with the residual if there is none."""
    at = torch.from_numpy(np.ascontiguousarray(points))
    values = _numpy(solution(at))
    reference = solution.reference(at)
    if reference is not None:
        return Sample(values, reference=_numpy(reference.values))
    if not solution.problem.equations:
        return Sample(values)
    return Sample(values, residual=_numpy(residuals(solution, at)))


def residuals(solution: SolutionLike, points: Tensor) -> Tensor:
    """The residual of every equation at points (n, d), (n, equations)."""
    problem = solution.problem

    def values(unknown: str, orders: Orders) -> Tensor:
        letters = "".join(
            name * count for name, count in zip(problem.coordinates, orders, strict=True)
        )
        if not letters:
            return solution(points)[:, problem.unknowns.index(unknown)]
        return solution.derivative(points, letters, unknown=unknown)

    jet = Jet(problem.coordinates, problem.unknowns, points, values)
    columns = [cast(Equation, equation).residual(jet) for equation in problem.equations]
    return torch.stack(columns, dim=1)


def _numpy(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()
