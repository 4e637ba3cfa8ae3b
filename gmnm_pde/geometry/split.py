"""A domain in pieces: subdomains, and what they leave of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.geometry.boxes import AxisBox, Box
from gmnm_pde.geometry.csg import Difference, Intersection
from gmnm_pde.geometry.domain import Domain
from gmnm_pde.geometry.pieces import Part, restrict

PROBES = 512
"""Points of a subdomain that say whether it lies in another one. A smaller overlap is not seen."""

BESIDE = 1e-11
"""How far beside a boundary, relative to the domain, its two sides are looked at."""

NUDGE = 1e-9
"""How far beside an interface one-sided values are taken, relative to the domain: far beyond the
rounding of distances and coordinates, and with a square far below rounding."""

Cell = tuple[int, ...]


def split(domain: Domain, subdomains: Mapping[str, Domain]) -> tuple[Domain, ...]:
    """Domains without common points that fill a domain: its subdomains, then the rest.

    A subdomain that lies in another one is taken out of it; what lies outside the domain is cut
    off. What boxes leave of a box is as many boxes as it can be; otherwise the rest is one domain,
    also where it is not connected.

    Raises:
        InputError: a subdomain outside the domain, or two that overlap.
    """
    if not subdomains:
        return (domain,)
    inside = {name: _cut(name, sub, domain) for name, sub in subdomains.items()}
    probes = {name: sub.sample_interior(PROBES) for name, sub in inside.items()}
    pieces: list[Domain] = []
    for name, sub in inside.items():
        others = [other for other in inside if other != name]
        for other in others:
            _refuse_overlap(name, other, inside, probes)
        held = [inside[other] for other in others if bool(sub.contains(probes[other]).all())]
        pieces += remainder(sub, held)
    return (*pieces, *remainder(domain, list(inside.values())))


def remainder(domain: Domain, holes: Sequence[Domain]) -> list[Domain]:
    """What is left of a domain without some parts of it; nothing if they fill it."""
    if not holes:
        return [domain]
    if isinstance(domain, AxisBox) and all(isinstance(hole, AxisBox) for hole in holes):
        return _box_remainder(domain, holes)
    try:
        return [Difference(domain, *holes)]
    except InputError:
        return []


def locate(pieces: Sequence[Domain], points: Tensor) -> Tensor:
    """The piece that each point lies in, or the nearest one, (n, d) -> (n,)."""
    if len(pieces) == 1:
        return torch.zeros(len(points), dtype=torch.long, device=points.device)
    return torch.stack([piece.signed_distance(points) for piece in pieces]).argmin(0)


def nudge(domain: Domain) -> float:
    """How far beside an interface in a domain one-sided values are taken."""
    return NUDGE * math.dist(domain.lower, domain.upper)


class Within(Domain):
    """A subdomain whose boundary counts only where it lies inside a domain.

    Raises:
        InputError: none of it does.
    """

    def __init__(self, sub: Domain, domain: Domain) -> None:
        self.sub = sub
        self.domain = domain
        if not any(part.index.numel() for part in self.parts):
            raise InputError(
                "no part of the subdomain's boundary lies inside the domain.",
                mend="A subdomain that fills the domain is not needed.",
            )

    @property
    def lower(self) -> tuple[float, ...]:
        return self.sub.lower

    @property
    def upper(self) -> tuple[float, ...]:
        return self.sub.upper

    @property
    def measure(self) -> float:
        return self.sub.measure

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        beside = BESIDE * math.dist(self.domain.lower, self.domain.upper)

        def state(points: Tensor, normals: Tensor) -> Tensor:
            outer, inner = points + beside * normals, points - beside * normals
            return (self.domain.contains(outer) & self.domain.contains(inner)).long()

        return tuple(restrict(part, state) for part in self.sub.parts)

    def signed_distance(self, points: Tensor) -> Tensor:
        return self.sub.signed_distance(points)


def _cut(name: str, sub: Domain, domain: Domain) -> Domain:
    """The part of a subdomain that is in the domain."""
    if sub.dimension != domain.dimension:
        raise InputError(
            f"the subdomain {name!r} has {sub.dimension} dimensions, the domain {domain.dimension}."
        )
    slack = 1e-9 * math.dist(domain.lower, domain.upper)
    edge = sub.sample_boundary(PROBES).points
    if bool((domain.signed_distance(edge) <= slack).all()):
        return sub
    try:
        return Intersection(domain, sub)
    except InputError:
        raise InputError(
            f"the subdomain {name!r} lies outside the domain.", mend="Move it inside."
        ) from None


def _refuse_overlap(
    name: str, other: str, inside: Mapping[str, Domain], probes: Mapping[str, Tensor]
) -> None:
    """Two subdomains may touch or lie one in the other; they may not overlap otherwise."""
    of_other = inside[name].contains(probes[other])
    of_this = inside[other].contains(probes[name])
    apart = not bool(of_other.any()) and not bool(of_this.any())
    if not apart and bool(of_other.all()) == bool(of_this.all()):
        raise InputError(
            f"the subdomains {name!r} and {other!r} overlap.",
            mend="Take one out of the other with `difference`.",
        )


def _box_remainder(domain: AxisBox, holes: Sequence[Domain]) -> list[Domain]:
    """What boxes leave of a box: its connected parts, each one a box where it can be."""
    cuts = [_cuts(domain, holes, axis) for axis in range(domain.dimension)]
    cells = list(itertools.product(*(range(len(cut) - 1) for cut in cuts)))
    middles = torch.tensor(
        [[0.5 * (c[i] + c[i + 1]) for c, i in zip(cuts, cell, strict=True)] for cell in cells],
        dtype=torch.float64,
    )
    covered = torch.stack([hole.contains(middles) for hole in holes]).any(0).tolist()
    free = {cell for cell, taken in zip(cells, covered, strict=True) if not taken}

    def box(low: Cell, high: Cell) -> Domain:
        return Box(tuple((c[i], c[j + 1]) for c, i, j in zip(cuts, low, high, strict=True)))

    found: list[Domain] = []
    for part in _connected(free):
        low, high = (tuple(f(axis) for axis in zip(*part, strict=True)) for f in (min, max))
        if math.prod(j - i + 1 for i, j in zip(low, high, strict=True)) == len(part):
            found.append(box(low, high))
        else:
            others = [box(cell, cell) for cell in sorted(free - part)]
            found.append(Difference(domain, *holes, *others))
    return found


def _cuts(domain: AxisBox, holes: Sequence[Domain], axis: int) -> list[float]:
    """Ends of the boxes along a coordinate, inside the domain, each once."""
    low, high = domain.lower[axis], domain.upper[axis]
    slack = 1e-12 * max(high - low, abs(low), abs(high))
    ends = sorted(end for hole in holes for end in (hole.lower[axis], hole.upper[axis]))
    cuts = [low]
    for end in ends:
        if cuts[-1] + slack < end < high - slack:
            cuts.append(end)
    return [*cuts, high]


def _connected(cells: set[Cell]) -> list[set[Cell]]:
    """Cells joined by common faces."""
    left, parts = set(cells), []
    while left:
        start = min(left)
        part, queue = {start}, [start]
        while queue:
            fresh = {other for other in _neighbours(queue.pop()) if other in left} - part
            part |= fresh
            queue += fresh
        left -= part
        parts.append(part)
    return parts


def _neighbours(cell: Cell) -> list[Cell]:
    return [
        (*cell[:axis], cell[axis] + step, *cell[axis + 1 :])
        for axis in range(len(cell))
        for step in (-1, 1)
    ]
