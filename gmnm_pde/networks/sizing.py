"""A network's options for a number of parameters, so that networks are compared at equal size."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch

from gmnm_pde.errors import InputError
from gmnm_pde.networks.specs import GMNMSpec, NetworkSpec

LARGEST = 1 << 20
"""No width or number of units beyond this is tried."""


def sized(spec: NetworkSpec, parameters: int, n_inputs: int, n_outputs: int) -> NetworkSpec:
    """The options with the largest width, or the most units, of at most so many parameters.

    Raises:
        InputError: not even the smallest one is small enough, or the network has no size to set.
    """
    least = parameters_of(with_size(spec, 1), n_inputs, n_outputs)
    if least > parameters:
        raise InputError(
            f"{type(spec).__name__} has at least {least} parameters, more than {parameters}.",
            mend=f"Allow {least} or more.",
        )
    low, high = 1, 2
    while high < LARGEST and _fits(spec, high, parameters, n_inputs, n_outputs):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _fits(spec, middle, parameters, n_inputs, n_outputs):
            low = middle
        else:
            high = middle
    return with_size(spec, low)


def with_size(spec: NetworkSpec, size: int) -> NetworkSpec:
    """The options with that width in every layer, or at most so many units.

    Raises:
        InputError: the network has neither.
    """
    name = _size_option(spec)
    now = getattr(spec, name)
    chosen: Any = (size,) * len(now) if isinstance(now, tuple) else size
    return replace(spec, **{name: chosen})


def with_size_of(spec: NetworkSpec, other: NetworkSpec) -> NetworkSpec:
    """The options with the width or the units of others of the same kind."""
    name = _size_option(spec)
    return replace(spec, **{name: getattr(other, name)})


def parameters_of(spec: NetworkSpec, n_inputs: int, n_outputs: int) -> int:
    """How many numbers a network of these options has."""
    if isinstance(spec, GMNMSpec):
        inner = {
            "isotropic": 1,
            "diagonal": n_inputs,
            "full": n_inputs**2,
            "low_rank": spec.rank * n_inputs,
        }
        each = n_inputs + inner[spec.projection] + n_outputs
        return (spec.units or 1) * each + n_outputs
    start = getattr(spec, "initial", None)
    if start is None:
        raise InputError(f"{type(spec).__name__} does not say how its network starts.")
    box = [-1.0] * n_inputs, [1.0] * n_inputs
    network = start(*box, n_outputs, torch.Generator().manual_seed(0))
    return sum(parameter.numel() for parameter in network.parameters())


def _size_option(spec: NetworkSpec) -> str:
    names = {item.name for item in fields(spec)}
    for name in ("width", "units", "widths"):
        if name in names:
            return name
    raise InputError(
        f"{type(spec).__name__} has no width and no units, so its size cannot be chosen.",
        mend="Give its size in a recipe of its own.",
    )


def _fits(spec: NetworkSpec, size: int, parameters: int, n_inputs: int, n_outputs: int) -> bool:
    return parameters_of(with_size(spec, size), n_inputs, n_outputs) <= parameters
