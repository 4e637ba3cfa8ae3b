"""The result object: values, derivatives, figures, files."""

from __future__ import annotations

import json
import math
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gmnm_pde as gp
from gmnm_pde import __version__
from gmnm_pde.accuracy import ERROR_POINTS, Errors, measure
from gmnm_pde.config import load_problem
from gmnm_pde.errors import InputError
from gmnm_pde.methods import Record
from gmnm_pde.networks import GMNM, NETWORKS, KANSpec, MLPSpec, Network
from gmnm_pde.problem import Problem, Reference, ReferenceValues
from gmnm_pde.solution import Solution

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

sin, cos, pi = torch.sin, torch.cos, math.pi

PROBLEM = Problem(
    "xy",
    "uv",
    gp.Rectangle(x=(0, 1), y=(0, 1)),
    [lambda u, v, x: u.xx + u.yy + v - x, lambda u, v: v.x - u],
    reference=gp.Exact({"u": lambda x, y: sin(x) * y, "v": lambda x, y: cos(x + y)}),
)
POINTS = PROBLEM.domain.sample_interior(7, "random", 3)


def network(seed: int = 0) -> GMNM:
    return GMNM.random(2, 5, 2, projection="full", generator=torch.Generator().manual_seed(seed))


def record(step: int, net: Network, estimate: float | None = None) -> Record:
    size = sum(parameter.numel() for parameter in net.parameters())
    return Record(step, 5, size, 40, 1e-3 / step, 1e-4 / step, estimate, 0.1 * step)


def solution(**changes: object) -> Solution:
    net = network()
    whole = Solution(
        network=net,
        network_name="gmnm",
        coordinates=("x", "y"),
        unknowns=("u", "v"),
        status="stopped",
        reason="the next level needs 9 units, more than the 8 allowed",
        estimated_error={"u": 1e-3, "v": 2e-4},
        history=(record(1, net), record(2, net, 1e-3)),
        seconds=0.25,
        seconds_total=0.5,
        device="cpu",
        dtype="float64",
        seed=4,
        problem=PROBLEM,
        errors=measure(PROBLEM, net),
        notes=("A note.",),
    )
    return replace(whole, **changes)


# values


def test_tensors_in_tensors_out():
    values = solution()(POINTS)
    assert isinstance(values, Tensor)
    assert values.shape == (7, 2)
    assert not values.requires_grad
    torch.testing.assert_close(values, network()(POINTS).detach(), rtol=0, atol=0)


def test_arrays_in_arrays_out():
    values = solution()(POINTS.numpy())
    assert isinstance(values, np.ndarray)
    assert values.dtype == np.float64
    assert np.array_equal(values, solution()(POINTS).numpy())


@pytest.mark.parametrize(
    "prepare",
    [
        lambda a: a.astype(np.float32),
        lambda a: np.round(a).astype(int),
        lambda a: np.asfortranarray(a),
        lambda a: a[::-1],
        lambda a: a[::2],
        lambda a: np.broadcast_to(a[0], a.shape),
        lambda a: a[:0],
    ],
    ids=["float32", "int", "fortran", "reversed", "strided", "read-only", "none"],
)
def test_arrays_of_every_kind(prepare):
    points = prepare(POINTS.numpy())
    values = solution()(points)
    assert values.shape == (len(points), 2)
    plain = torch.tensor(np.array(points, dtype=np.float64, order="C"))
    assert np.array_equal(values, solution()(plain).numpy())


@pytest.mark.parametrize("shape", [(7,), (7, 1), (7, 3), (2, 7, 2), ()])
def test_points_of_another_shape_are_refused(shape):
    for points in (torch.zeros(shape), np.zeros(shape)):
        with pytest.raises(gp.InputError, match="shape") as caught:
            solution()(points)
        assert "x, y" in caught.value.mend


@pytest.mark.parametrize(("letters", "orders"), [("", (0, 0)), ("x", (1, 0)), ("yxy", (1, 2))])
@pytest.mark.parametrize("unknown", ["u", "v"])
def test_derivatives(letters, orders, unknown):
    got = solution().derivative(POINTS, letters, unknown=unknown)
    exact = network().derivatives(POINTS, [orders])[orders][:, "uv".index(unknown)]
    assert got.shape == (7,)
    assert not got.requires_grad
    torch.testing.assert_close(got, exact.detach(), rtol=0, atol=0)
    as_array = solution().derivative(POINTS.numpy(), letters, unknown=unknown)
    assert isinstance(as_array, np.ndarray)
    assert np.array_equal(as_array, got.numpy())


