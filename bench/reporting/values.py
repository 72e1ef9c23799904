"""One value of every trial, of any kind: the ranking metric, the gap, the F1 of a class.

Cells are the planned (repeat, fold) of a dataset, in the plan's order; NaN where a trial is not there. C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.bootstrap import DRAWS
from bench.metrics import METRICS, per_class
from bench.reporting.redrawn import Redrawn
from bench.reporting.trials import TRAIN, Trials


@dataclass(frozen=True)
class Values:
    """A value of all techniques' trials.

    cells [techniques, cells]; draws [techniques, draws]: their means over a technique's trials on bootstrap draws of a
    fixed test set's rows, up to a constant, or None where the rows' share of the noise is unknown (or there is none).
    """

    cells: np.ndarray
    draws: np.ndarray | None


def on_cells(done: Mapping[str, Trials], places: Sequence[tuple[int, int]], values: Sequence[np.ndarray]) -> np.ndarray:
    """Return values of each technique's trials, each [trials, ...], on the planned cells [techniques, cells, ...]."""
    column = {place: index for index, place in enumerate(places)}
    cells = np.full((len(done), len(places), *values[0].shape[1:]), np.nan)
    for row, (trials, own) in enumerate(zip(done.values(), values, strict=True)):
        cells[row, [column[place] for place in zip(trials["repeat"], trials["fold"], strict=True)]] = own
    return cells


def scores(
    facts: Mapping[str, Any], done: Mapping[str, Trials], places: Sequence[tuple[int, int]], redrawn: Redrawn | None
) -> Values:
    """Return the ranking metric on test rows."""
    cells = on_cells(done, places, [trials[facts["metric"]] for trials in done.values()])
    return Values(cells, None if redrawn is None else redrawn.score)


def gaps(
    facts: Mapping[str, Any], done: Mapping[str, Trials], places: Sequence[tuple[int, int]], redrawn: Redrawn | None
) -> Values:
    """Return how much better the ranking metric is on training rows than on test rows; training rows are held fixed."""
    metric = facts["metric"]
    sign = 1 if METRICS[metric].better == "higher" else -1
    cells = on_cells(done, places, [sign * (trials[TRAIN + metric] - trials[metric]) for trials in done.values()])
    return Values(cells, None if redrawn is None or redrawn.score is None else -sign * redrawn.score)


def trained(
    facts: Mapping[str, Any], done: Mapping[str, Trials], places: Sequence[tuple[int, int]], redrawn: Redrawn | None
) -> Values:
    """Return the ranking metric on the rows trained on, which are held fixed: no draw of test rows changes it."""
    cells = on_cells(done, places, [trials[TRAIN + facts["metric"]] for trials in done.values()])
    return Values(cells, None if redrawn is None else np.zeros((len(done), DRAWS)))


def class_f1(
    facts: Mapping[str, Any], done: Mapping[str, Trials], places: Sequence[tuple[int, int]], redrawn: Redrawn | None
) -> list[Values]:
    """Return the F1 of each class [C], such that the mean over a repeat's folds is the F1 pooled over them.

    F1 = 2 hits / (true + predicted) is a ratio of sums. A fold's value is the pooled F1 plus the fold's share in it,
    (2 hits - F1 (true + predicted)) over the mean of (true + predicted): the ratio's linearisation, by which ratios
    are commonly given a standard error (Cochran 1977, eq. 6.9). Of rare classes a single fold's own F1 is mostly noise.
    """
    classes = len(facts["classes"])
    cells = on_cells(done, places, [_fold_f1(trials, classes) for trials in done.values()])
    return [Values(cells[:, :, at], None if redrawn is None else redrawn.class_f1[:, :, at]) for at in range(classes)]


def _fold_f1(trials: Trials, classes: int) -> np.ndarray:
    """Return the folds' values [trials, C]."""
    matrices = confusions(trials, classes)
    repeats, which = np.unique(trials["repeat"], return_inverse=True)
    hits = 2.0 * np.diagonal(matrices, axis1=1, axis2=2)
    size = (matrices.sum(axis=2) + matrices.sum(axis=1)).astype(float)
    pooled = per_class(_sum_by(matrices, which, len(repeats))).f1[which]
    mean = (_sum_by(size, which, len(repeats)) / np.bincount(which)[:, None])[which]
    return pooled + (hits - pooled * size) / np.where(mean > 0, mean, 1.0)


def _sum_by(values: np.ndarray, which: np.ndarray, groups: int) -> np.ndarray:
    """Return the sums of values [n, ...] over the n that are in each group, [groups, ...]."""
    total = np.zeros((groups, *values.shape[1:]), dtype=values.dtype)
    np.add.at(total, which, values)
    return total


def confusions(trials: Trials, classes: int, prefix: str = "") -> np.ndarray:
    """Return the confusion matrices of some trials, int64 [trials, C, C]; ``prefix``: of their columns (``TRAIN``)."""
    held = trials[f"{prefix}confusion"].tolist()
    return np.array(held, dtype=np.int64).reshape(len(trials), classes, classes)


def pooled_confusions(trials: Trials, classes: int) -> np.ndarray:
    """Return the confusion matrices of some trials, pooled over the folds of each repeat, int64 [repeats, C, C]."""
    repeats, which = np.unique(trials["repeat"], return_inverse=True)
    return _sum_by(confusions(trials, classes), which, len(repeats))
