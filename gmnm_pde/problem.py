"""What is solved: coordinates, unknowns, domain, equations, conditions, data, reference.

Frozen dataclasses without any numerics; how a problem is solved is a :class:`Recipe`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from gmnm_pde.conditions import (
    AnyCondition,
    Condition,
    Dirichlet,
    Equation,
    Initial,
    IntegralCondition,
    Interface,
    Neumann,
    Periodic,
    PointFunction,
    Robin,
)
from gmnm_pde.errors import InputError
from gmnm_pde.fields import Jet, Residual, State, Substitution, bind
from gmnm_pde.geometry import Cylinder, Domain, Within, split
from gmnm_pde.inferred import CoefficientField, Fixed, Inferred
from gmnm_pde.quadrature import Quadrature, at_times, steady

__all__ = [
    "AnyCondition",
    "Condition",
    "Data",
    "Dirichlet",
    "Equation",
    "Initial",
    "IntegralCondition",
    "Interface",
    "Lifting",
    "Neumann",
    "Periodic",
    "PointFunction",
    "Problem",
    "Reference",
    "ReferenceValues",
    "Robin",
    "Sampling",
]


INTEGRATED = 4096
"""Points of an integral over the domain in a steady problem."""

INTEGRATED_IN_TIME = 1024
"""Points in space of an integral that is evaluated at many times."""


@dataclass(frozen=True)
class Data:
    """Measurements: values (n, unknowns) at points (n, d), NaN where nothing was measured.

    Arguments:
        values: in the order of the unknowns; coefficient fields may follow (see ``infer``).
        noise: the standard deviation of their noise, None if it is not known.
    """

    points: Tensor
    values: Tensor
    label: str = "data"
    noise: float | None = None


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


class Lifting(Substitution, Protocol):
    """Unknowns that satisfy some conditions whatever those are that they are expressed by."""

    @property
    def held(self) -> tuple[Condition, ...]:
        """The conditions."""

    @property
    def unlifted(self) -> Lifting | None:
        """What is left of it without these conditions."""

    def complete(self, points: Tensor, values: Tensor) -> Tensor:
        """The unknowns at points (n, d) from those that are solved for, both (n, m)."""


class Reference(ABC):
    """What a solution is compared with; never seen by a solver.

    Attributes:
        solves: whether it solves the problem itself, in which nothing may be left to infer.
    """

    name: str
    solves: ClassVar[bool] = False

    @abstractmethod
    def evaluate(self, problem: Problem, points: Tensor) -> ReferenceValues:
        """The reference at points (n, d)."""

    def own_points(self, problem: Problem) -> Tensor | None:
        """The only points (n, d) that it is known at, None if it is known everywhere."""
        return None

    def known(self, problem: Problem) -> tuple[str, ...]:
        """The outputs that :meth:`evaluate` gives."""
        return tuple(problem.unknowns)

    def constants(self, problem: Problem) -> Mapping[str, float]:
        """What it knows of the constants to be inferred."""
        return {}


@dataclass(frozen=True)
class Problem:
    """A PDE problem.

    Arguments:
        coordinates: letters, ``"xy"``, or names, ``("x1", "x2")``; time is ``t`` and comes last.
        unknowns: single letters.
        domain: in space, see :mod:`gmnm_pde.geometry`.
        equations: functions of unknowns and coordinates by name, or :class:`Equation`.
        conditions: :class:`Condition` (:func:`Dirichlet`, :func:`Neumann`, :func:`Robin`,
            :func:`Initial`), :class:`Periodic`, :class:`Interface`, :class:`IntegralCondition`.
        data: measurements.
        reference: what the solution is compared with.
        time: first and last time; with the coordinate ``t`` only.
        subdomains: parts of the domain by name, across whose boundaries the unknowns may have
            kinks or jumps, as :class:`Interface` conditions say.
        easier: problems of the same unknowns that are solved first, each starting from the
            solution of the one before (continuation), with their labels.
        infer: unknown constants and coefficient fields by name, found from the data; equations and
            conditions mention them like unknowns. See :mod:`gmnm_pde.inferred`.
        substitution: what the unknowns are in terms of those that are solved for (see
            :mod:`gmnm_pde.lift`); not for a person to give.

    Raises:
        InputError: no equation and no data, or names that clash.
    """

    coordinates: Sequence[str]
    unknowns: Sequence[str]
    domain: Domain
    equations: Sequence[Equation | Callable[..., Any]] = ()
    conditions: Sequence[AnyCondition] = ()
    data: Data | None = None
    reference: Reference | None = None
    name: str = "problem"
    description: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    time: tuple[float, float] | None = None
    subdomains: Mapping[str, Domain] = field(default_factory=dict)
    easier: Sequence[tuple[str, Problem]] = ()
    substitution: Lifting | None = None
    infer: Mapping[str, Inferred] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names, unknowns = tuple(self.coordinates), tuple(self.unknowns)
        if set(names) & set(unknowns) or len({*names, *unknowns}) != len(names) + len(unknowns):
            raise InputError(
                f"coordinates {list(names)} and unknowns {list(unknowns)} must all differ.",
                mend="Rename one of them.",
            )
        self._check_time(names)
        space = names if self.time is None else names[:-1]
        if self.domain.dimension != len(space):
            raise InputError(
                f"the domain has {self.domain.dimension} dimensions but there are "
                f"{len(space)} coordinates, {', '.join(space)}.",
                mend="Give one coordinate for each dimension of the domain.",
            )
        self._check_inferred(names, unknowns)
        if not self.equations and self.data is None:
            raise InputError(
                "the problem has neither an equation nor data.", mend="Add `equations:` or `data:`."
            )
        set_field = object.__setattr__
        set_field(self, "coordinates", names)
        set_field(self, "unknowns", unknowns)
        set_field(self, "equations", tuple(self._equation(item) for item in self.equations))
        set_field(self, "conditions", tuple(self._condition(item) for item in self.conditions))

    @property
    def laws(self) -> tuple[Equation, ...]:
        """The equations, as :class:`Equation` whatever was given."""
        return tuple(item for item in self.equations if isinstance(item, Equation))

    @cached_property
    def region(self) -> Domain:
        """Where the unknowns live: the domain, times the interval of time if there is one."""
        return self.domain if self.time is None else Cylinder(self.domain, self.time)

    @cached_property
    def pieces(self) -> tuple[Domain, ...]:
        """Where the unknowns are smooth: the subdomains and the rest of the domain (at all times);
        without subdomains the region.

        Raises:
            InputError: subdomains that overlap, or lie outside the domain.
        """
        if not self.subdomains:
            return (self.region,)
        parts = split(self.domain, self.subdomains)
        return parts if self.time is None else tuple(Cylinder(part, self.time) for part in parts)

    @cached_property
    def interfaces(self) -> Mapping[str, Domain]:
        """By the names of the subdomains: domains whose boundary is the part of theirs that lies
        inside the domain (at all times).

        Raises:
            InputError: no part of it does.
        """
        found = {}
        for name, sub in self.subdomains.items():
            within = Within(sub, self.domain)
            found[name] = within if self.time is None else Cylinder(within, self.time)
        return found

    @property
    def held(self) -> tuple[Condition, ...]:
        """Conditions that hold by themselves, see ``substitution``."""
        return () if self.substitution is None else self.substitution.held

    @property
    def stated(self) -> Problem:
        """The problem as a person stated it, in its own unknowns."""
        kept = None if self.substitution is None else self.substitution.unlifted
        return replace(self, conditions=(*self.conditions, *self.held), substitution=kept)

    def completed(self, points: Tensor, values: Tensor) -> Tensor:
        """The unknowns at points (n, d) from those that are solved for, both (n, m)."""
        if self.substitution is None:
            return values
        return self.substitution.complete(points, values)

    @property
    def space(self) -> tuple[str, ...]:
        """The coordinates without time."""
        return tuple(self.coordinates) if self.time is None else tuple(self.coordinates)[:-1]

    def _check_inferred(self, names: tuple[str, ...], unknowns: tuple[str, ...]) -> None:
        for name in self.infer:
            if name in (*names, *unknowns):
                raise InputError(
                    f"{name!r} is to be inferred and is a coordinate or an unknown as well.",
                    mend="Rename one of them.",
                )
        if self.infer and (self.data is None or not self.equations):
            raise InputError(
                f"{' and '.join(self.infer)} can only be inferred from an equation and data.",
                mend="Add `equations:` and `data:`, or remove `infer:`.",
            )

    def given(self, values: Mapping[str, float]) -> Problem:
        """The problem with numbers for all that was to be inferred: a forward problem."""
        if not self.infer:
            return self
        data = self.data
        if data is not None:
            # Measurements of the fields come after those of the unknowns.
            data = replace(data, values=data.values[:, : len(self.unknowns)])
        return replace(self, data=data, infer={}, substitution=Fixed(values))

    @property
    def fields(self) -> tuple[str, ...]:
        """The coefficient fields to be inferred."""
        return tuple(n for n, item in self.infer.items() if isinstance(item, CoefficientField))

    @property
    def constants(self) -> tuple[str, ...]:
        """The constants to be inferred."""
        return tuple(name for name in self.infer if name not in self.fields)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a solution is made of: the unknowns, and the fields to be inferred."""
        return (*self.unknowns, *self.fields)

    def found(self, values: Mapping[str, float]) -> Problem:
        """The problem as it was solved: numbers for the constants, fields among the unknowns.

        A reference that does not know all of these is left out.
        """
        if not self.infer:
            return self
        known = self.reference is not None and set(self.reference.known(self)) == {*self.outputs}
        return replace(
            self,
            unknowns=self.outputs,
            data=None if self.data is None else widened(self.data, len(self.outputs)),
            infer={},
            substitution=Fixed(values),
            reference=self.reference if known else None,
        )

    @property
    def initially(self) -> Problem:
        """The problem with everything that is to be inferred where the search starts."""
        return self.given({name: item.initial for name, item in self.infer.items()})

    def _check_time(self, names: tuple[str, ...]) -> None:
        if (self.time is None) != ("t" not in names):
            raise InputError(
                "`time` and the coordinate `t` belong together.",
                mend="Give both, such as coordinates `xt` and time (0, 1), or neither.",
            )
        if self.time is None:
            return
        if names[-1] != "t" or len(names) == 1:
            raise InputError(
                f"the coordinates are {list(names)}.",
                mend="Time is the last one, after at least one in space: `xt`.",
            )
        start, end = (float(value) for value in self.time)
        if not (math.isfinite(start) and math.isfinite(end) and start < end):
            raise InputError(
                f"time is [{start:g}, {end:g}].", mend="Give the first time and a later one."
            )
        object.__setattr__(self, "time", (start, end))

    def _equation(self, item: Equation | Callable[..., Any]) -> Equation:
        equation = item if isinstance(item, Equation) else Equation(item)
        return replace(equation, residual=self._bind(equation.residual))

    def _condition(self, item: AnyCondition) -> AnyCondition:
        if isinstance(item, IntegralCondition):
            return replace(item, integrand=self._bind(item.integrand))
        if isinstance(item, Periodic):
            return item
        if isinstance(item, Interface):
            return replace(item, jump=self._bind(item.jump))
        where = None if item.where is None else self._bind(item.where)
        return replace(item, residual=self._bind(item.residual), where=where)

    def _bind(self, function: Callable[..., Any]) -> Residual:
        return bind(function, self.coordinates, (*self.unknowns, *self.infer))

    def jet(
        self,
        points: Tensor,
        values: Callable[[str, tuple[int, ...]], Tensor],
        normals: Tensor | None = None,
        elsewhere: State | None = None,
        quadrature: Quadrature | None = None,
    ) -> Jet:
        """A jet of this problem's unknowns at points.

        Arguments:
            elsewhere: what ``values`` is at other points; integrals are refused without it.
            quadrature: where integrals are evaluated, see :meth:`quadrature` if not given.
        """

        def rule() -> Quadrature:
            return self.quadrature(points) if quadrature is None else quadrature

        return Jet(
            self.coordinates,
            self.unknowns,
            points,
            values,
            normals,
            self.substitution,
            elsewhere,
            None if elsewhere is None else rule,
        )

    def quadrature(self, points: Tensor, count: int | None = None) -> Quadrature:
        """The sums that stand for integrals over the domain in rows at points (n, d).

        Arguments:
            count: about how many points in space.
        """
        if self.time is None:
            return steady(*self.nodes(count or INTEGRATED))
        return at_times(*self.nodes(count or INTEGRATED_IN_TIME), points[:, -1])

    def nodes(self, count: int = INTEGRATED) -> tuple[Tensor, Tensor]:
        """Points (q, d) in space and weights (q,) of integrals over the domain, piece by piece."""
        if count not in self._nodes:
            parts = split(self.domain, self.subdomains) if self.subdomains else (self.domain,)
            each = [part.quadrature(count) for part in parts]
            self._nodes[count] = (
                torch.cat([nodes for nodes, _ in each]),
                torch.cat([weights for _, weights in each]),
            )
        return self._nodes[count]

    @cached_property
    def _nodes(self) -> dict[int, tuple[Tensor, Tensor]]:
        return {}


def widened(data: Data, columns: int) -> Data:
    """Measurements with so many columns; what was not measured is NaN."""
    values = data.values[:, :columns]
    missing = values.new_full((len(values), columns - values.shape[1]), math.nan)
    return replace(data, values=torch.cat([values, missing], dim=1))
