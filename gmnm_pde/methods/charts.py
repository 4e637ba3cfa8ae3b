"""Coordinates in which the inner parameters of a network are trained.

A Gaussian unit is a function of w = P (x - mu) alone, so the natural change of it is affine in w,

    w -> exp(E) w + e ,        P -> exp(E) P ,        mu -> mu - P^-1 e ,

with E symmetric: a turn of w leaves |w| and the unit as they are. That is d + d (d + 1) / 2 numbers
for a full P and none is wasted. A step of length one moves a unit by its own width or stretches it
by e, whatever its place and its size. Damping that is the same for all coordinates keeps units that
the rows hardly see where they are; scaled by the norms of their columns, as Marquardt scales, they
run away. (Measured on a smooth function with 64 units in 8 s: an error of 7e-7 against 4e-3.) In
between, a small power of the norm lets those few units whose weights are a million times larger
than the others' not hold the others up, see :data:`POWER`.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gmnm_pde.methods.limits import NARROWEST, nearest
from gmnm_pde.networks import GMNM, LinearOutputNetwork
from gmnm_pde.networks.pieces import LinearPieces

FARTHEST = 20.0
"""Largest |E|: exp(20) is wide enough for every step, and nothing overflows."""

POWER = 0.3
"""Of the norm of a unit's columns, what its damping is multiplied by; below 1/2 a unit that the
rows do not see is not moved. A polynomial of degree four and log(1 + x + 2y) after 6 s, two seeds
each: 3.6e-6 and 7e-7 with 0; 7e-7 and 9e-7 with 0.2; 1.9e-7 and 2.2e-8 with 0.3; 3.8e-7 and 4e-8
with 0.4."""

NEAR = 1e-9
"""Of a limit, the part that rounding may leave."""


@dataclass(frozen=True)
class Chart(ABC):
    """Coordinates around a network's inner parameters, zero where it is."""

    @abstractmethod
    def columns(self, J: Tensor) -> Tensor:
        """A Jacobian (n, p) for the inner parameters, for these coordinates, (n, q)."""

    @abstractmethod
    def scales(self, J: Tensor) -> Tensor:
        """What a coordinate's damping is to be multiplied by, (q,), for a Jacobian (n, q)."""

    def narrowing(self, spacing: Tensor) -> Tensor:
        """Orthonormal directions (k, q) along which units become narrower that are as narrow as
        points of a spacing (d,) allow."""
        return spacing.new_zeros(0, 0)

    def leaving(self, points: Tensor, reach: Sequence[Tensor]) -> Tensor:
        """Orthonormal directions (k, q) along which units leave the points (n, d) that are as far
        from them as they may be.

        Arguments:
            reach: the largest |w| at the nearest point, (K,) for the layer of each piece.
        """
        return points.new_zeros(0, 0)

    @abstractmethod
    def put(self, network: nn.Module, step: Tensor) -> None:
        """Give a copy of the network the parameters at these coordinates (q,)."""


@dataclass(frozen=True)
class Plain(Chart):
    """The parameters themselves, scaled by the norms of their columns (D. W. Marquardt, 1963)."""

    names: tuple[str, ...]

    def columns(self, J: Tensor) -> Tensor:
        return J

    def scales(self, J: Tensor) -> Tensor:
        return J.norm(dim=0).clamp_min(1e-30)

    def put(self, network: nn.Module, step: Tensor) -> None:
        parameters: dict[str, nn.Parameter] = dict(network.named_parameters())
        chosen = [parameters[name] for name in self.names]
        parts = step.split([parameter.numel() for parameter in chosen])
        with torch.no_grad():
            for parameter, part in zip(chosen, parts, strict=True):
                parameter.add_(part.reshape(parameter.shape))


