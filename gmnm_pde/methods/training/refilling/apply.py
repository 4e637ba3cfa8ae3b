"""An objective whose equations have new points."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gmnm_pde.linearised import Block
from gmnm_pde.methods.base import Setting
from gmnm_pde.methods.training.objective import Objective
from gmnm_pde.methods.training.refilling.base import Refill, Region
from gmnm_pde.networks import Network


def refilled(
    setting: Setting, objective: Objective, network: Network, rule: Refill, iteration: int
) -> Objective:
    """The objective with the points of its equations chosen by a rule; conditions keep theirs."""
    equations = [block for block in objective.blocks if block.kind == "equation"]
    if not equations:
        return objective
    seed = 7919 * (iteration + 1) + setting.seed

    def uniform(count: int) -> Tensor:
        if count == 0:
            return equations[0].points[:0]
        return setting.placed(setting.problem.region.sample_interior(count, "random", seed))

    def residual(points: Tensor) -> Tensor:
        moved = Objective(setting.problem, [at_points(block, points) for block in equations])
        with torch.no_grad():
            rows = moved.rows(network)
        return torch.stack([row.square() for row in rows]).sum(0).sqrt()

    generator = torch.Generator().manual_seed(seed)
    points = rule.chosen(equations[0].points, Region(uniform, residual, generator))
    blocks = [
        at_points(block, points) if block.kind == "equation" else block
        for block in objective.blocks
    ]
    return Objective(setting.problem, blocks)


def at_points(block: Block, points: Tensor) -> Block:
    """The rows of an equation at other points."""
    # All rows of an equation have the same weight here (training.begin.scaled).
    return replace(block, points=points, weights=block.weights[:1].expand(len(points)))
