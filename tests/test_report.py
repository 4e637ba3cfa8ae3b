"""Pictures and files of a solution; what they show is read back."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import matplotlib
import meshio
import numpy as np
import pytest
import torch
from fake_solution import FakeSolution
from figure_texts import overlapping, words
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from PIL import Image

from gmnm_pde.geometry import (
    Ball,
    Box,
    Difference,
    Disk,
    Domain,
    Interval,
    Polygon,
    Rectangle,
)
from gmnm_pde.problem import Data, Problem
from gmnm_pde.references import Exact
from gmnm_pde.report import write_pictures, write_vtu
from gmnm_pde.report.convergence import convergence_figure
from gmnm_pde.report.mesh import Mesh, mesh_of, outline
from gmnm_pde.report.planes import space_planes
from gmnm_pde.report.plots import figures_of
from gmnm_pde.report.sample import residuals, sample
from gmnm_pde.report.style import (
    SMALLEST,
    STYLE,
    field_scale,
    logarithmic_scale,
    scientific,
    signed_scale,
)

L_SHAPE = Difference(Rectangle(x=(-1, 1), y=(-1, 1)), Rectangle(x=(0, 2), y=(-2, 0)))
DOMAINS: dict[str, Domain] = {
    "interval": Interval(0, 2),
    "rectangle": Rectangle(x=(-1, 1), y=(0, 1)),
    "disk": Disk((0, 0), 1),
    "l-shape": L_SHAPE,
    "box": Box(((0, 1), (0, 1), (0, 2))),
    "ball": Ball((0, 0, 0), 1),
}


def solution_on(
    domain: Domain, *, known: bool = True, unknowns: str = "u", **options: float
) -> FakeSolution:
    """u = exp(x) on any domain, with or without that as its reference; u_x = u."""
    truth = Exact({name: lambda x: torch.exp(x) for name in unknowns})
    problem = Problem(
        "xyz"[: domain.dimension],
        unknowns,
        domain,
        [lambda u: u.x - u.value],
        reference=truth if known else None,
        name="growth",
    )
    return FakeSolution(problem, truth, **options)


def measurements(*, known: bool) -> FakeSolution:
    """Noisy measurements and nothing else."""
    domain = DOMAINS["rectangle"]
    points = domain.sample_interior(60, "random", 0)
    truth = Exact({"u": lambda x: torch.exp(x)})
    values = torch.exp(points[:, :1]) + 0.01 * torch.sin(40 * points[:, 1:])
    problem = Problem(
        "xy", "u", domain, data=Data(points, values), reference=truth if known else None
    )
    return FakeSolution(problem, truth, 1e-3)


def figures(solution: FakeSolution) -> list[Figure]:
    return list(figures_of(solution).values())


# pictures


@pytest.mark.parametrize(
    ("name", "known"),
    [("interval", True), ("rectangle", False), ("disk", True), ("ball", False)],
)
def test_pictures(name, known, tmp_path):
    paths = write_pictures(solution_on(DOMAINS[name], known=known), tmp_path)
    expected = ["solution.png", "error.png", "convergence.png"]
    if DOMAINS[name].dimension == 3:
        expected.append("surface.png")
    assert [path.name for path in paths] == expected
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 400
            colours = image.convert("RGB").resize((100, 100)).getcolors(10_000)
        assert len(colours) > 50


@pytest.mark.parametrize("name", ["interval", "l-shape", "box"])
def test_no_text_covers_another(name):
    with matplotlib.rc_context(STYLE):
        for figure in figures(solution_on(DOMAINS[name])):
            assert overlapping(figure) == []


def test_the_overlap_check_sees_an_overlap():
    figure = Figure()
    figure.text(0.5, 0.5, "one")
    figure.text(0.51, 0.51, "two")
    assert overlapping(figure) == [("one", "two")]


def test_titles_say_what_is_shown():
    said = [words(figure) for figure in figures(solution_on(DOMAINS["rectangle"], size=3.2e-15))]
    assert all("growth" in line for line in said)
    assert "reference (exact)" in said[0]
    assert r"relative L2 error $3.2 \times 10^{-15}$; 400 units, 0.34 s" in said[0]
    assert r"relative L2 error $3.2 \times 10^{-15}$ measured; estimated error" in said[1]
    assert "without regard to the collocation points" in said[1]
    assert "relative L2 error" in said[2]
    assert "measured" in said[2]


def test_without_a_reference_nothing_is_called_an_error():
    solution = solution_on(DOMAINS["disk"], known=False)
    said = [words(figure) for figure in figures(solution)]
    assert "residual" in said[0]
    assert "no reference; estimated error" in said[0]
    assert "residual is not an error" in said[1]
    assert "measured" not in said[2]


def test_an_error_below_the_reference_own_is_called_so():
    solution = solution_on(DOMAINS["rectangle"], size=1e-9)

    class Coarse(FakeSolution):
        @property
        def errors(self):
            return replace(solution.errors, own_error={"u": 1e-6})

    coarse = Coarse(solution.problem, solution.truth)
    said = words(figures(coarse)[0])
    assert r"below the reference's own, $1.0 \times 10^{-6}$" in said


def test_fields_show_the_solution_the_reference_and_the_error():
    solution = solution_on(DOMAINS["rectangle"], size=1e-3)
    panels = [plot for plot in figures(solution)[0].axes if plot.images]
    solution_image, reference_image, error_image = (plot.images[0] for plot in panels)
    values = solution_image.get_array()
    rows, columns = values.shape
    x = np.linspace(-1, 1, columns)
    y = np.linspace(0, 1, rows)
    error = 1e-3 * np.sin(7 * (x[None] + y[:, None]))
    np.testing.assert_allclose(
        reference_image.get_array(), np.tile(np.exp(x), (rows, 1)), rtol=1e-12
    )
    np.testing.assert_allclose(error_image.get_array(), error, atol=1e-14)
    np.testing.assert_allclose(values, np.exp(x)[None] + error, rtol=1e-12)
    assert solution_image.norm is reference_image.norm


def test_the_error_picture_is_logarithmic():
    (panel,) = (plot for plot in figures(solution_on(DOMAINS["rectangle"]))[1].axes if plot.images)
    image = panel.images[0]
    assert isinstance(image.norm, LogNorm)
    assert image.get_array().min() >= 0.0
    assert image.norm.vmax == pytest.approx(1e-9, rel=1e-3)


@pytest.mark.parametrize("known", [True, False])
def test_measurements_are_marked(known):
    solution = measurements(known=known)
    shown, error, _ = figures(solution)
    marks = [plot.collections[-1] for plot in shown.axes if plot.collections[:1] and plot.images]
    assert [len(dots.get_offsets()) for dots in marks] == ([60] if known else [60, 60])
    np.testing.assert_allclose(marks[0].get_array(), solution.problem.data.values[:, 0].numpy())
    if not known:
        (misfit,) = (plot.collections[0] for plot in error.axes if plot.images)
        expected = solution(solution.problem.data.points) - solution.problem.data.values
        np.testing.assert_allclose(misfit.get_array(), expected[:, 0].numpy(), atol=1e-15)


def test_convergence_shows_every_step_and_the_measured_error():
    plots = convergence_figure(solution_on(DOMAINS["rectangle"])).axes
    for plot, places in zip(
        plots, (0.01 * 2.0 ** np.arange(6), 50.0 * 2 ** np.arange(6)), strict=True
    ):
        steps, star = plot.lines
        np.testing.assert_allclose(steps.get_xdata(), places)
        np.testing.assert_allclose(steps.get_ydata(), 1e-9 * 10.0 ** np.arange(5, -1, -1))
        assert list(star.get_ydata()) == [1e-9]


@pytest.mark.parametrize("steps", [0, 1])
def test_convergence_of_a_run_without_steps(steps):
    figure = convergence_figure(solution_on(DOMAINS["rectangle"], steps=steps))
    figure.draw_without_rendering()
    assert overlapping(figure) == []


def test_an_error_of_zero_everywhere_can_be_drawn(tmp_path):
    write_pictures(solution_on(DOMAINS["interval"], size=0.0), tmp_path)
    (panel,) = (p for p in figures(solution_on(DOMAINS["rectangle"], size=0.0))[1].axes if p.images)
    assert panel.images[0].norm.vmin > 0.0


def test_drawing_leaves_matplotlib_as_it_was(tmp_path):
    before = dict(matplotlib.rcParams)
    write_pictures(solution_on(DOMAINS["interval"]), tmp_path)
    assert dict(matplotlib.rcParams) == before
    code = "import sys, gmnm_pde.report; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# what is shown


def test_a_sample_has_the_error_or_the_residual():
    points = np.array([[0.1, 0.2], [0.3, 0.4]])
    error = 1e-3 * np.sin(7 * points.sum(1))
    known = sample(solution_on(DOMAINS["rectangle"], size=1e-3), points)
    np.testing.assert_allclose(known.error[:, 0], error, rtol=1e-10)
    assert known.residual is None
    unknown = sample(solution_on(DOMAINS["rectangle"], known=False, size=1e-3), points)
    slope = 7e-3 * np.cos(7 * points.sum(1))
    np.testing.assert_allclose(unknown.residual[:, 0], slope - error, rtol=1e-9)
    assert unknown.error is None


def test_residuals_vanish_for_the_exact_solution():
    solution = solution_on(DOMAINS["rectangle"], size=0.0)
    points = solution.problem.domain.sample_interior(20, "random", 0)
    assert float(residuals(solution, points).abs().max()) < 1e-14


# meshes


def sizes(mesh: Mesh) -> np.ndarray:
    """Areas or volumes of simplices."""
    corners = mesh.points[mesh.cells]
    d = mesh.points.shape[1]
    return np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / math.factorial(d)


@pytest.mark.parametrize(
    ("domain", "tolerance"),
    [
        (DOMAINS["rectangle"], 1e-12),
        (L_SHAPE, 1e-12),
        (Polygon([(0, 0), (2, 0), (1, 1), (2, 3), (0, 2)]), 1e-12),
        (DOMAINS["disk"], 1e-3),
        (Difference(Rectangle(x=(0, 3), y=(0, 2)), Disk((1.3, 1), 0.5)), 1e-3),
        (DOMAINS["ball"], 2e-2),
    ],
    ids=["rectangle", "l-shape", "polygon", "disk", "hole", "ball"],
)
def test_a_mesh_fills_its_domain(domain, tolerance):
    mesh = mesh_of(domain, 4000)
    assert 3000 < len(mesh.points) < 6000
    assert sizes(mesh).sum() == pytest.approx(domain.measure, rel=tolerance)
    assert sizes(mesh).min() > 0.0
    assert float(domain.signed_distance(torch.from_numpy(mesh.points)).max()) < 1e-9
    if domain.dimension == 2:
        edges = outline(mesh)
        length = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1).sum()
        assert length == pytest.approx(domain.boundary_measure, rel=tolerance + 1e-9)


def test_bricks_fill_a_box():
    mesh = mesh_of(DOMAINS["box"], 5000)
    corners = mesh.points[mesh.cells]
    assert mesh.kind == "hexahedron"
    volumes = np.prod(corners.max(1) - corners.min(1), axis=1)
    assert volumes.sum() == pytest.approx(2.0, rel=1e-12)
    bottom = corners[0, [1, 2, 3, 4]] - corners[0, 0]
    step = volumes[0] ** (1 / 3)
    np.testing.assert_allclose(
        bottom / step, [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], atol=0.1
    )


# VTK


@pytest.mark.parametrize("name", DOMAINS)
def test_vtu_is_read_back(name, tmp_path):
    solution = solution_on(DOMAINS[name], size=1e-3)
    path = write_vtu(solution, tmp_path / "solution.vtu")
    read = meshio.read(path)
    kinds = {"interval": "line", "box": "hexahedron", "ball": "tetra"}
    assert [block.type for block in read.cells] == [kinds.get(name, "triangle")]
    assert read.points.shape[1] == 3
    assert set(read.point_data) == {"u", "u_reference", "u_error"}
    total = read.points.sum(axis=1)
    np.testing.assert_allclose(
        read.point_data["u_reference"], np.exp(read.points[:, 0]), rtol=1e-12
    )
    np.testing.assert_allclose(read.point_data["u_error"], 1e-3 * np.sin(7 * total), atol=1e-14)
    difference = read.point_data["u"] - read.point_data["u_reference"]
    np.testing.assert_allclose(difference, read.point_data["u_error"], atol=1e-15)


def test_vtu_without_a_reference_has_the_residual(tmp_path):
    path = write_vtu(solution_on(DOMAINS["disk"], known=False, size=0.0), tmp_path / "s.vtu")
    read = meshio.read(path)
    assert set(read.point_data) == {"u", "residual"}
    assert np.abs(read.point_data["residual"]).max() < 1e-14


def test_vtu_of_four_dimensions_is_not_written(tmp_path):
    problem = Problem("wxyz", "u", Box(((0, 1),) * 4), [lambda u: u.w])
    solution = FakeSolution(problem, Exact({"u": 1.0}))
    assert write_vtu(solution, tmp_path / "s.vtu") is None
    assert list(tmp_path.iterdir()) == []
    notes = [plane.note for plane in space_planes(problem)]
    assert notes == ["y = 0.5, z = 0.5", "x = 0.5, z = 0.5", "w = 0.5, z = 0.5"]


# colours and numbers


def limits(fields: Sequence[float]) -> tuple[str, float, float]:
    scale = field_scale(np.array(fields))
    return scale.colours, scale.norm.vmin, scale.norm.vmax


def test_scales():
    assert limits([0.0, 2.0]) == ("viridis", 0.0, 2.0)
    assert limits([-1.0, 2.0]) == ("RdBu_r", -2.0, 2.0)
    assert limits([-0.01, 2.0]) == ("viridis", -0.01, 2.0)
    assert limits([3.0, 3.0]) == ("viridis", 2.5, 3.5)
    assert signed_scale(np.array([-3.0, 1.0])).norm.vmin == -3.0
    scale = logarithmic_scale(np.array([0.0, 1e-12, 2e-8, 3e-7]))
    assert scale.norm.vmax == 3e-7
    assert scale.norm.vmin == pytest.approx(1e-10)
    assert logarithmic_scale(np.zeros(3)).norm.vmax == SMALLEST
    assert limits([np.nan, 1.0, 2.0, np.inf]) == ("viridis", 1.0, 2.0)
    assert limits([np.nan]) == ("viridis", -0.5, 0.5)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.14e-15, r"$3.1 \times 10^{-15}$"),
        (9.99e-8, r"$1.0 \times 10^{-7}$"),
        (-2e7, r"$-2.0 \times 10^{7}$"),
        (0.034, "0.034"),
        (12.0, "12"),
        (0.0, "0"),
    ],
)
def test_scientific(value, text):
    assert scientific(value) == text
