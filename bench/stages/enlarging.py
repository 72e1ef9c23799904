"""Slot ``enlarge``: a trial's training rows -> the same rows and transformed copies of them, once, before training.

Augmentation during training (slot ``augment``) shows a fresh variant of a row each time; here the variants are drawn
once and stay, as in courses that double a training set before they train on it.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.augmentation import Augment
from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import numpy as np

    from bench.stages.context import Context

MOST_COPIES = 100
CHUNK = 1024  # rows transformed at once: what is drawn for them is many times as large as images are


@dataclass(frozen=True)
class Enlarge(Stage):
    """Append ``copies`` transformed copies of the training rows, each by all ``transforms`` in turn; labels stay.

    Rows as they are come first, copy after copy behind them: N rows become N (1 + copies). Draws are the trial's own,
    apart from those of augmentation during training.
    """

    kind: ClassVar[str] = "enlarge"
    copies: int = 1
    transforms: tuple[Augment, ...] = ()

    def __post_init__(self) -> None:
        """Check the number of copies."""
        require(
            0 <= self.copies <= MOST_COPIES, f"copies must be at least 0 and at most {MOST_COPIES}, got {self.copies}"
        )

    def load(self) -> None:
        """Import torch: no cost of the first trial that a worker prepares."""
        importlib.import_module("torch")

    def enlarge(
        self, inputs: "np.ndarray", targets: "np.ndarray", context: "Context"
    ) -> "tuple[np.ndarray, np.ndarray]":
        """Return inputs [N (1 + copies), ...] of the type they had, and targets [N (1 + copies), ...].

        context: of this trial alone, with these rows.
        """
        import numpy as np
        import torch

        if self.copies == 0:
            return inputs, targets
        transforms = [stage.begin(context) for stage in self.transforms]
        enlarged = np.concatenate([inputs] * (1 + self.copies))
        labels = np.concatenate([targets] * (1 + self.copies))
        for start in range(len(inputs), len(enlarged), CHUNK):
            rows = torch.from_numpy(enlarged[start : start + CHUNK])[None]
            beside = torch.from_numpy(labels[start : start + CHUNK])[None]
            for transform in transforms:
                rows = transform(rows, beside)
            enlarged[start : start + CHUNK] = rows[0].numpy()
        return enlarged, labels
