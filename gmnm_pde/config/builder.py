"""From validated values to a :class:`Problem`: names, expressions, conditions, reference."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gmnm_pde.config import schema
from gmnm_pde.config.conditions import ConditionReader
from gmnm_pde.config.continuation import Step, steps
from gmnm_pde.config.data import read_data
from gmnm_pde.config.domains import DomainReader, located
from gmnm_pde.config.finite import check_finite
from gmnm_pde.config.inference import inferred_from
from gmnm_pde.config.names import Names
from gmnm_pde.config.recipe_file import sampling_from
from gmnm_pde.config.reference_file import ReferenceReader
from gmnm_pde.config.source import KeyPath, Source
from gmnm_pde.errors import InputError
from gmnm_pde.expressions import Node, parse_equation, residual, to_text
from gmnm_pde.geometry import Cylinder, Domain
from gmnm_pde.manufacture import manufactured
from gmnm_pde.problem import Data, Equation, Problem


class Builder:
    """Builds one problem.

    Arguments:
        source: the file, for the places of errors.
        model: its values.
        folder: what paths in it are relative to.
    """

    def __init__(self, source: Source, model: schema.ProblemFile, folder: Path) -> None:
        self._source = source
        self._model = model
        self._folder = folder

    def problem(self) -> Problem:
        """The problem. Raises InputError with file, line, key and the mend."""
        model = self._model
        self._names = Names(self._source, model)
        self._reader = DomainReader(
            self._source, self._names.space, self._names.parameters, self._folder
        )
        infer = inferred_from(model.infer, self._names, self._reader)
        self._check_inferred()
        domain, time = self._domain(), self._time()
        region = domain if time is None else Cylinder(domain, time)
        for name, node in self._names.definitions.items():
            path = ("definitions", name)
            check_finite(self._names, f"the definition {name!r}", node, region, path)
        equations = [self._equation(i, text) for i, text in enumerate(model.equations)]
        conditions = ConditionReader(self._names, self._reader, region.sides)
        if not equations and model.data is None:
            raise self._source.place(()).error(
                "the problem has neither an equation nor data.", "Add `equations:` or `data:`."
            )
        references = ReferenceReader(self._names, self._reader, region, self._folder)
        problem = Problem(
            coordinates=self._names.coordinates,
            unknowns=self._names.unknowns,
            domain=domain,
            time=time,
            subdomains=self._subdomains(),
            equations=equations,
            conditions=[conditions.read(i, item) for i, item in enumerate(model.conditions)],
            data=self._data(),
            infer=infer,
            reference=None if model.reference is None else references.read(model.reference),
            name=model.name,
            description=model.description,
            sampling=sampling_from(model.sampling, self._source),
        )
        problem = self._manufactured(problem)
        return replace(problem, easier=self._easier())

    def _check_inferred(self) -> None:
        model = self._model
        if not model.infer:
            return
        missing = [key for key in ("data", "equations") if not getattr(model, key)]
        if missing:
            raise self._source.place(("infer",)).error(
                f"what is inferred needs `{missing[0]}`, and there are none.",
                f"Add `{missing[0]}:`.",
            )
        for key in ("manufactured", "continuation"):
            if getattr(model, key):
                raise self._source.place((key,)).error(
                    f"`{key}` does not go with `infer`.", "Remove one of them."
                )

    def _time(self) -> tuple[float, float] | None:
        if self._model.time is None:
            return None
        start, end = self._reader.numbers(self._model.time, ("time",))
        if not start < end:
            raise self._source.place(("time",)).error(
                f"time is [{start:g}, {end:g}].", "Give the first time and a later one."
            )
        return start, end

    def _domain(self) -> Domain:
        return self._in_space(self._reader.read(self._model.domain), ("domain",))

    def _subdomains(self) -> dict[str, Domain]:
        found = {}
        for name, model in self._model.subdomains.items():
            path: KeyPath = ("subdomains", name)
            found[name] = self._in_space(self._reader.read(model, path), path)
        return found

    def _in_space(self, domain: Domain, path: KeyPath) -> Domain:
        space = self._names.space
        if domain.dimension != len(space):
            kind = " of space" if "t" in self._names.coordinates else ""
            count = "is 1 coordinate" if len(space) == 1 else f"are {len(space)} coordinates"
            raise self._source.place(path).error(
                f"the {path[0] if len(path) == 1 else 'subdomain'} has dimension "
                f"{domain.dimension}, but there {count}{kind}, "
                f"{', '.join(space)}.",
                "Give one coordinate for each dimension.",
            )
        return domain

    def _equation(self, index: int, text: str) -> Equation:
        kinks: list[Node] = []
        parser = partial(parse_equation, kinks=kinks)
        node = self._names.parse(parser, text, ("equations", index), unknowns=True)
        return Equation(residual(node), label=text, notes=self._remarks(text, kinks))

    def _remarks(self, text: str, kinks: list[Node]) -> tuple[str, ...]:
        """What a derivative through a jump loses, where no condition makes up for it."""
        if not kinks or any(item.kind == "interface" for item in self._model.conditions):
            return ()
        return (
            f"In {text!r} a derivative passes through {_shortened(to_text(kinks[0]))}. Where that "
            "jumps, the equation says nothing of what holds across: give one side as a subdomain, "
            "and interface conditions on the unknown and on its flux.",
        )

    def _manufactured(self, problem: Problem) -> Problem:
        given = self._model.manufactured
        if given is None:
            return problem
        path: KeyPath = ("manufactured",)
        nodes: dict[str, Node] = {}
        for name, (place, node) in self._names.of_unknowns(
            given, path, "manufactured solution"
        ).items():
            check_finite(self._names, "the manufactured solution", node, problem.region, place)
            nodes[name] = node
        return located(self._source, path, lambda: manufactured(problem, nodes))

    def _easier(self) -> tuple[tuple[str, Problem], ...]:
        """The same file with other parameters, for every step of the continuation."""
        return tuple((step.label, self._with(step)) for step in steps(self._model, self._names))

    def _with(self, step: Step) -> Problem:
        parameters = {**self._model.parameters, **step.values}
        # What is solved on the way is compared with nothing.
        changes = {"parameters": parameters, "continuation": None, "reference": None}
        model = self._model.model_copy(update=changes)
        try:
            problem = Builder(self._source, model, self._folder).problem()
        except InputError as error:
            raise InputError(
                f"in the continuation, with {step.label}: {error.message}",
                mend=error.mend,
                file=error.file,
                line=error.line,
                key=error.key,
            ) from None
        return replace(problem, reference=None)

    def _data(self) -> Data | None:
        if self._model.data is None:
            return None
        path = self._folder / self._model.data.file
        place = ("data", "file")
        if not path.is_file():
            raise self._source.place(place).error(
                f"there is no file {self._model.data.file!r} beside the problem file.",
                "The path is relative to the problem file.",
            )
        noise = self._noise(self._model.data.noise)
        columns = (*self._names.unknowns, *self._names.fields)
        data = read_data(path, self._names.coordinates, columns)
        return replace(data, noise=noise)

    def _noise(self, given: Any) -> float | None:
        if given is None:
            return None
        noise = self._reader.number(given, ("data", "noise"))
        if noise <= 0:
            raise self._source.place(("data", "noise")).error(
                f"a noise of {noise:g} is no standard deviation.",
                "Give a positive number, or leave it out: it is then estimated.",
            )
        return noise


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
