"""Subdomains: how a domain is split, a network for each piece, and the rows that couple them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from shared import f64
from torch import Tensor

import gmnm_pde as gp
from gmnm_pde.collocation import check_blocks, collocate
from gmnm_pde.config import load_problem
from gmnm_pde.coupling import interface_block, interface_selection, sides
from gmnm_pde.errors import InputError
from gmnm_pde.estimate import misfit
from gmnm_pde.fields import Jet
from gmnm_pde.geometry import (
    Ball,
    Box,
    Difference,
    Disk,
    Domain,
    Ellipse,
    Intersection,
    Interval,
    Polygon,
    Rectangle,
    Within,
    locate,
    nudge,
    split,
)
from gmnm_pde.grading import interface_corners, patches_around
from gmnm_pde.linearised import Block, at_network, linearise, residual_rows
from gmnm_pde.networks import GMNM, GMNMSpec, LinearPieces, Pieces, joined
from gmnm_pde.networks.base import Network
from gmnm_pde.placement import Layout, first_patch
from gmnm_pde.problem import Sampling
from gmnm_pde.references import exact_values

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

SQUARE = Rectangle(x=(-1, 1), y=(-1, 1))
LINE = Interval(-1, 1)

SPLITS: dict[str, tuple[Domain, dict[str, Domain], int]] = {
    "layer": (LINE, {"a": Interval(-0.2, 0.3)}, 3),
    "half line": (LINE, {"a": Interval(-1, 0.3)}, 2),
    "ellipse": (SQUARE, {"a": Ellipse((0, 0), (0.6, 0.4))}, 2),
    "two disks": (SQUARE, {"a": Disk((-0.5, 0), 0.3), "b": Disk((0.5, 0), 0.4)}, 3),
    "touching disks": (SQUARE, {"a": Disk((-0.4, 0), 0.4), "b": Disk((0.4, 0), 0.4)}, 3),
    "nested": (SQUARE, {"shell": Disk((0, 0), 0.7), "core": Disk((0.1, 0), 0.3)}, 3),
    "stripe": (SQUARE, {"a": Rectangle(x=(-0.1, 0.2), y=(-1, 1))}, 3),
    "quarters": (SQUARE, {"a": Rectangle(x=(0, 1), y=(0, 1))}, 2),
    "filled": (
        SQUARE,
        {"a": Rectangle(x=(-1, 0), y=(-1, 1)), "b": Rectangle(x=(0, 1), y=(-1, 1))},
        2,
    ),
    "box in a box": (SQUARE, {"a": Rectangle(x=(-0.4, 0.4), y=(-0.4, 0.4))}, 2),
    "window": (
        SQUARE,
        {"a": Difference(Rectangle(x=(-0.5, 0.5), y=(-0.5, 0.5)), Disk((0, 0), 0.3))},
        2,
    ),
    "beyond": (SQUARE, {"a": Disk((1, 0), 0.5)}, 2),
    "ball": (Box(((-1, 1),) * 3), {"a": Ball((0, 0, 0), 0.5)}, 2),
}


# pieces


@pytest.mark.parametrize("name", SPLITS)
def test_every_point_is_in_one_piece(name):
    domain, subdomains, count = SPLITS[name]
    pieces = split(domain, subdomains)
    points = domain.sample_interior(2000, "random", 3)
    held = torch.stack([piece.contains(points) for piece in pieces])
    assert len(pieces) == count
    assert bool((held.sum(0) == 1).all())
    assert torch.equal(locate(pieces, points), held.long().argmax(0))


@pytest.mark.parametrize("name", [name for name in SPLITS if name != "ball"])
def test_pieces_fill_the_domain(name):
    domain, subdomains, _ = SPLITS[name]
    total = sum(piece.measure for piece in split(domain, subdomains))
    assert total == pytest.approx(domain.measure, rel=1e-6)


def test_without_subdomains_there_is_one_piece():
    assert split(SQUARE, {}) == (SQUARE,)
    problem = gp.Problem("x", "u", LINE, [lambda u: u.xx], [gp.Dirichlet("boundary")])
    assert problem.pieces == (LINE,)
    assert not problem.interfaces


@pytest.mark.parametrize("name", ["layer", "half line", "stripe", "filled"])
def test_what_boxes_leave_of_a_box_is_boxes(name):
    domain, subdomains, _ = SPLITS[name]
    assert all(piece.fills_box for piece in split(domain, subdomains))


def test_separate_rests_of_a_box_are_separate_pieces():
    cross = {
        "a": Rectangle(x=(-0.1, 0.1), y=(-1, 1)),
        "b": Rectangle(x=(-1, -0.1), y=(-0.1, 0.1)),
    }
    pieces = split(SQUARE, cross)
    assert sorted(round(piece.measure, 6) for piece in pieces) == [0.18, 0.4, 0.81, 0.81, 1.8]
    around = {"a": Rectangle(x=(-1, 0.5), y=(0.4, 0.5)), "b": Rectangle(x=(0.4, 0.5), y=(0.5, 1))}
    rests = split(SQUARE, around)[2:]
    assert sorted(round(piece.measure, 6) for piece in rests) == [0.7, 3.1]
    assert sum(piece.fills_box for piece in rests) == 1


@pytest.mark.parametrize(
    ("subdomains", "words"),
    [
        ({"a": Disk((0, 0), 0.5), "b": Disk((0.5, 0), 0.5)}, "overlap"),
        ({"a": Disk((0, 0), 0.5), "b": Disk((0, 0), 0.5)}, "overlap"),
        ({"a": Disk((3, 0), 0.5)}, "outside"),
        ({"a": Interval(0, 1)}, "dimensions"),
    ],
)
def test_bad_subdomains_are_refused(subdomains, words):
    with pytest.raises(InputError, match=words):
        split(SQUARE, subdomains)


@pytest.mark.parametrize("name", SPLITS)
def test_interfaces_lie_inside_and_separate_pieces(name):
    domain, subdomains, _ = SPLITS[name]
    pieces = split(domain, subdomains)
    for sub in subdomains.values():
        edge = Within(sub, domain).sample_boundary(200, "boundary", "random", 5)
        assert bool(domain.contains(edge.points).all())
        step = nudge(domain) * edge.normals
        outside, inside = edge.points + step, edge.points - step
        assert bool((locate(pieces, outside) != locate(pieces, inside)).all())
        assert bool(sub.contains(inside).all())
        assert not bool(sub.contains(outside).any())


def test_the_outer_boundary_is_no_interface():
    right = Within(Rectangle(x=(0.25, 1), y=(-1, 1)), SQUARE).sample_boundary(50)
    assert torch.allclose(right.points[:, 0], f64(0.25))
    assert right.measure == pytest.approx(2.0)
    with pytest.raises(InputError, match="inside the domain"):
        Within(SQUARE, SQUARE)


# networks


def layers(count: int = 2) -> list[GMNM]:
    generator = torch.Generator().manual_seed(3)
    return [
        GMNM.random(2, 4 + i, 2, width=0.7, generator=generator, projection="full")
        for i in range(count)
    ]


def two_pieces() -> LinearPieces:
    return LinearPieces(layers(), split(SQUARE, {"a": Disk((0, 0), 0.6)}))


ORDERS = [(0, 0), (1, 0), (0, 2), (1, 1)]


def test_a_piece_is_its_own_network_and_zero_elsewhere():
    network = two_pieces()
    points = SQUARE.sample_interior(50, "random", 1)
    inside = points.norm(dim=1) < 0.6
    first, second = network.networks
    features = network.features(points).detach()
    assert features.shape == (50, 5 + 6)
    assert torch.equal(features[inside, :5], first.features(points[inside]).detach())
    assert torch.equal(features[~inside, 5:], second.features(points[~inside]).detach())
    assert not features[inside, 5:].any()
    assert not features[~inside, :5].any()
    assert torch.equal(network(points[inside]), first(points[inside]))
    assert network.n_units == 4 + 5


def test_derivatives_of_pieces_are_those_of_their_networks():
    network = two_pieces()
    points = SQUARE.sample_interior(40, "random", 1)
    inside = points.norm(dim=1) < 0.6
    found, features = (
        network.derivatives(points, ORDERS),
        network.feature_derivatives(points, ORDERS),
    )
    general = Network.derivatives(Pieces(network.networks, network.domains), points, ORDERS)
    for alpha in ORDERS:
        own = network.networks[0].derivatives(points[inside], [alpha])[alpha]
        assert torch.allclose(found[alpha][inside], own, rtol=1e-13, atol=0)
        assert torch.allclose(features[alpha] @ network.output_weights, found[alpha], rtol=1e-11)
        assert torch.allclose(general[alpha], found[alpha], rtol=1e-10, atol=1e-12)


def test_output_weights_are_those_of_all_pieces():
    network = two_pieces()
    weights = torch.arange(22.0, dtype=torch.float64).reshape(11, 2)
    network.set_output_weights(weights)
    assert torch.equal(network.output_weights, weights)
    assert torch.equal(network.networks[1].output_weights, weights[5:])


def test_parameter_jacobian_of_pieces_by_differences():
    network = two_pieces()
    names = ["pieces.1.P", "pieces.0.mu", "pieces.1.b"]
    points = SQUARE.sample_interior(20, "random", 1)
    found = network.parameter_jacobian(points, ORDERS, names)
    parameters = dict(network.named_parameters())
    column = 0
    for name in names:
        flat = parameters[name].data.view(-1)
        for entry in range(len(flat)):
            values = []
            for step in (1e-6, -1e-6):
                flat[entry] += step
                values.append(network.derivatives(points, ORDERS))
                flat[entry] -= step
            for alpha in ORDERS:
                slope = (values[0][alpha] - values[1][alpha]) / 2e-6
                assert torch.allclose(found[alpha][:, :, column], slope, atol=1e-7)
            column += 1
    assert found[ORDERS[0]].shape == (20, 2, column)


class Square(Network):
    """Not linear in anything."""

    n_inputs, n_outputs = 2, 1

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(f64([factor]))

    def forward(self, points: Tensor) -> Tensor:
        return (self.factor * points).square().sum(1, keepdim=True)


def test_any_network_may_be_that_of_a_piece():
    domains = split(SQUARE, {"a": Disk((0, 0), 0.6)})
    network = joined([Square(1.0), Square(2.0)], domains)
    assert isinstance(network, Pieces)
    points = f64([[0.1, 0.2], [0.8, 0.7]])
    found = network.derivatives(points, [(2, 0)])[2, 0]
    assert found[:, 0].tolist() == pytest.approx([2.0, 8.0])
    jacobian = network.parameter_jacobian(points, [(0, 0)], ["pieces.1.factor"])[0, 0]
    assert jacobian[:, 0, 0].tolist() == pytest.approx([0.0, 4.0 * 1.13])


# placement


def test_every_piece_has_units_around_it_and_points_in_it():
    pieces = split(SQUARE, {"a": Disk((0.2, 0), 0.4)})
    layout = Layout(SQUARE, (first_patch(SQUARE, 8, (1, 1)),), 3.0, pieces=pieces)
    centres = layout.centres()
    assert len(centres) == 2
    h = layout.patches[0].spacing[0]
    for piece, part in zip(pieces, centres, strict=True):
        outside = piece.signed_distance(part)
        assert 2.0 * h < outside.max() < 3.2 * h
    counts = layout.point_counts(centres)
    owners = locate(pieces, layout.interior(counts))
    for i, part in enumerate(centres):
        assert int((owners == i).sum()) > len(part)
    assert isinstance(layout.network(GMNMSpec(), centres, 1), LinearPieces)


def test_a_small_subdomain_gets_patches_around_it_and_no_coarser_units():
    first, small = first_patch(SQUARE, 8, (1, 1)), Disk((0.5, 0.5), 0.05)
    patches = patches_around(SQUARE, [small], first)
    assert [round(p.upper[0] - p.lower[0], 6) for p in patches] == [1.0, 0.5, 0.25]
    assert all(p.encloses(small) for p in patches)
    for wide, narrow in pairwise((first, *patches)):
        assert narrow.spacing[0] == pytest.approx(wide.spacing[0] / 2)
    assert not patches_around(SQUARE, [Disk((0, 0), 0.6)], first)
    layout = Layout(SQUARE, (first, *patches), 3.0, pieces=split(SQUARE, {"a": small}))
    counts = [len(part) for part in layout.centres()]
    assert counts[:3] == [0, 0, 0]
    assert counts[3] > 20
    assert min(counts[4:]) > 0


def test_corners_of_interfaces_are_known():
    inner = Rectangle(x=(-0.4, 0.4), y=(-0.4, 0.4))
    found = interface_corners(SQUARE, split(SQUARE, {"a": inner}))
    assert sorted(corner.point for corner in found) == [
        (-0.4, -0.4), (-0.4, 0.4), (0.4, -0.4), (0.4, 0.4)
    ]  # fmt: skip
    assert not interface_corners(SQUARE, split(SQUARE, {"a": Rectangle(x=(0, 1), y=(-1, 1))}))
    assert not interface_corners(SQUARE, split(SQUARE, {"a": Disk((0, 0), 0.5)}))


# rows


def ellipse_problem() -> gp.Problem:
    return load_problem("interface").problem


def exact_rows(problem: gp.Problem, block: Block) -> Tensor:
    """Weighted rows of the exact solution."""
    return residual_rows(block, linearise(problem, block, exact_values(problem, block.points)))


def test_the_exact_solution_satisfies_its_interface_conditions():
    problem = ellipse_problem()
    interfaces = [item for item in problem.conditions if isinstance(item, gp.Interface)]
    assert len(interfaces) == 2
    for condition in interfaces:
        part = interface_selection(problem, condition).sample(60, "random", 2)
        rows = exact_rows(problem, interface_block(problem, condition, [part]))
        assert rows.shape == (60,)
        assert rows.abs().max() < 1e-13
    kink = replace(interfaces[1], jump=lambda jet: jet.normal_derivative("u"))
    part = interface_selection(problem, kink).sample(60, "random", 2)
    rows = exact_rows(problem, interface_block(problem, kink, [part]))
    assert rows.abs().min() > 1.0


def step_problem() -> gp.Problem:
    return gp.Problem(
        "x", "u", LINE, [lambda u: u.xx], [gp.Dirichlet("boundary")],
        subdomains={"a": Interval(-0.5, 0.25)},
    )  # fmt: skip


def test_a_jump_is_outside_minus_inside_and_extrapolated_to_the_interface():
    problem = step_problem()
    condition = gp.Interface("a", lambda jet: jet.derivative("u", (0,)), 2.0)
    part = interface_selection(problem, condition).sample(2, "grid", 0)
    block = interface_block(problem, condition, [part])

    def values(name: str, orders: tuple[int, ...]) -> Tensor:
        x = block.points[:, 0]
        inside = (x > -0.5) & (x < 0.25)
        return torch.where(inside, 100 * x, 1e3 * x + 2.0 + 900 * 0.5)

    rows = residual_rows(block, linearise(problem, block, values))
    at = {
        round(x, 6): row for x, row in zip(block.points[:2, 0].tolist(), rows.tolist(), strict=True)
    }
    assert at[-0.5] == pytest.approx(0.0, abs=1e-11)  # 2 + 450 - 450 - 2
    assert at[0.25] == pytest.approx(900 * 0.25 + 450.0, rel=1e-13)


def test_both_sides_of_a_row_have_one_weight_and_the_equation_holds_on_both():
    problem = ellipse_problem()
    pieces = problem.pieces
    layout = Layout(SQUARE, (first_patch(SQUARE, 6, (1, 1)),), 2.0, pieces=pieces)
    counts = layout.point_counts(layout.centres())
    equation, _, value, flux = collocate(problem, layout, counts, Sampling(), 0)
    h = 1 / 3
    for block, size in ((value, 1.0), (flux, None)):
        assert block.average is not None
        n = len(block.average)
        weights = block.weights.reshape(4, n)
        assert torch.allclose(weights, weights[0].expand(4, n), rtol=1e-14)
        assert torch.allclose(block.row_weights, weights[0], rtol=1e-14)
        if size is None:  # mean of (10 + 1) / 2 times |n_x| + |n_y| over h
            length = block.normals[:n].abs().sum(1)
            assert torch.allclose(weights[0], h / (5.5 * length), rtol=1e-12)
        else:
            assert torch.allclose(weights[0], f64(size).expand(n), rtol=1e-14)
    held = set(map(tuple, equation.points.tolist()))
    assert held >= set(map(tuple, sides(value).tolist()))
    assert len(equation.points) == len(torch.unique(equation.points, dim=0))
    edges = equation.points[(pieces[0].signed_distance(equation.points)).abs() < 1e-8]
    assert len(edges) == 2 * len(value.average)


def test_rows_of_pairs_are_told_at_both_points():
    eye = torch.eye(2, dtype=torch.float64)
    block = Block(
        "condition", "", lambda jet: jet.points[:, 0], torch.zeros(4, 1).double(),
        f64([1, 2, 1, 2]), average=torch.cat([2 * eye, -eye], 1),
    )  # fmt: skip
    assert block.at_points(f64([-3, 1])).tolist() == [3, 1, 3, 1]
    assert block.row_weights.tolist() == [1, 2]
    single = replace(block, average=None)
    assert single.at_points(f64([1, -2, 3, -4])).tolist() == [1, 2, 3, 4]
    assert single.row_weights is single.weights


def test_what_is_missed_at_an_interface_is_seen():
    problem = ellipse_problem()
    layout = Layout(SQUARE, (first_patch(SQUARE, 6, (1, 1)),), 2.0, pieces=problem.pieces)
    blocks = check_blocks(problem, layout, 100, 1)
    network = layout.network(GMNMSpec(), layout.centres(), 1)
    assert isinstance(network, LinearPieces)
    inner = network.networks[0]
    inner.set_output_weights(torch.ones_like(inner.output_weights))
    rows = [residual_rows(block, at_network(problem, block, network)) for block in blocks]
    assert rows[2].abs().min() > 0.1
    alone = [(r, b) for r, b in zip(rows, blocks, strict=True) if b.kind == "condition"][1:]
    assert misfit([r for r, _ in alone], [b for _, b in alone]) > 0.1
    inside = problem.pieces[0].contains(blocks[0].points)
    assert abs(int(inside.sum()) - len(inside) / 2) <= 1


# checks


@pytest.mark.parametrize(
    ("jumps", "words"),
    [
        ((), "no condition holds across the boundary of the subdomain 'a'"),
        (("u",), "only one condition holds .* jump: u_n"),
        (("u", "u_n", "u"), "3 conditions hold across"),
    ],
)
def test_an_interface_takes_as_many_conditions_as_the_order(jumps, words):
    orders = {"u": lambda u: u, "u_n": lambda u: u.n}
    problem = replace(
        step_problem(),
        conditions=[gp.Dirichlet("boundary"), *[gp.Interface("a", orders[j]) for j in jumps]],
    )
    with pytest.raises(InputError, match=words):
        gp.solve(problem)


def test_conditions_of_either_of_two_subdomains_that_touch_count():
    conditions = [gp.Dirichlet("boundary")]
    conditions += [gp.Interface("a", lambda u: u), gp.Interface("a", lambda u: u.n)]
    filled = {"a": Interval(-1, 0.25), "b": Interval(0.25, 1)}
    problem = gp.Problem("x", "u", LINE, [lambda u: u.xx + 1], conditions, subdomains=filled)
    solution = gp.solve(problem, rtol=1e-8)
    assert relative_error(solution, lambda x: (1 - x * x) / 2, problem) < 1e-8


# solutions


def relative_error(
    solution: gp.Solution, exact: Callable[..., Tensor], problem: gp.Problem
) -> float:
    points = problem.region.sample_interior(2000, "random", 99)
    values = exact(*points.T)
    return float((solution(points)[:, 0] - values).norm() / values.norm())


def test_the_catalogue_problem_is_solved_to_rounding():
    problem = ellipse_problem()
    solution = gp.solve(problem)
    assert solution.errors is not None
    assert solution.errors.relative_l2["u"] < 1e-11
    assert solution.errors.relative_l2["u"] < 10 * (solution.estimated_error["u"] or 0.0)
    edge = problem.interfaces["inner"].sample_boundary(50, "boundary", "random", 4)
    step = 2 * nudge(SQUARE) * edge.normals
    slopes = []
    for sign in (1, -1):
        gradient = [solution.derivative(edge.points + sign * step, letter) for letter in "xy"]
        slopes.append((torch.stack(gradient, 1) * edge.normals).sum(1))
    # Outside steep, inside flat: a genuine kink.
    assert torch.allclose(slopes[0], 10 * slopes[1], rtol=1e-6)
    assert slopes[0].abs().min() > 1.0


def test_a_tolerance_ends_the_solve():
    solution = gp.solve("interface", rtol=1e-4)
    assert solution.status == "converged"
    assert solution.errors is not None
    assert 1e-8 < solution.errors.relative_l2["u"] < 1e-4


def layered(k: float) -> tuple[gp.Problem, Callable[[Tensor], Tensor]]:
    """(k u')' = F'' with layers of conductivity 1, k, 1: k u' = F'."""

    def conductivity(x: Tensor) -> Tensor:
        return torch.where((x > -0.2) & (x < 0.3), f64(k), f64(1.0))

    def F(x: Tensor) -> Tensor:
        return torch.sin(3 * x) + x

    def exact(x: Tensor) -> Tensor:
        a, b = F(f64(-0.2)), F(f64(0.3))
        inside, right = a + (F(x) - a) / k, a + (b - a) / k + F(x) - b
        return torch.where(x < -0.2, F(x), torch.where(x < 0.3, inside, right))

    problem = gp.Problem(
        "x", "u", LINE,
        equations=[lambda u, x: conductivity(x) * u.xx + 9 * torch.sin(3 * x)],
        conditions=[
            gp.Dirichlet("boundary", exact),
            gp.Interface("a", lambda u: u),
            gp.Interface("a", lambda u, x: conductivity(x) * u.n),
        ],
        subdomains={"a": Interval(-0.2, 0.3)},
    )  # fmt: skip
    return problem, exact


@pytest.mark.parametrize("k", [5.0, 1e3, 1e-3])
def test_layers_in_one_dimension(k):
    problem, exact = layered(k)
    assert relative_error(gp.solve(problem), exact, problem) < 1e-12


def circle_problem(
    sub: dict[str, Domain], k: Callable[..., Tensor], exact: Callable[..., Tensor], source: float
) -> gp.Problem:
    def flux(u: gp.problem.Field, x: Tensor, y: Tensor) -> Tensor:
        return k(x, y) * u.n

    return gp.Problem(
        "xy", "u", SQUARE,
        equations=[lambda u, x, y: k(x, y) * (u.xx + u.yy) - source],
        conditions=[
            gp.Dirichlet("boundary", exact),
            *[gp.Interface(name, lambda u: u) for name in sub],
            *[gp.Interface(name, flux) for name in sub],
        ],
        subdomains=sub,
    )  # fmt: skip


def test_a_core_in_a_thin_shell():
    inner, outer, ks = 0.4, 0.45, (20.0, 3.0, 1.0)

    def of(r2: Tensor, values: tuple[Tensor | float, ...]) -> Tensor:
        parts = [torch.as_tensor(value, dtype=torch.float64) for value in values]
        return torch.where(r2 < inner**2, parts[0], torch.where(r2 < outer**2, parts[1], parts[2]))

    def k(x: Tensor, y: Tensor) -> Tensor:
        return of(x * x + y * y, ks)

    def exact(x: Tensor, y: Tensor) -> Tensor:
        r2 = x * x + y * y
        at_outer = -(outer**2) / 4
        at_inner = at_outer - (inner**2 - outer**2) / (4 * ks[1])
        return of(
            r2,
            (
                at_inner - (r2 - inner**2) / (4 * ks[0]),
                at_outer - (r2 - outer**2) / (4 * ks[1]),
                -r2 / 4,
            ),
        )

    sub: dict[str, Domain] = {"shell": Disk((0, 0), outer), "core": Disk((0, 0), inner)}
    problem = circle_problem(sub, k, exact, -1.0)
    assert relative_error(gp.solve(problem, rtol=1e-9), exact, problem) < 1e-9


@pytest.mark.parametrize(
    "sub",
    [
        Rectangle(x=(0.25, 1), y=(-1, 1)),
        Intersection(SQUARE, Polygon(((-3, -1.5), (3, -5), (3, 1.5)))),
        Disk((0.5, 0.0), 0.5),
    ],
    ids=["half", "oblique", "touching a side"],
)
def test_where_nothing_jumps_pieces_change_nothing(sub):
    def exact(x: Tensor, y: Tensor) -> Tensor:
        return torch.sin(2 * x + 0.3) * torch.cos(y)

    problem = gp.Problem(
        "xy", "u", SQUARE,
        equations=[lambda u, x, y: u.xx + u.yy + 5 * exact(x, y)],
        conditions=[
            gp.Dirichlet("boundary", exact),
            gp.Interface("a", lambda u: u),
            gp.Interface("a", lambda u: u.n),
        ],
        subdomains={"a": sub},
    )  # fmt: skip
    assert relative_error(gp.solve(problem, rtol=1e-7), exact, problem) < 1e-7


def test_values_and_fluxes_may_jump():
    def exact(x: Tensor, y: Tensor) -> Tensor:
        r = torch.hypot(x, y)
        return torch.where(r < 0.5, r * r, 2.25 - torch.log(2 * r))

    problem = gp.Problem(
        "xy", "u", SQUARE,
        equations=[lambda u, x, y: u.xx + u.yy - torch.where(x * x + y * y < 0.25, 4.0, 0.0)],
        conditions=[
            gp.Dirichlet("boundary", exact),
            gp.Interface("a", lambda u: u, equals=2.0),
            gp.Interface("a", lambda u: u.n, equals=-3.0),
        ],
        subdomains={"a": Disk((0, 0), 0.5)},
    )  # fmt: skip
    assert relative_error(gp.solve(problem, rtol=1e-4), exact, problem) < 1e-4


def test_a_nonlinear_problem_with_a_kink():
    def k(x: Tensor) -> Tensor:
        return torch.where(x < 0.0, 5.0, 1.0).to(x)

    def exact(x: Tensor) -> Tensor:
        return torch.sin(x) / k(x)

    problem = gp.Problem(
        "x", "u", LINE,
        equations=[lambda u, x: k(x) * u.xx - u**3 + torch.sin(x) + exact(x) ** 3],
        conditions=[
            gp.Dirichlet("boundary", exact),
            gp.Interface("left", lambda u: u),
            gp.Interface("left", lambda u, x: k(x) * u.n),
        ],
        subdomains={"left": Interval(-1, 0)},
    )  # fmt: skip
    assert relative_error(gp.solve(problem), exact, problem) < 1e-11


def test_in_space_and_time():
    def k(x: Tensor) -> Tensor:
        return torch.where(x < 0.0, 5.0, 1.0).to(x)

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return torch.exp(-t) * torch.sin(x) / k(x)

    problem = gp.Problem(
        "xt", "u", LINE, time=(0, 1),
        equations=[
            lambda u, x, t: u.t - k(x) * u.xx - torch.exp(-t) * torch.sin(x) * (1 - 1 / k(x))
        ],
        conditions=[
            gp.Dirichlet("boundary", exact),
            gp.Initial(lambda x: torch.sin(x) / k(x)),
            gp.Interface("left", lambda u: u),
            gp.Interface("left", lambda u, x: k(x) * u.n),
        ],
        subdomains={"left": Interval(-1, 0)},
    )  # fmt: skip
    assert len(problem.pieces) == 2
    assert relative_error(gp.solve(problem, rtol=1e-3), exact, problem) < 1e-3


def test_few_units_are_trained_in_every_piece():
    problem, exact = layered(5.0)
    recipe = {
        "network": {"name": "gmnm", "units": 24},
        "methods": [{"name": "variable_projection"}],
    }
    solution = gp.solve(problem, solver=recipe)
    assert solution.units <= 24
    assert relative_error(solution, exact, problem) < 1e-5


# files


def test_a_solution_with_pieces_comes_back(tmp_path: Path):
    problem, _ = layered(5.0)
    solution = gp.solve(problem, rtol=1e-6)
    solution.save(tmp_path / "u")
    loaded = gp.load(tmp_path / "u", problem=problem)
    points = LINE.sample_interior(100)
    assert torch.equal(loaded(points), solution(points))
    assert torch.equal(loaded.derivative(points, "xx"), solution.derivative(points, "xx"))
    with pytest.raises(InputError, match="problem=") as refused:
        gp.load(tmp_path / "u")
    assert "subdomains" in str(refused.value)
    with pytest.raises(InputError, match="pieces"):
        gp.load(tmp_path / "u", problem=replace(problem, subdomains={}, conditions=()))


def test_expressions_take_the_side_they_stand_on():
    problem = ellipse_problem()
    flux = next(item for item in problem.conditions if item.label.startswith("jump of k*u_n"))
    assert isinstance(flux, gp.Interface)
    part = interface_selection(problem, flux).sample(20, "grid", 0)
    block = interface_block(problem, flux, [part])

    def values(name: str, orders: tuple[int, ...]) -> Tensor:
        assert block.normals is not None
        return block.normals[:, orders.index(1)]

    jet = problem.jet(block.points, values, block.normals)
    found = flux.jump(jet).reshape(4, 20)
    assert torch.allclose(found[0::2], torch.ones(2, 20).double(), rtol=1e-12)
    assert torch.allclose(found[1::2], torch.full((2, 20), 10.0).double(), rtol=1e-12)


def test_a_derivative_of_where_is_taken_in_pieces():
    """div(k grad u) with k = where(...): k lap u, and nothing at the interface."""
    problem = ellipse_problem()
    points = SQUARE.sample_interior(50, "random", 1)
    jet = Jet(("x", "y"), ("u",), points, lambda name, orders: torch.ones(50).double())
    assert isinstance(problem.equations[0], gp.Equation)
    residual = problem.equations[0].residual(jet)
    inside = problem.pieces[0].contains(points)
    laplacian = residual - residual.new_tensor(0.0)
    p = (points[:, 0] / 0.6) ** 2 + (points[:, 1] / 0.4) ** 2 - 1
    gap = torch.where(inside, 20.0, 2.0)
    x, y = points.T
    w = torch.exp(x / 2) * torch.cos(y)
    f = (2 / 0.36 + 2 / 0.16) * w + 2 * (
        2 * x / 0.36 * w / 2 - 2 * y / 0.16 * torch.exp(x / 2) * torch.sin(y)
    )
    f = f + p * (0.25 - 1) * w
    assert torch.allclose(laplacian, gap - f, rtol=1e-10)
