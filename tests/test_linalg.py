"""Rank-revealing least squares against numpy's singular value decomposition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from gmnm_pde import linalg
from gmnm_pde.linalg import RIDGE, damped_solve, factor, reflections


@pytest.fixture(autouse=True, params=["at once", "by panels"])
def columns(request, monkeypatch):
    """Columns are eliminated at once where there are few, and what holds then holds for panels."""
    if request.param == "by panels":
        monkeypatch.setattr(linalg, "MANY", 1)
        monkeypatch.setattr(linalg, "PANEL", 7)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def orthonormal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.linalg.qr(normal(rows, columns, seed=seed)).Q


def with_singular_values(rows: int, values: Tensor, seed: int = 0) -> Tensor:
    """(rows, len(values)), or (len(values), rows) transposed by the caller."""
    k = len(values)
    return orthonormal(rows, k, seed) @ torch.diag(values) @ orthonormal(k, k, seed + 1).T


def gaussians(rows: int = 60, units: int = 40, ratio: float = 3.0) -> Tensor:
    """What this is for: overlapping Gaussians, numerically far from full rank."""
    x = torch.linspace(-1, 1, rows, dtype=torch.float64)
    centres = torch.linspace(-1.5, 1.5, units, dtype=torch.float64)
    width = ratio * (centres[1] - centres[0])
    return torch.exp(-0.5 * ((x[:, None] - centres) / width) ** 2)


def solved(A: Tensor, b: Tensor, ridge: float = RIDGE) -> Tensor:
    return factor(A.clone(), b.clone()).solve(ridge)


def lstsq(A: Tensor, b: Tensor, rcond: float | None = None) -> Tensor:
    return torch.from_numpy(np.linalg.lstsq(A.numpy(), b.numpy(), rcond=rcond)[0])


def norm(A: Tensor, x: Tensor, b: Tensor) -> float:
    return (A @ x - b).norm().item()


WELL_CONDITIONED: dict[str, Callable[[], Tensor]] = {
    "tall": lambda: normal(50, 20, seed=1),
    "square": lambda: with_singular_values(20, torch.linspace(1, 3, 20, dtype=torch.float64)),
    "one more row than columns": lambda: with_singular_values(
        21, torch.linspace(1, 3, 20).double()
    ),
    "one column": lambda: normal(30, 1, seed=2),
    "more columns than a LAPACK block": lambda: normal(150, 70, seed=3),
}


@pytest.mark.parametrize("make", WELL_CONDITIONED.values(), ids=WELL_CONDITIONED)
def test_well_conditioned_problems_have_numpys_solution(make):
    A = make()
    b = normal(len(A), seed=4)
    expected = lstsq(A, b)
    factored = factor(A.clone(), b.clone())
    x = factored.solve()
    assert x.shape == (A.shape[1],)
    torch.testing.assert_close(x, expected, rtol=1e-11, atol=1e-11)
    assert factored.residual(x) == pytest.approx(norm(A, expected, b), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("span", [4, 8, 12])
def test_badly_scaled_columns_do_not_matter(span):
    """Each coefficient keeps its own relative accuracy."""
    A = normal(60, 25, seed=5)
    scale = 10.0 ** torch.linspace(-span, span, 25, dtype=torch.float64)
    x, b = solved(A * scale, normal(60, seed=6)), normal(60, seed=6)
    torch.testing.assert_close(x * scale, lstsq(A, b), rtol=1e-11, atol=1e-12)


def test_heavy_rows_do_not_spoil_the_light_ones():
    """Boundary rows weigh thousands of times more than those of the equation."""
    A, exact = normal(60, 25, seed=7), normal(25, seed=8)
    weight = torch.ones(60, 1, dtype=torch.float64)
    weight[:10] = 1e6
    A = weight * A
    torch.testing.assert_close(solved(A, A @ exact), exact, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("rank", [1, 5, 19])
def test_rank_deficient_problems_that_can_be_met(rank):
    """As exactly as by singular values, with coefficients as small up to a factor."""
    A = normal(50, rank, seed=9) @ normal(rank, 20, seed=10)
    b = A @ normal(20, seed=11)
    x = solved(A, b)
    assert norm(A, x, b) < 1e-13 * b.norm()
    assert x.norm() < 10 * lstsq(A, b, rcond=1e-12).norm()


@pytest.mark.parametrize("ridge", [1e-9, 1e-8, 1e-7])
@pytest.mark.parametrize("rank", [1, 5, 19])
def test_rank_deficient_problems_that_cannot_be_met_need_damping(rank, ridge):
    """The least damping amplifies rounding where the target is out of reach: with 1e-15 the
    coefficients are 1e13 here. Damping by the square root of rounding is what truncation does."""
    A = normal(50, rank, seed=9) @ normal(rank, 20, seed=10)
    b = normal(50, seed=11)
    expected = lstsq(A, b, rcond=1e-12)
    x = solved(A, b, ridge)
    assert norm(A, x, b) == pytest.approx(norm(A, expected, b), rel=1e-12)
    assert x.norm() < 1000 * b.norm()


@pytest.mark.parametrize("ratio", [1.5, 3.0, 6.0])
def test_overlapping_gaussians(ratio):
    """Condition numbers at and beyond rounding: as good as singular values cut at rounding."""
    A = gaussians(ratio=ratio)
    b = torch.sin(3 * torch.linspace(-1, 1, len(A), dtype=torch.float64))
    assert torch.linalg.cond(A) > 1e11
    expected = lstsq(A / A.norm(dim=0), b, rcond=1e-15) / A.norm(dim=0)
    x = solved(A, b)
    assert norm(A, x, b) < 3 * norm(A, expected, b)
    assert x.norm() < 30 * expected.norm()


def test_repeated_columns_share():
    column = normal(30, 1, seed=12)
    x = solved(column.repeat(1, 3), 6 * column[:, 0])
    assert x.sum().item() == pytest.approx(6, rel=1e-12)


@pytest.mark.parametrize("shape", [(10, 30), (29, 30), (1, 4)])
def test_wide_problems(shape):
    """Fewer rows than columns: every row is met, with about the least coefficients."""
    A, b = normal(*shape, seed=13), normal(shape[0], seed=14)
    x = solved(A, b)
    assert norm(A, x, b) < 1e-10 * b.norm()
    assert factor(A.clone(), b.clone()).residual(x) < 1e-10 * b.norm()
    assert x.norm() < 100 * lstsq(A, b).norm()


def test_columns_and_targets_of_zeros():
    A, b = normal(30, 10, seed=15), normal(30, seed=16)
    A[:, 3] = 0.0
    x = solved(A, b)
    assert x[3] == 0
    assert norm(A, x, b) == pytest.approx(norm(A, lstsq(A, b), b), rel=1e-12)
    assert not solved(A, torch.zeros(30, dtype=torch.float64)).any()
    assert not solved(torch.zeros_like(A), b).any()


def test_the_residual_of_any_coefficients():
    A, b = normal(40, 15, seed=17), normal(40, seed=18)
    factored = factor(A.clone(), b.clone())
    for seed in range(3):
        x = normal(15, seed=seed)
        assert factored.residual(x) == pytest.approx(norm(A, x, b), rel=1e-12)


def test_a_residual_is_of_least_squares():
    """Orthogonal to every column."""
    A, b = normal(40, 15, seed=19), normal(40, seed=20)
    assert (A.T @ (A @ solved(A, b) - b)).abs().max() < 1e-12


@pytest.mark.parametrize("ridge", [1e-12, 1e-6, 1e-2, 1.0, 100.0])
@pytest.mark.parametrize("rows", [60, 25, 10])
def test_damping_solves_the_augmented_problem(ridge, rows):
    """min |A x - b|^2 + ridge^2 |scale x|^2, scale being the norms of the columns."""
    A = normal(rows, 25, seed=21) * 10.0 ** torch.linspace(-3, 3, 25, dtype=torch.float64)
    b = normal(rows, seed=22)
    scale = A.norm(dim=0)
    augmented = torch.cat([A / scale, ridge * torch.eye(25, dtype=torch.float64)])
    expected = lstsq(augmented, torch.cat([b, b.new_zeros(25)]), rcond=0.0)
    x = solved(A, b, ridge)
    # A wide problem has a null space that only the damping decides on, by squares below rounding.
    if rows >= 25 or ridge > 1e-8:
        torch.testing.assert_close(x * scale, expected, rtol=1e-7, atol=1e-9)
    assert norm(A, x, b) == pytest.approx(norm(A / scale, expected, b), rel=1e-8, abs=1e-9)


def test_one_factorisation_serves_every_damping():
    A, b = gaussians(), normal(60, seed=23)
    factored = factor(A.clone(), b.clone())
    sizes, residuals = [], []
    for ridge in (1e-15, 1e-12, 1e-9, 1e-6, 1e-3):
        x = factored.solve(ridge)
        assert torch.equal(x, solved(A, b, ridge))
        sizes.append((factored.scale * x).norm().item())
        residuals.append(factored.residual(x))
    assert sizes == sorted(sizes, reverse=True)
    assert residuals == sorted(residuals)


def test_what_is_given_stays():
    A, b = normal(30, 10, seed=24), normal(30, seed=25)
    before, given = b.clone(), A.clone()
    factored = factor(A, b)
    assert torch.equal(b, before)
    assert torch.equal(A, given)
    torch.testing.assert_close(factored.scale, given.norm(dim=0))
    R, c = factored.R.clone(), factored.c.clone()
    factored.solve(1e-3)
    assert torch.equal(factored.R, R)
    assert torch.equal(factored.c, c)


# the triangular problem


def stacked(R: Tensor, c: Tensor, ridge: float) -> Tensor:
    k = len(c)
    rows = torch.cat([R, ridge * torch.eye(k, dtype=R.dtype)])
    return lstsq(rows.double(), torch.cat([c, c.new_zeros(k)]).double(), rcond=0.0)


@pytest.mark.parametrize("k", [1, 2, 31, 32, 33, 65])
@pytest.mark.parametrize("ridge", [1e-15, 1e-6, 0.1])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
def test_damped_triangular_solve(k, ridge, dtype):
    """For sizes around the blocks that factorisations work in."""
    R = torch.triu(normal(k, k, seed=26)) / k + 2 * torch.eye(k, dtype=torch.float64)
    c = normal(k, seed=27)
    R, c = R.to(dtype), c.to(dtype)
    x = damped_solve(R, c, ridge)
    assert x.dtype == dtype
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(x.double(), stacked(R, c, ridge), rtol=tolerance, atol=tolerance)


def test_single_precision_problems():
    A, b = normal(50, 20, seed=28), normal(50, seed=29)
    factored = factor(A.float(), b.float())
    x = factored.solve(1e-7)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.double(), lstsq(A, b), rtol=1e-4, atol=1e-5)
    assert factored.residual(x) == pytest.approx(norm(A, lstsq(A, b), b), rel=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("ratio", [1.5, 3.0])
def test_cuda_reaches_what_the_cpu_does(ratio):
    A = gaussians(ratio=ratio)
    b = torch.sin(3 * torch.linspace(-1, 1, len(A), dtype=torch.float64))
    x = factor(A.cuda(), b.cuda()).solve()
    assert x.device.type == "cuda"
    assert norm(A, x.cpu(), b) < 10 * norm(A, solved(A, b), b)
    assert x.norm().item() < 30 * solved(A, b).norm().item()


@pytest.mark.parametrize("make", WELL_CONDITIONED.values(), ids=WELL_CONDITIONED)
def test_one_factorisation_serves_many_right_hand_sides(make):
    A = make()
    kept = reflections(A.clone())
    for seed in (4, 5):
        b = normal(len(A), seed=seed)
        factored, expected = kept.against(b), factor(A.clone(), b)
        torch.testing.assert_close(factored.solve(), expected.solve(), rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(factored.solve(0.1), expected.solve(0.1), rtol=1e-11, atol=1e-11)
        assert factored.residual(expected.solve()) == pytest.approx(
            expected.residual(expected.solve()), rel=1e-10, abs=1e-12
        )


def test_a_correction_keeps_the_sum_small_and_not_itself():
    """min |A y - b|^2 + RIDGE^2 |scale (x + y)|^2: along what A does not see, y undoes x."""
    A = normal(30, 1, seed=12).repeat(1, 2)
    x = torch.tensor([5.0, -5.0], dtype=torch.float64)
    y = reflections(A.clone()).against(A[:, 0], x).solve()
    torch.testing.assert_close(x + y, torch.full((2,), 0.5, dtype=torch.float64), atol=0.2, rtol=0)
    alone = reflections(A.clone()).against(A[:, 0]).solve()
    torch.testing.assert_close(alone, torch.full((2,), 0.5, dtype=torch.float64), atol=0.2, rtol=0)


@pytest.mark.parametrize("k", [1, 127, 128, 129, 300])
@pytest.mark.parametrize("ridge", [1e-3, 1.0])
def test_damped_triangles_of_any_size(k, ridge):
    """Whole blocks of columns, and what is left of one."""
    R, c = normal(k, k, seed=20).triu(), normal(k, seed=21)
    R.diagonal().add_(3.0 * R.diagonal().sign())
    stacked = torch.cat([R, ridge * torch.eye(k, dtype=torch.float64)])
    expected = lstsq(stacked, torch.cat([c, torch.zeros(k, dtype=torch.float64)]))
    size = expected.abs().max().item()
    torch.testing.assert_close(damped_solve(R, c, ridge), expected, rtol=1e-8, atol=1e-8 * size)


def test_fewer_rows_than_unknowns():
    """The rows that a triangle lacks are zero: the damped solution is the same as of a wide one."""
    generator = torch.Generator().manual_seed(1)
    R = torch.randn(5, 9, dtype=torch.float64, generator=generator).triu()
    c = torch.randn(5, dtype=torch.float64, generator=generator)
    x = damped_solve(R, c, 0.1)
    torch.testing.assert_close(
        R.T @ (R @ x - c) + 0.01 * x, torch.zeros_like(x), atol=1e-12, rtol=0
    )
