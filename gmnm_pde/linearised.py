"""Points where a residual holds, and the residual linearised there.

A block is one equation, condition or set of measurements at its points. Its residual is a
pointwise function r of the derivatives D_alpha of the unknowns; around a state u0,

    r(u) = r(u0) + sum_alpha  dr/dD_alpha  D_alpha (u - u0) + ... ,

with dr/dD_alpha by automatic differentiation of the pointwise residual, in which no network occurs.
An integral over the domain, I = sum_q w_q e(D u(x_q)), is one more number that r depends on, and
a block of one row itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from gmnm_pde.fields import Integral, Jet, Orders, Residual, State, Values, uniform
from gmnm_pde.networks.base import Network
from gmnm_pde.networks.products import FEW
from gmnm_pde.problem import Problem
from gmnm_pde.quadrature import Quadrature

Kind = Literal["equation", "condition", "integral", "data", "smoothing"]
Key = tuple[str, Orders]


@dataclass(frozen=True)
class Block:
    """Rows of one kind.

    Arguments:
        label: how a person wrote the equation or condition.
        residual: pointwise.
        points: (n, d).
        weights: (n,), multiply the rows; 1 / the size that a residual of order one has there.
        normals: (n, d), on a boundary.
        average: (rows, n), dense or sparse; combines the points to fewer rows (a quadrature, a
            difference of two), None for a row each.
        offset: subtracted from the combined rows (the value of an integral).
        share: (n,), the part of its full weight that a condition is held with, where it is less.
        quadrature: where integrals in the residual are evaluated; the problem's own if None.
        at_rest: see :func:`with_rest`.
    """

    kind: Kind
    label: str
    residual: Residual
    points: Tensor
    weights: Tensor
    normals: Tensor | None = None
    average: Tensor | None = None
    offset: float = 0.0
    share: Tensor | None = None
    quadrature: Quadrature | None = None
    at_rest: AtRest | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> Block:
        """The block on a device in a dtype."""

        def moved(value: Tensor | None) -> Tensor | None:
            return None if value is None else value.to(device=device, dtype=dtype)

        return replace(
            self,
            points=self.points.to(device=device, dtype=dtype),
            weights=self.weights.to(device=device, dtype=dtype),
            normals=moved(self.normals),
            average=moved(self.average),
            share=moved(self.share),
            quadrature=None
            if self.quadrature is None
            else self.quadrature.to(self.points.to(device=device, dtype=dtype)),
        )

    def combine(self, rows: Tensor) -> Tensor:
        """Apply the weights and, for an integral, the quadrature."""
        weighted = rows * (self.weights if rows.ndim == 1 else self.weights[:, None])
        return weighted if self.average is None else self.average @ weighted

    @property
    def row_weights(self) -> Tensor:
        """The weight of each row, (rows,): of the points it combines, the mean."""
        if self.average is None:
            return self.weights
        combined = self.combined
        return combined @ self.weights / (combined @ torch.ones_like(self.weights))

    def at_points(self, rows: Tensor) -> Tensor:
        """The size of the row that each point takes part in, (rows,) -> (n,)."""
        return rows.abs() if self.average is None else self.combined.T @ rows.abs()

    @property
    def combined(self) -> Tensor:
        """Which points each row combines, (rows, n): one where it does."""
        assert self.average is not None
        if not self.average.is_sparse:
            return (self.average != 0).to(self.average)
        average = self.average.coalesce()
        ones = torch.ones_like(average.values())
        return torch.sparse_coo_tensor(
            average.indices(), ones, average.shape, check_invariants=False
        )


@dataclass(frozen=True)
class Linearised:
    """A block's residual around a state u0,

        r(u) = sum_alpha a_alpha D_alpha u + sum_k b_k I_k(u) - target .

    residual: r(u0); coefficients: a_alpha = dr/dD_alpha at u0; terms: the integrals I_k, linearised
    as well, with b_k = dr/dI_k; target: sum_alpha a_alpha D_alpha u0 + sum_k b_k I_k'(u0) u0 -
    r(u0), which for a linear equation is its right-hand side, whatever u0. Each (n,).
    """

    residual: Tensor
    coefficients: dict[Key, Tensor]
    target: Tensor
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Term:
    """An integral in a residual.

    Arguments:
        number: which of the residual's integrals it is.
        factor: dr/dI, (n,).
        block: its integrand at the points of its quadrature, whose rows are the integral at one
            time or at several.
        lin: of that block.
        rule: its quadrature.
    """

    number: int
    factor: Tensor
    block: Block
    lin: Linearised
    rule: Quadrature

    def times(self, rows: Tensor) -> Tensor:
        """factor times what rows of the block are for the points of the residual, (n, ...)."""
        n = len(self.factor)
        return self.factor.reshape(n, *[1] * (rows.ndim - 1)) * self.rule.at_rows(rows, n)


def jet_of(problem: Problem, block: Block, values: Values, elsewhere: State | None = None) -> Jet:
    """A jet at the points of a block."""
    return problem.jet(block.points, values, block.normals, elsewhere, block.quadrature)


@dataclass(frozen=True)
class AtRest:
    """A block's residual around u = 0, and what it was computed from."""

    problem: Problem
    residual: Residual
    points: Tensor
    normals: Tensor | None
    quadrature: Quadrature | None
    lin: Linearised

    def holds(self, problem: Problem, block: Block) -> bool:
        """Whether it is that of a block: of the same objects, as it may have been changed since."""
        made_of = (self.problem, self.residual, self.points, self.normals, self.quadrature)
        now = (problem, block.residual, block.points, block.normals, block.quadrature)
        return all(a is b for a, b in zip(made_of, now, strict=True))


