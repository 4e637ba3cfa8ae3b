"""Quadrature over domains."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, exp

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
    Union,
)
from gmnm_pde.quadrature import gauss


def _star() -> Polygon:
    turns = torch.arange(10, dtype=torch.float64) * (2 * math.pi / 10)
    radius = torch.tensor([1.0, 0.4] * 5, dtype=torch.float64)
    x, y = radius * turns.cos(), radius * turns.sin()
    return Polygon(tuple(zip(x.tolist(), y.tolist(), strict=True)))


PLANE = {
    "rectangle": Rectangle((0, 1), (-1, 2)),
    "disk": Disk((0.3, 0.1), 1.2),
    "ellipse": Ellipse((0.1, 0.2), (2.0, 0.5)),
    "triangle": Polygon(((0, 0), (2, 0.3), (1, 1))),
    "star": _star(),
    "plate with a hole": Difference(Rectangle((-2, 2), (-1, 1)), Disk((0.3, 0.1), 0.5)),
    "ring": Difference(Disk((0, 0), 1.0), Disk((0.1, 0.2), 0.4)),
    "union": Union(Disk((0, 0), 1.0), Rectangle((0, 2), (-0.3, 0.4))),
    "lens": Intersection(Disk((0, 0), 1.0), Disk((0.7, 0.2), 0.8)),
}


def flux(domain: Domain) -> float:
    """The integral of sin(2x) exp(y) n_x over the boundary."""
    total = 0.0
    local, weights = (torch.from_numpy(part) for part in gauss(0.0, 1.0, 256))
    for part in domain.parts:
        for cell in torch.arange(len(part.index)):
            points, normals, _ = part.evaluate(cell.repeat(len(local)), local[:, None])
            value = torch.sin(2 * points[:, 0]) * torch.exp(points[:, 1]) * normals[:, 0]
            total += float(value @ weights) * float(part.measures[cell])
    return total


@pytest.mark.parametrize("name", PLANE)
def test_quadrature_is_exact_to_rounding(name):
    """Against the divergence theorem: the integral of f_x is that of f n_x over the boundary."""
    domain = PLANE[name]
    nodes, weights = domain.quadrature(4096)
    assert bool(domain.contains(nodes).all())
    assert bool((weights > 0).all())
    assert float(weights.sum()) == pytest.approx(domain.measure, rel=1e-11)
    slope = 2 * torch.cos(2 * nodes[:, 0]) * torch.exp(nodes[:, 1])
    assert float(weights @ slope) == pytest.approx(flux(domain), rel=1e-10)


def test_quadrature_of_a_ball_is_exact_for_a_wave():
    """The integral of cos(k . x) over a ball around 0: 4 pi (sin s - s cos s) / k^3, s = k r."""
    nodes, weights = Ball((0.0, 0.0, 0.0), 0.8).quadrature(4096)
    k = torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64)
    s = 3 * 0.8
    exact = 4 * math.pi * (math.sin(s) - s * math.cos(s)) / 27
    assert float(weights @ torch.cos(nodes @ k)) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("domain", [Ball((0.0,) * 5, 1.0), Box(((0, 1),) * 9)], ids=["ball", "box"])
def test_quadrature_in_many_dimensions_is_an_average(domain):
    nodes, weights = domain.quadrature(4096)
    assert len(nodes) <= 4096
    assert float(weights.sum()) == pytest.approx(domain.measure, rel=1e-12)
    middle = sum(domain.lower) / len(domain.lower) + sum(domain.upper) / len(domain.upper)
    mean = float(weights @ nodes.mean(1)) / domain.measure
    assert mean == pytest.approx(0.5 * middle, abs=5e-3)


def test_quadrature_of_a_polygon_of_many_sides():
    turns = torch.arange(600, dtype=torch.float64) * (2 * math.pi / 600)
    ring = Polygon(tuple(zip(turns.cos().tolist(), turns.sin().tolist(), strict=True)))
    nodes, weights = ring.quadrature(4096)
    assert float(weights.sum()) == pytest.approx(ring.measure, rel=1e-4)
    assert float(weights @ nodes[:, 0] ** 2) == pytest.approx(math.pi / 4, rel=1e-3)


@pytest.mark.parametrize(
    ("domain", "function", "exact"),
    [
        (Interval(0, 2), lambda x: exp(x), math.e**2 - 1),
        (Rectangle(x=(0, 1), y=(0, 2)), lambda x, y: exp(x + y), (math.e - 1) * (math.e**2 - 1)),
        (Box(((0, 1), (0, 1), (0, 2))), lambda x, y, z: x * exp(y) * z, math.e - 1),
    ],
    ids=["interval", "rectangle", "box"],
)
def test_quadrature_is_exact_to_rounding_on_boxes(domain, function, exact):
    points, weights = domain.quadrature(4096)
    assert weights.sum().item() == pytest.approx(domain.measure, rel=1e-13)
    assert bool(domain.contains(points).all())
    assert (weights @ function(*points.T)).item() == pytest.approx(exact, rel=1e-12)


def test_panels_follow_a_layer():
    """The integral of 1 - tanh(200 x)^2, a peak a hundredth wide."""
    points, weights = Interval(-0.4, 0.6).quadrature(4096)
    exact = (math.tanh(200 * 0.6) + math.tanh(200 * 0.4)) / 200
    peak: Tensor = 1 - torch.tanh(200 * points[:, 0]) ** 2
    assert (weights @ peak).item() == pytest.approx(exact, rel=1e-9)
