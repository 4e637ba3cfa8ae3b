"""The limit of the classical: spectral collocation in numpy, where the shape is right for it.

Chebyshev collocation on squares by diagonalising one second derivative (D. B. Haidvogel and T.
Zang, J. Comput. Phys. 30, 1979), Chebyshev in r and Fourier in the angle on the disk, and Fourier
with an integrating factor and RK4 for Burgers (L. N. Trefethen, Spectral Methods in MATLAB, SIAM
2000, chapters 6, 10 and 11); for the fit, Chebyshev polynomials by least squares. Each size is a
solve of its own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from math import pi

import numpy as np
from numpy.polynomial import chebyshev

from validation.peers.meter import Meter, Predict, run
from validation.peers.problems import NU, Array, PeerProblem

Solved = tuple[Predict, int]
"""The solution and how many numbers were solved for."""

REPEATS = 25


def solve(problem: PeerProblem, variant: str, meter: Meter) -> None:
    """Larger and larger, until the budget is spent."""
    sizes, method = _method(problem)
    meter.start()
    for size in sizes:
        times: list[float] = []
        while not times or (sum(times) < 0.5 and len(times) < REPEATS):
            began = time.perf_counter()
            predict, numbers = method(problem, size)
            times.append(time.perf_counter() - began)
        meter.point(statistics.median(times), predict, numbers)
        if meter.seconds > meter.budget:
            break


def _method(problem: PeerProblem) -> tuple[Iterable[int], Callable[[PeerProblem, int], Solved]]:
    if problem.kind == "burgers":
        return (64, 128, 256, 512, 1024, 2048), _fourier_burgers
    if problem.kind == "fit":
        return range(4, 34, 2), _polynomial_fit
    if problem.shape == "disk":
        return range(5, 32, 2), _disk
    return range(6, 44, 2), _square


def differentiation(n: int) -> tuple[Array, Array]:
    """Chebyshev points cos(pi j / n), (n + 1,), and the matrix of d/dx on them."""
    x = np.cos(pi * np.arange(n + 1) / n)
    c = np.where((np.arange(n + 1) == 0) | (np.arange(n + 1) == n), 2.0, 1.0)
    c = c * (-1.0) ** np.arange(n + 1)
    matrix = np.outer(c, 1 / c) / (x[:, None] - x[None, :] + np.eye(n + 1))
    return x, matrix - np.diag(matrix.sum(axis=1))


def _square(problem: PeerProblem, n: int) -> Solved:
    """A u + u A^T + k u = f for the interior values, by A = V diag(l) V^-1."""
    x, d = differentiation(n)
    second = (d @ d)[1:-1, 1:-1]
    values, vectors = np.linalg.eig(second)
    values, vectors = values.real, vectors.real
    f = _source(problem, x[1:-1, None], x[None, 1:-1])
    inverse = np.linalg.inv(vectors)
    shifted = values[:, None] + values[None, :] + problem.reaction
    u = np.zeros((n + 1, n + 1))
    u[1:-1, 1:-1] = vectors @ ((inverse @ f @ inverse.T) / shifted) @ vectors.T
    to_series = np.linalg.inv(chebyshev.chebvander(x, n))
    series = to_series @ u @ to_series.T
    return lambda p: chebyshev.chebval2d(p[:, 0], p[:, 1], series), (n - 1) ** 2


def _disk(problem: PeerProblem, n: int) -> Solved:
    """u'' + u'/r - m^2 u / r^2 = f_m for each m, on -1 <= r <= 1 with the parity of m.

    ``n`` is odd, so that r = 0 is no point; u(-r, angle) = u(r, angle + pi).
    """
    r, d = differentiation(n)
    half, angles = (n + 1) // 2, 2 * n
    theta = 2 * pi * np.arange(angles) / angles
    inner = r[1:half]
    modes = np.fft.rfft(
        _source(problem, inner[:, None] * np.cos(theta), inner[:, None] * np.sin(theta)), axis=1
    )
    radial = d @ d + d / r[:, None]
    found = np.zeros((n + 1, angles // 2 + 1), dtype=complex)
    for m in range(n):
        sign = (-1.0) ** m
        block = radial[1:half, 1:half] + sign * radial[1:half, n - 1 : half - 1 : -1]
        block = block - np.diag(m**2 / inner**2) + problem.reaction * np.eye(half - 1)
        found[1:half, m] = np.linalg.solve(block, modes[:, m])
        found[half:n, m] = sign * found[1:half, m][::-1]
    series = np.linalg.solve(chebyshev.chebvander(r, n), found) / angles

    def predict(points: Array) -> Array:
        radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
        along = chebyshev.chebvander(radius, n) @ series[:, :n]
        waves = np.exp(1j * np.outer(angle, np.arange(n)))
        return (along[:, 0] + 2 * (along[:, 1:] * waves[:, 1:]).sum(axis=1)).real

    return predict, (half - 1) * angles


def _polynomial_fit(problem: PeerProblem, degree: int) -> Solved:
    points, values = problem.data()
    matrix = chebyshev.chebvander2d(points[:, 0], points[:, 1], [degree, degree])
    total = np.add.outer(np.arange(degree + 1), np.arange(degree + 1))
    kept = (total <= degree).ravel()  # of total degree: half the columns, the same accuracy
    weights = np.zeros(matrix.shape[1])
    weights[kept] = np.linalg.lstsq(matrix[:, kept], values, rcond=None)[0]
    series = weights.reshape(degree + 1, degree + 1)
    return lambda p: chebyshev.chebval2d(p[:, 0], p[:, 1], series), int(kept.sum())


def _fourier_burgers(problem: PeerProblem, n: int) -> Solved:
    """v_t = -nu k^2 v - (ik/2) F(u^2): the solution is odd, so period 2 is no restriction."""
    waves = pi * np.arange(n // 2 + 1)
    x = -1 + 2 * np.arange(n) / n
    steps = max(n, 128) * 2
    dt = 1 / steps
    decay = np.exp(-NU * waves**2 * dt / 2)
    factor = -0.5j * waves * (waves <= 2 / 3 * waves[-1])

    def slope(v: NDArrayComplex) -> NDArrayComplex:
        return factor * np.fft.rfft(np.fft.irfft(v, n) ** 2)

    states = [np.fft.rfft(-np.sin(pi * x))]
    for _ in range(steps):
        v = states[-1]
        a = dt * slope(v)
        b = dt * slope(decay * (v + a / 2))
        c = dt * slope(decay * v + b / 2)
        e = dt * slope(decay**2 * v + decay * c)
        states.append(decay**2 * v + (decay**2 * a + 2 * decay * (b + c) + e) / 6)
    table = np.array(states)

    def predict(points: Array) -> Array:
        """Cubic Hermite in time between the steps' states, the series in space."""
        step = np.minimum((points[:, 1] * steps).astype(int), steps - 1)
        s = (points[:, 1] * steps - step)[:, None]
        rate = dt * np.array([slope(v) - NU * waves**2 * v for v in table])
        v = (
            (1 + 2 * s) * (1 - s) ** 2 * table[step]
            + s * (1 - s) ** 2 * rate[step]
            + s**2 * (3 - 2 * s) * table[step + 1]
            + s**2 * (s - 1) * rate[step + 1]
        )
        terms = v * np.exp(1j * np.outer(points[:, 0] + 1, waves))
        return (terms[:, 0] + 2 * terms[:, 1:].sum(axis=1)).real / n

    return predict, n


NDArrayComplex = np.ndarray[tuple[int, ...], np.dtype[np.complex128]]


def _source(problem: PeerProblem, x: Array, y: Array) -> Array:
    if problem.source is None:
        raise ValueError(f"{problem.name} has no source")
    return np.asarray(problem.source(np, x, y))


if __name__ == "__main__":
    run(solve, ("numpy",))