def linearise(
    problem: Problem, block: Block, values: Values, elsewhere: State | None = None
) -> Linearised:
    """r and dr/dD_alpha where the derivatives of the unknowns have the given values.

    Arguments:
        elsewhere: their values at other points, which integrals in the residual need.
    """
    around = None if elsewhere is None else _leaves_of(elsewhere)
    jet = jet_of(problem, block, _leaf_of(values), around)
    with torch.enable_grad():
        return _expanded(jet, block.residual(jet))


def _leaf_of(values: Values) -> Values:
    return lambda name, orders: values(name, orders).detach().requires_grad_()


def _leaves_of(state: State) -> State:
    return lambda points: _leaf_of(state(points))


def _expanded(jet: Jet, residual: Tensor) -> Linearised:
    """The linearisation of a residual that was evaluated with a graph."""
    inputs = [*jet.leaves.values(), *(item.value for item in jet.integrals)]
    found: list[Tensor | None] = [None] * len(inputs)
    wanted = [i for i, item in enumerate(inputs) if item.requires_grad]
    if residual.requires_grad:
        gradients = torch.autograd.grad(
            residual.sum(),
            [inputs[i] for i in wanted],
            allow_unused=True,
            retain_graph=bool(jet.integrals),
        )
        for i, gradient in zip(wanted, gradients, strict=True):
            found[i] = gradient
    own = len(jet.leaves)
    coefficients = {key: a for key, a in zip(jet.leaves, found[:own], strict=True) if a is not None}
    target = -residual.detach()
    for key, a in coefficients.items():
        target = target + a * jet.leaves[key].detach()
    terms = tuple(
        _term(number, item, b)
        for number, (item, b) in enumerate(zip(jet.integrals, found[own:], strict=True))
        if b is not None
    )
    for term in terms:
        sums = target_rows(term.block, term.lin) + residual_rows(term.block, term.lin)
        target = target + term.times(sums)
    return Linearised(residual.detach(), coefficients, target, terms)


def _term(number: int, integral: Integral, factor: Tensor) -> Term:
    rule = integral.quadrature
    block = Block(
        "integral",
        f"integral {number + 1}",
        integral.integrand,
        rule.points,
        rule.points.new_ones(len(rule.points)),
        average=rule.average,
    )
    lin = _expanded(integral.jet, integral.values)
    return Term(number, factor.detach(), block, lin, rule)


def at_zero(problem: Problem, block: Block) -> Linearised:
    """The residual of u = 0: -f and a_alpha of a linear r = sum_alpha a_alpha D_alpha u - f."""
    known = block.at_rest
    if known is not None and known.holds(problem, block):
        return known.lin
    return at_state(problem, block, uniform(0.0))


def at_state(problem: Problem, block: Block, state: State) -> Linearised:
    """The residual where the derivatives of the unknowns are known everywhere."""
    return linearise(problem, block, state(block.points), state)


