"""DeepXDE 1.15 with PyTorch, by its examples: Adam, then L-BFGS.

https://github.com/lululxvi/deepxde/tree/v1.15.0/examples:

- ``deepxde`` on elliptic problems is ``pinn_forward/Poisson_Lshape.py``: 4 layers of 50, tanh, soft
  conditions, 1200 and 120 points, float32; on Helmholtz ``pinn_forward/Helmholtz_Dirichlet_2d.py``:
  3 layers of 150, sine, hard conditions, 10 points a wavelength, to which L-BFGS is added; on
  Burgers ``pinn_forward/Burgers.py``; on fits ``function/dataset.py``.
- ``deepxde-64`` is the strongest we know how to make of it: float64, and hard conditions by an
  output transform as in ``pinn_forward/Helmholtz_Dirichlet_2d.py`` and
  ``diffusion_1d_exactBC.py``, 3 layers of 50, Adam only as a start.

Adam ends at the examples' number of steps or at its share of the budget, whichever is first.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

os.environ["DDE_BACKEND"] = "pytorch"

import deepxde as dde
import numpy as np
import torch

from validation.peers.meter import Meter, run
from validation.peers.problems import NU, PeerProblem

LBFGS_CHUNK = 20
"""Iterations between two looks at the clock; 1000 by default, many seconds."""

SEED = 1


@dataclass(frozen=True)
class Recipe:
    """Sizes and stages.

    Arguments:
        adam: steps at most, and ``adam_share`` of the budget at most.
    """

    layers: tuple[int, ...]
    activation: str
    start: str
    interior: int
    boundary: int
    hard: bool
    adam: int
    adam_share: float


LSHAPE = Recipe((50,) * 4, "tanh", "Glorot uniform", 1200, 120, False, 50_000, 0.7)
HELMHOLTZ = Recipe((150,) * 3, "sin", "Glorot uniform", 1600, 0, True, 5_000, 0.5)
STRONG = Recipe((50,) * 3, "tanh", "Glorot uniform", 1600, 0, True, 2_000, 0.2)
STRONG_WAVES = Recipe((50,) * 3, "sin", "Glorot uniform", 2500, 0, True, 2_000, 0.2)
BURGERS = Recipe((20,) * 3, "tanh", "Glorot normal", 2540, 80, False, 15_000, 0.6)
STRONG_BURGERS = Recipe((50,) * 3, "tanh", "Glorot normal", 2540, 0, True, 2_000, 0.2)
FIT = Recipe((50,) * 3, "tanh", "Glorot normal", 0, 0, False, 50_000, 0.7)
STRONG_FIT = Recipe((50,) * 3, "tanh", "Glorot normal", 0, 0, False, 2_000, 0.2)


def solve(problem: PeerProblem, variant: str, meter: Meter) -> None:
    """Train by the example's recipe until the budget is spent."""
    strong = variant == "deepxde-64"
    dde.config.set_random_seed(SEED)
    dde.config.set_default_float("float64" if strong else "float32")
    recipe = _recipe(problem, strong)
    data = _data(problem, recipe)
    sizes = [2, *recipe.layers, 1]
    net = dde.nn.FNN(sizes, recipe.activation, recipe.start)
    if recipe.hard:
        net.apply_output_transform(lambda x, y: problem.imposed(torch, x[:, :1], x[:, 1:], y))
    model = dde.Model(data, net)
    watch = _Watch(meter, model, net)
    dde.optimizers.set_LBFGS_options(maxiter=10**7, gtol=0, ftol=0)
    dde.optimizers.config.LBFGS_options["iter_per_step"] = LBFGS_CHUNK
    dde.optimizers.config.LBFGS_options["fun_per_step"] = LBFGS_CHUNK * 2
    model.compile("adam", lr=1e-3)
    meter.start()
    watch.until = recipe.adam_share
    model.train(iterations=recipe.adam, callbacks=[watch], display_every=10**9, verbose=0)
    watch.until = None
    model.compile("L-BFGS")
    model.train(callbacks=[watch], display_every=10**9, verbose=0)


class _Watch(dde.callbacks.Callback):
    """Looks at the clock after every step; ends Adam at its share of the budget."""

    def __init__(self, meter: Meter, model: Any, net: Any) -> None:
        super().__init__()
        self.meter = meter
        self.trained = model
        self.parameters = sum(p.numel() for p in net.parameters() if p.requires_grad)
        self.until: float | None = None

    def on_epoch_end(self) -> None:
        self.meter.tick(self.trained.predict, self.parameters)
        if self.until is not None and self.meter.share >= self.until:
            self.trained.stop_training = True


def _recipe(problem: PeerProblem, strong: bool) -> Recipe:
    if problem.kind == "burgers":
        return STRONG_BURGERS if strong else BURGERS
    if problem.kind == "fit":
        return STRONG_FIT if strong else FIT
    if problem.waves > 1:
        return STRONG_WAVES if strong else HELMHOLTZ
    return STRONG if strong else LSHAPE


def _data(problem: PeerProblem, recipe: Recipe) -> Any:
    if problem.kind == "fit":
        points, values = problem.data()
        test, exact = problem.test_set()
        return dde.data.DataSet(
            X_train=points, y_train=values[:, None], X_test=test[:1], y_test=exact[:1, None]
        )
    if problem.kind == "burgers":
        return _burgers(recipe)
    disk = problem.shape == "disk"
    domain = dde.geometry.Disk([0, 0], 1) if disk else dde.geometry.Rectangle([-1, -1], [1, 1])
    conditions = (
        []
        if recipe.hard
        else [dde.icbc.DirichletBC(domain, lambda x: 0, lambda _, on_boundary: on_boundary)]
    )

    def equation(x: Any, u: Any) -> Any:
        laplacian = dde.grad.hessian(u, x, i=0, j=0) + dde.grad.hessian(u, x, i=1, j=1)
        assert problem.source is not None
        return laplacian + problem.reaction * u - problem.source(torch, x[:, :1], x[:, 1:])

    return dde.data.PDE(
        domain,
        equation,
        conditions,
        num_domain=recipe.interior,
        num_boundary=recipe.boundary,
    )


def _burgers(recipe: Recipe) -> Any:
    domain = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
    soft = [
        dde.icbc.DirichletBC(domain, lambda x: 0, lambda _, on_boundary: on_boundary),
        dde.icbc.IC(domain, lambda x: -np.sin(np.pi * x[:, :1]), lambda _, on_initial: on_initial),
    ]

    def equation(x: Any, u: Any) -> Any:
        u_x = dde.grad.jacobian(u, x, i=0, j=0)
        u_t = dde.grad.jacobian(u, x, i=0, j=1)
        return u_t + u * u_x - NU * dde.grad.hessian(u, x, i=0, j=0)

    return dde.data.TimePDE(
        domain,
        equation,
        [] if recipe.hard else soft,
        num_domain=recipe.interior,
        num_boundary=recipe.boundary,
        num_initial=0 if recipe.hard else 160,
    )


if __name__ == "__main__":
    run(solve, ("deepxde", "torch", "numpy"))
