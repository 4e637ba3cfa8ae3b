"""Lattices that variable projection may start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gmnm_pde.errors import InputError
from gmnm_pde.linearised import Block
from gmnm_pde.methods.base import Setting
from gmnm_pde.networks import LinearOutputNetwork, PlacedSpec
from gmnm_pde.placement import Layout, first_patch

UNITS = 64
"""Units of a network if nothing is said."""

RATIOS = (0.8, 1.2, 1.6)
"""Widths over spacings that a start is tried with: smooth solutions want units that overlap much, a
peak or a jump wants narrow ones."""

MARGINS = (0.0, 1.0)
"""Spacings beyond the boundary that a start is tried with."""


def units_of(setting: Setting) -> int:
    """Of the network, if they have places."""
    return min(setting.units or UNITS, setting.max_units)


def built(setting: Setting, layout: Layout) -> LinearOutputNetwork:
    """The network of the recipe, its units on a lattice if they have places.

    Raises:
        InputError: a network whose last layer is not linear.
    """
    spec = setting.network
    made = (
        layout.network(spec, layout.centres(), len(setting.problem.unknowns))
        if isinstance(spec, PlacedSpec)
        else setting.initial()
    )
    if not isinstance(made, LinearOutputNetwork):
        raise InputError(
            "the method variable_projection needs a network whose last layer is linear, "
            f"and {type(made).__name__} is not.",
            mend="Use the network gmnm, or another method.",
        )
    return made


def layouts(setting: Setting, units: int) -> list[Layout]:
    """Lattices of the same number of units; the first is a narrow margin and a middle width."""
    lattices = [_layout(setting, units, margin) for margin in MARGINS]
    found = [replace(layout, ratio=ratio) for layout in lattices for ratio in RATIOS]
    return sorted(found, key=lambda one: (one.margin != max(MARGINS), abs(one.ratio - 1.6)))


def _layout(setting: Setting, units: int, margin: float) -> Layout:
    """One patch with at most so many units: they move where they pay."""
    domain = setting.problem.region
    ones = (1.0,) * domain.dimension
    cells, best = 1.0, None
    while True:
        patch = first_patch(domain, cells, ones)
        layout = Layout(domain, (patch,), margin=margin, pieces=setting.problem.pieces)
        if sum(len(part) for part in layout.centres()) > units:
            break
        best, cells = layout, cells + 1
    return best or layout


def spacing_of(setting: Setting, blocks: Sequence[Block]) -> Tensor:
    """Mean distances of the inner points along each coordinate, (d,)."""
    domain = setting.problem.region
    inner = sum(len(block.points) for block in blocks if block.kind in ("equation", "data"))
    box = [b - a for a, b in zip(domain.lower, domain.upper, strict=True)]
    return torch.tensor(box, dtype=torch.float64) / max(1, inner) ** (1 / domain.dimension)
