"""Rows keep to their roles: none has two, time and groups stay apart, equal rows do not train and test.

A row that was resampled before the split stands on both sides. Some rows do so by chance: a few images, and rows of a
table with few distinct values. So a class is suspected where more than ``TWINS`` and a tenth of its evaluation rows
have a twin among the training rows that chance hardly explains: were the columns independent, fewer than one in a
thousand such tables would hold an equal row. Where a rare class is copied up to half of the largest, nearly all of its
rows have a twin. Rows that were interpolated before the dataset gave them are nobody's twins, and are not found.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bench.datasets.base import Data, Dataset
from bench.splits import EVALUATED, Split, evaluated

if TYPE_CHECKING:
    import numpy as np

TWINS, TWIN_SHARE = 3, 0.1  # of a class's evaluation rows that may have a twin: the larger of the two
BY_CHANCE = 1e-3  # expected equal rows from which on chance may be their author
PROBED_COLUMNS = 64  # at most, from which that is reckoned
_CHUNK = 4096  # rows whose bytes are hashed at once


def check_roles(dataset: Dataset, data: Data, split: Split) -> None:
    """Raise ValueError where a row has two roles, or where time, groups or equal rows reach from one into another."""
    roles = {"training": split.train, "validation": split.validation}
    if split.test is not None:
        roles["test"] = split.test
    _check_numbers(roles, len(data.targets))
    for name, other in _pairs(roles):
        _check_groups(data.groups, data.groups, (name, roles[name]), (other, roles[other]))
        _check_time(dataset.gap, data.time, (name, roles[name]), (other, roles[other]))
    if split.test is None:
        _check_own_test(dataset, data, roles)
    _check_twins(dataset, data, split)


def _pairs(roles: "Mapping[str, np.ndarray]") -> Iterator[tuple[str, str]]:
    """Yield each pair of roles, that which may know less of the other first."""
    names = list(roles)
    for at, name in enumerate(names):
        for other in names[at + 1 :]:
            yield name, other


def _check_numbers(roles: "Mapping[str, np.ndarray]", count: int) -> None:
    """Refuse row numbers that are out of range, twice in a role, or in two roles."""
    import numpy as np

    for name, rows in roles.items():
        if len(rows) and not 0 <= rows.min() <= rows.max() < count:
            raise ValueError(f"the split numbers {name} rows from {rows.min()} to {rows.max()}, of {count} rows")
        if len(np.unique(rows)) < len(rows):
            raise ValueError(f"the split names {len(rows) - len(np.unique(rows))} {name} rows more than once")
    for name, other in _pairs(roles):
        both = np.intersect1d(roles[name], roles[other])
        if len(both):
            raise ValueError(f"leak: {len(both)} rows are both {name} and {other} rows (as row {both[0]})")


def _check_groups(
    groups: "np.ndarray | None",
    others: "np.ndarray | None",
    one: "tuple[str, np.ndarray]",
    other: "tuple[str, np.ndarray]",
) -> None:
    """Refuse a group that has rows in two roles."""
    import numpy as np

    if groups is None or others is None:
        return
    shared = np.intersect1d(groups[one[1]], others[other[1]])
    if len(shared):
        raise ValueError(
            f"leak: {len(shared)} groups have both {one[0]} and {other[0]} rows (as group {shared[0]}); the split "
            "must keep groups whole"
        )


def _check_time(
    gap: float, time: "np.ndarray | None", one: "tuple[str, np.ndarray]", other: "tuple[str, np.ndarray]"
) -> None:
    """Refuse rows of one role within the time that another spans, or the gap around it; the blocks of a split."""
    if time is None:
        return
    when, held = time[one[1]], time[other[1]]
    near = (when >= held.min() - gap) & (when <= held.max() + gap)
    if near.any():
        raise ValueError(_of_time(int(near.sum()), one[0], other[0], gap))


def _of_time(count: int, name: str, other: str, gap: float) -> str:
    around = f" or within {gap:g} days of it" if gap else ""
    return f"leak: {count} {name} rows lie in the time of the {other} rows{around}; the split ignores time"


def _check_own_test(dataset: Dataset, data: Data, roles: "Mapping[str, np.ndarray]") -> None:
    """Refuse development rows that reach into the time of the dataset's own test rows.

    Groups of those have numbers of their own, which say nothing of the others.
    """
    if data.time is None or data.test_time is None:
        return
    first, last = data.test_time.min() - dataset.gap, data.test_time.max() + dataset.gap
    for name, rows in roles.items():
        inside = (data.time[rows] > first) & (data.time[rows] < last)
        if inside.any():
            raise ValueError(_of_time(int(inside.sum()), name, "test", dataset.gap))


# ---- equal rows on both sides


def _check_twins(dataset: Dataset, data: Data, split: Split) -> None:
    """Refuse evaluation rows of which more also train than chance explains."""
    import numpy as np

    names = _names(data.inputs, data.targets)
    trained = names[split.train]
    for part in EVALUATED:
        inputs, targets = evaluated(data, split, part)
        rows = split.validation if part == "validation" else split.test
        twins = np.isin(_names(inputs, targets) if rows is None else names[rows], trained)
        classes = targets if dataset.task == "classification" else np.zeros(len(targets), dtype=np.int64)
        for label in np.unique(classes[twins]):
            own = np.flatnonzero(twins & (classes == label))
            of = int((classes == label).sum())
            if _too_many(len(own), of):
                _, first = np.unique(trained, return_index=True)
                known = data.inputs[split.train[first]].reshape(len(first), -1)
                strange = _expected(inputs[own].reshape(len(own), -1), known) < BY_CHANCE
                if _too_many(int(strange.sum()), of):
                    named = f" of class '{dataset.classes()[label]}'" if dataset.task == "classification" else ""
                    raise ValueError(
                        f"leak: {int(strange.sum())} of {of} {part} rows{named} also stand among the training rows, "
                        "value by value, as they do where rows are resampled before they are split; drop the copies, "
                        "or keep them together as a group"
                    )


def _too_many(twins: int, rows: int) -> bool:
    return twins > max(TWINS, TWIN_SHARE * rows)


def _names(inputs: "np.ndarray", targets: "np.ndarray") -> "np.ndarray":
    """Return a number int64 [N] for each row that rows of the same inputs and target share."""
    import numpy as np

    found = np.zeros(len(targets), dtype=np.int64)
    for array in (inputs, targets):
        for start in range(0, len(array), _CHUNK):
            rows = np.ascontiguousarray(array[start : start + _CHUNK])
            rows = rows.reshape(len(rows), -1)
            whole = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
            part = found[start : start + _CHUNK]
            part *= 1_000_003
            part += np.fromiter(map(hash, whole.tolist()), dtype=np.int64, count=len(rows))
    return found


def _expected(rows: "np.ndarray", known: "np.ndarray") -> "np.ndarray":
    """Return how many of so many rows would equal each of ``rows`` [K, F] by chance, were columns independent.

    known [N, F]: the distinct rows that tell how common each value is in its column, so that copies do not.
    """
    import numpy as np

    chosen = np.unique(np.linspace(0, rows.shape[1] - 1, min(PROBED_COLUMNS, rows.shape[1])).astype(int))
    logarithm = np.full(len(rows), np.log(len(known)))
    for column in chosen:
        values, counts = np.unique(known[:, column], return_counts=True)  # missing numbers are one value
        place = np.searchsorted(values, rows[:, column]).clip(max=len(values) - 1)
        logarithm += np.log(counts[place] / len(known))
    return np.exp(logarithm)
