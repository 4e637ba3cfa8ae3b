"""The error as it falls, measured after the solve on copies of the network."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass, field

from gmnm_pde.accuracy import finite, measure
from gmnm_pde.methods.base import Record
from gmnm_pde.networks import Network
from gmnm_pde.problem import Problem
from gmnm_pde.solution import Solution
from gmnm_pde.studies.rows import Point

THINNED = 1.15
"""Copies are kept at times that grow by this factor: hundreds of them would fill the memory, and a
logarithmic axis shows no more."""


@dataclass
class Trace:
    """An observer of a solve that keeps copies of the network."""

    kept: list[tuple[Record, Network]] = field(default_factory=list)

    def __call__(self, record: Record, network: Network) -> None:
        """Take a step; what is kept is a copy, since methods go on from the network itself."""
        if not self.kept or record.seconds >= THINNED * self.kept[-1][0].seconds:
            self.kept.append((record, copy.deepcopy(network)))

    def points(
        self, solver: str, problem: Problem, solution: Solution, free: Collection[str]
    ) -> list[Point]:
        """The errors of the copies, and at last that of the solution.

        Arguments:
            free: unknowns that are known up to a constant only.
        """
        found = []
        for record, network in self.kept:
            errors = measure(problem, network, up_to_constant=free)
            if errors is not None and record.seconds < solution.seconds:
                size = sum(parameter.numel() for parameter in network.parameters())
                found.append(
                    Point(
                        solver, solution.seed, record.seconds, record.units, size,
                        finite(errors.relative_l2),
                    )
                )  # fmt: skip
        if solution.errors is not None:
            found.append(
                Point(
                    solver, solution.seed, solution.seconds, solution.units, solution.parameters,
                    finite(solution.errors.relative_l2),
                )
            )  # fmt: skip
        return found
