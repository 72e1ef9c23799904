"""Guards on every trial's rows: they keep to their roles, and what is scored is what the dataset gave.

``watch`` runs before anything is fitted, ``check_scored`` before anything is scored; ``bench/canary.py`` guards what
lies between. A guard does not look for a particular mistake but for what a mistake must break: a row has one role, time
and groups stay apart, equal rows do not stand on both sides (``bench/roles.py``), and the evaluation rows have a number
and a hash.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.datasets.base import Data, Dataset
from bench.roles import check_roles
from bench.splits import EVALUATED, Split, evaluated

if TYPE_CHECKING:
    import numpy as np

    from bench.preparation import Prepared
    from bench.recording import HeldOut

SAMPLED = 1000  # rows of each part, evenly spaced, whose scaled values are held against the dataset's
_MOST_SEALS = 1000


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


def _sealed(inputs: "np.ndarray", targets: "np.ndarray") -> tuple[int, str]:
    """Return how many rows these are, and a hash of them."""
    import numpy as np

    hashed = hashlib.sha256()
    for array in (inputs, targets):
        hashed.update(f"{array.dtype}{array.shape}".encode())
        hashed.update(np.ascontiguousarray(array).data)
    return len(targets), hashed.hexdigest()


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
        predicted = len(outputs.get(part, ()))  # of a part without rows there are no outputs
        if predicted != count:
            raise ValueError(f"leak: {predicted} {part} rows are scored, but the dataset gave {count}")
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
