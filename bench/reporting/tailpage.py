"""Memorisation of the tail as sentences, table and figure: the gap of each class against its training rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.reporting.asides import Tail
from bench.reporting.canvas import Frame, plotted
from bench.reporting.csvs import csv_text
from bench.reporting.drawing import INK, Drawing, Panel, rounded
from bench.reporting.layout import Sign
from bench.reporting.plot import Plot, around
from bench.reporting.standing import FEW_ROWS, DatasetAnalysis
from bench.reporting.tables import NONE, with_interval
from bench.reporting.tail import line_at
from bench.reporting.telling import Section, listed

TITLE = "Which classes are learned by heart"
NOTE = (
    "Gap of a class: its recall on training rows minus its recall on test rows. Slope: how the gap changes per tenfold "
    "training rows, by least squares over the classes in each trial; negative where rare classes are learned by heart "
    "more than common ones. Less in the tail: the slope is shown to be larger than the baseline's, paired, p-values "
    "Holm-adjusted over the dataset's techniques; alike: shown to differ by less than the dataset's margin of "
    "equivalence. As with every gap, a smaller one is no gain by itself: the recall on training rows may have fallen. "
    f"Every class counts once, so that one with few test rows (flagged below {FEW_ROWS}) adds much noise; of two "
    "classes the line runs through both."
)
FIGURE = "The gap of each class against its training rows"
DESCRIPTION = (
    "One point per class: recall on training rows minus recall on test rows, mean over trials, against the class's "
    "training rows (logarithmic). Lines: means of the trials' least-squares lines. Shown are the baseline and up to "
    "three techniques whose slopes differ most from its, those with a verdict first. Hollow: classes with fewer than "
    f"{FEW_ROWS} test rows."
)
HEADINGS = ("dataset", "technique", "slope [95 %]", "change of slope [95 %]", "against the baseline")
LEFT = frozenset(HEADINGS)
SLOPES = (
    "dataset", "technique", "slope", "slope_low95", "slope_high95", "slope_method", "change", "change_low95",
    "change_high95", "change_p_holm", "change_word",
)  # fmt: skip
CLASSES = ("dataset", "technique", "class", "training_rows", "test_rows", "few_test_rows", "train_recall",
           "test_recall", "gap")  # fmt: skip
TELLING = 3  # techniques in the figure, beside the baseline
LOOKS = (("#d55e00", "^", "--"), ("#0072b2", "s", "-."), ("#009e73", "D", ":"))
HEIGHT, LEFT_EDGE, RIGHT_EDGE = 150.0, 36.0, 12.0  # points


def tail_section(datasets: Sequence[DatasetAnalysis]) -> Section | None:
    """Return the section on the tail; None where no dataset has classes of unlike size with known gaps."""
    shown = [dataset for dataset in datasets if dataset.asides.tails]
    if not shown:
        return None
    told = [(dataset.label, sentence(dataset)) for dataset in shown]
    rows = [
        [dataset.label, one.technique, with_interval(one.slope), with_interval(one.difference), told_word(one)]
        for dataset in shown
        for one in ordered(dataset)
    ]
    files = {"tail-slopes.csv": _slopes(shown), "tail-classes.csv": _classes(shown)}
    return Section("tail", TITLE, told, HEADINGS, rows, LEFT, NOTE, files, "tail-gaps", long=True)


def told_word(one: Tail) -> str:
    """Return how a slope differs from the baseline's, in words."""
    return "baseline" if one.is_baseline else one.word or NONE


def ordered(dataset: DatasetAnalysis) -> list[Tail]:
    """Return the techniques by slope, the largest first."""
    return sorted(dataset.asides.tails, key=lambda one: (-round(one.slope.estimate, 12), one.technique))


def sentence(dataset: DatasetAnalysis) -> str:
    """Return what the slopes say of one dataset; a claim on the baseline rests on its own 95 % interval."""
    tails = ordered(dataset)
    told = []
    base = next((one for one in tails if one.is_baseline), None)
    if base is not None:
        told.append(f"{_own(base)}.")
    groups = {word: [one for one in tails if one.word == word] for word in ("less in the tail", "more in the tail")}
    for word, found in groups.items():
        if found:
            first = found if word == "less in the tail" else found[::-1]
            names = [first[0].technique + f" ({with_interval(first[0].difference, 3)})"]
            told.append(
                f"{word.capitalize()} than under it: {listed([*names, *(one.technique for one in first[1:])])}."
            )
    for word, start in (("alike", f"Alike (within ±{dataset.facts['equivalence']:g})"), ("undecided", "Undecided")):
        count = sum(one.word == word for one in tails)
        told += [f"{start}: {count} technique{'s' * (count > 1)}."] if count else []
    few = _few(dataset)
    if few:
        told.append(f"Fewer than {FEW_ROWS} test rows: {', '.join(few)}.")
    if dataset.facts["repeats"] == "fixed" and dataset.facts["has_test"] and not np.isfinite(tails[0].slope.low95):
        told.append("The test rows' share of the noise is unknown, so that slopes have no interval.")
    return " ".join(told)


