"""Why the growth of a network ended, in words."""

from __future__ import annotations

import math

from gmnm_pde.methods.base import Outcome, Setting
from gmnm_pde.methods.growth import points_support, units_allowed

DIVERGED = (
    "diverged: from level to level the Gauss-Newton iteration reached no minimum of the residual; "
    "easier problems to start from (`continuation`) may help"
)


def stagnated(error: float, patience: int, asked: bool, unseen: bool) -> Outcome:
    """Levels brought nothing any more.

    Arguments:
        patience: so many of them.
        asked: whether a tolerance was asked for.
        unseen: whether nothing of the solution is known.
    """
    if not math.isfinite(error):
        return Outcome("failed", "no level gave a finite solution")
    levels = "level" if patience == 1 else f"{patience} levels"
    reason = f"the last {levels} brought no improvement on an estimated error of {error:.1e}"
    return Outcome("failed" if unseen else "stopped" if asked else "converged", reason)


def too_large(setting: Setting, units: int) -> Outcome:
    """The next level needs more units than are allowed."""
    allowed = units_allowed(setting)
    if points_support(setting) < setting.max_units:
        why = f"the {allowed} that so few points support; give more with `sampling`"
        if setting.problem.data is not None:
            why = f"the {allowed} that so few data support"
    else:
        why = f"the {allowed} allowed"
    return Outcome("stopped", f"the next level needs {units} units, more than {why}")
