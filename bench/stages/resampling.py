"""Slot ``resample``: training rows -> training rows, by imbalanced-learn. Sees training rows only.

n_c are the training rows per class, n_min and n_max the smallest and largest. Images and series are flattened for
samplers that measure distances.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.keys import added
from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Resample(Stage):
    """Base of the samplers."""

    def load(self) -> None:
        """Import imbalanced-learn, which takes over a second: no cost of the first trial that a worker resamples."""
        importlib.import_module("imblearn.over_sampling")
        importlib.import_module("imblearn.under_sampling")

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return resampled (inputs [M, ...], labels [M]) from training rows (inputs [N, ...], labels [N]).

        Raises ValueError where the sampler cannot work on these rows.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Selection(Resample):
    """Base of the samplers that only choose rows: imbalanced-learn is given their numbers, which images fit into."""

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the chosen rows, some perhaps several times."""
        rows = self.drawn(labels, seed)[:, None]
        chosen = labels[rows[:, 0]]
        for sampler in self.samplers(_counts(chosen), seed % 2**32):
            rows, chosen = sampler.fit_resample(rows, chosen)
        return inputs[rows[:, 0]], chosen

    def drawn(self, labels: "np.ndarray", seed: int) -> "np.ndarray":
        """Return the numbers of the rows [M] that the samplers choose from: all of them, once."""
        import numpy as np

        return np.arange(len(labels))

    def samplers(self, counts: dict[int, int], seed: int) -> list[Any]:
        """Return the imbalanced-learn samplers to apply in turn."""
        raise NotImplementedError


def _counts(labels: "np.ndarray") -> dict[int, int]:
    import numpy as np

    values, sizes = np.unique(labels, return_counts=True)
    return dict(zip(values.tolist(), sizes.tolist(), strict=True))


def _under(counts: dict[int, int], limit: int, seed: int) -> Any:
    from imblearn.under_sampling import RandomUnderSampler

    wanted = {label: limit for label, count in counts.items() if count > limit}
    return RandomUnderSampler(sampling_strategy=wanted, random_state=seed)


def _over(counts: dict[int, int], limit: int, seed: int) -> Any:
    from imblearn.over_sampling import RandomOverSampler

    wanted = {label: limit for label, count in counts.items() if count < limit}
    return RandomOverSampler(sampling_strategy=wanted, random_state=seed)


@dataclass(frozen=True)
class UnderSample(Selection):
    """Random under-sampling: every class larger than n_min / ratio is cut to that, without replacement.

    ratio: smallest over largest class afterwards, in (0, 1]; 1 cuts every class to the smallest.
    bootstrap: as many rows as there are are first drawn with replacement, and those under-sampled, as balanced bagging
    does for each of its members.
    """

    kind: ClassVar[str] = "under-sample"
    ratio: float = 1.0
    bootstrap: bool = added(False)

    def __post_init__(self) -> None:
        """Check the ratio."""
        require(0 < self.ratio <= 1, f"ratio must be above 0 and at most 1, got {self.ratio}")

    def samplers(self, counts: dict[int, int], seed: int) -> list[Any]:
        """Return one random under-sampler."""
        return [_under(counts, round(min(counts.values()) / self.ratio), seed)]

    def drawn(self, labels: "np.ndarray", seed: int) -> "np.ndarray":
        """Return all row numbers, or a bootstrap of them. Raises ValueError where that draws no row of a class."""
        import numpy as np

        rows = super().drawn(labels, seed)
        if not self.bootstrap:
            return rows
        rows = np.random.default_rng(seed).choice(rows, len(rows))
        for label, count in _counts(labels).items():
            require(label in labels[rows], f"the bootstrap drew none of the {count} training rows of class {label}")
        return rows


