"""The one loop: a problem and a recipe in, a solution out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gmnm_pde.accuracy import finite, measure
from gmnm_pde.checks import Checked, check
from gmnm_pde.errors import InputError
from gmnm_pde.lift import lifted
from gmnm_pde.methods import (
    LeastSquares,
    Method,
    Outcome,
    Record,
    Setting,
    State,
    TimeStepping,
)
from gmnm_pde.networks import Enforced, GMNMSpec, Network, spec_name, stored_name
from gmnm_pde.problem import IntegralCondition, Problem, Sampling
from gmnm_pde.recipe import Recipe
from gmnm_pde.solution import Solution, unique

TIME_LIMIT = 60.0
"""Seconds a solve may take if nothing is said."""

MAX_UNITS = 5000
"""Units a network may have if nothing is said."""

LOOSE = 0.03
"""Relative L2 error that a problem on the way to a harder one is solved to."""

Monitor = Callable[[Record], None]

Observer = Callable[[Record, Network], None]


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
    observe: Observer | None = None,
    resume: Solution | None = None,
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
        observe: called with the record and the best network so far, over the problem's own
            coordinates and unknowns. Methods go on from that very network: an observer that keeps
            it copies it, and measures later, since its time counts as the solve's.
        resume: an earlier solution of this problem with this recipe, to go on from. Its seconds
            count, and ``time_limit`` is what is added to them.

    Returns:
        A :class:`Solution`. One that missed the tolerance has the status "stopped", and says why.

    Raises:
        InputError: a problem or a recipe that cannot be solved, and the mend.
    """
    before = (0.0, 0.0) if resume is None else (resume.seconds, resume.seconds_total)
    spent, began = before[0], time.perf_counter() - before[1]
    problem, recipe = _understood(problem, solver)
    checked = check(problem)
    rtol = rtol if rtol is not None else recipe.rtol
    if rtol is not None and not 0 < rtol < 1:
        raise InputError(f"rtol is {rtol}.", mend="Give a number between 0 and 1, such as 1e-6.")
    methods = [method.chosen(problem) for method in recipe.methods]
    _check_inference(problem, recipe, methods)
    _check_derivatives(problem, recipe, checked)
    setting = Setting(
        problem=posed(problem, checked, methods),
        network=recipe.network,
        sampling=merged(problem.sampling, recipe.sampling),
        rtol=rtol,
        max_units=MAX_UNITS if max_units is None else max_units,
        time_limit=spent + (TIME_LIMIT if time_limit is None else time_limit),
        started=time.perf_counter() - spent,
        seed=seed,
        device=chosen_device(device),
        constants_free=checked.pure_neumann,
    )
    state, reached = State(notes=checked.notes), 0
    saved: dict[str, Any] = {}
    if resume is not None:
        state, reached, saved = taken_up(resume, setting, state, len(methods))
    elif methods and problem.easier:
        state = continued(problem, methods[0], setting, state)
    state, outcome, reached = stages(
        methods, setting, state, reached, saved, monitor=monitor, observe=observe
    )
    finished(setting.device)
    seconds = setting.elapsed
    if state.network is None:
        raise InputError(f"the solve ended before its first step: {outcome.reason}.")
    saved = dict(methods[reached].checkpoint(state))
    network = methods[reached].solved(setting, state)
    errors = measure(problem, network, up_to_constant=checked.free, inferred=state.findings.values)
    return Solution(
        network=network,
        network_name=stored_name(network),
        problem=problem.found(state.findings.values),
        coordinates=tuple(problem.coordinates),
        unknowns=problem.outputs,
        status=outcome.status,
        reason=outcome.reason,
        estimated_error=finite({name: state.estimated_error.get(name) for name in problem.outputs}),
        history=state.records,
        errors=errors,
        findings=state.findings,
        seconds=seconds,
        seconds_total=time.perf_counter() - began,
        device=str(setting.device),
        dtype=str(setting.dtype).removeprefix("torch."),
        seed=seed,
        notes=unique(state.notes),
        checkpoint={"method": reached, "memory": saved},
    )


def stages(
    methods: Sequence[Method],
    setting: Setting,
    state: State,
    reached: int,
    saved: dict[str, Any],
    *,
    monitor: Monitor | None = None,
    observe: Observer | None = None,
) -> tuple[State, Outcome, int]:
    """Run the methods of a recipe one after the other, from the one that was reached.

    Arguments:
        saved: what that one kept between steps.

    Returns:
        The state, why it ended and the method that it ended in.
    """
    outcome = Outcome("failed", "the recipe has no method")
    while reached < len(methods):
        own = shared(setting, len(methods) - reached)
        state, outcome = run(methods[reached], own, state, monitor, observe, saved)
        if outcome.status in ("failed", "interrupted") or reached + 1 == len(methods):
            break
        reached, saved = reached + 1, {}
    return state, outcome, reached


def shared(setting: Setting, left: int) -> Setting:
    """The setting of the next method where so many are left: none takes the time of the others."""
    rest = (setting.time_limit - setting.elapsed) / left
    return replace(setting, time_limit=setting.elapsed + rest) if left > 1 else setting


