"""What a method keeps between steps as plain values, so that a solve can be taken up again.

Everything is a number, a text, a list or a mapping: reading one cannot run code, and what does not
fit is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from gmnm_pde.errors import InputError

Kept = TypeVar("Kept")

Checkpoint = Mapping[str, Any]


def packed(value: Any) -> Any:
    """A frozen dataclass of plain values, however nested, as mappings and lists."""
    # Every solve is packed: making pydantic's schema for it would take as long as a level.
    if is_dataclass(value):
        return {item.name: packed(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {key: packed(entry) for key, entry in value.items()}
    return [packed(entry) for entry in value] if isinstance(value, list | tuple) else value


def unpacked(kind: type[Kept], saved: Any) -> Kept:
    """The dataclass again.

    Raises:
        InputError: values that it cannot have.
    """
    try:
        return TypeAdapter(kind).validate_python(saved)
    except ValidationError as error:
        raise InputError(f"the checkpoint is damaged: {error.errors()[0]['msg']}.") from None


def numbers(values: Tensor | None) -> list[list[float]] | None:
    """A matrix as lists."""
    rows: list[list[float]] | None = None if values is None else values.cpu().numpy().tolist()
    return rows


def matrix(saved: Any, like: Tensor) -> Tensor | None:
    """The matrix again, on the device and in the dtype of another."""
    try:
        return None if saved is None else torch.tensor(saved, dtype=like.dtype, device=like.device)
    except (TypeError, ValueError) as error:
        raise InputError(f"the checkpoint is damaged: {error}.") from None
