"""Training of all parameters, by any method, of any network."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from gmnm_pde.accuracy import measure
from gmnm_pde.checks import check
from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Interval, Rectangle
from gmnm_pde.methods import (
    BFGS,
    LBFGS,
    Adam,
    GaussNewton,
    Method,
    NaturalGradient,
    Record,
    Setting,
    SSBroyden,
    State,
)
from gmnm_pde.methods.bfgs import Moved, scaling, updated
from gmnm_pde.methods.levenberg_marquardt import Model, searched
from gmnm_pde.methods.starts import best_start, seeds
from gmnm_pde.methods.training.begin import training_blocks
from gmnm_pde.methods.training.objective import Objective, Weights
from gmnm_pde.methods.training.parameters import copied, gradient, put, vector
from gmnm_pde.methods.training.spectrum import decomposed, form_for
from gmnm_pde.networks import (
    GMNMSpec,
    KANSpec,
    LinearPieces,
    MLPSpec,
    Network,
    NetworkSpec,
    enforced,
)
from gmnm_pde.problem import Condition, Dirichlet, Initial, Interface, Problem, Sampling
from gmnm_pde.references import Exact
from gmnm_pde.report.convergence import convergence_figure
from gmnm_pde.solve import posed, run, shared
from gmnm_pde.terminal import record_text

sin, exp, pi = torch.sin, torch.exp, math.pi
SMALL = MLPSpec(width=8, depth=1)

LINE = Problem(
    "x",
    "u",
    Interval(0, 1),
    [lambda u, x: u.xx + pi**2 * sin(pi * x)],
    [Dirichlet("boundary", 0.0)],
    reference=Exact({"u": lambda x: sin(pi * x)}),
)
BRATU = replace(
    LINE, equations=[lambda u, x: u.xx + exp(u) - exp(sin(pi * x)) + pi**2 * sin(pi * x)]
)
SYSTEM = Problem(
    "xy",
    "uv",
    Rectangle(x=(0, 1), y=(0, 2)),
    [lambda u, v, x, y: u.xx + v.y * u - x, lambda u, v, x, y: v.xyy + u.y - y],
    [Dirichlet("left", 0.0, "u"), Dirichlet("boundary", lambda x, y: x * y, "v")],
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
KINK = Problem(
    "x",
    "u",
    Interval(0, 1),
    [lambda u, x: torch.where(x < 0.4, 5.0, 1.0) * u.xx + 1.0],
    [
        Dirichlet("boundary", 0.0),
        Interface("inner", lambda u: u),
        Interface("inner", lambda u, x: torch.where(x < 0.4, 5.0, 1.0) * u.x),
    ],
    subdomains={"inner": Interval(0, 0.4)},
)


def setting(
    problem: Problem = LINE, network: NetworkSpec = SMALL, points: int = 60, **options: object
) -> Setting:
    return Setting(problem, network, Sampling(interior=points, boundary=20), **options)


def error(what: Setting, network: Network) -> float:
    whole = enforced(network, what.problem)
    return max(measure(what.problem, whole, points=500).relative_l2.values())


def objective(what: Setting) -> tuple[Objective, Weights]:
    blocks = training_blocks(what, what.sampling, 2.0, 4.0)
    return Objective(what.problem, blocks), Weights.ones(blocks)


# rows and gradients


@pytest.mark.parametrize("problem", [LINE, BRATU, SYSTEM, HEAT, KINK])
@pytest.mark.parametrize("network", [SMALL, GMNMSpec(units=9)], ids=["mlp", "gmnm"])
def test_rows_equal_automatic_differentiation(problem, network):
    """Residual, Jacobian and loss are those of the plain definition."""
    what = setting(problem, network, points=9)
    loss, weights = objective(what)
    weights = Weights(torch.rand(len(loss.blocks), dtype=torch.float64) + 0.5, weights.rows)
    start = what.initial()
    r, J = loss.linearised(start, weights)
    theta = vector(start)

    def rows(theta):
        moved = copied(start, theta)
        return loss.residual(moved, weights)

    torch.testing.assert_close(r, rows(theta))
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        v = torch.randn(len(theta), dtype=torch.float64, generator=generator)
        step = 1e-5
        slope = (rows(theta + step * v) - rows(theta - step * v)) / (2 * step)
        torch.testing.assert_close(J @ v, slope, rtol=1e-5, atol=1e-7 * float(slope.abs().max()))
    value, slope = loss.value_and_gradient(start, weights)
    assert value == pytest.approx(r.square().sum().item(), rel=1e-12)
    torch.testing.assert_close(slope, 2 * J.T @ r, rtol=1e-8, atol=1e-10 * float(slope.abs().max()))


def test_the_loss_is_the_weighted_mean_square_of_each_block():
    what = setting(points=10)
    loss, _ = objective(what)
    network = what.initial()
    per_row = (torch.linspace(0, 1, 10, dtype=torch.float64), None)
    weights = Weights(torch.tensor([3.0, 5.0], dtype=torch.float64), per_row)
    equation, condition = loss.rows(network)
    by_hand = 3 * (per_row[0] * equation**2).sum() / 10 + 5 * (condition**2).mean()
    assert loss.value(network, weights) == pytest.approx(by_hand.item(), rel=1e-14)
    assert loss.residual(network, weights).square().sum().item() == pytest.approx(
        by_hand.item(), rel=1e-14
    )


def test_rows_do_not_depend_on_the_units_of_the_equation():
    """A wave number or a factor in front of an equation leaves the loss as it is."""
    milli = replace(LINE, equations=[lambda u, x: 1e-3 * (u.xx + pi**2 * sin(pi * x))])
    network = setting().initial()
    values = [
        loss.value(network, ones) for loss, ones in map(objective, map(setting, (LINE, milli)))
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


# methods


TRAINED = [
    (Adam(iterations=600, learning_rate=0.02, cells=2.0), 0.05),
    (LBFGS(iterations=150), 2e-3),
    (BFGS(iterations=200), 2e-3),
    (SSBroyden(iterations=200), 2e-3),
    (NaturalGradient(iterations=40), 1e-3),
    (GaussNewton(iterations=30), 1e-4),
]


def trained(method: Method, what: Setting) -> tuple[State, str, str]:
    state, outcome = run(method, what, State(), None)
    return state, outcome.status, outcome.reason


@pytest.mark.parametrize(("method", "reached"), TRAINED, ids=lambda item: type(item).__name__)
def test_a_method_reaches_an_error(method, reached):
    what = setting()
    state, _, reason = trained(method, what)
    assert reason
    assert error(what, state.network) < reached
    losses = [record.loss for record in state.records]
    assert losses[-1] < 1e-2 * losses[0]


@pytest.mark.parametrize("problem", [BRATU, HEAT], ids=["nonlinear", "time"])
def test_gauss_newton_on_other_problems(problem):
    what = setting(problem, points=150)
    assert error(what, trained(GaussNewton(iterations=40), what)[0].network) < 0.02


def test_a_kink_is_followed_by_a_network_a_piece():
    what = setting(KINK, points=60)
    state, _, _ = trained(GaussNewton(iterations=12), what)
    losses = [record.loss for record in state.records]
    assert losses[-1] < 1e-2 * losses[0]
    assert isinstance(state.network, LinearPieces)


def test_hard_conditions_hold_while_training():
    hard = Condition("boundary", lambda u: u - 0.0, enforce="hard")
    problem = replace(LINE, conditions=[hard])
    what = setting(posed(problem, check(problem), []))
    state, _, _ = trained(GaussNewton(iterations=15), what)
    assert {block.kind for block in state.memory.objective.blocks} == {"equation"}
    assert error(what, state.network) < 1e-5


def test_a_chain_goes_on_from_the_network_before():
    what = setting()
    first, _ = run(Adam(iterations=50), what, State(), None)
    second, _ = run(LBFGS(iterations=20), what, first, None)
    assert second.records[: len(first.records)] == first.records
    assert second.records[-1].loss < first.records[-1].loss
    seconds = [record.step for record in second.records]
    assert seconds == list(range(1, len(seconds) + 1))


@pytest.mark.parametrize(("method", "reached"), TRAINED, ids=lambda item: type(item).__name__)
def test_the_seed_decides_everything(method, reached):
    method = replace(method, iterations=5)
    runs = [vector(trained(method, setting(seed=seed))[0].network) for seed in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_best_network_is_kept_while_training_goes_on():
    """A learning rate that is far too large makes losses rise and fall."""
    what = setting()
    method = Adam(iterations=80, learning_rate=0.5, schedule="constant")
    state = method.start(what, None)
    least = math.inf
    while method.decide(what, state) is None:
        state = method.step(what, state)
        watch = state.memory.watch
        least = min(least, watch.look(state.memory.network, ())[0].misfit)
        assert watch.look(state.network, ())[0].misfit == pytest.approx(least, rel=1e-12)
    losses = list(state.memory.losses)
    assert losses != sorted(losses, reverse=True)


# what can go wrong


@pytest.mark.parametrize("method", [Adam(iterations=200), LBFGS(iterations=60)])
def test_a_loss_that_is_not_finite_is_survived(method):
    """The step that led there is taken back, and training goes on with a smaller one."""
    what = setting(LINE)
    state = method.step(what, method.start(what, None))
    network = state.memory.network
    calls = []

    class Once(Objective):
        def combined(self, rows, weights):
            calls.append(None)
            value = super().combined(rows, weights)
            return value * math.nan if len(calls) == 3 else value

    broken = Once(what.problem, state.memory.objective.blocks)
    state = replace(state, memory=replace(state.memory, objective=broken))
    failed = method.step(what, state)
    assert failed.memory.failures == 1
    assert failed.memory.network is network
    assert method.decide(what, failed) is None
    after = method.step(what, failed)
    assert after.memory.failures == 0
    assert math.isfinite(after.memory.losses[-1])


@pytest.mark.parametrize("method", [Adam(), LBFGS(), GaussNewton()])
def test_a_loss_that_is_never_finite_is_named(method):
    problem = replace(LINE, equations=[lambda u, x: u.xx + torch.log(-1 - u**2)])
    state, outcome = run(method, setting(problem), State(), None)
    assert outcome.status == "failed"
    assert "'equation' is not finite at [" in outcome.reason
    assert state.network is not None


def test_the_time_limit_is_obeyed_and_said():
    for method in (Adam(), LBFGS(), GaussNewton()):
        what = setting(time_limit=0.0)
        _, outcome = run(method, what, State(), None)
        assert outcome == type(outcome)("stopped", "the time limit of 0 s")


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="learning_rate"):
        Adam(learning_rate=-1.0)


# learning rates


def test_learning_rates_follow_their_schedule():
    method = Adam(iterations=100, learning_rate=1.0, final=0.01, schedule="exponential", warmup=10)
    assert method.rate(0) == pytest.approx(0.1)
    assert method.rate(50) == pytest.approx(0.1)
    assert method.rate(100) == pytest.approx(0.01)
    cosine = replace(method, schedule="cosine", warmup=0)
    assert cosine.rate(0) == pytest.approx(1.0)
    assert cosine.rate(50) == pytest.approx(0.505)
    assert replace(cosine, schedule="constant").rate(99) == 1.0


# steps of many dampings


@pytest.mark.parametrize("shape", [(30, 12), (12, 30)])
@pytest.mark.parametrize("form", ["primal", "dual", "orthogonal"])
def test_damped_steps_solve_the_damped_equations(shape, form):
    generator = torch.Generator().manual_seed(0)
    J = torch.randn(shape, dtype=torch.float64, generator=generator)
    r = torch.randn(shape[0], dtype=torch.float64, generator=generator)
    spectrum = decomposed(J, form)
    for damping in (1e-3, 1.0, 100.0):
        s = spectrum.step(r, damping)
        torch.testing.assert_close(J.T @ (J @ s) + damping * s, -J.T @ r)


def test_the_form_follows_the_shape_and_the_damping():
    tall, wide = torch.zeros(3, 2), torch.zeros(2, 3)
    assert form_for(tall, None, 0.0) == "primal"
    assert form_for(wide, 1.0, 10.0) == "dual"
    assert form_for(tall, 1e-15, 1.0) == "orthogonal"


def test_no_step_that_raises_the_loss_is_taken():
    """The gradient points uphill: rows are not what the Jacobian says."""
    r, J = torch.tensor([1.0], dtype=torch.float64), torch.tensor([[1.0]], dtype=torch.float64)
    model = Model(lambda step: r - step, r, J, decomposed(J, "primal"))
    assert searched(model, 1e-3, 1.0) is None


def test_a_first_damping_that_is_too_small_is_raised():
    """Steps of the first damping and of a smaller one raise the loss, the smaller one less."""
    r, J = torch.tensor([1.0], dtype=torch.float64), torch.tensor([[1.0]], dtype=torch.float64)

    def rows(step: torch.Tensor) -> torch.Tensor:
        long = step.abs() > 0.5
        return torch.where(long, 3.0 + step, r + step)

    model = Model(rows, r, J, decomposed(J, "primal"), accelerate=False)
    assert model.tried(1e-3).loss > model.tried(2.5e-4).loss > 1.0
    best = searched(model, 1e-3, 1.0)
    assert best is not None
    assert best.loss < 1.0


def test_the_acceleration_follows_a_parabola():
    """For r = t + t^2 / 4 the step to second order lands much closer than the first-order one."""
    r, J = torch.tensor([0.5], dtype=torch.float64), torch.tensor([[1.0]], dtype=torch.float64)

    def rows(step):
        return 0.5 + step + step**2 / 4

    plain, bent = (
        Model(rows, r, J, decomposed(J, "primal"), accelerate).tried(1e-12)
        for accelerate in (False, True)
    )
    assert bent.loss < 0.1 * plain.loss


def test_a_chord_step_leads_to_where_the_linear_model_leads():
    """r = (t, s + t^2): a long step along t has to bend in s."""
    r, J = torch.tensor([1.0, 0.0], dtype=torch.float64), torch.eye(2, dtype=torch.float64)

    def rows(step):
        return r + step + torch.stack([torch.zeros(()), step[0] ** 2])

    plain, corrected = (
        Model(rows, r, J, decomposed(J, "primal"), accelerate=False, correct=correct).tried(1e-2)
        for correct in (False, True)
    )
    assert plain.loss > 0.9
    assert corrected.loss < 1e-3 * plain.loss


def test_larger_dampings_are_not_tried_where_they_promise_less_than_was_reached():
    """The rows are linear: the smallest damping is the best one, and a larger one in vain."""
    r, J = torch.tensor([1.0], dtype=torch.float64), torch.tensor([[1.0]], dtype=torch.float64)
    steps: list[float] = []

    def rows(step):
        steps.append(float(step))
        return r + step if len(steps) == 1 else r

    best = searched(Model(rows, r, J, decomposed(J, "primal"), accelerate=False), 1.0, 1.0)
    assert best is not None
    assert best.damping == 1.0
    assert steps == pytest.approx([-0.5, -0.8])


def test_parameters_as_a_vector():
    network = setting().initial()
    theta = vector(network) + 1.0
    other = copied(network, theta)
    assert torch.equal(vector(other), theta)
    assert not torch.equal(vector(network), theta)
    put(network, theta)
    assert torch.equal(vector(network), theta)
    loss = sum(value.sum() for value in network.parameters())
    assert torch.equal(gradient(loss, network), torch.ones_like(theta))


# quasi-Newton updates


@pytest.mark.parametrize("variant", ["bfgs", "ssbfgs", "ssbroyden"])
def test_an_update_keeps_the_secant_equation_and_stays_positive(variant):
    """H+ y = s, and H+ is symmetric and positive definite."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    root = normal(6, 6)
    hessian = root @ root.T + torch.eye(6, dtype=torch.float64)
    H, x = None, normal(6)
    for _ in range(12):
        slope = hessian @ x
        direction = -slope if H is None else -(H @ slope)
        length = 0.7 * float(-(direction @ slope) / (direction @ hessian @ direction))
        step = length * direction
        moved = Moved(step, length, 0.0, hessian @ (x + step))
        H = updated(H, moved, slope, variant)
        torch.testing.assert_close(H @ (moved.slope - slope), step, rtol=1e-8, atol=1e-12)
        torch.testing.assert_close(H, H.T, rtol=1e-10, atol=1e-12)
        assert float(torch.linalg.eigvalsh(H)[0]) > 0
        x = x + step


