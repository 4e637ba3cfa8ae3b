"""One peer on one problem, in a process of its own; whatever happens there becomes a row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from validation.machine import ROOT, one_thread
from validation.peers.catalogue import Entry
from validation.peers.problems import PROBLEMS
from validation.peers.rows import Row, Status, read

ENVIRONMENT = ROOT / ".venv-peers"
MEND = "run `make peers`, which installs it"
SMALLEST_GRACE = 60.0
"""Seconds for imports, set-up, measurements of errors and a last long step, at least."""


def peers_python() -> Path:
    """Of the peers' environment."""
    return ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@dataclass(frozen=True)
class Runner:
    """How processes are started.

    Arguments:
        python: the interpreter of the peers' environment; ours runs in the one of this process.
        package: where the adapters are modules.
        grace: seconds above the budget after which a process is killed; None for the larger of a
            minute and the budget itself.
    """

    python: Path
    package: str = "validation.peers.adapters"
    grace: float | None = None

    def row(self, entry: Entry, problem: str, budget: float | None) -> Row | None:
        """Run an entry on a problem; None if it has nothing to say about it."""
        seconds = PROBLEMS[problem].budget if budget is None else budget
        row = Row(problem, entry.name, "no recipe", seconds, entry.absent.get(problem, ""))
        if problem not in entry.problems:
            return row if row.note else None
        python = Path(sys.executable) if entry.kind == "ours" else self.python
        if not python.exists():
            return replace(row, status="missing", note=f"not installed; {MEND}")
        return self._run(row, entry, python)

    def _run(self, row: Row, entry: Entry, python: Path) -> Row:
        task = json.dumps({"problem": row.problem, "variant": entry.name, "budget": row.budget})
        command = [str(python), "-m", f"{self.package}.{entry.adapter}", task]
        grace = max(SMALLEST_GRACE, row.budget) if self.grace is None else self.grace
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as lines,
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
            tempfile.TemporaryDirectory() as folder,
        ):
            # Some peers write files where they stand.
            process = subprocess.Popen(
                command, cwd=folder, env=one_thread(), stdout=lines, stderr=said
            )
            late = _ended_late(process, row.budget + grace)
            lines.seek(0)
            said.seek(0)
            report, words = read(lines), said.read()
        status, note = _verdict(
            late, process.returncode, report.status, report.note, words, row.budget
        )
        return replace(
            row,
            status=status,
            note=note.replace(str(ROOT), "."),
            setup_seconds=report.setup_seconds,
            versions=report.versions,
            curve=report.curve,
        )


def _ended_late(process: subprocess.Popen[bytes], limit: float) -> bool:
    """Wait, and kill the process at the limit or when this one is interrupted."""
    try:
        process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        return True
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return False


def _verdict(
    late: bool, code: int, status: Status | None, note: str, words: str, budget: float
) -> tuple[Status, str]:
    """How a process ended, in a word and in words."""
    if late:
        return "late", f"killed: it did not stop after {budget:g} s"
    if code == 0 and status in ("finished", "stopped"):
        return status, note
    last = note or next(reversed(words.strip().splitlines()), "") or f"exit code {code}"
    if "ModuleNotFoundError" in last:
        return "missing", f"not installed ({last.partition(': ')[2]}); {MEND}"
    if code < 0 and not note:
        last = f"killed by signal {-code}"
    return "failed", f"failed: {last}"
