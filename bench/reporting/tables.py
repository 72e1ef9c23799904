"""Numbers to words: the ranked table in the terminal and as Markdown. Nothing is computed here."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.metrics import METRICS
from bench.reporting.standing import Analysis, DatasetAnalysis, Standing, enough_repeats
from bench.statistics import FEWEST_REPEATS

HEADINGS = (
    "rank", "technique", "score", "difference [95 %]", "verdict", "detectable", "place", "gap", "cost", "trials",
)  # fmt: skip
WORDY = frozenset({"technique", "difference [95 %]", "verdict"})  # columns of words; the others are numbers
TERMINAL_HEADINGS = ("rank", "technique", "score", "difference [95 %]", "verdict", "cost", "trials")
NONE = "-"
_COMPACT: dict[str, Any] = {"box": box.SIMPLE_HEAD, "show_edge": False, "pad_edge": False, "padding": 0}
_STYLES = {"better": "bold green", "worse": "red", "equivalent": "cyan", "identical": "cyan", "baseline": "bold"}
VERDICTS = ("better", "equivalent", "identical", "undecided", "worse", "incomplete", "not compared", "not applicable")


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


def verdict(one: Standing) -> str:
    """Return the verdict; with the sign where an equivalent one is also significantly different."""
    sign = one.verdict.sign if one.verdict is not None and one.word == "equivalent" else ""
    return f"{one.word} ({sign})" if sign else one.word


def place(one: Standing) -> str:
    """Return the places by score that 90 % of the resamplings give."""
    if one.place_low is None:
        return NONE
    return str(one.place_low) if one.place_low == one.place_high else f"{one.place_low} to {one.place_high}"


def difference(one: Standing, places: int = 4) -> str:
    """Return the difference to the baseline with its 95 % interval."""
    if one.difference is None:
        return NONE
    if one.difference.identical:
        return "0"
    estimate, low, high = (
        signed(value, places) for value in (one.difference.estimate, one.difference.low95, one.difference.high95)
    )
    return f"{estimate} [{low}, {high}]" if math.isfinite(one.difference.low95) else f"{estimate} (no interval)"


def cells(one: Standing, places: int = 4) -> dict[str, str]:
    """Return one line of the ranked table by heading; scores and differences have so many decimal places."""
    undecided = one.verdict is not None and one.verdict.word == "undecided"
    return {
        "rank": NONE if one.rank is None else str(one.rank),
        "technique": one.technique,
        "score": number(one.score, places),
        "difference [95 %]": difference(one, places),
        "verdict": verdict(one),
        "detectable": number(one.verdict.smallest_detectable) if undecided and one.verdict is not None else NONE,
        "place": place(one),
        "gap": signed(one.gap),
        "cost": cost(one),
        "trials": "" if one.not_applicable else f"{one.done}/{one.planned}",
    }


def title(dataset: DatasetAnalysis) -> str:
    """Return what a dataset's table is about."""
    metric = METRICS[dataset.metric]
    return f"{dataset.label}: {metric.title} on test rows ({metric.better} is better)"


def terminal_ranking(analysis: Analysis) -> RenderableType:
    """Return the ranked tables of all datasets for a terminal, then what is incomplete or does not apply."""
    shown: list[RenderableType] = []
    for dataset in analysis.datasets:
        table = Table(title=Text(title(dataset)), title_justify="left", **_COMPACT)
        for heading in TERMINAL_HEADINGS:
            wraps, side = heading == "technique", "left" if heading in WORDY else "right"
            table.add_column(heading, justify=side, no_wrap=not wraps, overflow="fold")
        for one in dataset.planned:
            line = cells(one, 3)
            table.add_row(*(Text(line[heading]) for heading in TERMINAL_HEADINGS), style=_STYLES.get(one.word, ""))
        shown += [Text(title(dataset), style="italic") if dataset.absent else table, *map(Text, lacking(dataset)), ""]
    return Group(*shown)


def lacking(dataset: DatasetAnalysis) -> list[str]:
    """Return a line for every technique without full coverage, with the reasons, and one for those not applicable."""
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
            reasons.setdefault(one.not_applicable.removeprefix(f"{one.technique} "), []).append(one.technique)
    lines += [f"not applicable ({reason}): {', '.join(sorted(names))}" for reason, names in reasons.items()]
    return lines


