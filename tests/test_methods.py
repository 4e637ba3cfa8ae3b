"""Every method keeps the same promises; and what each of them is for."""

from __future__ import annotations

import copy
import dataclasses
import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gmnm_pde.accuracy import measure
from gmnm_pde.collocation import collocate
from gmnm_pde.config import load_problem
from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Interval, Rectangle
from gmnm_pde.linearised import at_network, residual_rows
from gmnm_pde.methods import (
    METHODS,
    Auto,
    GaussNewton,
    LeastSquares,
    Method,
    Setting,
    State,
    TimeStepping,
    VariableProjection,
)
from gmnm_pde.methods.training.base import Trained
from gmnm_pde.methods.weights import fit_linear
from gmnm_pde.networks import GMNM, GMNMSpec, MLPSpec, Network, PlacedSpec
from gmnm_pde.placement import Layout, first_patch, margin_for
from gmnm_pde.problem import Dirichlet, Initial, Problem, Sampling
from gmnm_pde.references import Exact
from gmnm_pde.solve import run

sin, exp, pi = torch.sin, torch.exp, math.pi
SQUARE = Rectangle(x=(-1, 1), y=(-1, 1))

LINE = Problem(
    "x",
    "u",
    Interval(0, 1),
    [lambda u, x: u.xx + pi**2 * sin(pi * x)],
    [Dirichlet("boundary", 0.0)],
    reference=Exact({"u": lambda x: sin(pi * x)}),
)
PLANE = Problem(
    "xy",
    "u",
    SQUARE,
    [lambda u, x, y: u.xx + u.yy + 2 * pi**2 * sin(pi * x) * sin(pi * y)],
    [Dirichlet("boundary", 0.0)],
    reference=Exact({"u": lambda x, y: sin(pi * x) * sin(pi * y)}),
)
SYSTEM = Problem(
    "x",
    "uv",
    Interval(0, 1),
    [lambda u, v: u.x - v, lambda u, v: v.x + u],
    [Dirichlet("left", 0.0, "u"), Dirichlet("left", 1.0, "v")],
    reference=Exact({"u": lambda x: sin(x), "v": lambda x: torch.cos(x)}),
)
BRATU = replace(
    LINE,
    equations=[lambda u, x: u.xx + exp(u) - exp(sin(pi * x)) + pi**2 * sin(pi * x)],
)


HEAT = Problem(
    "xt",
    "u",
    Interval(0, 1),
    [lambda u, x, t: u.t - u.xx],
    [Dirichlet("boundary", 0.0), Initial(lambda x: sin(pi * x))],
    reference=Exact({"u": lambda x, t: sin(pi * x) * exp(-(pi**2) * t)}),
    time=(0, 0.1),
)
STRING = Problem(
    "xt",
    "uv",
    Interval(0, 1),
    [lambda u, v: u.t - v, lambda u, v: v.t - u.xx],
    [
        Dirichlet("boundary", 0.0, "u"),
        Initial(lambda x: sin(pi * x), "u"),
        Initial(0.0, "v"),
    ],
    reference=Exact(
        {
            "u": lambda x, t: sin(pi * x) * torch.cos(pi * t),
            "v": lambda x, t: -pi * sin(pi * x) * sin(pi * t),
        }
    ),
    time=(0, 0.7),
)
EVOLVING = {id(LINE): HEAT, id(SYSTEM): STRING}


def asked(method: Method, problem: Problem = LINE, **options: object) -> Setting:
    """A setting with the problem, or for a method that marches through time with one like it."""
    if isinstance(method, TimeStepping):
        options.pop("network", None)
        return setting(EVOLVING[id(problem)], **options)
    if isinstance(method, Trained):
        options["sampling"] = Sampling(interior=60)
    return setting(problem, **options)


def setting(problem: Problem = LINE, **options: object) -> Setting:
    network, sampling = options.pop("network", GMNMSpec()), options.pop("sampling", Sampling())
    return Setting(problem, network, sampling, **options)


def error(problem: Problem, network: Network) -> float:
    return max(measure(problem, network, points=1000).relative_l2.values())


def short(name: str) -> Method:
    """The method, told to be quick if it iterates."""
    iterations = {"variable_projection": 15, "gauss_newton": 40, "adam": 100}
    iterations |= dict.fromkeys(("bfgs", "lbfgs", "ssbroyden", "natural_gradient"), 20)
    kind = METHODS[name]
    return kind(iterations=iterations[name]) if name in iterations else kind()


