"""The nouns of what is told beside the verdicts: flattery, memorisation of the tail, interactions, searches.

Nothing here ranks a technique or changes its verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.reporting.searching import Target, Tuned
from bench.statistics import Interval, Verdict

ALIKE = ("equivalent", "identical")  # verdicts by which something is shown not to differ beyond the margin


@dataclass(frozen=True)
class Flattered:
    """How much the best of a training's recorded steps beats what it ended with, on the same test rows.

    each [trials]: per trial with a curve, never negative, in the ranking metric's unit. added: their mean; its interval
    is cut at zero, and covers the trials' noise with the test rows held fixed. gain: the flattered score minus the
    baseline's final one, None where some trial has no curve; verdict: what would have been said of it. The baseline has
    neither.
    """

    technique: str
    is_baseline: bool
    each: np.ndarray
    added: Interval
    gain: Interval | None = None
    verdict: Verdict | None = None

    @property
    def word(self) -> str:
        """Return what the technique would have been called; '' where nothing would have been said."""
        return "" if self.verdict is None else self.verdict.word


SLOPES: Mapping[str, str] = {
    "better": "less in the tail",
    "worse": "more in the tail",
    "equivalent": "alike",
    "identical": "alike",
    "undecided": "undecided",
}  # what is said where the slope is ... than the baseline's


@dataclass(frozen=True)
class Tail:
    """How the gap between training and test rows depends on how many training rows a class has; C classes.

    slope: change of a class's gap (recall on training rows minus recall on test rows) per tenfold rows, by least
    squares in each trial. Negative: rare classes are learned by heart more than common ones. difference: to the
    baseline's slope, paired; verdict: *better* where it is larger. level: the line's gap at one training row.
    rows, train, test [C]: training rows and the two recalls, means over trials; NaN where a class has no rows.
    """

    technique: str
    is_baseline: bool
    slope: Interval
    level: float
    rows: np.ndarray
    train: np.ndarray
    test: np.ndarray
    difference: Interval | None = None
    verdict: Verdict | None = None

    @property
    def gap(self) -> np.ndarray:
        """Return the gap of each class [C]."""
        return self.train - self.test

    @property
    def word(self) -> str:
        """Return how the slope differs from the baseline's in a few words; '' where nothing can be said."""
        return "" if self.verdict is None else SLOPES.get(self.verdict.word, "")


SUMS: Mapping[str, str] = {
    "better": "more than the sum",
    "worse": "less than the sum",
    "equivalent": "additive",
    "identical": "additive",
    "undecided": "undecided",
}  # what two remedies gain together, against what each gains alone


@dataclass(frozen=True)
class Interaction:
    """Two techniques alone and together: what is gained together beyond the sum of what each gains alone.

    contrast: both - first - second + baseline in the ranking metric, cell by cell.
    verdict: *better* where the two gain more than the sum, so that of an error the contrast is negative.
    """

    both: str
    first: str
    second: str
    contrast: Interval
    verdict: Verdict

    @property
    def word(self) -> str:
        """Return the verdict in words; '' where nothing can be said."""
        return SUMS.get(self.verdict.word, "")


@dataclass(frozen=True)
class Asides:
    """What is told of one dataset beside its verdicts; each empty where there is nothing to tell."""

    flattery: tuple[Flattered, ...] = ()
    tails: tuple[Tail, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    searches: tuple[Tuned, ...] = ()
    target: Target | None = None
