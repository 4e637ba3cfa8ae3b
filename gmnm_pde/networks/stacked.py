"""Networks whose layers are bases of functions followed by matrices.

    h_0 = xi,    h_i = b_i(h_(i-1)) W_i,    u = b_L(h_(L-1)) W

where b(h) puts the values of some functions of h side by side. Kolmogorov-Arnold networks are of
this kind, their functions depending on one entry of h each, and so are stacks of Gaussian units.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from torch import Tensor, nn

from gmnm_pde.errors import InputError
from gmnm_pde.fields import Orders
from gmnm_pde.networks.boxed import BoxedNetwork, at_least
from gmnm_pde.networks.jets import Jet
from gmnm_pde.networks.specs import NetworkSpec


class StackedNetwork(BoxedNetwork):
    """Bases and matrices in turn; the last matrix holds the output weights.

    Arguments:
        spec, lower, upper: see :class:`BoxedNetwork`.
        bases: modules, jets to jets, (..., inputs) -> (..., functions).
        matrices: W_1 ... W_L, (functions, entries), the last one with an entry for each output.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        lower: Sequence[float],
        upper: Sequence[float],
        bases: Sequence[nn.Module],
        matrices: Sequence[Tensor],
    ) -> None:
        super().__init__(spec, lower, upper, matrices[-1].shape[1])
        self.bases = nn.ModuleList(bases)
        self.matrices = nn.ParameterList([nn.Parameter(matrix) for matrix in matrices[:-1]])
        self.weights = nn.Parameter(matrices[-1])

    def hidden(self, x: Jet) -> Jet:
        *_, features = self.through(x)
        return features

    def through(self, x: Jet) -> Iterator[Jet]:
        """The functions of each basis in turn."""
        for basis, matrix in zip(self.bases, [*self.matrices, None], strict=True):
            values: Jet = basis(x)
            yield values
            if matrix is not None:
                x = values.linear(matrix)

    def feature_jet(self, points: Tensor, orders: Collection[Orders]) -> Jet:
        # A basis has constants of its own, where it needs them.
        return self.hidden(self.scaled(points, orders))

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
