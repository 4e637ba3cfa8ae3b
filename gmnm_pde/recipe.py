"""How a problem is solved: network, methods one after the other, sampling, tolerance."""

from __future__ import annotations

from dataclasses import dataclass, field

from gmnm_pde.methods import Method
from gmnm_pde.networks import NetworkSpec
from gmnm_pde.problem import Sampling


@dataclass(frozen=True)
class Recipe:
    """A recipe, as in ``solvers/*.yaml``.

    A person's own network takes two classes: a :class:`PlacedSpec`, a frozen dataclass of options
    whose ``build`` makes the network from centres and widths, or a :class:`NetworkSpec`, whose
    ``initial`` makes it from random numbers; and the :class:`Network` itself, which writes
    ``forward``, or a :class:`LinearOutputNetwork`, which writes ``features`` and is what least
    squares needs:

        gp.solve(problem, solver=gp.Recipe(network=MySpec(), methods=(gp.LeastSquares(),)))

    Arguments:
        network: which network, with its options.
        methods: run one after the other on the same network.
        sampling: collocation points; what a problem says about its own comes first.
        rtol: relative L2 error asked for; None goes as far as rounding or the budget allows.
    """

    network: NetworkSpec
    methods: tuple[Method, ...]
    sampling: Sampling = field(default_factory=Sampling)
    rtol: float | None = None
    name: str = "recipe"
