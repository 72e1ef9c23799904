"""Heat map: how much each class's F1 changes against the baseline, where a mean over classes hides it."""

import re
from collections.abc import Sequence
from dataclasses import replace

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from bench.reporting.canvas import Canvas, Frame, plotted
from bench.reporting.drawing import PAPER, Drawing, Panel, rounded
from bench.reporting.layout import WIDTH, Rows, Sign, height_of, rows_of, text_width, wrap
from bench.reporting.plot import Plot
from bench.reporting.standing import FEW_ROWS, DatasetAnalysis, Standing
from bench.reporting.tables import signed

TITLE = "Change of each class's F1 against the baseline"
DESCRIPTION = (
    "In hundredths of F1. Techniques with the largest gain on top; classes from most to fewest test rows, with the "
    f"baseline's F1. Hatched: fewer than {FEW_ROWS} test rows. Exploratory: tests of single classes, adjusted for "
    "false discoveries (q), are in the numbers alone."
)
LEAST = 22.0  # points of a column, so that its numbers do not touch
COLOURS = "PuOr"
HATCH = "#6b7280"


def heat_map(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Change of per-class F1 against the baseline; classes by support, those with few test rows hatched."""
    changes = [_class_changes(dataset) for dataset in datasets]
    limit = rounded(max(np.abs(change[np.isfinite(change)]).max(initial=0.05) for change in changes))
    shown = tuple(_panel(dataset, change, limit) for dataset, change in zip(datasets, changes, strict=True))
    rows = tuple(
        (dataset.label, one.technique, dataset.facts["classes"][at], dataset.support[at], change[row, at], _q(one, at))
        for dataset, change in zip(datasets, changes, strict=True)
        for row, one in enumerate(dataset.compared)
        for at in _by_support(dataset)
        if np.isfinite(change[row, at])
    )
    headings = ("dataset", "technique", "class", "test_rows", "change", "q")
    return Drawing("per-class-f1", TITLE, DESCRIPTION, shown, headings, rows)


def _q(one: Standing, at: int) -> float:
    """Return the adjusted p of a class's change; NaN where there is none."""
    return float("nan") if one.class_q is None else float(one.class_q[at])


def _by_support(dataset: DatasetAnalysis) -> list[int]:
    """Return the classes from most to fewest test rows; where these are alike, rows to train on decide."""
    trained = dataset.facts["class_counts"] or [0] * len(dataset.support)
    return [int(at) for at in np.lexsort((-np.asarray(trained, dtype=float), -dataset.support))]


def _class_changes(dataset: DatasetAnalysis) -> np.ndarray:
    """Return changes of F1 [techniques, C], NaN where a technique has no score here."""
    base = dataset.baseline.class_f1 if dataset.baseline is not None else None
    nothing = np.full(len(dataset.facts["classes"]), np.nan)
    scores = [one.class_f1 for one in dataset.compared]
    return np.array([nothing if base is None or one is None else one - base for one in scores])


def _class_names(dataset: DatasetAnalysis, order: Sequence[int], room: float) -> tuple[list[str], bool]:
    """Return what stands above the columns, and whether it must stand upright: where it is wider than ``room``."""
    base = dataset.baseline.class_f1 if dataset.baseline is not None else None
    names = []
    for at in order:
        score = [] if base is None else [f"F1 {base[at]:.2f}"]
        names.append([str(dataset.facts["classes"][at]), f"{dataset.support[at]:.0f} rows", *score])
    pieces = [piece for name in names for part in name for piece in re.split(r"(?<=[-\s])", part)]
    if max(map(text_width, pieces)) > room:
        return [", ".join(name) for name in names], True
    return ["\n".join(wrap(part, room) for part in name) for name in names], False


def _panel(dataset: DatasetAnalysis, change: np.ndarray, limit: float) -> Panel:
    order = _by_support(dataset)
    rows = rows_of([one.technique for one in dataset.compared])
    left = rows.width + 10
    width = max(WIDTH, left + LEAST * len(order) + 8)
    column = (width - left - 8) / len(order)
    names, upright = _class_names(dataset, order, column - 6)
    heading = max(map(text_width if upright else height_of, names)) + 8
    lowest, highest = (to_hex(mpl.colormaps[COLOURS](share)) for share in (0.1, 0.9))
    signs = [Sign("lower", lowest), Sign("higher", highest)]
    if (dataset.support < FEW_ROWS).any():
        signs.append(Sign(f"fewer than {FEW_ROWS} test rows", HATCH, hatch="////"))
    frame = Frame(dataset.label, "", heading + rows.height, left, 8.0, signs, width=width)
    with plotted(frame, (0, len(order))) as (made, whole):
        plot = replace(whole, top=whole.top + heading, height=rows.height, up=(rows.height, 0))
        _cells(made, plot, np.round(change[:, order], 4), rows, limit)
        for at, few in enumerate(dataset.support[order] < FEW_ROWS):
            if few:
                place = (left + column * at, plot.top)
                shape = Rectangle(place, column, rows.height, fill=False, hatch="////", edgecolor=HATCH, linewidth=0)
                made.page.add_patch(shape)
        plot.name_rows(rows)
        for x, name in zip(plot.x(np.arange(len(order)) + 0.5), names, strict=True):
            turn = 90 if upright else 0
            made.text(x, plot.top - 4, name, ha="center", va="bottom", rotation=turn)
        return made.finished(dataset.label, TITLE, DESCRIPTION)


def _cells(made: Canvas, plot: Plot, shown: np.ndarray, rows: Rows, limit: float) -> None:
    """Colour the cells and write their numbers."""
    across = plot.x(np.arange(shown.shape[1] + 1))
    down = plot.y(rows.edges)
    known = [(int(row), int(column)) for row, column in np.argwhere(np.isfinite(shown))]
    corners = [
        [(across[c], down[r]), (across[c + 1], down[r]), (across[c + 1], down[r + 1]), (across[c], down[r + 1])]
        for r, c in known
    ]
    values = [float(shown[place]) for place in known]
    colours = mpl.colormaps[COLOURS]([0.5 + value / limit / 2 for value in values])
    made.shapes(corners, colours, PAPER)
    middles = (across[1:] + across[:-1]) / 2
    for (row, column), value, cell in zip(known, values, colours, strict=True):
        bright = (
            cell[:3] ** 2.2 @ (0.2126, 0.7152, 0.0722) > 0.19
        )  # relative luminance at which black and white are alike
        colour = "#202124" if bright else "#f7f7f7"
        y = plot.top + rows.centres[row]
        made.text(middles[column], y, signed(100 * value, 0), ha="center", va="center", color=colour)
