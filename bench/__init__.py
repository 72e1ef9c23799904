"""Remedy Bench: which remedy against overfitting or class imbalance helps, by how much, at what cost, how surely."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.frames import Results

__version__ = "0.1.0"


def load(name: str | Path, results: str | Path = "results") -> "Results":
    """Return the stored results of a suite as tidy pandas tables: runs, scores, curves, differences.

    name: 'imbalance', 'reference/imbalance', the suite's YAML file, or the path of a results folder; results: the
    folder that names are looked up in. Raises UsageError where there are none of that name. See docs/python.md.
    """
    from bench import frames

    return frames.load(name, Path(results))
