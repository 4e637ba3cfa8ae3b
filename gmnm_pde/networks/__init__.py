"""Networks, one file each, under one contract."""

from gmnm_pde.networks.base import LinearOutputNetwork, Network
from gmnm_pde.networks.boxed import BoxedNetwork, BoxedSpec
from gmnm_pde.networks.enforced import Enforced, enforced
from gmnm_pde.networks.evolution import Evolution
from gmnm_pde.networks.gmnm import GMNM
from gmnm_pde.networks.mlp import MLP, MLPSpec
from gmnm_pde.networks.pieces import LinearPieces, Pieces, joined
from gmnm_pde.networks.registry import NETWORKS, spec_name
from gmnm_pde.networks.specs import GMNMSpec, NetworkSpec, PlacedSpec
from gmnm_pde.networks.stored import (
    is_stored,
    made_for_problem,
    rebuild,
    stored_name,
    stored_options,
)

__all__ = [
    "GMNM",
    "MLP",
    "NETWORKS",
    "BoxedNetwork",
    "BoxedSpec",
    "Enforced",
    "Evolution",
    "GMNMSpec",
    "LinearOutputNetwork",
    "LinearPieces",
    "MLPSpec",
    "Network",
    "NetworkSpec",
    "Pieces",
    "PlacedSpec",
    "enforced",
    "is_stored",
    "joined",
    "made_for_problem",
    "rebuild",
    "spec_name",
    "stored_name",
    "stored_options",
]
