"""Methods, one file each, under one contract."""

from gmnm_pde.methods.auto import Auto
from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State
from gmnm_pde.methods.inverse import Inverse
from gmnm_pde.methods.inverse_in_time import InverseInTime
from gmnm_pde.methods.least_squares import LeastSquares
from gmnm_pde.methods.time_stepping import TimeStepping
from gmnm_pde.methods.variable_projection import VariableProjection

METHODS: dict[str, type[Method]] = {
    "auto": Auto,
    "inverse": Inverse,
    "inverse_in_time": InverseInTime,
    "least_squares": LeastSquares,
    "time_stepping": TimeStepping,
    "variable_projection": VariableProjection,
}
"""The names that recipes use."""

__all__ = [
    "METHODS",
    "Auto",
    "Inverse",
    "InverseInTime",
    "LeastSquares",
    "Method",
    "Outcome",
    "Record",
    "Setting",
    "State",
    "TimeStepping",
    "VariableProjection",
]
