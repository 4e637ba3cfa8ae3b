"""What the checks found out about a problem."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EquationFacts:
    """One equation.

    Arguments:
        label: how a person wrote it.
        order: of its highest derivative, in space and time together.
        linear: in the unknowns.
        elliptic: whether its principal symbol in space is definite at every point looked at; None
            where the question does not apply (order 0 or 1, several unknowns).
        in_space: its order in space.
        in_time: its order in time; None in a steady problem.
    """

    label: str
    order: int
    linear: bool
    elliptic: bool | None
    in_space: int = 0
    in_time: int | None = None

    def describe(self) -> str:
        """``order 2, linear, elliptic``; in time ``order 1 in time, 2 in space, linear``."""
        linear = "linear" if self.linear else "nonlinear"
        if self.in_time is None:
            words = [f"order {self.order}", linear]
            if self.elliptic is not None:
                words.append("elliptic" if self.elliptic else "not elliptic")
        elif self.in_time == 0:
            words = ["a constraint", f"order {self.in_space} in space", linear]
        else:
            words = [f"order {self.in_time} in time", f"{self.in_space} in space", linear]
        return ", ".join(words)


@dataclass(frozen=True)
class UnknownFacts:
    """One unknown.

    Arguments:
        in_space: the order of its highest derivative in space in any equation.
        in_time: the order of its highest derivative in time; 0 for one that constraints determine,
            None in a steady problem.
    """

    name: str
    in_space: int
    in_time: int | None

    def describe(self) -> str:
        """``order 1 in time, 2 in space``."""
        if self.in_time is None:
            return f"order {self.in_space}"
        if self.in_time == 0:
            return f"without a time derivative, order {self.in_space} in space"
        return f"order {self.in_time} in time, {self.in_space} in space"


@dataclass(frozen=True)
class ConditionFacts:
    """One condition.

    Arguments:
        label: how a person wrote it.
        points: how many sample points it selects; None at a point, for an integral, where the
            domain repeats and at an interface.
        linear: in the unknowns.
        of: how many sample points there are where it stands.
        kind: "boundary" | "initial" | "point" | "integral" | "periodic" | "interface".
    """

    label: str
    points: int | None
    linear: bool
    of: int = 0
    kind: str = "boundary"


@dataclass(frozen=True)
class Checked:
    """A problem that can be solved, as far as one can tell before solving it.

    Arguments:
        equations, conditions: one by one, in the problem's order.
        order: the highest of any equation; 0 for a fit.
        linear: whether every equation and condition is.
        pure_neumann: whether the problem is linear, for one unknown, and leaves a constant free.
        boundary_points: how many sample points ``conditions`` were counted on.
        notes: remarks for the person.
        unknowns: one by one, in the problem's order.
        free: the unknowns to which a constant may be added without any equation or condition
            noticing.
    """

    equations: tuple[EquationFacts, ...]
    conditions: tuple[ConditionFacts, ...]
    order: int
    linear: bool
    pure_neumann: bool
    boundary_points: int
    notes: tuple[str, ...]
    unknowns: tuple[UnknownFacts, ...] = ()
    free: tuple[str, ...] = ()

    @property
    def in_time(self) -> bool:
        """Whether some unknown has a time derivative."""
        return any(item.in_time for item in self.unknowns)
