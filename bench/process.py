"""The process a stack trains in: its threads, its memory allocator, and what is recorded of it."""

import contextlib
import ctypes
import functools
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


@contextlib.contextmanager
def denormals_flushed() -> Iterator[None]:
    """Flush denormal numbers to zero in this thread, and put the thread back as it was: other libraries count on them.

    The moments of idle units decay to denormals, and they are slow: a fraud cell took a third longer with them.
    """
    import torch

    already = sys.float_info.min * 0.5 == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(already)


@functools.cache
def settle_process() -> None:
    """One intra-op thread, bits that do not depend on alignment, large freed blocks kept, and a first step taken.

    MKL's matrix products give other last bits for other alignments of their operands, so a trial's bits would depend
    on its place in a stack; its AVX2 STRICT mode does not, at the same speed, on every processor that has AVX2. MKL
    reads the setting at its first product.

    glibc hands large freed blocks back to the system, and every step would fault them in again, which about doubles
    a step. Set in-process, so that it holds inline, on this machine's workers and on remote ones.
    """
    import torch

    os.environ.setdefault("MKL_CBWR", "AVX2,STRICT")
    torch.set_num_threads(1)
    glibc = _glibc()
    if glibc is not None:
        trim_threshold, mmap_threshold = -1, -3
        glibc.mallopt(mmap_threshold, 1 << 25)  # the most that glibc takes
        glibc.mallopt(trim_threshold, (1 << 31) - 1)
    _first_step()


def release_memory() -> None:
    """Hand freed memory back to the system; between stacks, what one kept would lie beside what the next one needs."""
    glibc = _glibc()
    if glibc is not None:
        glibc.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    """Return the C library where it is glibc."""
    return ctypes.CDLL(None) if sys.platform == "linux" and platform.libc_ver()[0] == "glibc" else None


def _first_step() -> None:
    """Take one small optimizer step: the first of a process takes over a second, which is no technique's cost."""
    import torch

    weight = torch.nn.Parameter(torch.zeros(1, 2, 2))
    optimizer = torch.optim.AdamW([weight], foreach=False)
    torch.nn.functional.cross_entropy(torch.bmm(torch.zeros(1, 2, 2), weight)[0], torch.tensor([0, 1])).backward()
    optimizer.step()


@functools.cache
def machine() -> dict[str, Any]:
    """Return the processor's name, the device, the threads and the versions that decide a training's bits."""
    import sklearn
    import torch

    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    versions["scikit-learn"] = sklearn.__version__
    return {
        "machine": _processor(),
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "versions": json.dumps(versions, sort_keys=True),
    }


def _processor() -> str:
    """Return the processor's model name."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def source_state() -> dict[str, Any]:
    """Return the commit of this checkout and whether its tree was changed; empty and False outside a checkout."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return {"commit": "", "dirty": False}
    commit = _git(here, "rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(_git(here, "status", "--porcelain", "--", "bench"))}


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints, or an empty string where git does not work."""
    git = shutil.which("git")
    if git is None:
        return ""
    try:
        done = subprocess.run(
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
