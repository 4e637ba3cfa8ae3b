"""What scikit-fem needs for the error of each case, as far as it is installed and applies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from validation.measure import MeasurementError, run_worker

ELEMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "poisson",
            "poisson-kan",
            "variable-diffusion",
            "convection-diffusion",
            "helmholtz",
            "neumann",
            "robin",
        ),
        ("triangles-4", "quadrilaterals-8"),
    ),
    **dict.fromkeys(("poisson-disk", "poisson-lshape"), ("triangles-4",)),
    # scikit-fem has no higher degree in three dimensions.
    "poisson-3d": ("bricks-2",),
}
"""The elements that are tried on each problem."""

NOT_COMPARED = {
    "biharmonic": "needs continuously differentiable elements; not compared",
    "fit": "fitting points is not a finite element problem",
    "fit-data": "fitting points is not a finite element problem",
}

Ladders = dict[str, dict[str, Any]]
"""Levels by problem and element, or a text where there are none."""


def ladders(
    problems: Iterable[str], budget: float, repeats: int, say: Callable[[str], None]
) -> Ladders:
    """Climb the meshes of every problem once; the cases then pick their levels."""
    found: Ladders = {}
    for problem in dict.fromkeys(problems):
        for element in ELEMENTS.get(problem, ()):
            say(f"scikit-fem, {problem}, {element}")
            found.setdefault(problem, {})[element] = _ladder(problem, element, budget, repeats)
    return found


def _ladder(problem: str, element: str, budget: float, repeats: int) -> Any:
    try:
        return run_worker("fem", problem=problem, element=element, budget=budget, repeats=repeats)
    except MeasurementError as error:
        if "skfem" in str(error) and "ModuleNotFoundError" in str(error):
            return "scikit-fem is not installed; `pip install 'gmnm-pde[fem]'`"
        return f"failed: {error}"


def beside(result: Mapping[str, Any], found: Ladders) -> dict[str, Any]:
    """What stands beside a result: by element a level, with whether it reached the same error.

    Our error is often far below the tolerance asked for. Somebody who asked scikit-fem for no more
    than the tolerance would stop earlier: ``seconds_for_rtol``, None if no level got there.
    """
    problem, target, rtol = result["problem"], result.get("relative_l2"), result.get("rtol")
    if problem not in found:
        return {"note": NOT_COMPARED.get(problem, "not run")}
    rows: dict[str, Any] = {}
    for element, levels in found[problem].items():
        if isinstance(levels, str):
            rows[element] = {"note": levels}
        elif target is not None and levels:
            level = reach(levels, target)
            rows[element] = {**level, "reached": level["relative_l2"] <= target}
            if rtol is not None:
                first = reach(levels, rtol)
                enough = first["relative_l2"] <= rtol
                rows[element]["seconds_for_rtol"] = first["seconds"] if enough else None
    return rows


def reach(levels: list[dict[str, Any]], target: float) -> dict[str, Any]:
    """The first level at least as accurate as the target, or else the most accurate one."""
    enough = [level for level in levels if level["relative_l2"] <= target]
    return enough[0] if enough else min(levels, key=lambda level: level["relative_l2"])
