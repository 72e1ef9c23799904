"""Rank distribution: how often each technique takes each place when the repeats are drawn anew."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.colors import to_rgba

from bench.reporting.canvas import Frame, plotted
from bench.reporting.drawing import INK, Drawing, Panel
from bench.reporting.layout import Sign, rows_of
from bench.reporting.standing import DatasetAnalysis, Standing

TITLE = "How often each technique takes each place"
DESCRIPTION = (
    "Repeats are drawn anew 2,000 times, techniques placed by mean score: the stronger the colour, the more often. "
    "The line spans 90 % of the draws. The number is how often a technique comes first; without one it never does. "
    "Places are of scores, not of tests: neighbours may well be alike."
)
COLOUR = "#0072b2"
SHADES = 8  # steps of darkness, so that neighbours of one shade are one shape


def places_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Shares of places, one panel per dataset; techniques by rank, then score."""
    rows = tuple(
        (dataset.label, one.technique, place, float(share), one.place_low, one.place_high, one.p_first)
        for dataset in datasets
        for one in _placed(dataset)
        if one.places is not None
        for place, share in enumerate(one.places, start=1)
        if share > 0
    )
    headings = ("dataset", "technique", "place", "share", "place_low90", "place_high90", "first")
    return Drawing("places", TITLE, DESCRIPTION, tuple(map(_panel, datasets)), headings, rows)


def _placed(dataset: DatasetAnalysis) -> list[Standing]:
    """Return the techniques that have places, by their mean place."""
    found = [(one, one.places) for one in dataset.standings if one.places is not None]
    mean = {one.technique: float(places @ np.arange(1, len(places) + 1)) for one, places in found}
    return sorted((one for one, _ in found), key=lambda one: (round(mean[one.technique], 9), one.technique))


def shades(shares: np.ndarray) -> list[tuple[int, int, float]]:
    """Return runs of places of one shade: first place, last place, darkness 0..1; places never taken have none."""
    levels = np.ceil(np.round(SHADES * np.asarray(shares), 6)) / SHADES
    cuts = [0, *(np.flatnonzero(np.diff(levels)) + 1), len(levels)]
    runs = [(int(a) + 1, int(b), float(levels[a])) for a, b in pairwise(cuts)]
    return [run for run in runs if run[2] > 0]


def _panel(dataset: DatasetAnalysis) -> Panel:
    shown = _placed(dataset)
    rows = rows_of([one.technique for one in shown])
    signs = [
        Sign("seldom", COLOUR, alpha=1 / SHADES), Sign("always", COLOUR), Sign("90 % of the draws", INK, line="-"),
    ]  # fmt: skip
    frame = Frame(dataset.label, "place (1 is best)", rows.height, rows.width + 10, 38.0, signs)
    with plotted(frame, (0.4, len(shown) + 0.6)) as (made, plot):
        plot.ticks_x(whole=True)
        shapes, colours = [], []
        for one, y in zip(shown, rows.centres, strict=True):
            for first, last, dark in shades(one.places if one.places is not None else np.zeros(1)):
                (left, right), (above, below) = plot.x([first - 0.5, last + 0.5]), plot.y([y - 5, y + 3])
                shapes.append([(left, above), (right, above), (right, below), (left, below)])
                colours.append(to_rgba(COLOUR, dark))
        made.shapes(shapes, colours)
        lows, highs = (np.array([getattr(one, name) for one in shown]) for name in ("place_low", "place_high"))
        plot.spans(lows - 0.4, highs + 0.4, rows.centres + 4.5, INK, 0.8)
        plot.name_rows(rows, [one.is_baseline for one in shown])
        plot.text(plot.left + plot.width + 6, plot.top - 9, "first", va="center")
        plot.beside_rows([_percent(one.p_first) for one in shown], rows.centres)
        return made.finished(dataset.label, TITLE, DESCRIPTION)


def _percent(share: float) -> str:
    """Return a share in percent; empty for never, which less than half a percent is not."""
    if share == 0:
        return ""
    return "< 1 %" if share < 0.005 else f"{100 * share:.0f} %"
