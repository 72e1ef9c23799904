"""Which classes are rare: those with fewer training rows than the mean class, N/C."""

from typing import TYPE_CHECKING

from bench.stages.context import Context

if TYPE_CHECKING:
    import torch


def class_counts(context: Context) -> "torch.Tensor":
    """Return how many rows each trial trains on of each class, int64 [T, C], however batches are drawn from them.

    Raises ValueError for a regression.
    """
    import numpy as np
    import torch

    if context.regression:
        raise ValueError("a regression has no classes, so none that are rare")
    counts = [np.bincount(labels, minlength=context.outputs) for labels in context.targets]
    return torch.from_numpy(np.stack(counts)).to(context.device)


def rare_classes(context: Context) -> "torch.Tensor":
    """Return which classes are rare in each trial, bool [T, C]; none is where all have as many rows.

    Raises ValueError for a regression.
    """
    counts = class_counts(context)
    return counts * context.outputs < counts.sum(1, keepdim=True)
