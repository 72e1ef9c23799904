"""Numbers as text: ranked and other tables, and any table as Markdown. Nothing is computed here."""

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from bench.metrics import METRICS
from bench.reporting.across import COUNTED, across
from bench.reporting.constant import constant_trials
from bench.reporting.csvs import class_lines
from bench.reporting.standing import Analysis, DatasetAnalysis, Standing
from bench.statistics import Interval, Verdict

HEADINGS = (
    "rank", "technique", "score", "difference [95 %]", "verdict", "detectable", "place", "gap [95 %]", "cost",
    "trials",
)  # fmt: skip
WORDY = frozenset(
    {"technique", "difference [95 %]", "verdict", "gap [95 %]"}
)  # columns of words; the others are numbers
NONE = "-"
STYLES = {"better": "bold green", "worse": "red", "equivalent": "cyan", "identical": "cyan", "baseline": "bold"}
UNDECIDED = "undecided (x): these repeats would have found differences from x on, with 80 % power"
VERDICTS = (
    "better",
    "equivalent",
    "identical",
    "undecided",
    "worse",
    "incomplete",
    "not compared",
    "not tried",
    "not applicable",
)


class Said(Protocol):
    """What has a verdict word: a standing, or one comparison."""

    @property
    def word(self) -> str:
        """Return the verdict in one word, or why there is none."""
        ...

    @property
    def verdict(self) -> Verdict | None:
        """Return the verdict."""
        ...


def number(value: float, places: int = 4) -> str:
    """Return a number as printed; a dash where there is none."""
    return f"{value:.{places}f}" if math.isfinite(value) else NONE


def signed(value: float, places: int = 4) -> str:
    """Return a number with its sign (none for a zero); a dash where there is none."""
    if not math.isfinite(value):
        return NONE
    text = f"{value:+.{places}f}"
    return text if float(text) else text[1:]


def times(ratio: float) -> str:
    """Return a ratio to the baseline, as '1.25x'."""
    return f"{ratio:.2f}x" if math.isfinite(ratio) else NONE


def cost(one: Standing) -> str:
    """Return the cost over the baseline's: in CPU time, or in FLOPs, and then said so."""
    known = math.isfinite(one.cost_ratio) or not math.isfinite(one.flops_ratio)
    return times(one.cost_ratio) if known else f"{times(one.flops_ratio)} FLOPs"


def verdict(one: Said) -> str:
    """Return the verdict; with the sign where an equivalent one is also significantly different."""
    sign = one.verdict.sign if one.verdict is not None and one.word == "equivalent" else ""
    return f"{one.word} ({sign})" if sign else one.word


def detectable(one: Said) -> float:
    """Return the effect that these repeats would have found with 80 % power, of an undecided one; else NaN."""
    undecided = one.verdict is not None and one.verdict.word == "undecided"
    return one.verdict.smallest_detectable if undecided and one.verdict is not None else math.nan


def told(one: Said) -> str:
    """Return the verdict; an undecided one with the smallest difference that would have been found (``UNDECIDED``)."""
    return verdict(one) if math.isnan(detectable(one)) else f"{verdict(one)} ({number(detectable(one), 3)})"


def place(one: Standing) -> str:
    """Return the places by score that 90 % of the resamplings give."""
    if one.place_low is None:
        return NONE
    return str(one.place_low) if one.place_low == one.place_high else f"{one.place_low} to {one.place_high}"


def with_interval(one: Interval | None, places: int = 4) -> str:
    """Return an estimate with its 95 % interval; a dash where there is none."""
    if one is None:
        return NONE
    if one.identical:
        return "0"
    estimate, low, high = (signed(value, places) for value in (one.estimate, one.low95, one.high95))
    return f"{estimate} [{low}, {high}]" if math.isfinite(one.low95) else f"{estimate} (no interval)"


def cells(one: Standing, places: int = 4) -> dict[str, str]:
    """Return one line of the ranked table by heading; scores and differences have so many decimal places."""
    return {
        "rank": NONE if one.rank is None else str(one.rank),
        "technique": one.technique,
        "score": number(one.score, places),
        "difference [95 %]": with_interval(one.difference, places),
        "verdict": verdict(one),
        "detectable": number(detectable(one), places),
        "place": place(one),
        "gap [95 %]": with_interval(one.gap_interval, places),
        "cost": cost(one),
        "trials": "" if one.not_applicable else f"{one.done}/{one.planned}",
    }


def title(dataset: DatasetAnalysis) -> str:
    """Return what a dataset's table is about."""
    metric = METRICS[dataset.metric]
    return f"{dataset.label}: {metric.title} on test rows ({metric.better} is better)"


