"""Methods, one file each, under one contract."""

from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State
from gmnm_pde.methods.least_squares import LeastSquares
from gmnm_pde.methods.variable_projection import VariableProjection

METHODS: dict[str, type[Method]] = {
    "least_squares": LeastSquares,
    "variable_projection": VariableProjection,
}
"""The names that recipes use."""

__all__ = [
    "METHODS",
    "LeastSquares",
    "Method",
    "Outcome",
    "Record",
    "Setting",
    "State",
    "VariableProjection",
]
