"""The networks of this package by the names that recipes and stored solutions use."""

from __future__ import annotations

from gmnm_pde.networks.base import Network
from gmnm_pde.networks.gmnm import GMNM
from gmnm_pde.networks.mlp import MLP, MLPSpec
from gmnm_pde.networks.specs import GMNMSpec, NetworkSpec

KINDS: dict[str, tuple[type[NetworkSpec], type[Network]]] = {
    "gmnm": (GMNMSpec, GMNM),
    "mlp": (MLPSpec, MLP),
}

NETWORKS: dict[str, type[NetworkSpec]] = {name: spec for name, (spec, _) in KINDS.items()}


def spec_name(spec: NetworkSpec) -> str:
    """The name of a network in a recipe; of a person's own, the name of its class."""
    names = (name for name, kind in NETWORKS.items() if kind is type(spec))
    return next(names, type(spec).__name__)