def test_the_first_unknown_is_the_one_that_is_meant():
    got = solution().derivative(POINTS, "xx")
    assert torch.equal(got, solution().derivative(POINTS, "xx", unknown="u"))


def test_derivatives_of_what_there_is_not():
    with pytest.raises(gp.InputError, match="u_xz"):
        solution().derivative(POINTS, "xz")
    with pytest.raises(gp.InputError, match="'w'") as caught:
        solution().derivative(POINTS, "x", unknown="w")
    assert "u, v" in caught.value.mend


def test_a_network_in_single_precision_is_asked_in_single_precision():
    single = solution(network=network().float())
    values = single(POINTS)
    assert values.shape == (7, 2)
    torch.testing.assert_close(values.double(), solution()(POINTS), rtol=1e-5, atol=1e-5)


def test_the_reference():
    values = solution().reference(POINTS)
    torch.testing.assert_close(values.values[:, 0], sin(POINTS[:, 0]) * POINTS[:, 1])
    assert solution(problem=replace(PROBLEM, reference=None)).reference(POINTS) is None
    assert solution(problem=None).reference(POINTS) is None


# measured errors


class Shifted(Reference):
    """The network itself plus a constant, and 0.1 of its own error."""

    name = "shifted"

    def __init__(self, shift: float) -> None:
        self.shift = shift

    def evaluate(self, problem: Problem, points: Tensor) -> ReferenceValues:
        return ReferenceValues(network()(points).detach() + self.shift, {"u": 0.1, "v": 0.1})


def test_errors_are_relative_and_on_points_of_their_own():
    errors = measure(replace(PROBLEM, reference=Shifted(0.5)), network())
    points = PROBLEM.domain.sample_interior(ERROR_POINTS, "sobol", 11)
    reference = network()(points).detach() + 0.5
    for j, name in enumerate("uv"):
        size = reference[:, j].square().mean().sqrt().item()
        assert errors.relative_l2[name] == pytest.approx(0.5 / size, rel=0.05)
        top = reference[:, j].abs().max().item()
        assert errors.max_error[name] == pytest.approx(0.5 / top, rel=0.05)
    assert errors.reference == "shifted"
    assert errors.own_error == {"u": 0.1, "v": 0.1}


def test_errors_up_to_a_constant():
    errors = measure(replace(PROBLEM, reference=Shifted(0.5)), network(), up_to_constant="uv")
    assert errors.up_to_constant
    assert max(errors.relative_l2.values()) < 1e-14


def test_only_the_unknowns_that_are_free_are_shifted():
    errors = measure(replace(PROBLEM, reference=Shifted(0.5)), network(), up_to_constant="v")
    assert errors.relative_l2["v"] < 1e-14
    assert errors.relative_l2["u"] > 0.1


def test_a_reference_of_zero_has_an_absolute_error():
    zero = replace(PROBLEM, reference=gp.Exact({"u": 0.0, "v": 0.0}))
    errors = measure(zero, network())
    values = network()(PROBLEM.domain.sample_interior(ERROR_POINTS, "sobol", 1)).detach()
    for j, name in enumerate("uv"):
        expected = values[:, j].square().mean().sqrt().item()
        assert errors.relative_l2[name] == pytest.approx(expected, rel=0.05)


def test_without_a_reference_there_are_no_errors():
    assert measure(replace(PROBLEM, reference=None), network()) is None


# figures

CONTRACT = {
    "status", "reason", "relative_l2", "max_error", "estimated_error", "residual_rms",
    "boundary_rms", "seconds", "seconds_total", "units", "parameters", "points", "device", "dtype",
    "seed", "reference", "inferred", "version",
}  # fmt: skip
MORE = {"reference_error", "notes", "standard_error", "inferred_error", "correlation", "noise"}