def with_rest(problem: Problem, block: Block) -> Block:
    """The block with :func:`at_zero` computed: its weight, its rows and its right-hand side of a
    linear problem all follow from it."""
    lin = at_zero(problem, block)
    known = AtRest(problem, block.residual, block.points, block.normals, block.quadrature, lin)
    return replace(block, at_rest=known)


def at_network(problem: Problem, block: Block, network: Network) -> Linearised:
    """The residual of a network's output."""
    known: dict[Orders, Tensor] = {}
    if block.points.shape[1] > FEW and len(block.points):
        # All derivatives at once: one at a time, units are evaluated again for each.
        with torch.no_grad():
            known = network.derivatives(block.points, touched_orders(problem, block))
    lazy = lazy_values(problem, network, block.points)

    def values(name: str, orders: Orders) -> Tensor:
        if orders not in known:
            return lazy(name, orders)
        return known[orders][:, problem.unknowns.index(name)]

    return linearise(problem, block, values, network_state(problem, network))


def network_state(problem: Problem, network: Network) -> State:
    """A network's outputs, at any points."""
    return lambda points: lazy_values(problem, network, points)


def lazy_values(problem: Problem, network: Network, points: Tensor) -> Values:
    """Derivatives of a network's outputs at points, evaluated as they are asked for."""

    def values(name: str, orders: Orders) -> Tensor:
        with torch.no_grad():
            outputs = network.derivatives(points, [orders])[orders]
        return outputs[:, problem.unknowns.index(name)]

    return values


def target_rows(block: Block, lin: Linearised) -> Tensor:
    """What the weight rows times the output weights should be, (rows,)."""
    return block.combine(lin.target) + block.offset


def residual_rows(block: Block, lin: Linearised) -> Tensor:
    """The weighted residual of a block, (rows,)."""
    return block.combine(lin.residual) - block.offset


def touched_orders(problem: Problem, block: Block) -> set[Orders]:
    """The derivatives that a block's residual asks for at its own points."""
    return {alpha for _, alpha in probed(problem, block).leaves}


def probed(problem: Problem, block: Block) -> Jet:
    """The jet of a few points after the residual has been evaluated there."""
    few = _first_points(block, 2)
    # Where nothing but what is asked for matters, one point does for an integral.
    one = Quadrature(few.points[:1], few.points.new_ones(1, 1))
    state = uniform(0.7)
    jet = problem.jet(few.points, state(few.points), few.normals, state, one)
    block.residual(jet)
    return jet


def is_linear(problem: Problem, block: Block) -> bool:
    """Whether the residual is affine in the unknowns: its coefficients do not depend on them."""
    probe = replace(block, average=None)
    generator = torch.Generator().manual_seed(0)

    # Of both signs and away from zero: |u| is linear on either side, log(u) is defined on one.
    def random_state(sign: float) -> State:
        def values(points: Tensor, name: str, orders: Orders) -> Tensor:
            size = 0.5 + torch.rand(len(points), generator=generator, dtype=torch.float64)
            return sign * size.to(points)

        return lambda points: partial(values, points)

    here, there = (at_state(problem, probe, random_state(sign)) for sign in (1.0, -1.0))
    return same_slopes(here, there)


def same_slopes(here: Linearised, there: Linearised) -> bool:
    """Whether a residual has the same coefficients at two states, those in its integrals too."""
    one, other = ({term.number: term for term in lin.terms} for lin in (here, there))
    return (
        _same(here.coefficients, there.coefficients)
        and _same(
            {number: term.factor for number, term in one.items()},
            {number: term.factor for number, term in other.items()},
        )
        and all(same_slopes(one[number].lin, other[number].lin) for number in {*one} & {*other})
    )


def _same(here: Mapping[Any, Tensor], there: Mapping[Any, Tensor]) -> bool:
    """Whether coefficients agree, those left out being zero."""
    return all(
        torch.allclose(
            here[key] if key in here else torch.zeros_like(there[key]),
            there[key] if key in there else torch.zeros_like(here[key]),
            rtol=1e-10,
            atol=0.0,
        )
        for key in {*here, *there}
    )


def _first_points(block: Block, count: int) -> Block:
    return replace(
        block,
        points=block.points[:count],
        weights=block.weights[:count],
        normals=None if block.normals is None else block.normals[:count],
        average=None,
        quadrature=None,
    )
