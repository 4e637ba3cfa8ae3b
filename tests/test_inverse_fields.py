"""Unknown coefficient fields, what is kept of them, and what an inverse run writes."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from inverse_parts import bar, bar_data, heat, measured, on_line
from matplotlib.text import Text

import gmnm_pde as gp
from gmnm_pde.checks import check
from gmnm_pde.cli import main
from gmnm_pde.config import load_problem
from gmnm_pde.errors import InputError
from gmnm_pde.geometry import Interval
from gmnm_pde.inferred import CoefficientField, Constant
from gmnm_pde.inversion import positive_fields
from gmnm_pde.networks import MLPSpec, stored_name
from gmnm_pde.plain_files import write_history
from gmnm_pde.problem import Condition, Data, Dirichlet, Problem, widened
from gmnm_pde.references import Exact, Spectral
from gmnm_pde.report.plots import figures_of

EXACT = Exact({"u": lambda x: x - x**2 / 4, "k": lambda x: (2 - x - x**2 / 2) / (1 - x / 2)})


def layered(noise=0.002, **more):
    """(k u')' = -(1 + x), k u' = 1/2 on the right: k falls from 2 to 1."""
    return Problem(
        "x",
        "u",
        Interval(0, 1),
        [lambda u, k, x: u.x * k.x + k * u.xx + (1 + x)],
        [Dirichlet("left", 0.0), Condition("right", lambda u, k: k * u.x - 0.5)],
        data=measured(on_line(100), noise, 3, EXACT.functions["u"], **more),
        infer={"k": CoefficientField()},
        reference=EXACT,
    )


@pytest.fixture(scope="module")
def field():
    return gp.solve(layered(), device="cpu")


def with_measured(problem, noise, name="k"):
    """Ten measurements of the field itself beside those of u."""
    at, old = on_line(10), problem.data
    own = measured(at, noise, 7, EXACT.functions[name]).values
    points = torch.cat([old.points, at])
    first = torch.cat([old.values, torch.full_like(own, math.nan)])
    second = torch.cat([torch.full_like(old.values, math.nan), own])
    return replace(problem, data=Data(points, torch.cat([first, second], 1)))


def test_a_field_is_found_beside_the_solution(field):
    assert field.status == "converged", field.reason
    assert field.unknowns == ("u", "k")
    assert field.findings.fields == ("k",)
    assert field.errors.relative_l2["k"] < 0.05
    assert field.errors.relative_l2["u"] < 0.003
    assert field.findings.noise["u"] == pytest.approx(0.002, rel=0.3)
    assert any("k multiplies the highest derivatives" in note for note in field.notes)
    # The conditions hold, and the derivatives of what is transformed are its derivatives.
    right = torch.tensor([[1.0]], dtype=torch.float64)
    flux = field(right)[0, 1] * field.derivative(right, "x", "u")[0]
    assert float(flux) == pytest.approx(0.5, abs=0.01)
    h = 1e-5
    quotient = (field(right) - field(right - h))[0, 1] / h
    assert float(field.derivative(right, "x", "k")) == pytest.approx(float(quotient), abs=1e-3)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_measurements_of_the_field_itself(field, noise):
    solution = gp.solve(with_measured(layered(), noise), device="cpu")
    assert set(solution.findings.noise) == {"u", "k"}
    assert solution.findings.noise["u"] == pytest.approx(0.002, rel=0.4)
    assert solution.errors.relative_l2["k"] < 0.05


def test_a_known_noise_chooses_the_smoothing():
    problem = layered(noise=0.01)
    known = replace(problem, data=replace(problem.data, noise=0.01))
    solution = gp.solve(known, device="cpu")
    misfit = solution(problem.data.points)[:, :1] - problem.data.values
    assert float(misfit.square().mean().sqrt()) == pytest.approx(0.01, rel=0.2)
    assert solution.errors.relative_l2["k"] < 0.15


def test_which_fields_have_to_be_positive():
    problem = layered()
    assert positive_fields(problem) == ("k",)
    bounded = replace(problem, infer={"k": CoefficientField(1.0, (-1.0, 3.0))})
    assert positive_fields(bounded) == ()
    source = replace(problem, equations=[lambda u, k: u.xx + k], conditions=problem.conditions[:1])
    assert positive_fields(source) == ()
    assert "kept positive" in " ".join(check(problem).notes)


# what is refused


def wrong(**changes):
    return replace(bar(bar_data()), **changes)


REFUSED = {
    "not mentioned": (
        lambda: wrong(infer={"k": Constant(1.0), "z": Constant(1.0)}),
        "z is to be inferred, but no equation or condition mentions it",
    ),
    "too few": (lambda: bar(bar_data(n=1)), "1 measurements cannot determine 1 unknown constants"),
    "a field in time": (
        lambda: replace(heat(), infer={"k": CoefficientField()}),
        "the coefficient field k is asked for in a problem in time",
    ),
    "hard": (
        lambda: wrong(conditions=[replace(bar(bar_data()).conditions[0], enforce="hard")]),
        "which does not go with inferring k",
    ),
    "a reference that solves": (
        lambda: wrong(reference=Spectral()),
        "spectral solves the problem itself",
    ),
    "not positive": (
        lambda: replace(layered(), infer={"k": CoefficientField(-1.0)}),
        "starts at -1, but the equation needs it positive",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_inferred(name):
    make, words = REFUSED[name]
    with pytest.raises(InputError, match=words) as caught:
        gp.solve(make(), device="cpu")
    assert caught.value.mend
    if name != "not positive":
        with pytest.raises(InputError, match=words):
            check(make())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: replace(bar(bar_data()), data=None), "only be inferred from an equation and data"),
        (lambda: wrong(infer={"u": Constant(1.0)}), "'u' is to be inferred and is"),
    ],
)
def test_problems_that_cannot_be_made(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize(
    ("method", "network", "words"),
    [
        ("least_squares", {"name": "gmnm"}, "cannot infer k from data"),
        ("inverse_in_time", {"name": "gmnm"}, "needs a problem with time"),
        ("inverse", {"name": "mlp"}, "places Gaussian units"),
    ],
)
def test_methods_that_cannot(method, network, words):
    solver = {"network": network, "methods": [{"name": method}]}
    with pytest.raises(InputError, match=words):
        gp.solve(bar(bar_data()), solver=solver, device="cpu")
    assert MLPSpec  # the network is one of the package's


def test_the_method_needs_something_to_infer():
    problem = replace(bar(bar_data()).initially, substitution=None)
    plain = replace(problem, equations=[lambda u: u.xx], data=bar_data())
    solver = {"network": {"name": "gmnm"}, "methods": [{"name": "inverse"}]}
    with pytest.raises(InputError, match="need something to infer, and data"):
        gp.solve(plain, solver=solver, device="cpu")


# what is written


def test_a_field_is_saved_and_loaded(field, tmp_path):
    assert stored_name(field.network) == "enforced:together:gmnm|gmnm"
    path = field.save(tmp_path / "field")
    again = gp.load(path, problem=layered())
    points = on_line(20)
    assert torch.equal(again(points), field(points))
    assert torch.equal(again.derivative(points, "xx", "k"), field.derivative(points, "xx", "k"))
    assert again.findings == field.findings
    assert again.errors == field.errors
    assert again.problem.unknowns == ("u", "k")
    with pytest.raises(InputError, match="stored with its problem"):
        gp.load(path)


def test_a_constant_is_saved_and_loaded(tmp_path):
    solution = gp.solve(bar(bar_data(), reference=Exact({"k": 2.0})), device="cpu")
    again = gp.load(solution.save(tmp_path / "bar"), problem=bar(bar_data()))
    points = on_line(20)
    assert torch.equal(again(points), solution(points))
    assert again.findings == solution.findings
    assert again.inferred == solution.inferred
    assert again.errors.constants == {"k": 2.0}


def table(path):
    """The rows of a CSV file."""
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_a_history_has_a_column_for_each_constant(tmp_path):
    solution = gp.solve(bar(bar_data()), device="cpu")
    write_history(tmp_path / "history.csv", solution.history)
    rows = table(tmp_path / "history.csv")
    assert len(rows) == len(solution.history)
    assert float(rows[-1]["k"]) == solution.inferred["k"]
    assert float(rows[-1]["k_standard_error"]) == solution.findings.errors["k"]
    assert "inferred" not in rows[0]
    # A constant may have the name of a figure.
    same = [
        replace(record, inferred={"units": 3.0}, standard_error={"units": 0.5})
        for record in solution.history
    ]
    write_history(tmp_path / "same.csv", same)
    first = table(tmp_path / "same.csv")[0]
    assert first["units"] == str(solution.history[0].units)
    assert (first["inferred_units"], first["inferred_units_standard_error"]) == ("3.0", "0.5")


def test_measurements_are_widened():
    data = widened(Data(torch.zeros(3, 1), torch.ones(3, 2)), 3)
    assert data.values.shape == (3, 3)
    assert bool(data.values[:, 2].isnan().all())
    assert widened(data, 1).values.tolist() == [[1.0]] * 3


FILE = """\
name: rod
coordinates: [x]
unknowns: [u]
domain: {interval: [0, 1]}
equations:
  - -k*u_xx = 1
conditions:
  - {at: left, equation: u = 0}
  - {at: right, equation: k*u_x + h*u = 0}
data: {file: rod.csv, noise: 0.005}
infer:
  k: {initial: 1, bounds: [0.01, 100]}
  h: {initial: 1, bounds: [0, null]}
reference: {exact: {k: 0.4}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    data = measured(on_line(20), 0.005, 1, lambda x: 1.513 * x - x**2 / 0.8)
    rows = torch.cat([data.points, data.values], 1).tolist()
    (tmp_path / "rod.csv").write_text("x,u\n" + "".join(f"{x},{u}\n" for x, u in rows))
    (tmp_path / "rod.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_from_a_file(folder, capsys):
    assert main(["check", "rod.yaml"]) == 0
    said = capsys.readouterr().out
    assert "k, a constant, from 1, between 0.01 and 100" in said
    assert "h, a constant, from 1, above 0" in said
    assert main(["solve", "rod.yaml", "--out", "run"]) == 0
    said = capsys.readouterr().out
    assert "+-" in said
    assert "from the exact value" in said
    assert "(standard deviation, given)" in said
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert set(metrics["inferred"]) == set(metrics["standard_error"]) == {"k", "h"}
    assert set(metrics["inferred_error"]) == {"k"}
    assert set(metrics["correlation"]) == {"k, h"}
    assert metrics["noise"] == {"u": pytest.approx(0.005)}
    picture = folder / "run" / "inferred.png"
    assert picture.stat().st_size > 10_000
    picture.unlink()
    assert main(["plot", "run"]) == 0
    assert picture.is_file()
    assert gp.load("run").inferred == metrics["inferred"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  h: {", "  z: {initial: 1}\n  h: {", "rod.yaml:13: infer.z: z is to be inferred, but"),
        ("noise: 0.005", "noise: -1", "data.noise: a noise of -1 is no standard deviation"),
        ("{exact: {k: 0.4}}", "{spectral: {}}", "the reference spectral solves the problem"),
        ("u = 0}", "u = 0, enforce: hard}", "which does not go with inferring k and h"),
    ],
)
def test_files_that_are_refused(old, new, words, folder, capsys):
    (folder / "rod.yaml").write_text(FILE.replace(old, new, 1))
    assert main(["check", "rod.yaml"]) == 2
    assert words in capsys.readouterr().err
    assert main(["solve", "rod.yaml"]) == 2


def test_a_field_measured_in_a_column_of_its_name(folder):
    (folder / "rod.csv").write_text("x,u,k\n0.2,0.1,\n0.4,,2.5\n")
    (folder / "rod.yaml").write_text(FILE.replace("{initial: 1, bounds: [0.01, 100]}", "field"))
    data = load_problem("rod.yaml").problem.data
    assert data.values[:, 0].nan_to_num(-1).tolist() == [0.1, -1]
    assert data.values[:, 1].nan_to_num(-1).tolist() == [-1, 2.5]


# pictures


def test_the_picture_of_what_was_inferred(tmp_path):
    """Each constant against the step, two standard errors, and the reference's value."""
    solution = gp.solve(bar(bar_data(), reference=Exact({"k": 2.0})), device="cpu")
    figure = figures_of(solution)["inferred"]
    (plot,) = figure.axes
    curve, truth = plot.lines[0], plot.lines[-1]
    assert list(curve.get_ydata()) == [record.inferred["k"] for record in solution.history]
    assert set(truth.get_ydata()) == {2.0}
    (bars,) = plot.collections
    low, high = bars.get_segments()[-1][:, 1]
    assert high - low == pytest.approx(4 * solution.findings.errors["k"])
    words = figure_texts(figure)
    assert "reference, 2" in words
    assert "two standard errors" in words


def test_pictures_say_what_was_inferred(field):
    figures = figures_of(field)
    assert "inferred" not in figures  # a field is drawn like an unknown
    words = figure_texts(figures["solution"])
    assert "inferred $k$" in words
    assert "solution $u$" in words


def figure_texts(figure):
    """All that is written in a figure."""
    return " ".join(text.get_text() for text in figure.findobj(Text))
