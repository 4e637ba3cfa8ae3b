"""Meshes from files, through meshio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from gmnm_pde.errors import InputError
from gmnm_pde.geometry.files import readable
from gmnm_pde.geometry.shell import Array, Indices

TAGS = ("gmsh:physical", "medit:ref", "cell_tags", "CellEntityIds")
"""Cell data that say which group a cell belongs to."""


@dataclass(frozen=True)
class CellKind:
    """A kind of cell.

    Arguments:
        nodes: how many corners it has.
        faces: its sides, by its corners, all seen the same way round from outside.
    """

    nodes: int
    faces: tuple[tuple[int, ...], ...]

    @property
    def dimension(self) -> int:
        """Of space."""
        return 2 if len(self.faces[0]) == 2 else 3


KINDS = {
    "triangle": CellKind(3, ((0, 1), (1, 2), (2, 0))),
    "quad": CellKind(4, ((0, 1), (1, 2), (2, 3), (3, 0))),
    "tetra": CellKind(4, ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2))),
    "hexahedron": CellKind(
        8,
        (
            *((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4)),
            *((1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)),
        ),
    ),
    "wedge": CellKind(6, ((0, 2, 1), (3, 4, 5), (0, 1, 4, 3), (1, 2, 5, 4), (2, 0, 3, 5))),
    "pyramid": CellKind(5, ((0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4))),
}
"""Cells that a domain can consist of, numbered as VTK does."""

CORNERS = {"vertex": 1, "line": 2, **{name: kind.nodes for name, kind in KINDS.items()}}
"""Corners of a cell; further nodes of higher orders come after them."""

FACES_OF = {2: ("line",), 3: ("triangle", "quad")}
"""Kinds of the sides of cells, by dimension."""


@dataclass(frozen=True, eq=False)
class MeshData:
    """What a file says.

    Arguments:
        points: (n, d).
        cells: (m, k) corners, by kind; all of dimension d.
        named: (m, k) corners of sides, each kind of them, by the name of their group.
        loose: (m, k) sides in no group.
        curved: whether cells have further nodes between their corners.
    """

    points: Array
    cells: dict[str, Indices]
    named: dict[str, list[Indices]]
    loose: list[Indices]
    curved: bool


def read_mesh(path: str | Path) -> MeshData:
    """A mesh in the plane or in space.

    Raises:
        InputError: a file that is missing, too large, in no known format, or without cells that
            fill a domain.
    """
    path = readable(path, "mesh")
    mesh = _read(path)
    points = np.asarray(mesh.points, dtype=np.float64)
    blocks = [_block(block.type, np.asarray(block.data), path) for block in mesh.cells]
    kinds = {kind for kind, _, _ in blocks}
    dimension = 3 if kinds & {"tetra", "hexahedron", "wedge", "pyramid"} else 2
    points = _in_dimension(points, dimension, kinds, path)
    used = np.unique(np.concatenate([np.zeros(0, np.int64), *(c.ravel() for _, c, _ in blocks)]))
    if len(used) and not 0 <= used[0] <= used[-1] < len(points):
        raise InputError("a cell names a node that is not there.", file=path)
    if not np.isfinite(points[used]).all():
        raise InputError("a node has a coordinate that is not finite.", file=path)
    points, number = _merged(points)
    blocks = [(kind, number[cells], more) for kind, cells, more in blocks]
    cells = {
        kind: np.concatenate([c for k, c, _ in blocks if k == kind])
        for kind in KINDS
        if KINDS[kind].dimension == dimension and kind in kinds
    }
    named: dict[str, list[Indices]] = {}
    loose: list[Indices] = []
    for index, (kind, rows, _) in enumerate(blocks):
        if kind in FACES_OF[dimension] and kind not in cells:
            left = np.ones(len(rows), bool)
            for name, mask in _groups(mesh, index, len(rows), dimension - 1):
                named.setdefault(name, []).append(rows[mask])
                left &= ~mask
            loose.append(rows[left])
    curved = any(more for kind, _, more in blocks if kind in cells)
    return MeshData(points, cells, named, loose, curved)


def _read(path: Path) -> Any:
    import meshio

    try:
        # meshio prints what it could not read, and ends the program.
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            return meshio.read(path)
    except (Exception, SystemExit) as error:
        said = "" if isinstance(error, SystemExit) else str(error).strip().split("\n")[0][:200]
        known = path.suffix.lower() in meshio.extension_to_filetypes
        raise InputError(
            "this is no mesh that can be read" + (f": {said}." if said else "."),
            mend="Save it again, for example as gmsh .msh, .vtu or .vtk."
            if known
            else f"Files are known by their endings, and {path.suffix or 'none'} is not known; "
            "use gmsh .msh, .vtu, .vtk or .xdmf.",
            file=path,
        ) from None


def _block(kind: str, data: Indices, path: Path) -> tuple[str, Indices, bool]:
    """The kind, the corners of cells, and whether they have further nodes."""
    plain = kind.rstrip("0123456789")
    if plain not in CORNERS or data.ndim != 2:
        raise InputError(
            f"cells of the kind {kind!r} are not known.",
            mend=f"Known: {', '.join(CORNERS)}, also of higher orders.",
            file=path,
        )
    count = CORNERS[plain]
    return plain, data[:, :count].astype(np.int64), data.shape[1] > count


def _in_dimension(points: Array, dimension: int, kinds: set[str], path: Path) -> Array:
    """The points with as many coordinates as the cells have dimensions."""
    if not kinds & {name for name, kind in KINDS.items() if kind.dimension == dimension}:
        found = ", ".join(sorted(kinds)) or "none"
        raise InputError(
            f"the mesh has no cells that fill a domain; it has {found}.",
            mend="Mesh the surface (gmsh -2) or the volume (gmsh -3) before saving it.",
            file=path,
        )
    if points.shape[1] == dimension:
        return points
    if points.shape[1] == 2:
        points = np.column_stack([points, np.zeros(len(points))])
    size = np.ptp(points[:, :2], axis=0).max() if len(points) else 0.0
    if dimension == 2 and np.ptp(points[:, 2]) > 1e-9 * size:
        raise InputError(
            "the mesh is a surface in space: it has triangles or quadrilaterals, but no volume "
            "cells.",
            mend="Mesh the volume (gmsh -3), or give a closed surface as `surface: file.stl`.",
            file=path,
        )
    return points[:, :dimension]


def _merged(points: Array) -> tuple[Array, Indices]:
    """Nodes at the same place once, and the new number of each."""
    size = max(float(np.ptp(points, axis=0).max()), 1e-300) if len(points) else 1.0
    keys = np.round((points - points.min(0)) / (1e-12 * size)).astype(np.int64)
    _, first, number = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return points[first], number.ravel()


def _groups(mesh: Any, index: int, many: int, dimension: int) -> Iterator[tuple[str, Any]]:
    """Names of groups and which cells of a block belong to them."""
    for name, sets in mesh.cell_sets.items():
        rows = sets[index] if index < len(sets) else None
        if rows is not None and len(rows) and not name.startswith("gmsh:"):
            mask = np.zeros(many, bool)
            mask[np.asarray(rows, dtype=np.int64)] = True
            yield name, mask
    names = {int(tag): name for name, (tag, of) in _fields(mesh).items() if int(of) == dimension}
    for key in TAGS:
        if key in mesh.cell_data:
            tags = np.asarray(mesh.cell_data[key][index])
            for tag in np.unique(tags[tags != 0]):
                name = names.get(int(tag), f"tag{int(tag)}")
                if name not in mesh.cell_sets:
                    yield name, tags == tag
            return


def _fields(mesh: Any) -> dict[str, Any]:
    return {name: pair for name, pair in mesh.field_data.items() if np.size(pair) == 2}
