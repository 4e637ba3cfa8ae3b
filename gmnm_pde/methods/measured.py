"""What a level of an inverse problem says: values with errors, noise, and how far it moved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from gmnm_pde.collocation import data_label
from gmnm_pde.estimate import rms
from gmnm_pde.inferred import Findings
from gmnm_pde.linearised import Block
from gmnm_pde.methods.base import Record, Setting
from gmnm_pde.methods.reduced import Found
from gmnm_pde.methods.uncertainty import Statistics, correlations, covariance_of, undetermined
from gmnm_pde.methods.weights import checked_rows, unweighted_rms
from gmnm_pde.networks import Together, evaluate
from gmnm_pde.problem import Data, Problem
from gmnm_pde.transforms import Transform, Transformed, bound_notes

UNEVEN = 1.5
"""Unknowns whose noise differs by more than this factor are weighted by it."""

LEAST_NOISE = 1e-3
"""Of the measured values."""

SEEN = 200
"""Probes at which deviations are computed."""


@dataclass(frozen=True)
class Reached:
    """A level that was solved.

    Arguments:
        network: of the joint problem, in theta.
        statistics: the linear model about the minimum.
        weights: of the measurements, by the label of their rows, relative to the most precise ones.
    """

    network: Together
    blocks: Sequence[Block]
    check: Sequence[Block]
    minimum: Found
    statistics: Statistics
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Outputs:
    """Unknowns and fields at the probes.

    Arguments:
        names: of the columns.
        values: (n, m).
        deviations: root mean square of their standard deviations, (m,).
    """

    names: tuple[str, ...]
    values: Tensor
    deviations: Tensor


@dataclass(frozen=True)
class Moved:
    """How far a level moved what is inferred.

    Arguments:
        deviations: in standard errors, of the constants and fields.
        relative: relative to its size, by name.
    """

    deviations: float = math.inf
    relative: Mapping[str, float] | None = None

    @property
    def largest(self) -> float:
        """The largest relative change, infinite before the second level."""
        return math.inf if self.relative is None else max(self.relative.values())


def reweighted(block: Block, weights: Mapping[str, float], data_weight: float) -> Block:
    """Measurements with their weight; other rows as they are."""
    if block.kind != "data":
        return block
    weight = data_weight * weights.get(block.label, 1.0)
    return replace(block, weights=torch.full_like(block.weights, weight))


def noise_weights(
    blocks: Sequence[Block],
    rows: Sequence[Tensor],
    leverages: Tensor,
    data: Mapping[str, float],
    before: Mapping[str, float],
) -> dict[str, float]:
    """One over the noise of each unknown's measurements, relative to the smallest; what there was
    before if they are alike.

    An unknown that follows all of its measurements looks as if they had no noise. That many of
    them are spent on it counts, and noise below a small part of the measured values is taken for
    that part: otherwise the weight of these would grow until the others are ignored.

    Arguments:
        rows: the residual of every block.
        leverages: of the measurements, see :class:`Statistics`.
        data: root mean square of what was measured, by the label of the rows.
    """
    squares: dict[str, float] = {}
    left: dict[str, float] = {}
    start = 0
    for block, row in zip(blocks, rows, strict=True):
        if block.kind == "data":
            spent = float(leverages[start : start + len(row)].sum())
            start += len(row)
            size = float((row / block.weights).square().sum())
            squares[block.label] = squares.get(block.label, 0.0) + size
            left[block.label] = left.get(block.label, 0.0) + len(row) - spent
    noise = {
        label: max(math.sqrt(square / max(left[label], 1.0)), LEAST_NOISE * data[label])
        for label, square in squares.items()
    }
    smallest = min(noise.values(), default=0.0)
    if smallest <= 0.0:
        return dict(before)
    weights = {label: smallest / size for label, size in noise.items()}
    even = all(
        1 / UNEVEN < weight / before.get(label, 1.0) < UNEVEN for label, weight in weights.items()
    )
    return dict(before) if even else weights


def measured_sizes(problem: Problem) -> dict[str, float]:
    """Root mean square of the measurements, by the label of their rows."""
    data = cast(Data, problem.data)
    columns = zip(problem.unknowns, data.values.T, strict=True)
    return {data_label(name): rms(values[~torch.isnan(values)]) for name, values in columns}


def findings(setting: Setting, joint: Problem, level: Reached, data_weight: float) -> Findings:
    """The constants with their errors, and the noise."""
    problem = setting.problem
    names = problem.constants
    sigma = math.sqrt(level.statistics.variance) / data_weight
    noise = {
        name: sigma / level.weights.get(data_label(name), 1.0)
        for name in joint.unknowns
        if any(block.label == data_label(name) for block in level.blocks)
    }
    if not names:
        return Findings(noise=noise, fields=problem.fields)
    theta = level.network.networks[-1].output_weights[0].tolist()
    factor = level.statistics.information(len(names)).cpu()
    variance = level.statistics.variance
    covariance = covariance_of(factor, variance)
    transforms = _transforms(joint)
    values = {name: transforms[name].value(t) for name, t in zip(names, theta, strict=True)}
    spread = covariance.diagonal().clamp_min(0).sqrt().tolist()
    errors = {
        name: transforms[name].slope(t) * size
        for name, t, size in zip(names, theta, spread, strict=True)
    }
    thetas = dict(zip(names, theta, strict=True))
    notes = (*undetermined(names, factor, variance), *bound_notes(transforms, thetas))
    return Findings(values, errors, correlations(names, covariance), noise, notes, problem.fields)


def outputs(setting: Setting, joint: Problem, level: Reached, probes: Tensor) -> Outputs:
    """Unknowns and fields at probes (n, d), with their standard deviations."""
    names = setting.problem.outputs
    raw = evaluate(level.network, probes)
    values = joint.completed(probes, raw)[:, : len(names)]
    few, transforms = probes[:SEEN], _transforms(joint)
    with torch.no_grad():
        features = level.network.features(few)
    width = len(level.network.flat_weights)
    start, deviations = 0, []
    for j, name in enumerate(names):
        own = features[:, level.network.own(j)]
        rows = own.new_zeros(len(few), width)
        rows[:, start : start + own.shape[1]] = own
        start += own.shape[1]
        deviation = level.statistics.deviation(rows)
        if name in transforms:
            deviation = deviation * _slopes(transforms[name], raw[:SEEN, j])
        deviations.append(rms(deviation))
    return Outputs(names, values, values.new_tensor(deviations))


def moved(before: Outputs | None, known: Findings, now: Outputs, found: Findings) -> Moved:
    """How far a level is from the one before."""
    if before is None:
        return Moved()
    steps, relative = [0.0], {}
    for name, value in found.values.items():
        change = abs(value - known.values[name])
        steps.append(change / max(found.errors[name], 1e-300))
        relative[name] = change / max(abs(value), 1e-300)
    for j, name in enumerate(now.names):
        change = rms(now.values[:, j] - before.values[:, j])
        steps.append(change / max(float(now.deviations[j]), 1e-300))
        relative[name] = change / max(rms(now.values[:, j]), 1e-300)
    return Moved(max(steps), relative)


def estimated_error(now: Outputs, change: Moved) -> dict[str, float]:
    """Relative L2 error of unknowns and fields: by the noise, and by the last change."""
    known = change.relative or {}
    errors = {
        name: math.hypot(
            float(now.deviations[j]) / max(rms(now.values[:, j]), 1e-300), known.get(name, math.inf)
        )
        for j, name in enumerate(now.names)
    }
    return {name: error for name, error in errors.items() if math.isfinite(error)}


def over_noise(level: Reached, noise: float | None) -> float | None:
    """Root mean square of the measurements' residual over their known noise."""
    if noise is None:
        return None
    rows = level.minimum.iterate.residual.split(
        [len(b.points) if b.average is None else len(b.average) for b in level.blocks]
    )
    data = [
        row / block.weights
        for row, block in zip(rows, level.blocks, strict=True)
        if block.kind == "data"
    ]
    return rms(torch.cat(data)) / noise


def record(
    setting: Setting,
    joint: Problem,
    level: Reached,
    found: Findings,
    errors: Mapping[str, float],
    step: int,
) -> Record:
    """The level's line of the history."""
    rows = checked_rows(joint, level.network, level.check)
    return Record(
        step=step,
        units=level.network.n_units,
        parameters=sum(p.numel() for p in level.network.parameters()),
        points=sum(len(block.points) for block in level.blocks),
        residual_rms=unweighted_rms(rows, level.check, ("equation",)),
        boundary_rms=unweighted_rms(rows, level.check, ("condition",)),
        estimated_error=max(errors.values()) if errors else None,
        seconds=setting.elapsed,
        inferred=found.values,
        standard_error=found.errors,
    )


def _transforms(joint: Problem) -> Mapping[str, Transform]:
    return cast(Transformed, joint.substitution).transforms


def _slopes(transform: Transform, theta: Tensor) -> Tensor:
    at = theta.clone().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(transform(at).sum(), at)
    return slope