def test_an_update_is_the_inverse_of_the_family_for_the_hessian():
    """B+ = tau (B - B s s'B / s'Bs + theta s'Bs w w') + y y'/y's, w = y/y's - Bs/s'Bs."""
    generator = torch.Generator().manual_seed(2)
    root = torch.randn(4, 4, dtype=torch.float64, generator=generator)
    B = root @ root.T + torch.eye(4, dtype=torch.float64)
    slope = torch.randn(4, dtype=torch.float64, generator=generator)
    H = torch.linalg.inv(B)
    s = -0.5 * (H @ slope)
    y = B @ s + 0.3 * s * torch.tensor([1.0, 5.0, 0.1, 2.0], dtype=torch.float64)
    ys, sBs, yHy = float(y @ s), float(s @ B @ s), float(y @ H @ y)
    tau, phi = scaling(sBs / ys, yHy / ys, 4, "ssbroyden")
    assert phi != pytest.approx(1.0)
    theta = (1 - phi) / (1 + (sBs * yHy / ys**2 - 1) * phi)
    w = y / ys - B @ s / sBs
    inner = B - torch.outer(B @ s, B @ s) / sBs + theta * sBs * torch.outer(w, w)
    expected = tau * inner + torch.outer(y, y) / ys
    found = updated(H, Moved(s, 0.5, 0.0, slope + y), slope, "ssbroyden")
    torch.testing.assert_close(torch.linalg.inv(found), expected, rtol=1e-9, atol=1e-9)


