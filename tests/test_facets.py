"""Domains with flat facets: meshes, surfaces, polygons with holes, buffered curves."""

from __future__ import annotations

import itertools
from pathlib import Path

import meshio
import numpy as np
import pytest

FOLDER = Path(__file__).parent / "meshes"


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


@pytest.fixture(scope="module", autouse=True)
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp()


def write(mesh: meshio.Mesh, path: Path, **options: object) -> Path:
    meshio.write(path, mesh, **options)
    return path
