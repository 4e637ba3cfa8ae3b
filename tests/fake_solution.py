"""A stand-in for a solution: the exact one with a small, known, smooth error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.fields import orders_of
from gmnm_pde.problem import Problem, ReferenceValues
from gmnm_pde.references import Exact


@dataclass(frozen=True)
class FakeErrors:
    """Measured errors."""

    relative_l2: Mapping[str, float]
    max_error: Mapping[str, float]
    reference: str
    own_error: Mapping[str, float]


@dataclass(frozen=True)
class FakeRecord:
    """One step of a history."""

    step: int
    units: int
    seconds: float
    residual_rms: float
    estimated_error: float | None


@dataclass(frozen=True)
class FakeSolution:
    """exact + size * sin(7 (x + y + ...)).

    Arguments:
        truth: what it is built on; the problem's own reference may be another one, or none.
    """

    problem: Problem
    truth: Exact
    size: float = 1e-9
    steps: int = 6

    units = 400
    seconds = 0.34

    @property
    def estimated_error(self) -> dict[str, float]:
        return dict.fromkeys(self.problem.unknowns, 2.3 * self.size)

    @property
    def errors(self) -> FakeErrors | None:
        if self.problem.reference is None:
            return None
        same = dict.fromkeys(self.problem.unknowns, self.size)
        own = dict.fromkeys(self.problem.unknowns, 0.0)
        return FakeErrors(same, same, self.problem.reference.name, own)

    @property
    def history(self) -> tuple[FakeRecord, ...]:
        return tuple(
            FakeRecord(k, 50 * 2**k, 0.01 * 2**k, 10.0 ** (-1 - k), self.size * 10.0 ** (5 - k))
            for k in range(self.steps)
        )

    def __call__(self, points: Tensor) -> Tensor:
        names = self.problem.unknowns
        exact = torch.stack([self.truth.values(self.problem, name, points) for name in names], 1)
        return exact + self.size * torch.sin(7 * points.sum(1))[:, None]

    def derivative(self, points: Tensor, letters: str, *, unknown: str) -> Tensor:
        at = points.detach().clone().requires_grad_()
        value = self(at)[:, self.problem.unknowns.index(unknown)]
        for axis, count in enumerate(orders_of(letters, self.problem.coordinates)):
            for _ in range(count):
                (gradient,) = torch.autograd.grad(value.sum(), at, create_graph=True)
                value = gradient[:, axis]
        return value.detach()

    def reference(self, points: Tensor) -> ReferenceValues | None:
        reference = self.problem.reference
        return None if reference is None else reference.evaluate(self.problem, points)
