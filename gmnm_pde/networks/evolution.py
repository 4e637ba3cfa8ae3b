"""A function of space and time: units in space whose output weights are polynomials in time.

    u_j(x, t) = sum_i pi_ij(t) g_i(x) + b_j(t)

Time is cut into segments, each with units of its own, and segments into steps, in each of which pi
is a polynomial. Derivatives in space are those of the units, derivatives in time those of the
polynomials: all of them in closed form.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor, nn

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders
from gmnm_pde.networks.base import Network
from gmnm_pde.networks.gmnm import GMNM

AT_ONCE = 4_000_000
"""Numbers that are held at once while weights are summed up."""


class EvolutionSegment(nn.Module):
    """Units from one time to another.

    Arguments:
        mu, P: of the units, see :class:`GMNM`.
        times: ends of the steps, (steps + 1,).
        coefficients: of the Legendre polynomials of each step for every feature (the units and the
            constant) and unknown, (steps, degree + 1, K + 1, m).
    """

    def __init__(self, mu: Tensor, P: Tensor, times: Tensor, coefficients: Tensor) -> None:
        super().__init__()
        self.mu = nn.Parameter(mu, requires_grad=False)
        self.P = nn.Parameter(P, requires_grad=False)
        self.times = nn.Parameter(times, requires_grad=False)
        self.coefficients = nn.Parameter(coefficients, requires_grad=False)

    @property
    def n_units(self) -> int:
        """K."""
        return self.mu.shape[0]

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        """D^alpha of the unknowns at points (n, d + 1) of this segment, each (n, m)."""
        place, time = points[:, :-1], points[:, -1]
        parts = self._factors(place, {alpha[:-1] for alpha in orders})
        step = torch.searchsorted(self.times.detach(), time.detach().contiguous(), right=True) - 1
        step = step.clamp(0, len(self.times) - 2)
        start, length = self.times[step], (self.times[1:] - self.times[:-1])[step]
        tau = 2 * (time - start) / length - 1
        degree = self.coefficients.shape[1] - 1
        result = {}
        for alpha in orders:
            basis = legendre(tau, degree, alpha[-1]) * ((2 / length) ** alpha[-1])[:, None]
            factors, constant = parts[alpha[:-1]], float(not any(alpha[:-1]))
            values = points.new_zeros(len(points), self.coefficients.shape[3])
            for index in torch.unique(step).tolist():
                here = torch.nonzero(step == index)[:, 0]
                weights = self.coefficients[index].permute(1, 0, 2).flatten(1)
                found = _contracted([f[here] for f in factors], weights, constant)
                found = found.reshape(len(here), degree + 1, -1)
                values = values.index_put((here,), torch.einsum("nd,ndm->nm", basis[here], found))
            result[alpha] = values
        return result

    def _factors(self, place: Tensor, orders: Collection[Orders]) -> dict[Orders, list[Tensor]]:
        """D^alpha of all units, as the products of the factors that are there, each (n, .)."""
        lines = lines_of(self.mu, self.P)
        if lines is None:
            layer = GMNM(self.mu, self.P, bias=False).requires_grad_(False)
            found = layer.feature_derivatives(place, orders)
            return {alpha: [found[alpha]] for alpha in orders}
        along = [
            line.feature_derivatives(place[:, axis, None], {(alpha[axis],) for alpha in orders})
            for axis, line in enumerate(lines)
        ]
        return {
            alpha: [found[(k,)] for found, k in zip(along, alpha, strict=True)] for alpha in orders
        }


def lines_of(mu: Tensor, P: Tensor) -> list[GMNM] | None:
    """Units on a line for every coordinate, of which all units are the products, the last one
    fastest; None if they are not, or if there is one coordinate only.

    A product costs as many exponentials as there are units along its sides.
    """
    count, d = mu.shape
    if d < 2 or P.shape != mu.shape:
        return None
    sizes = [len(torch.unique(mu[:, axis])) for axis in range(d)]
    if prod(sizes) != count:
        return None
    lines = []
    for axis in range(d):
        places, widths = (
            part[:, axis].reshape(sizes).movedim(axis, 0).flatten(1) for part in (mu, P)
        )
        if not (bool((places == places[:, :1]).all()) and bool((widths == widths[:, :1]).all())):
            return None
        line = GMNM(places[:, :1], widths[:, :1], bias=False)
        lines.append(line.requires_grad_(False))
    return lines


def _contracted(factors: Sequence[Tensor], weights: Tensor, constant: float) -> Tensor:
    """Sums of products of factors (n, K_1), (n, K_2) ... with weights (K_1 K_2 ... + 1, q), the
    last ones those of a constant, (n, q)."""
    first, *rest = factors
    total = weights[:-1].reshape(first.shape[1], -1)
    step = max(1, AT_ONCE // total.shape[1])
    parts = []
    for start in range(0, len(first), step):
        part = first[start : start + step] @ total
        for factor in rest:
            here = factor[start : start + step]
            part = (here[:, None] @ part.reshape(len(here), here.shape[1], -1))[:, 0]
        parts.append(part)
    return torch.cat(parts) + constant * weights[-1]


class Evolution(Network):
    """The segments one after the other; not a number after the last time.

    Raises:
        ValueError: no segment.
    """

    def __init__(self, segments: Sequence[EvolutionSegment]) -> None:
        super().__init__()
        if not segments:
            raise ValueError("an evolution has at least one segment")
        self.segments = nn.ModuleList(segments)
        self.n_inputs = segments[0].mu.shape[1] + 1
        self.n_outputs = segments[0].coefficients.shape[3]

    @classmethod
    def rebuild(cls, arrays: Mapping[str, Tensor]) -> Evolution:
        """A network of the shape of stored parameters."""
        names = ("mu", "P", "times", "coefficients")
        count = 1 + max(int(key.split(".")[1]) for key in arrays)
        return cls(
            [
                EvolutionSegment(*(arrays[f"segments.{i}.{name}"].clone() for name in names))
                for i in range(count)
            ]
        )

    @property
    def n_units(self) -> int:
        """Units of the largest segment."""
        return max(segment.n_units for segment in self._parts)

    @property
    def reached(self) -> float:
        """The last time that the function is known at."""
        return float(self._parts[-1].times[-1])

    @property
    def steps(self) -> tuple[float, ...]:
        """The ends of all steps."""
        return tuple(time for part in self._parts for time in part.times[1:].tolist())

    @property
    def _parts(self) -> list[EvolutionSegment]:
        return [part for part in self.segments if isinstance(part, EvolutionSegment)]

    def forward(self, points: Tensor) -> Tensor:
        zero = (0,) * self.n_inputs
        return self.derivatives(points, [zero])[zero]

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        parts = self._parts
        ends = torch.stack([part.times[-1].detach() for part in parts])
        time = points[:, -1].detach().contiguous()
        which = torch.searchsorted(ends, time)
        slack = 1e-9 * (ends[-1] - parts[0].times[0].detach())
        which = torch.where((which == len(parts)) & (time <= ends[-1] + slack), which - 1, which)
        unknown = points.new_full((len(points), self.n_outputs), torch.nan)
        result = dict.fromkeys(orders, unknown)
        for index in torch.unique(which).tolist():
            if index == len(parts):
                continue
            here = torch.nonzero(which == index)[:, 0]
            values = parts[index].derivatives(points[here], orders)
            for alpha in orders:
                result[alpha] = result[alpha].index_put((here,), values[alpha])
        return result

    def parameter_jacobian(
        self, points: Tensor, orders: Collection[Orders], names: Sequence[str]
    ) -> dict[Orders, Tensor]:
        """Not available.

        Raises:
            InputError: always. Weights follow from one another, step by step.
        """
        raise InputError(
            "a solution in time has no parameters to train.",
            mend="Take time_stepping as the last method, or solve in space and time at once with "
            "least_squares.",
        )


def legendre(x: Tensor, degree: int, order: int) -> Tensor:
    """The order-th derivative of P_0 ... P_degree at x (n,), (n, degree + 1)."""
    basis = [torch.ones_like(x), x]
    for k in range(1, degree):
        basis.append(((2 * k + 1) * x * basis[k] - k * basis[k - 1]) / (k + 1))
    values = torch.stack(basis[: degree + 1], 1)
    for _ in range(order):
        # P'_k = sum of (2 i + 1) P_i over i = k - 1, k - 3, ...
        matrix = np.zeros((degree + 1, degree + 1))
        for k in range(1, degree + 1):
            for i in range(k - 1, -1, -2):
                matrix[i, k] = 2 * i + 1
        values = values @ torch.from_numpy(matrix).to(values)
    return values


def segment_from_nodes(
    layer: GMNM, times: Tensor, nodes: Tensor, values: Tensor
) -> EvolutionSegment:
    """A segment whose weights have given values at nodes of every step.

    Arguments:
        nodes: in [0, 1], (s + 1,).
        values: (steps, s + 1, K + 1, m).
    """
    V = legendre(2 * nodes - 1, len(nodes) - 1, 0)
    steps = values.shape[0]
    solved = torch.linalg.solve(V, values.permute(1, 0, 2, 3).flatten(1))
    coefficients = solved.reshape(len(nodes), steps, *values.shape[2:]).permute(1, 0, 2, 3)
    return EvolutionSegment(layer.mu.detach(), layer.P.detach(), times, coefficients.contiguous())
