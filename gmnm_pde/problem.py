"""What is solved: coordinates, unknowns, domain, equations, conditions, data, reference.

Frozen dataclasses without any numerics; how a problem is solved is a :class:`Recipe`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Field, Jet, Residual, as_column, bind
from gmnm_pde.geometry import Domain

PointFunction = Callable[..., Any] | float
"""A function of the coordinates by name, ``lambda x, y: torch.sin(x) * y``, or a number."""


@dataclass(frozen=True)
class Equation:
    """residual = 0 in the domain.

    Arguments:
        residual: ``lambda u, x, y: u.xx + u.yy - f(x, y)`` (see :func:`fields.bind`).
        label: how a person wrote it.
    """

    residual: Callable[..., Any]
    label: str = "equation"


@dataclass(frozen=True)
class Condition:
    """residual = 0 on a part of the boundary, or at a point.

    Arguments:
        at: ``"boundary"``, a side (``"left"``), a sequence of these, or a point's coordinates.
        residual: ``lambda u, x, y: u.n - 1`` (see :func:`fields.bind`).
        where: keeps only the points where this function of the coordinates is true.
        label: how a person wrote it.
    """

    at: str | tuple[str, ...] | tuple[float, ...]
    residual: Callable[..., Any]
    where: Callable[..., Any] | None = None
    label: str = "condition"


@dataclass(frozen=True)
class IntegralCondition:
    """The integral of an integrand over the domain equals a number."""

    integrand: Callable[..., Any]
    equals: float = 0.0
    label: str = "integral"


@dataclass(frozen=True)
class Data:
    """Measurements: values (n, unknowns) at points (n, d), NaN where nothing was measured."""

    points: Tensor
    values: Tensor
    label: str = "data"


@dataclass(frozen=True)
class Sampling:
    """How many collocation points of which sampler; None lets the method choose."""

    interior: int | None = None
    boundary: int | None = None
    sampler: str | None = None


@dataclass(frozen=True)
class ReferenceValues:
    """A reference at points: values (n, unknowns) and its own relative L2 error, one an unknown.

    ``own_error`` is 0.0 for an exact solution.
    """

    values: Tensor
    own_error: Mapping[str, float]


class Reference(ABC):
    """What a solution is compared with; never seen by a solver."""

    name: str

    @abstractmethod
    def evaluate(self, problem: Problem, points: Tensor) -> ReferenceValues:
        """The reference at points (n, d)."""


@dataclass(frozen=True)
class Problem:
    """A PDE problem.

    Arguments:
        coordinates: single letters, ``"xy"`` or ``("x", "y")``.
        unknowns: single letters.
        domain: see :mod:`gmnm_pde.geometry`.
        equations: functions of unknowns and coordinates by name, or :class:`Equation`.
        conditions: :class:`Condition` (:func:`Dirichlet`, :func:`Neumann`, :func:`Robin`) and
            :class:`IntegralCondition`.
        data: measurements.
        reference: what the solution is compared with.

    Raises:
        InputError: no equation and no data, or names that clash.
    """

    coordinates: Sequence[str]
    unknowns: Sequence[str]
    domain: Domain
    equations: Sequence[Equation | Callable[..., Any]] = ()
    conditions: Sequence[Condition | IntegralCondition] = ()
    data: Data | None = None
    reference: Reference | None = None
    name: str = "problem"
    description: str = ""
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        names, unknowns = tuple(self.coordinates), tuple(self.unknowns)
        if set(names) & set(unknowns) or len({*names, *unknowns}) != len(names) + len(unknowns):
            raise InputError(
                f"coordinates {list(names)} and unknowns {list(unknowns)} must all differ.",
                mend="Rename one of them.",
            )
        if self.domain.dimension != len(names):
            raise InputError(
                f"the domain has {self.domain.dimension} dimensions but there are "
                f"{len(names)} coordinates, {', '.join(names)}.",
                mend="Give one coordinate for each dimension of the domain.",
            )
        if not self.equations and self.data is None:
            raise InputError(
                "the problem has neither an equation nor data.", mend="Add `equations:` or `data:`."
            )
        set_field = object.__setattr__
        set_field(self, "coordinates", names)
        set_field(self, "unknowns", unknowns)
        set_field(self, "equations", tuple(self._equation(item) for item in self.equations))
        set_field(self, "conditions", tuple(self._condition(item) for item in self.conditions))

    def _equation(self, item: Equation | Callable[..., Any]) -> Equation:
        equation = item if isinstance(item, Equation) else Equation(item)
        return replace(equation, residual=self._bind(equation.residual))

    def _condition(self, item: Condition | IntegralCondition) -> Condition | IntegralCondition:
        if isinstance(item, IntegralCondition):
            return replace(item, integrand=self._bind(item.integrand))
        where = None if item.where is None else self._bind(item.where)
        return replace(item, residual=self._bind(item.residual), where=where)

    def _bind(self, function: Callable[..., Any]) -> Residual:
        return bind(function, self.coordinates, self.unknowns)

    def jet(
        self,
        points: Tensor,
        values: Callable[[str, tuple[int, ...]], Tensor],
        normals: Tensor | None = None,
    ) -> Jet:
        """A jet of this problem's unknowns at points."""
        return Jet(self.coordinates, self.unknowns, points, values, normals)


def Dirichlet(
    at: str | Sequence[Any], value: PointFunction = 0.0, unknown: str | None = None
) -> Condition:
    """u = value. ``unknown`` may be left out when there is only one."""
    return _flux_condition(at, 1.0, 0.0, value, unknown, "Dirichlet")


def Neumann(
    at: str | Sequence[Any], value: PointFunction = 0.0, unknown: str | None = None
) -> Condition:
    """du/dn = value, n the outward unit normal."""
    return _flux_condition(at, 0.0, 1.0, value, unknown, "Neumann")


def Robin(
    at: str | Sequence[Any],
    coefficient: PointFunction,
    value: PointFunction = 0.0,
    unknown: str | None = None,
) -> Condition:
    """du/dn + coefficient u = value, n the outward unit normal."""
    return _flux_condition(at, coefficient, 1.0, value, unknown, "Robin")


def _flux_condition(
    at: str | Sequence[Any],
    coefficient: PointFunction,
    flux: float,
    value: PointFunction,
    unknown: str | None,
    label: str,
) -> Condition:
    """coefficient u + flux du/dn = value."""

    def evaluate(function: PointFunction, jet: Jet) -> Tensor:
        if callable(function):
            return bind(function, jet.coordinates, jet.unknowns)(jet)
        return as_column(function, jet)

    def residual(jet: Jet) -> Tensor:
        name = unknown if unknown is not None else jet.unknowns[0]
        u = Field(jet, name)
        total = -evaluate(value, jet)
        if callable(coefficient) or coefficient != 0.0:
            total = total + evaluate(coefficient, jet) * u
        return total + flux * u.n if flux else total

    return Condition(at if isinstance(at, str) else tuple(at), residual, label=label)