# all methods


# Those that infer have problems of their own, in test_inverse.py.
@pytest.fixture(params=[n for n, cls in METHODS.items() if n != "auto" and not cls.infers])
def method(request: pytest.FixtureRequest) -> Method:
    return short(request.param)


def test_auto_chooses_by_time():
    assert isinstance(Auto().chosen(LINE), LeastSquares)
    assert isinstance(Auto().chosen(HEAT), TimeStepping)
    for problem in (LINE, HEAT):
        state, outcome = run(Auto(), setting(problem, rtol=1e-3), State(), None)
        assert outcome.status == "converged"
        assert error(problem, state.network) < 1e-3


def test_a_method_is_frozen_options(method):
    assert dataclasses.is_dataclass(method)
    assert type(method)() == type(method)()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(method, dataclasses.fields(method)[0].name, 1)


@pytest.mark.parametrize("problem", [LINE, SYSTEM], ids=["one unknown", "two unknowns"])
def test_a_method_solves(method, problem):
    few = GMNMSpec(units=14)
    what = asked(method, problem, rtol=1e-4, network=few)
    state, outcome = run(method, what, State(), None)
    problem = what.problem
    assert outcome.reason
    assert set(state.estimated_error) <= set(problem.unknowns)
    if isinstance(method, Trained) and not isinstance(
        method, GaussNewton
    ):  # what they reach is in test_training.py
        assert state.records[-1].loss < state.records[0].loss
    else:
        assert error(problem, state.network) < 1e-2
    assert [record.step for record in state.records] == list(range(1, len(state.records) + 1))
    for record in state.records:
        assert record.units >= 1
        assert record.parameters > record.units
        assert record.points > record.units
        assert math.isfinite(record.residual_rms)
        assert math.isfinite(record.boundary_rms)
        assert record.estimated_error is None or math.isfinite(record.estimated_error)
    seconds = [record.seconds for record in state.records]
    assert seconds == sorted(seconds)


def test_a_step_leaves_the_state_before_as_it_was(method):
    what = asked(method, network=GMNMSpec(units=10))
    state = method.step(what, method.start(what, None))
    network, before = state.network, copy.deepcopy(state.network.state_dict())
    after = method.step(what, state)
    assert state.network is network
    for name, value in network.state_dict().items():
        # Weights eliminated again are the same up to rounding.
        torch.testing.assert_close(value, before[name], rtol=1e-6, atol=1e-9)
    assert len(after.records) == len(state.records) + 1
    assert after.records[: len(state.records)] == state.records


def test_a_method_says_nothing_before_its_first_step(method):
    what = asked(method)
    assert method.decide(what, method.start(what, None)) is None


def test_a_method_repeats_itself_bitwise(method):
    what = asked(method, network=GMNMSpec(units=10), rtol=1e-3)
    first, second = (run(method, what, State(), None)[0].network for _ in range(2))
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


class Nonlinear(Network):
    """A network whose output is linear in nothing."""

    n_inputs = n_outputs = 1

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, points: Tensor) -> Tensor:
        return torch.tanh(self.scale * points)


@dataclass(frozen=True)
class NonlinearSpec(PlacedSpec):
    def build(self, mu: Tensor, inverse_widths: Tensor, n_outputs: int) -> Nonlinear:
        return Nonlinear()


def test_a_network_that_a_method_cannot_train_is_refused_by_both_names(method):
    if isinstance(method, Trained):
        pytest.skip("it trains any network")
    name = next(name for name, cls in METHODS.items() if cls is type(method))
    problem = HEAT if isinstance(method, TimeStepping) else LINE
    with pytest.raises(InputError, match=name) as caught:
        run(method, setting(problem, network=NonlinearSpec()), State(), None)
    assert "Nonlinear" in str(caught.value)


@pytest.mark.parametrize("method", [LeastSquares(), TimeStepping()], ids=["steady", "time"])
def test_a_network_without_places_is_refused_by_both_names(method):
    problem = HEAT if isinstance(method, TimeStepping) else LINE
    with pytest.raises(InputError, match="places Gaussian units, which the network mlp") as caught:
        run(method, setting(problem, network=MLPSpec()), State(), None)
    assert next(name for name, cls in METHODS.items() if cls is type(method)) in str(caught.value)