def summary(dataset: DatasetAnalysis) -> list[str]:
    """Return sentences made of verdict words alone."""
    if dataset.absent:
        return ["Nothing was trained: the data were not on the machine."]
    groups: dict[str, list[str]] = {}
    for one in dataset.standings:
        groups.setdefault(one.word, []).append(one.technique)
    starts = {
        "worse": "Worse", "equivalent": "Practically equivalent to it", "identical": "Identical to it, trial by trial",
        "undecided": "Undecided (neither a difference nor equivalence was shown)",
        "incomplete": "Incomplete, so without a verdict", "not compared": "Not compared",
    }  # fmt: skip
    told = [f"{start}: {', '.join(groups[word])}." for word, start in starts.items() if word in groups]
    return [_finding(dataset, groups), *told]


def _finding(dataset: DatasetAnalysis, groups: Mapping[str, Sequence[str]]) -> str:
    """Return what is better than the baseline, or why nothing can be said of that; ``groups``: word -> techniques."""
    metric = METRICS[dataset.metric].title
    if "better" in groups:
        return f"Better than the baseline in {metric}: {', '.join(groups['better'])}."
    if not enough_repeats(dataset.facts):
        held = dataset.facts["repeat_count"]
        found = "1 was planned" if held == 1 else f"{held} were planned"
        return f"No verdict: on a fixed test set at least {FEWEST_REPEATS} repeats are needed, and {found}."
    if dataset.family or "identical" in groups:
        return f"Nothing was shown to be better than the baseline in {metric}."
    if dataset.baseline is None:
        return "No verdict: the baseline is not part of what was planned."
    if not dataset.baseline.complete:
        return "No verdict yet: the baseline is not complete on this dataset."
    if "not compared" in groups:
        return f"No verdict: these repeats and rows give differences in {metric} no interval."
    if "incomplete" in groups:
        return "No verdict yet: no technique is complete on this dataset."
    return "No verdict: no technique beside the baseline applies to this dataset."


def protocol(dataset: DatasetAnalysis) -> str:
    """Return how the numbers came about."""
    facts = dataset.facts
    methods = sorted({one.difference.method for one in dataset.standings if one.difference is not None})
    relative = "" if dataset.higher else f" ({100 * facts['equivalence']:g} % of the baseline's)"
    band = f"{dataset.margin:.4g}{relative}" if math.isfinite(dataset.margin) else "a margin still unknown"
    repeats = "new data each" if facts["repeats"] == "independent" else "the same data"
    held = "own test rows" if facts["has_test"] else "the held-out folds are the test rows"
    machines = f" ({', '.join(dataset.machines)})" if dataset.machines else ""
    made = "; ".join(part for part in (", ".join(dataset.versions), ", ".join(dataset.sources)) if part)
    return (
        f"{facts['repeat_count']} repeats ({repeats}) x {facts['folds_per_repeat']} of {facts['folds']} folds, {held}. "
        f"Intervals: {', '.join(methods) or 'none'}; {_tests(dataset.family)}; "
        f"equivalent: within ±{band}. Cost: CPU seconds of training and resampling over the baseline's, among trials "
        f"of the same machine and stack size{machines}; FLOPs where the baseline has none of those."
        + (f" Data: {facts['origin']}." if facts["origin"] else "")
        + (f" Made with {made}." if made else "")
    )


def _tests(family: int) -> str:
    """Return over how many comparisons p-values are adjusted."""
    if not family:
        return "no difference was tested"
    return f"p-values Holm-adjusted over {family} comparison{'s' * (family > 1)}"


def verdict_matrix(analysis: Analysis) -> list[list[str]]:
    """Return techniques x datasets in verdict words, a heading line first; counts of three words come last."""
    labels = [dataset.label for dataset in analysis.datasets]
    words = {
        (d.label, one.technique): "no data" if d.absent and not one.not_applicable else verdict(one)
        for d in analysis.datasets
        for one in d.standings
    }
    lines = [["technique", *labels, "better", "equivalent", "worse"]]
    for technique in analysis.plan["techniques"]:
        row = [words.get((label, technique["label"]), "") for label in labels]
        if technique["label"] != analysis.plan["baseline"] and any(row):
            counts = [str(sum(word.startswith(kind) for word in row)) for kind in ("better", "equivalent", "worse")]
            lines.append([technique["label"], *row, *counts])
    return lines


def metric_rows(dataset: DatasetAnalysis) -> list[list[str]]:
    """Return techniques x all metrics that are defined on this dataset, a heading line first."""
    names = [name for name in METRICS if any(name in one.metrics for one in dataset.scored)]
    lines = [["technique", *(METRICS[name].title for name in names)]]
    return lines + [
        [one.technique, *(number(one.metrics.get(name, math.nan)) for name in names)] for one in dataset.scored
    ]


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]], left: frozenset[str] = WORDY) -> str:
    """Return a Markdown table."""
    rule = ["---" if heading in left else "---:" for heading in headings]
    lines = [headings, rule, *([cell.replace("|", "\\|") for cell in line] for line in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
