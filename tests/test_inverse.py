"""Unknown constants from measurements: values, errors, and what data cannot say."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import count

import pytest
import torch
from inverse_parts import bar, bar_data, heat, in_time, measured, on_line

import gmnm_pde as gp
from gmnm_pde.assembly import weight_rows
from gmnm_pde.collocation import data_block
from gmnm_pde.geometry import Interval, Rectangle
from gmnm_pde.inferred import CoefficientField, Constant
from gmnm_pde.inversion import joint
from gmnm_pde.linearised import Block, at_network, residual_rows
from gmnm_pde.methods import inverse_in_time, reduced
from gmnm_pde.methods.residuals import Residuals
from gmnm_pde.networks import GMNM, Together, Uniform
from gmnm_pde.problem import Condition, Data, Dirichlet, Initial, Problem

sin, cos, exp, pi = torch.sin, torch.cos, torch.exp, math.pi
WIDE = (0.01, 100.0)


def solved(problem, **options):
    solution = gp.solve(problem, device="cpu", **options)
    assert solution.status == "converged", solution.reason
    return solution


def assert_within(solution, standard_errors, **truth):
    """Every constant is found to within some of its standard errors, and these are no excuse."""
    assert set(solution.inferred) == set(truth)
    for name, value in truth.items():
        error = solution.findings.errors[name]
        assert abs(solution.inferred[name] - value) <= standard_errors * error, name
        assert 0 < error < 0.2 * abs(value), name


# rows


def two_layers():
    """A network for u, one for a field k, and a number a, all of them arbitrary."""
    generator = torch.Generator().manual_seed(1)

    def layer():
        mu = torch.rand(4, 2, generator=generator, dtype=torch.float64)
        weights = torch.randn(4, 1, generator=generator, dtype=torch.float64)
        return GMNM(mu, torch.full_like(mu, 2.0), 1, pi=weights)

    return Together([layer(), layer(), Uniform(2, torch.tensor([0.3]).double())])


def test_rows_of_all_together_are_finite_differences():
    points = torch.rand(30, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    data = Data(points, torch.ones(30, 1, dtype=torch.float64))
    problem = Problem(
        "xy",
        "u",
        Rectangle(x=(0, 1), y=(0, 1)),
        [lambda u, k, a, x: k * u.xx + k.x * u.x + k.xy * u + a**2 * sin(a * x)],
        [Condition("boundary", lambda u, a: u - a)],
        data=data,
        infer={"k": CoefficientField(2.0), "a": Constant(1.5, (0.0, 2.0))},
    )
    whole, network = joint(problem), two_layers()
    few = points[:6]
    equation = whole.equations[0]
    blocks = [
        Block("equation", equation.label, equation.residual, few, torch.linspace(1, 2, 6).double()),
        Block("condition", "side", whole.conditions[0].residual, few, torch.ones(6).double()),
        data_block("u", few, data.values[:6, 0]),
    ]
    start = network.flat_weights
    for block in blocks:
        lin = at_network(whole, block, network)
        rows = weight_rows(whole, block, lin, network)
        assert rows.shape == (6, len(start))
        for j in range(len(start)):
            sides = []
            for h in (1e-6, -1e-6):
                moved = start.clone()
                moved[j] += h
                network.set_output_weights(network.unflattened(moved))
                sides.append(residual_rows(block, at_network(whole, block, network)))
            network.set_output_weights(network.unflattened(start))
            quotient = (sides[0] - sides[1]) / 2e-6
            torch.testing.assert_close(rows[:, j], quotient, rtol=1e-6, atol=1e-7)


def test_a_step_is_enough_where_everything_is_linear():
    """u'' + k pi^2 sin(pi x) = 0: one step of the reduced search."""
    problem = bar(bar_data(), {"k": Constant(1.0)})
    source = [lambda u, k, x: u.xx + k * pi**2 * sin(pi * x)]
    problem = replace(problem, equations=source)
    whole = joint(problem)
    mu = torch.linspace(-0.2, 1.2, 15, dtype=torch.float64)[:, None]
    own = GMNM(mu, torch.full_like(mu, 6.0), 1)
    network = Together([own, Uniform(1, torch.zeros(1).double())])
    points = on_line(60)
    equation = whole.equations[0]
    ends = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    weights = torch.full((60,), 1.0).double()
    blocks = [
        Block("equation", equation.label, equation.residual, points, weights),
        Block(
            "condition", "ends", whole.conditions[0].residual, ends, torch.full((2,), 10.0).double()
        ),
        data_block("u", problem.data.points, problem.data.values[:, 0]),
    ]
    blocks[2] = replace(blocks[2], weights=torch.full((40,), 0.02).double())
    rows = Residuals(whole, network, blocks)
    data = torch.tensor([False] * 62 + [True] * 40)
    found = reduced.infer(rows, network.flat_weights, len(own.flat_weights), data)
    assert found.reason == "minimum"
    assert found.iterations == 1
    assert float(found.iterate.x[-1]) == pytest.approx(0.5 - 1.0, abs=0.02)


def source_at(place, points):
    """-u'' = 30 exp(-((x - place) / 0.1)^2), u = 0 at both ends, in closed form."""
    c = 0.1

    def twice(x):
        z = (x - place) / c
        part = z * torch.erf(z) * math.sqrt(pi) / 2 + exp(-(z**2)) / 2
        return -30 * c**2 * part

    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    left, right = twice(ends).tolist()
    return measured(points, 0.005, 3, lambda x: twice(x) - left - (right - left) * x)


def test_the_search_follows_the_valley_of_a_moving_source():
    """The source starts on the wrong side, more than five of its widths away."""
    problem = Problem(
        "x",
        "u",
        Interval(0, 1),
        [lambda u, a, x: u.xx + 30 * exp(-(((x - a) / 0.1) ** 2))],
        [Dirichlet("boundary", 0.0)],
        data=source_at(0.75, on_line(50)),
        infer={"a": Constant(0.2, (0.0, 1.0))},
    )
    assert_within(solved(problem), 3, a=0.75)


# constants of steady problems


def test_a_constant_of_the_equation():
    solution = solved(bar(bar_data()))
    assert_within(solution, 3, k=2.0)
    assert solution.findings.noise["u"] == pytest.approx(0.01, rel=0.3)
    # J = d(sin(pi x) / k) / dk at the sensors: the standard error by hand.
    by_hand = 0.01 / float((sin(pi * on_line(40)) / 4).norm())
    assert solution.findings.errors["k"] == pytest.approx(by_hand, rel=0.1)


def test_standard_errors_are_those_of_repeated_measurements():
    found = [solved(bar(bar_data(seed=seed))) for seed in range(20)]
    values = torch.tensor([solution.inferred["k"] for solution in found])
    said = sum(solution.findings.errors["k"] for solution in found) / len(found)
    assert float(values.std()) == pytest.approx(said, rel=0.3)
    off = [abs(s.inferred["k"] - 2.0) > 2 * s.findings.errors["k"] for s in found]
    assert sum(off) <= 3


def test_measurements_without_noise():
    solution = solved(bar(bar_data(noise=0.0)))
    assert solution.inferred["k"] == pytest.approx(2.0, rel=1e-9)


def test_a_noise_that_is_given_is_used():
    """Three times the true one: so are the standard errors."""
    estimated = solved(bar(bar_data())).findings
    data = replace(bar_data(), noise=0.03)
    wide = solved(bar(data)).findings
    assert wide.noise["u"] == pytest.approx(0.03)
    ratio = 0.03 / estimated.noise["u"]
    assert wide.errors["k"] == pytest.approx(ratio * estimated.errors["k"], rel=0.01)


def test_a_constant_in_a_condition():
    """u'' = 0, u(0) = 0, u(1) = k; and the coefficient of a Robin condition."""
    value = Problem(
        "x",
        "u",
        Interval(0, 1),
        [lambda u: u.xx],
        [Dirichlet("left", 0.0), Condition("right", lambda u, k: u - k)],
        data=measured(on_line(30), 0.01, 1, lambda x: 3 * x),
        infer={"k": Constant(1.0)},
    )
    assert_within(solved(value), 3, k=3.0)
    # u = c x with c + h c = 4: c = 1 for h = 3.
    flux = replace(
        value,
        conditions=[Dirichlet("left", 0.0), Condition("right", lambda u, h: u.n + h * u - 4)],
        data=measured(on_line(30), 0.01, 1, lambda x: x),
        infer={"h": Constant(1.0, WIDE)},
    )
    assert_within(solved(flux), 3, h=3.0)


def two_experiments():
    """The same bar heated in two ways; v is measured ten times worse."""
    data = measured(
        on_line(60), (0.01, 0.1), 3, lambda x: sin(pi * x) / 2, lambda x: x * (1 - x) / 4
    )
    return Problem(
        "x",
        "uv",
        Interval(0, 1),
        [lambda u, k, x: k * u.xx + pi**2 * sin(pi * x), lambda v, k: k * v.xx + 1.0],
        [Dirichlet("boundary", 0.0, "u"), Dirichlet("boundary", 0.0, "v")],
        data=data,
        infer={"k": Constant(1.0, WIDE)},
    )


def test_two_experiments_share_a_constant_and_have_noise_of_their_own():
    solution = solved(two_experiments())
    assert_within(solution, 3, k=2.0)
    assert solution.findings.noise["u"] == pytest.approx(0.01, rel=0.3)
    assert solution.findings.noise["v"] == pytest.approx(0.1, rel=0.3)
    # v says next to nothing: with equal weights its noise would have spoilt k.
    alone = bar(replace(two_experiments().data, values=two_experiments().data.values[:, :1]))
    assert solution.findings.errors["k"] == pytest.approx(
        solved(alone).findings.errors["k"], rel=0.1
    )


def test_what_was_not_measured_is_left_out():
    problem = two_experiments()
    values = problem.data.values.clone()
    values[:, 1] = math.nan
    values[::3, 0] = math.nan
    solution = solved(replace(problem, data=Data(problem.data.points, values)))
    assert_within(solution, 3, k=2.0)
    assert set(solution.findings.noise) == {"u"}
    # v was never measured, and the equation says it all the same.
    points = on_line(9)
    expected = (points * (1 - points) / 4)[:, 0]
    torch.testing.assert_close(solution(points)[:, 1], expected, rtol=0.03, atol=0.0)


def test_several_constants_and_their_correlation():
    """-k u'' + c u = f is known best along one direction of (k, c)."""
    points = on_line(80)
    problem = Problem(
        "x",
        "u",
        Interval(0, 1),
        [lambda u, k, c, x: -k * u.xx + c * u - sin(pi * x) - 3 * sin(3 * pi * x)],
        [Dirichlet("boundary", 0.0)],
        data=measured(
            points,
            0.001,
            4,
            lambda x: sum(n * sin(n * pi * x) / (0.3 * (n * pi) ** 2 + 2.0) for n in (1, 3)),
        ),
        infer={"k": Constant(1.0, WIDE), "c": Constant(1.0)},
    )
    solution = solved(problem)
    assert_within(solution, 3, k=0.3, c=2.0)
    assert set(solution.findings.correlation) == {"k, c"}
    assert -1 < solution.findings.correlation["k, c"] < -0.3


def test_only_the_product_of_two_constants_is_seen():
    product = Problem(
        "x",
        "u",
        Interval(0, 1),
        [lambda u, a, b, x: a * b * u.xx + pi**2 * sin(pi * x)],
        [Dirichlet("boundary", 0.0)],
        data=bar_data(),
        infer={"a": Constant(1.0, WIDE), "b": Constant(1.0, WIDE)},
    )
    solution = solved(product)
    assert solution.inferred["a"] * solution.inferred["b"] == pytest.approx(2.0, rel=0.03)
    (note,) = [note for note in solution.notes if "determine" in note]
    assert "a and b separately" in note
    assert "+0.71 a -0.71 b" in note
    assert solution.findings.correlation["a, b"] == pytest.approx(-1.0)


def test_a_common_factor_is_left_where_it_was():
    """Source, diffusivity and exchange are known up to a factor: nothing runs off to a bound."""
    problem = Problem(
        "x",
        "u",
        Interval(0, 1),
        [lambda u, k, q: k * u.xx + q],
        [Dirichlet("left", 0.0), Condition("right", lambda u, k, h: k * u.x + h * u)],
        data=measured(on_line(40), 0.005, 1, lambda x: 1.513 * x - x**2 / 0.8),
        infer={name: Constant(1.0, (0.01, 100.0)) for name in "qkh"},
    )
    solution = solved(problem)
    found = solution.inferred
    assert found["k"] / found["q"] == pytest.approx(0.4, rel=0.05)
    assert found["h"] / found["q"] == pytest.approx(1.5, rel=0.1)
    assert all(0.1 < value < 10 for value in found.values())
    (note,) = solution.notes
    assert "do not determine q, k and h separately" in note


def test_bounds_are_kept_where_the_data_want_to_leave_them():
    """k = 2 is the truth, and not allowed."""
    solution = gp.solve(bar(bar_data(), {"k": Constant(1.0, (0.5, 1.5))}), device="cpu")
    assert 1.4 < solution.inferred["k"] <= 1.5
    assert any("k ended at its bound 1.5" in note for note in solution.notes)


# evolution


def test_a_diffusivity():
    solution = solved(heat())
    assert_within(solution, 3, k=0.5)
    assert solution.errors.inferred["k"] == pytest.approx(abs(solution.inferred["k"] / 0.5 - 1))
    assert solution.findings.noise["u"] == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize("marches", [0, 1, 3])
def test_a_forward_solve_that_the_time_limit_ends_says_nothing(monkeypatch, marches):
    """At the first two nothing is known yet, later what was found stays."""
    march, done = inverse_in_time.InverseInTime._march, count()

    def limited(self, *arguments):
        if next(done) == marches:
            raise inverse_in_time.OutOfTime
        return march(self, *arguments)

    monkeypatch.setattr(inverse_in_time.InverseInTime, "_march", limited)
    if marches < 2:
        with pytest.raises(gp.InputError, match="nothing was inferred yet"):
            gp.solve(heat(), device="cpu")
        return
    solution = gp.solve(heat(), device="cpu")
    assert solution.status == "stopped"
    assert "time limit" in solution.reason
    assert solution.inferred["k"] > 0


def test_space_and_time_at_once_agree_with_forward_solves():
    marched = solved(heat())
    whole = {"network": {"name": "gmnm"}, "methods": [{"name": "inverse"}]}
    at_once = solved(heat(), solver=whole)
    error = marched.findings.errors["k"]
    assert at_once.inferred["k"] == pytest.approx(marched.inferred["k"], abs=0.3 * error)
    assert at_once.findings.errors["k"] == pytest.approx(error, rel=0.15)


def test_a_speed_of_a_wave():
    """Second order in time."""
    data = measured(in_time(60, end=1.0), 0.01, 1, lambda x, t: cos(1.3 * pi * t) * sin(pi * x))
    problem = Problem(
        "xt",
        "u",
        Interval(0, 1),
        [lambda u, c: u.tt - c**2 * u.xx],
        [
            Dirichlet("boundary", 0.0),
            Initial(lambda x: sin(pi * x)),
            Initial(0.0, rate=True),
        ],
        time=(0, 1.0),
        data=data,
        infer={"c": Constant(1.0, (0.1, 5.0))},
    )
    assert_within(solved(problem), 3, c=1.3)


def test_a_constant_in_the_initial_data():
    problem = heat()
    data = measured(
        in_time(60, end=0.3), 0.01, 1, lambda x, t: 2 * exp(-(pi**2) * t / 2) * sin(pi * x)
    )
    begun = Problem(
        "xt",
        "u",
        Interval(0, 1),
        [lambda u: u.t - 0.5 * u.xx],
        [Dirichlet("boundary", 0.0), Condition("initial", lambda u, a, x: u - a * sin(pi * x))],
        time=problem.time,
        data=data,
        infer={"a": Constant(1.0)},
    )
    assert_within(solved(begun), 3, a=2.0)


def test_only_the_product_of_two_constants_is_seen_in_time():
    begun = heat()
    problem = Problem(
        "xt",
        "u",
        Interval(0, 1),
        [lambda u, a, b: u.t - a * b * u.xx],
        begun.conditions,
        time=begun.time,
        data=begun.data,
        infer={"a": Constant(1.0, WIDE), "b": Constant(1.0, WIDE)},
    )
    solution = solved(problem)
    assert solution.inferred["a"] * solution.inferred["b"] == pytest.approx(0.5, rel=0.03)
    assert any("a and b separately" in note for note in solution.notes)


def test_measurements_in_time_without_noise():
    assert solved(heat(noise=0.0)).inferred["k"] == pytest.approx(0.5, rel=1e-5)


def test_conditions_that_hold_exactly_in_time():
    problem = heat()
    edge, begin = problem.conditions
    hard = replace(problem, conditions=[replace(edge, enforce="hard"), begin])
    assert_within(solved(hard), 3, k=0.5)
