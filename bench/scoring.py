"""From a trial's outputs to its scores, one set per decision rule and part (train, validation, test).

Of a rule that looks at the labels of validation rows there is one part more, ``crossed``: the validation rows again,
each decided by the rule as the others fit it. A score on the very rows that a rule was fitted to flatters it, and is
nothing to choose between rules by.

A rule is always scored from logits kept relative to class 0 in float16 (softmax does not see a common shift), so
that scoring right after training and scoring the stored logits later agree to the bit. Rules are fitted on
validation rows; test rows are only ever scored. numpy alone is needed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import metrics
from bench.errors import FAILURES, one_line
from bench.stages.decisions import Priors, Rule, row_weights, to_logits

PARTS = ("train", "validation", "test")
CROSSED = "crossed"
BLOCKS = 5  # of validation rows, each decided by the rule as the other blocks fit it
STORED_VALUES = 1000  # test predictions of a regression that are stored
_LARGEST = 60_000.0  # just inside float16


@dataclass(frozen=True)
class Outcome:
    """What one trial put out on one part: outputs (float16 [N, C-1] logits, or float32 [N, K] values) and truth.

    day: int64 [N] or None, for metrics per day.
    """

    outputs: np.ndarray
    truth: np.ndarray
    day: np.ndarray | None = None


def relative(logits: np.ndarray) -> np.ndarray:
    """Return logits float32 [N, C] relative to class 0, as float16 [N, C-1]."""
    return np.clip(logits[:, 1:] - logits[:, :1], -_LARGEST, _LARGEST).astype(np.float16)


@dataclass(frozen=True)
class Scored:
    """Rows for the store: of scores, one per rule and part, and of predicted test labels, one per rule."""

    scores: list[dict[str, Any]]
    labels: list[dict[str, Any]]


def score_rules(
    key: str,
    rules: Sequence[tuple[str, Rule]],
    outcomes: dict[str, Outcome],
    priors: Priors,
) -> Scored:
    """Score one trial under every rule (digest, rule), each by itself: one that fails leaves the others as they are.

    outcomes: of each part, in the order of PARTS; a search trial has no test part, and then no label is predicted.
    A rule that cannot be fitted gets one row, of the last part, with a reason and no score, and predicts nothing.
    """
    scored, last = Scored([], []), list(outcomes)[-1]
    for name, rule in rules:
        try:
            rows, predicted = score_rule(rule, outcomes, priors)
        except FAILURES as error:
            rows = [{"part": last, "rows": 0, "confusion": [], "reason": one_line(error)}]
            predicted = np.empty(0, dtype=np.uint8)
        scored.scores.extend({"key": key, "rule": name, **row} for row in rows)
        if "test" in outcomes:
            scored.labels.append({"key": key, "rule": name, "predicted": predicted, "values": []})
    return scored


def score_rule(rule: Rule, outcomes: dict[str, Outcome], priors: Priors) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Fit a rule on the validation outcome and score every part.

    Returns one row of scores per part (without key and rule), and the predicted test labels uint8 [N].
    """
    validation = outcomes["validation"]
    weights = row_weights(validation.truth, priors.target)
    fitted = rule.fit(to_logits(validation.outputs), validation.truth, weights, priors)
    rows, predicted = [], np.empty(0, dtype=np.uint8)
    for part, outcome in outcomes.items():
        decision = fitted.apply(to_logits(outcome.outputs))
        scores, confusion = metrics.classification(
            outcome.truth, decision.log_probabilities, decision.predicted, outcome.day
        )
        rows.append({"part": part, "rows": len(outcome.truth), **scores, "confusion": confusion.ravel().tolist()})
        if part == "test":
            predicted = decision.predicted.astype(np.uint8)
    if rule.reads_labels:
        rows.append(_crossed(rule, validation, weights, priors))
    return rows, predicted


def _crossed(rule: Rule, validation: Outcome, weights: np.ndarray, priors: Priors) -> dict[str, Any]:
    """Return the scores on validation rows, each decided by the rule as the other blocks fit it.

    Blocks take the rows of each class in turn, so that they hold the classes alike.
    """
    logits, truth = to_logits(validation.outputs), validation.truth
    blocks = np.empty(len(truth), dtype=np.int64)
    for label in np.unique(truth):
        own = np.flatnonzero(truth == label)
        blocks[own] = np.arange(len(own)) % BLOCKS
    log_probabilities, predicted = np.empty(logits.shape), np.empty(len(truth), dtype=np.int64)
    for block in range(BLOCKS):
        held, rest = blocks == block, blocks != block
        decision = rule.fit(logits[rest], truth[rest], weights[rest], priors).apply(logits[held])
        log_probabilities[held], predicted[held] = decision.log_probabilities, decision.predicted
    scores, confusion = metrics.classification(truth, log_probabilities, predicted, validation.day)
    return {"part": CROSSED, "rows": len(truth), **scores, "confusion": confusion.ravel().tolist()}


def score_values(outcomes: dict[str, Outcome], unit: float) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Score the predictions of a regression; errors are in units of ``unit``.

    Returns one row of scores per part, and the predictions float32 of the first test rows, all targets in turn.
    """
    rows = []
    for part, outcome in outcomes.items():
        scores = metrics.regression(outcome.truth, outcome.outputs, unit)
        rows.append({"part": part, "rows": len(outcome.truth), **scores, "confusion": []})
    tests = outcomes["test"].outputs if "test" in outcomes else np.empty(0)
    return rows, tests[:STORED_VALUES].astype(np.float32).ravel()


def weighted_score(counts: np.ndarray, target: np.ndarray, metric: str) -> float:
    """Return a metric made of counts [C x C, flat], its rows weighted to class shares [C]; NaN where there are none.

    A class without rows cannot be weighted up; the others then share its part, as in ``row_weights``.
    """
    if len(counts) != len(target) ** 2:
        return np.nan
    matrix = counts.reshape(len(target), -1)
    rows = matrix.sum(axis=1)
    wanted = np.where(rows > 0, target, 0.0)
    weights = np.divide(wanted, rows, out=np.zeros(len(rows)), where=rows > 0)
    return float(metrics.score(matrix * weights[:, None], metric))