def test_bfgs_finds_the_inverse_hessian_of_a_parabola():
    """With exact line searches after as many steps as there are parameters."""
    hessian = torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64))
    H, x = None, torch.ones(3, dtype=torch.float64)
    for _ in range(3):
        slope = hessian @ x
        direction = -slope if H is None else -(H @ slope)
        length = float(-(direction @ slope) / (direction @ hessian @ direction))
        H = updated(
            H,
            Moved(length * direction, length, 0.0, slope + length * hessian @ direction),
            slope,
            "bfgs",
        )
        x = x + length * direction
    torch.testing.assert_close(H @ hessian, torch.eye(3, dtype=torch.float64), atol=1e-9, rtol=0)


def test_scalings_by_hand():
    """b = 2, h = 1: a = 1, c = 1/sqrt 2, rho = 1 - c, theta = max(-c, min(1/rho, -1/2)) = -1/2."""
    assert scaling(2.0, 1.0, 5, "ssbfgs") == (0.5, 1.0)
    tau, phi = scaling(2.0, 1.0, 5, "ssbroyden")
    assert phi == pytest.approx(3.0)
    assert tau == pytest.approx(min(0.5 * 0.5 ** (-1 / 4), 0.5))


def test_a_matrix_that_is_too_large_is_refused_by_both_names(monkeypatch):
    monkeypatch.setattr("gmnm_pde.methods.bfgs.LARGEST", 20)
    with pytest.raises(InputError, match="the method ssbroyden keeps a matrix of 25 x 25"):
        run(SSBroyden(), setting(), State(), None)


