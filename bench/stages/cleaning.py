"""Samplers that drop training rows by where they lie, by imbalanced-learn.

What is kept are rows of the training set, in its order.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.stages.base import require
from bench.stages.sampler import BESIDE, Resample, class_counts, flat

if TYPE_CHECKING:
    import numpy as np

COPIES = 6  # of all rows in float32, where imbalanced-learn is given all of them
RULES = ("all", "majority")
TREATED = ("larger", "not-smallest")


@dataclass(frozen=True)
class Cleaning(Resample):
    """Base of the samplers that drop rows."""

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the rows that are kept. Raises ValueError where none is left of a class."""
        return cleaned(self.kind, self.sampler(class_counts(labels), seed % 2**32), inputs, labels)

    def sampler(self, counts: dict[int, int], seed: int) -> Any:
        """Return the imbalanced-learn sampler."""
        raise NotImplementedError

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of the copies of all rows, and of what there is beside them."""
        return (4 * COPIES * numbers + BESIDE) * sum(counts.values())


def cleaned(name: str, sampler: Any, inputs: "np.ndarray", labels: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    """Return the rows that a sampler of imbalanced-learn keeps. Raises ValueError where none is left of a class."""
    import numpy as np

    _, codes = np.unique(labels, return_inverse=True)  # some samplers index by class
    sampler.fit_resample(flat(inputs), codes)
    kept = np.sort(sampler.sample_indices_)
    for label, count in class_counts(labels).items():
        require(label in labels[kept], f"{name} leaves none of the {count} training rows of class {label}")
    return inputs[kept], labels[kept]


@dataclass(frozen=True)
class Tidying(Cleaning):
    """Base of those that drop as many rows as seem to be in the way.

    treated: classes that rows are dropped of: 'larger': of more rows than their equal share N / C (of two classes the
    larger one, as the sources have it); 'not-smallest': all but the smallest class, which can cost classes in the
    middle all their rows.
    """

    treated: str = "larger"

    def __post_init__(self) -> None:
        """Check which classes are treated."""
        require(self.treated in TREATED, f"treated must be one of {', '.join(TREATED)}, got '{self.treated}'")

    def classes(self, counts: dict[int, int]) -> list[int]:
        """Return the classes that are treated, by their places among the classes."""
        sizes = [*counts.values()]
        if self.treated == "not-smallest":
            return [code for code in range(len(sizes)) if code != sizes.index(min(sizes))]
        return [code for code, size in enumerate(sizes) if size * len(sizes) > sum(sizes)]


@dataclass(frozen=True)
class TomekLinks(Tidying):
    """Tomek links: a row whose nearest row is of another class, and the other way round, is dropped.

    Source: Tomek 1976.
    """

    kind: ClassVar[str] = "tomek-links"

    def sampler(self, counts: dict[int, int], seed: int) -> Any:
        """Return imbalanced-learn's TomekLinks."""
        from imblearn.under_sampling import TomekLinks

        return TomekLinks(sampling_strategy=self.classes(counts))


@dataclass(frozen=True)
class EditedNearestNeighbours(Tidying):
    """Edited nearest neighbours: a row that its nearest neighbours would not take for its class is dropped.

    neighbours: how many are asked.
    agreement: 'majority': the class that most of them have must be the row's (a tie goes to the smaller class number);
    'all': all of them must be of its class.
    Source: Wilson 1972, where it is the majority.
    """

    kind: ClassVar[str] = "edited-nearest-neighbours"
    neighbours: int = 3
    agreement: str = "majority"

    def __post_init__(self) -> None:
        """Check neighbours and agreement."""
        super().__post_init__()
        require(self.neighbours >= 1, f"neighbours must be at least 1, got {self.neighbours}")
        require(self.agreement in RULES, f"agreement must be one of {', '.join(RULES)}, got '{self.agreement}'")

    def sampler(self, counts: dict[int, int], seed: int) -> Any:
        """Return imbalanced-learn's EditedNearestNeighbours."""
        from imblearn.under_sampling import EditedNearestNeighbours

        agreement = "mode" if self.agreement == "majority" else "all"
        return EditedNearestNeighbours(
            sampling_strategy=self.classes(counts), n_neighbors=self.neighbours, kind_sel=agreement
        )


@dataclass(frozen=True)
class OneSidedSelection(Tidying):
    """One-sided selection: of a treated class, rows are kept that a nearest neighbour gets wrong.

    The neighbour is among the smallest class and ``seeds`` rows of the treated one, drawn at random and kept; then rows
    of it in Tomek links are dropped.
    Source: Kubat and Matwin 1997.
    """

    kind: ClassVar[str] = "one-sided-selection"
    seeds: int = 1

    def __post_init__(self) -> None:
        """Check the seeds."""
        super().__post_init__()
        require(self.seeds >= 1, f"seeds must be at least 1, got {self.seeds}")

    def sampler(self, counts: dict[int, int], seed: int) -> Any:
        """Return imbalanced-learn's OneSidedSelection."""
        from imblearn.under_sampling import OneSidedSelection

        return OneSidedSelection(sampling_strategy=self.classes(counts), n_seeds_S=self.seeds, random_state=seed)


