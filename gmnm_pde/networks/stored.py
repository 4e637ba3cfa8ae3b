"""The names and options under which networks are stored, and how they come back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from torch import Tensor

from gmnm_pde.networks.base import LinearOutputNetwork, Network
from gmnm_pde.networks.boxed import BoxedNetwork
from gmnm_pde.networks.enforced import Enforced, enforced
from gmnm_pde.networks.evolution import Evolution
from gmnm_pde.networks.pieces import LinearPieces, Pieces, joined
from gmnm_pde.networks.registry import KINDS, NETWORKS
from gmnm_pde.networks.together import Together
from gmnm_pde.problem import Problem

_EVOLUTION = "evolution"

_TOGETHER = "together"
_OUTER = ("pieces", "enforced", _TOGETHER)
_BESIDE = "|"

StoredOptions = Mapping[str, Any] | Sequence[Any] | None
"""Plain values: a mapping, or one for each part. None for networks whose arrays say it all."""


def stored_name(network: Network) -> str | None:
    """The name of a network's kind, None for a person's own; ``pieces:gmnm`` for one a piece, and
    ``enforced:together:gmnm|gmnm`` for two side by side that unknowns are functions of."""
    if isinstance(network, Pieces | LinearPieces):
        names = {stored_name(part) for part in network.networks}
        name = names.pop()
        return None if names or name is None else f"pieces:{name}"
    if isinstance(network, Enforced):
        name = stored_name(network.free)
        return None if name is None else f"enforced:{name}"
    if isinstance(network, Together):
        parts = [stored_name(part) for part in network.networks]
        known = [name for name in parts if name is not None]
        return f"{_TOGETHER}:{_BESIDE.join(known)}" if len(known) == len(parts) else None
    if type(network) is Evolution:
        return _EVOLUTION
    return next((name for name, (_, kind) in KINDS.items() if type(network) is kind), None)


def stored_options(network: Network) -> StoredOptions:
    """What :func:`rebuild` needs besides the arrays, as plain values."""
    if isinstance(network, Pieces | LinearPieces | Together):
        return [stored_options(part) for part in network.networks]
    if isinstance(network, Enforced):
        return stored_options(network.free)
    return asdict(network.spec) if isinstance(network, BoxedNetwork) else None


def is_stored(name: str | None) -> bool:
    """Whether a name is that of a kind of this package."""
    *outer, inner = re.split(r"[:|]", name or "")
    every = (*outer, inner)
    known = all(part in (*_OUTER, _EVOLUTION) or part in NETWORKS for part in every)
    return known and inner not in _OUTER


def made_for_problem(name: str | None) -> bool:
    """Whether networks of a kind come back with their problem only."""
    return ":" in (name or "")


def rebuild(
    name: str,
    arrays: Mapping[str, Tensor],
    problem: Problem | None = None,
    options: StoredOptions = None,
) -> Network:
    """A network of the shape of stored parameters.

    Arguments:
        name: one that :func:`is_stored`.
        problem: for one that is :func:`made_for_problem`, as it was solved.
        options: those of :func:`stored_options`.

    Raises:
        ValueError: parameters that do not fit the problem, or options that do not fit the network.
    """
    outer, _, inner = name.partition(":")
    if not inner:
        return Evolution.rebuild(arrays) if outer == _EVOLUTION else _rebuilt(name, arrays, options)
    assert problem is not None
    if outer == "enforced":
        own = {key.removeprefix("free."): array for key, array in arrays.items()}
        return enforced(rebuild(inner, own, problem, options), problem)
    groups = _groups(arrays)
    each = options if isinstance(options, Sequence) else [options] * len(groups)
    if outer == _TOGETHER:
        names = inner.split(_BESIDE)
        if not len(groups) == len(names) == len(each):
            raise ValueError(f"there are {len(groups)} networks, {len(names)} are named")
        found = [
            rebuild(kind, group, problem, own)
            for kind, group, own in zip(names, groups, each, strict=True)
        ]
        return Together([cast(LinearOutputNetwork, network) for network in found])
    if not len(groups) == len(problem.pieces) == len(each):
        raise ValueError(f"there are {len(groups)} pieces, the problem has {len(problem.pieces)}")
    parts = [rebuild(inner, group, problem, own) for group, own in zip(groups, each, strict=True)]
    return joined(parts, problem.pieces)


def _rebuilt(name: str, arrays: Mapping[str, Tensor], options: StoredOptions) -> Network:
    """A network from its options and arrays."""
    given = options if isinstance(options, Mapping) else {}
    try:
        return NETWORKS[name](**{key: _frozen(value) for key, value in given.items()}).rebuild(
            arrays
        )
    except TypeError as error:
        raise ValueError(f"options of the network {name} that do not fit: {error}") from None


def _frozen(value: Any) -> Any:
    """Lists, which is what tuples become in JSON, as tuples again."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _groups(arrays: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The parameters of each piece."""
    groups: dict[int, dict[str, Tensor]] = {}
    for key, array in arrays.items():
        _, number, name = key.split(".", 2)
        groups.setdefault(int(number), {})[name] = array
    return [groups[number] for number in sorted(groups)]
