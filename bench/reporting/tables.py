"""The ranked table: in the terminal, as Markdown, as CSV. Numbers come from ``analysis``; here they become words."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from bench.metrics import METRICS
from bench.reporting.analysis import Analysis, DatasetAnalysis, Standing

HEADINGS = ("rank", "technique", "score", "difference", "verdict", "detectable", "gap", "cost", "trials")
_STYLES = {"better": "bold green", "worse": "red", "equivalent": "cyan", "undecided": "yellow"}


def number(value: float, places: int = 3) -> str:
    """Return a number as printed; a dash where there is none."""
    return "–" if not math.isfinite(value) else f"{value:.{places}f}"


def signed(value: float, places: int = 3) -> str:
    """Return a number with its sign; a dash where there is none."""
    return "–" if not math.isfinite(value) else f"{value:+.{places}f}"


def row(one: Standing) -> tuple[str, ...]:
    """Return one line of the ranked table, in the order of HEADINGS."""
    trials = f"{one.done}/{one.planned}"
    if one.not_applicable:
        return ("", one.technique, "–", "–", "not applicable", "–", "–", "–", "")
    if not one.done:
        state = f"no score: {', '.join(f'{count} {status}' for status, count in one.other.items()) or 'not run'}"
        return ("", one.technique, "–", "–", state, "–", "–", "–", trials)
    rank = "" if one.rank >= 10**6 else str(one.rank)
    if rank and one.rank_low != one.rank_high:
        rank += f" ({one.rank_low}–{one.rank_high})"
    return (
        rank,
        one.technique,
        number(one.score),
        _difference(one),
        verdict_word(one),
        number(one.verdict.smallest_detectable) if one.verdict and one.verdict.word == "undecided" else "–",
        signed(one.gap),
        "–" if not math.isfinite(one.cost) else f"{one.cost:.2f}x",
        trials,
    )


def _difference(one: Standing) -> str:
    if one.difference is None:
        return "baseline" if one.technique == "baseline" else "–"
    if one.difference.identical:
        return "0"
    low, high = one.difference.low95, one.difference.high95
    bounds = f" [{signed(low)}, {signed(high)}]" if math.isfinite(low) else ""
    return signed(one.difference.estimate) + bounds


def verdict_word(one: Standing) -> str:
    """Return the verdict; with the sign where an equivalent one is also significantly different."""
    if one.verdict is None:
        return "" if one.done == one.planned else "incomplete"
    if not one.verdict.word:
        return "incomplete"
    sign = f" ({one.verdict.sign})" if one.verdict.word == "equivalent" and one.verdict.sign else ""
    return one.verdict.word + sign


def title(dataset: DatasetAnalysis) -> str:
    """Return what a dataset's table is about."""
    metric = METRICS[dataset.metric]
    return f"{dataset.label}: {metric.title} on test rows ({metric.better} is better)"


def terminal_ranking(analysis: Analysis) -> RenderableType:
    """Return the ranked tables of all datasets for a terminal."""
    tables = []
    for dataset in analysis.datasets:
        table = Table(title=title(dataset), title_justify="left", pad_edge=False, expand=False)
        for heading in HEADINGS:
            left = heading in ("technique", "verdict", "difference")
            table.add_column(heading, justify="left" if left else "right", no_wrap=heading != "verdict")
        for one in dataset.standings:
            style = _STYLES.get(one.verdict.word, "") if one.verdict else ""
            table.add_row(*row(one), style=style)
        tables.append(table)
    return Group(*tables)


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(headings) + " |", "| " + " | ".join("---" for _ in headings) + " |"]
    return "\n".join([*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in rows)]) + "\n"


def csv_text(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return CSV; floats are rounded to six places so that the bytes do not depend on summation order."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in line] for line in rows)
    return out.getvalue()


def ranking_csv(dataset: DatasetAnalysis) -> str:
    """Return everything the ranked table shows and more, one line per technique."""
    task = dataset.facts["task"]
    metrics = [name for name, metric in METRICS.items() if metric.task == task]
    headings = [
        "rank", "rank_low", "rank_high", "p_first", "technique", "family", "score", "train", "gap", "difference",
        "low95", "high95", "p_holm", "p_equivalence", "verdict", "smallest_detectable", "method", "cost_ratio", "steps",
        "done", "planned", "not_applicable", "reason", *metrics,
    ]  # fmt: skip
    lines = []
    for one in dataset.standings:
        interval, verdict = one.difference, one.verdict
        ranked = one.rank < 10**6
        lines.append(
            [
                one.rank if ranked else "", one.rank_low if ranked else "", one.rank_high if ranked else "", one.first,
                one.technique, one.family, one.score, one.train, one.gap,
                *((interval.estimate, interval.low95, interval.high95) if interval else ("", "", "")),
                *((verdict.p_holm, verdict.p_equivalence, verdict.word, verdict.smallest_detectable) if verdict else [""] * 4),
                interval.method if interval else "", one.cost, one.steps, one.done, one.planned, one.not_applicable,
                one.reason, *(one.metrics.get(name, float("nan")) for name in metrics),
            ]
        )  # fmt: skip
    return csv_text(headings, lines)


def summary(dataset: DatasetAnalysis) -> str:
    """Return a paragraph made of verdict words alone."""
    groups: dict[str, list[str]] = {}
    for one in dataset.standings:
        word = verdict_word(one).split(" ")[0] if one.done and one.difference is not None else ""
        if word:
            groups.setdefault(word, []).append(one.technique)
    metric = METRICS[dataset.metric].title
    sentences = []
    if "better" in groups:
        sentences.append(f"Better than the baseline in {metric}: {', '.join(groups['better'])}.")
    else:
        sentences.append(f"No technique was shown to be better than the baseline in {metric}.")
    for word, start in (("worse", "Worse"), ("equivalent", "Equivalent to it"), ("identical", "Identical to it")):
        if word in groups:
            sentences.append(f"{start}: {', '.join(groups[word])}.")
    if "undecided" in groups:
        sentences.append(f"Undecided: {', '.join(groups['undecided'])}.")
    lacking = [one.technique for one in dataset.standings if one.done < one.planned]
    if lacking:
        sentences.append(f"Incomplete, so without a verdict: {', '.join(lacking)}.")
    return " ".join(sentences)


def protocol(dataset: DatasetAnalysis) -> str:
    """Return how the numbers came about."""
    facts = dataset.facts
    method = next((one.difference.method for one in dataset.standings if one.difference), "none")
    margin = facts["equivalence"]
    band = f"±{margin:g}" if METRICS[dataset.metric].better == "higher" else f"±{100 * margin:g} % of the baseline's"
    machines = ", ".join(dataset.machines) or "none"
    return (
        f"{facts['repeat_count']} repeats x {facts['folds_per_repeat']} of {facts['folds']} folds; intervals: {method}; "
        f"Holm over {dataset.family} comparisons; equivalence within {band}; "
        f"costs are ratios to the baseline on the same machine and stack size ({machines})."
    )
