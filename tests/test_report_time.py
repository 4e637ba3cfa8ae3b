"""Pictures and files of solutions in time; what they show is read back."""

from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import meshio
import numpy as np
import pytest
import torch
from fake_solution import EVOLVING, FakeSolution, evolving
from figure_texts import images, overlapping, words
from PIL import Image
from torch import Tensor

from gmnm_pde import runs
from gmnm_pde.config import load_problem, load_recipe
from gmnm_pde.geometry import Ball, Disk, Domain, Interval, Rectangle
from gmnm_pde.problem import Problem
from gmnm_pde.references import Exact
from gmnm_pde.report import animation, write_pictures, write_vtu
from gmnm_pde.report.animation import FRAMES, write_animation
from gmnm_pde.report.moments import at_times, course, times_of
from gmnm_pde.report.planes import space_planes
from gmnm_pde.report.plots import figures_of
from gmnm_pde.report.sample import Sample
from gmnm_pde.report.snapshots import SNAPSHOTS
from gmnm_pde.report.spacetime import COLUMNS, CURVES, ROWS
from gmnm_pde.report.style import STYLE, Head, titled_figure
from gmnm_pde.report.words import measured_line

SQUARE = Rectangle(x=(0, 1), y=(0, 1))


# what is written


def test_pictures(tmp_path):
    paths = write_pictures(EVOLVING["disk"](), tmp_path)
    expected = ["solution.png", "error.png", "convergence.png", "animation.gif"]
    assert [path.name for path in paths] == expected
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 200
            assert max(image.size) < 4000
            colours = image.convert("RGB").resize((100, 100)).getcolors(10_000)
        assert len(colours) > 50


@pytest.mark.parametrize(
    ("name", "known"), [("interval", True), ("disk", False), ("ball", True), ("channel", True)]
)
def test_no_text_covers_another(name, known):
    with matplotlib.rc_context(STYLE):
        figures = figures_of(EVOLVING[name](known=known))
        assert overlapping(figures["solution"]) == []
        assert overlapping(figures["error"]) == []


@pytest.mark.parametrize("domain", [Interval(0, 3), Rectangle(x=(0, 3), y=(0, 2))])
def test_many_unknowns_can_be_told_apart(domain):
    with matplotlib.rc_context(STYLE):
        figure = figures_of(steady(domain, "abcdefg"))["solution"]
        assert overlapping(figure) == []
    assert max(figure.get_size_inches()) < 22
    for name in "abcdefg":
        assert f"solution ${name}$" in words(figure)
    assert r"largest relative L2 error $1.0 \times 10^{-6}$ (a)" in words(figure)


def test_the_largest_of_many_errors_is_named():
    solution = steady(Interval(0, 3), "abcde")

    class Uneven(FakeSolution):
        @property
        def errors(self):
            found = dict(zip("abcde", (1e-9, 1e-8, 3e-5, 1e-7, 0.0), strict=True))
            return replace(solution.errors, relative_l2=found)

    line = measured_line(Uneven(solution.problem, solution.truth))
    assert line == r"largest relative L2 error $3.0 \times 10^{-5}$ (c); 400 units, 0.34 s"


def steady(domain: Domain, unknowns: str) -> FakeSolution:
    truth = Exact({name: lambda x, k=k: torch.sin((k + 1) * x) for k, name in enumerate(unknowns)})
    names = "xyz"[: domain.dimension]
    problem = Problem(names, unknowns, domain, [lambda a: a.x], reference=truth)
    return FakeSolution(problem, truth, 1e-6)


@pytest.mark.parametrize("name", ["interval", "square", "ball"])
def test_the_solution_is_evaluated_in_few_calls(name):
    solution = EVOLVING[name]()
    figures_of(solution)
    assert len(solution.calls) == 1
    assert sum(solution.calls) < 60_000


@pytest.mark.parametrize("name", ["interval", "square"])
def test_a_solution_that_broke_off_can_be_drawn(name, tmp_path):
    class Broken(FakeSolution):
        def __call__(self, points: Tensor) -> Tensor:
            late = points[:, -1:] > 1.0
            return torch.where(late, torch.nan, super().__call__(points))

    whole = EVOLVING[name]()
    solution = Broken(whole.problem, whole.truth)
    figures_of(solution)["error"].draw_without_rendering()
    if name == "square":
        write_animation(solution, tmp_path / "animation.gif")


# one dimension


def test_maps_show_the_solution_the_reference_and_the_error():
    solution = evolving(Interval(0, 3), size=1e-3)
    panels = images(figures_of(solution)["solution"])
    shown, reference, error = (panel.images[0] for panel in panels)
    x, t = np.linspace(0, 3, COLUMNS)[None], np.linspace(0, 2, ROWS)[:, None]
    exact = np.cos(x) * np.exp(-t)
    wrong = 1e-3 * np.sin(7 * (x + t)) * t / 2
    np.testing.assert_allclose(reference.get_array(), exact, atol=1e-12)
    np.testing.assert_allclose(shown.get_array(), exact + wrong, atol=1e-12)
    np.testing.assert_allclose(error.get_array(), wrong, atol=1e-12)
    assert shown.norm is reference.norm
    assert panels[0].get_xlim() == (0, 3)
    assert panels[0].get_ylim() == (0, 2)


