"""Trials that learned nothing: what they say of test rows is the same for every row, or no better than that.

A mean hides them: a technique may be undecided because it works well in most trials and not at all in some.
"""

import math
from dataclasses import dataclass

import numpy as np

from bench.reporting.standing import DatasetAnalysis

ONE_CLASS = "every test row put into one class"
MEAN = "an error on test rows no smaller than that of their mean"


@dataclass(frozen=True)
class Constant:
    """Of how many scored trials of a technique that is so."""

    technique: str
    count: int
    trials: int


def constant_trials(dataset: DatasetAnalysis) -> dict[str, list[Constant]]:
    """Return the techniques of which some trials learned nothing, by what they do instead, in the dataset's order."""
    done = dataset.trials.where(dataset.trials["status"] == "ok")
    ways = {
        ONE_CLASS: np.array([_one_class(matrix) for matrix in done["confusion"]], dtype=bool),
        MEAN: done["r2"] <= 0,
    }
    found = {}
    for what, which in ways.items():
        own = [(one.technique, which[done["technique"] == one.technique]) for one in dataset.planned]
        found[what] = [Constant(name, int(trials.sum()), len(trials)) for name, trials in own if trials.any()]
    return {what: own for what, own in found.items() if own}


def _one_class(matrix: object) -> bool:
    """Return whether a confusion matrix [C x C], flat, true classes first, has rows in one predicted class alone."""
    if not isinstance(matrix, np.ndarray) or not len(matrix):
        return False  # a regression has none
    classes = math.isqrt(len(matrix))
    return np.count_nonzero(matrix.reshape(classes, classes).sum(axis=0)) == 1
