"""One step of Radau IIA on a system, and the choice of the next.

Stages are coupled by the matrix A only, so with A = T diag(lambda) T^-1 Newton's equations fall
apart into one system for each eigenvalue, one of every conjugate pair of which is solved
(:mod:`gmnm_pde.evolution.pencil`). Factors are kept as long as h and the Jacobians are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite

import torch
from torch import Tensor

from gmnm_pde.evolution.pencil import Factor, Pencil
from gmnm_pde.evolution.radau import Part, Tableau, lagrange
from gmnm_pde.evolution.system import System

ITERATIONS = 12
"""Newton iterations after which a step is given up."""

NEWTON_SHARE = 0.02
"""Newton's last correction over the tolerance of the step."""

ROUNDING = 4e-15
"""No correction is asked to be smaller, relative to the coefficients."""


FARTHEST = 4.3
"""No step is guessed by a polynomial that far beyond its start, in lengths of its own."""

TRUST = 0.8
"""Power of the rate of convergence in the step before that a step counts on (Hairer & Wanner,
IV.8)."""

SLOW = 0.02
"""With a slower rate, derivatives are renewed where the matrices are factored anew anyway."""


@dataclass(frozen=True)
class Step:
    """A step that was solved.

    Arguments:
        start, length: t and h.
        stages: y, (s, unknowns, modes).
        values: c at the start and at every node, (s + 1, unknowns, modes).
        end: the state at the end, (rates, unknowns, modes).
        error: of c inside the step over its size, the largest of the unknowns.
        iterations: of Newton's method.
    """

    start: float
    length: float
    stages: Tensor
    values: Tensor
    end: Tensor
    error: float
    iterations: int


