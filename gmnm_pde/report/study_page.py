"""The report of a comparison or a study of convergence, from what stands in its folder."""

from __future__ import annotations

from pathlib import Path

from gmnm_pde.report.page import (
    NAME,
    Page,
    mapping_table,
    pictures_in,
    read_json,
    table_in,
    texts_in,
    write_page,
)
from gmnm_pde.report.run_page import TEXTS


def write_study_page(folder: Path) -> Path:
    """Write report.html: pictures, results, the problem, how it was made.

    Raises:
        InputError: a folder without a manifest, or a damaged one.
    """
    manifest = read_json(folder / "manifest.json")
    solvers = {f"solvers/{name}.yaml": f"Solver {name}" for name in manifest.get("solvers") or []}
    page = Page(
        title=f"{manifest.get('problem')}: {manifest.get('kind')}",
        words=str(manifest.get("description") or ""),
        pictures=pictures_in(folder),
        texts=[*texts_in(folder, TEXTS), *texts_in(folder, solvers)],
        tables=[
            *table_in(folder / "results.csv", "Results", "One row a run."),
            mapping_table(manifest, "How it was made"),
        ],
    )
    return write_page(page, folder / NAME)
