"""Poisson's equation in a cube of 100 dimensions, exp(a.x) sin(2 b.x) on the boundary.

The solution is no sum of functions of one coordinate, nor of one direction: it varies along the
plane that the unit vectors a and b span, which both point along every axis. The solver is told
nothing of a and b. In 100 dimensions a.x and b.x of points drawn uniformly from the cube are close
to normal, with a standard deviation of 0.58; errors are those on such points.
"""

import torch

import gmnm_pde as gp

DIMENSIONS = 100
SIGNS = torch.tensor([1.0, -1.0] * (DIMENSIONS // 2), dtype=torch.float64)
A = torch.ones(DIMENSIONS, dtype=torch.float64) / DIMENSIONS**0.5
B = SIGNS / DIMENSIONS**0.5


def exact(points):
    """u at points (n, 100)."""
    return torch.exp(points @ A.to(points)) * torch.sin(2 * (points @ B.to(points)))


def problem():
    """What is solved."""
    return gp.Problem(
        name="poisson-100d",
        description="Poisson's equation in a cube of 100 dimensions, u given on the boundary.",
        coordinates=[f"x{i + 1}" for i in range(DIMENSIONS)],
        unknowns="u",
        domain=gp.Box(((-1.0, 1.0),) * DIMENSIONS),
        equations=[lambda u, points: gp.laplacian(u) + 3 * exact(points)],
        conditions=[gp.Dirichlet("boundary", exact)],
        reference=gp.Exact({"u": exact}),
    )
