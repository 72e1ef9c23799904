"""Which rows train, decide and test, per repeat and fold.

A dataset with its own test rows: the k-th fold of the development rows is the validation fold. One without: the
k-th fold is the test fold, and validation rows are carved from the rest. A repeat reshuffles the folds.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.cutting import cut, outside
from bench.datasets.base import Data, Dataset
from bench.errors import UsageError
from bench.keys import numpy_stream
from bench.searchrows import Use, tested

if TYPE_CHECKING:
    import numpy as np

EVALUATED = ("validation", "test")  # the parts whose rows nothing is fitted on
VALIDATION_SHARE = 0.2  # of the training part, where a dataset has no test rows of its own


@dataclass(frozen=True)
class Split:
    """Row numbers int64 of one trial. ``test`` is None where the dataset brings its own test rows."""

    train: "np.ndarray"
    validation: "np.ndarray"
    test: "np.ndarray | None"

    def digest(self) -> str:
        """Return a name for exactly these rows in these roles, so that stored trials can be held against each other."""
        import numpy as np

        hashed = hashlib.sha256()
        for rows in (self.train, self.validation, self.test):
            hashed.update(b"none" if rows is None else np.ascontiguousarray(rows, dtype=np.int64).data)
            hashed.update(b"|")
        return hashed.hexdigest()[:32]


def evaluated(data: Data, split: Split, part: str) -> "tuple[np.ndarray, np.ndarray]":
    """Return the inputs and targets of the validation or test rows, as the dataset gives them."""
    rows = split.validation if part == "validation" else split.test
    if rows is not None:
        return data.inputs[rows], data.targets[rows]
    assert data.test_inputs is not None
    assert data.test_targets is not None
    return data.test_inputs, data.test_targets


def split(dataset: Dataset, data: Data, folds: int, seed: int, repeat: int, fold: int, use: Use = "all") -> Split:
    """Return the rows of one trial. Raises ValueError where a part is left without rows.

    use: 'search' for a trial that is not tested, of data that have no test rows; 'scored' where rows are set apart for
    such trials, and never tested.
    """
    import numpy as np

    rows = tested(dataset, data, seed) if use == "scored" else np.arange(len(data.targets))
    held = cut(dataset, data, rows, folds, ("folds", seed, dataset.name, repeat))[fold]
    rest = outside(dataset, data, held)
    if dataset.has_test or use == "search":
        parts = Split(rest, held, None)
    else:
        carved = _carve(dataset, data, rest, ("carve", seed, dataset.name, repeat, fold))
        train = np.setdiff1d(np.intersect1d(rest, outside(dataset, data, carved)), carved)
        parts = Split(train, carved, held)
    for name, rows in (("training", parts.train), ("validation", parts.validation), ("test", parts.test)):
        if rows is not None and len(rows) == 0:
            raise ValueError(f"fold {fold} of {folds} leaves no {name} rows; use fewer folds or more rows")
    return parts


def _carve(dataset: Dataset, data: Data, rest: "np.ndarray", stream: tuple[str | int, ...]) -> "np.ndarray":
    """Return validation rows from the training part: its latest time block, whole groups, or rows of every class."""
    import numpy as np

    if dataset.division == "stratified" and dataset.task == "classification":
        return _share_of_each_class(data.targets, rest, stream)
    units = {"time": data.time, "group": data.groups}.get(dataset.division)
    available = len(rest) if units is None else len(np.unique(units[rest]))
    if available < 2:
        what = {"time": "moments", "group": "groups"}.get(dataset.division, "rows")
        raise ValueError(
            f"too few {what} to carve validation rows from the training part; use other folds or more rows"
        )
    return cut(dataset, data, rest, min(round(1 / VALIDATION_SHARE), available), stream)[-1]


def _share_of_each_class(targets: "np.ndarray", rows: "np.ndarray", stream: tuple[str | int, ...]) -> "np.ndarray":
    """Return a fifth of the rows of each class, sorted; at least one of a class with two, so that both parts see it."""
    import numpy as np

    purpose, *parts = stream
    rng = numpy_stream(str(purpose), *parts)
    taken = []
    for label in np.unique(targets[rows]):
        own = rng.permutation(rows[targets[rows] == label])
        taken.append(own[: max(round(VALIDATION_SHARE * len(own)), min(1, len(own) - 1))])
    return np.sort(np.concatenate(taken))


def check_folds(dataset: Dataset, folds: int) -> None:
    """Raise UsageError where the rarest class has fewer rows, or the dataset fewer groups or moments, than folds."""
    if folds < 2:
        raise UsageError(f"folds must be at least 2, got {folds}")
    _check_blocks(dataset, folds)
    counts = dataset.class_counts()
    if counts and min(counts) < folds:
        rarest = dataset.classes()[counts.index(min(counts))]
        remedy = f"use at most {min(counts)} folds or more rows" if min(counts) >= 2 else "it needs at least 2"
        raise UsageError(
            f"{folds} folds are more than the rarest class allows: '{rarest}' of {dataset.name} has about "
            f"{min(counts)} rows; {remedy}"
        )


def _check_blocks(dataset: Dataset, folds: int) -> None:
    """Raise UsageError where folds of whole groups or moments would leave a part without any."""
    held = dataset.blocks()
    if held is None:
        return
    unit = "group" if dataset.division == "group" else "moment"
    there = f"{dataset.name} has {held} {unit}{'s' * (held != 1)}"
    if held < folds:
        remedy = f"use at most {held} folds or more of them" if held > 1 else "it needs at least 2"
        raise UsageError(f"{folds} folds are more than whole {unit}s allow: {there}; {remedy}")
    rest = held - -(-held // folds)
    if not dataset.has_test and rest < 2:
        raise UsageError(
            f"{folds} folds leave too little beside a test fold: {there}, and training and validation rows need one "
            "each too; use more folds or more of them"
        )


def folds_of_repeat(folds: int, folds_per_repeat: int, repeat: int) -> tuple[int, ...]:
    """Return which folds a repeat uses: with m per repeat, repeat r uses folds (r m + j) mod k for j < m."""
    return tuple((repeat * folds_per_repeat + index) % folds for index in range(folds_per_repeat))


def picture(folds: int, chosen: Sequence[int] | None = None) -> list[str]:
    """Return one line per fold, T for blocks that train and V for the one held out: TTTTV, TTTVT, ..."""
    lines = ["".join("V" if block == folds - 1 - fold else "T" for block in range(folds)) for fold in range(folds)]
    return lines if chosen is None else [lines[fold] for fold in chosen]


def target_prior(dataset: Dataset, training_counts: "np.ndarray") -> "np.ndarray":
    """Return the class shares float64 [C] that the dataset's test rows stand for."""
    import numpy as np

    if dataset.prior == "uniform":
        return np.full(len(training_counts), 1 / len(training_counts))
    return training_counts / training_counts.sum()