def _own(base: Tail) -> str:
    """Return what the baseline's slope says."""
    size = f"by {with_interval(base.slope, 3)} per tenfold training rows"
    if base.slope.high95 < 0:
        return f"Under the baseline rare classes are learned by heart more than common ones: the gap changes {size}"
    if base.slope.low95 > 0:
        return f"Under the baseline common classes are learned by heart more than rare ones: the gap changes {size}"
    return f"Under the baseline the gap is not shown to change with support: {size}"


def _few(dataset: DatasetAnalysis) -> list[str]:
    """Return the classes with few test rows."""
    names = zip(dataset.facts["classes"], dataset.support, strict=True)
    return [str(name) for name, rows in names if 0 < rows < FEW_ROWS]


def _slopes(datasets: Sequence[DatasetAnalysis]) -> str:
    lines: list[list[Any]] = []
    for dataset in datasets:
        for one in ordered(dataset):
            change = [getattr(one.difference, name, None) for name in ("estimate", "low95", "high95")]
            own = one.slope
            lines.append([dataset.label, one.technique, own.estimate, own.low95, own.high95, own.method, *change,
                          getattr(one.verdict, "p_holm", None), told_word(one)])  # fmt: skip
    return csv_text(SLOPES, lines)


def _classes(datasets: Sequence[DatasetAnalysis]) -> str:
    return csv_text(CLASSES, [line for one in datasets for tail in ordered(one) for line in _lines(one, tail)])


def _lines(dataset: DatasetAnalysis, one: Tail) -> list[tuple[Any, ...]]:
    """Return what is known of each class under one technique, most training rows first."""
    order = np.argsort(-np.nan_to_num(one.rows), kind="stable")
    numbers = [values[order].tolist() for values in (one.rows, dataset.support, one.train, one.test, one.gap)]
    return [
        (dataset.label, one.technique, dataset.facts["classes"][at], rows, tested, int(tested < FEW_ROWS), *scores)
        for at, rows, tested, *scores in zip(order, *numbers, strict=True)
        if np.isfinite(rows)
    ]


def telling(dataset: DatasetAnalysis) -> list[Tail]:
    """Return the baseline and the techniques whose slopes differ most from its, those with a verdict first."""
    base = [one for one in dataset.asides.tails if one.is_baseline]
    others = [(one.difference.estimate, one) for one in dataset.asides.tails if one.difference is not None]
    decided = ("less in the tail", "more in the tail")
    order = sorted(others, key=lambda pair: (pair[1].word not in decided, -round(abs(pair[0]), 12), pair[1].technique))
    return [*base, *(one for change, one in order if change)][: len(base) + TELLING]


def tail_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Gap against support, classes as points, a panel per dataset; no panels where that is unknown."""
    shown = [dataset for dataset in datasets if telling(dataset)]
    rows = tuple(line for dataset in shown for one in telling(dataset) for line in _lines(dataset, one))
    return Drawing("tail-gaps", FIGURE, DESCRIPTION, tuple(map(_panel, shown)), CLASSES, rows)


def _panel(dataset: DatasetAnalysis) -> Panel:
    found = telling(dataset)
    looks = [(INK, "*", "-"), *LOOKS] if found[0].is_baseline else list(LOOKS)
    named = [(one, look) for one, look in zip(found, looks, strict=False)]
    signs = [Sign(one.technique, colour, marker) for one, (colour, marker, _) in named]
    if _few(dataset):
        signs.append(Sign(f"fewer than {FEW_ROWS} test rows", INK, "o", hollow=True))
    xs = np.concatenate([one.rows for one in found])
    ys = np.concatenate([one.gap for one in found])
    frame = Frame(
        dataset.label, "training rows of the class", HEIGHT, LEFT_EDGE, RIGHT_EDGE, signs,
        "recall on training rows minus recall on test rows",
    )  # fmt: skip
    with plotted(frame, around(xs, 0.06, log=True), around([0.0, *ys], 0.08), "x") as (made, plot):
        plot.ticks_x()
        plot.ticks_y()
        plot.line(plot.across, [0.0, 0.0], width=0.6)
        for one, look in named:
            _draw(plot, one, look, dataset.support < FEW_ROWS)
        return made.finished(dataset.label, FIGURE, DESCRIPTION)


def _draw(plot: Plot, one: Tail, look: tuple[str, str, str], few: np.ndarray) -> None:
    """Draw the classes of one technique and its line, as far as the plot goes."""
    colour, marker, style = look
    size = 8 if marker == "*" else 4.5
    for hollow in (False, True):
        chosen = (few == hollow) & np.isfinite(one.rows)
        if chosen.any():
            xs, ys = ([rounded(value) for value in values[chosen]] for values in (one.rows, one.gap))
            face = "none" if hollow else colour
            plot.page.plot(plot.x(xs), plot.y(ys), marker, color=colour, markersize=size, markerfacecolor=face)
    known = one.rows[np.isfinite(one.rows)]
    ends = np.geomspace(known.min(), known.max(), 60)
    heights = np.array([line_at(one, rows) for rows in ends])
    inside = (heights >= plot.up[0]) & (heights <= plot.up[1])
    plot.line(ends[inside][[0, -1]], heights[inside][[0, -1]], colour, 1.0, style)
