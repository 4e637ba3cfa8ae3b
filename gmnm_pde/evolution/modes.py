"""Orthonormal modes: what the units of a lattice can say, without saying anything twice.

Units overlap, so their sums are nearly dependent. With the singular values of the features g_i at
the points of a quadrature, sqrt(w) G = U S V', the functions

    phi_j = sum_i g_i V_ij / S_j        for S_j > cut S_1,   g_i scaled to norm one,

are orthonormal in L2 of the domain, and sum_j c_j phi_j has the output weights V (c / S).

Where S_j is small, rounding of the features is seen through 1 / S_j. In a state that does little
harm, since its c_j are as small; in a projection it would, so that functions are projected on U,
which is orthonormal to rounding, and not on the features once more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

import torch
from torch import Tensor

from gmnm_pde.evolution.spacing import Lattice
from gmnm_pde.fields import Orders
from gmnm_pde.networks import GMNM

SHORT_WAVES = 3e-3
"""Singular values of waves that are four units long, over the largest."""


class Modes(ABC):
    """Orthonormal combinations of a network's features.

    Arguments:
        network: its features span the modes; its output weights are not used.
        lattice: the quadrature.
        singular: singular values of the modes over the largest, descending, (count,).
    """

    def __init__(self, network: GMNM, lattice: Lattice, singular: Tensor) -> None:
        self.network = network
        self.lattice = lattice
        self.points, self.weights = lattice.points, lattice.weights
        self.singular = singular

    @property
    def count(self) -> int:
        """Number of modes."""
        return len(self.singular)

    @property
    def zero(self) -> Orders:
        """No derivative."""
        return (0,) * self.points.shape[1]

    def values(self, c: Tensor) -> Tensor:
        """Functions at the points of the quadrature, (..., count) -> (..., n)."""
        return self.derivative(self.zero, c)

    @abstractmethod
    def derivative(self, alpha: Orders, c: Tensor) -> Tensor:
        """D^alpha of functions at the points of the quadrature, (..., count) -> (..., n)."""

    @abstractmethod
    def project(self, values: Tensor) -> Tensor:
        """Coefficients of functions given at the points of the quadrature, (..., n) ->
        (..., count)."""

    @abstractmethod
    def integrated(self, alpha: Orders, values: Tensor) -> Tensor:
        """sum_q v_q D^alpha phi_i(x_q) over the points of the quadrature, (n,) -> (count,)."""

    @abstractmethod
    def product(self, alpha: Orders, a: Tensor | None = None) -> Tensor:
        """The integrals of phi_i a D^alpha phi_j, a (n,) being one if not given, (count, count)."""

    @abstractmethod
    def at(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        """D^alpha phi at points (n, d) for every alpha, each (n, count)."""

    @abstractmethod
    def on(self, lattice: Lattice, c: Tensor) -> Tensor:
        """Functions at the quadrature points of another lattice, (..., count) -> (..., n)."""

    @abstractmethod
    def output_weights(self, c: Tensor) -> Tensor:
        """Those of the network that make it a function, (..., count) -> (..., features)."""

    def across(self, axis: int) -> Tensor | None:
        """Projects functions given on a side across an axis, at the quadrature points of the other
        coordinates, on modes of these, (modes, points); None if there are no such modes."""
        return None

    def smoothed(self, c: Tensor) -> Tensor:
        """c without what changes over less than about four units, (..., count).

        Units of width sigma represent a wave of number k with a singular value of about
        exp(-sigma^2 k^2 / 2), so small ones are short waves, wherever units are close.
        """
        part = self.singular.square()
        return c * (part / (part + SHORT_WAVES**2))


class GeneralModes(Modes):
    """Modes of any units, by the singular values of all of their features at once.

    Arguments:
        cut: smallest singular value over the largest. Lower ones amplify rounding.
    """

    def __init__(self, network: GMNM, lattice: Lattice, cut: float) -> None:
        with torch.no_grad():
            G = network.features(lattice.points)
        root = lattice.weights.sqrt()[:, None]
        scaled = root * G
        # Of norm one each: close units are narrow, and their waves are not to be cut before others.
        norms = scaled.norm(dim=0).clamp_min(1e-300)
        Q, triangle = torch.linalg.qr(scaled / norms)
        U, singular, Vh = torch.linalg.svd(triangle, full_matrices=False)
        relative = singular / singular[0]
        count = int((relative > cut).sum())
        super().__init__(network, lattice, relative[:count])
        self.weights_of_modes = Vh[:count].T / singular[:count] / norms[:, None]
        orthonormal = Q @ U[:, :count]
        self.tested = (orthonormal * root).T.contiguous()
        self._known: dict[Orders, Tensor] = {self.zero: orthonormal / root}
        self._products: dict[Orders, Tensor] = {}

    def matrix(self, alpha: Orders) -> Tensor:
        """D^alpha phi at the points of the quadrature, (n, count)."""
        if alpha not in self._known:
            self._known[alpha] = self.at(self.points, [alpha])[alpha]
        return self._known[alpha]

    def derivative(self, alpha: Orders, c: Tensor) -> Tensor:
        return c @ self.matrix(alpha).T

    def project(self, values: Tensor) -> Tensor:
        return values @ self.tested.T

    def integrated(self, alpha: Orders, values: Tensor) -> Tensor:
        return values @ self.matrix(alpha)

    def product(self, alpha: Orders, a: Tensor | None = None) -> Tensor:
        if a is not None:
            return self.tested @ (a[:, None] * self.matrix(alpha))
        if alpha not in self._products:
            self._products[alpha] = self.tested @ self.matrix(alpha)
        return self._products[alpha]

    def at(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        with torch.no_grad():
            features = self.network.feature_derivatives(points, orders)
        return {alpha: feature @ self.weights_of_modes for alpha, feature in features.items()}

    def on(self, lattice: Lattice, c: Tensor) -> Tensor:
        return c @ self.at(lattice.points, [self.zero])[self.zero].T

    def output_weights(self, c: Tensor) -> Tensor:
        return c @ self.weights_of_modes.T
