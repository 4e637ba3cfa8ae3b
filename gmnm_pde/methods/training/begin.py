"""What a training method starts from: a network, and rows to train it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gmnm_pde.collocation import data_blocks, scattered
from gmnm_pde.errors import InputError
from gmnm_pde.linearised import Block
from gmnm_pde.methods.base import Setting
from gmnm_pde.methods.training.parameters import copied, trained
from gmnm_pde.networks import Network
from gmnm_pde.problem import Problem, Sampling
from gmnm_pde.weighting import Expected

CHECKED = 1000
"""Points inside, never trained on, at which the residual is measured."""


def begin(setting: Setting, network: Network | None, method: str) -> Network:
    """A copy of what an earlier method left, or a new network, on the device of the solve.

    Arguments:
        method: its name, for messages.

    Raises:
        InputError: the network has no parameters that can be trained.
    """
    started = setting.placed(copied(setting.initial() if network is None else network))
    if not trained(started):
        raise InputError(
            f"the method {method} trains parameters, and the network {type(started).__name__} that "
            "the method before left has none.",
            mend="Take the method as the first one, or leave it out.",
        )
    return started


def training_blocks(
    setting: Setting, sampling: Sampling, condition_weight: float, cells: float
) -> tuple[Block, ...]:
    """Rows at the points of a fit."""
    found = scattered(setting.problem, sampling, setting.seed)
    return _placed(setting, found, condition_weight, cells)


def check_blocks(setting: Setting, condition_weight: float, cells: float) -> tuple[Block, ...]:
    """Rows at points that no training uses; of data without equations, those held back."""
    problem = setting.problem
    if problem.equations:
        sampling = Sampling(CHECKED, setting.sampling.boundary, "random")
        found = scattered(replace(problem, data=None), sampling, setting.seed + 2)
        # An integral would only be the same row again.
        found = [block for block in found if block.kind in ("equation", "condition")]
    else:
        found = data_blocks(problem, held_back=True)
    return _placed(setting, found, condition_weight, cells)


def _placed(
    setting: Setting, blocks: Sequence[Block], condition_weight: float, cells: float
) -> tuple[Block, ...]:
    weighted = (scaled(setting.problem, block, condition_weight, cells) for block in blocks)
    return tuple(setting.placed(block) for block in weighted)


def scaled(problem: Problem, block: Block, condition_weight: float, cells: float) -> Block:
    """The block with its rows divided by the size that the residual has for unknowns of size one
    that vary over a cell,

        size = rms_x  sum_alpha |a_alpha(x)| / h^alpha ,       h = (upper - lower) / cells ,

    so that a wave number or a diffusivity does not decide what the loss is made of. One number a
    block: where a coefficient vanishes, rows do not become infinitely heavy.
    """
    factor = 1.0 if block.kind == "equation" else condition_weight
    if block.kind in ("integral", "data") or not len(block.points):
        return replace(block, weights=block.weights * factor)
    box = [b - a for a, b in zip(problem.region.lower, problem.region.upper, strict=True)]
    spacing = block.points.new_tensor(box).expand(len(block.points), -1) / cells
    size = Expected().row_size(problem, block, spacing)
    if size is not None and bool((size > 0).any()):
        factor /= size.square().mean().sqrt().item()
    return replace(block, weights=block.weights * factor)
