"""Scimba 1.4: energy natural gradient, or SSBroyden; float64, hard conditions by post-processing.

https://www.scimba.org/tutorials/laplacian_2d.html and scimba_optimizers.html, tanh networks.

- ``scimba``: its natural gradient with the Armijo search and new random points for every step, the
  method of J. Mueller and M. Zeinhofer, ICML 2023 (arXiv 2302.13163); one hidden layer of 64, which
  was better than two of 20. For fits its ``NaturalGradientProjector`` on the given points.
- ``scimba-ssb``: its self-scaled Broyden method, on points that stay (a quasi-Newton matrix means
  nothing for other points). For Burgers, where the natural gradient made no
  progress in a minute (an error of 0.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scimba_torch
import torch
from scimba_torch.approximation_space.nn_space import NNxSpace, NNxtSpace
from scimba_torch.domain.meshless_domain.domain_1d import Segment1D
from scimba_torch.domain.meshless_domain.domain_2d import Disk2D, Square2D
from scimba_torch.integration.monte_carlo import DomainSampler, TensorizedSampler
from scimba_torch.integration.monte_carlo_parameters import UniformParametricSampler
from scimba_torch.integration.monte_carlo_time import UniformTimeSampler
from scimba_torch.neural_nets.coordinates_based_nets.mlp import GenericMLP
from scimba_torch.numerical_solvers.collocation_projector import NaturalGradientProjector
from scimba_torch.numerical_solvers.elliptic_pde.pinns import (
    NaturalGradientPinnsElliptic,
    PinnsElliptic,
)
from scimba_torch.numerical_solvers.temporal_pde.pinns import (
    NaturalGradientTemporalPinns,
    TemporalPinns,
)
from scimba_torch.physical_models.elliptic_pde.laplacians import Laplacian2DDirichletStrongForm
from scimba_torch.physical_models.temporal_pde.abstract_temporal_pde import FirstOrderTemporalPDE
from scimba_torch.utils.scimba_tensors import LabelTensor

from validation.peers.meter import Meter, run
from validation.peers.problems import NU, Array, PeerProblem

SEED = 0
BROYDEN = "ssbroyden"


@dataclass(frozen=True)
class Recipe:
    """Sizes: hidden layers, points a step, and the regularisation of the Gram matrix."""

    layers: tuple[int, ...]
    points: int
    regularization: float


RECIPES = {
    "elliptic": Recipe((64,), 2000, 1e-6),
    "burgers": Recipe((20, 20, 20), 3000, 1e-6),
    "fit": Recipe((64,), 1000, 1e-6),
}


class Equation(Laplacian2DDirichletStrongForm):
    """u_xx + u_yy + k u = f, without parameters."""

    def __init__(self, space: Any, problem: PeerProblem) -> None:
        super().__init__(space)
        self.problem = problem

    def rhs(self, w: Any, x: Any, mu: Any) -> torch.Tensor:
        """F."""
        assert self.problem.source is not None
        return self.problem.source(torch, *x.get_components())

    def operator(self, w: Any, x: Any, mu: Any) -> torch.Tensor:
        """The left side for the network's derivatives."""
        u = w.get_components()
        u_x, u_y = self.grad(u, x)
        u_xx, _ = self.grad(u_x, x)
        _, u_yy = self.grad(u_y, x)
        return u_xx + u_yy + self.problem.reaction * u

    def functional_operator(self, func: Any, x: Any, mu: Any, theta: Any) -> torch.Tensor:
        """The left side at one point, as a function of the parameters."""
        second = torch.func.jacrev(torch.func.jacrev(func, 0), 0)(x, mu, theta)
        value = func(x, mu, theta)
        return second[..., 0, 0] + second[..., 1, 1] + self.problem.reaction * value


class Burgers(FirstOrderTemporalPDE):
    """u_t + u u_x - nu u_xx = 0."""

    residual_size = 1
    bc_residual_size = 1
    ic_residual_size = 1

    def rhs(self, w: Any, t: Any, x: Any, mu: Any) -> torch.Tensor:
        """Zero."""
        return 0 * x.get_components()

    def space_operator(self, w: Any, t: Any, x: Any, mu: Any) -> torch.Tensor:
        """The terms without a time derivative."""
        u = w.get_components()
        u_x = self.grad(u, x)
        return u * u_x - NU * self.grad(u_x, x)

    def bc_rhs(self, w: Any, t: Any, x: Any, n: Any, mu: Any) -> torch.Tensor:
        """Zero."""
        return 0 * x.get_components()

    def bc_operator(self, w: Any, t: Any, x: Any, n: Any, mu: Any) -> torch.Tensor:
        """The value."""
        return w.get_components()

    def initial_condition(self, x: Any, mu: Any) -> torch.Tensor:
        """-sin(pi x)."""
        return -torch.sin(torch.pi * x.get_components())

    def functional_operator(self, func: Any, t: Any, x: Any, mu: Any, theta: Any) -> torch.Tensor:
        """The left side at one point, as a function of the parameters."""
        slope = torch.func.jacrev(func, 1)
        second = torch.func.jacrev(slope, 1)(t, x, mu, theta)[..., 0, 0]
        value, u_x = func(t, x, mu, theta), slope(t, x, mu, theta)[..., 0]
        u_t = torch.func.jacrev(func, 0)(t, x, mu, theta)[..., 0]
        return u_t + value * u_x - NU * second


