"""Validation score over the values that were searched, one small plot per technique on shared axes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.metrics import METRICS
from bench.reporting.canvas import TICKS, canvas
from bench.reporting.drawing import BAND, INK, Drawing, Panel, rounded
from bench.reporting.drawing import TITLE as TITLE_SIZE
from bench.reporting.layout import LEADING, WIDTH, Sign, height_of, legend_height, wrap
from bench.reporting.plot import Plot, around
from bench.reporting.searching import Tuned, value_text
from bench.reporting.standing import DatasetAnalysis

NAME = "search-curves"
TITLE = "Validation score over the values that were searched"
DESCRIPTION = (
    "One plot per technique, all with the same axes. Rings: single trainings, on validation rows of repeats that are "
    "never scored; line: their mean; large dot: the value that was chosen, open where it lies on an end of the grid "
    "even after the grid grew; upright line: the recipe's own value; shade: the good range, values in a row whose mean "
    "is practically equivalent to the best. A triangle at the edge is a mean beyond it, a cross a value at which a "
    "training diverged."
)
HEADINGS = ("dataset", "technique", "setting", "value", "repeat", "validation_score", "diverged", "chosen", "default")
COLOUR, BAD = "#0072b2", "#d55e00"
LEFT, BETWEEN, HEIGHT = 38.0, 18.0, 78.0  # points: tick labels, between plots, each plot
SPAN = 10.0  # values that span more than that stand on a logarithmic axis
SHOWN = 0.75  # share of all means that the axis holds; the worst of them would squeeze the others together


def search_curves(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Scores over values, a panel per dataset; no panels where no suite chooses a value."""
    shown = [dataset for dataset in datasets if dataset.asides.searches]
    rows = tuple(
        (
            dataset.label, one.technique, one.path, float(value), repeat, float(score), int(np.isnan(score)),
            int(value == one.chosen), int(value == one.default),
        )
        for dataset in shown
        for one in dataset.asides.searches
        for value, scores in zip(one.values, one.scores, strict=True)
        for repeat, score in enumerate(scores)
    )  # fmt: skip
    return Drawing(NAME, TITLE, DESCRIPTION, tuple(map(_panel, shown)), HEADINGS, rows)


@dataclass(frozen=True)
class Scale:
    """The axes that all plots of a dataset share."""

    across: tuple[float, float]
    up: tuple[float, float]
    log: str


def scale_of(found: Sequence[Tuned]) -> Scale:
    """Return axes that hold all values, and the better part of the scores: all of them where they span little."""
    values = np.concatenate([one.values for one in found])
    log = "x" if values.min() > 0 and values.max() / values.min() > SPAN else ""
    return Scale(around(values, 0.04, bool(log)), around(limits_of(found), 0.08), log)


def limits_of(found: Sequence[Tuned]) -> tuple[float, float]:
    """Return the best and the worst score to show: means beyond ``SHOWN`` of all count as the worst."""
    means = np.concatenate([one.means for one in found])
    known = np.sort(means[np.isfinite(means)])
    if not len(known):
        return 0.0, 1.0
    higher = found[0].higher
    return (
        (float(np.quantile(known, 1 - SHOWN)), float(known[-1]))
        if higher
        else (float(known[0]), float(np.quantile(known, SHOWN)))
    )


def _panel(dataset: DatasetAnalysis) -> Panel:
    """Draw the small plots of one dataset, two in a row."""
    found = dataset.asides.searches
    width = (WIDTH - LEFT - BETWEEN - 8) / 2
    names = [wrap(f"{one.technique}: {told(one)}", width) for one in found]
    heads = [max(map(height_of, names[at : at + 2])) + 8 for at in range(0, len(names), 2)]
    top = 6 + 1.15 * LEADING + LEADING
    tops = top + np.cumsum([0.0, *(head + HEIGHT for head in heads)])
    bottom = tops[-1] + TICKS + LEADING + 4
    paths = ", ".join(dict.fromkeys(one.path for one in found))
    signs = [
        Sign("one training", INK, "o", hollow=True), Sign("mean", COLOUR, line="-"), Sign("chosen", COLOUR, "o"),
        Sign("chosen, on the edge", BAD, "o", hollow=True), Sign("the recipe's own value", INK, line="--"),
        Sign("good range", BAND, alpha=0.3), Sign("a training diverged", BAD, "x"),
    ]  # fmt: skip
    scale = scale_of(found)
    with canvas(bottom + 6 + legend_height(signs, WIDTH)) as made:
        made.text(4, 4, dataset.label, weight="bold", fontsize=TITLE_SIZE, va="top")
        better = "up" if dataset.higher else "down"
        told_metric = f"{METRICS[dataset.metric].title} on validation rows ({better} is better)"
        made.text(4, 6 + 1.15 * LEADING, told_metric, va="top")
        for at, (one, name) in enumerate(zip(found, names, strict=True)):
            left, upper = LEFT + at % 2 * (width + BETWEEN), tops[at // 2] + heads[at // 2]
            made.text(left, upper - 3, name, va="bottom")
            plot = Plot(made.page, left, upper, width, HEIGHT, scale.across, scale.up, scale.log)
            plot.ticks_x(labels=at >= len(found) - 2)
            plot.ticks_y(labels=at % 2 == 0)
            _curve(plot, one)
        made.text(LEFT + width + BETWEEN / 2, tops[-1] + TICKS, wrap(paths, WIDTH - 20), ha="center", va="top")
        made.legend(signs, bottom + 4)
        return made.finished(dataset.label, TITLE, DESCRIPTION)


def told(one: Tuned) -> str:
    """Return the chosen value, and whether it lies on an end of the grid; or that there is none."""
    if not np.isfinite(one.chosen):
        return "none chosen"
    return value_text(one.chosen) + (" (on the edge)" if one.edge else "")


def _curve(plot: Plot, one: Tuned) -> None:
    """Draw one search."""
    low, high = plot.up
    good = one.good
    if good is not None:
        plot.band(*good, BAND)
    if np.isfinite(one.default):
        plot.line([one.default] * 2, plot.up, width=0.7, style="--")
    for value, scores in zip(one.values, one.scores, strict=True):
        known = np.array([rounded(score) for score in scores[np.isfinite(scores)]])
        known = known[(known >= low) & (known <= high)]
        ring = {"markersize": 2.6, "markerfacecolor": "none", "markeredgewidth": 0.5, "alpha": 0.8}
        plot.page.plot(plot.x([value] * len(known)), plot.y(known), "o", color=INK, **ring)
    means = np.array([rounded(mean) for mean in one.means])
    inside = np.where((means >= low) & (means <= high), means, np.nan)
    plot.line(one.values, np.clip(means, low, high), COLOUR, 1.2)  # NaN leaves a gap
    worst = low if one.higher else high
    beyond = np.isfinite(means) & np.isnan(inside)
    away = {"color": COLOUR, "markersize": 4}
    plot.page.plot(plot.x(one.values[beyond]), plot.y([worst] * int(beyond.sum())), "v" if one.higher else "^", **away)
    broken = np.isnan(means)
    plot.page.plot(plot.x(one.values[broken]), plot.y([worst] * int(broken.sum())), "x", color=BAD, markersize=4)
    chosen = one.values == one.chosen
    colour, face = (BAD, "none") if one.edge else (COLOUR, COLOUR)
    plot.page.plot(
        plot.x(one.values[chosen]),
        plot.y(np.clip(means[chosen], low, high)),
        "o",
        color=colour,
        markersize=6,
        markerfacecolor=face,
    )
