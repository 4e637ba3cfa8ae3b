"""Cheap inverse problems for the tests, with measurements made from exact solutions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gmnm_pde.geometry import Interval
from gmnm_pde.inferred import Constant
from gmnm_pde.problem import Data, Dirichlet, Initial, Problem
from gmnm_pde.references import Exact

sin, cos, exp, pi = torch.sin, torch.cos, torch.exp, math.pi


def measured(
    points: Tensor, noise: float | tuple[float, ...], seed: int, *functions: Any, **more: Any
) -> Data:
    """Values of functions of the points' coordinates, with noise."""
    generator = torch.Generator().manual_seed(seed)
    columns = torch.stack([function(*points.T) for function in functions], 1)
    sizes = columns.new_tensor(noise).expand(columns.shape[1])
    drawn = torch.randn(columns.shape, generator=generator, dtype=torch.float64)
    return Data(points, columns + sizes * drawn, **more)


def on_line(count: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Points in an interval, (n, 1), its ends left out."""
    return torch.linspace(low, high, count + 2, dtype=torch.float64)[1:-1, None]


def in_time(count: int, seed: int = 5, end: float = 0.1) -> Tensor:
    """Random points of (0, 1) x (0, end), (n, 2)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    return drawn * torch.tensor([1.0, end], dtype=torch.float64)


def bar(data: Data, infer: Mapping[str, Any] | None = None, **more: Any) -> Problem:
    """-k u'' = pi^2 sin(pi x), u = 0 at both ends: u = sin(pi x) / k."""
    return Problem(
        "x",
        "u",
        Interval(0, 1),
        [lambda u, k, x: k * u.xx + pi**2 * sin(pi * x)],
        [Dirichlet("boundary", 0.0)],
        data=data,
        infer=infer if infer is not None else {"k": Constant(1.0, (0.01, 100))},
        **more,
    )


def bar_data(k: float = 2.0, noise: float = 0.01, seed: int = 0, n: int = 40, **more: Any) -> Data:
    """Measurements of :func:`bar`."""
    return measured(on_line(n), noise, seed, lambda x: sin(pi * x) / k, **more)


def heat(k: float = 0.5, noise: float = 0.01, seed: int = 0, n: int = 60) -> Problem:
    """u_t = k u_xx on (0, 1), u = exp(-k pi^2 t) sin(pi x)."""
    points = in_time(n, end=0.3)
    data = measured(points, noise, seed, lambda x, t: exp(-k * pi**2 * t) * sin(pi * x))
    return Problem(
        "xt",
        "u",
        Interval(0, 1),
        [lambda u, k, x: u.t - k * u.xx],
        [Dirichlet("boundary", 0.0), Initial(lambda x: sin(pi * x))],
        time=(0, 0.3),
        data=data,
        infer={"k": Constant(1.0, (0.01, 10))},
        reference=Exact({"k": k}),
    )
