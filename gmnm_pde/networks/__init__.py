"""Networks, one file each, under one contract."""

from gmnm_pde.networks.base import LinearOutputNetwork, Network, evaluate
from gmnm_pde.networks.boxed import BoxedNetwork, BoxedSpec
from gmnm_pde.networks.chebyshev_kan import ChebyshevKAN, ChebyshevKANSpec
from gmnm_pde.networks.deep_gmnm import DeepGMNM, DeepGMNMSpec
from gmnm_pde.networks.enforced import Enforced, enforced
from gmnm_pde.networks.evolution import Evolution
from gmnm_pde.networks.fast_kan import FastKAN, FastKANSpec
from gmnm_pde.networks.fourier_mlp import FourierMLP, FourierMLPSpec
from gmnm_pde.networks.gmnm import GMNM
from gmnm_pde.networks.gmnm_mlp import GMNMMLP, GMNMMLPSpec
from gmnm_pde.networks.kan import KAN, KANSpec
from gmnm_pde.networks.mlp import MLP, MLPSpec
from gmnm_pde.networks.pieces import LinearPieces, Pieces, joined
from gmnm_pde.networks.pig import PIG, PIGSpec
from gmnm_pde.networks.registry import NETWORKS, spec_name
from gmnm_pde.networks.specs import GMNMSpec, NetworkSpec, PlacedSpec
from gmnm_pde.networks.stored import (
    is_stored,
    made_for_problem,
    rebuild,
    stored_name,
    stored_options,
)
from gmnm_pde.networks.together import Together, Uniform

__all__ = [
    "GMNM",
    "GMNMMLP",
    "KAN",
    "MLP",
    "NETWORKS",
    "PIG",
    "BoxedNetwork",
    "BoxedSpec",
    "ChebyshevKAN",
    "ChebyshevKANSpec",
    "DeepGMNM",
    "DeepGMNMSpec",
    "Enforced",
    "Evolution",
    "FastKAN",
    "FastKANSpec",
    "FourierMLP",
    "FourierMLPSpec",
    "GMNMMLPSpec",
    "GMNMSpec",
    "KANSpec",
    "LinearOutputNetwork",
    "LinearPieces",
    "MLPSpec",
    "Network",
    "NetworkSpec",
    "PIGSpec",
    "Pieces",
    "PlacedSpec",
    "Together",
    "Uniform",
    "enforced",
    "evaluate",
    "is_stored",
    "joined",
    "made_for_problem",
    "rebuild",
    "spec_name",
    "stored_name",
    "stored_options",
]
