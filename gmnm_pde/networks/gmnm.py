"""The GMNM layer: a sum of Gaussian units with real output weights, and its derivatives.

    z = x - mu_i,  w = P_i z,  g_i(x) = exp(-|w|^2 / 2),   u_j(x) = sum_i pi_ij g_i(x) + b_j

after the Gaussian Mixture-Inspired Nonlinear Module of Lu, Yuan, Zhang and Li, arXiv 2510.06660.
Nothing is constrained: pi and P may be any real numbers, (P'P)^-1 is never formed.

Every derivative is closed form. With s = M z, M = P'P, the unit satisfies dg/dx_j = -s_j g, and
Leibniz' rule on that product gives derivatives of any order from lower ones,

    D^(alpha + e_j) g = -( s_j D^alpha g + sum_k alpha_k M_jk D^(alpha - e_k) g ),

the multivariate Hermite recursion. It holds for P of any shape and rank.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import comb, prod
from typing import Literal

import torch
from torch import Tensor, nn

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders
from gmnm_pde.networks.base import LinearOutputNetwork, combined
from gmnm_pde.networks.lattice import Known, Lattice
from gmnm_pde.networks.products import FEW, Coefficients, Products, covers

Projection = Literal["isotropic", "diagonal", "full", "low_rank"]


class GMNM(LinearOutputNetwork):
    """One layer of Gaussian units.

    Arguments:
        mu: centres, (K, d).
        P: projections, of the shape of the kind: isotropic (K, 1) and diagonal (K, d) hold
            1/sigma; full (K, d, d) and low_rank (K, r, d) are matrices.
        n_outputs: m, the number of unknowns.
        bias: adds b (m,), one more feature that is constant.
        pi: output weights (K, m), zero if not given.

    The layer is an ordinary ``nn.Module`` in the dtype and on the device of ``mu``; layers stack
    in an ``nn.Sequential``.

    Raises:
        InputError: shapes that do not fit.
    """

    def __init__(
        self,
        mu: Tensor,
        P: Tensor,
        n_outputs: int = 1,
        *,
        bias: bool = True,
        pi: Tensor | None = None,
    ) -> None:
        super().__init__()
        if mu.ndim != 2 or P.shape not in _projection_shapes(mu.shape[0], mu.shape[1], P):
            raise InputError(
                f"mu has shape {tuple(mu.shape)} and P has shape {tuple(P.shape)}.",
                mend="Expected mu (K, d) and P (K, 1), (K, d), (K, d, d) or (K, r, d).",
            )
        n_units, n_inputs = mu.shape
        if pi is not None and pi.shape != (n_units, n_outputs):
            raise InputError(
                f"pi has shape {tuple(pi.shape)}.",
                mend=f"Expected (K, n_outputs) = ({n_units}, {n_outputs}).",
            )
        self.n_inputs = n_inputs
        self.n_outputs = n_outputs
        self.mu = nn.Parameter(mu.clone())
        self.P = nn.Parameter(P.clone())
        self.pi = nn.Parameter(mu.new_zeros(n_units, n_outputs) if pi is None else pi.clone())
        self.b = nn.Parameter(mu.new_zeros(n_outputs)) if bias else None
        self._known_lattice: Known | None = None

    @classmethod
    def random(
        cls,
        n_inputs: int,
        n_units: int,
        n_outputs: int = 1,
        *,
        projection: Projection = "diagonal",
        rank: int = 1,
        width: float = 0.5,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> GMNM:
        """Units with centres uniform in [-1, 1]^d, of about the given width, normal weights.

        For a layer inside a stack, whose inputs are not known before training.
        """
        mu = 2 * torch.rand(n_units, n_inputs, generator=generator, dtype=dtype) - 1
        if projection in ("isotropic", "diagonal"):
            columns = 1 if projection == "isotropic" else n_inputs
            P = torch.full((n_units, columns), 1 / width, dtype=dtype)
        else:
            rows = n_inputs if projection == "full" else rank
            P = torch.randn(n_units, rows, n_inputs, generator=generator, dtype=dtype)
            P = P / (width * P.norm(dim=2, keepdim=True))
        pi = torch.randn(n_units, n_outputs, generator=generator, dtype=dtype) / n_units**0.5
        return cls(mu.to(device), P.to(device), n_outputs, pi=pi.to(device))

    @property
    def n_units(self) -> int:
        """K."""
        return self.mu.shape[0]

    @property
    def projection(self) -> Projection:
        """Which kind of P this layer has."""
        if self.P.ndim == 3:
            return "full" if self.P.shape[1] == self.n_inputs else "low_rank"
        return "isotropic" if self.P.shape[1] == 1 and self.n_inputs > 1 else "diagonal"

    @property
    def output_weights(self) -> Tensor:
        return self.pi if self.b is None else torch.cat([self.pi, self.b[None]])

    def set_output_weights(self, weights: Tensor) -> None:
        with torch.no_grad():
            self.pi.copy_(weights[: self.n_units])
            if self.b is not None:
                self.b.copy_(weights[self.n_units])

    @property
    def inner_parameters(self) -> tuple[str, ...]:
        return ("mu", "P")

    def forward(self, points: Tensor) -> Tensor:
        value = self._units(points) @ self.pi
        return value if self.b is None else value + self.b

    def evaluated(self, points: Tensor) -> Tensor:
        lattice = self._lattice()
        if lattice is None:
            return super().evaluated(points)
        zero = (0,) * self.n_inputs
        return self._sums(lattice, points, [zero])[zero]

    def features(self, points: Tensor) -> Tensor:
        return self._with_bias(self._units(points), constant=1.0)

    def _units(self, points: Tensor) -> Tensor:
        """Every unit, (n, K)."""
        if self.n_inputs > FEW:
            return self._products(points).g
        # A coordinate at a time: tensors (n, K, d) take four times as long.
        square = sum_of(w.square() for w in self._projected(points))
        return torch.exp(-0.5 * square)

    def feature_derivatives(
        self, points: Tensor, orders: Collection[Orders]
    ) -> dict[Orders, Tensor]:
        if self._by_products(orders):
            one = points.new_ones(())
            return {alpha: self.weighted_features(points, [{alpha: one}])[0] for alpha in orders}
        recursion = _Recursion(self, points)
        return {
            alpha: self._with_bias(recursion(alpha), constant=float(not any(alpha)))
            for alpha in orders
        }

    def weighted_features(
        self, points: Tensor, weights: Sequence[Mapping[Orders, Tensor]]
    ) -> list[Tensor]:
        if not self._by_products({alpha for each in weights for alpha in each}):
            lattice = self._lattice()
            if lattice is not None:
                return lattice.weighted(points, weights, self.b is not None)
            return super().weighted_features(points, weights)
        products = self._products(points)
        return [self._with_constant(products.applied(each), each) for each in weights]

    def _weighted_features(
        self, points: Tensor, weights: Sequence[Mapping[Orders, Tensor]]
    ) -> list[Tensor]:
        recursion, found = _Recursion(self, points), []
        for each in weights:
            terms = [(a, recursion(alpha)) for alpha, a in each.items()]
            found.append(self._with_constant(combined(terms, points, self.n_units), each))
        return found

    def _with_constant(self, units: Tensor, weights: Mapping[Orders, Tensor]) -> Tensor:
        """Units (n, K) that derivatives were combined of, with the same of the constant feature."""
        if self.b is None:
            return units
        one = weights.get((0,) * self.n_inputs, units.new_zeros(()))
        return torch.cat([units, one.expand(len(units))[:, None]], dim=1)

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        if not self._by_products(orders):
            lattice = self._lattice()
            if lattice is None:
                return super().derivatives(points, orders)
            return self._sums(lattice, points, orders)
        products = self._products(points)
        columns = self.pi.unbind(1)
        known: dict[int, Tensor] = {}
        if any(sum(alpha) == 0 for alpha in orders):
            value = products.g @ self.pi
            known[0] = value if self.b is None else value + self.b
        if any(sum(alpha) == 1 for alpha in orders):
            known[1] = torch.stack([products.gradient(pi) for pi in columns], 2)
        if any(sum(alpha) == 2 for alpha in orders):
            known[2] = torch.stack([products.curvatures(pi) for pi in columns], 2)
        return {
            alpha: known[order][:, alpha.index(order)] if (order := sum(alpha)) else known[0]
            for alpha in orders
        }

    def weighted_jacobian(
        self, points: Tensor, weights: Mapping[Orders, Tensor], names: Sequence[str]
    ) -> Tensor:
        if not self._by_products(weights) or (self.P.ndim == 3 and self.P.shape[1] > 1):
            return super().weighted_jacobian(points, weights, names)
        products = self._products(points)
        each = [
            Coefficients.of({alpha: a[:, j] for alpha, a in weights.items()}, points)
            for j in range(self.n_outputs)
        ]
        return torch.cat([self._weighted(products, each, name) for name in names], dim=1)

    def _weighted(self, products: Products, each: Sequence[Coefficients], name: str) -> Tensor:
        """d(sum_j L_j u_j)/d(one parameter), (n, numel)."""
        if name == "pi":
            return torch.stack([products.g * products.factor(L) for L in each], 2).flatten(1)
        if name == "b":
            zero = products.points.new_zeros(len(products.points))
            return torch.stack([zero if L.c is None else L.c for L in each], 1)
        parts = [products.unit_jacobian(L, name) * self.pi[:, j, None] for j, L in enumerate(each)]
        total = sum_of(parts)
        if name == "P" and self.P.shape[1:] == (1,):
            total = total.sum(2, keepdim=True)
        return total.flatten(1)

    def _by_products(self, orders: Iterable[Orders]) -> bool:
        return self.n_inputs > FEW and covers(orders)

    def _sums(
        self, lattice: Lattice, points: Tensor, orders: Collection[Orders]
    ) -> dict[Orders, Tensor]:
        """D^alpha of every output."""
        found, zero = lattice.outputs(points, self.pi, orders), (0,) * self.n_inputs
        if self.b is not None and zero in found:
            found[zero] = found[zero] + self.b
        return found

    def _lattice(self) -> Lattice | None:
        """The lattice that the units are on, where no gradient of theirs is asked for."""
        # Along one coordinate there would be as many centres as units.
        if not 1 < self.n_inputs <= FEW or torch.is_grad_enabled():
            return None
        known = self._known_lattice
        if known is None or not known.holds(self.mu, self.P):
            known = self._known_lattice = Known.of(self.mu, self.P)
        return known.lattice

    def _products(self, points: Tensor) -> Products:
        return Products(points, self.mu, self.P)

    def parameter_jacobian(
        self, points: Tensor, orders: Collection[Orders], names: Sequence[str]
    ) -> dict[Orders, Tensor]:
        recursion = _Recursion(self, points)
        return {
            alpha: torch.cat([self._jacobian_of(name, recursion, alpha) for name in names], dim=2)
            for alpha in orders
        }

    def _jacobian_of(self, name: str, recursion: _Recursion, alpha: Orders) -> Tensor:
        """d(D^alpha u_j)/d(one parameter), (n, m, numel)."""
        eye = torch.eye(self.n_outputs, dtype=self.mu.dtype, device=self.mu.device)
        n = recursion.z[0].shape[0]
        if name == "pi":
            return torch.einsum("nk,jl->njkl", recursion(alpha), eye).flatten(2)
        if name == "b":
            return eye.expand(n, -1, -1) * float(not any(alpha))
        # A unit moves as a whole: d/dmu_k = -d/dx_k.
        per_unit = (
            torch.stack([-recursion(raised(alpha, k)) for k in range(self.n_inputs)], dim=-1)
            if name == "mu"
            else recursion.projection_jacobian(alpha)
        )
        return torch.einsum("nkp,kj->njkp", per_unit, self.pi).flatten(2)

    def _projected(self, points: Tensor) -> Iterator[Tensor]:
        """The components of w = P (x - mu), each (n, K)."""
        mu, P, d = self.mu, self.P, self.n_inputs
        z = (points[:, k, None] - mu[:, k] for k in range(d))
        if P.ndim == 2:
            yield from (z_k * row for z_k, row in zip(z, P.expand(-1, d).unbind(1), strict=True))
            return
        every = list(z)
        for row in P.unbind(1):
            yield sum_of(z_k * p for z_k, p in zip(every, row.unbind(1), strict=True))

    def _with_bias(self, value: Tensor, constant: float) -> Tensor:
        if self.b is None:
            return value
        return torch.cat([value, value.new_full((value.shape[0], 1), constant)], dim=1)


class _Recursion:
    """D^alpha g of every unit at n points, each (n, K), computed once for each alpha."""

    def __init__(self, layer: GMNM, points: Tensor) -> None:
        self.layer = layer
        d = layer.n_inputs
        mu, P = layer.mu, layer.P
        self.z = [points[:, k, None] - mu[:, k] for k in range(d)]
        self.M: list[list[Tensor | None]]
        if P.ndim == 2:
            square = P.square().expand(-1, d)
            # Off-diagonal entries are None, not zeros: the recursion skips them.
            self.M = [[square[:, j] if j == k else None for k in range(d)] for j in range(d)]
        else:
            gram = torch.einsum("krj,krl->kjl", P, P)
            self.M = [[gram[:, j, k] for k in range(d)] for j in range(d)]
        # Every matrix (n, K) that is not made saves time: signs go into what is made anyway.
        self.minus_s = [
            products_of([(-m, self.z[k]) for k, m in enumerate(row) if m is not None])
            for row in self.M
        ]
        exponent = products_of(list(zip(self.minus_s, self.z, strict=True)))
        self.known: dict[Orders, Tensor] = {(0,) * d: torch.exp(0.5 * exponent)}

    def __call__(self, alpha: Orders) -> Tensor:
        if alpha not in self.known:
            j = next(axis for axis, order in enumerate(alpha) if order)
            beta = lowered(alpha, j)
            terms = [(self.minus_s[j], self(beta))]
            for k, order in enumerate(beta):
                m = self.M[j][k]
                if order and m is not None:
                    terms.append((-order * m, self(lowered(beta, k))))
            self.known[alpha] = products_of(terms)
        return self.known[alpha]

    def projection_jacobian(self, alpha: Orders) -> Tensor:
        """d(D^alpha g)/dP of every unit, (n, K, entries of one P).

        dg/dP_ab = -w_a z_b g, and w_a z_b is a quadratic in x, so Leibniz' rule ends at order 2.
        """
        P, d = self.layer.P, self.layer.n_inputs
        if P.ndim == 2:
            entries = torch.stack(
                [-self._times_quadratic(alpha, {b: P[:, b % P.shape[1]]}, b) for b in range(d)], -1
            )
            return entries.sum(-1, keepdim=True) if P.shape[1] == 1 else entries
        rows = [
            -self._times_quadratic(alpha, {k: P[:, a, k] for k in range(d)}, b)
            for a, b in product(range(P.shape[1]), range(d))
        ]
        return torch.stack(rows, dim=-1)

    def _times_quadratic(self, alpha: Orders, row: dict[int, Tensor], b: int) -> Tensor:
        """D^alpha (w z_b g) with w = sum_k row_k z_k."""
        w = sum_of(p * self.z[k] for k, p in row.items())
        total = torch.zeros_like(w)
        for beta in product(*(range(min(order, 2) + 1) for order in alpha)):
            if sum(beta) > 2:
                continue
            factor = _quadratic_derivative(beta, w, row, self.z[b], b)
            if factor is not None:
                times = prod(comb(n, k) for n, k in zip(alpha, beta, strict=True))
                rest = tuple(n - k for n, k in zip(alpha, beta, strict=True))
                total = total + times * factor * self(rest)
        return total


def _quadratic_derivative(
    beta: Orders, w: Tensor, row: dict[int, Tensor], z_b: Tensor, b: int
) -> Tensor | None:
    """D^beta (w z_b) for |beta| <= 2; None where it vanishes."""
    axes = [k for k, order in enumerate(beta) for _ in range(order)]
    if not axes:
        return w * z_b
    if len(axes) == 1:
        k = axes[0]
        terms = [row[k] * z_b] if k in row else []
        return sum_of([*terms, w]) if k == b else (terms[0] if terms else None)
    k, m = axes
    parts = [row[other] for other, one in ((k, m), (m, k)) if one == b and other in row]
    return sum_of(parts) if parts else None


def sum_of(terms: Iterable[Tensor]) -> Tensor:
    """The sum of at least one tensor, without the integer zero that ``sum`` starts from."""
    first, *rest = terms
    total = first
    for term in rest:
        total = total + term
    return total


def products_of(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The sum of the products of at least one pair of tensors."""
    total = pairs[0][0] * pairs[0][1]
    for a, b in pairs[1:]:
        total = torch.addcmul(total, a, b)
    return total


def raised(alpha: Orders, axis: int) -> Orders:
    """alpha + e_axis."""
    return tuple(order + (k == axis) for k, order in enumerate(alpha))


def lowered(alpha: Orders, axis: int) -> Orders:
    """alpha - e_axis."""
    return tuple(order - (k == axis) for k, order in enumerate(alpha))


def _projection_shapes(n_units: int, n_inputs: int, P: Tensor) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = [(n_units, 1), (n_units, n_inputs)]
    if P.ndim == 3:
        shapes.append((n_units, P.shape[1], n_inputs))
    return shapes
