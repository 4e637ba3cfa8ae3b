"""The networks of this package by the names that recipes and stored solutions use."""

from __future__ import annotations

from gmnm_pde.networks.base import Network
from gmnm_pde.networks.chebyshev_kan import ChebyshevKAN, ChebyshevKANSpec
from gmnm_pde.networks.deep_gmnm import DeepGMNM, DeepGMNMSpec
from gmnm_pde.networks.fast_kan import FastKAN, FastKANSpec
from gmnm_pde.networks.fourier_mlp import FourierMLP, FourierMLPSpec
from gmnm_pde.networks.gmnm import GMNM
from gmnm_pde.networks.gmnm_mlp import GMNMMLP, GMNMMLPSpec
from gmnm_pde.networks.kan import KAN, KANSpec
from gmnm_pde.networks.mlp import MLP, MLPSpec
from gmnm_pde.networks.pig import PIG, PIGSpec
from gmnm_pde.networks.specs import GMNMSpec, NetworkSpec

KINDS: dict[str, tuple[type[NetworkSpec], type[Network]]] = {
    "gmnm": (GMNMSpec, GMNM),
    "deep_gmnm": (DeepGMNMSpec, DeepGMNM),
    "gmnm_mlp": (GMNMMLPSpec, GMNMMLP),
    "mlp": (MLPSpec, MLP),
    "fourier_mlp": (FourierMLPSpec, FourierMLP),
    "kan": (KANSpec, KAN),
    "chebyshev_kan": (ChebyshevKANSpec, ChebyshevKAN),
    "fast_kan": (FastKANSpec, FastKAN),
    "pig": (PIGSpec, PIG),
}

NETWORKS: dict[str, type[NetworkSpec]] = {name: spec for name, (spec, _) in KINDS.items()}


def spec_name(spec: NetworkSpec) -> str:
    """The name of a network in a recipe; of a person's own, the name of its class."""
    names = (name for name, kind in NETWORKS.items() if kind is type(spec))
    return next(names, type(spec).__name__)
