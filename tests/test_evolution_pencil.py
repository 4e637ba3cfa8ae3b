"""Newton's matrices with conditions solved beforehand: the same as solving with all of them."""

from __future__ import annotations

from collections.abc import Callable

import evolving
import pytest
import torch
from evolution_parts import evenly, make_system
from test_evolution_system import MIXED, SECOND, some_state
from torch import Tensor

from gmnm_pde.evolution.pencil import Pencil

SHIFTS = [0.3, complex(0.02, 0.05), complex(1e-4, 3e-4)]
PROBLEMS = {
    "two ends": (evolving.heat(), 10),
    "rates in conditions": (SECOND, 6),
    "pressure": (evolving.vortex(), 2),
    "constraint and all conditions": (MIXED, 3),
    "no conditions": (evolving.heat(), 0),
}


def whole(parts: list[Tensor], f: complex) -> Tensor:
    return sum((part * f**-d for d, part in enumerate(parts)), torch.zeros(()))


@pytest.mark.parametrize("f", SHIFTS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_it_solves_what_the_whole_matrix_says(name: str, f: complex) -> None:
    problem, cells = PROBLEMS[name]
    system = make_system(problem, evenly(problem.domain, cells or 10), aim=1e-2)
    parts = system.jacobians(0.4, some_state(system))
    pencil = Pencil(parts, system.held if cells else 0)
    G = whole(parts, f)
    z = some_state(system, 3)[0].flatten().to(G.dtype)
    other = whole(parts, 2 * f)
    both = torch.stack([other @ z, G @ z])
    found = pencil.solve(pencil.factor(torch.tensor([2 * f, f], dtype=G.dtype)), both)[1]
    missed = (G @ (found - z)).norm() / (G @ z).norm()
    assert missed < 1e-9


@pytest.mark.parametrize(("problem", "held"), [(evolving.heat, 2), (evolving.heat_2d, None)])
def test_only_what_conditions_leave_is_factored(
    problem: Callable[[], object], held: int | None
) -> None:
    made = problem()
    system = make_system(made, evenly(made.domain, 8), aim=1e-3)
    assert held in (None, system.held)
    factor = Pencil(system.jacobians(0.0, some_state(system)), system.held).factor(
        torch.tensor([0.1]).double()
    )
    assert factor.LU.shape == (1, system.size - system.held, system.size - system.held)
    assert not factor.LU.is_complex()
