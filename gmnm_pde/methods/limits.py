"""What the points can tell of Gaussian units, and how units are kept to it.

A unit narrower than the points are apart hides between them, and one that none of them is near is
seen through its tail only. What the rows do not see grows without limit there: output weights of
1e100 were seen, with a small residual at every point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.networks import GMNM, LinearOutputNetwork
from gmnm_pde.networks.pieces import LinearPieces

NARROWEST = 0.5
"""Least width of a unit along any direction, in spacings of the points."""

WIDEST = 1e6
"""Largest width of a unit, in spacings: such a unit is constant, and P can still be inverted."""

REACH = 5.0
"""Largest distance |w| of a unit from the nearest point, in its widths: the point sees a few
millionths of the peak. A unit so far away is an exponential, which smooth solutions need: Poisson's
equation on a disk and an ellipse had 7 and 5 times the error with 3, the same with 8."""


@dataclass(frozen=True)
class Limits:
    """Limits for one network of Gaussian units, none for others.

    Arguments:
        points: of all rows, (n, d).
        spacing: of the points along each coordinate, (d,).
        reach: of every unit, (K,) for the layer of each piece: :data:`REACH`, or how far it was
            from the points at the start.
    """

    points: Tensor
    spacing: Tensor
    reach: tuple[Tensor, ...]

    @classmethod
    def around(cls, network: LinearOutputNetwork, points: Tensor, spacing: Tensor) -> Limits:
        """Limits that the network itself keeps to, but for the widths of its units."""
        with torch.no_grad():
            far = tuple(
                nearest(layer.mu, layer.P, points)[0].clamp_min(REACH) for layer in _layers(network)
            )
        return cls(points, spacing, far)

    def keep(self, network: LinearOutputNetwork) -> LinearOutputNetwork:
        """The network itself, its units moved and stretched as little as the limits ask for."""
        with torch.no_grad():
            for layer, reach in zip(_layers(network), self.reach, strict=True):
                bounded(layer, self.spacing)
                distance, index = nearest(layer.mu, layer.P, self.points)
                beyond = (1 - reach / distance.clamp_min(1e-300)).clamp_min(0.0)
                layer.mu.add_(beyond[:, None] * (self.points[index] - layer.mu))
        return network


def nearest(mu: Tensor, P: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """The least |w| of every unit at points (n, d), and the index of the point, both (K,)."""
    if P.ndim == 2:
        rows = [(points[:, j, None] - mu[:, j]) * P[:, j % P.shape[1]] for j in range(mu.shape[1])]
    else:
        # A matrix for each component of w, which is far cheaper than w itself, (n, K, r).
        rows = [points @ row.T - (row * mu).sum(1) for row in P.unbind(1)]
    square = torch.zeros_like(rows[0])
    for row in rows:
        square.addcmul_(row, row)
    least, index = square.min(0)
    return least.sqrt(), index


def bounded(layer: GMNM, spacing: Tensor) -> None:
    """Keep the widths of units within limits, along every direction, in place."""
    P, least, most = layer.P, 1 / WIDEST, 1 / NARROWEST
    if P.ndim == 2:
        h = spacing if P.shape[1] == len(spacing) else spacing.max()
        P.copy_(torch.where(P < 0, -1.0, 1.0) * (P * h).abs().clamp(least, most) / h)
        return
    # P of low rank is constant along some directions anyway, and is not inverted.
    lowest = least if P.shape[1] == P.shape[2] else 0.0
    values = torch.linalg.svdvals(P * spacing)
    if not torch.equal(values, values.clamp(lowest, most)):
        U, S, V = torch.linalg.svd(P * spacing, full_matrices=False)
        P.copy_((U * S.clamp(lowest, most)[:, None, :]) @ V / spacing)


def _layers(network: LinearOutputNetwork) -> Iterator[GMNM]:
    """The layers of Gaussian units, one a piece."""
    pieces = network.networks if isinstance(network, LinearPieces) else (network,)
    return (piece for piece in pieces if isinstance(piece, GMNM))