class _Fixed:
    """The points of the first step for all steps."""

    _points: tuple[Any, ...] | None = None

    def sample_all_vars(self, **options: Any) -> tuple[Any, ...]:
        """The points."""
        if self._points is None:
            self._points = super().sample_all_vars(**options)  # type: ignore[misc]
        return self._points


class FixedElliptic(_Fixed, PinnsElliptic):
    """Elliptic equations on points that stay."""


class FixedTemporal(_Fixed, TemporalPinns):
    """Equations in time on points that stay."""


def solve(problem: PeerProblem, variant: str, meter: Meter) -> None:
    """Natural gradient steps until the budget is spent."""
    scimba_torch.set_verbosity(False)
    torch.manual_seed(SEED)
    make = {"elliptic": _elliptic, "burgers": _burgers, "fit": _fit}[problem.kind]
    solver = make(problem, variant == "scimba-ssb")
    recipe = RECIPES[problem.kind]

    def look(data: Any) -> None:
        meter.tick(lambda points: _values(problem, solver.space, points), solver.space.ndof)

    # Its hook for every epoch; the network there is the one of the last step.
    solver.create_quantities_for_loss = look
    meter.start()
    solver.solve(epochs=10**7, n_collocation=recipe.points, verbose=False, silent=True)


def _values(problem: PeerProblem, space: Any, points: Array) -> Array:
    there = torch.tensor(points)
    columns = (there[:, 1:], there[:, :1]) if problem.kind == "burgers" else (there,)
    with torch.no_grad():
        mu = LabelTensor(torch.zeros(len(there), 0))
        found = space.evaluate(*(LabelTensor(column) for column in columns), mu)
    return np.asarray(found.w[:, 0])


def _elliptic(problem: PeerProblem, broyden: bool) -> Any:
    disk = problem.shape == "disk"
    domain = (
        Disk2D((0.0, 0.0), 1.0, is_main_domain=True)
        if disk
        else Square2D([(-1.0, 1.0), (-1.0, 1.0)], is_main_domain=True)
    )
    recipe = RECIPES["elliptic"]
    space = NNxSpace(
        1,
        0,
        GenericMLP,
        domain,
        TensorizedSampler((DomainSampler(domain), UniformParametricSampler([]))),
        layer_sizes=list(recipe.layers),
        activation_type="tanh",
        post_processing=lambda u, x, mu: _imposed(problem, x.get_components(), u),
    )
    if broyden:
        return FixedElliptic(Equation(space, problem), bc_type="strong", optimizers=BROYDEN)
    return NaturalGradientPinnsElliptic(
        Equation(space, problem),
        bc_type="strong",
        matrix_regularization=recipe.regularization,
        functional_post_processing=lambda func, x, mu, theta: _imposed(
            problem, x, func(x, mu, theta)
        ),
    )


def _imposed(problem: PeerProblem, x: Any, u: Any) -> Any:
    return problem.imposed(torch, x[0], x[1], u)


def _burgers(problem: PeerProblem, broyden: bool) -> Any:
    domain = Segment1D((-1.0, 1.0), is_main_domain=True)
    recipe = RECIPES["burgers"]
    samplers = (
        UniformTimeSampler((0.0, 1.0)),
        DomainSampler(domain),
        UniformParametricSampler([]),
    )
    space = NNxtSpace(
        1,
        0,
        GenericMLP,
        domain,
        TensorizedSampler(samplers),
        layer_sizes=list(recipe.layers),
        activation_type="tanh",
        post_processing=lambda u, t, x, mu: problem.imposed(
            torch, x.get_components(), t.get_components(), u
        ),
    )
    strong = {"bc_type": "strong", "ic_type": "strong"}
    if broyden:
        return FixedTemporal(Burgers(space), **strong, optimizers=BROYDEN)
    return NaturalGradientTemporalPinns(
        Burgers(space),
        **strong,
        matrix_regularization=recipe.regularization,
        functional_post_processing=lambda func, t, x, mu, theta: problem.imposed(
            torch, x[0], t[0], func(t, x, mu, theta)
        ),
    )


def _fit(problem: PeerProblem, broyden: bool) -> Any:
    domain = Square2D([(-1.0, 1.0), (-1.0, 1.0)], is_main_domain=True)
    recipe = RECIPES["fit"]
    space = NNxSpace(
        1,
        0,
        GenericMLP,
        domain,
        TensorizedSampler((DomainSampler(domain), UniformParametricSampler([]))),
        layer_sizes=list(recipe.layers),
        activation_type="tanh",
    )
    points, values = (torch.tensor(array) for array in problem.data())
    data = (LabelTensor(points), LabelTensor(torch.zeros(len(points), 0)))

    class Projector(NaturalGradientProjector):
        """On the given points, not on new random ones of a function."""

        def sample_all_vars(self, **_: Any) -> tuple[Any, ...]:
            """The points, with derivatives."""
            return data

    return Projector(
        space, lambda x, mu: values[:, None], matrix_regularization=recipe.regularization
    )


if __name__ == "__main__":
    run(solve, ("scimba", "torch", "numpy"))