def test_metrics_are_those_of_the_contract():
    whole = solution()
    metrics = whole.metrics()
    assert set(metrics) == CONTRACT | MORE
    assert metrics["status"] == "stopped"
    assert metrics["reason"] == whole.reason
    assert metrics["relative_l2"] == whole.errors.relative_l2
    assert metrics["max_error"] == whole.errors.max_error
    assert metrics["estimated_error"] == {"u": 1e-3, "v": 2e-4}
    assert (metrics["residual_rms"], metrics["boundary_rms"]) == (5e-4, 5e-5)
    assert (metrics["seconds"], metrics["seconds_total"]) == (0.25, 0.5)
    assert (metrics["units"], metrics["points"]) == (5, 40)
    assert metrics["parameters"] == 5 * 2 + 5 * 4 + 5 * 2 + 2
    assert (metrics["device"], metrics["dtype"], metrics["seed"]) == ("cpu", "float64", 4)
    assert metrics["reference"] == "exact"
    assert metrics["reference_error"] == {"u": 0.0, "v": 0.0}
    assert metrics["inferred"] == {}
    assert metrics["notes"] == ["A note."]
    assert metrics["version"] == __version__
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_figures_that_do_not_exist_are_null():
    nothing = {"u": None, "v": None}
    nan = replace(record(1, network()), residual_rms=math.nan, boundary_rms=math.inf)
    metrics = solution(errors=None, estimated_error=nothing, history=(nan,)).metrics()
    assert set(metrics) == CONTRACT | MORE
    for name in ("relative_l2", "max_error", "estimated_error", "reference_error"):
        assert metrics[name] == nothing, name
    for name in ("residual_rms", "boundary_rms", "reference"):
        assert metrics[name] is None, name
    json.dumps(metrics, allow_nan=False)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_an_estimate_that_is_not_finite_is_null(value):
    metrics = solution(estimated_error={"u": value, "v": 1e-3}).metrics()
    assert metrics["estimated_error"] == {"u": None, "v": 1e-3}


def test_errors_that_are_not_finite_are_null():
    errors = Errors({"u": math.nan, "v": 1.0}, {"u": math.inf, "v": 1.0}, "exact", {"u": 0, "v": 0})
    metrics = solution(errors=errors).metrics()
    assert metrics["relative_l2"] == {"u": None, "v": 1.0}
    assert metrics["max_error"] == {"u": None, "v": 1.0}
    json.dumps(metrics, allow_nan=False)


def test_figures_are_of_the_network_that_is_kept():
    """A last level that was worse is in the history, not in the figures."""
    net, larger = network(), GMNM.random(2, 9, 2, projection="full")
    worse = replace(record(2, larger, 1e-1), units=9, points=90, residual_rms=1.0)
    whole = solution(network=net, history=(record(1, net, 1e-3), worse))
    assert (whole.units, whole.points) == (5, 40)
    assert whole.residual_rms == 1e-3


def test_a_solution_without_history():
    empty = solution(history=())
    assert (empty.units, empty.points, empty.residual_rms) == (0, 0, None)
    json.dumps(empty.metrics(), allow_nan=False)


# files


def test_save_and_load(tmp_path):
    whole = solution()
    file = whole.save(tmp_path / "u")
    assert file == tmp_path / "u.npz"
    assert list(tmp_path.iterdir()) == [file]
    for path in (tmp_path / "u", str(tmp_path / "u.npz")):
        again = gp.load(path)
        assert torch.equal(again(POINTS), whole(POINTS))
        assert torch.equal(again.derivative(POINTS, "xy", unknown="v"),
                           whole.derivative(POINTS, "xy", unknown="v"))  # fmt: skip
        assert again.metrics() == whole.metrics()
        assert again.history == whole.history
        assert again.errors == whole.errors
        assert again.problem is None


def test_a_name_with_a_dot_keeps_it(tmp_path):
    assert solution().save(tmp_path / "level.2") == tmp_path / "level.2.npz"
    assert torch.equal(gp.load(tmp_path / "level.2")(POINTS), solution()(POINTS))


def test_nothing_that_is_stored_can_run_code(tmp_path):
    file = solution().save(tmp_path / "u")
    with np.load(file, allow_pickle=False) as stored:
        for name in stored.files:
            assert stored[name].dtype != object
    with zipfile.ZipFile(file) as content:
        assert all(item.endswith(".npy") for item in content.namelist())


