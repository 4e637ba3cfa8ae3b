"""What a solution is compared with: nothing here is ever seen by a solver."""

from gmnm_pde.references.exact import Exact, exact_values
from gmnm_pde.references.finite_difference import FiniteDifference
from gmnm_pde.references.finite_element import FiniteElement
from gmnm_pde.references.monte_carlo import MonteCarlo
from gmnm_pde.references.spectral import Spectral
from gmnm_pde.references.table import Table

__all__ = [
    "Exact",
    "FiniteDifference",
    "FiniteElement",
    "MonteCarlo",
    "Spectral",
    "Table",
    "exact_values",
]
