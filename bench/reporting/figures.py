"""Figures as SVG, drawn from precomputed numbers, each with the numbers that it shows.

Two runs on one set of versions give the same bytes: a fixed hash salt, no date, numbers rounded before drawing. Ink,
lines and paper have colours of their own, which the page replaces by those of its theme.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from bench.metrics import METRICS
from bench.reporting.analysis import FEW_ROWS, Analysis, DatasetAnalysis, Standing
from bench.reporting.tables import csv_text, signed, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, LINE, PAPER = "#1f2933", "#d5d9de", "#fffffe"
_BAND = "#8a94a0"
# Okabe and Ito's colours, which colour-blind readers can tell apart; the marker says the same.
LOOKS = {
    "better": ("#009e73", "^"),
    "worse": ("#d55e00", "v"),
    "equivalent": ("#0072b2", "s"),
    "identical": ("#cc79a7", "D"),
    "undecided": ("#8a8f96", "o"),
    "baseline": (INK, "*"),
    "incomplete": ("#8a8f96", "x"),
}
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "remedy-bench", "svg.fonttype": "none", "font.family": ["DejaVu Sans"], "font.size": 8,
    "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "xtick.color": INK,
    "ytick.color": INK, "axes.facecolor": PAPER, "figure.facecolor": PAPER, "axes.spines.top": False,
    "axes.spines.right": False, "axes.linewidth": 0.6, "axes.titlesize": 9, "axes.titlelocation": "left",
    "axes.titleweight": "bold", "grid.color": LINE, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "hatch.linewidth": 0.5, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """One figure: a name for its files, a title, a description in words, the SVG, and its numbers."""

    name: str
    title: str
    description: str
    svg: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def csv(self) -> str:
        """Return the numbers as CSV."""
        return csv_text(self.headings, self.rows)


def draw(analysis: Analysis) -> list[Drawing]:
    """Return all figures of a report; fewer where there is nothing to show yet."""
    drawings = []
    compared = [one for one in analysis.datasets if one.compared]
    if compared:
        drawings.append(_forest(compared))
    classified = [one for one in compared if one.facts["task"] == "classification" and one.baseline is not None]
    if classified:
        drawings.append(_heat_map(classified, [one["label"] for one in analysis.plan["techniques"]]))
    scored = [one for one in analysis.datasets if one.scored]
    if scored:
        drawings += [_gap(scored), _cost(scored)]
    return drawings


@contextmanager
def _panels(count: int, height: float) -> "Iterator[tuple[Figure, list[Axes]]]":
    """Give a figure with panels in two columns, ``height`` inches each."""
    columns = min(2, count)
    lines = -(-count // columns)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4 * columns, height * lines + 0.4), layout="constrained")
        axes = list(np.ravel(figure.subplots(lines, columns, squeeze=False)))
        for spare in axes[count:]:
            spare.remove()
        yield figure, axes[:count]


def _svg(figure: Figure, title: str, description: str) -> str:
    """Return a figure as SVG text with a title and a description, and without a date."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    told = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return re.sub(r"<svg ([^>]*)>", lambda found: f'<svg role="img" {found[1]}>{told}', text, count=1)


def _round(value: float) -> float:
    """Return a number with five significant digits."""
    return float(f"{value:.5g}")


def _look(one: Standing) -> tuple[str, str]:
    """Return the colour and the marker of a standing."""
    return LOOKS.get(one.word, LOOKS["incomplete"])


def _mark(axis: "Axes", x: float, y: float, one: Standing, size: float = 6) -> None:
    colour, marker = _look(one)
    grown = size + 3 if marker == "*" else size
    axis.plot([x], [y], marker=marker, color=colour, markersize=grown, linestyle="none", clip_on=False, zorder=3)


def _legend(figure: Figure, words: set[str], extra: Sequence[Any] = ()) -> None:
    """Explain the markers below the panels."""
    shown = [word for word in LOOKS if word in words]
    handles: list[Any] = [
        Line2D([], [], color=LOOKS[word][0], marker=LOOKS[word][1], linestyle="none", label=word) for word in shown
    ]
    figure.legend(
        handles=[*handles, *extra], loc="outside lower center", ncols=len(handles) + len(extra), frameon=False
    )