@pytest.mark.parametrize("form", ["parameter", "residual"])
def test_the_natural_gradient_is_the_same_in_both_forms(form):
    what = setting(points=18)
    method = NaturalGradient(iterations=3, form=form, cut=1e-3)
    losses = [record.loss for record in trained(method, what)[0].records]
    auto = replace(method, form="auto")
    assert losses == pytest.approx([r.loss for r in trained(auto, what)[0].records], rel=1e-5)


# grids


def test_a_network_is_refined_in_stages():
    """Each grid gets its share of the iterations, and the loss goes on from where it was."""
    what = setting(LINE, KANSpec(widths=(2,), grid=3))
    method = LBFGS(iterations=45, grids=(3, 6, 12), grid_updates=1)
    state, _ = run(method, what, State(), None)
    sizes = [record.parameters for record in state.records]
    assert len(set(sizes)) == 3
    assert sizes == sorted(sizes)
    first = sizes.index(sizes[-1])
    assert state.records[first].loss < 1.5 * state.records[first - 1].loss
    assert state.memory.network.spec.grid == 12
    assert error(what, state.network) < 0.05


def test_grids_follow_the_points_in_the_first_stretches_of_each_stage():
    what = setting(LINE, KANSpec(widths=(2,), grid=3))
    method = LBFGS(iterations=8, grids=(3, 6), grid_updates=2)
    state = method.start(what, None)
    grids, stages = [], []
    for _ in range(8):
        state = method.step(what, state)
        grids.append(state.memory.network.bases[1].grid.clone())
        stages.append(state.memory.stage)
    assert stages == [0, 0, 0, 0, 1, 1, 1, 1]
    moved = [not torch.equal(a, b) for a, b in pairwise(grids[:4])]
    assert moved == [True, False, False]
    assert [not torch.equal(a, b) for a, b in pairwise(grids[4:])] == moved


