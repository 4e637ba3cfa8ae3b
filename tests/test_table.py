"""A reference from a file: CSV, meshes, what it says between its points and of its errors."""

from __future__ import annotations

import math
from pathlib import Path

import meshio
import numpy as np
import pytest
import torch

from gmnm_pde.accuracy import Errors, measure
from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Disk, Interval, Rectangle
from gmnm_pde.networks import Network
from gmnm_pde.problem import Dirichlet, Initial, Problem, Reference
from gmnm_pde.references import Exact, Table
from gmnm_pde.terminal import measured_text

SQUARE = Rectangle(x=(0, 1), y=(0, 1))
PROBLEMS = Path(__file__).parent.parent / "problems"


def square(unknowns: str = "u", domain=SQUARE) -> Problem:
    equations = [lambda jet: jet.derivative("u", (2, 0))] * len(unknowns)
    return Problem("xy", unknowns, domain, equations)


def line_in_time(time: tuple[float, float] = (0, 1)) -> Problem:
    return Problem("xt", "u", Interval(-1, 1), [lambda u: u.t - u.xx], time=time)


def smooth(points: np.ndarray) -> np.ndarray:
    return np.sin(points[:, 0]) * np.exp(points[:, 1])


def write(path: Path, header: str, rows: np.ndarray) -> Path:
    np.savetxt(path, rows, fmt="%.17g", delimiter=",", header=header, comments="")
    return path


def scattered(count: int = 500) -> np.ndarray:
    return SQUARE.sample_interior(count, "random", 1).numpy()


def test_values_at_its_own_points_are_those_of_the_file(tmp_path):
    points = scattered()
    rows = np.column_stack([np.ones(500), smooth(points), points[:, 1], points[:, 0]])
    table = Table(write(tmp_path / "u.csv", "other, u ,y,x", rows), own_error=1e-9)
    problem = square()
    own = table.own_points(problem)
    np.testing.assert_array_equal(own.numpy(), points)
    found = table.evaluate(problem, own)
    np.testing.assert_array_equal(found.values[:, 0].numpy(), smooth(points))
    assert found.own_error == {"u": 1e-9}


def test_other_references_have_no_points_of_their_own():
    assert Exact({"u": 1.0}).own_points(square()) is None
    assert Reference.own_points(Exact({"u": 1.0}), square()) is None


def test_a_full_grid_is_interpolated_by_splines(tmp_path):
    axes = np.linspace(0, 1, 9) ** 1.2, np.linspace(0, 1, 11)
    points = np.stack([a.ravel() for a in np.meshgrid(*axes)], 1)
    points = np.random.default_rng(0).permutation(points)
    table = Table(write(tmp_path / "u.csv", "x,y,u", np.column_stack([points, smooth(points)])))
    at = scattered(100)
    found = table.evaluate(square(), torch.from_numpy(at)).values[:, 0].numpy()
    assert np.abs(found - smooth(at)).max() < 1e-4
    corner = table.evaluate(square(), torch.tensor([[1.0, 1.0]], dtype=torch.float64)).values
    assert float(corner) == pytest.approx(math.sin(1) * math.e, rel=1e-12)


def test_scattered_points_are_interpolated_on_triangles_and_beyond_them(tmp_path):
    points = 0.1 + 0.8 * scattered(1500)
    table = Table(write(tmp_path / "u.csv", "x,y,u", np.column_stack([points, smooth(points)])))
    inside = 0.15 + 0.7 * scattered(100)
    found = table.evaluate(square(), torch.from_numpy(inside)).values[:, 0].numpy()
    assert np.abs(found - smooth(inside)).max() < 2e-3
    edge = torch.tensor([[0.0, 0.5], [1.0, 1.0]], dtype=torch.float64)
    beyond = table.evaluate(square(), edge).values
    assert torch.isfinite(beyond).all()
    assert float(beyond[0]) == pytest.approx(0.0, abs=0.25)


