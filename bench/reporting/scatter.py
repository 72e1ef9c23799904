"""Scatter plots: score against the train/test gap, and score against cost with the Pareto front."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection

from bench.metrics import METRICS
from bench.reporting.canvas import Canvas, Frame, plotted
from bench.reporting.drawing import INK, Drawing, look, rounded, words_of
from bench.reporting.grids import short_names
from bench.reporting.layout import NAMES, Sign, height_of, signs_of, text_width, wrap
from bench.reporting.plot import Plot, around, marks
from bench.reporting.standing import DatasetAnalysis, Standing

FRONT = Sign("Pareto front", INK, line="--")
GUIDES = (Sign("baseline's test score and gap", INK, line="-"), Sign("baseline's training score", INK, line=":"))
GUIDED = (
    " Lines run through the baseline: beyond the level one, where the arrow points, the test score is better, left of "
    "the upright one the gap is smaller, left of the slanted one the training score is worse. A technique straight "
    "left of the baseline has closed the gap by training worse, one along the slanted line by testing better. A number "
    "after a name is the strength of that remedy."
)


def gap_figure(datasets: Sequence[DatasetAnalysis], guided: bool = False) -> Drawing:
    """Score against the gap between training and test; ``guided``: with lines through the baseline."""
    title = "Score against the gap between training and test rows"
    description = "The further right, the better a technique looks on the rows it was trained on than on test rows."
    description += GUIDED * guided
    shown = []
    for dataset in datasets:
        below = "gap (training over test)" if dataset.higher else "gap (test over training)"
        guides, short = (GUIDES, short_names(dataset.grids)) if guided else ((), None)
        with _scatter(dataset, below, lambda one: one.gap, guides, short=short) as (made, plot):
            plot.ticks_x()
            if guided:
                _guides(plot, dataset)
            shown.append(made.finished(dataset.label, title, description))
    rows = _scatter_rows(datasets, lambda one: one.gap)
    return Drawing(
        "gap-score", title, description, tuple(shown), ("dataset", "technique", "gap", "score", "verdict"), rows
    )


def _guides(plot: Plot, dataset: DatasetAnalysis) -> None:
    """Draw what is as good as the baseline on test rows, as large a gap, and as good on training rows."""
    base = dataset.baseline
    if base is None or not (np.isfinite(base.gap) and np.isfinite(base.score)):
        return
    plot.line(plot.across, [rounded(base.score)] * 2, width=0.7)
    plot.line([rounded(base.gap)] * 2, plot.up, width=0.7)
    slope = -1 if dataset.higher else 1
    ends = sorted(base.gap + slope * (level - base.score) for level in plot.up)
    gaps = np.clip(ends, *plot.across)
    plot.line(gaps, base.score + slope * (gaps - base.gap), width=0.9, style=":")
    top, bottom = plot.top + 7, plot.top + plot.height - 7
    better, closed = ("\u2191 better on test rows", top), ("\u2190 gap closed", bottom)
    if not dataset.higher:
        better, closed = ("\u2193 better on test rows", bottom), (closed[0], top)
    for text, y in (better, closed):
        plot.text(plot.left + 4, y, text, va="center", style="italic")


def cost_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Score against cost, with the Pareto front."""
    title = "Score against cost"
    description = (
        "Cost is CPU time of training and resampling over the baseline's, on the same machine and stack size. The "
        "stepped line is the Pareto front: no technique left of it scores as well. Its corners are not tested."
    ) + "".join(f" {_left_out(dataset)}" for dataset in datasets if _left_out(dataset))
    shown = []
    for dataset in datasets:
        below = "cost, times the baseline's CPU time"
        with _scatter(dataset, below, lambda one: one.cost_ratio, [FRONT], log="x") as (made, plot):
            plot.ticks_x(suffix="x")
            _front(plot, dataset)
            shown.append(made.finished(dataset.label, title, description))
    rows = _scatter_rows(datasets, lambda one: one.cost_ratio)
    return Drawing(
        "cost-score", title, description, tuple(shown), ("dataset", "technique", "cost", "score", "verdict"), rows
    )