def test_a_stage_without_progress_gives_way_to_the_next():
    what = setting(LINE, KANSpec(widths=(2,), grid=3))
    method = GaussNewton(iterations=200, grids=(3, 6), tolerance=0.9999)
    state, _ = run(method, what, State(), None)
    assert state.memory.stage == 1
    assert len(state.records) < 80


def test_a_network_is_refined_when_its_share_of_the_time_is_over():
    """A short time must not leave a network at its coarsest grid."""
    what = setting(LINE, KANSpec(widths=(2,), grid=3))
    method = LBFGS(iterations=400, grids=(3, 6))
    state = method.start(what, None)
    late = replace(what, time_limit=100.0, started=what.started - 60.0)
    early = replace(what, time_limit=1e6)
    assert method.step(early, state).memory.stage == 0
    assert method.step(late, state).memory.stage == 1


@pytest.mark.parametrize("option", [{"grids": (5, 10)}, {"grid_updates": 2}])
def test_a_network_without_grids_is_refused_by_both_names(option):
    with pytest.raises(InputError, match="the method lbfgs .* refine grids.*network MLP has none"):
        run(LBFGS(**option), setting(), State(), None)


# starts


@pytest.mark.parametrize(("count", "calls"), [(1, 0), (2, 2), (5, 5 + 3 + 2), (8, 8 + 4 + 2)])
def test_the_better_half_of_the_starts_goes_on(count, calls):
    """The one that is last at first wins in the end only while it is not dropped."""
    tried: list[int] = []

    def further(state: State) -> State:
        tried.append(state.memory[0])
        return replace(state, memory=(state.memory[0], state.memory[1] / 2))

    starts = [State(memory=(k, float(count - k))) for k in range(count)]
    best = best_start(starts, further, lambda state: state.memory[1])
    assert best.memory[0] == count - 1
    assert len(tried) == calls


