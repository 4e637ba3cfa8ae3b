"""Expectations over Brownian paths: parabolic problems on the whole space, in any dimension.

    u_t = D lap u + b.grad u - c u,       u(x, 0) = g(x)

has the solution u(x, t) = exp(-c t) E g(x + b t + sqrt(2 D t) Z) with Z normal (R. Feynman, 1948;
M. Kac, 1949), and by the logarithm of E. Hopf (1950) and J. D. Cole (1951)

    u_t = D lap u + b.grad u - l |grad u|^2

is solved as well: exp(-l u / D) satisfies the linear equation with c = 0.

The average over samples comes with its standard error, which does not depend on the dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Jet, bind
from gmnm_pde.problem import Problem, Reference, ReferenceValues

CHUNK = 2_000_000
"""Numbers of end points that are held at once."""


@dataclass(frozen=True)
class MonteCarlo(Reference):
    """The solution of a parabolic problem without boundaries, by samples of where paths end.

    Arguments:
        initial: g, of the coordinates of space by name or of ``points`` (n, d).
        diffusion: D, positive.
        drift: b, one number for each coordinate; zero if not given.
        decay: c; only without ``steering``.
        steering: l.
        samples: of every point; in pairs of Z and -Z.
        seed: of the samples, the same for every point.
    """

    initial: Callable[..., Any]
    diffusion: float = 1.0
    drift: Sequence[float] | None = None
    decay: float = 0.0
    steering: float = 0.0
    samples: int = 2048
    seed: int = 0
    name: str = "monte_carlo"
    solves: ClassVar[bool] = True

    def evaluate(self, problem: Problem, points: Tensor) -> ReferenceValues:
        """Averages at points (n, d + 1), and their standard error relative to their size.

        Raises:
            InputError: a problem without time, of several unknowns, or numbers that do not fit.
        """
        self._check(problem)
        generator = torch.Generator().manual_seed(self.seed)
        shape = (max(1, self.samples // 2), len(problem.space))
        z = torch.randn(shape, generator=generator, dtype=torch.float64).to(points)
        size = max(1, CHUNK // (2 * z.numel()))
        parts = [self._average(problem, part, z) for part in points.split(size)]
        value, error = (torch.cat(item) for item in zip(*parts, strict=True))
        own = (error.square().mean().sqrt() / value.square().mean().sqrt()).item()
        name = problem.unknowns[0]
        return ReferenceValues(value[:, None], {name: own})

    def _average(self, problem: Problem, points: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """The solution and its standard error at points, each (n,)."""
        assert problem.time is not None
        span = points[:, -1] - problem.time[0]
        start = points[:, :-1]
        if self.drift is not None:
            start = start + span[:, None] * start.new_tensor(tuple(self.drift))
        steps = (2 * self.diffusion * span).clamp_min(0.0).sqrt()[:, None, None] * z
        pair = [self._payoff(problem, start[:, None] + sign * steps) for sign in (1.0, -1.0)]
        mean = 0.5 * (pair[0] + pair[1])
        value, error = mean.mean(1), mean.std(1) / len(z) ** 0.5
        if self.steering:
            scale = self.diffusion / self.steering
            return -scale * value.log(), abs(scale) * error / value
        fade = torch.exp(-self.decay * span)
        return fade * value, fade * error

    def _payoff(self, problem: Problem, ends: Tensor) -> Tensor:
        """g, or exp(-l g / D), at end points (n, samples, d)."""
        flat = ends.reshape(-1, ends.shape[2])
        jet = Jet(problem.space, (), flat, _no_unknowns)
        found = bind(self.initial, problem.space, ())(jet).reshape(ends.shape[:2])
        return torch.exp(-self.steering / self.diffusion * found) if self.steering else found

    def _check(self, problem: Problem) -> None:
        why = None
        if problem.time is None or len(problem.unknowns) != 1:
            why = "needs a problem in time of one unknown"
        elif not self.diffusion > 0:
            why = f"needs a positive diffusion, not {self.diffusion}"
        elif self.drift is not None and len(self.drift) != len(problem.space):
            why = f"has a drift of {len(self.drift)} numbers in {len(problem.space)} dimensions"
        elif self.steering and self.decay:
            why = "has both decay and steering"
        if why is not None:
            raise InputError(
                f"the Monte Carlo reference {why}.", mend="See gmnm_pde.references.MonteCarlo."
            )


def _no_unknowns(unknown: str, orders: tuple[int, ...]) -> Tensor:
    raise InputError("initial data refer to an unknown.", mend="Write them in the coordinates.")
