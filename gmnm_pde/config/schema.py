"""What a problem file may hold, before any expression in it is read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

MAXIMUM_TEXT = 10_000


class Strict(BaseModel):
    """Unknown keys are refused, and nothing is converted behind a person's back."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def number(value: Any) -> Any:
    """A number, or the text of a constant expression."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected a number or a constant expression, not {shown(value)}.")
    return value


def expression(value: Any) -> Any:
    """The text of an expression; a lone number is one as well."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected an expression, not {shown(value)}.")
    return value if isinstance(value, str) else repr(value)


def positions(value: Any) -> Any:
    """What ``at`` may be: a name, a list of names, or the coordinates of a point."""
    if isinstance(value, str) and value:
        return value
    entries = value if isinstance(value, list) else [value]
    plain = all(isinstance(e, int | float | str) and not isinstance(e, bool) for e in entries)
    if entries and plain:
        return entries
    raise ValueError(
        f"expected a side such as `left`, a list of sides or a point's coordinates, "
        f"not {shown(value)}."
    )


def sizes(value: Any) -> Any:
    """One figure for all unknowns, or one for each."""
    if not isinstance(value, dict):
        return number(value)
    return {name: number(item) for name, item in value.items()}


def inference(value: Any) -> Any:
    """``field`` as well as ``{kind: field}``."""
    if value == "field":
        return {"kind": "field"}
    if isinstance(value, dict | Infer):
        return value
    raise ValueError(f"expected `{{initial: 1}}` or `field`, not {shown(value)}.")


def letters_or_list(value: Any) -> Any:
    """``xy`` as well as ``[x, y]``."""
    return list(value) if isinstance(value, str) and value.isalpha() else value


def shown(value: Any) -> str:
    """A value as it stands in a message, cut short."""
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _letter(name: str) -> str:
    if len(name) != 1 or not (name.isascii() and name.isalpha()):
        raise ValueError(f"expected a single letter, not {name!r}.")
    return name


def _text_size(text: str) -> str:
    if len(text) > MAXIMUM_TEXT:
        raise ValueError(f"the text has {len(text):,} characters; {MAXIMUM_TEXT:,} are allowed.")
    return text


