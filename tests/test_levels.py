"""What a level computes once and uses several times is what it would compute anew."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from gmnm_pde.estimate import Estimate
from gmnm_pde.fields import Jet
from gmnm_pde.geometry import Disk, Rectangle
from gmnm_pde.grading import Corner
from gmnm_pde.linearised import Block, at_zero, with_rest
from gmnm_pde.methods import LeastSquares, Setting, State, least_squares
from gmnm_pde.methods.checkpoint import packed, unpacked
from gmnm_pde.methods.growth import Growth, Placed, Plan
from gmnm_pde.methods.levels import Best
from gmnm_pde.networks import GMNM, GMNMSpec, base, evaluate
from gmnm_pde.placement import Layout, Patch, first_patch
from gmnm_pde.problem import Dirichlet, Neumann, Problem, Sampling
from gmnm_pde.solve import run

SQUARE = Rectangle(x=(-1, 1), y=(-1, 1))
WAVE = Problem(
    "xy",
    "u",
    SQUARE,
    [
        lambda u, x, y: (
            u.xx + u.yy + 2 * math.pi**2 * torch.sin(math.pi * x) * torch.sin(math.pi * y)
        )
    ],
    [Dirichlet("boundary", 0.0)],
)
PLAN = Plan(
    5.4,
    (1.25, 0.8),
    4e-7,
    corners=(Corner((0.0, 0.5), 4, 2),),
    extra=((Patch((0.0, 0.0), (0.5, 0.5), (0.1, 0.1)), 4.0),),
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points_of(n: int, d: int = 2) -> Tensor:
    return 2 * torch.rand(n, d, generator=seeded(3), dtype=torch.float64) - 1


def layer(d: int = 2, outputs: int = 2, **options: Any) -> GMNM:
    return GMNM.random(d, 7, outputs, generator=seeded(1), **options)


# features in blocks of rows


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of three rows of seven units and a bias."""
    monkeypatch.setattr(base, "CACHED", 24)
    monkeypatch.setattr(base, "FEWEST_ROWS", 1)


def test_blocks_of_rows_are_all_rows(small_blocks):
    points = points_of(8)
    blocks = base.row_blocks(points, 8)
    assert len(blocks) == 3
    assert torch.equal(torch.cat([points[rows] for rows in blocks]), points)
    assert [len(points[:0][rows]) for rows in base.row_blocks(points[:0], 8)] == [0]


@pytest.mark.parametrize("n", [0, 1, 3, 10])
def test_an_evaluation_in_blocks_is_the_network(small_blocks, n):
    network, points = layer(), points_of(n)
    found = evaluate(network, points)
    assert not found.requires_grad
    assert found.shape == (n, 2)
    torch.testing.assert_close(found, network(points).detach(), rtol=1e-14, atol=0.0)


def test_weighted_features_in_blocks_are_those_of_all_points(small_blocks, monkeypatch):
    network, points = layer(), points_of(10)
    x, y = points.T
    weights = [{(2, 0): x, (0, 2): y, (0, 0): x * y}, {(1, 0): y}]
    parts = network.weighted_features(points, weights)
    monkeypatch.setattr(base, "CACHED", 2**16)
    whole = network.weighted_features(points, weights)
    for part, expected in zip(parts, whole, strict=True):
        assert part.shape == (10, 8)
        assert torch.equal(part, expected)


