"""Packages that only some features need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gmnm_pde.errors import InputError


def extra(package: str, name: str, feature: str) -> Any:
    """A package of one of the extras.

    Raises:
        InputError: it is not installed; says what to install.
    """
    try:
        return import_module(package)
    except ImportError:
        raise InputError(
            f"{feature} need{'' if feature.endswith('s') else 's'} the package {package}, which is "
            "not installed.",
            mend=f'Install it with `pip install "gmnm-pde[{name}]"`.',
        ) from None
