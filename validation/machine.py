"""The machine that figures were taken on. Imports nothing heavy: the runner stays small."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
PACKAGES = ("torch", "numpy", "scipy", "scikit-fem")


def one_thread(device: str = "cpu") -> dict[str, str]:
    """The environment of every measured process: one thread, this checkout's code, and no GPU
    unless it is what is measured."""
    threads = dict.fromkeys(THREADS, "1")
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    return {**os.environ, **threads, **hidden, "PYTHONPATH": str(ROOT)}


def describe() -> dict[str, Any]:
    """CPU, memory, system and versions; no host names and no paths."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "cores_used": 1,
        "memory_gb": _memory_gb(),
        "os": platform.platform(),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def gpu() -> dict[str, Any]:
    """The GPU that torch computes on; a task of :mod:`validation.worker`, which has torch.

    Raises:
        RuntimeError: there is none.
    """
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError("torch finds no CUDA device on this machine")
    about = torch.cuda.get_device_properties(0)
    return {
        "gpu": about.name,
        "gpu_memory_gb": round(about.total_memory / 1e9, 1),
        "cuda": torch.version.cuda,
    }


def commit() -> str | None:
    """The checkout's commit, marked when files differ from it; None outside a checkout."""
    head = _git("rev-parse", "HEAD")
    if head is None:
        return None
    # What such commands write themselves does not count.
    written = ("validation/results", "validation/TABLE.md", "docs/images")
    changed = _git("status", "--porcelain", "--", ".", *(f":!{path}" for path in written))
    return f"{head} with changes" if changed else head


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
