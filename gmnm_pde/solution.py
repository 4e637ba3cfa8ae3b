"""The one result object: the solution as a function, its errors, how it was found, why it ended."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from gmnm_pde.accuracy import Errors, finite
from gmnm_pde.errors import InputError
from gmnm_pde.fields import orders_of
from gmnm_pde.inferred import Findings
from gmnm_pde.inversion import with_fields
from gmnm_pde.lift import lifted
from gmnm_pde.methods.base import Record, Status
from gmnm_pde.networks import (
    Network,
    evaluate,
    is_stored,
    made_for_problem,
    rebuild,
    stored_options,
)
from gmnm_pde.problem import Problem, ReferenceValues

Points = TypeVar("Points", Tensor, np.ndarray)

CHUNK = 2_000_000
"""Units times points that are evaluated at once: 16 MB an intermediate result."""


@dataclass(frozen=True, eq=False)
class Solution:
    """A solved problem.

    ``solution(points)`` evaluates it, (n, d) -> (n, unknowns); numpy in gives numpy out.

    Arguments:
        problem: with what was inferred in it; None if the solution was loaded and its problem was
            defined in Python.
        status: "converged" | "stopped" | "failed" | "interrupted", with the ``reason`` in words.
        estimated_error: relative L2, found without a reference; None where there is no estimate.
        errors: measured against the problem's reference, None without one.
        seconds: of the solve; ``seconds_total`` with set-up and the measurement of errors.
        findings: constants that were inferred, with standard errors; see also ``inferred``.
        notes: what a person should know.
        checkpoint: what going on with the solve takes beside the network, as plain values.
    """

    network: Network
    coordinates: tuple[str, ...]
    unknowns: tuple[str, ...]
    status: Status
    reason: str
    estimated_error: Mapping[str, float | None]
    history: tuple[Record, ...]
    seconds: float
    seconds_total: float
    device: str
    dtype: str
    seed: int
    problem: Problem | None = None
    network_name: str | None = None
    errors: Errors | None = None
    findings: Findings = field(default_factory=Findings)
    notes: tuple[str, ...] = ()
    checkpoint: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __call__(self, points: Points) -> Points:
        """The unknowns at points (n, d), (n, unknowns)."""
        parts = [evaluate(self.network, part) for part in self._parts(points)]
        return self._like(torch.cat(parts), points)

    def derivative(
        self, points: Points, letters: str | Sequence[str], unknown: str | None = None
    ) -> Points:
        """A derivative, ``"xx"`` for u_xx or ``("x1", "x1")``, at points (n, d), (n,).

        Raises:
            InputError: a letter that is no coordinate, or an unknown there is not.
        """
        name = self.unknowns[0] if unknown is None else unknown
        if name not in self.unknowns:
            raise InputError(
                f"there is no unknown {name!r}.", mend=f"Known: {', '.join(self.unknowns)}."
            )
        orders = orders_of(letters, self.coordinates, name)
        with torch.no_grad():
            parts = [
                self.network.derivatives(part, [orders])[orders] for part in self._parts(points)
            ]
        return self._like(torch.cat(parts)[:, self.unknowns.index(name)], points)

    def reference(self, points: Tensor) -> ReferenceValues | None:
        """The problem's reference at points, None without one."""
        if self.problem is None or self.problem.reference is None:
            return None
        return self.problem.reference.evaluate(self.problem, points)

    def __repr__(self) -> str:
        name = "a problem" if self.problem is None else self.problem.name
        figures = {
            "estimated_error": finite(self.estimated_error),
            "relative_l2": None if self.errors is None else finite(self.errors.relative_l2),
        }
        said = ", ".join(f"{key}={value}" for key, value in figures.items() if value is not None)
        return (
            f"<Solution of {name}: {self.status}, {said}, units={self.units}, "
            f"seconds={self.seconds:.2f}>"
        )

    @property
    def inferred(self) -> Mapping[str, float]:
        """The constants that were inferred."""
        return self.findings.values

    @property
    def units(self) -> int:
        """Units of the network, 0 if it does not count in units."""
        return self._last("units")

    @property
    def parameters(self) -> int:
        """Numbers in the network."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @property
    def points(self) -> int:
        """Collocation points of the level that the solution comes from."""
        return self._last("points")

    @property
    def residual_rms(self) -> float | None:
        """Root mean square of the equations' residual at points never used."""
        return self._figure("residual_rms")

    @property
    def boundary_rms(self) -> float | None:
        """Root mean square of the conditions' residual at points never used."""
        return self._figure("boundary_rms")

    def metrics(self) -> dict[str, Any]:
        """The figures of ``metrics.json``; one that does not exist is None."""
        from gmnm_pde import __version__

        errors = self.errors
        none = dict.fromkeys(self.unknowns)
        return {
            "status": self.status,
            "reason": self.reason,
            "relative_l2": none if errors is None else none | finite(errors.relative_l2),
            "max_error": none if errors is None else finite(errors.max_error),
            "estimated_error": none | finite(self.estimated_error),
            "residual_rms": self.residual_rms,
            "boundary_rms": self.boundary_rms,
            "seconds": self.seconds,
            "seconds_total": self.seconds_total,
            "units": self.units,
            "parameters": self.parameters,
            "points": self.points,
            "device": self.device,
            "dtype": self.dtype,
            "seed": self.seed,
            "reference": None if errors is None else errors.reference,
            "reference_error": none if errors is None else none | finite(errors.own_error),
            "inferred": dict(self.inferred),
            "standard_error": finite(self.findings.errors),
            "inferred_error": {} if errors is None else finite(errors.inferred),
            "correlation": dict(self.findings.correlation),
            "noise": finite(self.findings.noise),
            "notes": list(self.notes),
            "version": __version__,
        }

    def plot(self, directory: str | Path) -> list[Path]:
        """Write solution.png, error.png and convergence.png into a directory; streamlines.png for
        a plane vector field (u, v), and animation.gif in two dimensions and time.

        Returns:
            The files.
        """
        from gmnm_pde.report import write_pictures

        Path(directory).mkdir(parents=True, exist_ok=True)
        return write_pictures(cast(Any, self._with_problem()), Path(directory))

    def save(self, path: str | Path) -> Path:
        """Write the solution to ``path.npz``: plain arrays, and one text in JSON.

        A problem from a file is not stored here but in the run folder's ``problem.yaml``.
        """
        path = _npz(path)
        about = {
            "coordinates": self.coordinates,
            "unknowns": self.unknowns,
            "network": self.network_name,
            "network_options": stored_options(self.network),
            "status": self.status,
            "reason": self.reason,
            "estimated_error": dict(self.estimated_error),
            "errors": None if self.errors is None else asdict(self.errors),
            "history": [asdict(record) for record in self.history],
            "seconds": self.seconds,
            "seconds_total": self.seconds_total,
            "device": self.device,
            "dtype": self.dtype,
            "seed": self.seed,
            "findings": asdict(self.findings),
            "notes": self.notes,
            "checkpoint": dict(self.checkpoint),
        }
        arrays = {
            f"network.{key}": value.detach().cpu().numpy()
            for key, value in self.network.state_dict().items()
        }
        buffer = io.BytesIO()
        np.savez(buffer, about=np.array(json.dumps(about)), **cast(Any, arrays))
        path.write_bytes(buffer.getvalue())
        return path

    def _with_problem(self) -> Solution:
        if self.problem is None:
            raise InputError(
                "this solution was loaded without its problem.",
                mend="Load it with `gp.load(path, problem=...)`.",
            )
        return self

    def _parts(self, points: Tensor | np.ndarray) -> tuple[Tensor, ...]:
        """The points in parts: every unit is evaluated at every one of them at once."""
        return self._tensor(points).split(max(1, CHUNK // max(self.units, 1)))

    def _tensor(self, points: Tensor | np.ndarray) -> Tensor:
        example = next(self.network.parameters())
        if isinstance(points, np.ndarray):
            # A copy: torch cannot share arrays that are read-only or run backwards.
            points = torch.from_numpy(np.array(points, dtype=np.float64))
        tensor = torch.as_tensor(points).to(dtype=example.dtype, device=example.device)
        if tensor.ndim != 2 or tensor.shape[1] != len(self.coordinates):
            raise InputError(
                f"points have shape {tuple(tensor.shape)}.",
                mend=f"Expected (n, {len(self.coordinates)}): one column for each of "
                f"{', '.join(self.coordinates)}.",
            )
        return tensor

    def _like(self, values: Tensor, points: Points) -> Points:
        if isinstance(points, np.ndarray):
            return values.cpu().numpy()
        return values.to(device=points.device)

    def _best(self) -> Record | None:
        """The record of the network that is kept."""
        known = [r for r in self.history if r.estimated_error is not None]
        size = self.parameters
        return next(
            (r for r in reversed(known) if r.parameters == size),
            self.history[-1] if self.history else None,
        )

    def _last(self, name: str) -> int:
        best = self._best()
        return 0 if best is None else int(getattr(best, name))

    def _figure(self, name: str) -> float | None:
        best = self._best()
        value = None if best is None else float(getattr(best, name))
        return value if value is not None and math.isfinite(value) else None


def load(
    path: str | Path, *, problem: Problem | None = None, network: Network | None = None
) -> Solution:
    """A solution that :meth:`Solution.save` or the command wrote.

    Arguments:
        path: the file, or the run folder.
        problem: for a solution whose problem was defined in Python; one from a run folder finds
            its own ``problem.yaml``.
        network: a person's own network, of the same shape; its parameters are replaced.

    Raises:
        InputError: no such file, not a solution, or a network that has to be given.
    """
    path = Path(path)
    file = _npz(path / "solution" if path.is_dir() else path)
    about, arrays = _read(file)
    name = about.pop("network", None)
    options = about.pop("network_options", None)
    beside = file.parent / "problem.yaml"
    if problem is None and beside.is_file():
        from gmnm_pde.config import load_problem

        problem = load_problem(beside).problem
    if network is None and problem is None and made_for_problem(name):
        raise InputError(
            "subdomains and hard conditions of a solution are stored with its problem, not here.",
            mend="Give it: `gp.load(path, problem=...)`.",
            file=file,
        )
    if network is None and not is_stored(name):
        raise InputError(
            "the solution's network is not one of this package.",
            mend="Give it: `gp.load(path, network=MyNetwork(...))`.",
            file=file,
        )
    try:
        if network is None:
            network = rebuild(name, arrays, _as_solved(problem, name), options)
        network.load_state_dict(arrays)
    except (RuntimeError, KeyError, IndexError, ValueError) as error:
        raise InputError(
            f"the stored parameters do not fit the network: {error}.",
            mend="Load it with a network of the shape that was saved.",
            file=file,
        ) from None
    try:
        return _restored(about, network, name, problem)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"this is not a whole solution: {error}.", file=file) from None


def _as_solved(problem: Problem | None, name: str | None) -> Problem | None:
    """The problem whose substitution completes a stored network."""
    if problem is None or not made_for_problem(name):
        return problem
    return with_fields(problem) if problem.infer else lifted(problem)


def _restored(
    about: dict[str, Any], network: Network, name: str | None, problem: Problem | None
) -> Solution:
    errors, stored = about.pop("errors"), about.pop("findings", {})
    notes, fields = (tuple(stored.pop(name, ())) for name in ("notes", "fields"))
    findings = Findings(**stored, notes=notes, fields=fields)
    problem = None if problem is None else problem.found(findings.values)
    return Solution(
        network=network,
        network_name=name,
        problem=problem,
        coordinates=tuple(about.pop("coordinates")),
        unknowns=tuple(about.pop("unknowns")),
        errors=None if errors is None else Errors(**errors),
        history=tuple(Record(**record) for record in about.pop("history")),
        findings=findings,
        notes=tuple(about.pop("notes")),
        **about,
    )


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not file.is_file():
        raise InputError("there is no such solution.", mend="Check the path.", file=file)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            arrays = {
                key.removeprefix("network."): torch.from_numpy(stored[key])
                for key in stored.files
                if key.startswith("network.")
            }
        if not isinstance(about, dict):
            raise ValueError("its description is not a mapping")
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        BadZipFile,
    ) as error:
        raise InputError(f"this is not a solution: {error}.", file=file) from None
    return about, arrays


def _npz(path: str | Path) -> Path:
    path = Path(path)
    return path if path.suffix == ".npz" else path.with_name(f"{path.name}.npz")


def unique(notes: Sequence[str]) -> tuple[str, ...]:
    """The notes in order, each once."""
    return tuple(dict.fromkeys(notes))
