"""Bootstrap draws of the rows of a fixed test set: what a score would have been on other test rows.

N rows, C classes. Every draw says how often each row counts, and the draws follow from N and a seed alone, so that all
techniques meet the same rows. Trials are held fixed. Scores made of counts or of row means are matrix products of the
draws with what is known of each row, which is why only these have an interval on a fixed test set.
"""

import functools
from dataclasses import dataclass

import numpy as np

DRAWS = 500


@functools.lru_cache(maxsize=2)
def row_counts(rows: int, seed: int = 0) -> np.ndarray:
    """Return how often each row is in each bootstrap draw, float32 [draws, N]: the same for all techniques."""
    rng = np.random.default_rng(seed)
    counts = np.empty((DRAWS, rows), dtype=np.float32)
    for draw in counts:
        draw[:] = np.bincount(rng.integers(rows, size=rows), minlength=rows)
    counts.flags.writeable = False
    return counts


@dataclass(frozen=True)
class DrawnRows:
    """The draws of a test set's rows, taken apart by true class: a confusion matrix needs no more than that.

    rows [C]: the rows of each class; counts [C]: float32 [draws, rows of the class], how often each is drawn.
    """

    rows: tuple[np.ndarray, ...]
    counts: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, truth: np.ndarray, classes: int, seed: int = 0) -> "DrawnRows":
        """Return the draws of the rows whose true classes are ``truth`` [N]."""
        rows = tuple(np.flatnonzero(truth == label) for label in range(classes))
        counts = row_counts(len(truth), seed)
        return cls(rows, tuple(np.ascontiguousarray(counts[:, own]) for own in rows))

    def confusions(self, labels: np.ndarray) -> np.ndarray:
        """Return confusion matrices of predicted classes labels [trials, N] on each draw, int64 [trials, draws, C, C].

        For each true class one matrix product, of all trials at once. Trials and draws lie innermost in memory, as
        every sum over classes is quicker so.
        """
        trials, classes = len(labels), len(self.rows)
        found = np.empty((classes, classes, trials, DRAWS), dtype=np.int64).transpose(2, 3, 0, 1)
        for true, (own, counts) in enumerate(zip(self.rows, self.counts, strict=True)):
            hot = (labels.T[own, :, None] == np.arange(classes)).astype(np.float32)  # [rows of the class, trials, C]
            products = (counts @ hot.reshape(len(own), -1)).reshape(DRAWS, trials, classes)
            found[:, :, true] = np.rint(products).swapaxes(0, 1)
        return found


def drawn_errors(truth: np.ndarray, predicted: np.ndarray, metric: str, seed: int = 0) -> np.ndarray:
    """Return RMSE, MAE or R2 on each draw of the test rows, averaged over trials held fixed: float [draws].

    truth [N], predicted [trials, N], in the target's unit. RMSE and MAE are functions of row means; so is R2, as the
    variance of the drawn truth is the mean of its squares less the square of its mean.
    """
    shares = row_counts(len(truth), seed).astype(np.float64) / len(truth)
    errors = (predicted.astype(np.float64) - truth).T  # [N, trials]
    if metric == "mae":
        return (shares @ np.abs(errors)).mean(axis=1)
    squares = shares @ np.square(errors)
    if metric == "rmse":
        return np.sqrt(squares).mean(axis=1)
    apart = truth - truth.mean(dtype=np.float64)
    variance = shares @ np.square(apart) - np.square(shares @ apart)
    return (1 - squares / np.where(variance > 0, variance, np.nan)[:, None]).mean(axis=1)


def row_standard_error(technique: np.ndarray, baseline: np.ndarray | float = 0.0) -> float:
    """Return the standard error over test rows of a difference, or of a score, from what ``drawn_...`` gave."""
    return float((technique - baseline).std(ddof=1))
