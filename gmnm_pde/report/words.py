"""What the titles of the pictures say."""

from __future__ import annotations

from gmnm_pde.report.sample import Sample, SolutionLike
from gmnm_pde.report.style import scientific


def error_name(found: Sample, unknown: str) -> str:
    """What the difference panel shows."""
    return rf"${unknown}\,-\,$reference" if found.error is not None else "residual"


def measured_line(solution: SolutionLike) -> str:
    """The measured errors, or what stands for them, in words."""
    size = f"{solution.units:,} units, {solution.seconds:.2g} s"
    errors = solution.errors
    if errors is None:
        return f"no reference; {_estimated(solution) or 'no error estimate'}; {size}"
    several = len(errors.relative_l2) > 1
    parts = []
    for name, error in errors.relative_l2.items():
        own = errors.own_error.get(name, 0.0)
        label = f" of {name}" if several else ""
        if error < own:
            parts.append(f"relative L2 error{label} below the reference's own, {scientific(own)}")
        else:
            parts.append(f"relative L2 error{label} {scientific(error)}")
    return f"{', '.join(parts)}; {size}"


def error_line(solution: SolutionLike, count: int) -> str:
    """What the error picture shows, and how the estimate compares."""
    estimated = _estimated(solution)
    tail = f"; {estimated}" if estimated else ""
    where = f"at {count:,} points that were chosen without regard to the collocation points"
    if solution.errors is None:
        return f"the residual is not an error{tail}\n{where}"
    errors = solution.errors.relative_l2.values()
    measured = f"relative L2 error {scientific(max(errors))} measured" if errors else "measured"
    return f"{measured}{tail}\n{where}"


def _estimated(solution: SolutionLike) -> str:
    known = [value for value in solution.estimated_error.values() if value is not None]
    return f"estimated error {scientific(max(known))}" if known else ""
