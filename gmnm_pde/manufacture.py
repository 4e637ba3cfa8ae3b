"""Manufactured solutions: a problem changed so that a chosen function solves it.

Every residual r(u) of an equation, of a condition or in an integral becomes

    r(u) - r(u*) ,

u* the chosen function, so that sources, boundary and initial data follow from u* for any residual
whatever. Right-hand sides that were there already cancel: they may stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gmnm_pde.errors import InputError, suggest
from gmnm_pde.expressions import (
    Node,
    Scope,
    differentiate,
    evaluate,
    names,
    parse,
    point_function,
    residual,
)
from gmnm_pde.fields import Jet, Orders, Residual
from gmnm_pde.problem import (
    AnyCondition,
    Equation,
    IntegralCondition,
    Interface,
    Periodic,
    Problem,
)
from gmnm_pde.references import Exact

Solution = Node | str | float

_POINTS = 64
_PERIOD = 1e-9


class ClosedForm:
    """Functions of the coordinates with all their derivatives, found by the rules.

    Arguments:
        nodes: one for each unknown.
        coordinates: in order.
    """

    def __init__(self, nodes: Mapping[str, Node], coordinates: tuple[str, ...]) -> None:
        self._coordinates = coordinates
        zero = (0,) * len(coordinates)
        self._known: dict[tuple[str, Orders], Node] = {
            (name, zero): node for name, node in nodes.items()
        }

    def derivative(self, unknown: str, orders: Orders) -> Node:
        """D^orders of one function; each differentiation is done once."""
        key = (unknown, orders)
        if key not in self._known:
            axis = next(i for i, count in enumerate(orders) if count)
            lower = tuple(count - (i == axis) for i, count in enumerate(orders))
            self._known[key] = differentiate(
                self.derivative(unknown, lower), self._coordinates[axis]
            )
        return self._known[key]

    def values(self, points: Tensor) -> Callable[[str, Orders], Tensor]:
        """Derivatives at points (n, d), each (n,), for a :class:`fields.Jet`."""
        jet = Jet(self._coordinates, (), points, _no_unknowns)
        return lambda unknown, orders: evaluate(self.derivative(unknown, orders), jet)


def manufactured(problem: Problem, solution: Mapping[str, Solution]) -> Problem:
    """The problem that a chosen function solves.

    Arguments:
        problem: with any right-hand sides; zeros will do.
        solution: an expression of the coordinates for each unknown, ``{"u": "sin(pi*x)*exp(-t)"}``.

    Returns:
        The problem with its residuals corrected, and the function as its exact reference unless
        it has another reference.

    Raises:
        InputError: an unknown without an expression, a name that is not an unknown, an expression
            that cannot be read, or one that does not repeat where the problem is periodic.
    """
    coordinates = tuple(problem.coordinates)
    nodes = {name: _node(problem, solution, name) for name in problem.unknowns}
    for name in solution:
        if name not in nodes:
            raise InputError(f"{name!r} is not an unknown.", mend=suggest(name, problem.unknowns))
    exact = ClosedForm(nodes, coordinates)
    for condition in problem.conditions:
        if isinstance(condition, Periodic) and condition.coordinate in problem.space:
            _check_period(problem, nodes, condition)
    reference = problem.reference
    return replace(
        problem,
        equations=[_equation(item, exact) for item in problem.laws],
        conditions=[_condition(item, exact) for item in problem.conditions],
        reference=Exact({name: residual(node) for name, node in nodes.items()})
        if reference is None
        else reference,
        easier=[(label, manufactured(item, solution)) for label, item in problem.easier],
    )


def _node(problem: Problem, solution: Mapping[str, Solution], name: str) -> Node:
    if name not in solution:
        raise InputError(
            f"the manufactured solution for {name!r} is missing.", mend=f"Give one for {name}."
        )
    given = solution[name]
    if isinstance(given, Node):
        return given
    return parse(given, Scope(coordinates=tuple(problem.coordinates)))


def _corrected(function: Callable[..., Any], exact: ClosedForm) -> Residual:
    """r(u) - r(u*). The functions of a problem are residuals already, see :func:`fields.bind`."""

    def corrected(jet: Jet) -> Tensor:
        at_exact = Jet(
            jet.coordinates,
            jet.unknowns,
            jet.points,
            exact.values(jet.points),
            jet.normals,
            elsewhere=exact.values,
            quadrature=jet.quadrature,
        )
        with torch.no_grad():
            known = function(at_exact)
        return function(jet) - known

    return corrected


def _equation(item: Equation, exact: ClosedForm) -> Equation:
    return replace(
        item, residual=_corrected(item.residual, exact), label=f"{item.label}, manufactured"
    )


def _condition(item: AnyCondition, exact: ClosedForm) -> AnyCondition:
    if isinstance(item, Periodic):
        return item
    label = f"{item.label}, manufactured"
    if isinstance(item, IntegralCondition):
        # The integral of g(u) - g(u*) is zero, whatever the integral of g(u) was to be.
        integrand = _corrected(item.integrand, exact)
        return replace(item, integrand=integrand, equals=0.0, label=label)
    if isinstance(item, Interface):
        return replace(item, jump=_corrected(item.jump, exact), equals=0.0, label=label)
    return replace(item, residual=_corrected(item.residual, exact), label=label)


def _check_period(problem: Problem, nodes: Mapping[str, Node], condition: Periodic) -> None:
    axis = problem.space.index(condition.coordinate)
    region = problem.region
    low = region.sample_interior(_POINTS)
    high = low.clone()
    low[:, axis], high[:, axis] = region.lower[axis], region.upper[axis]
    for name, node in nodes.items():
        if condition.coordinate not in names(node):
            continue
        function = point_function(node, tuple(problem.coordinates))
        gap = float((function(low) - function(high)).abs().max())
        if gap > _PERIOD * (1.0 + float(function(low).abs().max())):
            raise InputError(
                f"the manufactured {name} does not repeat along {condition.coordinate}: its values "
                f"at the two ends differ by {gap:.3g}.",
                mend="Change it, or remove `periodic`.",
            )


def _no_unknowns(unknown: str, orders: Orders) -> Tensor:
    raise KeyError(unknown)
