"""References: exact solutions and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Box, Disk, Interval, Rectangle
from gmnm_pde.problem import (
    Condition,
    Data,
    Dirichlet,
    IntegralCondition,
    Neumann,
    Problem,
    Robin,
)
from gmnm_pde.references import Exact, FiniteDifference, exact_values
from gmnm_pde.references.stencils import (
    differentiation_matrix,
    finite_difference_weights,
    interpolation_weights,
    quadrature_weights,
)

SQUARE = Rectangle(x=(0, 1), y=(0, 1))
exp, sin, cos, pi = torch.exp, torch.sin, torch.cos, math.pi


def slope(sizes: list[float], errors: list[float]) -> float:
    """Fitted order of the errors in the sizes."""
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


# exact solutions


def test_exact_derivatives():
    problem = Problem(
        "xy",
        "u",
        SQUARE,
        [lambda u: u.xx],
        reference=Exact({"u": lambda x, y: sin(2 * x) * exp(3 * y)}),
    )
    points = SQUARE.sample_interior(50, "random", 0)
    x, y = points.T
    values = exact_values(problem, points)
    torch.testing.assert_close(values("u", (0, 0)), sin(2 * x) * exp(3 * y), rtol=1e-14, atol=0)
    torch.testing.assert_close(
        values("u", (3, 1)), -24 * cos(2 * x) * exp(3 * y), rtol=1e-13, atol=0
    )
    torch.testing.assert_close(
        values("u", (2, 2)), -36 * sin(2 * x) * exp(3 * y), rtol=1e-13, atol=0
    )


def test_exact_constants_and_functions_of_some_coordinates():
    problem = Problem(
        "xy",
        "uv",
        SQUARE,
        [lambda u, v: u.xx + v],
        reference=Exact({"u": 2.0, "v": lambda y: y**2}),
    )
    points = SQUARE.sample_interior(10, "random", 0)
    values = exact_values(problem, points)
    assert torch.equal(values("u", (0, 1)), torch.zeros(10, dtype=torch.float64))
    assert torch.equal(values("v", (1, 0)), torch.zeros(10, dtype=torch.float64))
    assert torch.equal(values("v", (0, 2)), torch.full((10,), 2.0, dtype=torch.float64))
    evaluated = problem.reference.evaluate(problem, points)
    assert torch.equal(evaluated.values[:, 0], torch.full((10,), 2.0, dtype=torch.float64))
    assert evaluated.own_error == {"u": 0.0, "v": 0.0}


def test_exact_in_time():
    problem = Problem(
        "xt", "u", Interval(0, 1), [lambda u: u.t - u.xx], time=(0, 2),
        reference=Exact({"u": lambda x, t: torch.erf(x / torch.sqrt(4 * t + 1))}),
    )  # fmt: skip
    points = problem.region.sample_interior(50, "random", 0)
    values = exact_values(problem, points)
    torch.testing.assert_close(values("u", (0, 1)), values("u", (2, 0)), rtol=1e-12, atol=1e-14)
    assert problem.reference.evaluate(problem, points).own_error == {"u": 0.0}


def test_exact_without_an_unknown_is_refused():
    problem = Problem("x", "u", Interval(0, 1), [lambda u: u.xx], reference=Exact({"v": 1.0}))
    with pytest.raises(InputError, match="does not say what 'u' is"):
        problem.reference.evaluate(problem, torch.zeros(1, 1, dtype=torch.float64))


# stencils


def test_known_weights():
    weights = finite_difference_weights(np.arange(-2.0, 3.0), 0.0, 4)
    expected = np.array([[0, 0, 12, 0, 0], [1, -8, 0, 8, -1], [-1, 16, -30, 16, -1]]) / 12
    np.testing.assert_allclose(weights[:3], expected, atol=1e-15)
    np.testing.assert_allclose(weights[4], [1, -4, 6, -4, 1], atol=1e-14)


@pytest.mark.parametrize("accuracy", [2, 4])
@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_differentiation_is_exact_for_polynomials_and_no_further(order, accuracy):
    x = np.linspace(0.0, 2.0, 21)
    matrix = differentiation_matrix(len(x), x[1] - x[0], order, accuracy)
    for degree in range(order + accuracy):
        polynomial = np.polynomial.Polynomial.basis(degree)
        derivative = polynomial.deriv(order) if order else polynomial
        np.testing.assert_allclose(matrix @ polynomial(x), derivative(x), atol=1e-8)
    if order:
        beyond = np.polynomial.Polynomial.basis(order + accuracy + 1)
        assert np.abs(matrix @ beyond(x) - beyond.deriv(order)(x)).max() > 1e-4


def test_interpolation_and_quadrature_are_exact_for_polynomials():
    at = np.array([0.0, 1.3, 4.9])
    np.testing.assert_allclose(
        interpolation_weights(at, 6) @ np.arange(6.0) ** 5, at**5, rtol=1e-12
    )
    x = np.linspace(0.0, 1.0, 11)
    np.testing.assert_allclose(quadrature_weights(11, 0.1, 4) @ x**3, 0.25, rtol=1e-14)
    np.testing.assert_allclose(quadrature_weights(11, 0.1, 2) @ x, 0.5, rtol=1e-14)


# finite differences: rates


def line() -> Problem:
    def exact(x):
        return exp(x) * sin(3 * x)

    def equation(u, x):
        return u.xx - exp(x) * (6 * cos(3 * x) - 8 * sin(3 * x))

    return Problem(
        "x", "u", Interval(0, 1), [equation], [Dirichlet("boundary", exact)],
        reference=Exact({"u": exact}),
    )  # fmt: skip


def mixed_sides() -> Problem:
    """Variable coefficients; Dirichlet, Neumann and Robin sides."""

    def exact(x, y):
        return exp(x) * cos(2 * y)

    def equation(u, x, y):
        k = 1 + x**2 + y / 2
        w = exact(x, y)
        f = k * (-3 * w) + 2 * x * w - exp(x) * sin(2 * y)
        return k * (u.xx + u.yy) + 2 * x * u.x + u.y / 2 - f

    conditions = [
        Dirichlet("left", exact),
        Neumann("bottom", 0.0),
        Neumann("top", lambda x: -2 * exp(x) * math.sin(2)),
        Robin("right", 2.0, lambda x, y: 3 * exact(x, y)),
    ]
    return Problem("xy", "u", SQUARE, [equation], conditions, reference=Exact({"u": exact}))


def pure_neumann() -> Problem:
    def exact(x, y):
        return cos(pi * x) * exp(y)

    conditions = [
        Neumann(["left", "right"], 0.0),
        Neumann("top", exact),
        Neumann("bottom", lambda x, y: -exact(x, y)),
    ]

    def equation(u, x, y):
        return u.xx + u.yy - (1 - pi**2) * exact(x, y)

    return Problem("xy", "u", SQUARE, [equation], conditions, reference=Exact({"u": exact}))


def clamped_plate() -> Problem:
    def exact(x, y):
        return (sin(pi * x) * sin(pi * y)) ** 2

    def equation(u, x, y):
        a, b = cos(2 * pi * x), cos(2 * pi * y)
        f = 4 * pi**4 * (2 * a * b - a * (1 - b) - b * (1 - a))
        return u.xxxx + 2 * u.xxyy + u.yyyy - f

    conditions = [Dirichlet("boundary"), Neumann("boundary")]
    return Problem("xy", "u", SQUARE, [equation], conditions, reference=Exact({"u": exact}))


def supported_plate() -> Problem:
    def exact(x, y):
        return sin(pi * x) * sin(pi * y)

    def equation(u, x, y):
        return u.xxxx + 2 * u.xxyy + u.yyyy - 4 * pi**4 * exact(x, y)

    conditions = [Dirichlet("boundary"), Condition("boundary", lambda u: u.xx + u.yy)]
    return Problem("xy", "u", SQUARE, [equation], conditions, reference=Exact({"u": exact}))


def transport() -> Problem:
    def exact(x, y):
        return exp(x + y)

    return Problem(
        "xy", "u", SQUARE, [lambda u, x, y: u.x + 2 * u.y + u - 4 * exact(x, y)],
        [Dirichlet(["left", "bottom"], exact)], reference=Exact({"u": exact}),
    )  # fmt: skip


def third_order() -> Problem:
    return Problem(
        "x", "u", Interval(0, 1), [lambda u, x: u.xxx - exp(x)],
        [Dirichlet("boundary", lambda x: exp(x)), Neumann("left", -1.0)],
        reference=Exact({"u": lambda x: exp(x)}),
    )  # fmt: skip


BOUNDS = {
    line: (3e-4, 2e-7),
    mixed_sides: (1e-3, 2e-6),
    pure_neumann: (6e-4, 1e-6),
    clamped_plate: (4e-3, 5e-5),
    supported_plate: (1e-3, 5e-6),
    transport: (6e-5, 1e-8),
    third_order: (3e-5, 1e-8),
}
"""Errors that 41 points must stay below, for orders 2 and 4."""


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("make", BOUNDS, ids=lambda make: make.__name__)
def test_rate(make, order):
    problem = make()
    points = problem.domain.sample_interior(300, "random", 3)
    exact = problem.reference.evaluate(problem, points).values
    sizes, errors = (41, 57, 81), []
    for n in sizes:
        found = FiniteDifference(points=n, order=order).evaluate(problem, points)
        errors.append(float((found.values - exact).norm() / exact.norm()))
        assert errors[-1] / 4 < found.own_error["u"] < errors[-1] * 4
    assert errors[0] < BOUNDS[make][order // 2 - 1]
    assert -slope([n - 1 for n in sizes], errors) > order - 0.4


def test_three_dimensions():
    def exact(x, y, z):
        return sin(x + 2 * y) * exp(z)

    cube = Box(((0, 1), (0, 1), (0, 2)))
    problem = Problem(
        "xyz",
        "u",
        cube,
        [lambda u, x, y, z: u.xx + u.yy + u.zz + 4 * exact(x, y, z)],
        [
            Dirichlet(["left", "right", "bottom", "top", "back"], exact),
            Neumann("front", exact),
        ],
    )
    points = cube.sample_interior(300, "random", 0)
    x, y, z = points.T
    found = FiniteDifference(points=21, order=4).evaluate(problem, points)
    error = float((found.values[:, 0] - exact(x, y, z)).norm() / exact(x, y, z).norm())
    assert error < 2e-5
    assert error / 4 < found.own_error["u"] < error * 4


def test_a_kink_lowers_the_trust_in_its_own_error():
    """A coefficient that jumps gives first order only; the estimate has to notice."""
    jump = 0.4321
    problem = Problem(
        "x", "u", Interval(0, 1), [lambda u, x: u.xx - torch.where(x < jump, 0.0, 1.0)],
        [Dirichlet("boundary", 0.0)],
    )  # fmt: skip
    points = torch.linspace(0, 1, 400, dtype=torch.float64)[:, None]
    x = points[:, 0]
    exact = torch.clamp(x - jump, min=0) ** 2 / 2 - (1 - jump) ** 2 / 2 * x
    found = FiniteDifference(points=201, order=4).evaluate(problem, points)
    error = float((found.values[:, 0] - exact).norm() / exact.norm())
    assert error > 1e-5
    assert found.own_error["u"] > error / 4


# finite differences: conditions


def test_corners_belong_to_the_dirichlet_side():
    """Neumann conditions listed first must not take the corner values away."""

    def exact(x, y):
        return x + 2 * y

    problem = Problem(
        "xy", "u", SQUARE, [lambda u: u.xx + u.yy],
        [Neumann("left", -1.0), Neumann("right", 1.0), Dirichlet(["top", "bottom"], exact)],
    )  # fmt: skip
    points = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.3, 0.6]], dtype=torch.float64)
    found = FiniteDifference(points=21).evaluate(problem, points).values[:, 0]
    torch.testing.assert_close(found, points[:, 0] + 2 * points[:, 1], rtol=1e-10, atol=1e-12)
    # A flux that contradicts the values there tells which of the two a corner takes.
    problem = Problem(
        "xy", "u", SQUARE, [lambda u: u.xx + u.yy],
        [Neumann(["left", "right"], 50.0), Dirichlet(["top", "bottom"], exact)],
    )  # fmt: skip
    found = FiniteDifference(points=21).evaluate(problem, points[:2]).values[:, 0]
    torch.testing.assert_close(found, found.new_tensor([0.0, 3.0]), rtol=0, atol=1e-12)


def test_where_narrows_a_side():
    """u = 1 on one half of the bottom and 0 on the other leaves u = 1/2 between them."""
    problem = Problem(
        "xy",
        "u",
        Rectangle(x=(-1, 1), y=(0, 1)),
        [lambda u: u.xx + u.yy],
        [
            Condition("bottom", lambda u: u - 1.0, where=lambda x: x < 0),
            Condition("bottom", lambda u: u, where=lambda x: x >= 0),
            Dirichlet("left", 1.0),
            Dirichlet("right", 0.0),
            Neumann("top", 0.0),
        ],
    )
    points = torch.tensor([[0.0, 0.5], [-0.5, 0.0], [0.5, 0.0]], dtype=torch.float64)
    found = FiniteDifference(points=81).evaluate(problem, points).values[:, 0]
    torch.testing.assert_close(found, found.new_tensor([0.5, 1.0, 0.0]), rtol=0, atol=0.02)


def test_the_mean_or_a_point_fixes_a_free_constant():

    def equation(u, x):
        return u.xx - 2.0

    flux = [Neumann("left", 0.0), Neumann("right", 2.0)]
    points = torch.tensor([[0.0], [0.4], [1.0]], dtype=torch.float64)
    square = points[:, 0] ** 2
    cases = {
        -1 / 3: [],
        2 - 1 / 3: [IntegralCondition(lambda u: u, 2.0)],
        5 - 0.09: [Condition((0.3,), lambda u: u - 5.0)],
    }
    for constant, extra in cases.items():
        problem = Problem("x", "u", Interval(0, 1), [equation], [*flux, *extra])
        found = FiniteDifference(points=41, order=4).evaluate(problem, points).values[:, 0]
        torch.testing.assert_close(found, square + constant, rtol=0, atol=1e-9)


def test_the_end_of_an_interval_may_be_named_by_its_coordinate():
    problem = Problem(
        "x", "u", Interval(0, 1), [lambda u: u.xx],
        [Condition((0.0,), lambda u: u - 1.0), Condition((1.0,), lambda u: u - 3.0)],
    )  # fmt: skip
    points = torch.tensor([[0.25]], dtype=torch.float64)
    found = FiniteDifference(points=21).evaluate(problem, points).values
    assert float(found) == pytest.approx(1.5, abs=1e-12)


def test_it_solves_once_for_each_problem():
    reference, problem = FiniteDifference(points=41), line()
    assert reference.solve(problem) is reference.solve(problem)
    assert reference.solve(line()) is not reference.solve(problem)
    assert reference == FiniteDifference(points=41)


# finite differences: refusals


def refused(words: str, *, reference: FiniteDifference | None = None, **parts: object) -> None:
    given = {
        "coordinates": "x",
        "unknowns": "u",
        "domain": Interval(0, 1),
        "equations": [lambda u: u.xx],
        "conditions": [Dirichlet("boundary")],
        **parts,
    }
    problem = Problem(**given)
    points = torch.full((1, len(problem.coordinates)), 0.5, dtype=torch.float64)
    with pytest.raises(InputError, match=words):
        (reference or FiniteDifference(points=21)).evaluate(problem, points)


def test_refusals():
    refused("not a domain of kind 'disk'", coordinates="xy", domain=Disk((0, 0), 1))
    refused("as many equations as unknowns", unknowns="uv", equations=[lambda u, v: u.xx + v])
    refused("derivatives of order 4", equations=[lambda u: u.xxxxx])
    refused("not finite at \\(0.5\\)", equations=[lambda u, x: u.xx - 1 / (x - 0.5)])
    refused("do not determine", conditions=[Dirichlet("left")])
    refused(
        "one condition too many",
        conditions=[Dirichlet("boundary"), IntegralCondition(lambda u: u, 1.0)],
    )
    refused(
        "at most two conditions on a side",
        equations=[lambda u: u.xxxx],
        conditions=[Dirichlet("left"), Neumann("left"), Condition("left", lambda u: u.xx)],
    )
    refused("cannot use measurements", data=Data(torch.zeros(1, 1), torch.zeros(1, 1)))
    refused(
        "8,120,601 unknowns",
        reference=FiniteDifference(),
        coordinates="xyz",
        domain=Box(((0, 1), (0, 1), (0, 1))),
    )


def test_bad_options_are_refused():
    with pytest.raises(InputError, match="order 2 or 4, not 3"):
        FiniteDifference(order=3)
    with pytest.raises(InputError, match="at least 21 points, not 5"):
        FiniteDifference(points=5)
