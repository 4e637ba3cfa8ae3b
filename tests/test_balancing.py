"""Weights of losses, and points that follow residuals: the formulas of their papers by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gmnm_pde.accuracy import measure
from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Interval
from gmnm_pde.methods import LBFGS, Adam, GaussNewton, Setting, State
from gmnm_pde.methods.training.balancing import (
    BALANCES,
    NTK,
    GradientNorm,
    Moment,
    ReLoBRaLo,
    SelfAdaptive,
)
from gmnm_pde.methods.training.balancing.relobralo import Losses
from gmnm_pde.methods.training.begin import training_blocks
from gmnm_pde.methods.training.causal import BINS, causal
from gmnm_pde.methods.training.objective import Objective, Weights
from gmnm_pde.methods.training.parameters import gradient
from gmnm_pde.methods.training.refilling import R3, RAD, RARD, REFILLS, Region
from gmnm_pde.methods.training.refilling.base import by_density, relative_density
from gmnm_pde.methods.training.windows import row_times, windowed
from gmnm_pde.networks import MLPSpec
from gmnm_pde.problem import Dirichlet, Initial, Periodic, Problem, Sampling
from gmnm_pde.references import Exact
from gmnm_pde.solve import run

pi, sin, exp = math.pi, torch.sin, torch.exp
LINE = Problem(
    "x",
    "u",
    Interval(0, 1),
    [lambda u, x: u.xx + pi**2 * sin(pi * x)],
    [Dirichlet("left", 0.0), Dirichlet("right", 0.0)],
    reference=Exact({"u": lambda x: sin(pi * x)}),
)
HEAT = Problem(
    "xt",
    "u",
    Interval(0, 1),
    [lambda u, x, t: u.t - u.xx],
    [Dirichlet("boundary", 0.0), Initial(lambda x: sin(pi * x))],
    reference=Exact({"u": lambda x, t: sin(pi * x) * exp(-(pi**2) * t)}),
    time=(0, 0.2),
)


def setting(problem: Problem = LINE, **options: object) -> Setting:
    return Setting(
        problem, MLPSpec(width=8, depth=1), Sampling(interior=40, boundary=10), **options
    )


@pytest.fixture
def moment() -> Moment:
    what = setting()
    objective = Objective(LINE, training_blocks(what, what.sampling, 1.0, 2.0))
    network = what.initial()
    return Moment(0, objective, network, objective.rows(network))


def ones(moment: Moment) -> Weights:
    return Weights.ones(moment.objective.blocks)


def gradients(moment: Moment) -> list[torch.Tensor]:
    terms = moment.objective.terms(moment.rows, ones(moment))
    return [gradient(term, moment.network, keep=True) for term in terms]


# balancing


def test_gradient_norm_by_hand(moment):
    weights, _ = GradientNorm(keep=0.9).weigh(moment, ones(moment), None)
    equation, left, right = gradients(moment)
    for b, slope in ((1, left), (2, right)):
        target = float(equation.abs().max() / slope.abs().mean())
        assert float(weights.terms[b]) == pytest.approx(0.9 + 0.1 * target, rel=1e-12)
    assert float(weights.terms[0]) == 1.0


def test_rules_wait_until_they_are_due(moment):
    for rule in (GradientNorm(every=3), NTK(every=3)):
        weights = ones(moment)
        assert rule.weigh(replace(moment, iteration=4), weights, None)[0] is weights
        assert rule.weigh(replace(moment, iteration=6), weights, None)[0] is not weights


def test_ntk_makes_rates_equal(moment):
    """Each weight times the mean squared gradient of a row is the same, their sum."""
    weights, _ = NTK().weigh(moment, ones(moment), None)
    rates = []
    for rows in moment.rows:
        slopes = [gradient(row, moment.network, keep=True) for row in rows]
        rates.append(float(torch.stack(slopes).square().sum()) / len(rows))
    for rate, weight in zip(rates, weights.terms.tolist(), strict=True):
        assert weight * rate == pytest.approx(sum(rates), rel=1e-9)


def test_relobralo_by_hand(moment):
    rule = ReLoBRaLo(keep=0.6, expected=1.0, temperature=0.5)
    weights, memory = rule.weigh(moment, ones(moment), None)
    assert torch.equal(weights.terms, torch.ones(3, dtype=torch.float64))
    now = moment.objective.terms(moment.rows, weights).detach()
    memory = Losses(now, now / torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64))
    weights, memory = rule.weigh(moment, ones(moment), memory)
    powers = [math.exp(ratio / 0.5) for ratio in (1.0, 2.0, 0.5)]
    for power, weight in zip(powers, weights.terms.tolist(), strict=True):
        assert weight == pytest.approx(0.6 + 0.4 * 3 * power / sum(powers), rel=1e-12)
    # Looking back to the first losses, which are those of now, all are alike.
    looking = replace(rule, expected=0.0)
    weights, _ = looking.weigh(moment, ones(moment), Losses(now, now))
    assert weights.terms.tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_self_adaptive_weights_grow_with_the_residual(moment):
    rule = SelfAdaptive(rate=0.1)
    weights, memory = rule.weigh(moment, ones(moment), None)
    # Adam's first step is the learning rate, uphill for all.
    for row in weights.rows:
        torch.testing.assert_close(row, torch.full_like(row, 1.1**2))
    slopes = torch.cat([2 * row.detach() ** 2 / len(row) for row in moment.rows])
    torch.testing.assert_close(memory.mean, 0.1 * slopes)
    _, memory = rule.weigh(moment, weights, memory)
    assert memory.count == 2


@pytest.mark.parametrize("name", BALANCES)
def test_every_balance_trains(name):
    what = setting()
    method = Adam(iterations=120, learning_rate=0.05, cells=1.0, balance=name)
    state, _ = run(method, what, State(), None)
    assert measure(LINE, state.network, points=300).relative_l2["u"] < 0.5
    few = replace(method, iterations=3)
    first, again = (run(few, what, State(), None)[0].records[-1].loss for _ in range(2))
    assert first == again


# causal weights


def test_causal_weights_by_hand():
    what = setting(HEAT)
    objective = Objective(HEAT, training_blocks(what, what.sampling, 1.0, 2.0))
    weights = Weights.ones(objective.blocks)
    rows = [torch.zeros(len(block.points), dtype=torch.float64) for block in objective.blocks]
    equation, _, initial = objective.blocks
    assert bool((initial.points[:, 1] == 0).all())
    which = (equation.points[:, 1] / 0.2 * BINS).long()
    rows[0] = torch.where(which == 3, 2.0, 0.0).double()
    rows[2] += 1.0
    found = causal(objective, rows, weights, 0.5).rows
    expected = torch.where(which <= 3, math.exp(-0.5), math.exp(-0.5 * (1 + 4))).double()
    torch.testing.assert_close(found[0], expected)
    assert found[1] is None
    assert found[2] is None


@pytest.mark.parametrize(
    "method", [Adam(iterations=20, causal=1.0), LBFGS(iterations=20, causal=1.0)]
)
def test_training_with_causal_weights(method):
    state, _ = run(method, setting(HEAT), State(), None)
    assert state.records[-1].loss < state.records[0].loss


@pytest.mark.parametrize("option", [{"causal": 1.0}, {"windows": 2}])
def test_what_follows_time_is_refused_without_it_by_both_names(option):
    problem, (name,) = replace(LINE, name="line"), option
    with pytest.raises(InputError, match=f"the method lbfgs has the option `{name}`.*line has no"):
        run(LBFGS(**option), setting(problem), State(), None)


# windows


def test_windows_leave_out_later_rows():
    what = setting(HEAT)
    objective = Objective(HEAT, training_blocks(what, what.sampling, 1.0, 2.0))
    weights = Weights.ones(objective.blocks)
    first = windowed(objective, weights, 0, 4)
    for block, rows in zip(objective.blocks, first.rows, strict=True):
        early = block.points[:, 1] <= 0.05
        assert torch.equal(rows > 0, early)
        assert float(rows.mean()) == pytest.approx(1.0)
    assert windowed(objective, weights, 3, 4) is weights


def test_rows_of_two_points_have_one_time():
    periodic = replace(HEAT, conditions=[Periodic("x"), HEAT.conditions[1]])
    what = setting(periodic)
    blocks = training_blocks(what, what.sampling, 1.0, 2.0)
    pairs = [block for block in blocks if block.average is not None]
    assert pairs
    for block in pairs:
        torch.testing.assert_close(row_times(block), block.points[: len(block.average), 1])


@pytest.mark.parametrize("kind", [Adam, LBFGS, GaussNewton])
def test_training_goes_through_all_windows(kind):
    method, what = kind(iterations=12, windows=3), setting(HEAT)
    state, windows = method.start(what, None), []
    while method.decide(what, state) is None:
        state = method.step(what, state)
        windows.append(state.memory.window)
    assert windows == sorted(windows)
    assert set(windows) == {0, 1, 2}
    # Weights of windows before do not stay.
    assert state.memory.weights.rows == (None,) * 3


def test_a_window_without_progress_gives_way_to_the_next():
    method = GaussNewton(iterations=300, windows=2, tolerance=0.9999)
    state, _ = run(method, setting(HEAT), State(), None)
    assert state.memory.window == 1
    assert len(state.records) < 100


# points


def region(size) -> Region:
    def uniform(count: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(5)
        return torch.rand((count, 1), dtype=torch.float64, generator=generator)

    return Region(uniform, size, torch.Generator().manual_seed(6))


def test_the_density_by_hand():
    size = torch.tensor([1.0, -3.0], dtype=torch.float64)
    assert relative_density(size, 1.0, 1.0).tolist() == [1.5, 2.5]
    assert relative_density(size, 2.0, 0.0).tolist() == pytest.approx([0.2, 1.8])
    assert relative_density(torch.zeros(2), 1.0, 0.0).tolist() == [1.0, 1.0]


def test_points_follow_the_density():
    """With |r| = x and no floor, the mean of x is 2/3, that of uniform points 1/2."""
    drawn = by_density(region(lambda x: x[:, 0]), 2000, 1.0, 0.0)
    assert len(drawn) == len(torch.unique(drawn))
    assert float(drawn.mean()) == pytest.approx(2 / 3, abs=0.03)


def test_rad_draws_all_points_anew_and_rar_d_adds_some():
    points = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    far = region(lambda x: (x[:, 0] > 0.5).double())
    new = RAD(power=1.0, floor=0.0).chosen(points, far)
    assert new.shape == points.shape
    assert bool((new > 0.5).all())
    more = RARD(added=0.1).chosen(points, far)
    assert torch.equal(more[:50], points)
    assert len(more) == 55
    assert bool((more[50:] > 0.5).all())


def test_r3_retains_points_above_the_mean():
    points = torch.tensor([[0.1], [0.2], [0.9], [0.8]], dtype=torch.float64)
    where = region(lambda x: x[:, 0])
    new = R3().chosen(points, where)
    assert new[:2, 0].tolist() == [0.9, 0.8]
    assert torch.equal(new[2:], where.uniform(2))


@pytest.mark.parametrize("rule", REFILLS)
@pytest.mark.parametrize("kind", [Adam, LBFGS, GaussNewton])
def test_every_rule_for_points_trains(rule, kind):
    method = kind(iterations=12, points=rule, points_every=4)
    what = setting(seed=3)
    state = method.start(what, None)
    points, seen = state.memory.objective.blocks[0].points, []
    while method.decide(what, state) is None:
        state = method.step(what, state)
        seen.append(state.memory.objective.blocks[0].points)
        assert [b.kind for b in state.memory.objective.blocks] == ["equation"] + 2 * ["condition"]
    assert torch.equal(seen[0], points)
    assert not torch.equal(seen[-1], points)
    assert state.memory.refills == 2
    assert state.memory.losses[-1] < state.memory.losses[0]


def test_a_weight_for_each_point_needs_points_that_stay():
    with pytest.raises(InputError, match="self_adaptive.*points rad"):
        Adam(balance="self_adaptive", points="rad")


@pytest.mark.parametrize("option", ["iterations", "cells", "points_every"])
def test_options_are_positive(option):
    with pytest.raises(InputError, match=option):
        LBFGS(**{option: 0})
