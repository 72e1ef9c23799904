"""Wild rows: copies of a dataset in which rows that must not be read are so changed that any use of them would show.

While rows run wild in a thread, ``Dataset.make`` of that kind of dataset gives nothing else there, whoever calls it.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from bench.datasets.base import Data, Dataset

_LARGEST = 1e30  # of a wild number, so that no float32 overflows
_LOCK = threading.RLock()
_tamper: "ContextVar[Callable[[Data], Data] | None]" = ContextVar("tamper", default=None)


def wild_inputs(inputs: np.ndarray, rows: np.ndarray, levels: Sequence[int] = ()) -> np.ndarray:
    """Return a copy of inputs [N, ...] in which some rows run wild.

    Numbers times a thousand and seven more, pixels inverted; levels: of the columns of a table, where a category (above
    0) becomes the next one.
    """
    changed = inputs.copy()
    if inputs.dtype == np.uint8:
        changed[rows] = 255 - changed[rows]
        return changed
    values = changed[rows].astype(np.float64)
    wild = np.clip(values * 1000 + 7, -_LARGEST, _LARGEST)
    for column, count in enumerate(levels):
        if count:
            wild[:, column] = (values[:, column] + 1) % count
    changed[rows] = wild
    return changed


def wild_targets(targets: np.ndarray, rows: np.ndarray, classes: int) -> np.ndarray:
    """Return a copy of targets in which some rows have the next class, or a value times -100."""
    changed = targets.copy()
    changed[rows] = (changed[rows] + 1) % classes if targets.dtype.kind == "i" else -100 * changed[rows]
    return changed


@dataclass(frozen=True)
class Tamper:
    """Makes rows run wild: some development rows int64, and the dataset's own test rows if ``tests``."""

    classes: int
    rows: np.ndarray
    tests: bool

    def __call__(self, data: Data) -> Data:
        """Return the data with these rows wild."""
        levels = [column.levels for column in data.columns]
        rows = self.rows[self.rows < len(data.targets)]  # of another world there may be fewer
        changed = dataclasses.replace(
            data,
            inputs=wild_inputs(data.inputs, rows, levels),
            targets=wild_targets(data.targets, rows, self.classes),
        )
        if not self.tests or data.test_inputs is None or data.test_targets is None:
            return changed
        everything = np.arange(len(data.test_targets))
        return dataclasses.replace(
            changed,
            test_inputs=wild_inputs(data.test_inputs, everything, levels),
            test_targets=wild_targets(data.test_targets, everything, self.classes),
        )


def tampering() -> bool:
    """Return whether rows run wild here and now, so that nothing may be kept of them."""
    return _tamper.get() is not None


@contextlib.contextmanager
def tampered(dataset: Dataset, tamper: Callable[[Data], Data]) -> Iterator[None]:
    """Let ``make`` of this kind of dataset give wild rows while the block runs, in this thread alone."""
    kind = type(dataset)
    make, own = kind.make, "make" in vars(kind)

    def making(self: Dataset, seed: int, repeat: int) -> Data:
        data, change = make(self, seed, repeat), _tamper.get()
        return data if change is None else change(data)

    with _LOCK:
        token = _tamper.set(tamper)
        kind.make = making
        try:
            yield
        finally:
            if own:
                kind.make = make
            else:
                del kind.make
            _tamper.reset(token)
