"""Units at random for many dimensions, where no grid of them fits.

What a problem asks for, its source and the values of its conditions, are functions of the
coordinates, and their gradients at random points say which units are of use:

    data      ridge units exp(-(p.(x - mu))^2 / 2) along these gradients, for solutions that vary
              along few directions (active subspaces: P. G. Constantine, SIAM, 2015; networks
              sampled from data: E. L. Bolager et al., arXiv 2306.16830)
    central   round units about the point that the gradients point to, for solutions that are
              nearly radial; some exactly there, some around it
    ridge     ridge units along directions uniform on the sphere
    round     round units anywhere
    few       units that vary along one to three coordinates, drawn at random: smooth functions are
              close to sums of such (A. Hashemi et al., arXiv 2103.03191)
    mixed     half of them "few", a quarter each "central" and "round"

Everything is in coordinates scaled to the box [-1, 1]^d of the region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gmnm_pde.fields import uniform
from gmnm_pde.geometry import Domain
from gmnm_pde.linearised import Block
from gmnm_pde.networks import GMNM
from gmnm_pde.problem import Problem

Shape = Literal["data", "central", "ridge", "round", "few", "mixed"]

SHAPES: tuple[Shape, ...] = ("data", "central", "ridge", "round", "few", "mixed")

MARGIN = 1.25
"""Centres are drawn from the region enlarged by this factor."""

SPREAD = 0.3
"""Standard deviation of the logarithm of the widths."""

NEAREST = -2.5
"""Central units are off the centre by a part of the region from 10^-2.5 to one half, the logarithm
of which is uniform."""

FEW = 3
"""Most coordinates of space that a unit of the shape "few" varies along."""

VANISHING = 1e-9
"""A gradient that is this small beside the largest one has no direction."""


@dataclass(frozen=True)
class Draw:
    """Which units are drawn.

    Arguments:
        width: of a ridge over the typical half-width of the region along it; of another unit over
            the typical distance of points from the centre, along the coordinates it varies along.
    """

    shape: Shape
    width: float


@dataclass(frozen=True)
class Slopes:
    """Gradients of a problem's data in space, in scaled coordinates.

    Arguments:
        directions: unit vectors, (n, d), zero along time.
        focus: the point (d,) next to all lines along them.
    """

    directions: Tensor
    focus: Tensor


def units(
    draw: Draw, problem: Problem, count: int, slopes: Slopes | None, generator: torch.Generator
) -> GMNM:
    """A layer of so many units with weights of zero, float64 on the CPU.

    Arguments:
        slopes: see :func:`data_slopes`; needed for the shape "data".
    """
    middle, half = box(problem.region)
    seed = int(torch.randint(2**31, (), generator=generator))
    places = (problem.region.sample_interior(count, "sobol", seed) - middle) / half
    jitter = torch.exp(SPREAD * torch.randn(count, 1, generator=generator, dtype=torch.float64))
    n_space = len(problem.space)
    if draw.shape in ("data", "ridge"):
        P = _ridges(draw, places, n_space, slopes, generator) * jitter
        return _layer(middle, half, places, P[:, None], len(problem.unknowns))
    chosen = torch.ones(count, n_space, dtype=torch.float64)
    near = places[:0]
    if draw.shape == "few":
        chosen = _some(count, n_space, generator)
    elif draw.shape == "central":
        near = places
    elif draw.shape == "mixed":
        chosen[::2] = _some(len(chosen[::2]), n_space, generator)
        near = places[1::4]
    focus = torch.zeros_like(half) if slopes is None else slopes.focus
    reach = (chosen @ (places - focus)[:, :n_space].square().mean(0)).sqrt()
    P = torch.full((count, len(half)), 1 / draw.width, dtype=torch.float64)
    P[:, :n_space] = chosen / (draw.width * reach)[:, None]
    _gather(near[:, :n_space], focus[:n_space], generator)
    return _layer(middle, half, places, P * jitter, len(problem.unknowns))


def _ridges(
    draw: Draw, places: Tensor, n_space: int, slopes: Slopes | None, generator: torch.Generator
) -> Tensor:
    """p of ridge units, (count, d)."""
    count, d = places.shape
    if draw.shape == "data":
        assert slopes is not None
        picked = torch.randint(len(slopes.directions), (count,), generator=generator)
        directions = slopes.directions[picked]
    else:
        directions = torch.randn(count, d, generator=generator, dtype=torch.float64)
        directions[:, n_space:] = 0.0
        directions = directions / directions.norm(dim=1, keepdim=True)
    # sqrt(3) standard deviations: the half-width of an interval with points spread as these are.
    along = (places @ directions.T).std(0, unbiased=False).clamp_min(1e-12) * 3**0.5
    p = directions / (draw.width * along)[:, None]
    in_time = torch.randn(count, d - n_space, generator=generator, dtype=torch.float64)
    p[:, n_space:] = in_time / draw.width
    return p


def _gather(places: Tensor, focus: Tensor, generator: torch.Generator) -> None:
    """Draw places (n, d) towards a point, in place."""
    power = torch.rand(len(places), 1, generator=generator, dtype=torch.float64)
    part = 0.5 * 10 ** (NEAREST * power)
    places.mul_(part).add_(focus / MARGIN)


def _some(count: int, dimensions: int, generator: torch.Generator) -> Tensor:
    """Ones at one to :data:`FEW` coordinates of each row, (count, dimensions)."""
    order = torch.rand(count, dimensions, generator=generator).argsort(1).argsort(1)
    many = torch.randint(1, min(FEW, dimensions) + 1, (count, 1), generator=generator)
    return (order < many).double()


def box(region: Domain) -> tuple[Tensor, Tensor]:
    """Centre and half-widths of a region's box, each (d,)."""
    low, high = (torch.tensor(end, dtype=torch.float64) for end in (region.lower, region.upper))
    return (low + high) / 2, (high - low) / 2


