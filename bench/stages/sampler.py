"""What all samplers of training rows share: slot ``resample``, training rows -> training rows.

Sees training rows only. n_c are the training rows per class, n_min and n_max the smallest and largest; N rows, F
numbers each. Images and series are flattened for samplers that measure distances.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.stages.base import Stage
from bench.stages.memory import require_memory

if TYPE_CHECKING:
    import numpy as np

BESIDE = 300  # bytes per row for numbers of rows, distances and labels
MADE = 8  # float32 copies of a class's new rows while imbalanced-learn makes them


@dataclass(frozen=True)
class Resample(Stage):
    """Base of the samplers."""

    def load(self) -> None:
        """Import imbalanced-learn, which takes over a second: no cost of the first trial that a worker resamples."""
        importlib.import_module("imblearn.over_sampling")
        importlib.import_module("imblearn.under_sampling")

    def apply(
        self, inputs: "np.ndarray", labels: "np.ndarray", seed: int, categories: Sequence[slice] = ()
    ) -> tuple["np.ndarray", "np.ndarray"]:
        """Resample, unless that would take more memory than there is. What preparation and training call.

        categories: of a table, the columns that each encoded category takes.
        Raises ValueError where memory does not suffice, or the sampler cannot work on these rows.
        """
        require_memory(self.kind, self.memory(class_counts(labels), inputs[0].size), inputs)
        return (
            self.resample_table(inputs, labels, seed, categories) if categories else self.resample(inputs, labels, seed)
        )

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return resampled (inputs [M, ...], labels [M]) from training rows (inputs [N, ...], labels [N]).

        Raises ValueError where the sampler cannot work on these rows.
        """
        raise NotImplementedError

    def resample_table(
        self, inputs: "np.ndarray", labels: "np.ndarray", seed: int, categories: Sequence[slice]
    ) -> tuple["np.ndarray", "np.ndarray"]:
        """Resample a table with categories; to most samplers their columns are numbers like others."""
        return self.resample(inputs, labels, seed)

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes that it holds at most beside the training rows, for n_c rows of F numbers; 0 where few."""
        return 0


def class_counts(labels: "np.ndarray") -> dict[int, int]:
    """Return the rows of each class that has any."""
    import numpy as np

    values, sizes = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), sizes.tolist(), strict=True))


def raised_counts(counts: dict[int, int], ratio: float) -> dict[int, int]:
    """Return the rows wanted of every class that is smaller than ratio * n_max: that many."""
    limit = round(max(counts.values()) * ratio)
    return {label: limit for label, count in counts.items() if count < limit}


def raised(
    inputs: "np.ndarray", labels: "np.ndarray", wanted: dict[int, int], new: Callable[[int], "np.ndarray"]
) -> tuple["np.ndarray", "np.ndarray"]:
    """Return the rows, and after them the new ones of the classes in ``wanted``.

    new: label -> float rows [M, F], M below ``wanted`` of the class. Class by class, and in place, so that of images
    only the new ones of one class are ever floats.
    """
    import numpy as np

    room = len(labels) + sum(wanted.values())
    all_inputs = np.empty((room, *inputs.shape[1:]), dtype=inputs.dtype)  # memory that is not filled is not taken
    all_labels = np.empty(room, dtype=labels.dtype)
    all_inputs[: len(labels)], all_labels[: len(labels)] = inputs, labels
    end = len(labels)
    for label in wanted:
        made = like(inputs, new(label))
        start, end = end, end + len(made)
        all_inputs[start:end], all_labels[start:end] = made.reshape(len(made), *inputs.shape[1:]), label
    return all_inputs[:end], all_labels[:end]


def flat(inputs: "np.ndarray") -> "np.ndarray":
    """Return rows [N, ...] as float32 [N, F]; those that are that already are not copied."""
    return inputs.reshape(len(inputs), -1).astype("float32", copy=False)


def like(inputs: "np.ndarray", new: "np.ndarray") -> "np.ndarray":
    """Return new rows in the type of the old ones: pixels are rounded, in place."""
    import numpy as np

    if inputs.dtype == np.uint8:
        np.clip(np.rint(new, out=new), 0, 255, out=new)
    return new.astype(inputs.dtype, copy=False)
