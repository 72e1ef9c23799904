"""Guards on every trial's rows: they keep to their roles, and what is scored is what the dataset gave.

``watch`` runs before anything is fitted, ``check_scored`` before anything is scored; ``bench/canary.py`` guards what
lies between. A guard does not look for a particular mistake but for what a mistake must break: a row has one role, time
and groups stay apart, equal rows do not stand on both sides, the evaluation rows have a count and a hash.

A row that was resampled before the split stands on both sides. Some rows do so by chance: a few images, and rows of a
table with few distinct values. So a class is suspected where more than ``TWINS`` and a tenth of its evaluation rows
have a twin among the training rows that chance hardly explains: were the columns independent, less than one in a
thousand such tables would hold an equal row. Copies of the rare class to half of the largest give nearly all of
its rows a twin. Rows that were interpolated before the dataset gave them are nobody's twins, and are not found.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.datasets.base import Data, Dataset
from bench.splits import Split

if TYPE_CHECKING:
    import numpy as np

    from bench.preparation import Prepared
    from bench.recording import HeldOut

TWINS, TWIN_SHARE = 3, 0.1  # of a class's evaluation rows that may have a twin: the larger of the two
BY_CHANCE = 1e-3  # expected equal rows from which on chance may be their author
PROBED_COLUMNS = 64  # at most, from which that is reckoned
SAMPLED = 1000  # rows of each part, evenly spaced, whose scaled values are held against the dataset's
EVALUATED = ("validation", "test")
_MOST_SEALS = 1000
_CHUNK = 4096  # rows whose bytes are hashed at once


@dataclass(frozen=True)
class Seal:
    """What the evaluation rows of a trial are: by part, how many, and a hash of their inputs and targets."""

    rows: Mapping[str, tuple[int, str]]

    @property
    def digest(self) -> str:
        """Return one name for all of them."""
        return hashlib.sha256(repr(sorted(self.rows.items())).encode()).hexdigest()[:32]


_seals: dict[tuple[str, str, str], Seal] = {}


def watch(dataset: Dataset, data: Data, split: Split, fingerprint: str) -> Seal:
    """Check the roles of a trial's rows, and seal those that it is evaluated on; done once per world and split.

    fingerprint: that of the data. Raises ValueError in a sentence that says what is wrong.
    """
    key = (dataset.name, fingerprint, split.digest())
    if key not in _seals:
        check_roles(dataset, data, split)
        if len(_seals) >= _MOST_SEALS:
            _seals.clear()
        _seals[key] = Seal({name: _sealed(*evaluated(data, split, name)) for name in EVALUATED})
    return _seals[key]


def evaluated(data: Data, split: Split, part: str) -> "tuple[np.ndarray, np.ndarray]":
    """Return the inputs and targets of the validation or test rows, as the dataset gives them."""
    rows = split.validation if part == "validation" else split.test
    if rows is not None:
        return data.inputs[rows], data.targets[rows]
    assert data.test_inputs is not None
    assert data.test_targets is not None
    return data.test_inputs, data.test_targets


def _sealed(inputs: "np.ndarray", targets: "np.ndarray") -> tuple[int, str]:
    """Return how many rows these are, and a hash of them."""
    import numpy as np

    hashed = hashlib.sha256()
    for array in (inputs, targets):
        hashed.update(f"{array.dtype}{array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).data)
    return len(targets), hashed.hexdigest()


# ---- before anything is fitted


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


# ---- before anything is scored


def check_scored(
    seal: Seal,
    data: Data,
    split: Split,
    members: "tuple[Prepared, ...]",
    test: "HeldOut",
    outputs: "Mapping[str, np.ndarray]",
) -> None:
    """Raise ValueError unless what is scored is what was sealed: rows, their number, their scaled values, the truth.

    outputs [N, C] by part; of the scaled values ``SAMPLED`` evenly spaced rows of each part are looked at.
    """
    import numpy as np

    for part in EVALUATED:
        inputs, targets = evaluated(data, split, part)
        if _sealed(inputs, targets) != seal.rows[part]:
            raise ValueError(f"leak: the {part} rows were changed after the split")
        count, _ = seal.rows[part]
        if len(outputs[part]) != count:
            raise ValueError(f"leak: {len(outputs[part])} {part} rows are scored, but the dataset gave {count}")
    if not np.array_equal(test.truth, evaluated(data, split, "test")[1]):
        raise ValueError("leak: test rows are scored against other targets than the dataset gave")
    for place, member in enumerate(members):
        _check_member(data, split, member, test.inputs if place == 0 else None)


def _check_member(data: Data, split: Split, member: "Prepared", tests: "np.ndarray | None") -> None:
    """Refuse scaled rows that are not the dataset's own of that part, in number and, where looked at, in value.

    tests: the scaled test rows, where they are to be looked at too.
    """
    import numpy as np

    strange = np.setdiff1d(member.rows, split.train)
    if len(strange):
        raise ValueError(f"leak: {len(strange)} rows train that are no training rows (as row {strange[0]})")
    held = {"training": (data.inputs, member.rows, member.own_inputs)}
    held["validation"] = (data.inputs, split.validation, member.validation_inputs)
    if tests is not None and split.test is not None:
        held["test"] = (data.inputs, split.test, tests)
    elif tests is not None and data.test_inputs is not None:
        held["test"] = (data.test_inputs, np.arange(len(data.test_inputs)), tests)
    raw, scaled, ends = [], [], [0]
    for part, (inputs, rows, own) in held.items():
        if len(own) != len(rows):
            raise ValueError(f"leak: {len(own)} {part} rows are evaluated, but the dataset gave {len(rows)}")
        some = np.unique(np.linspace(0, len(rows) - 1, min(SAMPLED, len(rows))).astype(int))
        raw.append(inputs[rows[some]])
        scaled.append(own[some])
        ends.append(ends[-1] + len(some))
    expected = member.scaling.inputs(np.concatenate(raw))  # one call: each has a cost of its own
    for at, part in enumerate(held):
        own = expected[ends[at] : ends[at + 1]]
        if not np.array_equal(own, scaled[at], equal_nan=own.dtype.kind == "f"):
            raise ValueError(f"leak: the {part} rows that are evaluated are not those that the dataset gave")
    targets = {"training": (data.targets[member.rows], member.own_targets)}
    targets["validation"] = (data.targets[split.validation], member.validation_targets)
    for part, (given, own) in targets.items():
        if not np.array_equal(member.scaling.targets(given), own):
            raise ValueError(f"leak: the {part} rows that are evaluated have other targets than the dataset gave")
