"""What every test runs with."""

from __future__ import annotations

import pytest

from gmnm_pde.methods import least_squares, time_stepping


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solves without a tolerance end at a slow level when they are good enough; on a machine that
    is busy every level is slow, and what a test sees would depend on it."""
    for method in (least_squares, time_stepping):
        monkeypatch.setattr(method, "PATIENT_SECONDS", 1e9)
