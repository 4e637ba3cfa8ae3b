"""The contract of a rule for points, and sampling by a density."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

CANDIDATES = 10
"""Uniform points that a density is looked at on, over the points chosen among them."""


@dataclass(frozen=True)
class Region:
    """Where points may lie.

    Arguments:
        uniform: so many points spread uniformly at random, (n, d).
        residual: the size of the equations' residual at points, (n,).
        generator: of all other random numbers.
    """

    uniform: Callable[[int], Tensor]
    residual: Callable[[Tensor], Tensor]
    generator: torch.Generator


class Refill(ABC):
    """A rule for the points of the equations. Concrete ones are frozen dataclasses of options."""

    @abstractmethod
    def chosen(self, points: Tensor, region: Region) -> Tensor:
        """The next points from those so far, (n, d)."""


def by_density(region: Region, count: int, power: float, floor: float) -> Tensor:
    """Points drawn without repetition by the density |r|^power / mean |r|^power + floor.

    C. Wu, M. Zhu, Q. Tan, Y. Kartha and L. Lu, Comput. Methods Appl. Mech. Eng. 403 (2023), arXiv
    2207.10289, eq. 2.
    """
    candidates = region.uniform(CANDIDATES * count)
    density = relative_density(region.residual(candidates), power, floor)
    order = torch.multinomial(density.cpu(), count, generator=region.generator)
    return candidates[order.to(candidates.device)]


def relative_density(size: Tensor, power: float, floor: float) -> Tensor:
    """|r|^power / mean |r|^power + floor, (n,); even where the residual is zero or not finite."""
    raised = size.abs().nan_to_num(0.0, 0.0, 0.0) ** power
    mean = raised.mean()
    return raised / mean + floor if float(mean) > 0 else torch.ones_like(raised)
