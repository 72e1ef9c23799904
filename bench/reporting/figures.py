"""Figures as SVG, drawn from precomputed numbers, each with the table it shows.

Two runs on one set of versions give the same bytes: a fixed hash salt, no date, numbers rounded before drawing.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from bench.metrics import METRICS
from bench.reporting.analysis import FEW_ROWS, Analysis, DatasetAnalysis, Standing
from bench.reporting.tables import csv_text, verdict_word

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette tells the verdicts apart for colour-blind readers; the marker shape says the same.
LOOKS = {
    "better": ("#009E73", "^"),
    "worse": ("#D55E00", "v"),
    "equivalent": ("#0072B2", "s"),
    "undecided": ("#8a8a8a", "o"),
    "identical": ("#56B4E9", "D"),
    "": ("#8a8a8a", "x"),
}
_INK = "#555555"
_STYLE = {
    "svg.hashsalt": "remedy-bench",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
}


@dataclass(frozen=True)
class Drawing:
    """One figure: a name for its files, a title, a description in words, the SVG, and its numbers as CSV."""

    name: str
    title: str
    description: str
    svg: str
    csv: str


def draw(analysis: Analysis) -> list[Drawing]:
    """Return all figures of a report."""
    shown = [one for one in analysis.datasets if any(s.difference is not None and s.done for s in one.standings)]
    if not shown:
        return []
    figures = [_forest(shown)]
    for dataset in shown:
        if dataset.facts["classes"]:
            figures.append(_heat_map(dataset))
    figures.append(_scatter(shown, "gap", "train/test gap", lambda one: one.gap, log=False))
    figures.append(_scatter(shown, "cost", "cost, times the baseline's CPU seconds", lambda one: one.cost, log=True))
    return figures


def _svg(figure: Figure, title: str, description: str) -> str:
    """Return a figure as SVG text with a title and a description, and without a date."""
    out = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = out.getvalue()
    start = text.index("<svg")
    end = text.index(">", start) + 1
    told = f'<title>{_escaped(title)}</title><desc>{_escaped(description)}</desc>'
    opening = text[start:end].replace("<svg", '<svg role="img"', 1)
    return opening + told + text[end:]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _look(one: Standing) -> tuple[str, str]:
    return LOOKS[one.verdict.word if one.verdict else ""]


def _compared(dataset: DatasetAnalysis) -> list[Standing]:
    """Return the techniques that were compared with the baseline, largest gain first."""
    found = [one for one in dataset.standings if one.difference is not None and one.done]
    sign = 1 if METRICS[dataset.metric].better == "higher" else -1
    return sorted(found, key=lambda one: -sign * one.difference.estimate if one.difference else 0.0)


def _forest(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Differences to the baseline with 95 % intervals, one panel per dataset, sorted by effect."""
    rows = [_compared(dataset) for dataset in datasets]
    heights = [len(row) + 2 for row in rows]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.5, 0.22 * sum(heights) + 0.6 * len(rows)), layout="constrained")
        axes = np.atleast_1d(figure.subplots(len(rows), 1, height_ratios=heights))
        for axis, dataset, row in zip(axes, datasets, rows, strict=True):
            _forest_panel(axis, dataset, row)
    title = "Difference to the baseline with 95 % intervals"
    description = "One panel per dataset, techniques sorted by effect; the grey band is the region of equivalence."
    lines = [
        (d.label, s.technique, s.difference.estimate, s.difference.low95, s.difference.high95, verdict_word(s))
        for d, row in zip(datasets, rows, strict=True)
        for s in row
        if s.difference
    ]
    table = csv_text(("dataset", "technique", "difference", "low95", "high95", "verdict"), lines)
    return Drawing("forest", title, description, _svg(figure, title, description), table)


def _forest_panel(axis: "Axes", dataset: DatasetAnalysis, row: Sequence[Standing]) -> None:
    metric = METRICS[dataset.metric]
    base = next((one.score for one in dataset.standings if one.technique == "baseline"), np.nan)
    margin = dataset.facts["equivalence"] * (1.0 if metric.better == "higher" else base)
    axis.axvspan(-margin, margin, color="#999999", alpha=0.25, linewidth=0)
    axis.axvline(0, color=_INK, linewidth=0.8)
    for place, one in enumerate(row):
        assert one.difference is not None
        colour, marker = _look(one)
        low, high = (np.round(value, 5) for value in (one.difference.low95, one.difference.high95))
        axis.plot([low, high], [place, place], color=colour, linewidth=1.6)
        axis.plot([np.round(one.difference.estimate, 5)], [place], marker=marker, color=colour, markersize=5)
        word = verdict_word(one)
        axis.annotate(word, (1.01, place), xycoords=("axes fraction", "data"), va="center", color=colour, fontsize=8)
    axis.set_yticks(range(len(row)), [one.technique for one in row])
    axis.set_ylim(len(row) - 0.4, -0.6)
    direction = "right is better" if metric.better == "higher" else "left is better"
    axis.set_title(f"{dataset.label}: change in {metric.title} ({direction})")


