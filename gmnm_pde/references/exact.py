"""A solution in closed form, and its derivatives by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gmnm_pde.errors import InputError, suggest
from gmnm_pde.fields import Jet, Orders, bind
from gmnm_pde.problem import Problem, Reference, ReferenceValues


@dataclass(frozen=True)
class Exact(Reference):
    """u = function(x), known in closed form.

    Arguments:
        functions: one for each unknown, of the coordinates by name,
            ``{"u": lambda x, y: x * y}``; a plain number is a constant. What is to be inferred may
            be among them.
    """

    functions: Mapping[str, Callable[..., Any] | float]
    name: str = "exact"

    def evaluate(self, problem: Problem, points: Tensor) -> ReferenceValues:
        """The exact solution at points (n, d).

        Raises:
            InputError: an unknown without a function.
        """
        names = self.known(problem)
        values = points.new_empty((len(points), len(names)))
        for column, name in enumerate(names):
            values[:, column] = self.values(problem, name, points)
        return ReferenceValues(values, dict.fromkeys(names, 0.0))

    def known(self, problem: Problem) -> tuple[str, ...]:
        """All unknowns; of an inverse problem those outputs that it has a function for."""
        if not problem.infer:
            return tuple(problem.unknowns)
        return tuple(name for name in problem.outputs if name in self.functions)

    def constants(self, problem: Problem) -> dict[str, float]:
        """The constants to be inferred that it has a function for."""
        point = problem.region.sample_interior(1)
        return {
            name: float(self.values(problem, name, point)[0])
            for name in problem.constants
            if name in self.functions
        }

    def values(self, problem: Problem, unknown: str, points: Tensor) -> Tensor:
        """One unknown at points (n, d) -> (n,); differentiable with respect to the points."""
        if unknown not in self.functions:
            raise InputError(
                f"the exact solution does not say what {unknown!r} is.",
                mend=suggest(unknown, self.functions),
            )
        function = self.functions[unknown]
        if not callable(function):
            return points.new_full(points.shape[:1], function)
        jet = Jet(problem.coordinates, (), points, _no_unknowns)
        return bind(function, problem.coordinates, ())(jet)


def exact_values(problem: Problem, points: Tensor) -> Callable[[str, Orders], Tensor]:
    """Derivatives of a problem's exact solution at points (n, d), for a :class:`fields.Jet`.

    Each differentiation is one backward pass, so they are exact to rounding for any order; a
    lower derivative that a higher one passes through is computed once.

    Raises:
        InputError: the problem's reference is not an exact solution.
    """
    exact = problem.reference
    if not isinstance(exact, Exact):
        raise InputError(
            f"problem {problem.name!r} has no exact solution to differentiate.",
            mend="Give it one with `reference: {exact: ...}`.",
        )
    at = points.detach().clone().requires_grad_()
    known: dict[tuple[str, Orders], Tensor] = {}

    def attached(unknown: str, orders: Orders) -> Tensor:
        key = (unknown, orders)
        if key not in known:
            if sum(orders) == 0:
                known[key] = exact.values(problem, unknown, at)
            else:
                axis = next(i for i, count in enumerate(orders) if count)
                lower = tuple(count - (i == axis) for i, count in enumerate(orders))
                known[key] = _gradient(attached(unknown, lower), at)[:, axis]
        return known[key]

    def values(unknown: str, orders: Orders) -> Tensor:
        with torch.enable_grad():
            return attached(unknown, orders).detach()

    return values


def _gradient(values: Tensor, points: Tensor) -> Tensor:
    """Gradients (n, d) of pointwise values (n,)."""
    if not values.requires_grad:
        return torch.zeros_like(points)
    (gradient,) = torch.autograd.grad(
        values.sum(), points, create_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient


def _no_unknowns(unknown: str, orders: Orders) -> Tensor:
    raise InputError(
        f"the exact solution refers to the unknown {unknown!r}.",
        mend="Write it in terms of the coordinates.",
    )
