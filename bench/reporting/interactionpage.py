"""Interactions as sentences, table and figure: what two remedies gain together, against what each gains alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.metrics import METRICS
from bench.reporting.asides import Interaction
from bench.reporting.canvas import Frame, plotted
from bench.reporting.csvs import csv_text
from bench.reporting.drawing import BAND, LOOKS, Drawing, Panel, rounded
from bench.reporting.layout import EQUIVALENT, Sign, rows_of, text_width
from bench.reporting.plot import around
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.tables import NONE, number, with_interval
from bench.reporting.telling import Section, listed

TITLE = "Do two remedies gain together what they gain alone?"
NOTE = (
    "Each cell: what the two gain together beyond the sum of what each gains alone (both - one - other + baseline, "
    "cell by cell, in the ranking metric), with its 95 % interval and a word: more or less than the sum (p-values "
    "Holm-adjusted over the dataset's interactions), additive (shown to lie within the region of practical "
    "equivalence), or undecided with the smallest interaction that would have been found with 80 % power. An "
    "interaction has about twice the variance of a difference. Near the best possible score two good remedies gain "
    "less than the sum because little is left to gain; where one of them harms alone, more than the sum may mean that "
    "the other undoes the harm. The file has the gains."
)
FIGURE = "Interactions, with 95 % intervals"
DESCRIPTION = (
    "One row per pair: the score of both together, minus each alone, plus the baseline. The band is the region of "
    "practical equivalence, in which the two are additive. The words rest on adjusted p-values, so that an interval "
    "that leaves out zero is not yet more or less than the sum."
)
COLUMNS = (
    "dataset", "first", "second", "both", "gain_first", "gain_second", "gain_both", "interaction", "standard_error",
    "low95", "high95", "low90", "high90", "p_value", "p_holm", "p_equivalence", "smallest_detectable", "word", "margin",
)  # fmt: skip
SPOKEN: tuple[str, ...] = ("more than the sum", "less than the sum", "additive", "undecided")
LIKE: Mapping[str, str] = dict(zip(SPOKEN, ("better", "worse", "equivalent", "undecided"), strict=True))  # looks


def interaction_section(datasets: Sequence[DatasetAnalysis]) -> Section | None:
    """Return the section on interactions; None where no suite has two techniques alone and together."""
    shown = [dataset for dataset in datasets if dataset.asides.interactions]
    if not shown:
        return None
    seconds = list(dict.fromkeys(one.second for dataset in shown for one in dataset.asides.interactions))
    headings = ["dataset", "technique", *(f"with {name}" for name in seconds)]
    told = [(dataset.label, sentence(dataset)) for dataset in shown]
    rows = [row for dataset in shown for row in _rows(dataset, seconds)]
    files = {"interactions.csv": _csv(shown)}
    return Section("together", TITLE, told, headings, rows, frozenset(headings), NOTE, files, "interaction-forest")


def _rows(dataset: DatasetAnalysis, seconds: Sequence[str]) -> list[list[str]]:
    """Return the lines of one dataset: first parts down, second parts across."""
    held = {(one.first, one.second): one for one in dataset.asides.interactions}
    firsts = dict.fromkeys(first for first, _ in held)
    return [[dataset.label, first, *(_cell(held.get((first, second))) for second in seconds)] for first in firsts]


def _cell(one: Interaction | None) -> str:
    return "" if one is None else f"{with_interval(one.contrast)}: {told_word(one)}"


def told_word(one: Interaction) -> str:
    """Return the word of an interaction; an undecided one's with what would have been found."""
    if one.word == "undecided":
        return f"undecided ({number(one.verdict.smallest_detectable, 3)})"
    return one.word or NONE


