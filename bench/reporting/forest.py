"""Forest plot: differences to the baseline with their intervals."""

from collections.abc import Sequence

import numpy as np

from bench.metrics import METRICS
from bench.reporting.canvas import Frame, plotted
from bench.reporting.drawing import BAND, Drawing, Panel, look, rounded, words_of
from bench.reporting.layout import EQUIVALENT, rows_of, signs_of, text_width
from bench.reporting.plot import around, marks
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.tables import UNDECIDED, told

TITLE = "Difference to the baseline, with 95 % intervals"
DESCRIPTION = (
    "One panel per dataset, the largest gain on top. The band is the region of practical equivalence. The verdict "
    "on the right rests on adjusted p-values, so an interval that leaves out zero is not yet a verdict; "
    f"{UNDECIDED}."
)


def forest(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Differences to the baseline with 95 % intervals, one panel per dataset, sorted by effect."""
    rows = tuple(
        (dataset.label, one.technique, d.estimate, d.low95, d.high95, told(one), -dataset.margin, dataset.margin)
        for dataset in datasets
        for one in dataset.compared
        if (d := one.difference) is not None
    )
    headings = ("dataset", "technique", "difference", "low95", "high95", "verdict", "equivalent_from", "equivalent_to")
    return Drawing("differences", TITLE, DESCRIPTION, tuple(map(_panel, datasets)), headings, rows)


def change_in(dataset: DatasetAnalysis) -> str:
    """Return what the axis of a difference shows, and which side is better."""
    return f"change in {METRICS[dataset.metric].title} ({'right' if dataset.higher else 'left'} is better)"


def _panel(dataset: DatasetAnalysis) -> Panel:
    shown = dataset.compared
    rows = rows_of([one.technique for one in shown])
    words = [told(one) for one in shown]
    signs = [*signs_of(words_of(shown)), EQUIVALENT]
    aside = max(map(text_width, words)) + 10
    frame = Frame(dataset.label, change_in(dataset), rows.height, rows.width + 10, aside, signs)
    points = [(one, d, y) for one, y in zip(shown, rows.centres, strict=True) if (d := one.difference) is not None]
    known = [(one, d, y) for one, d, y in points if np.isfinite(d.low95)]
    across = around([0.0, *(value for _, d, _ in points for value in (d.low95, d.estimate, d.high95))])
    with plotted(frame, across) as (made, plot):
        plot.ticks_x()
        if np.isfinite(dataset.margin):
            plot.band(-dataset.margin, dataset.margin, BAND)
        plot.line([0, 0], [0, rows.height], width=0.6)
        lows, highs = ([rounded(getattr(d, name)) for _, d, _ in known] for name in ("low95", "high95"))
        plot.spans(lows, highs, [y for _, _, y in known], [look(one)[0] for one, _, _ in known])
        marks(plot, [(rounded(d.estimate), y, one) for one, d, y in points])
        plot.name_rows(rows)
        plot.beside_rows(words, rows.centres)
        return made.finished(dataset.label, TITLE, DESCRIPTION)
