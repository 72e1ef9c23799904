"""Random rows of any shape, for measuring cost."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bench.datasets.base import Column, Data, Dataset, Kind

ROWS = 2000


@dataclass(frozen=True)
class RandomData(Dataset):
    """``ROWS`` rows of one shape: [F] makes a table, [L, channels] series, [channels, H, W] images."""

    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "random rows"
    source: ClassVar[str] = "tests"
    repeats = "independent"
    mirrors = True

    shape: tuple[int, ...] = (30,)
    outputs: int = 2

    @property
    def kind(self) -> Kind:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Return what rows of this shape are."""
        return ("table", "series", "image")[len(self.shape) - 1]

    def classes(self) -> tuple[str, ...]:
        """Return the numbers of the classes."""
        return tuple(map(str, range(self.outputs)))

    def class_counts(self) -> None:
        """Return None: counts are left to chance."""

    def make(self, seed: int, repeat: int) -> Data:
        """Return the rows."""
        rng = np.random.default_rng(seed)
        inputs = rng.normal(size=(ROWS, math.prod(self.shape))).astype(np.float32).reshape(-1, *self.shape)
        if self.kind == "image":
            inputs = rng.integers(0, 256, (ROWS, *self.shape), dtype=np.uint8)
        columns = tuple(Column(f"x{i}") for i in range(self.shape[0])) if self.kind == "table" else ()
        targets = rng.integers(0, self.outputs, ROWS)
        return Data(inputs, targets, inputs, targets, columns=columns)
