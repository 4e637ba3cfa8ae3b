"""Conditions on values, held at the nodes: u = particular + basis y."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from gmnm_pde.errors import InputError
from gmnm_pde.references.fem.galerkin import Edge, Galerkin
from gmnm_pde.references.fem.mesh import outward, place
from gmnm_pde.references.fem.pointwise import condition_at
from gmnm_pde.references.fem.roles import MEND
from gmnm_pde.references.stencils import Array

ALIKE = 1e-3
"""Conditions at one node whose directions differ by less than this, as normals at a smooth
boundary may, are one."""

Row = tuple[tuple[int, ...], Array, float]
"""Numbers of the unknowns at one node, the factors of a condition, and its value."""


@dataclass(frozen=True, eq=False)
class Held:
    """What conditions on values leave free.

    Arguments:
        particular: (size,).
        basis: (size, free), orthonormal columns.
    """

    particular: Array
    basis: Any


def hold(system: Galerkin) -> Held:
    """The functions of the spaces that the conditions on values allow.

    Where conditions at a node contradict each other, as in the corner of a cavity, they are met in
    the mean.

    Raises:
        InputError: one that is not linear, or couples unknowns of different degrees.
    """
    rows: dict[tuple[int, ...], list[Row]] = {}
    for edge in system.edges:
        for key, row in _rows(system, edge):
            rows.setdefault(key, []).append(row)
    particular = np.zeros(system.size)
    free = np.ones(system.size, bool)
    mixed: list[tuple[tuple[int, ...], Array]] = []
    for key, given in rows.items():
        numbers = np.array(given[0][0])
        factors = np.stack([row[1] for row in given])
        size = np.linalg.norm(factors, axis=1)
        factors, values = factors / size[:, None], np.array([row[2] for row in given]) / size
        left, sizes, right = np.linalg.svd(factors)
        rank = int((sizes > ALIKE * max(sizes.max(), 1.0)).sum())
        particular[numbers] = right[:rank].T @ ((left[:, :rank].T @ values) / sizes[:rank])
        free[numbers] = False
        mixed.extend((tuple(numbers), direction) for direction in right[rank:])
        del key
    kept = np.flatnonzero(free)
    entries = [np.ones(len(kept)), *(direction for _, direction in mixed)]
    places = [kept, *(np.array(numbers) for numbers, _ in mixed)]
    columns = [
        np.arange(len(kept)),
        *(np.full(len(numbers), len(kept) + k) for k, (numbers, _) in enumerate(mixed)),
    ]
    shape = (system.size, len(kept) + len(mixed))
    indices = (np.concatenate(places), np.concatenate(columns))
    return Held(particular, sparse.csr_array((np.concatenate(entries), indices), shape=shape))


def _rows(system: Galerkin, edge: Edge) -> list[tuple[tuple[int, ...], Row]]:
    """Every condition on values at every node of some sides, with a key for the node."""
    spaces, problem = system.spaces, system.roles.problem
    m, d = len(spaces.degrees), spaces.mesh.dimension
    found: list[tuple[tuple[int, ...], Row]] = []
    for degree in sorted(set(spaces.degrees)) if edge.values else ():
        members = [j for j in range(m) if spaces.degrees[j] == degree]
        element = spaces.each[members[0]].element
        local = np.flatnonzero(element.nodes[:, edge.local] == 0)
        places = place(spaces.mesh, edge.cells, element.places[local])
        normals, _ = outward(spaces.mesh, places, edge.local)
        points, out = places.points.reshape(-1, d), normals.reshape(-1, d)
        zero = np.zeros((m, 1 + d, len(points)))
        nodes = spaces.each[members[0]].numbers[edge.cells][:, local].ravel()
        for condition in edge.values:
            value, rates = condition_at(
                problem, condition.residual, points, out, zero[:, 0], zero[:, 1:]
            )
            factors = rates[:, 0]
            again, _ = condition_at(
                problem, condition.residual, points, out, zero[:, 0] + 1.0, zero[:, 1:]
            )
            if np.abs(again - value - factors.sum(axis=0)).max() > 1e-9 * np.abs(again).max():
                raise InputError(
                    f"finite elements hold conditions on values that are linear, not "
                    f"{condition.label!r}.",
                    mend=MEND,
                )
            here = np.abs(factors[members]).max()
            elsewhere = np.abs(np.delete(factors, members, axis=0)).max(initial=0.0)
            if here > 0.0 and elsewhere > 0.0:
                raise InputError(
                    f"{condition.label!r} couples unknowns that have different degrees here.",
                    mend=MEND,
                )
            if here == 0.0:
                continue
            for n, node in enumerate(nodes.tolist()):
                if not factors[members, n].any():
                    continue
                numbers = tuple(spaces.starts[j] + node for j in members)
                row = (numbers, factors[members, n], -float(value[n]))
                found.append(((degree, node), row))
    return found
