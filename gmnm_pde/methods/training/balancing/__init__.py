"""How the terms of a loss are weighted while a first-order method trains, one rule a file."""

from gmnm_pde.methods.training.balancing.base import Balance, Moment
from gmnm_pde.methods.training.balancing.gradient_norm import GradientNorm
from gmnm_pde.methods.training.balancing.ntk import NTK
from gmnm_pde.methods.training.balancing.relobralo import ReLoBRaLo
from gmnm_pde.methods.training.balancing.self_adaptive import SelfAdaptive
from gmnm_pde.methods.training.balancing.static import Static

BALANCES: dict[str, Balance] = {
    "static": Static(),
    "gradient_norm": GradientNorm(),
    "ntk": NTK(),
    "relobralo": ReLoBRaLo(),
    "self_adaptive": SelfAdaptive(),
}
"""The names that recipes use."""

__all__ = [
    "BALANCES",
    "NTK",
    "Balance",
    "GradientNorm",
    "Moment",
    "ReLoBRaLo",
    "SelfAdaptive",
    "Static",
]
