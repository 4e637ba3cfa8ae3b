"""The weak form of any second-order problem, from its pointwise residuals.

A residual that is linear in second derivatives,

    r_i = sum_jkl A^ij_kl(x, u) d_k d_l u_j + f_i(x, u, grad u) ,

times a test function w and integrated by parts once, is

    int r_i w = int (S_i w - F_i . grad w) + int_boundary F_i . n w ,
    F_ik = sum_jl A^ij_kl d_l u_j ,     S_i = f_i - sum_jkl (d/dx_k A^ij_kl) d_l u_j .

A and its derivatives come from automatic differentiation of the residual: exact also where A
depends on the unknowns, where interpolating it in the space of elements would cost an order of
its own. Only A_kl + A_lk is known from a residual; A is taken symmetric. Any other choice of the
two, such as the one whose F is a stress, differs by int s (w_x u_y - w_y u_x), which for continuous
functions is a boundary integral: the term F . n holds the difference exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.fields import Orders, Residual
from gmnm_pde.problem import Problem
from gmnm_pde.references.stencils import Array

CHUNK = 60_000


@dataclass(frozen=True, eq=False)
class State:
    """Unknowns and their first derivatives at points, with what second derivatives were asked for.

    Arguments:
        points: (n, d), differentiable.
        values: (n,) for each unknown; slopes: (n,) for each unknown and coordinate.
        bends: zeros in the place of second derivatives, by unknown and orders.
    """

    problem: Problem
    points: Tensor
    values: tuple[Tensor, ...]
    slopes: tuple[tuple[Tensor, ...], ...]
    normals: Tensor | None = None
    bends: dict[tuple[int, Orders], Tensor] = field(default_factory=dict)

    def residual(self, residual: Residual) -> Tensor:
        """A residual at the points, (n,)."""
        jet = self.problem.jet(self.points, self._leaf, self.normals)
        return residual(jet)

    def inputs(self) -> list[Tensor]:
        """All values, then all slopes, unknown by unknown."""
        return [*self.values, *(slope for part in self.slopes for slope in part)]

    def _leaf(self, name: str, orders: Orders) -> Tensor:
        j, order = self.problem.unknowns.index(name), sum(orders)
        if order == 0:
            return self.values[j]
        if order == 1:
            return self.slopes[j][orders.index(1)]
        key = (j, orders)
        if key not in self.bends:
            self.bends[key] = torch.zeros_like(self.values[j]).requires_grad_()
        return self.bends[key]


def state_at(
    problem: Problem, points: Array, values: Array, slopes: Array, normals: Array | None = None
) -> State:
    """The state of points (n, d) with values (m, n) and slopes (m, d, n)."""

    def leaf(array: Array) -> Tensor:
        return torch.tensor(array, dtype=torch.float64).requires_grad_()

    return State(
        problem,
        leaf(points),
        tuple(leaf(row) for row in values),
        tuple(tuple(leaf(row) for row in part) for part in slopes),
        None if normals is None else torch.tensor(normals, dtype=torch.float64),
    )


def gradients(output: Tensor, inputs: Sequence[Tensor], graph: bool = False) -> list[Tensor | None]:
    """Pointwise derivatives of (n,) by each input, None where it does not depend on it."""
    if not output.requires_grad or not inputs:
        return [None] * len(inputs)
    return list(
        torch.autograd.grad(
            output.sum(), inputs, create_graph=graph, retain_graph=True, allow_unused=True
        )
    )


def source_and_flux(state: State, residual: Residual) -> tuple[Tensor, list[Tensor]]:
    """S_i (n,) and F_ik for each k, (n,) each."""
    d = state.points.shape[1]
    source = state.residual(residual)
    flux = [torch.zeros_like(source) for _ in range(d)]
    keys = list(state.bends)
    factors = gradients(source, [state.bends[key] for key in keys], graph=True)
    for (j, orders), a in zip(keys, factors, strict=True):
        if a is None:
            continue
        pair = [axis for axis, count in enumerate(orders) for _ in range(count)]
        rates = _total_slopes(state, a)
        for k, other in (pair, pair[::-1]):
            slope = state.slopes[j][other]
            flux[k] = flux[k] + 0.5 * a * slope
            if rates is not None:
                source = source - 0.5 * rates[k] * slope
    return source, flux


def _total_slopes(state: State, a: Tensor) -> list[Tensor] | None:
    """d/dx_k of a coefficient that depends on x and u(x), None if it is constant."""
    by_points, *by_values = gradients(a, [state.points, *state.values], graph=True)
    if by_points is None and all(part is None for part in by_values):
        return None
    found = []
    for k in range(state.points.shape[1]):
        total = torch.zeros_like(a) if by_points is None else by_points[:, k]
        for part, slopes in zip(by_values, state.slopes, strict=True):
            total = total if part is None else total + part * slopes[k]
        found.append(total)
    return found


@dataclass(frozen=True, eq=False)
class Form:
    """Pointwise terms of the weak form and their derivatives by u and grad u.

    One row of ``terms`` and ``rates`` for S_i, and one for each F_ik, (i, 1 + d, ...); the last
    axes of ``rates`` are the unknown and its value or slope: (m, 1 + d, m, 1 + d, n).
    """

    terms: Array
    rates: Array


def form_at(
    problem: Problem, residuals: Sequence[Residual], points: Array, values: Array, slopes: Array
) -> Form:
    """The form at points (n, d) of a state with values (m, n) and slopes (m, d, n)."""
    parts = []
    for start in range(0, len(points), CHUNK):
        some = slice(start, start + CHUNK)
        parts.append(_form(problem, residuals, points[some], values[:, some], slopes[..., some]))
    return Form(
        np.concatenate([part.terms for part in parts], axis=-1),
        np.concatenate([part.rates for part in parts], axis=-1),
    )


def _form(
    problem: Problem, residuals: Sequence[Residual], points: Array, values: Array, slopes: Array
) -> Form:
    n, d = points.shape
    m = len(values)
    terms, rates = np.zeros((m, 1 + d, n)), np.zeros((m, 1 + d, m, 1 + d, n))
    for i, residual in enumerate(residuals):
        state = state_at(problem, points, values, slopes)
        source, flux = source_and_flux(state, residual)
        for k, output in enumerate((source, *flux)):
            terms[i, k] = output.detach().numpy()
            rates[i, k] = _rates(state, output)
    return Form(terms, rates)


def _rates(state: State, output: Tensor) -> Array:
    """Derivatives of (n,) by the value and the slopes of each unknown, (m, 1 + d, n)."""
    m, d = len(state.values), state.points.shape[1]
    found = np.zeros((m, 1 + d, len(state.points)))
    for number, part in enumerate(gradients(output, state.inputs())):
        if part is not None:
            j, k = (number, 0) if number < m else divmod(number - m, d)
            found[j, k + (number >= m)] = part.detach().numpy()
    return found


def condition_at(
    problem: Problem,
    residual: Residual,
    points: Array,
    normals: Array | None,
    values: Array,
    slopes: Array,
) -> tuple[Array, Array]:
    """A condition's residual (n,) and its derivatives by values and slopes, (m, 1 + d, n)."""
    state = state_at(problem, points, values, slopes, normals)
    output = state.residual(residual)
    return output.detach().numpy(), _rates(state, output)
