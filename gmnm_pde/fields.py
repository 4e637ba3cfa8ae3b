"""The unknowns and their derivatives at a set of points.

A residual is a pointwise function of the coordinates and of some derivatives of the unknowns,

    r(x, u, u_x, u_xx, ...) = 0 .

A :class:`Jet` hands a residual these values and remembers which derivatives it asked for, so
nothing has to be declared: the assembly learns the order of an equation by evaluating it once.
A :class:`Field` is one unknown of a jet as a person writes it, ``u``, ``u.x``, ``u.xx``, ``u.n``.
Where coordinates are many or have longer names, :func:`laplacian`, :func:`gradient` and
:meth:`Field.derivative` say the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor

from gmnm_pde.errors import InputError, suggest
from gmnm_pde.quadrature import Quadrature

Orders = tuple[int, ...]
"""A multi-index: how often each coordinate is differentiated, ``(2, 0)`` for u_xx of (x, y)."""

TIME = "t"
"""The coordinate that is not one of space."""

POINTS = "points"
"""The argument of a person's function that gets all coordinates at once, (n, d)."""

INTEGRAL = "integral"
"""The argument of a person's function that integrates over the domain."""

Residual = Callable[["Jet"], Tensor]
"""A pointwise residual: a jet at n points -> (n,)."""


Values = Callable[[str, Orders], Tensor]
"""(unknown, orders) -> (n,): derivatives of unknowns at some points."""

State = Callable[[Tensor], Values]
"""points (n, d) -> derivatives of unknowns there: what is known of the unknowns everywhere."""


def uniform(value: float) -> State:
    """The state in which every derivative of every unknown has the same value."""
    return lambda points: lambda name, orders: points.new_full((len(points),), value)


class Substitution(Protocol):
    """Unknowns u as functions of others, v, of the same names."""

    def derivative(self, inner: Values, unknown: str, points: Tensor, orders: Orders) -> Tensor:
        """D^orders u at points (n, d) from the derivatives of v there, (n,)."""


@dataclass(frozen=True, eq=False)
class Integral:
    """An integral over the domain that a residual asked for.

    Arguments:
        integrand: pointwise, as the residual gave it.
        quadrature: the sum that stands for the integral.
        jet: at its points.
        values: of the integrand there, (q,).
        value: of the integral, one for each row, (n,).
    """

    integrand: Residual
    quadrature: Quadrature
    jet: Jet
    values: Tensor
    value: Tensor


class Jet:
    """Values and derivatives of the unknowns at n points, fetched when first asked for.

    Arguments:
        coordinates: their names, one for each column of ``points``.
        unknowns: their names.
        points: (n, d).
        values: ``(unknown, orders) -> (n,)``, called at most once for each pair.
        normals: (n, d) outward unit normals, on a boundary only.
        substitution: what the unknowns are in terms of those that ``values`` gives.
        elsewhere: what ``values`` is at other points, for integrals over the domain.
        quadrature: gives the points of these; None where there are no integrals.

    Attributes:
        leaves: the values that were asked for, by unknown and multi-index.
        integrals: those that were asked for, in that order.
    """

    def __init__(
        self,
        coordinates: Sequence[str],
        unknowns: Sequence[str],
        points: Tensor,
        values: Values,
        normals: Tensor | None = None,
        substitution: Substitution | None = None,
        elsewhere: State | None = None,
        quadrature: Callable[[], Quadrature] | None = None,
    ) -> None:
        self.coordinates = tuple(coordinates)
        self.unknowns = tuple(unknowns)
        self.points = points
        self.normals = normals
        self.leaves: dict[tuple[str, Orders], Tensor] = {}
        self.integrals: list[Integral] = []
        self.quadrature = quadrature
        self._elsewhere = elsewhere
        self._values = values
        self._substitution = substitution
        self._substituted: dict[tuple[str, Orders], Tensor] = {}

    def derivative(self, unknown: str, orders: Orders) -> Tensor:
        """D^orders of an unknown, (n,)."""
        if self._substitution is None:
            return self.leaf(unknown, orders)
        key = (unknown, orders)
        if key not in self._substituted:
            self._substituted[key] = self._substitution.derivative(
                self.leaf, unknown, self.points, orders
            )
        return self._substituted[key]

    def leaf(self, unknown: str, orders: Orders) -> Tensor:
        """D^orders of what an unknown is expressed by, (n,); of the unknown itself without a
        substitution."""
        key = (unknown, orders)
        if key not in self.leaves:
            self.leaves[key] = self._values(unknown, orders)
        return self.leaves[key]

    def coordinate(self, name: str) -> Tensor:
        """One coordinate of every point, (n,)."""
        return self.points[:, self.coordinates.index(name)]

    def normal(self, name: str) -> Tensor:
        """One component of the outward normal, (n,)."""
        if self.normals is None:
            raise InputError(
                "an outward normal was asked for inside the domain.",
                mend="Normals (u_n, u.n) exist in conditions on the boundary only.",
            )
        return self.normals[:, self.coordinates.index(name)]

    def normal_derivative(self, unknown: str) -> Tensor:
        """du/dn = n . grad u, (n,)."""
        terms = [
            self.normal(name) * self.derivative(unknown, unit_orders(self.coordinates, name))
            for name in self.coordinates
        ]
        return torch.stack(terms).sum(0)

    def integral(self, integrand: Residual) -> Tensor:
        """The integral of a pointwise function of the unknowns over the domain, (n,); with time at
        the time of each point.

        Raises:
            InputError: within another integral, or where integrals have no meaning.
        """
        if self.quadrature is None or self._elsewhere is None:
            raise InputError(
                "an integral over the domain was asked for where none can stand.",
                mend="Integrals stand in equations and conditions, and not in one another.",
            )
        rule = self.quadrature().to(self.points)
        inner = Jet(
            self.coordinates,
            self.unknowns,
            rule.points,
            self._elsewhere(rule.points),
            substitution=self._substitution,
        )
        values = integrand(inner).expand(len(rule.points))
        value = rule.at_rows(rule.average @ values, len(self.points))
        self.integrals.append(Integral(integrand, rule, inner, values, value))
        return value


