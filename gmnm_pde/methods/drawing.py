"""Units at random for many dimensions, where no grid of them fits.

Ridge units exp(-(p.(x - mu))^2 / 2) vary along one direction each. A solution that varies along few
directions needs those only, and the data of the problem know them: the source and the values of the
conditions are functions of the coordinates, and their gradients at random points are drawn as
directions ("data"), as in the active subspaces of P. G. Constantine (SIAM, 2015) and the sampled
networks of E. L. Bolager et al. (arXiv 2306.16830). A solution that varies along all of them is met
by directions uniform on the sphere ("ridge") or by units that are round ("round").

Everything is in coordinates scaled to the box [-1, 1]^d of the region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gmnm_pde.assembly import Block
from gmnm_pde.geometry import Domain
from gmnm_pde.networks import GMNM
from gmnm_pde.problem import Problem

Shape = Literal["data", "ridge", "round"]

MARGIN = 1.25
"""Centres are drawn from the region enlarged by this factor."""

SPREAD = 0.3
"""Standard deviation of the logarithm of the widths."""

VANISHING = 1e-9
"""A gradient that is this small beside the largest one has no direction."""


@dataclass(frozen=True)
class Draw:
    """Which units are drawn.

    Arguments:
        shape: along gradients of the data, along any direction, or round.
        width: of a ridge over the typical half-width of the region along it; of a round unit over
            the typical distance of a point from the centre.
    """

    shape: Shape
    width: float


def units(
    draw: Draw, problem: Problem, count: int, slopes: Tensor | None, generator: torch.Generator
) -> GMNM:
    """A layer of so many units with weights of zero, float64 on the CPU.

    Arguments:
        slopes: of the data, (n, d) in scaled coordinates; for the shape "data".
    """
    region = problem.region
    middle, half = box(region)
    seed = int(torch.randint(2**31, (), generator=generator))
    places = (region.sample_interior(count, "sobol", seed) - middle) / half
    d, n_space = len(half), len(problem.space)
    jitter = torch.exp(SPREAD * torch.randn(count, 1, generator=generator, dtype=torch.float64))
    if draw.shape == "round":
        reach = places[:, :n_space].square().sum(1).mean().sqrt()
        P = torch.full((count, d), float(1 / (draw.width * reach)), dtype=torch.float64)
        P[:, n_space:] = 1 / draw.width
        return _layer(middle, half, places, P * jitter, len(problem.unknowns))
    if draw.shape == "data":
        assert slopes is not None
        picked = torch.randint(len(slopes), (count,), generator=generator)
        directions = slopes[picked].clone()
    else:
        directions = torch.randn(count, d, generator=generator, dtype=torch.float64)
    directions[:, n_space:] = 0.0
    directions = directions / directions.norm(dim=1, keepdim=True)
    # sqrt(3) standard deviations: the half-width of an interval with points spread as these are.
    along = (places @ directions.T).std(0) * 3**0.5 if count > 1 else torch.ones(count)
    p = directions / (draw.width * along.double().clamp_min(1e-12)[:, None]) * jitter
    in_time = torch.randn(count, d - n_space, generator=generator, dtype=torch.float64)
    p[:, n_space:] = in_time / draw.width
    return _layer(middle, half, places, p[:, None], len(problem.unknowns))


def box(region: Domain) -> tuple[Tensor, Tensor]:
    """Centre and half-widths of a region's box, each (d,)."""
    low, high = (torch.tensor(end, dtype=torch.float64) for end in (region.lower, region.upper))
    return (low + high) / 2, (high - low) / 2


def _layer(middle: Tensor, half: Tensor, places: Tensor, P: Tensor, n_outputs: int) -> GMNM:
    return GMNM(middle + MARGIN * half * places, P / half, n_outputs)


def data_slopes(problem: Problem, blocks: Sequence[Block]) -> Tensor | None:
    """Gradients of what equations and conditions ask for, (n, d) in scaled coordinates, each block
    with the same share; None if nothing of it depends on the place.

    Arguments:
        blocks: of the problem as it was stated, without conditions that hold by themselves.
    """
    _, half = box(problem.region)
    found = []
    for block in blocks:
        if block.average is not None:
            continue
        points = block.points.detach().clone().requires_grad_()
        zero = points.new_zeros(len(points))
        with torch.enable_grad():
            residual = block.residual(
                problem.jet(points, lambda name, orders, zero=zero: zero, block.normals)
            )
            if not residual.requires_grad:
                continue
            (slope,) = torch.autograd.grad(residual.sum(), points, allow_unused=True)
        if slope is None:
            continue
        slope = slope.detach() * half
        slope[:, len(problem.space) :] = 0.0
        size = slope.norm(dim=1)
        kept = size.isfinite() & (size > VANISHING * size.nan_to_num(0.0).max())
        if bool(kept.any()):
            found.append(slope[kept])
    if not found:
        return None
    share = max(len(slope) for slope in found)
    return torch.cat([slope.repeat(-(-share // len(slope)), 1)[:share] for slope in found])
