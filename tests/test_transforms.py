"""Quantities to be inferred: bounds that no step leaves, and their derivatives."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from gmnm_pde.errors import InputError
from gmnm_pde.inferred import CoefficientField, Constant, Fixed
from gmnm_pde.transforms import Transform, Transformed, transforms_of

BOUNDS = {
    "free": (-math.inf, math.inf),
    "below": (0.5, math.inf),
    "above": (-math.inf, 9.0),
    "both": (0.5, 9.0),
}
START = 2.0


@pytest.fixture(params=BOUNDS.values(), ids=BOUNDS)
def transform(request):
    return Transform(START, *request.param)


def test_a_search_starts_at_the_initial_value(transform):
    assert transform.value(0.0) == pytest.approx(START, rel=1e-14)


def test_no_step_leaves_the_bounds(transform):
    theta = torch.linspace(-30, 30, 601, dtype=torch.float64)
    values = transform(theta)
    assert bool((values.diff() >= 0).all())
    assert float(values.min()) >= transform.lower
    assert float(values.max()) <= transform.upper
    # And everything between them is reached.
    reach = [-1e3 if transform.lower == -math.inf else transform.lower + 1e-6]
    reach += [1e3 if transform.upper == math.inf else transform.upper - 1e-6]
    ends = transform(torch.tensor([-1e3, 1e3], dtype=torch.float64))
    assert float(ends[0]) <= reach[0]
    assert float(ends[1]) >= reach[1]


@pytest.mark.parametrize("theta", [-1.3, 0.0, 0.8])
def test_slopes_are_difference_quotients(transform, theta):
    h = 1e-6
    quotient = (transform.value(theta + h) - transform.value(theta - h)) / (2 * h)
    assert transform.slope(theta) == pytest.approx(quotient, rel=1e-8)
    assert transform.slope(theta) > 0


def test_without_bounds_a_step_of_one_is_the_size_of_the_start():
    assert Transform(-3.0).slope(0.0) == 3.0
    assert Transform(0.0).slope(0.0) == 1.0


@pytest.mark.parametrize("orders", list(product(range(4), range(3))), ids=str)
def test_derivatives_of_any_order_equal_autograd(transform, orders):
    """theta(x, y) = sin(2 x + y) + x y^2 / 3, differentiated by repeated backward passes."""
    generator = torch.Generator().manual_seed(4)
    points = torch.rand(7, 2, generator=generator, dtype=torch.float64).requires_grad_()

    def theta(at):
        return torch.sin(2 * at[:, 0] + at[:, 1]) + at[:, 0] * at[:, 1] ** 2 / 3

    def differentiated(value, alpha):
        for axis, count in enumerate(alpha):
            for _ in range(count):
                (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
                value = gradient[:, axis]
        return value

    actual = transform.derivative(
        lambda alpha: differentiated(theta(points), alpha).detach(), orders
    )
    expected = differentiated(transform(theta(points)), orders).detach()
    torch.testing.assert_close(actual, expected, rtol=1e-11, atol=1e-11)


def test_only_some_unknowns_are_transformed():
    both = Transformed({"k": Transform(START, 0.5)}, ("u", "k"))
    points, theta = torch.zeros(3, 1), torch.tensor([[1.0, 0.0]] * 3, dtype=torch.float64)
    assert both.complete(points, theta).tolist() == [[1.0, START]] * 3
    inner = {"u": theta[:, 0], "k": theta[:, 1]}
    for name, value in (("u", 1.0), ("k", START)):
        found = both.derivative(lambda other, orders: inner[other], name, points, (0,))
        assert found.tolist() == [value] * 3


def test_numbers_have_no_derivatives():
    fixed = Fixed({"k": 3.0})
    points = torch.zeros(2, 1, dtype=torch.float64)

    def inner(name, orders):
        return points[:, 0] + 7

    assert fixed.derivative(inner, "k", points, (0,)).tolist() == [3.0, 3.0]
    assert fixed.derivative(inner, "k", points, (1,)).tolist() == [0.0, 0.0]
    assert fixed.derivative(inner, "u", points, (1,)).tolist() == [7.0, 7.0]


def test_what_has_to_be_positive_has_zero_for_a_bound():
    made = transforms_of({"k": CoefficientField(2.0), "a": Constant(-1.0)}, ["k"])
    assert (made["k"].lower, made["a"].lower) == (0.0, -math.inf)
    given = transforms_of({"k": CoefficientField(2.0, (1.0, None))}, ["k"])
    assert given["k"].lower == 1.0
    with pytest.raises(InputError, match="starts at -1, but the equation needs it positive"):
        transforms_of({"k": CoefficientField(-1.0)}, ["k"])


@pytest.mark.parametrize(
    ("initial", "bounds", "words"),
    [
        (math.nan, None, "initial value is nan"),
        (1.0, (2.0, 1.0), r"bounds are \[2, 1\]"),
        (1.0, (math.nan, 2.0), "bounds are"),
        (1.0, (1.0, 2.0), "exclude the initial value 1"),
        (3.0, (1.0, 2.0), "exclude the initial value 3"),
    ],
)
def test_a_start_that_cannot_be(initial, bounds, words):
    with pytest.raises(InputError, match=words) as caught:
        Constant(initial, bounds)
    assert caught.value.mend


def test_a_quantity_in_words():
    assert Constant(0.3, (0.01, 10)).describe() == "a constant, from 0.3, between 0.01 and 10"
    assert Constant(2.0, (0.0, None)).describe() == "a constant, from 2, above 0"
    assert Constant(2.0, (None, 5.0)).describe() == "a constant, from 2, below 5"
    assert CoefficientField().describe() == "a field, from 1"
