"""Figures that others published, beside ours on the same problem."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

PUBLISHED = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class Figure:
    """One published figure.

    Arguments:
        problem: of the catalogue.
        by, network: whose figure it is, and of what.
        metric: what ``figure`` is.
        figure: the error, as it was given.
        source: where it stands; ``read`` says whether it was found there or is quoted.
        setting: optimiser, hardware, precision, as far as known.
        solution_rms: root mean square of the solution, for a mean square error.
        seconds: on their hardware.
    """

    problem: str
    by: str
    network: str
    metric: Literal["relative_l2", "mse"]
    figure: float
    source: str
    read: bool
    setting: str = ""
    solution_rms: float | None = None
    seconds: float | None = None

    @property
    def relative_l2(self) -> float:
        """The error as a relative L2 error."""
        if self.metric == "relative_l2":
            return self.figure
        assert self.solution_rms is not None
        return math.sqrt(self.figure) / self.solution_rms


def load_published(path: Path = PUBLISHED) -> tuple[Figure, ...]:
    """Read the figures.

    Raises:
        ValueError: a metric that there is not, or a mean square error of a solution whose size is
            not known.
    """
    figures = []
    for row in yaml.safe_load(path.read_text(encoding="utf-8")):
        # YAML 1.1 takes 1e-7 for a text.
        found = Figure(**{**row, "figure": float(row["figure"])})
        if found.metric not in ("relative_l2", "mse"):
            raise ValueError(f"{found.problem}, {found.by}: there is no metric {found.metric!r}")
        if found.metric == "mse" and not found.solution_rms:
            raise ValueError(f"{found.problem}, {found.by}: a mean square error needs solution_rms")
        figures.append(found)
    return tuple(figures)


def ours(cases: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The case of each problem as it is: its own recipe, no tolerance, nothing changed."""
    return {
        case["problem"]: case
        for case in cases
        if case.get("solver") is None and case.get("rtol") is None and not case.get("set")
    }