def _left_out(dataset: DatasetAnalysis) -> str:
    """Return which scored techniques have no ratio of CPU time and so no point, and why; empty where all have one."""
    missing = [one for one in dataset.scored if not np.isfinite(one.cost_ratio)]
    if not missing:
        return ""
    comparable = any(np.isfinite(one.flops_ratio) for one in missing)
    reason = (
        "no trial of the baseline ran on the same machine in a stack of the same size, so that only FLOPs compare"
        if comparable
        else "there is no trial of the baseline to compare with"
    )
    return f"Left out on {dataset.label}: {', '.join(one.technique for one in missing)} ({reason})."


def _scatter_rows(
    datasets: Sequence[DatasetAnalysis], value: Callable[[Standing], float]
) -> tuple[tuple[Any, ...], ...]:
    return tuple(
        (dataset.label, one.technique, value(one), one.score, one.word)
        for dataset in datasets
        for one in dataset.scored
        if np.isfinite(value(one))
    )


@contextmanager
def _scatter(
    dataset: DatasetAnalysis,
    below: str,
    value: Callable[[Standing], float],
    more: Sequence[Sign] = (),
    log: str = "",
    short: Mapping[str, str] | None = None,
) -> Iterator[tuple[Canvas, Plot]]:
    """Draw a point per technique, and its name (or a short one) in the right margin, joined to it by a thin line.

    Names beside the points would cover one another where techniques do alike.
    """
    points = sorted((one for one in dataset.scored if np.isfinite(value(one))), key=lambda one: one.score)
    names = [wrap((short or {}).get(one.technique, one.technique), NAMES, bold=one.is_baseline) for one in points]
    wide = max((text_width(name, bold=True) for name in names), default=0.0)
    heights = np.array([height_of(name) + 1 for name in names])
    height = max(190.0, float(heights.sum()) + 4)
    signs = [*signs_of(words_of(points)), *more]
    above = f"{METRICS[dataset.metric].title} ({'up' if dataset.higher else 'down'} is better)"
    frame = Frame(dataset.label, below, height, 36.0, wide + 20, signs, above)
    xs, ys = [rounded(value(one)) for one in points], [rounded(one.score) for one in points]
    with plotted(frame, around(xs, log="x" in log), around(ys), log) as (made, plot):
        plot.ticks_y()
        edge, bottom = plot.left + plot.width, plot.top + plot.height
        places = [bottom - place for place in spread(bottom - plot.y(ys), heights, height)]
        joined = [((x, y), (edge, place)) for x, y, place in zip(plot.x(xs), plot.y(ys), places, strict=True)]
        colours = [look(one)[0] for one in points]
        plot.page.add_collection(LineCollection(joined, colors=colours, linewidth=0.5, alpha=0.55), autolim=False)
        for one, name, place in zip(points, names, places, strict=True):
            plot.text(edge + 4, place, name, va="center", weight="bold" if one.is_baseline else "normal")
        marks(plot, zip(xs, ys, points, strict=True))
        yield made, plot


def spread(wanted: Sequence[float] | np.ndarray, sizes: Sequence[float] | np.ndarray, room: float) -> list[float]:
    """Return the places nearest to the wanted ascending ones, where labels of these sizes do not overlap in 0..room.

    Labels give way to each other, evenly, where they do not all fit. Nearest in squares: monotone regression of the
    wanted places, less the gaps.
    """
    if not len(wanted):
        return []
    from scipy.optimize import isotonic_regression

    sizes = np.asarray(sizes, dtype=float)
    sizes = sizes * min(1.0, room / sizes.sum())
    gaps = np.cumsum([0.0, *((sizes[1:] + sizes[:-1]) / 2)])
    level = isotonic_regression(np.asarray(wanted) - gaps).x
    return list(np.clip(level, sizes[0] / 2, room - sizes[-1] / 2 - gaps[-1]) + gaps)


def _front(plot: Plot, dataset: DatasetAnalysis) -> None:
    """Draw the Pareto front: the best score at each cost."""
    sign = 1 if dataset.higher else -1
    points = [(rounded(one.cost_ratio), rounded(one.score)) for one in dataset.scored if np.isfinite(one.cost_ratio)]
    corners: list[tuple[float, float]] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not corners or sign * score > sign * corners[-1][1]:
            corners.append((cost, score))
    steps = [place for a, b in pairwise(corners) for place in (a, (b[0], a[1]))] + corners[-1:]
    if steps:
        xs, ys = zip(*steps, strict=True)
        plot.line(xs, ys, width=0.8, style="--")