@pytest.mark.parametrize("projection", ["isotropic", "diagonal", "full", "low_rank"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_features_are_gaussians_of_the_projected_distance(projection, d):
    network, points = layer(d, projection=projection), points_of(5, d)
    P = network.P.detach()
    if P.ndim == 2:
        P = torch.diag_embed(P.expand(-1, d))
    w = torch.einsum("krd,nkd->nkr", P, points[:, None] - network.mu.detach())
    expected = torch.exp(-0.5 * w.square().sum(2))
    torch.testing.assert_close(network.features(points)[:, :-1].detach(), expected)


# residuals at rest


def counted(residual: Any, calls: list[int]) -> Any:
    def function(jet: Jet) -> Tensor:
        calls.append(len(jet.points))
        found: Tensor = residual(jet)
        return found

    return function


def flux_block(calls: list[int]) -> tuple[Problem, Block]:
    """u_n - x on the upper side of a square, whose evaluations are counted."""
    problem = replace(WAVE, conditions=[Neumann("top", lambda x: x)])
    side = SQUARE.sample_boundary(6, "top")
    residual = counted(problem.conditions[0].residual, calls)
    ones = torch.ones(6, dtype=torch.float64)
    return problem, Block("condition", "flux", residual, side.points, ones, side.normals)


def test_a_residual_at_rest_is_computed_once():
    calls: list[int] = []
    problem, block = flux_block(calls)
    kept = with_rest(problem, block)
    assert at_zero(problem, kept) is at_zero(problem, kept)
    assert at_zero(problem, with_rest(problem, kept)) is at_zero(problem, kept)
    assert at_zero(problem, replace(kept, weights=2 * kept.weights)) is at_zero(problem, kept)
    assert len(calls) == 1


@pytest.mark.parametrize("change", ["points", "normals", "residual", "problem", "device"])
def test_a_residual_at_rest_is_computed_anew_for_another_block(change):
    calls: list[int] = []
    problem, block = flux_block(calls)
    kept = with_rest(problem, block)
    where = replace(problem) if change == "problem" else problem
    other = {
        "points": replace(kept, points=kept.points + 0.1),
        "normals": replace(kept, normals=-block.normals),
        "residual": replace(kept, residual=lambda jet: 2 * block.residual(jet)),
        "problem": kept,
        "device": kept.to(torch.device("cpu"), torch.float32),
    }[change]
    fresh = at_zero(where, replace(other, at_rest=None))
    found = at_zero(where, other)
    assert len(calls) == 3
    assert torch.equal(found.target, fresh.target)
    assert all(torch.equal(found.coefficients[k], a) for k, a in fresh.coefficients.items())


# points that no fit uses


def setting(problem: Problem, rtol: float | None = 1e-6) -> Setting:
    return Setting(problem, GMNMSpec(), Sampling(), rtol=rtol)


def test_levels_with_the_same_boxes_are_checked_at_the_same_points():
    coarse, fine = (first_patch(SQUARE, cells, (1.0, 1.0)) for cells in (4.0, 6.0))
    box = Patch((0.0, 0.0), (0.5, 0.5), (0.05, 0.05))
    method, where = LeastSquares(), setting(WAVE)
    state = method.step(where, method.start(where, None))
    known = [block.points for block in state.memory.check.blocks]
    layouts = [Layout(SQUARE, patches, 3.0) for patches in ((coarse,), (fine,), (coarse, box))]
    same, finer, boxed = (method._checked_at(where, state.memory.check, some) for some in layouts)
    for found in (same, finer):
        assert all(a.points is b for a, b in zip(found.blocks, known, strict=True))
    assert len(boxed.blocks[0].points) > len(known[0])
    assert len(boxed.blocks[0].points[box.holds(boxed.blocks[0].points)]) > 300


# units of a layout


def test_units_are_placed_once():
    class Watched(Disk):
        asked = 0

        def contains(self, points: Tensor) -> Tensor:
            type(self).asked += 1
            return super().contains(points)

    domain = Watched()
    layout = Layout(domain, (first_patch(domain, 5.0, (1.0, 1.0)),), 3.0)
    first, again = layout.centres(), layout.centres()
    assert Watched.asked == 1
    assert layout.n_units == len(first[0])
    assert again[0] is first[0]
    first.clear()
    assert len(layout.centres()) == 1


# the level after the last


def test_the_level_after_the_last_is_not_looked_for(monkeypatch):
    """A level that meets the tolerance is the last; what would have followed costs as much as
    a part of it."""
    asked = []
    following = Growth.following

    def watched(self: Growth, *arguments: Any) -> tuple[Placed, bool]:
        asked.append(arguments)
        return following(self, *arguments)

    monkeypatch.setattr(Growth, "following", watched)
    where = setting(WAVE)
    state, outcome = run(LeastSquares(), where, State())
    assert outcome.status == "converged"
    assert len(state.records) > 1
    assert len(asked) == len(state.records) - 1
    # It is there for whoever goes on with a smaller tolerance.
    assert LeastSquares().checkpoint(state)["plan"]["cells"] > asked[-1][1].plan.cells
    assert len(asked) == len(state.records)


# what is kept


@pytest.mark.parametrize(
    "value",
    [
        PLAN,
        Estimate({"u": math.inf, "v": 1e-3}, 0.5, {"u": 2.0}, {"u": 0.1}, shifted=True),
        Best(1e-9, 2e-8, 1e-15, PLAN),
    ],
    ids=["plan", "estimate", "best"],
)
def test_plain_values_are_packed_as_pydantic_reads_them(value):
    assert packed(value) == TypeAdapter(type(value)).dump_python(value, mode="json")
    assert unpacked(type(value), packed(value)) == value


@pytest.mark.parametrize(
    ("left", "elapsed", "ends"),
    [(0.8, 5.0, True), (1.5, 5.0, True), (0.3, 5.0, False), (0.8, 100.0, False)],
)
def test_a_level_that_brought_little_is_followed_by_cheap_ones_only(
    monkeypatch, left, elapsed, ends
):
    """The last one took 5 s, so that the next, larger one takes longer than that."""
    monkeypatch.setattr(least_squares, "PATIENT_SECONDS", 3.0)
    setting = Setting(WAVE, GMNMSpec(), Sampling(), time_limit=1000.0)
    method = LeastSquares()
    state = method.start(setting, None)
    for _ in range(2):
        state = method.step(setting, state)
    errors = (1e-5, left * 1e-5)
    records = tuple(
        replace(record, estimated_error=error)
        for record, error in zip(state.records, errors, strict=True)
    )
    memory = replace(state.memory, seconds=5.0, best=replace(state.memory.best, error=min(errors)))
    state = replace(state, records=records, memory=memory)
    now = replace(setting, started=time.perf_counter() - elapsed)
    found = method.decide(now, state)
    assert (found is not None) is ends
    if found is not None:
        assert found.status == "stopped"
        assert "brought little" in found.reason
    # A tolerance is a tolerance.
    assert method.decide(replace(now, rtol=1e-9), state) is None
