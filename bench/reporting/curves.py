"""Learning curves: loss on training and validation rows, of the techniques that end furthest from the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba

from bench.reporting.canvas import TICKS, Canvas, canvas
from bench.reporting.drawing import INK, Drawing, Panel
from bench.reporting.drawing import TITLE as TITLE_SIZE
from bench.reporting.layout import LEADING, WIDTH, Sign, height_of, legend_height, wrap
from bench.reporting.plot import Plot
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.trials import Trials, means

TITLE = "Learning curves"
DESCRIPTION = (
    "Loss without penalties or class weights (cross-entropy or squared error) on training rows and, weighted to the "
    "shares that the test rows stand for, on validation rows. Shown are the techniques whose validation loss ends "
    "furthest below and furthest above the baseline's, three of each at most. Lines: means over repeats; shades: the "
    "middle 80 % of the repeats, a spread and not an interval. A training that stopped keeps its last value."
)
SIDE = 3  # techniques below, and above, the baseline
COLOUR = "#0072b2"
PARTS = ("train", "validation")
LEFT, GAP, HEIGHT = 36.0, 22.0, 74.0  # points: tick labels, between plots, each plot
QUANTILES = (0.1, 0.9)


@dataclass(frozen=True)
class Curves:
    """One technique's losses: steps [V]; per part ('train', 'validation') the mean and two quantiles [3, V]."""

    technique: str
    steps: np.ndarray
    parts: Mapping[str, np.ndarray]

    @property
    def last(self) -> float:
        """Return the mean validation loss at the end."""
        return float(self.parts["validation"][0, -1])


def curves_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Training and validation loss by step; no panels where no dataset has curves of two trainings."""
    chosen = [(dataset, found) for dataset in datasets if len(found := _chosen(dataset)) > 1]
    rows: list[tuple[Any, ...]] = []
    for dataset, found in chosen:
        for one in found:
            values = np.concatenate([one.parts[part] for part in PARTS]).T.tolist()
            rows += [
                (dataset.label, one.technique, int(step), *line) for step, line in zip(one.steps, values, strict=True)
            ]
    headings = ("dataset", "technique", "step", *(part + end for part in PARTS for end in ("", "_low80", "_high80")))
    panels = tuple(_panel(dataset.label, found) for dataset, found in chosen)
    return Drawing("learning-curves", TITLE, DESCRIPTION, panels, headings, tuple(rows))


def _chosen(dataset: DatasetAnalysis) -> list[Curves]:
    """Return the baseline's curves, then those of the techniques shown, from the lowest to the highest end."""
    if dataset.baseline is None or not dataset.baseline.done:
        return []
    trials, base = dataset.trials, dataset.baseline
    baseline = curves_of(trials.where(trials["technique"] == base.technique), base.technique)
    if baseline is None:
        return []
    trained = {base.training}
    others = []
    for one in dataset.compared:
        if one.training not in trained:  # a decision rule alone trains nothing of its own
            trained.add(one.training)
            found = curves_of(trials.where(trials["technique"] == one.technique), one.technique)
            others += [found] if found is not None else []
    others.sort(key=lambda one: (round(one.last, 12), one.technique))
    below = [one for one in others if one.last < baseline.last]
    above = [one for one in others if one.last >= baseline.last]
    return [baseline, *below[:SIDE], *above[-SIDE:]]


def curves_of(trials: Trials, technique: str) -> Curves | None:
    """Return the mean and the spread over repeats of one cell's curves; None where no trial has a finite one."""
    found = averaged(trials, "curve_step", {part: f"curve_{part}" for part in PARTS})
    return None if found is None else Curves(technique, *found)


