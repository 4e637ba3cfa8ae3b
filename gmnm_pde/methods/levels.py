"""What least squares keeps from level to level."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from gmnm_pde.estimate import Estimate
from gmnm_pde.linearised import Block
from gmnm_pde.methods.growth import Placed, Plan
from gmnm_pde.methods.weights import Fit
from gmnm_pde.networks import LinearOutputNetwork
from gmnm_pde.placement import Layout
from gmnm_pde.weighting import Expected

LESS = 0.5
"""A level that leaves less than this part of an earlier one's misfit is better than that one."""


@dataclass(frozen=True)
class Best:
    """The level with the smallest estimated error."""

    error: float
    misfit: float
    ridge: float
    plan: Plan

    def outdone(self, estimate: Estimate) -> bool:
        """Whether a later level is better: by its estimate, or because it leaves far less of the
        residual and this estimate was made with a factor that turned out too small."""
        if not math.isfinite(estimate.worst) and math.isfinite(self.error):
            return False
        closer = math.isfinite(estimate.worst) and estimate.worst <= self.error
        return closer or estimate.misfit < LESS * self.misfit


@dataclass(frozen=True)
class CheckedAt:
    """Points that no fit uses, the same for all levels with the same patches.

    Arguments:
        boxes: of the patches.
        blocks: rows without weights, which follow the spacings of a level.
    """

    boxes: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Coming:
    """The next level, and whether it has a new patch: found when it is asked for, as after the last
    level it is not."""

    find: Callable[[], tuple[Placed, bool]]

    @classmethod
    def known(cls, placed: Placed, graded: bool = False) -> Coming:
        """A level that was found already."""
        return cls(lambda: (placed, graded))

    @cached_property
    def found(self) -> tuple[Placed, bool]:
        """What ``find`` gives."""
        return self.find()


@dataclass(frozen=True)
class Memory:
    """Between levels.

    Arguments:
        coming: the next level.
        probes: points at which levels are compared, (n, d).
        linear: whether the problem is.
        values: of the last level at the probes, (n, m).
        estimate: of the last level.
        best: None before the first level.
        since_best: levels since then.
        imbalance: of the last level, see :class:`weights.Fit`.
        seconds: of the last level.
        expected: what the last level says about the solution.
        troubled: how many levels in succession did not reach a minimum of the residual.
        failure: why the last level could not be solved at all.
        last: the last level and its network.
        check: where it was checked.
    """

    coming: Coming
    probes: Tensor
    linear: bool
    values: Tensor | None = None
    estimate: Estimate | None = None
    best: Best | None = None
    since_best: int = 0
    imbalance: float | None = None
    seconds: float = 0.0
    expected: Expected = field(default_factory=Expected)
    troubled: int = 0
    failure: str | None = None
    last: tuple[Placed, LinearOutputNetwork] | None = None
    check: CheckedAt | None = None

    @property
    def placed(self) -> Placed:
        """The next level."""
        return self.coming.found[0]

    @property
    def plan(self) -> Plan:
        """Of the next level."""
        return self.placed.plan

    @property
    def graded(self) -> bool:
        """Whether the next level has a new patch."""
        return self.coming.found[1]


PLAIN = ("since_best", "imbalance", "seconds", "troubled", "failure")
PARTS: dict[str, type] = {"estimate": Estimate, "best": Best}
"""What a checkpoint holds of the memory beside the plan: plain values, and dataclasses of them."""


@dataclass(frozen=True)
class Level:
    """A level that was solved."""

    layout: Layout
    network: LinearOutputNetwork
    blocks: Sequence[Block]
    check: Sequence[Block]
    fit: Fit
    trouble: str | None = None
