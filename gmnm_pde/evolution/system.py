"""The equations of an evolution problem projected on modes: F(t, c, c', c'') = 0.

Unknown j is sum_i c_ij(t) phi_i(x). Each equation is projected on the modes of the unknown that it
determines (Galerkin), and where a condition holds, the projection gives way: with the rows of the
conditions B c = g, B = U S V', the equation is kept on the null space of B, and U' (B c - g) = 0
takes the place of the rest. Conditions that change in time and conditions with time derivatives
are rows of the same kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.evolution.modes import Modes
from gmnm_pde.evolution.rows import (
    coefficients_at,
    condition_blocks,
    equation_blocks,
    initial_blocks,
    integrating,
    moved,
    repeated,
)
from gmnm_pde.evolution.spacing import Spacing
from gmnm_pde.fields import Orders, State, Values
from gmnm_pde.integrals import integrated
from gmnm_pde.linearised import Block, Linearised, Term, at_zero, jet_of, linearise
from gmnm_pde.problem import Problem

SMOOTHER = 0.5
"""Part of the modes, the smoothest, that a multiplier has: with as many as the velocity, some
pressures would have no gradient that any velocity sees (the inf-sup condition)."""

RATES = 3
"""c, c' and c''."""


@dataclass(frozen=True)
class Shape:
    """Which equation determines which unknown, and how.

    Arguments:
        orders: of the time derivatives of each unknown.
        determines: for each equation, the index of the unknown.
        multipliers: unknowns that their own equation does not hold, as the pressure, which is there
            to make the velocity free of sources.
    """

    orders: tuple[int, ...]
    determines: tuple[int, ...]
    multipliers: tuple[int, ...] = ()


def shape_of(problem: Problem) -> Shape:
    """The shape of a problem.

    Raises:
        InputError: not as many equations as unknowns, an order in time above two.
    """
    assert problem.time is not None
    unknowns = tuple(problem.unknowns)
    if len(problem.equations) != len(unknowns):
        raise InputError(
            f"there are {len(problem.equations)} equations for {len(unknowns)} unknowns.",
            mend="An evolution problem has one equation for each unknown.",
        )
    found = coefficients_at(problem, problem.time[0])
    rates = np.full((len(unknowns), len(unknowns)), -1)
    space = np.zeros_like(rates)
    for e, coefficients in enumerate(found):
        for name, orders in coefficients:
            j = unknowns.index(name)
            rates[e, j] = max(rates[e, j], orders[-1])
            space[e, j] = max(space[e, j], sum(orders[:-1]))
    orders = rates.max(0).clip(0)
    if orders.max() >= RATES:
        raise InputError(
            f"an equation holds a time derivative of order {orders.max()}.",
            mend="Introduce the first time derivative as an unknown of its own.",
        )
    _refuse_integrated_rates(problem, dict(zip(unknowns, orders.tolist(), strict=True)))
    # An equation determines the unknown whose highest time derivative it holds; a constraint the
    # one it holds, most differentiated, if that is still free.
    score = np.where((rates == orders) & (orders > 0), 100.0, 0.0) + np.where(rates >= 0, 1.0, 0.0)
    score = score + 0.01 * space
    rows, columns = linear_sum_assignment(-score)
    determines = [0] * len(unknowns)
    for e, j in zip(rows, columns, strict=True):
        determines[e] = int(j)
    multipliers = tuple(j for e, j in enumerate(determines) if rates[e, j] < 0)
    return Shape(tuple(int(o) for o in orders), tuple(determines), multipliers)


def _refuse_integrated_rates(problem: Problem, orders: Mapping[str, int]) -> None:
    assert problem.time is not None
    for block in equation_blocks(problem, problem.domain.sample_interior(2), problem.time[0]):
        for name, alpha in integrated(problem, block):
            if alpha[-1] > orders[name]:
                raise InputError(
                    f"an integral in {block.label!r} holds a time derivative of {name} of order "
                    f"{alpha[-1]}, which no equation holds at a point.",
                    mend="Solve it in the space-time form, with the method least_squares.",
                )


