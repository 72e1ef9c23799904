"""Which interval follows from how a dataset's data repeat, and how techniques stand against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bench import statistics
from bench.bootstrap import row_standard_error
from bench.reporting.trials import Trials, means
from bench.reporting.values import Values
from bench.statistics import Interval, Spread

Method = Literal["independent", "test set", "folds"]
Terms = Sequence[tuple[int, float]]  # techniques by index, each with its coefficient


def method_of(facts: Mapping[str, Any]) -> Method:
    """Return how a dataset's data repeat: independent draws, a fixed test set, or folds of fixed data."""
    if facts["repeats"] == "independent":
        return "independent"
    return "test set" if facts["has_test"] else "folds"


@dataclass(frozen=True)
class Comparer:
    """What turns the trials' values of any kind (score, gap, F1 of a class) on one dataset into intervals.

    repeat [cells]: of each planned cell; ratio: rows tested over rows trained on; test_rows: of a fixed test set.
    """

    method: Method
    repeat: np.ndarray
    ratio: float
    test_rows: int

    def interval(self, values: Values, one: int, other: int | None = None) -> Interval | None:
        """Return the interval of technique ``one`` minus ``other``, or of ``one`` itself; None where no cell has it."""
        return self.contrast(values, _terms(one, other))

    def contrast(self, values: Values, terms: Terms) -> Interval | None:
        """Return the interval of a sum of techniques' values, each times its coefficient; None where no cell has all.

        A difference is the contrast (+1, -1), an interaction (+1, -1, -1, +1). Cells are combined one by one, so that
        what the techniques share cancels as it does in a difference, and so are the draws of a fixed test set's rows.
        """
        found, repeat = self._combined(values, terms)
        if not len(found):
            return None
        if self.method == "folds":
            return statistics.nadeau_bengio(found, self.ratio)
        by_repeat = means(found, repeat)[:, None]
        if self.method == "independent":
            return statistics.independent_repeats(by_repeat)
        return statistics.fixed_test_set(by_repeat, _row_error(values, terms, found), self.test_rows)

    def repeat_deviation(self, values: Values, one: int, other: int) -> float:
        """Return the standard deviation over repeats of the difference, averaged over the folds of each first."""
        differences, repeat = self._combined(values, _terms(one, other))
        by_repeat = means(differences, repeat)
        return float(by_repeat.std(ddof=1)) if len(by_repeat) > 1 else np.nan

    def spread(self, values: Values, one: int, other: int) -> Spread:
        """Return how the difference of technique ``one`` to ``other`` varies over repeats, folds and test rows."""
        terms = _terms(one, other)
        differences, repeat = self._combined(values, terms)
        rows = _row_error(values, terms, differences) if self.method == "test set" else 0.0
        return statistics.spread_of([differences[repeat == each] for each in np.unique(repeat)], rows)

    def _combined(self, values: Values, terms: Terms) -> tuple[np.ndarray, np.ndarray]:
        """Return the contrast on the cells that all its techniques have, and the repeat of each."""
        found = _sum(values.cells, terms)
        if len(terms) > 2:  # sums of more than two scores may differ by rounding where the scores agree
            found = np.where(np.abs(found) < statistics.ROUNDING, 0.0, found)
        known = np.isfinite(found)
        return found[known], self.repeat[known]

    def ranks(self, values: Values, complete: Sequence[bool], higher: bool) -> statistics.Ranks | None:
        """Return the ranks of the complete techniques, or None where two of them cannot be tested against each other.

        A technique ranks below those that are significantly better, Holm-adjusted over all that are compared with it.
        """
        chosen = np.flatnonzero(complete)
        if not len(chosen):
            return None
        direction = 1 if higher else -1
        scores = np.array([means(values.cells[index], self.repeat) for index in chosen]) * direction
        p = np.full((len(chosen), len(chosen)), np.nan)
        gain = np.zeros_like(p)
        for row in range(len(chosen)):
            for column in range(row):
                found = self.interval(values, int(chosen[row]), int(chosen[column]))
                if found is None or not found.known:
                    return None
                p[row, column] = p[column, row] = found.p_value
                gain[row, column], gain[column, row] = found.estimate * direction, -found.estimate * direction
        significant = np.array(
            [statistics.holm(p[:, column].tolist()) < statistics.ALPHA for column in range(len(chosen))]
        ).T
        better = significant & (gain > 0)
        return statistics.ranks(scores.reshape(len(chosen), -1), better)


def _terms(one: int, other: int | None) -> Terms:
    """Return the contrast of two techniques, or of one alone."""
    return ((one, 1.0),) if other is None else ((one, 1.0), (other, -1.0))


def _sum(values: np.ndarray, terms: Terms) -> np.ndarray:
    """Return the sum of some lines of ``values``, each times its coefficient."""
    (first, by), *others = terms
    found = by * values[first]
    for index, coefficient in others:
        found = found + coefficient * values[index]
    return found


def _row_error(values: Values, terms: Terms, found: np.ndarray) -> float:
    """Return the standard error over test rows; NaN where it is unknown and anything differs."""
    if values.draws is None:
        return np.nan if found.any() else 0.0
    error = row_standard_error(_sum(values.draws, terms))
    return 0.0 if len(terms) > 2 and error < statistics.ROUNDING else error


def make_comparer(facts: Mapping[str, Any], done: Mapping[str, Trials], places: Sequence[tuple[int, int]]) -> Comparer:
    """Return what compares the techniques of one dataset.

    facts: the dataset's entry of the plan; done: per technique its scored trials; places: planned (repeat, fold).
    """
    tested, trained = (np.concatenate([trials[name] for trials in done.values()]) for name in ("rows_test", "rows_own"))
    rows, ratio = (int(tested.max()), float(tested.mean() / trained.mean())) if len(tested) else (0, np.nan)
    return Comparer(method_of(facts), np.array([place[0] for place in places], dtype=int), ratio, rows)
