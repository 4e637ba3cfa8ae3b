"""What the verbs of studies print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from gmnm_pde.terminal import figure

if TYPE_CHECKING:
    from gmnm_pde.studies.budget import Budget
    from gmnm_pde.studies.rows import Row
    from gmnm_pde.studies.summary import Spread


def row_text(row: Row) -> str:
    """``gmnm    seed 0    relative L2 9.0e-16    0.32 s    converged``."""
    run = f"seed {row.seed}" if row.seed is not None else f"points {row.points}"
    if row.seconds is None:
        return f"{row.solver}    {run}    {row.status}: {row.reason}"
    return (
        f"{row.solver}    {run}    relative L2 {figure(row.worst)}    {row.seconds:.2f} s    "
        f"{row.status}"
    )


def comparison_table(rows: Sequence[Row]) -> Table:
    """A line a solver: medians, and ranges where there are several seeds."""
    from gmnm_pde.studies.summary import lines

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("solver", no_wrap=True)
    for name in ("runs", "relative L2", "seconds", "units", "parameters", "points"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("status", overflow="fold")
    for line in lines(rows):
        said = f"{line.status}: {line.reason}" if line.error is None else line.status
        table.add_row(
            line.solver,
            str(line.runs),
            _spread(line.error, ".1e"),
            _spread(line.seconds, ".2f"),
            *(_spread(item, ".0f") for item in (line.units, line.parameters, line.points)),
            said,
        )
    return table


def convergence_table(over: str, places: Sequence[float], rows: Sequence[Row]) -> Table:
    """A line a run, with what was varied in front."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (over, "seed", "relative L2", "seconds", "units", "points", "status"):
        table.add_column(name, justify="left" if name == "status" else "right", no_wrap=True)
    for place, row in zip(places, rows, strict=False):
        table.add_row(
            "-" if place != place else f"{place:.3g}" if over in ("rtol", "time") else f"{place:g}",
            str(row.seed),
            figure(row.worst),
            "-" if row.seconds is None else f"{row.seconds:.2f}",
            *("-" if item is None else str(item) for item in (row.units, row.points)),
            row.status if row.worst is not None else f"{row.status}: {row.reason}",
        )
    return table


def setting_words(budget: Budget, options: Mapping[str, Any]) -> str:
    """Under which conditions: budget, seeds, tolerance, threads, device and precision."""
    import torch

    from gmnm_pde.solve import chosen_device

    seeds, rtol = options.get("seeds", 1), options.get("rtol")
    threads = torch.get_num_threads()
    parts = [
        budget.words(),
        f"rtol {rtol:g}" if rtol is not None else "",
        f"{seeds} seeds: median and range" if seeds > 1 else "one seed",
        f"{threads} thread{'s' if threads > 1 else ''}",
        chosen_device(options["device"]).type.upper(),
        "float64",
    ]
    return "; ".join(part for part in parts if part)


def _spread(found: Spread | None, style: str) -> str:
    if found is None:
        return "-"
    middle = format(found.median, style)
    if not found.several or format(found.low, style) == format(found.high, style):
        return middle
    return f"{middle} ({format(found.low, style)} to {format(found.high, style)})"
