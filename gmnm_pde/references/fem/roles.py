"""What a problem asks of elements: which equation goes with which unknown, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Residual
from gmnm_pde.integrals import integrates
from gmnm_pde.linearised import Block, is_linear
from gmnm_pde.problem import Condition, Equation, IntegralCondition, Problem
from gmnm_pde.references.claims import Dependence, dependence
from gmnm_pde.references.fem.outline import boundary_conditions
from gmnm_pde.references.fem.pointwise import gradients, state_at
from gmnm_pde.references.roles import match_equations

METHOD = "finite elements"
MEND = "Give another reference, such as `spectral` or `finite_difference`, or a file."
PROBES = 16
STEP = 1e-6


@dataclass(frozen=True, eq=False)
class Roles:
    """The parts of a problem, sorted by what they are to finite elements.

    Raises:
        InputError: something that they cannot do, in words.
    """

    problem: Problem

    def __post_init__(self) -> None:
        problem = self.problem
        if problem.time is not None:
            raise _cannot("are for steady problems; this one depends on time")
        if len(problem.equations) != len(problem.unknowns):
            raise _cannot(
                f"need as many equations as unknowns; there are {len(problem.equations)} and "
                f"{len(problem.unknowns)}"
            )
        if problem.data is not None:
            raise _cannot("cannot use measurements (`data`)")
        for condition in problem.conditions:
            if not isinstance(condition, Condition | IntegralCondition):
                raise _cannot(f"cannot do the condition {condition.label!r}")
        for item in (*problem.laws, *problem.conditions):
            if isinstance(item, Condition | Equation) and self._integrates(item):
                raise _cannot(f"cannot do an integral within {item.label!r}")
        for equation in self.equations:
            self._check(equation)
        if max(self.orders) < 2 and any(self.orders):
            raise _cannot("need second derivatives; these equations have first ones only")

    def _integrates(self, item: Equation | Condition) -> bool:
        points = self._points
        ones = points.new_ones(len(points))
        return integrates(
            self.problem, Block("equation", item.label, item.residual, points, ones, points * 0 + 1)
        )

    @property
    def equations(self) -> tuple[Equation, ...]:
        """The equation of each unknown, in the order of the unknowns."""
        given = self.problem.laws
        matched = match_equations([self._depends(e.residual) for e in given], len(given), False)
        return tuple(given[i] for i in matched)

    @cached_property
    def residuals(self) -> tuple[Residual, ...]:
        """Of the equation of each unknown."""
        return tuple(equation.residual for equation in self.equations)

    @cached_property
    def orders(self) -> tuple[int, ...]:
        """The highest derivative of each unknown."""
        found = [0] * len(self.problem.unknowns)
        for residual in self.residuals:
            for unknown, alpha in self._depends(residual):
                found[unknown] = max(found[unknown], sum(alpha))
        return tuple(found)

    def degrees(self, degree: int) -> tuple[int, ...]:
        """Of each unknown: one less for those that others' second derivatives balance with first
        ones, as a pressure (Taylor and Hood, Comput. Fluids 1 (1973) 73-100).

        Raises:
            InputError: the degree leaves none.
        """
        found = tuple(degree - (order == 1) for order in self.orders)
        if min(found) < 1:
            low = self.problem.unknowns[self.orders.index(1)]
            raise InputError(
                f"{low!r} occurs by first derivatives at most: it is one degree below the others.",
                mend="Give `degree: 2` or more.",
            )
        return found

    @cached_property
    def extra(self) -> tuple[Condition | IntegralCondition, ...]:
        """Conditions on an integral or at a point, and a mean of zero for an unknown that nothing
        else fixes."""
        edge = {number for number, _ in boundary_conditions(self.problem)}
        given = [
            c
            for number, c in enumerate(self.problem.conditions)
            if number not in edge and isinstance(c, Condition | IntegralCondition)
        ]
        fixed = {u for c in given for u, _ in self._depends(residual_of(c))}
        return (*given, *[self._mean(j) for j in self._free if j not in fixed])

    @cached_property
    def linear(self) -> bool:
        """Whether everything is affine in the unknowns."""
        normals = self._points * 0.0 + 1.0 / self.problem.domain.dimension**0.5
        parts = [(e.residual, None) for e in self.equations]
        parts += [(c.residual, normals) for _, c in boundary_conditions(self.problem)]
        return all(
            is_linear(
                self.problem,
                Block("equation", "", residual, self._points, self._points[:, 0] * 0 + 1, out),
            )
            for residual, out in parts
        )

    @cached_property
    def _free(self) -> tuple[int, ...]:
        """Unknowns that may be shifted by a constant."""
        edge = [c.residual for _, c in boundary_conditions(self.problem)]
        used = {
            u
            for residual in (*self.residuals, *edge)
            for u, alpha in self._depends(residual)
            if not any(alpha)
        }
        return tuple(j for j in range(len(self.problem.unknowns)) if j not in used)

    def _mean(self, unknown: int) -> IntegralCondition:
        name = self.problem.unknowns[unknown]
        orders = (0,) * len(self.problem.coordinates)
        return IntegralCondition(lambda jet: jet.derivative(name, orders), 0.0, f"mean of {name}")

    def _depends(self, residual: Residual) -> Dependence:
        return dependence(self.problem, residual, normals=True)

    @cached_property
    def _points(self) -> torch.Tensor:
        return self.problem.domain.sample_interior(PROBES, "random", 0)

    def _check(self, equation: Equation) -> None:
        """Refuse what one integration by parts does not cover."""
        label = f"{equation.label!r}"
        highest = max((sum(alpha) for _, alpha in self._depends(equation.residual)), default=0)
        if highest > 2:
            raise _cannot(f"go to second derivatives, not {highest} as in {label}")
        points = self._points.numpy()
        rng = np.random.default_rng(0)
        m, d = len(self.problem.unknowns), points.shape[1]
        values, slopes = rng.random((m, len(points))) + 0.5, rng.random((m, d, len(points))) + 0.5

        def factors(moved: np.ndarray) -> tuple[list[torch.Tensor | None], list[torch.Tensor]]:
            state = state_at(self.problem, moved, values, slopes)
            residual = state.residual(equation.residual)
            bends = list(state.bends.values())
            others = [*bends, *(part for row in state.slopes for part in row)]
            found = gradients(residual, bends, graph=True)
            for a in found:
                parts = [] if a is None else gradients(a, others)
                if any(part is not None and bool(part.any()) for part in parts):
                    raise _cannot(
                        f"cannot do {label}: the factors of its second derivatives depend on "
                        "derivatives of the unknowns"
                    )
            return found, [state.points]

        here, at = factors(points)
        there, _ = factors(points + STEP)
        for a, b in zip(here, there, strict=True):
            if a is None or b is None:
                continue
            (slope,) = gradients(a, at)
            known = torch.zeros_like(a) if slope is None else slope.sum(1)
            gap = (b - a).detach() / STEP - known
            size = a.detach().abs() + known.abs()
            if bool((gap.abs() > 1e-3 * size.max() + 1e-6).sum() > PROBES // 4):
                raise _cannot(
                    f"need the derivatives of the coefficients of {label}, which torch cannot "
                    "differentiate: write them with torch functions of the coordinates"
                )


def residual_of(condition: Condition | IntegralCondition) -> Residual:
    """What vanishes, or is integrated."""
    if isinstance(condition, IntegralCondition):
        return condition.integrand
    return condition.residual


def _cannot(what: str) -> InputError:
    return InputError(f"{METHOD} {what}.", mend=MEND)
