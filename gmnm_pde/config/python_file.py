"""Problems as Python code, for what YAML cannot say: a file that defines ``problem()``.

    import torch
    import gmnm_pde as gp

    def problem():
        return gp.Problem("xy", "u", gp.Disk(), [lambda u: u.xx + u.yy + torch.exp(u)],
                          [gp.Dirichlet("boundary")])

    def solver():                        # optional: how it is solved if nothing else is said
        return gp.Recipe(network=MySpec(), methods=(gp.LeastSquares(),))

``MySpec`` may be a class of the file itself, a :class:`gmnm_pde.networks.NetworkSpec`. The file is
run by path, as a module of its own: it is not found on ``sys.path``, and neither are files beside
it.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from gmnm_pde.errors import CodeError, GmnmError, InputError
from gmnm_pde.problem import Problem
from gmnm_pde.recipe import Recipe

CODE = ".py"

_EXAMPLE = "Define `def problem(): return gp.Problem(...)`."


def run_problem(path: Path) -> tuple[Problem, Recipe | None]:
    """The problem of a file, and how it asks to be solved.

    Raises:
        InputError: no ``problem()``, or one that returns something else.
        CodeError: the file raised; its traceback is kept.
    """
    module = _load(path)
    problem = _call(module, "problem", path)
    if not isinstance(problem, Problem):
        raise InputError(
            f"problem() returned {_kind(problem)}, not a gp.Problem.",
            mend="Return gp.Problem(...).",
            file=path,
        )
    recipe = _call(module, "solver", path) if callable(getattr(module, "solver", None)) else None
    if recipe is not None and not isinstance(recipe, Recipe):
        raise InputError(
            f"solver() returned {_kind(recipe)}, not a gp.Recipe.",
            mend="Return gp.Recipe(network=..., methods=(...,)).",
            file=path,
        )
    return problem, recipe


@contextmanager
def running(path: Path) -> Iterator[None]:
    """Turns what a file's code raises into a :class:`CodeError` that shows its own traceback.

    What is raised elsewhere, without that file on the way, passes through.
    """
    try:
        yield
    except InputError as error:
        raise error.located(file=path, line=_line(error, path)) from None
    except GmnmError:
        raise
    except (Exception, SystemExit) as error:
        trace = _trace(error, path)
        if trace is None:
            raise
        raise CodeError(
            f"the code raised {type(error).__name__}.",
            mend="The traceback above says where.",
            file=path,
            line=_line(error, path),
            trace=trace,
        ) from error


def _load(path: Path) -> ModuleType:
    # In sys.modules under a name that no import finds: dataclasses look their module up there.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"gmnm_pde_problem_{digest}"
    loader = _Loader(name, str(path))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        with running(path):
            loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


class _Loader(SourceFileLoader):
    """Leaves no compiled file beside the source: nothing is written that was not asked for."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        pass


def _call(module: ModuleType, name: str, path: Path) -> Any:
    function: Callable[[], Any] | None = getattr(module, name, None)
    if not callable(function):
        given = "is not a function" if function is not None else "is missing"
        raise InputError(f"`{name}` {given} in this file.", mend=_EXAMPLE, file=path)
    with running(path):
        return function()


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _line(error: BaseException, path: Path) -> int | None:
    """The last line of the file that an error passed through."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == str(path)), None)


def _trace(error: BaseException, path: Path) -> str | None:
    """The traceback from the file's own first line on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(path):
        trace = trace.tb_next
    if trace is None and not (isinstance(error, SyntaxError) and error.filename == str(path)):
        return None
    return "".join(traceback.TracebackException(type(error), error, trace).format())