def lacking(dataset: DatasetAnalysis) -> list[str]:
    """Return a line for every technique without full coverage, with the reasons; those not applicable; those idle."""
    lines = []
    if dataset.absent:
        missing = [one.technique for one in dataset.standings if not one.not_applicable]
        lines.append(f"{dataset.absent}; missing: {', '.join(missing)}")
    for one in dataset.planned:
        if not one.complete:
            ended = ", ".join(f"{count} {status}" for status, count in one.statuses.items() if status != "ok")
            why = f" ({'; '.join(one.reasons)})" if one.reasons else ""
            lines.append(f"{one.technique}: {one.done} of {one.planned} trials scored; {ended or 'undefined'}{why}")
    reasons: dict[str, list[str]] = {}
    for one in dataset.standings:
        if one.not_applicable:
            reason = f"{one.word} ({one.not_applicable.removeprefix(f'{one.technique} ')})"
            reasons.setdefault(reason, []).append(one.technique)
    lines += [f"{reason}: {', '.join(sorted(names))}" for reason, names in reasons.items()]
    return lines + _constant(dataset) + _unchanged(dataset)


def _constant(dataset: DatasetAnalysis) -> list[str]:
    """Return a line for the techniques of which some trials learned nothing, for each way to do so."""
    return [
        f"{what}, in some trials: {', '.join(f'{one.technique} ({one.count} of {one.trials})' for one in found)}"
        for what, found in constant_trials(dataset).items()
    ]


def _unchanged(dataset: DatasetAnalysis) -> list[str]:
    """Return a line for the techniques that changed nothing, and one for those whose resampling did not."""
    same = [one.technique for one in dataset.planned if one.same_scores]
    rows = [one.technique for one in dataset.planned if one.no_op and not one.same_scores]
    lines = [f"changed nothing (every score of every trial is the baseline's, to the last bit): {', '.join(same)}"]
    lines.append(f"resampling or enlarging changed no row in any trial: {', '.join(rows)}")
    return [line for line, names in zip(lines, (same, rows), strict=True) if names]


def verdict_matrix(analysis: Analysis) -> list[list[str]]:
    """Return techniques x datasets in verdict words, a heading line first; counts of three words come last.

    An undecided one stands with the smallest difference that would have been found.
    Variants of one dataset count once, and only where they agree.
    """
    labels = [dataset.label for dataset in analysis.datasets]
    absent = {dataset.label for dataset in analysis.datasets if dataset.absent}
    lines = [["technique", *labels, *COUNTED]]
    for row in across(analysis):
        words = [
            "" if one is None else "no data" if label in absent and not one.not_applicable else told(one)
            for label, one in zip(labels, row.standings, strict=True)
        ]
        lines.append([row.technique, *words, *(str(row.counts[word]) for word in COUNTED)])
    return lines


def across_datasets(analysis: Analysis) -> list[list[str]]:
    """Return techniques x datasets in gains over the baseline, a heading line first; their mean comes last.

    A gain is positive where the technique is better; of an error it is a fraction of the baseline's (and marked so).
    """
    headings = [f"{one.label}{'' if one.higher else ' (share of error)'}" for one in analysis.datasets]
    lines = [["technique", *headings, "mean of these datasets", "datasets"]]
    for row in across(analysis):
        gains = [signed(gain) for gain in row.gains]
        lines.append([row.technique, *gains, signed(row.mean), str(row.averaged)])
    return lines


def metric_rows(dataset: DatasetAnalysis) -> list[list[str]]:
    """Return techniques x all metrics that are defined on this dataset, a heading line first."""
    names = [name for name in METRICS if any(name in one.metrics for one in dataset.scored)]
    lines = [["technique", *(METRICS[name].title for name in names)]]
    return lines + [
        [one.technique, *(number(one.metrics.get(name, math.nan)) for name in names)] for one in dataset.scored
    ]


def class_rows(dataset: DatasetAnalysis) -> list[list[str]]:
    """Return precision, recall and F1 of each class under each technique, a heading line first.

    q: p of the change in F1, adjusted by false discovery rate over the dataset's techniques and classes; exploratory.
    """
    lines = [["technique", "class", "test rows", "precision", "recall", "F1", "change", "q"]]
    for technique, name, rows, precision, recall, f1, change, _, q in class_lines(dataset):
        scores = (number(value, 3) for value in (precision, recall, f1))
        lines.append([technique, name, f"{rows:.0f}", *scores, signed(change, 3), number(q, 3)])
    return lines


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]], left: frozenset[str] = WORDY) -> str:
    """Return a Markdown table."""
    rule = ["---" if heading in left else "---:" for heading in headings]
    lines = [headings, rule, *([cell.replace("|", "\\|") for cell in line] for line in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
