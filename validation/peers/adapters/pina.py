"""PINA 0.3.2: hard conditions and L-BFGS, float32, which is how it computes.

https://github.com/mathLab/PINA/tree/0.3.2/tutorials, tutorial 3 (a network times a function that is
zero on the boundary, random points) and tutorial 1 (the solver, the trainer); L-BFGS with a strong
Wolfe search from the start in the place of Adam, which is slower by far, and tanh in the place of
ReLU, whose second derivative is zero. Burgers is ``BurgersProblem`` of its zoo with the conditions
built in; the fit is its ``SupervisedSolver`` (tutorial 2 of the supervised ones).
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from pina import Condition, LabelTensor, Trainer
from pina.domain import CartesianDomain, EllipsoidDomain
from pina.equation import Equation
from pina.model import FeedForward
from pina.operator import grad, laplacian
from pina.optim import TorchOptimizer
from pina.problem import SpatialProblem
from pina.problem.zoo import SupervisedProblem
from pina.solver import PhysicsInformedSingleModelSolver, SupervisedSingleModelSolver

from validation.peers.meter import Meter, run
from validation.peers.problems import NU, Array, PeerProblem

SEED = 2
LAYERS = [40, 40, 40]
POINTS = {"elliptic": 1600, "burgers": 2540}
ITERATIONS = 20
"""Of L-BFGS between two looks at the clock."""


class HardNetwork(torch.nn.Module):
    """A network that fulfils the conditions by construction."""

    def __init__(self, problem: PeerProblem) -> None:
        super().__init__()
        self.problem = problem
        self.network = FeedForward(
            input_dimensions=2, output_dimensions=1, layers=LAYERS, func=torch.nn.Tanh
        )

    def forward(self, points: Any) -> Any:
        """Values (n, 1) at points (n, 2)."""
        plain = points.as_subclass(torch.Tensor)
        values = self.network(plain)
        return self.problem.imposed(torch, plain[:, :1], plain[:, 1:], values)


class Watch(Callback):
    """Looks at the clock after every step of the optimizer."""

    def __init__(self, meter: Meter, model: HardNetwork) -> None:
        self.meter, self.model = meter, model
        self.parameters = sum(p.numel() for p in model.parameters())

    def on_train_batch_end(self, *_: Any) -> None:
        """Measure if it is time to."""
        self.meter.tick(self._values, self.parameters)

    def _values(self, points: Array) -> Array:
        with torch.no_grad():
            found = self.model(torch.tensor(points, dtype=torch.get_default_dtype()))
        return found[:, 0].numpy()


def solve(problem: PeerProblem, variant: str, meter: Meter) -> None:
    """L-BFGS until the budget is spent."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(SEED)
    model = HardNetwork(problem)
    optimizer = TorchOptimizer(
        torch.optim.LBFGS,
        lr=1.0,
        max_iter=ITERATIONS,
        history_size=100,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )
    solver = _solver(problem, model, optimizer)
    trainer = Trainer(
        solver,
        max_epochs=10**7,
        accelerator="cpu",
        enable_model_summary=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        logger=False,
        callbacks=[Watch(meter, model)],
    )
    meter.start()
    trainer.train()


def _solver(problem: PeerProblem, model: HardNetwork, optimizer: TorchOptimizer) -> Any:
    if problem.kind == "fit":
        points, values = (torch.tensor(a, dtype=torch.get_default_dtype()) for a in problem.data())
        stated = SupervisedProblem(points, values[:, None])
        return SupervisedSingleModelSolver(stated, model, optimizer=optimizer, use_lt=False)
    stated = _stated(problem)
    stated.discretise_domain(POINTS[problem.kind], "random", domains=["inside"])
    return PhysicsInformedSingleModelSolver(stated, model, optimizer=optimizer)


def _stated(problem: PeerProblem) -> Any:
    """The equation alone: the conditions are in the network."""

    def elliptic(points: LabelTensor, u: LabelTensor) -> LabelTensor:
        assert problem.source is not None
        source = problem.source(torch, points.extract(["x"]), points.extract(["y"]))
        return laplacian(u, points, components=["u"], d=["x", "y"]) + problem.reaction * u - source

    def burgers(points: LabelTensor, u: LabelTensor) -> LabelTensor:
        slopes = grad(u, points, components=["u"], d=["x", "y"])
        curvature = laplacian(u, points, components=["u"], d=["x"])
        return slopes.extract(["dudy"]) + u * slopes.extract(["dudx"]) - NU * curvature

    sides = {"x": [-1, 1], "y": [0, 1] if problem.kind == "burgers" else [-1, 1]}
    kind = EllipsoidDomain if problem.shape == "disk" else CartesianDomain
    equation = Equation(burgers if problem.kind == "burgers" else elliptic)

    class Stated(SpatialProblem):
        output_variables = ["u"]  # noqa: RUF012
        spatial_domain = CartesianDomain(sides)
        domains = {"inside": kind(sides)}  # noqa: RUF012
        conditions = {"inside": Condition(domain="inside", equation=equation)}  # noqa: RUF012

    return Stated()


if __name__ == "__main__":
    run(solve, ("pina-mathlab", "torch", "lightning"))