def sentence(dataset: DatasetAnalysis) -> str:
    """Return what the interactions of one dataset are, those furthest from zero first."""
    found = sorted(dataset.asides.interactions, key=lambda one: (-round(abs(one.contrast.estimate), 12), one.both))
    told = []
    for word in SPOKEN:
        own = [one for one in found if one.word == word]
        if own:
            first, *others = own
            names = f"{first.first} with {first.second} ({with_interval(first.contrast)})"
            start = f"{word.capitalize()}{f' (within ±{dataset.margin:.4g})' if word == 'additive' else ''}"
            told.append(f"{start}: {listed([names, *(f'{one.first} with {one.second}' for one in others)])}.")
    if not told:
        return "No verdict: too few repeats, a technique that is not complete, or no interval."
    if found and not any(one.word in SPOKEN[:2] for one in found):
        return f"No pair was shown to gain more or less than the sum. {' '.join(told)}"
    return " ".join(told)


def _csv(datasets: Sequence[DatasetAnalysis]) -> str:
    lines: list[list[Any]] = []
    for dataset in datasets:
        held = {one.technique: one.difference for one in dataset.standings}
        for one in dataset.asides.interactions:
            gains = [getattr(held[name], "estimate", None) for name in (one.first, one.second, one.both)]
            bounds = [
                getattr(one.contrast, name)
                for name in ("estimate", "standard_error", "low95", "high95", "low90", "high90", "p_value")
            ]
            judged = [getattr(one.verdict, name) for name in ("p_holm", "p_equivalence", "smallest_detectable")]
            lines.append([dataset.label, one.first, one.second, one.both, *gains, *bounds, *judged, one.word,
                          dataset.margin])  # fmt: skip
    return csv_text(COLUMNS, lines)


def interaction_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Contrasts with their intervals, one panel per dataset; no panels where there are none."""
    shown = [dataset for dataset in datasets if dataset.asides.interactions]
    rows = tuple(
        (dataset.label, one.first, one.second, one.contrast.estimate, one.contrast.low95, one.contrast.high95, one.word)
        for dataset in shown
        for one in _ordered(dataset)
    )
    headings = ("dataset", "first", "second", "interaction", "low95", "high95", "word")
    return Drawing("interaction-forest", FIGURE, DESCRIPTION, tuple(map(_panel, shown)), headings, rows)


def _ordered(dataset: DatasetAnalysis) -> list[Interaction]:
    """Return the interactions, those that gain most beyond the sum first."""
    sign = -1 if dataset.higher else 1
    return sorted(dataset.asides.interactions, key=lambda one: (sign * round(one.contrast.estimate, 12), one.both))


def _look(one: Interaction) -> tuple[str, str]:
    return LOOKS[LIKE.get(one.word, "not compared")]


def _panel(dataset: DatasetAnalysis) -> Panel:
    found = _ordered(dataset)
    rows = rows_of([f"{one.first} + {one.second}" for one in found])
    words = [told_word(one) for one in found]
    looks = dict.fromkeys((one.word or "not compared", *_look(one)) for one in found)
    signs = [*(Sign(word, colour, marker) for word, colour, marker in looks), EQUIVALENT]
    side = "right" if dataset.higher else "left"
    below = f"{METRICS[dataset.metric].title} beyond the sum ({side} is more)"
    frame = Frame(dataset.label, below, rows.height, rows.width + 10, max(map(text_width, words)) + 10, signs)
    edges = [value for one in found for value in (one.contrast.low95, one.contrast.estimate, one.contrast.high95)]
    with plotted(frame, around([0.0, *edges])) as (made, plot):
        plot.ticks_x()
        if np.isfinite(dataset.margin):
            plot.band(-dataset.margin, dataset.margin, BAND)
        plot.line([0, 0], [0, rows.height], width=0.6)
        for one, y in zip(found, rows.centres, strict=True):
            colour, marker = _look(one)
            if np.isfinite(one.contrast.low95):
                plot.spans([rounded(one.contrast.low95)], [rounded(one.contrast.high95)], [y], colour)
            x = plot.x([rounded(one.contrast.estimate)])
            plot.page.plot(x, plot.y([y]), marker, color=colour, markersize=5, zorder=3)
        plot.name_rows(rows)
        plot.beside_rows(words, rows.centres)
        return made.finished(dataset.label, FIGURE, DESCRIPTION)
