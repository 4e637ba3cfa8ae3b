"""Whether the units there are fit a state, measured by sizes that the unknowns have had so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.evolution.modes import Modes
from gmnm_pde.evolution.monitor import Scales, scales, shortfall, spacing_for
from gmnm_pde.evolution.spacing import Spacing
from gmnm_pde.evolution.system import Shape
from gmnm_pde.problem import Problem

AHEAD = 0.8
"""Units are placed closer than needed by this, so that they fit for a while."""

FEWER = 0.6
"""New units also where so much fewer would do along every coordinate."""

SETTLED = 3
"""Steps that units are kept for, at least, before fewer would do."""


@dataclass(frozen=True)
class Fit:
    """How units fit a state.

    Arguments:
        wider: the largest ratio of their spacing to the one needed.
        fewer: whether so much fewer would do.
        scales: of the state.
    """

    wider: float
    fewer: bool
    scales: Scales


@dataclass
class Sizes:
    """The largest sizes of the unknowns so far.

    Arguments:
        values: half of the range, or of the largest value, of each unknown, (unknowns,).
        norms: their norms in L2 of the domain.
        rates: half of the largest rate.
    """

    problem: Problem
    shape: Shape
    values: Tensor = field(init=False)
    norms: Tensor = field(init=False)
    rates: Tensor = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.problem.unknowns)
        self.values = torch.ones(count, dtype=torch.float64)
        self.norms = torch.ones(count, dtype=torch.float64)
        self.rates = torch.full_like(self.norms, 1e-12)

    def begin(self, modes: Modes, state: Tensor) -> None:
        """Forget what was, and measure an initial state."""
        self.values.fill_(1e-12)
        self.rates.fill_(1e-12)
        norm = state[0].norm(dim=1)
        self.norms.copy_(torch.where(norm > 1e-8, norm, norm.new_ones(())))
        self.measure(modes, state)

    def measure(self, modes: Modes, state: Tensor) -> None:
        """See a state: sizes only grow."""
        values, rates = modes.values(state[:2])
        half = 0.5 * (values.amax(1) - values.amin(1))
        half = torch.maximum(half, 0.5 * values.abs().amax(1))
        rate = 0.5 * rates.abs().amax(1)
        self.values.copy_(torch.maximum(self.values, half))
        self.rates.copy_(torch.maximum(self.rates, rate))
        self.norms.copy_(torch.maximum(self.norms, state[0].norm(dim=1)))

    def scales(
        self, modes: Modes, spacings: Sequence[Spacing], state: Tensor, smooth_first: bool = True
    ) -> Scales:
        """Lengths of the unknowns, and of the rates of those of second order in time: a standing
        wave passes through zero with its rate at the largest.

        A multiplier follows from the others, and is not known at first.
        """
        assert self.problem.time is not None
        orders = self.shape.orders
        seen = [j for j in range(len(orders)) if j not in self.shape.multipliers]
        second = [j for j in seen if orders[j] == 2]
        c = torch.cat([state[0, seen], state[1, second]])
        # At rest, or at zero, at first: the other one says how large it will be.
        duration = self.problem.time[1] - self.problem.time[0]
        rates = torch.maximum(self.rates, self.values / duration)
        sizes = self.values.clone()
        sizes[second] = torch.maximum(sizes, 0.05 * duration * self.rates)[second]
        sizes = torch.cat([sizes[seen], rates[second]])
        return scales(self.problem.domain, spacings, modes, c, sizes, smooth_first)

    def fit(
        self, modes: Modes, spacings: Sequence[Spacing], state: Tensor, density: float, steps: int
    ) -> Fit:
        """How units that have been there for some steps fit a state."""
        needed = self.scales(modes, spacings, state)
        wanted = spacing_for(self.problem.domain, needed, density)
        few = steps > SETTLED and fewer(wanted, spacings, AHEAD)
        return Fit(shortfall(spacings, wanted), few, needed)


def fewer(wanted: Sequence[Spacing], have: Sequence[Spacing], ahead: float = 1.0) -> bool:
    """Whether much fewer units would do, placed closer than wanted by a factor."""
    now = np.prod([spacing.cells for spacing in have])
    then = np.prod([spacing.cells / ahead for spacing in wanted])
    return bool(then < FEWER ** len(have) * now)
