"""The names under which networks are stored, and how they come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from gmnm_pde.networks.base import Network
from gmnm_pde.networks.enforced import Enforced, enforced
from gmnm_pde.networks.evolution import Evolution
from gmnm_pde.networks.gmnm import GMNM
from gmnm_pde.networks.pieces import LinearPieces, Pieces, joined
from gmnm_pde.networks.specs import GMNMSpec
from gmnm_pde.problem import Problem

_STORED: dict[str, tuple[type[Network], Callable[[Mapping[str, Tensor]], Network]]] = {
    "gmnm": (GMNM, GMNMSpec.rebuild),
    "evolution": (Evolution, Evolution.rebuild),
}


def stored_name(network: Network) -> str | None:
    """The name of a network's kind, None for a person's own; ``pieces:gmnm`` for one a piece."""
    if isinstance(network, Pieces | LinearPieces):
        names = {stored_name(part) for part in network.networks}
        name = names.pop()
        return None if names or name is None else f"pieces:{name}"
    if isinstance(network, Enforced):
        name = stored_name(network.free)
        return None if name is None else f"enforced:{name}"
    return next((name for name, (kind, _) in _STORED.items() if type(network) is kind), None)


def is_stored(name: str | None) -> bool:
    """Whether a name is that of a kind of this package."""
    return (name or "").rpartition(":")[2] in _STORED


def made_for_problem(name: str | None) -> bool:
    """Whether networks of a kind come back with their problem only."""
    return ":" in (name or "")


def rebuild(name: str, arrays: Mapping[str, Tensor], problem: Problem | None = None) -> Network:
    """A network of the shape of stored parameters.

    Arguments:
        name: one that :func:`is_stored`.
        problem: for one that is :func:`made_for_problem`, as it was solved.

    Raises:
        ValueError: parameters that do not fit the problem.
    """
    outer, _, inner = name.partition(":")
    if not inner:
        return _STORED[outer][1](arrays)
    assert problem is not None
    if outer == "enforced":
        own = {key.removeprefix("free."): array for key, array in arrays.items()}
        return enforced(rebuild(inner, own, problem), problem)
    parts = [rebuild(inner, group, problem) for group in _groups(arrays)]
    if len(parts) != len(problem.pieces):
        raise ValueError(f"there are {len(parts)} pieces, the problem has {len(problem.pieces)}")
    return joined(parts, problem.pieces)


def _groups(arrays: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The parameters of each piece."""
    groups: dict[int, dict[str, Tensor]] = {}
    for key, array in arrays.items():
        _, number, name = key.split(".", 2)
        groups.setdefault(int(number), {})[name] = array
    return [groups[number] for number in sorted(groups)]
