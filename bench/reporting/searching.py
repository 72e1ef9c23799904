"""The nouns of what a report tells of searches: what each value scored on validation rows, and which one was taken."""

from dataclasses import dataclass

import numpy as np

from bench.budgets import diverged_share, expected_best, good_range
from bench.statistics import Interval, Verdict


@dataclass(frozen=True)
class Tuned:
    """A search for one value of one setting on one dataset: V values, R repeats.

    technique: whose value was searched; path: its setting. values [V], ascending. scores [V, R]: the ranking metric on
    validation rows, NaN where a training diverged or failed. chosen: the value that was taken, NaN while none is; edge:
    'low' or 'high' where that lies on an end of the grid even so, else ''. default: the value that the recipe has by
    itself, NaN where it has none; plain: the technique of the suite that trains with it, or ''.
    higher: whether a higher score is better; margin: half the width of practical equivalence.
    test, own_test: mean score on test rows at the chosen value and at the recipe's own; gained: their difference,
    paired, and what is said of it.
    """

    technique: str
    path: str
    values: np.ndarray
    scores: np.ndarray
    chosen: float
    edge: str
    default: float
    plain: str
    higher: bool
    margin: float
    test: float = np.nan
    own_test: float = np.nan
    gained: Interval | None = None
    verdict: Verdict | None = None

    @property
    def word(self) -> str:
        """Return what is said of the chosen value against the recipe's own; '' where nothing can be."""
        return "" if self.verdict is None else self.verdict.word

    @property
    def means(self) -> np.ndarray:
        """Return the mean score of each value [V]; NaN where a training diverged."""
        return self.scores.mean(axis=1)

    @property
    def best(self) -> float:
        """Return the best mean score; NaN where a training diverged at every value."""
        known = self.means[np.isfinite(self.means)]
        return float(known.max() if self.higher else known.min()) if len(known) else np.nan

    @property
    def tries(self) -> np.ndarray:
        """Return what choosing among n of the values scores on average [V], for n = 1 ... V."""
        return expected_best(self.scores, self.higher)

    @property
    def diverged(self) -> float:
        """Return the share of trainings that diverged."""
        return diverged_share(self.scores)

    @property
    def good(self) -> tuple[float, float] | None:
        """Return the first and last of the values in a row that are as good as the best; None where all diverged."""
        if not np.isfinite(self.best):
            return None
        first, last = good_range(self.scores, self.higher, self.margin)
        return float(self.values[first]), float(self.values[last])


@dataclass(frozen=True)
class Reached:
    """How soon the trainings of one technique reached a target: trainings, how many did, median steps and CPU seconds.

    Both medians count those that never did as infinite.
    """

    technique: str
    trainings: int
    reached: int
    steps: float
    seconds: float


@dataclass(frozen=True)
class Target:
    """A validation loss to reach, whose it is, and how soon each technique did."""

    loss: float
    source: str
    reached: tuple[Reached, ...]


def value_text(value: float) -> str:
    """Return a value in three digits, as '0.00316' or '3.16e-5'."""
    text = f"{value:.3g}"
    if 0 < abs(value) < 0.001:
        digits, power = f"{value:.2e}".split("e")
        text = f"{float(digits):g}e{int(power)}"
    return text
