"""Variants of SMOTE that look at a class's rows among all others, by imbalanced-learn: where to put new rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.errors import one_line
from bench.stages.base import require
from bench.stages.sampler import MADE, class_counts, flat, raised, raised_counts
from bench.stages.smoting import Raising

if TYPE_CHECKING:
    import numpy as np

COPIES = 5  # of all rows in float32, where imbalanced-learn is given all of them
_ROUNDED = 2  # new rows per row of a class, on average, so that rounding takes little away
CACHE = 200 * 2**20  # bytes of a support vector machine's kernel that are kept


@dataclass(frozen=True)
class AmongAll(Raising):
    """Base of the variants that look at the rows of a class among those of all others, flattened together."""

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the rows, and after them the new ones. Raises ValueError for a class that cannot be raised."""
        wanted = self.wanted(class_counts(labels))
        make = self.maker(flat(inputs), labels, seed % 2**32)

        def new(label: int) -> "np.ndarray":
            try:
                return make(label, wanted[label])
            except (RuntimeError, ValueError) as error:
                raise ValueError(f"{self.kind} cannot raise class {label}: {one_line(error)}") from error

        return raised(inputs, labels, wanted, new)

    def maker(self, rows: "np.ndarray", labels: "np.ndarray", seed: int) -> Callable[[int, int], "np.ndarray"]:
        """Return (label, rows wanted of the class) -> new rows [M, F], from rows [N, F] and labels [N].

        What is returned raises RuntimeError or ValueError for a class that it cannot raise.
        """
        return lambda label, wanted: self.sampler(label, wanted, seed).fit_resample(rows, labels)[0][len(rows) :]

    def sampler(self, label: int, wanted: int, seed: int) -> Any:
        """Return the imbalanced-learn sampler that raises one class."""
        raise NotImplementedError

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of what is made, and of the copies of all rows."""
        return super().memory(counts, numbers) + 4 * COPIES * numbers * sum(counts.values())


@dataclass(frozen=True)
class BorderlineSmote(AmongAll):
    """SMOTE that starts from rows in danger: half or more of their surroundings, but not all, is of other classes.

    surroundings: how many nearest rows, of any class, tell whether a row is in danger.
    Source: Han et al. 2005, borderline-SMOTE1.
    """

    kind: ClassVar[str] = "borderline-smote"
    surroundings: int = 10

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        require(self.surroundings >= 1, f"surroundings must be at least 1, got {self.surroundings}")

    def maker(self, rows: "np.ndarray", labels: "np.ndarray", seed: int) -> Callable[[int, int], "np.ndarray"]:
        """Return what raises a class, unless none of its rows is in danger, which imbalanced-learn passes over."""
        make = super().maker(rows, labels, seed)

        def checked(label: int, wanted: int) -> "np.ndarray":
            new = make(label, wanted)
            require(
                len(new) > 0,
                f"none of its rows is in danger (of the {self.surroundings} nearest rows half or more, but not all, of "
                "other classes)",
            )
            return new

        return checked

    def sampler(self, label: int, wanted: int, seed: int) -> Any:
        """Return imbalanced-learn's BorderlineSMOTE."""
        from imblearn.over_sampling import BorderlineSMOTE

        return BorderlineSMOTE(
            sampling_strategy={label: wanted},
            random_state=seed,
            k_neighbors=self.neighbours,
            m_neighbors=self.surroundings,
        )


@dataclass(frozen=True)
class SvmSmote(AmongAll):
    """SMOTE that starts from the support vectors of a class: between rows where they are in danger, else outwards.

    The support vectors are those of an SVC with an RBF kernel on all rows, fitted once.
    surroundings: as in BorderlineSmote; a support vector with none of its class among them is left out as noise.
    Source: Nguyen et al. 2011.
    """

    kind: ClassVar[str] = "svm-smote"
    surroundings: int = 10

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        require(self.surroundings >= 1, f"surroundings must be at least 1, got {self.surroundings}")

    def maker(self, rows: "np.ndarray", labels: "np.ndarray", seed: int) -> Callable[[int, int], "np.ndarray"]:
        """Return what raises a class.

        Of a class whose support vectors are all in danger, or all safe, imbalanced-learn makes about half of the rows
        it is asked for; it is asked again until there are enough.
        """
        import numpy as np
        from imblearn.over_sampling import SVMSMOTE
        from sklearn.frozen import FrozenEstimator
        from sklearn.svm import SVC

        machine = FrozenEstimator(SVC(gamma="scale", cache_size=CACHE / 2**20).fit(rows, labels))

        def make(label: int, wanted: int) -> "np.ndarray":
            parts, missing = [], wanted - int((labels == label).sum())
            while missing > 0:
                sampler = SVMSMOTE(
                    sampling_strategy={label: wanted - sum(map(len, parts))},
                    random_state=(seed + len(parts)) % 2**32,
                    k_neighbors=self.neighbours,
                    m_neighbors=self.surroundings,
                    svm_estimator=machine,
                )
                parts.append(sampler.fit_resample(rows, labels)[0][len(rows) :])
                missing -= len(parts[-1])
            return np.concatenate(parts)

        return make

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of what is made, of copies, and of the kernel's cache and support vectors in float64."""
        rows = sum(counts.values())
        return super().memory(counts, numbers) + min(CACHE, 4 * rows**2) + 16 * rows * numbers


