"""The lever chart: for every setting of every lever its effect on score, gap and cost, side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.metrics import METRICS
from bench.reporting.canvas import TICKS, Canvas, canvas
from bench.reporting.drawing import BAND, INK, LINE, LOOKS, TITLE, Drawing, Panel, rounded
from bench.reporting.layout import EQUIVALENT, LEADING, Sign, height_of, legend_height, signs_of, text_width, wrap
from bench.reporting.leverpage import numbers
from bench.reporting.levers import Lever, Setting, levers_of
from bench.reporting.plot import Plot, around
from bench.reporting.standing import Analysis, DatasetAnalysis
from bench.reporting.tables import signed, told
from bench.statistics import Interval

NAME = "lever-chart"
HEADING = "Every lever: effect on score, gap and cost, with 95 % intervals"
DESCRIPTION = (
    "One panel per dataset; settings stand under their lever, and the baseline's own value beside its name where it is "
    "known; 0.5x is half of what the baseline has. Left: change of the score on test rows, with the region of "
    "practical equivalence; colour and words are its verdict. Middle: change of the gap between training and test rows "
    "(left of the line it is smaller), coloured by the verdict on it, unless the score is worse. Right: cost over the "
    "baseline's on a logarithmic axis; hollow where it is FLOPs, without an interval where fewer than two stacks of "
    "trials were timed apart. A "
    "number at an edge, with an arrow, is an effect that lies outside, whose interval the table has. Verdicts rest on "
    "adjusted p-values, so an interval that leaves out zero is not yet one."
)
HEADINGS = (
    "dataset", "lever", "baseline", "setting", "change of score [95 %]", "verdict", "change of gap [95 %]",
    "how the gap changed", "cost [95 %]", "steps", "examples",
)  # fmt: skip
ROW, GROUP = LEADING + 1.5, LEADING + 3.5  # points: a setting, and a lever's name above its settings
PLOT, BETWEEN, INDENT = 118.0, 16.0, 10.0
FAR = 6.0  # times the effect that four fifths of the settings stay below, from which on an effect is drawn at the edge
VERDICT = "verdict on score"
OUTSIDE = Sign("lies outside, with its value", INK, "<", hollow=True)
FLOPS = Sign("cost in FLOPs", INK, "o", hollow=True)


@dataclass(frozen=True)
class _Row:
    """A line of a panel: its centre in points, and the setting drawn there."""

    y: float
    name: str
    setting: Setting


@dataclass(frozen=True)
class _Head:
    """A lever's name with its centre in points; alone: whether its only setting stands beside it."""

    y: float
    name: str
    alone: bool


def lever_chart(analysis: Analysis) -> Drawing:
    """Draw a panel per dataset; none where no lever was turned."""
    held = [(dataset, levers) for dataset in analysis.datasets if (levers := levers_of(analysis.plan, dataset))]
    rows = tuple(line for dataset, levers in held for line in numbers(dataset, levers))
    return Drawing(NAME, HEADING, DESCRIPTION, tuple(_panel(*one) for one in held), HEADINGS, rows)


def _panel(dataset: DatasetAnalysis, levers: Sequence[Lever]) -> Panel:
    heads, rows, height = _rows(levers)
    left = max([INDENT + text_width(row.name) for row in rows] + [text_width(one.name, True) for one in heads]) + 10
    words = [told(row.setting.standing) for row in rows]
    width = left + 3 * PLOT + 2 * BETWEEN + max(map(text_width, [*words, VERDICT])) + 14
    shown = {row.setting.standing.word for row in rows}
    signs = [*signs_of(shown), EQUIVALENT, OUTSIDE]
    signs += [FLOPS] if any(row.setting.cost.unit == "FLOPs" for row in rows) else []
    side = "right" if dataset.higher else "left"
    below = [
        wrap(text, PLOT + BETWEEN - 4)
        for text in (f"change in {METRICS[dataset.metric].title} ({side} is better)",
                     "change of the gap (left is smaller)", "cost over the baseline's")
    ]  # fmt: skip
    top = 8 + 1.15 * LEADING + 4
    foot = top + height + TICKS + max(map(height_of, below))
    with canvas(foot + 8 + legend_height(signs, width), width) as made:
        made.text(4, 4, dataset.label, weight="bold", fontsize=TITLE, va="top")
        made.legend(signs, foot + 4)
        scores = _effects([row.setting.standing.difference for row in rows])
        gaps = _effects([row.setting.standing.gap_difference for row in rows])
        costs = around([1.0, *(value for row in rows for value in _costs(row.setting))], log=True)
        plots = [
            Plot(made.page, left + at * (PLOT + BETWEEN), top, PLOT, height, across, (height, 0), log)
            for at, (across, log) in enumerate(((scores, ""), (gaps, ""), (costs, "x")))
        ]
        for plot, zero, text in zip(plots, (0.0, 0.0, 1.0), below, strict=True):
            plot.ticks_x(30.0)
            plot.line([zero, zero], [0, height], width=0.6)
            made.text(plot.left + PLOT / 2, top + height + TICKS, text, ha="center", va="top")
        if np.isfinite(dataset.margin):
            plots[0].band(-dataset.margin, dataset.margin, BAND)
        made.text(plots[2].left + PLOT + 6, top - LEADING / 2, VERDICT, va="center")
        for head in heads:
            if head.y > ROW:
                made.page.plot([4, width - 4], [top + head.y - GROUP / 2] * 2, color=LINE, linewidth=0.5)
            made.text(4, top + head.y, head.name, weight="bold", va="center")
        for row, word in zip(rows, words, strict=True):
            made.text(left - 5, top + row.y, row.name, ha="right", va="center")
            _draw(made, plots, row)
            made.text(plots[2].left + PLOT + 6, top + row.y, word, va="center")
        return replace(made.finished(dataset.label, HEADING, DESCRIPTION), wide=True)


