"""Steps in time: the Radau tableau, what a step does with it, and the error it states."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from evolution_parts import FakeSystem, evenly, make_system
from evolving import burgers
from torch import Tensor

from gmnm_pde.evolution.radau import Tableau, radau_nodes, tableau
from gmnm_pde.evolution.stepping import Step, Stepper, next_length

STAGES = [3, 5, 7]


@pytest.fixture(params=STAGES)
def tab(request: pytest.FixtureRequest) -> Tableau:
    return tableau(request.param)


# the tableau


def test_nodes_ascend_to_one(tab):
    nodes = tab.nodes.tolist()
    assert nodes == sorted(nodes)
    assert nodes[0] > 0
    assert nodes[-1] == 1.0
    assert tab.stages == len(nodes) == len(tab.A)


def test_nodes_of_three_stages_are_those_of_the_book():
    root = math.sqrt(6)
    expected = [(4 - root) / 10, (4 + root) / 10, 1.0]
    np.testing.assert_allclose(radau_nodes(3), expected, atol=1e-15)


def test_every_stage_integrates_polynomials(tab):
    """Stage order s: sum_k A_ik tau_k^p = tau_i^(p + 1) / (p + 1) for p < s, for no higher p."""
    for p in range(tab.stages + 1):
        missed = (tab.A @ tab.nodes**p - tab.nodes ** (p + 1) / (p + 1)).abs().max()
        assert (missed < 1e-14) == (p < tab.stages)


def test_the_end_is_integrated_to_twice_the_order(tab):
    """Order 2s - 1: the last row integrates x^p exactly for p < 2s - 1, for no higher p."""
    for p in range(2 * tab.stages):
        missed = abs(float(tab.A[-1] @ tab.nodes**p) - 1 / (p + 1))
        assert (missed < 1e-14) == (p < 2 * tab.stages - 1)


def test_eigenvectors_reproduce_the_matrix(tab):
    """A is the real part of the sums of lambda v w' over the one and twice over the others."""
    real, pairs = tab.parts
    # One of every conjugate pair and the real one are enough.
    assert (len(real.values), len(pairs.values)) == (1, tab.stages // 2)
    assert real.values > 0
    assert (pairs.values.imag > 0).all()
    total = (real.vectors * real.values) @ real.inverse
    total = total + 2 * ((pairs.vectors * pairs.values) @ pairs.inverse).real
    torch.testing.assert_close(total, tab.A, rtol=0, atol=1e-13)


def test_it_is_stable_at_infinity(tab):
    """|R(z)| <= 1 to the left of the imaginary axis, and R(infinity) = 0."""

    def amplified(z: complex) -> float:
        eye = np.eye(tab.stages)
        return abs(np.linalg.solve(eye - z * tab.A.numpy(), np.ones(tab.stages))[-1])

    left = [complex(-x, y) for x in (0.0, 0.1, 1.0, 30.0) for y in np.linspace(0.0, 40.0, 81)]
    assert max(amplified(z) for z in left) < 1 + 1e-12
    assert amplified(-1e9) < 1e-6
    assert amplified(1e9j) < 1e-6


def test_the_constant_is_that_of_a_known_defect(tab):
    """y' = prod(tau - tau_i) is integrated to zero: all of y is error, all of y' defect."""
    defect = np.polynomial.Polynomial.fromroots(tab.nodes.numpy())
    error = defect.integ(lbnd=0.0)
    largest = np.abs(error(np.linspace(0, 1, 1001))).max()
    assert tab.constant == pytest.approx(largest / abs(defect(tab.check)), rel=1e-3)
    assert 0 < tab.check < 1
    # Far from the nodes, where the defect vanishes.
    assert np.abs(tab.nodes.numpy() - tab.check).min() > 0.3 / tab.stages**2


@pytest.mark.parametrize("stages", [2, 4])
def test_an_even_number_of_stages_is_refused(stages):
    with pytest.raises(ValueError, match="odd"):
        tableau(stages)


# steps of ordinary differential equations


@dataclass(frozen=True)
class Known:
    """F(t, y, y', y'') = 0 and its solution y(t), a list."""

    function: Callable[..., Tensor]
    exact: Callable[[float], list[float]]
    order: int = 1

    def state(self, t: float) -> Tensor:
        """(rates, 1, modes), the rate by differences."""

        def value(time: float) -> Tensor:
            return torch.tensor(self.exact(time), dtype=torch.float64)

        h, state = 1e-3, torch.zeros(3, 1, len(self.exact(0.0)), dtype=torch.float64)
        state[0, 0] = value(t)
        if self.order == 2:
            near, far = value(t + h) - value(t - h), value(t + 2 * h) - value(t - 2 * h)
            state[1, 0] = (8 * near - far) / (12 * h)
        return state

    def system(self) -> FakeSystem:
        return FakeSystem(self.function, self.order, modes=len(self.exact(0.0)))


TURN = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
KNOWN = {
    "decay": Known(lambda t, y, v, a: v + 2 * y, lambda t: [math.exp(-2 * t)]),
    "rotation": Known(lambda t, y, v, a: v - TURN @ y, lambda t: [math.cos(t), -math.sin(t)]),
    "logistic": Known(
        lambda t, y, v, a: v - y * (1 - y), lambda t: [1 / (1 + 4 * math.exp(-t))]
    ),
    "forced": Known(lambda t, y, v, a: v + y**2 * math.cos(t), lambda t: [1 / (1 + math.sin(t))]),
    "spring": Known(lambda t, y, v, a: a + 4 * y, lambda t: [math.cos(2 * t)], order=2),
    # From the bottom with just the speed that reaches the top.
    "pendulum": Known(
        lambda t, y, v, a: a + torch.sin(y), lambda t: [2 * math.atan(math.sinh(t))], order=2
    ),
}  # fmt: skip


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stepper(system: Any, stages: int, tolerance: float = 1e-13, size: float = 1.0) -> Stepper:
    scale = torch.full((system.unknowns,), size, dtype=torch.float64)
    return Stepper(system, tableau(stages), tolerance, scale)


def steps(of: Stepper, state: Tensor, t: float, end: float, count: int) -> list[Step]:
    """Equal steps from t to the end."""
    h, found, before = (end - t) / count, [], None
    for i in range(count):
        before = of.step(t + i * h, state, h, before, known=before is not None)
        assert before is not None
        state = before.end
        found.append(before)
    return found


def observed_order(counts: Sequence[int], errors: Sequence[float]) -> float:
    return -float(np.polyfit(np.log(counts), np.log(errors), 1)[0])


RATES = [
    *[(name, 3, (8, 12, 16, 24)) for name in ("decay", "rotation", "forced", "spring", "pendulum")],
    *[(name, 5, (4, 5, 6, 8)) for name in ("decay", "rotation", "logistic", "forced", "spring")],
    *[(name, 7, (2, 3, 4)) for name in ("decay", "rotation", "spring")],
]


@pytest.mark.parametrize(("name", "stages", "counts"), RATES)
def test_the_end_of_steps_has_order_2s_minus_1(name, stages, counts):
    known, errors, end = KNOWN[name], [], 3.0
    for count in counts:
        last = steps(stepper(known.system(), stages), known.state(0.0), 0.0, end, count)[-1]
        errors.append(float((last.end - known.state(end))[0].abs().max()))
    assert errors[0] < 1e-3
    assert abs(observed_order(counts, errors) - (2 * stages - 1)) < 0.7


def worst_inside(known: Known, tab: Tableau, step: Step) -> float:
    """The largest error of the polynomial of a step."""
    nodes = np.concatenate([[0.0], tab.nodes.numpy()])
    fine = np.linspace(0, 1, 41)
    basis = [
        np.prod([(fine - b) / (a - b) for b in np.delete(nodes, i)], axis=0)
        for i, a in enumerate(nodes)
    ]
    inside = np.stack(basis, 1) @ step.values[:, 0].numpy()
    exact = np.array([known.exact(step.start + step.length * x) for x in fine])
    return float(np.linalg.norm(inside - exact, axis=1).max())


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("h", [0.2, 0.4])
def test_the_error_that_a_step_states_is_that_inside_the_step(name, h, tab):
    known = KNOWN[name]
    stated: list[float] = []
    true: list[float] = []
    for t in np.linspace(0.0, 2.0, 9):
        step = stepper(known.system(), tab.stages, size=0.5).step(t, known.state(t), h, None)
        assert step is not None
        stated.append(step.error * 0.5)
        true.append(worst_inside(known, tab, step))
        if true[-1] > 1e-12:
            assert true[-1] / 50 < stated[-1] < 100 * true[-1]
    assert sum(true) > 1e-12 or tab.stages == 7
    assert 0.5 * sum(true) < sum(stated) + 1e-12 < 3 * sum(true) + 1e-12


def test_the_interpolant_has_order_s_plus_1(tab):
    known, lengths = KNOWN["rotation"], np.array([0.5, 0.7, 1.0])
    errors = []
    for h in lengths:
        step = stepper(known.system(), tab.stages).step(0.0, known.state(0.0), h, None)
        errors.append(worst_inside(known, tab, step))
    assert np.polyfit(np.log(lengths), np.log(errors), 1)[0] > tab.stages + 0.8


def test_a_stiff_decay_is_taken_in_one_step(tab):
    """y' = -k (y - cos t) - sin t from beside its solution, k h = 10^7."""
    k = 1e8
    system = FakeSystem(lambda t, y, v, a: v + k * (y - math.cos(t)) + math.sin(t))
    state = torch.zeros(3, 1, 1, dtype=torch.float64)
    state[0] = 2.0
    step = stepper(system, tab.stages, tolerance=1e-10).step(0.0, state, 0.1, None)
    assert step is not None
    assert abs(float(step.end[0]) - math.cos(0.1)) < 1e-6


def without_rate() -> FakeSystem:
    """0 = y^3 - e^t."""
    return FakeSystem(lambda t, y, v, a: y**3 - math.exp(t), order=0)


def test_an_unknown_without_a_rate_is_solved_for_at_every_node(tab):
    """It needs no initial value."""
    state = torch.full((3, 1, 1), 1.02, dtype=torch.float64)
    step = stepper(without_rate(), tab.stages).step(0.0, state, 0.1, None)
    assert step is not None
    exact = [math.exp(0.1 * tau / 3) for tau in tab.nodes.tolist()]
    assert step.values[1:].flatten().tolist() == pytest.approx(exact, rel=1e-12)


def test_an_unknown_without_a_rate_starts_where_it_ended(tab):
    state = torch.ones(3, 1, 1, dtype=torch.float64)
    first, second = steps(stepper(without_rate(), tab.stages), state, 0.0, 0.06, 2)
    assert float(second.values[0]) == pytest.approx(float(first.end[0]), rel=1e-13)


def test_derivatives_are_kept_where_nothing_changes():
    system = KNOWN["decay"].system()
    steps(stepper(system, 5), KNOWN["decay"].state(0.0), 0.0, 1.0, 20)
    assert len(system.calls) == 1


def test_derivatives_are_renewed_where_newton_slows_down():
    known = KNOWN["forced"]
    system = known.system()
    of = stepper(system, 3)
    found = steps(of, known.state(0.0), 0.0, 4.0, 24)
    assert 1 < len(system.calls) < 24
    assert all(step.iterations <= 12 for step in found)


def test_a_step_that_has_no_solution_is_given_up():
    """y' = 1 + y^2 has a pole at pi / 2."""
    system = FakeSystem(lambda t, y, v, a: v - 1 - y**2)
    state = torch.zeros(3, 1, 1, dtype=torch.float64)
    of = stepper(system, 3)
    assert of.step(0.0, state, 4.0, None) is None
    assert of.step(0.0, state, 0.2, None) is not None  # the failure leaves nothing behind


def test_a_residual_that_is_no_number_ends_a_step():
    system = FakeSystem(lambda t, y, v, a: v - torch.log(y))
    state = torch.zeros(3, 1, 1, dtype=torch.float64)
    state[0] = -1.0
    assert stepper(system, 3).step(0.0, state, 0.1, None) is None


def test_steps_are_guessed_by_the_step_before():
    """The polynomial goes on: hardly anything is left for Newton's method."""
    known = KNOWN["rotation"]

    def new() -> Stepper:
        return stepper(known.system(), 5, tolerance=1e-6)

    first = new().step(0.0, known.state(0.0), 0.05, None)
    assert first is not None
    again = new().step(0.05, first.end, 0.05, first)
    assert again is not None
    cold = new().step(0.05, first.end, 0.05, None)
    assert cold is not None
    assert again.iterations < cold.iterations
    torch.testing.assert_close(again.end[0], cold.end[0], rtol=0, atol=1e-8)


@pytest.mark.parametrize("longer", [1.5, 2.5])
def test_steps_are_guessed_by_a_longer_one_from_the_same_time(longer):
    """A step that was refused is not solved in vain."""
    known, h = KNOWN["pendulum"], 0.4

    def new() -> Stepper:
        return stepper(known.system(), 7, tolerance=1e-9)

    refused = new().step(0.0, known.state(0.0), longer * h, None)
    assert refused is not None
    again = new().step(0.0, known.state(0.0), h, refused)
    cold = new().step(0.0, known.state(0.0), h, None)
    assert again is not None
    assert cold is not None
    assert again.iterations < cold.iterations
    torch.testing.assert_close(again.end[0], cold.end[0], rtol=0, atol=1e-10)


def test_a_step_far_beyond_another_is_not_guessed_by_it():
    known = KNOWN["rotation"]
    of = stepper(known.system(), 5)
    first = of.step(0.0, known.state(0.0), 0.01, None)
    assert first is not None
    guess = of._guess(0.01, first.end, 0.1, first)
    assert torch.equal(guess, first.end[1].expand_as(guess))


@pytest.mark.parametrize("order", [1, 2])
def test_eigenvalues_solve_what_all_stages_say_at_once(tab, order):
    """Newton's equations sum_d G_d (h A)^(o - d) y = F, all stages coupled in one matrix."""
    M, L, D = (torch.randn(4, 4, generator=seeded(i)).double() for i in range(3))
    h, s = 0.3, tab.stages
    parts = [L, D, M][: order + 1] if order == 2 else [L, M]
    system = FakeSystem(
        lambda t, *rates: sum(part @ c for part, c in zip(parts, rates, strict=False)), order, 4
    )
    of = stepper(system, s)
    of._refresh(0.0, torch.zeros(3, 1, 4).double())
    F = torch.randn(s, 4, generator=seeded(4)).double()
    power = torch.linalg.matrix_power
    whole = sum(torch.kron(power(h * tab.A, order - d), part) for d, part in enumerate(parts))
    expected = torch.linalg.solve(whole, F.flatten()).reshape(s, 1, 4)
    torch.testing.assert_close(-of._solve(F, h), expected, rtol=1e-9, atol=1e-11)


def test_newton_stops_where_the_rest_is_small():
    """Sooner than at a correction that is small, and no less exact than is asked for."""
    known, tolerance = KNOWN["pendulum"], 1e-7
    exact = stepper(known.system(), 5, tolerance=1e-13).step(0.0, known.state(0.0), 0.5, None)
    found = stepper(known.system(), 5, tolerance=tolerance).step(0.0, known.state(0.0), 0.5, None)
    assert exact is not None
    assert found is not None
    missed = float((found.values - exact.values).norm(dim=2).max())
    assert missed < 0.05 * tolerance
    assert found.iterations < exact.iterations


def test_a_linear_system_is_solved_once_a_step():
    """The rate at which Newton's method converged is known from the steps before."""
    found = steps(stepper(KNOWN["rotation"].system(), 5), KNOWN["rotation"].state(0.0), 0, 1, 12)
    assert [step.iterations for step in found].count(1) > 6
    assert max(step.iterations for step in found) <= 3


# the choice of the next length


def test_the_next_length_follows_the_error():
    for stages in STAGES:
        # An error of 3 tolerances at order s + 1: shorter by its root, and a little for safety.
        h = next_length(1.0, 3e-6, 1e-6, stages)
        assert h == pytest.approx(0.85 * 3 ** (-1 / (stages + 1)))
        assert next_length(0.5, 3e-6, 1e-6, stages) == pytest.approx(0.5 * h)


@pytest.mark.parametrize(("error", "expected"), [(0.0, 4.0), (1e-30, 4.0), (1e30, 0.2)])
def test_the_next_length_is_bounded(error, expected):
    assert next_length(1.0, error, 1e-6, 3) == expected


def test_a_length_that_would_hardly_grow_stays():
    """So that the factors of the matrices stay."""
    lengths = [next_length(1.0, error, 1.0, 5) for error in np.geomspace(1e-4, 3.0, 60)]
    assert lengths == sorted(lengths, reverse=True)
    assert 1.0 in lengths
    assert not any(1.0 < length < 1.4 for length in lengths)
    # A step that was refused is always repeated with a shorter one.
    assert next_length(1.0, 1.0 + 1e-9, 1.0, 5) < 1.0


# steps of an equation in space and time


def test_steps_of_burgers_have_the_order_too():
    """nu = 0.1; against many steps on the same modes, so that only time is seen."""
    problem = burgers()
    counts, end = (6, 8, 12, 16), 0.6
    system = make_system(problem, evenly(problem.domain, 24), aim=1e-4)
    state = system.initial(0.0)
    size = float(state[0].norm())
    best = steps(stepper(system, 5, 1e-11, size), state, 0.0, end, 60)[-1].end
    errors = [
        float((steps(stepper(system, 3, 1e-11, size), state, 0.0, end, n)[-1].end - best)[0].norm())
        for n in counts
    ]
    assert observed_order(counts, errors) > 4.0
    assert errors[-1] < 1e-5 * size
