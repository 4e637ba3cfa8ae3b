"""The command's frame: exit codes, common options, and that errors are one message."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from gmnm_pde.errors import CodeError, InputError

SOLVED, NOT_MET, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

DEVICES = ("auto", "cpu", "cuda")

Options = ParamSpec("Options")

ProblemName = Annotated[
    str, typer.Argument(metavar="PROBLEM", help="A problem's name, or a file's path.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Replace a value of the file: parameters.k=3."
    ),
]

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")]
Code = Annotated[
    Path | None,
    typer.Option("--problem", metavar="FILE", help="Its problem, where that is Python code."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The run folder; runs/NAME-TIME if not given."),
]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")]
ResumedDevice = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda",
        help="Where to go on; where the run was begun, if not given.",
    ),
]
Rtol = Annotated[
    float | None, typer.Option("--rtol", help="Relative L2 error asked for, such as 1e-6.")
]
TimeLimit = Annotated[
    float | None,
    typer.Option("--time-limit", metavar="SECONDS", help="Stop the solve after that time."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]


def verb(function: Callable[Options, None]) -> Callable[Options, None]:
    """Bad input is one message on stderr and exit 2; Ctrl-C is exit 130. Never a traceback, but
    that of a person's own code."""

    @functools.wraps(function)
    def run(*arguments: Options.args, **options: Options.kwargs) -> None:
        try:
            function(*arguments, **options)
        except InputError as error:
            if isinstance(error, CodeError):
                typer.echo(error.trace.rstrip("\n"), err=True)
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            typer.echo("interrupted.", err=True)
            raise typer.Exit(INTERRUPTED) from None

    return run


def check_options(
    rtol: float | None = None,
    seed: int = 0,
    device: str = "auto",
    time_limit: float | None = None,
) -> None:
    """Refuse options that no solve can take. Raises InputError."""
    if rtol is not None and not 0.0 < rtol < 1.0:
        raise InputError(f"--rtol {rtol:g} is not between 0 and 1.", mend="Give for example 1e-6.")
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed {seed} is out of range.", mend="Give a whole number from 0 on.")
    if time_limit is not None and not 0.0 < time_limit < float("inf"):
        raise InputError(f"--time-limit {time_limit:g} is no time.", mend="Give some seconds.")
    if device not in DEVICES:
        raise InputError(f"--device {device!r} is unknown.", mend="Use auto, cpu or cuda.")


def check_device(device: str, resumed: bool = False) -> None:
    """Refuse CUDA where there is none. Raises InputError.

    Arguments:
        resumed: whether the device may be that of a run which was begun elsewhere.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        other = "Go on with --device cpu" if resumed else "Leave --device out"
        raise InputError(
            "--device cuda: torch finds no CUDA device on this machine.",
            mend=f"{other}, or install a CUDA build of torch.",
        )


def check_counts(**counts: int | None) -> None:
    """Refuse numbers below one. Raises InputError."""
    for name, value in counts.items():
        if value is not None and value < 1:
            raise InputError(f"--{name} {value} is too small.", mend="Give 1 or more.")
