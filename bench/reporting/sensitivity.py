"""Effective strength: training and test score of one remedy over its strengths; the gap is the space between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgba

from bench.metrics import METRICS
from bench.reporting.canvas import TICKS, Canvas, canvas
from bench.reporting.closing import told_closing
from bench.reporting.drawing import BAND, INK, Drawing, Panel, rounded
from bench.reporting.drawing import TITLE as TITLE_SIZE
from bench.reporting.grids import Grid
from bench.reporting.layout import LEADING, WIDTH, Sign, height_of, legend_height, text_width, wrap
from bench.reporting.plot import Plot, around
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.statistics import Interval

TITLE = "How strong is strong enough: training and test score over a remedy's strength"
DESCRIPTION = (
    "One plot per remedy that the suite has at several strengths. Each score is the baseline's plus the paired "
    "difference to it, whose 95 % interval the bars show; the shade between the two is the gap. Horizontal lines: the "
    "baseline; around its test score the region of practical equivalence. Every plot has its own scale, so measure by "
    "that region. Strengths stand on a logarithmic axis where they, or what they lack to one, span more than tenfold."
)
TEST, TRAIN = "#0072b2", "#d55e00"
LEFT, BETWEEN, HEIGHT = 38.0, 40.0, 78.0  # points: tick labels, between plots, each plot
COLUMNS = 2
SPAN = 10.0  # strengths that span more than that stand on a logarithmic axis
HEADINGS = (
    "dataset", "technique", "setting", "strength", "label", "test", "test_low95", "test_high95", "train",
    "train_low95", "train_high95", "verdict", "closing",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One grid on one dataset: strengths [S], who has them, and test and training scores with bounds [3, S]."""

    grid: Grid
    strengths: np.ndarray
    standings: tuple[Standing, ...]
    test: np.ndarray
    train: np.ndarray