@pytest.mark.parametrize("projection", ["isotropic", "diagonal", "full", "low_rank"])
@pytest.mark.parametrize("bias", [True, False])
def test_every_kind_of_layer_is_rebuilt(tmp_path, projection, bias):
    net = GMNM.random(2, 5, 2, projection=projection)
    net = GMNM(net.mu.detach(), net.P.detach(), 2, bias=bias, pi=net.pi.detach())
    whole = solution(network=net)
    again = gp.load(whole.save(tmp_path / "u"))
    assert again.network.projection == projection
    assert torch.equal(again(POINTS), whole(POINTS))


@pytest.mark.parametrize("network_name", NETWORKS)
def test_every_network_is_rebuilt_with_its_options(tmp_path, network_name):
    net = NETWORKS[network_name]().initial([0.0, 0.0], [1.0, 1.0], 2, torch.Generator())
    whole = solution(network=net, network_name=network_name)
    again = gp.load(whole.save(tmp_path / "u"))
    assert type(again.network) is type(net)
    assert torch.equal(again(POINTS), whole(POINTS))


@pytest.mark.parametrize(
    ("name", "spec"), [("mlp", MLPSpec(3, 1, "sin")), ("kan", KANSpec((2, 3), grid_range=(-2, 1)))]
)
def test_options_are_not_the_defaults(tmp_path, name, spec):
    net = spec.initial([0.0, 0.0], [1.0, 1.0], 2, torch.Generator())
    whole = solution(network=net, network_name=name)
    again = gp.load(whole.save(tmp_path / "u"))
    assert again.network.spec == net.spec
    assert torch.equal(again(POINTS), whole(POINTS))


@pytest.mark.parametrize("options", [{"width": "wide"}, {"wide": 3}, {"width": 7}, [], 3])
def test_options_that_do_not_fit_are_refused(tmp_path, options):
    net = MLPSpec(3).initial([0.0, 0.0], [1.0, 1.0], 2, torch.Generator())
    file = solution(network=net, network_name="mlp").save(tmp_path / "u")
    rewrite(file, network_options=options)
    with pytest.raises(InputError, match="fit"):
        gp.load(file)


def test_a_file_from_before_options_were_stored_loads(tmp_path):
    whole = solution()
    file = whole.save(tmp_path / "u")
    rewrite(file, network_options=...)
    assert torch.equal(gp.load(file)(POINTS), whole(POINTS))


def rewrite(file: Path, **changed: object) -> None:
    """Change what a stored solution says about itself; ``...`` takes a key out."""
    with np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    about = json.loads(str(arrays["about"])) | changed
    about = {key: value for key, value in about.items() if value is not ...}
    np.savez(file, **(arrays | {"about": np.array(json.dumps(about))}))


def test_single_precision_stays_single(tmp_path):
    whole = solution(network=network().float(), dtype="float32")
    again = gp.load(whole.save(tmp_path / "u"))
    assert next(again.network.parameters()).dtype == torch.float32
    assert torch.equal(again(POINTS), whole(POINTS))


def test_a_problem_may_be_given_again(tmp_path):
    file = solution().save(tmp_path / "u")
    again = gp.load(file, problem=PROBLEM)
    assert again.problem is PROBLEM
    assert again.reference(POINTS) is not None
    with pytest.raises(gp.InputError, match="without its problem") as caught:
        gp.load(file).plot(tmp_path)
    assert "problem=" in caught.value.mend


def test_a_run_folder_brings_its_problem(tmp_path):
    source = Path(__file__).parents[1] / "problems" / "poisson.yaml"
    (tmp_path / "problem.yaml").write_bytes(source.read_bytes())
    solution().save(tmp_path / "solution")
    again = gp.load(tmp_path)
    assert again.problem.name == load_problem(source).problem.name


