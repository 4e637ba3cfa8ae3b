"""From a problem and points to blocks of rows.

Rows are weighted so that each is in the units of the unknowns: a residual sum_alpha a_alpha
D_alpha u of units h apart can be as large as sum_alpha |a_alpha| / h^alpha times u, and its row is
divided by that. Boundary rows then weigh about 1/h^order more than those of the equation, which is
what collocation with soft conditions needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import cast

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.assembly import Block, Linearised, at_zero
from gmnm_pde.errors import InputError
from gmnm_pde.fields import as_column
from gmnm_pde.geometry import Boundary, Domain
from gmnm_pde.placement import Layout
from gmnm_pde.problem import Condition, Equation, IntegralCondition, Problem, Sampling

EDGE_SPACING = 0.6
"""Boundary points over inner ones, in distance, where inner ones do not cluster at the boundary."""


@dataclass(frozen=True)
class Region:
    """A box and the distance of boundary points in it."""

    lower: tuple[float, ...] | None
    upper: tuple[float, ...] | None
    spacing: float


def collocate(
    problem: Problem,
    layout: Layout,
    counts: Sequence[int],
    sampling: Sampling,
    seed: int,
    condition_weight: float = 1.0,
) -> list[Block]:
    """Blocks for a fit: lattice points chosen for the units, or as many as a person asked for."""
    if sampling.interior is None:
        interior = layout.interior(counts)
        closer = 1.0 if problem.domain.fills_box else EDGE_SPACING
        regions = [
            Region(patch.lower if i else None, patch.upper if i else None, closer * spacing)
            for i, (patch, spacing) in enumerate(
                zip(layout.sampled(), layout.point_spacings(counts), strict=True)
            )
        ]
    else:
        interior = problem.domain.sample_interior(
            sampling.interior, sampling.sampler or "sobol", seed
        )
        regions = [Region(None, None, 0.0)]
    conditions = [
        integral_block(problem, condition)
        if isinstance(condition, IntegralCondition)
        else _condition_block(problem, condition, regions, sampling, seed)
        for condition in problem.conditions
    ]
    # The equation holds up to the boundary; without rows there, units oscillate next to it.
    edges = [block.points for block in conditions if block.normals is not None]
    blocks = equation_blocks(problem, torch.cat([interior, *edges])) + conditions
    blocks += data_blocks(problem, held_back=False)
    if problem.equations:
        # The equations measure the error; where there are only data, some are held back for that.
        blocks += data_blocks(problem, held_back=True)
    return [weighted(problem, block, layout, condition_weight) for block in blocks]


def check_blocks(
    problem: Problem, layout: Layout, n: int, seed: int, condition_weight: float = 1.0
) -> list[Block]:
    """Blocks at random points that no fit uses, some in each patch, to measure residuals at."""
    domain = problem.domain
    share = ceil(n / len(layout.patches))
    interior = torch.cat(
        [
            domain.sample_interior(share, "random", seed, patch.lower, patch.upper)
            for patch in layout.patches
        ]
    )
    blocks = equation_blocks(problem, interior)
    for condition in problem.conditions:
        if isinstance(condition, Condition) and isinstance(condition.at[0], str):
            parts = [
                domain.sample_boundary(
                    ceil(share / 4),
                    _sides(condition),
                    "random",
                    seed,
                    patch.lower if i else None,
                    patch.upper if i else None,
                    where_of(condition, problem),
                )
                for i, patch in enumerate(layout.patches)
            ]
            blocks.append(_boundary_block(condition, parts))
    if not problem.equations:
        blocks += data_blocks(problem, held_back=True)
    return [weighted(problem, block, layout, condition_weight) for block in blocks]


def equation_blocks(problem: Problem, interior: Tensor) -> list[Block]:
    """One block for each equation."""
    ones = interior.new_ones(len(interior))
    return [
        Block("equation", item.label, item.residual, interior, ones) for item in _equations(problem)
    ]


def _equations(problem: Problem) -> Sequence[Equation]:
    return cast(Sequence[Equation], problem.equations)


def _sides(condition: Condition) -> str | Sequence[str]:
    """``at`` of a condition that is on sides, not at a point."""
    return cast("str | Sequence[str]", condition.at)


def data_blocks(problem: Problem, *, held_back: bool) -> list[Block]:
    """The data, without or with only those that are held back to measure the error: every fifth."""
    if problem.data is None:
        return []
    order = torch.randperm(len(problem.data.points), generator=torch.Generator().manual_seed(0))
    chosen = order[::5] if held_back else order[torch.arange(len(order)) % 5 != 0]
    points, values = problem.data.points[chosen], problem.data.values[chosen]
    return [data_block(name, points, values[:, j]) for j, name in enumerate(problem.unknowns)]


def data_block(name: str, points: Tensor, values: Tensor) -> Block:
    """Rows u(x_i) = value_i of one unknown, where it was measured."""
    known = ~torch.isnan(values)
    points, values = points[known], values[known]
    zero = (0,) * points.shape[1]
    return Block(
        "data",
        f"data of {name}",
        lambda jet: jet.derivative(name, zero) - values[: len(jet.points)].to(jet.points),
        points,
        torch.ones_like(values),
    )


def integral_block(problem: Problem, condition: IntegralCondition) -> Block:
    """One row: the integral over the domain."""
    points, weights = quadrature(problem.domain)
    return Block(
        "integral",
        condition.label,
        condition.integrand,
        points,
        torch.ones_like(weights),
        average=weights[None],
        offset=condition.equals,
    )


def quadrature(domain: Domain, points: int = 4096) -> tuple[Tensor, Tensor]:
    """Points and weights for integrals over a domain: Gauss-Legendre on boxes, exact to rounding
    for smooth integrands; quasi-Monte Carlo elsewhere, with an error of about 1 / points."""
    if domain.fills_box:
        per_axis = max(4, round(points ** (1 / domain.dimension)))
        nodes, weights = np.polynomial.legendre.leggauss(min(per_axis, 64))
        half = [(b - a) / 2 for a, b in zip(domain.lower, domain.upper, strict=True)]
        axes = [a + h * (nodes + 1) for a, h in zip(domain.lower, half, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
        scaled = np.stack(np.meshgrid(*[h * weights for h in half], indexing="ij"), -1)
        return torch.from_numpy(grid), torch.from_numpy(scaled.reshape(-1, len(axes)).prod(1))
    interior = domain.sample_interior(points, "sobol", 0)
    return interior, torch.full(
        (len(interior),), domain.measure / len(interior), dtype=interior.dtype
    )


def where_of(condition: Condition, problem: Problem) -> Callable[[Tensor], Tensor] | None:
    """``where`` of a condition as a function of points, None if there is none."""
    where = condition.where
    if where is None:
        return None

    def keep(points: Tensor) -> Tensor:
        jet = problem.jet(points, lambda name, orders: points.new_zeros(len(points)))
        return as_column(where(jet), jet).bool()

    return keep


def _condition_block(
    problem: Problem, condition: Condition, regions: Sequence[Region], sampling: Sampling, seed: int
) -> Block:
    if not isinstance(condition.at[0], str):
        point = torch.tensor([condition.at], dtype=torch.float64)
        return Block(
            "condition", condition.label, condition.residual, point, point.new_full((1,), 10.0)
        )
    domain, at = problem.domain, _sides(condition)
    where = where_of(condition, problem)
    sampler = sampling.sampler or "chebyshev"
    parts = []
    for region in regions:
        box = (region.lower, region.upper)
        if sampling.boundary is not None:
            n = sampling.boundary
        elif region.spacing == 0.0:
            n = 4 * ceil((sampling.interior or 100) ** (1 - 1 / domain.dimension))
        else:
            measure = domain.sample_boundary(8, at, "grid", seed, *box, where).measure
            if measure == 0.0:
                continue
            n = ceil(measure / region.spacing ** (domain.dimension - 1))
        parts.append(domain.sample_boundary(n, at, sampler, seed, *box, where))
    return _boundary_block(condition, parts)


def _boundary_block(condition: Condition, parts: Sequence[Boundary]) -> Block:
    if not parts:
        raise InputError(
            f"no part of the boundary is left for {condition.label!r}.",
            mend="Check `at` and `where`.",
        )
    points = torch.cat([part.points for part in parts])
    normals = torch.cat([part.normals for part in parts])
    return Block(
        "condition",
        condition.label,
        condition.residual,
        points,
        points.new_ones(len(points)),
        normals,
    )


def weighted(
    problem: Problem, block: Block, layout: Layout, condition_weight: float = 1.0
) -> Block:
    """The block with its rows divided by the size of its residual for units a spacing apart."""
    if block.kind in ("integral", "data") or not len(block.points):
        return block
    spacing = layout.spacing_at(block.points)
    terms = [
        a.abs() / (spacing ** spacing.new_tensor(alpha)).prod(1)
        for (_, alpha), a in at_zero(problem, block).coefficients.items()
    ]
    if not terms:
        return block
    size = torch.stack(terms).sum(0)
    weights = block.weights / size.clamp_min(1e-12 * size.max() if size.max() > 0 else 1.0)
    # Finer patches have more points in a smaller part: rows count by the volume they stand for.
    volume = spacing.prod(1)
    weights = weights * (volume / spacing.new_tensor(layout.patches[0].spacing).prod()).sqrt()
    if block.normals is not None:
        share = _resolved_share(problem, block, spacing)
        return replace(block, weights=weights * condition_weight * share, share=share)
    return replace(block, weights=weights)


def _resolved_share(problem: Problem, block: Block, spacing: Tensor) -> Tensor:
    """How well units can follow a layer at boundary points, (n,) in (0, 1]; one without a layer.

    A second-order equation a u_nn + b u_n + c u = f has solutions exp(-s k) in the distance s from
    the boundary, with k a = -b (an outflow layer of convection) or k^2 = -c/a (of reaction). Where
    k h > 1 units cannot follow. The condition held with full weight would then spoil the solution
    everywhere; held with this share it is missed at the layer alone, which shows where to refine.
    """
    share = torch.ones_like(block.weights)
    assert block.normals is not None
    h = 1 / (block.normals / spacing).norm(dim=1)
    for equation in _equations(problem):
        lin = at_zero(problem, replace(block, residual=equation.residual))
        a, b, c = (_along_normal(lin, block.normals, order) for order in range(2, -1, -1))
        if max(sum(alpha) for _, alpha in lin.coefficients) != 2:
            continue
        diffusion = a.abs() / h**2
        opposing = (-a.sign() * b / h).clamp_min(0) + (-a.sign() * c).clamp_min(0)
        share = torch.minimum(share, diffusion / (diffusion + opposing).clamp_min(1e-300))
    return share.clamp_min(1e-6)


def _along_normal(lin: Linearised, normals: Tensor, order: int) -> Tensor:
    """The coefficient of the order-th derivative along the normal, (n,)."""
    total = normals.new_zeros(len(normals))
    for (_, alpha), a in lin.coefficients.items():
        if sum(alpha) == order:
            total = total + a * (normals ** normals.new_tensor(alpha)).prod(1)
    return total
