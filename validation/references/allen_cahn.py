"""The reference of the Allen-Cahn equation, u_t = 1e-4 u_xx + 5 u - 5 u^3, periodic on [-1, 1].

The initial value x^2 cos(pi x) is even, and its periodic extension has a kink at x = 1, which the
diffusion rounds off over a width of sqrt(4e-4 t). So on [0, 1] the solution has no slope at either
end from t > 0 on, and polynomials, whose nodes crowd at the ends, resolve the layer there; steps in
time begin as short as it needs. This is what is written.

It is checked by another method: exact cosine coefficients of the initial value, and the exponential
integrator ETDRK4 (S. M. Cox and P. C. Matthews, Journal of Computational Physics 176, 2002, with
the contour integrals of A.-K. Kassam and L. N. Trefethen, SIAM J. Sci. Comput. 26, 2005), in spans
of time that grow fourfold at first.

    python validation/references/allen_cahn.py problems/allen-cahn-reference.csv

writes u at 4000 points of [-1, 1] x [0, 1] and prints both differences, relative.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct, idct
from scipy.stats import qmc

from gmnm_pde.geometry import Interval
from gmnm_pde.problem import Initial, Neumann, Problem
from gmnm_pde.references import Spectral

Array = NDArray[np.float64]

DIFFUSION = 1e-4
POINTS, SEED = 4000, 2512
NODES = 1000
WAVES, STEPS = 4096, 400
SPANS = (1 / 1024, 1 / 256, 1 / 64, 1 / 16, 1 / 4, 1 / 2, 3 / 4, 1.0)
"""Ends of spans with STEPS equal steps each: the layer of the kink grows like sqrt(t)."""


def half_problem() -> Problem:
    """The problem on [0, 1]."""
    return Problem(
        coordinates="xt",
        unknowns="u",
        domain=Interval(0.0, 1.0),
        equations=[lambda u: u.t - DIFFUSION * u.xx - 5.0 * u + 5.0 * u**3],
        conditions=[Initial(lambda x: x**2 * torch.cos(torch.pi * x)), Neumann("boundary", 0.0)],
        time=(0.0, 1.0),
    )


def cosines(count: int) -> Array:
    """Exact coefficients a_k of x^2 cos(pi x) = sum a_k cos(k pi x), k < count."""
    k = np.arange(float(count))
    below, above = k - 1.0, k + 1.0
    # int_0^1 x^2 cos(m pi x) dx = 2 (-1)^m / (m pi)^2, and 1/3 for m = 0.
    parts = [
        np.where(m == 0.0, 1.0 / 3.0, 2.0 * np.cos(np.pi * m) / (np.pi * np.where(m, m, 1.0)) ** 2)
        for m in (below, above)
    ]
    coefficients = parts[0] + parts[1]
    coefficients[0] /= 2.0
    return coefficients


def to_grid(coefficients: Array, count: int) -> Array:
    """Values at the points (j + 1/2) / count of a cosine series."""
    padded = np.zeros(count)
    padded[: len(coefficients)] = coefficients
    padded[1:] /= 2.0
    return np.asarray(idct(padded * 2.0 * count, type=2))


def from_grid(values: Array, count: int) -> Array:
    """The first cosine coefficients of values at the points (j + 1/2) / len(values)."""
    found = dct(values, type=2)[:count] / len(values)
    found[0] /= 2.0
    return np.asarray(found)


def reaction(coefficients: Array) -> Array:
    """Coefficients of -5 u^3, free of aliasing."""
    count = len(coefficients)
    u = to_grid(coefficients, 2 * count)
    return from_grid(-5.0 * u**3, count)


def weights(z: Array) -> tuple[Array, Array, Array, Array]:
    """The four weights of ETDRK4 at z = h L, by means over a circle about each z."""
    circle = np.exp(1j * np.pi * (np.arange(32) + 0.5) / 32)
    r = z[:, None] + circle
    e = np.exp(r)
    half = ((np.exp(r / 2) - 1) / r).mean(1).real
    first = ((-4 - r + e * (4 - 3 * r + r**2)) / r**3).mean(1).real
    second = ((2 + r + e * (r - 2)) / r**3).mean(1).real
    third = ((-4 - 3 * r - r**2 + e * (4 - r)) / r**3).mean(1).real
    return half, first, second, third


def by_cosines(steps: int) -> list[Array]:
    """Coefficients at the end of each span."""
    k = np.arange(float(WAVES))
    rates = 5.0 - DIFFUSION * (np.pi * k) ** 2
    a, found = cosines(WAVES), []
    for begin, end in zip((0.0, *SPANS[:-1]), SPANS, strict=True):
        h = (end - begin) / steps
        half, first, second, third = (h * w for w in weights(h * rates))
        e, e2 = np.exp(h * rates), np.exp(h * rates / 2)
        for _ in range(steps):
            n0 = reaction(a)
            b = e2 * a + half * n0
            n1 = reaction(b)
            c = e2 * a + half * n1
            n2 = reaction(c)
            d = e2 * b + half * (2 * n2 - n0)
            n3 = reaction(d)
            a = e * a + first * n0 + 2 * second * (n1 + n2) + third * n3
        found.append(a)
    return found


def main(path: Path) -> None:
    """Write the table."""
    unit = qmc.Sobol(2, scramble=True, seed=SEED).random_base2(12)[:POINTS]
    x, t = 2.0 * unit[:, 0] - 1.0, unit[:, 1]
    problem, reference = half_problem(), Spectral(points=NODES)
    found = reference.evaluate(problem, torch.from_numpy(np.column_stack([np.abs(x), t])))
    u = found.values[:, 0].numpy()
    table = np.column_stack([x, t, u])
    np.savetxt(path, table, fmt="%.17g", delimiter=",", header="x,t,u", comments="")
    print(f"{len(u)} points; a coarser grid differs by {found.own_error['u']:.1e}, relative L2.")
    print("Largest relative difference from ETDRK4, all x:")
    place = (np.arange(4 * WAVES) + 0.5) / (4 * WAVES)
    for steps in (STEPS // 2, STEPS):
        for time, coefficients in zip(SPANS, by_cosines(steps), strict=True):
            waves = to_grid(coefficients, len(place))
            at = np.column_stack([place, np.full(len(place), time)])
            other = reference.evaluate(problem, torch.from_numpy(at)).values[:, 0].numpy()
            apart = float(np.linalg.norm(other - waves) / np.linalg.norm(waves))
            print(f"  t = {time:.4f}, {steps} steps a span: {apart:.1e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
