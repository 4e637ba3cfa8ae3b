"""The evidence of a checkout, which an installed package does not carry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmnm_pde.errors import InputError


def checkout() -> Path:
    """The folder that this package runs from, if it is a checkout. Raises InputError."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "validation" / "run.py").is_file():
        raise InputError(
            "the cases and their references are not part of an installed package.",
            mend="Clone the project and run `gmnm-pde validate` from there.",
        )
    return root


def validate_checkout(arguments: Sequence[str], options: Mapping[str, Any]) -> int:
    """Run ``validation/run.py``; returns its exit code.

    It is a program of its own: every case is measured in a fresh process, and the one that starts
    them stays small.
    """
    given = [word for name, value in options.items() if value is not None for word in (name, value)]
    command = [sys.executable, checkout() / "validation" / "run.py", *arguments, *given]
    return subprocess.run([str(word) for word in command], check=False).returncode
