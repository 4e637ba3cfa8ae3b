"""What a solution is compared with: nothing here is ever seen by a solver."""

from gmnm_pde.references.exact import Exact, exact_values
from gmnm_pde.references.finite_difference import FiniteDifference

__all__ = ["Exact", "FiniteDifference", "exact_values"]