def test_other_seeds_lead_to_quite_other_starts():
    first, second = seeds(0, 5), seeds(1, 5)
    assert (first[0], second[0]) == (0, 1)
    assert len({*first, *second}) == 10
    assert seeds(7, 1) == [7]


@pytest.mark.parametrize("method", [LBFGS(iterations=60), GaussNewton(iterations=60)])
def test_the_best_of_several_starts_goes_on(method):
    """What one of them has done counts, and that is the best after as many iterations."""
    what = setting(LINE, MLPSpec(width=3, depth=1))
    many = replace(method, starts=4, start_iterations=8)
    chosen = many.start(what, None)
    assert chosen.memory.iterations == 2 * 8

    def further(state: State) -> State:
        enough = state.memory.iterations + 8
        while state.memory.iterations < enough:
            state = method.step(what, state)
        return state

    alone = [method.start(replace(what, seed=seed), None) for seed in seeds(what.seed, 4)]
    # The same points for all of them: only the network is another.
    alone = [
        replace(state, memory=replace(state.memory, objective=o.objective, watch=o.watch))
        for state in alone
        for o in [alone[0].memory]
    ]
    better = sorted(map(further, alone), key=lambda state: state.memory.least)[:2]
    best = min(map(further, better), key=lambda state: state.memory.least)
    torch.testing.assert_close(vector(chosen.network), vector(best.network), rtol=0, atol=0)


def test_what_an_earlier_method_left_is_the_only_start():
    what = setting()
    network = what.initial()
    state = LBFGS(starts=4).start(what, network)
    assert state.memory.iterations == 0
    torch.testing.assert_close(vector(state.network), vector(network))


def test_the_comparison_of_starts_leaves_time_for_training():
    what = setting(time_limit=100.0)
    late = replace(what, started=what.started - 30.0)
    assert LBFGS(starts=3).start(late, None).memory.iterations == 0


# around training


def test_methods_of_a_chain_share_the_time():
    what = setting(time_limit=1000.0)
    assert shared(what, 1) is what
    assert shared(what, 2).time_limit == pytest.approx(500.0, abs=50.0)
    assert shared(replace(what, time_limit=500.0), 2).time_limit < 300.0


def test_progress_lines_show_a_loss_where_there_is_one():
    record = Record(3, 20, 501, 1128, 0.5, 0.1, None, 1.25, loss=1e-3)
    assert record_text(record).startswith(
        "step 3    units 20    loss 1.00e-03    residual 5.00e-01"
    )
    assert "loss" not in record_text(replace(record, loss=None))


def test_the_picture_shows_the_loss_where_there_is_no_estimate():
    """Against the steps, as the network does not grow, and not as an error."""
    what = setting()
    state, _ = run(Adam(iterations=4), what, State(), None)
    solution = SimpleNamespace(problem=LINE, history=state.records, errors=None)
    left, right = convergence_figure(solution).axes
    losses = [record.loss for record in state.records]
    assert list(right.lines[0].get_xdata()) == [1, 2, 3, 4]
    assert list(right.lines[0].get_ydata()) == losses
    assert (left.get_ylabel(), right.get_xlabel()) == ("loss, not an error", "step")
