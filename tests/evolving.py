"""Problems with time, nonlinear ones and systems whose solutions are known, for the references."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.geometry import Interval, Rectangle
from gmnm_pde.problem import (
    Condition,
    Dirichlet,
    Initial,
    Neumann,
    Periodic,
    Problem,
    Robin,
)
from gmnm_pde.references import Exact

exp, sin, cos, pi = torch.exp, torch.sin, torch.cos, math.pi
LINE, SQUARE = Interval(0, 1), Rectangle(x=(0, 1), y=(0, 1))


def heat() -> Problem:
    return Problem(
        "xt", "u", LINE, [lambda u: u.t - u.xx],
        [Initial(lambda x: sin(pi * x)), Dirichlet("boundary")], time=(0, 1),
        reference=Exact({"u": lambda x, t: exp(-(pi**2) * t) * sin(pi * x)}),
    )  # fmt: skip


def cooling() -> Problem:
    """Conditions that depend on time, one of them nonlinear."""

    def exact(x, t):
        return exp(-t) * cos(x)

    def radiation(u, x, t):
        return u.n + u**4 + exp(-t) * sin(x) - exact(x, t) ** 4

    return Problem(
        "xt", "u", LINE, [lambda u: u.t - u.xx],
        [Initial(exact), Neumann("left"), Condition("right", radiation)], time=(0, 1),
        reference=Exact({"u": exact}),
    )  # fmt: skip


def robin() -> Problem:
    """Variable coefficients, of the derivative in time too."""

    def exact(x, t):
        return exp(x) * sin(3 * t + 1)

    def equation(u, x, t):
        f = exp(x) * (3 * (2 + x) * cos(3 * t + 1) - (2 + x) * sin(3 * t + 1))
        return (2 + x) * u.t - (1 + x) * u.xx - u.x - f

    return Problem(
        "xt", "u", LINE, [equation],
        [
            Initial(exact),
            Robin("left", lambda t: 2 + t, lambda x, t: (1 + t) * exact(x, t)),
            Robin("right", 1.0, lambda x, t: 2 * exact(x, t)),
        ],
        time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip


def advection() -> Problem:
    def exact(x, t):
        return exp(sin(pi * (x - t)))

    return Problem(
        "xt", "u", Interval(-1, 1), [lambda u: u.t + u.x], [Initial(exact), Periodic("x")],
        time=(0, 2), reference=Exact({"u": exact}),
    )  # fmt: skip


def inflow() -> Problem:
    """A condition on one side only."""

    def exact(x, t):
        return sin(2 * (x - t)) + 2

    return Problem(
        "xt", "u", LINE, [lambda u: u.t + u.x], [Initial(exact), Dirichlet("left", exact)],
        time=(0, 2), reference=Exact({"u": exact}),
    )  # fmt: skip


def wave() -> Problem:
    def exact(x, t):
        return cos(pi * t) * sin(pi * x) + sin(2 * pi * t) * sin(2 * pi * x) / 2

    return Problem(
        "xt", "u", LINE, [lambda u: u.tt - u.xx],
        [
            Initial(lambda x: sin(pi * x)),
            Initial(lambda x: pi * sin(2 * pi * x), rate=True),
            Dirichlet("boundary"),
        ],
        time=(0, 2), reference=Exact({"u": exact}),
    )  # fmt: skip


def sine_gordon() -> Problem:
    def exact(x, t):
        return 4 * torch.atan(t / torch.cosh(x))

    return Problem(
        "xt", "u", Interval(-4, 4), [lambda u: u.tt - u.xx + sin(u.value)],
        [
            Initial(0.0),
            Initial(lambda x: 4 / torch.cosh(x), rate=True),
            Dirichlet("boundary", exact),
        ],
        time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip


def burgers() -> Problem:
    """nu = 0.1, from -sin(pi x), by the integral of Cole and Hopf."""
    nu = 0.1

    def exact(x: Tensor, t: Tensor) -> Tensor:
        z, weights = (torch.from_numpy(a) for a in np.polynomial.hermite.hermgauss(80))
        y = x[:, None] - torch.sqrt(4 * nu * t)[:, None] * z
        w = weights * exp(-cos(pi * y) / (2 * pi * nu))
        return -(sin(pi * y) * w).sum(1) / w.sum(1)

    return Problem(
        "xt", "u", Interval(-1, 1), [lambda u: u.t + u * u.x - nu * u.xx],
        [Initial(lambda x: -sin(pi * x)), Dirichlet("boundary")],
        time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip


def korteweg() -> Problem:
    """KdV: a soliton between three conditions."""

    def exact(x, t):
        return 1 / (2 * torch.cosh((x - t + 1) / 2) ** 2)

    def slope(x, t):
        return -exact(x, t) * torch.tanh((x - t + 1) / 2)

    return Problem(
        "xt", "u", Interval(-4, 4), [lambda u: u.t + 6 * u * u.x + u.xxx],
        [Initial(exact), Dirichlet("boundary", exact), Neumann("right", slope)],
        time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip


def beam() -> Problem:
    """Two conditions at each end, second order in time."""
    return Problem(
        "xt", "u", LINE, [lambda u: u.tt + u.xxxx],
        [
            Initial(lambda x: sin(pi * x)), Initial(0.0, rate=True),
            Dirichlet("boundary"), Condition("boundary", lambda u: u.xx),
        ],
        time=(0, 0.5),
        reference=Exact({"u": lambda x, t: cos(pi**2 * t) * sin(pi * x)}),
    )  # fmt: skip


def schroedinger() -> Problem:
    """i h_t + h_xx / 2 + |h|^2 h = 0 with h = u + i v, a soliton that moves."""

    def real(x, t):
        return cos(x) / torch.cosh(x - t)

    def imaginary(x, t):
        return sin(x) / torch.cosh(x - t)

    return Problem(
        "xt", "uv", Interval(-3, 3),
        [
            lambda u, v: u.t + v.xx / 2 + (u**2 + v**2) * v,
            lambda u, v: v.t - u.xx / 2 - (u**2 + v**2) * u,
        ],
        [
            Initial(real, "u"), Initial(imaginary, "v"),
            Dirichlet("boundary", real, "u"), Dirichlet("boundary", imaginary, "v"),
        ],
        time=(0, 0.5), reference=Exact({"u": real, "v": imaginary}),
    )  # fmt: skip


def constrained() -> Problem:
    """u_t = -v_xx with v = u_xx: an unknown without a derivative in time."""

    def exact(x, t):
        return exp(-t) * cos(pi * x)

    return Problem(
        "xt", "uv", LINE,
        [
            lambda u, v, x, t: u.t + v.xx - (pi**4 - 1) * exact(x, t),
            lambda u, v: v - u.xx,
        ],
        [
            Initial(lambda x: cos(pi * x), "u"),
            Neumann("boundary", 0.0, "u"), Neumann("boundary", 0.0, "v"),
        ],
        time=(0, 1),
        reference=Exact({"u": exact, "v": lambda x, t: -(pi**2) * exact(x, t)}),
    )  # fmt: skip


def heat_2d() -> Problem:
    def exact(x, y, t):
        return exp(-t) * cos(x) * exp(y)

    return Problem(
        "xyt", "u", SQUARE, [lambda u, x, y, t: u.t - u.xx - u.yy + exact(x, y, t)],
        [
            Initial(exact),
            Neumann("left"),
            Neumann("right", lambda x, y, t: -exp(-t) * sin(x) * exp(y)),
            Neumann("bottom", lambda x, y, t: -exact(x, y, t)),
            Dirichlet("top", exact),
        ],
        time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip


def periodic_2d() -> Problem:
    def exact(x, y, t):
        return exp(-t / 5) * sin(x - t) * cos(y)

    return Problem(
        "xyt", "u", Rectangle(x=(0, 2 * pi), y=(0, 2 * pi)),
        [lambda u: u.t + u.x - (u.xx + u.yy) / 10], [Initial(exact), Periodic("x"), Periodic("y")],
        time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip


def bratu() -> Problem:
    theta = 1.5171645990507543698

    def exact(x):
        return -2 * torch.log(torch.cosh((x - 0.5) * theta / 2) / math.cosh(theta / 4))

    return Problem(
        "x", "u", LINE, [lambda u: u.xx + exp(u.value)], [Dirichlet("boundary")],
        reference=Exact({"u": exact}),
    )  # fmt: skip


def _green(x, y, t):
    """u, v, p of a Taylor-Green vortex, nu = 0.05."""
    u, v = -cos(x) * sin(y) * exp(-0.1 * t), sin(x) * cos(y) * exp(-0.1 * t)
    return u, v, -(cos(2 * x) + cos(2 * y)) / 4 * exp(-0.2 * t)


def vortex() -> Problem:
    """Navier-Stokes: a pressure that nothing but a point fixes."""

    def part(i):
        return lambda x, y, t: _green(x, y, t)[i]

    return Problem(
        "xyt", "uvp", Rectangle(x=(0, 2), y=(0, 2)),
        [
            lambda u, v, p: u.t + u * u.x + v * u.y + p.x - 0.05 * (u.xx + u.yy),
            lambda u, v, p: v.t + u * v.x + v * v.y + p.y - 0.05 * (v.xx + v.yy),
            lambda u, v: u.x + v.y,
        ],
        [
            Initial(part(0), "u"), Initial(part(1), "v"),
            Dirichlet("boundary", part(0), "u"), Dirichlet("boundary", part(1), "v"),
            Condition((0.0, 0.0), lambda p, t: p + exp(-0.2 * t) / 2),
        ],
        time=(0, 1), reference=Exact({"u": part(0), "v": part(1), "p": part(2)}),
    )  # fmt: skip


def kovasznay() -> Problem:
    rate = 20 - math.sqrt(400 + 4 * pi**2)
    exact = {
        "u": lambda x, y: 1 - exp(rate * x) * cos(2 * pi * y),
        "v": lambda x, y: rate / (2 * pi) * exp(rate * x) * sin(2 * pi * y),
        "p": lambda x: -exp(2 * rate * x) / 2,
    }
    return Problem(
        "xy", "uvp", Rectangle(x=(-0.5, 0.5), y=(-0.5, 0.5)),
        [
            lambda u, v, p: u * u.x + v * u.y + p.x - (u.xx + u.yy) / 40,
            lambda u, v, p: u * v.x + v * v.y + p.y - (v.xx + v.yy) / 40,
            lambda u, v: u.x + v.y,
        ],
        [
            Dirichlet("boundary", exact["u"], "u"), Dirichlet("boundary", exact["v"], "v"),
            Condition((0.0, 0.0), lambda p: p + 0.5),
        ],
        reference=Exact(exact),
    )  # fmt: skip


def traction() -> Problem:
    """Plane elasticity, lambda = mu = 1: displacements on two sides, tractions on the others."""

    def u(x, y):
        return sin(x) * exp(y)

    def v(x, y):
        return cos(x + y)

    def stress(u_x, u_y, v_x, v_y):
        return 3 * u_x + v_y, u_y + v_x, 3 * v_y + u_x

    def known(x, y):
        s = sin(x + y)
        return stress(cos(x) * exp(y), u(x, y), -s, -s)

    def across(u, v, x, y):
        return (3 * u.x + v.y) - known(x, y)[0]

    def shear(u, v, x, y):
        return (u.y + v.x) - known(x, y)[1]

    def above(u, v, x, y):
        return (3 * v.y + u.x) - known(x, y)[2]

    # 3 u_xx + u_yy + 2 v_xy and v_xx + 3 v_yy + 2 u_xy of the exact solution.
    return Problem(
        "xy", "uv", SQUARE,
        [
            lambda u, v, x, y: 3 * u.xx + u.yy + 2 * v.xy + 2 * sin(x) * exp(y) + 2 * cos(x + y),
            lambda u, v, x, y: v.xx + 3 * v.yy + 2 * u.xy + 4 * cos(x + y) - 2 * cos(x) * exp(y),
        ],
        [
            Dirichlet(["left", "bottom"], u, "u"), Dirichlet(["left", "bottom"], v, "v"),
            Condition("right", across), Condition("right", shear),
            Condition("top", shear), Condition("top", above),
        ],
        reference=Exact({"u": u, "v": v}),
    )  # fmt: skip
