"""From validated values to a :class:`Problem`: names, expressions, conditions, reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from gmnm_pde.checks.finite import find_singularity
from gmnm_pde.config import schema
from gmnm_pde.config.data import read_data
from gmnm_pde.config.domains import DomainReader, located
from gmnm_pde.config.recipe_file import sampling_from
from gmnm_pde.config.source import KeyPath, Source
from gmnm_pde.errors import suggest
from gmnm_pde.expressions import (
    FUNCTIONS,
    Node,
    Scope,
    constant,
    parse,
    parse_equation,
    point_function,
    residual,
)
from gmnm_pde.geometry import Domain
from gmnm_pde.problem import (
    Condition,
    Data,
    Equation,
    IntegralCondition,
    Problem,
    Reference,
)
from gmnm_pde.references import Exact, FiniteDifference


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
        self._coordinates = tuple(model.coordinates)
        self._unknowns = tuple(model.unknowns)
        self._parameters: dict[str, float] = {}
        self._definitions: dict[str, Node] = {}

    def problem(self) -> Problem:
        """The problem. Raises InputError with file, line, key and the mend."""
        model = self._model
        self._check_letters()
        self._read_parameters()
        self._read_definitions()
        self._reader = DomainReader(self._source, self._coordinates, self._parameters)
        domain = self._domain()
        for name, node in self._definitions.items():
            path = ("definitions", name)
            self._check_finite(f"the definition {name!r}", node, domain, path)
        equations = [self._equation(i, text) for i, text in enumerate(model.equations)]
        conditions = [self._condition(i, item) for i, item in enumerate(model.conditions)]
        if not equations and model.data is None:
            raise self._source.place(()).error(
                "the problem has neither an equation nor data.", "Add `equations:` or `data:`."
            )
        return Problem(
            coordinates=self._coordinates,
            unknowns=self._unknowns,
            domain=domain,
            equations=equations,
            conditions=conditions,
            data=self._data(),
            reference=self._reference(domain),
            name=model.name,
            description=model.description,
            sampling=sampling_from(model.sampling, self._source),
        )

    def _check_letters(self) -> None:
        seen: dict[str, str] = {}
        for kind, letters in (("coordinates", self._coordinates), ("unknowns", self._unknowns)):
            for index, name in enumerate(letters):
                if name in seen:
                    raise self._source.place((kind, index)).error(
                        f"{name!r} is there twice, in `{seen[name]}` and in `{kind}`.",
                        "Coordinates and unknowns must all differ.",
                    )
                seen[name] = kind

    def _check_name(self, name: str, path: KeyPath) -> None:
        taken = {
            **dict.fromkeys(self._coordinates, "a coordinate"),
            **dict.fromkeys(self._unknowns, "an unknown"),
            **dict.fromkeys(self._parameters, "a parameter"),
            **dict.fromkeys(FUNCTIONS, "a function"),
            **dict.fromkeys(("and", "or", "not"), "a word of the language"),
        }
        problem = None
        if not (name.isascii() and name.isidentifier()):
            problem = "is no name: letters, digits and '_' only, and a letter first."
        elif name in taken:
            problem = f"is {taken[name]} already."
        elif name.rpartition("_")[0] in self._unknowns:
            problem = f"reads as a derivative of {name.rpartition('_')[0]}."
        if problem is not None:
            raise self._source.place(path).error(f"{name[:60]!r} {problem}", "Choose another name.")

    def _read_parameters(self) -> None:
        for name, value in self._model.parameters.items():
            path = ("parameters", name)
            self._check_name(name, path)
            self._parameters[name] = self._constant(value, path)

    def _constant(self, value: str | float, path: KeyPath) -> float:
        return located(self._source, path, lambda: constant(value, self._parameters))

    def _read_definitions(self) -> None:
        for name, text in self._model.definitions.items():
            path = ("definitions", name)
            self._check_name(name, path)
            self._definitions[name] = self._parse(parse, text, path, self._scope())

    def _scope(self, unknowns: bool = False, comparisons: bool = False) -> Scope:
        return Scope(
            coordinates=self._coordinates,
            unknowns=self._unknowns if unknowns else (),
            constants=dict(self._parameters),
            definitions=dict(self._definitions),
            comparisons=comparisons,
        )

    def _parse(
        self, parser: Callable[[str, Scope], Node], text: str, path: KeyPath, scope: Scope
    ) -> Node:
        return located(self._source, path, lambda: parser(text, scope))

    def _check_finite(self, what: str, node: Node, domain: Domain, path: KeyPath) -> None:
        function = point_function(node, self._coordinates)
        found = find_singularity(function, domain)
        if found is not None:
            raise self._source.place(path).error(
                f"{what} {found.describe(self._coordinates)}.",
                "Change it so that it is finite everywhere in the domain, or cut the point away.",
            )

    def _domain(self) -> Domain:
        domain = self._reader.read(self._model.domain)
        if domain.dimension != len(self._coordinates):
            raise self._source.place(("domain",)).error(
                f"the domain has dimension {domain.dimension}, but there are "
                f"{len(self._coordinates)} coordinates, {', '.join(self._coordinates)}.",
                "Give one coordinate for each dimension.",
            )
        return domain

    def _equation(self, index: int, text: str) -> Equation:
        node = self._parse(parse_equation, text, ("equations", index), self._scope(unknowns=True))
        return Equation(residual(node), label=text)

    def _condition(self, index: int, item: schema.Condition) -> Condition | IntegralCondition:
        path: KeyPath = ("conditions", index)
        scope = self._scope(unknowns=True)
        if item.integral is not None:
            node = self._parse(parse, item.integral, (*path, "integral"), scope)
            equals = self._reader.number(item.equals, (*path, "equals"))
            label = f"integral of {item.integral} = {item.equals}"
            return IntegralCondition(residual(node), equals, label)
        text = str(item.equation)
        node = self._parse(parse_equation, text, (*path, "equation"), scope)
        where: Callable[..., Tensor] | None = None
        label = f"{text} at {_shown(item.at)}"
        if item.where is not None:
            inside = self._scope(comparisons=True)
            where = residual(self._parse(parse, item.where, (*path, "where"), inside))
            label += f" where {item.where}"
        return Condition(self._at(item.at, (*path, "at")), residual(node), where, label)

    def _at(
        self, at: str | list[object], path: KeyPath
    ) -> str | tuple[str, ...] | tuple[float, ...]:
        names = [at] if isinstance(at, str) else at
        if "initial" in names:
            raise self._source.place(path).error(
                "initial conditions are not available yet: this version solves steady problems.",
                "Remove the condition.",
            )
        if isinstance(at, str):
            return at
        if all(isinstance(name, str) and name.isalpha() and name != "pi" for name in at):
            return tuple(str(name) for name in at)
        point = self._reader.numbers(at, path)
        if len(point) != len(self._coordinates):
            raise self._source.place(path).error(
                f"a point has {len(self._coordinates)} coordinates here, not {len(point)}.",
                f"Give {', '.join(self._coordinates)}.",
            )
        return point

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
        return read_data(path, self._coordinates, self._unknowns)

    def _reference(self, domain: Domain) -> Reference | None:
        reference = self._model.reference
        if reference is None:
            return None
        path: KeyPath = ("reference",)
        if reference.exact is not None:
            return self._exact(reference.exact, domain, (*path, "exact"))
        assert reference.finite_difference is not None  # the schema asks for one of the two
        options = reference.finite_difference.model_dump(exclude_none=True)
        path = (*path, "finite_difference")
        return located(self._source, path, lambda: FiniteDifference(**options))

    def _exact(self, given: dict[str, str], domain: Domain, path: KeyPath) -> Exact:
        self._check_keys(given, path)
        functions = {}
        for name, text in given.items():
            node = self._parse(parse, text, (*path, name), self._scope())
            self._check_finite("the exact solution", node, domain, (*path, name))
            functions[name] = residual(node)
        return Exact(functions)

    def _check_keys(self, given: Sequence[str] | dict[str, str], path: KeyPath) -> None:
        for name in given:
            if name not in self._unknowns:
                raise self._source.place((*path, name)).error(
                    f"{name!r} is not an unknown.", suggest(name, self._unknowns)
                )
        for name in self._unknowns:
            if name not in given:
                raise self._source.place(path).error(
                    f"the exact solution for {name!r} is missing.", f"Add `{name}: ...`."
                )


def _shown(at: str | list[object]) -> str:
    return at if isinstance(at, str) else f"[{', '.join(str(item) for item in at)}]"
