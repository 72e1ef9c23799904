"""Which classes are learned by heart: the gap between training and test rows of each class, against its rows.

A class's gap is its recall on training rows minus its recall on test rows. A trial's slope is that of least squares of
the gaps on log10 of the training rows, every class counting once. Slopes are linear in the gaps, so that they are
compared as scores are. With two classes the line runs through both points.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.reporting.asides import Tail
from bench.reporting.ground import Ground
from bench.reporting.trials import TRAIN, Trials
from bench.reporting.values import Values, confusions, on_cells

LEAST_RATIO = 2.0  # of the largest class's training rows to the smallest's; below it support tells nothing


def measure(ground: Ground) -> tuple[Tail, ...]:
    """Return how each technique's gap depends on support, the baseline among them; empty where that is unknown.

    That is: for a regression, where confusion matrices on training rows are not stored, and where all classes have
    about as many training rows. Differences within ``equivalence`` (of recall, per tenfold rows) count as none.
    """
    facts = ground.facts
    classes = len(facts["classes"])
    if facts["task"] != "classification":
        return ()
    each = [lines_of(trials, classes) for trials in ground.done.values()]
    if not any(_varied(one.rows) for one in each):
        return ()
    slopes = on_cells(ground.done, ground.places, [one.slope for one in each])
    held = Values(slopes, _drawn(ground, [one.weights for one in each]))
    found = {}
    for index, (name, one) in enumerate(zip(ground.names, each, strict=True)):
        slope = ground.comparer.interval(held, index)
        if slope is not None and index not in ground.again:
            level = float(np.nanmean(one.level))
            rows, train, test = (_mean(values) for values in (one.rows, one.train, one.test))
            found[index] = Tail(name, index == ground.base, slope, level, rows, train, test)
    return tuple(_compared(ground, held, found))


@dataclass(frozen=True)
class Lines:
    """The line of each trial: slope and level (its gap at one training row) [trials].

    weights [trials, C]: by how much the slope changes with each class's gap; 0 for a class without rows in training
    or test. rows, train, test [trials, C]: training rows and both recalls; NaN for such a class.
    """

    slope: np.ndarray
    level: np.ndarray
    weights: np.ndarray
    rows: np.ndarray
    train: np.ndarray
    test: np.ndarray


def lines_of(trials: Trials, classes: int) -> Lines:
    """Return the lines of some trials; NaN where fewer than two classes, or all of one size, are known."""
    here, there = (confusions(_with_lists(trials, classes), classes, prefix) for prefix in (TRAIN, ""))
    rows, tested = here.sum(axis=2).astype(float), there.sum(axis=2)
    known = (rows > 0) & (tested > 0)
    train, test = (
        np.where(known, np.diagonal(one, axis1=1, axis2=2) / np.maximum(one.sum(axis=2), 1), np.nan)
        for one in (here, there)
    )
    x = np.log10(np.maximum(rows, 1.0))
    count = known.sum(axis=1, keepdims=True)
    middle = (x * known).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    apart = np.where(known, x - middle, 0.0)
    squares = (apart**2).sum(axis=1, keepdims=True)
    weights = apart / np.where(squares > 0, squares, np.nan)
    gaps = np.where(known, train - test, 0.0)
    slope = (weights * gaps).sum(axis=1)
    level = gaps.sum(axis=1) / np.maximum(count[:, 0], 1) - slope * middle[:, 0]
    return Lines(slope, level, weights, np.where(known, rows, np.nan), train, test)


def _with_lists(trials: Trials, classes: int) -> Trials:
    """Return the trials with an empty matrix where none is stored, so that they have no line."""
    nothing = np.zeros(classes**2, dtype=np.int64)

    def filled(cell: Any) -> Any:
        return cell if isinstance(cell, np.ndarray) and len(cell) == classes**2 else nothing

    held = {}
    for name in (f"{TRAIN}confusion", "confusion"):
        held[name] = np.empty(len(trials), dtype=object)
        held[name][:] = [filled(cell) for cell in trials[name]]
    return Trials({**trials.columns, **held})


def _varied(rows: np.ndarray) -> bool:
    """Return whether support [trials, C] differs enough between classes."""
    known = _mean(rows)
    known = known[np.isfinite(known)]
    return len(known) > 1 and bool(known.max() >= LEAST_RATIO * known.min())


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the means over trials [C] of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _drawn(ground: Ground, weights: list[np.ndarray]) -> np.ndarray | None:
    """Return the slopes on other rows of a fixed test set [techniques, draws], up to a constant; None if unknown.

    Training rows are held fixed. The weights hardly differ between trials, whose training rows are as many.
    """
    if ground.redrawn is None or not ground.redrawn.class_recall.shape[-1]:
        return None
    mean = np.array([np.nan_to_num(_mean(one)) for one in weights])
    return -np.einsum("tdc,tc->td", ground.redrawn.class_recall, mean)


def _compared(ground: Ground, held: Values, found: dict[int, Tail]) -> list[Tail]:
    """Return the tails with their differences to the baseline, and verdicts, Holm-adjusted over the techniques."""
    base = ground.base
    if base is None or base not in found:
        return list(found.values())
    pairs = {index: ground.comparer.interval(held, index, base) for index in ground.techniques if index in found}
    known = {index: (one, (index, base)) for index, one in pairs.items() if one is not None}
    whole = [bool(np.isfinite(cells).all()) for cells in held.cells]
    judged = {index: one for index, one in known.items() if whole[index] and whole[base]}
    words = ground.verdicts(judged, float(ground.facts["equivalence"]), "higher")
    return [
        replace(one, difference=known[index][0], verdict=words.get(index)) if index in known else one
        for index, one in found.items()
    ]


def line_at(one: Tail, rows: float) -> float:
    """Return the gap of the mean line at so many training rows."""
    return one.level + one.slope.estimate * math.log10(rows)
