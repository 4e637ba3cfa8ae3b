"""Which solvers are compared, on which problems, and why not on the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from validation.peers.problems import PROBLEMS

ELLIPTIC = tuple(name for name, problem in PROBLEMS.items() if problem.kind == "elliptic")
NETWORKS = (*ELLIPTIC, "burgers", "fit")

Kind = Literal["ours", "network", "classical"]


@dataclass(frozen=True)
class Entry:
    """A solver as it is compared: one curve in the pictures.

    Arguments:
        adapter: the module of ``adapters`` that runs it, which knows the name.
        problems: that it is run on.
        absent: why it is not run on another, by problem: a row says so.
    """

    name: str
    label: str
    adapter: str
    kind: Kind
    problems: tuple[str, ...]
    absent: Mapping[str, str] = field(default_factory=dict)


_NO_FEM = {
    "burgers": "no recipe: its examples have no nonlinear problem in time",
    "fit": "no recipe: fitting points is not a finite element problem",
}


_NO_CURVED = {"poisson-disk": "no recipe: its quadrilaterals with curved sides stop at degree 2"}
_SQUARES = tuple(name for name in ELLIPTIC if PROBLEMS[name].shape == "square")


def _fem(
    name: str, label: str, problems: tuple[str, ...], absent: Mapping[str, str] | None = None
) -> Entry:
    return Entry(name, f"scikit-fem, {label}", "scikit_fem", "classical", problems, absent or {})


ENTRIES = (
    Entry("gmnm", "gmnm", "gmnm", "ours", NETWORKS),
    Entry("deepxde", "DeepXDE, its examples", "deepxde", "network", NETWORKS),
    Entry("deepxde-64", "DeepXDE, hard conditions, float64", "deepxde", "network", NETWORKS),
    Entry("pina", "PINA, hard conditions, L-BFGS", "pina", "network", NETWORKS),
    Entry(
        "pykan",
        "pykan, its examples",
        "pykan",
        "network",
        ("poisson", "poisson-kan", "fit"),
        {"burgers": "no recipe: its documentation has no equation in time"},
    ),
    Entry("pykan-10", "pykan, width 10, float64", "pykan", "network", (*ELLIPTIC, "fit")),
    Entry(
        "scimba",
        "Scimba, energy natural gradient",
        "scimba",
        "network",
        (*ELLIPTIC, "fit"),
        {"burgers": "no recipe: the natural gradient made no progress in a minute; see SSBroyden"},
    ),
    Entry("scimba-ssb", "Scimba, SSBroyden", "scimba", "network", ("poisson", "burgers")),
    _fem("fem-2", "triangles of degree 2", ELLIPTIC),
    _fem("fem-4", "triangles of degree 4", ELLIPTIC, _NO_FEM),
    _fem("fem-6", "quadrilaterals of degree 6", _SQUARES, _NO_CURVED),
    _fem("fem-8", "quadrilaterals of degree 8", _SQUARES, _NO_CURVED),
    Entry("spectral", "Chebyshev or Fourier, numpy", "spectral", "classical", NETWORKS),
)
"""All of them; where several of a peer have no recipe, one of them says so."""


def choose(patterns: Sequence[str]) -> tuple[Entry, ...]:
    """The entries whose name or adapter matches one of the patterns; all for none.

    Raises:
        ValueError: a pattern that matches nothing.
    """
    for pattern in patterns:
        if not any(_matches(entry, pattern) for entry in ENTRIES):
            known = ", ".join(entry.name for entry in ENTRIES)
            raise ValueError(f"no peer matches {pattern!r}. Known: {known}.")
    return tuple(
        entry
        for entry in ENTRIES
        if not patterns or any(_matches(entry, pattern) for pattern in patterns)
    )


def _matches(entry: Entry, pattern: str) -> bool:
    return entry.adapter == pattern or fnmatchcase(entry.name, pattern)
