"""Learning curves on training, validation and test rows, with the steps whose weights were kept.

Test curves are recorded beside the training and choose nothing: no technique, no step and no rank depends on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba

from bench.reporting.canvas import TICKS, Canvas, canvas
from bench.reporting.curves import PARTS, Curves, averaged, curves_of
from bench.reporting.drawing import INK, Drawing, Panel
from bench.reporting.drawing import TITLE as TITLE_SIZE
from bench.reporting.grids import short_names
from bench.reporting.layout import LEADING, WIDTH, Sign, height_of, legend_height, wrap
from bench.reporting.plot import Plot
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.stopped import Stops, stops_of

TITLE = "Learning curves on training, validation and test rows"
DESCRIPTION = (
    "Loss without penalties or class weights (cross-entropy or squared error). Test curves are recorded only: they "
    "choose nothing, and exist for techniques that the suite marks. Lines: means over repeats; shades: the middle 80 % "
    "of the repeats, a spread and not an interval. A training that stopped keeps its last value; the upright line is "
    "the median step whose weights were kept, the grey band the middle 80 % of the trainings. A number after a name is "
    "the strength of that remedy."
)
COLOURS = {"train": "#d55e00", "validation": "#0072b2", "test": "#009e73"}
STYLES = {"train": "--", "validation": "-", "test": "-"}
LEFT, BETWEEN, HEIGHT = 36.0, 18.0, 88.0  # points: tick labels, between plots, each plot
COLUMNS = 2
HEADINGS = (
    "dataset", "technique", "part", "step", "loss", "loss_low80", "loss_high80", "score", "score_low80", "score_high80",
    "metric",
)  # fmt: skip
Line = tuple[np.ndarray, np.ndarray]  # steps [V]; mean and two quantiles over repeats [3, V]


@dataclass(frozen=True)
class Shown:
    """One technique's plot: losses by part, the test score's curve and its metric where recorded, and its stops."""

    technique: str
    losses: dict[str, Line]
    score: np.ndarray | None
    metric: str
    stops: Stops | None


def gap_curves_figure(datasets: Sequence[DatasetAnalysis], always: bool) -> Drawing:
    """Loss by step for the baseline, those that stop early and those marked; no panels without any test curve.

    always: whether to show training and validation curves where no test curve was recorded.
    """
    chosen = [(dataset, shown_of(dataset)) for dataset in datasets]
    if not always:
        chosen = [(dataset, found) for dataset, found in chosen if any("test" in one.losses for one in found)]
    chosen = [(dataset, found) for dataset, found in chosen if found]
    rows = tuple(line for dataset, found in chosen for one in found for line in _rows(dataset.label, one))
    panels = tuple(_panel(dataset, found) for dataset, found in chosen)
    return Drawing("gap-curves", TITLE, DESCRIPTION, panels, HEADINGS, rows)


def _rows(label: str, one: Shown) -> list[tuple[Any, ...]]:
    lines: list[tuple[Any, ...]] = []
    for part, (steps, values) in one.losses.items():
        scored = one.score is not None and part == "test"
        scores = one.score if scored and one.score is not None else np.full((3, len(steps)), np.nan)
        for step, loss, score in zip(steps, values.T, scores.T, strict=True):
            lines.append((label, one.technique, part, int(step), *loss.tolist(), *score.tolist(), one.metric * scored))
    return lines


def shown_of(dataset: DatasetAnalysis) -> list[Shown]:
    """Return what is shown of one dataset: the baseline first, then the others by name."""
    stops = {one.technique: one for one in stops_of(dataset)}
    found: list[Shown] = []
    trained: set[str] = set()
    for one in sorted(dataset.scored, key=lambda one: (not one.is_baseline, one.technique)):
        if one.training in trained:  # a decision rule alone trains nothing of its own
            continue
        trained.add(one.training)
        trials = dataset.trials.where(dataset.trials["technique"] == one.technique)
        columns = {"test": "curve_test", "score": "curve_test_score"}
        test = averaged(trials, "curve_test_step", columns)
        if test is None and not one.is_baseline and one.technique not in stops:
            continue
        curves = curves_of(trials, one.technique)
        losses: dict[str, Line] = {} if curves is None else {part: _line(curves, part) for part in PARTS}
        if test is not None:
            losses["test"] = test[0], test[1]["test"]
        if losses:
            names = sorted({name for name in trials["curve_metric"] if isinstance(name, str)})
            score = None if test is None else test[1]["score"]
            found.append(Shown(one.technique, losses, score, ", ".join(names), stops.get(one.technique)))
    return found


def _line(curves: Curves, part: str) -> Line:
    return curves.steps, curves.parts[part]


def _panel(dataset: DatasetAnalysis, found: Sequence[Shown]) -> Panel:
    """Draw one small plot per technique, two in a row."""
    label, short = dataset.label, short_names(dataset.grids)
    width = (WIDTH - LEFT - BETWEEN * (COLUMNS - 1) - 12) / COLUMNS
    names = [wrap(short.get(one.technique, one.technique), width, bold=True) for one in found]
    heads = [max(map(height_of, names[at : at + COLUMNS])) + 7 for at in range(0, len(names), COLUMNS)]
    tops = np.cumsum([8 + 1.15 * LEADING, *(head + HEIGHT for head in heads)])
    parts = {part for one in found for part in one.losses}
    told = {"train": "training rows", "validation": "validation rows", "test": "test rows (recorded only)"}
    signs = [Sign(text, COLOURS[part], line=STYLES[part]) for part, text in told.items() if part in parts]
    if any(one.stops is not None for one in found):
        signs.append(Sign("weights kept, median and middle 80 %", INK, alpha=0.2))
    bottom = tops[-1] + TICKS + LEADING + 4
    across, up, log = _edges(found)
    with canvas(bottom + 6 + legend_height(signs, WIDTH)) as made:
        made.text(4, 4, label, weight="bold", fontsize=TITLE_SIZE, va="top")
        made.text(WIDTH - 6, 4, f"loss{', log scale' if log else ''}", va="top", ha="right")
        for at, (one, name) in enumerate(zip(found, names, strict=True)):
            row, column = divmod(at, COLUMNS)
            left, top = LEFT + column * (width + BETWEEN), tops[row] + heads[row]
            made.text(left, top - 3, name, va="bottom", weight="bold")
            plot = Plot(made.page, left, top, width, HEIGHT, across, up, log)
            plot.ticks_x(whole=True, labels=at >= len(found) - COLUMNS)  # all plots share their axes
            plot.ticks_y(labels=column == 0)
            _draw(made, plot, one)
        made.text(LEFT + width + BETWEEN / 2, tops[-1] + TICKS, "optimizer step", ha="center", va="top")
        made.legend(signs, bottom + 4)
        return made.finished(label, TITLE, DESCRIPTION)


def _edges(found: Sequence[Shown]) -> tuple[tuple[float, float], tuple[float, float], str]:
    """Return the first and last step, the least and greatest loss to show, and 'y' where losses span much."""
    lines = [line for one in found for line in one.losses.values()]
    values = np.concatenate([held.ravel() for _, held in lines])
    last = max(float(steps.max()) for steps, _ in lines)
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > 30:
        return (0.0, last or 1.0), (low / 1.15, high * 1.15), "y"
    return (0.0, last or 1.0), (min(0.0, low), 1.05 * high or 1.0), ""


def _draw(made: Canvas, plot: Plot, one: Shown) -> None:
    """Draw the curves of one technique with their spreads, and where its weights come from."""
    if one.stops is not None:
        low, middle, high = np.quantile(one.stops.kept, (0.1, 0.5, 0.9))
        (left, right), bottom = plot.x([low, high]), plot.top + plot.height
        made.shapes([[(left, plot.top), (right, plot.top), (right, bottom), (left, bottom)]], [to_rgba(INK, 0.1)])
        plot.line([middle, middle], plot.up, INK, 1.0)
    for part, (steps, (middle, low, high)) in one.losses.items():
        xs = plot.x(steps)
        edge = [*zip(xs, plot.y(low), strict=True), *zip(xs[::-1], plot.y(high)[::-1], strict=True)]
        made.shapes([edge], [to_rgba(COLOURS[part], 0.16)])
        plot.line(steps, middle, COLOURS[part], 1.2, STYLES[part])
