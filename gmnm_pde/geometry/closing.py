"""Facets as a shell: closed, in order, turned outward."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gmnm_pde.errors import InputError
from gmnm_pde.geometry.nearest import NearestFacet
from gmnm_pde.geometry.shell import Array, Indices, Shell


def closed_shell(
    vertices: Array, facets: Indices, groups: dict[str, Indices] | None = None
) -> Shell:
    """A shell whose facets are ordered, without the vertices that none of them has.

    Raises:
        InputError: it is open or branches, or has no inside; an edge where is named.
    """
    refuse_open(vertices, facets)
    used, facets = np.unique(facets, return_inverse=True)
    facets = facets.reshape(-1, vertices.shape[1])
    vertices = vertices[used]
    order = _along_loops(facets) if facets.shape[1] == 2 else _along_curve(vertices, facets)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    shell = Shell(
        vertices,
        facets[order],
        {name: np.sort(place[rows]) for name, rows in (groups or {}).items()},
    )
    if abs(shell.volume) <= 1e-14 * np.ptp(vertices, axis=0).max() ** shell.dimension:
        raise InputError("the boundary encloses nothing.", mend="Check the file.")
    return shell


def refuse_open(vertices: Array, facets: Indices) -> None:
    """Raises InputError where facets do not close: each edge (in the plane, each vertex) belongs to
    as many facets one way round as the other."""
    if vertices.shape[1] == 2:
        ends = np.bincount(facets[:, 0], minlength=len(vertices))
        ends = ends - np.bincount(facets[:, 1], minlength=len(vertices))
        bad, places = np.flatnonzero(ends), vertices[:, None]
        what = "vertex"
    else:
        directed = facets[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        turned = directed[:, 0] > directed[:, 1]
        edges, number = np.unique(np.sort(directed, 1), axis=0, return_inverse=True)
        balance = np.bincount(number.ravel(), np.where(turned, -1.0, 1.0), len(edges))
        bad, places = np.flatnonzero(balance), vertices[edges]
        what = "edge"
    if not len(bad):
        return
    points = " to ".join(_shown(point) for point in places[bad[0]])
    count = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    raise InputError(
        f"the surface is not watertight: it is open at the {what} {points}{count}.",
        mend="Close it in the program that it comes from.",
    )


def turned_outward(vertices: Array, facets: Indices) -> Indices:
    """Triangles that are turned so that neighbours agree and each closed surface encloses a volume
    that is positive, or negative where it lies in an odd number of others: a cavity.

    Triangles with a neighbour missing, or with two at an edge, are left as they are there.
    """
    directed = facets[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    up = directed[:, 0] < directed[:, 1]
    _, number, count = np.unique(
        np.sort(directed, 1), axis=0, return_inverse=True, return_counts=True
    )
    number = number.ravel()
    order = np.argsort(number, kind="stable")
    pairs = order[np.repeat(count == 2, count)].reshape(-1, 2)
    agree = up[pairs[:, 0]] != up[pairs[:, 1]]
    a, b = pairs[:, 0] // 3, pairs[:, 1] // 3
    many = len(facets)
    # Each triangle is there twice, as it is and turned round: neighbours that agree are joined to
    # each other's same side, those that do not to the other one.
    rows = np.concatenate([a, a + many])
    columns = np.concatenate([np.where(agree, b, b + many), np.where(agree, b + many, b)])
    graph = coo_array((np.ones(len(rows)), (rows, columns)), (2 * many, 2 * many))
    label = connected_components(graph, directed=False)[1]
    first = np.minimum(label[:many], label[many:])
    facets = np.where((label[:many] > first)[:, None], facets[:, ::-1], facets)
    bodies = [facets[first == one] for one in np.unique(first)]
    bodies = [body if Shell(vertices, body).volume > 0 else body[:, ::-1] for body in bodies]
    return np.concatenate([_as_cavity(vertices, body, bodies) for body in bodies])


def _as_cavity(vertices: Array, body: Indices, bodies: list[Indices]) -> Indices:
    """A closed surface, turned inside out where it lies in an odd number of others."""
    point = vertices[body[0]].mean(0)[None]
    low, high = vertices[body].min(0), vertices[body].max(0)
    depth = 0
    for other in bodies:
        span = vertices[other]
        around = (span.min((0, 1)) <= low.min(0)).all() and (span.max((0, 1)) >= high.max(0)).all()
        if other is not body and around:
            depth += int(NearestFacet(Shell(vertices, other)).signed_distance(point)[0] < 0)
    return body[:, ::-1] if depth % 2 else body


def _shown(point: Array) -> str:
    return "(" + ", ".join(f"{x:.6g}" for x in point) + ")"


def _along_loops(facets: Indices) -> Indices:
    """The order of segments along closed curves, each of which starts at its first segment."""
    leaving: dict[int, list[int]] = {}
    for number in range(len(facets) - 1, -1, -1):
        leaving.setdefault(int(facets[number, 0]), []).append(number)
    order: list[int] = []
    for start in facets[:, 0].tolist():
        vertex = start
        while leaving[vertex]:
            order.append(leaving[vertex].pop())
            vertex = int(facets[order[-1], 1])
    return np.array(order)


def _along_curve(vertices: Array, facets: Indices) -> Indices:
    """The order of facets along a Morton curve through the bounding box of their middles."""
    points = vertices[facets].mean(1)
    size = np.maximum(np.ptp(points, axis=0).max(), 1e-300)
    bits = 20
    cell = np.minimum((points - points.min(0)) / size * 2**bits, 2**bits - 1).astype(np.int64)
    code = np.zeros(len(points), np.int64)
    for bit in range(bits):
        for axis in range(points.shape[1]):
            code |= ((cell[:, axis] >> bit) & 1) << (bit * points.shape[1] + axis)
    return np.argsort(code, kind="stable")
