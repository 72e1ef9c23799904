"""Which figures a report has, and the first of them: differences to the baseline with their intervals."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Patch

from bench.metrics import METRICS
from bench.reporting.drawing import BAND, INK, Drawing, legend, look, mark, panels, rounded, svg_text, word_of
from bench.reporting.heat import heat_map
from bench.reporting.scatter import cost_figure, gap_figure
from bench.reporting.standing import Analysis, DatasetAnalysis
from bench.reporting.tables import verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(analysis: Analysis) -> list[Drawing]:
    """Return all figures of a report; fewer where there is nothing to show yet."""
    drawings = []
    compared = [one for one in analysis.datasets if one.compared]
    if compared:
        drawings.append(forest(compared))
    classified = [one for one in compared if one.facts["task"] == "classification" and one.baseline is not None]
    if classified:
        drawings.append(heat_map(classified, [one["label"] for one in analysis.plan["techniques"]]))
    scored = [one for one in analysis.datasets if one.scored]
    if scored:
        drawings += [gap_figure(scored), cost_figure(scored)]
    return drawings


def forest(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Differences to the baseline with 95 % intervals, one panel per dataset, sorted by effect."""
    title = "Difference to the baseline, with 95 % intervals"
    description = (
        "One panel per dataset, the largest gain on top. The band is the region of practical equivalence. The verdict "
        "on the right rests on adjusted p-values, so an interval that leaves out zero is not yet a verdict."
    )
    most = max(len(one.compared) for one in datasets)
    with panels(len(datasets), 0.19 * most + 0.9) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            _forest_panel(axis, dataset)
        words = {word_of(one) for dataset in datasets for one in dataset.compared}
        legend(figure, words, [Patch(color=BAND, alpha=0.3, linewidth=0, label="practically equivalent")])
        svg = svg_text(figure, title, description)
    rows = tuple(
        (dataset.label, one.technique, d.estimate, d.low95, d.high95, verdict(one), -dataset.margin, dataset.margin)
        for dataset in datasets
        for one in dataset.compared
        if (d := one.difference) is not None
    )
    headings = ("dataset", "technique", "difference", "low95", "high95", "verdict", "equivalent_from", "equivalent_to")
    return Drawing("differences", title, description, svg, headings, rows)


def _forest_panel(axis: "Axes", dataset: DatasetAnalysis) -> None:
    if np.isfinite(dataset.margin):
        axis.axvspan(-rounded(dataset.margin), rounded(dataset.margin), color=BAND, alpha=0.3, linewidth=0, zorder=0)
    axis.axvline(0, color=INK, linewidth=0.6, zorder=1)
    for place, one in enumerate(dataset.compared):
        if (d := one.difference) is None:
            continue
        colour, _ = look(one)
        if np.isfinite(d.low95):
            axis.plot([rounded(d.low95), rounded(d.high95)], [place, place], color=colour, linewidth=1.4, zorder=2)
        mark(axis, rounded(d.estimate), place, one, 5)
        where = ("axes fraction", "data")
        axis.annotate(verdict(one), (1.02, place), xycoords=where, va="center", fontsize=7, annotation_clip=False)
    axis.set_yticks(range(len(dataset.compared)), [one.technique for one in dataset.compared])
    axis.set_ylim(len(dataset.compared) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=True, axis="x")
    axis.set_title(dataset.label)
    axis.set_xlabel(f"change in {METRICS[dataset.metric].title} ({'right' if dataset.higher else 'left'} is better)")
