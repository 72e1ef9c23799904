"""Memory: whether there is enough for what a sampler is about to hold, asked before it starts."""

from pathlib import Path
from typing import TYPE_CHECKING

from bench.stages.base import require

if TYPE_CHECKING:
    import numpy as np

_GROUP = Path("/sys/fs/cgroup")  # of a container: what it may use, and what it uses


def free_memory() -> int:
    """Return the bytes that this process may still take: what the machine has free, its container if that is less."""
    import psutil

    free = psutil.virtual_memory().available
    limit, used = (_number(_GROUP / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else max(0, min(free, limit - used))


def _number(file: Path) -> int | None:
    """Return the number in a file; None where there is no file, or it says 'max'."""
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def require_memory(name: str, needed: int, inputs: "np.ndarray") -> None:
    """Raise ValueError where ``needed`` bytes for training rows [N, ...] are more than are free."""
    if needed:
        free = free_memory()
        require(
            needed <= free,
            f"{name} on {len(inputs)} rows of {inputs[0].size} numbers needs about {_gigabytes(needed)}, and "
            f"{_gigabytes(free)} are free; take fewer rows or another sampler",
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2g} GB" if count < 1e11 else f"{count / 1e9:.0f} GB"
