"""The estimated error: above the true one, not far above, and never from nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gmnm_pde.estimate import Estimate, calibrated, held_back, misfit
from gmnm_pde.linearised import Block

POINTS = torch.linspace(-1, 1, 200, dtype=torch.float64)[:, None]
EXACT = torch.sin(3 * POINTS)


def block(kind: str, n: int = 4, average: Tensor | None = None) -> Block:
    ones = torch.ones(n, dtype=torch.float64)
    return Block(kind, kind, lambda jet: ones, ones[:, None], ones, average=average)


def level(error: float, shape: int = 0) -> Tensor:
    """A solution with a relative error, of another shape at every level."""
    wrong = torch.cos((5 + shape) * POINTS + shape)
    return EXACT + error * EXACT.norm() / wrong.norm() * wrong


def estimates(errors: list[float], factor: float = 7.0) -> list[Estimate]:
    """Levels whose misfit is the error times a factor that nobody knows."""
    found: list[Estimate] = []
    for k, error in enumerate(errors):
        before = level(errors[k - 1], k - 1) if k else None
        found.append(
            calibrated("u", factor * error, level(error, k), before, found[-1] if k else None)
        )
    return found


# misfit


def test_misfit_is_the_root_mean_square_of_equations_and_conditions_together():
    rows = [torch.full((4,), 3.0).double(), torch.full((4,), 4.0).double()]
    assert misfit(rows, [block("equation"), block("condition")]) == pytest.approx(5.0)
    assert misfit(rows[:1], [block("equation")]) == pytest.approx(3.0)
    assert misfit(rows, [block("data"), block("equation")]) == pytest.approx(math.sqrt(12.5))


def test_a_few_conditions_count_as_much_as_many_equations():
    rows = [torch.zeros(1000).double(), torch.ones(2).double()]
    assert misfit(rows, [block("equation", 1000), block("condition", 2)]) == pytest.approx(1.0)


def test_integrals_are_no_misfit_at_points():
    rows = [torch.ones(4).double(), torch.full((1,), 100.0).double()]
    integral = block("integral", 4, torch.ones(1, 4).double())
    assert misfit(rows, [block("equation"), integral]) == pytest.approx(1.0)
    assert misfit([], []) == 0.0


# calibration


def test_one_level_says_nothing():
    (first,) = estimates([1e-3])
    assert first.worst == math.inf
    assert first.misfit == pytest.approx(7e-3)


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e5])
@pytest.mark.parametrize("drop", [0.5, 0.1, 1e-3])
def test_geometric_errors_are_estimated_from_above(drop, factor):
    errors = [0.1 * drop**k for k in range(5) if 0.1 * drop**k > 1e-13]
    for error, estimate in list(zip(errors, estimates(errors, factor), strict=True))[1:]:
        assert error < estimate.worst < 30 * error


def test_a_level_that_did_not_help_is_not_believed():
    """A misfit that stays does not become a small estimate."""
    _, second, third = estimates([1e-2, 1e-4, 1e-4])
    assert second.worst > 1e-4
    assert third.worst > 1e-4


def test_an_estimate_does_not_depend_on_the_units():
    errors = [1e-2, 1e-4]
    one = estimates(errors)[-1].relative["u"]
    before = calibrated("u", 7e-2, 1e6 * level(1e-2), None, None)
    scaled = calibrated("u", 7e-4, 1e6 * level(1e-4, 1), 1e6 * level(1e-2), before)
    assert scaled.relative["u"] == pytest.approx(one)


def test_each_unknown_has_its_own():
    def levels(k: int, u: float, v: float) -> Tensor:
        return torch.cat([level(u, k), 5 * level(v, k)], dim=1)

    first = calibrated("uv", 1.0, levels(0, 1e-1, 1e-3), None, None)
    second = calibrated("uv", 1e-2, levels(1, 1e-3, 1e-5), levels(0, 1e-1, 1e-3), first)
    assert set(second.relative) == {"u", "v"}
    assert 1e-3 < second.relative["u"] < 3e-2
    assert 1e-5 < second.relative["v"] < 3e-4
    assert second.worst == second.relative["u"]


def test_no_estimate_is_below_rounding():
    same = level(0.0)
    before = calibrated("u", 1e-16, same, None, None)
    assert calibrated("u", 0.0, same, same.clone(), before).worst >= 1e-16


def test_nothing_is_estimated_about_nothing():
    zero = torch.zeros_like(EXACT)
    before = calibrated("u", 1.0, zero, None, None)
    assert calibrated("u", 1e-3, zero, zero, before).worst == math.inf
    # ... nor where the level before met its equations exactly,
    exact_before = calibrated("u", 0.0, EXACT, None, None)
    assert calibrated("u", 1e-3, level(1e-3), EXACT, exact_before).worst == math.inf
    # ... nor from what is not a number.
    before = calibrated("u", 1.0, level(1e-2), None, None)
    broken = level(1e-3, 1)
    broken[0] = math.nan
    assert not calibrated("u", 1e-3, broken, level(1e-2), before).worst <= 1.0
    assert not calibrated("u", math.nan, level(1e-3, 1), level(1e-2), before).worst <= 1.0


def test_a_doubt_is_the_least_that_is_estimated():
    """Conditions that were not held, because a layer there may be too thin to be seen."""
    before = calibrated("u", 7e-2, level(1e-2), None, None)
    size = EXACT.square().mean().sqrt().item()
    doubted = calibrated("u", 7e-4, level(1e-4, 1), level(1e-2), before, 0.5 * size)
    assert doubted.worst == pytest.approx(0.5, rel=1e-3)


def test_measurements_held_back_are_an_estimate():
    size = EXACT.square().mean().sqrt().item()
    estimate = held_back("u", 1e-3 * size, EXACT)
    assert estimate.worst == pytest.approx(1e-3)
    assert held_back("u", 1e-3, torch.zeros_like(EXACT)).worst == math.inf
    assert 0 < held_back("u", 0.0, EXACT).worst < 1e-12
