"""How long steps are: what errors, units and kept factors of the matrices make of the next one."""

from __future__ import annotations

import math

import pytest

from gmnm_pde.evolution.fit import AHEAD
from gmnm_pde.evolution.lengths import MUCH_WIDER, OUTRUN, STEADY, Lengths
from gmnm_pde.evolution.stepping import next_length

EXACT = 1e-30
"""An error that asks for the longest step there is."""


def lengths(h: float = 1.0) -> Lengths:
    return Lengths(h, tolerance=1e-6, stages=5)


def test_a_step_follows_one_that_outran_its_units_at_a_part_of_its_length():
    slightly, far = lengths(), lengths()
    slightly.outran(1.1 * MUCH_WIDER)
    far.outran(1.1 * OUTRUN)
    assert 0.2 == far.h < slightly.h == 0.5


@pytest.mark.parametrize("rate", [0.1, 0.4, 1.0])
def test_steps_are_as_long_as_their_units_will_do(rate):
    """What units are too wide by grows by exp(rate t): no step may end above MUCH_WIDER."""
    found, t = lengths(0.05), 0.0
    wider = AHEAD
    for _ in range(40):
        t += found.h
        wider *= math.exp(rate * found.h)
        assert wider < MUCH_WIDER
        renewed = wider > 1.15
        found.accept(EXACT, wider, renewed)
        wider = AHEAD if renewed else wider
    # And hardly shorter than that.
    assert t > 0.3 * 40 * math.log(MUCH_WIDER / AHEAD) / rate


def test_units_that_fit_ever_better_do_not_shorten_steps():
    found = lengths()
    found.accept(EXACT, 0.5 * AHEAD, renewed=False)
    assert found.h == 4.0


def test_a_second_refusal_does_not_wait_for_the_order():
    """A kink at first: the error falls like a root of the length."""
    once, later, found, count = lengths(), lengths(), lengths(), 0
    once.refuse(1e-5, first=True)
    assert once.h == next_length(1.0, 1e-5, 1e-6, 5) > 0.25
    while 1e-3 * found.h**0.5 > 1e-6:
        found.refuse(1e-3 * found.h**0.5, first=True)
        count += 1
    assert count <= 12
    for _ in range(2):
        before = later.h
        later.refuse(1e-5)
        assert later.h > 0.25 * before


def test_a_step_that_was_not_solved_is_a_quarter_as_long():
    found = lengths()
    found.refuse(None)
    assert found.h == 0.25


def test_a_length_grows_a_little_in_the_end():
    """Factors of the matrices are kept for a while, not forever."""
    error = 1e-6 * (0.85 / 1.3) ** 6
    found, taken = lengths(), []
    for _ in range(STEADY + 2):
        taken.append(found.h)
        found.accept(error, AHEAD, renewed=False)
    assert taken[: STEADY + 1] == [1.0] * (STEADY + 1)
    assert taken[-1] == pytest.approx(1.3)
