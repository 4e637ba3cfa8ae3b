"""Equations and conditions linearised at points, without any network.

    r(x, D) = sum_alpha a_alpha(x) D_alpha + r_0(x)

where D_alpha are the unknowns and their derivatives. The coefficients say everything the checks
ask: the order, whether the residual is linear, its principal symbol, which conditions agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.fields import Orders, Residual, Values
from gmnm_pde.linearised import Block, Key, Linearised, at_state, same_slopes
from gmnm_pde.problem import Problem


@dataclass(frozen=True)
class LinearForm:
    """A residual at n points.

    Arguments:
        coefficients: a_alpha, (n,) each, by (unknown, orders); only those not zero everywhere.
        known: r_0, (n,).
        linear: whether a_alpha and r_0 do not depend on the state.
        integrated: derivatives that an integral over the domain holds, by (unknown, orders).
    """

    coefficients: dict[Key, Tensor]
    known: Tensor
    linear: bool
    integrated: frozenset[Key] = frozenset()

    @property
    def order(self) -> int:
        """The highest derivative with a coefficient."""
        return max((sum(orders) for _, orders in self.coefficients), default=0)

    @property
    def unknowns(self) -> set[str]:
        """The unknowns that matter."""
        return {name for name, _ in self.coefficients}

    def orders(self, unknown: str, dimensions: int) -> tuple[int, int] | None:
        """How often an unknown is differentiated at most, in that many dimensions of space and in
        what comes after them, which is time; None if it is not there."""
        found = [orders for name, orders in self.coefficients if name == unknown]
        if not found:
            return None
        return max(sum(o[:dimensions]) for o in found), max(sum(o[dimensions:]) for o in found)

    def in_space(self, dimensions: int) -> LinearForm:
        """The terms without a derivative in time, by their orders in space."""
        kept = {
            (name, orders[:dimensions]): a
            for (name, orders), a in self.coefficients.items()
            if not sum(orders[dimensions:])
        }
        return LinearForm(kept, self.known, self.linear)

    def size(self) -> Tensor:
        """sum |a_alpha| + |r_0|, (n,): not finite where anything in the residual is not."""
        total = self.known.abs()
        for value in self.coefficients.values():
            total = total + value.abs()
        return total


def linear_form(
    problem: Problem,
    residual: Residual,
    points: Tensor,
    normals: Tensor | None = None,
    sign: float = 1.0,
) -> LinearForm:
    """A residual linearised about a random state, and a second one to see whether it is linear.

    Arguments:
        sign: of the state that the coefficients are taken at.
    """
    block = Block("equation", "", residual, points, points.new_ones(len(points)), normals)
    # Of opposite signs, because |u| and max(u, 0) are linear on either side alone.
    first = _expansion(problem, block, sign, 1)
    second = _expansion(problem, block, -sign, 2)
    slopes = first.coefficients
    scale = max((float(a.abs().max()) for a in slopes.values() if len(a)), default=0.0)
    linear = slopes.keys() == second.coefficients.keys() and all(
        _agree(slopes[key], second.coefficients[key], scale) for key in slopes
    )
    linear = linear and _agree(first.target, second.target, scale)
    linear = linear and _same_integrals(first, second)
    kept = {key: a for key, a in slopes.items() if not bool((a == 0.0).all())}
    integrated = {
        key
        for term in first.terms
        if bool((term.factor != 0.0).any())
        for key, a in term.lin.coefficients.items()
        if bool((a != 0.0).any())
    }
    return LinearForm(kept, -first.target, linear, frozenset(integrated))


def _same_integrals(first: Linearised, second: Linearised) -> bool:
    """Whether integrals are linear, and multiplied by what does not depend on the state."""
    return [term.number for term in first.terms] == [term.number for term in second.terms] and all(
        _agree(one.factor, other.factor, 1.0) and same_slopes(one.lin, other.lin)
        for one, other in zip(first.terms, second.terms, strict=True)
    )


def _expansion(problem: Problem, block: Block, sign: float, seed: int) -> Linearised:
    """The residual around a random state."""
    generator = torch.Generator().manual_seed(seed)

    def state(points: Tensor) -> Values:
        # Of one sign and away from zero, so that logarithms, roots and quotients have a value.
        def values(name: str, orders: Orders) -> Tensor:
            random = torch.rand(len(points), generator=generator, dtype=torch.float64)
            return sign * (0.5 + random).to(points)

        return values

    return at_state(problem, block, state)


def _agree(first: Tensor, second: Tensor, scale: float) -> bool:
    size = max(scale, float(first.abs().nan_to_num(0.0).max()) if len(first) else 0.0)
    return torch.allclose(first, second, rtol=1e-10, atol=1e-11 * size, equal_nan=True)


def size_function(problem: Problem, residual: Residual) -> Callable[[Tensor], Tensor]:
    """Points (n, d) -> (n,), not finite where the residual's coefficients are not.

    A nonlinear residual may have no value for some states, as log(u) for u < 0: it counts as
    finite where it is for u > 0 or for u < 0.
    """

    @torch.enable_grad()
    def size(points: Tensor) -> Tensor:
        first = linear_form(problem, residual, points).size()
        if bool(first.isfinite().all()):
            return first
        second = linear_form(problem, residual, points, sign=-1.0).size()
        return torch.where(first.isfinite(), first, second)

    return size


def symbol(form: LinearForm, unknown: str, order: int, directions: Tensor) -> Tensor:
    """sum over |alpha| = order of a_alpha(x) xi^alpha: (n points, k directions)."""
    total = form.known.new_zeros(len(form.known), len(directions))
    for (name, orders), a in form.coefficients.items():
        if name == unknown and sum(orders) == order:
            power = directions.pow(directions.new_tensor(orders)).prod(1)
            total = total + a[:, None] * power
    return total


DEFINITE = 1e-10
"""Least size of a definite symbol, relative to its largest."""


def sign_of_symbol(form: LinearForm, unknown: str, dimensions: int) -> int:
    """+1 or -1 if the principal symbol of an unknown in space is that everywhere, otherwise 0.

    Only even orders have a sign; a form of order 0 has none.
    """
    form = form.in_space(dimensions)
    order = max((sum(o) for name, o in form.coefficients if name == unknown), default=0)
    if order < 2 or order % 2:
        return 0
    values = symbol(form, unknown, order, directions(dimensions))
    smallest, largest = float(values.min()), float(values.max())
    size = values.abs()
    if not float(size.min()) > DEFINITE * float(size.max()):
        return 0
    return int(smallest > 0.0) - int(largest < 0.0)


def directions(dimension: int) -> Tensor:
    """Unit vectors spread over half the sphere, (k, d)."""
    if dimension == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    if dimension == 2:
        angle = torch.arange(90, dtype=torch.float64) * (torch.pi / 90)
        return torch.stack([angle.cos(), angle.sin()], dim=1)
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(400, dimension, generator=generator, dtype=torch.float64)
    vectors = torch.cat([vectors, torch.eye(dimension, dtype=torch.float64)])
    return vectors / vectors.norm(dim=1, keepdim=True)
