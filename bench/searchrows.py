"""Which rows a search may see: a value is never chosen on rows, or by rows, that are tested later.

A search is given no test rows at all. A dataset with its own test rows gives it its development rows, which no repeat
tests. A dataset whose folds are its test sets (a user's table) would test every row in some repeat, so where a suite
chooses on it a third of the rows is set apart for searches, once for all repeats: it trains or validates in every
trial and is never tested. Of stretches of time that is the oldest.
"""

import dataclasses
from typing import TYPE_CHECKING, Literal

from bench.cutting import cut, outside
from bench.datasets.base import Data, Dataset
from bench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

THIRDS = 3  # one of so many equal parts of a table's rows is for searches

Use = Literal["all", "scored", "search"]  # of rows: by a suite that chooses nothing, by its scored trials, its searches


def use_of(dataset: Dataset, chooses: bool) -> Use:
    """Return how the scored trials of a dataset use its rows; 'all' unless some are set apart for searches."""
    return "scored" if chooses and not dataset.has_test else "all"


def set_apart(dataset: Dataset, data: Data, seed: int) -> "np.ndarray":
    """Return the rows int64, sorted, that searches have for themselves, of a dataset without own test rows.

    With stretches of time those rows are left out that lie within the dataset's gap of later ones.
    """
    import numpy as np

    rows = np.arange(len(data.targets))
    held = cut(dataset, data, rows, THIRDS, ("search rows", seed, dataset.name))[0]
    return np.intersect1d(held, outside(dataset, data, np.setdiff1d(rows, held)))


def tested(dataset: Dataset, data: Data, seed: int) -> "np.ndarray":
    """Return the rows int64, sorted, of a dataset without own test rows that scored trials may test."""
    import numpy as np

    rows = np.arange(len(data.targets))
    return np.setdiff1d(rows, cut(dataset, data, rows, THIRDS, ("search rows", seed, dataset.name))[0])


def for_search(dataset: Dataset, data: Data, seed: int) -> Data:
    """Return what a search may see of a dataset's arrays: no test rows, and of a table only what is set apart."""
    if dataset.has_test:
        assert data.test_inputs is not None
        assert data.test_targets is not None
        nothing = {"test_inputs": data.test_inputs[:0], "test_targets": data.test_targets[:0]}
        return dataclasses.replace(data, **nothing, test_groups=None, test_time=None)
    rows = set_apart(dataset, data, seed)
    own = {name: _of(getattr(data, name), rows) for name in ("inputs", "targets", "groups", "time")}
    return dataclasses.replace(data, **own, test_inputs=data.inputs[:0], test_targets=data.targets[:0])


def _of(values: "np.ndarray | None", rows: "np.ndarray") -> "np.ndarray | None":
    return None if values is None else values[rows]


def check_enough(dataset: Dataset, folds: int) -> None:
    """Raise UsageError where a third of a dataset's rows is too little to choose on, or the rest to test."""
    if dataset.has_test:
        return
    counts, blocks = dataset.class_counts(), dataset.blocks()
    least, what = min((count, what) for count, what in _units(counts, blocks)) if counts or blocks else (None, "")
    if least is not None and least // THIRDS < folds:
        raise UsageError(
            f"a third of {dataset.name} is set apart to choose values on, and {folds} folds of it need at least "
            f"{THIRDS * folds} {what}, there are {least}; use fewer folds, or give test rows of their own"
        )


def _units(counts: "tuple[int, ...] | None", blocks: int | None) -> list[tuple[int, str]]:
    rows = [(min(counts), "rows of the rarest class")] if counts else []
    return rows + ([(blocks, "groups or moments")] if blocks else [])
