"""Pieces of a boundary, parametrised so that equal parameters mean equal area.

A piece maps [0, 1]^k (k = d - 1) onto a patch of the boundary and keeps ratios of measure, so
points that are uniform in the parameters are uniform by arc length or area and no area element
is needed. A :class:`Part` is a set of parameter boxes ("cells") on pieces: the whole boundary, a
side, or what a small box cuts out of it.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

State = Callable[[Tensor, Tensor], Tensor]
"""Points (n, d) and normals (n, d) -> (n,): 1 keeps a point, -1 keeps it with its normal turned
round, 0 drops it."""

_CELLS = 4096
"""Most cells a clip refines to; rejection does the rest."""


@dataclass(frozen=True, eq=False)
class Part:
    """Cells on pieces.

    Arguments:
        pieces: m pieces of one kind.
        index: (c,) the piece each cell lies on.
        lower, upper: (c, k) each cell's parameter box.
        sign: (c,) 1, or -1 where the piece's normal points inward.
        keep: a further pointwise selection; only for k >= 2, where cells cannot resolve it.
    """

    pieces: Pieces
    index: Tensor
    lower: Tensor
    upper: Tensor
    sign: Tensor
    keep: State | None = None

    @property
    def parameters(self) -> int:
        """k, the number of parameters."""
        return self.lower.shape[1]

    @cached_property
    def measures(self) -> Tensor:
        """Measure of each cell, (c,), before ``keep``."""
        return self.pieces.measures[self.index] * (self.upper - self.lower).prod(1)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Bounding box of each cell, two (c, d)."""
        return self.pieces.bounds(self.index, self.lower, self.upper)

    def evaluate(self, cell: Tensor, local: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points (n, d), normals (n, d), kept (n,) at local parameters (n, k) of cells (n,)."""
        parameters = self.lower[cell] + local * (self.upper - self.lower)[cell]
        points, normals = self.pieces.evaluate(self.index[cell], parameters)
        normals = normals * self.sign[cell, None]
        if self.keep is None:
            return points, normals, torch.ones_like(cell, dtype=torch.bool)
        state = self.keep(points, normals)
        return points, torch.where((state < 0)[:, None], -normals, normals), state != 0

    def select(self, mask: Tensor) -> Part:
        """The cells where mask (c,) is true."""
        return replace(
            self,
            index=self.index[mask],
            lower=self.lower[mask],
            upper=self.upper[mask],
            sign=self.sign[mask],
        )

    def clip(self, lower: Tensor, upper: Tensor) -> Part:
        """What lies in the closed box [lower, upper]."""
        return self.pieces.clip(self, lower, upper)


class Pieces(ABC):
    """m pieces of one kind, evaluated together."""

    @property
    @abstractmethod
    def measures(self) -> Tensor:
        """Length or area of each piece, (m,)."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """k = d - 1."""

    @abstractmethod
    def evaluate(self, index: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Points and unit normals, (n, d) each, at parameters (n, k) of the pieces (n,)."""

    @abstractmethod
    def bounds(self, index: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (c, d) that enclose the parameter cells [lower, upper], (c, k), of pieces (c,)."""

    def lengths(self, index: Tensor) -> Tensor:
        """Relative extents of pieces along their parameters, (n, k), for lattices."""
        return torch.ones(index.shape[0], self.parameters, dtype=torch.float64)

    def clip(self, part: Part, lower: Tensor, upper: Tensor) -> Part:
        """The cells of a part inside a box: refined by halves, then cut pointwise.

        Solvers ask for boxes 1e-6 of the domain wide; halving finds the few cells that matter
        in about twenty steps, where rejection on whole pieces would need 1e6 points for one.
        """
        size = upper - lower
        for _ in range(100 * self.parameters):
            low, high = self.bounds(part.index, part.lower, part.upper)
            hit = ((high >= lower) & (low <= upper)).all(1)
            part, low, high = part.select(hit), low[hit], high[hit]
            inside = ((low >= lower) & (high <= upper)).all(1)
            coarse = ~inside & ((high - low) > size).any(1)
            if not coarse.any() or part.index.shape[0] > _CELLS:
                break
            part = _join(part.select(~coarse), _split(part.select(coarse), lower, upper))
        if bool(inside.all()):
            return _merge(part)
        return restrict(_merge(part), in_box(lower, upper))

    def joins(self, index: Tensor) -> Tensor:
        """Whether the boundary goes on smoothly at the start and end of pieces (n,), (n, 2)."""
        return torch.zeros(index.shape[0], 2, dtype=torch.bool)

    def whole(self) -> Part:
        """Every piece from end to end."""
        count = self.measures.shape[0]
        zero = torch.zeros(count, self.parameters, dtype=torch.float64)
        sign = torch.ones(count, dtype=torch.float64)
        return Part(self, torch.arange(count), zero, zero + 1.0, sign)


@dataclass(frozen=True, eq=False)
class Facets(Pieces):
    """Flat pieces: points, segments, parallelograms and their like in d dimensions.

    Piece i is ``origins[i] + s @ axes[i]``, s in [0, 1]^k.

    Arguments:
        origins: (m, d).
        axes: (m, k, d); for k >= 2 along different coordinates, as the faces of a box.
        normals: (m, d) unit.
        smooth: (m, 2) whether a segment goes on smoothly at its start and end; nowhere if None.
    """

    origins: Tensor
    axes: Tensor
    normals: Tensor
    smooth: Tensor | None = None

    @cached_property
    def measures(self) -> Tensor:
        return self.axes.norm(dim=2).prod(1)

    @property
    def parameters(self) -> int:
        return self.axes.shape[1]

    def lengths(self, index: Tensor) -> Tensor:
        return self.axes.norm(dim=2)[index]

    def joins(self, index: Tensor) -> Tensor:
        return super().joins(index) if self.smooth is None else self.smooth[index]

    def evaluate(self, index: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        offset = (parameters[:, :, None] * self.axes[index]).sum(1)
        return self.origins[index] + offset, self.normals[index]

    def bounds(self, index: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        axes = self.axes[index]
        ends = lower[:, :, None] * axes, upper[:, :, None] * axes
        origins = self.origins[index]
        low, high = torch.minimum(*ends).sum(1), torch.maximum(*ends).sum(1)
        return origins + low, origins + high

    def clip(self, part: Part, lower: Tensor, upper: Tensor) -> Part:
        """Exact: every coordinate depends on at most one parameter, so each is a slab test."""
        axes, origins = self.axes[part.index], self.origins[part.index]
        # A face on a wall of the box belongs to it even when rounding put the wall beside it.
        slack = 1e-12 * (origins.abs().amax(1, keepdim=True) + 1e-300)
        constant = (axes == 0.0).all(1)
        hit = ~constant | ((origins >= lower - slack) & (origins <= upper + slack))
        moving = axes != 0.0
        safe = torch.where(moving, axes, torch.ones_like(axes))
        ends = ((lower - origins)[:, None] / safe, (upper - origins)[:, None] / safe)
        infinity = torch.full_like(axes, torch.inf)
        first = torch.where(moving, torch.minimum(*ends), -infinity).amax(2)
        last = torch.where(moving, torch.maximum(*ends), infinity).amin(2)
        first, last = torch.maximum(first, part.lower), torch.minimum(last, part.upper)
        keep = hit.all(1) & (first < last).all(1)
        return replace(part, lower=first, upper=last).select(keep)


def in_box(lower: Tensor, upper: Tensor) -> State:
    """Keeps the points of a closed box."""
    return lambda points, normals: ((points >= lower) & (points <= upper)).all(1).long()


def restrict(part: Part, state: State) -> Part:
    """The points of a part that a pointwise selection keeps.

    Curves are cut where the selection changes (features shorter than 1/16 to 1/512 of a cell can be
    missed); points are selected; surfaces keep the selection for later.
    """
    if part.index.shape[0] == 0:
        return part
    if part.parameters == 1:
        return _cut(part, state)
    if part.parameters == 0:
        points, normals = part.pieces.evaluate(part.index, part.lower)
        signs = state(points, normals * part.sign[:, None])
        return replace(part, sign=part.sign * signs).select(signs != 0)
    return replace(part, keep=state if part.keep is None else _both(part.keep, state))


def _both(first: State, second: State) -> State:
    def state(points: Tensor, normals: Tensor) -> Tensor:
        sign = first(points, normals)
        turned = torch.where((sign < 0)[:, None], -normals, normals)
        return sign * second(points, turned)

    return state


def _cut(part: Part, state: State) -> Part:
    """A part with one parameter, cut by bisection where the selection changes."""

    def states(cell: Tensor, position: Tensor) -> Tensor:
        points, normals = part.pieces.evaluate(part.index[cell], position[:, None])
        return state(points, normals * part.sign[cell, None])

    count = part.index.shape[0]
    steps = min(512, max(16, 2**16 // count))
    local = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    position = (part.lower + local * (part.upper - part.lower)).reshape(-1)
    cell = torch.arange(count).repeat_interleave(steps)
    value = states(cell, position)
    change = torch.nonzero((cell[1:] == cell[:-1]) & (value[1:] != value[:-1]))[:, 0]
    left, right = position[change], position[change + 1]
    for _ in range(60):
        if bool((right - left <= 2e-16 * right).all()):
            break
        middle = 0.5 * (left + right)
        same = states(cell[change], middle) == value[change]
        left, right = torch.where(same, middle, left), torch.where(same, right, middle)

    starts, ends = part.lower[cell, 0], part.upper[cell, 0]
    starts[change + 1], ends[change] = right, left
    first = torch.ones_like(value, dtype=torch.bool)
    first[1:] = cell[1:] != cell[:-1]
    first[change + 1] = True
    last = torch.roll(first, -1)
    run = cell[first]
    cut = Part(
        part.pieces,
        part.index[run],
        starts[first][:, None],
        ends[last][:, None],
        part.sign[run] * value[first],
    )
    return cut.select((value[first] != 0) & (cut.upper > cut.lower)[:, 0])


def _split(part: Part, lower: Tensor, upper: Tensor) -> Part:
    """Every cell in two, a curve's in eight.

    Along the parameter that leaves the least: bounding boxes of the halves that still meet the
    box [lower, upper]. (Turn by turn fails at a pole, where whole rings enclose the box.)
    """
    if part.parameters == 1:
        return _divide(part, torch.zeros_like(part.index), 8)
    extents = []
    for axis in range(part.parameters):
        low, high = _divide(part, torch.full_like(part.index, axis), 2).bounds()
        hit = ((high >= lower) & (low <= upper)).all(1)
        extents.append((((high - low) / (upper - lower)).sum(1) * hit).reshape(2, -1).sum(0))
    return _divide(part, torch.stack(extents).argmin(0), 2)


def _divide(part: Part, axis: Tensor, count: int) -> Part:
    """Each cell cut in equal slices along its own axis (c,): first slices, second slices ..."""
    axis = axis[:, None]
    low, high = part.lower.gather(1, axis), part.upper.gather(1, axis)
    cuts = [low + (high - low) * (i / count) for i in range(count)] + [high]
    slices = [
        replace(
            part,
            lower=part.lower.scatter(1, axis, first),
            upper=part.upper.scatter(1, axis, last),
        )
        for first, last in itertools.pairwise(cuts)
    ]
    return _join(*slices)


def _join(*parts: Part) -> Part:
    """Cells on the same pieces, one after the other."""
    return replace(
        parts[0],
        index=torch.cat([part.index for part in parts]),
        lower=torch.cat([part.lower for part in parts]),
        upper=torch.cat([part.upper for part in parts]),
        sign=torch.cat([part.sign for part in parts]),
    )


def _merge(part: Part) -> Part:
    """Neighbouring cells of a curve as one, so that points spread evenly over both."""
    if part.parameters != 1 or part.index.shape[0] < 2:
        return part
    order = torch.argsort(part.lower[:, 0])
    order = order[torch.argsort(part.index[order], stable=True)]
    part = replace(
        part,
        index=part.index[order],
        lower=part.lower[order],
        upper=part.upper[order],
        sign=part.sign[order],
    )
    joined = (
        (part.index[1:] == part.index[:-1])
        & (part.lower[1:, 0] == part.upper[:-1, 0])
        & (part.sign[1:] == part.sign[:-1])
    )
    first = torch.ones_like(part.index, dtype=torch.bool)
    first[1:] = ~joined
    last = torch.roll(first, -1)
    return replace(part.select(first), upper=part.upper[last])
