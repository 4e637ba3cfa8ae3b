"""Domains that a mesh fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gmnm_pde.errors import InputError
from gmnm_pde.geometry.closing import closed_shell
from gmnm_pde.geometry.faceted import Faceted
from gmnm_pde.geometry.mesh_file import KINDS, MeshData, read_mesh
from gmnm_pde.geometry.shell import Array, Indices, Shell

RESERVED = ("initial", "final", "boundary")
"""Names that `at` has for other things."""


@dataclass(frozen=True)
class Mesh(Faceted):
    """The domain that the cells of a mesh fill, in the plane or in space.

    Nothing is solved on the mesh: its boundary is what counts. Groups of sides (physical groups)
    are names for ``at``. Of cells with curved sides the corners count.

    Arguments:
        path: any file that meshio reads: gmsh .msh, .vtk, .vtu, .xdmf ...

    Raises:
        InputError: a file that is missing, too large or in no known format; cells that do not
            fill a domain, are inverted or there twice; sides that belong to no cell.
    """

    path: str | Path

    def __post_init__(self) -> None:
        try:
            _ = self.shell  # read now, so that a bad file is refused here
        except InputError as error:
            raise error.located(self.path) from None

    @cached_property
    def data(self) -> MeshData:
        """What the file says: points, cells and groups."""
        return read_mesh(self.path)

    @cached_property
    def shell(self) -> Shell:
        faces, outward = _sides(self.data)
        rows = _boundary(faces)
        facets = _split(outward[rows])
        count = np.where(outward[rows][:, -1] < 0, 1, 2) if self.data.points.shape[1] == 3 else 1
        owner = np.repeat(np.arange(len(rows)), count)
        groups = {}
        for name, cells in _groups(self.data, faces).items():
            held = np.isin(rows, cells)
            if held.any():
                groups[name] = np.flatnonzero(held[owner])
        return closed_shell(self.data.points, facets, groups)

    @property
    def notes(self) -> tuple[str, ...]:
        if not self.data.curved:
            return ()
        return (
            f"The cells of {Path(self.path).name} have nodes between their corners; sides are "
            "taken to be straight from corner to corner.",
        )


def _sides(data: MeshData) -> tuple[Indices, Indices]:
    """The sides of all cells by their sorted corners, and the same seen from outside; of triangles
    beside quadrilaterals the last corner is -1."""
    _refuse_duplicates(data)
    outward = []
    for kind, cells in data.cells.items():
        sign = _orientation(data.points, kind, cells)
        for face in KINDS[kind].faces:
            side = cells[:, list(face if sign > 0 else face[::-1])]
            if len(face) == 3:
                side = np.column_stack([side, np.full(len(side), -1)])
            outward.append(side)
    found = np.concatenate(outward)
    return np.sort(found, axis=1), found


def _orientation(points: Array, kind: str, cells: Indices) -> int:
    """1 where cells are numbered as their kind says, -1 where all are the other way round.

    Raises:
        InputError: some are and some are not, or a cell has no volume.
    """
    volumes = _volumes(points, kind, cells)
    size = np.ptp(points[cells], axis=1).max(1) ** points.shape[1]
    flat = np.abs(volumes) <= 1e-12 * size
    sign = 1 if (volumes > 0).sum() * 2 >= len(volumes) else -1
    for bad, what in ((flat, "has no volume"), (sign * volumes < 0, "is inverted")):
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            middle = ", ".join(f"{x:.6g}" for x in points[cells[first]].mean(0))
            raise InputError(
                f"{int(bad.sum())} of {len(cells)} cells of the kind {kind} cannot be used: number "
                f"{first + 1}, around ({middle}), {what}.",
                mend="Repair the mesh, or make it again.",
            )
    return sign


def _volumes(points: Array, kind: str, cells: Indices) -> Array:
    """Signed areas or volumes of cells, (m,): fluxes of x through the sides."""
    centre = points[cells].mean(1)
    total = np.zeros(len(cells))
    for face in KINDS[kind].faces:
        corners = points[cells[:, list(face)]] - centre[:, None]
        if len(face) == 2:
            (a, b) = corners[:, 0], corners[:, 1]
            total += 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
            continue
        for i in range(1, len(face) - 1):
            cross = np.cross(corners[:, i], corners[:, i + 1])
            total += (corners[:, 0] * cross).sum(1) / 6.0
    return total


def _refuse_duplicates(data: MeshData) -> None:
    for kind, cells in data.cells.items():
        sets = np.sort(cells, axis=1)
        _, first, number = np.unique(sets, axis=0, return_index=True, return_inverse=True)
        again = np.flatnonzero(first[number.ravel()] != np.arange(len(cells)))
        if len(again):
            second = int(again[0])
            raise InputError(
                f"{len(again)} cells of the kind {kind} are there twice, the first are numbers "
                f"{int(first[number.ravel()[second]]) + 1} and {second + 1}.",
                mend="Remove the copies.",
            )


def _boundary(faces: Indices) -> Indices:
    """The sides that only one cell has.

    Raises:
        InputError: a side has three cells or more.
    """
    _, first, count = np.unique(faces, axis=0, return_index=True, return_counts=True)
    if (count > 2).any():
        raise InputError(
            f"{int((count > 2).sum())} sides belong to three cells or more: cells overlap.",
            mend="Remove one of them.",
        )
    return np.sort(first[count == 1])


def _split(sides: Indices) -> Indices:
    """Segments as they are; quadrilaterals in two triangles."""
    if sides.shape[1] == 2:
        return sides
    four = sides[:, 3] >= 0
    halves = np.stack([sides[:, [0, 1, 2]], sides[:, [0, 2, 3]]], axis=1)
    keep = np.stack([np.ones(len(sides), bool), four], axis=1)
    return halves[keep]


def _groups(data: MeshData, faces: Indices) -> dict[str, Indices]:
    """Rows of sides in each group.

    Raises:
        InputError: a side that is of no cell, or a group with the name of something else.
    """
    for name in data.named:
        if name in RESERVED:
            raise InputError(
                f"a group of sides is called {name!r}, which `at` has another meaning for.",
                mend="Rename the group.",
            )
    _rows(data.loose, faces)
    return {name: _rows(parts, faces) for name, parts in data.named.items()}


def _rows(parts: Sequence[Indices], faces: Indices) -> Indices:
    """Where sides stand among the faces."""
    if not any(len(part) for part in parts):
        return np.zeros(0, np.int64)
    width = faces.shape[1]
    wanted = np.concatenate(
        [np.column_stack([part, *[np.full(len(part), -1)] * (width - part.shape[1])])
         for part in parts]
    )  # fmt: skip
    wanted = np.sort(wanted, axis=1)
    both, number = np.unique(np.concatenate([faces, wanted]), axis=0, return_inverse=True)
    known = np.zeros(len(both), bool)
    known[number.ravel()[: len(faces)]] = True
    missing = np.flatnonzero(~known[number.ravel()[len(faces) :]])
    if len(missing):
        raise InputError(
            f"the mesh has mixed dimensions: {len(missing)} lines or faces are sides of no cell.",
            mend="Save only the cells that fill the domain, and their sides.",
        )
    asked = np.zeros(len(both), bool)
    asked[number.ravel()[len(faces) :]] = True
    return np.flatnonzero(asked[number.ravel()[: len(faces)]])
