"""The references of the lid-driven cavities: a Legendre-Galerkin method for the streamfunction.

The lid of the unit square moves with u = 16 x^2 (1 - x)^2. With u = psi_y and v = -psi_x the steady
Navier-Stokes equations become

    nu lap lap psi = psi_y lap psi_x - psi_x lap psi_y ,     psi given, psi_n given on the sides,

and without the right-hand side those of Stokes. They are solved by Newton's method in the basis of
J. Shen (SIAM J. Sci. Comput. 15, 1994, section 3), whose functions and first derivatives vanish at
the ends. The pressure, of mean zero, has the gradient that the momentum equations ask for, in the
least-squares sense. Nothing is shared with the library.

    python validation/references/cavity.py navier-stokes problems/cavity-reference.csv
    python validation/references/cavity.py stokes problems/stokes-cavity-reference.csv

solves with two numbers of functions, writes the finer one's u, v, p at 33 x 33 points and prints
how far the two are apart, relative, which bounds the coarser one's error.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

Array = NDArray[np.float64]

COARSE, FINE = 36, 48
POINTS = 33


@dataclass(frozen=True)
class Fluid:
    """nu lap lap psi = inertia (psi_y lap psi_x - psi_x lap psi_y)."""

    nu: float
    inertia: float


FLUIDS = {"navier-stokes": Fluid(0.01, 1.0), "stokes": Fluid(1.0, 0.0)}


def lid(order: int) -> np.polynomial.Polynomial:
    """16 x^2 (1 - x)^2 as a polynomial in x, differentiated."""
    return np.polynomial.Polynomial([0, 0, 16, -32, 16]).deriv(order)


def lift(order: int) -> np.polynomial.Polynomial:
    """y^2 (y - 1), which has slope one at the lid and nothing else at the sides."""
    return np.polynomial.Polynomial([0, 0, -1, 1]).deriv(order)


def legendre_values(count: int, points: Array, order: int) -> Array:
    """Derivatives of Legendre polynomials of [0, 1] at points in it, (points, count)."""
    eye = np.eye(count)
    derived = legendre.legder(eye, order) if order else eye
    values = legendre.legval(2 * points - 1, derived).T
    return np.asarray(2.0**order * values)


def shen_values(count: int, points: Array, order: int) -> Array:
    """Derivatives of Shen's functions at points, (points, count); second ones have norm one."""
    k = np.arange(count)
    base = legendre_values(count + 4, points, order)
    middle, last = -2 * (2 * k + 5) / (2 * k + 7), (2 * k + 3) / (2 * k + 7)
    combined = base[:, :count] + middle * base[:, 2 : count + 2] + last * base[:, 4 : count + 4]
    return np.asarray(combined / np.sqrt(2 * (2 * k + 3) ** 2 * (2 * k + 5)))


@dataclass(frozen=True)
class Grid:
    """Every product of points along x and y, or given points (x, y).

    Arguments:
        x, y: coordinates, each (n,).
        product: whether all pairs are meant, x outside, or each x with its y.
    """

    x: Array
    y: Array
    product: bool

    def of(self, alpha: Array, beta: Array, c: Array) -> Array:
        """sum_ij c_ij alpha_i(x) beta_j(y), flat."""
        if self.product:
            return (alpha @ c @ beta.T).ravel()
        return np.einsum("ni,ij,nj->n", alpha, c, beta, optimize=True)

    def outer(self, f: Array, g: Array) -> Array:
        """f(x) g(y), flat."""
        return np.outer(f, g).ravel() if self.product else f * g


@dataclass(frozen=True)
class Flow:
    """Derivatives of a streamfunction with coefficients c (n, n) on a grid."""

    c: Array
    grid: Grid
    fluid: Fluid

    def psi(self, a: int, b: int) -> Array:
        """D_x^a D_y^b psi, flat."""
        n = len(self.c)
        basis = self.grid.of(shen_values(n, self.grid.x, a), shen_values(n, self.grid.y, b), self.c)
        return basis + self.grid.outer(lid(a)(self.grid.x), lift(b)(self.grid.y))

    def laplacian(self, a: int, b: int) -> Array:
        """D_x^a D_y^b lap psi, flat."""
        return self.psi(a + 2, b) + self.psi(a, b + 2)

    def pressure_gradient(self) -> tuple[Array, Array]:
        """nu lap u - inertia (u u_x + v u_y) and the same of v, flat."""
        u, v = self.psi(0, 1), -self.psi(1, 0)
        inertia_x = u * self.psi(1, 1) + v * self.psi(0, 2)
        inertia_y = -u * self.psi(2, 0) - v * self.psi(1, 1)
        nu, inertia = self.fluid.nu, self.fluid.inertia
        along_x = nu * self.laplacian(0, 1) - inertia * inertia_x
        along_y = -nu * self.laplacian(1, 0) - inertia * inertia_y
        return along_x, along_y


