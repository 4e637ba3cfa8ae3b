"""Gaussian units in many dimensions: derivatives up to pure second ones by matrix products.

The recursion of :mod:`gmnm_pde.networks.gmnm` holds one (n, K) array for each coordinate. Here all
coordinates enter through products of matrices, so that an operator

    L g = c g + sum_j b_j dg/dx_j + sum_j a_j d2g/dx_j2

with coefficients that depend on the point costs about as much as the units themselves, whatever the
dimension. With z = x - mu, w = P z, s = P'w and M = P'P,

    L g = g ( c - b.s + sum_j a_j (s_j^2 - M_jj) ) .

Squares are expanded, |x - mu|^2 = |x|^2 - 2 x.mu + |mu|^2, which loses the digits by which units
are narrower than the domain: none to speak of in many dimensions, where only wide units are of use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gmnm_pde.fields import Orders

FEW = 3
"""Up to so many coordinates the recursion is used, for every order and to the last digit."""


def covers(orders: Iterable[Orders]) -> bool:
    """Whether there are only values, first and pure second derivatives."""
    return all(sum(alpha) <= max((1, *alpha)) and sum(alpha) <= 2 for alpha in orders)


@dataclass(frozen=True)
class Coefficients:
    """c (n,), b (n, d) and a (n, d) of an operator L; b and a are None where they vanish."""

    c: Tensor | None
    b: Tensor | None
    a: Tensor | None

    @classmethod
    def of(cls, weights: Mapping[Orders, Tensor], points: Tensor) -> Coefficients:
        """From sum_alpha weights_alpha D^alpha, each (n,) or one number."""
        found: list[Tensor | None] = [None, None, None]
        for alpha, weight in weights.items():
            order = sum(alpha)
            if order == 0:
                found[0] = weight.expand(len(points))
                continue
            known = found[order]
            columns = torch.zeros_like(points) if known is None else known
            columns[:, alpha.index(order)] = weight
            found[order] = columns
        return cls(*found)


class Products:
    """The units of a layer at n points.

    Arguments:
        points: (n, d).
        mu: (K, d).
        P: diagonal (K, d), isotropic (K, 1), or rows (K, r, d).
    """

    def __init__(self, points: Tensor, mu: Tensor, P: Tensor) -> None:
        self.points, self.mu = points, mu
        self.P = P.expand(-1, points.shape[1]) if P.ndim == 2 else P

    @cached_property
    def w(self) -> list[Tensor]:
        """The rows of w = P z, each (n, K); for matrices P only."""
        return [self.points @ row.T - (row * self.mu).sum(1) for row in self.P.unbind(1)]

    @cached_property
    def g(self) -> Tensor:
        """The units, (n, K)."""
        if self.P.ndim == 3:
            square = torch.stack([w.square() for w in self.w]).sum(0)
        else:
            square = self._squares(torch.ones_like(self.points), self.P.square()).clamp_min(0.0)
        return torch.exp(-0.5 * square)

    def applied(self, weights: Mapping[Orders, Tensor]) -> Tensor:
        """sum_alpha weights_alpha D^alpha g, (n, K)."""
        return self.g * self.factor(Coefficients.of(weights, self.points))

    def factor(self, L: Coefficients) -> Tensor:
        """L g / g, (n, K)."""
        total = torch.zeros_like(self.g)
        if L.c is not None:
            total = total + L.c[:, None]
        if L.b is not None:
            total = total - self._along(L.b)
        if L.a is not None:
            total = total + self._curvature(L.a)
        return total

    def gradient(self, pi: Tensor) -> Tensor:
        """First derivatives of sum_k pi_k g_k, (n, d)."""
        g = self.g * pi
        if self.P.ndim == 3:
            rows = [(g * w) @ row for w, row in zip(self.w, self.P.unbind(1), strict=True)]
            return -torch.stack(rows).sum(0)
        m = self.P.square()
        return g @ (m * self.mu) - self.points * (g @ m)

    def curvatures(self, pi: Tensor) -> Tensor:
        """Pure second derivatives of sum_k pi_k g_k, (n, d)."""
        g, m = self.g * pi, self._diagonal
        total = -(g @ m)
        if self.P.ndim == 2:
            x, q = self.points, m.square()
            return total + x * x * (g @ q) - 2 * x * (g @ (q * self.mu)) + g @ (q * self.mu**2)
        rows = self.P.unbind(1)
        for i, w in enumerate(self.w):
            for j in range(i + 1):
                times = 1.0 if i == j else 2.0
                total = total + times * ((g * w * self.w[j]) @ (rows[i] * rows[j]))
        return total

    @property
    def _diagonal(self) -> Tensor:
        """M_jj, (K, d)."""
        square = self.P.square()
        return square if self.P.ndim == 2 else square.sum(1)

    def _along(self, b: Tensor) -> Tensor:
        """b.s, (n, K)."""
        if self.P.ndim == 3:
            rows = [w * (b @ row.T) for w, row in zip(self.w, self.P.unbind(1), strict=True)]
            return torch.stack(rows).sum(0)
        m = self.P.square()
        return (b * self.points) @ m.T - b @ (m * self.mu).T

    def _curvature(self, a: Tensor) -> Tensor:
        """sum_j a_j (s_j^2 - M_jj), (n, K)."""
        total = -(a @ self._diagonal.T)
        if self.P.ndim == 2:
            return total + self._squares(a, self.P.square().square())
        rows = self.P.unbind(1)
        for i, w in enumerate(self.w):
            for j in range(i + 1):
                times = 1.0 if i == j else 2.0
                total = total + times * w * self.w[j] * (a @ (rows[i] * rows[j]).T)
        return total

    def _squares(self, a: Tensor, q: Tensor) -> Tensor:
        """sum_j a_j q_j z_j^2, (n, K)."""
        x, mu = self.points, self.mu
        return (a * x * x) @ q.T - 2 * (a * x) @ (q * mu).T + a @ (q * mu * mu).T

    def unit_jacobian(self, L: Coefficients, name: str) -> Tensor:
        """d(L g)/d(mu or P) of every unit, (n, K, numbers of one unit); P of rank one or
        diagonal."""
        z = self.points[:, None, :] - self.mu
        return self._of_ridge(L, name, z) if self.P.ndim == 3 else self._of_axes(L, name, z)

    def _of_ridge(self, L: Coefficients, name: str, z: Tensor) -> Tensor:
        p, w = self.P[:, 0], self.w[0]
        zero = self.points.new_zeros(len(self.points))
        c = (zero if L.c is None else L.c)[:, None]
        b = self.points.new_zeros(1, z.shape[2]) if L.b is None else L.b
        a = self.points.new_zeros(1, z.shape[2]) if L.a is None else L.a
        flat, curved = b @ p.T, a @ p.square().T
        slope = self.g * (-c * w + flat * (w * w - 1) + curved * (3 * w - w**3))
        if name == "mu":
            return -slope[:, :, None] * p
        explicit = -(w * self.g)[:, :, None] * b[:, None]
        explicit = explicit + (2 * (w * w - 1) * self.g)[:, :, None] * (a[:, None] * p)
        return slope[:, :, None] * z + explicit

    def _of_axes(self, L: Coefficients, name: str, z: Tensor) -> Tensor:
        P, m = self.P, self.P.square()
        whole = (self.g * self.factor(L))[:, :, None]
        g = self.g[:, :, None]
        total = m * z * whole if name == "mu" else -P * z * z * whole
        if L.b is not None:
            total = total + g * L.b[:, None] * (m if name == "mu" else -2 * P * z)
        if L.a is not None:
            inner = -2 * m * m * z if name == "mu" else 4 * P**3 * z * z - 2 * P
            total = total + g * L.a[:, None] * inner
        return total
