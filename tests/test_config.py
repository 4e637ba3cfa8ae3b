"""Problem files and recipes: what is read, how it is overridden, and that it is written back."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path

import pytest
import torch
from bad_inputs import CONDITION, DOMAIN, GOOD
from hypothesis import given, settings
from hypothesis import strategies as st

import gmnm_pde as gp
from gmnm_pde import catalog
from gmnm_pde.checks import check
from gmnm_pde.config import dump, load_problem, load_recipe, problem_text, recipe_data, schema
from gmnm_pde.config.builder import Builder
from gmnm_pde.config.data import read_data
from gmnm_pde.config.source import Source
from gmnm_pde.config.validation import validate
from gmnm_pde.config.yaml_source import parse_yaml
from gmnm_pde.problem import Condition, IntegralCondition, Sampling

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


def test_several_findings_are_counted(load):
    with pytest.raises(gp.InputError, match=r"unknown key `nam`.*'name'.*\(and 2 more\)"):
        load("name: demo\ndescription:", "nam: x\nextra:")


WORDS = (
    "u u_x u_xx u_n v x k f 1e-3 0 2 ( ) + - * / ^ = , . sin( d( where( laplacian( < and left "
    "boundary __import__ ' [ : #"
)
PIECES = st.sampled_from(WORDS.split())
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=20).map("".join))


@given(st.sampled_from(["equations", "definitions", "where", "at", "parameters"]), TEXTS)
@settings(max_examples=300, deadline=None)
def test_any_text_in_a_problem_is_read_or_cleanly_refused(section, text):
    values = parse_yaml(GOOD, "demo.yaml").data
    if section == "equations":
        values["equations"][0] = text
    elif section == "parameters":
        values["parameters"]["k"] = text
    elif section == "definitions":
        values["definitions"]["f"] = text
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


@pytest.mark.parametrize("name", catalog.names("problems"))
def test_resolved_problems_load_again(name, tmp_path):
    file = load_problem(name)
    data = file.data_file
    if data is not None:
        (tmp_path / "data.csv").write_bytes(data.read_bytes())
    copy = tmp_path / "problem.yaml"
    copy.write_text(problem_text(file, "data.csv"))
    again = load_problem(copy)
    assert again.problem.domain == file.problem.domain
    assert again.problem.sampling == file.problem.sampling
    assert [item.label for item in again.problem.equations] == [
        item.label for item in file.problem.equations
    ]
    points = file.problem.domain.sample_interior(20)
    first = file.problem.reference.evaluate(file.problem, points).values
    torch.testing.assert_close(
        again.problem.reference.evaluate(again.problem, points).values, first
    )
    if data is not None:
        assert torch.equal(again.problem.data.values, file.problem.data.values)


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
        ("x,y,u\n1,2,\n", [":2:", "column 'u'", "''"]),
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
