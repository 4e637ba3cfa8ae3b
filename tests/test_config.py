"""Problem files and recipes: what is read, how it is overridden, and that it is written back."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path

import pytest
import torch
from bad_inputs import CONDITION, DOMAIN, EVOLUTION, GOOD, LATERAL
from hypothesis import given, settings
from hypothesis import strategies as st

import gmnm_pde as gp
from gmnm_pde import catalog
from gmnm_pde.checks import check
from gmnm_pde.config import dump, load_problem, load_recipe, problem_text, recipe_data, schema
from gmnm_pde.config.builder import Builder
from gmnm_pde.config.data import read_data
from gmnm_pde.config.files import copies
from gmnm_pde.config.source import Source
from gmnm_pde.config.validation import validate
from gmnm_pde.config.yaml_source import parse_yaml
from gmnm_pde.problem import Condition, IntegralCondition, Interface, Periodic, Sampling

POINTS = torch.tensor([[0.25, -0.5], [0.1, 0.9]], dtype=torch.float64)


@pytest.fixture
def load(tmp_path):
    """Load the good file after a change."""

    def change(old="", new="", overrides=()):
        path = tmp_path / "demo.yaml"
        assert old in GOOD
        path.write_text(GOOD.replace(old, new) if old else GOOD)
        return load_problem(path, overrides)

    return change


def residual_of(problem, residual, values, normals=None):
    """A residual where every derivative has the value that ``values`` gives it."""
    jet = problem.jet(
        POINTS, lambda name, orders: torch.full((2,), values[orders]).double(), normals
    )
    return residual(jet)


# ------------------------------------------------------------------------------------- YAML


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("-2.5E+4", -2.5e4),
        (".5", 0.5),
        ("12", 12),
        ("on", "on"),
        ("y", "y"),
        ("no", "no"),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        ("2020-01-01", "2020-01-01"),
        ("'12'", "12"),
        ("true", True),
        ("~", None),
        ("2*pi", "2*pi"),
        ("[1, [2, x]]", [1, [2, "x"]]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("{a: &k [1], b: *k}", {"a": [1], "b": [1]}),
    ],
)
def test_scalars(text, value):
    read = parse_yaml(f"key: {text}", "f").data["key"]
    assert read == value
    assert type(read) is type(value)


def test_lines_are_kept():
    source = parse_yaml("a: 1\nb:\n  - {c: 2}\n  -\n    d: 3\n", "f.yaml")
    assert str(source.place(("b", 1, "d")).error("x")) == "f.yaml:5: b.1.d: x"
    assert source.place(("b", 0, "c")).line == 3
    assert source.place(("b", 0, "missing")).line == 3
    assert source.place(("nothing",)).line is None


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "more than 100,000 values"),
        ("- 1\n" * 240_000, "more than 100,000 values"),
        ("a: &a [*a]", "no finished anchor"),
        ("a: *b", "anchor"),
        ("[" * 500_000, "nested"),
        ("{a: " * 200_000, "nested"),
        ("a: 1\n---\nb: 1", "more than one document"),
        ("a: \x07", "character"),
        ("? [a]\n: 1", "a key must be a text"),
        ("a: !!timestamp 2020-01-01", "tag"),
        ("%YAML 7.1\n---\na: 1", "broken YAML"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_hostile_yaml_is_refused_at_once(text, words):
    started = time.perf_counter()
    with pytest.raises(gp.InputError, match=words):
        parse_yaml(text, "f")
    assert time.perf_counter() - started < 2.0


@given(st.text(max_size=200))
def test_any_text_is_a_value_or_a_clean_error(text):
    with contextlib.suppress(gp.InputError):
        parse_yaml(text, "f")


# ----------------------------------------------------------------------------------- problems


def test_a_problem_is_what_the_file_says(load):
    file = load()
    problem = file.problem
    assert problem.coordinates == ("x", "y")
    assert problem.unknowns == ("u",)
    assert problem.name == "demo"
    assert problem.domain == gp.Rectangle(x=(-1, 1), y=(-1, 1))
    assert file.solver is None
    x, y = POINTS.unbind(1)
    f = -2 * math.pi**2 * torch.sin(math.pi * x) * torch.sin(math.pi * y)
    values = {(2, 0): 3.0, (0, 2): 4.0}
    (equation,) = problem.equations
    assert equation.label == "u_xx + u_yy = f"
    torch.testing.assert_close(residual_of(problem, equation.residual, values), 7.0 - f)
    reference = problem.reference.evaluate(problem, POINTS)
    torch.testing.assert_close(reference.values[:, 0], -f / (2 * math.pi**2))
    assert reference.own_error == {"u": 0.0}


def test_parameters_and_definitions_use_earlier_ones(load):
    parameters = "parameters: {k: 2e0, m: k*pi}\ndefinitions: {g: m*x, h: 'd(g^2, x)', f: h, w: "
    problem = load("parameters: {k: 2}\ndefinitions: {f: ", parameters).problem
    found = residual_of(problem, problem.equations[0].residual, {(2, 0): 0.0, (0, 2): 0.0})
    torch.testing.assert_close(found, -2 * (2 * math.pi) ** 2 * POINTS[:, 0])


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("{rectangle: {x: [0, 2*k], y: [-1e0, k/2]}}", gp.Rectangle(x=(0, 4), y=(-1, 1))),
        ("{rectangle: {y: [0, 1], x: [0, 2]}}", gp.Rectangle(x=(0, 2), y=(0, 1))),
        ("{box: {x: [0, 1], y: [0, 2]}}", gp.Box(((0, 1), (0, 2)))),
        ("{disk: {center: [0, 1e-3], radius: 2}}", gp.Disk(center=(0, 1e-3), radius=2)),
        ("{ball: {center: [0, 1], radius: k}}", gp.Ball(center=(0.0, 1.0), radius=2.0)),
        ("{ellipse: {center: [0, 0], semiaxes: [2, 1]}}", gp.Ellipse((0, 0), (2, 1))),
        ("{polygon: [[0, 0], [k, 0], [0, 1]]}", gp.Polygon([(0, 0), (2, 0), (0, 1)])),
    ],
)
def test_domains(load, domain, expected):
    assert load(DOMAIN, domain).problem.domain == expected


def test_nested_domains(load):
    hole = "{disk: {center: [0, 0], radius: 0.5}}"
    other = "{rectangle: {x: [0, 1], y: [0, 1]}}"
    domain = load(
        DOMAIN, f"{{difference: [{DOMAIN}, {{union: [{hole}, {other}]}}]}}"
    ).problem.domain
    inside = domain.contains(torch.tensor([[-0.9, 0.0], [0.1, 0.1], [0.9, 0.9]]).double())
    assert inside.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("left", "left"),
        ("[left, top]", ("left", "top")),
        ("[0, k/4]", (0.0, 0.5)),
        ("[pi/4, 1e-1]", (math.pi / 4, 0.1)),
    ],
)
def test_at(load, at, expected):
    condition = load(CONDITION, f"- {{at: {at}, equation: u = 0}}").problem.conditions[0]
    assert condition.at == expected


def test_where_selects_points(load):
    text = "- {at: boundary, equation: u = 0, where: x < 0.2 and y > 0}"
    problem = load(CONDITION, text).problem
    (condition,) = problem.conditions
    assert isinstance(condition, Condition)
    assert condition.label == "u = 0 at boundary where x < 0.2 and y > 0"
    jet = problem.jet(POINTS, lambda name, orders: POINTS[:, 0])
    assert condition.where(jet).tolist() == [False, True]


def test_normal_derivatives(load):
    problem = load(CONDITION, "- {at: boundary, equation: u_n + k*u = 1}").problem
    normals = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    values = {(0, 0): 2.0, (1, 0): 5.0, (0, 1): 7.0}
    found = residual_of(problem, problem.conditions[0].residual, values, normals)
    assert found.tolist() == [5.0 + 4.0 - 1.0, -7.0 + 4.0 - 1.0]


def test_integral_conditions(load):
    problem = load(CONDITION, "- {integral: k*u, equals: pi}").problem
    (condition,) = problem.conditions
    assert isinstance(condition, IntegralCondition)
    assert condition.equals == math.pi
    assert residual_of(problem, condition.integrand, {(0, 0): 3.0}).tolist() == [6.0, 6.0]


def test_sampling_and_finite_differences(load):
    text = "sampling: {interior: 50, sampler: lhs}\nreference: {finite_difference: {points: 41}}"
    problem = load("reference: {exact: {u: sin(pi*x)*sin(pi*y)}}", text).problem
    assert problem.sampling == Sampling(50, None, "lhs")
    assert isinstance(problem.reference, gp.FiniteDifference)
    assert problem.reference.points == 41


# ------------------------------------------------------------------------- time and new conditions


@pytest.fixture
def evolve(tmp_path):
    """Load the good evolution file after a change."""

    def change(old="", new="", overrides=()):
        path = tmp_path / "demo.yaml"
        assert EVOLUTION.count(old) == 1 or not old
        path.write_text(EVOLUTION.replace(old, new) if old else EVOLUTION)
        return load_problem(path, overrides)

    return change


def test_time_comes_last(evolve):
    problem = evolve().problem
    assert problem.coordinates == ("x", "t")
    assert problem.space == ("x",)
    assert problem.domain == gp.Interval(-1, 1)
    assert problem.time == (0.0, 1.0)
    assert problem.region.lower == (-1.0, 0.0)
    assert problem.conditions[0].at == "initial"
    values = {(0, 1): 3.0, (2, 0): 5.0}
    found = residual_of(problem, problem.equations[0].residual, values)
    assert found.tolist() == [-7.0, -7.0]


def test_time_and_its_parameters_can_be_set(evolve):
    file = evolve(overrides=["time=[0, k]", "parameters.k=3", "conditions.1.at=[left, right]"])
    assert file.problem.time == (0.0, 3.0)
    assert file.problem.conditions[1].at == ("left", "right")
    assert evolve(overrides=["time.1=5"]).problem.time == (0.0, 5.0)


def test_definitions_and_choices_may_use_time(evolve):
    text = 'definitions: {f: "where(t < 0.5, x*t, exp(-t))"}\nequations:'
    problem = evolve("equations:", text, ["equations.0=u_t = f"]).problem
    found = residual_of(problem, problem.equations[0].residual, {(0, 1): 1.0})
    expected = [1.0 - 0.25 * -0.5, 1.0 - math.exp(-0.9)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_conditions_may_change_in_time(evolve):
    text = "- {at: left, equation: u_n = sin(t), where: t < 0.5}\n  - {at: right, equation: u = t}"
    problem = evolve(LATERAL, text).problem
    jet = problem.jet(POINTS, lambda name, orders: POINTS[:, 0])
    assert problem.conditions[1].where(jet).tolist() == [True, False]
    normals = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    found = residual_of(
        problem, problem.conditions[1].residual, {(1, 0): 2.0, (0, 1): 9.0}, normals
    )
    torch.testing.assert_close(found, 2.0 - torch.sin(POINTS[:, 1]))


@pytest.mark.parametrize(("at", "expected"), [("[0.5]", (0.5,)), ("[0.5, k/4]", (0.5, 0.5))])
def test_points_in_time(evolve, at, expected):
    problem = evolve(LATERAL, f"- {{at: {at}, equation: u = 0}}").problem
    assert problem.conditions[1].at == expected


def test_periodic_and_hard_conditions(evolve):
    problem = evolve(LATERAL, "- {periodic: x}").problem
    assert problem.conditions[1] == Periodic("x", "periodic in x")
    hard = evolve(LATERAL, LATERAL.replace("}", ", enforce: hard}")).problem
    assert [item.enforce for item in hard.conditions] == ["soft", "hard"]


def test_interfaces(load):
    text = (
        f"{CONDITION}\n  - {{interface: inner, jump: u}}\n"
        "  - {interface: inner, jump: k*u_n, equals: 2*k}\n"
        "subdomains: {inner: {ellipse: {center: [0, 0], semiaxes: [k/4, 0.25]}}}"
    )
    problem = load(CONDITION, text).problem
    assert problem.subdomains == {"inner": gp.Ellipse((0, 0), (0.5, 0.25))}
    value, flux = problem.conditions[1:]
    assert isinstance(value, Interface)
    assert (value.of, value.equals, flux.equals) == ("inner", 0.0, 4.0)
    normals = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    found = residual_of(problem, flux.jump, {(1, 0): 3.0, (0, 1): 5.0}, normals)
    assert found.tolist() == [10.0, 6.0]


def test_conditions_have_one_kind_of_keys(load):
    for text, words in (
        ("{at: left, equation: u = 0, jump: u}", "`jump` to `interface`"),
        ("{at: left, equation: u = 0, equals: 1}", "`equals` belongs"),
        ("{periodic: null}", "`periodic` is empty"),
        ("{integral: u, enforce: hard}", "enforce must go"),
        ("{}", "`at` and `equation` is missing"),
    ):
        with pytest.raises(gp.InputError, match="conditions.0") as raised:
            load(CONDITION, f"- {text}")
        assert words in str(raised.value)


# ------------------------------------------------------------------------------- continuation


def steps(load, parameters, values, overrides=()):
    text = f"parameters: {{{parameters}}}\ncontinuation: {{{values}}}"
    return steps_of(load("parameters: {k: 2}", text, overrides))


def steps_of(file):
    return [label for label, _ in file.problem.easier]


@pytest.mark.parametrize(
    ("parameters", "values", "expected"),
    [
        ("k: 100", "k: [10, 50]", ["k = 10", "k = 50"]),
        ("k: 100", "k: [10, 100, 400]", ["k = 10"]),
        ("k: 5", "k: [10, 100]", []),
        ("k: 0.01", "k: [1, 0.1, 0.01]", ["k = 1", "k = 0.1"]),
        ("k: 3", "k: [1]", ["k = 1"]),
        ("k: 3", "k: [3]", []),
        ("k: 3", "k: [1, 5, 2]", ["k = 1", "k = 5", "k = 2"]),
        ("k: 4*pi", "k: [pi, 2*pi]", ["k = 3.14159", "k = 6.28319"]),
        ("k: 8, m: 1", "k: [2, 4], m: [3, 2]", ["k = 2, m = 3", "k = 4, m = 2"]),
        ("k: 8, m: 1", "k: [2, 8], m: [3, 2]", ["k = 2, m = 3", "k = 8, m = 2"]),
    ],
)
def test_continuation_leads_to_the_parameters(load, parameters, values, expected):
    assert steps(load, parameters, values) == expected


def test_continuation_follows_the_settings(load):
    assert steps(load, "k: 100", "k: [10, 50]", ["parameters.k=40"]) == ["k = 10"]
    values = ["continuation.k=[1, 2, 3]"]
    assert steps(load, "k: 100", "k: [10]", values) == ["k = 1", "k = 2", "k = 3"]


def test_the_reference_is_not_asked_for_on_the_way(load):
    text = "parameters: {k: 2}\ncontinuation: {k: [1]}"
    reference = ["reference.exact.u=x/(k - 1)"]
    assert steps_of(load("parameters: {k: 2}", text, reference)) == ["k = 1"]


def test_easier_problems_are_the_file_with_other_parameters(load):
    text = "parameters: {k: 9, m: 2*k}\ncontinuation: {k: [1]}"
    problem = load("parameters: {k: 2}", text, ["equations.0=u_xx + u_yy = m*u"]).problem
    ((_, easier),) = problem.easier
    values = {(2, 0): 0.0, (0, 2): 0.0, (0, 0): 1.0}
    for each, expected in ((problem, -18.0), (easier, -2.0)):
        found = residual_of(each, each.equations[0].residual, values)
        assert found.tolist() == [expected, expected]
    assert easier.reference is None
    assert not easier.easier
    assert easier.conditions[0].label == problem.conditions[0].label


# ------------------------------------------------------------------------------------ references


def test_a_spectral_reference(load):
    from gmnm_pde.references import Spectral

    old = "{exact: {u: sin(pi*x)*sin(pi*y)}}"
    assert load(old, "{spectral: {points: 24}}").problem.reference == Spectral(points=24)
    assert load(old, "{spectral: {}}").problem.reference == Spectral()


@pytest.mark.parametrize(
    ("own_error", "expected"), [("", None), ("1e-9", 1e-9), ("{u: k*1e-9}", {"u": 2e-9})]
)
def test_a_reference_file(load, tmp_path, own_error, expected):
    from gmnm_pde.references import Table

    (tmp_path / "ref.csv").write_text("x,y,u\n0.5,0.5,1\n-0.5,0.5,-1\n0.1,0.2,0\n")
    text = f"{{file: ref.csv{', own_error: ' if own_error else ''}{own_error}}}"
    file = load("{exact: {u: sin(pi*x)*sin(pi*y)}}", text)
    assert file.problem.reference == Table(tmp_path / "ref.csv", expected)
    assert file.reference_file == tmp_path / "ref.csv"


@pytest.mark.parametrize(
    ("own_error", "words"),
    [("-1", "negative"), ("{w: 1}", "'w' is not an unknown"), ("[1]", "constant expression")],
)
def test_a_bad_error_of_a_reference(load, tmp_path, own_error, words):
    (tmp_path / "ref.csv").write_text("x,y,u\n0,0,1\n")
    with pytest.raises(gp.InputError, match=words):
        load("{exact: {u: sin(pi*x)*sin(pi*y)}}", f"{{file: ref.csv, own_error: {own_error}}}")


@pytest.mark.parametrize(
    ("old", "new", "noted"),
    [
        ("u_xx + u_yy = f", "div(where(x < 0, 1, 10)*u_x, u_y) = f", True),
        ("u_xx + u_yy = f", "d(sign(x)*u_x, x) + u_yy = f", True),
        ("u_xx + u_yy = f", "d(abs(y)*u_y, y) + u_xx = f", True),
        ("u_xx + u_yy = f", "d(min(y, 0.2)*u_y, y) + u_xx = f", True),
        ("u_xx + u_yy = f", "div(where(x < 0, 1, 10)*u_y, u_y) + u_xx = f", True),
        ("u_xx + u_yy = f", "d(where(x < 0, 1, 10)*u_y, y) + u_xx = f", False),
        ("u_xx + u_yy = f", "where(x < 0, 1, 10)*(u_xx + u_yy) = f", False),
        ("u_xx + u_yy = f", "div(where(u < 0, 1, 10)*u_x, u_y) = f", False),
        ("u_xx + u_yy = f", "div(abs(u - x)*u_x, u_y) = f", False),
    ],
)
def test_a_derivative_through_a_jump_is_noted(load, old, new, noted):
    notes = check(load(old, new).problem).notes
    assert any("passes through" in note for note in notes) == noted


def test_interface_conditions_answer_the_note(load):
    text = (
        f"{CONDITION}\n  - {{interface: inner, jump: u}}\n"
        '  - {interface: inner, jump: "where(x < 0, 1, 10)*u_n"}\n'
        "subdomains: {inner: {rectangle: {x: [-1, 0], y: [-1, 1]}}}"
    )
    problem = load(CONDITION, text, ["equations.0=div(where(x < 0, 1, 10)*u_x, u_y) = f"]).problem
    assert not any("passes through" in note for note in check(problem).notes)


def test_several_findings_are_counted(load):
    with pytest.raises(gp.InputError, match=r"unknown key `nam`.*'name'.*\(and 2 more\)"):
        load("name: demo\ndescription:", "nam: x\nextra:")


WORDS = (
    "u u_x u_xx u_n u_t t v x k f 1e-3 0 2 ( ) + - * / ^ = , . sin( d( where( laplacian( < and "
    "left boundary __import__ ' [ : #"
)
PIECES = st.sampled_from(WORDS.split())
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=20).map("".join))


SECTIONS = ("equations", "definitions", "where", "at", "parameters", "manufactured", "periodic")


@given(st.sampled_from([GOOD, EVOLUTION]), st.sampled_from(SECTIONS), TEXTS)
@settings(max_examples=300, deadline=None)
def test_any_text_in_a_problem_is_read_or_cleanly_refused(base, section, text):
    values = parse_yaml(base, "demo.yaml").data
    if section == "equations":
        values["equations"][0] = text
    elif section == "parameters":
        values["parameters"]["k"] = text
    elif section == "definitions":
        values["definitions"] = {"f": text}
    elif section == "manufactured":
        values["manufactured"] = {"u": text}
    elif section == "periodic":
        values["conditions"].append({"periodic": text})
    else:
        values["conditions"][0][section] = text
    source = Source(values, "demo.yaml")
    try:
        model = validate(schema.ProblemFile, values, source)
        check(Builder(source, model, Path()).problem())
    except gp.InputError as error:
        refusal = error
    else:
        refusal = None
    assert refusal is None or refusal.message


# ----------------------------------------------------------------------------------- overrides


def test_set_replaces_values(load):
    changes = ["parameters.k=3e0", "domain.rectangle.x=[0, k]", "conditions.0.equation=u = k*x"]
    file = load(overrides=changes)
    assert file.problem.domain == gp.Rectangle(x=(0, 3), y=(-1, 1))
    assert file.problem.conditions[0].label == "u = k*x at boundary"
    assert file.source["parameters"] == {"k": 3.0}


def test_set_adds_optional_sections(load):
    file = load(overrides=["sampling.interior=500", "description=Another one"])
    assert file.problem.sampling.interior == 500
    assert file.problem.description == "Another one"


def test_set_reaches_into_a_named_recipe(load):
    file = load(overrides=["solver=gmnm-small", "solver.network.units=100"])
    recipe = file.recipe()
    assert recipe.network.units == 100
    assert recipe.name == "gmnm-small"
    assert load(overrides=["solver.network.units=7"]).recipe().network.units == 7


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("parameters.q=3", ["--set parameters.q=3", "no 'q'", "Known: k"]),
        ("paramters.k=3", ["--set paramters.k=3", "unknown key", "'parameters'"]),
        ("conditions.1.at=left", ["list of 1", "0 to 0"]),
        ("conditions.left=1", ["list of 1"]),
        ("name.x=1", ["'name' is 'demo'", "as a whole"]),
        ("parameters.k", ["PATH=VALUE", "--set parameters.k=3"]),
        ("=3", ["PATH=VALUE"]),
        ("a..b=3", ["PATH=VALUE"]),
        ("parameters.k=[1", ["--set parameters.k=[1", "broken YAML"]),
        ("parameters.k=zz", ["--set parameters.k=zz: parameters.k", "'zz'"]),
        ("domain.disk.radius=2", ["--set domain.disk.radius=2", "center"]),
        ("solver.network.unit=2", ["--set solver.network.unit=2", "'units'"]),
        ("solver=no-such", ["--set solver=no-such", "no solver called"]),
    ],
)
def test_set_refuses_what_leads_nowhere(load, setting, words):
    with pytest.raises(gp.InputError) as raised:
        load(overrides=[setting]).recipe()
    for word in words:
        assert word in str(raised.value)


def test_set_leaves_the_lines_of_other_keys(load):
    with pytest.raises(gp.InputError, match=r"demo.yaml:9: equations.0"):
        load("u_yy = f", "u_yy = q", overrides=["parameters.k=3"])


# ---------------------------------------------------------------------------------- round trips


WRITTEN = [
    name for name in catalog.names("problems") if catalog.find("problems", name).suffix == ".yaml"
]


@pytest.mark.parametrize("name", WRITTEN)
def test_resolved_problems_load_again(name, tmp_path):
    file = load_problem(name)
    names = copies(file.source)
    for place, original in file.files.items():
        (tmp_path / names[place]).write_bytes(original.read_bytes())
    path = tmp_path / "problem.yaml"
    path.write_text(problem_text(file, names))
    first, again = file.problem, load_problem(path).problem
    if any(place[0] == "domain" for place in names):
        assert again.domain.measure == first.domain.measure
    else:
        assert again.domain == first.domain
    assert again.time == first.time
    assert again.sampling == first.sampling
    assert [item.label for item in again.equations] == [item.label for item in first.equations]
    assert [item.label for item in again.conditions] == [item.label for item in first.conditions]
    assert [label for label, _ in again.easier] == [label for label, _ in first.easier]
    if isinstance(first.reference, gp.Exact) or file.reference_file is not None:
        if isinstance(first.reference, gp.Exact):
            assert again.reference.constants(again) == first.reference.constants(first)
        points = first.region.sample_interior(20)
        known = [item.reference.evaluate(item, points).values for item in (first, again)]
        torch.testing.assert_close(*known)
    else:
        assert again.reference == first.reference
    if file.data_file is not None:
        torch.testing.assert_close(
            again.data.values, first.data.values, rtol=0, atol=0, equal_nan=True
        )


@pytest.mark.parametrize("name", catalog.names("solvers"))
def test_recipes_load_again(name, tmp_path):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert load_recipe(recipe_data(recipe)) == recipe
    path = tmp_path / "solver.yaml"
    path.write_text(dump(recipe_data(recipe)))
    assert load_recipe(path) == recipe


def test_default_recipe():
    assert load_recipe() == load_recipe("gmnm")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rtol": 2.0}, "rtol: 2.0 must be less than 1"),
        ({"rtol": "small"}, "expected a number"),
        ({"methods": []}, "at least 1 entries"),
        ({"network": {"units": 3}}, "a network needs a `name`"),
        ({"network": {"name": "gmnm", "units": "many"}}, "network.units: expected a whole number"),
        ({"network": {"name": "gmnm", "units": True}}, "whole number, not true"),
        ({"network": {"name": "gmnm", "projection": "round"}}, "'isotropic'"),
        ({"sampling": {"interior": 1.5}}, "whole number"),
        ({"tol": 1}, "unknown key `tol`. Did you mean 'rtol'"),
    ],
)
def test_bad_recipes(change, words):
    recipe = {"network": {"name": "gmnm"}, "methods": [{"name": "least_squares"}], **change}
    with pytest.raises(gp.InputError) as raised:
        load_recipe(recipe)
    assert words in str(raised.value)


# ---------------------------------------------------------------------------------------- data


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_columns_in_any_order(tmp_path):
    data = read_data(write(tmp_path / "d.csv", "u, y, x\n1,2,3\n\n4e-1,5,6\n"), "xy", "u")
    assert data.points.tolist() == [[3.0, 2.0], [6.0, 5.0]]
    assert data.values.tolist() == [[1.0], [0.4]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,u\n1,2\n", [":1:", "column 'y' is missing", "x, y, u"]),
        ("x,y,v\n1,2,3\n", [":1:", "column 'u' is missing"]),
        ("x,y,u,w\n1,2,3,4\n", [":1:", "'w' is neither"]),
        ("x,y,u,u\n1,2,3,4\n", [":1:", "twice"]),
        ("x,y,u\n1,2,3\n1,nan,3\n", [":3:", "column 'y'", "'nan'", "remove the row"]),
        ("x,y,u\n1,2,inf\n", [":2:", "column 'u'", "'inf'"]),
        ("x,y,u\n1,2,wet\n", [":2:", "'wet'"]),
        ("x,y,u\n1,2,\n", [":2:", "column 'u' is empty", "remove the row"]),
        ("x,y,u\n1,2\n", [":2:", "2 values where 3 columns"]),
        ("x,y,u\n1,2,3,4\n", [":2:", "4 values where 3 columns"]),
        ("x,y,u\n", ["no rows"]),
        ("", [":1:", "'x' is missing"]),
    ],
)
def test_bad_data(tmp_path, text, words):
    with pytest.raises(gp.InputError) as raised:
        read_data(write(tmp_path / "d.csv", text), "xy", "u")
    for word in ["d.csv", *words]:
        assert word in str(raised.value)


def test_data_that_is_no_text(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(b"x,y,u\n\xff\xfe,1,2\n")
    with pytest.raises(gp.InputError, match="not CSV text"):
        read_data(path, "xy", "u")


# ------------------------------------------------------------------------------------ catalogue


def test_every_entry_has_a_description():
    for kind in ("problems", "solvers"):
        entries = catalog.entries(kind)
        assert entries
        assert all(entry.description for entry in entries)


def test_a_path_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "poisson", "x")
    assert catalog.find("problems", "poisson") == Path("poisson")
    (tmp_path / "poisson").unlink()
    (tmp_path / "poisson").mkdir()
    assert catalog.find("problems", "poisson").name == "poisson.yaml"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("poison", ["no problem called 'poison'", "'poisson'", "gmnm-pde list problems"]),
        ("my/file.yaml", ["my/file.yaml", "no such file"]),
        ("demo.yml", ["no such file", "'demo.yaml'"]),
        ("a" * 5000, ["no problem called"]),
        ("a\0b", ["no problem called"]),
        ("", ["folder"]),
    ],
)
def test_names_that_are_not_there(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "demo.yaml", GOOD)
    with pytest.raises(gp.InputError) as raised:
        load_problem(name)
    for word in words:
        assert word in str(raised.value)
