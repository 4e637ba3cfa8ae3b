"""Functions of an array side by side, the first half of a layer of a stacked network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gmnm_pde.fields import Orders
from gmnm_pde.networks.jets import Jet


class Basis(nn.Module, ABC):
    """Functions b(h) of (..., inputs) with their derivatives."""

    @abstractmethod
    def forward(self, x: Jet) -> Jet:
        """(..., inputs) -> (..., functions)."""

    def mapped(self, x: Jet, matrix: Tensor) -> Jet:
        """b(h) W, (..., inputs) -> (..., entries).

        A basis whose sums cost less than all of its functions overrides this.
        """
        return self(x).linear(matrix)

    def rows(self, x: Jet, slopes: Mapping[Orders, Tensor]) -> Tensor:
        """sum over alpha of D^alpha b(h) g_alpha', (n, functions, entries).

        Arguments:
            slopes: g_alpha, (n, entries).
        """
        functions: Jet = self(x)
        left = torch.stack([functions.part(alpha) for alpha in slopes], dim=-1)
        return left @ torch.stack(list(slopes.values()), dim=1)
