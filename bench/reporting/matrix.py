"""Verdict matrix: techniques x datasets, those that are better most often on top."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.colors import to_rgba

from bench.reporting.canvas import canvas
from bench.reporting.drawing import Drawing, Panel, look
from bench.reporting.layout import LEADING, WIDTH, height_of, rows_of, text_width, wrap
from bench.reporting.plot import Plot, marks
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.reporting.tables import told

TITLE = "Better, equivalent or worse than the baseline"
DESCRIPTION = (
    "The verdict on each technique, per dataset: colour, marker and word say the same. Techniques that are better on "
    "more datasets stand above, of these the ones that are worse on fewer."
)
NAMES = 84.0  # points


def matrix_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Verdicts as one panel; an empty cell is a technique that does not apply there."""
    found = {(d.label, one.technique): one for d in datasets for one in d.compared}
    names = _sorted([dataset.label for dataset in datasets], found)
    rows = tuple(
        (name, dataset.label, told(found[dataset.label, name]))
        for name in names
        for dataset in datasets
        if (dataset.label, name) in found
    )
    panel = _panel(names, [dataset.label for dataset in datasets], found)
    return Drawing("verdict-matrix", TITLE, DESCRIPTION, (panel,), ("technique", "dataset", "verdict"), rows)


def _sorted(labels: Sequence[str], found: Mapping[tuple[str, str], Standing]) -> list[str]:
    """Return the techniques: better on most datasets first, then worse on fewest, then equivalent on most."""
    names = sorted({technique for _, technique in found})
    words = {name: [found[label, name].word for label in labels if (label, name) in found] for name in names}
    return sorted(names, key=lambda name: _place(words[name]))


def _place(words: Sequence[str]) -> tuple[int, int, int]:
    return -words.count("better"), words.count("worse"), -words.count("equivalent")


def _panel(names: Sequence[str], labels: Sequence[str], found: Mapping[tuple[str, str], Standing]) -> Panel:
    rows = rows_of(names, LEADING + 4, NAMES)
    words = {key: one.word for key, one in found.items()}
    left = rows.width + 10
    longest = max(map(text_width, words.values())) + 13
    column = max(longest, (WIDTH - left - 4) / len(labels))
    width = max(WIDTH, left + column * len(labels) + 4)
    heads = [wrap(label, column - 4, bold=True) for label in labels]
    top = max(map(height_of, heads)) + 8
    with canvas(top + rows.height + 6, width) as made:
        for at, head in enumerate(heads):
            made.text(left + column * at + 3, top - 4, head, va="bottom", weight="bold")
        points, shapes, colours = [], [], []
        for name, text, y, (above, below) in zip(names, rows.names, rows.centres, pairwise(rows.edges), strict=True):
            made.text(left - 4, top + y, text, ha="right", va="center")
            for at, label in enumerate(labels):
                if (one := found.get((label, name))) is not None:
                    x, end = left + column * at + 0.5, left + column * (at + 1) - 0.5
                    high, low = top + above + 0.5, top + below - 0.5
                    shapes.append([(x, high), (end, high), (end, low), (x, low)])
                    colours.append(to_rgba(look(one)[0], 0.16))
                    made.text(x + 12, top + y, words[label, name], va="center")
                    points.append((x + 6, y, one))
        made.shapes(shapes, colours)
        marks(Plot(made.page, 0, top, width, rows.height, (0, width), (rows.height, 0)), points)
        return made.finished("", TITLE, DESCRIPTION)
