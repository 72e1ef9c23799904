"""Heat map: technique x value, coloured by the mean validation score, with what was chosen."""

from collections import Counter
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from bench.metrics import METRICS
from bench.reporting.canvas import Canvas, Frame, plotted
from bench.reporting.drawing import INK, PAPER, Drawing, Panel
from bench.reporting.layout import WIDTH, Rows, Sign, rows_of, text_width
from bench.reporting.plot import Plot
from bench.reporting.searchcurves import limits_of
from bench.reporting.searching import Tuned, value_text
from bench.reporting.standing import DatasetAnalysis

NAME = "search-map"
TITLE = "Every technique at every value"
DESCRIPTION = (
    "Mean score on validation rows; framed: the value that was chosen. x: a training diverged there. The best "
    "technique on top, lighter is better. Colours end at the score that three quarters of all cells are better than."
)
COLOURS = "viridis"  # even steps of lightness, also for colour-blind readers
LEAST = 25.0  # points of a column
DARK, LIGHT = "#202124", "#f7f7f7"
HEADINGS = ("dataset", "technique", "value", "mean_validation_score", "trainings", "diverged", "chosen")


def search_map(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Scores by technique and value, a panel per dataset with two searches or more of the setting most searched for."""
    shown = [dataset for dataset in datasets if len(_alike(dataset)) > 1]
    rows = tuple(
        (
            dataset.label, one.technique, float(value), float(scores.mean()), len(scores), int(np.isnan(scores).sum()),
            int(value == one.chosen),
        )
        for dataset in shown
        for one in _alike(dataset)
        for value, scores in zip(one.values, one.scores, strict=True)
    )  # fmt: skip
    return Drawing(NAME, TITLE, DESCRIPTION, tuple(map(_panel, shown)), HEADINGS, rows)


def ordered(found: Sequence[Tuned]) -> list[Tuned]:
    """Return the searches by their best mean score, the best first; those without any last."""
    sign = -1 if found and found[0].higher else 1
    return sorted(found, key=lambda one: (np.isnan(one.best), round(sign * np.nan_to_num(one.best), 12), one.technique))


def _alike(dataset: DatasetAnalysis) -> list[Tuned]:
    """Return the searches for the setting that most are for, the best first: values of another would not compare."""
    searches = dataset.asides.searches
    paths = Counter(one.path for one in searches)
    most = max(paths.values(), default=0)
    setting = min((path for path, count in paths.items() if count == most), default="")
    return ordered([one for one in searches if one.path == setting])


def _panel(dataset: DatasetAnalysis) -> Panel:
    found = _alike(dataset)
    values = np.unique(np.concatenate([one.values for one in found]))
    rows = rows_of([one.technique for one in found], 16.0)
    left = rows.width + 10
    width = max(WIDTH, left + LEAST * len(values) + 8)
    low, high = limits_of(found)
    lowest, highest = (to_hex(mpl.colormaps[COLOURS](share)) for share in (0.0, 1.0))
    title, beyond = METRICS[dataset.metric].title, ("less", "more") if dataset.higher else ("more", "less")
    worst, best = (low, high) if dataset.higher else (high, low)
    signs = [
        Sign(f"{title} {_short(worst, dataset)} or {beyond[0]}", lowest),
        Sign(f"{_short(best, dataset)} or {beyond[1]}", highest),
        Sign("chosen", INK, line="-"), Sign("a training diverged", INK, "x"),
    ]  # fmt: skip
    labels = [value_text(value) for value in values]
    upright = max(map(text_width, labels)) > (width - left - 8) / len(values) - 3
    head = (max(map(text_width, labels)) if upright else 10.0) + 8
    frame = Frame(dataset.label, found[0].path, head + rows.height, left, 8.0, signs, width=width)
    with plotted(frame, (0, len(values))) as (made, whole):
        plot = Plot(made.page, left, whole.top + head, whole.width, rows.height, (0, len(values)), (rows.height, 0))
        _cells(made, plot, found, values, rows, (low, high), dataset)
        plot.name_rows(rows)
        for x, label in zip(plot.x(np.arange(len(values)) + 0.5), labels, strict=True):
            made.text(x, plot.top - 4, label, ha="center", va="bottom", rotation=90 if upright else 0)
        return made.finished(dataset.label, TITLE, DESCRIPTION)


def _cells(
    made: Canvas, plot: Plot, found: Sequence[Tuned], values: np.ndarray, rows: Rows,
    limits: tuple[float, float], dataset: DatasetAnalysis,
) -> None:  # fmt: skip
    """Colour the cells, write their scores, and frame what was chosen."""
    across, down = plot.x(np.arange(len(values) + 1)), plot.y(rows.edges)
    low, high = limits
    corners, colours, framed = [], [], []
    for row, one in enumerate(found):
        for value, mean in zip(one.values, one.means, strict=True):
            at = int(np.searchsorted(values, value))
            box = (across[at], down[row], across[at + 1], down[row + 1])
            middle, centre = (box[0] + box[2]) / 2, plot.top + rows.centres[row]
            if value == one.chosen:
                framed.append(box)
            if np.isnan(mean):
                made.text(middle, centre, "x", ha="center", va="center")
                continue
            share = float(np.clip((mean - low) / (high - low), 0, 1)) if high > low else 0.5
            cell = mpl.colormaps[COLOURS](share if dataset.higher else 1 - share)
            corners.append([(box[0], box[1]), (box[2], box[1]), (box[2], box[3]), (box[0], box[3])])
            colours.append(cell)
            bright = np.asarray(cell[:3]) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722]) > 0.19
            ink = DARK if bright else LIGHT
            made.text(middle, centre, _short(mean, dataset), ha="center", va="center", color=ink, fontsize=7.5)
    made.shapes(corners, np.array(colours), PAPER)
    for left, top, right, bottom in framed:
        for colour, inset, width in ((DARK, 0.8, 1.6), (LIGHT, 2.0, 0.8)):  # one of them shows on any cell
            place = (left + inset, top + inset)
            across_it, down_it = right - left - 2 * inset, bottom - top - 2 * inset
            made.page.add_patch(Rectangle(place, across_it, down_it, fill=False, edgecolor=colour, linewidth=width))


def _short(value: float, dataset: DatasetAnalysis) -> str:
    """Return a score in few letters: without the zero before its point, or of an error three digits at most."""
    if dataset.higher and 0 <= value < 0.995:
        return f"{value:.2f}"[1:]
    return f"{value:.2f}" if value < 10 else f"{value:.2g}"