def test_one_and_three_coordinates(tmp_path):
    x = np.linspace(0, 1, 12)[np.random.default_rng(1).permutation(12)]
    table = Table(write(tmp_path / "line.csv", "x,u", np.column_stack([x, np.exp(x)])))
    problem = Problem("x", "u", Interval(0, 1), [lambda u: u.xx])
    at = torch.tensor([[0.33], [1.0]], dtype=torch.float64)
    found = table.evaluate(problem, at).values[:, 0]
    torch.testing.assert_close(found, torch.exp(at[:, 0]), rtol=1e-7, atol=0)
    region = Problem("xyt", "u", SQUARE, [lambda u: u.t - u.xx], time=(0, 2)).region
    points = region.sample_interior(3000, "sobol", 0).numpy()
    values = points @ [1.0, 2.0, 3.0]
    path = write(tmp_path / "u.csv", "x,y,t,u", np.column_stack([points, values]))
    problem = Problem("xyt", "u", SQUARE, [lambda u: u.t - u.xx], time=(0, 2))
    at = torch.tensor([[0.4, 0.5, 1.1]], dtype=torch.float64)
    assert float(Table(path).evaluate(problem, at).values) == pytest.approx(4.7, rel=1e-10)


@pytest.mark.parametrize("suffix", [".vtu", ".vtk"])
def test_meshes(tmp_path, suffix):
    points = scattered(30)
    cells = [("triangle", np.array([[0, 1, 2], [3, 4, 5]]))]
    path = tmp_path / f"u{suffix}"
    fields = {"u": smooth(points), "v": points[:, :1], "pressure": points[:, 0]}
    meshio.Mesh(np.column_stack([points, np.zeros(30)]), cells, point_data=fields).write(path)
    problem = square("uv")
    table = Table(path, own_error={"u": 1e-3})
    found = table.evaluate(problem, table.own_points(problem))
    np.testing.assert_allclose(found.values[:, 0].numpy(), smooth(points), rtol=1e-15)
    np.testing.assert_allclose(found.values[:, 1].numpy(), points[:, 0], rtol=1e-15)
    assert found.own_error["u"] == 1e-3
    assert math.isnan(found.own_error["v"])


def test_time_in_a_mesh_is_a_coordinate_or_a_field(tmp_path):
    x, t = np.linspace(-1, 1, 7), np.linspace(0, 1, 7)
    cells = [("line", np.array([[0, 1], [1, 2]]))]
    places = {
        "a": (np.column_stack([x, t, 0 * t]), {"u": x + t}),
        "b": (np.column_stack([x, 0 * t, 0 * t]), {"u": x + t, "t": t}),
    }
    for name, (points, fields) in places.items():
        meshio.Mesh(points, cells, point_data=fields).write(tmp_path / f"{name}.vtu")
        own = Table(tmp_path / f"{name}.vtu").own_points(line_in_time())
        np.testing.assert_allclose(own.numpy(), np.column_stack([x, t]), atol=1e-15)


