"""Which interval follows from how a dataset's data repeat, and how techniques stand against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import statistics
from bench.metrics import METRICS
from bench.reporting.trials import Trials, means
from bench.statistics import DRAWS, Interval

if TYPE_CHECKING:
    from bench.store import Store


@dataclass(frozen=True)
class Comparer:
    """Scores of all techniques on the planned cells of one dataset, and what turns their differences to intervals.

    values [techniques, cells], NaN where a trial is not there; repeat [cells]; row_draws [techniques, draws] or None:
    bootstrapped scores averaged over trials; ratio: rows tested over rows trained on.
    """

    method: str
    names: tuple[str, ...]
    values: np.ndarray
    repeat: np.ndarray
    ratio: float
    row_draws: np.ndarray | None
    test_rows: int

    def interval(self, one: int, other: int) -> Interval | None:
        """Return the interval of technique ``one`` minus ``other``, or None where no cell has both."""
        both = np.isfinite(self.values[one]) & np.isfinite(self.values[other])
        if not both.any():
            return None
        differences = self.values[one, both] - self.values[other, both]
        if self.method == "folds":
            return statistics.nadeau_bengio(differences, self.ratio)
        by_repeat = means(differences, self.repeat[both])[:, None]
        if self.method == "independent":
            return statistics.independent_repeats(by_repeat)
        return statistics.fixed_test_set(by_repeat, self._row_error(one, other, differences), self.test_rows)

    def _row_error(self, one: int, other: int, differences: np.ndarray) -> float:
        """Return the standard error over test rows; NaN where the metric is not made of counts and anything differs."""
        if self.row_draws is None:
            return np.nan if differences.any() else 0.0
        return statistics.row_standard_error(self.row_draws[one], self.row_draws[other])

    def ranks(self, complete: Sequence[bool], higher: bool) -> statistics.Ranks | None:
        """Return the ranks of the complete techniques, or None where two of them cannot be tested against each other.

        A technique ranks below those that are significantly better, Holm-adjusted over all that are compared with it.
        """
        chosen = np.flatnonzero(complete)
        if not len(chosen):
            return None
        direction = 1 if higher else -1
        scores = np.array([means(self.values[index], self.repeat) for index in chosen]) * direction
        p = np.full((len(chosen), len(chosen)), np.nan)
        gain = np.zeros_like(p)
        for row in range(len(chosen)):
            for column in range(row):
                found = self.interval(int(chosen[row]), int(chosen[column]))
                if found is None or not found.known:
                    return None
                p[row, column] = p[column, row] = found.p_value
                gain[row, column], gain[column, row] = found.estimate * direction, -found.estimate * direction
        significant = np.array(
            [statistics.holm(p[:, column].tolist()) < statistics.ALPHA for column in range(len(chosen))]
        ).T
        better = significant & (gain > 0)
        return statistics.ranks(scores.reshape(len(chosen), -1), better)


def make_comparer(facts: Mapping[str, Any], done: Mapping[str, Trials], places: list, store: "Store") -> Comparer:
    """Return what compares the techniques of one dataset.

    facts: the dataset's entry of the plan; done: per technique its scored trials; places: planned (repeat, fold).
    """
    metric = facts["metric"]
    column = {place: index for index, place in enumerate(places)}
    values = np.full((len(done), len(places)), np.nan)
    for row, trials in enumerate(done.values()):
        for repeat, fold, score in zip(trials["repeat"], trials["fold"], trials[metric], strict=True):
            values[row, column[repeat, fold]] = score
    method = "independent" if facts["repeats"] == "independent" else "test set" if facts["has_test"] else "folds"
    counted = facts["task"] == "classification" and METRICS[metric].kind == "count"
    draws = _row_draws(done, metric, len(facts["classes"]), store) if method == "test set" and counted else None
    tested, trained = (np.concatenate([trials[name] for trials in done.values()]) for name in ("rows_test", "rows_own"))
    rows, ratio = (int(tested.max()), float(tested.mean() / trained.mean())) if len(tested) else (0, np.nan)
    repeats = np.array([place[0] for place in places], dtype=int)
    return Comparer(method, tuple(done), values, repeats, ratio, draws, rows)


def _row_draws(done: Mapping[str, Trials], metric: str, classes: int, store: "Store") -> np.ndarray | None:
    """Return each technique's scores [techniques, draws] on bootstrap draws of the test rows, NaN where it has none.

    None where predictions are not stored, or where trials were tested on different rows.
    """
    digests = sorted({digest for trials in done.values() for digest in trials["truth"]})
    pairs = {name: list(zip(trials["key"], trials["rule"], strict=True)) for name, trials in done.items()}
    if len(digests) != 1 or any(pair not in store.labels for held in pairs.values() for pair in held):
        return None
    truth, _ = store.truth(digests[0])
    draws = np.full((len(done), DRAWS), np.nan)
    for index, held in enumerate(pairs.values()):
        if held:
            predicted = np.array([store.labels[pair] for pair in held], dtype=np.int64)
            draws[index] = statistics.drawn_scores(truth, predicted, metric, classes)
    return draws
