"""What is measured of a network between stretches of training.

The residual at points never used, always with the same weights, tells which of the networks so far
is the best: losses of different points or weights cannot be compared. An earlier network whose
residual was much larger serves to estimate the error (:func:`gmnm_pde.estimate.calibrated`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.estimate import Estimate, calibrated, held_back, misfit
from gmnm_pde.methods.base import Setting
from gmnm_pde.methods.training.begin import check_blocks
from gmnm_pde.methods.training.objective import Objective
from gmnm_pde.methods.weights import unweighted_rms
from gmnm_pde.networks import Network, evaluate

PROBES = 1000
"""Points at which networks are compared with each other."""

APART = 10.0
"""A misfit larger by this factor is that of quite another network."""

BETWEEN = 0.5
"""A network is remembered if its misfit is below this part of the last one's that was."""


@dataclass(frozen=True)
class Snapshot:
    """An earlier network, to calibrate the estimate with."""

    misfit: float
    values: Tensor


@dataclass(frozen=True)
class Seen:
    """A network as it is. ``relative`` is empty where nothing is known of the error."""

    misfit: float
    residual_rms: float
    boundary_rms: float
    relative: Mapping[str, float]


class Watch:
    """Points to look at networks at; made once."""

    def __init__(self, setting: Setting, condition_weight: float, cells: float) -> None:
        self.setting = setting
        self.blocks = check_blocks(setting, condition_weight, cells)
        self.objective = Objective(setting.problem, self.blocks)
        probes = setting.problem.region.sample_interior(PROBES, "sobol", setting.seed + 1)
        self.probes = setting.placed(probes)

    def look(
        self, network: Network, snapshots: tuple[Snapshot, ...]
    ) -> tuple[Seen, tuple[Snapshot, ...]]:
        """The network as it is, and what to remember."""
        with torch.no_grad():
            rows = self.objective.rows(network)
        now = misfit(rows, self.blocks)
        values = evaluate(network, self.probes)
        values = self.setting.problem.completed(self.probes, values)
        relative = self._estimated(now, values, snapshots)
        if math.isfinite(now) and (not snapshots or now < BETWEEN * snapshots[-1].misfit):
            snapshots = (*snapshots, Snapshot(now, values))
        seen = Seen(
            now,
            unweighted_rms(rows, self.blocks, ("equation", "data")),
            unweighted_rms(rows, self.blocks, ("condition",)),
            relative,
        )
        return seen, snapshots

    def _estimated(
        self, now: float, values: Tensor, snapshots: tuple[Snapshot, ...]
    ) -> dict[str, float]:
        """The larger that two earlier networks tell: one may be close by chance."""
        unknowns = self.setting.problem.unknowns
        if not self.setting.problem.equations:
            return dict(held_back(unknowns, now, values).relative)
        earlier = [shot for shot in snapshots if shot.misfit > APART * now]
        relative: dict[str, float] = {}
        for shot in earlier[-2:]:
            found = calibrated(unknowns, now, values, shot.values, Estimate({}, shot.misfit))
            for name, error in found.relative.items():
                relative[name] = max(error, relative.get(name, 0.0))
        known = len(earlier) > 1 and all(map(math.isfinite, relative.values()))
        return relative if known else {}
