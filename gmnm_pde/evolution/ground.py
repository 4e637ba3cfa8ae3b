"""What a march stands on between two placements of units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gmnm_pde.evolution.modes import Modes
from gmnm_pde.evolution.product_modes import are_products, modes_of
from gmnm_pde.evolution.radau import tableau
from gmnm_pde.evolution.spacing import Spacing, lattice
from gmnm_pde.evolution.stepping import Stepper
from gmnm_pde.evolution.system import Shape, System
from gmnm_pde.networks import GMNM, PlacedSpec
from gmnm_pde.problem import Problem

CONDITION_CUT = 1e-4
CONDITION_CUT_LINE = 1e-9
"""Combinations of modes that are smaller than this on the boundary are not held there: their part
in the solution is as small again, and a lower cut amplifies rounding. The boundary of a line is two
points, with few rows, all of which count: without the last of its derivatives a periodic condition
of a fourth-order equation lost six digits."""


@dataclass(frozen=True)
class Plan:
    """How finely a march goes.

    Arguments:
        tolerance: of a step, relative.
        density: units for each length over which the solution changes.
        margin: units beyond the boundary.
        ratio: width of a unit over the spacing.
        cut: of the modes.
        units: that were asked for, at most; None leaves it to ``max_units``.
        max_units: that are solved for. In a box these are the modes: units in its margin, of which
            there are ever more in more dimensions, cost next to nothing.
        deadline: ``time.perf_counter()`` after which no step is begun.
        pace: ends of the steps of the level before, where a level that will be late is not to be
            gone on with; none where it is, up to the deadline.
    """

    tolerance: float
    density: float
    margin: float
    ratio: float
    cut: float
    max_units: int
    deadline: float
    units: int | None = None
    pace: tuple[float, ...] = ()

    @property
    def stages(self) -> int:
        """More for small tolerances, whose steps would be many."""
        return next(s for s, least in ((3, 1e-3), (5, 1e-7), (7, 0.0)) if self.tolerance >= least)


@dataclass(frozen=True)
class Segment:
    """Units, and their output weights in time.

    Arguments:
        network: the units.
        times: ends of the steps, (steps + 1,).
        values: of every unknown's weights at the start and the nodes of each step,
            (steps, s + 1, features, unknowns).
    """

    network: GMNM
    times: Tensor
    values: Tensor


class TooManyUnits(Exception):
    """The state needs more units than are allowed."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"{needed} units are needed")
        self.needed = needed


@dataclass
class Ground:
    """Units of the present segment and what stands on them."""

    spacings: list[Spacing]
    modes: Modes
    system: System
    stepper: Stepper
    network: GMNM
    times: list[float] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)

    def segment(self) -> Segment | None:
        """The steps so far."""
        if not self.values:
            return None
        values = self.modes.output_weights(torch.stack(self.values)).transpose(2, 3).contiguous()
        return Segment(self.network, torch.tensor(self.times, dtype=torch.float64), values)


def ground_for(
    problem: Problem,
    shape: Shape,
    spec: PlacedSpec,
    plan: Plan,
    spacings: Sequence[Spacing],
    time: float,
    scale: Tensor,
) -> Ground:
    """Units of given spacings with a system and a stepper.

    Arguments:
        scale: size of each unknown, (unknowns,).

    Raises:
        TooManyUnits: more than the plan allows.
    """
    found = lattice(problem.domain, spacings, plan.margin, plan.ratio)
    units = len(found.centres)
    if plan.units is not None and units > plan.units:
        raise TooManyUnits(units)
    network = spec.build(found.centres, 1 / found.widths, len(problem.unknowns))
    assert isinstance(network, GMNM)
    if units > plan.max_units and not are_products(network, found):
        raise TooManyUnits(units)
    modes = modes_of(network, found, plan.cut)
    if modes.count > plan.max_units:
        raise TooManyUnits(modes.count)
    condition_cut = CONDITION_CUT if problem.domain.dimension > 1 else CONDITION_CUT_LINE
    system = System(problem, shape, modes, spacings, time, condition_cut)
    stepper = Stepper(system, tableau(plan.stages), plan.tolerance, scale)
    return Ground(list(spacings), modes, system, stepper, network, [time])
