"""Methods, one file each, under one contract."""

from gmnm_pde.methods.adam import Adam
from gmnm_pde.methods.auto import Auto
from gmnm_pde.methods.base import Method, Outcome, Record, Setting, State
from gmnm_pde.methods.bfgs import BFGS, SSBroyden
from gmnm_pde.methods.inverse import Inverse
from gmnm_pde.methods.inverse_in_time import InverseInTime
from gmnm_pde.methods.lbfgs import LBFGS
from gmnm_pde.methods.least_squares import LeastSquares
from gmnm_pde.methods.levenberg_marquardt import GaussNewton
from gmnm_pde.methods.natural_gradient import NaturalGradient
from gmnm_pde.methods.random_features import RandomFeatures
from gmnm_pde.methods.time_stepping import TimeStepping
from gmnm_pde.methods.variable_projection import VariableProjection

METHODS: dict[str, type[Method]] = {
    "adam": Adam,
    "auto": Auto,
    "bfgs": BFGS,
    "gauss_newton": GaussNewton,
    "lbfgs": LBFGS,
    "inverse": Inverse,
    "inverse_in_time": InverseInTime,
    "least_squares": LeastSquares,
    "random_features": RandomFeatures,
    "natural_gradient": NaturalGradient,
    "ssbroyden": SSBroyden,
    "time_stepping": TimeStepping,
    "variable_projection": VariableProjection,
}
"""The names that recipes use."""

__all__ = [
    "BFGS",
    "LBFGS",
    "METHODS",
    "Adam",
    "Auto",
    "GaussNewton",
    "Inverse",
    "InverseInTime",
    "LeastSquares",
    "Method",
    "NaturalGradient",
    "Outcome",
    "RandomFeatures",
    "Record",
    "SSBroyden",
    "Setting",
    "State",
    "TimeStepping",
    "VariableProjection",
]
