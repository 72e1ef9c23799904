"""Slot ``resample``: training rows -> training rows, by imbalanced-learn. Sees training rows only.

n_c are the training rows per class, n_min and n_max the smallest and largest. Inputs of more than two dimensions
are flattened for the sampler and folded back.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.stages.base import Stage, require

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Resample(Stage):
    """Base of the samplers: subclasses say how many rows each class gets and which samplers bring it there."""

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return resampled (inputs [M, ...], labels [M]) from training rows (inputs [N, ...], labels [N]).

        Raises ValueError where the sampler cannot work on these rows.
        """
        import numpy as np

        values, sizes = np.unique(labels, return_counts=True)
        counts = dict(zip(values.tolist(), sizes.tolist(), strict=True))
        flat = inputs.reshape(len(inputs), -1)
        for sampler in self.samplers(counts, seed % 2**32):
            flat, labels = sampler.fit_resample(flat, labels)
        return flat.reshape(len(flat), *inputs.shape[1:]).astype(inputs.dtype, copy=False), labels

    def samplers(self, counts: dict[int, int], seed: int) -> list[Any]:
        """Return the imbalanced-learn samplers to apply in turn."""
        raise NotImplementedError


def _under(counts: dict[int, int], limit: int, seed: int) -> Any:
    from imblearn.under_sampling import RandomUnderSampler

    wanted = {label: limit for label, count in counts.items() if count > limit}
    return RandomUnderSampler(sampling_strategy=wanted, random_state=seed)


def _over(counts: dict[int, int], limit: int, seed: int) -> Any:
    from imblearn.over_sampling import RandomOverSampler

    wanted = {label: limit for label, count in counts.items() if count < limit}
    return RandomOverSampler(sampling_strategy=wanted, random_state=seed)


@dataclass(frozen=True)
class UnderSample(Resample):
    """Random under-sampling: every class larger than n_min / ratio is cut to that, without replacement.

    ratio: smallest over largest class afterwards, in (0, 1]; 1 cuts every class to the smallest.
    """

    kind: ClassVar[str] = "under-sample"
    ratio: float = 1.0

    def __post_init__(self) -> None:
        """Check the ratio."""
        require(0 < self.ratio <= 1, f"ratio must be above 0 and at most 1, got {self.ratio}")

    def samplers(self, counts: dict[int, int], seed: int) -> list[Any]:
        """Return one random under-sampler."""
        return [_under(counts, round(min(counts.values()) / self.ratio), seed)]


@dataclass(frozen=True)
class OverSample(Resample):
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
class UnderOverSample(Resample):
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

    def samplers(self, counts: dict[int, int], seed: int) -> list[Any]:
        """Return imbalanced-learn's SMOTE; raise ValueError for a class that is too small for it."""
        from imblearn.over_sampling import SMOTE

        limit = round(max(counts.values()) * self.ratio)
        wanted = {label: limit for label, count in counts.items() if count < limit}
        for label in wanted:
            if counts[label] <= self.neighbours:
                raise ValueError(
                    f"SMOTE with {self.neighbours} neighbours needs more than {self.neighbours} training rows "
                    f"of every class it raises; class {label} has {counts[label]}"
                )
        return [SMOTE(sampling_strategy=wanted, k_neighbors=self.neighbours, random_state=seed)]
