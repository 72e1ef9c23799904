"""A plot in a panel: data mapped to points from the panel's upper left corner, ticks, bands, names of rows.

Axes and ticks of matplotlib's own take most of the time of drawing, and a report would have hundreds of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from bench.reporting.drawing import INK, LINE, LOOKS, word_of
from bench.reporting.layout import Rows, height_of, text_width
from bench.reporting.standing import Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pairs = Sequence[float] | np.ndarray
DECADES = [10.0**power for power in range(-9, 10)]
LOG_TICKS = [
    *([width * count for count in range(1, 400)] for width in (0.01, 0.02, 0.05, 0.1, 0.25, 0.5)),
    *([step * ten for ten in DECADES for step in steps] for steps in ((1, 2, 5), (1, 3), (1,))),
    *(DECADES[start::every] for every in (2, 3) for start in range(every)),
]


@dataclass(frozen=True)
class Plot:
    """A place for data on a page: in points from the page's upper left corner, and the values at its edges.

    across, up: the values at the left and right, and at the bottom and the top edge; log: which of 'x', 'y' are
    logarithmic.
    """

    page: "Axes"
    left: float
    top: float
    width: float
    height: float
    across: tuple[float, float]
    up: tuple[float, float]
    log: str = ""

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a text at a place in points."""
        write(self.page, x, y, text, style)

    def x(self, values: Pairs) -> np.ndarray:
        """Return where values lie from left to right, in points."""
        return self.left + self.width * _share(values, self.across, "x" in self.log)

    def y(self, values: Pairs) -> np.ndarray:
        """Return where values lie from top to bottom, in points."""
        return self.top + self.height * (1 - _share(values, self.up, "y" in self.log))

    def line(
        self, xs: Pairs, ys: Pairs, colour: str = INK, width: float = 1.2, style: str = "-", alpha: float = 1.0
    ) -> None:
        """Join points by a line ``width`` points thick."""
        self.page.plot(self.x(xs), self.y(ys), linestyle=style, color=colour, linewidth=width, alpha=alpha)

    def spans(self, lows: Pairs, highs: Pairs, ys: Pairs, colours: Sequence[str] | str, width: float = 1.4) -> None:
        """Draw horizontal lines from low to high."""
        ends = [((a, y), (b, y)) for a, b, y in zip(self.x(lows), self.x(highs), self.y(ys), strict=True)]
        self.page.add_collection(LineCollection(ends, colors=colours, linewidth=width, zorder=2), autolim=False)

    def band(self, low: float, high: float, colour: str) -> None:
        """Shade what lies between two values, from top to bottom."""
        left, right = np.clip(self.x([low, high]), self.left, self.left + self.width)
        shape = Rectangle((left, self.top), right - left, self.height, color=colour, alpha=0.3, linewidth=0, zorder=0)
        self.page.add_patch(shape)

    def ticks_x(self, apart: float = 24.0, labels: bool = True, suffix: str = "", whole: bool = False) -> None:
        """Draw the lower edge with round numbers, at least ``apart`` points from each other, and a grid."""
        bottom = self.top + self.height
        ticks = _ticks(self.across, self.width, apart, "x" in self.log, text_width, suffix, whole)
        places = self.x([value for value, _ in ticks])
        self._edges(
            [((x, self.top), (x, bottom)) for x in places], ((self.left, bottom), (self.left + self.width, bottom))
        )
        for x, (_, text) in zip(places, ticks, strict=True):
            if labels:
                self.text(x, bottom + 3, text, ha="center", va="top")

    def ticks_y(self, apart: float = 22.0, labels: bool = True) -> None:
        """Draw the left edge with round numbers and a grid."""
        right, bottom = self.left + self.width, self.top + self.height
        ticks = _ticks(self.up, self.height, apart, "y" in self.log, height_of)
        places = self.y([value for value, _ in ticks])
        self._edges([((self.left, y), (right, y)) for y in places], ((self.left, self.top), (self.left, bottom)))
        for y, (_, text) in zip(places, ticks, strict=True):
            if labels:
                self.text(self.left - 3, y, text, ha="right", va="center")

    def _edges(self, grid: list, edge: tuple) -> None:
        colours, widths = [*([LINE] * len(grid)), INK], 0.6
        self.page.add_collection(
            LineCollection([*grid, edge], colors=colours, linewidth=widths, zorder=0.5), autolim=False
        )

    def name_rows(self, rows: Rows, bold: Sequence[bool] = ()) -> None:
        """Write names left of a plot of rows."""
        for place, (name, y) in enumerate(zip(rows.names, rows.centres, strict=True)):
            weight = "bold" if bold and bold[place] else "normal"
            self.text(self.left - 5, self.top + y, name, ha="right", va="center", weight=weight)

    def beside_rows(self, texts: Iterable[str], centres: Pairs) -> None:
        """Write texts right of a plot of rows."""
        for text, y in zip(texts, centres, strict=True):
            self.text(self.left + self.width + 6, self.top + y, text, va="center")


