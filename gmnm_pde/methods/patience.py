"""How long levels in time go on for digits that nobody asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

NEAR_ROUNDING = 1e-7
"""Without a tolerance, levels below this may take no longer than all before them."""

ENOUGH = 1e-8
"""Below this they may take no longer than half of it, and two that bring nothing end the solve."""

PATIENT_SECONDS = 3.0
"""A level that takes less is always tried."""


@dataclass(frozen=True)
class Patience:
    """What a further level may cost.

    Arguments:
        error: the smallest estimate so far; None before the first level, and where a tolerance was
            asked for, which is worth any time.
    """

    error: float | None

    @property
    def near(self) -> bool:
        """Whether what is left is not worth much."""
        return self.error is not None and self.error < NEAR_ROUNDING

    @property
    def enough(self) -> bool:
        """Whether a level has to be cheap to be worth it."""
        return self.error is not None and self.error < ENOUGH

    @property
    def share(self) -> float:
        """Of the time of all levels before, what one may take."""
        return (0.5 if self.enough else 1.0) if self.near else math.inf

    def seconds(self, elapsed: float) -> float:
        """What a level may take."""
        return PATIENT_SECONDS + self.share * elapsed if self.near else math.inf

    def ends(self, ahead: float, elapsed: float) -> bool:
        """Whether a level that is expected to take ``ahead`` seconds is not worth them."""
        return self.near and ahead > max(PATIENT_SECONDS, self.share * elapsed)

    def vain(self, seconds: float) -> int:
        """So many levels that bring nothing end a solve whose last level took these seconds."""
        if seconds < PATIENT_SECONDS:
            return 2 if self.enough else 3
        return 1 if self.near else 2

    @property
    def over(self) -> str:
        """Why there is no further level."""
        share = "more than half as long as" if self.enough else "longer than"
        return f"the next level would take {share} all before it"