def sensitivity_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Scores over strengths, a panel per dataset; no panels where no suite has a grid."""
    shown = [(dataset, found) for dataset in datasets if (found := lines_of(dataset))]
    rows = tuple(
        (
            dataset.label, line.grid.name, line.grid.path, float(line.strengths[at]), one.technique,
            *line.test[:, at].tolist(), *line.train[:, at].tolist(), one.word, told_closing(one, dataset.higher),
        )
        for dataset, found in shown
        for line in found
        for at, one in enumerate(line.standings)
    )  # fmt: skip
    return Drawing("sensitivity", TITLE, DESCRIPTION, tuple(_panel(*one) for one in shown), HEADINGS, rows)


def lines_of(dataset: DatasetAnalysis) -> list[Line]:
    """Return the grids that have two strengths or more with a score."""
    base = dataset.baseline
    if base is None or not base.done:
        return []
    held = {one.technique: one for one in dataset.scored}
    found = []
    for grid in dataset.grids:
        points = [(value, held[name]) for value, name in grid.points if name in held and held[name].difference]
        if len(points) > 1:
            standings = tuple(one for _, one in points)
            test = np.array([_bounds(base.score, one.difference) for one in standings]).T
            train = np.array([_bounds(base.train, one.train_difference) for one in standings]).T
            found.append(Line(grid, np.array([value for value, _ in points]), standings, test, train))
    return found


def _bounds(base: float, change: Interval | None) -> tuple[float, float, float]:
    if change is None:
        return np.nan, np.nan, np.nan
    return base + change.estimate, base + change.low95, base + change.high95


def _panel(dataset: DatasetAnalysis, found: Sequence[Line]) -> Panel:
    """Draw the small plots of one dataset, two in a row."""
    width = (WIDTH - LEFT - BETWEEN * (COLUMNS - 1) - 8) / COLUMNS
    names = [wrap(line.grid.name, width + 20, bold=True) for line in found]
    axes = [wrap(line.grid.path, width + 20) for line in found]
    starts = range(0, len(found), COLUMNS)
    heads = [max(map(height_of, names[at : at + COLUMNS])) + 8 for at in starts]
    feet = [TICKS + max(map(height_of, axes[at : at + COLUMNS])) + 4 for at in starts]
    top = 6 + 1.15 * height_of(dataset.label) + LEADING
    tops = top + np.cumsum([0.0, *(head + HEIGHT + foot for head, foot in zip(heads, feet, strict=True))])
    signs = [
        Sign("test", TEST, line="-"), Sign("training", TRAIN, line="--"), Sign("gap", TRAIN, alpha=0.14),
        Sign("baseline, test", INK, line="-"), Sign("baseline, training", INK, line="--"),
        Sign("practically equivalent on test rows", BAND, alpha=0.3),
    ]  # fmt: skip
    if any(line.grid.default for line in found):
        signs.append(Sign("catalogue's default", TEST, "o", hollow=True))
    with canvas(tops[-1] + 6 + legend_height(signs, WIDTH)) as made:
        made.text(4, 4, dataset.label, weight="bold", fontsize=TITLE_SIZE, va="top")
        better = "up" if dataset.higher else "down"
        made.text(4, 6 + 1.15 * LEADING, f"{METRICS[dataset.metric].title} ({better} is better)", va="top")
        for at, line in enumerate(found):
            row, column = divmod(at, COLUMNS)
            left, upper = LEFT + column * (width + BETWEEN), tops[row] + heads[row]
            made.text(left, upper - 4, names[at], va="bottom", weight="bold")
            _plot(made, line, dataset, (left, upper, width))
            made.text(left + width / 2, upper + HEIGHT + TICKS, axes[at], ha="center", va="top")
        made.legend(signs, tops[-1] + 2)
        return made.finished(dataset.label, TITLE, DESCRIPTION)


def _plot(made: Canvas, line: Line, dataset: DatasetAnalysis, place: tuple[float, float, float]) -> None:
    """Draw one grid at its place: left, top and width in points."""
    base = dataset.baseline
    if base is None:
        return
    left, top, width = place
    xs = places_of(line.strengths)
    edges = [base.score, base.train, *line.test.ravel(), *line.train.ravel()]
    plot = Plot(made.page, left, top, width, HEIGHT, around(xs, 0.05), around(edges, 0.04))
    _ticks(plot, xs, line.strengths)
    plot.ticks_y()
    if np.isfinite(dataset.margin):
        _fill(
            made, plot, plot.across, [base.score - dataset.margin] * 2, [base.score + dataset.margin] * 2, (BAND, 0.3)
        )
    known = np.isfinite(line.train[0])
    if known.sum() > 1:
        _fill(made, plot, xs[known], line.test[0][known], line.train[0][known], (TRAIN, 0.14))
    for value, style in ((base.score, "-"), (base.train, "--")):
        if np.isfinite(value):
            plot.line(plot.across, [rounded(value)] * 2, width=0.6, style=style)
    for values, colour, style in ((line.train, TRAIN, "--"), (line.test, TEST, "-")):
        _series(plot, xs, values, colour, style)
    for at, one in enumerate(line.standings):
        if one.technique == line.grid.default:
            style = {"markersize": 7, "markerfacecolor": "none", "markeredgewidth": 1.0, "zorder": 3}
            plot.page.plot(plot.x(xs[[at]]), plot.y(line.test[0][[at]]), "o", color=TEST, **style)


def places_of(strengths: np.ndarray) -> np.ndarray:
    """Return where ascending strengths stand: logarithmically where they, or what they lack to one, span much."""
    low, high = float(strengths[0]), float(strengths[-1])
    if low > 0 and high / low > SPAN:
        return np.log10(strengths)
    if low > 0 and high < 1 and (1 - low) / (1 - high) > SPAN:
        return -np.log10(1 - strengths)
    return strengths


def _ticks(plot: Plot, xs: np.ndarray, strengths: np.ndarray) -> None:
    """Draw the lower edge, and name the strengths that leave room for each other: the ends first."""
    bottom = plot.top + plot.height
    plot.line(plot.across, [plot.up[0]] * 2, width=0.6)
    taken: list[tuple[float, float]] = []
    marked: list[float] = []
    for at in (0, len(xs) - 1, *range(1, len(xs) - 1)):
        text, place = f"{strengths[at]:g}", float(plot.x(xs[[at]])[0])
        half = text_width(text) / 2 + 2.5
        middle = max(place, plot.left + half - 3)  # left of the plot stand the names of its other axis
        if all(middle + half <= left or right <= middle - half for left, right in taken):
            taken.append((middle - half, middle + half))
            marked.append(place)
            plot.text(middle, bottom + 3, text, ha="center", va="top")
    ends = np.tile([bottom, bottom + 2.5, np.nan], len(marked))
    plot.page.plot(np.repeat(marked, 3), ends, color=INK, linewidth=0.6)


def _series(plot: Plot, xs: np.ndarray, values: np.ndarray, colour: str, style: str) -> None:
    """Draw one score over the strengths with its intervals."""
    middle, low, high = (np.array([rounded(value) for value in line]) for line in values)
    plot.line(xs, middle, colour, 1.2, style)
    plot.page.plot(plot.x(xs), plot.y(middle), "o", color=colour, markersize=2.2)
    ends = np.clip([low, high], plot.up[0], plot.up[1])
    between = np.full(len(xs), np.nan)  # bars as one line with gaps: a third of the SVG of as many lines
    plot.line(np.repeat(xs, 3), np.array([*ends, between]).T.ravel(), colour, 0.8)


def _fill(
    made: Canvas,
    plot: Plot,
    xs: Sequence | np.ndarray,
    low: Sequence | np.ndarray,
    high: Sequence | np.ndarray,
    look: tuple[str, float],
) -> None:
    """Shade what lies between two lines, as far as the plot goes."""
    across = plot.x(np.asarray(xs, dtype=float))
    first, second = (plot.y(np.clip(np.asarray(line, dtype=float), plot.up[0], plot.up[1])) for line in (low, high))
    edge = [*zip(across, first, strict=True), *zip(across[::-1], second[::-1], strict=True)]
    made.shapes([edge], [to_rgba(*look)])
