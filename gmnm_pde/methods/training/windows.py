"""Time windows: training on the beginning of the time interval first, on all of it in the end.

    m_i = n / n'  where  t_i <= t_0 + (k + 1) / windows (t_1 - t_0) ,   0 beyond it,

in window k, n' of the n rows of a block being in it: C. L. Wight and J. Zhao, arXiv 2007.04542,
section 3.3 (time-adaptive sampling by a growing interval). One network serves all windows, so that
a solution is one function of space and time.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from gmnm_pde.linearised import Block
from gmnm_pde.methods.training.objective import Objective, Weights


def windowed(objective: Objective, weights: Weights, window: int, windows: int) -> Weights:
    """The weights with those of rows after the end of a window zero."""
    time = objective.problem.time
    assert time is not None
    if window >= windows - 1:
        return weights
    end = time[0] + (window + 1) / windows * (time[1] - time[0])
    found = list(weights.rows)
    for i, block in enumerate(objective.blocks):
        if block.kind in ("equation", "condition"):
            inside = (row_times(block) <= end).to(block.points)
            share = inside / inside.mean().clamp_min(1 / len(inside))
            known = found[i]
            found[i] = share if known is None else share * known
    return replace(weights, rows=tuple(found))


def row_times(block: Block) -> Tensor:
    """The time of each row, the mean over the points that it combines, (rows,)."""
    times = block.points[:, -1]
    if block.average is None:
        return times
    combined = block.combined
    return combined @ times / (combined @ times.new_ones(len(times)))
