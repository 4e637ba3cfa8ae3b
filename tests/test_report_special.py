"""Pictures of vector fields, across interfaces, and of references known at points only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import matplotlib
import numpy as np
import pytest
import torch
from fake_solution import EVOLVING, FakeSolution, evolving
from figure_texts import images, overlapping
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from gmnm_pde.geometry import Ball, Difference, Disk, Domain, Interval, Rectangle
from gmnm_pde.problem import Problem, Reference, ReferenceValues
from gmnm_pde.references import Exact
from gmnm_pde.report.animation import FRAMES, write_animation
from gmnm_pde.report.panels import broken
from gmnm_pde.report.planes import domain_raster, fence_places, space_planes, time_plane
from gmnm_pde.report.plots import figures_of
from gmnm_pde.report.sample import sample
from gmnm_pde.report.streamlines import is_vector_field
from gmnm_pde.report.style import STYLE, Head, field_scale, titled_figure

SQUARE = Rectangle(x=(0, 1), y=(0, 1))


# vector fields


def flow(domain: Domain, time: tuple[float, float] | None = None) -> FakeSolution:
    """Rigid rotation about the origin, divergence-free."""
    functions = {"u": lambda y: -y, "v": lambda x: x}
    problem = Problem(
        "xyt" if time else "xy",
        "uv",
        domain,
        [lambda u, v: u.x + v.y],
        reference=Exact(functions),
        time=time,
    )
    return FakeSolution(problem, Exact(functions), 1e-9)


def test_velocities_are_told_from_concentrations():
    assert is_vector_field(flow(SQUARE).problem)
    assert is_vector_field(flow(SQUARE, (0, 1)).problem)
    elastic = [lambda u, v: u.xx + v.xy, lambda u, v: v.yy + u.xy]
    assert is_vector_field(Problem("xy", "uv", SQUARE, elastic))
    reaction = [lambda u, v: u.t - u.xx - u.yy + u * v, lambda u, v: v.t - v.xx - v.yy - u * v]
    assert not is_vector_field(Problem("xyt", "uv", SQUARE, reaction, time=(0, 1)))
    assert not is_vector_field(Problem("xy", "up", SQUARE, [lambda u, p: u.x + p.y]))
    assert not is_vector_field(
        Problem("xt", "uv", Interval(0, 1), [lambda u, v: u.x + v.x], time=(0, 1))
    )


def test_streamlines_follow_the_flow_and_stay_inside():
    ring = Difference(Disk((0, 0), 1), Disk((0, 0), 0.4))
    figures = figures_of(flow(ring, (0, 1)))
    (plot,) = images(figures["streamlines"])
    assert "t = 1" in plot.get_title()
    (lines,) = (
        c for c in plot.collections if hasattr(c, "get_segments") and len(c.get_segments()) > 20
    )
    pieces = [np.stack([line[:-1], line[1:]], 1) for line in lines.get_segments()]
    segments = np.concatenate(pieces)
    radii = np.linalg.norm(segments, axis=2)
    assert radii.min() > 0.36
    assert radii.max() < 1.03
    along = segments[:, 1] - segments[:, 0]
    across = (
        np.abs((along * segments.mean(1)).sum(1)) / np.linalg.norm(along, axis=1) / radii.mean(1)
    )
    assert np.median(across) < 1e-3
    shown = plot.images[0].get_array()
    inside = shown[np.isfinite(shown)]
    assert inside.max() >= 1.0 - 1e-6


def test_a_hole_is_cut_out_of_a_raster():
    problem = flow(Difference(Rectangle(x=(-1, 1), y=(-1, 1)), Disk((0, 0), 0.5))).problem
    plane = domain_raster(problem, 4000)
    figure = titled_figure((4, 4), Head("hole"))
    plot = figure.subplots()
    values = plane.points[:, 0]
    plane.draw(plot, values, field_scale(values))
    figure.draw_without_rendering()
    places = plot.transData.transform([(0, 0), (0.3, 0.3), (0.7, 0.7), (-0.9, 0.0)])
    image = render(figure)
    height = image.shape[0]
    white = [bool((image[height - 1 - int(y), int(x)] > 250).all()) for x, y in places]
    assert white == [True, True, False, False]


def render(figure: Figure) -> np.ndarray:
    """Red, green and blue of every pixel."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


# interfaces


def inclusion(domain: Domain, part: Domain, **more: object) -> Problem:
    names = "xyz"[: domain.dimension] + ("t" if "time" in more else "")
    return Problem(names, "u", domain, [lambda u: u.xx], subdomains={"inner": part}, **more)


def test_values_are_not_mixed_across_an_interface():
    problem = inclusion(SQUARE, Disk((0.5, 0.5), 0.3))
    for plane in (domain_raster(problem, 2500), *space_planes(problem)):
        radius = np.linalg.norm(plane.points - 0.5, axis=1)
        inner, outer = radius < 0.3, radius > 0.3 + 1e-9
        rest, own = plane.layers(np.where(inner, 7.0, plane.points[:, 0]))
        assert np.all(own == 7.0)
        assert rest.max() <= 1.0
        np.testing.assert_array_equal(rest[outer], plane.points[outer, 0])


def test_interfaces_are_outlined():
    problem = inclusion(SQUARE, Disk((0.5, 0.5), 0.3))
    (plane,) = space_planes(problem)
    figure = titled_figure((4, 4), Head("interface"))
    plot = figure.subplots()
    plane.fences[0].draw(plot)
    (path,) = plot.collections[0].get_paths()
    np.testing.assert_allclose(np.linalg.norm(path.vertices - 0.5, axis=1), 0.3, atol=1e-3)
    layers = inclusion(Interval(0, 1), Interval(0, 0.4), time=(0, 2))
    plane = time_plane(layers, 51, 21)
    (path,) = (plane.fences[0].draw(plot), plot.collections[-1].get_paths())[1]
    np.testing.assert_allclose(path.vertices[:, 0], 0.4, atol=1e-9)