@dataclass(frozen=True)
class OverSample(Selection):
    """Random over-sampling: every class smaller than ratio * n_max is raised to that by repeating rows.

    ratio: smallest over largest class afterwards, in (0, 1]; 1 raises every class to the largest.
    """

    kind: ClassVar[str] = "over-sample"
    ratio: float = 1.0

    def __post_init__(self) -> None:
        """Check the ratio."""
        require(0 < self.ratio <= 1, f"ratio must be above 0 and at most 1, got {self.ratio}")

    def samplers(self, counts: dict[int, int], seed: int) -> list[Any]:
        """Return one random over-sampler."""
        return [_over(counts, round(max(counts.values()) * self.ratio), seed)]


@dataclass(frozen=True)
class UnderOverSample(Selection):
    """Both: every class is brought to n_min^(1-position) * n_max^position rows.

    position: 0 under-samples to the smallest class, 1 over-samples to the largest, 0.5 meets half-way (ratios).
    """

    kind: ClassVar[str] = "under-over-sample"
    position: float = 0.5

    def __post_init__(self) -> None:
        """Check the position."""
        require(0 <= self.position <= 1, f"position must be between 0 and 1, got {self.position}")

    def samplers(self, counts: dict[int, int], seed: int) -> list[Any]:
        """Return an under-sampler followed by an over-sampler."""
        smallest, largest = min(counts.values()), max(counts.values())
        limit = round(smallest ** (1 - self.position) * largest**self.position)
        cut = {label: min(count, limit) for label, count in counts.items()}
        return [_under(counts, limit, seed), _over(cut, limit, seed)]


@dataclass(frozen=True)
class Smote(Resample):
    """SMOTE: every class smaller than ratio * n_max is raised to that with points between neighbours of the class.

    neighbours: how many nearest neighbours of its class a row may be mixed with; a class needs more rows than that.
    Source: Chawla et al. 2002.
    """

    kind: ClassVar[str] = "smote"
    neighbours: int = 5
    ratio: float = 1.0

    def __post_init__(self) -> None:
        """Check neighbours and ratio."""
        require(self.neighbours >= 1, f"neighbours must be at least 1, got {self.neighbours}")
        require(0 < self.ratio <= 1, f"ratio must be above 0 and at most 1, got {self.ratio}")

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the rows, and after them the new ones. Raises ValueError for a class that is too small.

        Class by class, so that of images only the new ones of one class are ever floats. A class's neighbours are of
        the class, so imbalanced-learn is given its rows alone, beside one other because it wants two classes.
        """
        import numpy as np
        from imblearn.over_sampling import SMOTE

        counts = _counts(labels)
        limit = round(max(counts.values()) * self.ratio)
        added = {label: limit - count for label, count in counts.items() if count < limit}
        total = len(labels) + sum(added.values())
        all_inputs = np.empty((total, *inputs.shape[1:]), dtype=inputs.dtype)  # filled in place: images are large
        all_labels = np.append(labels, np.repeat([*added], [*added.values()]).astype(labels.dtype))
        all_inputs[: len(labels)] = inputs
        end = len(labels)
        for label, more in added.items():
            count = counts[label]
            if count <= self.neighbours:
                raise ValueError(
                    f"SMOTE with {self.neighbours} neighbours needs more than {self.neighbours} training rows "
                    f"of every class it raises; class {label} has {count}"
                )
            own = np.flatnonzero(labels == label)
            rows = np.append(own, np.flatnonzero(labels != label)[0])
            flat = inputs[rows].reshape(len(rows), -1).astype(np.float32)
            sampler = SMOTE(sampling_strategy={label: limit}, k_neighbors=self.neighbours, random_state=seed % 2**32)
            new = sampler.fit_resample(flat, labels[rows])[0][len(rows) :]
            all_inputs[end : end + more] = _like(inputs, new).reshape(more, *inputs.shape[1:])
            end += more
        return all_inputs, all_labels


def _like(inputs: "np.ndarray", new: "np.ndarray") -> "np.ndarray":
    """Return new rows in the type of the old ones: pixels are rounded, in place."""
    import numpy as np

    if inputs.dtype == np.uint8:
        np.clip(np.rint(new, out=new), 0, 255, out=new)
    return new.astype(inputs.dtype, copy=False)
