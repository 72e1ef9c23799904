"""The gap between training and test rows as tables and CSV: per dataset, and techniques x datasets."""

import math
from typing import Any

from bench.reporting.across import across
from bench.reporting.closing import closing, short_closing, told_closing
from bench.reporting.csvs import csv_text
from bench.reporting.standing import Analysis, DatasetAnalysis, Standing
from bench.reporting.tables import cost, number, verdict, with_interval

HEADINGS = (
    "technique", "test score", "training score", "gap [95 %]", "verdict on test", "how the gap changed",
    "change of test [95 %]", "change of training [95 %]", "change of gap [95 %]", "cost",
)  # fmt: skip
WORDY = frozenset(heading for heading in HEADINGS if "[" in heading) | {
    "technique", "verdict on test", "how the gap changed",
}  # fmt: skip
_BOUNDS = ("estimate", "standard_error", "low95", "high95", "p_value")
_JUDGED = ("word", "p_holm", "p_equivalence", "smallest_detectable")


def gap_order(dataset: DatasetAnalysis) -> list[Standing]:
    """Return the scored techniques by what they do for the test score, the baseline at zero; the noise floor last."""
    sign = -1 if dataset.higher else 1

    def place(one: Standing) -> tuple[float, bool, str]:
        gain = 0.0 if one.difference is None else one.difference.estimate
        return sign * round(gain, 12), not one.is_baseline, one.technique

    noise = [dataset.noise] if dataset.noise is not None and dataset.noise.done else []
    return [*sorted(dataset.scored, key=place), *noise]


def gap_rows(dataset: DatasetAnalysis) -> list[list[str]]:
    """Return the lines of one dataset's table, as ``HEADINGS`` names them.

    Changes are paired differences to the baseline, in the metric's unit; that of the gap is negative where it closed.
    """
    return [
        [
            one.technique,
            number(one.score),
            number(one.train),
            with_interval(one.gap_interval),
            verdict(one),
            told_closing(one, dataset.higher),
            with_interval(one.difference),
            with_interval(one.train_difference),
            with_interval(one.gap_difference),
            cost(one),
        ]
        for one in gap_order(dataset)
    ]


def closing_matrix(analysis: Analysis) -> list[list[str]]:
    """Return techniques x datasets in verdict on test rows and change of the gap, a heading line first."""
    labels = [dataset.label for dataset in analysis.datasets]
    lines = [["technique", *labels]]
    for row in across(analysis):
        pairs = zip(analysis.datasets, row.standings, strict=True)
        lines.append([row.technique, *("" if one is None else _both(one, dataset) for dataset, one in pairs)])
    return lines


def _both(one: Standing, dataset: DatasetAnalysis) -> str:
    if one.not_applicable:
        return one.word
    if dataset.absent:
        return "no data"
    told = short_closing(one)
    return f"{one.word} ({told})" if told else one.word


def gaps_csv(dataset: DatasetAnalysis) -> str:
    """Return gap, test score and training score of every technique with their changes, verdicts and the word."""
    kinds = {"test": ("difference", "verdict"), "train": ("train_difference", "train_verdict"),
             "gap": ("gap_difference", "gap_verdict")}  # fmt: skip
    headings = ["technique", "replica", "train", "test", "gap", "gap_low95", "gap_high95"]
    for kind in kinds:
        headings += [f"{kind}_change{'' if name == 'estimate' else f'_{name}'}" for name in _BOUNDS]
        headings += [f"{kind}_verdict{'' if name == 'word' else f'_{name}'}" for name in _JUDGED]
    lines = []
    for one in gap_order(dataset):
        bounds = [getattr(one.gap_interval, name, math.nan) for name in ("low95", "high95")]
        line: list[Any] = [one.technique, one.replica, one.train, one.score, one.gap, *bounds]
        for difference, judged in kinds.values():
            line += [getattr(getattr(one, difference), name, None) for name in _BOUNDS]
            line += [getattr(getattr(one, judged), name, None) for name in _JUDGED]
        lines.append([*line, closing(one), one.cost_ratio])
    return csv_text([*headings, "closing", "cost_ratio"], lines)