def taken_up(
    resume: Solution, setting: Setting, state: State, count: int
) -> tuple[State, int, dict[str, Any]]:
    """The state that an earlier solution ended with, the method it was at, and its checkpoint."""
    network = resume.network.free if isinstance(resume.network, Enforced) else resume.network
    known = {name: value for name, value in resume.estimated_error.items() if value is not None}
    reached = resume.checkpoint.get("method", 0)
    if reached not in range(count):
        raise InputError("the recipe has not the methods that the earlier solve had.")
    state = replace(
        state,
        network=setting.placed(network),
        records=tuple(resume.history),
        estimated_error=known,
        notes=unique((*state.notes, *resume.notes)),
    )
    return state, reached, dict(resume.checkpoint.get("memory", {}))


def run(
    method: Method,
    setting: Setting,
    state: State,
    monitor: Monitor | None = None,
    observe: Observer | None = None,
    saved: Mapping[str, Any] | None = None,
) -> tuple[State, Outcome]:
    """One method from start to finish, or from its checkpoint; an interrupt ends it with the best
    state so far."""
    before = state
    try:
        if saved and before.network is not None:
            state = _resumed(method, setting, before.network, saved)
        else:
            state = method.start(setting, before.network)
        # Of a network that the method could not go on from, nothing is known about its own.
        same = state.network is None or type(state.network) is type(before.network)
        state = replace(
            state,
            records=before.records,
            notes=unique((*before.notes, *state.notes)),
            estimated_error=before.estimated_error if same else {},
        )
        while (outcome := method.decide(setting, state)) is None:
            known = len(state.records)
            state = method.step(setting, state)
            # A level that could not be solved leaves no record.
            if len(state.records) == known or state.network is None:
                continue
            if monitor is not None:
                monitor(state.records[-1])
            if observe is not None:
                observe(state.records[-1], method.solved(setting, state))
    except KeyboardInterrupt:
        if state.network is None:
            raise
        return state, Outcome("interrupted", "interrupted; the best level so far is kept")
    return method.finish(setting, state, outcome), outcome


def _resumed(method: Method, setting: Setting, network: Network, saved: Mapping[str, Any]) -> State:
    try:
        return method.resume(setting, network, saved)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"the checkpoint does not fit the method {type(method).__name__}: {error}.",
            mend="Solve the problem again.",
        ) from None


def continued(problem: Problem, method: Method, setting: Setting, state: State) -> State:
    """Solve the easier problems loosely, each from the network of the one before, and start there.

    They are solved whenever they are given, not only after a direct start failed: where a problem
    has several solutions, a direct start that ends at another one does not look like a failure.
    """
    if isinstance(method, TimeStepping):
        return state
    left = len(problem.easier) + 1
    for label, easier in problem.easier:
        loose = replace(
            setting,
            problem=posed(easier, check(easier), [method]),
            rtol=LOOSE,
            time_limit=setting.elapsed + (setting.time_limit - setting.elapsed) / left,
            constants_free=False,
        )
        after, outcome = run(method, loose, State(network=state.network))
        left -= 1
        if outcome.status == "interrupted":
            raise KeyboardInterrupt
        if outcome.status == "failed":
            note = f"The easier problem, {label}, was not solved: {outcome.reason}."
            state = replace(state, notes=(*state.notes, note))
            continue
        note = f"Started from the solution for {label}, of {after.records[-1].units} units."
        state = replace(state, network=after.network, notes=(*state.notes, note))
    return state


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


def _check_inference(problem: Problem, recipe: Recipe, methods: Sequence[Method]) -> None:
    for item, method in zip(recipe.methods, methods, strict=True):
        if problem.infer and not method.infers:
            raise InputError(
                f"the method {item.name!r} cannot infer {' and '.join(problem.infer)} from data.",
                mend="Use the method `inverse`, or the solver gmnm, which chooses it.",
            )


def _check_derivatives(problem: Problem, recipe: Recipe, checked: Checked) -> None:
    highest = recipe.network.highest_derivative
    if highest is not None and checked.order > highest:
        raise InputError(
            f"the network {spec_name(recipe.network)} has derivatives up to order {highest}, and "
            f"the problem {problem.name} has some of order {checked.order}.",
            mend=f"Take splines of that order, `k: {checked.order}`, or another network.",
        )


def posed(problem: Problem, checked: Checked, methods: Sequence[Method]) -> Problem:
    """The problem as methods see it: constants fixed, hard conditions satisfied by themselves.

    Time stepping keeps those as they are: it eliminates every condition from its unknowns. What is
    to be inferred is a matter of the method.
    """
    fixed = fixed_mean(problem, checked)
    stepped = any(isinstance(method, TimeStepping) for method in methods)
    return fixed if stepped or fixed.infer else lifted(fixed)


def fixed_mean(problem: Problem, checked: Checked) -> Problem:
    """The problem with the means set to zero of the unknowns that are free up to a constant."""
    if not checked.free:
        return problem
    zero = (0,) * len(problem.coordinates)
    means = [
        IntegralCondition(lambda jet, name=name: jet.derivative(name, zero), 0.0, f"mean of {name}")
        for name in checked.free
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


def finished(device: torch.device) -> None:
    """Wait until a device has done what it was given: a clock of the host runs ahead of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


__all__ = ["Network", "solve"]
