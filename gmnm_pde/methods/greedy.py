"""Units chosen one at a time from many: orthogonal least squares.

Of candidates of every place, width and direction the one is taken whose column, orthogonal to those
already taken, leaves the smallest residual,

    k = argmax  (q_k . r)^2 ,      q_k = (I - Q Q') a_k / |(I - Q Q') a_k| ,

S. Chen, C. F. N. Cowan and P. M. Grant, IEEE Trans. Neural Networks 2 (1991) 302-309. Units come to
be where the solution needs them: narrow ones at a peak, long ones along a crest or a front.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmnm_pde.methods.base import Setting
from gmnm_pde.methods.elimination import Elimination
from gmnm_pde.networks import GMNM, LinearOutputNetwork
from gmnm_pde.networks.specs import GMNMSpec

CANDIDATES = 3000
"""Units to choose from."""

LARGEST = 30_000_000
"""Entries of the matrix of all candidates; beyond, none are tried."""

NARROW = 2.0
"""Least width of a candidate, in spacings of the points: training makes units narrower where that
pays, and hardly ever wider that fit between the points."""

WIDE = 4.0
"""Largest width, in widths of the box: units much wider than it, with weights that nearly cancel,
are polynomials. Against 2 that made errors on polynomials of degree four and a reaction-diffusion
equation 2 to 4 times as small; 8 was no better on the whole."""

BEYOND = 0.15
"""How far centres lie outside the box, in its widths."""

PARALLEL = 1e-6
"""A candidate is left out if this part of its square is all that is orthogonal to those taken."""


def chosen(
    setting: Setting, elimination: Elimination, spacing: Tensor, units: int
) -> LinearOutputNetwork | None:
    """A network of so many units for a linear problem, None where the candidates are too many or
    the recipe's network is not one of Gaussian units.

    Arguments:
        spacing: of the points along each coordinate, (d,).
    """
    spec, rows = setting.network, sum(len(block.points) for block in elimination.blocks)
    outputs = len(setting.problem.unknowns)
    count = max(CANDIDATES, 8 * units)
    if not isinstance(spec, GMNMSpec) or count * rows * outputs > LARGEST:
        return None
    mu, P = candidates(setting, spec, spacing, count)
    system = elimination.system(setting.placed(GMNM(mu, P, outputs)))
    each, own = count + 1, outputs * (count + 1)
    columns = system.rows[:, :own].reshape(-1, outputs, each)
    always = torch.cat([columns[:, :, count], system.rows[:, own:]], 1)
    index = selected(columns[:, :, :count], always, system.target, units).cpu()
    return GMNM(mu[index], P[index], outputs)


def candidates(
    setting: Setting, spec: GMNMSpec, spacing: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """Centres (N, d) and projections of the recipe's kind: centres evenly spread over the box and
    a little beyond, logarithms of widths evenly, directions at random."""
    region, d = setting.problem.region, setting.problem.region.dimension
    box = [torch.tensor(tuple(side), dtype=torch.float64) for side in (region.lower, region.upper)]
    width = box[1] - box[0]
    even = torch.quasirandom.SobolEngine(2 * d, scramble=True, seed=setting.seed).draw(
        count, dtype=torch.float64
    )
    mu = box[0] + width * ((1 + 2 * BEYOND) * even[:, :d] - BEYOND)
    # Measured in widths of the box, so that directions mean something.
    low = math.log(NARROW * float((spacing.cpu() / width).max()))
    inverse = (low + (math.log(WIDE) - low) * even[:, d:]).neg().exp()
    if spec.projection == "isotropic":
        return mu, inverse[:, :1] / width.log().mean().exp()
    if spec.projection == "diagonal":
        return mu, inverse / width
    generator = torch.Generator().manual_seed(setting.seed)
    turns = torch.linalg.qr(torch.randn(count, d, d, generator=generator, dtype=torch.float64)).Q
    P = inverse[:, :, None] * turns / width
    return mu, P if spec.projection == "full" else P[:, : spec.rank].contiguous()


def selected(columns: Tensor, always: Tensor, target: Tensor, units: int) -> Tensor:
    """Indices of the units taken, (units,).

    Arguments:
        columns: of every unit, one for each unknown, (rows, m, N).
        always: columns that are there in any case, (rows, c).
        target: (rows,).
    """
    n, outputs, count = columns.shape
    A = columns.reshape(n, outputs * count)
    whole = A.square().sum(0)
    left, residual = whole.clone(), target.clone()
    basis = A.new_zeros(n, always.shape[1] + outputs * units)
    taken: list[int] = []
    size = 0

    def take(column: Tensor) -> None:
        nonlocal size, residual
        known = basis[:, :size]
        # Twice, or what is left of a nearly parallel column is not orthogonal.
        for _ in range(2):
            column = column - known @ (known.T @ column)
        q = column / column.norm().clamp_min(1e-300)
        basis[:, size], size = q, size + 1
        residual = residual - q * (q @ residual)
        left.sub_((q @ A).square())

    for column in always.unbind(1):
        take(column)
    for _ in range(units):
        gain = (residual @ A).square() / left.clamp_min(1e-300)
        gain = torch.where(left > PARALLEL * whole, gain, torch.zeros_like(gain))
        total = gain.reshape(outputs, count).sum(0)
        total[taken] = -1.0
        taken.append(int(total.argmax()))
        for j in range(outputs):
            take(columns[:, j, taken[-1]])
    return torch.tensor(taken)
