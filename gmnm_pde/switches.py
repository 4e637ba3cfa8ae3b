"""Where boundary conditions meet in a way that makes a solution singular.

At a point of the boundary a linear condition on one unknown reads

    a_0 u + a_n u_n = g .

Where Dirichlet meets Neumann on a smooth boundary the solution of a second-order equation behaves
like r^(1/2), at a corner of angle w like r^(pi / 2w); where two Dirichlet values differ it jumps;
where fluxes or Robin coefficients differ its gradient is like log r or r log r. The residual that
least squares leaves there is smeared over the domain, but where conditions meet is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import cast

import torch
from torch import Tensor

from gmnm_pde.collocation import equation_blocks, where_of
from gmnm_pde.geometry import Boundary, Domain
from gmnm_pde.grading import REENTRANT
from gmnm_pde.linearised import Block, Linearised, at_zero
from gmnm_pde.problem import Condition, Problem

JUMP = 1e-6
"""Data that differ by less than this part of their size are taken to be continuous."""

GAP = 1e-9
"""Two conditions meet where their points come this close, in diagonals of the bounding box."""

SNAP = 1e-7
"""A place this close to a corner is the corner, in diagonals of the bounding box."""

BESIDE_REENTRANT = 1e-6
"""A place this close to a re-entrant corner is left to it, in diagonals of the bounding box."""

RIGHT_ANGLE = 0.5 * math.pi * (1 + 1e-3)
"""Dirichlet beside Neumann leaves no singularity like r^p with p < 1 up to this angle."""

POINTS = 512
"""Points of each condition to look for neighbours with."""

CLOSE_UP = 256
"""Points of each condition in a box around a place; with REACH it shrinks about twentyfold."""

NEIGHBOURS = 3.0
"""Points of two conditions closer than this many spacings are neighbours."""

REACH = 6.0
"""Half the width of the next box, in spacings."""

ROUNDS = 12
"""Most boxes around one place."""


def condition_switches(problem: Problem) -> tuple[tuple[float, ...], ...]:
    """Points of a boundary where a change of condition makes a second-order problem singular.

    These are the ends of conditions at which Dirichlet meets Neumann or Robin, except at corners
    up to a right angle; at which two Dirichlet values differ; and at which two fluxes or Robin
    coefficients differ, except at corners, where the normals differ too. Re-entrant corners are
    left to :func:`gmnm_pde.grading.reentrant_corners`; a jump within one condition is not seen.

    Returns:
        Points (x, y), sorted; none in other dimensions than two, for equations of another order,
        in time, and where fewer than two conditions are on parts of the boundary.
    """
    if problem.domain.dimension != 2 or problem.time is not None:
        return ()
    conditions = [
        item
        for item in problem.conditions
        if isinstance(item, Condition) and isinstance(item.at[0], str)
    ]
    if len(conditions) < 2 or not problem.equations:
        return ()
    order, source = _order_and_source(problem)
    if order != 2:
        return ()
    parts = [_Part(problem, condition) for condition in conditions]
    size = max(source, *(part.data_size for part in parts))
    found: list[tuple[float, ...]] = []
    for pair in combinations(parts, 2):
        if pair[0].unknown is None or pair[0].unknown != pair[1].unknown:
            continue
        for ends in _meetings(*pair):
            point = _judge(problem.region, ends, size)
            if point is not None and all(
                math.dist(point, other) > SNAP * _diagonal(problem.region) for other in found
            ):
                found.append(point)
    return tuple(sorted(found))


@dataclass(frozen=True)
class _Form:
    """a_0 u + a_n u_n = g at points, each (n,)."""

    value: Tensor
    flux: Tensor
    target: Tensor

    def dirichlet(self, length: float) -> Tensor:
        """Where the flux does not take part, (n,) bool."""
        return self.flux.abs() <= 1e-12 * length * self.value.abs()


@dataclass(frozen=True)
class _End:
    """The last point of a condition before another one begins, (1, 2), and its form there."""

    point: Tensor
    form: _Form


@dataclass(eq=False)
class _Part:
    """A condition and its part of the boundary.

    Arguments:
        unknown: the one that it is on; None if there are several, or higher derivatives.
        data_size: how large a solution its data ask for.
    """

    problem: Problem
    condition: Condition
    unknown: str | None = field(init=False)
    data_size: float = field(init=False)
    whole: Boundary = field(init=False)
    where: Callable[[Tensor], Tensor] | None = field(init=False)

    def __post_init__(self) -> None:
        self.where = where_of(self.condition, self.problem)
        self.whole = self.sample(POINTS)
        lin = self._linearise(self.whole)
        names = {name for (name, _), a in lin.coefficients.items() if bool((a != 0).any())}
        first_order = all(sum(alpha) <= 1 for _, alpha in lin.coefficients)
        self.unknown = names.pop() if len(names) == 1 and first_order else None
        self.data_size = 0.0
        if self.unknown is not None:
            length = _diagonal(self.problem.region)
            form = self.form(self.whole)
            scale = torch.where(form.dirichlet(length), form.value, form.flux / length)
            self.data_size = _largest(form.target / scale)

    @property
    def sides(self) -> tuple[str, ...]:
        at = cast("str | tuple[str, ...]", self.condition.at)
        return (at,) if isinstance(at, str) else at

    def sample(self, n: int, lower: Tensor | None = None, upper: Tensor | None = None) -> Boundary:
        """Points on the part, or on what of it lies in a box."""
        return self.problem.region.sample_boundary(
            n, self.sides, "grid", 0, lower, upper, self.where
        )

    def holds(self, points: Tensor) -> Tensor:
        """Whether points of the boundary belong to the part, (n, 2) -> (n,) bool."""
        domain = self.problem.region
        held = torch.stack([domain.on_side(points, name) for name in self.sides]).any(0)
        return held if self.where is None or not bool(held.any()) else held & self.where(points)

    def form(self, boundary: Boundary) -> _Form:
        """The condition as a_0 u + a_n u_n = g."""
        lin = self._linearise(boundary)
        value, flux = torch.zeros_like(lin.target), torch.zeros_like(lin.target)
        for (name, alpha), a in lin.coefficients.items():
            if name == self.unknown and sum(alpha) == 0:
                value = value + a
            elif name == self.unknown:
                flux = flux + a * boundary.normals[:, alpha.index(1)]
        return _Form(value, flux, lin.target)

    def _linearise(self, boundary: Boundary) -> Linearised:
        points = boundary.points
        ones = points.new_ones(len(points))
        return at_zero(
            self.problem,
            Block(
                "condition",
                self.condition.label,
                self.condition.residual,
                points,
                ones,
                boundary.normals,
            ),
        )


def _order_and_source(problem: Problem) -> tuple[int, float]:
    """The highest order of the equations, and how large a solution their sources ask for."""
    order, size = 0, 0.0
    length = _diagonal(problem.region)
    for block in equation_blocks(problem, problem.region.sample_interior(64, "sobol", 0)):
        lin = at_zero(problem, block)
        order = max([order, *(sum(alpha) for _, alpha in lin.coefficients)])
        leading = [_largest(a) for (_, alpha), a in lin.coefficients.items() if sum(alpha) == 2]
        if leading and max(leading) > 0:
            size = max(size, length**2 * _largest(lin.target) / max(leading))
    return order, size


def _meetings(a: _Part, b: _Part) -> Iterator[tuple[_End, _End]]:
    """Where one condition ends and the other begins: the last points of both."""
    whole = _apart(a, b, a.whole, b.whole)
    if whole is None:
        return
    for places in _narrow(a, b, whole, ROUNDS):
        yield (
            _End(places[0].points, a.form(places[0])),
            _End(places[1].points, b.form(places[1])),
        )


def _apart(a: _Part, b: _Part, on_a: Boundary, on_b: Boundary) -> tuple[Boundary, Boundary] | None:
    """The points that belong to one condition only; None if either has none.

    Where two conditions hold at the same points, as u and u_t at an initial time, neither ends.
    """
    if {"boundary", *a.sides} & {*b.sides} or "boundary" in a.sides:
        on_a, on_b = (
            _selected(on_a, ~b.holds(on_a.points)),
            _selected(on_b, ~a.holds(on_b.points)),
        )
    return (on_a, on_b) if len(on_a.points) and len(on_b.points) else None


def _selected(boundary: Boundary, mask: Tensor) -> Boundary:
    """Some of the points, with the spacing of all."""
    share = float(mask.double().mean()) if len(mask) else 0.0
    return Boundary(boundary.points[mask], boundary.normals[mask], boundary.measure * share)


def _narrow(
    a: _Part, b: _Part, pair: tuple[Boundary, Boundary], rounds: int
) -> Iterator[tuple[Boundary, Boundary]]:
    """The two closest points at each place where points of both conditions come together.

    Looks at every place where there are neighbours in a smaller box, again and again. In a slit
    or between two separate parts they stop being neighbours.
    """
    domain = a.problem.region
    on_a, on_b = pair
    # Not the smaller one: points of a long part can be far from the end of a short one.
    spacing = max(part.measure / len(part.points) for part in pair)
    index, other, distance = _neighbours(on_a.points, on_b.points, NEIGHBOURS * spacing)
    reach = REACH * spacing
    while len(index):
        i, j = index[0], other[0]
        centre = 0.5 * (on_a.points[i] + on_b.points[j])
        if distance[0] < GAP * _diagonal(domain):
            yield _one(on_a, i), _one(on_b, j)
        elif rounds:
            for middle, half in _boxes(a, b, centre, reach):
                box = middle - half, middle + half
                inner = _apart(a, b, a.sample(CLOSE_UP, *box), b.sample(CLOSE_UP, *box))
                met = [] if inner is None else list(_narrow(a, b, inner, rounds - 1))
                yield from met
                if met:
                    break
        # Those left out are well inside the box, so that what they are beside is in it too.
        middle = 0.5 * (on_a.points[index] + on_b.points[other])
        left = (middle - centre).abs().amax(1) > reach / 2
        index, other, distance = index[left], other[left], distance[left]


def _boxes(a: _Part, b: _Part, centre: Tensor, reach: float) -> Iterator[tuple[Tensor, float]]:
    """Centres and half widths of the boxes to look in, until something is found."""
    domain = a.problem.region
    corners = domain.corners().points
    # Whole sides end at corners only: one small box there saves four larger ones.
    if a.where is None and b.where is None and len(corners):
        distance, nearest = (corners - centre).abs().amax(1).min(0)
        if distance < reach:
            yield corners[nearest], 0.1 * GAP * _diagonal(domain)
    yield centre, reach


def _neighbours(a: Tensor, b: Tensor, limit: float) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of points, nearest first: indices in a (k,), indices in b (k,), distances (k,)."""
    from scipy.spatial import cKDTree

    pairs = []
    for here, there, turned in ((a, b, False), (b, a, True)):
        distance, nearest = cKDTree(there.numpy()).query(here.numpy(), distance_upper_bound=limit)
        far = torch.from_numpy(distance)
        index = torch.nonzero(far.isfinite())[:, 0]
        other = torch.from_numpy(nearest)[index]
        pairs.append((other, index, far[index]) if turned else (index, other, far[index]))
    first, second, gaps = (torch.cat(item) for item in zip(*pairs, strict=True))
    order = gaps.argsort(stable=True)
    return first[order], second[order], gaps[order]