@dataclass(frozen=True)
class Affine(Chart):
    """e and E of every unit, for centres mu (K, d) and a P that can be inverted."""

    mu: Tensor
    P: Tensor

    def columns(self, J: Tensor) -> Tensor:
        n, (K, d) = len(J), self.mu.shape
        moves = J[:, : K * d].reshape(n, K, d)
        stretches = J[:, K * d :].reshape(n, *self.P.shape)
        if self.P.ndim == 2:
            along = (-moves / self.P).flatten(1)
            return torch.cat([along, (stretches * self.P).flatten(1)], 1)
        along = -torch.einsum("nka,kab->nkb", moves, torch.linalg.inv(self.P))
        both = torch.einsum("nkp,kpq->nkq", stretches.flatten(2), self._slopes())
        return torch.cat([along.flatten(1), both.flatten(1)], 1)

    def scales(self, J: Tensor) -> Tensor:
        # One for all coordinates of a unit: directions of its own stay what they are.
        K, d = self.mu.shape
        each = J.shape[1] // K
        square = J.square().sum(0)
        unit = square[: K * d].reshape(K, d).sum(1) + square[K * d :].reshape(K, each - d).sum(1)
        scale = unit.clamp_min(1e-300).sqrt() ** POWER
        return torch.cat([scale.repeat_interleave(d), scale.repeat_interleave(each - d)])

    def narrowing(self, spacing: Tensor) -> Tensor:
        K, d = self.mu.shape
        most = (1 - NEAR) / NARROWEST
        if self.P.ndim == 2:
            h = spacing if self.P.shape[1] == d else spacing.max()
            unit, axis = torch.nonzero((self.P * h).abs() >= most, as_tuple=True)
            entries = torch.eye(self.P.shape[1], dtype=h.dtype, device=h.device)[axis]
        else:
            U, S, _ = torch.linalg.svd(self.P * spacing)
            unit, index = torch.nonzero(most <= S, as_tuple=True)
            u = U[unit, :, index]
            row, column, weight = self._entries()
            entries = u[:, row] * u[:, column] * weight
        each = entries.shape[1]
        found = self.mu.new_zeros(len(unit), K, each)
        found[torch.arange(len(unit), device=unit.device), unit] = entries
        return torch.cat([found.new_zeros(len(unit), K * d), found.flatten(1)], 1)

    def leaving(self, points: Tensor, reach: Sequence[Tensor]) -> Tensor:
        K, d = self.mu.shape
        distance, index = nearest(self.mu, self.P, points)
        (unit,) = torch.nonzero(distance >= (1 - NEAR) * reach[0], as_tuple=True)
        z = points[index[unit]] - self.mu[unit]
        w = self.P[unit] * z if self.P.ndim == 2 else (self.P[unit] @ z[:, :, None])[:, :, 0]
        # |w| changes with e and E as w'e / |w| and w'E w / |w|.
        if self.P.ndim == 2:
            stretch = w.square() if self.P.shape[1] == d else w.square().sum(1, keepdim=True)
        else:
            row, column, weight = self._entries()
            stretch = w[:, row] * w[:, column] * weight
        size = (w.square().sum(1) + stretch.square().sum(1)).sqrt()[:, None]
        found = self.mu.new_zeros(len(unit), K * d + K * stretch.shape[1])
        each = torch.arange(len(unit), device=unit.device)
        found[:, : K * d].reshape(len(unit), K, d)[each, unit] = w / size
        found[:, K * d :].reshape(len(unit), K, stretch.shape[1])[each, unit] = stretch / size
        return found

    def put(self, network: nn.Module, step: Tensor) -> None:
        assert isinstance(network, GMNM)
        K, d = self.mu.shape
        e, entries = step[: K * d].reshape(K, d), step[K * d :].reshape(K, -1)
        with torch.no_grad():
            if self.P.ndim == 2:
                P = self.P * entries.clamp(-FARTHEST, FARTHEST).exp()
                moved = e / P
            else:
                P = torch.linalg.matrix_exp(self._symmetric(entries)) @ self.P
                moved = torch.linalg.solve(P, e)
            network.P.copy_(P)
            network.mu.copy_(self.mu - moved)

    def _slopes(self) -> Tensor:
        """d P / d(coordinates of E) at E = 0, of every unit, (K, d d, d (d + 1) / 2)."""
        K, d = self.mu.shape
        row, column, weight = self._entries()
        entry = torch.arange(len(row), device=row.device)
        slopes = self.P.new_zeros(K, d, d, len(row))
        size = 0.5 * weight[:, None, None]
        for a, b in ((row, column), (column, row)):
            slopes[:, a, :, entry] += size * self.P[:, b].transpose(0, 1)
        return slopes.flatten(1, 2)

    def _symmetric(self, entries: Tensor) -> Tensor:
        """E (K, d, d), of the same norms, from its upper triangles, (K, d (d + 1) / 2)."""
        K, d = self.mu.shape
        row, column, weight = self._entries()
        entries = entries / weight
        E = entries.new_zeros(K, d, d)
        E[:, row, column] = entries
        E[:, column, row] = entries
        size = E.norm(dim=(1, 2), keepdim=True)
        return E * (FARTHEST / size.clamp_min(FARTHEST))

    def _entries(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and columns of an upper triangle, and the coordinate of an entry of one: the square
        root of two off the diagonal, which stands in E twice, so that turned units are damped
        alike."""
        d = self.mu.shape[1]
        row, column = torch.triu_indices(d, d, device=self.mu.device)
        weight = self.mu.new_full((len(row),), 2**0.5)
        weight[row == column] = 1.0
        return row, column, weight


@dataclass(frozen=True)
class Several(Chart):
    """Charts of the networks of several pieces.

    Arguments:
        sizes: parameters and coordinates of each.
    """

    charts: tuple[Chart, ...]
    sizes: tuple[tuple[int, int], ...]

    def columns(self, J: Tensor) -> Tensor:
        parts = J.split([p for p, _ in self.sizes], dim=1)
        pairs = zip(self.charts, parts, strict=True)
        return torch.cat([chart.columns(part) for chart, part in pairs], 1)

    def scales(self, J: Tensor) -> Tensor:
        parts = J.split([q for _, q in self.sizes], dim=1)
        return torch.cat([c.scales(part) for c, part in zip(self.charts, parts, strict=True)])

    def narrowing(self, spacing: Tensor) -> Tensor:
        return self._together([chart.narrowing(spacing) for chart in self.charts])

    def leaving(self, points: Tensor, reach: Sequence[Tensor]) -> Tensor:
        pairs = zip(self.charts, reach, strict=True)
        return self._together([chart.leaving(points, (each,)) for chart, each in pairs])

    def _together(self, found: Sequence[Tensor]) -> Tensor:
        """Directions of all pieces."""
        widths = [q for _, q in self.sizes]
        rows = found[0].new_zeros(sum(map(len, found)), sum(widths))
        start, left = 0, 0
        for part, q in zip(found, widths, strict=True):
            rows[start : start + len(part), left : left + q] = part.reshape(len(part), q)
            start, left = start + len(part), left + q
        return rows

    def put(self, network: nn.Module, step: Tensor) -> None:
        assert isinstance(network, LinearPieces)
        parts = step.split([q for _, q in self.sizes])
        for chart, piece, part in zip(self.charts, network.networks, parts, strict=True):
            chart.put(piece, part)


def chart_of(network: LinearOutputNetwork) -> Chart:
    """The coordinates that a network is trained in."""
    if isinstance(network, LinearPieces):
        charts = tuple(chart_of(piece) for piece in network.networks)
        pairs = zip(charts, network.networks, strict=True)
        return Several(charts, tuple(_sizes(chart, piece) for chart, piece in pairs))
    if isinstance(network, GMNM) and network.projection != "low_rank":
        return Affine(network.mu.detach().clone(), network.P.detach().clone())
    return Plain(network.inner_parameters)


def moved(network: LinearOutputNetwork, chart: Chart, step: Tensor) -> LinearOutputNetwork:
    """A copy of a network with other inner parameters."""
    result = copy.deepcopy(network)
    chart.put(result, step)
    return result


def _sizes(chart: Chart, network: LinearOutputNetwork) -> tuple[int, int]:
    parameters = dict(network.named_parameters())
    count = sum(parameters[name].numel() for name in network.inner_parameters)
    columns = chart.columns(next(network.parameters()).new_zeros(0, count))
    return count, columns.shape[1]