def test_variable_projection_trains_a_network_without_places():
    what = setting(LINE, network=MLPSpec(width=10, depth=1, activation="sin"))
    state, _ = run(VariableProjection(iterations=8), what, State(), None)
    assert error(LINE, state.network) < 1e-3


def test_variable_projection_of_more_parameters_than_rows():
    what = setting(LINE, network=MLPSpec(width=10, depth=2), sampling=Sampling(interior=20))
    method = VariableProjection(iterations=3)
    state = method.start(what, None)
    before = loss(what, state)
    state, _ = run(method, what, State(), None)
    assert state.records[-1].parameters > 5 * state.records[-1].points
    assert state.memory.losses[-1] < before


# least squares


def fitted(problem: Problem, cells: float, margin: float, **options: object) -> float:
    """The error of one uniform level."""
    ones = (1.0,) * problem.domain.dimension
    layout = Layout(problem.domain, (first_patch(problem.domain, cells, ones),), margin)
    centres = layout.centres()
    network = layout.network(GMNMSpec(**options), centres, len(problem.unknowns))
    counts = layout.point_counts(centres)
    fit_linear(problem, network, collocate(problem, layout, counts, Sampling(), 0))
    return error(problem, network)


def test_errors_fall_geometrically_with_the_cells():
    """Four waves across: at least by e for every spacing more, to what the margin allows."""
    problem = load_problem("helmholtz").problem
    cells = [5, 7, 9, 11]
    errors = [fitted(problem, some, margin_for(1e-12, 1.6)) for some in cells]
    rate = np.polyfit(cells, np.log(errors), 1)[0]
    assert rate < -1.0
    assert errors[0] < 0.1
    assert errors[-1] < 1e-6


def test_the_margin_sets_the_floor():
    """The error is about what the margin was made for, with as many units inside."""
    problem = load_problem("helmholtz").problem
    tolerances = [1e-3, 1e-6, 1e-9]
    errors = [fitted(problem, 20, margin_for(tolerance, 1.6)) for tolerance in tolerances]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    for reached, tolerance in zip(errors, tolerances, strict=True):
        assert reached < 30 * tolerance


@pytest.mark.parametrize("projection", ["isotropic", "full"])
def test_projections_that_mean_the_same(projection):
    """On equal spacings, units of every full-rank kind are the same functions."""
    diagonal, other = (fitted(PLANE, 6, 4.0, projection=kind) for kind in ("diagonal", projection))
    assert diagonal < 1e-4
    assert math.log(other / diagonal) == pytest.approx(0, abs=math.log(3))


def test_every_level_is_at_least_as_large():
    state, _ = run(LeastSquares(), setting(PLANE, rtol=1e-9), State(), None)
    units = [record.units for record in state.records]
    assert len(units) > 1
    assert units == sorted(units)


def test_the_best_level_is_kept():
    """Levels after the solution is at rounding are worse, some of them."""
    waves = replace(
        LINE,
        equations=[lambda u, x: u.xx + 1e4 * u - sin(x)],
        conditions=[Dirichlet("boundary", 1.0)],
        reference=None,
    )
    method, what = LeastSquares(), setting(waves)
    state = method.start(what, None)
    worse = 0
    for _ in range(14):
        state = method.step(what, state)
        known = [r for r in state.records if r.estimated_error is not None]
        if known:
            least = min(record.estimated_error for record in known)
            kept = [record.units for record in known if record.estimated_error == least]
            assert state.network.n_units in kept
            assert state.estimated_error["u"] == least
            worse += known[-1].estimated_error > least
    assert worse > 0


# variable projection


def loss(what: Setting, state: State) -> float:
    """Root mean square of the weighted rows, computed from the network that is kept."""
    problem, blocks = what.problem, state.memory.blocks
    rows = [residual_rows(b, at_network(problem, b, state.network)) for b in blocks]
    return torch.cat(rows).square().mean().sqrt().item()