def write(page: "Axes", x: float, y: float, text: str, style: Mapping[str, Any]) -> None:
    """Write a text that is the figure's and not the axes': these spend a fifth of their time on clipping it."""
    page.figure.text(x, y, text, transform=page.transData, **style)


def _share(values: Pairs, edges: tuple[float, float], log: bool) -> np.ndarray:
    """Return how far values lie between two edges, 0..1."""
    shown = np.asarray(values, dtype=float)
    low, high = edges
    if log:
        return np.log(shown / low) / np.log(high / low)
    return (shown - low) / (high - low)


def _ticks(
    edges: tuple[float, float],
    length: float,
    apart: float,
    log: bool,
    size: Callable[[str], float],
    suffix: str = "",
    whole: bool = False,
) -> list[tuple[float, str]]:
    """Return round numbers between the edges, ``apart`` points or more, and their texts, which do not touch."""
    low, high = sorted(edges)
    most = max(2, int(length / apart))
    choices = LOG_TICKS if log else [MaxNLocator(n, integer=whole).tick_values(low, high) for n in range(most, 0, -1)]
    for candidates in choices:
        inside = [float(value) for value in candidates if low <= value <= high]
        texts = [f"{value:.4g}{suffix}" for value in inside]
        room = length * np.diff(_share(inside, (low, high), log))
        widths = [max(apart, (size(one) + size(two)) / 2 + 5) for one, two in pairwise(texts)]
        if len(inside) > 1 and (room >= widths).all():
            return list(zip(inside, texts, strict=True))
    middle = float(f"{(low * high) ** 0.5 if log else (low + high) / 2:.2g}")
    return [(middle, f"{middle:.4g}{suffix}")] if low <= middle <= high else []


def around(values: Iterable[float], share: float = 0.06, log: bool = False) -> tuple[float, float]:
    """Return edges that leave a share of the values' range free on both sides."""
    known = np.array([value for value in values if np.isfinite(value)])
    if not len(known):
        return (0.5, 2.0) if log else (0.0, 1.0)
    low, high = (np.log(known) if log else known).min(), (np.log(known) if log else known).max()
    spare = share * (high - low) or 0.05 * (abs(high) or 1.0)
    return (
        (float(np.exp(low - spare)), float(np.exp(high + spare))) if log else (float(low - spare), float(high + spare))
    )


def marks(plot: Plot, points: Iterable[tuple[float, float, Standing]], size: float = 5) -> None:
    """Put each standing's marker at its x, y; ``size`` in points. One artist per look."""
    groups: dict[str, list[tuple[float, float]]] = {}
    for x, y, one in points:
        groups.setdefault(word_of(one), []).append((x, y))
    for word, (colour, marker) in LOOKS.items():
        if word in groups:
            grown = size + 3 if marker == "*" else size
            xs, ys = zip(*groups[word], strict=True)
            plot.page.plot(plot.x(xs), plot.y(ys), marker, color=colour, markersize=grown, zorder=3)
