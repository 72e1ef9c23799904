"""How far a single split would have misled: what one repeat and fold alone would have said of each verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.metrics import METRICS
from bench.reporting.csvs import csv_text
from bench.reporting.standing import Analysis, DatasetAnalysis, Standing
from bench.reporting.tables import number, signed, with_interval
from bench.reporting.trials import VALIDATION

TITLE = "How far a single split would have misled"
NOTE = (
    "A single split is one repeat and one fold: one training of a technique and one of the baseline on the same rows. "
    "Opposite: those among them whose difference has the other sign than the verdict. The spread of the baseline's own "
    "score is what an unpaired comparison of single splits would have to overcome."
)
HEADINGS = ("dataset", "technique", "verdict", "difference [95 %]", "splits", "opposite", "share", "from", "to")
SPREAD_HEADINGS = ("dataset", "baseline's score", "splits", "mean", "standard deviation", "lowest", "highest")
WORDY = frozenset({"dataset", "technique", "verdict", "difference [95 %]", "baseline's score"})
SURE = ("better", "worse")


@dataclass(frozen=True)
class Misled:
    """One technique with the verdict better or worse: its single splits, and how many have the opposite sign.

    low, high: the least and greatest difference to the baseline on a single split.
    """

    one: Standing
    splits: int
    opposite: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Return the share of the splits with the opposite sign."""
        return self.opposite / self.splits


@dataclass(frozen=True)
class Scatter:
    """The baseline's score over single splits, on test or validation rows."""

    rows: str
    values: np.ndarray

    @property
    def deviation(self) -> float:
        """Return the standard deviation over splits; NaN for one."""
        return float(self.values.std(ddof=1)) if len(self.values) > 1 else math.nan


def misled(dataset: DatasetAnalysis) -> list[Misled]:
    """Return how single splits go against the verdicts better and worse, the most misleading first."""
    base = dataset.baseline
    if base is None:
        return []
    held = _by_split(dataset, base.technique, dataset.metric)
    found = []
    for one in dataset.compared:
        if one.word in SURE:
            own = _by_split(dataset, one.technique, dataset.metric)
            differences = np.array([own[place] - held[place] for place in sorted(own.keys() & held.keys())])
            gains = differences if dataset.higher else -differences
            against = gains < 0 if one.word == "better" else gains > 0
            low, high = float(differences.min()), float(differences.max())
            found.append(Misled(one, len(differences), int(against.sum()), low, high))
    return sorted(found, key=lambda each: (-round(each.share, 12), each.one.technique))


def scatters(dataset: DatasetAnalysis) -> list[Scatter]:
    """Return the baseline's scores over single splits, on test rows and, where there are, on validation rows."""
    if dataset.baseline is None:
        return []
    names = {"test": dataset.metric, "validation": VALIDATION + dataset.metric}
    found = [
        Scatter(rows, np.array(list(_by_split(dataset, dataset.baseline.technique, name).values())))
        for rows, name in names.items()
    ]
    return [one for one in found if len(one.values)]


def _by_split(dataset: DatasetAnalysis, technique: str, name: str) -> dict[tuple[int, int], float]:
    """Return a score of one technique's trials by repeat and fold, where it is defined."""
    table = dataset.trials
    own = table.where((table["technique"] == technique) & (table["status"] == "ok") & np.isfinite(table[name]))
    return {(int(r), int(f)): float(v) for r, f, v in zip(own["repeat"], own["fold"], own[name], strict=True)}


def sentence(dataset: DatasetAnalysis) -> str:
    """Return what single splits would have said of one dataset; empty where there is nothing to say."""
    found, spread = misled(dataset), scatters(dataset)
    told = []
    if found:
        trials, against = sum(one.splits for one in found), sum(one.opposite for one in found)
        held = f"{len(found)} techniques are" if len(found) > 1 else "1 technique is"
        worst = found[0]
        most = f", most often for {worst.one.technique} ({worst.opposite} of {worst.splits})" if against else ""
        told.append(
            f"{held} better or worse than the baseline; a single split had the opposite sign in {against} of {trials} "
            f"cases ({100 * against / trials:.0f} %){most}."
        )
    if spread:
        parts = [
            f"{number(one.values.min())} to {number(one.values.max())} on {one.rows} rows (standard deviation "
            f"{number(one.deviation)})"
            for one in spread
        ]
        metric = METRICS[dataset.metric].title
        told.append(f"The baseline's {metric} alone ranged over splits from {' and from '.join(parts)}.")
    return " ".join(told)


def rows_of(datasets: Sequence[DatasetAnalysis]) -> list[list[str]]:
    """Return the lines of the table of verdicts, as ``HEADINGS`` names them."""
    return [
        [
            dataset.label, each.one.technique, each.one.word, with_interval(each.one.difference), str(each.splits),
            str(each.opposite), f"{100 * each.share:.0f} %", signed(each.low), signed(each.high),
        ]
        for dataset in datasets
        for each in misled(dataset)
    ]  # fmt: skip


def spread_rows(datasets: Sequence[DatasetAnalysis]) -> list[list[str]]:
    """Return the lines of the table of the baseline's own spread, as ``SPREAD_HEADINGS`` names them."""
    return [
        [
            dataset.label,
            f"{METRICS[dataset.metric].title}, {one.rows} rows",
            str(len(one.values)),
            *map(number, _four(one)),
        ]
        for dataset in datasets
        for one in scatters(dataset)
    ]


def _four(one: Scatter) -> tuple[float, float, float, float]:
    return float(one.values.mean()), one.deviation, float(one.values.min()), float(one.values.max())


def misled_csv(analysis: Analysis) -> str:
    """Return one line per technique and dataset with the verdict better or worse."""
    headings = ("dataset", "technique", "verdict", "difference", "splits", "opposite", "share", "lowest", "highest")
    lines = [
        [d.label, each.one.technique, each.one.word, getattr(each.one.difference, "estimate", None), each.splits,
         each.opposite, each.share, each.low, each.high]
        for d in analysis.datasets
        for each in misled(d)
    ]  # fmt: skip
    return csv_text(headings, lines)


def spread_csv(analysis: Analysis) -> str:
    """Return the spread of the baseline's score over single splits, by dataset and kind of rows."""
    headings = ("dataset", "metric", "rows", "splits", "mean", "standard_deviation", "lowest", "highest")
    lines = [
        [d.label, d.metric, one.rows, len(one.values), *_four(one)] for d in analysis.datasets for one in scatters(d)
    ]
    return csv_text(headings, lines)
