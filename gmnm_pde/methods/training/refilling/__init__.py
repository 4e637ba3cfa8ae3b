"""How collocation points follow the residual while a method trains, one rule a file."""

from gmnm_pde.methods.training.refilling.base import Refill, Region
from gmnm_pde.methods.training.refilling.r3 import R3
from gmnm_pde.methods.training.refilling.rad import RAD
from gmnm_pde.methods.training.refilling.rar_d import RARD
from gmnm_pde.methods.training.refilling.uniform import Uniform

REFILLS: dict[str, Refill] = {"random": Uniform(), "rad": RAD(), "rar_d": RARD(), "r3": R3()}
"""The names that recipes use; ``fixed`` is none of them."""

__all__ = ["R3", "RAD", "RARD", "REFILLS", "Refill", "Region", "Uniform"]
