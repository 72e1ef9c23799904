"""What trials would have scored on other rows of a fixed test set, from their stored predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.bootstrap import DRAWS, DrawnRows, drawn_errors
from bench.metrics import METRICS, per_class, score
from bench.reporting.trials import Trials
from bench.scoring import STORED_VALUES

if TYPE_CHECKING:
    from bench.store import Store

_TOGETHER = 10  # trials in one matrix product, so that memory stays small


@dataclass(frozen=True)
class Redrawn:
    """Means over each technique's trials on bootstrap draws of the test rows; NaN where a technique has no trial.

    score [techniques, draws]: the ranking metric, None where it is not made of counts or row means;
    class_f1, class_recall [techniques, draws, C]: each class's, pooled over the folds of a repeat. C is 0 for a
    regression, and where they were not asked for.
    """

    score: np.ndarray | None
    class_f1: np.ndarray
    class_recall: np.ndarray


def redraw(
    facts: Mapping[str, Any], done: Mapping[str, Trials], store: "Store", by_class: bool = False
) -> Redrawn | None:
    """Return the scores of all techniques on other test rows; None where predictions or true targets do not allow it.

    done: per technique its scored trials. They must have been tested on the same rows; by_class: draw the scores of
    each class too.
    """
    digests = sorted({digest for trials in done.values() for digest in trials["truth"]})
    if len(digests) != 1:
        return None
    truth, _ = store.truth(digests[0])
    if facts["task"] == "regression":
        return _redrawn_errors(facts["metric"], done, truth, store)
    pairs = {name: list(zip(trials["key"], trials["rule"], strict=True)) for name, trials in done.items()}
    if any(pair not in store.labels for held in pairs.values() for pair in held):
        return None
    classes, metric = len(facts["classes"]), facts["metric"]
    counted = METRICS[metric].kind == "count"
    drawn = DrawnRows.of(truth, classes)
    scores = np.full((len(done), DRAWS), np.nan)
    f1, recall = np.full((2, len(done), DRAWS, classes if by_class else 0), np.nan)
    for index, (trials, held) in enumerate(zip(done.values(), pairs.values(), strict=True)):
        pooled: dict[int, np.ndarray] = {}
        total = np.zeros(DRAWS)
        for start in range(0, len(held), _TOGETHER):
            some = slice(start, start + _TOGETHER)
            matrices = drawn.confusions(np.array([store.labels[pair] for pair in held[some]]))
            total += score(matrices, metric).sum(axis=0) if counted else 0.0
            for repeat, one in zip(trials["repeat"][some], matrices if by_class else (), strict=by_class):
                pooled[repeat] = pooled[repeat] + one if repeat in pooled else one
        if held:
            scores[index] = total / len(held)
        if pooled:
            each = [per_class(one) for one in pooled.values()]
            f1[index], recall[index] = (np.mean([getattr(one, of) for one in each], axis=0) for of in ("f1", "recall"))
    return Redrawn(scores if counted else None, f1, recall)


def _redrawn_errors(metric: str, done: Mapping[str, Trials], truth: np.ndarray, store: "Store") -> Redrawn | None:
    """Return a regression's errors on other test rows.

    Of a large test set only the first rows' predictions are stored. They stand for all, and as the standard error
    falls with the square root of the rows, what they draw is scaled to the rows that were tested.
    """
    held = {name: [store.values.get((key, ""), truth[:0]) for key in trials["key"]] for name, trials in done.items()}
    sizes = {len(values) for own in held.values() for values in own}
    stored = min(len(truth), STORED_VALUES)
    if sizes != {stored}:
        return None
    scores = np.full((len(done), DRAWS), np.nan)
    for index, values in enumerate(held.values()):
        if values:
            scores[index] = drawn_errors(truth[:stored], np.array(values), metric)
    around = scores.mean(axis=1, keepdims=True)
    nothing = np.empty((len(done), DRAWS, 0))
    return Redrawn(around + (scores - around) * np.sqrt(stored / len(truth)), nothing, nothing)
