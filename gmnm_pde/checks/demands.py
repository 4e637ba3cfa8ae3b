"""What conditions ask for at points, as rows that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gmnm_pde.checks.linear import LinearForm
from gmnm_pde.checks.sites import Sites

_PARALLEL = 1e-9
_SAME = 1e-8


@dataclass(frozen=True)
class Conflict:
    """Two conditions that ask for the same quantity at a site and for different values."""

    first: int
    second: int
    site: int
    values: tuple[float, float]


@dataclass(frozen=True)
class Demands:
    """row . (u, u_x, ...) = value at n sites, for c conditions, with |row| = 1.

    Arguments:
        numbers: which condition of the problem each is.
        rows: (c, n, k).
        values: (c, n).
        asked: (c, n), scaled as a person wrote it: u = 3 asks for 3.
        active: (c, n), where the condition applies and has a row.
        linear: for each condition; a nonlinear one is never compared.
    """

    numbers: Sequence[int]
    rows: Tensor
    values: Tensor
    asked: Tensor
    active: Tensor
    linear: Sequence[bool]

    def distinct(self) -> tuple[Tensor, Conflict | None]:
        """Which demands ask for a quantity that no earlier one asks for, (c, n), and the first
        conflict met on the way."""
        distinct = self.active.clone()
        for second in range(len(self.numbers)):
            for first in range(second):
                if not (self.linear[first] and self.linear[second]):
                    continue
                cosine = (self.rows[first] * self.rows[second]).sum(1)
                both = self.active[first] & self.active[second]
                same = both & (cosine.abs() > 1.0 - _PARALLEL)
                gap = (self.values[second] - cosine.sign() * self.values[first]).abs()
                differ = torch.nonzero(same & (gap > _SAME * (1.0 + self.values[first].abs())))
                if len(differ):
                    return distinct, self._conflict(first, second, int(differ[0]))
                distinct[second] &= ~same
        return distinct, None

    def _conflict(self, first: int, second: int, site: int) -> Conflict:
        values = float(self.asked[first, site]), float(self.asked[second, site])
        return Conflict(self.numbers[first], self.numbers[second], site, values)


def find_demands(sites: Sites) -> Demands:
    """The rows of every condition at every site."""
    numbers = sorted(sites.forms)
    forms = [sites.forms[number] for number in numbers]
    keys = sorted({key for form in forms for key in form.coefficients})
    n = len(sites.points)
    if not forms or not keys:
        empty = torch.zeros(0, n, dtype=torch.float64)
        return Demands([], empty[..., None], empty, empty, empty.bool(), [])
    rows = torch.stack([_rows(form, keys, n) for form in forms])
    known = torch.stack([form.known for form in forms])
    size = rows.norm(dim=2)
    active = torch.stack([sites.applies[number] for number in numbers])
    active &= (size > 0.0) & size.isfinite()
    size = torch.where(active, size, 1.0)
    largest = rows.gather(2, rows.abs().argmax(2, keepdim=True))[..., 0]
    return Demands(
        numbers,
        rows / size[..., None],
        -known / size,
        -known / torch.where(active, largest, 1.0) + 0.0,
        active,
        [form.linear for form in forms],
    )


def _rows(form: LinearForm, keys: list[tuple[str, tuple[int, ...]]], n: int) -> Tensor:
    zero = torch.zeros(n, dtype=torch.float64)
    return torch.stack([form.coefficients.get(key, zero) for key in keys], dim=1)
