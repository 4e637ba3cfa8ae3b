"""Everything that computes, on a device that is not the CPU: the stand-in, or CUDA where it is."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from stand_in_device import DEVICE, Log, OnDevice, stand_in

import gmnm_pde as gp
from gmnm_pde.cli import main
from gmnm_pde.methods import Record
from gmnm_pde.report import write_vtu

LONG = 1e4
"""Seconds: no clock ends a solve here."""


def trained(method: str, network: str = "mlp", **options: Any) -> dict[str, Any]:
    """Options of a solve that trains a small network for a few iterations."""
    size = {"gmnm": {"units": 12}, "mlp": {"width": 6}, "fourier_mlp": {"width": 6}}
    return {
        "solver": {
            "network": {"name": network, **size.get(network, {})},
            "methods": [{"name": method, "iterations": 2, **options}],
            "sampling": {"interior": 100, "boundary": 16},
        }
    }


def placed(units: int, *methods: dict[str, Any]) -> dict[str, Any]:
    """Options of a solve with few Gaussian units."""
    network = {"name": "gmnm", "units": units, "projection": "full"}
    return {"solver": {"network": network, "methods": list(methods)}}


def stop(record: Record) -> None:
    """Ctrl-C after the first step."""
    if record.step == 1:
        raise KeyboardInterrupt


SPACE_TIME = {"network": {"name": "gmnm"}, "methods": [{"name": "least_squares"}]}

SOLVED: dict[str, tuple[str, dict[str, Any]]] = {
    "linear": ("poisson", {"rtol": 1e-4}),
    "disk": ("poisson-disk", {"rtol": 1e-3}),
    "graded": ("convection-diffusion", {"rtol": 0.02, "set": "parameters.eps=0.2"}),
    "free constant": ("neumann", {"rtol": 1e-2}),
    "nonlinear": ("bratu", {"rtol": 1e-3}),
    "system": ("stokes", {"rtol": 0.02}),
    "nonlinear system": ("kovasznay", {"rtol": 0.02}),
    "interface": ("interface", {"rtol": 0.05}),
    "mesh": ("poisson-mesh", {"rtol": 0.05}),
    "fit": ("fit", {"rtol": 1e-2}),
    "noisy data": ("fit-noisy", {"rtol": 0.1}),
    "space and time": ("heat", {"rtol": 0.05, "solver": SPACE_TIME}),
    "time stepping": ("wave", {"rtol": 0.05}),
    "many dimensions": (
        "poisson-5d",
        placed(40, {"name": "random_features", "shapes": ["data", "ridge"]}),
    ),
    "constant from data": ("inverse-diffusivity", {"rtol": 0.05}),
    "field from data": ("inverse-source", {"monitor": stop}),
    "variable projection": ("poisson", placed(9, {"name": "variable_projection", "iterations": 2})),
    "the same, nonlinear": ("bratu", placed(9, {"name": "variable_projection", "iterations": 2})),
    "one after the other": (
        "poisson",
        placed(
            12,
            {"name": "random_features", "shapes": ["data", "ridge"]},
            {"name": "gauss_newton", "iterations": 2},
        ),
    ),
}
"""Problems and options, by what is special about them."""

TRAINED: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"adam {name}": ("poisson", trained("adam", name)) for name in ("mlp", "kan", "gmnm_mlp")},
    **{
        f"gauss_newton {name}": ("poisson", trained("gauss_newton", name))
        for name in ("gmnm", "deep_gmnm", "fast_kan", "chebyshev_kan", "fourier_mlp", "pig")
    },
    **{name: ("poisson", trained(name)) for name in ("lbfgs", "bfgs", "ssbroyden")},
    **{
        f"natural_gradient {form}": ("poisson", trained("natural_gradient", form=form))
        for form in ("parameter", "residual")
    },
    **{
        f"balance {rule}": ("poisson", trained("adam", balance=rule))
        for rule in ("gradient_norm", "ntk", "relobralo", "self_adaptive")
    },
    **{
        f"points {rule}": ("poisson", trained("adam", points=rule, points_every=1))
        for rule in ("random", "rad", "rar_d", "r3")
    },
    "grids": ("poisson", trained("lbfgs", "kan", grids=[3, 5], grid_updates=1)),
    "causal": ("heat", trained("adam", causal=1.0)),
    "windows": ("heat", trained("adam", windows=2)),
    "two pieces": ("interface", trained("adam")),
    "data": ("fit-data", trained("gauss_newton")),
}
"""The same for networks that are trained."""

CASES = SOLVED | TRAINED


def solved(case: tuple[str, dict[str, Any]], device: str) -> gp.Solution:
    """The solution of a case on a device."""
    name, options = case
    options = {"time_limit": LONG, **options}
    changes = options.pop("set", None)
    if changes is None:
        return gp.solve(name, device=device, **options)
    file = importlib.import_module("gmnm_pde.config").load_problem(name, [changes])
    return gp.solve(file.problem, device=device, **options)


def places(solution: gp.Solution) -> torch.Tensor:
    """Points of the domain, on the CPU."""
    assert solution.problem is not None
    return solution.problem.region.sample_interior(40, "random", 3)


def everything(solution: gp.Solution) -> list[torch.Tensor]:
    """What the network consists of."""
    return [*solution.network.parameters(), *solution.network.buffers()]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """``device="cuda"`` is the stand-in, which is there."""
    # The package's `solve` is the function; its module has the same name.
    module = importlib.import_module("gmnm_pde.solve")
    real = module.chosen_device
    monkeypatch.setattr(
        module, "chosen_device", lambda name: DEVICE if name == "cuda" else real(name)
    )
    for place in ("gmnm_pde.cli", "gmnm_pde.verbs.solving"):
        monkeypatch.setattr(f"{place}.check_device", lambda name, resumed=False: None)
    with stand_in() as log:
        yield log


# ------------------------------------------------------------------------------- the stand-in


def on_device(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, 1.0 + np.prod(shape), dtype=torch.float64).reshape(shape).to(DEVICE)


REFUSED = {
    "sum": lambda x, c: x + c,
    "product": lambda x, c: x @ c,
    "joined": lambda x, c: torch.cat([x, c]),
    "numbers joined": lambda x, c: torch.stack([x[0], c[0]]),
    "device into CPU": lambda x, c: c.add_(x),
    "device number into CPU": lambda x, c: c[0].add_(x[0]),
    "device number times CPU": lambda x, c: c * x[0],
    "choice": lambda x, c: torch.where(c > 0, x, x),
    "index of the device": lambda x, c: c[torch.tensor([0]).to(DEVICE)],
    "index not of the device": lambda x, c: x.gather(0, torch.tensor([0])),
    "values not of the device": lambda x, c: x.__setitem__(torch.tensor([0, 1]), c[:2]),
    "numpy": lambda x, c: x.numpy(),
    "array": lambda x, c: np.asarray(x),
    "driver": lambda x, c: torch.linalg.lstsq(x[:, None], x[:, None], driver="gelsd"),
    "generator": lambda x, c: torch.rand(2, device=DEVICE, generator=torch.Generator()),
    "generator in place": lambda x, c: x.normal_(generator=torch.Generator()),
    "integers": lambda x, c: x.long()[:, None] @ x.long()[None],
    "histogram": lambda x, c: torch.histogram(x, 3),
}


@pytest.mark.parametrize("operation", REFUSED.values(), ids=REFUSED)
def test_the_stand_in_refuses_what_cuda_does(operation, device):
    x, c = on_device(4), torch.ones(4, dtype=torch.float64)
    with pytest.raises((RuntimeError, TypeError)):
        operation(x, c)
    assert torch.equal(x.cpu(), torch.arange(1.0, 5.0, dtype=torch.float64))


def test_the_stand_in_allows_what_cuda_does(device):
    x, c = on_device(4), torch.ones(4, dtype=torch.float64)
    assert (x * c[0]).device == DEVICE
    assert x[torch.tensor([0, 2])].tolist() == [1.0, 3.0]
    assert x[[0, 2]].tolist() == x[x.cpu() != 2][[0, 1]].tolist()
    assert c.to(x).device == x.new_tensor([1.0]).device == DEVICE
    assert torch.tensor([1.0], device=DEVICE).device == torch.zeros(2, device=DEVICE).device
    assert c.copy_(x).tolist() == x.tolist()
    assert float(x.sum()) == x.cpu().sum()
    x[0] = 5
    assert x[0].item() == 5


def test_derivatives_are_those_of_the_cpu(device):
    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.exp(-x * x) * x.sum()

    x = torch.linspace(0, 1, 4, dtype=torch.float64)
    one = torch.ones_like(x)
    nested = [
        lambda f, x: torch.func.jacrev(f)(x),
        lambda f, x: torch.func.jacfwd(torch.func.jacfwd(f))(x),
        lambda f, x: torch.func.hessian(lambda y: f(y).sum())(x),
        lambda f, x: torch.func.jvp(
            lambda z: torch.func.jvp(f, (z,), (one.to(z),))[1], (x,), (one.to(x),)
        )[1],
        lambda f, x: torch.func.vmap(f)(torch.stack([x, 2 * x])),
    ]
    for operation in nested:
        found = operation(function, x.to(DEVICE))
        assert isinstance(found, OnDevice)
        torch.testing.assert_close(found.cpu(), operation(function, x), rtol=1e-14, atol=1e-14)


# ------------------------------------------------------------------------------------- solving


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_solve_is_the_same_on_another_device(case, device):
    here, there = solved(case, "cpu"), solved(case, "cuda")
    assert (there.device, here.device) == (str(DEVICE), "cpu")
    assert {part.device.type for part in everything(there)} == {DEVICE.type}
    assert {part.device.type for part in everything(here)} == {"cpu"}
    assert device.operations.total() > 100
    assert [(r.units, r.points) for r in there.history] == [
        (r.units, r.points) for r in here.history
    ]
    assert there.status == here.status
    points = places(here)
    torch.testing.assert_close(there(points), here(points), rtol=1e-6, atol=1e-9)
    assert there.inferred == pytest.approx(here.inferred, rel=1e-6)
    # A level that was the first has no estimate.
    for name, error in here.estimated_error.items():
        found = there.estimated_error[name]
        assert (found is None) if error is None else found == pytest.approx(error, rel=1e-3)


def test_least_squares_is_solved_on_the_device(device):
    solved(CASES["linear"], "cuda")
    assert device.operations["aten.linalg_qr.default"] >= 2
    assert device.operations["aten.linalg_solve_triangular.default"] >= 2


def test_time_stepping_computes_on_the_cpu_and_leaves_its_network_on_the_device(device):
    solution = solved(CASES["time stepping"], "cuda")
    assert not any("linalg" in name or "qr" in name for name in device.operations)
    assert {part.device.type for part in everything(solution)} == {DEVICE.type}


def test_the_host_waits_for_the_device_seldom(device):
    """Once an iteration for the loss, and for each record; the same points are asked once."""
    few, many = (
        waits_of(("poisson", trained("adam") | {"time_limit": LONG}), count, device)
        for count in (2, 12)
    )
    assert many - few <= 7 * 10
    device.waits.clear()
    solved(CASES["many dimensions"], "cuda")
    assert device.waits.total() < 200


def waits_of(case: tuple[str, dict[str, Any]], iterations: int, device: Log) -> int:
    """How often the host waits in so many iterations."""
    device.waits.clear()
    case[1]["solver"]["methods"][0]["iterations"] = iterations
    solved(case, "cuda")
    return device.waits.total()


# ------------------------------------------------------------------------------------ solutions


@pytest.fixture(params=["poisson", "wave"])
def both(request, device) -> tuple[gp.Solution, gp.Solution]:
    """The same solution from the CPU and from the device."""
    case = (request.param, {"rtol": 0.05})
    return solved(case, "cpu"), solved(case, "cuda")


def test_points_may_be_anywhere(both):
    here, there = both
    points = places(here)
    expected, slope = here(points), here.derivative(points, "xx")
    for given in (points, points.float(), points.to(DEVICE)):
        assert there(given).device == given.device
        assert there.derivative(given, "xx").device == given.device
    assert isinstance(there(points.numpy()), np.ndarray)
    torch.testing.assert_close(there(points.to(DEVICE)).cpu(), expected, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(there.derivative(points.numpy(), "xx"), slope, rtol=1e-7, atol=1e-7)
    known = there.problem.reference.evaluate(there.problem, points.to(DEVICE))
    assert known.values.device == DEVICE


def test_a_saved_solution_needs_no_device(both, tmp_path):
    here, there = both
    there.save(tmp_path / "u")
    loaded = gp.load(tmp_path / "u", problem=here.problem)
    assert {part.device.type for part in everything(loaded)} == {"cpu"}
    points = places(here)
    torch.testing.assert_close(loaded(points), here(points), rtol=1e-9, atol=1e-11)


def test_it_is_drawn_and_exported(both, tmp_path):
    _, there = both
    assert {path.name for path in there.plot(tmp_path)} >= {"solution.png", "error.png"}
    written = write_vtu(there, tmp_path / "u.vtu")
    assert written is not None
    assert written.is_file()


@pytest.mark.parametrize(
    "case",
    [
        ("poisson", {"rtol": 1e-7}),
        ("wave", {"rtol": 1e-3}),
        ("fit-data", {}),
        *((name, options) for name, options in (TRAINED["bfgs"], TRAINED["adam kan"])),
        CASES["variable projection"],
    ],
    ids=["levels", "march", "levels of data", "bfgs", "adam", "variable projection"],
)
def test_a_checkpoint_goes_on_on_either(case, device, tmp_path):
    name, options = case
    part = solved((name, {**options, "monitor": stop}), "cuda")
    part.save(tmp_path / "part")
    loaded = gp.load(tmp_path / "part", problem=part.problem)
    rest = {
        where: solved((name, {**options, "resume": loaded}), where) for where in ("cpu", "cuda")
    }
    here, there = rest["cpu"], rest["cuda"]
    assert (here.device, there.device) == ("cpu", str(DEVICE))
    assert len(there.history) == len(here.history) > 1
    points = places(part)
    torch.testing.assert_close(there(points), here(points), rtol=1e-6, atol=1e-9)


def test_a_run_on_a_device_goes_on_without_it(device, tmp_path):
    run = tmp_path / "run"
    words = ["solve", "poisson", "--device", "cuda", "--rtol", "0.1", "--quiet", "--out", str(run)]
    assert main(words) == 0
    assert gp.load(run).device == str(DEVICE)
    assert main(["resume", str(run), "--device", "cpu", "--rtol", "1e-4", "--quiet"]) == 0
    assert gp.load(run).device == "cpu"


def test_comparisons_and_copies(device, tmp_path):
    words = ["compare", "poisson", "--solvers", "gmnm-small,pinn", "--time-limit", "1"]
    assert main([*words, "--device", "cuda", "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "results.csv").read_text().count("failed") == 0


# ----------------------------------------------------------------------------------------- CUDA


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_solve_on_cuda_is_as_accurate(case, tmp_path):
    """Not the same numbers: iterations magnify rounding, and CUDA rounds otherwise."""
    here, there = solved(case, "cpu"), solved(case, "cuda")
    assert there.device.startswith("cuda")
    assert {part.device.type for part in everything(there)} == {"cuda"}
    assert there.status == here.status
    points = places(here)
    values = there(points.cuda())
    assert values.device.type == "cuda"
    assert torch.isfinite(values).all()
    difference = (values.cpu() - here(points)).norm() / here(points).norm()
    assert difference <= (case[1].get("rtol") or 1e-3)
    there.save(tmp_path / "u")
    loaded = gp.load(tmp_path / "u", problem=here.problem)
    torch.testing.assert_close(loaded(points), values.cpu(), rtol=1e-9, atol=1e-11)
