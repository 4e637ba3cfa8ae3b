"""What every test runs with."""

from __future__ import annotations

import pytest

from gmnm_pde.methods import least_squares, patience


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solves without a tolerance end at a slow level when they are good enough; on a machine that
    is busy every level is slow, and what a test sees would depend on it."""
    for rule in (least_squares, patience):
        monkeypatch.setattr(rule, "PATIENT_SECONDS", 1e9)
