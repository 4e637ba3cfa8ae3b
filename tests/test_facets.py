"""Domains with flat facets: meshes, surfaces, polygons with holes, buffered curves."""

from __future__ import annotations

import itertools
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import matplotlib
import meshio
import numpy as np
import pytest
import torch
from figure_texts import words
from scipy.spatial import cKDTree
from test_geometry import BOX_SIDES, DomainConformance

from gmnm_pde import runs, solve
from gmnm_pde.catalog import copy_problem
from gmnm_pde.checks import check
from gmnm_pde.cli import main
from gmnm_pde.config import load_problem
from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Cylinder, Difference, Disk, Mesh, Polygon, Surface, buffered
from gmnm_pde.geometry.nearest import NearestFacet
from gmnm_pde.geometry.shell import Shell
from gmnm_pde.report.domain import domain_figure
from gmnm_pde.report.style import STYLE

# ------------------------------------------------------------------------------- meshes, made here


def grid(shape: tuple[int, ...], upper: tuple[float, ...]) -> np.ndarray:
    """Corners of a lattice from the origin to ``upper``, indexed by numbers of steps."""
    axes = [np.linspace(0.0, end, count + 1) for end, count in zip(upper, shape, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


def numbers(
    shape: tuple[int, ...], cell: tuple[int, ...], offsets: list[tuple[int, ...]]
) -> list[int]:
    place = [tuple(c + o for c, o in zip(cell, offset, strict=True)) for offset in offsets]
    return [int(np.ravel_multi_index(p, [n + 1 for n in shape])) for p in place]


SQUARE = [(0, 0), (1, 0), (1, 1), (0, 1)]
CUBE = [(*xy, z) for z in (0, 1) for xy in SQUARE]
TETRAHEDRA = [[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]]


def frame(kind: str = "quad") -> meshio.Mesh:
    """A rectangle of 3 by 3 cells, 3 wide and 1.5 high, without the middle one."""
    shape = (3, 3)
    points = grid(shape, (3.0, 1.5)).reshape(-1, 2)
    places = [c for c in itertools.product(range(3), range(3)) if c != (1, 1)]
    cells = np.array([numbers(shape, c, SQUARE) for c in places])
    if kind == "triangle":
        cells = np.concatenate([cells[:, [0, 1, 2]], cells[:, [0, 2, 3]]])
    hole = numbers(shape, (1, 1), SQUARE)
    inlet = [numbers(shape, (0, j), [(0, 0), (0, 1)]) for j in range(3)]
    lines = np.array([*zip(hole, [*hole[1:], hole[0]], strict=True), *inlet])
    tags = [np.ones(len(cells), int), np.array([7] * 4 + [8] * 3)]
    return meshio.Mesh(
        np.column_stack([points, np.zeros(len(points))]),
        [(kind, cells), ("line", lines)],
        cell_data={"gmsh:physical": tags, "gmsh:geometrical": tags},
        field_data={"hole": np.array([7, 1]), "inlet": np.array([8, 1])},
    )


def brick(kind: str = "tetra") -> meshio.Mesh:
    """A block of 2 by 1 by 1 with 4 by 2 by 2 cells, without a channel along z at one corner."""
    shape = (4, 2, 2)
    points = grid(shape, (2.0, 1.0, 1.0)).reshape(-1, 3)
    places = [c for c in itertools.product(*map(range, shape)) if c[:2] != (3, 1)]
    cells = np.array([numbers(shape, c, CUBE) for c in places])
    if kind == "tetra":
        cells = np.concatenate([cells[:, t] for t in TETRAHEDRA])
    if kind == "wedge":
        cells = np.concatenate([cells[:, [0, 1, 2, 4, 5, 6]], cells[:, [0, 2, 3, 4, 6, 7]]])
    return meshio.Mesh(points, [(kind, cells)])


def write(mesh: meshio.Mesh, path: Path, **options: object) -> Path:
    meshio.write(path, mesh, **options)
    return path


MESHES = Path(tempfile.mkdtemp())
"""Files that the classes below need when they are made."""


def mesh_file(mesh: meshio.Mesh, name: str, **options: object) -> Path:
    return write(mesh, MESHES / name, **options)


@pytest.fixture(scope="module", autouse=True)
def _cleared() -> Iterator[None]:
    yield
    shutil.rmtree(MESHES)


# ------------------------------------------------------------------------------- domains

FRAME_SIDES = (*BOX_SIDES[:5], "hole", "inlet")


class TestFrame(DomainConformance):
    """A plate with a square hole, of quadrilaterals in a gmsh file."""

    domain = Mesh(mesh_file(frame(), "frame.msh", file_format="gmsh22", binary=False))
    measure, boundary_measure, centroid = 4.0, 12.0, (1.5, 0.75)
    sides, lower, upper = FRAME_SIDES, (0.0, 0.0), (3.0, 1.5)

    def test_groups(self) -> None:
        hole, inlet = (self.domain.sample_boundary(50, name) for name in ("hole", "inlet"))
        assert hole.measure == pytest.approx(3.0)
        assert inlet.measure == pytest.approx(1.5)
        assert bool((inlet.points[:, 0] == 0.0).all())
        assert bool((inlet.normals == torch.tensor([-1.0, 0.0])).all())
        middle = torch.tensor([1.5, 0.75]).double()
        assert bool((((hole.points - middle) * hole.normals).sum(1) < 0.0).all())
        whole = self.domain.sample_boundary(400)
        held = self.domain.on_side(whole.points, "hole")
        assert float(held.double().mean()) == pytest.approx(0.25, abs=0.01)
        assert self.domain.hole_boxes == (((1.0, 0.5), (2.0, 1.0)),)
        assert len(self.domain.corners().points) == 8

    def test_a_selection_of_a_group(self) -> None:
        part = self.domain.sample_boundary(40, "hole", where=lambda p: p[:, 0] < 1.25)
        assert part.measure == pytest.approx(1.0)


class TestFrameOfTriangles(DomainConformance):
    """The same of triangles, numbered clockwise, in a file without names."""

    mesh = frame("triangle")
    mesh.cells[0].data[:] = mesh.cells[0].data[:, ::-1].copy()
    domain = Mesh(mesh_file(mesh, "frame.vtu"))
    measure, boundary_measure, centroid = 4.0, 12.0, (1.5, 0.75)
    sides, lower, upper = (*BOX_SIDES[:5], "tag7", "tag8"), (0.0, 0.0), (3.0, 1.5)


class TestBrick(DomainConformance):
    """A block without a corner, of tetrahedra."""

    domain = Mesh(mesh_file(brick(), "brick.vtk"))
    measure, boundary_measure = 1.75, 9.5
    centroid = ((2.0 * 1.0 - 0.25 * 1.75) / 1.75, (2.0 * 0.5 - 0.25 * 0.75) / 1.75, 0.5)
    sides, lower, upper = BOX_SIDES, (0.0,) * 3, (2.0, 1.0, 1.0)


class TestHolePolygon(DomainConformance):
    domain = Polygon(
        ((0, 0), (3, 0), (3, 1.5), (0, 1.5)), (((1, 0.5), (2, 0.5), (2, 1.0), (1, 1.0)),)
    )
    measure, boundary_measure, centroid = 4.0, 12.0, (1.5, 0.75)
    sides, lower, upper = BOX_SIDES[:5], (0.0, 0.0), (3.0, 1.5)


TORUS_RADII = (1.0, 0.4)


def torus(around: int = 48, across: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of a torus."""
    big, small = TORUS_RADII
    s, t = np.meshgrid(
        2 * np.pi * np.arange(around) / around, 2 * np.pi * np.arange(across) / across,
        indexing="ij",
    )  # fmt: skip
    r = big + small * np.cos(t)
    points = np.stack([r * np.cos(s), r * np.sin(s), small * np.sin(t)], -1).reshape(-1, 3)
    number = np.arange(around * across).reshape(around, across)
    a, b = number, np.roll(number, -1, 0)
    c, d = np.roll(b, -1, 1), np.roll(a, -1, 1)
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    return points, np.concatenate(faces)


def stl(points: np.ndarray, faces: np.ndarray, name: str) -> Path:
    return mesh_file(meshio.Mesh(points, [("triangle", faces)]), name, binary=True)


TORUS = Surface(stl(*torus(), "torus.stl"))


class TestTorus(DomainConformance):
    domain = TORUS
    measure, boundary_measure, centroid = 3.0937, 15.647, (0.0,) * 3
    tolerance = 1e-3
    lower, upper = (-1.4, -1.4, -0.4), (1.4, 1.4, 0.4)

    def test_figures(self) -> None:
        big, small = TORUS_RADII
        assert self.domain.measure == pytest.approx(2 * math.pi**2 * big * small**2, rel=0.02)
        assert self.domain.boundary_measure == pytest.approx(4 * math.pi**2 * big * small, rel=0.01)
        assert self.domain.sides == ("boundary",)

    def test_the_side_is_that_of_the_shape(self) -> None:
        points = self.around(20_000)
        big, small = TORUS_RADII
        exact = torch.hypot(points[:, :2].norm(dim=1) - big, points[:, 2]) - small
        # The facets lie inside the torus, by up to the sagitta of their edges.
        clear = (exact > 1e-6) | (exact < -0.012)
        assert bool(((exact < 0) == self.domain.contains(points))[clear].all())


class TestMeshWithoutADisk(DomainConformance):
    """A combination keeps the groups."""

    domain = Difference(TestFrame.domain, Disk((0.5, 0.25), 0.2))
    measure, boundary_measure = 4.0 - 0.04 * math.pi, 12.0 + 0.4 * math.pi
    centroid = ((6.0 - 0.02 * math.pi) / measure, (3.0 - 0.01 * math.pi) / measure)
    sides, lower, upper = FRAME_SIDES, (0.0, 0.0), (3.0, 1.5)

    def test_groups(self) -> None:
        assert self.domain.sample_boundary(50, "hole").measure == pytest.approx(3.0)
        assert self.domain.hole_boxes[0] == ((1.0, 0.5), (2.0, 1.0))
        assert len(self.domain.hole_boxes) == 2
        angles = self.domain.corners().angles
        assert len(angles) == 8
        assert int((angles > math.pi).sum()) == 4


def test_a_group_at_all_times() -> None:
    region = Cylinder(TestFrame.domain, (0.0, 2.0))
    assert region.sides == (*FRAME_SIDES, "initial", "final")
    part = region.sample_boundary(200, "hole")
    assert part.measure == pytest.approx(6.0)
    assert bool(region.on_side(part.points, "hole").all())
    assert not bool(region.on_side(part.points, "inlet").any())


# ------------------------------------------------------------------------------- distances


def brute(shell: Shell, points: np.ndarray) -> np.ndarray:
    """Distances by many samples on every facet, from above."""
    steps = np.linspace(0.0, 1.0, 21)
    pairs = [(a, b) for a in steps for b in steps if a + b <= 1.0 + 1e-12]
    weights = np.array([(1 - a - b, a, b) for a, b in pairs])
    samples = np.einsum("kw,mwd->mkd", weights, shell.corners).reshape(-1, 3)
    return cKDTree(samples).query(points)[0]


def test_distance_to_triangles_near_and_far() -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform(-1.6, 1.6, (3000, 3))
    distance = np.abs(NearestFacet(TORUS.shell).signed_distance(points))
    exact = brute(TORUS.shell, points)
    assert (distance <= exact + 1e-7).all()
    assert (distance >= 0.49 * exact - 0.01).all()
    near = exact < 0.02
    assert near.sum() > 20
    assert np.abs(distance - exact)[near].max() < 4e-3


def test_sides_beside_edges_and_vertices_are_exact() -> None:
    """Points straight out from edges and vertices: signs by one of the facets would fail there."""
    sharp = Polygon([(0, 0), (1, 0.02), (2, 0), (1, 2)])
    points = torch.tensor([[1.0, 0.01], [1.0, 0.03], [-1e-9, 0.0], [1e-3, 1e-4], [1.0, 2.0 + 1e-9]])
    assert sharp.contains(points.double()).tolist() == [False, True, False, True, False]


def test_needles_do_not_confuse() -> None:
    """A rod of triangles 50 times as long as wide."""
    angle = 2 * np.pi * np.arange(60) / 60
    ring = np.stack([0.2 * np.cos(angle), 0.2 * np.sin(angle), 0 * angle], 1)
    points = np.concatenate([ring, ring + np.array([0, 0, 1]), [[0, 0, 0], [0, 0, 1]]])
    i, j = np.arange(60), (np.arange(60) + 1) % 60
    sides = [np.stack([i, j, j + 60], 1), np.stack([i, j + 60, i + 60], 1)]
    caps = [np.stack([j, i, 0 * i + 120], 1), np.stack([i + 60, j + 60, 0 * i + 121], 1)]
    rod = Surface(stl(points, np.concatenate(sides + caps), "rod.stl"))
    x = torch.from_numpy(
        np.random.default_rng(1).uniform([-0.3, -0.3, -0.2], [0.3, 0.3, 1.2], (2000, 3))
    )
    inside = (x[:, :2].norm(dim=1) < 0.199) & (x[:, 2] > 0) & (x[:, 2] < 1)
    outside = (x[:, :2].norm(dim=1) > 0.2) | (x[:, 2] < 0) | (x[:, 2] > 1)
    assert bool(rod.contains(x)[inside].all())
    assert not bool(rod.contains(x)[outside].any())


# ------------------------------------------------------------------------------- outlines


def test_a_smooth_curve_of_many_points_has_no_corners() -> None:
    t = 2 * np.pi * np.arange(500) / 500
    r = 1 + 0.12 * np.tanh(3 * np.cos(10 * t))
    gear = Polygon(tuple(map(tuple, np.stack([r * np.cos(t), r * np.sin(t)], 1))))
    assert len(gear.corners().points) == 0
    assert len(Difference(gear, Disk((0, 0), 0.2)).corners().points) == 0
    cut = Difference(gear, Polygon([(0, 0), (2, 0), (2, 2), (0, 2)]))
    assert len(cut.corners().points) == 3


def test_a_shallow_corner_is_one() -> None:
    roof = Polygon([(0, 0), (2, 0), (2, 1), (1, 1.05), (0, 1)])
    assert len(roof.corners().points) == 5


def test_a_buffered_curve() -> None:
    stadium = buffered([(0, 0), (2, 0)], 0.5)
    assert stadium.measure == pytest.approx(2.0 + math.pi / 4, rel=1e-3)
    assert len(stadium.corners().points) == 0
    ring = buffered([(math.cos(t), math.sin(t)) for t in np.linspace(0, 2 * math.pi, 400)], 0.1)
    assert len(ring.hole_boxes) == 1
    assert ring.measure == pytest.approx(0.4 * math.pi, rel=1e-3)


def test_surfaces_turn_their_triangles_outward() -> None:
    points, faces = torus()
    turned = faces.copy()
    turned[::3] = turned[::3, ::-1]
    assert Surface(stl(points, turned, "turned.stl")).measure == pytest.approx(TORUS.measure)
    inner = Surface(
        stl(
            np.concatenate([2 * points, points * [2, 2, 1.0] * 0.5 + [0.9, 0, 0]]),
            np.concatenate([faces, faces + len(points)]), "apart.stl",
        )
    )  # fmt: skip
    assert inner.measure > 0


def test_a_cavity_is_taken_out() -> None:
    cube = brick("hexahedron")
    outer = Mesh(mesh_file(cube, "cube.vtu")).shell
    small = outer.vertices * 0.2 + 0.3
    faces = np.concatenate([outer.facets, outer.facets + len(small)])
    both = Surface(stl(np.concatenate([outer.vertices, small]), faces, "cavity.stl"))
    assert both.measure == pytest.approx(1.75 * (1 - 0.2**3), rel=1e-6)
    assert not bool(both.contains(torch.tensor([[0.35, 0.35, 0.35]]).double())[0])


# ------------------------------------------------------------------------------- bad input


def refused(make: object, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def plane(
    cells: list[tuple[str, list[list[int]]]], points: list[list[float]] | None = None
) -> Path:
    usual = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0.0]]
    return mesh_file(meshio.Mesh(np.array(points or usual, float), cells), f"bad{uuid4().hex}.vtu")


GOOD = [[0, 1, 2], [0, 2, 3]]


def test_meshes_that_fill_nothing() -> None:
    refused(
        lambda: Mesh(plane([("line", [[0, 1], [1, 2]])])), "no cells that fill", "gmsh -2", ".vtu"
    )
    raised = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.5]]
    refused(lambda: Mesh(plane([("triangle", GOOD)], raised)), "surface in space", "`surface:")


def test_meshes_with_bad_cells() -> None:
    refused(
        lambda: Mesh(plane([("triangle", [[0, 1, 2], [0, 3, 2], [1, 4, 2]])])),
        "1 of 3 cells", "number 2", "is inverted",
    )  # fmt: skip
    refused(lambda: Mesh(plane([("triangle", [*GOOD, [0, 1, 4]])])), "number 3", "has no volume")
    refused(lambda: Mesh(plane([("triangle", [*GOOD, [2, 0, 1]])])), "there twice", "1 and 3")
    refused(
        lambda: Mesh(plane([("triangle", GOOD), ("line", [[0, 4]])])), "mixed dimensions", "1 lines"
    )


def test_cells_that_overlap() -> None:
    fan = [[0, 1, 2], [0, 1, 3], [0, 1, 4]]
    points = [[0, 0, 0], [1, 0, 0], [0.5, 1, 0], [0.2, 1, 0], [0.8, 1, 0.0]]
    refused(lambda: Mesh(plane([("triangle", fan)], points)), "three cells or more")


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "no.msh"
    refused(lambda: Mesh(path), "there is no mesh file 'no.msh'")
    path.write_text("$MeshFormat\nnonsense\n")
    refused(lambda: Mesh(path), "no mesh that can be read", str(path))
    other = tmp_path / "mesh.foo"
    other.write_text("x")
    refused(lambda: Mesh(other), ".foo is not known")
    refused(lambda: Surface(other), ".stl", ".foo")
    broken = tmp_path / "a.stl"
    broken.write_bytes(b"\0" * 100)
    refused(lambda: Surface(broken), "surface")
    monkeypatch.setattr("gmnm_pde.geometry.files.memory", lambda: 100)
    refused(lambda: Mesh(path), "memory", "MiB")


def test_an_open_surface_names_an_edge() -> None:
    points, faces = torus(12, 8)
    refused(
        lambda: Surface(stl(points, faces[1:], "open.stl")), "not watertight", "edge (1.11097, 0.64"
    )


def test_groups_with_names_of_other_things() -> None:
    mesh = frame()
    mesh.field_data["initial"] = mesh.field_data.pop("inlet")
    path = mesh_file(mesh, "initial.msh", file_format="gmsh22", binary=False)
    refused(lambda: Mesh(path), "'initial'", "Rename")


def test_second_order_cells_are_read_by_their_corners() -> None:
    points = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.5, -0.1, 0], [0.5, 0.5, 0], [0, 0.5, 0.0]]
    domain = Mesh(plane([("triangle6", [[0, 1, 2, 3, 4, 5]])], points))
    assert domain.measure == pytest.approx(0.5)
    assert "straight" in domain.notes[0]


def test_holes_that_are_not_inside() -> None:
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    out = [(0.5, 0.5), (2, 0.5), (2, 0.7)]
    refused(lambda: Polygon(square, (out,)), "hole 1", "not inside")
    two = [(0.1, 0.1), (0.5, 0.1), (0.5, 0.5)], [(0.4, 0.2), (0.8, 0.2), (0.8, 0.6)]
    refused(lambda: Polygon(square, two), "holes 1 and 2")
    refused(lambda: buffered([(0, 0)], 1.0), "two points")
    refused(lambda: buffered([(0, 0), (1, 0)], 0.0), "positive")


@pytest.mark.parametrize(
    ("package", "make"),
    [
        ("shapely", lambda: buffered([(0, 0), (1, 0)], 0.1)),
        ("trimesh", lambda: Surface(TORUS.path)),
    ],
)
def test_a_missing_package_is_named(
    package: str, make: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    refused(make, package, "gmnm-pde[geometry]")


# ------------------------------------------------------------------------------- problem files

PROBLEM = """\
name: demo
coordinates: [x, y]
unknowns: [u]
domain:
  difference:
    - {mesh: frame.msh}
    - {polygon: {file: cut.csv}}
equations: [u_xx + u_yy = 0]
conditions:
  - {at: [hole, inlet], equation: u = x}
  - {at: boundary, where: x > 0, equation: u = x}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(frame(), tmp_path / "frame.msh", file_format="gmsh22", binary=False)
    (tmp_path / "cut.csv").write_text("x,y\n2.2,0.2\n2.4,0.2\n2.3,0.3\n")
    (tmp_path / "demo.yaml").write_text(PROBLEM)
    return tmp_path


def test_files_travel_with_a_run(folder: Path) -> None:
    file = load_problem(folder / "demo.yaml")
    assert "hole" in file.problem.domain.sides
    run = runs.open_run(folder / "run")
    runs.write_inputs(run, file, file.recipe())
    assert {path.name for path in run.path.iterdir()} == {
        "problem.yaml", "solver.yaml", "mesh.msh", "outline.csv",
    }  # fmt: skip
    again = load_problem(folder / "run" / "problem.yaml")
    assert again.problem.domain.measure == file.problem.domain.measure


def test_unknown_groups_and_bad_files_are_named(folder: Path) -> None:
    path = folder / "demo.yaml"
    path.write_text(PROBLEM.replace("[hole, inlet]", "outlet"))
    refused(lambda: check(load_problem(path).problem), "'outlet'", "inlet", "hole")
    path.write_text(PROBLEM)
    (folder / "cut.csv").write_text("x,y\n2.2,zero\n")
    refused(
        lambda: load_problem(path), "demo.yaml:7: domain.difference.1.polygon.file", "cut.csv:2"
    )
    (folder / "frame.msh").write_text("nothing")
    refused(lambda: load_problem(path), "demo.yaml:6: domain.difference.0.mesh: frame.msh: ")


def test_init_copies_the_mesh(tmp_path: Path) -> None:
    copied = copy_problem("poisson-mesh", tmp_path / "mine.yaml")
    assert [path.name for path in copied] == ["mine.yaml", "poisson-mesh.msh"]


@pytest.mark.parametrize(("name", "limit"), [("poisson-mesh", 1e-7), ("gear", 1e-6)])
def test_problems_in_the_plane(name: str, limit: float) -> None:
    solution = solve(name, rtol=limit)
    assert solution.status == "converged"
    assert solution.errors is not None
    assert solution.errors.relative_l2["u"] < limit


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "limit"),
    [("poisson-mesh-3d", 1e-5), ("poisson-torus", 1e-5), ("poisson-stl", 1e-5), ("airfoil", 1e-6)],
)
def test_problems_that_take_longer(name: str, limit: float) -> None:
    solution = solve(name, rtol=limit)
    assert solution.status == "converged"
    assert solution.errors is not None
    assert solution.errors.relative_l2["u"] < limit


HEAT = """\
name: demo
coordinates: [x, y, t]
unknowns: [u]
definitions: {w: exp(-t)*sin(x)*cos(y)}
domain: {mesh: frame.msh}
time: [0, 0.2]
equations: [u_t = u_xx + u_yy + w]
conditions:
  - {at: initial, equation: u = w}
  - {at: [hole, inlet], equation: u = w}
  - {at: [right, bottom, top], equation: u = w}
reference: {exact: {u: w}}
"""


def test_heat_in_a_mesh(folder: Path) -> None:
    (folder / "demo.yaml").write_text(HEAT)
    solution = solve(folder / "demo.yaml", rtol=1e-3)
    assert solution.errors is not None
    assert solution.errors.relative_l2["u"] < 1e-3


@pytest.mark.parametrize("name", ["poisson-mesh", "poisson-torus", "heat", "burgers"])
def test_pictures_of_domains(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", name, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "domain.png").stat().st_size > 5_000
    with matplotlib.rc_context(STYLE):
        said = words(domain_figure(load_problem(name).problem))
    for part in {"poisson-mesh": ("hole", "wall", "inlet")}.get(name, ()):
        assert part in said
    capsys.readouterr()