class System:
    """F and its derivatives for one set of modes.

    Coefficients are tensors (rates, unknowns, modes): c, c' and c''.

    Arguments:
        time: at which the rank of the conditions is decided.
        cut: smallest singular value of the conditions that counts, over the largest.
    """

    def __init__(
        self,
        problem: Problem,
        shape: Shape,
        modes: Modes,
        spacings: Sequence[Spacing],
        time: float,
        cut: float,
    ) -> None:
        self.problem = problem
        self.shape = shape
        self.modes = modes
        self._equations = self._integrating(equation_blocks(problem, modes.points, time), time)
        self._conditions = self._integrating(condition_blocks(problem, spacings, modes, time), time)
        self._features: list[dict[Orders, Tensor]] = [{} for _ in self._conditions]
        self._within: dict[Orders, Tensor] = {}
        self.unknowns = len(problem.unknowns)
        self.size = self.unknowns * modes.count
        #: Coefficients that are zero: those of short waves of the multipliers.
        self._silent = torch.tensor(
            [
                j * modes.count + i
                for j in shape.multipliers
                for i in range(max(1, int(SMOOTHER * modes.count)), modes.count)
            ],
            dtype=torch.int64,
        )
        self._cut = cut
        self._split(time, cut)

    # ------------------------------------------------------------------ F and its derivatives

    def residual(self, time: float, c: Tensor) -> Tensor:
        """F, (size,): the projected equations, then the conditions."""
        return self.residuals([time], c[None])[0]

    def residuals(self, times: Sequence[float], c: Tensor) -> Tensor:
        """F at several times at once, (times, size), for c (times, rates, unknowns, modes)."""
        count = len(times)
        projected = c.new_zeros(count, self.unknowns, self.modes.count)
        for e, block in enumerate(self._equations):
            lin = self._evaluate(block, times, c, None)
            projected[:, self.shape.determines[e]] = self.modes.project(lin)
        projected = projected.reshape(count, -1)
        if not self.held:
            return projected
        silent = c[:, 0].reshape(count, -1)[:, self._silent]
        equations = torch.cat([projected @ self._free, silent], 1)
        if not self._conditions:
            return equations
        rows = [
            block.combine(self._evaluate(block, times, c, i).T).T - block.offset
            for i, block in enumerate(self._conditions)
        ]
        return torch.cat([equations, torch.cat(rows, 1) @ self._bound], 1)

    def jacobians(self, time: float, c: Tensor) -> list[Tensor]:
        """dF/dc^(d) for d = 0, 1, 2, as far as there are rates: each (size, size)."""
        M, unknowns = self.modes.count, tuple(self.problem.unknowns)
        count = 1 + max(self.shape.orders)
        full = c.new_zeros(count, self.unknowns, M, self.unknowns, M)
        for e, block in enumerate(self._equations):
            lin = self._linearise(block, time, c, None)
            row = self.shape.determines[e]
            for (name, orders), a in lin.coefficients.items():
                j, rate, alpha = unknowns.index(name), orders[-1], orders[:-1]
                if _constant(a):
                    full[rate, row, :, j].add_(self.modes.product(alpha), alpha=float(a[0]))
                else:
                    full[rate, row, :, j] += self.modes.product(alpha, a)
            for term in lin.terms:
                factor, slope = self.modes.project(term.factor), self._slope(term)
                full[:, row] += factor[:, None, None] * slope[:count, None]
        full = full.reshape(count, self.size, self.size)
        rows = [self._condition_rows(time, c, i) for i in range(len(self._conditions))]
        found = []
        for rate in range(count):
            held = full.new_zeros(len(self._silent), self.size)
            if not rate:
                held[torch.arange(len(held)), self._silent] = 1.0
            top = self._free.T @ full[rate] if self.held else full[rate]
            bound = [self._bound.T @ torch.cat([part[rate] for part in rows])] if rows else []
            found.append(torch.cat([top, held, *bound]))
        return found

    # ------------------------------------------------------------------------------ the state

    def initial(self, time: float) -> Tensor:
        """c of the initial conditions, which may hold any combination of u and u_t."""
        c = self.modes.weights.new_zeros(RATES, self.unknowns, self.modes.count)
        for rate, j, values in self._initial_values(time):
            c[rate, j] = self.modes.project(values)
        return self.admissible(time, c)

    def initial_misfit(self, time: float, c: Tensor) -> Tensor:
        """By how much c misses the initial values of u, (points, unknowns)."""
        missed = self.modes.weights.new_zeros(len(self.modes.points), self.unknowns)
        for rate, j, values in self._initial_values(time):
            if rate == 0:
                missed[:, j] = self.modes.values(c[0, j]) - values
        return missed

    def _initial_values(self, time: float) -> list[tuple[int, int, Tensor]]:
        """What the initial conditions say: order in time, unknown, values at the quadrature."""
        unknowns = tuple(self.problem.unknowns)
        found = []
        for block in initial_blocks(self.problem, self.modes.points, time):
            lin = at_zero(self.problem, block)
            plain = [key for key in lin.coefficients if not sum(key[1][:-1])]
            if len(plain) != 1 or len(lin.coefficients) != 1 or lin.terms:
                raise InputError(
                    f"the initial condition {block.label!r} does not say what one unknown is.",
                    mend="Write u = f(x), or u_t = f(x), one unknown a condition.",
                )
            name, orders = plain[0]
            values = lin.target / lin.coefficients[name, orders]
            found.append((orders[-1], unknowns.index(name), values))
        return found

    def admissible(self, time: float, c: Tensor) -> Tensor:
        """The nearest c that satisfies the conditions (by one Newton step on their rows)."""
        held = [i for i in range(len(self._conditions)) if not self._dynamic(time, c, i)]
        if not held:
            return c
        rows = torch.cat([self._condition_rows(time, c, i)[0] for i in held])
        missed = []
        for i in held:
            block = self._conditions[i]
            missed.append(
                block.combine(self._evaluate(block, [time], c[None], i)[0]) - block.offset
            )
        found = torch.linalg.lstsq(
            rows, torch.cat(missed)[:, None], rcond=self._cut, driver="gelsd"
        )
        c = c.clone()
        c[0] -= found.solution[:, 0].reshape(self.unknowns, -1)
        return c

    # -------------------------------------------------------------------------------- details

    def _dynamic(self, time: float, c: Tensor, i: int) -> bool:
        """Whether a condition determines a rate: it says nothing about the values then."""
        orders = dict(zip(self.problem.unknowns, self.shape.orders, strict=True))
        lin = self._linearise(self._conditions[i], time, c, i)
        return any(
            alpha[-1] >= max(1, orders[name]) and bool((a != 0).any())
            for part in (lin, *(term.lin for term in lin.terms))
            for (name, alpha), a in part.coefficients.items()
        )

    @property
    def held(self) -> int:
        """How many of the rows of F, the last ones, are conditions."""
        return self.size - self._free.shape[1]

    def _split(self, time: float, cut: float) -> None:
        """The null space of the conditions and the rows that are kept of them."""
        loud = torch.ones(self.size, dtype=torch.bool)
        loud[self._silent] = False
        eye = torch.eye(self.size, dtype=torch.float64)[:, loud]
        if not self._conditions:
            self._free, self._bound = eye, torch.zeros(0, 0)
            return
        ones = self.modes.weights.new_ones(RATES, self.unknowns, self.modes.count)
        parts = [self._condition_rows(time, ones, i) for i in range(len(self._conditions))]
        rows = torch.cat([part.sum(0) for part in parts])[:, loud]
        U, singular, Vh = torch.linalg.svd(rows, full_matrices=True)
        rank = int((singular / singular[0] > cut).sum())
        self._bound, self._free = U[:, :rank], eye @ Vh[rank:].T

    def _integrating(self, blocks: Sequence[Block], time: float) -> list[Block]:
        return [integrating(self.problem, block, self.modes.lattice, time) for block in blocks]

    def _slope(self, term: Term) -> Tensor:
        """d(an integral)/dc^(d), (RATES, unknowns, modes)."""
        names = tuple(self.problem.unknowns)
        slope = self.modes.weights.new_zeros(RATES, self.unknowns, self.modes.count)
        weights = term.rule.average[0]
        for (name, orders), a in term.lin.coefficients.items():
            alpha, rate = orders[:-1], orders[-1]
            slope[rate, names.index(name)] += (
                self.modes.integrated(alpha, weights * a)
                if self._on_lattice
                else (weights * a) @ self._inside(alpha, term.rule.points)
            )
        return slope

    @property
    def _on_lattice(self) -> bool:
        """Whether integrals are evaluated where equations are."""
        return self.problem.domain.fills_box

    def _inside(self, alpha: Orders, points: Tensor) -> Tensor:
        """D^alpha of the modes at the points of integrals, if these are not those of equations."""
        if alpha not in self._within:
            self._within[alpha] = self.modes.at(points[:, :-1], [alpha])[alpha]
        return self._within[alpha]

    def _elsewhere(self, c: Tensor) -> State:
        """Values and derivatives for jets at the points of integrals; of several c one after the
        other, at the same points of space."""
        unknowns = tuple(self.problem.unknowns)
        times = c[..., 0, 0, 0].numel()

        def at(points: Tensor) -> Values:
            def values(name: str, orders: Orders) -> Tensor:
                alpha, function = orders[:-1], c[..., orders[-1], unknowns.index(name), :]
                if self._on_lattice:
                    return self.modes.derivative(alpha, function).flatten()
                inside = self._inside(alpha, points[: len(points) // times])
                return (function @ inside.T).flatten()

            return values

        return at

    def _values(self, c: Tensor, i: int | None, points: Tensor) -> Values:
        """Values and derivatives for a jet: at the quadrature, or at the points of a condition;
        of several c one after the other."""
        unknowns = tuple(self.problem.unknowns)

        def values(name: str, orders: Orders) -> Tensor:
            alpha, rate = orders[:-1], orders[-1]
            function = c[..., rate, unknowns.index(name), :]
            if i is None:
                return self.modes.derivative(alpha, function).flatten()
            return (function @ self._feature(alpha, i, points).T).flatten()

        return values

    def _feature(self, alpha: Orders, i: int, points: Tensor) -> Tensor:
        known = self._features[i]
        if alpha not in known:
            known[alpha] = self.modes.at(points[:, :-1], [alpha])[alpha]
        return known[alpha]

    def _evaluate(self, block: Block, times: Sequence[float], c: Tensor, i: int | None) -> Tensor:
        """The pointwise residual of a block at several times, (times, n)."""
        values = self._values(c, i, block.points)
        jet = jet_of(self.problem, repeated(block, times), values, self._elsewhere(c))
        with torch.no_grad():
            return block.residual(jet).reshape(len(times), -1)

    def _linearise(self, block: Block, time: float, c: Tensor, i: int | None) -> Linearised:
        block = moved(block, time)
        values = self._values(c, i, block.points)
        return linearise(self.problem, block, values, self._elsewhere(c))

    def _condition_rows(self, time: float, c: Tensor, i: int) -> Tensor:
        """d(rows of a condition)/dc^(d), (RATES, rows, size)."""
        block = self._conditions[i]
        lin = self._linearise(block, time, c, i)
        unknowns = tuple(self.problem.unknowns)
        n, M = len(block.points), self.modes.count
        rows = c.new_zeros(RATES, n, self.unknowns, M)
        for (name, orders), a in lin.coefficients.items():
            feature = self._feature(orders[:-1], i, block.points)
            rows[orders[-1], :, unknowns.index(name)] += a[:, None] * feature
        for term in lin.terms:
            rows += term.factor[:, None, None] * self._slope(term)[:, None]
        return torch.stack([block.combine(part.reshape(n, -1)) for part in rows])


def _constant(a: Tensor) -> bool:
    """Whether a coefficient is the same at every point."""
    low, high = a.min(), a.max()
    return bool(high - low <= 1e-14 * torch.maximum(high.abs(), low.abs()))
