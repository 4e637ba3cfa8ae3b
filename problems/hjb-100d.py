"""A Hamilton-Jacobi-Bellman equation in 100 dimensions: noise steered to one of three sides.

    u_t = lap u - |grad u|^2,     u = -log(sum_j exp(a_j.x)) at t = 0,      t the time left,

is the control problem of J. Han, A. Jentzen and W. E (PNAS 115, 2018) with another cost at the end:
theirs has no solution in closed form. The logarithm of Hopf and Cole gives this one,

    u = -log(sum_j exp(a_j.x + |a_j|^2 t)) ,

which varies along the three directions a_j, dense vectors that the solver is not told, and is no
sum of functions of one of them. Errors are those on points drawn uniformly from the cube.
"""

import torch

import gmnm_pde as gp

DIMENSIONS = 100
NUMBERS = torch.arange(DIMENSIONS, dtype=torch.float64)
SIDES = torch.stack([torch.cos(k * (NUMBERS + 1)) for k in (0.0, 1.0, 2.0)])
SIDES = 1.5 * SIDES / SIDES.norm(dim=1, keepdim=True)


def exact(points):
    """u at places and times (n, 101)."""
    sides = SIDES.to(points)
    return -torch.logsumexp(points[:, :-1] @ sides.T + points[:, -1:] * sides.square().sum(1), 1)


def problem():
    """What is solved."""
    return gp.Problem(
        name="hjb-100d",
        description="A Hamilton-Jacobi-Bellman equation in 100 dimensions.",
        coordinates=[*(f"x{i + 1}" for i in range(DIMENSIONS)), "t"],
        unknowns="u",
        domain=gp.Box(((-1.0, 1.0),) * DIMENSIONS),
        time=(0.0, 1.0),
        equations=[lambda u: u.t - gp.laplacian(u) + gp.gradient(u).square().sum(1)],
        conditions=[gp.Dirichlet("boundary", exact), gp.Initial(exact)],
        reference=gp.Exact({"u": exact}),
    )
