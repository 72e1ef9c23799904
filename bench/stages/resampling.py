"""Random samplers of training rows, by imbalanced-learn; the other samplers are in files of their own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.keys import added
from bench.stages.base import require
from bench.stages.sampler import Resample, class_counts
from bench.stages.smoting import Smote

if TYPE_CHECKING:
    import numpy as np

__all__ = ["OverSample", "Resample", "Selection", "Smote", "UnderOverSample", "UnderSample"]


@dataclass(frozen=True)
class Selection(Resample):
    """Base of the samplers that only choose rows: imbalanced-learn is given their numbers, which images fit into."""

    def resample(self, inputs: "np.ndarray", labels: "np.ndarray", seed: int) -> tuple["np.ndarray", "np.ndarray"]:
        """Return the chosen rows, some perhaps several times."""
        rows = self.drawn(labels, seed)[:, None]
        chosen = labels[rows[:, 0]]
        for sampler in self.samplers(class_counts(chosen), seed % 2**32):
            rows, chosen = sampler.fit_resample(rows, chosen)
        return inputs[rows[:, 0]], chosen

    def drawn(self, labels: "np.ndarray", seed: int) -> "np.ndarray":
        """Return the numbers of the rows [M] that the samplers choose from: all of them, once."""
        import numpy as np

        return np.arange(len(labels))

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
class UnderSample(Selection):
    """Random under-sampling: every class larger than n_min / ratio is cut to that, without replacement.

    ratio: smallest over largest class afterwards, in (0, 1]; 1 cuts every class to the smallest.
    bootstrap: first as many rows of each class as there are are drawn with replacement, and those under-sampled, as for
    each member of balanced bagging (Chen 2004, whose bootstrap is within classes too: none can be missed).
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
        """Return all row numbers, or a bootstrap of them, class after class."""
        import numpy as np

        rows = super().drawn(labels, seed)
        if not self.bootstrap:
            return rows
        rng = np.random.default_rng(seed)
        own = [rows[labels == label] for label in class_counts(labels)]
        return np.concatenate([rng.choice(each, len(each)) for each in own])


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
