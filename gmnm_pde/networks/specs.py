"""What a recipe says about a network: frozen options, one class for each network's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gmnm_pde.networks.base import Network
from gmnm_pde.networks.gmnm import GMNM


@dataclass(frozen=True)
class NetworkSpec:
    """Options of a network. A subclass adds its own and builds the network.

    Arguments:
        units: size asked for; None lets the method choose.
    """

    units: int | None = None

    def build(self, mu: Tensor, inverse_widths: Tensor, n_outputs: int) -> Network:
        """A network whose units start at centres mu (K, d) with 1/sigma (K, d)."""
        raise TypeError(f"{type(self).__name__} is abstract")

    @classmethod
    def rebuild(cls, arrays: Mapping[str, Tensor]) -> Network:
        """A network of the shape of stored parameters, which are loaded into it afterwards."""
        raise TypeError(f"{cls.__name__} is abstract")


@dataclass(frozen=True)
class GMNMSpec(NetworkSpec):
    """One GMNM layer.

    Arguments:
        projection: isotropic | diagonal | full | low_rank.
        rank: rows of P for low_rank.
    """

    projection: Literal["isotropic", "diagonal", "full", "low_rank"] = "diagonal"
    rank: int = 1

    def build(self, mu: Tensor, inverse_widths: Tensor, n_outputs: int) -> GMNM:
        d = mu.shape[1]
        if self.projection == "isotropic":
            P = inverse_widths.log().mean(1, keepdim=True).exp()
        elif self.projection == "diagonal":
            P = inverse_widths
        elif self.projection == "full":
            P = torch.diag_embed(inverse_widths)
        else:
            # Rows of the diagonal in turn, so that every direction is seen by some units.
            rows = (torch.arange(len(mu))[:, None] + torch.arange(self.rank)) % d
            P = torch.diag_embed(inverse_widths)[torch.arange(len(mu))[:, None], rows.to(mu.device)]
        return GMNM(mu, P, n_outputs)

    @classmethod
    def rebuild(cls, arrays: Mapping[str, Tensor]) -> GMNM:
        n_outputs = arrays["pi"].shape[1]
        return GMNM(arrays["mu"], arrays["P"], n_outputs, bias="b" in arrays)


NETWORKS: dict[str, type[NetworkSpec]] = {"gmnm": GMNMSpec}
