"""Curved pieces of boundary: spheres in any number of dimensions, and ellipses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.geometry.pieces import Pieces


@dataclass(frozen=True, eq=False)
class Sphere(Pieces):
    """A sphere in R^d, d >= 2, by its polar angles.

    x_1 = cos a_1, x_2 = sin a_1 cos a_2, ..., x_d = sin a_1 ... sin a_{d-1}; the density of a_i
    is sin(a_i)^(d-1-i), so (1 - cos a_i)/2 has a beta distribution and its quantile at a uniform
    parameter keeps area.

    Arguments:
        center: (d,).
        radius: positive.
    """

    center: Tensor
    radius: float

    @property
    def parameters(self) -> int:
        return self.center.shape[0] - 1

    @cached_property
    def measures(self) -> Tensor:
        d = self.center.shape[0]
        area = 2.0 * math.pi ** (d / 2) / math.gamma(d / 2) * self.radius ** (d - 1)
        return torch.tensor([area], dtype=torch.float64)

    def evaluate(self, index: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        share = self._share(parameters)
        sine = 2.0 * (share * (1.0 - share)).sqrt()
        cosine = 1.0 - 2.0 * share
        angle = 2.0 * math.pi * parameters[:, -1:]
        cosines = torch.cat([cosine, angle.cos(), torch.ones_like(angle)], 1)
        sines = torch.cat([torch.ones_like(angle), sine, angle.sin()], 1)
        normals = sines.cumprod(1) * cosines
        return self.center + self.radius * normals, normals

    def bounds(self, index: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        first, last = self._share(lower), self._share(upper)
        ends = 2.0 * (first * (1.0 - first)).sqrt(), 2.0 * (last * (1.0 - last)).sqrt()
        top = torch.where((first < 0.5) & (last > 0.5), 1.0, torch.maximum(*ends))
        one = torch.ones_like(lower[:, :1])
        low_sine = torch.cat([one, torch.minimum(*ends)], 1).cumprod(1)
        high_sine = torch.cat([one, top], 1).cumprod(1)
        low_cos, high_cos, low_sin, high_sin = angle_bounds(
            2.0 * math.pi * lower[:, -1], 2.0 * math.pi * upper[:, -1]
        )
        low = torch.cat([1.0 - 2.0 * last, low_cos[:, None], low_sin[:, None]], 1)
        high = torch.cat([1.0 - 2.0 * first, high_cos[:, None], high_sin[:, None]], 1)
        low_sine = torch.cat([low_sine, low_sine[:, -1:]], 1)
        high_sine = torch.cat([high_sine, high_sine[:, -1:]], 1)
        low = torch.minimum(low * low_sine, low * high_sine)
        high = torch.maximum(high * low_sine, high * high_sine)
        return self.center + self.radius * low, self.center + self.radius * high

    def _share(self, parameters: Tensor) -> Tensor:
        """(1 - cos a_i) / 2 of the polar angles a_1 ... a_{d-2}, (n, d - 2)."""
        # With weight sin^p: p = d - 2, d - 3, ..., 1; for p = 1 the quantile is the identity.
        half = (torch.arange(self.parameters, 1, -1, dtype=torch.float64)) / 2.0
        polar = parameters[:, :-1]
        if self.parameters < 3:
            return polar
        from scipy.special import betaincinv

        return torch.from_numpy(betaincinv(half.numpy(), half.numpy(), polar.numpy()))


@dataclass(frozen=True, eq=False)
class EllipseCurve(Pieces):
    """An ellipse by arc length, which the incomplete elliptic integral gives.

    Arguments:
        center: (2,).
        semiaxes: (2,) positive.
    """

    center: Tensor
    semiaxes: Tensor

    @property
    def parameters(self) -> int:
        return 1

    @cached_property
    def measures(self) -> Tensor:
        length = self._arc(np.array([2.0 * math.pi]))
        return torch.from_numpy(length)

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        angles = np.linspace(0.0, 2.0 * math.pi, 1025)
        return angles, self._arc(angles)

    def evaluate(self, index: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        angle = self._angle(parameters[:, 0])
        unit = torch.stack([angle.cos(), angle.sin()], 1)
        normals = unit / self.semiaxes
        points = self.center + self.semiaxes * unit
        return points, normals / normals.norm(dim=1, keepdim=True)

    def bounds(self, index: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        ends = self._angle(lower[:, 0]), self._angle(upper[:, 0])
        low_cos, high_cos, low_sin, high_sin = angle_bounds(*ends)
        low, high = torch.stack([low_cos, low_sin], 1), torch.stack([high_cos, high_sin], 1)
        return self.center + self.semiaxes * low, self.center + self.semiaxes * high

    def _arc(self, angle: np.ndarray) -> np.ndarray:
        """Arc length from the end of the first semiaxis."""
        from scipy.special import ellipeinc

        a, b = self.semiaxes.tolist()
        return b * ellipeinc(angle, 1.0 - (a / b) ** 2)

    def _angle(self, parameter: Tensor) -> Tensor:
        """The angle at a share of the circumference: table, then safeguarded Newton steps."""
        angles, arcs = self._table
        target = parameter.numpy() * arcs[-1]
        place = np.clip(np.searchsorted(arcs, target) - 1, 0, len(arcs) - 2)
        angle = np.interp(target, arcs, angles)
        a, b = self.semiaxes.tolist()
        for _ in range(6):
            speed = np.hypot(a * np.sin(angle), b * np.cos(angle))
            step = (self._arc(angle) - target) / speed
            angle = np.clip(angle - step, angles[place], angles[place + 1])
            if np.abs(step).max(initial=0.0) < 1e-13:
                break
        return torch.from_numpy(angle)


def angle_bounds(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Least and greatest cosine, then sine, over the angles [first, last] within [0, 2 pi]."""

    def passes(angle: float) -> Tensor:
        return (first < angle) & (last > angle)

    def span(ends: tuple[Tensor, Tensor], least: float, greatest: float) -> tuple[Tensor, Tensor]:
        low, high = torch.minimum(*ends), torch.maximum(*ends)
        minus, plus = torch.full_like(low, -1.0), torch.full_like(low, 1.0)
        return torch.where(passes(least), minus, low), torch.where(passes(greatest), plus, high)

    # The cosine's greatest value, at 0 and 2 pi, is always an end.
    low_cos, high_cos = span((first.cos(), last.cos()), math.pi, math.inf)
    low_sin, high_sin = span((first.sin(), last.sin()), 1.5 * math.pi, 0.5 * math.pi)
    return low_cos, high_cos, low_sin, high_sin
