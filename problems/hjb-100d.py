"""A Hamilton-Jacobi-Bellman equation in 100 dimensions: the cost of steering noise to one of three sides.

    u_s = lap u - |grad u|^2,    u = -log(sum_j exp(a_j.x)) at s = 0,    s the time left,

that is E. Han, Jentzen and E's control problem (PNAS 115, 2018, equation 13; lambda = 1) with
another cost at the end. The logarithm of Cole and Hopf gives the solution in closed form,
u = -log(sum_j exp(a_j.x + |a_j|^2 s)), and as an expectation over Brownian paths, by which the
reference is computed here, so that its own error is that of Monte Carlo.
"""

import torch

import gmnm_pde as gp

DIMENSIONS = 100
ANGLES = torch.arange(DIMENSIONS, dtype=torch.float64)
SIDES = torch.stack([torch.cos(ANGLES * k + k) for k in (0.0, 1.0, 2.0)])
SIDES = 1.5 * SIDES / SIDES.norm(dim=1, keepdim=True)


def cost(points):
    """At the end, of places (n, 100)."""
    return -torch.logsumexp(points @ SIDES.to(points).T, 1)


def exact(points):
    """At places and times (n, 101)."""
    rates = SIDES.to(points).square().sum(1)
    return -torch.logsumexp(points[:, :-1] @ SIDES.to(points).T + points[:, -1:] * rates, 1)


def equation(u, points):
    return u.t - gp.laplacian(u) + gp.gradient(u).square().sum(1)


def problem():
    return gp.Problem(
        name="hjb-100d",
        description="A Hamilton-Jacobi-Bellman equation in 100 dimensions.",
        coordinates=[*(f"x{i + 1}" for i in range(DIMENSIONS)), "t"],
        unknowns="u",
        domain=gp.Box(((-1.0, 1.0),) * DIMENSIONS),
        time=(0.0, 1.0),
        equations=[equation],
        conditions=[gp.Dirichlet("boundary", exact), gp.Initial(exact)],
        reference=gp.Exact({"u": exact}),
    )