def gauss(count: int) -> tuple[Array, Array]:
    """Gauss-Legendre points and weights of [0, 1]."""
    points, weights = legendre.leggauss(count)
    return (points + 1) / 2, weights / 2


def streamfunction(n: int, fluid: Fluid) -> Array:
    """Coefficients (n, n) of the steady flow."""
    points, weights = gauss(3 * n // 2 + 8)
    grid, w = Grid(points, points, True), np.outer(weights, weights).ravel()
    basis = [shen_values(n, points, k) for k in range(4)]

    def features(a: int, b: int) -> Array:
        return np.einsum("pi,qj->pqij", basis[a], basis[b]).reshape(len(w), n * n)

    test, at_x, at_y = features(0, 0), features(1, 0), features(0, 1)
    lap = features(2, 0) + features(0, 2)
    lap_x, lap_y = features(3, 0) + features(1, 2), features(2, 1) + features(0, 3)
    c = np.zeros((n, n))
    for iteration in range(30):
        flow = Flow(c, grid, fluid)
        px, py = flow.psi(1, 0), flow.psi(0, 1)
        lx, ly = flow.laplacian(1, 0), flow.laplacian(0, 1)
        nu, inertia = fluid.nu, fluid.inertia
        residual = nu * lap.T @ (w * flow.laplacian(0, 0))
        residual -= inertia * test.T @ (w * (py * lx - px * ly))
        moved = lx[:, None] * at_y - ly[:, None] * at_x
        moved += py[:, None] * lap_x - px[:, None] * lap_y
        jacobian = nu * lap.T @ (w[:, None] * lap) - inertia * test.T @ (w[:, None] * moved)
        step = np.linalg.solve(jacobian, residual)
        c = c - step.reshape(n, n)
        size = float(np.abs(step).max() / np.abs(c).max())
        print(f"  {n} x {n} functions, Newton step {iteration + 1}: {size:.1e}")
        if size < 1e-11:
            return c
    raise RuntimeError("Newton's method did not converge")


def pressure(c: Array, fluid: Fluid) -> Array:
    """Legendre coefficients (k, k) of the pressure of mean zero."""
    k = len(c) + 6
    points, weights = gauss(3 * k // 2)
    along_x, along_y = Flow(c, Grid(points, points, True), fluid).pressure_gradient()
    value, slope = (legendre_values(k, points, order) for order in (0, 1))
    mass, stiffness = value.T * weights @ value, slope.T * weights @ slope
    # grad p = g in the least-squares sense: (K x M + M x K) p = D' g, by eigenvectors of K, M.
    root = np.sqrt(np.diag(mass))
    eigenvalues, vectors = np.linalg.eigh(stiffness / np.outer(root, root))
    vectors = vectors / root[:, None]
    shape = (len(points), len(points))
    gx, gy = along_x.reshape(shape), along_y.reshape(shape)
    right = (slope.T * weights) @ gx @ (value.T * weights).T
    right += (value.T * weights) @ gy @ (slope.T * weights).T
    turned = vectors.T @ right @ vectors
    total = eigenvalues[:, None] + eigenvalues
    total[0, 0] = np.inf
    coefficients = vectors @ (turned / total) @ vectors.T
    coefficients[0, 0] = 0.0
    return np.asarray(coefficients)


def fields(n: int, fluid: Fluid, x: Array, y: Array) -> Array:
    """u, v, p at points, (points, 3)."""
    c = streamfunction(n, fluid)
    p = pressure(c, fluid)
    grid = Grid(x, y, False)
    flow = Flow(c, grid, fluid)
    at_x, at_y = legendre_values(len(p), x, 0), legendre_values(len(p), y, 0)
    return np.stack([flow.psi(0, 1), -flow.psi(1, 0), grid.of(at_x, at_y, p)], axis=1)


def mesh(count: int) -> tuple[Array, Array]:
    """All pairs of evenly spaced coordinates, the sides included, (count^2,) each."""
    even = np.linspace(0, 1, count)
    x, y = np.meshgrid(even, even, indexing="ij")
    return x.ravel(), y.ravel()


def main(fluid: Fluid, path: Path) -> None:
    """Solve twice, write the finer solution, say how far they are apart."""
    x, y = mesh(POINTS)
    coarse, fine = fields(COARSE, fluid, x, y), fields(FINE, fluid, x, y)
    apart = np.linalg.norm(coarse - fine, axis=0) / np.linalg.norm(fine, axis=0)
    for name, size in zip("uvp", apart, strict=True):
        print(f"  {name}: {COARSE} and {FINE} functions a coordinate differ by {size:.1e}")
    table = np.column_stack([x, y, fine])
    np.savetxt(path, table, fmt="%.15g", delimiter=",", header="x,y,u,v,p", comments="")


if __name__ == "__main__":
    main(FLUIDS[sys.argv[1]], Path(sys.argv[2]))
