"""The references of Burgers' equation, u_t + u u_x = nu u_xx with u = -sin(pi x) at first.

The Cole-Hopf transformation (E. Hopf, Communications on Pure and Applied Mathematics 3, 1950) makes
it a heat equation, so that

    u(x, t) = - int sin(pi y) w dy / int w dy
    w = exp(-(x - y)^2 / (4 nu t) - cos(pi y) / (2 pi nu))

over the whole line (C. Basdevant et al., Computers & Fluids 14, 1986). Both integrals are evaluated
in two ways: Gauss-Hermite quadrature about y = x, and the trapezium rule, which converges as fast
for integrands like these; the exponents are taken relative to their largest value, since w itself
spans more than forty orders of magnitude. Nothing is shared with the library.

    python validation/references/burgers.py problems/burgers-reference.csv
    python validation/references/burgers.py problems/burgers-smooth-reference.csv 0.01

writes u for nu = 0.01/pi, or for the number given, at 3000 points of [-1, 1] x [0, 1] and 1000 more
within 0.02 of the front at x = 0, and prints how far the two quadratures are apart, relative.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

Array = NDArray[np.float64]

NU = 0.01 / np.pi
EVERYWHERE, AT_FRONT = 3000, 1000
FRONT = 0.02
SEED = 2511
HERMITE, TRAPEZIUM = 240, 2000
REACH = 14.0
"""Half the length of the trapezium rule, in widths sqrt(4 nu t): -196 in the exponent, of which the
other part makes up for 100 at most."""


def sample() -> tuple[Array, Array]:
    """Points x, t, each (n,); no t is zero."""
    engine = qmc.Sobol(2, scramble=True, seed=SEED)
    unit = engine.random_base2(12)[: EVERYWHERE + AT_FRONT]
    x = 2.0 * unit[:, 0] - 1.0
    x[EVERYWHERE:] *= FRONT
    return x, unit[:, 1]


def quotient(x: Array, t: Array, nu: float, z: Array, log_weights: Array) -> Array:
    """-sum sin(pi y) w / sum w at y = x + z sqrt(4 nu t), (n,).

    Arguments:
        z: (k,), of a quadrature whose weights (k,) contain exp(-z^2), given by their logarithms.
    """
    y = x[:, None] + np.sqrt(4.0 * nu * t)[:, None] * z
    exponents = log_weights - np.cos(np.pi * y) / (2.0 * np.pi * nu)
    w = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return -(np.sin(np.pi * y) * w).sum(axis=1) / w.sum(axis=1)


def by_hermite(x: Array, t: Array, nu: float) -> Array:
    """u by Gauss-Hermite quadrature."""
    z, weights = np.polynomial.hermite.hermgauss(HERMITE)
    return quotient(x, t, nu, z, np.log(weights))


def by_trapezium(x: Array, t: Array, nu: float) -> Array:
    """u by the trapezium rule."""
    z = np.linspace(-REACH, REACH, TRAPEZIUM)
    return quotient(x, t, nu, z, -(z**2))


def main(path: Path, nu: float = NU) -> None:
    """Write the table."""
    x, t = sample()
    u, other = by_trapezium(x, t, nu), by_hermite(x, t, nu)
    error = float(np.linalg.norm(u - other) / np.linalg.norm(u))
    table = np.column_stack([x, t, u])
    np.savetxt(path, table, fmt="%.17g", delimiter=",", header="x,t,u", comments="")
    print(f"{len(u)} points; the two quadratures differ by {error:.1e}, relative L2,")
    print(f"and by {np.abs(u - other).max():.1e} at most.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:3]))
