"""SMOTE, and then rows of all classes that lie among others are dropped, by imbalanced-learn."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.cleaning import cleaned
from bench.stages.sampler import BESIDE, raised_counts
from bench.stages.smoting import Smote

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class SmoteTomek(Smote):
    """SMOTE, and then both rows of every Tomek link are dropped, old and new ones of all classes.

    Source: Batista et al. 2004.
    """

    kind: ClassVar[str] = "smote-tomek"

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return what is left. Raises ValueError for a class that is too small, or of which nothing is left."""
        from imblearn.under_sampling import TomekLinks

        return cleaned(self.kind, TomekLinks(sampling_strategy="all"), *super().resample(inputs, labels, seed))

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of SMOTE, or of cleaning its rows if those are more."""
        return max(super().memory(counts, numbers), _cleaning(self, counts, numbers))


@dataclass(frozen=True)
class SmoteEnn(Smote):
    """SMOTE, and then rows that most of their 3 nearest neighbours are not of the class of are dropped, of all classes.

    Source: Batista et al. 2004, where a row goes if two of the three are of other classes.
    """

    kind: ClassVar[str] = "smote-enn"

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return what is left. Raises ValueError for a class that is too small, or of which nothing is left."""
        from imblearn.under_sampling import EditedNearestNeighbours

        sampler = EditedNearestNeighbours(sampling_strategy="all", n_neighbors=3, kind_sel="mode")
        return cleaned(self.kind, sampler, *super().resample(inputs, labels, seed))

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of SMOTE, or of cleaning its rows if those are more."""
        return max(super().memory(counts, numbers), _cleaning(self, counts, numbers))


def _cleaning(smote: Smote, counts: dict[int, int], numbers: int) -> int:
    """Return the bytes of all rows as they are, and of three copies in float32 with what there is beside them."""
    return (4 * 4 * numbers + BESIDE) * sum((counts | raised_counts(counts, smote.ratio)).values())
