"""Several starts, of which the better half goes on until one is left.

Successive halving (K. Jamieson and A. Talwalkar, AISTATS 2016, arXiv 1502.07943): a poor minimum
shows early, and what a start costs is a small part of what training costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from gmnm_pde.methods.base import Setting, State

SHARE = 0.25
"""Of the time limit, what the comparison of starts may take."""


def best_start(
    starts: Sequence[State],
    further: Callable[[State], State],
    misfit: Callable[[State], float],
) -> State:
    """The start that is left; a single one is not touched.

    Arguments:
        further: a start after some iterations.
        misfit: at points that are not trained on.
    """
    while len(starts) > 1:
        starts = sorted(map(further, starts), key=misfit)[: (len(starts) + 1) // 2]
    return starts[0]


def may_go_on(setting: Setting) -> bool:
    """Whether there is time to go on comparing."""
    return setting.elapsed < SHARE * setting.time_limit


def seeds(seed: int, count: int) -> list[int]:
    """Seeds of as many starts, the given one first; other first seeds lead to quite other ones."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(2**31, (count - 1,), generator=generator)
    return [seed, *drawn.tolist()]