def _rows(levers: Sequence[Lever]) -> tuple[list[_Head], list[_Row], float]:
    """Return the levers' names, their settings, and the height of all."""
    heads, rows, at = [], [], 0.0
    for lever in levers:
        alone = len(lever.settings) == 1 and not lever.settings[0].value
        own = f" (baseline {lever.own})" if lever.own else ""
        heads.append(_Head(at + GROUP / 2, f"{lever.name}{own}", alone))
        at += 0.0 if alone else GROUP
        for one in lever.settings:
            rows.append(_Row(at + (GROUP if alone else ROW) / 2, one.value, one))
            at += GROUP if alone else ROW
    return heads, rows, at + 3


def _effects(intervals: Sequence[Interval | None]) -> tuple[float, float]:
    """Return the edges for some effects: few that lie far outside of where the others are do not count."""
    known = [one for one in intervals if one is not None]
    sizes = sorted(abs(one.estimate) for one in known)
    usual = sizes[int(0.8 * (len(sizes) - 1))] if sizes else 0.0
    near = [one for one in known if not usual or abs(one.estimate) <= FAR * usual]
    return around([0.0, *(value for one in near for value in (one.low95, one.estimate, one.high95))])


def _costs(one: Setting) -> tuple[float, ...]:
    return (one.cost.ratio, one.cost.low95, one.cost.high95) if one.cost.ratio > 0 else ()


def _draw(made: Canvas, plots: Sequence[Plot], row: _Row) -> None:
    """Draw one setting in its three plots."""
    one = row.setting
    _effect(made, plots[0], row.y, one.standing.difference, *_look(one.standing.word))
    dear = one.standing.word == "worse"  # a gap that closes with a worse score is no gain
    gap = "" if dear or one.standing.gap_verdict is None else one.standing.gap_verdict.word
    _effect(made, plots[1], row.y, one.standing.gap_difference, _look(gap)[0], "o")
    if one.cost.ratio > 0:
        if math.isfinite(one.cost.low95):
            plots[2].spans([rounded(one.cost.low95)], [rounded(one.cost.high95)], [row.y], INK, 1.2)
        face = "none" if one.cost.unit == "FLOPs" else INK
        x, y = plots[2].x([rounded(one.cost.ratio)]), plots[2].y([row.y])
        plots[2].page.plot(x, y, "o", color=INK, markersize=4, markerfacecolor=face, zorder=3)


def _look(word: str) -> tuple[str, str]:
    return LOOKS[word if word in LOOKS else "not compared"]


def _effect(made: Canvas, plot: Plot, y: float, effect: Interval | None, colour: str, marker: str) -> None:
    """Draw an effect with its interval, cut at the edges; one that lies outside as an arrow with its value."""
    if effect is None:
        return
    low, high = plot.across
    if low <= effect.estimate <= high:
        if math.isfinite(effect.low95):
            plot.spans([rounded(max(effect.low95, low))], [rounded(min(effect.high95, high))], [y], colour)
        plot.page.plot(plot.x([rounded(effect.estimate)]), plot.y([y]), marker, color=colour, markersize=4.5, zorder=3)
        return
    left = effect.estimate < low
    edge = plot.left + 3 if left else plot.left + plot.width - 3
    arrow, side, away = ("<", "left", 6) if left else (">", "right", -6)
    style = {"color": colour, "markersize": 5, "markerfacecolor": "none", "zorder": 3}
    plot.page.plot([edge], plot.y([y]), arrow, **style)
    made.text(edge + away, float(plot.y([y])[0]), signed(effect.estimate, 3), ha=side, va="center", color=colour)
