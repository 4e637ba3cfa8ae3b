"""Networks, one file each, under one contract."""

from gmnm_pde.networks.base import LinearOutputNetwork, Network
from gmnm_pde.networks.gmnm import GMNM
from gmnm_pde.networks.specs import NETWORKS, GMNMSpec, NetworkSpec

__all__ = ["GMNM", "NETWORKS", "GMNMSpec", "LinearOutputNetwork", "Network", "NetworkSpec"]
