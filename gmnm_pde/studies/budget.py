"""What every solver of a comparison gets the same of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from gmnm_pde.errors import InputError
from gmnm_pde.methods import TimeStepping
from gmnm_pde.methods.training.base import Trained
from gmnm_pde.networks.kan import KANSpec
from gmnm_pde.networks.sizing import sized, with_size_of
from gmnm_pde.networks.specs import NetworkSpec
from gmnm_pde.problem import Problem, Sampling
from gmnm_pde.recipe import Recipe

BOUNDARY = 5
"""Inner points over those of each condition."""


@dataclass(frozen=True)
class Budget:
    """Limits that hold for every solver alike.

    Arguments:
        points: inner collocation points; each condition gets a fifth as many.
        parameters: numbers in the network.
        time_limit: seconds of a solve.
    """

    points: int | None = None
    parameters: int | None = None
    time_limit: float | None = None

    def applied(self, problem: Problem, recipe: Recipe) -> tuple[Problem, Recipe]:
        """The problem and the recipe within these limits.

        Raises:
            InputError: a recipe that cannot be held to them, in words.
        """
        marching = any(isinstance(item.chosen(problem), TimeStepping) for item in recipe.methods)
        for name, value in (("points", self.points), ("parameters", self.parameters)):
            if value is not None and marching:
                raise InputError(
                    f"the method time_stepping chooses its {name} from the solution as it marches; "
                    f"it cannot be given a number of {name}.",
                    mend="Compare it at equal time.",
                )
        if self.points is not None:
            boundary = max(1, self.points // BOUNDARY)
            problem = replace(
                problem, sampling=Sampling(self.points, boundary, problem.sampling.sampler)
            )
        if self.parameters is not None:
            inputs, outputs = len(problem.coordinates), len(problem.unknowns)
            network = sized(finest(recipe), self.parameters, inputs, outputs)
            recipe = replace(recipe, network=with_size_of(recipe.network, network))
        return problem, recipe

    def words(self) -> str:
        """``at most 450 parameters, 60 s a run``."""
        parts = []
        if self.points is not None:
            parts.append(f"{self.points} inner points and {self.points // BOUNDARY} a condition")
        if self.parameters is not None:
            parts.append(f"at most {self.parameters} parameters")
        if self.time_limit is not None:
            parts.append(f"{self.time_limit:g} s a run")
        return ", ".join(parts)

    def data(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def finest(recipe: Recipe) -> NetworkSpec:
    """The network's options after the last refinement of its grids: the size that counts."""
    network = recipe.network
    grids = [grid for item in recipe.methods if isinstance(item, Trained) for grid in item.grids]
    if not isinstance(network, KANSpec) or not grids:
        return network
    return replace(network, grid=max(grids))