def _layer(middle: Tensor, half: Tensor, places: Tensor, P: Tensor, n_outputs: int) -> GMNM:
    return GMNM(middle + MARGIN * half * places, P / half, n_outputs)


def data_slopes(problem: Problem, blocks: Sequence[Block]) -> Slopes | None:
    """Gradients of what equations and conditions ask for, each block with the same share; None if
    nothing of it depends on the place.

    Arguments:
        blocks: of the problem as it was stated, without conditions that hold by themselves.
    """
    middle, half = box(problem.region)
    found = []
    for block in blocks:
        slope = _slope(problem, block)
        if slope is None:
            continue
        slope = slope * half
        slope[:, len(problem.space) :] = 0.0
        size = slope.norm(dim=1)
        kept = size.isfinite() & (size > VANISHING * size.nan_to_num(0.0).max())
        if bool(kept.any()):
            place = (block.points - middle) / half
            found.append((slope[kept] / size[kept, None], place[kept]))
    if not found:
        return None
    share = max(len(slope) for slope, _ in found)
    directions, places = (
        torch.cat([item.repeat(-(-share // len(item)), 1)[:share] for item in items])
        for items in zip(*found, strict=True)
    )
    return Slopes(directions, _focus(directions, places, len(problem.space)))


def _slope(problem: Problem, block: Block) -> Tensor | None:
    """Gradients of a block's residual of u = 0 by the points, (n, d)."""
    if block.average is not None:
        return None
    points = block.points.detach().clone().requires_grad_()
    zero = uniform(0.0)
    with torch.enable_grad():
        residual = block.residual(problem.jet(points, zero(points), block.normals, zero))
        if not residual.requires_grad:
            return None
        (slope,) = torch.autograd.grad(residual.sum(), points, allow_unused=True)
    return None if slope is None else slope.detach()


def _focus(directions: Tensor, places: Tensor, n_space: int) -> Tensor:
    """The point (d,) with the smallest sum of squared distances from lines along directions through
    places, sum (I - n n') (x - c) = 0; inside the box."""
    n, x = directions[:, :n_space], places[:, :n_space]
    matrix = len(n) * torch.eye(n_space, dtype=n.dtype) - n.T @ n
    across = x - (n * x).sum(1, keepdim=True) * n
    matrix += 1e-9 * len(n) * torch.eye(n_space, dtype=n.dtype)
    focus = places.new_zeros(places.shape[1])
    focus[:n_space] = torch.linalg.solve(matrix, across.sum(0))
    return focus.clamp(-1.0, 1.0)
