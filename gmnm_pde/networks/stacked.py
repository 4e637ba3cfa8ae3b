"""Networks whose layers are bases of functions followed by matrices.

    h_0 = xi,    h_i = b_i(h_(i-1)) W_i,    u = b_L(h_(L-1)) W

where b(h) puts the values of some functions of h side by side. Kolmogorov-Arnold networks are of
this kind, their functions depending on one entry of h each, and so are stacks of Gaussian units.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders
from gmnm_pde.networks.basis import Basis
from gmnm_pde.networks.boxed import BoxedNetwork, at_least
from gmnm_pde.networks.jets import Jet
from gmnm_pde.networks.specs import NetworkSpec


class StackedNetwork(BoxedNetwork):
    """Bases and matrices in turn; the last matrix holds the output weights.

    Arguments:
        spec, lower, upper: see :class:`BoxedNetwork`.
        bases: b_1 ... b_L.
        matrices: W_1 ... W_L, (functions, entries), the last one with an entry for each output.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        lower: Sequence[float],
        upper: Sequence[float],
        bases: Sequence[Basis],
        matrices: Sequence[Tensor],
    ) -> None:
        super().__init__(spec, lower, upper, matrices[-1].shape[1])
        self.bases = nn.ModuleList(bases)
        self.matrices = nn.ParameterList([nn.Parameter(matrix) for matrix in matrices[:-1]])
        self.weights = nn.Parameter(matrices[-1])

    @property
    def layers(self) -> list[tuple[Basis, nn.Parameter]]:
        """The bases with their matrices."""
        bases = [cast(Basis, basis) for basis in self.bases]
        return list(zip(bases, [*self.matrices, self.weights], strict=True))

    def hidden(self, x: Jet) -> Jet:
        *_, (basis, _) = self.layers
        *_, x = self.entering(x)
        features: Jet = basis(x)
        return features

    def entering(self, x: Jet) -> Iterator[Jet]:
        """What each layer is given, in turn: h_0 ... h_(L-1)."""
        yield x
        for basis, matrix in self.layers[:-1]:
            x = basis.mapped(x, matrix)
            yield x

    def feature_jet(self, points: Tensor, orders: Collection[Orders]) -> Jet:
        # A basis has constants of its own, where it needs them.
        return self.hidden(self.scaled(points, orders))

    def derivatives(self, points: Tensor, orders: Collection[Orders]) -> dict[Orders, Tensor]:
        x = self.scaled(points, orders)
        for basis, matrix in self.layers:
            x = basis.mapped(x, matrix)
        return {alpha: x.part(alpha) for alpha in orders}

    def weighted_jacobian(
        self, points: Tensor, weights: Mapping[Orders, Tensor], names: Sequence[str]
    ) -> Tensor:
        """As in the base class, where only matrices are asked for by one reverse pass.

        A row depends on its point's own h_i, so the gradient g of the sum of all rows to h_i W
        has the gradients of each row, and d row/dW = sum over alpha of D^alpha b_i(h) g_alpha'.
        """
        matrices = {id(matrix): layer for layer, (_, matrix) in enumerate(self.layers)}
        parameters = dict(self.named_parameters())
        asked = [matrices.get(id(parameters[name])) for name in names]
        layers = [layer for layer in asked if layer is not None]
        if len(layers) < len(asked):
            return super().weighted_jacobian(points, weights, names)
        entering, slopes = self._linearised(points, weights)
        rows = [self.layers[i][0].rows(entering[i], slopes[i]).flatten(1) for i in layers]
        return torch.cat(rows, dim=1)

    def _linearised(
        self, points: Tensor, weights: Mapping[Orders, Tensor]
    ) -> tuple[list[Jet], list[dict[Orders, Tensor]]]:
        """What each layer is given, and the gradients of the weighted rows to what leaves it."""
        x = self.scaled(points, list(weights))
        entering, leaving = [x], []
        with torch.enable_grad():
            for basis, matrix in self.layers:
                # A graph also where the matrix itself is not trained.
                x = basis.mapped(x, matrix.detach().requires_grad_())
                leaving.append(x)
                entering.append(x)
            total = torch.stack([(a * x.part(alpha)).sum() for alpha, a in weights.items()]).sum()
            outputs = [part for jet in leaving for part in jet.parts.values()]
            found = iter(
                torch.autograd.grad(total, outputs, allow_unused=True, materialize_grads=True)
            )
        slopes = [{alpha: next(found) for alpha in jet.parts} for jet in leaving]
        return [jet.each(Tensor.detach) for jet in entering[:-1]], slopes

    @property
    def n_units(self) -> int:
        return self.weights.shape[0]


def hidden_widths(widths: Sequence[int]) -> None:
    """Refuse a network without hidden layers, or one with an empty layer.

    Raises:
        InputError: so it is.
    """
    if not widths:
        raise InputError("widths is empty.", mend="Give each hidden layer's, such as [5].")
    at_least(1, widths=min(widths))
