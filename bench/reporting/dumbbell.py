"""Dumbbells: a measure of calibration before and after correction, one line per technique."""

from collections.abc import Sequence

import numpy as np

from bench.metrics import METRICS
from bench.reporting.calibration import MEASURES
from bench.reporting.canvas import Frame, plotted
from bench.reporting.drawing import INK, LINE, LOOKS, Drawing, Panel, rounded
from bench.reporting.gains import Bill, Judged
from bench.reporting.honesttables import billed, told_of
from bench.reporting.layout import Sign, rows_of, text_width
from bench.reporting.plot import Plot, around
from bench.reporting.standing import DatasetAnalysis, Standing

TITLE = "Calibration before and after correction"
DESCRIPTION = (
    "Brier score and ECE on test rows, lower (left) is better, on a logarithmic axis. The hollow ring is the technique "
    "as it is, the filled marker its training with probabilities corrected to the class shares that test rows stand "
    "for; the upright line is the baseline as it is. Colours, and the words on the right (before, after), are verdicts "
    "against the baseline; where there is none they are grey."
)
HEADINGS = ("dataset", "measure", "technique", "before", "after", "verdict before", "verdict after")
SIGNS = (
    Sign("as it is", INK, "o", hollow=True),
    Sign("corrected", INK, "o"),
    Sign("baseline as it is", INK, line="-"),
)
NO_VERDICT = "no verdict"


def calibration_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Draw a panel per dataset and measure; none where no probabilities are scored."""
    shown = [(dataset, measure) for dataset in datasets for measure in MEASURES if _lines(dataset, measure)]
    rows = tuple(
        (dataset.label, METRICS[measure].title, one.technique, bill.score_before, bill.score_after,
         told_of(one, bill.before), told_of(one, bill.after))
        for dataset, measure in shown
        for one, bill in _lines(dataset, measure)
    )  # fmt: skip
    return Drawing("calibration", TITLE, DESCRIPTION, tuple(_panel(*pair) for pair in shown), HEADINGS, rows)


def _lines(dataset: DatasetAnalysis, measure: str) -> list[tuple[Standing, Bill]]:
    """Return what can be drawn: those whose own probabilities, or corrected ones, have a score above zero."""
    held = billed(dataset, measure)
    return [pair for pair in held if max(pair[1].score_before, 0) > 0 or max(pair[1].score_after, 0) > 0]


def _panel(dataset: DatasetAnalysis, measure: str) -> Panel:
    lines = _lines(dataset, measure)
    label = f"{dataset.label}: {METRICS[measure].title}"
    rows = rows_of([one.technique for one, _ in lines])
    words = [_words(one, bill) for one, bill in lines]
    aside = max(map(text_width, words)) + 10
    frame = Frame(label, f"{METRICS[measure].title} (left is better)", rows.height, rows.width + 10, aside, SIGNS)
    values = [value for _, bill in lines for value in (bill.score_before, bill.score_after) if value > 0]
    with plotted(frame, around(values, log=True), log="x") as (made, plot):
        plot.ticks_x()
        base = next((bill.score_before for one, bill in lines if one.is_baseline), np.nan)
        if base > 0:
            plot.line([rounded(base)] * 2, [0, rows.height], width=0.6)
        both = [(bill, y) for (_, bill), y in zip(lines, rows.centres, strict=True) if _both(bill)]
        before, after = ([rounded(getattr(bill, name)) for bill, _ in both] for name in ("score_before", "score_after"))
        plot.spans(before, after, [y for _, y in both], LINE, 1.6)
        for (one, bill), y in zip(lines, rows.centres, strict=True):
            _dot(plot, bill.score_before, y, _colour(one, bill.before), hollow=True)
            _dot(plot, bill.score_after, y, _colour(one, bill.after), hollow=False)
        plot.name_rows(rows, [one.is_baseline for one, _ in lines])
        plot.beside_rows(words, rows.centres)
        return made.finished(label, TITLE, DESCRIPTION)


def _dot(plot: Plot, value: float, y: float, colour: str, hollow: bool) -> None:
    """Draw a ring, or a smaller filled dot; nothing where there is no value."""
    if value > 0:
        face, size = ("none", 6.0) if hollow else (colour, 4.0)
        x, at = plot.x([rounded(value)]), plot.y([y])
        plot.page.plot(x, at, "o", color=colour, markerfacecolor=face, markersize=size, zorder=3)


def _both(bill: Bill) -> bool:
    return bill.score_before > 0 and bill.score_after > 0


def _colour(one: Standing, judged: Judged) -> str:
    if one.is_baseline:
        return INK
    return LOOKS[judged.word if judged.word in LOOKS else "incomplete"][0]


def _words(one: Standing, bill: Bill) -> str:
    if one.is_baseline or one.replica:
        return one.word
    words = [NO_VERDICT if judged.word == "not compared" else judged.word for judged in (bill.before, bill.after)]
    return NO_VERDICT if words == [NO_VERDICT] * 2 else ", ".join(words)
