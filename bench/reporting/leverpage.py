"""Tuning levers as a section that leads a report, and as CSV: levers x datasets, and every setting with its numbers."""

import math

from bench.reporting import leverwords
from bench.reporting.closing import closing, told_closing
from bench.reporting.csvs import csv_text
from bench.reporting.levers import Cost, Lever, levers_of
from bench.reporting.standing import Analysis, DatasetAnalysis
from bench.reporting.tables import NONE, signed, times, with_interval
from bench.reporting.telling import Section

FILE = "levers.csv"
_BOUNDS = ("estimate", "standard_error", "low95", "high95", "p_value")
_JUDGED = ("p_holm", "p_equivalence", "smallest_detectable")
COLUMNS = (
    "dataset", "lever", "baseline", "setting", "technique", *(f"score_{name}" for name in _BOUNDS), "verdict",
    *_JUDGED, *(f"gap_{name}" for name in _BOUNDS), "closing", "cost",
    "cost_low95", "cost_high95", "cost_unit", "steps", "examples", "flops_ratio",
)  # fmt: skip


def answers(analysis: Analysis, dataset: DatasetAnalysis) -> list[str]:
    """Return in short what the levers of one dataset move."""
    return leverwords.answers(dataset, levers_of(analysis.plan, dataset))


def lever_section(analysis: Analysis) -> Section | None:
    """Return the section; None where no lever was turned anywhere."""
    held = {one.label: (one, levers_of(analysis.plan, one)) for one in analysis.datasets}
    names = list(dict.fromkeys(lever.name for _, levers in held.values() for lever in levers))
    if not names:
        return None
    told = [(label, sentence) for label, pair in held.items() for sentence in leverwords.summary(*pair)]
    columns = {
        label: {lever.name: _cell(dataset, lever) for lever in levers} for label, (dataset, levers) in held.items()
    }
    headings = ["lever", *columns]
    rows = [
        [name, *(columns[label].get(name, _lacking(analysis, dataset, name)) for label, (dataset, _) in held.items())]
        for name in names
    ]
    files = {FILE: csv_text(COLUMNS, [line for pair in held.values() for line in _lines(*pair)])}
    return Section(
        "levers", leverwords.TITLE, told, headings, rows, frozenset(headings), leverwords.NOTE, files, "lever-chart"
    )


def _lacking(analysis: Analysis, dataset: DatasetAnalysis, lever: str) -> str:
    """Return why a lever has no numbers on a dataset."""
    own = {one["label"] for one in analysis.plan["techniques"] if " + ".join(one["parts"]) == lever}
    words = [one.word if one.not_applicable else "" for one in dataset.standings if one.technique in own]
    if all(words):
        return words[0] if words else "not applicable"
    return "no data" if dataset.absent else "incomplete"


def _cell(dataset: DatasetAnalysis, lever: Lever) -> str:
    """Return a lever's word on one dataset, with the setting that gives it and its estimate."""
    one = leverwords.leading(dataset, lever)
    if one is None or one.standing.difference is None:
        return lever.word or NONE
    shown = f"{one.value} {signed(one.standing.difference.estimate)}".strip()
    return f"{lever.word} ({shown})" if lever.word in ("better", "worse") else lever.word


def told_cost(cost: Cost) -> str:
    """Return a cost ratio with its interval; FLOPs are said to be such."""
    if cost.unit == "FLOPs":
        return f"{times(cost.ratio)} FLOPs"
    if not math.isfinite(cost.low95):
        return times(cost.ratio)
    return f"{times(cost.ratio)} [{cost.low95:.2f}, {cost.high95:.2f}]"


def numbers(dataset: DatasetAnalysis, levers: tuple[Lever, ...]) -> list[tuple[str, ...]]:
    """Return the lines of the table behind the chart: a setting each."""
    return [
        (
            dataset.label, lever.name, lever.own or NONE, one.value or NONE, with_interval(one.standing.difference),
            one.standing.word, with_interval(one.standing.gap_difference), told_closing(one.standing, dataset.higher),
            told_cost(one.cost), f"{one.standing.steps:,.0f}", f"{one.standing.examples:,.0f}",
        )
        for lever in levers
        for one in lever.settings
    ]  # fmt: skip


def _lines(dataset: DatasetAnalysis, levers: tuple[Lever, ...]) -> list[list]:
    """Return the same as numbers for the CSV."""
    lines = []
    for lever in levers:
        for one in lever.settings:
            standing = one.standing
            judged = [getattr(standing.verdict, name, None) for name in _JUDGED]
            score, gap = (
                [getattr(interval, name, None) for name in _BOUNDS]
                for interval in (standing.difference, standing.gap_difference)
            )
            cost = [one.cost.ratio, one.cost.low95, one.cost.high95, one.cost.unit]
            lines.append(
                [dataset.label, lever.name, lever.own, one.value, standing.technique, *score, standing.word, *judged,
                 *gap, closing(standing), *cost, standing.steps, standing.examples, standing.flops_ratio]
            )  # fmt: skip
    return lines
