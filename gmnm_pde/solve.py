"""The one loop: a problem and a recipe in, a solution out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gmnm_pde.checks import Checked, check
from gmnm_pde.errors import InputError
from gmnm_pde.methods import LeastSquares, Method, Outcome, Record, Setting, State
from gmnm_pde.networks import NETWORKS, GMNMSpec, Network
from gmnm_pde.problem import IntegralCondition, Problem, Sampling
from gmnm_pde.recipe import Recipe
from gmnm_pde.solution import Solution, finite, measure, unique

TIME_LIMIT = 60.0
"""Seconds a solve may take if nothing is said."""

MAX_UNITS = 5000
"""Units a network may have if nothing is said."""

Monitor = Callable[[Record], None]


def solve(
    problem: Problem | str | Path,
    *,
    rtol: float | None = None,
    solver: Recipe | str | Path | Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    time_limit: float | None = None,
    max_units: int | None = None,
    monitor: Monitor | None = None,
) -> Solution:
    """Solve a problem.

    Arguments:
        problem: a :class:`Problem`, a catalogue name or the path of a problem file.
        rtol: relative L2 error asked for. Without it the solve goes on to rounding, or as far as
            time and units allow.
        solver: a recipe, its name or path; what the problem file says, or ``gmnm``, if not given.
        seed: of every random number.
        device: "auto" (CUDA if there is one), "cpu" or "cuda".
        time_limit: seconds after which no further step is begun.
        max_units: the largest network.
        monitor: called with a :class:`Record` after every step.

    Returns:
        A :class:`Solution`. One that missed the tolerance has the status "stopped", and says why.

    Raises:
        InputError: a problem or a recipe that cannot be solved, and the mend.
    """
    began = time.perf_counter()
    problem, recipe = _understood(problem, solver)
    checked = check(problem)
    rtol = rtol if rtol is not None else recipe.rtol
    if rtol is not None and not 0 < rtol < 1:
        raise InputError(f"rtol is {rtol}.", mend="Give a number between 0 and 1, such as 1e-6.")
    setting = Setting(
        problem=fixed_mean(problem, checked),
        network=recipe.network,
        sampling=merged(problem.sampling, recipe.sampling),
        rtol=rtol,
        max_units=MAX_UNITS if max_units is None else max_units,
        time_limit=TIME_LIMIT if time_limit is None else time_limit,
        seed=seed,
        device=chosen_device(device),
        constants_free=checked.pure_neumann,
    )
    state, outcome = State(notes=checked.notes), Outcome("failed", "the recipe has no method")
    for method in recipe.methods:
        state, outcome = run(method, setting, state, monitor)
        if outcome.status in ("failed", "interrupted"):
            break
    seconds = setting.elapsed
    if state.network is None:
        raise InputError(f"the solve ended before its first step: {outcome.reason}.")
    errors = measure(problem, state.network, up_to_constant=checked.pure_neumann)
    return Solution(
        network=state.network,
        network_name=_name(recipe),
        problem=problem,
        coordinates=tuple(problem.coordinates),
        unknowns=tuple(problem.unknowns),
        status=outcome.status,
        reason=outcome.reason,
        estimated_error=finite(
            {name: state.estimated_error.get(name) for name in problem.unknowns}
        ),
        history=state.records,
        errors=errors,
        seconds=seconds,
        seconds_total=time.perf_counter() - began,
        device=str(setting.device),
        dtype=str(setting.dtype).removeprefix("torch."),
        seed=seed,
        notes=unique(state.notes),
    )


def run(
    method: Method, setting: Setting, state: State, monitor: Monitor | None
) -> tuple[State, Outcome]:
    """One method from start to finish; an interrupt ends it with the best state so far."""
    before = state
    try:
        state = method.start(setting, before.network)
        state = replace(
            state,
            records=before.records,
            notes=unique((*before.notes, *state.notes)),
            estimated_error=before.estimated_error,
        )
        while (outcome := method.decide(setting, state)) is None:
            state = method.step(setting, state)
            if monitor is not None:
                monitor(state.records[-1])
    except KeyboardInterrupt:
        if state.network is None:
            raise
        return state, Outcome("interrupted", "interrupted; the best level so far is kept")
    return method.finish(setting, state, outcome), outcome


def check_solvable(problem: Problem, checked: Checked) -> None:
    """Whether sources and fluxes of a pure Neumann problem balance, by two coarse levels.

    Raises:
        InputError: they do not, so there is no solution.
    """
    if not checked.pure_neumann:
        return
    setting = Setting(fixed_mean(problem, checked), GMNMSpec(), Sampling(), constants_free=True)
    method = LeastSquares()
    state = method.start(setting, None)
    for _ in range(2):
        state = method.step(setting, state)


def _understood(
    problem: Problem | str | Path, solver: Recipe | str | Path | Mapping[str, Any] | None
) -> tuple[Problem, Recipe]:
    from gmnm_pde.config import load_problem, load_recipe

    if isinstance(problem, Problem):
        recipe = None
    else:
        file = load_problem(problem)
        problem, recipe = file.problem, file.recipe() if solver is None else None
    if isinstance(solver, Recipe):
        return problem, solver
    return problem, recipe if recipe is not None else load_recipe(solver)


def fixed_mean(problem: Problem, checked: Checked) -> Problem:
    """The problem with its mean set to zero where nothing else fixes the constant."""
    if not checked.pure_neumann or any(
        isinstance(condition, IntegralCondition) for condition in problem.conditions
    ):
        return problem
    zero = (0,) * len(problem.coordinates)
    means = [
        IntegralCondition(lambda jet, name=name: jet.derivative(name, zero), 0.0, f"mean of {name}")
        for name in problem.unknowns
    ]
    return replace(problem, conditions=(*problem.conditions, *means))


def merged(problem: Sampling, recipe: Sampling) -> Sampling:
    """What the problem says about its points, and the recipe where it says nothing."""
    return Sampling(
        problem.interior if problem.interior is not None else recipe.interior,
        problem.boundary if problem.boundary is not None else recipe.boundary,
        problem.sampler if problem.sampler is not None else recipe.sampler,
    )


def chosen_device(name: str) -> torch.device:
    """The device of a name.

    Raises:
        InputError: an unknown name, or CUDA where there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"unknown device {name!r}.", mend="Use auto, cpu or cuda.")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError(
            "cuda was asked for, but torch finds no CUDA device.",
            mend="Use the device cpu, or install a CUDA build of torch.",
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def _name(recipe: Recipe) -> str | None:
    return next((name for name, cls in NETWORKS.items() if type(recipe.network) is cls), None)


__all__ = ["Network", "solve"]
