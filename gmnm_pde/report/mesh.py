"""Meshes for pictures and files: a domain cut into simplices or bricks. None is solved on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import Delaunay
from torch import Tensor

from gmnm_pde.geometry import Domain

Array = NDArray[np.float64]
Cells = NDArray[np.int64]

CELL_KINDS = {1: "line", 2: "triangle", 3: "tetra"}


@dataclass(frozen=True)
class Mesh:
    """Points (n, d) and cells (m, k) of indices into them.

    Arguments:
        kind: ``line``, ``triangle``, ``tetra`` or ``hexahedron``, as meshio calls them.
    """

    points: Array
    cells: Cells
    kind: str


def mesh_of(domain: Domain, count: int) -> Mesh:
    """A mesh of about ``count`` points, in one to three dimensions.

    Boxes get a lattice; other domains Delaunay cells of a lattice inside together with points on
    the boundary, corners included, of which those with their centroid outside are dropped.
    """
    if domain.dimension == 1:
        points = np.linspace(domain.lower, domain.upper, count)
        return Mesh(points, np.stack([np.arange(count - 1), np.arange(1, count)], 1), "line")
    if domain.fills_box:
        return brick_mesh(lattice(domain, count))
    return _delaunay_mesh(domain, count)


def outline(mesh: Mesh) -> Array:
    """The boundary of a triangle mesh, line segments (m, 2, 2): edges of one triangle only."""
    edges = np.sort(np.concatenate([mesh.cells[:, pair] for pair in ([0, 1], [1, 2], [2, 0])]), 1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    return mesh.points[unique[counts == 1]]


def lattice(domain: Domain, count: int) -> list[Array]:
    """One axis a coordinate, ends included, of a lattice of about ``count`` points in the box."""
    lengths = np.subtract(domain.upper, domain.lower)
    spacing = (np.prod(lengths) / count) ** (1 / len(lengths))
    return [
        np.linspace(low, high, max(2, round((high - low) / spacing) + 1))
        for low, high in zip(domain.lower, domain.upper, strict=True)
    ]


def lattice_points(axes: list[Array]) -> Array:
    """All the points of a lattice, (n, d), the last axis fastest."""
    return np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)


def brick_mesh(axes: list[Array]) -> Mesh:
    """Triangles or hexahedra between the points of a lattice in two or three dimensions."""
    shape = tuple(len(axis) for axis in axes)
    numbers = np.arange(np.prod(shape)).reshape(shape)

    def corner(*offsets: int) -> Cells:
        window = tuple(slice(o, o + n - 1) for o, n in zip(offsets, shape, strict=True))
        return numbers[window].ravel()

    if len(axes) == 2:
        a, b, c, d = corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1)
        cells = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
        return Mesh(lattice_points(axes), cells, "triangle")
    ring = ((0, 0), (1, 0), (1, 1), (0, 1))
    cells = np.stack([corner(*xy, z) for z in (0, 1) for xy in ring], axis=1)
    return Mesh(lattice_points(axes), cells, "hexahedron")


def _delaunay_mesh(domain: Domain, count: int) -> Mesh:
    spacing = (domain.measure / count) ** (1 / domain.dimension)
    inside = _staggered(domain, spacing)
    # Lattice points nearer to the boundary than this would make slivers with the points on it.
    inside = inside[domain.signed_distance(inside) < -0.55 * spacing]
    on_boundary = round(domain.boundary_measure / spacing ** (domain.dimension - 1))
    boundary = domain.sample_boundary(max(on_boundary, 16), sampler="sobol", seed=0).points
    points = torch.cat([inside, boundary, domain.corners().points.reshape(-1, domain.dimension)])
    # Points on one sphere or circle are a degenerate facet of the outer hull, which takes Qhull
    # five times as long as the mesh itself; a few points far away keep it from being outermost.
    cells = Delaunay(np.concatenate([points.numpy(), _far_away(domain)])).simplices
    cells = cells[(cells < len(points)).all(axis=1)].astype(np.int64)
    corners = points[torch.from_numpy(cells)]
    volumes = torch.linalg.det(corners[:, 1:] - corners[:, :1]).abs()
    keep = domain.contains(corners.mean(1)) & (volumes > 1e-3 * spacing**domain.dimension)
    used, cells = np.unique(cells[keep.numpy()], return_inverse=True)
    shape = (-1, domain.dimension + 1)
    return Mesh(points.numpy()[used], cells.reshape(shape), CELL_KINDS[domain.dimension])


def _far_away(domain: Domain) -> Array:
    """Corners of a box around the domain, five times as large, (2^d, d)."""
    low, high = np.array(domain.lower), np.array(domain.upper)
    axes = [np.array([a, b]) for a, b in zip(3 * low - 2 * high, 3 * high - 2 * low, strict=True)]
    return lattice_points(axes)


def _staggered(domain: Domain, spacing: float) -> Tensor:
    """A body-centred lattice over the bounding box: its Delaunay cells are well shaped."""
    step = spacing * 2 ** (1 / domain.dimension)
    axes = [
        np.arange(low - step / 2, high + step, step)
        for low, high in zip(domain.lower, domain.upper, strict=True)
    ]
    points = lattice_points(axes)
    return torch.from_numpy(np.concatenate([points, points + step / 2]))


def slices(domain: Domain, count: int) -> list[tuple[tuple[int, int], list[Array], Array]]:
    """Planes through the middle of a box: ((axis, axis), the two lattice axes, points (n, d))."""
    middle = np.add(domain.lower, domain.upper) / 2
    side = round(count**0.5)
    planes = []
    for first, second in ((0, 1), (0, 2), (1, 2)):
        axes = [np.linspace(domain.lower[a], domain.upper[a], side) for a in (first, second)]
        points = np.tile(middle, (side * side, 1))
        points[:, [first, second]] = np.array(list(product(*axes)))
        planes.append(((first, second), axes, points))
    return planes
