"""Functions of one number with all their derivatives, as :meth:`jets.Jet.apply` takes them."""

from __future__ import annotations

from functools import cache
from math import pi, sqrt

import torch
from torch import Tensor

from gmnm_pde.networks.jets import Function


def tanh(x: Tensor, order: int) -> list[Tensor]:
    """tanh' = 1 - tanh^2, so every derivative is a polynomial in tanh."""
    t = torch.tanh(x)
    return [_polynomial(_tanh_polynomial(r), t) for r in range(order + 1)]


def sin(x: Tensor, order: int) -> list[Tensor]:
    """sin, cos, -sin, -cos, ..."""
    s = torch.sin(x)
    if order == 0:
        return [s]
    c = torch.cos(x)
    return [(s, c, -s, -c)[r % 4] for r in range(order + 1)]


def cos(x: Tensor, order: int) -> list[Tensor]:
    """cos, -sin, -cos, sin, ..."""
    c = torch.cos(x)
    if order == 0:
        return [c]
    s = torch.sin(x)
    return [(c, -s, -c, s)[r % 4] for r in range(order + 1)]


def gauss(x: Tensor, order: int) -> list[Tensor]:
    """exp(-x^2 / 2); derivatives (-1)^r He_r(x) exp(-x^2 / 2)."""
    values = [torch.exp(-0.5 * x.square())]
    for r in range(order):
        following = -x * values[r]
        values.append(following if r == 0 else following - r * values[r - 1])
    return values


def gelu(x: Tensor, order: int) -> list[Tensor]:
    """x Phi(x), Phi being the distribution function of the normal distribution.

    Hendrycks and Gimpel, Gaussian error linear units, arXiv 1606.08415.
    """
    normal = 0.5 * (1 + torch.erf(x / sqrt(2)))
    return _times_x(x, [normal, *(g / sqrt(2 * pi) for g in gauss(x, max(0, order - 1)))], order)


def silu(x: Tensor, order: int) -> list[Tensor]:
    """x / (1 + exp(-x)). Hendrycks and Gimpel, arXiv 1606.08415, section 2."""
    return _times_x(x, sigmoid(x, order), order)


def sigmoid(x: Tensor, order: int) -> list[Tensor]:
    """1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2."""
    half = tanh(0.5 * x, order)
    return [0.5 + 0.5 * half[0], *(0.5 ** (r + 1) * half[r] for r in range(1, order + 1))]


ACTIVATIONS: dict[str, Function] = {"tanh": tanh, "sin": sin, "gelu": gelu, "silu": silu}
"""Those that an option of a network names."""


def _times_x(x: Tensor, factor: list[Tensor], order: int) -> list[Tensor]:
    """(x f)^(r) = x f^(r) + r f^(r-1)."""
    return [
        x * factor[r] if r == 0 else x * factor[r] + r * factor[r - 1] for r in range(order + 1)
    ]


def _polynomial(coefficients: tuple[int, ...], t: Tensor) -> Tensor:
    """sum_k c_k t^k by Horner's rule in t^2: derivatives of tanh are even or odd in it."""
    odd = len(coefficients) % 2 == 0
    kept = coefficients[1::2] if odd else coefficients[::2]
    if kept == (1,):
        return t
    square = t * t
    total = kept[-1] * square + kept[-2]
    for c in kept[-3::-1]:
        total = total * square + c
    return total * t if odd else total


@cache
def _tanh_polynomial(r: int) -> tuple[int, ...]:
    """Coefficients of the r-th derivative of tanh in powers of tanh: p_(r+1) = p_r' (1 - t^2)."""
    if r == 0:
        return (0, 1)
    before = _tanh_polynomial(r - 1)
    slope = [k * c for k, c in enumerate(before)][1:]
    result = [0] * (len(before) + 1)
    for k, c in enumerate(slope):
        result[k] += c
        result[k + 2] -= c
    return tuple(result)
