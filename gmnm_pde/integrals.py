"""Which residuals hold integrals over the domain, and where these are evaluated."""

from __future__ import annotations

from dataclasses import replace

from gmnm_pde.linearised import Block, Key, probed
from gmnm_pde.problem import Problem


def integrates(problem: Problem, block: Block) -> bool:
    """Whether a block's residual holds integrals over the domain."""
    return bool(probed(problem, block).integrals)


def integrated(problem: Problem, block: Block) -> set[Key]:
    """The derivatives that integrals in a block's residual ask for."""
    return {key for item in probed(problem, block).integrals for key in item.jet.leaves}


def with_quadrature(problem: Problem, block: Block, count: int | None = None) -> Block:
    """The block with the points of its integrals, if there are any, settled.

    Arguments:
        count: about how many points in space.
    """
    if block.quadrature is not None or not integrates(problem, block):
        return block
    rule = problem.quadrature(block.points, count).to(block.points)
    return replace(block, quadrature=rule)