def averaged(
    trials: Trials, step: str, columns: Mapping[str, str]
) -> tuple[np.ndarray, Mapping[str, np.ndarray]] | None:
    """Return steps [V] and, per part, mean and two quantiles over repeats [3, V]; None where no trial has finite ones.

    step, columns: the names of the lists that hold them; a training that stopped keeps its last value.
    """
    done = trials.where(trials["status"] == "ok")
    lists = [done[step], *(done[name] for name in columns.values())]
    held = [at for at in range(len(done)) if all(isinstance(one[at], np.ndarray) and len(one[at]) for one in lists)]
    if not held:
        return None
    steps = np.unique(np.concatenate([done[step][at] for at in held]))
    parts = {}
    for part, name in columns.items():
        each = np.array([_held(steps, done[step][at], done[name][at]) for at in held])
        if not np.isfinite(each).all():
            return None
        repeats = np.array([means(column, done["repeat"][held]) for column in each.T]).T
        parts[part] = np.vstack([repeats.mean(axis=0), np.quantile(repeats, QUANTILES, axis=0)])
    return steps, parts


def _held(steps: np.ndarray, own: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a trial's values at ``steps``: the latest measured by then, and before that the first."""
    at = np.searchsorted(own, steps, side="right") - 1
    return np.asarray(values, dtype=float)[np.clip(at, 0, None)]


def _panel(label: str, found: Sequence[Curves]) -> Panel:
    """Draw one small plot per technique, the baseline in each of them for comparison."""
    baseline, others = found[0], found[1:]
    width = (WIDTH - LEFT - GAP - 14) / 2
    names = [wrap(one.technique, width) for one in others]
    heads = [max(map(height_of, names[at : at + 2])) + 7 for at in range(0, len(names), 2)]
    tops = np.cumsum([8 + 1.15 * LEADING, *(head + HEIGHT for head in heads)])
    signs = [
        Sign("validation rows", COLOUR, line="-"), Sign("training rows", COLOUR, line="--"),
        Sign(baseline.technique, INK, line="-"),
    ]  # fmt: skip
    bottom = tops[-1] + TICKS + LEADING + 4
    across, up, log = _edges(found)
    with canvas(bottom + 6 + legend_height(signs, WIDTH)) as made:
        made.text(4, 4, label, weight="bold", fontsize=TITLE_SIZE, va="top")
        made.text(WIDTH - 6, 4, f"loss{', log scale' if log else ''}", va="top", ha="right")
        for at, (one, name) in enumerate(zip(others, names, strict=True)):
            left, top = LEFT + at % 2 * (width + GAP), tops[at // 2] + heads[at // 2]
            made.text(left, top - 3, name, va="bottom")
            plot = Plot(made.page, left, top, width, HEIGHT, across, up, log)
            plot.ticks_x(whole=True, labels=at >= len(others) - 2)  # all plots share their axes
            plot.ticks_y(labels=at % 2 == 0)
            _curves(made, plot, one, baseline)
        middle = LEFT + width + GAP / 2
        made.text(middle, tops[-1] + TICKS, "optimizer step", ha="center", va="top")
        made.legend(signs, bottom + 4)
        return made.finished(label, TITLE, DESCRIPTION)


def _edges(found: Sequence[Curves]) -> tuple[tuple[float, float], tuple[float, float], str]:
    """Return the first and last step, the least and greatest loss to show, and 'y' where losses span much."""
    values = np.concatenate([one.parts[part].ravel() for one in found for part in PARTS])
    steps = np.concatenate([one.steps for one in found])
    low, high = float(values.min()), float(values.max())
    across = (0.0, float(steps.max()))
    if low > 0 and high / low > 30:
        return across, (low / 1.15, high * 1.15), "y"
    return across, (min(0.0, low), 1.05 * high or 1.0), ""


def _curves(made: Canvas, plot: Plot, one: Curves, baseline: Curves) -> None:
    """Draw a technique's two curves with their spreads over the baseline's."""
    for part, style in zip(PARTS, ("--", "-"), strict=True):
        plot.line(baseline.steps, baseline.parts[part][0], width=0.7, style=style, alpha=0.7)
        middle, low, high = one.parts[part]
        xs = plot.x(one.steps)
        edge = [*zip(xs, plot.y(low), strict=True), *zip(xs[::-1], plot.y(high)[::-1], strict=True)]
        made.shapes([edge], [to_rgba(COLOUR, 0.18)])
        plot.line(one.steps, middle, COLOUR, 1.3, style)
