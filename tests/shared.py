"""What several test files need."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import gmnm_pde as gp
from gmnm_pde.problem import Reference


def f64(numbers: object) -> Tensor:
    """Numbers as a tensor in double precision."""
    return torch.tensor(numbers, dtype=torch.float64)


def refused_by(reference: Reference, words: str, **parts: object) -> None:
    """A reference refuses the heat equation on an interval with other parts."""
    given = {
        "coordinates": "xt",
        "unknowns": "u",
        "domain": gp.Interval(0, 1),
        "equations": [lambda u: u.t - u.xx],
        "conditions": [gp.Initial(0.0), gp.Dirichlet("boundary")],
        "time": (0, 1),
        **parts,
    }
    problem = gp.Problem(**given)
    at = torch.full((1, len(problem.coordinates)), 0.5, dtype=torch.float64)
    with pytest.raises(gp.InputError, match=words):
        reference.evaluate(problem, at)
