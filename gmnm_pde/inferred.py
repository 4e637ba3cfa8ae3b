"""Quantities that are found together with the solution: constants and coefficient fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders, Values


@dataclass(frozen=True)
class Inferred:
    """A quantity that is found together with the solution.

    Arguments:
        initial: where the search starts.
        bounds: what it must stay between; None or an infinite number is no bound.

    Raises:
        InputError: numbers that are not finite, bounds that exclude the start or each other.
    """

    initial: float = 1.0
    bounds: tuple[float | None, float | None] | None = None

    def __post_init__(self) -> None:
        lower, upper = self.lower, self.upper
        if not math.isfinite(self.initial):
            raise InputError(f"the initial value is {self.initial}.", mend="Give a finite number.")
        if math.isnan(lower) or math.isnan(upper) or not lower < upper:
            raise InputError(
                f"the bounds are [{lower:g}, {upper:g}].", mend="Give the smaller number first."
            )
        if not lower < self.initial < upper:
            raise InputError(
                f"the bounds [{lower:g}, {upper:g}] exclude the initial value {self.initial:g}.",
                mend="Start strictly between them.",
            )

    @property
    def lower(self) -> float:
        """The lower bound, minus infinity without one."""
        value = None if self.bounds is None else self.bounds[0]
        return -math.inf if value is None else float(value)

    @property
    def upper(self) -> float:
        """The upper bound, infinity without one."""
        value = None if self.bounds is None else self.bounds[1]
        return math.inf if value is None else float(value)

    def describe(self) -> str:
        """In words."""
        kind = "a field" if isinstance(self, CoefficientField) else "a constant"
        low, high = math.isfinite(self.lower), math.isfinite(self.upper)
        within = ""
        if low and high:
            within = f", between {self.lower:g} and {self.upper:g}"
        elif low or high:
            within = f", above {self.lower:g}" if low else f", below {self.upper:g}"
        return f"{kind}, from {self.initial:g}{within}"


@dataclass(frozen=True)
class Constant(Inferred):
    """An unknown number: ``infer={"k": gp.Constant(initial=0.5, bounds=(0.01, 10))}``."""


@dataclass(frozen=True)
class CoefficientField(Inferred):
    """An unknown function of space, a GMNM network of its own with a smoothness regularisation.

    Without bounds it is kept positive where it multiplies the highest derivatives of an equation,
    which without that has no solution, and is free elsewhere.

    Arguments:
        initial: the constant that the search starts from.
        cells: spacings of its units across the domain.
    """

    cells: float = 6.0


@dataclass(frozen=True, eq=False)
class Fixed:
    """Names that stand for known numbers, beside unknowns that are solved for themselves."""

    values: Mapping[str, float]

    @property
    def held(self) -> tuple[()]:
        """No condition holds by this."""
        return ()

    @property
    def unlifted(self) -> Fixed:
        """All of it: no condition holds by this."""
        return self

    def derivative(self, inner: Values, unknown: str, points: Tensor, orders: Orders) -> Tensor:
        """D^orders at points (n, d), (n,)."""
        if unknown in self.values:
            return points.new_full((len(points),), 0.0 if any(orders) else self.values[unknown])
        return inner(unknown, orders)

    def complete(self, points: Tensor, values: Tensor) -> Tensor:
        """The unknowns themselves."""
        return values


@dataclass(frozen=True)
class Findings:
    """What was inferred.

    Arguments:
        values: of the constants.
        errors: their standard errors.
        correlation: of pairs, ``"a, b"``.
        noise: the standard deviation of the measurements' noise, by unknown.
        notes: what the data do not determine.
        fields: names of the coefficient fields, which are among the solution's unknowns.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    correlation: Mapping[str, float] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
