"""Rows cut into folds: by class, in whole groups, or in stretches of time."""

from typing import TYPE_CHECKING

from bench.datasets.base import Data, Dataset
from bench.keys import numpy_stream

if TYPE_CHECKING:
    import numpy as np


def cut(
    dataset: Dataset, data: Data, rows: "np.ndarray", folds: int, stream: tuple[str | int, ...]
) -> "list[np.ndarray]":
    """Cut ``rows`` into folds, each sorted: time blocks, whole groups, or stratified by class."""
    import numpy as np

    if dataset.division == "time":
        return _time_blocks(data, rows, folds)
    purpose, *parts = stream
    rng = numpy_stream(str(purpose), *parts)
    if dataset.division == "group":
        assert data.groups is not None
        groups = rng.permutation(np.unique(data.groups[rows]))
        if len(groups) < folds:
            raise ValueError(f"{folds} folds need at least {folds} groups, there are {len(groups)}")
        return [rows[np.isin(data.groups[rows], part)] for part in np.array_split(groups, folds)]
    from sklearn.model_selection import KFold, StratifiedKFold

    state = int(rng.integers(2**32))
    if dataset.task == "classification":
        parts_of = StratifiedKFold(folds, shuffle=True, random_state=state).split(rows, data.targets[rows])
    else:
        parts_of = KFold(folds, shuffle=True, random_state=state).split(rows)
    return [rows[held] for _, held in parts_of]


def _time_blocks(data: Data, rows: "np.ndarray", folds: int) -> "list[np.ndarray]":
    """Cut rows into contiguous blocks of time of nearly equal counts; rows of one moment stay together."""
    import numpy as np

    assert data.time is not None
    moments, counts = np.unique(data.time[rows], return_counts=True)
    if len(moments) < folds:
        raise ValueError(f"{folds} folds need at least {folds} moments in time, there are {len(moments)}")
    before = np.cumsum(counts) - counts  # rows earlier than each moment
    cuts = [0]
    for block in range(1, folds):
        best = int(np.abs(before - block * len(rows) // folds).argmin())
        cuts.append(min(max(best, cuts[-1] + 1), len(moments) - folds + block))
    blocks = np.searchsorted(moments[cuts], data.time[rows], side="right") - 1
    return [rows[blocks == block] for block in range(folds)]


def outside(dataset: Dataset, data: Data, held: "np.ndarray") -> "np.ndarray":
    """Return all rows but the held ones, and with time blocks but those within the gap on both sides."""
    import numpy as np

    keep = np.ones(len(data.targets), dtype=bool)
    keep[held] = False
    if dataset.division == "time" and len(held):
        assert data.time is not None
        when = data.time[held]
        keep &= (data.time < when.min() - dataset.gap) | (data.time > when.max() + dataset.gap)
    return np.flatnonzero(keep)
