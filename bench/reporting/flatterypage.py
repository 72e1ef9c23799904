"""Flattery as sentences, table and figure: what the best epoch on the test set would have added to each score."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.metrics import METRICS
from bench.reporting.asides import Flattered
from bench.reporting.canvas import Frame, plotted
from bench.reporting.csvs import csv_text
from bench.reporting.drawing import INK, Drawing, Panel, rounded
from bench.reporting.grids import short_names
from bench.reporting.layout import Sign, rows_of, text_width
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.reporting.tables import NONE, number, verdict, with_interval
from bench.reporting.telling import Section, listed

TITLE = "What the best epoch on the test set would have added"
NOTE = (
    "Flattery: how much better the best of a training's recorded steps (20 at most) scores on the test rows than what "
    "the training ended with. It is recorded for techniques that the suite marks, once a training is done, and ranks "
    "nothing. Nobody who picks the best can lose, so flattery is never negative and its mean is above zero as soon as "
    "one trial's is: that its interval leaves out zero shows nothing, and it is given no test. The interval is cut at "
    "zero and holds the test rows fixed. Flattered difference: the flattered score minus the baseline's honest one; "
    "beside it what would have been said, in the family of the honest verdicts."
)
FIGURE = "Flattery, trial by trial"
DESCRIPTION = (
    "One ring per training: how much the best recorded step on the test set beats what the training ended with; the "
    "bar is the mean and the line its 95 % interval. On the right: the verdict, and after an arrow what the technique "
    "would have been called by its best epoch where that is another word. A number after a name is the strength of "
    "that remedy."
)
HEADINGS = (
    "dataset", "technique", "score", "flattery [95 %]", "most in one trial", "difference [95 %]", "verdict",
    "flattered difference [95 %]", "would have been", "trials",
)  # fmt: skip
LEFT = frozenset(heading for heading in HEADINGS if "[" in heading) | {
    "dataset", "technique", "verdict", "would have been",
}  # fmt: skip
COLUMNS = (
    "dataset", "technique", "metric", "score", "flattery", "flattery_low95", "flattery_high95", "most", "trials",
    "difference", "verdict", "flattered_difference", "flattered_low95", "flattered_high95", "flattered_p_holm",
    "flattered_verdict", "by_flattery_alone",
)  # fmt: skip
COLOUR = "#d55e00"
ROW = 24.0  # points
Pair = tuple[Flattered, Standing]


def flattery_section(datasets: Sequence[DatasetAnalysis]) -> Section | None:
    """Return the section on flattery; None where no test curves were recorded."""
    shown = [dataset for dataset in datasets if dataset.asides.flattery]
    if not shown:
        return None
    told = [(dataset.label, sentence(dataset)) for dataset in shown]
    rows = [_cells(dataset, *pair) for dataset in shown for pair in pairs_of(dataset)]
    files = {"flattery.csv": _csv(shown)}
    return Section("best-epoch", TITLE, told, HEADINGS, rows, LEFT, NOTE, files, "flattery-trials")


def pairs_of(dataset: DatasetAnalysis) -> list[Pair]:
    """Return who was recorded, with the standing of each, the most flattered first."""
    standings = {one.technique: one for one in dataset.standings}
    found = [(one, standings[one.technique]) for one in dataset.asides.flattery]
    return sorted(found, key=lambda pair: (-round(pair[0].added.estimate, 12), pair[0].technique))


def by_flattery_alone(one: Flattered, honest: Standing) -> bool:
    """Return whether the best epoch would have made a technique *better* whose verdict is another one."""
    return one.word == "better" and honest.verdict is not None and honest.word != "better"


def sentence(dataset: DatasetAnalysis) -> str:
    """Return what flattery there was on one dataset, and which verdicts it would have turned into *better*."""
    found = pairs_of(dataset)
    most, size = found[0][0], len(found)
    if most.added.identical:
        return "The best epoch on the test set would have added nothing to any score that was recorded."
    name = "the baseline" if most.is_baseline else most.technique
    told = (
        f"The best epoch on the test set would have {'added most to' if dataset.higher else 'taken most off'} {name}"
        f"{f' (of {size} recorded techniques)' if size > 1 else ''}: {number(most.added.estimate)} "
        f"{METRICS[dataset.metric].title} on average."
    )
    base = next((one for one, _ in found if one.is_baseline), None)
    if base is not None and base is not most:
        told += f" For the baseline it is {'nothing' if base.added.identical else number(base.added.estimate)}."
    turned = [f"{one.technique} (honestly {honest.word})" for one, honest in found if by_flattery_alone(one, honest)]
    if turned:
        return f"{told} Better than the baseline by flattery alone: {listed(turned)}."
    judged = any(one.word for one, _ in found)
    return f"{told} No technique would have been called better by that alone." if judged else told


def _cells(dataset: DatasetAnalysis, one: Flattered, honest: Standing) -> list[str]:
    """Return a line of the table, as ``HEADINGS`` names them."""
    return [
        dataset.label, one.technique, number(honest.score), with_interval(one.added), number(float(one.each.max())),
        with_interval(honest.difference), verdict(honest), with_interval(one.gain), one.word or NONE,
        f"{len(one.each)}/{honest.planned}",
    ]  # fmt: skip


def _csv(datasets: Sequence[DatasetAnalysis]) -> str:
    lines: list[list[Any]] = []
    for dataset in datasets:
        for one, honest in pairs_of(dataset):
            gain = [getattr(one.gain, name, None) for name in ("estimate", "low95", "high95")]
            lines.append([
                dataset.label, one.technique, dataset.metric, honest.score, one.added.estimate, one.added.low95,
                one.added.high95, float(one.each.max()), len(one.each), getattr(honest.difference, "estimate", None),
                honest.word, *gain, getattr(one.verdict, "p_holm", None), one.word,
                int(by_flattery_alone(one, honest)),
            ])  # fmt: skip
    return csv_text(COLUMNS, lines)


def flattery_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """A strip of trials per technique, from zero, a panel per dataset; no panels without test curves."""
    shown = [dataset for dataset in datasets if dataset.asides.flattery]
    rows = tuple(
        (dataset.label, one.technique, float(value), honest.word, one.word)
        for dataset in shown
        for one, honest in pairs_of(dataset)
        for value in one.each
    )
    headings = ("dataset", "technique", "flattery", "verdict", "would_have_been")
    return Drawing("flattery-trials", FIGURE, DESCRIPTION, tuple(map(_panel, shown)), headings, rows)


def _panel(dataset: DatasetAnalysis) -> Panel:
    found, short = pairs_of(dataset), short_names(dataset.grids)
    rows = rows_of([short.get(one.technique, one.technique) for one, _ in found], ROW)
    signs = [Sign("one training", INK, marker="o", hollow=True), Sign("mean, 95 % interval", COLOUR, line="-")]
    words = [_turned(one, honest) for one, honest in found]
    aside = max(map(text_width, words)) + 10
    below = f"{METRICS[dataset.metric].title} that the best epoch on the test set would have won"
    frame = Frame(dataset.label, below, rows.height, rows.width + 10, aside, signs)
    most = max(
        max(float(one.each.max()), one.added.high95 if math.isfinite(one.added.high95) else 0) for one, _ in found
    )
    with plotted(frame, (0.0, 1.04 * rounded(most) or 1.0)) as (made, plot):
        plot.ticks_x(30.0)
        for (one, _), y in zip(found, rows.centres, strict=True):
            values = np.sort([rounded(value) for value in one.each])
            shifts = (np.arange(len(values)) % 5 - 2) * 2.6
            style = {"markersize": 3.4, "markerfacecolor": "none", "markeredgewidth": 0.7}
            plot.page.plot(plot.x(values), plot.y(y + shifts), "o", color=INK, **style)
            middle = rounded(one.added.estimate)
            plot.line([middle, middle], [y - 8, y + 8], COLOUR, 2.0)
            if math.isfinite(one.added.low95):
                plot.spans([rounded(one.added.low95)], [rounded(one.added.high95)], [y], COLOUR)
        plot.name_rows(rows, [one.is_baseline for one, _ in found])
        plot.beside_rows(words, rows.centres)
        return made.finished(dataset.label, FIGURE, DESCRIPTION)


def _turned(one: Flattered, honest: Standing) -> str:
    """Return the verdict, and what would have been said by the best epoch where that is another word."""
    return f"{honest.word} \u2192\n{one.word}" if one.word and one.word != honest.word else honest.word
