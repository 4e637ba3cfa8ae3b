"""The heat equation in ten dimensions: heat that spreads from a point off the centre of a cube.

u = (s / (s + 4 k t))^5 exp(-|x - c|^2 / (s + 4 k t)) with k = 1/4 and s = 2 is the fundamental
solution, a product of functions of every coordinate and not a sum. The solver is not told c.
"""

import torch

import gmnm_pde as gp

DIMENSIONS, START = 10, 2.0
CENTRE = 0.3 * torch.cos(2.0 * torch.arange(DIMENSIONS, dtype=torch.float64))


def exact(points):
    """u at places and times (n, 11)."""
    width = START + points[:, -1]
    square = (points[:, :-1] - CENTRE.to(points)).square().sum(1)
    return (START / width) ** (DIMENSIONS / 2) * torch.exp(-square / width)


def problem():
    """What is solved."""
    return gp.Problem(
        name="heat-10d",
        description="The heat equation in ten dimensions, heat that spreads from a point.",
        coordinates=[*(f"x{i + 1}" for i in range(DIMENSIONS)), "t"],
        unknowns="u",
        domain=gp.Box(((-1.0, 1.0),) * DIMENSIONS),
        time=(0.0, 1.0),
        equations=[lambda u: u.t - gp.laplacian(u) / 4],
        conditions=[gp.Dirichlet("boundary", exact), gp.Initial(exact)],
        reference=gp.Exact({"u": exact}),
    )
