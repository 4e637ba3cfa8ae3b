"""Networks that have grids: whether one can be refined, and whether its points support that."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import torch

from gmnm_pde.errors import InputError
from gmnm_pde.linearised import Block
from gmnm_pde.methods.base import Setting
from gmnm_pde.networks import Network, spec_name


def check_grids(setting: Setting, network: Network, method: str) -> None:
    """Refuse to refine a network that has no grids.

    Raises:
        InputError: it has none.
    """
    few = setting.placed(setting.problem.region.sample_interior(100, "sobol", 0))
    if network.refined(few) is None:
        raise InputError(
            f"the method {method} is asked to refine grids, and the network "
            f"{type(network).__name__} has none.",
            mend="Leave out `grids` and `grid_updates`, or take the network kan.",
        )


def check_support(
    setting: Setting, network: Network, blocks: Sequence[Block], grids: Sequence[int]
) -> None:
    """Refuse a network that has, or comes to have, far more numbers than rows to train them on.

    Arguments:
        grids: intervals that it is refined to.

    Raises:
        InputError: more than :attr:`NetworkSpec.most_per_row` of them for each row.
    """
    most = setting.network.most_per_row
    if most is None:
        return
    rows = sum(len(block.points) if block.average is None else 1 for block in blocks)
    points = torch.cat([block.points for block in blocks])
    finest = network.refined(points, max(grids)) if grids else network
    numbers = sum(parameter.numel() for parameter in (finest or network).parameters())
    if numbers > most * rows:
        inside = [len(block.points) for block in blocks if block.kind == "equation"]
        # On the boundary there will be more too.
        enough = ceil((numbers / most - rows + sum(inside)) / max(1, len(inside)))
        more = f", or {enough:,} points inside (`sampling`)" if inside else ""
        raise InputError(
            f"the network {spec_name(setting.network)} has up to {numbers:,} numbers here, and the "
            f"problem {setting.problem.name} {rows:,} rows to train them on: with more than "
            f"{most:g} for each row it would follow the points and miss what is between them.",
            mend=f"Take a smaller network (`widths`, `grid`, `grids`){more}.",
        )
