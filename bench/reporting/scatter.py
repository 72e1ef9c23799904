"""Scatter plots: score against the train/test gap, and score against cost with the Pareto front."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from bench.metrics import METRICS
from bench.reporting.drawing import INK, Drawing, legend, look, mark, panels, rounded, svg_text, word_of
from bench.reporting.standing import DatasetAnalysis, Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def gap_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Score against the gap between training and test."""
    title = "Score against the gap between training and test rows"
    description = "The further right, the better a technique looks on the rows it was trained on than on test rows."
    with panels(len(datasets), 3.7) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            _scatter(axis, dataset, lambda one: one.gap)
            axis.set_xlabel("gap (training over test)" if dataset.higher else "gap (test over training)")
        legend(figure, {word_of(one) for dataset in datasets for one in dataset.scored})
        svg = svg_text(figure, title, description)
    rows = _scatter_rows(datasets, lambda one: one.gap)
    return Drawing("gap-score", title, description, svg, ("dataset", "technique", "gap", "score", "verdict"), rows)


def cost_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Score against cost, with the Pareto front."""
    title = "Score against cost"
    description = (
        "Cost is CPU time of training and resampling over the baseline's, on the same machine and stack size. The "
        "stepped line is the Pareto front: no technique left of it scores as well. Its corners are not tested."
    ) + "".join(f" {_left_out(dataset)}" for dataset in datasets if _left_out(dataset))
    with panels(len(datasets), 3.7) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            axis.set_xscale("log")
            _front(axis, dataset)
            _scatter(axis, dataset, lambda one: one.cost_ratio)
            _cost_ticks(axis)
            axis.set_xlabel("cost, times the baseline's CPU time")
        front = Line2D([], [], color=INK, linewidth=0.8, linestyle="--", label="Pareto front")
        legend(figure, {word_of(one) for dataset in datasets for one in dataset.scored}, [front])
        svg = svg_text(figure, title, description)
    rows = _scatter_rows(datasets, lambda one: one.cost_ratio)
    return Drawing("cost-score", title, description, svg, ("dataset", "technique", "cost", "score", "verdict"), rows)


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


def _cost_ticks(axis: "Axes") -> None:
    """Mark round ratios; a logarithmic axis of less than a decade has next to no ticks of its own."""
    low, high = axis.get_xlim()
    if high / low < 3:
        width = 0.02 if high / low < 1.15 else 0.05 if high / low < 1.5 else 0.25
        ticks = [width * count for count in range(1, 400)]
    else:
        steps = (1, 2, 5) if high / low < 300 else (1,)
        ticks = [step * 10.0**power for power in range(-4, 6) for step in steps]
    inside = [tick for tick in ticks if low <= tick <= high]
    axis.set_xticks(inside, [f"{tick:.4g}x" for tick in inside])
    axis.set_xticks([], minor=True)


def _scatter_rows(
    datasets: Sequence[DatasetAnalysis], value: Callable[[Standing], float]
) -> tuple[tuple[Any, ...], ...]:
    return tuple(
        (dataset.label, one.technique, value(one), one.score, one.word)
        for dataset in datasets
        for one in dataset.scored
        if np.isfinite(value(one))
    )


def _scatter(axis: "Axes", dataset: DatasetAnalysis, value: Callable[[Standing], float]) -> None:
    """Draw a point per technique, and its name in the right margin, joined to it by a thin line.

    Names beside the points would cover one another where techniques do alike.
    """
    points = sorted((one for one in dataset.scored if np.isfinite(value(one))), key=lambda one: one.score)
    for one in points:
        mark(axis, rounded(value(one)), rounded(one.score), one, 5)
    axis.margins(0.06)
    axis.autoscale_view()
    axis.set_ylabel(f"{METRICS[dataset.metric].title} ({'up' if dataset.higher else 'down'} is better)")
    axis.set_title(dataset.label)
    axis.grid(visible=True)
    low, high = axis.get_ylim()
    edge = axis.get_xlim()[1]
    places = spread([(rounded(one.score) - low) / (high - low) for one in points], 0.042)
    for one, place in zip(points, places, strict=True):
        start, end = (rounded(value(one)), rounded(one.score)), (edge, low + place * (high - low))
        axis.plot(*zip(start, end, strict=True), color=look(one)[0], linewidth=0.5, alpha=0.55, zorder=2)
        weight = "bold" if one.is_baseline else "normal"
        axis.text(
            1.01, round(place, 4), one.technique, fontsize=6.5, va="center", weight=weight, transform=axis.transAxes
        )
    axis.set_xlim(right=edge)
    axis.set_ylim(low, high)


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Return the places nearest to the wanted ascending ones that are at least ``apart``, within 0..1.

    Less apart where so many do not fit. Nearest in squares: monotone regression of the wanted places, less the gaps.
    """
    if not len(wanted):
        return []
    from scipy.optimize import isotonic_regression

    gaps = min(apart, 1 / max(1, len(wanted) - 1)) * np.arange(len(wanted))
    level = isotonic_regression(np.asarray(wanted) - gaps).x
    return list(np.clip(level, 0.0, 1.0 - gaps[-1]) + gaps)


def _front(axis: "Axes", dataset: DatasetAnalysis) -> None:
    """Draw the Pareto front: the best score at each cost."""
    sign = 1 if dataset.higher else -1
    points = [(rounded(one.cost_ratio), rounded(one.score)) for one in dataset.scored if np.isfinite(one.cost_ratio)]
    corners: list[tuple[float, float]] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not corners or sign * score > sign * corners[-1][1]:
            corners.append((cost, score))
    if corners:
        axis.step(*zip(*corners, strict=True), where="post", color=INK, linewidth=0.8, linestyle="--", zorder=1)
