"""Kolmogorov-Arnold networks: a spline and a multiple of silu on every edge.

    h_j = sum_i a_ij silu(x_i) + sum_i sum_c w_icj B_c(x_i)

Liu, Wang, Vaidya, Ruehle, Halverson, Soljacic, Hou and Tegmark, KAN: Kolmogorov-Arnold Networks,
arXiv 2404.19756, equations 2.10 and 2.11; grid extension, section 2.4 and figure 2.2. As in the
authors' program pykan the knots continue evenly by k beyond the grid, a grid follows the quantiles
of samples, and starting splines pass through noise at the knots. Its two scales of an edge are
factors of a and w here: the same functions with one number less for each edge.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import torch
from torch import Tensor, nn

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders
from gmnm_pde.networks.activations import silu
from gmnm_pde.networks.basis import Basis
from gmnm_pde.networks.boxed import BoxedSpec, at_least, uniform
from gmnm_pde.networks.jets import Jet, joined_along_last, sum_of
from gmnm_pde.networks.splines import basis, extended, fitted, local, pieces, spread, sums
from gmnm_pde.networks.stacked import StackedNetwork, hidden_widths

MOST_PER_ROW = 1.5
"""Each spline is seen by the points of its intervals only: the authors put the threshold from which
errors grow again at one number a point (section 2.4). A little above it errors are still fair; in
100 dimensions, at 1.5 and 2.6, the residual between points was twice that of the coarsest grid."""

SAMPLES = 8
"""Points of an interval through which a finer grid gets the same function."""


@dataclass(frozen=True)
class KANSpec(BoxedSpec):
    """A Kolmogorov-Arnold network of B-splines.

    Arguments:
        widths: of each hidden layer.
        grid: intervals of the splines.
        k: their order, the degree of the pieces; a solution has continuous derivatives up to k - 1.
        noise: size of the starting splines, over the number of intervals.
        base_scale: size of the starting multiples of silu, over sqrt(inputs).
        spline_scale: a factor of the starting splines, over sqrt(inputs).
        grid_range: where the splines are; coordinates are scaled to [-1, 1].
        grid_eps: of grids that follow samples: 1 is even, towards 0 each interval has as many.

    Raises:
        InputError: numbers that are too small, or an empty range.
    """

    widths: tuple[int, ...] = (5,)
    grid: int = 5
    k: int = 3
    noise: float = 0.3
    base_scale: float = 1.0
    spline_scale: float = 1.0
    grid_range: tuple[float, float] = (-1.0, 1.0)
    grid_eps: float = 0.02

    def __post_init__(self) -> None:
        hidden_widths(self.widths)
        at_least(1, grid=self.grid, k=self.k)
        at_least(0, noise=self.noise, base_scale=self.base_scale, spline_scale=self.spline_scale)
        if not self.grid_range[0] < self.grid_range[1]:
            raise InputError(f"grid_range is {list(self.grid_range)}.", mend="Give [-1, 1].")
        if not 0 < self.grid_eps <= 1:
            raise InputError(
                f"grid_eps is {self.grid_eps}.", mend="Give a number above 0, at most 1."
            )

    @property
    def highest_derivative(self) -> int:
        return self.k

    @property
    def most_per_row(self) -> float:
        return MOST_PER_ROW

    def initial(
        self,
        lower: Sequence[float],
        upper: Sequence[float],
        n_outputs: int,
        generator: torch.Generator,
    ) -> KAN:
        sizes = [len(lower), *self.widths, n_outputs]
        grid = torch.linspace(*self.grid_range, self.grid + 1, dtype=torch.float64)
        bases = [
            SplineBasis(extended(grid.expand(inputs, -1), self.k), self.k) for inputs in sizes[:-1]
        ]
        matrices = [
            self._matrix(basis, outputs, generator)
            for basis, outputs in zip(bases, sizes[1:], strict=True)
        ]
        return KAN(self, lower, upper, bases, matrices)

    def _matrix(self, basis: SplineBasis, outputs: int, generator: torch.Generator) -> Tensor:
        """The starting weights of a layer."""
        inputs, places = basis.inputs, basis.grid.T
        base = uniform(generator, (inputs, outputs), self.base_scale)
        drawn = uniform(generator, (inputs, len(places), outputs), 0.5 * self.noise / self.grid)
        splines = self.spline_scale * fitted(places, drawn, basis.knots, self.k)
        return joined_weights(base, splines) / sqrt(inputs)


class SplineBasis(Basis):
    """silu(x_i) for every i, then every B_c(x_i), coordinate by coordinate.

    Arguments:
        knots: (inputs, G + 2k + 1).
        order: k.
    """

    knots: Tensor
    slopes: Tensor
    """:func:`pieces` of the knots."""

    def __init__(self, knots: Tensor, order: int) -> None:
        super().__init__()
        self.order = order
        self.register_buffer("knots", knots.clone())
        self.register_buffer("slopes", pieces(knots, order), persistent=False)
        # Stored arrays hold the knots only.
        self.register_load_state_dict_post_hook(_loaded)

    def move(self, knots: Tensor) -> None:
        """Take other knots (inputs, G + 2k + 1), in place."""
        self.knots.copy_(knots)
        self.slopes.copy_(pieces(self.knots, self.order))

    @property
    def inputs(self) -> int:
        """How many numbers it takes."""
        return self.knots.shape[0]

    @property
    def grid(self) -> Tensor:
        """Ends of the intervals, (inputs, G + 1)."""
        return self.knots[:, self.order : -self.order]

    def forward(self, x: Jet) -> Jet:
        splines = x.apply(lambda h, top: basis(h, self.knots, self.order, top, self.slopes))
        return joined_along_last([x.apply(silu), splines.each(lambda part: part.flatten(-2))])

    def mapped(self, x: Jet, matrix: Tensor) -> Jet:
        # One function a_io silu + sum_c w_ico B_c for each edge, and the chain rule for that one
        # instead of every spline: with 20 intervals 1/20 of the work.
        base, splines = parts(matrix, self.inputs)
        curves = sums(x.value, self.knots, self.slopes, splines, x.top)
        waves = x.table(silu)
        edges = [c + w[..., None] * base for c, w in zip(curves, waves, strict=True)]
        return x.composed(edges).each(lambda part: part.sum(-2))

    def rows(self, x: Jet, slopes: Mapping[Orders, Tensor]) -> Tensor:
        # The gradient to the tables of each edge, of which few splines take part in each.
        some = next(iter(slopes.values()))
        with torch.enable_grad():
            shape = (*x.value.shape, some.shape[-1])
            edges = [some.new_zeros(shape, requires_grad=True) for _ in range(x.top + 1)]
            total = x.composed(edges).each(lambda part: part.sum(-2))
            outputs = [total.part(alpha) for alpha in slopes]
            tables = torch.autograd.grad(
                outputs, edges, list(slopes.values()), allow_unused=True, materialize_grads=True
            )
        first, values = local(x.value, self.knots, self.slopes, x.top)
        base = sum_of(w[..., None] * g for w, g in zip(x.table(silu), tables, strict=True))
        splines = sum_of(
            v[..., None] * g[..., None, :] for v, g in zip(values, tables, strict=True)
        )
        count = self.knots.shape[1] - self.order - 1
        return torch.cat([base, spread(first, splines, count).flatten(-3, -2)], dim=-2)


def _loaded(basis: nn.Module, _: object) -> None:
    assert isinstance(basis, SplineBasis)
    basis.move(basis.knots)


class KAN(StackedNetwork):
    """See :class:`KANSpec`, which makes it."""

    spec: KANSpec

    @torch.no_grad()
    def update_grid(self, points: Tensor) -> None:
        """Move the grids to where samples are, layer by layer, and fit the splines to what they
        were there.

        Arguments:
            points: (n, d) of the box; more than a few for each interval.
        """
        for index, (layer, weights) in enumerate(zip(self._splines, self._weights, strict=True)):
            x = self.inputs(points)[index].sort(dim=0).values
            base, splines = parts(weights, layer.inputs)
            values = basis(x, layer.knots, layer.order)[0].transpose(0, 1) @ splines
            knots = extended(self._following(x, layer.grid), layer.order)
            layer.move(knots)
            weights.copy_(joined_weights(base, fitted(x, values, knots, layer.order)))

    @torch.no_grad()
    def refine(self, grid: int) -> KAN:
        """A network with more intervals and the same function.

        New knots divide the old intervals evenly. Where ``grid`` is a multiple of the old number
        the function is the same within the grid, elsewhere the closest one.

        Arguments:
            grid: intervals.
        """
        bases, matrices = [], []
        for layer, weights in zip(self._splines, self._weights, strict=True):
            base, splines = parts(weights, layer.inputs)
            knots = extended(_divided(layer.grid, grid), layer.order)
            finer = SplineBasis(knots, layer.order)
            x = _divided(layer.grid, SAMPLES * grid).T
            # The last place belongs to the interval beyond the grid.
            x[-1] = x[-1] - 1e-9 * (x[-1] - x[-2])
            values = basis(x, layer.knots, layer.order)[0].transpose(0, 1) @ splines
            matrices.append(joined_weights(base, fitted(x, values, knots, layer.order)))
            bases.append(finer)
        spec = replace(self.spec, grid=grid)
        made = KAN(spec, self.lower.tolist(), self.upper.tolist(), bases, matrices)
        return made.to(self.weights)

    def refined(self, points: Tensor, grid: int | None = None) -> KAN:
        made = copy.deepcopy(self)
        made.update_grid(points)
        return made if grid is None or grid == self.spec.grid else made.refine(grid)

    def inputs(self, points: Tensor) -> list[Tensor]:
        """What each layer is given at points (n, d), (n, inputs)."""
        return [x.value for x in self.entering(self.scaled(points, ()))]

    @property
    def _splines(self) -> list[SplineBasis]:
        return [layer for layer in self.bases if isinstance(layer, SplineBasis)]

    @property
    def _weights(self) -> list[nn.Parameter]:
        return [*self.matrices, self.weights]

    def _following(self, x: Tensor, grid: Tensor) -> Tensor:
        """Ends of intervals between sorted samples (n, inputs), (inputs, G + 1)."""
        count, eps = grid.shape[1] - 1, self.spec.grid_eps
        places = [int(len(x) / count * i) for i in range(count)] + [-1]
        adaptive, low, high = x[places].T, x[:1].T, x[-1:].T
        even = low + (high - low) * torch.linspace(0, 1, count + 1).to(x)
        # Where all samples are equal, there is nothing to follow.
        return torch.where(high > low, eps * even + (1 - eps) * adaptive, grid)


def joined_weights(base: Tensor, splines: Tensor) -> Tensor:
    """Weights of silu (inputs, outputs) and of splines (inputs, G + k, outputs) as one matrix."""
    return torch.cat([base, splines.flatten(0, 1)])


def parts(weights: Tensor, inputs: int) -> tuple[Tensor, Tensor]:
    """What :func:`joined_weights` put together."""
    return weights[:inputs], weights[inputs:].unflatten(0, (inputs, -1))


def _divided(grid: Tensor, count: int) -> Tensor:
    """Ends of intervals (inputs, G + 1) with new ones evenly between them, (inputs, count + 1)."""
    old = grid.shape[1] - 1
    place = torch.arange(count + 1, dtype=grid.dtype, device=grid.device) * (old / count)
    left = place.floor().long().clamp(max=old - 1)
    part = place - left
    return grid[:, left] * (1 - part) + grid[:, left + 1] * part
