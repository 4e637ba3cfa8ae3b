"""Manufactured solutions: the chosen function solves the changed problem, another one does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import gmnm_pde as gp
from gmnm_pde.checks import check
from gmnm_pde.config import schema
from gmnm_pde.config.builder import Builder
from gmnm_pde.config.source import Source
from gmnm_pde.config.validation import validate
from gmnm_pde.expressions import Scope, parse
from gmnm_pde.fields import Residual
from gmnm_pde.manufacture import ClosedForm
from gmnm_pde.problem import Condition, IntegralCondition, Interface, Periodic, Problem
from gmnm_pde.references import Exact, exact_values

ROUNDING = 1e-12

LINE = {"interval": [0, 1]}
RING = {"interval": [0, 2]}
SQUARE = {"rectangle": {"x": [0, 1], "y": [0, 1]}}
DISK = {"disk": {"center": [0, 0], "radius": 1}}
CUBE = {"box": {"x": [0, 1], "y": [0, 1], "z": [0, 1]}}
ELLIPSE = {"ellipse": {"center": [0, 0], "semiaxes": [0.5, 0.3]}}

FIXED = {"at": "boundary", "equation": "u = 0"}
START = {"at": "initial", "equation": "u = 7"}

CASES: dict[str, dict[str, Any]] = {
    "poisson": {"domain": SQUARE, "equations": ["u_xx + u_yy = 0"], "exact": "sin(pi*x)*exp(y)"},
    "kept right-hand side": {
        "domain": SQUARE,
        "equations": ["laplacian(u) = exp(x)*y"],
        "exact": "cos(x)*y^3",
    },
    "every function": {
        "domain": SQUARE,
        "equations": [
            "sin(u) + cos(u) + tan(u/4) + asin(u/9) + acos(u/9) + atan(u) + atan2(u, 2) + sinh(u)"
            " + cosh(u) + tanh(u) + exp(u) + log(u) + sqrt(u) + abs(u) + sign(u) + min(u, 1)"
            " + max(u, y, 1) + erf(u) + u^3 + 2^u + u^x + 1/u + where(u > 1 and x < 0.5, u, u^2)"
            " = u_xx + u_yy"
        ],
        "exact": "1 + x*y + sin(x)/2",
    },
    "divergence form": {
        "domain": DISK,
        "equations": ["div((1 + u^2)*u_x, (2 + x*y)*u_y) - d(u^2, x, y) = 1"],
        "conditions": [{"at": "boundary", "equation": "u_n + (1 + x^2)*u = 3"}],
        "exact": "sin(x + 2*y)*exp(x)",
    },
    "dot": {
        "domain": SQUARE,
        "equations": ["laplacian(u) + dot(1, x, u_x, u_y)*u = 0"],
        "conditions": [
            {"at": ["left", "top"], "equation": "u_n = 1"},
            {"at": ["right", "bottom"], "equation": "u = 0"},
        ],
        "exact": "x^2*y",
    },
    "fourth order": {
        "domain": SQUARE,
        "equations": ["laplacian(laplacian(u)) = u*u_xy"],
        "conditions": [FIXED, {"at": "boundary", "equation": "u_n = 0"}],
        "exact": "exp(x)*sin(y)",
    },
    "point and mean": {
        "domain": LINE,
        "equations": ["u_xx = 1"],
        "conditions": [
            {"at": [0.5], "equation": "u = 2"},
            {"integral": "u^2 + u_x", "equals": 5},
        ],
        "exact": "cos(3*x)",
    },
    "three dimensions": {
        "domain": CUBE,
        "equations": ["laplacian(u) = u_x*u_y + z"],
        "exact": "sin(x)*cos(y)*z^2",
    },
    "heat": {
        "domain": SQUARE,
        "time": [0, 1],
        "equations": ["u_t = laplacian(u)"],
        "conditions": [START, FIXED],
        "exact": "sin(pi*x)*cos(y)*exp(-t)",
    },
    "wave": {
        "domain": LINE,
        "time": [0, 2],
        "equations": ["u_tt = 4*u_xx + u_t"],
        "conditions": [START, {"at": "initial", "equation": "u_t = t"}, FIXED],
        "exact": "sin(x)*cos(3*t)",
    },
    "burgers": {
        "domain": RING,
        "time": [1, 3],
        "equations": ["u_t + u*u_x = 0.01*u_xx"],
        "conditions": [START, {"periodic": "x"}],
        "exact": "sin(pi*x)/t + 2",
    },
    "kdv": {
        "domain": RING,
        "time": [0, 1],
        "equations": ["u_t + 6*u*u_x + u_xxx = 0"],
        "conditions": [START, {"periodic": "x"}],
        "exact": "exp(sin(pi*x) - t)",
    },
    "cahn-hilliard": {
        "domain": RING,
        "time": [0, 1],
        "equations": ["u_t = d(u^3 - u - 0.01*u_xx, x, x)"],
        "conditions": [START, {"periodic": "x"}],
        "exact": "cos(pi*x)*exp(-t)",
    },
    "kuramoto-sivashinsky": {
        "domain": RING,
        "time": [0, 1],
        "equations": ["u_t + u*u_x + u_xx + u_xxxx = 0"],
        "conditions": [START, {"periodic": "x"}],
        "exact": "cos(pi*x + t)",
    },
    "dynamic boundary": {
        "domain": LINE,
        "time": [0, 1],
        "equations": ["u_t = u_xx"],
        "conditions": [START, {"at": "boundary", "equation": "u_t + u_n = sin(t)"}],
        "exact": "cosh(x)*exp(t)",
    },
    "schroedinger": {
        "domain": RING,
        "time": [0, 1],
        "unknowns": ["u", "v"],
        "equations": ["u_t = -v_xx/2 - (u^2 + v^2)*v", "v_t = u_xx/2 + (u^2 + v^2)*u"],
        "conditions": [START, {"at": "initial", "equation": "v = 1"}, {"periodic": "x"}],
        "exact": {"u": "cos(pi*x)*cos(t)", "v": "cos(pi*x)*sin(t)"},
    },
    "navier-stokes": {
        "domain": SQUARE,
        "time": [0, 1],
        "unknowns": ["u", "v", "p"],
        "equations": [
            "u_t + u*u_x + v*u_y = -p_x + laplacian(u)/40",
            "v_t + u*v_x + v*v_y = -p_y + laplacian(v)/40",
            "u_x + v_y = 0",
        ],
        "conditions": [
            START,
            {"at": "initial", "equation": "v = 0"},
            FIXED,
            {"at": "boundary", "equation": "v = 0"},
            {"integral": "p", "equals": 0},
        ],
        "exact": {
            "u": "sin(x)*cos(y)*exp(-t)",
            "v": "-cos(x)*sin(y)*exp(-t)",
            "p": "(cos(2*x) + cos(2*y))/4*exp(-2*t)",
        },
    },
    "elasticity": {
        "domain": SQUARE,
        "unknowns": ["u", "v"],
        "equations": [
            "div(3*u_x + v_y, u_y + v_x) = 0",
            "div(u_y + v_x, 3*v_y + u_x) = 0",
        ],
        "conditions": [
            {"at": ["left", "right"], "equation": "u = 0"},
            {"at": ["left", "right"], "equation": "v = 0"},
            {"at": ["bottom", "top"], "equation": "u_y + v_x = 0"},
            {"at": ["bottom", "top"], "equation": "3*v_y + u_x = 0"},
        ],
        "exact": {"u": "sin(x)*y^2", "v": "exp(x*y)"},
    },
    "interface": {
        "domain": {"rectangle": {"x": [-1, 1], "y": [-1, 1]}},
        "subdomains": {"inner": ELLIPSE},
        "definitions": {"k": "where((x/0.5)^2 + (y/0.3)^2 < 1, 10, 1)"},
        "equations": ["div(k*u_x, k*u_y) = 0"],
        "conditions": [
            FIXED,
            {"interface": "inner", "jump": "u", "equals": 2},
            {"interface": "inner", "jump": "k*u_n"},
        ],
        "exact": "sin(x)*y + where((x/0.5)^2 + (y/0.3)^2 < 1, x^2, 0)",
    },
}


def build(case: dict[str, Any], **changes: Any) -> Problem:
    """The problem of a case."""
    time, unknowns = case.get("time"), case.get("unknowns", ["u"])
    shape = next(iter(case["domain"]))
    letters = {"interval": "x", "box": "xyz"}.get(shape, "xy")
    exact = case["exact"] if isinstance(case["exact"], dict) else {"u": case["exact"]}
    values = {
        "name": "demo",
        "coordinates": [*letters, *("t" if time else "")],
        "unknowns": unknowns,
        "equations": case["equations"],
        "conditions": case.get("conditions", [FIXED]),
        "manufactured": exact,
        "domain": case["domain"],
        **{key: case[key] for key in ("time", "subdomains", "definitions") if key in case},
        **changes,
    }
    source = Source(values, "demo.yaml")
    return Builder(source, validate(schema.ProblemFile, values, source), Path()).problem()


def size(
    problem: Problem, residual: Residual, points: Tensor, normals: Tensor | None, exact: Problem
) -> float:
    """Largest residual of a function at points, relative to the largest derivative in it."""
    jet = problem.jet(points, exact_values(exact, points), normals)
    values = residual(jet)
    terms = [torch.ones(1), *jet.leaves.values()]
    return float(values.abs().max()) / max(float(term.abs().max()) for term in terms)


def violations(problem: Problem, exact: Problem) -> Iterator[tuple[str, float]]:
    """How far the reference of a problem is from solving each part of another."""
    region = problem.region
    interior = region.sample_interior(200, "random", 3)
    for equation in problem.equations:
        yield equation.label, size(problem, equation.residual, interior, None, exact)
    for condition in problem.conditions:
        match condition:
            case Condition(at=(float(), *_)):
                point = interior[:1].clone()
                point[0, : len(condition.at)] = point.new_tensor(condition.at)
                yield condition.label, size(problem, condition.residual, point, None, exact)
            case Condition():
                part = region.sample_boundary(100, condition.at, "random", 5)
                yield (
                    condition.label,
                    size(problem, condition.residual, part.points, part.normals, exact),
                )
            case IntegralCondition():
                assert condition.equals == 0.0
                yield condition.label, size(problem, condition.integrand, interior, None, exact)
            case Interface():
                assert condition.equals == 0.0
                edge = problem.interfaces[condition.of].sample_boundary(
                    100, "boundary", "random", 5
                )
                for side in (-1e-9, 1e-9):
                    points = edge.points + side * edge.normals
                    yield (
                        condition.label,
                        size(problem, condition.jump, points, edge.normals, exact),
                    )


@pytest.fixture(params=CASES, ids=lambda name: name.replace(" ", "-"))
def problem(request: pytest.FixtureRequest) -> Problem:
    return build(CASES[request.param])


def test_the_chosen_function_solves_the_problem(problem):
    parts = list(violations(problem, problem))
    others = sum(not isinstance(item, Periodic) for item in problem.conditions)
    assert len(parts) >= len(problem.equations) + others
    for label, gap in parts:
        assert gap < ROUNDING, label


def test_another_function_does_not(problem):
    exact = problem.reference
    for name in problem.unknowns:
        function = exact.functions[name]
        wrong = {name: lambda jet, f=function: f(jet) + 0.1 * torch.exp(jet.points.sum(1) / 3)}
        other = replace(problem, reference=Exact({**exact.functions, **wrong}))
        sizes = dict(violations(problem, other))
        assert max(sizes.values()) > 1e-3
        mentioned = [item.label for item in problem.equations if name in item.label]
        assert all(sizes[label] > 1e-5 for label in mentioned)


def test_it_passes_the_checks(problem):
    facts = check(problem)
    assert [item.label for item in facts.equations] == [item.label for item in problem.equations]
    assert not any("disagree" in note for note in facts.notes)


def test_another_reference_is_kept():
    case = CASES["poisson"]
    reference = {"finite_difference": {"points": 33}}
    assert isinstance(build(case, reference=reference).reference, gp.FiniteDifference)
    assert isinstance(build(case).reference, Exact)


def test_numbers_and_parameters():
    problem = build(
        CASES["poisson"], parameters={"k": 3}, definitions={"w": "k*x"}, manufactured={"u": "w^2"}
    )
    points = torch.tensor([[0.5, 0.2]], dtype=torch.float64)
    assert problem.reference.evaluate(problem, points).values.item() == pytest.approx(2.25)
    assert build(CASES["poisson"], manufactured={"u": 3}).reference


def test_labels_say_so(problem):
    for item in problem.equations:
        assert item.label.endswith(", manufactured")


def test_the_steps_of_a_continuation_are_manufactured_too():
    case = CASES["divergence form"]
    problem = build(
        case,
        parameters={"R": 9},
        continuation={"R": [1, 3]},
        manufactured={"u": "R*sin(x)*y"},
    )
    assert [label for label, _ in problem.easier] == ["R = 1", "R = 3"]
    for number, (_, step) in zip((1.0, 3.0), problem.easier, strict=True):
        assert step.reference is None
        known = replace(step, reference=Exact({"u": lambda x, y, k=number: k * torch.sin(x) * y}))
        assert max(gap for _, gap in violations(step, known)) < ROUNDING


# from Python


def python_problem(**options):
    return gp.Problem(
        "xt",
        "u",
        gp.Interval(0, 1),
        [lambda u: u.t - u.xx + torch.exp(u)],
        [gp.Initial(0.0), gp.Dirichlet("left", 5.0), gp.Robin("right", 2.0)],
        time=(0, 1),
        **options,
    )


def test_a_problem_of_python_functions():
    problem = gp.manufactured(python_problem(), {"u": "sin(3*x)*exp(-t)"})
    assert max(gap for _, gap in violations(problem, problem)) < ROUNDING


@pytest.mark.parametrize(
    ("solution", "words"),
    [
        ({}, "for 'u' is missing"),
        ({"u": "x", "w": "x"}, "'w' is not an unknown"),
        ({"u": "sni(x)"}, "unknown function 'sni'"),
        ({"u": "y"}, "unknown name 'y'"),
    ],
)
def test_what_python_refuses(solution, words):
    with pytest.raises(gp.InputError, match=words):
        gp.manufactured(python_problem(), solution)


# closed forms

PIECES = st.sampled_from(
    ["sin(x)", "exp(t*x)", "x^3", "1/(2 + t^2)", "tanh(x - t)", "sqrt(3 + x*t)", "cos(2*t)"]
)
ORDERS = st.tuples(st.integers(0, 3), st.integers(0, 2))


@given(st.lists(PIECES, min_size=1, max_size=3), ORDERS)
@settings(max_examples=60, deadline=None)
def test_closed_derivatives_are_those_of_autograd(pieces, orders):
    text = " * ".join(pieces)
    node = parse(text, Scope(("x", "t")))
    points = torch.rand(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = ClosedForm({"u": node}, ("x", "t")).values(points)("u", orders)
    problem = gp.manufactured(python_problem(), {"u": text})
    expected = exact_values(problem, points)("u", orders)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
