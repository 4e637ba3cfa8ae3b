"""Problems with time, level by level: what is asked for is met, and what is said about it is so."""

from __future__ import annotations

import math
import time as clock
from dataclasses import replace
from functools import partial
from itertools import count, pairwise
from typing import Any

import evolving
import numpy as np
import pytest
import torch
from evolution_parts import plan
from torch import Tensor

from gmnm_pde.accuracy import measure
from gmnm_pde.errors import InputError
from gmnm_pde.evolution.march import Journey, March, TooManyUnits
from gmnm_pde.evolution.system import shape_of
from gmnm_pde.geometry import Box, Disk, Interval, Rectangle
from gmnm_pde.methods import (
    Outcome,
    Record,
    Setting,
    State,
    TimeStepping,
    VariableProjection,
    patience,
)
from gmnm_pde.methods.time_stepping import _network, checked
from gmnm_pde.networks import Evolution, GMNMSpec
from gmnm_pde.problem import (
    Condition,
    Dirichlet,
    Initial,
    Neumann,
    Periodic,
    Problem,
    Robin,
    Sampling,
)
from gmnm_pde.references import Exact
from gmnm_pde.solve import run

exp, sin, cos, tanh, pi = torch.exp, torch.sin, torch.cos, torch.tanh, math.pi


def setting(problem: Problem, **options: Any) -> Setting:
    return Setting(problem, options.pop("network", GMNMSpec()), Sampling(), **options)


def solved(problem: Problem, rtol: float, **options: Any) -> tuple[State, Outcome]:
    return run(TimeStepping(), setting(problem, rtol=rtol, **options), State(), None)


def error(problem: Problem, state: State) -> float:
    assert state.network is not None
    return max(measure(problem, state.network).relative_l2.values())


def march(problem: Problem, aim: float = 1e-4, density: float = 3.0, **options: float) -> Journey:
    return March(problem, shape_of(problem), GMNMSpec(), plan(aim, density, **options)).run()


# problems


