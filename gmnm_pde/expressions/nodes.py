"""The tree of an expression: frozen, hashable nodes of bounded size and depth.

Sums and products hold any number of operands, so that the depth of a tree is the depth of its
brackets and not the length of its text. Nodes are made by :mod:`gmnm_pde.expressions.algebra`,
which simplifies; a node made directly is kept as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from gmnm_pde.errors import InputError

MAX_NODES = 20_000
"""Nodes of one tree, counted with repetition: bounds the time and memory of everything here."""

MAX_DEPTH = 200
"""Levels of one tree: the functions that walk a tree recurse, a frame or two for each level."""

MAX_ORDER = 8
"""Order of one derivative."""

MAX_WORK = 30_000
"""Operands of all nodes made on the way: bounds the time to parse or to differentiate."""


class Node:
    """A node of an expression.

    Attributes:
        size: number of nodes of the tree below, counted with repetition, itself included.
        depth: number of levels, itself included.

    Raises:
        InputError: a tree larger than ``MAX_NODES`` or deeper than ``MAX_DEPTH``.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()
    size: int
    depth: int
    _hash: int

    @property
    def children(self) -> tuple[Node, ...]:
        """The operands."""
        return ()

    def __post_init__(self) -> None:
        children = self.children
        size = 1 + sum(child.size for child in children)
        depth = 1 + max((child.depth for child in children), default=0)
        if size > MAX_NODES or depth > MAX_DEPTH:
            raise too_large()
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "depth", depth)
        object.__setattr__(self, "_hash", hash((type(self).__name__, *self._values())))

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    # The dataclasses' own __eq__ and __hash__ would walk the whole tree at every look-up.
    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Node) or type(self) is not type(other):
            return False
        return self._hash == other._hash and self._values() == other._values()

    def __reduce__(self) -> tuple[Any, ...]:
        # Hashes of text differ from process to process, so a copy computes its own.
        return type(self), self._values()


@dataclass(frozen=True, eq=False)
class Number(Node):
    """A constant."""

    value: float


@dataclass(frozen=True, eq=False)
class Coordinate(Node):
    """A coordinate of the point, ``x``."""

    name: str


@dataclass(frozen=True, eq=False)
class Derivative(Node):
    """D^orders of an unknown; orders all 0 is the unknown itself.

    Arguments:
        unknown: its name.
        orders: how often each coordinate is differentiated.
        coordinates: the names of these coordinates.
    """

    unknown: str
    orders: tuple[int, ...]
    coordinates: tuple[str, ...]

    def __post_init__(self) -> None:
        if sum(self.orders) > MAX_ORDER:
            raise InputError(
                f"a derivative of order {sum(self.orders)} of {self.unknown!r} was asked for.",
                mend=f"The highest order is {MAX_ORDER}.",
            )
        super().__post_init__()


@dataclass(frozen=True, eq=False)
class NormalDerivative(Node):
    """du/dn, n the outward unit normal."""

    unknown: str


@dataclass(frozen=True, eq=False)
class Sum(Node):
    """terms[0] + terms[1] + ... , at least two."""

    terms: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.terms


@dataclass(frozen=True, eq=False)
class Product(Node):
    """factors[0] * factors[1] * ... , at least two; a number, if there, comes first.

    A quotient a / b is the product of a and the power b^-1.
    """

    factors: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.factors


@dataclass(frozen=True, eq=False)
class Power(Node):
    """base ^ exponent."""

    base: Node
    exponent: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.base, self.exponent)


@dataclass(frozen=True, eq=False)
class Call(Node):
    """A function of one or two arguments, ``sin(x)``, ``min(x, y)``."""

    function: str
    arguments: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.arguments


class Condition(Node):
    """A node that is true or false: :class:`Compare` and :class:`Logic`."""


@dataclass(frozen=True, eq=False)
class Compare(Condition):
    """left operator right, the operator one of < <= > >= == !=."""

    operator: str
    left: Node
    right: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, eq=False)
class Logic(Condition):
    """Conditions joined by ``and`` or ``or``, or one negated by ``not``."""

    operator: str
    operands: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return self.operands


@dataclass(frozen=True, eq=False)
class Where(Node):
    """``then`` where the condition is true, ``otherwise`` elsewhere."""

    condition: Node
    then: Node
    otherwise: Node

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.condition, self.then, self.otherwise)


@dataclass(frozen=True, eq=False)
class Integral(Node):
    """The integral of an expression over the domain, in space.

    Arguments:
        integrand: of the coordinates of integration, and of time.
        coordinates: those of space, which it integrates over.
    """

    integrand: Node
    coordinates: tuple[str, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.integrand,)


def too_large() -> InputError:
    """The error of a tree that outgrows its bounds."""
    return InputError(
        f"the expression grows beyond {MAX_NODES} terms or {MAX_DEPTH} levels.",
        mend="Shorten it, or lower the order of its derivatives.",
    )


class Budget:
    """What one call may still spend on making nodes, most of which are intermediate.

    Attributes:
        kinks: functions of the coordinates that were differentiated and may jump or have a kink.
    """

    def __init__(self) -> None:
        self.left = MAX_WORK
        self.kinks: list[Node] = []

    def spend(self, *nodes: Node) -> None:
        """Pays for nodes, each by its operands; raises InputError when nothing is left."""
        self.left -= sum(1 + len(node.children) for node in nodes)
        if self.left < 0:
            raise InputError(
                "the expression takes too many steps to build.",
                mend="Shorten it, or lower the order of its derivatives.",
            )


def distinct(node: Node, within_integrals: bool = True) -> Iterator[Node]:
    """Every different node of a tree once, itself included."""
    seen = {node}
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if isinstance(current, Integral) and not within_integrals:
            continue
        fresh = set(current.children) - seen
        seen |= fresh
        stack.extend(fresh)


def names(node: Node) -> set[str]:
    """The unknowns and the coordinates that an expression depends on."""
    found: set[str] = set()
    for part in distinct(node, within_integrals=False):
        match part:
            case Integral(integrand, coordinates):
                found |= names(integrand) - set(coordinates)
            case Coordinate(name):
                found.add(name)
            case Derivative(unknown) | NormalDerivative(unknown):
                found.add(unknown)
    return found
