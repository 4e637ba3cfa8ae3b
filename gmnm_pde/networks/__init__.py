"""Networks, one file each, under one contract."""

from gmnm_pde.networks.base import LinearOutputNetwork, Network
from gmnm_pde.networks.enforced import Enforced, enforced
from gmnm_pde.networks.evolution import Evolution
from gmnm_pde.networks.gmnm import GMNM
from gmnm_pde.networks.pieces import LinearPieces, Pieces, joined
from gmnm_pde.networks.specs import NETWORKS, GMNMSpec, NetworkSpec
from gmnm_pde.networks.stored import is_stored, made_for_problem, rebuild, stored_name
from gmnm_pde.networks.together import Together, Uniform

__all__ = [
    "GMNM",
    "NETWORKS",
    "Enforced",
    "Evolution",
    "GMNMSpec",
    "LinearOutputNetwork",
    "LinearPieces",
    "Network",
    "NetworkSpec",
    "Pieces",
    "Together",
    "Uniform",
    "enforced",
    "is_stored",
    "joined",
    "made_for_problem",
    "rebuild",
    "stored_name",
]
