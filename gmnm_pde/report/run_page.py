"""The report of one solve, from what stands in its run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmnm_pde.report.page import (
    DASH,
    NAME,
    Fact,
    Page,
    mapping_table,
    pictures_in,
    read_json,
    table_in,
    texts_in,
    write_page,
)

TEXTS = {
    "problem.yaml": "The problem",
    "problem.py": "The problem, Python code",
    "solver.yaml": "The solver",
}


def write_run_page(folder: Path) -> Path:
    """Write report.html of a run folder: figures, pictures, the problem, how it went.

    Raises:
        InputError: a folder without metrics or manifest, or damaged ones.
    """
    metrics = read_json(folder / "metrics.json")
    manifest = read_json(folder / "manifest.json")
    page = Page(
        title=str(manifest.get("problem") or folder.resolve().name),
        words=str(manifest.get("description") or ""),
        status=str(metrics.get("status") or ""),
        reason=str(metrics.get("reason") or ""),
        facts=_facts(metrics),
        notes=[str(note) for note in metrics.get("notes") or []],
        pictures=pictures_in(folder),
        texts=texts_in(folder, TEXTS),
        tables=[
            *table_in(
                folder / "history.csv", "History", "One row a step; seconds since the start."
            ),
            mapping_table(manifest, "How it was made"),
        ],
    )
    return write_page(page, folder / NAME)


def _facts(metrics: Mapping[str, Any]) -> list[Fact]:
    facts = []
    for key, title in (
        ("relative_l2", "relative L2 error"),
        ("estimated_error", "estimated error"),
    ):
        figures = metrics.get(key) or {}
        for name, value in figures.items():
            of = f" of {name}" if len(figures) > 1 else ""
            note = _measured(metrics, name, value) if key == "relative_l2" else ""
            facts.append(Fact(f"{title}{of}", _number(value), note))
    for name, value in (metrics.get("inferred") or {}).items():
        error = (metrics.get("standard_error") or {}).get(name)
        note = "" if error is None else f"standard error {error:.2g}"
        facts.append(Fact(f"{name}, found", f"{value:.6g}", note))
    facts += [
        Fact("seconds", f"{metrics['seconds']:.2f}", f"{metrics['seconds_total']:.2f} in all"),
        Fact("units", f"{metrics['units']:,}", f"{metrics['parameters']:,} parameters"),
        Fact("collocation points", f"{metrics['points']:,}"),
        Fact("residual (rms)", _number(metrics.get("residual_rms")), "not an error"),
    ]
    return facts


def _measured(metrics: Mapping[str, Any], name: str, value: float | None) -> str:
    reference = metrics.get("reference")
    if reference is None or value is None:
        return "there is no reference"
    own = (metrics.get("reference_error") or {}).get(name)
    kind = str(reference).replace("_", " ")
    if own is None:
        return f"against {kind}, whose own error is not known"
    if own == 0.0:
        return f"against the {kind} solution"
    if value < own:
        return f"below the {kind} reference's own error, {own:.1e}"
    return f"against {kind}, whose own error is {own:.1e}"


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.2e}"