@dataclass(frozen=True)
class NearMiss(Cleaning):
    """NearMiss: every class larger than n_min / ratio is cut to that by distances to rows of the smallest class.

    version 1: rows whose mean distance to their ``neighbours`` nearest rows of the smallest class is least; 2: whose
    mean distance to the ``neighbours`` farthest ones is; 3: of the rows among the ``neighbours`` nearest to any row of
    the smallest class, those farthest from it, and so perhaps fewer than wanted.
    Source: Zhang and Mani 2003.
    """

    kind: ClassVar[str] = "near-miss"
    version: int = 1
    neighbours: int = 3
    ratio: float = 1.0

    def __post_init__(self) -> None:
        """Check version, neighbours and ratio."""
        require(self.version in (1, 2, 3), f"version must be 1, 2 or 3, got {self.version}")
        require(self.neighbours >= 1, f"neighbours must be at least 1, got {self.neighbours}")
        require(0 < self.ratio <= 1, f"ratio must be above 0 and at most 1, got {self.ratio}")

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the rows that are kept. Raises ValueError where the smallest class is too small."""
        import warnings

        smallest = min(class_counts(labels).values())
        require(
            smallest >= self.neighbours,
            f"near-miss with {self.neighbours} neighbours needs as many training rows of every class; the smallest has "
            f"{smallest}",
        )
        with warnings.catch_warnings():  # of version 3 that it finds fewer rows than wanted, as its docstring says
            warnings.filterwarnings("ignore", message="The number of the samples to be selected is larger")
            return super().resample(inputs, labels, seed)

    def sampler(self, counts: dict[int, int], seed: int) -> Any:
        """Return imbalanced-learn's NearMiss, for labels that are codes 0 to C - 1."""
        from imblearn.under_sampling import NearMiss

        return NearMiss(
            sampling_strategy=_cut(counts, self.ratio),
            version=self.version,
            n_neighbors=self.neighbours,
            n_neighbors_ver3=self.neighbours,
        )

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of the copies, and in version 2 of all distances between two classes."""
        smallest, largest = min(counts.values()), max(counts.values())
        return super().memory(counts, numbers) + (40 * smallest * largest if self.version == 2 else 0)


@dataclass(frozen=True)
class InstanceHardness(Cleaning):
    """Instance hardness: every class larger than n_min / ratio is cut to that, the rows hardest to classify first.

    Hard is a row to which a logistic regression (scaled numbers, at most 50 iterations of L-BFGS) that was fitted
    without it, in ``folds`` folds, gives its class a small probability. Rows of equal probability stay together, so
    that a few more may be kept.
    Source: Smith et al. 2014.
    """

    kind: ClassVar[str] = "instance-hardness"
    ratio: float = 1.0
    folds: int = 5

    def __post_init__(self) -> None:
        """Check ratio and folds."""
        require(0 < self.ratio <= 1, f"ratio must be above 0 and at most 1, got {self.ratio}")
        require(self.folds >= 2, f"folds must be at least 2, got {self.folds}")

    def load(self) -> None:
        """Import what it needs before the time is taken."""
        super().load()
        for module in ("linear_model", "pipeline", "preprocessing"):
            importlib.import_module(f"sklearn.{module}")

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the rows that are kept. Raises ValueError where a class has fewer rows than there are folds."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning

        for label, count in class_counts(labels).items():
            require(
                count >= self.folds,
                f"instance-hardness in {self.folds} folds needs {self.folds} training rows of every class; class "
                f"{label} has {count}",
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # an order of rows is wanted, no optimum
            return super().resample(inputs, labels, seed)

    def sampler(self, counts: dict[int, int], seed: int) -> Any:
        """Return imbalanced-learn's InstanceHardnessThreshold, for labels that are codes 0 to C - 1."""
        from imblearn.under_sampling import InstanceHardnessThreshold
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return InstanceHardnessThreshold(
            estimator=make_pipeline(StandardScaler(), LogisticRegression(max_iter=50)),
            sampling_strategy=_cut(counts, self.ratio),
            random_state=seed,
            cv=self.folds,
        )


def _cut(counts: dict[int, int], ratio: float) -> dict[int, int]:
    """Return the rows wanted of every class that is cut, by its place among the classes."""
    limit = round(min(counts.values()) / ratio)
    return {code: limit for code, count in enumerate(counts.values()) if count > limit}
