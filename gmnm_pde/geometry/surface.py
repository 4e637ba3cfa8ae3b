"""Solids inside a closed surface."""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path

import numpy as np

from gmnm_pde.errors import InputError
from gmnm_pde.extras import extra
from gmnm_pde.geometry.closing import closed_shell, turned_outward
from gmnm_pde.geometry.faceted import Faceted
from gmnm_pde.geometry.files import readable
from gmnm_pde.geometry.shell import Array, Indices, Shell

KNOWN = (".stl", ".obj", ".ply", ".off")
"""Formats of surfaces."""


@dataclass(frozen=True)
class Surface(Faceted):
    """The solid inside a watertight triangulated surface. Needs trimesh (the extra ``geometry``).

    Triangles may be either way round; cavities are surfaces of their own inside.

    Arguments:
        path: an .stl file, or .obj, .ply or .off.

    Raises:
        InputError: a file that is missing, too large or in no known format, or a surface that is
            not watertight; an edge where it is open is named.
    """

    path: str | Path

    def __post_init__(self) -> None:
        try:
            _ = self.shell  # read now, so that a bad file is refused here
        except InputError as error:
            raise error.located(self.path) from None

    @cached_property
    def shell(self) -> Shell:
        vertices, facets = _read(readable(self.path, "surface"))
        return closed_shell(vertices, turned_outward(vertices, facets))


def _read(path: Path) -> tuple[Array, Indices]:
    """Vertices, each once, and triangles that are not there twice."""
    trimesh = extra("trimesh", "geometry", "surfaces")
    if path.suffix.lower() not in KNOWN:
        raise InputError(
            f"surfaces are read from {', '.join(KNOWN)} files, not from {path.suffix or 'this'}.",
            mend="Save it as .stl.",
            file=path,
        )
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            mesh = trimesh.load_mesh(path, process=False)
        vertices, facets = np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int64)
    except Exception as error:
        raise InputError(
            f"this is no surface that can be read: {str(error).strip()[:200]}.",
            mend="Save it again as .stl.",
            file=path,
        ) from None
    if not len(facets) or not np.isfinite(vertices).all():
        raise InputError("the surface has no triangles, or one that is not finite.", file=path)
    # STL repeats every vertex in each of its triangles.
    size = max(float(np.ptp(vertices, axis=0).max()), 1e-300)
    keys = np.round((vertices - vertices.min(0)) / (1e-8 * size)).astype(np.int64)
    _, first, number = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    facets = number.ravel()[facets]
    distinct = np.array([len(set(row)) == 3 for row in facets.tolist()])
    return vertices[first], facets[distinct]
