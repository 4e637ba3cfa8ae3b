"""Where a function of the coordinates is not finite inside a domain.

A source that divides by zero ruins a least-squares fit wherever a collocation point comes near,
and no residual says why. Two things are looked for: values that are not finite on a lattice (which
contains the centre and the coordinate planes, where people's singularities are), and values that
grow without bound when the lattice is refined around the largest of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.geometry import Domain

PointFunction = Callable[[Tensor], Tensor]

_LATTICE = {1: 401, 2: 41, 3: 17}
_CANDIDATES = 4
_ZOOMS = 12
_ZOOM = 10.0
_GROWTH = 10.0
"""Least growth over the last four zooms, a factor 10^4 in distance: r^(-1/4) is found."""


@dataclass(frozen=True)
class Singularity:
    """A point (d,) and the value there."""

    point: tuple[float, ...]
    value: float

    def describe(self, coordinates: tuple[str, ...]) -> str:
        """``is infinite at x = 0, y = 0.5``."""
        place = ", ".join(
            f"{name} = {value:.6g}" for name, value in zip(coordinates, self.point, strict=True)
        )
        if self.value != self.value:
            return f"is not a number at {place}"
        return f"is infinite at {place}"


def lattice(domain: Domain) -> Tensor:
    """Points strictly inside a domain, (n, d): a lattice, the centre and zero coordinates."""
    d = domain.dimension
    lower = torch.tensor(domain.lower, dtype=torch.float64)
    upper = torch.tensor(domain.upper, dtype=torch.float64)
    if d not in _LATTICE:
        centre = (lower + upper) / 2
        points = torch.cat(
            [domain.sample_interior(2048), centre[None], torch.zeros(1, d, dtype=torch.float64)]
        )
        return points[domain.contains(points)]
    axes = []
    for low, high in zip(lower.tolist(), upper.tolist(), strict=True):
        axis = torch.linspace(low, high, _LATTICE[d], dtype=torch.float64)[1:-1]
        axes.append(torch.cat([axis, axis.new_zeros(1)]) if low < 0.0 < high else axis)
    points = torch.cartesian_prod(*axes).reshape(-1, d)
    return points[domain.contains(points)]


def find_singularity(
    function: PointFunction, domain: Domain, refine: bool = True
) -> Singularity | None:
    """A point strictly inside the domain at which a function (n, d) -> (n,) is not finite.

    ``refine=False`` looks at the lattice only.
    """
    points = lattice(domain)
    if not len(points):
        return None
    values = _evaluate(function, points)
    bad = torch.nonzero(~values.isfinite()).flatten()
    if len(bad):
        # Where log(x) is infinite at one point and no number at many, the many are the news.
        undefined = values[bad].isnan()
        mostly = undefined if 2 * int(undefined.sum()) > len(bad) else ~undefined
        return _nearest_to_origin(points[bad[mostly]], values[bad[mostly]])
    size = values.abs()
    if not refine or float(size.max()) <= 10.0 * float(size.median()):
        return None
    for index in torch.topk(size, min(_CANDIDATES, len(size))).indices:
        found = _zoom(function, domain, points[index])
        if found is not None:
            return found
    return None


def _evaluate(function: PointFunction, points: Tensor) -> Tensor:
    with torch.no_grad():
        return function(points).to(torch.float64).expand(len(points))


def _nearest_to_origin(points: Tensor, values: Tensor) -> Singularity:
    index = int(points.square().sum(1).argmin())
    return Singularity(tuple(points[index].tolist()), float(values[index]))


def _zoom(function: PointFunction, domain: Domain, start: Tensor) -> Singularity | None:
    """Follow the largest value through smaller and smaller boxes."""
    d = domain.dimension
    extent = torch.tensor(domain.upper, dtype=torch.float64) - torch.tensor(
        domain.lower, dtype=torch.float64
    )
    box = 1.5 * extent / (_LATTICE.get(d, 9) - 1)
    generator = torch.Generator().manual_seed(0)
    if d <= 3:
        offsets = torch.cartesian_prod(*[torch.linspace(-1, 1, 21, dtype=torch.float64)] * d)
    else:
        offsets = 2 * torch.rand(4000, d, generator=generator, dtype=torch.float64) - 1
    offsets = offsets.reshape(-1, d)
    best, sizes = start, [float(_evaluate(function, start[None]).abs())]
    for _ in range(_ZOOMS):
        points = torch.cat([best[None], best + offsets * box])
        points = points[domain.contains(points)]
        if not len(points):
            return None
        values = _evaluate(function, points)
        if not bool(values.isfinite().all()):
            best = points[~values.isfinite()][0]
            return _if_inside(domain, best, float(_evaluate(function, best[None])))
        index = int(values.abs().argmax())
        best = points[index]
        sizes.append(float(values[index].abs()))
        box = box / _ZOOM
    if sizes[-1] < _GROWTH * sizes[-5]:
        return None
    return _if_inside(domain, best, float("inf"))


def _if_inside(domain: Domain, point: Tensor, value: float) -> Singularity | None:
    """A singularity on the boundary harms no interior point: only one inside counts."""
    size = max(high - low for low, high in zip(domain.lower, domain.upper, strict=True))
    if float(domain.signed_distance(point[None])) > -1e-6 * size:
        return None
    return Singularity(tuple(point.tolist()), value)