class MLP(Network):
    """A person's own."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.n_inputs, self.n_outputs = 2, 2
        self.first = nn.Linear(2, width, dtype=torch.float64)
        self.last = nn.Linear(width, 2, dtype=torch.float64)
        with torch.no_grad():
            for seed, parameter in enumerate(self.parameters()):
                parameter.normal_(generator=torch.Generator().manual_seed(seed + width))

    def forward(self, points: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(points)))


def test_a_persons_own_network(tmp_path):
    whole = solution(network=MLP(), network_name=None)
    assert whole.derivative(POINTS, "xx").shape == (7,)
    file = whole.save(tmp_path / "u")
    with pytest.raises(gp.InputError, match="network") as caught:
        gp.load(file)
    assert "network=" in caught.value.mend
    fresh = MLP()
    with torch.no_grad():
        fresh.first.weight.zero_()
    assert torch.equal(gp.load(file, network=fresh)(POINTS), whole(POINTS))


def test_a_network_of_another_shape_is_refused(tmp_path):
    file = solution(network=MLP(), network_name=None).save(tmp_path / "u")
    for wrong in (MLP(width=5), network()):
        with pytest.raises(gp.InputError, match="network"):
            gp.load(file, network=wrong)


def about(**changes: object) -> np.ndarray:
    """The text of a stored solution with some entries replaced, or left out if "missing"."""
    entries = {
        "coordinates": ["x", "y"], "unknowns": ["u", "v"], "network": "gmnm", "status": "stopped",
        "reason": "", "estimated_error": {}, "errors": None, "history": [], "seconds": 0.0,
        "seconds_total": 0.0, "device": "cpu", "dtype": "float64", "seed": 0, "findings": {},
        "notes": [],
    }  # fmt: skip
    entries |= changes
    return np.array(json.dumps({key: item for key, item in entries.items() if item != "missing"}))


def arrays(**changes: np.ndarray | None) -> dict[str, np.ndarray]:
    stored = {f"network.{key}": value.numpy() for key, value in network().state_dict().items()}
    stored |= {f"network.{key}": value for key, value in changes.items()}
    return {key: value for key, value in stored.items() if value is not None}


class Payload:
    """What a pickle would run."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("ran.txt"),))


def pickled(path: Path) -> None:
    np.savez(path, about=np.array([Payload()], dtype=object))


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "a")


def truncated(path: Path) -> None:
    np.savez(path, about=about(), **arrays())
    path.write_bytes(path.read_bytes()[:-200])


def corrupted(path: Path) -> None:
    np.savez(path, about=about(), **arrays())
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)


GARBAGE: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("u = 0"),
    "nothing": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 4),
    "a pickle": lambda path: path.write_bytes(pickle.dumps(Payload())),
    "an array with a pickle": pickled,
    "an array": one_array,
    "half a file": truncated,
    "a damaged file": corrupted,
    "another zip": other_zip,
    "other arrays": lambda path: np.savez(path, a=np.zeros(3)),
    "no network": lambda path: np.savez(path, about=about()),
    "not json": lambda path: np.savez(path, about=np.array("{"), **arrays()),
    "a list": lambda path: np.savez(path, about=np.array("[1, 2]"), **arrays()),
    "no unknowns": lambda path: np.savez(path, about=about(unknowns="missing"), **arrays()),
    "no name of a network": lambda path: np.savez(path, about=about(network="missing"), **arrays()),
    "another network": lambda path: np.savez(path, about=about(network="os.system"), **arrays()),
    "a bad history": lambda path: np.savez(path, about=about(history=[{"a": 1}]), **arrays()),
    "an unknown entry": lambda path: np.savez(path, about=about(shell="ls"), **arrays()),
    "no centres": lambda path: np.savez(path, about=about(), **arrays(mu=None)),
    "no weights": lambda path: np.savez(path, about=about(), **arrays(pi=None)),
    "bad shapes": lambda path: np.savez(path, about=about(), **arrays(P=np.zeros((3, 3)))),
    "text for numbers": lambda path: np.savez(path, about=about(), **arrays(mu=np.array("a"))),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_solution_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "u.npz"
    GARBAGE[name](file)
    with pytest.raises(gp.InputError) as caught:
        gp.load(file)
    assert "u.npz" in str(caught.value)
    assert not (tmp_path / "ran.txt").exists()


def test_what_the_garbage_is_made_from_is_a_solution(tmp_path):
    np.savez(tmp_path / "u.npz", about=about(), **arrays())
    assert torch.equal(gp.load(tmp_path / "u")(POINTS), network()(POINTS).detach())


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "u", tmp_path / "u.npz", tmp_path):
        with pytest.raises(gp.InputError, match="no such solution"):
            gp.load(path)


def test_pictures(tmp_path):
    line = Problem("x", "u", gp.Interval(0, 1), [lambda u: u.xx], [gp.Dirichlet("boundary", 1.0)])
    solved = gp.solve(line, rtol=1e-3, device="cpu")
    written = solved.plot(tmp_path / "pictures")
    assert written
    for path in written:
        assert path.parent == tmp_path / "pictures"
        assert path.read_bytes().startswith(b"\x89PNG")
