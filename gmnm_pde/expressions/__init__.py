"""The expression language of problem files: text -> tree -> torch function; derivatives.

    >>> scope = Scope(coordinates=("x", "y"), unknowns=("u",))
    >>> node = parse_equation("laplacian(u) = sin(pi*x)", scope)
    >>> to_text(node)
    'u_xx + u_yy - sin(pi*x)'

A text cannot run code, and its time and memory are bounded: see the limits in
:mod:`gmnm_pde.expressions.nodes`, :mod:`~gmnm_pde.expressions.tokens` and
:mod:`~gmnm_pde.expressions.parser`.
"""

from gmnm_pde.expressions.derivative import differentiate
from gmnm_pde.expressions.evaluate import evaluate, point_function, residual
from gmnm_pde.expressions.nodes import (
    Call,
    Compare,
    Coordinate,
    Derivative,
    Integral,
    Logic,
    Node,
    NormalDerivative,
    Number,
    Power,
    Product,
    Sum,
    Where,
    names,
)
from gmnm_pde.expressions.parser import constant, parse, parse_equation
from gmnm_pde.expressions.scope import FUNCTIONS, Scope
from gmnm_pde.expressions.text import to_text

__all__ = [
    "FUNCTIONS",
    "Call",
    "Compare",
    "Coordinate",
    "Derivative",
    "Integral",
    "Logic",
    "Node",
    "NormalDerivative",
    "Number",
    "Power",
    "Product",
    "Scope",
    "Sum",
    "Where",
    "constant",
    "differentiate",
    "evaluate",
    "names",
    "parse",
    "parse_equation",
    "point_function",
    "residual",
    "to_text",
]
