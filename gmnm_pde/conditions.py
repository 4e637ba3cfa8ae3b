"""What holds in the domain and on its boundary: equations, conditions, and short names for some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from gmnm_pde.fields import Field, Jet, as_column, bind

PointFunction = Callable[..., Any] | float
"""A function of the coordinates by name, ``lambda x, y: torch.sin(x) * y``, or a number."""


@dataclass(frozen=True)
class Equation:
    """residual = 0 in the domain.

    Arguments:
        residual: ``lambda u, x, y: u.xx + u.yy - f(x, y)`` (see :func:`fields.bind`).
        label: how a person wrote it.
        notes: remarks of whoever read it, which `check` repeats.
    """

    residual: Callable[..., Any]
    label: str = "equation"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """residual = 0 on a part of the boundary, at the initial time, or at a point.

    Arguments:
        at: ``"boundary"``, a side (``"left"``), ``"initial"``, a sequence of these, or a point's
            coordinates.
        residual: ``lambda u, x, y: u.n - 1`` (see :func:`fields.bind`).
        where: keeps only the points where this function of the coordinates is true.
        label: how a person wrote it.
        enforce: ``"soft"`` as rows beside those of the equations, or ``"hard"``: the network is
            multiplied by a function that vanishes there, so that it holds exactly.
    """

    at: str | tuple[str, ...] | tuple[float, ...]
    residual: Callable[..., Any]
    where: Callable[..., Any] | None = None
    label: str = "condition"
    enforce: Literal["soft", "hard"] = "soft"


@dataclass(frozen=True)
class Periodic:
    """Every unknown repeats along a coordinate: values and derivatives at its two ends agree, as
    many derivatives as the equations determine.

    Arguments:
        coordinate: its name, ``"x"``; the domain is a box.
    """

    coordinate: str
    label: str = "periodic"


@dataclass(frozen=True)
class Interface:
    """expression on the outside minus expression on the inside = a number, on the boundary of a
    subdomain; normals point out of it.

    Continuity of the value and of the flux are two of these: ``Interface("inner", lambda u: u)``
    and ``Interface("inner", lambda u, x, y: k(x, y) * u.n)``.

    Arguments:
        of: the subdomain's name, see :class:`Problem`.
        jump: the expression.
        equals: its jump, a number.
    """

    of: str
    jump: Callable[..., Any]
    equals: float = 0.0
    label: str = "interface"


@dataclass(frozen=True)
class IntegralCondition:
    """The integral of an integrand over the domain equals a number (at all times)."""

    integrand: Callable[..., Any]
    equals: float = 0.0
    label: str = "integral"


AnyCondition = Condition | IntegralCondition | Periodic | Interface


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


def Initial(
    value: PointFunction = 0.0, unknown: str | None = None, rate: bool = False
) -> Condition:
    """u = value at the first time, or with ``rate`` u_t = value."""

    def residual(jet: Jet) -> Tensor:
        name = unknown if unknown is not None else jet.unknowns[0]
        u = Field(jet, name)
        return (u.t if rate else u.value) - _evaluate(value, jet)

    return Condition("initial", residual, label="Initial rate" if rate else "Initial")


def _evaluate(function: PointFunction, jet: Jet) -> Tensor:
    if callable(function):
        return bind(function, jet.coordinates, jet.unknowns)(jet)
    return as_column(function, jet)


def _flux_condition(
    at: str | Sequence[Any],
    coefficient: PointFunction,
    flux: float,
    value: PointFunction,
    unknown: str | None,
    label: str,
) -> Condition:
    """coefficient u + flux du/dn = value."""

    def residual(jet: Jet) -> Tensor:
        name = unknown if unknown is not None else jet.unknowns[0]
        u = Field(jet, name)
        total = -_evaluate(value, jet)
        if callable(coefficient) or coefficient != 0.0:
            total = total + _evaluate(coefficient, jet) * u
        return total + flux * u.n if flux else total

    return Condition(at if isinstance(at, str) else tuple(at), residual, label=label)