def _forest(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Differences to the baseline with 95 % intervals, one panel per dataset, sorted by effect."""
    title = "Difference to the baseline, with 95 % intervals"
    description = (
        "One panel per dataset, the largest gain on top. The band is the region of practical equivalence. The verdict "
        "on the right rests on adjusted p-values, so an interval that leaves out zero is not yet a verdict."
    )
    most = max(len(one.compared) for one in datasets)
    with _panels(len(datasets), 0.19 * most + 0.9) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            _forest_panel(axis, dataset)
        words = {_word(one) for dataset in datasets for one in dataset.compared}
        _legend(figure, words, [Patch(color=_BAND, alpha=0.3, linewidth=0, label="practically equivalent")])
        svg = _svg(figure, title, description)
    rows = tuple(
        (dataset.label, one.technique, d.estimate, d.low95, d.high95, verdict(one), -dataset.margin, dataset.margin)
        for dataset in datasets
        for one in dataset.compared
        if (d := one.difference) is not None
    )
    headings = ("dataset", "technique", "difference", "low95", "high95", "verdict", "equivalent_from", "equivalent_to")
    return Drawing("differences", title, description, svg, headings, rows)


def _word(one: Standing) -> str:
    return one.word if one.word in LOOKS else "incomplete"


def _forest_panel(axis: "Axes", dataset: DatasetAnalysis) -> None:
    if np.isfinite(dataset.margin):
        axis.axvspan(-_round(dataset.margin), _round(dataset.margin), color=_BAND, alpha=0.3, linewidth=0, zorder=0)
    axis.axvline(0, color=INK, linewidth=0.6, zorder=1)
    for place, one in enumerate(dataset.compared):
        if (d := one.difference) is None:
            continue
        colour, _ = _look(one)
        if np.isfinite(d.low95):
            axis.plot([_round(d.low95), _round(d.high95)], [place, place], color=colour, linewidth=1.4, zorder=2)
        _mark(axis, _round(d.estimate), place, one, 5)
        where = ("axes fraction", "data")
        axis.annotate(verdict(one), (1.02, place), xycoords=where, va="center", fontsize=7, annotation_clip=False)
    axis.set_yticks(range(len(dataset.compared)), [one.technique for one in dataset.compared])
    axis.set_ylim(len(dataset.compared) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(visible=True, axis="x")
    axis.set_title(dataset.label)
    axis.set_xlabel(f"change in {METRICS[dataset.metric].title} ({'right' if dataset.higher else 'left'} is better)")


def _heat_map(datasets: Sequence[DatasetAnalysis], techniques: Sequence[str]) -> Drawing:
    """Change of per-class F1 against the baseline; classes by support, those with few test rows hatched."""
    title = "Change of each class's F1 against the baseline"
    description = (
        "Rows in the order of the suite; classes from most to fewest test rows, with the baseline's F1 below each. "
        f"Hatched: fewer than {FEW_ROWS} test rows. Exploratory: no test stands behind a single cell."
    )
    names = [name for name in techniques if any(one.technique == name for d in datasets for one in d.compared)]
    widths = [len(dataset.facts["classes"]) for dataset in datasets]
    changes = [_class_changes(dataset, names) for dataset in datasets]
    known = [np.abs(change[np.isfinite(change)]).max(initial=0.05) for change in changes]
    with mpl.rc_context(_STYLE):
        size = (3.0 + 0.62 * sum(widths) + 0.35 * len(datasets), 0.2 * len(names) + 1.4)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, len(datasets), sharey=True, squeeze=False, width_ratios=widths)[0]
        meshes = [
            _heat_panel(axis, dataset, change, _round(max(known)))
            for axis, dataset, change in zip(axes, datasets, changes, strict=True)
        ]
        axes[0].set_yticks(np.arange(len(names)) + 0.5, names)
        axes[0].set_ylim(len(names), 0)
        figure.colorbar(meshes[0], ax=list(axes), label="change in F1", fraction=0.02, aspect=30, pad=0.01)
        svg = _svg(figure, title, description)
    rows = tuple(
        (dataset.label, name, dataset.facts["classes"][at], dataset.support[at], change[row, at])
        for dataset, change in zip(datasets, changes, strict=True)
        for row, name in enumerate(names)
        for at in _by_support(dataset)
        if np.isfinite(change[row, at])
    )
    return Drawing(
        "per-class-f1", title, description, svg, ("dataset", "technique", "class", "test_rows", "change"), rows
    )


def _by_support(dataset: DatasetAnalysis) -> list[int]:
    """Return the classes from most to fewest test rows; where these are alike, rows to train on decide."""
    trained = dataset.facts["class_counts"] or [0] * len(dataset.support)
    return [int(at) for at in np.lexsort((-np.asarray(trained, dtype=float), -dataset.support))]


def _class_changes(dataset: DatasetAnalysis, names: Sequence[str]) -> np.ndarray:
    """Return changes of F1 [techniques, C], NaN where a technique has no score here."""
    found = {one.technique: one.class_f1 for one in dataset.scored}
    base = dataset.baseline.class_f1 if dataset.baseline is not None else None
    nothing = np.full(len(dataset.facts["classes"]), np.nan)
    scores = [found.get(name) for name in names]
    return np.array([nothing if base is None or one is None else one - base for one in scores])


def _heat_panel(axis: "Axes", dataset: DatasetAnalysis, change: np.ndarray, limit: float) -> Any:
    order = _by_support(dataset)
    shown = np.round(change[:, order], 4)
    mesh = axis.pcolormesh(shown, cmap="PuOr", vmin=-limit, vmax=limit, edgecolors=PAPER, linewidth=0.5)
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            dark = abs(value) > 0.6 * limit
            text = signed(float(value), 2)
            at = (column + 0.5, row + 0.5)
            axis.annotate(text, at, ha="center", va="center", fontsize=6.5, color="#f7f7f7" if dark else "#202124")
    for column, at in enumerate(order):
        if dataset.support[at] < FEW_ROWS:
            place = ((column, 0), 1, len(shown))
            axis.add_patch(Rectangle(*place, fill=False, hatch="////", edgecolor="#6b7280", linewidth=0))
    base = dataset.baseline.class_f1 if dataset.baseline is not None else None
    names = []
    for at in order:
        name = str(dataset.facts["classes"][at]).replace("-", "-\n")
        score = "" if base is None else f"\nF1 {base[at]:.2f}"
        names.append(f"{name}\n{dataset.support[at]:.0f} rows{score}")
    axis.set_xticks(np.arange(len(order)) + 0.5, names, fontsize=6.5)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.set_title(dataset.label)
    return mesh


def _gap(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Score against the gap between training and test."""
    title = "Score against the gap between training and test rows"
    description = "The further right, the better a technique looks on the rows it was trained on than on test rows."
    with _panels(len(datasets), 3.7) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            _scatter(axis, dataset, lambda one: one.gap)
            axis.set_xlabel("gap (training over test)" if dataset.higher else "gap (test over training)")
        _legend(figure, {_word(one) for dataset in datasets for one in dataset.scored})
        svg = _svg(figure, title, description)
    rows = _scatter_rows(datasets, lambda one: one.gap)
    return Drawing("gap-score", title, description, svg, ("dataset", "technique", "gap", "score", "verdict"), rows)


def _cost(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Score against cost, with the Pareto front."""
    title = "Score against cost"
    description = (
        "Cost is CPU time of training and resampling over the baseline's, on the same machine and stack size. The "
        "stepped line is the Pareto front: no technique left of it scores as well. Its corners are not tested."
    )
    with _panels(len(datasets), 3.7) as (figure, axes):
        for axis, dataset in zip(axes, datasets, strict=True):
            axis.set_xscale("log")
            _front(axis, dataset)
            _scatter(axis, dataset, lambda one: one.cost_ratio)
            _cost_ticks(axis)
            axis.set_xlabel("cost, times the baseline's CPU time")
        front = Line2D([], [], color=INK, linewidth=0.8, linestyle="--", label="Pareto front")
        _legend(figure, {_word(one) for dataset in datasets for one in dataset.scored}, [front])
        svg = _svg(figure, title, description)
    rows = _scatter_rows(datasets, lambda one: one.cost_ratio)
    return Drawing("cost-score", title, description, svg, ("dataset", "technique", "cost", "score", "verdict"), rows)


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
        _mark(axis, _round(value(one)), _round(one.score), one, 5)
    axis.margins(0.06)
    axis.autoscale_view()
    axis.set_ylabel(f"{METRICS[dataset.metric].title} ({'up' if dataset.higher else 'down'} is better)")
    axis.set_title(dataset.label)
    axis.grid(visible=True)
    low, high = axis.get_ylim()
    edge = axis.get_xlim()[1]
    places = spread([(_round(one.score) - low) / (high - low) for one in points], 0.042)
    for one, place in zip(points, places, strict=True):
        start, end = (_round(value(one)), _round(one.score)), (edge, low + place * (high - low))
        axis.plot(*zip(start, end, strict=True), color=_look(one)[0], linewidth=0.5, alpha=0.55, zorder=2)
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
    points = [(_round(one.cost_ratio), _round(one.score)) for one in dataset.scored if np.isfinite(one.cost_ratio)]
    corners: list[tuple[float, float]] = []
    for cost, score in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not corners or sign * score > sign * corners[-1][1]:
            corners.append((cost, score))
    if corners:
        axis.step(*zip(*corners, strict=True), where="post", color=INK, linewidth=0.8, linestyle="--", zorder=1)