Letter = Annotated[str, AfterValidator(_letter)]
Number = Annotated[Any, BeforeValidator(number)]
Expression = Annotated[str, AfterValidator(_text_size), BeforeValidator(expression)]
Text = Annotated[str, AfterValidator(_text_size)]
Ends = Annotated[list[Number], Field(min_length=2, max_length=2)]
Point = Annotated[list[Number], Field(min_length=1, max_length=100)]
Values = Annotated[list[Number], Field(min_length=1, max_length=100)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", max_length=80)]


class Disk(Strict):
    """``{center: [0, 0], radius: 1}``, a ball in any number of dimensions."""

    center: Point
    radius: Number


class Ellipse(Strict):
    """``{center: [0, 0], semiaxes: [2, 1]}``."""

    center: Point
    semiaxes: Point


Points = Annotated[list[Point], Field(max_length=1000)]


class Rings(Strict):
    """``{outer: [[0, 0], ...], holes: [[[1, 1], ...], ...]}``."""

    outer: Points
    holes: Annotated[list[Points], Field(max_length=1000)] = []


class Outline(Strict):
    """``{file: outline.csv}``, one vertex a row."""

    file: Text


def _polygon_form(value: Any) -> str:
    """The tag of what a polygon is given by; tags do not show in messages."""
    if isinstance(value, Outline) or (isinstance(value, dict) and "file" in value):
        return "[file]"
    return "[rings]" if isinstance(value, dict | Rings) else "[list]"


PolygonForm = Annotated[
    Annotated[Points, Tag("[list]")]
    | Annotated[Rings, Tag("[rings]")]
    | Annotated[Outline, Tag("[file]")],
    Discriminator(_polygon_form),
]


class Buffer(Strict):
    """All points near a curve, ``{curve: [[0, 0], [1, 1]], distance: 0.1}``."""

    curve: Points
    distance: Number


class Domain(Strict):
    """One shape, given by its only key."""

    interval: Ends | None = None
    rectangle: dict[str, Ends] | None = None
    box: dict[str, Ends] | None = None
    disk: Disk | None = None
    ball: Disk | None = None
    ellipse: Ellipse | None = None
    polygon: PolygonForm | None = None
    buffer: Buffer | None = None
    mesh: Text | None = None
    surface: Text | None = None
    union: Annotated[list[Domain], Field(min_length=2, max_length=50)] | None = None
    intersection: Annotated[list[Domain], Field(min_length=2, max_length=50)] | None = None
    difference: Annotated[list[Domain], Field(min_length=2, max_length=50)] | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> Domain:
        given = sorted(self.model_fields_set)
        if len(given) != 1 or getattr(self, given[0]) is None:
            raise ValueError(
                "expected one shape, such as `interval: [0, 1]`"
                + (f", not {' and '.join(given)}." if given else ".")
            )
        return self


class Condition(Strict):
    """``{at: left, equation: u = 0}``, ``{integral: u, equals: 0}``, ``{periodic: x}`` or
    ``{interface: inner, jump: u}``."""

    at: Annotated[Any, BeforeValidator(positions)] = None
    equation: Expression | None = None
    where: Expression | None = None
    enforce: Literal["soft", "hard"] = "soft"
    integral: Expression | None = None
    periodic: Letter | None = None
    interface: Text | None = None
    jump: Expression | None = None
    equals: Number = 0

    @property
    def kind(self) -> str:
        """The key that says which kind of condition this is."""
        return next((key for key in KINDS if key in self.model_fields_set), "at")

    @model_validator(mode="after")
    def _one_kind(self) -> Condition:
        given = self.model_fields_set
        needed, optional, example = KINDS[self.kind]
        if self.kind == "at" and given & {"equals", "jump"}:
            raise ValueError(
                "`equals` belongs to `integral` and `interface`, `jump` to `interface`; "
                "write `equation: u = 0`."
            )
        extra = sorted(given - needed - optional)
        if extra:
            keys = " and ".join(f"`{key}`" for key in KEYS if key in needed | optional)
            raise ValueError(
                f"{WORDS[self.kind]} condition has the keys {keys} only; "
                f"{', '.join(extra)} must go."
            )
        missing = [f"`{key}`" for key in KEYS if key in needed - given]
        if missing:
            raise ValueError(f"{' and '.join(missing)} is missing; write for example {example}.")
        empty = [key for key in KEYS if key in needed and getattr(self, key) is None]
        if empty:
            raise ValueError(f"`{empty[0]}` is empty; write for example {example}.")
        return self


KINDS: dict[str, tuple[set[str], set[str], str]] = {
    "integral": ({"integral"}, {"equals"}, "{integral: u, equals: 0}"),
    "periodic": ({"periodic"}, set(), "{periodic: x}"),
    "interface": ({"interface", "jump"}, {"equals"}, "{interface: inner, jump: u}"),
    "at": ({"at", "equation"}, {"where", "enforce"}, "{at: boundary, equation: u = 0}"),
}
"""The kinds of conditions: the keys each needs, those it may have, and an example."""

KEYS = tuple(Condition.model_fields)
WORDS = {
    "integral": "an integral",
    "periodic": "a periodic",
    "interface": "an interface",
    "at": "a",
}


class Data(Strict):
    """Measurements, in columns named after coordinates and unknowns; ``noise`` is the standard
    deviation of theirs, where it is known."""

    file: Text
    noise: Number = None


class Infer(Strict):
    """``{initial: 0.5, bounds: [0.01, 10]}``, a constant, or ``{kind: field}``."""

    kind: Literal["constant", "field"] = "constant"
    initial: Number = None
    bounds: Annotated[list[Number | None], Field(min_length=2, max_length=2)] | None = None
    cells: Annotated[float, Field(ge=2, le=100)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Infer:
        if self.kind == "constant" and self.initial is None:
            raise ValueError("a constant needs a value to start from; write `initial: 1`.")
        if self.kind == "constant" and self.cells is not None:
            raise ValueError("`cells` belongs to a field; write `kind: field`, or remove it.")
        return self


class Sampling(Strict):
    """How many collocation points, chosen how."""

    interior: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    boundary: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    sampler: Text | None = None


class FiniteDifference(Strict):
    """A finite-difference reference on a grid of ``points`` in each direction."""

    points: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    order: int | None = None


class Spectral(Strict):
    """A spectral reference with ``points`` in each direction."""

    points: Annotated[int, Field(ge=1, le=100_000)] | None = None


class FiniteElement(Strict):
    """A finite-element reference of a ``degree`` on a mesh that is refined so many times."""

    degree: int | None = None
    refine: int | None = None


class Reference(Strict):
    """What the solution is compared with."""

    exact: dict[str, Expression] | None = None
    finite_difference: FiniteDifference | None = None
    spectral: Spectral | None = None
    finite_element: FiniteElement | None = None
    file: Text | None = None
    own_error: Annotated[Any, BeforeValidator(sizes)] = None

    @model_validator(mode="after")
    def _one_kind(self) -> Reference:
        kinds = [name for name in Reference.model_fields if name != "own_error"]
        given = [name for name in kinds if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "expected one reference, `exact: {u: ...}`, `finite_difference: {points: 201}`, "
                "`spectral: {points: 64}`, `finite_element: {degree: 4, refine: 5}` or "
                "`file: reference.csv`" + (f", not {' and '.join(given)}." if given else ".")
            )
        if "own_error" in self.model_fields_set and given != ["file"]:
            raise ValueError("`own_error` belongs to `file`; other references find out their own.")
        return self


class ProblemFile(Strict):
    """The whole file."""

    name: Name
    description: Text = ""
    coordinates: Annotated[list[Letter], Field(min_length=1), BeforeValidator(letters_or_list)]
    unknowns: Annotated[list[Letter], Field(min_length=1), BeforeValidator(letters_or_list)]
    parameters: dict[str, Number] = {}
    definitions: dict[str, Expression] = {}
    domain: Domain
    time: Ends | None = None
    subdomains: dict[str, Domain] = {}
    equations: list[Expression] = []
    conditions: list[Condition] = []
    continuation: dict[str, Values] | None = None
    manufactured: dict[str, Expression] | None = None
    data: Data | None = None
    infer: dict[str, Annotated[Infer, BeforeValidator(inference)]] = {}
    sampling: Sampling | None = None
    reference: Reference | None = None
    solver: Any = None


class RecipeFile(Strict):
    """A recipe; the options of networks and methods belong to these."""

    name: Name | None = None
    description: Text = ""
    network: dict[str, Any]
    methods: Annotated[list[dict[str, Any]], Field(min_length=1)]
    sampling: Sampling | None = None
    rtol: Annotated[float, Field(gt=0, lt=1)] | None = None