class Field:
    """One unknown of a jet. Behaves as the (n,) tensor of its values in arithmetic and in torch
    functions; its attributes are derivatives: ``u.x``, ``u.xy``, ``u.xx``, ``u.n``."""

    __slots__ = ("_jet", "_name")

    def __init__(self, jet: Jet, name: str) -> None:
        self._jet = jet
        self._name = name

    @property
    def value(self) -> Tensor:
        """The unknown itself, (n,)."""
        return self._jet.derivative(self._name, (0,) * len(self._jet.coordinates))

    def __getattr__(self, letters: str) -> Tensor:
        if letters.startswith("_"):
            raise AttributeError(letters)
        if letters == "n" and "n" not in self._jet.coordinates:
            return self._jet.normal_derivative(self._name)
        return self._jet.derivative(
            self._name, orders_of(letters, self._jet.coordinates, self._name)
        )

    def derivative(self, *names: str) -> Tensor:
        """The derivative by coordinates of any name, ``u.derivative("x1", "x1")``, (n,).

        Raises:
            InputError: a name that is no coordinate.
        """
        return self._jet.derivative(self._name, orders_of(names, self._jet.coordinates, self._name))

    @property
    def gradient(self) -> Tensor:
        """First derivatives in space, (n, d)."""
        return torch.stack([self.derivative(name) for name in self._space], 1)

    @property
    def laplacian(self) -> Tensor:
        """The sum of the second derivatives in space, (n,)."""
        return torch.stack([self.derivative(name, name) for name in self._space]).sum(0)

    @property
    def _space(self) -> tuple[str, ...]:
        return tuple(name for name in self._jet.coordinates if name != TIME)

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        plain = [_value(argument) for argument in args]
        return func(*plain, **{key: _value(item) for key, item in (kwargs or {}).items()})

    def __add__(self, other: Any) -> Tensor:
        return self.value + _value(other)

    def __sub__(self, other: Any) -> Tensor:
        return self.value - _value(other)

    def __rsub__(self, other: Any) -> Tensor:
        return _value(other) - self.value

    def __mul__(self, other: Any) -> Tensor:
        return self.value * _value(other)

    def __truediv__(self, other: Any) -> Tensor:
        return self.value / _value(other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _value(other) / self.value

    def __pow__(self, other: Any) -> Tensor:
        return self.value ** _value(other)

    def __neg__(self) -> Tensor:
        return -self.value

    def __rpow__(self, other: Any) -> Tensor:
        return _value(other) ** self.value

    def __abs__(self) -> Tensor:
        return self.value.abs()

    def __lt__(self, other: Any) -> Tensor:
        return self.value < _value(other)

    def __le__(self, other: Any) -> Tensor:
        return self.value <= _value(other)

    def __gt__(self, other: Any) -> Tensor:
        return self.value > _value(other)

    def __ge__(self, other: Any) -> Tensor:
        return self.value >= _value(other)

    __radd__ = __add__
    __rmul__ = __mul__


def _value(item: Any) -> Any:
    if isinstance(item, Field):
        return item.value
    if isinstance(item, list | tuple):
        return type(item)(_value(part) for part in item)
    return item


def laplacian(u: Field) -> Tensor:
    """The sum of an unknown's second derivatives in space, (n,): ``u.xx + u.yy`` in any number of
    dimensions. Time, ``t``, does not take part."""
    return u.laplacian


def gradient(u: Field) -> Tensor:
    """An unknown's first derivatives in space, (n, d)."""
    return u.gradient


def orders_of(
    letters: str | Sequence[str], coordinates: Sequence[str], unknown: str = "u"
) -> Orders:
    """``"xxy"`` -> ``(2, 1)`` for coordinates (x, y); names of several letters in a sequence.

    Raises:
        InputError: a letter that is no coordinate.
    """
    for letter in letters:
        if letter not in coordinates:
            raise InputError(
                f"derivative {unknown}_{''.join(letters)}: {letter!r} is not a coordinate.",
                mend=suggest(letter, coordinates),
            )
    return _counted(tuple(letters), tuple(coordinates))


@lru_cache(maxsize=4096)
def _counted(letters: tuple[str, ...], coordinates: tuple[str, ...]) -> Orders:
    """How often each coordinate occurs; kept, as a Laplacian in 100 dimensions asks for 100."""
    return tuple(letters.count(name) for name in coordinates)


def unit_orders(coordinates: Sequence[str], name: str) -> Orders:
    """The multi-index of one first derivative."""
    return tuple(int(name == other) for other in coordinates)


def bind(
    function: Callable[..., Any], coordinates: Sequence[str], unknowns: Sequence[str]
) -> Residual:
    """A residual from a person's function, whose arguments are matched by name.

    ``lambda u, x, y: u.xx + u.yy`` gets the field u and the coordinates x, y; in conditions
    ``nx``, ``ny`` are the components of the outward normal, and ``points`` is all coordinates,
    (n, d), and ``integral`` integrates a function of the same kind over the domain (in space, at
    the time of the point), ``integral(lambda u, x: x * u**2)``, or an unknown, ``integral(u)``. An
    argument left out is not passed.
    A function whose one argument is called ``jet`` is a residual already.

    Raises:
        InputError: an argument that names neither an unknown, a coordinate nor a normal.
    """
    normals = {f"n{name}": name for name in coordinates}
    # An unknown name with a default is the person's own business: ``lambda u, x, k=2.0: ...``.
    known = {*coordinates, *unknowns, *normals, POINTS, INTEGRAL}
    names = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if name in known or parameter.default is inspect.Parameter.empty
    ]
    if names == ["jet"]:
        return function
    for name in names:
        if name not in known:
            raise InputError(
                f"the residual's argument {name!r} is neither an unknown nor a coordinate.",
                mend=suggest(name, [*coordinates, *unknowns, *normals]),
            )

    def residual(jet: Jet) -> Tensor:
        arguments: dict[str, Any] = {}
        for name in names:
            if name in unknowns:
                arguments[name] = Field(jet, name)
            elif name in coordinates:
                arguments[name] = jet.coordinate(name)
            elif name == POINTS:
                arguments[name] = jet.points
            elif name == INTEGRAL:
                arguments[name] = _integrator(jet, unknowns)
            else:
                arguments[name] = jet.normal(normals[name])
        return as_column(function(**arguments), jet)

    return residual


def _integrator(jet: Jet, unknowns: Sequence[str]) -> Callable[[Any], Tensor]:
    """What integrates a person's function, or an unknown, over the domain."""

    def integral(what: Any) -> Tensor:
        if isinstance(what, Field):
            name = what._name
            return jet.integral(lambda inner: Field(inner, name).value)
        if not callable(what):
            raise InputError(
                f"integral takes a function of the unknowns, not a {type(what).__name__}.",
                mend="Write integral(lambda u: u**2), or integral(u).",
            )
        return jet.integral(bind(what, jet.coordinates, unknowns))

    return integral


def as_column(value: Any, jet: Jet) -> Tensor:
    """A number, a field or a tensor as the (n,) tensor of a pointwise value."""
    value = _value(value)
    value = torch.as_tensor(value, dtype=jet.points.dtype, device=jet.points.device)
    n = jet.points.shape[0]
    if value.shape not in ((), (n,)):
        raise InputError(
            f"a residual gave shape {tuple(value.shape)} at {n} points.",
            mend="It is pointwise: one number for each point, or one for all of them.",
        )
    return value.expand(n)
