"""Honest gains as tables and CSV: per dataset what is left of each gain, and the calibration bill."""

from collections.abc import Iterable
from typing import Any

from bench.metrics import METRICS
from bench.reporting.calibration import MEASURES
from bench.reporting.csvs import csv_text
from bench.reporting.gains import Bill, Judged
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.reporting.tables import HEADINGS, WORDY, cells, number, told, with_interval

GAINS = (
    "technique", "survives", "over argmax [95 %]", "verdict", "over adjusted [95 %]", "verdict over adjusted",
    "both tuned [95 %]", "verdict both tuned",
)  # fmt: skip
RANKED = ("over adjusted [95 %]", "verdict over adjusted")  # in the ranked table, after the verdict
BILL = ("technique", "measure", "as it is", "change [95 %]", "verdict", "corrected", "change corrected [95 %]",
        "verdict corrected")  # fmt: skip
WORDS = WORDY | frozenset(GAINS) | frozenset(RANKED) | frozenset(BILL) - {"as it is", "corrected"}
KINDS = ("plain", "adjusted", "tuned")
_BOUNDS = ("estimate", "standard_error", "low95", "high95", "p_value")
_JUDGED = ("p_holm", "p_equivalence", "smallest_detectable")


def told_of(one: Standing, judged: Judged) -> str:
    """Return the verdict of one comparison; of the baseline and the noise floor what they are."""
    return one.word if one.is_baseline or one.replica else told(judged)


def everyone(dataset: DatasetAnalysis) -> list[Standing]:
    """Return the standings with gains by what they add to the adjusted baseline, the noise floor last."""
    held = [one for one in dataset.standings if one.gains is not None]
    noise = [dataset.noise] if dataset.noise is not None and dataset.noise.gains is not None else []
    return [*sorted(held, key=_place), *noise]


def _place(one: Standing) -> tuple[bool, float, str]:
    assert one.gains is not None
    for judged in (one.gains.adjusted, one.gains.plain):
        if judged.difference is not None:
            return False, -round(judged.difference.estimate, 12), one.technique
    return True, 0.0, one.technique


def gain_rows(dataset: DatasetAnalysis) -> list[list[str]]:
    """Return the lines of the table that ``GAINS`` heads."""
    lines = []
    for one in everyone(dataset):
        assert one.gains is not None
        judged = (one.gains.plain, one.gains.adjusted, one.gains.tuned)
        each = [text for held in judged for text in (with_interval(held.difference), told_of(one, held))]
        lines.append([one.technique, one.gains.survives, *each])
    return lines


def ranked(dataset: DatasetAnalysis) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return headings and lines of the ranked table, with both gains where there is an adjusted baseline."""
    lines = [list(cells(one).values()) for one in dataset.planned]
    if dataset.adjusted is None:
        return HEADINGS, lines
    at = HEADINGS.index("verdict") + 1
    for line, one in zip(lines, dataset.planned, strict=True):
        held = None if one.gains is None else one.gains.ranked
        line[at:at] = ["", ""] if held is None else [with_interval(held.difference), told_of(one, held)]
    return (*HEADINGS[:at], *RANKED, *HEADINGS[at:]), lines


def billed(dataset: DatasetAnalysis, measure: str) -> list[tuple[Standing, Bill]]:
    """Return the standings that have a bill in one measure, by what they make of it, the noise floor last."""
    noise = [] if dataset.noise is None else [dataset.noise]
    found = [(one, one.bill[measure]) for one in (*dataset.standings, *noise) if measure in one.bill]
    known = [pair for pair in found if pair[1].before.done or pair[1].after.done]
    return sorted(known, key=lambda pair: (bool(pair[0].replica), round(pair[1].score_before, 12), pair[0].technique))


def bill_rows(dataset: DatasetAnalysis) -> list[list[str]]:
    """Return the lines of the table that ``BILL`` heads, measure by measure."""
    return [
        [
            one.technique,
            METRICS[measure].title,
            number(bill.score_before),
            with_interval(bill.before.difference),
            told_of(one, bill.before),
            number(bill.score_after),
            with_interval(bill.after.difference),
            told_of(one, bill.after),
        ]
        for measure in MEASURES
        for one, bill in billed(dataset, measure)
    ]


def honest_csv(dataset: DatasetAnalysis) -> str:
    """Return all three gains of every technique, and the one over the adjusted baseline in the ranking metric."""
    found = dataset.adjusted
    headings = ["technique", "family", "replica", "metric", "adjusted_by", "survives"]
    kinds = (*KINDS, "ranked")
    headings += [f"{kind}_{name}" for kind in kinds for name in _columns()]
    lines = []
    for one in everyone(dataset):
        chosen = None if found is None or found.chosen is None else found.chosen.name
        line = [one.technique, one.family, one.replica, None if found is None else found.metric, chosen]
        line += [getattr(one.gains, "survives", None)]
        lines.append([*line, *(cell for kind in kinds for cell in _numbers(getattr(one.gains, kind)))])
    return csv_text(headings, lines)


def calibration_csv(dataset: DatasetAnalysis) -> str:
    """Return what every technique does to each measure of calibration, before and after correction."""
    headings = ["technique", "family", "replica", "measure", "score_before", "score_after"]
    headings += [f"{when}_{name}" for when in ("before", "after") for name in _columns()]
    lines = [
        [one.technique, one.family, one.replica, measure, bill.score_before, bill.score_after,
         *_numbers(bill.before), *_numbers(bill.after)]
        for measure in MEASURES
        for one, bill in billed(dataset, measure)
    ]  # fmt: skip
    return csv_text(headings, lines)


def _columns() -> Iterable[str]:
    names = ("change", *_BOUNDS[1:])
    return (*names, "verdict", *_JUDGED, "done", "planned")


def _numbers(judged: Judged) -> list[Any]:
    bounds = [getattr(judged.difference, name, None) for name in _BOUNDS]
    return [*bounds, judged.word, *(getattr(judged.verdict, name, None) for name in _JUDGED), judged.done,
            judged.planned]  # fmt: skip