@dataclass(frozen=True)
class KmeansSmote(AmongAll):
    """SMOTE within clusters of all rows, among which a class has enough of its own; sparse ones get more new rows.

    clusters: at most; as many as leave each, on average, one row of the class more than neighbours, if that is fewer.
    enriched: a cluster serves where the class's share of it is at least so many times its share of all rows.
    Source: Last, Douzas and Bacao 2017, whose threshold is for two classes (there 1 or none; here between).
    """

    kind: ClassVar[str] = "kmeans-smote"
    clusters: int = 8
    enriched: float = 1.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        require(self.clusters >= 1, f"clusters must be at least 1, got {self.clusters}")
        require(self.enriched >= 0, f"enriched must be at least 0, got {self.enriched}")

    def maker(self, rows: "np.ndarray", labels: "np.ndarray", seed: int) -> Callable[[int, int], "np.ndarray"]:
        """Return what raises a class; imbalanced-learn rounds up in every cluster, which gives a few too many."""
        from imblearn.over_sampling import KMeansSMOTE
        from sklearn.cluster import MiniBatchKMeans

        def make(label: int, wanted: int) -> "np.ndarray":
            count = int((labels == label).sum())
            clusters = min(self.clusters, max(1, count // (self.neighbours + 1)))
            sampler = KMeansSMOTE(
                sampling_strategy={label: wanted},
                random_state=seed,
                k_neighbors=self.neighbours,
                kmeans_estimator=MiniBatchKMeans(clusters, random_state=seed),
                cluster_balance_threshold=self.enriched * count / len(labels),
            )
            return sampler.fit_resample(rows, labels)[0][len(rows) :][: wanted - count]

        return make

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of what is made, of copies, and of all distances within the largest class raised."""
        largest = max((counts[label] for label in raised_counts(counts, self.ratio)), default=0)
        return super().memory(counts, numbers) + 16 * largest**2


@dataclass(frozen=True)
class Adasyn(AmongAll):
    """ADASYN: a row gets new ones in proportion to how many of its nearest rows are of other classes.

    imbalanced-learn rounds every row's part, so that it may make few or none where a class needs few. It is asked for
    twice as many as the class has rows, if that is more than the class needs, of which those needed are drawn.
    Rounding can still leave a class a little short.
    Source: He et al. 2008.
    """

    kind: ClassVar[str] = "adasyn"

    def maker(self, rows: "np.ndarray", labels: "np.ndarray", seed: int) -> Callable[[int, int], "np.ndarray"]:
        """Return what raises a class. A class that lies all by itself is refused by imbalanced-learn."""
        import warnings

        import numpy as np
        from imblearn.over_sampling import ADASYN

        def make(label: int, wanted: int) -> "np.ndarray":
            count = int((labels == label).sum())
            asked = max(wanted, count + _ROUNDED * count)
            sampler = ADASYN(sampling_strategy={label: asked}, random_state=seed, n_neighbors=self.neighbours)
            try:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message="After over-sampling")  # it would be the largest class
                    new = sampler.fit_resample(rows, labels)[0][len(rows) :]
            except RuntimeError as error:
                none = f"none of the {self.neighbours} rows nearest to any of its rows is of another class"
                raise ValueError(f"{none}; use smote") from error
            needed = min(len(new), wanted - count)
            return new[np.sort(np.random.default_rng(seed).permutation(len(new))[:needed])]

        return make

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of what is made, also of what is not needed, and of copies."""
        largest = max((counts[label] for label in raised_counts(counts, self.ratio)), default=0)
        return super().memory(counts, numbers) + 4 * MADE * numbers * _ROUNDED * largest
