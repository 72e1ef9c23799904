"""SMOTE and SMOTE-NC, by imbalanced-learn: smaller classes are raised with points between rows of the class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import require
from bench.stages.sampler import BESIDE, MADE, Resample, class_counts, flat, raised, raised_counts

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Raising(Resample):
    """Base of the samplers that raise classes with points between rows of the class.

    neighbours: how many nearest neighbours of its class a row may be mixed with; a class needs more rows than that.
    ratio: every class smaller than ratio * n_max is raised to that, in (0, 1]; 1 raises every class to the largest.
    """

    neighbours: int = 5
    ratio: float = 1.0

    def __post_init__(self) -> None:
        """Check neighbours and ratio."""
        require(self.neighbours >= 1, f"neighbours must be at least 1, got {self.neighbours}")
        require(0 < self.ratio <= 1, f"ratio must be above 0 and at most 1, got {self.ratio}")

    def wanted(self, counts: dict[int, int]) -> dict[int, int]:
        """Return how many rows each class that is raised will have. Raises ValueError for one that is too small."""
        wanted = raised_counts(counts, self.ratio)
        for label in wanted:
            require(
                counts[label] > self.neighbours,
                f"{self.kind} with {self.neighbours} neighbours needs more than {self.neighbours} training rows "
                f"of every class it raises; class {label} has {counts[label]}",
            )
        return wanted

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of the rows given back, and of the largest class being made."""
        wanted = raised_counts(counts, self.ratio)
        made = max((limit - counts[label] for label, limit in wanted.items()), default=0)
        return 4 * numbers * (sum((counts | wanted).values()) + MADE * made)


@dataclass(frozen=True)
class Smote(Raising):
    """SMOTE: every class smaller than ratio * n_max is raised to that with points between neighbours of the class.

    Source: Chawla et al. 2002.
    """

    kind: ClassVar[str] = "smote"

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the rows, and after them the new ones. Raises ValueError for a class that is too small.

        A class's neighbours are of the class, so imbalanced-learn is given its rows alone, beside one other because it
        wants two classes.
        """
        import numpy as np
        from imblearn.over_sampling import SMOTE

        wanted = self.wanted(class_counts(labels))

        def new(label: int) -> "np.ndarray":
            own = np.flatnonzero(labels == label)
            rows = np.append(own, np.flatnonzero(labels != label)[0])
            sampler = SMOTE(
                sampling_strategy={label: wanted[label]}, k_neighbors=self.neighbours, random_state=seed % 2**32
            )
            return sampler.fit_resample(flat(inputs[rows]), labels[rows])[0][len(rows) :]

        return raised(inputs, labels, wanted, new)


@dataclass(frozen=True)
class Smotenc(Raising):
    """SMOTE-NC, for tables of numbers and categories: a new row has the category that most neighbours have.

    Two rows that differ in a category are as far apart in it as the median standard deviation of the numbers.
    Source: Chawla et al. 2002, section 6.1.
    """

    kind: ClassVar[str] = "smotenc"

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Raise ValueError: without categories this is no sampler."""
        raise ValueError("smotenc needs a table with categories, and there are none here; use smote")

    def resample_table(
        self, inputs: "np.ndarray", labels: "np.ndarray", seed: int, categories: Sequence[slice]
    ) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the rows, and after them the new ones, whose categories are encoded as those of the rows.

        Raises ValueError for a class that is too small, and for a table without numbers.
        """
        import numpy as np
        from imblearn.over_sampling import SMOTENC

        first = categories[0].start
        require(first > 0, "smotenc needs a table with numbers beside its categories, and there are none here")
        wanted = self.wanted(class_counts(labels))
        codes = [_decoded(inputs[:, place]) for place in categories]
        sampler = SMOTENC(
            categorical_features=[*range(first, first + len(codes))],
            sampling_strategy=wanted,
            random_state=seed % 2**32,
            k_neighbors=self.neighbours,
        )
        table, all_labels = sampler.fit_resample(np.column_stack([inputs[:, :first], *codes]), labels)
        made = table[len(inputs) :]
        encoded = [_encoded(made[:, first + at], place) for at, place in enumerate(categories)]
        new = np.column_stack([made[:, :first], *encoded]).astype(inputs.dtype)
        return np.concatenate([inputs, new]), all_labels

    def memory(self, counts: dict[int, int], numbers: int) -> int:
        """Return the bytes of what is made; of all rows, and of each new row's neighbours."""
        made = sum((counts | raised_counts(counts, self.ratio)).values())
        return (4 * numbers * (MADE + self.neighbours) + BESIDE) * made


def _decoded(group: "np.ndarray") -> "np.ndarray":
    """Return the codes [N] of a category encoded one-hot [N, levels]; ``levels`` for a row that has none."""
    import numpy as np

    return np.where(group.any(1), group.argmax(1), group.shape[1])


def _encoded(codes: "np.ndarray", place: slice) -> "np.ndarray":
    """Return codes [N] one-hot [N, levels]."""
    import numpy as np

    levels = place.stop - place.start
    return np.eye(levels + 1, levels)[codes.astype(int)]
