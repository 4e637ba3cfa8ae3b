"""Files that hold geometry: they are looked at before they are read."""

from __future__ import annotations

import os
from pathlib import Path

from gmnm_pde.errors import InputError

MEMORY_OVER_FILE = 16
"""Memory that reading takes, over the size of the file: text becomes lists and then arrays."""

USUAL_MEMORY = 8 * 2**30
"""Where the system does not say how much there is."""


def readable(path: str | Path, what: str) -> Path:
    """A file that is there and not too large to be read.

    Raises:
        InputError: it is not.
    """
    path = Path(path)
    try:
        size = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError) as error:
        raise InputError(f"the {what} file cannot be read: {error}.", file=path) from None
    if size is None:
        raise InputError(
            f"there is no {what} file {path.name!r}.",
            mend="Check the path; in a problem file it is relative to that file.",
            file=path,
        )
    limit = memory() // MEMORY_OVER_FILE
    if size > limit:
        raise InputError(
            f"the {what} file has {size / 2**20:,.0f} MiB; this machine has memory to read "
            f"{limit / 2**20:,.0f} MiB.",
            mend="Coarsen it: only the shape of its boundary counts.",
            file=path,
        )
    return path


def memory() -> int:
    """Bytes of this machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return USUAL_MEMORY