def burgers(nu: float) -> Problem:
    """From -sin(pi x), by the integral of Cole and Hopf."""
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite.hermgauss(120))

    def exact(x: Tensor, t: Tensor) -> Tensor:
        y = x[:, None] - torch.sqrt(4 * nu * t)[:, None] * nodes
        size = -cos(pi * y) / (2 * pi * nu)
        w = weights * exp(size - size.amax(1, keepdim=True))
        return -(sin(pi * y) * w).sum(1) / w.sum(1)

    return Problem(
        "xt", "u", Interval(-1, 1), [lambda u: u.t + u * u.x - nu * u.xx],
        [Initial(lambda x: -sin(pi * x)), Dirichlet("boundary")],
        time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip


def front(nu: float = 0.005) -> Problem:
    """A front that travels half of the domain; nothing says where it is."""

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return 0.5 - 0.5 * tanh((x - 0.5 * t) / (4 * nu))

    return Problem(
        "xt", "u", Interval(-0.5, 1.5), [lambda u: u.t + u * u.x - nu * u.xx],
        [Initial(exact), Dirichlet("boundary", exact)],
        time=(0, 2), reference=Exact({"u": exact}),
    )  # fmt: skip


def mixed_plane() -> Problem:
    """Manufactured; all kinds of conditions on a rectangle."""

    def exact(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return exp(-t) * sin(x + 2 * y + t)

    def slope(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return exp(-t) * cos(x + 2 * y + t)

    def equation(u: Any, x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return u.t - 0.1 * (u.xx + u.yy) - slope(x, y, t) + 0.5 * exact(x, y, t)

    return Problem(
        "xyt", "u", Rectangle(x=(0, 1), y=(0, 2)), [equation],
        [
            Initial(exact),
            Neumann("left", lambda x, y, t: -slope(x, y, t)),
            Robin("right", 2.0, lambda x, y, t: slope(x, y, t) + 2 * exact(x, y, t)),
            Robin(
                "bottom", lambda t: 1 + t,
                lambda x, y, t: -2 * slope(x, y, t) + (1 + t) * exact(x, y, t),
            ),
            Dirichlet("top", exact),
        ],
        time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip


def disk(kind: str) -> Problem:
    """Manufactured, on a boundary that is curved."""

    def exact(x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        return exp(-t) * cos(x) * exp(y / 2)

    def robin(u: Any, x: Tensor, y: Tensor, t: Tensor, nx: Tensor, ny: Tensor) -> Tensor:
        flux = exp(y / 2 - t) * (-sin(x) * nx + 0.5 * cos(x) * ny)
        return u.n + u - flux - exact(x, y, t)

    condition = Dirichlet("boundary", exact) if kind == "values" else Condition("boundary", robin)
    return Problem(
        "xyt", "u", Disk((0, 0), 1), [lambda u, x, y, t: u.t - u.xx - u.yy + exact(x, y, t) / 4],
        [Initial(exact), condition], time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip


def explosion(slope: float, diffusion: float) -> Problem:
    """u_t = u^2 + diffusion u_xx from u = 1 - slope x, which is infinite at x = 0 and t = 1."""
    return Problem(
        "xt", "u", Interval(0, 1), [lambda u: u.t - u**2 - diffusion * u.xx],
        [Initial(lambda x: 1 - slope * x), *([Neumann("boundary")] if diffusion else [])],
        time=(0, 2),
    )  # fmt: skip


# the tolerance

LINES = {
    name: getattr(evolving, name)
    for name in (
        "heat", "advection", "inflow", "wave", "schroedinger", "constrained", "korteweg", "beam",
        "cooling", "robin", "sine_gordon",
    )
} | {"burgers": partial(burgers, 0.05)}  # fmt: skip


@pytest.mark.parametrize("rtol", [1e-4, 1e-6])
@pytest.mark.parametrize("name", LINES)
def test_the_tolerance_is_met_on_a_line(name, rtol):
    problem = LINES[name]()
    state, outcome = solved(problem, rtol, max_units=120)
    true, stated = error(problem, state), max(state.estimated_error.values())
    assert outcome.status == "converged"
    assert true <= rtol
    assert stated <= rtol
    # An estimate that is far too small would be luck; one far too large waste.
    assert true / 5 < stated < 1e3 * true


PLANES = {
    "rectangle": mixed_plane,
    "neumann": evolving.heat_2d,
    "disk, values": partial(disk, "values"),
    "disk, Robin": partial(disk, "Robin"),
}


@pytest.mark.parametrize("rtol", [1e-3, 1e-5])
@pytest.mark.parametrize("name", PLANES)
def test_the_tolerance_is_met_in_the_plane(name, rtol):
    problem = PLANES[name]()
    state, outcome = solved(problem, rtol)
    true = error(problem, state)
    assert outcome.status == "converged"
    assert true <= rtol
    assert max(state.estimated_error.values()) > true / 5
    assert state.network.n_units < 1000


def test_heat_in_a_box():
    """Three dimensions: modes are products, and the margin costs nothing."""

    def exact(x: Tensor, y: Tensor, z: Tensor, t: Tensor) -> Tensor:
        return exp(-0.3 * pi**2 * t) * sin(pi * x) * sin(pi * y) * sin(pi * z)

    problem = Problem(
        "xyzt", "u", Box(((0, 1), (0, 1), (0, 1))),
        [lambda u: u.t - 0.1 * (u.xx + u.yy + u.zz)],
        [Initial(lambda x, y, z: exact(x, y, z, torch.zeros_like(x))), Dirichlet("boundary")],
        time=(0, 1), reference=Exact({"u": exact}),
    )  # fmt: skip
    journey = march(problem, aim=1e-2, density=1.5)
    assert journey.units > 1000
    assert journey.segments[0].values.shape[2] == journey.segments[0].network.n_units + 1
    network = _network(journey, 3)
    assert max(measure(problem, network).relative_l2.values()) < 1e-3
    with pytest.raises(TooManyUnits):
        march(problem, aim=1e-2, density=1.5, units=1000)
    with pytest.raises(TooManyUnits):
        march(problem, aim=1e-2, density=1.5, max_units=100)


def wave(x: Tensor, t: Tensor) -> Tensor:
    return exp(-t) * sin(2 * x + t)


def slope(x: Tensor, t: Tensor) -> Tensor:
    return 2 * exp(-t) * cos(2 * x + t)


def test_an_unknown_without_a_rate_is_as_exact_as_the_others():
    """A flux as an unknown of its own: u_t = v_x + f, v = u_x."""
    problem = Problem(
        "xt", "uv", Interval(0, 1),
        [
            lambda u, v, x, t: u.t - v.x - 3 * wave(x, t) - slope(x, t) / 2,
            lambda u, v: v - u.x,
        ],
        [Initial(wave, "u"), Dirichlet("boundary", wave, "u")], time=(0, 1),
        reference=Exact({"u": wave, "v": slope}),
    )  # fmt: skip
    state, outcome = solved(problem, 1e-5)
    assert outcome.status == "converged"
    assert error(problem, state) <= 1e-5


def test_the_error_of_an_unknown_without_a_rate_is_seen():
    """A potential: u_t = u_xx + f in long steps, w_xx = g that changes faster."""

    def fast(x: Tensor, t: Tensor) -> Tensor:
        return sin(2 * x + 12 * t)

    problem = Problem(
        "xt", "uw", Interval(0, 1),
        [
            lambda u, x, t: u.t - u.xx - 3 * wave(x, t) - slope(x, t) / 2,
            lambda w, x, t: w.xx + 4 * fast(x, t),
        ],
        [
            Initial(wave, "u"),
            Dirichlet("boundary", wave, "u"), Dirichlet("boundary", fast, "w"),
        ],
        time=(0, 1), reference=Exact({"u": wave, "w": fast}),
    )  # fmt: skip
    state, outcome = solved(problem, 1e-4)
    assert outcome.status == "converged"
    assert error(problem, state) <= 1e-4


def test_a_condition_on_the_rate_leaves_the_initial_values():
    """A boundary that stores heat: u_t + u_n = g."""

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return exp(-t) * cos(2 * x)

    def stored(u: Any, x: Tensor, t: Tensor) -> Tensor:
        return u.t + u.n + exact(x, t)

    problem = Problem(
        "xt", "u", Interval(0, 1), [lambda u, x, t: u.t - u.xx - 3 * exact(x, t)],
        [Initial(exact), Condition("left", stored), Dirichlet("right", exact)], time=(0, 1),
        reference=Exact({"u": exact}),
    )  # fmt: skip
    state, outcome = solved(problem, 1e-5)
    assert outcome.status == "converged"
    assert error(problem, state) <= 1e-5


def test_data_that_do_not_agree_with_the_conditions():
    """Quenched from 1 to 0 at both ends: no smooth function does that, but a level comes near."""

    def series(x: Tensor, t: Tensor) -> Tensor:
        k = torch.arange(1, 400, 2, dtype=torch.float64)[:, None]
        return (4 / (pi * k) * sin(pi * k * x) * exp(-((pi * k) ** 2) * t)).sum(0)

    problem = replace(
        evolving.heat(), conditions=[Initial(1.0), Dirichlet("boundary")], time=(0, 0.1),
        reference=Exact({"u": series}),
    )  # fmt: skip
    state, outcome = solved(problem, 1e-3)
    assert outcome.status in ("converged", "stopped")
    assert error(problem, state) <= 1e-3


def test_flow_with_a_pressure():
    problem = evolving.vortex()
    state, outcome = solved(problem, 1e-2)
    assert outcome.status == "converged"
    assert error(problem, state) <= 1e-2


def test_levels_get_better():
    problem = evolving.heat()
    state, _ = solved(problem, 1e-8)
    known = [r.estimated_error for r in state.records if r.estimated_error is not None]
    assert len(known) >= 2
    assert known[-1] < known[0]
    assert [record.step for record in state.records] == list(range(1, len(state.records) + 1))
    residuals = [record.residual_rms for record in state.records]
    assert residuals[-1] < residuals[0]


def test_without_a_tolerance_it_goes_on_to_rounding():
    problem = evolving.cooling()
    state, outcome = run(TimeStepping(), setting(problem), State(), None)
    assert outcome.status == "converged"
    assert error(problem, state) < 1e-9


def test_a_time_that_does_not_begin_at_zero():
    """Far from zero and short: times are what matters, not their sizes."""

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return exp(-(pi**2) * (t - 100) * 1e3) * sin(pi * x)

    problem = Problem(
        "xt", "u", Interval(0, 1), [lambda u: u.t - 1e3 * u.xx],
        [Initial(lambda x: sin(pi * x)), Dirichlet("boundary")],
        time=(100, 100 + 1e-4), reference=Exact({"u": exact}),
    )  # fmt: skip
    state, _ = solved(problem, 1e-5)
    assert error(problem, state) <= 1e-5


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_size_of_the_unknown_does_not_matter(scale):
    problem = replace(
        evolving.heat(),
        conditions=[Initial(lambda x: scale * sin(pi * x)), Dirichlet("boundary")],
        reference=Exact({"u": lambda x, t: scale * exp(-(pi**2) * t) * sin(pi * x)}),
    )
    state, outcome = solved(problem, 1e-5)
    assert outcome.status == "converged"
    assert error(problem, state) <= 1e-5


@pytest.mark.parametrize("length", [1e-3, 1e3])
def test_the_size_of_the_domain_does_not_matter(length):
    problem = Problem(
        "xt", "u", Interval(0, length), [lambda u: u.t - length**2 * u.xx],
        [Initial(lambda x: sin(pi * x / length)), Dirichlet("boundary")], time=(0, 0.2),
        reference=Exact({"u": lambda x, t: exp(-(pi**2) * t) * sin(pi * x / length)}),
    )  # fmt: skip
    state, outcome = solved(problem, 1e-5)
    assert outcome.status == "converged"
    assert error(problem, state) <= 1e-5


# fronts


def test_a_travelling_front_is_followed():
    problem = front()
    state, outcome = solved(problem, 1e-4)
    network = state.network
    assert isinstance(network, Evolution)
    assert outcome.status == "converged"
    assert error(problem, state) < 1e-4
    assert network.n_units < 150
    # The closest units go with the front, which is at t / 2.
    assert len(network.segments) > 3
    for segment in network.segments:
        centres = segment.mu[:, 0]
        closest = float(centres[:-1][torch.diff(centres).argmin()])
        begins, ends = (0.5 * float(segment.times[i]) for i in (0, -1))
        assert begins - 0.15 < closest < ends + 0.15


def test_segments_follow_one_another():
    journey = march(front(), aim=1e-3, density=2.5)
    ends = [(float(s.times[0]), float(s.times[-1])) for s in journey.segments]
    assert ends[0][0] == 0.0
    assert ends[-1][1] == journey.reached == 2.0
    assert all(before[1] == after[0] for before, after in pairwise(ends))
    for segment in journey.segments:
        assert (torch.diff(segment.times) > 0).all()
        assert len(segment.values) == len(segment.times) - 1
    assert journey.steps == sum(len(s.times) - 1 for s in journey.segments)
    assert journey.stopped is None
    assert journey.largest <= 0.3e-3
    assert journey.rejected < journey.steps
    assert journey.error >= journey.largest


def test_a_step_that_outran_its_units_is_repeated():
    """A narrow source acts on what was zero: the first step already asks for other units."""
    width = 0.03
    problem = Problem(
        "xt", "u", Interval(-1, 1), [lambda u, x: u.t - exp(-((x / width) ** 2))],
        [Initial(0.0), Dirichlet("boundary")], time=(0, 1),
        reference=Exact({"u": lambda x, t: t * exp(-((x / width) ** 2))}),
    )  # fmt: skip
    found = March(problem, shape_of(problem), GMNMSpec(), plan(1e-4))
    begun: list[float] = []
    place = found._renewed

    def renewed(old: Any, segments: Any, t: float, *rest: Any) -> Any:
        begun.append(t)
        return place(old, segments, t, *rest)

    found._renewed = renewed
    journey = found.run()
    assert journey.rejected >= 1
    assert len(begun) > 1
    assert begun == sorted(begun)
    assert begun.count(0.0) >= 1  # from its start again
    last = journey.segments[-1]
    assert float(torch.diff(last.network.mu[:, 0].detach()).min()) < width
    state, _ = solved(problem, 1e-4)
    assert error(problem, state) < 1e-4


def test_units_spread_again_when_a_state_is_smooth():
    """A narrow bump that diffuses."""
    problem = Problem(
        "xt", "u", Interval(-1, 1), [lambda u: u.t - u.xx],
        [Initial(lambda x: exp(-((x / 0.03) ** 2))), Dirichlet("boundary")], time=(0, 0.5),
    )  # fmt: skip
    journey = march(problem)
    units = [segment.network.n_units for segment in journey.segments]
    assert len(units) > 1
    assert units[-1] < 0.7 * max(units)


# what does not go on


@pytest.mark.parametrize(
    ("slope", "diffusion"), [(0.2, 0.0), pytest.param(0.0, 1.0, marks=pytest.mark.slow)]
)
def test_a_solution_that_ceases_to_exist_is_kept_up_to_there(slope, diffusion):
    state, outcome = solved(explosion(slope, diffusion), 1e-3)
    network = state.network
    assert isinstance(network, Evolution)
    assert outcome.status == "stopped"
    assert "t = 0.9" in outcome.reason or "t = 1" in outcome.reason
    assert "cease to exist" in outcome.reason
    assert 0.97 < network.reached < 1.001
    t = torch.linspace(0, 0.95, 20, dtype=torch.float64)
    for x in (0.0, 0.3, 1.0):
        with torch.no_grad():
            values = network(torch.stack([torch.full_like(t, x), t], 1))[:, 0]
            after = network(torch.tensor([[x, 1.01]]).double())
        start = 1 - slope * x
        assert (values * (1 / start - t) - 1).abs().max() < 2e-3
        assert after.isnan().all()


def test_too_many_units():
    with pytest.raises(TooManyUnits) as caught:
        march(front(), max_units=20)
    assert caught.value.needed > 20


def test_the_first_level_may_need_too_many_units():
    state, outcome = solved(front(), 1e-4, max_units=20)
    assert outcome.status == "failed"
    assert "more than the 20 allowed" in outcome.reason
    assert state.network is None
    assert state.records == ()


def test_a_later_level_may_need_too_many_units():
    problem = evolving.burgers()
    state, outcome = solved(problem, 1e-9, max_units=45)
    assert outcome.status == "stopped"
    assert "more than the 45 allowed" in outcome.reason
    assert state.network.n_units <= 45
    assert error(problem, state) < 1e-3


def test_units_asked_for_are_a_limit():
    state, _ = solved(evolving.burgers(), 1e-9, network=GMNMSpec(units=45))
    assert state.network.n_units <= 45


def test_a_level_ends_at_the_time_limit():
    what = setting(front(), rtol=1e-8, time_limit=0.3)
    state, outcome = run(TimeStepping(), what, State(), None)
    assert outcome.status in ("stopped", "failed")
    assert "time limit" in outcome.reason
    if state.network is not None:
        assert state.network.reached <= 2.0


def test_no_step_begins_after_the_deadline():
    journey = march(evolving.heat(), deadline=0.0)
    assert journey.stopped == "the time limit"
    assert (journey.steps, journey.segments, journey.reached) == (0, (), 0.0)


def test_a_march_that_will_be_late_ends_early(monkeypatch):
    """Every look at the clock is a second, and so is a step."""
    steps = march(front(), aim=1e-3, density=2.5).steps
    ticks = count()
    monkeypatch.setattr("gmnm_pde.evolution.march.clock.perf_counter", lambda: float(next(ticks)))
    pace = tuple(np.linspace(0.0, 2.0, 101)[1:])

    def late(seconds: float, pace: tuple[float, ...]) -> Journey:
        begun = next(ticks)
        what = replace(plan(1e-3, 2.5, deadline=begun + seconds), pace=pace)
        return March(front(), shape_of(front()), GMNMSpec(), what).run()

    enough = late(2.0 * steps + 20, pace)
    assert enough.stopped is None
    slow = late(0.3 * steps, pace)
    assert slow.stopped == "the time limit"
    # Without a pace it goes on up to the deadline, and is not done then either.
    until = late(0.3 * steps, ())
    assert until.stopped == "the time limit"
    assert 0 < slow.steps < until.steps
    assert slow.reached >= 0.1 * 2.0


@pytest.mark.parametrize(
    ("error", "elapsed", "reason"),
    [
        (5e-9, 12.0, "more than half as long"),
        (5e-9, 30.0, None),
        (5e-8, 12.0, None),
        (5e-8, 3.0, "longer than all before"),
        (5e-6, 3.0, None),
    ],
)
def test_levels_have_to_be_the_cheaper_the_less_is_left(monkeypatch, error, elapsed, reason):
    """The last one took 5 s, so that the next one takes about 10."""
    monkeypatch.setattr(patience, "PATIENT_SECONDS", 3.0)
    problem, method = evolving.heat(), TimeStepping()
    state = method.start(setting(problem), None)
    started = clock.perf_counter() - elapsed
    what = setting(problem, started=started)
    memory = replace(state.memory, best=error, seconds=5.0)
    found = method.decide(what, replace(state, memory=memory))
    assert (found is None) == (reason is None)
    if reason is not None:
        assert found.status == "converged"
        assert reason in found.reason
    # A tolerance is a tolerance.
    asked = setting(problem, started=started, rtol=1e-9)
    assert method.decide(asked, replace(state, memory=memory)) is None


def test_levels_that_take_ever_longer_are_expected_to_go_on_so(monkeypatch):
    """They took 1, 2 and 10 s: the next one will take twice as long as closer units explain."""
    monkeypatch.setattr(patience, "PATIENT_SECONDS", 3.0)
    problem, method = evolving.heat(), TimeStepping()
    state = method.start(setting(problem), None)
    records = tuple(Record(1, 9, 9, 9, 0.0, 0.0, None, seconds) for seconds in (1.0, 3.0, 13.0))
    memory = replace(state.memory, best=5e-8, seconds=10.0)
    what = setting(problem, started=clock.perf_counter() - 25.0)
    assert method.decide(what, replace(state, memory=memory)) is None
    found = method.decide(what, replace(state, memory=memory, records=records))
    assert found is not None
    assert "longer than all before" in found.reason


def test_units_at_first_are_close_at_a_kink_only():
    """x^2 cos(pi x) with periodic conditions that its slope does not satisfy: what is missed around
    the ends goes with what is missed there."""
    problem = Problem(
        "xt", "u", Interval(-1, 1), [lambda u: u.t - 1e-4 * u.xx - 5 * u + 5 * u**3],
        [Initial(lambda x: x**2 * cos(pi * x)), Periodic("x")], time=(0, 1),
    )  # fmt: skip
    found = March(problem, shape_of(problem), GMNMSpec(), plan(1e-8, 6.0))
    ground, _, _ = found._first()
    centres = ground.network.mu[:, 0].detach()
    assert ground.network.n_units < 260
    assert float(torch.diff(centres).min()) < 1e-4
    assert float(torch.diff(centres[centres.abs() < 0.5]).min()) > 1e-2


def test_a_monitor_sees_every_level_once():
    seen: list[int] = []
    run(
        TimeStepping(), setting(evolving.burgers(), rtol=1e-9, max_units=45), State(),
        lambda record: seen.append(record.step),
    )  # fmt: skip
    assert seen == list(range(1, len(seen) + 1))
    run(
        TimeStepping(), setting(front(), rtol=1e-4, max_units=20), State(),
        lambda record: pytest.fail("there was no level"),
    )  # fmt: skip


def test_an_estimate_is_not_that_of_another_network():
    """Variable projection begins anew, with units in space and time."""
    what = setting(evolving.heat(), rtol=1e-3, network=GMNMSpec(units=12))
    left, outcome = run(TimeStepping(), replace(what, network=GMNMSpec()), State(), None)
    assert outcome.status == "converged"
    state, outcome = run(VariableProjection(iterations=2), what, left, None)
    assert not isinstance(state.network, Evolution)
    assert left.estimated_error["u"] < 1e-3
    assert state.estimated_error.get("u", 1.0) > 5e-3  # its own, or none
    assert outcome.status != "converged"


def test_a_problem_without_time_is_refused():
    with pytest.raises(InputError, match="needs a problem with time") as caught:
        run(TimeStepping(), setting(evolving.bratu()), State(), None)
    assert "least_squares" in str(caught.value.mend)


def test_residuals_are_measured_where_no_step_was():
    problem = evolving.advection()
    state, _ = solved(problem, 1e-5)
    rows = checked(problem, state.network, 5)
    assert [block.kind for block, _ in rows] == ["equation", "condition"]
    times = rows[0][0].points[:, -1]
    steps = torch.cat([segment.times for segment in state.network.segments])
    assert not torch.isin(times, steps).any()
    for block, row in rows:
        assert row.shape == (len(block.points),)
        assert row.square().mean().sqrt() < 1e-2


def test_a_solve_repeats_itself_bitwise():
    first, second = (solved(evolving.burgers(), 1e-4)[0].network for _ in range(2))
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