class Field(Network):
    """A network that is a function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.function = function

    def forward(self, points):
        return self.function(points)[:, None]


def test_errors_are_measured_at_its_own_points(tmp_path):
    points = 0.5 * scattered(40)
    path = write(tmp_path / "u.csv", "x,y,u", np.column_stack([points, np.full(40, 2.0)]))
    problem = Problem(
        "xy", "u", SQUARE, [lambda u: u.xx], reference=Table(path, own_error=1e-6)
    )  # fmt: skip
    # Right in the quarter where the table is, wrong elsewhere.
    wrong = Field(lambda p: torch.where((p < 0.5).all(1), 2.0, 7.0).to(p))
    found = measure(problem, wrong)
    assert found.relative_l2["u"] == 0.0
    assert found.max_error["u"] == 0.0
    assert found.reference == "file"
    assert measured_text(found, "u") == "0.00e+00  (below the file reference's own error, 1.00e-06)"


def test_an_unknown_own_error_is_said_and_stays_null(tmp_path):
    points = scattered(10)
    path = write(tmp_path / "u.csv", "x,y,u", np.column_stack([points, points[:, 0]]))
    problem = Problem("xy", "u", SQUARE, [lambda u: u.xx], reference=Table(path))
    found = measure(problem, Field(lambda p: p[:, 0] * 1.5))
    assert found.relative_l2["u"] == pytest.approx(0.5)
    assert math.isnan(found.own_error["u"])
    assert measured_text(found, "u") == (
        "5.00e-01  (measured against file, whose own error is not known)"
    )
    above = Errors({"u": 0.5}, {"u": 0.5}, "spectral", {"u": 0.1})
    assert "whose own error is 1.00e-01" in measured_text(above, "u")


def refused(path: Path, words: str, problem: Problem | None = None, text: str | None = None):
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        Table(path).own_points(problem or square())
    assert caught.value.file == path


def test_refusals(tmp_path):
    path = tmp_path / "u.csv"
    refused(path, "no such file")
    refused(path, "no row", text="x,y,u\n")
    refused(path, "no column 'u'", text="x,y,v\n0,0,0\n")
    refused(path, "two columns 'x'", text="x,x,y,u\n0,0,0,0\n")
    refused(path, "u is 'nan'", text="x,y,u\n0,0,nan\n")
    refused(path, "u is ''", text="x,y,u\n0,0\n")
    refused(path, "x is 'a'", text="x,y,u\na,0,0\n")
    refused(path, r"1 of 2 points lie outside .* \(2, 0\)", text="x,y,u\n0,0,1\n2,0,1\n")
    path.write_bytes(b"\xff\xfe\x00")
    refused(path, "not CSV text")
    # In the box around the domain is not in the domain; nor is a time after the last one.
    text = "x,y,u\n0,0,1\n0.9,0.9,1\n"
    refused(path, "outside the domain", square(domain=Disk((0, 0), 1)), text)
    refused(path, "outside the domain", line_in_time((0, 0.5)), "x,t,u\n0,0.7,1\n")
    path.write_text("x,y,u\n0,0,1\n0,0,?\n")
    with pytest.raises(InputError) as caught:
        Table(path).own_points(square())
    assert caught.value.line == 3
    mesh = tmp_path / "u.vtu"
    refused(mesh, "meshio cannot read", text="nothing")
    refused(tmp_path / "u.nothing", "meshio cannot read", text="nothing")
    cells = [("triangle", np.array([[0, 1, 2]]))]
    corners = np.eye(3)
    meshio.Mesh(corners, cells, point_data={"w": np.ones(3)}).write(mesh)
    refused(mesh, "no point data 'u'")
    meshio.Mesh(corners, cells, point_data={"u": np.ones((3, 3))}).write(mesh)
    refused(mesh, "not one number for each point")
    meshio.Mesh(corners, cells, point_data={"u": np.array([1.0, np.nan, 1.0])}).write(mesh)
    refused(mesh, "point 1 .* is not finite")
    with pytest.raises(InputError, match="own error of a reference is -1"):
        Table(path, own_error=-1.0)
    with pytest.raises(InputError, match="own error of a reference is nan"):
        Table(path, own_error={"u": math.nan})


def table(name: str) -> np.ndarray:
    rows = np.loadtxt(PROBLEMS / name, delimiter=",", skiprows=1)
    assert rows.shape == (4000, 3)
    return rows


def burgers() -> Problem:
    nu = 0.01 / math.pi
    return Problem(
        "xt", "u", Interval(-1, 1), [lambda u: u.t + u * u.x - nu * u.xx],
        [Initial(lambda x: -torch.sin(torch.pi * x)), Dirichlet("boundary")], time=(0, 1),
    )  # fmt: skip


def test_the_burgers_table():
    """The front's steepest slope is 152.00516 at t = 1.6037/pi (C. Basdevant et al., 1986)."""
    reference = Table(PROBLEMS / "burgers-reference.csv", own_error=1e-14)
    points = reference.own_points(burgers())
    x, t, u = table("burgers-reference.csv").T
    assert points.shape == (4000, 2)
    assert (np.abs(x) < 0.02).sum() > 1000
    assert np.unique(t).size == 4000
    steep = (np.abs(x) < 2e-4) & (np.abs(t - 1.6037 / np.pi) < 0.02)
    assert steep.any()
    slopes = u[steep] / x[steep]
    assert slopes.min() > -152.006
    assert slopes.min() < -150.0
    early = t < 0.05
    # Characteristics: u = -sin(pi (x - u t)) while viscosity has hardly acted.
    known = -np.sin(np.pi * (x - u * t))[early]
    assert np.abs(u[early] - known).max() < 0.01


def test_the_allen_cahn_table():
    x, t, u = table("allen-cahn-reference.csv").T
    assert np.abs(u).max() < 1.0
    early = t < 0.002
    first = x**2 * np.cos(np.pi * x)
    grown = first + t * 5 * (first - first**3)
    assert np.abs(u - grown)[early & (np.abs(x) < 0.9)].max() < 1e-3
    # Both wells are reached, and the plateaus do not move.
    late = t > 0.9
    assert np.abs(u[late & (np.abs(x) > 0.9)] + 1).max() < 0.01