@dataclass
class Stepper:
    """Steps of one system; keeps Jacobians and factors between them.

    Arguments:
        scale: size of each unknown, (unknowns,).
    """

    system: System
    tableau: Tableau
    tolerance: float
    scale: Tensor
    pencil: Pencil | None = None
    stale: bool = True
    rate: float = 1.0
    _factors: dict[float, tuple[Factor, ...]] = field(default_factory=dict)

    def step(
        self, time: float, state: Tensor, h: float, before: Step | None, known: bool = False
    ) -> Step | None:
        """A step of length h, None if Newton's method does not converge.

        Arguments:
            before: a step on the same modes, the one before or a longer one from the same time,
                whose polynomial is where Newton's method begins.
            known: whether the state holds the unknowns without a rate.
        """
        guess = self._guess(time, state, h, before)
        slow = self.rate > SLOW and h not in self._factors
        fresh = self.stale or slow
        if fresh:
            self._refresh(*self._middle(time, state, h, before, guess))
        found = self._newton(time, state, h, guess)
        if found is None and (before is not None or not fresh):
            self._refresh(time + h, state)
            found = self._newton(time, state, h, self._guess(time, state, h, None))
        if found is None:
            self.stale = True
            return None
        y, iterations = found
        self.stale = iterations > ITERATIONS // 3
        D = self._states(state, y, h)
        begin = state[0] if known else self._begin(state, D)
        values = torch.cat([begin[None], D[:, 0]])
        error = self._error(time, state, y, D, h, known)
        return Step(time, h, y, values, D[-1].clone(), error, iterations)

    # -------------------------------------------------------------------------------- details

    def _refresh(self, time: float, state: Tensor) -> None:
        self.pencil = Pencil(self.system.jacobians(time, state), self.system.held)
        self._factors.clear()
        self.rate = 1.0

    def _middle(
        self, time: float, state: Tensor, h: float, before: Step | None, guess: Tensor
    ) -> tuple[float, Tensor]:
        """Where Newton's matrices are taken: in the middle of the step, as far as it is known."""
        if before is None:
            return time + h, state
        i = self.tableau.stages // 2
        return time + float(self.tableau.nodes[i]) * h, self._states(state, guess, h)[i]

    def _newton(self, time: float, state: Tensor, h: float, y: Tensor) -> tuple[Tensor, int] | None:
        times = [time + tau * h for tau in self.tableau.nodes.tolist()]
        limit = max(NEWTON_SHARE * self.tolerance, ROUNDING)
        last = float("inf")
        # That of the step before counts less from step to step, so that it is measured again.
        self.rate = max(self.rate, ROUNDING) ** TRUST
        for iteration in range(1, ITERATIONS + 1):
            D = self._states(state, y, h)
            F = self.system.residuals(times, D)
            if not bool(F.isfinite().all()):
                return None
            change = self._solve(F, h)
            y = y + change
            size = self._size(self._integrated(change, h))
            if iteration > 1:
                self.rate = size / last
            # What is left falls by the same rate again and again.
            left = size * self.rate / (1 - self.rate) if self.rate < 1 else float("inf")
            if min(size, left) <= limit:
                return y, iteration
            # Slower than needed to arrive in the iterations that are left.
            if size > 0.9 * last and iteration > 2:
                return (y, iteration) if size <= 50 * limit else None
            if not isfinite(size) or size > 1e6:
                return None
            last = size
        return None

    def _solve(self, F: Tensor, h: float) -> Tensor:
        """The change of y that Newton's equations ask for, (s, unknowns, modes)."""
        tab, pencil = self.tableau, self.pencil
        assert pencil is not None
        if h not in self._factors:
            if len(self._factors) > 3:
                self._factors.clear()
            self._factors[h] = tuple(pencil.factor(self._shifts(part, h)) for part in tab.parts)
        total = torch.zeros_like(F)
        for part, factor in zip(tab.parts, self._factors[h], strict=True):
            z = pencil.solve(factor, part.inverse @ F.to(part.inverse.dtype))
            z = z / self._powers(self._shifts(part, h), z.shape[1])
            # A conjugate pair is twice the real part of the one that is kept.
            if z.is_complex():
                total += 2 * (part.vectors.real @ z.real - part.vectors.imag @ z.imag)
            else:
                total += part.vectors @ z
        return -total.reshape(len(F), self.system.unknowns, -1)

    def _shifts(self, part: Part, h: float) -> Tensor:
        """h lambda of the eigenvalues of a part."""
        return h * part.values

    def _powers(self, shifts: Tensor, size: int) -> Tensor:
        """(h lambda)^order of every coefficient's unknown, (k, size)."""
        orders = torch.tensor(self.system.shape.orders)
        return (shifts[:, None] ** orders).repeat_interleave(size // len(orders), 1)

    def _states(self, state: Tensor, y: Tensor, h: float) -> Tensor:
        """c, c' and c'' at the nodes, (s, rates, unknowns, modes)."""
        tab = self.tableau
        D = torch.zeros(tab.stages, *state.shape, dtype=state.dtype)
        for j, order in enumerate(self.system.shape.orders):
            D[:, order, j] = y[:, j]
            for rate in range(order - 1, -1, -1):
                D[:, rate, j] = state[rate, j] + h * tab.A @ D[:, rate + 1, j]
        return D

    def _integrated(self, change: Tensor, h: float) -> Tensor:
        """The change of c at the nodes, (s, unknowns, modes)."""
        columns = []
        for j, order in enumerate(self.system.shape.orders):
            part = change[:, j]
            for _ in range(order):
                part = h * self.tableau.A @ part
            columns.append(part)
        return torch.stack(columns, 1)

    def _size(self, change: Tensor) -> float:
        """The largest L2 norm over nodes and unknowns, relative."""
        return float((change.norm(dim=2) / self.scale).max())

    def _begin(self, state: Tensor, D: Tensor) -> Tensor:
        """c at the start; an unknown without a time derivative has none but by extrapolation."""
        begin = state[0].clone()
        for j, order in enumerate(self.system.shape.orders):
            if order == 0:
                begin[j] = torch.tensordot(self.tableau.back, D[:, 0, j], 1)
        return begin

    def _error(
        self, time: float, state: Tensor, y: Tensor, D: Tensor, h: float, known: bool
    ) -> float:
        """The defect between the nodes, filtered by the real factor and integrated."""
        tab, tau = self.tableau, self.tableau.check
        at = torch.zeros_like(state)
        for j, order in enumerate(self.system.shape.orders):
            if order == 0 and known:
                at[0, j] = torch.tensordot(tab.path, torch.cat([state[None, 0, j], y[:, j]]), 1)
                continue
            at[order, j] = torch.tensordot(tab.inside, y[:, j], 1)
            for rate in range(order):
                at[rate, j] = torch.tensordot(
                    tab.path, torch.cat([state[None, rate, j], D[:, rate, j]]), 1
                )
        defect = self.system.residual(time + tau * h, at)
        assert self.pencil is not None
        z = self.pencil.solve(self._factors[h][0], defect[None])
        z = z.reshape(self.system.unknowns, -1)
        gamma = float(tab.parts[0].values)
        errors = []
        for j, order in enumerate(self.system.shape.orders):
            if order:
                error = z[j].norm() / gamma
                # The derivative of c is c' at the nodes only: between them it is missed as well.
                for rate in range(order - 1):
                    path = torch.cat([state[None, rate, j], D[:, rate, j]])
                    missed = torch.tensordot(tab.slope, path, 1) - h * at[rate + 1, j]
                    error = error + missed.norm()
                errors.append(tab.constant * error / self.scale[j])
            elif j not in self.system.shape.multipliers:
                errors.append(z[j].norm() / self.scale[j])
        return float(torch.stack(errors).max())

    def _guess(self, time: float, state: Tensor, h: float, before: Step | None) -> Tensor:
        """y by the polynomial of another step, or constant."""
        tab = self.tableau
        if before is not None and len(before.stages) == tab.stages:
            where = (time - before.start + tab.nodes.numpy() * h) / before.length
            if where[-1] < FARTHEST:
                return torch.tensordot(lagrange(tab.nodes.numpy(), where), before.stages, 1)
        first = torch.stack([state[o, j] for j, o in enumerate(self.system.shape.orders)])
        return first.expand(tab.stages, -1, -1).clone()


def next_length(h: float, error: float, tolerance: float, stages: int, worth: float = 1.5) -> float:
    """The step that the tolerance allows; unchanged if it is not longer by a factor that is worth
    other factors of the matrices."""
    if error <= 0:
        return 4 * h
    factor = 0.85 * (tolerance / error) ** (1 / (stages + 1))
    factor = min(4.0, max(0.2, factor))
    return h if 1.0 <= factor < worth else factor * h
