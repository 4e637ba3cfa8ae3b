"""What the titles of the pictures say."""

from __future__ import annotations

from collections.abc import Iterable

from gmnm_pde.problem import Problem
from gmnm_pde.report.sample import Sample, SolutionLike
from gmnm_pde.report.style import scientific

NAMED = 4
"""So many unknowns have their errors in the title; of more there is the largest."""


def symbol(name: str) -> str:
    """A name in a title: a letter as mathematics, ``nu`` as a word."""
    return f"${name}$" if len(name) == 1 else name


def difference_name(unknown: str, target: str = "reference") -> str:
    """Solution minus something."""
    return rf"{symbol(unknown)}$\,-\,${target}"


def solution_name(solution: SolutionLike, unknown: str) -> str:
    """``solution u``, or ``inferred k`` for a coefficient field."""
    word = "inferred" if unknown in solution.findings.fields else "solution"
    return f"{word} {symbol(unknown)}"


def rest_names(problem: Problem, found: Sample) -> list[str]:
    """What the columns of a sample's rest are: errors of unknowns, or residuals of equations."""
    if found.error is not None:
        return [difference_name(name) for name in problem.unknowns]
    if found.residual is None:
        return []
    count = found.residual.shape[1]
    return ["residual"] if count == 1 else [f"residual {j + 1}" for j in range(count)]


def rest_name(problem: Problem, found: Sample, j: int) -> str:
    """What :meth:`Sample.rest_of` gives for an unknown."""
    names = rest_names(problem, found)
    return names[min(j, len(names) - 1)] if names else ""


def reference_name(solution: SolutionLike) -> str:
    """The kind of the reference."""
    reference = solution.problem.reference
    return "" if reference is None else reference.name.replace("_", " ")


def measured_line(solution: SolutionLike) -> str:
    """The measured errors, or what stands for them, in words."""
    size = f"{solution.units:,} units, {solution.seconds:.2g} s"
    errors = solution.errors
    if errors is None or not errors.relative_l2:
        what = "no reference" if errors is None else "no reference of the solution"
        return f"{what}; {_estimated(solution) or 'no error estimate'}; {size}"
    measured = dict(errors.relative_l2)
    if len(measured) > NAMED:
        worst = max(measured, key=measured.__getitem__)
        return f"largest relative L2 error {scientific(measured[worst])} ({worst}); {size}"
    several = len(measured) > 1
    below = [name for name, error in measured.items() if error < errors.own_error.get(name, 0.0)]
    parts = []
    above = {name: error for name, error in measured.items() if name not in below}
    if above:
        parts.append("relative L2 error " + ", ".join(_of(above, several)))
    for name in below:
        label = f" of {name}" if several else ""
        own = scientific(errors.own_error[name])
        parts.append(f"relative L2 error{label} below the reference's own, {own}")
    return f"{', '.join(parts)}; {size}"


def _of(errors: dict[str, float], named: bool = True) -> list[str]:
    """``3.1 x 10^-9 (u)``."""
    return [scientific(error) + (f" ({name})" if named else "") for name, error in errors.items()]


def error_line(solution: SolutionLike, count: int) -> str:
    """What the error picture shows, and how the estimate compares."""
    estimated = _estimated(solution)
    tail = f"; {estimated}" if estimated else ""
    where = f"at {count:,} points that were chosen without regard to the collocation points"
    if solution.errors is None or not solution.errors.relative_l2:
        return f"the residual is not an error{tail}\n{where}"
    errors = solution.errors.relative_l2.values()
    measured = f"relative L2 error {scientific(max(errors))} measured" if errors else "measured"
    return f"{measured}{tail}\n{where}"


def moment(time: float) -> str:
    """``t = 0.25``."""
    return f"t = {time:.3g}"


def moments(times: Iterable[float]) -> list[str]:
    """The same for several times."""
    return [moment(time) for time in times]


def _estimated(solution: SolutionLike) -> str:
    known = [value for value in solution.estimated_error.values() if value is not None]
    return f"estimated error {scientific(max(known))}" if known else ""
