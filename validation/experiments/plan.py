"""experiments.yaml, read: which comparisons make an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("experiments.yaml")

FUNCTIONS = FILE.with_name("functions")
"""Problems of the experiments alone, beside those of the catalogue."""


@dataclass(frozen=True)
class Experiment:
    """Some problems, each solved by the same solvers with the same budget.

    Arguments:
        parameters: of every network at most; None for the recipes' own sizes.
        time_limit: seconds of a solve.
    """

    name: str
    title: str
    problems: tuple[str, ...]
    solvers: tuple[str, ...]
    seeds: int
    time_limit: float
    parameters: int | None = None

    def arguments(self, problem: str, out: Path, seeds: int, limit: float) -> list[str]:
        """Of the verb ``compare``."""
        words = [
            "compare",
            source(problem),
            "--solvers",
            ",".join(self.solvers),
            "--seeds",
            str(seeds),
        ]
        words += ["--time-limit", f"{limit:g}", "--device", "cpu", "--no-classical"]
        if self.parameters is not None:
            words += ["--parameters", str(self.parameters)]
        return [*words, "--out", str(out)]

    def words(self, seeds: int, limit: float) -> str:
        """``at most 450 parameters, 5 s a run, 3 seeds``."""
        size = "own sizes" if self.parameters is None else f"at most {self.parameters} parameters"
        return f"{size}, at most {limit:g} s a run, {seeds} seeds, one thread"


def source(problem: str) -> str:
    """What ``gmnm-pde`` is given for a problem: a file of the experiments, or a shipped name."""
    path = FUNCTIONS / f"{problem}.yaml"
    return str(path) if path.is_file() else problem


def load_plan(names: Sequence[str] = ()) -> list[Experiment]:
    """The experiments of the file, or those of some names.

    Raises:
        ValueError: a name that is not there.
    """
    data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for name in names:
        if name not in data:
            raise ValueError(f"no experiment {name!r}. Known: {', '.join(data)}.")
    return [
        Experiment(
            name,
            values["title"],
            tuple(values["problems"]),
            tuple(values["solvers"]),
            values["seeds"],
            values["time_limit"],
            values.get("parameters"),
        )
        for name, values in data.items()
        if not names or name in names
    ]
