"""How a network grows from level to level: what the next one looks like, given how this one did.

A residual that is spread over the domain and falls quickly asks for smaller spacings everywhere and
a wider margin; one that is concentrated asks for a finer patch; a re-entrant corner gets more
patches at every level. Spacings follow how quickly the solution varies along each coordinate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Domain
from gmnm_pde.grading import (
    Corner,
    grade,
    hot_corners,
    interface_corners,
    patches_around,
    patches_around_holes,
    reentrant_corners,
    variation,
)
from gmnm_pde.methods.base import Setting
from gmnm_pde.networks import LinearOutputNetwork
from gmnm_pde.placement import Layout, Patch, first_patch, margin_for
from gmnm_pde.switches import condition_switches

ROUNDING = 1e-13
"""What is aimed at without a tolerance: a few hundred roundings, before they are all there is."""

FAST = 0.3
"""Uniform refinement goes on as it is while it brings the error down by at least this factor."""

PAYS = 0.7
"""Finer patches are made where the residual outside of them is below this part, and below what one
more uniform level leaves."""

SEEN = 0.3
"""With a larger error nothing of a solution is known."""

STRETCH = 0.75
"""Spacings follow variation to this power. At one, the slow coordinate has so few units that their
weights grow and with them the rounding."""

LARGEST_STRETCH = 8.0
"""Variation along the slowest coordinate is taken to be at least that of the fastest over this."""

ROUNDING_MARGIN = 1e-16
"""No margin is made for a smaller error."""

WIDER = 0.01
"""The error a margin is made for, over that of the level before, where a level brought nothing."""

ENOUGH = 12.0
"""Cells from which patches around small subdomains are not waited for any more."""

LEAST_GROWTH = 1.2
"""Smallest factor in cells from level to level."""


@dataclass(frozen=True)
class Plan:
    """What a level looks like.

    Arguments:
        cells: spacings across the domain, in the geometric mean over the coordinates.
        stretch: how spacings compare along the coordinates, see :func:`placement.first_patch`.
        tolerance: the error that the margin is made for.
        corners: with nested patches around them.
        singular: whether some of these were known from the start: re-entrant corners, and points
            where the boundary condition changes.
        extra: patches where the residual was concentrated, with the cells they were made at.
        around: patches around small subdomains and holes, likewise.
    """

    cells: float
    stretch: tuple[float, ...]
    tolerance: float = 1e-4
    corners: tuple[Corner, ...] = ()
    singular: bool = False
    extra: tuple[tuple[Patch, float], ...] = ()
    around: tuple[tuple[Patch, float], ...] = ()

    @property
    def foreseen(self) -> bool:
        """Whether finer patches are there already, laid from what is known of the geometry."""
        return bool(self.corners) or (bool(self.around) and self.cells < ENOUGH)


@dataclass(frozen=True)
class Placed:
    """A plan and where it puts units."""

    plan: Plan
    layout: Layout

    @property
    def units(self) -> int:
        """How many units it has."""
        return self.layout.n_units


@dataclass(frozen=True)
class Progress:
    """How a level did.

    Arguments:
        error: its estimated error, infinite if there is none.
        before: that of the level before.
        graded: whether this level got a new patch.
        points, indicator: where the residual was looked at, (n, d), and its size there, (n,).
    """

    error: float
    before: float
    graded: bool
    points: Tensor
    indicator: Tensor

    @property
    def drop(self) -> float:
        """By which factor the error fell; one if that is not known."""
        known = math.isfinite(self.before) and self.before > 0
        return self.error / self.before if known else 1.0

    def outside(self, patches: Sequence[Patch]) -> float:
        """The part of the residual, root mean square, that some patches leave out."""
        left = torch.stack([~patch.holds(self.points) for patch in patches]).all(0)
        return float(self.indicator[left].norm() / self.indicator.norm().clamp_min(1e-300))


@dataclass(frozen=True)
class Growth:
    """Rules from one level to the next.

    Arguments:
        cells: of the first level.
        factor: from level to level, in cells.
        ratio: width of a unit over the spacing.
        oversampling: collocation points over units.
        grade: add finer patches where the residual is concentrated.
    """

    cells: float
    factor: float
    ratio: float
    oversampling: float
    grade: bool

    def first(self, setting: Setting) -> Placed:
        """The first level."""
        domain = setting.problem.region
        # Between equal numbers of units and equal spacings, until a solution says which it is.
        stretch = normalised([width**-0.5 for width in widths(domain)])
        cells = self.cells if domain.dimension < 3 else min(self.cells, 3.0)
        switches = condition_switches(setting.problem.stated)
        singular = (
            *reentrant_corners(domain),
            *(Corner(point, 4, 4) for point in switches),
            *interface_corners(domain, setting.problem.pieces),
        )
        parts = list(setting.problem.interfaces.values())
        whole = first_patch(domain, cells, stretch)
        around = (*patches_around(domain, parts, whole), *patches_around_holes(domain, whole))
        plan = Plan(
            cells,
            stretch,
            corners=singular,
            singular=bool(singular),
            around=tuple((patch, cells) for patch in around),
        )
        return self._affordable(setting, replace(plan, cells=1.0), plan)

    def starting_from(
        self, setting: Setting, plan: Plan, network: LinearOutputNetwork, probes: Tensor
    ) -> Placed:
        """A first level that can follow a given network."""
        plan = replace(plan, stretch=_stretch(setting.problem.region, network, probes))
        units = min(network.n_units, units_allowed(setting))
        while (placed := self.placed(setting, plan)).units < 0.8 * units:
            cells = LEAST_GROWTH * plan.cells
            tolerance = max(margin_schedule(cells), _finest_margin(setting))
            plan = replace(plan, cells=cells, tolerance=min(plan.tolerance, tolerance))
        return placed

    def placed(self, setting: Setting, plan: Plan) -> Placed:
        """A plan with its patches."""
        domain = setting.problem.region
        first = first_patch(domain, plan.cells, plan.stretch)
        corners = [patch for corner in plan.corners for patch in corner.patches(first)]
        later = (*plan.around, *plan.extra)
        extra = tuple(patch.refined(plan.cells / cells) for patch, cells in later)
        layout = Layout(
            domain,
            (first, *corners, *extra),
            margin_for(plan.tolerance, self.ratio),
            ratio=self.ratio,
            oversampling=self.oversampling,
            pieces=setting.problem.pieces,
        )
        return Placed(plan, layout)

    def following(
        self, setting: Setting, now: Placed, network: LinearOutputNetwork, progress: Progress,
        probes: Tensor,
    ) -> tuple[Placed, bool]:  # fmt: skip
        """The next level, and whether it has a new patch.

        Arguments:
            now, network, progress: of this level.
            probes: points inside, to see how the solution varies.
        """
        layout = now.layout
        plan = replace(now.plan, tolerance=_margin_tolerance(setting, now.plan, progress))
        finer = self._refined(setting, plan, layout, progress)
        # The cost of a unit grows with the cube of the number of unknowns: a margin is tried first.
        single = len(setting.problem.unknowns) == 1
        if finer is not None and single:
            return finer, True
        if progress.error < 0.1 and not plan.corners and not plan.extra:
            plan = replace(plan, stretch=_stretch(layout.domain, network, probes))
        # A solution that is not seen yet is short of units, not of margin.
        idle = progress.drop > FAST and math.isfinite(progress.before) and progress.error < SEEN
        if idle and plan.tolerance > WIDER * margin_schedule(plan.cells):
            # More units brought little. It may be the margin: some operators need a wider one.
            tolerance = max(WIDER * plan.tolerance, ROUNDING_MARGIN)
            wider = self.placed(setting, replace(plan, tolerance=tolerance))
            if now.units < wider.units <= units_allowed(setting):
                return wider, False
        if finer is not None:
            return finer, True
        cells = self._next_cells(setting, plan, progress)
        floor = plan.tolerance if idle else _finest_margin(setting)
        tolerance = max(min(plan.tolerance, margin_schedule(cells)), floor)
        more = replace(
            plan,
            cells=cells,
            tolerance=tolerance,
            corners=tuple(corner.grown() for corner in plan.corners),
        )
        return self._affordable(setting, plan, more), False

    def _refined(
        self, setting: Setting, plan: Plan, layout: Layout, progress: Progress
    ) -> Placed | None:
        """With patches where the residual is concentrated, if levels bring little otherwise."""
        slow = progress.drop > FAST or progress.graded
        if not (self.grade and slow and not plan.foreseen and math.isfinite(progress.before)):
            return None
        corners = hot_corners(layout, plan.corners, progress.points, progress.indicator)
        cornered = self.placed(setting, replace(plan, corners=corners))
        if corners and cornered.units <= units_allowed(setting):
            return cornered
        patches = grade(layout, progress.points, progress.indicator)
        # After a patch the drop says nothing about what one more uniform level would bring.
        most = PAYS if progress.graded else min(progress.drop, PAYS)
        if not patches or progress.outside(patches) >= most:
            return None
        extra = (*plan.extra, *((patch, plan.cells) for patch in patches))
        graded = self.placed(setting, replace(plan, extra=extra))
        return graded if graded.units <= units_allowed(setting) else None

    def _affordable(self, setting: Setting, now: Plan, more: Plan) -> Placed:
        """The next plan, or one between this and the next that the limits allow."""
        limit = units_allowed(setting)
        for plan in (more, replace(more, tolerance=max(now.tolerance, more.tolerance))):
            cells = plan.cells
            while cells > 1.05 * now.cells:
                smaller = self.placed(setting, replace(plan, cells=cells))
                if smaller.units <= limit:
                    return smaller
                cells = now.cells + 0.7 * (cells - now.cells)
        return self.placed(setting, more)

    def _next_cells(self, setting: Setting, plan: Plan, progress: Progress) -> float:
        """A fixed factor more; less where the goal is nearly met."""
        factor = self.factor
        if setting.problem.region.dimension > 2:
            factor = min(factor, 1.25)
        if plan.corners:
            return plan.cells * min(factor, 1.2)
        if not 0 < progress.drop < 1 or not math.isfinite(progress.error):
            return plan.cells * factor
        # Errors fall geometrically with the cells: as many more as the goal still needs.
        rate = math.log(progress.drop) / math.log(factor)
        needed = min(math.log(0.3 * goal(setting) / progress.error) / rate, math.log(factor))
        # Levels that are nearly the same say nothing about each other's error.
        return plan.cells * max(math.exp(needed), LEAST_GROWTH)


def goal(setting: Setting) -> float:
    """The error to reach."""
    return ROUNDING if setting.rtol is None else setting.rtol


def margin_schedule(cells: float) -> float:
    """The error a margin is made for when nothing else is known: what so many cells can reach."""
    return float(10.0 ** -(1 + cells))


def units_allowed(setting: Setting) -> int:
    """The largest network: what was allowed, and at most two thirds of the points there are."""
    asked = setting.units
    most = setting.max_units if asked is None else min(asked, setting.max_units)
    return min(most, points_support(setting))


def enough_units(setting: Setting, needed: int) -> None:
    """Refuse a limit that not even the smallest network keeps.

    Raises:
        InputError: fewer units are allowed than needed.
    """
    asked = setting.units
    most = setting.max_units if asked is None else min(asked, setting.max_units)
    if needed > most:
        raise InputError(
            f"at most {most} units are allowed, and the smallest network for this domain has "
            f"{needed}.",
            mend=f"Allow {needed} or more.",
        )


def points_support(setting: Setting) -> int:
    """Units that a given number of points supports."""
    counts = []
    if setting.sampling.interior is not None:
        counts.append(setting.sampling.interior)
    if setting.problem.data is not None and not setting.problem.equations:
        counts.append(len(setting.problem.data.points))
    return max(8, 2 * min(counts) // 3) if counts else setting.max_units


def widths(domain: Domain) -> list[float]:
    """Widths of the bounding box."""
    return [b - a for a, b in zip(domain.lower, domain.upper, strict=True)]


def normalised(values: Sequence[float]) -> tuple[float, ...]:
    """The values divided by their geometric mean."""
    mean = math.exp(sum(math.log(v) for v in values) / len(values))
    return tuple(v / mean for v in values)


def _finest_margin(setting: Setting) -> float:
    return max(0.002 * goal(setting), ROUNDING_MARGIN)


def _margin_tolerance(setting: Setting, plan: Plan, progress: Progress) -> float:
    """The margin for what the next level may reach: as much again as this one, and a bit."""
    floor = min(_finest_margin(setting), plan.tolerance)
    if not math.isfinite(progress.error):
        return max(0.03 * plan.tolerance, floor)
    hoped = progress.error * min(progress.drop, 0.1) * 0.03
    return max(min(hoped, 0.3 * plan.tolerance), floor)


def _stretch(domain: Domain, network: LinearOutputNetwork, probes: Tensor) -> tuple[float, ...]:
    """Spacings that follow how quickly the solution varies along each coordinate."""
    rates = [
        rate * width
        for rate, width in zip(variation(network, probes[:300]), widths(domain), strict=True)
    ]
    slowest = max(rates) / LARGEST_STRETCH
    return normalised([max(rate, slowest) ** -STRETCH for rate in rates])
