"""What is measured: cases.yaml as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

CASES = Path(__file__).with_name("cases.yaml")

PARTS = {
    "issue-figures": ("figures", "sweep", "commands"),
    "any-equation": ("any-equation",),
    "real-problems": ("real-problems",),
}
"""The files of the results, and the groups that are in each."""

PLAIN = ("figures", "any-equation", "real-problems")
"""The groups that are lists of cases."""

QUICK = "quick"
"""The group that is measured with every change: a few cheap cases, whose seconds fail nothing."""

GROUPS = (*(group for groups in PARTS.values() for group in groups), QUICK)


@dataclass(frozen=True)
class Case:
    """One solve and its limits.

    Arguments:
        problem, solver: names of the catalogue; None is the recipe that the problem names.
        rtol: the tolerance asked for; the solve then has to end as "converged".
        label, set: what is changed in the problem, in a word, and as ``--set`` takes it.
        time_limit: seconds, where the solve may take longer than it may by itself. They are seconds
            of the reference machine as the limit is, but never more of them than here.
        relative_l2: limit of the measured error; ``aim`` is only reported.
        seconds: limit of the solve on the reference machine.
        seeds: the solve is made with 0, 1, ... of them, and the worst error counts.
        factor: how far the estimate may be from the true error, either way.
        growth: limit of the error in the last hundredth of the time over that in the first.
        inferred: limit of the relative error of every constant that is inferred.
        inside: so many of a hundred data sets, with other noise, have to give constants within two
            standard errors.
        groups: "figures", "sweep", "any-equation", "real-problems" and "quick".
    """

    problem: str
    solver: str | None = None
    rtol: float | None = None
    label: str | None = None
    set: tuple[str, ...] = ()
    time_limit: float | None = None
    relative_l2: float | None = None
    aim: float | None = None
    seconds: float | None = None
    factor: float | None = None
    growth: float | None = None
    inferred: float | None = None
    inside: int | None = None
    seeds: int = 1
    groups: tuple[str, ...] = ("figures",)

    @property
    def name(self) -> str:
        """``poisson``, ``poisson@1e-8``, ``poisson:gmnm-small`` or ``wave/100-periods``."""
        label = f"/{self.label}" if self.label else ""
        solver = f":{self.solver}" if self.solver else ""
        return f"{self.problem}{label}{solver}{f'@{exponent(self.rtol)}' if self.rtol else ''}"


@dataclass(frozen=True)
class CommandCase:
    """One whole process and its limits.

    Arguments:
        command: ``gmnm-pde`` and ``python`` stand for this environment's, RUN for a new folder.
        silent: nothing may be printed.
    """

    name: str
    command: tuple[str, ...]
    seconds: float
    memory_gb: float | None = None
    silent: bool = False
    groups: tuple[str, ...] = ("commands",)


@dataclass(frozen=True)
class Suite:
    """Everything of cases.yaml.

    Arguments:
        noise: ratio of two times that are taken as equal.
        calibration: rows and columns of the matrix, and the seconds of the reference machine.
    """

    cases: tuple[Case, ...]
    commands: tuple[CommandCase, ...]
    noise: float
    calibration: Mapping[str, float]

    @property
    def names(self) -> frozenset[str]:
        """Of all cases and commands."""
        items: tuple[Case | CommandCase, ...] = (*self.cases, *self.commands)
        return frozenset(item.name for item in items)

    def part(self, groups: Sequence[str]) -> Suite:
        """The cases that are in one of the groups."""
        return replace(
            self,
            cases=tuple(item for item in self.cases if set(item.groups) & set(groups)),
            commands=tuple(item for item in self.commands if set(item.groups) & set(groups)),
        )

    def select(self, patterns: Sequence[str]) -> Suite:
        """The cases whose name or group matches one of the patterns; all for no pattern.

        Raises:
            ValueError: a pattern that matches nothing.
        """
        if not patterns:
            return self
        items: tuple[Case | CommandCase, ...] = (*self.cases, *self.commands)
        for pattern in patterns:
            if not any(_matches(item, [pattern]) for item in items):
                known = ", ".join(item.name for item in items)
                raise ValueError(
                    f"no case matches {pattern!r}.\nGroups: {', '.join(GROUPS)}. Cases: {known}."
                )
        return replace(
            self,
            cases=tuple(case for case in self.cases if _matches(case, patterns)),
            commands=tuple(case for case in self.commands if _matches(case, patterns)),
        )


def load_suite(path: Path = CASES) -> Suite:
    """Read the cases; a figure and a row of the sweep that are the same solve become one case."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = [_case({**row, "groups": (group,)}) for group in PLAIN for row in data[group]]
    cases: dict[str, Case] = {}
    for case in (*rows, *_sweep(data["sweep"])):
        cases[case.name] = _merged(cases[case.name], case) if case.name in cases else case
    for name in data[QUICK]:
        if name not in cases:
            raise ValueError(f"{path.name}: the quick case {name!r} is none of the cases.")
        cases[name] = replace(cases[name], groups=(*cases[name].groups, QUICK))
    commands = [
        CommandCase(**{**row, "command": tuple(str(word) for word in row["command"])})
        for row in data["commands"]
    ]
    return Suite(
        tuple(cases.values()), tuple(commands), float(data["sweep"]["noise"]), data["calibration"]
    )


def exponent(value: float) -> str:
    """1e-8 rather than 1e-08."""
    mantissa, _, power = f"{value:.6g}".partition("e")
    if not power and 0 < value < 1:
        mantissa, _, power = f"{value:e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(power)}" if power else mantissa


def _case(row: Mapping[str, Any]) -> Case:
    # YAML 1.1 takes 1e-8 for a text: every limit is made a number here.
    numbers = {"rtol", "relative_l2", "aim", "seconds", "growth", "time_limit", "inferred"}
    values: dict[str, Any] = {
        key: float(value) if key in numbers else value for key, value in row.items()
    }
    return Case(**{**values, "set": tuple(values.get("set", ()))})


def _sweep(data: Mapping[str, Any]) -> list[Case]:
    rows = []
    for item in data["problems"]:
        row = {"problem": item} if isinstance(item, str) else item
        for rtol in map(float, row.get("rtol", data["rtol"])):
            rows.append(
                Case(
                    row["problem"],
                    rtol=rtol,
                    relative_l2=rtol,
                    factor=float(data["factor"]),
                    groups=("sweep",),
                )
            )
    return rows


def _merged(figure: Case, sweep: Case) -> Case:
    return replace(figure, factor=sweep.factor, groups=(*figure.groups, *sweep.groups))


def _matches(item: Case | CommandCase, patterns: Sequence[str]) -> bool:
    return any(pattern in item.groups or fnmatchcase(item.name, pattern) for pattern in patterns)
