"""The output weights eliminated: the residual as a function of the inner parameters alone.

r(y) = A(y) pi(y) - b,       J = (I - Q Q') (dA/dy) pi,       A = Q R.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from gmnm_pde.assembly import parameter_rows
from gmnm_pde.linalg import factor
from gmnm_pde.linearised import Block, Linearised, at_network, at_zero, is_linear
from gmnm_pde.methods.base import Setting
from gmnm_pde.methods.gauss_newton import minimise
from gmnm_pde.methods.residuals import Residuals
from gmnm_pde.methods.weights import System, assemble
from gmnm_pde.networks import LinearOutputNetwork


@dataclass(frozen=True)
class Reduced:
    """What the best output weights leave.

    Arguments:
        residual: weighted, (rows,).
        A: (rows, k).
    """

    residual: Tensor
    A: Tensor = field(repr=False)

    @property
    def loss(self) -> float:
        """Root mean square of the residual."""
        return self.residual.square().mean().sqrt().item()

    @cached_property
    def Q(self) -> Tensor:
        """An orthonormal basis of the columns of A, (rows, k): found when it is asked for, as most
        networks are tried for their loss alone."""
        return torch.linalg.qr(self.A / self.A.norm(dim=0).clamp_min(1e-300)).Q

    def projected(self, columns: Tensor) -> Tensor:
        """(I - Q Q') columns."""
        return columns - self.Q @ (self.Q.T @ columns)


@dataclass(frozen=True)
class Elimination:
    """Sets the output weights of networks to their least-squares values.

    Arguments:
        linearised: the residuals of a linear problem, the same for every network; None for a
            nonlinear one.
    """

    setting: Setting
    blocks: Sequence[Block]
    linearised: tuple[Linearised, ...] | None

    @classmethod
    def of(cls, setting: Setting, blocks: Sequence[Block]) -> Elimination:
        """For the rows of a problem."""
        problem = setting.problem
        linear = all(is_linear(problem, block) for block in blocks)
        known = tuple(at_zero(problem, block) for block in blocks) if linear else None
        return cls(setting, blocks, known)

    def __call__(self, network: LinearOutputNetwork) -> Reduced:
        """Set the output weights, in place.

        Raises:
            RuntimeError: columns that are not finite.
        """
        if self.linearised is None:
            return self._nonlinear(network)
        system = self.system(network)
        x = factor(system.rows, system.target).solve()
        weights = x[:-1] if self.setting.constants_free else x
        network.set_output_weights(network.unflattened(weights))
        return Reduced(system.rows @ x - system.target, system.rows)

    def system(self, network: LinearOutputNetwork) -> System:
        """A and b of a linear problem."""
        assert self.linearised is not None
        free = self.setting.constants_free
        return assemble(self.setting.problem, network, self.blocks, self.linearised, free)

    def jacobian(self, network: LinearOutputNetwork) -> Tensor:
        """(dA/dy) pi for the inner parameters, (rows, p)."""
        problem, names = self.setting.problem, network.inner_parameters
        known = self.linearised or [at_network(problem, block, network) for block in self.blocks]
        pairs = zip(self.blocks, known, strict=True)
        return torch.cat([parameter_rows(problem, b, lin, network, names) for b, lin in pairs])

    def _nonlinear(self, network: LinearOutputNetwork) -> Reduced:
        """By Gauss-Newton steps from the weights that the network has."""
        rows = Residuals(self.setting.problem, network, self.blocks)
        deadline = self.setting.started + self.setting.time_limit
        iterate = minimise(rows, rows.at(network.flat_weights), deadline).iterate
        assert iterate.x is not None
        network.set_output_weights(network.unflattened(iterate.x))
        return Reduced(iterate.residual, rows.system(iterate).rows)
