"""Standard errors, correlations, what is not determined, and the smoothing that data ask for."""

from __future__ import annotations

import math

import pytest
import torch

from gmnm_pde.geometry import Interval
from gmnm_pde.linearised import Block
from gmnm_pde.methods.measured import noise_weights
from gmnm_pde.methods.smoothing import STRENGTHS, Trial, chosen, smoothing_blocks
from gmnm_pde.methods.uncertainty import Statistics, correlations, covariance_of, undetermined
from gmnm_pde.methods.weights import System


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def line_fit(seed=0, n=30, noise=0.1):
    """y = a + b x by least squares: rows, residual at the minimum, x."""
    x = torch.linspace(-1, 2, n, dtype=torch.float64)
    rows = torch.stack([torch.ones_like(x), x], 1)
    y = 1.0 + 2.0 * x + noise * drawn(seed, n)
    found = torch.linalg.lstsq(rows, y[:, None]).solution[:, 0]
    return rows, rows @ found - y, x


def test_the_covariance_is_that_of_a_linear_regression():
    """var b = s^2 / sum (x - mean)^2, var a = s^2 (1/n + mean^2 / sum), by hand."""
    rows, residual, x = line_fit()
    n, mean = len(x), float(x.mean())
    spread = float((x - mean).square().sum())
    s2 = float(residual.square().sum()) / (n - 2)
    data = torch.ones(n, dtype=torch.bool)
    found = Statistics.of(System(rows, residual, (n,)), residual, data)
    assert found.variance == pytest.approx(s2, rel=1e-9)
    assert found.freedom == pytest.approx(2.0, rel=1e-9)
    matrix = covariance_of(found.information(2), found.variance)
    assert float(matrix[1, 1]) == pytest.approx(s2 / spread, rel=1e-9)
    assert float(matrix[0, 0]) == pytest.approx(s2 * (1 / n + mean**2 / spread), rel=1e-9)
    assert float(matrix[0, 1]) == pytest.approx(-s2 * mean / spread, rel=1e-9)
    expected = -mean / math.sqrt(spread / n + mean**2)
    assert correlations("ab", matrix)["a, b"] == pytest.approx(expected, rel=1e-9)
    # The fitted line has the standard deviation of its two parameters at any x.
    at = torch.tensor([[1.0, 0.7]], dtype=torch.float64)
    by_hand = s2 * (1 / n + (0.7 - mean) ** 2 / spread)
    assert float(found.deviation(at)) == pytest.approx(math.sqrt(by_hand), rel=1e-9)


def test_a_noise_that_is_given_counts():
    rows, residual, _ = line_fit()
    data = torch.ones(len(rows), dtype=torch.bool)
    system = System(rows, residual, (len(rows),))
    assert Statistics.of(system, residual, data, 0.04).variance == 0.04


def test_rows_that_are_no_measurements_leave_more_of_them_for_the_noise():
    """A row that fixes b almost exactly: one parameter is left for the measurements."""
    rows, _, x = line_fit()
    slope = torch.tensor([[0.0, 1e5]], dtype=torch.float64)
    every = torch.cat([rows, slope])
    y = torch.cat([1.0 + 2.0 * x + 0.1 * drawn(0, len(x)), slope.new_tensor([2e5])])
    residual = every @ torch.linalg.lstsq(every, y[:, None]).solution[:, 0] - y
    data = torch.tensor([True] * len(x) + [False])
    found = Statistics.of(System(every, residual, (len(x), 1)), residual, data)
    assert found.freedom == pytest.approx(1.0, abs=1e-6)
    assert found.measurements == len(x)


def test_a_direction_without_information_is_named_and_the_other_is_not():
    """Only a + b is seen: J has two equal columns."""
    seen = drawn(1, 40, 1)
    factor = torch.cat([seen, seen], 1)
    (note,) = undetermined(("a", "b"), factor, 0.01)
    assert "do not determine a and b separately" in note
    assert "+0.71 a -0.71 b" in note
    matrix = covariance_of(factor, 0.01)
    assert float(matrix[0, 0]) > 1.0
    assert correlations(("a", "b"), matrix)["a, b"] == pytest.approx(-1.0, abs=1e-6)
    # The sum is as well known as one parameter alone would be.
    total = torch.ones(2, dtype=torch.float64)
    small = float((torch.linalg.svd(factor)[2][0] @ total).square()) / (
        float(torch.linalg.svdvals(factor)[0]) ** 2
    )
    assert small < 0.1
    assert undetermined(("a", "b"), drawn(2, 40, 2), 0.01) == ()
    lone = torch.cat([seen, torch.zeros_like(seen)], 1)
    assert undetermined(("a", "b"), lone, 0.01) == ("The data do not determine b.",)


def blocks_of(*sizes):
    """Measurements of u and v, so many each."""
    return [
        Block("data", f"data of {name}", lambda jet: jet, torch.zeros(n, 1), torch.full((n,), 0.5))
        for name, n in zip("uv", sizes, strict=True)
    ]


def test_unequal_noise_is_weighted_and_equal_noise_is_not():
    blocks, leverages = blocks_of(50, 50), torch.zeros(100)
    sizes = {"data of u": 1.0, "data of v": 1.0}
    rows = [0.5 * 0.01 * drawn(1, 50), 0.5 * 0.1 * drawn(2, 50)]
    weights = noise_weights(blocks, rows, leverages, sizes, {})
    assert weights["data of u"] == 1.0
    assert weights["data of v"] == pytest.approx(0.1, rel=0.3)
    alike = [rows[0], 1.2 * rows[0]]
    assert noise_weights(blocks, alike, leverages, sizes, {}) == {}


def test_an_unknown_that_follows_its_measurements_does_not_silence_the_others():
    blocks, sizes = blocks_of(50, 10), {"data of u": 1.0, "data of v": 1.0}
    rows = [0.5 * 0.01 * drawn(1, 50), 1e-14 * drawn(2, 10)]
    weights = noise_weights(blocks, rows, torch.zeros(60), sizes, {})
    assert weights["data of u"] == pytest.approx(0.1, rel=0.3)
    # Eight of ten measurements of v are spent on it: its noise is more than what is left of it.
    rows = [torch.full((50,), 0.01).double(), torch.full((10,), 0.01).double()]
    spent = torch.cat([torch.zeros(50), torch.full((10,), 0.8)])
    weights = noise_weights(blocks, rows, spent, sizes, {})
    assert weights["data of v"] == pytest.approx(math.sqrt(0.2))


def test_smoothing_is_the_largest_that_leaves_no_more_than_the_noise():
    misfits = {strength: 3.0 * strength for strength in STRENGTHS}
    found = chosen(lambda s: Trial(s, 1.0, misfits[s]))
    assert found == max(s for s in STRENGTHS if misfits[s] <= 1.0)


def test_smoothing_without_a_known_noise_is_the_minimum_of_the_score():
    tried = []

    def trial(strength):
        tried.append(strength)
        return Trial(strength, abs(math.log10(strength / 0.01)))

    assert chosen(trial) == pytest.approx(0.01)
    assert len(tried) < len(STRENGTHS)
    assert chosen(lambda s: Trial(s, s)) == STRENGTHS[-1]


def test_smoothing_is_in_widths_of_the_domain():
    """A field of slope 1/width has rows of norm one, whatever the width."""
    for width in (1.0, 50.0):
        (block,) = smoothing_blocks(Interval(0, width), ["k"], 1.0)
        rows = block.weights / width
        assert float(rows.square().sum()) == pytest.approx(1.0)
