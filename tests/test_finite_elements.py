"""The finite-element reference: rates, own errors, and what it refuses."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import gmnm_pde as gp
from gmnm_pde.config import load_problem
from gmnm_pde.errors import InputError
from gmnm_pde.problem import Problem
from gmnm_pde.references.fem.lagrange import Lagrange
from gmnm_pde.references.fem.locate import Locator
from gmnm_pde.references.fem.mesh import outward, place
from gmnm_pde.references.fem.meshes import mesh_of
from gmnm_pde.references.fem.plane import mesh_plane
from gmnm_pde.references.fem.quadrature import on_cells, on_side

PROBLEMS = Path(__file__).parents[1] / "problems"
SQUARE = gp.Rectangle(x=(0, 1), y=(0, 1))


def shipped(name: str) -> Problem:
    return load_problem(PROBLEMS / f"{name}.yaml").problem


def measured(problem: Problem, degree: int, refine: int) -> tuple[np.ndarray, np.ndarray]:
    """True and own relative L2 error of each unknown."""
    where = problem.region.sample_interior(1000, "random", 3)
    exact = problem.reference.evaluate(problem, where).values
    found = gp.FiniteElement(degree=degree, refine=refine).evaluate(problem, where)
    true = (found.values - exact).norm(dim=0) / exact.norm(dim=0)
    return true.numpy(), np.array([found.own_error[name] for name in problem.unknowns])


# ----------------------------------------------------------------------------- the elements


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_an_element_is_one_at_its_node_and_reproduces_polynomials(dimension, degree):
    element = Lagrange(dimension, degree)
    assert len(element.nodes) == math.comb(dimension + degree, dimension)
    assert np.allclose(element.values(element.places), np.eye(len(element.nodes)), atol=1e-13)
    at = np.random.default_rng(0).dirichlet(np.ones(dimension + 1), 20)

    def power(places: np.ndarray) -> np.ndarray:
        return (1.0 + places[:, 1:].sum(axis=1)) ** degree

    assert np.allclose(element.values(at) @ power(element.places), power(at), atol=1e-12)
    slopes = element.slopes(at) @ power(element.places)
    known = degree * (1.0 + at[:, 1:].sum(axis=1)) ** (degree - 1)
    assert np.allclose(slopes, known[None], atol=1e-11)


def test_nodes_that_cells_share_have_one_number():
    numbers, size = Lagrange(2, 4).number(np.array([[0, 1, 2], [1, 2, 3]]))
    assert size == 2 * 15 - 5
    assert len(np.intersect1d(numbers[0], numbers[1])) == 5


# --------------------------------------------------------------------------------- meshes

DOMAINS = {
    "disk": gp.Disk((0.3, -0.2), 1.5),
    "ellipse": gp.Ellipse((0, 0), (2, 0.5)),
    "plate": gp.Difference(gp.Rectangle(x=(0, 4), y=(0, 3)), gp.Disk((0, 0), 1)),
    "hole": gp.Difference(gp.Rectangle(x=(0, 2), y=(0, 1)), gp.Disk((0.6, 0.4), 0.1)),
    "touching": gp.Union(gp.Rectangle(x=(0, 1), y=(0, 1)), gp.Rectangle(x=(1, 2), y=(0, 0.5))),
    "needle": gp.Polygon(((0, 0), (3, 0.1), (0, 0.3), (0.4, 0.15))),
}


def laplace(domain: gp.Rectangle) -> Problem:
    return Problem("xy", "u", domain, [lambda u: u.xx + u.yy], [gp.Dirichlet("boundary")])


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_a_mesh_fills_its_domain(domain):
    mesh = mesh_plane(laplace(domain), 0.25, 4)
    at, weights = on_cells(2, 8)
    places = place(mesh, slice(None), at)
    assert (places.volume @ weights).sum() == pytest.approx(domain.measure, rel=2e-6)
    assert places.volume.min() > 0.0
    length, flux = 0.0, 0.0
    for local in range(3):
        cells = mesh.facets.cell[mesh.facets.local == local]
        on, shares = on_side(2, 8, local)
        side = place(mesh, cells, on)
        normals, area = outward(mesh, side, local)
        length += (area @ shares).sum()
        flux += (((normals * side.points).sum(axis=2) * area) @ shares).sum()
    assert length == pytest.approx(domain.boundary_measure, rel=2e-5)
    # The divergence theorem: normals point outward.
    assert flux == pytest.approx(2.0 * domain.measure, rel=1e-5)
    sides = mesh.vertices[mesh.cells]
    edges = np.linalg.norm(sides - np.roll(sides, 1, axis=1), axis=2)
    cross = np.linalg.det(sides[:, 1:] - sides[:, :1])
    assert (2 * math.sqrt(3) * np.abs(cross) / (edges**2).sum(axis=1)).min() > 0.1


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_every_point_is_found(domain):
    mesh = mesh_plane(laplace(domain), 0.25, 3)
    points = np.concatenate([
        domain.sample_interior(1000, "random", 5).numpy(),
        domain.sample_boundary(300, sampler="random", seed=5).points.numpy(),
    ])  # fmt: skip
    cell, at = Locator(mesh).find(points)
    back = np.einsum("nm,nmi->ni", mesh.shape.values(at), mesh.nodes[cell])
    assert np.abs(back - points).max() < 1e-10
    assert at.min() > -0.02


# ---------------------------------------------------------------------------------- rates

BOUNDS = {
    ("poisson-disk", 1): 2e-2,
    ("poisson-disk", 2): 3e-4,
    ("poisson-disk", 3): 4e-6,
    ("poisson-disk", 4): 6e-8,
    ("variable-diffusion", 1): 2e-2,
    ("variable-diffusion", 4): 3e-7,
    ("nonlinear-poisson", 3): 3e-5,
    ("robin", 3): 2e-6,
    ("elasticity", 1): 6e-3,
    ("elasticity", 2): 3e-5,
}
"""Errors at refine 4 that must not be reached."""


@pytest.mark.parametrize(("name", "degree"), BOUNDS)
def test_rate(name, degree):
    problem = shipped(name)
    coarse, _ = measured(problem, degree, 3)
    fine, own = measured(problem, degree, 4)
    assert fine.max() < BOUNDS[name, degree]
    assert np.log2(coarse / fine).min() > degree + 1 - 0.5
    assert (fine < own).all()
    assert (own < 100 * fine).all()


@pytest.mark.parametrize("degree", [2, 4])
def test_a_singular_corner_costs_no_order(degree):
    problem = shipped("poisson-lshape")
    coarse, _ = measured(problem, degree, 3)
    fine, own = measured(problem, degree, 4)
    assert np.log2(coarse / fine).min() > degree + 0.5
    assert (fine < own).all()


def test_taylor_hood():
    coarse, _ = measured(shipped("stokes"), 3, 2)
    fine, own = measured(shipped("stokes"), 3, 3)
    assert np.log2(coarse[:2] / fine[:2]).min() > 3.2
    assert np.log2(coarse[2] / fine[2]) > 2.2
    assert (fine < own).all()


def test_an_interval():
    coarse, _ = measured(shipped("bratu"), 4, 3)
    fine, own = measured(shipped("bratu"), 4, 4)
    assert np.log2(coarse / fine).min() > 4.5
    assert (fine < own).all()


def test_conditions_at_the_points_that_end_an_interval():
    problem = Problem(
        "x", "u", gp.Interval(1, 2), [lambda u, x: x**2 * u.xx - 2 * u],
        [gp.Condition((1.0,), lambda u: u - 1), gp.Condition((2.0,), lambda u: u.x - 4)],
    )  # fmt: skip
    where = torch.linspace(1, 2, 50, dtype=torch.float64)[:, None]
    found = gp.FiniteElement(degree=2, refine=3).evaluate(problem, where)
    assert torch.allclose(found.values, where**2, atol=1e-12)


def test_an_imported_mesh():
    coarse, _ = measured(shipped("poisson-mesh"), 1, 1)
    fine, own = measured(shipped("poisson-mesh"), 1, 2)
    assert np.log2(coarse / fine).min() > 1.5
    assert (fine < own).all()
    cubic, own = measured(shipped("poisson-mesh"), 3, 1)
    assert cubic.max() < 1e-7
    assert (cubic < own).all()


def test_tetrahedra():
    coarse, _ = measured(shipped("poisson-3d"), 3, 1)
    fine, own = measured(shipped("poisson-3d"), 3, 2)
    assert np.log2(coarse / fine).min() > 3.3
    assert (fine < own).all()


@pytest.mark.slow
def test_an_imported_mesh_in_space():
    fine, own = measured(shipped("poisson-mesh-3d"), 2, 1)
    assert fine.max() < 1e-4
    assert (fine < own).all()


def test_the_coefficient_may_depend_on_the_unknown():
    problem = gp.manufactured(
        Problem(
            "xy", "u", gp.Disk((0, 0), 1),
            [lambda u, x: (1 + x**2 + u**2) * (u.xx + u.yy) + u.x * u.y + u.xy],
            [gp.Condition("boundary", lambda u: u)],
        ),
        {"u": "exp(x)*cos(y)"},
    )  # fmt: skip
    coarse, _ = measured(problem, 3, 2)
    fine, own = measured(problem, 3, 3)
    assert np.log2(coarse / fine).min() > 3.3
    assert (fine < own).all()


def test_an_oblique_derivative_and_a_nonlinear_flux():
    u = "exp(x)*sin(y) + 2"
    problem = gp.manufactured(
        Problem(
            "xy", "u", SQUARE,
            [lambda u, x, y: (2 + x) * u.xx + 0.3 * u.xy + (1 + y) * u.yy - u],
            [
                gp.Condition("left", lambda u: u),
                gp.Condition("right", lambda u: u.x + 0.4 * u.y),
                gp.Condition(("bottom", "top"), lambda u: u.n + u**4),
            ],
        ),
        {"u": u},
    )  # fmt: skip
    coarse, _ = measured(problem, 2, 2)
    fine, own = measured(problem, 2, 3)
    assert np.log2(coarse / fine).min() > 2.5
    assert (fine < own).all()


def test_a_slip_condition_binds_a_combination_of_unknowns():
    problem = gp.manufactured(
        Problem(
            "xy", "uv", gp.Disk((0, 0), 1),
            [lambda u, v: u.xx + u.yy + v.xy, lambda u, v: v.xx + v.yy + u.xy - v],
            [
                gp.Condition("boundary", lambda u, v, nx, ny: u * nx + v * ny),
                gp.Condition(
                    "boundary",
                    lambda u, v, nx, ny: -ny * (u.n + ny * v.x) + nx * (v.n + nx * u.y),
                ),
            ],
        ),
        {"u": "exp(x)*cos(y)", "v": "sin(x + 2*y)"},
    )  # fmt: skip
    coarse, _ = measured(problem, 2, 2)
    fine, _ = measured(problem, 2, 3)
    assert np.log2(coarse / fine).min() > 2.5


# ------------------------------------------------------------------------------- refusals

REFUSED = {
    "fourth order": (lambda: shipped("biharmonic"), "go to second derivatives, not 4"),
    "time": (lambda: shipped("heat"), "depends on time"),
    "first order": (
        lambda: Problem("xy", "u", SQUARE, [lambda u: u.x + u.y - 1], [gp.Dirichlet("left")]),
        "first ones only",
    ),
    "interface": (lambda: shipped("interface"), "cannot do the condition"),
    "ball": (
        lambda: Problem(
            "xyz", "u", gp.Ball((0, 0, 0), 1), [lambda u: u.xx + u.yy + u.zz],
            [gp.Dirichlet("boundary")],
        ),
        "a domain that comes from a mesh",
    ),
    "quasilinear": (
        lambda: Problem(
            "xy", "u", SQUARE, [lambda u: (1 + u.x**2) * u.xx + u.yy], [gp.Dirichlet("boundary")]
        ),
        "depend on derivatives",
    ),
    "Monge-Ampere": (
        lambda: Problem("xy", "u", SQUARE, [lambda u: u.xx * u.yy - 1], [gp.Dirichlet("boundary")]),
        "depend on derivatives",
    ),
    "not differentiable": (
        lambda: Problem(
            "xy", "u", SQUARE,
            [lambda u, x: torch.from_numpy(np.exp(x.detach().numpy())) * u.xx + u.yy],
            [gp.Dirichlet("boundary")],
        ),
        "torch cannot differentiate",
    ),
    "tangential": (
        lambda: Problem(
            "xy", "u", SQUARE, [lambda u: u.xx + u.yy],
            [gp.Dirichlet("left"), gp.Condition("right", lambda u: u.y),
             gp.Neumann(("bottom", "top"))],
        ),
        "no combination of them",
    ),
    "missing": (
        lambda: Problem("xy", "u", SQUARE, [lambda u: u.xx + u.yy], [gp.Dirichlet("left")]),
        "there is none there",
    ),
    "unbalanced": (
        lambda: Problem("xy", "u", SQUARE, [lambda u: u.xx + u.yy - 1], [gp.Neumann("boundary")]),
        "do not balance",
    ),
    "not linear": (
        lambda: Problem(
            "xy", "u", SQUARE, [lambda u: u.xx + u.yy],
            [gp.Condition("boundary", lambda u: u**2 - 1)],
        ),
        "that are linear",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_in_words(make, words):
    problem = make()
    with pytest.raises(InputError, match=words):
        gp.FiniteElement(degree=2, refine=2).evaluate(problem, torch.full((1, 2), 0.5))


def test_options():
    with pytest.raises(InputError, match="degrees 1 to 4, not 5"):
        gp.FiniteElement(degree=5)
    with pytest.raises(InputError, match="mesh of half"):
        gp.FiniteElement(refine=0)


@pytest.mark.parametrize("name", ["poisson", "poisson-mesh", "poisson-3d"])
def test_a_mesh_that_is_too_large_is_refused_before_it_is_solved_on(name):
    with pytest.raises(InputError, match="smaller `refine`"):
        mesh_of(shipped(name), 4, 9, coarser=False)


def test_pressure_needs_a_degree_below():
    with pytest.raises(InputError, match="'p'.*one degree below"):
        gp.FiniteElement(degree=1, refine=2).evaluate(shipped("stokes"), torch.zeros(1, 2))


def test_without_scikit_fem_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skfem", None)
    with pytest.raises(InputError, match=r"gmnm-pde\[fem\]"):
        gp.FiniteElement().evaluate(shipped("poisson"), torch.zeros(1, 2))


def test_it_is_solved_once_for_each_problem():
    reference, problem = gp.FiniteElement(degree=1, refine=2), shipped("poisson")
    assert reference.solve(problem)[0] is reference.solve(problem)[0]
    other = replace(problem, name="other")
    assert reference.solve(other)[0] is not reference.solve(problem)[0]


# ------------------------------------------------------------------------ against the solver


@pytest.mark.slow
def test_two_methods_agree_where_no_formula_is_known():
    solution = gp.solve(shipped("diffusion-hole"), rtol=1e-6)
    assert solution.errors.reference == "finite_element"
    own = solution.errors.own_error["u"]
    assert own < 1e-7
    assert solution.errors.relative_l2["u"] < 1e-6


@pytest.mark.slow
def test_a_plate_with_a_hole_reaches_kirsch():
    problem = shipped("plate-with-hole")
    true, own = measured(problem, 4, 4)
    assert (true < 5e-6).all()
    assert (true < own).all()
    solution = gp.solve(problem)
    assert max(solution.errors.relative_l2.values()) < 1e-5
