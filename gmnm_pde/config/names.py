"""What the names of a problem file mean, and its texts as expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from gmnm_pde.config import schema
from gmnm_pde.config.domains import located
from gmnm_pde.config.source import KeyPath, Source
from gmnm_pde.errors import suggest
from gmnm_pde.expressions import FUNCTIONS, Node, Scope, constant, parse

Parser = Callable[[str, Scope], Node]


class Names:
    """Coordinates, unknowns, parameters and definitions of one file.

    Arguments:
        source: the file, for the places of errors.
        model: its values.

    Raises:
        InputError: names that clash, a parameter or a definition that cannot be read; with file,
            line and key.
    """

    def __init__(self, source: Source, model: schema.ProblemFile) -> None:
        self.source = source
        self.coordinates = tuple(model.coordinates)
        self.unknowns = tuple(model.unknowns)
        self.inferred = tuple(model.infer)
        self.fields = tuple(name for name, item in model.infer.items() if item.kind == "field")
        self.parameters: dict[str, float] = {}
        self.definitions: dict[str, Node] = {}
        self._check_letters()
        self._check_time(model)
        for name in self.inferred:
            self._check_name(name, ("infer", name))
        for name, value in model.parameters.items():
            self._check_name(name, ("parameters", name))
            self.parameters[name] = self.number(value, ("parameters", name))
        for name, text in model.definitions.items():
            self._check_name(name, ("definitions", name))
            self.definitions[name] = self.parse(parse, text, ("definitions", name))

    @property
    def space(self) -> tuple[str, ...]:
        """The coordinates without time."""
        return tuple(name for name in self.coordinates if name != "t")

    def number(self, value: str | float, path: KeyPath) -> float:
        """A constant expression."""
        return located(self.source, path, lambda: constant(value, self.parameters))

    def parse(
        self,
        parser: Parser,
        text: str,
        path: KeyPath,
        unknowns: bool = False,
        comparisons: bool = False,
    ) -> Node:
        """The tree of a text, in which unknowns and comparisons may stand if it is said."""
        scope = Scope(
            coordinates=self.coordinates,
            unknowns=(*self.unknowns, *self.inferred) if unknowns else (),
            constants=dict(self.parameters),
            definitions=dict(self.definitions),
            comparisons=comparisons,
        )
        return located(self.source, path, lambda: parser(text, scope))

    def of_unknowns(
        self, given: Mapping[str, str], path: KeyPath, what: str, others: Sequence[str] = ()
    ) -> dict[str, tuple[KeyPath, Node]]:
        """An expression of the coordinates for every unknown, and where it stands.

        Arguments:
            others: further names that may have one.

        Raises:
            InputError: a name that is not an unknown, or an unknown without an expression.
        """
        self._check_keys(given, path, what, others)
        return {
            name: ((*path, name), self.parse(parse, given[name], (*path, name)))
            for name in (*self.unknowns, *others)
            if name in given
        }

    def _check_keys(
        self, given: Iterable[str], path: KeyPath, what: str, others: Sequence[str]
    ) -> None:
        for name in given:
            if name not in (*self.unknowns, *others):
                raise self.source.place((*path, name)).error(
                    f"{name!r} is not an unknown.", suggest(name, (*self.unknowns, *others))
                )
        # Of an inverse problem perhaps nothing is known but the constants.
        wanted = () if others and set(given) & set(others) else self.unknowns
        for name in wanted:
            if name not in given:
                raise self.source.place(path).error(
                    f"the {what} for {name!r} is missing.", f"Add `{name}: ...`."
                )

    def _check_letters(self) -> None:
        seen: dict[str, str] = {}
        for kind, letters in (("coordinates", self.coordinates), ("unknowns", self.unknowns)):
            for index, name in enumerate(letters):
                if name in seen:
                    raise self.source.place((kind, index)).error(
                        f"{name!r} is there twice, in `{seen[name]}` and in `{kind}`.",
                        "Coordinates and unknowns must all differ.",
                    )
                seen[name] = kind

    def _check_time(self, model: schema.ProblemFile) -> None:
        """`t` is time, comes last and has a first and a last moment."""
        if "t" not in self.coordinates:
            if model.time is not None:
                raise self.source.place(("time",)).error(
                    "`time` is given, but `t` is not among the coordinates.",
                    f"Write `coordinates: [{', '.join((*self.coordinates, 't'))}]`.",
                )
            return
        place = self.source.place(("coordinates", self.coordinates.index("t")))
        if not self.space:
            raise place.error(
                "`t` is time, and there is no coordinate of space.",
                "Call the coordinate of an ordinary differential equation `x`.",
            )
        if self.coordinates[-1] != "t":
            raise place.error(
                "`t` is time, which comes last.",
                f"Write `coordinates: [{', '.join((*self.space, 't'))}]`.",
            )
        if model.time is None:
            raise place.error(
                "`t` is time, and the key `time` is missing.",
                "Add `time: [0, 1]`, or use another letter.",
            )

    def _check_name(self, name: str, path: KeyPath) -> None:
        taken = {
            **dict.fromkeys(self.coordinates, "a coordinate"),
            **dict.fromkeys(self.unknowns, "an unknown"),
            **dict.fromkeys(self.parameters, "a parameter"),
            **{other: "to be inferred" for other in self.inferred if path[0] != "infer"},
            **dict.fromkeys(FUNCTIONS, "a function"),
            **dict.fromkeys(("and", "or", "not"), "a word of the language"),
        }
        problem = None
        if not (name.isascii() and name.isidentifier()):
            problem = "is no name: letters, digits and '_' only, and a letter first."
        elif name in taken:
            problem = f"is {taken[name]} already."
        elif name.rpartition("_")[0] in (*self.unknowns, *self.inferred):
            problem = f"reads as a derivative of {name.rpartition('_')[0]}."
        if problem is not None:
            raise self.source.place(path).error(f"{name[:60]!r} {problem}", "Choose another name.")
