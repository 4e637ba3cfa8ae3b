"""pykan 0.2.8, by its examples: L-BFGS, grids refined from 5 to 20 (for fits further).

- Equations: https://kindxiaoming.github.io/pykan/Examples/Example_7_PDE_accuracy.html, which solves
  the very problem ``poisson``: width [2, 2, 1], grids 5, 10, 20 with 50 steps each, 51 x 51 points,
  the equation weighted by 0.01, the grid moved in the first steps. ``pykan-10`` is the width of the
  KAN paper (arXiv 2404.19756, section 3.4), [2, 10, 1], in float64, which a few runs showed to be
  its best use.
- Fits: https://kindxiaoming.github.io/pykan/Examples/Example_1_function_fitting.html: width
  [2, 5, 1], grids 3, 5, 10, 20, 50, L-BFGS with 50 steps each.

The steps of a grid end as well at its equal share of the budget, so that all grids are reached.
Second derivatives are two calls of autograd, where the example takes full Jacobians: the same
numbers, sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from kan import KAN
from kan.LBFGS import LBFGS

from validation.peers.meter import Meter, run
from validation.peers.problems import Array, PeerProblem

SEED = 3
CHUNK = 2
"""A step of the example is 20 iterations; it is taken in two, to look at the clock in between."""

GRID_UPDATES = tuple(CHUNK * step for step in (0, 5, 10, 15))
"""Chunks before which the grid is moved to where the activations are."""


@dataclass(frozen=True)
class Recipe:
    """Sizes and stages.

    Arguments:
        steps: of L-BFGS with each grid, at most; the last goes on until the budget is spent.
    """

    width: tuple[int, ...]
    grids: tuple[int, ...]
    steps: int
    double: bool


EXAMPLE = Recipe((2, 2, 1), (5, 10, 20), 50, False)
WIDE = Recipe((2, 10, 1), (5, 10, 20), 50, True)
FIT = Recipe((2, 5, 1), (3, 5, 10, 20, 50), 50, False)
WIDE_FIT = Recipe((2, 10, 1), (3, 5, 10, 20), 50, True)

ALPHA = 0.01
SIDE = 51


def solve(problem: PeerProblem, variant: str, meter: Meter) -> None:
    """Refine grid after grid."""
    recipe = _recipe(problem, variant)
    torch.set_default_dtype(torch.float64 if recipe.double else torch.float32)
    torch.manual_seed(SEED)
    loss, points = _fit(problem) if problem.kind == "fit" else _equation(problem)
    model = KAN(width=list(recipe.width), grid=recipe.grids[0], k=3, seed=SEED, auto_save=False)
    model = model.speed()
    meter.start()
    for index, grid in enumerate(recipe.grids):
        if index:
            model.save_act = True
            model.get_act(points)
            model = model.refine(grid).speed()
        last = index + 1 == len(recipe.grids)
        share = 1.0 if last else (index + 1) / len(recipe.grids)
        _train(model, loss, points, meter, None if last else CHUNK * recipe.steps, share)


def _recipe(problem: PeerProblem, variant: str) -> Recipe:
    wide = variant == "pykan-10"
    if problem.kind == "fit":
        return WIDE_FIT if wide else FIT
    return WIDE if wide else EXAMPLE


def _train(
    model: Any,
    loss: Callable[[Any], torch.Tensor],
    points: torch.Tensor,
    meter: Meter,
    chunks: int | None,
    share: float,
) -> None:
    optimizer = LBFGS(
        model.parameters(),
        lr=1,
        max_iter=20 // CHUNK,
        history_size=10,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-32,
        tolerance_change=1e-32,
        tolerance_ys=1e-32,
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(model)
        value.backward()
        return value

    chunk = 0
    while chunks is None or (chunk < chunks and meter.share < share):
        if chunk in GRID_UPDATES:
            model.update_grid_from_samples(points)
        optimizer.step(closure)
        meter.tick(lambda there: _values(model, there), _parameters(model))
        chunk += 1


def _values(model: Any, points: Array) -> Array:
    with torch.no_grad():
        return np.asarray(model(torch.tensor(points, dtype=torch.get_default_dtype()))[:, 0])


def _parameters(model: Any) -> int:
    """Those of the splines and their scales: the symbolic branch is switched off."""
    return sum(
        p.numel()
        for name, p in model.named_parameters()
        if p.requires_grad and not name.startswith("symbolic")
    )


def _equation(problem: PeerProblem) -> tuple[Callable[[Any], torch.Tensor], torch.Tensor]:
    """The example's loss: mean squares, the equation weighted by alpha."""
    side = torch.linspace(-1, 1, SIDE)
    mesh = torch.cartesian_prod(side, side)
    if problem.shape == "disk":
        interior = mesh[mesh.norm(dim=1) < 1]
        angle = torch.linspace(0, 2 * torch.pi, 4 * SIDE + 1)[:-1]
        boundary = torch.stack([angle.cos(), angle.sin()], 1)
    else:
        interior, one = mesh, torch.ones(SIDE)
        columns = [(side, one), (side, -one), (one, side), (-one, side)]
        boundary = torch.cat([torch.stack(pair, 1) for pair in columns])
    assert problem.source is not None
    source = problem.source(torch, interior[:, 0], interior[:, 1])
    moving = interior.clone().requires_grad_()

    def loss(model: Any) -> torch.Tensor:
        u = model(moving)[:, 0]
        (slope,) = torch.autograd.grad(u.sum(), moving, create_graph=True)
        laplacian = sum(
            torch.autograd.grad(slope[:, i].sum(), moving, create_graph=True)[0][:, i]
            for i in range(2)
        )
        residual = laplacian + problem.reaction * u - source
        return ALPHA * residual.square().mean() + model(boundary).square().mean()

    return loss, interior


def _fit(problem: PeerProblem) -> tuple[Callable[[Any], torch.Tensor], torch.Tensor]:
    points, values = (torch.tensor(a, dtype=torch.get_default_dtype()) for a in problem.data())

    def loss(model: Any) -> torch.Tensor:
        return (model(points)[:, 0] - values).square().mean()

    return loss, points


if __name__ == "__main__":
    run(solve, ("pykan", "torch", "numpy"))