def _one(boundary: Boundary, index: Tensor) -> Boundary:
    return Boundary(boundary.points[index][None], boundary.normals[index][None], 0.0)


def _judge(domain: Domain, ends: Sequence[_End], size: float) -> tuple[float, ...] | None:
    """The point where two conditions meet if it is singular, otherwise None."""
    length = _diagonal(domain)
    forms = [end.form for end in ends]
    if not any(bool((form.value != 0) | (form.flux != 0)) for form in forms):
        return None
    point = 0.5 * (ends[0].point + ends[1].point)[0]
    angle = math.pi
    corners = domain.corners()
    if len(corners.points):
        distance, nearest = (corners.points - point).norm(dim=1).min(0)
        corner = float(corners.angles[nearest])
        if corner > REENTRANT and distance < BESIDE_REENTRANT * length:
            return None
        if distance < SNAP * length:
            point, angle = corners.points[nearest], corner
    singular = _singular(forms, angle, size, length)
    return tuple(point.tolist()) if singular else None


def _singular(forms: Sequence[_Form], angle: float, size: float, length: float) -> bool:
    """Whether two forms that meet at an interior angle, pi on a smooth boundary, are singular."""
    kinds = [bool(form.dirichlet(length)) for form in forms]
    if kinds[0] != kinds[1]:
        return angle > RIGHT_ANGLE
    if kinds[0]:
        values = [float(form.target / form.value) for form in forms]
        return abs(values[0] - values[1]) > JUMP * size
    if angle != math.pi:
        return False
    fluxes = [float(form.target / form.flux) for form in forms]
    robin = [float(form.value / form.flux) for form in forms]
    return abs(fluxes[0] - fluxes[1]) > JUMP * size / length or abs(robin[0] - robin[1]) > (
        JUMP * max(abs(robin[0]), abs(robin[1]), 1 / length)
    )


def _largest(values: Tensor) -> float:
    """The largest size of those that are finite, 0.0 if none is."""
    finite = values[values.isfinite()]
    return float(finite.abs().max()) if len(finite) else 0.0


def _diagonal(domain: Domain) -> float:
    return math.dist(domain.lower, domain.upper)
