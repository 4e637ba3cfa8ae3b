"""The command: what is run, what is written, and the exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from validation.machine import ROOT
from validation.page import PEERS as RESULTS
from validation.page import write_page
from validation.peers import results
from validation.peers.catalogue import ENTRIES, Entry, choose
from validation.peers.pictures import draw
from validation.peers.problems import PROBLEMS
from validation.peers.process import Runner, peers_python
from validation.peers.rows import Row

IMAGES = ROOT / "docs" / "images"
PARTS = ROOT / "runs" / "peers" / "peers.json"
QUICK = 20.0

BAD_INPUT, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, draw. Returns 0, 2 for a bad argument, 130 if it was interrupted."""
    options = _parser().parse_args(arguments)
    budget = QUICK if options.quick and options.budget is None else options.budget
    whole = not (options.problems or options.peers or budget is not None)
    path = options.out or (RESULTS if whole else PARTS)
    images = IMAGES if path.resolve() == RESULTS else path.parent
    try:
        names, entries = _problems(options.problems), choose(_split(options.peers))
        if options.list:
            _list(entries, names)
            return 0
        if options.draw:
            found = results.load(path)
        else:
            runner = Runner(options.python)
            start = _start(path, options.resume)
            found = measure(runner, entries, names, budget, start, path, options.resume)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f"Interrupted; {path} keeps what finished, --resume continues.", file=sys.stderr)
        return INTERRUPTED
    _finish(found, path, images)
    return 0


def measure(
    runner: Runner,
    entries: Iterable[Entry],
    names: Sequence[str],
    budget: float | None,
    start: results.Results,
    path: Path,
    resume: bool = False,
    say: Callable[[str], None] = lambda text: print(text, flush=True),
) -> results.Results:
    """Run the entries on the problems, one after the other; the file is written after each.

    Arguments:
        budget: seconds, None for the one of each problem.
        start: rows that are there already.
        resume: whether those are kept that ran to their end with the same budget.
    """
    found, chosen = start, tuple(entries)
    for name in names:
        seconds = PROBLEMS[name].budget if budget is None else budget
        for entry in chosen:
            old = found.find(name, entry.name)
            if resume and old and old.budget == seconds and old.status in ("finished", "stopped"):
                continue
            row = runner.row(entry, name, budget)
            if row is not None:
                say(line(row))
                found = found.with_row(row)
                found.write(path)
    return found


def line(row: Row) -> str:
    """A row as a line of text."""
    parts = [f"{row.problem:13} {row.peer:11}", f"{row.status:9}"]
    if row.best:
        parts.append(
            f"best {row.best.relative_l2:.1e} after {row.best.seconds:.3g} s, "
            f"{row.best.parameters:,} parameters"
        )
    return "  ".join([*parts, row.note]).rstrip()


def _start(path: Path, resume: bool) -> results.Results:
    """The rows to begin with: those of the file, if they are of this machine."""
    here = results.here()
    if not path.exists():
        return here
    old = results.load(path)
    if results.same_machine(old, here):
        return results.Results(here.about, old.rows)
    if resume:
        raise ValueError(f"{path} was measured on another machine or with other versions.")
    return here


def _finish(found: results.Results, path: Path, images: Path) -> None:
    written = draw(found, images)
    for picture in written:
        print(f"Drew {picture}")
    print(f"Wrote {path}")
    if path.resolve() == RESULTS:
        write_page()


def _problems(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in PROBLEMS:
            raise ValueError(f"no problem {name!r}. Known: {', '.join(PROBLEMS)}.")
    return tuple(names) or tuple(PROBLEMS)


def _split(text: str | None) -> list[str]:
    return [word for word in (text or "").split(",") if word]


def _list(entries: Iterable[Entry], names: Sequence[str]) -> None:
    for entry in entries:
        there = [name for name in names if name in entry.problems]
        print(f"{entry.name:11} {entry.label:38} {', '.join(there)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python validation/peers/run.py",
        description="Measure gmnm and its peers on the same problems, one thread, one clock.",
    )
    known = ", ".join(entry.name for entry in ENTRIES)
    parser.add_argument("problems", nargs="*", help=f"of {', '.join(PROBLEMS)}; all if left out")
    parser.add_argument("--peers", help=f"names or patterns with commas between, of {known}")
    parser.add_argument("--budget", type=_positive, help="seconds for each; else the problem's own")
    parser.add_argument("--quick", action="store_true", help=f"--budget {QUICK:g}")
    parser.add_argument("--out", type=Path, help="JSON file; pictures go beside it")
    parser.add_argument("--resume", action="store_true", help="skip rows that the file has")
    parser.add_argument("--draw", action="store_true", help="draw the file's pictures and stop")
    parser.add_argument("--list", action="store_true", help="show what would run and stop")
    parser.add_argument(
        "--python", type=Path, default=peers_python(), help="of the peers' environment"
    )
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError("more than 0")
    return number
