"""What a search over a grid of values came to: the best after n tries, the good range, and how many diverged.

All functions take validation scores [V, R] of V ascending values in R repeats, NaN where a training diverged, and
whether higher scores are better. numpy only.
"""

import math

import numpy as np


def ranked(scores: np.ndarray, higher: bool) -> np.ndarray:
    """Return the indices of the values from the best to the worst mean score.

    A value of which a training diverged comes after all others; of equal ones the smaller comes first.
    """
    means = np.round(scores.mean(axis=1), 12)  # so that what is equal is also equal here
    worst = np.where(np.isnan(means), np.inf, -means if higher else means)
    return np.argsort(worst, kind="stable")


def expected_best(scores: np.ndarray, higher: bool) -> np.ndarray:
    """Return what choosing among n values scores on average [V], for n = 1 ... V.

    The n values are any n of the V, each choice equally likely. The best of them is found on all repeats but one and
    scored on the one left out, so that it is not flattered by having been chosen; the mean is over which repeat is left
    out. A training that diverged there scores as its repeat's worst. NaN with fewer than two repeats. With the values
    ranked from the best, the r-th is the best of n with probability C(V - r, n - 1) / C(V, n) (Dodge et al. 2019,
    "Show Your Work", eq. 3, without replacement).
    """
    values, repeats = scores.shape
    if repeats < 2:
        return np.full(values, np.nan)
    told = np.empty((repeats, values))
    for left_out in range(repeats):
        others = np.delete(scores, left_out, axis=1)
        held = _filled(scores[:, left_out], higher)[ranked(others, higher)]
        for number in range(1, values + 1):
            ways = [math.comb(values - place, number - 1) for place in range(1, values + 1)]
            told[left_out, number - 1] = np.dot(ways, held) / math.comb(values, number)
    return told.mean(axis=0)


def _filled(scores: np.ndarray, higher: bool) -> np.ndarray:
    """Return one repeat's scores with the worst in the place of those that diverged; all NaN where all did."""
    known = scores[~np.isnan(scores)]
    if not len(known):
        return scores
    return np.where(np.isnan(scores), known.min() if higher else known.max(), scores)


def good_range(scores: np.ndarray, higher: bool, margin: float) -> tuple[int, int]:
    """Return the first and last index of the run of values around the best whose mean lies within ``margin`` of its.

    Raises ValueError where a training diverged at every value.
    """
    means = scores.mean(axis=1)
    best = int(ranked(scores, higher)[0])
    if math.isnan(means[best]):
        raise ValueError("a training diverged at every value; there is no best one")
    good = np.abs(means - means[best]) <= margin  # NaN compares as false
    first = last = best
    while first > 0 and good[first - 1]:
        first -= 1
    while last + 1 < len(means) and good[last + 1]:
        last += 1
    return first, last


def diverged_share(scores: np.ndarray) -> float:
    """Return the share of all trainings that diverged."""
    return float(np.isnan(scores).mean())


def steps_to_target(steps: np.ndarray, curves: np.ndarray, higher: bool, target: float) -> np.ndarray:
    """Return the first step at which each training's validation score reaches the target [R], inf where none does.

    steps: int [P], ascending; curves: validation scores [R, P], NaN where there is none.
    """
    reached = curves >= target if higher else curves <= target
    return np.where(reached.any(axis=1), steps[reached.argmax(axis=1)], np.inf)
