"""What a dataset is, and the arrays of one repeat.

N rows, F features, L points of a series, C classes, K regression targets. ``Dataset`` is a frozen value of plain
parameters and light to import: numpy, pandas and scikit-learn are loaded inside its methods.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    import numpy as np

Task = Literal["classification", "regression"]
Kind = Literal["table", "series", "image"]


@dataclass(frozen=True)
class Column:
    """One input column of a table; ``levels`` is 0 for a number, else the count of category codes."""

    name: str
    levels: int = 0


@dataclass(frozen=True)
class Data:
    """The arrays of one repeat.

    inputs   float32 [N, F] for tables, [N, L, channels] for series; uint8 [N, channels, height, width] for images
    targets  int64 [N] for classification, float32 [N, K] for regression
    groups   int64 [N] or None: rows of one group are never split (series, customers)
    time     float64 [N] in days or None: folds are contiguous blocks of it
    test_*   the dataset's own test rows, or None where folds are the test sets
    unit     what regression errors are divided by (for sine: the noise's standard deviation)
    """

    inputs: "np.ndarray"
    targets: "np.ndarray"
    test_inputs: "np.ndarray | None" = None
    test_targets: "np.ndarray | None" = None
    groups: "np.ndarray | None" = None
    test_groups: "np.ndarray | None" = None
    time: "np.ndarray | None" = None
    test_time: "np.ndarray | None" = None
    columns: tuple[Column, ...] = ()
    unit: float = 1.0

    def fingerprint(self) -> str:
        """Return a hash of the actual bytes, shapes and types of all arrays."""
        import numpy as np

        hashed = hashlib.sha256()
        for name in ("inputs", "targets", "test_inputs", "test_targets", "groups", "test_groups", "time", "test_time"):
            array = getattr(self, name)
            if array is not None:
                hashed.update(f"{name}{array.dtype}{array.shape}".encode())
                hashed.update(np.ascontiguousarray(array).data)
        return hashed.hexdigest()[:32]


@dataclass(frozen=True)
class Dataset:
    """A named, parameterised source of arrays. Subclasses add parameters as fields and check them on creation.

    name      what a suite calls it
    revision  raised when the same parameters and seed would give other bytes
    kind      table, series or image
    repeats   'independent': every repeat is a fresh draw of a generator; 'fixed': real data
    prior     the class shares that the test rows stand for: 'training' shares or 'uniform'
    division  how folds are cut: 'stratified', 'group' or 'time'
    gap       days dropped from training on both sides of a validation block (division 'time')
    mirrors   an image and its mirror image show the same class
    ordered   the classes stand from common to rare
    metric    the ranking metric unless the suite says otherwise
    """

    name: ClassVar[str]
    revision: ClassVar[int] = 1
    summary: ClassVar[str]
    source: ClassVar[str]
    kind: ClassVar[Kind]
    repeats: ClassVar[Literal["independent", "fixed"]]
    prior: ClassVar[Literal["training", "uniform"]] = "training"
    gap: ClassVar[float] = 0.0
    mirrors: ClassVar[bool] = False
    ordered: ClassVar[bool] = False
    smoke: ClassVar[dict[str, object]] = {}

    @property
    def task(self) -> Task:
        """Return 'classification' or 'regression'."""
        return "classification"

    @property
    def metric(self) -> str:
        """Return the name of the default ranking metric."""
        return "macro_f1"

    @property
    def division(self) -> Literal["stratified", "group", "time"]:
        """Return how folds are cut."""
        return "stratified"

    @property
    def mixed(self) -> bool:
        """Return whether a table has categories beside numbers."""
        return False

    @property
    def has_test(self) -> bool:
        """Return whether the dataset brings its own test rows (else the folds are the test sets)."""
        return True

    def classes(self) -> tuple[str, ...]:
        """Return the class names in code order; empty for regression."""
        raise NotImplementedError

    def class_counts(self) -> tuple[int, ...] | None:
        """Return (expected) development rows per class, for checks before anything runs; None for regression."""
        raise NotImplementedError

    def blocks(self) -> int | None:
        """Return how many groups or moments the development rows hold, which folds never cut; None where it is open."""
        return None

    def offers(self) -> frozenset[str]:
        """Return what metrics and techniques may need: 'two classes', 'days', 'ordered classes', 'categories'."""
        found = {"two classes": len(self.classes()) == 2, "days": self.division == "time"}
        found |= {"ordered classes": self.ordered, "categories": self.mixed}
        return frozenset(name for name, there in found.items() if there)

    def identity(self) -> dict[str, object]:
        """Return what goes into trial keys: name, revision and parameters, or the fingerprint of real data."""
        from bench.keys import described

        return {"name": self.name, "revision": self.revision, **described(self)}

    def absent(self) -> str:
        """Return why the data are not on this machine, and what would bring them; empty where they are."""
        return ""

    def obtain(self) -> None:
        """Bring absent data to this machine where that is possible; raise UsageError where it is not."""

    def origin(self) -> str:
        """Return where imported data came from, for the report; empty for data that are made or come with a library."""
        return ""

    def make(self, seed: int, repeat: int) -> Data:
        """Return the arrays of one repeat; the same seed and repeat give the same bytes."""
        raise NotImplementedError