def test_curves_at_several_times_with_the_reference_dashed():
    figure = figures_of(evolving(Interval(0, 3), size=1e-3))["solution"]
    (plot,) = (plot for plot in figure.axes if plot.lines)
    solid, dashed = plot.lines[:CURVES], plot.lines[CURVES:]
    assert [line.get_label() for line in solid] == [
        f"t = {t:.3g}" for t in (0, 0.4, 0.8, 1.2, 1.6, 2)
    ]
    assert len(dashed) == CURVES
    for line, reference, t in zip(solid, dashed, np.linspace(0, 2, CURVES), strict=True):
        x, y = line.get_data()
        wrong = 1e-3 * np.sin(7 * (x + t)) * t / 2
        np.testing.assert_allclose(y, np.cos(x) * np.exp(-t) + wrong, atol=1e-12)
        np.testing.assert_allclose(reference.get_ydata(), np.cos(x) * np.exp(-t), atol=1e-12)
        assert line.is_dashed() is False
        assert reference.is_dashed() is True


def test_the_error_over_time_is_relative_to_all_times():
    figure = figures_of(evolving(Interval(0, 3), size=1e-3))["error"]
    (line,) = (plot.lines[0] for plot in figure.axes if plot.lines)
    times, errors = line.get_data()
    x = np.linspace(0, 3, 2001)
    t = np.linspace(0, 2, 2001)
    size = math.sqrt(np.mean(np.cos(x) ** 2) * np.mean(np.exp(-2 * t)))
    for k in (ROWS // 3, ROWS - 1):
        wrong = 1e-3 * np.sin(7 * (x + times[k])) * times[k] / 2
        assert errors[k] == pytest.approx(math.sqrt(np.mean(wrong**2)) / size, rel=0.02)
    assert errors[0] < 1e-15


def test_without_a_reference_nothing_is_called_an_error():
    for name in ("interval", "square"):
        figures = figures_of(EVOLVING[name](known=False))
        assert "residual" in words(figures["solution"])
        assert "error over time" not in words(figures["error"])
        assert "rms, not an error" in words(figures["error"])


def test_the_own_error_of_a_reference_is_drawn():
    solution = evolving(Interval(0, 3))

    class Coarse(FakeSolution):
        @property
        def errors(self):
            return replace(solution.errors, own_error={"u": 1e-5})

    figure = figures_of(Coarse(solution.problem, solution.truth, 1e-6))["error"]
    (plot,) = (plot for plot in figure.axes if plot.lines)
    assert list(plot.lines[1].get_ydata()) == [1e-5, 1e-5]
    assert list(plot.lines[1].get_xdata()) == [0.0, 2.0]
    low, high = plot.get_ylim()
    assert low < 1e-5 < high
    # Where it would be off the scale it is left out, and has no key.
    figure = figures_of(Coarse(solution.problem, solution.truth, 1e6))["error"]
    (plot,) = (plot for plot in figure.axes if plot.lines)
    assert len(plot.lines) == 1
    assert plot.get_legend() is None


# two and three dimensions


def test_snapshots_share_a_scale_and_end_with_the_error():
    figure = figures_of(evolving(SQUARE, size=1e-3))["solution"]
    *shots, error = images(figure)
    assert len(shots) == SNAPSHOTS
    assert len({id(plot.images[0].norm) for plot in shots}) == 1
    rows, columns = error.images[0].get_array().shape
    x, y = np.linspace(0, 1, columns)[None], np.linspace(0, 1, rows)[:, None]
    for plot, t in zip(shots, np.linspace(0, 2, SNAPSHOTS), strict=True):
        wrong = 1e-3 * np.sin(7 * (x + y + t)) * t / 2
        exact = np.cos(x) * np.exp(-t) + 0 * y
        np.testing.assert_allclose(plot.images[0].get_array(), exact + wrong, atol=1e-12)
        assert f"t = {t:.3g}" in plot.get_title()
    wrong = 1e-3 * np.sin(7 * (x + y + 2))
    np.testing.assert_allclose(error.images[0].get_array(), wrong, atol=1e-12)


def test_a_course_is_a_root_mean_square():
    problem = evolving(SQUARE).problem
    times, reference = np.array([0.0, 1.0]), np.full((6, 1), 2.0)
    error = np.array([[0.0], [0.0], [0.0], [1.0], [2.0], [2.0]])
    found = course(problem, times, Sample(reference + error, reference))
    np.testing.assert_allclose(found.sizes[:, 0], [0.0, math.sqrt(3) / 2])
    assert course(problem, times, Sample(reference)) is None


def test_slices_of_few_unknowns_are_three():
    assert len(space_planes(evolving(Ball((0, 0, 0), 1), "uv").problem)) == 3
    assert len(space_planes(evolving(Ball((0, 0, 0), 1), "uvw").problem)) == 1


def test_the_animation(tmp_path):
    solution = evolving(Rectangle(x=(0, 3), y=(0, 3)), "ab")
    path = write_animation(solution, tmp_path / "animation.gif")
    assert len(solution.calls) == 1
    assert path.stat().st_size < 2_000_000
    with Image.open(path) as image:
        assert image.n_frames == FRAMES
        assert image.info["loop"] == 0
        assert image.info["duration"] == 100
        first = np.asarray(image.convert("RGB"), dtype=int)
        image.seek(FRAMES - 1)
        last = np.asarray(image.convert("RGB"), dtype=int)
    # cos(x) exp(-t) is one at the left at first, the red end of the scale, and fades.
    row = first.shape[0] // 2
    red = np.array(matplotlib.colormaps["RdBu_r"](1.0)[:3]) * 255
    assert np.abs(first[row] - red).sum(1).min() < 20
    left = int(np.abs(first[row] - red).sum(1).argmin())
    assert np.abs(last[row, left] - red).sum() > 200


def test_a_large_animation_is_made_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr(animation, "BYTES", 150_000)
    path = animation.write_animation(evolving(SQUARE, "ab"), tmp_path / "animation.gif")
    with Image.open(path) as image:
        assert image.n_frames == FRAMES // 2
        assert image.info["duration"] == 200


# files


def test_a_series_is_read_back(tmp_path):
    solution = evolving(Disk((0, 0), 1), size=1e-3)
    path = write_vtu(solution, tmp_path / "solution.vtu")
    assert path == tmp_path / "solution.pvd"
    sets = ElementTree.parse(path).getroot().findall("Collection/DataSet")
    times = [float(item.attrib["timestep"]) for item in sets]
    np.testing.assert_allclose(times, np.linspace(0, 2, 21))
    for item in (sets[0], sets[7], sets[-1]):
        read = meshio.read(tmp_path / item.attrib["file"])
        t = float(item.attrib["timestep"])
        x = read.points[:, 0]
        assert set(read.point_data) == {"u", "u_reference", "u_error"}
        np.testing.assert_allclose(read.point_data["u_reference"], np.cos(x) * np.exp(-t))
        wrong = 1e-3 * np.sin(7 * (read.points.sum(1) + t)) * t / 2
        np.testing.assert_allclose(read.point_data["u_error"], wrong, atol=1e-14)
    assert len(list((tmp_path / "solution-times").iterdir())) == 21


def test_space_and_time_are_one_surface(tmp_path):
    path = write_vtu(evolving(Interval(0, 3), size=0.0), tmp_path / "solution.vtu")
    read = meshio.read(path)
    assert [block.type for block in read.cells] == ["triangle"]
    x, t = read.points[:, 0], read.points[:, 1]
    assert (x.max(), t.max()) == (3.0, 2.0)
    np.testing.assert_allclose(read.point_data["u"], np.cos(x) * np.exp(-t), atol=1e-14)


def test_files_of_an_earlier_run_are_removed(tmp_path):
    folder = runs.open_run(tmp_path / "run")
    times = folder.path / "solution-times"
    times.mkdir()
    for path in (times / "00.vtu", folder.path / "solution.pvd", folder.path / "animation.gif"):
        path.write_text("of the first run")
    runs.write_inputs(folder, load_problem("poisson"), load_recipe("gmnm"))
    assert {path.name for path in folder.path.iterdir()} == {"problem.yaml", "solver.yaml"}
    times.mkdir()
    (times / "00.vtu").write_text("of the first run")
    (times / "note.txt").write_text("of a person")
    runs.write_inputs(folder, load_problem("poisson"), load_recipe("gmnm"))
    assert [path.name for path in times.iterdir()] == ["note.txt"]


# parts


def test_points_at_times_are_grouped_by_time():
    points = np.array([[1.0, 2.0], [3.0, 4.0]])
    expected = [[1, 2, 0.5], [3, 4, 0.5], [1, 2, 7], [3, 4, 7]]
    np.testing.assert_array_equal(at_times(points, [0.5, 7.0]), expected)
    np.testing.assert_array_equal(times_of(evolving(SQUARE).problem, 3), [0, 1, 2])


def test_long_words_are_broken_between_words():
    figure = titled_figure(
        (2.0, 1.0), Head("title", r"relative L2 error $1 \times 10^{-9}$ (u), 3 s")
    )
    lines = [text.get_text() for text in figure.texts[1:]]
    assert len(lines) == 2
    assert " ".join(lines) == r"relative L2 error $1 \times 10^{-9}$ (u), 3 s"
    assert all(line.count("$") % 2 == 0 for line in lines)