def _heat_map(dataset: DatasetAnalysis) -> Drawing:
    """Change of per-class F1 against the baseline; classes by support, those with few test rows hatched."""
    import seaborn as sns

    row = [one for one in _compared(dataset) if np.isfinite(one.f1).all()]
    base = next(one.f1 for one in dataset.standings if one.technique == "baseline")
    counts = dataset.facts["class_counts"] or dataset.support
    order = np.argsort(-np.asarray(counts, dtype=float), kind="stable")
    change = np.round(np.stack([one.f1 - base for one in row]), 4)[:, order]
    names = [dataset.facts["classes"][index] for index in order]
    support = dataset.support[order]
    limit = max(0.05, float(np.abs(change).max()))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(max(4.5, 2.6 + 0.62 * len(names)), 1.5 + 0.24 * len(row)), layout="constrained")
        axis = figure.subplots()
        sns.heatmap(
            change, ax=axis, cmap="PuOr", center=0, vmin=-limit, vmax=limit, annot=True, fmt="+.2f",
            annot_kws={"size": 7}, yticklabels=[one.technique for one in row], cbar_kws={"label": "change in F1"},
        )  # fmt: skip
        labels = [f"{name}\nF1 {value:.2f}" for name, value in zip(names, base[order], strict=True)]
        axis.set_xticklabels(labels, rotation=0 if len(names) < 7 else 45, ha="center" if len(names) < 7 else "right")
        for column in np.flatnonzero(support < FEW_ROWS):
            axis.axvspan(column, column + 1, fill=False, hatch="////", edgecolor=_INK, linewidth=0)
        axis.set_title(f"{dataset.label}: change of per-class F1 against the baseline")
    title = f"{dataset.label}: per-class F1"
    description = (
        "Change of each class's F1 against the baseline, whose F1 stands under the class; classes from most to "
        f"fewest training rows; hatched where there are fewer than {FEW_ROWS} test rows."
    )
    lines = [
        (one.technique, name, float(value), float(delta), float(rows))
        for one, deltas in zip(row, change, strict=True)
        for name, value, delta, rows in zip(names, one.f1[order], deltas, support, strict=True)
    ]
    table = csv_text(("technique", "class", "f1", "change", "test_rows"), lines)
    return Drawing(f"per-class-f1-{dataset.label}", title, description, _svg(figure, title, description), table)


def _scatter(
    datasets: Sequence[DatasetAnalysis], name: str, label: str, value: Callable[[Standing], float], log: bool
) -> Drawing:
    """Score against another number, one panel per dataset, every point labelled."""
    lines: list[tuple[Any, ...]] = []
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.5, 4.4 * len(datasets)), layout="constrained")
        for axis, dataset in zip(np.atleast_1d(figure.subplots(len(datasets), 1)), datasets, strict=True):
            metric = METRICS[dataset.metric]
            points = [one for one in dataset.ranked if np.isfinite(value(one))]
            _points(axis, points, value)
            if log:
                axis.set_xscale("log")
                _front(axis, points, value, metric.better == "higher")
            axis.set_xlabel(label)
            axis.set_ylabel(metric.title)
            axis.set_title(f"{dataset.label}: {metric.title} against {label.split(',')[0]}")
            _label_points(axis, points, value)
            lines += [(dataset.label, one.technique, value(one), one.score, verdict_word(one)) for one in points]
    title = f"Score against {label.split(',')[0]}"
    description = "One panel per dataset, one labelled point per technique; the shape and colour give the verdict."
    if log:
        description += " The line joins those that no other technique beats in both score and cost."
    table = csv_text(("dataset", "technique", name, "score", "verdict"), lines)
    return Drawing(f"{name}-score", title, description, _svg(figure, title, description), table)


def _points(axis: "Axes", points: Sequence[Standing], value: Callable[[Standing], float]) -> None:
    for one in points:
        colour, marker = _look(one) if one.technique != "baseline" else ("#000000", "*")
        axis.plot([np.round(value(one), 4)], [np.round(one.score, 4)], marker=marker, color=colour, markersize=6)
    axis.margins(x=0.12, y=0.1)


def _front(axis: "Axes", points: Sequence[Standing], value: Callable[[Standing], float], higher: bool) -> None:
    """Draw the Pareto front: the cheapest way to each score."""
    best, corner = -np.inf, []
    sign = 1 if higher else -1
    for one in sorted(points, key=lambda one: (value(one), -sign * one.score)):
        if sign * one.score > best:
            best = sign * one.score
            corner.append((np.round(value(one), 4), np.round(one.score, 4)))
    axis.plot(*zip(*corner, strict=True), color=_INK, linewidth=0.8, linestyle="--", zorder=0)


def _label_points(axis: "Axes", points: Sequence[Standing], value: Callable[[Standing], float]) -> None:
    """Write each point's name in the right margin, in order of score, joined to it by a thin line.

    Labels next to the points would cover one another where techniques do alike.
    """
    order = sorted(points, key=lambda one: one.score)
    low, high = axis.get_ylim()
    right = axis.get_xlim()[1]
    places = np.linspace(low, high, len(order)) if len(order) > 1 else [(low + high) / 2]
    for one, place in zip(order, places, strict=True):
        colour = _look(one)[0] if one.technique != "baseline" else "#000000"
        axis.annotate(
            one.technique, xy=(np.round(value(one), 4), np.round(one.score, 4)), xytext=(1.04, _fraction(place, low, high)),
            textcoords="axes fraction", fontsize=7, va="center", color=colour, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4, "alpha": 0.6, "shrinkA": 0, "shrinkB": 3},
        )  # fmt: skip
    axis.set_xlim(right=right)


def _fraction(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5
