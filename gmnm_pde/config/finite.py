"""Refuses expressions of a file that are not finite somewhere."""

from __future__ import annotations

from gmnm_pde.checks.finite import find_singularity
from gmnm_pde.config.names import Names
from gmnm_pde.config.source import KeyPath
from gmnm_pde.expressions import Node, point_function
from gmnm_pde.geometry import Domain


def check_finite(names: Names, what: str, node: Node, region: Domain, path: KeyPath) -> None:
    """Look for a point of the region at which an expression of the coordinates is not finite.

    Raises:
        InputError: there is one; names it.
    """
    found = find_singularity(point_function(node, names.coordinates), region)
    if found is not None:
        raise names.source.place(path).error(
            f"{what} {found.describe(names.coordinates)}.",
            "Change it so that it is finite everywhere in the domain, or cut the point away.",
        )
