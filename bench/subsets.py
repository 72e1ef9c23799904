"""Which rows of its training part a trial trains on, where a suite holds rows back to ask what more data are worth."""

from typing import TYPE_CHECKING

from bench.datasets.base import Data, Dataset
from bench.keys import Streams

if TYPE_CHECKING:
    import numpy as np

REPLICA = 0  # a trial's replicas train on the same rows, as they share its split


def subset(dataset: Dataset, data: Data, rows: "np.ndarray", share: float, streams: Streams) -> "np.ndarray":
    """Return about ``share`` (a fraction above 0) of the rows int64 [N], sorted; all of them, without a draw, at 1.

    A larger share contains every smaller one. Classes keep their shares, to a row, and none loses its last row; where
    folds are whole groups, whole groups are drawn (those first that together show every class), at least one.
    """
    import numpy as np

    if share >= 1:
        return rows
    rng = Streams(streams.seed, streams.dataset, streams.repeat, streams.fold, REPLICA).numpy("rows")
    labels = data.targets[rows] if dataset.task == "classification" else np.zeros(len(rows), dtype=np.int64)
    if dataset.division == "group":
        assert data.groups is not None
        return rows[_of_groups(data.groups[rows], labels, share, rng)]
    order = rng.permutation(len(rows))
    taken = []
    for label in np.unique(labels):
        own = order[labels[order] == label]
        taken.append(own[: max(1, round(share * len(own)))])
    return rows[np.sort(np.concatenate(taken))]


def _of_groups(groups: "np.ndarray", labels: "np.ndarray", share: float, rng: "np.random.Generator") -> "np.ndarray":
    """Return which rows are in the groups drawn, bool [N]."""
    import numpy as np

    order = rng.permutation(np.unique(groups))
    place = np.argsort(order)[np.searchsorted(np.sort(order), groups)]  # of each row's group in the order
    first = {int(place[labels == label].min()) for label in np.unique(labels)}
    order = np.concatenate([order[sorted(first)], np.delete(order, sorted(first))])
    count = max(len(first), round(share * len(order)))
    return np.isin(groups, order[:count])
