"""Kolmogorov-Arnold networks of Chebyshev polynomials.

    h_j = w_0j + sum_i sum_(n = 1 ... N) w_inj T_n(tanh x_i)

Sidharth, Keerthana, Gokul and Anas, Chebyshev Polynomial-Based Kolmogorov-Arnold Networks,
arXiv 2405.07200. Their T_0 of each input is one constant for all of them here: the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gmnm_pde.networks.activations import tanh
from gmnm_pde.networks.basis import Basis
from gmnm_pde.networks.boxed import BoxedSpec, at_least
from gmnm_pde.networks.jets import Jet
from gmnm_pde.networks.stacked import StackedNetwork, hidden_widths


@dataclass(frozen=True)
class ChebyshevKANSpec(BoxedSpec):
    """A Kolmogorov-Arnold network of Chebyshev polynomials.

    Arguments:
        widths: of each hidden layer.
        degree: N, of the polynomials.

    Raises:
        InputError: numbers that are too small.
    """

    widths: tuple[int, ...] = (8,)
    degree: int = 6

    def __post_init__(self) -> None:
        hidden_widths(self.widths)
        at_least(1, degree=self.degree)

    def initial(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> ChebyshevKAN:
        sizes = [len(lower), *self.widths, n_outputs]
        matrices = []
        for inputs, outputs in pairwise(sizes):
            # Normal, of variance 1 / (inputs * functions): h has the size of the functions.
            shape = (inputs * self.degree + 1, outputs)
            drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
            matrices.append(drawn / (inputs * (self.degree + 1)) ** 0.5)
        bases = [ChebyshevBasis(self.degree) for _ in matrices]
        return ChebyshevKAN(self, lower, upper, bases, matrices)


class ChebyshevBasis(Basis):
    """T_1 ... T_N of tanh(x_i) for every i, and one.

    Arguments:
        degree: N.
    """

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree

    def forward(self, x: Jet) -> Jet:
        values = x.apply(tanh).apply(lambda t, top: chebyshev(t, self.degree, top))
        return values.each(lambda part: part.flatten(-2)).with_constant()


class ChebyshevKAN(StackedNetwork):
    """See :class:`ChebyshevKANSpec`, which makes it."""


def chebyshev(x: Tensor, degree: int, order: int) -> list[Tensor]:
    """T_1 ... T_degree at x and their derivatives up to an order, each (..., degree).

    T_(n+1) = 2 x T_n - T_(n-1), differentiated: T_(n+1)^(r) = 2 x T_n^(r) + 2 r T_n^(r-1)
    - T_(n-1)^(r).
    """
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    tables = [[one, x], [zero, one], *([zero, zero] for _ in range(order - 1))][: order + 1]
    for n in range(1, degree):
        new = []
        for r, table in enumerate(tables):
            value = 2 * x * table[n] - table[n - 1]
            new.append(value if r == 0 else value + 2 * r * tables[r - 1][n])
        for table, value in zip(tables, new, strict=True):
            table.append(value)
    return [torch.stack(table[1 : degree + 1], dim=-1) for table in tables]
