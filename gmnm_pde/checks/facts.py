"""What the checks found out about a problem."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EquationFacts:
    """One equation.

    Arguments:
        label: how a person wrote it.
        order: of its highest derivative.
        linear: in the unknowns.
        elliptic: whether its principal symbol is definite at every point looked at; None where
            the question does not apply (order 0 or 1, several unknowns).
    """

    label: str
    order: int
    linear: bool
    elliptic: bool | None

    def describe(self) -> str:
        """``order 2, linear, elliptic``."""
        words = [f"order {self.order}", "linear" if self.linear else "nonlinear"]
        if self.elliptic is not None:
            words.append("elliptic" if self.elliptic else "not elliptic")
        return ", ".join(words)


@dataclass(frozen=True)
class ConditionFacts:
    """One condition and how many of the sample points it selects; None at a point and for
    an integral."""

    label: str
    points: int | None
    linear: bool


@dataclass(frozen=True)
class Checked:
    """A problem that can be solved, as far as one can tell before solving it.

    Arguments:
        equations, conditions: one by one, in the problem's order.
        order: the highest of any equation; 0 for a fit.
        linear: whether every equation and condition is.
        pure_neumann: whether adding a constant to an unknown changes no equation or condition.
        boundary_points: how many sample points ``conditions`` were counted on.
        notes: remarks for the person.
    """

    equations: tuple[EquationFacts, ...]
    conditions: tuple[ConditionFacts, ...]
    order: int
    linear: bool
    pure_neumann: bool
    boundary_points: int
    notes: tuple[str, ...]
