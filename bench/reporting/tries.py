"""The best after n tries: what choosing among n values scores on average, as n grows."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.collections import LineCollection

from bench.metrics import METRICS
from bench.reporting.canvas import Frame, plotted
from bench.reporting.drawing import Drawing, Panel, rounded
from bench.reporting.layout import NAMES, height_of, text_width, wrap
from bench.reporting.plot import around
from bench.reporting.scatter import spread
from bench.reporting.searching import Tuned
from bench.reporting.standing import DatasetAnalysis

NAME = "best-of-n"
TITLE = "What n tries are worth: the best of n values as n grows"
DESCRIPTION = (
    "Expected score of the best among n values that are drawn from the grid without looking: chosen on validation rows "
    "of all search repeats but one, scored on those of the one left out, averaged over every choice of n values and "
    "every repeat. Where the line starts is what a value taken blindly scores; where it flattens, more tries are "
    "wasted; a line on the panel's edge runs beyond it. A training that diverged counts as the worst of its repeat."
)
HEADINGS = ("dataset", "technique", "tries", "expected_validation_score")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
STYLES = ("-", "--", ":")
SHOWN = 0.8  # share of all points that the axis holds; a blind choice may be far off


def tries_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Expected scores over n, a panel per dataset whose searches have two repeats or more."""
    shown = [dataset for dataset in datasets if _known(dataset)]
    rows = tuple(
        (dataset.label, one.technique, tries, float(score))
        for dataset in shown
        for one in _known(dataset)
        for tries, score in enumerate(one.tries, start=1)
    )
    return Drawing(NAME, TITLE, DESCRIPTION, tuple(map(_panel, shown)), HEADINGS, rows)


def _known(dataset: DatasetAnalysis) -> list[Tuned]:
    """Return the searches that can tell, the worst end first."""
    found = [one for one in dataset.asides.searches if np.isfinite(one.tries).all()]
    sign = 1 if dataset.higher else -1
    return sorted(found, key=lambda one: (round(sign * float(one.tries[-1]), 12), one.technique))


def _panel(dataset: DatasetAnalysis) -> Panel:
    found = _known(dataset)
    if not dataset.higher:
        found = found[::-1]  # from below to above, as the names stand
    lines = [np.array([rounded(score) for score in one.tries]) for one in found]
    values = np.sort(np.concatenate(lines))
    edges = [np.quantile(values, 1 - SHOWN), values[-1]] if dataset.higher else [values[0], np.quantile(values, SHOWN)]
    low, high = around([*edges, *(line[-1] for line in lines)], 0.04)
    names = [wrap(one.technique, NAMES) for one in found]
    heights = np.array([height_of(name) + 1 for name in names])
    height = max(190.0, float(heights.sum()) + 4)
    most = max(len(line) for line in lines)
    above = f"{METRICS[dataset.metric].title} on validation rows ({'up' if dataset.higher else 'down'} is better)"
    frame = Frame(dataset.label, "values tried", height, 36.0, max(map(text_width, names)) + 20, (), above)
    looks = [(colour, style) for style in STYLES for colour in COLOURS]
    with plotted(frame, (1.0, float(max(most, 2))), (low, high)) as (made, plot):
        plot.ticks_x(whole=True)
        plot.ticks_y()
        edge, bottom = plot.left + plot.width, plot.top + plot.height
        ends = plot.y([line[-1] for line in lines])
        places = [bottom - place for place in spread(bottom - ends, heights, height)]
        for line, name, (colour, style), end, place in zip(lines, names, cycle(looks), ends, places, strict=False):
            tries, cut = np.arange(1, len(line) + 1), np.clip(line, low, high)
            plot.line(tries, cut, colour, 1.2, style)
            last = float(plot.x([len(line)])[0])
            joined = LineCollection([((last, end), (edge + 8, place))], colors=[colour], linewidth=0.5, alpha=0.7)
            plot.page.add_collection(joined, autolim=False)
            plot.text(edge + 10, place, name, va="center", color=colour)
        return made.finished(dataset.label, TITLE, DESCRIPTION)
