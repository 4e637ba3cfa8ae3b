"""Error against time of every problem of an experiment, as small multiples."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gmnm_pde.config import load_problem
from gmnm_pde.report.comparison import draw_times
from gmnm_pde.report.plots import save
from gmnm_pde.report.style import STYLE, Head, field_scale, titled_figure
from gmnm_pde.studies.rows import Point, Row
from validation.experiments.plan import source

COLUMNS = 4
PIXELS = 60
"""Of the small picture of the solution, along each side."""

LOWEST = 1e-16

LABELS = {
    "gmnm": "GMNM, units placed",
    "gmnm-small": "GMNM, variable projection",
    "pinn": "MLP, Adam + L-BFGS",
    "pinn-gauss-newton": "MLP, Gauss-Newton",
    "kan": "KAN, L-BFGS",
    "kan-gauss-newton": "KAN, Gauss-Newton",
    "pig": "PIG, Adam + L-BFGS",
}
"""Recipes in the words of the literature."""


def draw(data: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write ``experiments-NAME.png`` for every experiment; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for item in data["experiments"]:
        path = folder / f"experiments-{item['name']}.png"
        with matplotlib.rc_context(STYLE):
            save(picture(item, str(data["machine"]["cpu"])), path)
        paths.append(path)
    return paths


def picture(item: Mapping[str, Any], cpu: str) -> Figure:
    """One panel a problem, the same axes in all of them, the solution drawn small beside it."""
    problems: Mapping[str, Any] = item["problems"]
    columns = min(COLUMNS, len(problems))
    lines = ceil(len(problems) / columns)
    words = (
        f"relative L2 error against the time of the solve, lower left is better\n"
        f"lines: median of the seeds, bands: their range, dots: ends; {item['words']}; {cpu}"
    )
    size = (max(8.2, 3.4 * columns), 2.6 * lines + 0.5 if lines > 1 else 4.2)
    figure = titled_figure(size, Head(item["title"], words))
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, found) in zip(grid.flat, problems.items(), strict=False):
        _panel(axes, name, found)
    for axes in list(grid.flat)[len(problems) :]:
        axes.set_visible(False)
    low, _ = grid.flat[0].get_ylim()
    # Errors above one say no more than one does.
    grid.flat[0].set_ylim(max(low, LOWEST), 3.0)
    for axes in grid[-1]:
        axes.set_xlabel("time of the solve (s)")
    for axes in grid[:, 0]:
        axes.set_ylabel("relative L2 error")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    solvers = [label.split(" (")[0] for label in labels]
    names = [LABELS.get(solver, solver) for solver in solvers]
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, ceil(len(names) / 2)))
    return figure


def _panel(axes: Axes, name: str, found: Mapping[str, Any]) -> None:
    rows = [Row(**row) for row in found["rows"]]
    points = [Point(**point) for point in found["points"]]
    draw_times(axes, [row for row in rows if row.worst is not None], points)
    axes.set_title(name.removeprefix("fit-"))
    _solution(axes, name)


def _solution(axes: Axes, name: str) -> None:
    """The exact solution on a square, beside the panel."""
    problem = load_problem(source(name)).problem
    if problem.reference is None:
        return
    (a, c), (b, d) = problem.region.lower, problem.region.upper
    xs, ys = np.meshgrid(np.linspace(a, b, PIXELS), np.linspace(c, d, PIXELS))
    places = torch.from_numpy(np.stack([xs.ravel(), ys.ravel()], 1))
    values = problem.reference.evaluate(problem, places).values[:, 0].numpy().reshape(xs.shape)
    corner = axes.inset_axes((1.02, 0.68, 0.3, 0.3))
    corner.set_aspect("equal")
    scale = field_scale(values)
    corner.imshow(values, origin="lower", cmap=scale.colours, norm=scale.norm)
    corner.set_xticks([])
    corner.set_yticks([])
