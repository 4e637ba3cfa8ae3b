"""Points in the unit cube: random, low-discrepancy and lattice samplers, seeded explicitly."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.errors import InputError, suggest

SAMPLERS = ("random", "sobol", "halton", "lhs", "grid")
"""The names a person may give: uniform random, scrambled Sobol and Halton sequences, Latin
hypercube, and a lattice of cell centres. All of them are uniform."""

CLUSTERED = "chebyshev"
"""The lattice moved towards the ends of each axis as Chebyshev points are: not uniform, for solvers
whose bases need more points at the sides."""

LATTICES = ("grid", CLUSTERED)

_MARGIN = 2.0**-31
"""Half the spacing of a 30-bit Sobol coordinate: a point at 0 or 1 would lie on the boundary."""


def check_sampler(sampler: str) -> None:
    """Raises InputError for an unknown sampler."""
    if sampler not in (*SAMPLERS, CLUSTERED):
        raise InputError(f"unknown sampler {sampler!r}.", mend=suggest(sampler, SAMPLERS))


def check_count(n: int) -> None:
    """Raises InputError for a number of points that is not a positive integer."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InputError(
            f"the number of points is {n!r}.", mend="Give a whole number of points, 1 or more."
        )


def unit_points(n: int, dimension: int, sampler: str, seed: int) -> Tensor:
    """n points strictly inside the unit cube, (n, dimension); a "grid" may have fewer."""
    if sampler in LATTICES:
        return placed(lattice(n, (1.0,) * dimension), sampler)
    if sampler == "sobol":
        # torch rather than scipy, whose import alone takes longer than a small solve. Unlike
        # scipy's it also needs no power of two: every n is a prefix of one sequence.
        engine = torch.quasirandom.SobolEngine(dimension, scramble=True, seed=seed)
        values = engine.draw(n, dtype=torch.float64)
    else:
        values = torch.from_numpy(_numpy_points(n, dimension, sampler, seed))
    return values.clamp_(_MARGIN, 1.0 - _MARGIN)


def placed(unit: Tensor, sampler: str) -> Tensor:
    """Cell centres in the unit cube as they are, or at the Chebyshev points (1 - cos(pi t)) / 2."""
    return unit if sampler == "grid" else 0.5 - 0.5 * torch.cos(math.pi * unit)


def _numpy_points(n: int, dimension: int, sampler: str, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if sampler == "random":
        return generator.random((n, dimension))
    from scipy.stats import qmc

    if sampler == "halton":
        return qmc.Halton(dimension, seed=generator).random(n)
    return qmc.LatinHypercube(dimension, seed=generator).random(n)


def lattice(n: int, lengths: Sequence[float]) -> Tensor:
    """Cell centres of a lattice with at most n cells, nearly cubic in a box of these lengths.

    Returns:
        (m, d) in the unit cube, m <= n.
    """
    shape = lattice_shape(n, lengths)
    axes = [(torch.arange(m, dtype=torch.float64) + 0.5) / m for m in shape]
    return torch.cartesian_prod(*axes).reshape(-1, len(shape))


def lattice_shape(n: int, lengths: Sequence[float]) -> list[int]:
    """Cells along each axis: as cubic and as many as possible, at most n altogether."""
    shape = [1] * len(lengths)
    active = sorted(range(len(lengths)), key=lambda axis: lengths[axis])
    # The shortest axes may be shorter than a cell: they keep one cell and drop out.
    while active:
        spacing = (math.prod(lengths[axis] for axis in active) / n) ** (1 / len(active))
        if lengths[active[0]] >= spacing:
            break
        active = active[1:]
    for axis in active:
        shape[axis] = max(1, math.floor(lengths[axis] / spacing * (1 + 1e-12)))
    while active:
        axis = max(active, key=lambda axis: lengths[axis] / shape[axis])
        if math.prod(shape) // shape[axis] * (shape[axis] + 1) > n:
            return shape
        shape[axis] += 1
    return shape
