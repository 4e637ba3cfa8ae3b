"""Modes, systems and marches for the tests of evolution problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.evolution.march import March, Plan
from gmnm_pde.evolution.modes import Modes
from gmnm_pde.evolution.product_modes import modes_of
from gmnm_pde.evolution.spacing import Spacing, even, lattice
from gmnm_pde.evolution.system import Shape, System, shape_of
from gmnm_pde.geometry import Domain
from gmnm_pde.methods.time_stepping import TimeStepping
from gmnm_pde.networks import GMNM, GMNMSpec
from gmnm_pde.placement import margin_for
from gmnm_pde.problem import Problem

RATIO = TimeStepping().ratio


def graded(domain: Domain, h: float, kind: str) -> Spacing:
    """Spacings of about h that vary by an order of magnitude, along the first coordinate."""
    low, high = domain.lower[0], domain.upper[0]
    s = np.linspace(0.0, 1.0, 401)
    sizes = {"even": 1 + 0 * s, "left": 0.15 + s, "middle": 0.1 + 2 * np.abs(s - 0.4)}
    return Spacing(low + (high - low) * s, h * sizes[kind])


def evenly(domain: Domain, cells: float) -> list[Spacing]:
    return [even(domain, axis, cells) for axis in range(domain.dimension)]


def make_modes(domain: Domain, spacings: Sequence[Spacing], aim: float, outputs: int = 1) -> Modes:
    """Modes as a level that aims at an error has them."""
    found = lattice(domain, spacings, margin_for(0.1 * aim, RATIO), RATIO)
    network = GMNMSpec().build(found.centres, 1 / found.widths, outputs)
    assert isinstance(network, GMNM)
    return modes_of(network, found, cut_for(aim))


def make_system(problem: Problem, spacings: Sequence[Spacing], aim: float = 1e-8) -> System:
    """The system that a march stands on."""
    assert problem.time is not None
    found = March(problem, shape_of(problem), GMNMSpec(), plan(aim))
    return found._ground(list(spacings), problem.time[0]).system


def cut_for(aim: float) -> float:
    return min(max(1e-3 * aim, 1e-12), 1e-7)


def plan(aim: float = 1e-4, density: float = 3.0, **options: float) -> Plan:
    """What a level that aims at an error does."""
    given = {
        "tolerance": 0.3 * aim, "density": density, "margin": margin_for(0.1 * aim, RATIO),
        "ratio": RATIO, "cut": cut_for(aim), "max_units": 5000, "deadline": np.inf, **options,
    }  # fmt: skip
    return Plan(**given)


def growth(system: System, time: float, below: float = np.inf) -> float:
    """The largest real part of the eigenvalues (of size below a number) of a linear system."""
    parts = system.jacobians(time, torch.zeros(3, system.unknowns, system.modes.count).double())
    rows = system._free.shape[1]
    *lower, last = [(part[:rows] @ system._free).numpy() for part in parts]
    # The companion matrix of M_0 c^(o) + M_1 c^(o - 1) + ... = 0, lowest derivative first.
    size, order = rows, len(lower)
    matrix = np.eye(order * size, k=size)
    matrix[-size:] = -np.linalg.solve(last, np.concatenate(lower, 1))
    values = np.linalg.eigvals(matrix)
    return float(values.real[np.abs(values) < below].max())


@dataclass
class FakeSystem:
    """M_k(c, c', c'') of an ordinary differential equation in the place of a :class:`System`.

    Arguments:
        function: F(t, c, c', c'') -> (modes,), of one unknown.
        order: in time.
        calls: how often derivatives were asked for.
    """

    function: object
    order: int = 1
    modes: int = 1
    unknowns: int = 1
    calls: list[float] = field(default_factory=list)
    held = 0

    def residuals(self, times: Sequence[float], c: Tensor) -> Tensor:
        return torch.stack([self.residual(t, part) for t, part in zip(times, c, strict=True)])

    @property
    def shape(self) -> Shape:
        return Shape((self.order,), (0,))

    def residual(self, time: float, c: Tensor) -> Tensor:
        return self.function(time, *c[:, 0])

    def jacobians(self, time: float, c: Tensor) -> list[Tensor]:
        self.calls.append(time)
        parts = torch.autograd.functional.jacobian(
            lambda *rates: self.function(time, *rates),
            tuple(c[:, 0]),
        )
        return list(parts[: self.order + 1])
