"""Solve partial differential equations to a tolerance, without a mesh.

    import gmnm_pde as gp
    solution = gp.solve("poisson", rtol=1e-8)

Everything a person needs is a name of this module; it is fetched when first used, so that
``import gmnm_pde`` costs nothing and the command answers ``--help`` without loading torch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gmnm_pde.errors import GmnmError, InputError
    from gmnm_pde.fields import gradient, laplacian
    from gmnm_pde.geometry import (
        Ball,
        Box,
        Difference,
        Disk,
        Ellipse,
        Intersection,
        Interval,
        Mesh,
        Polygon,
        Rectangle,
        Surface,
        Union,
        buffered,
    )
    from gmnm_pde.inferred import CoefficientField, Constant
    from gmnm_pde.manufacture import manufactured
    from gmnm_pde.methods import GaussNewton, LeastSquares, RandomFeatures
    from gmnm_pde.networks import (
        GMNM,
        ChebyshevKANSpec,
        DeepGMNMSpec,
        FastKANSpec,
        FourierMLPSpec,
        GMNMMLPSpec,
        GMNMSpec,
        KANSpec,
        LinearOutputNetwork,
        MLPSpec,
        Network,
        NetworkSpec,
        PIGSpec,
        PlacedSpec,
    )
    from gmnm_pde.problem import (
        Condition,
        Data,
        Dirichlet,
        Equation,
        Initial,
        IntegralCondition,
        Interface,
        Neumann,
        Periodic,
        Problem,
        Robin,
        Sampling,
    )
    from gmnm_pde.recipe import Recipe
    from gmnm_pde.references import (
        Exact,
        FiniteDifference,
        FiniteElement,
        MonteCarlo,
        Spectral,
        Table,
    )
    from gmnm_pde.solution import Solution, load
    from gmnm_pde.solve import solve

__all__ = [
    "GMNM",
    "Ball",
    "Box",
    "ChebyshevKANSpec",
    "CoefficientField",
    "Condition",
    "Constant",
    "Data",
    "DeepGMNMSpec",
    "Difference",
    "Dirichlet",
    "Disk",
    "Ellipse",
    "Equation",
    "Exact",
    "FastKANSpec",
    "FiniteDifference",
    "FiniteElement",
    "FourierMLPSpec",
    "GMNMMLPSpec",
    "GMNMSpec",
    "GaussNewton",
    "GmnmError",
    "Initial",
    "InputError",
    "IntegralCondition",
    "Interface",
    "Intersection",
    "Interval",
    "KANSpec",
    "LeastSquares",
    "LinearOutputNetwork",
    "MLPSpec",
    "Mesh",
    "MonteCarlo",
    "Network",
    "NetworkSpec",
    "Neumann",
    "PIGSpec",
    "Periodic",
    "PlacedSpec",
    "Polygon",
    "Problem",
    "RandomFeatures",
    "Recipe",
    "Rectangle",
    "Robin",
    "Sampling",
    "Solution",
    "Spectral",
    "Surface",
    "Table",
    "Union",
    "__version__",
    "buffered",
    "gradient",
    "laplacian",
    "load",
    "manufactured",
    "solve",
]

_HOMES = {
    "errors": ("GmnmError", "InputError"),
    "fields": ("gradient", "laplacian"),
    "geometry": (
        "Ball",
        "Box",
        "Difference",
        "Disk",
        "Ellipse",
        "Intersection",
        "Interval",
        "Mesh",
        "Polygon",
        "Rectangle",
        "Surface",
        "Union",
        "buffered",
    ),
    "inferred": ("CoefficientField", "Constant"),
    "manufacture": ("manufactured",),
    "methods": ("GaussNewton", "LeastSquares", "RandomFeatures"),
    "networks": (
        "ChebyshevKANSpec",
        "DeepGMNMSpec",
        "FastKANSpec",
        "FourierMLPSpec",
        "GMNM",
        "GMNMMLPSpec",
        "GMNMSpec",
        "KANSpec",
        "LinearOutputNetwork",
        "MLPSpec",
        "Network",
        "NetworkSpec",
        "PIGSpec",
        "PlacedSpec",
    ),
    "problem": (
        "Condition",
        "Data",
        "Dirichlet",
        "Equation",
        "Initial",
        "IntegralCondition",
        "Interface",
        "Neumann",
        "Periodic",
        "Problem",
        "Robin",
        "Sampling",
    ),
    "recipe": ("Recipe",),
    "references": (
        "Exact",
        "FiniteDifference",
        "FiniteElement",
        "MonteCarlo",
        "Spectral",
        "Table",
    ),
    "solution": ("Solution", "load"),
    "solve": ("solve",),
}
_HOME = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """Keeps the name ``solve`` for the function: importing a submodule sets an attribute of its
    package, and the module ``gmnm_pde.solve`` would hide the function of the same name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
