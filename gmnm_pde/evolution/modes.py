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

from collections.abc import Collection

import torch
from torch import Tensor

from gmnm_pde.evolution.spacing import Lattice
from gmnm_pde.fields import Orders
from gmnm_pde.networks import GMNM

SHORT_WAVES = 3e-3
"""Singular values of waves that are four units long, over the largest."""


class Modes:
    """Orthonormal combinations of a network's features.

    Arguments:
        network: its features span the modes; its output weights are not used.
        lattice: the quadrature.
        cut: smallest singular value over the largest. Lower ones amplify rounding.
    """

    def __init__(self, network: GMNM, lattice: Lattice, cut: float) -> None:
        self.network = network
        self.lattice = lattice
        self.points, self.weights = lattice.points, lattice.weights
        with torch.no_grad():
            G = network.features(self.points)
        root = self.weights.sqrt()[:, None]
        scaled = root * G
        # Of norm one each: close units are narrow, and their waves are not to be cut before others.
        norms = scaled.norm(dim=0).clamp_min(1e-300)
        Q, triangle = torch.linalg.qr(scaled / norms)
        U, singular, Vh = torch.linalg.svd(triangle, full_matrices=False)
        relative = singular / singular[0]
        count = int((relative > cut).sum())
        self.weights_of_modes = Vh[:count].T / singular[:count] / norms[:, None]
        self._singular = relative[:count]
        orthonormal = Q @ U[:, :count]
        self.values = orthonormal / root
        self.tested = (orthonormal * root).T.contiguous()
        self._known: dict[Orders, Tensor] = {(0,) * self.points.shape[1]: self.values}
        self._products: dict[Orders, Tensor] = {}

    @property
    def count(self) -> int:
        """Number of modes."""
        return self.weights_of_modes.shape[1]

    def derivative(self, alpha: Orders) -> Tensor:
        """D^alpha phi at the points of the quadrature, (n, count)."""
        if alpha not in self._known:
            self._known[alpha] = self.at(self.points, [alpha])[alpha]
        return self._known[alpha]

    def product(self, alpha: Orders) -> Tensor:
        """The integrals of phi_i D^alpha phi_j, (count, count)."""
        if alpha not in self._products:
            self._products[alpha] = self.tested @ self.derivative(alpha)
        return self._products[alpha]

    def at(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        """D^alpha phi at points (n, d) for every alpha, each (n, count)."""
        with torch.no_grad():
            features = self.network.feature_derivatives(points, orders)
        return {alpha: feature @ self.weights_of_modes for alpha, feature in features.items()}

    def smoothed(self, c: Tensor) -> Tensor:
        """c without what changes over less than about four units, (..., count).

        Units of width sigma represent a wave of number k with a singular value of about
        exp(-sigma^2 k^2 / 2), so small ones are short waves, wherever units are close.
        """
        part = self._singular.square()
        return c * (part / (part + SHORT_WAVES**2))

    def project(self, values: Tensor) -> Tensor:
        """Coefficients of functions given at the points of the quadrature, (..., count)."""
        return values @ self.tested.T