def test_a_subdomain_in_another_is_painted_over_it():
    problem = replace(
        inclusion(SQUARE, Disk((0.5, 0.5), 0.2)),
        subdomains={"small": Disk((0.5, 0.5), 0.2), "large": Disk((0.5, 0.5), 0.4)},
    )
    (plane,) = space_planes(problem)
    radius = np.linalg.norm(plane.points - 0.5, axis=1)
    values = np.where(radius < 0.2, 3.0, np.where(radius < 0.4, 2.0, 1.0))
    assert [set(layer) for layer in plane.layers(values)] == [{1.0}, {2.0}, {3.0}]


def test_curves_are_broken_at_a_jump():
    problem = inclusion(Interval(0, 1), Interval(0, 0.4))
    assert fence_places(problem) == [0.4]
    x = np.linspace(0, 1, 11)
    at, values = broken(x, np.where(x < 0.4, 0.0, 1.0), [0.4])
    assert np.isnan(values[np.isclose(at, 0.4)]).all()
    assert np.isfinite(values[~np.isclose(at, 0.4)]).all()
    at, values = broken(x, x, [0.45])
    assert np.isnan(values[at == 0.45]).all()
    assert np.isfinite(values).sum() == 11
    same = broken(x, x, [])
    np.testing.assert_array_equal(same, (x, x))


@pytest.mark.parametrize("domain", [Interval(0, 1), Disk((0, 0), 1), Ball((0, 0, 0), 1)])
def test_pictures_with_subdomains(domain):
    small = {1: Interval(0.2, 0.4), 2: Disk((0.4, 0.4), 0.2), 3: Ball((0, 0, 0), 0.5)}
    solution = evolving(domain, subdomains={"inner": small[domain.dimension]})
    for figure in figures_of(solution).values():
        figure.draw_without_rendering()


def test_an_animation_has_a_layer_for_each_subdomain(tmp_path):
    solution = evolving(SQUARE, "ab", subdomains={"inner": Disk((0.4, 0.4), 0.2)})
    with Image.open(write_animation(solution, tmp_path / "animation.gif")) as image:
        assert image.n_frames == FRAMES


# references that are known at certain points only


@dataclass(frozen=True)
class Tabulated(Reference):
    """Known at its own points; refuses others."""

    truth: Exact
    at: Tensor
    name: str = "file"

    def own_points(self, problem: Problem) -> Tensor:
        return self.at.clone()

    def evaluate(self, problem: Problem, points: Tensor) -> ReferenceValues:
        assert torch.equal(points, self.at)
        return self.truth.evaluate(problem, points)


def tabulated(name: str, times: Sequence[float] = (), count: int = 200) -> FakeSolution:
    whole = EVOLVING[name](size=1e-3)
    points = whole.problem.region.sample_interior(count, "random", 0)
    if times:
        points[:, -1] = torch.tensor(times, dtype=torch.float64)[torch.arange(count) % len(times)]
    problem = replace(whole.problem, reference=Tabulated(whole.truth, points))
    return FakeSolution(problem, whole.truth, 1e-3)


@pytest.mark.parametrize("name", ["interval", "square"])
@pytest.mark.parametrize("times", [(), (0.5, 2.0)])
def test_a_table_is_compared_at_its_own_points(name, times):
    with matplotlib.rc_context(STYLE):
        figures = figures_of(tabulated(name, times))
        assert overlapping(figures["solution"]) == []
        assert overlapping(figures["error"]) == []


def test_dots_show_the_table_and_the_difference():
    solution = tabulated("interval")
    problem = solution.problem
    figure = figures_of(solution)["solution"]
    dotted = [plot for plot in images(figure) if plot.collections]
    target, difference = (plot.collections[-1] for plot in dotted[:2])
    points = problem.reference.own_points(problem)
    exact = solution.truth.evaluate(problem, points).values[:, 0]
    np.testing.assert_allclose(target.get_offsets(), points.numpy())
    np.testing.assert_allclose(target.get_array(), exact.numpy())
    np.testing.assert_allclose(difference.get_array(), solution.error(points).numpy(), atol=1e-15)
    assert target.norm is images(figure)[0].images[0].norm


def test_curves_and_courses_use_the_times_of_a_table():
    figures = figures_of(tabulated("interval", (0.5, 2.0)))
    plot = next(plot for plot in figures["solution"].axes if plot.lines)
    assert [line.get_label() for line in plot.lines] == ["t = 0.5", "t = 2", "reference", "_child3"]
    line = next(plot.lines[0] for plot in figures["error"].axes if plot.lines)
    assert list(line.get_xdata()) == [0.5, 2.0]


def test_snapshots_of_a_table_are_at_its_times():
    figure = figures_of(tabulated("square", (0.5, 2.0)))["error"]
    titles = [plot.get_title().split(", ")[-1] for plot in images(figure)]
    assert titles == ["t = 0.5", "t = 2"]
    assert [len(plot.collections[-1].get_offsets()) for plot in images(figure)] == [100, 100]


def test_a_sample_without_the_rest_does_not_ask_the_reference():
    solution = tabulated("square")
    found = sample(solution, np.array([[0.5, 0.5, 1.0]]), rest=False)
    assert found.reference is None
    assert found.residual is None