@pytest.mark.parametrize("projection", ["isotropic", "diagonal", "full"])
def test_variable_projection_lowers_the_loss_every_time(projection):
    method = VariableProjection(iterations=12)
    what = setting(PLANE, network=GMNMSpec(units=25, projection=projection))
    state = method.start(what, None)
    losses = [loss(what, state)]
    while method.decide(what, state) is None:
        state = method.step(what, state)
        losses.append(loss(what, replace(state, network=state.memory.network)))
    assert len(losses) == 13
    assert all(after < before for before, after in pairwise(losses))
    assert losses[1:] == pytest.approx(list(state.memory.losses), rel=1e-6)


@pytest.mark.parametrize(
    ("problem", "units", "projection", "factor", "reached"),
    [(LINE, 6, "diagonal", 10, 1e-9), (PLANE, 16, "full", 10, 0.02)],
    ids=["line", "plane"],
)
def test_variable_projection_gains_a_large_factor_with_few_units(
    problem, units, projection, factor, reached
):
    method = VariableProjection(iterations=45)
    what = setting(problem, network=GMNMSpec(units=units, projection=projection))
    started = error(problem, method.start(what, None).network)
    state, _ = run(method, what, State(), None)
    assert state.records[-1].units <= units
    assert error(problem, state.network) < started / factor
    assert error(problem, state.network) < reached


def test_variable_projection_leaves_the_best_network_at_points_it_was_not_trained_on():
    """Noisy measurements: the loss falls to the end, the misfit at held-back ones does not."""
    problem = load_problem("fit-noisy").problem
    what = setting(problem, network=GMNMSpec(units=64, projection="full"))
    method = VariableProjection(iterations=12)
    state = method.start(what, None)
    errors = [error(problem, state.network)]
    while method.decide(what, state) is None:
        state = method.step(what, state)
        errors.append(error(problem, state.memory.network))
    losses = state.memory.losses
    assert losses[-1] < losses[0]
    assert state.memory.least[1] < len(losses)
    assert error(problem, state.network) < errors[-1]


def test_variable_projection_tilts_its_units_to_a_front():
    """A front across one direction: units along the axes leave 2e-2 after the same iterations."""
    problem = load_problem("fit-ridge").problem
    method = VariableProjection(iterations=20)
    what = setting(problem, network=GMNMSpec(units=36, projection="full"), rtol=None)
    state, _ = run(method, what, State(), None)
    assert error(problem, state.network) < 2e-3


def test_variable_projection_moves_centres_and_widths():
    method = VariableProjection()
    what = setting(LINE, network=GMNMSpec(units=9))
    before = method.start(what, None)
    start = {name: value.clone() for name, value in before.network.state_dict().items()}
    after = method.step(what, before).network.state_dict()
    assert not torch.equal(after["mu"], start["mu"])
    assert not torch.equal(after["P"], start["P"])


def test_output_weights_are_eliminated_exactly():
    """No other output weights have a smaller loss: the residual is orthogonal to every column."""
    method = VariableProjection()
    what = setting(LINE, network=GMNMSpec(units=9))
    state = method.step(what, method.start(what, None))
    state = replace(state, network=state.memory.network)
    at_best = loss(what, state)
    weights = state.network.output_weights.detach().clone()
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        direction = torch.randn(weights.shape, generator=generator, dtype=torch.float64)
        changed = copy.deepcopy(state.network)
        changed.set_output_weights(weights + 1e-3 * weights.abs().max() * direction)
        assert loss(what, replace(state, network=changed)) > at_best


def test_variable_projection_improves_what_an_earlier_method_left():
    what = setting(LINE, rtol=None, max_units=14)
    left, _ = run(LeastSquares(grade=False), what, State(), None)
    state, _ = run(VariableProjection(iterations=10), what, left, None)
    assert isinstance(state.network, GMNM)
    assert state.network.n_units == left.network.n_units
    assert len(state.records) > len(left.records)
    assert error(LINE, state.network) <= error(LINE, left.network)


def test_variable_projection_of_a_nonlinear_problem():
    """Its weights are those of a Gauss-Newton minimum, and training lowers that further."""
    method, what = VariableProjection(iterations=8), setting(BRATU, network=GMNMSpec(units=8))
    state = method.start(what, None)
    losses = [loss(what, state)]
    while method.decide(what, state) is None:
        state = method.step(what, state)
        losses.append(loss(what, replace(state, network=state.memory.network)))
    assert all(after < before for before, after in pairwise(losses))
    assert losses[-1] < 0.1 * losses[0]
    assert losses[1:] == pytest.approx(list(state.memory.losses), rel=1e-6)
