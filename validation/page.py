"""TABLE.md, from all the results that there are."""

from __future__ import annotations

import json
from pathlib import Path

from validation.cases import PARTS
from validation.experiments.table import experiments_table
from validation.machine import ROOT
from validation.peers import results
from validation.peers.table import peers_table
from validation.table import table

RESULTS = ROOT / "validation" / "results"
EXPERIMENTS = RESULTS / "experiments.json"
PEERS = RESULTS / "peers.json"
TABLE = ROOT / "validation" / "TABLE.md"


def write_page(folder: Path = RESULTS, page: Path = TABLE) -> None:
    """Write the page from the results in a folder.

    Raises:
        OSError: no part of the figures was measured yet.
    """
    paths = [folder / f"{part}.json" for part in PARTS]
    known = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()
    }
    if not known:
        raise OSError(f"no results in {folder}; measure first.")
    parts = [table(known)]
    if (path := folder / EXPERIMENTS.name).exists():
        parts.append(experiments_table(json.loads(path.read_text(encoding="utf-8"))))
    if (path := folder / PEERS.name).exists():
        parts.append(peers_table(results.load(path)))
    page.write_text("\n".join(parts), encoding="utf-8")
