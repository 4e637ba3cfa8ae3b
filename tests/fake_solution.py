"""A stand-in for a solution: the exact one with a small, known, smooth error.

In time it imitates a solution by time steps: it starts without an error, which then grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gmnm_pde.fields import Jet, orders_of
from gmnm_pde.geometry import Ball, Disk, Domain, Interval, Rectangle
from gmnm_pde.inferred import Findings
from gmnm_pde.problem import Problem, ReferenceValues
from gmnm_pde.references import Exact


@dataclass(frozen=True)
class FakeErrors:
    """Measured errors."""

    relative_l2: Mapping[str, float]
    max_error: Mapping[str, float]
    reference: str
    own_error: Mapping[str, float]
    constants: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FakeRecord:
    """One step of a history."""

    step: int
    units: int
    seconds: float
    residual_rms: float
    estimated_error: float | None
    inferred: Mapping[str, float] = field(default_factory=dict)
    standard_error: Mapping[str, float] = field(default_factory=dict)
    loss: float | None = None


@dataclass(frozen=True)
class FakeSolution:
    """exact + size * sin(7 (x + y + ...)), in time exact + size * s * sin(7 (x + y + ...)) with s
    the part of the time that is over.

    Arguments:
        truth: what it is built on; the problem's own reference may be another one, or none.
        calls: how many points each evaluation had.
    """

    problem: Problem
    truth: Exact
    size: float = 1e-9
    steps: int = 6
    calls: list[int] = field(default_factory=list)

    units = 400
    seconds = 0.34
    findings = Findings()

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
        self.calls.append(len(points))
        names = self.problem.unknowns
        exact = torch.stack([self.truth.values(self.problem, name, points) for name in names], 1)
        return exact + self.error(points)[:, None]

    def error(self, points: Tensor) -> Tensor:
        """What it is wrong by, (n,)."""
        error = self.size * torch.sin(7 * points.sum(1))
        if self.problem.time is None:
            return error
        start, end = self.problem.time
        return error * (points[:, -1] - start) / (end - start)

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


def evolving(
    domain: Domain, unknowns: str = "u", *, known: bool = True, size: float = 1e-6, **more: object
) -> FakeSolution:
    """u = cos(x) exp(-t), v = 2 u and so on, on any domain for 0 < t < 2; u_t = -u."""
    truth = Exact(
        {
            name: lambda x, t, k=k: (k + 1.0) * torch.cos(x) * torch.exp(-t)
            for k, name in enumerate(unknowns)
        }
    )
    problem = Problem(
        [*"xyz"[: domain.dimension], "t"],
        unknowns,
        domain,
        [lambda jet, name=name: decay(jet, name) for name in unknowns],
        reference=truth if known else None,
        time=(0, 2),
        name="decay",
        **more,
    )
    return FakeSolution(problem, truth, size)


def decay(jet: Jet, name: str) -> Tensor:
    """u_t + u."""
    orders = (0,) * len(jet.coordinates)
    return jet.derivative(name, (*orders[:-1], 1)) + jet.derivative(name, orders)


EVOLVING = {
    "interval": lambda **more: evolving(Interval(0, 3), "uv", **more),
    "square": lambda **more: evolving(Rectangle(x=(0, 1), y=(0, 1)), **more),
    "disk": lambda **more: evolving(Disk((0, 0), 1), "uv", **more),
    "ball": lambda **more: evolving(Ball((0, 0, 0), 1), **more),
    "channel": lambda **more: evolving(Rectangle(x=(0, 6), y=(0, 1)), "ab", **more),
}
