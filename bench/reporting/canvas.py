"""A panel being drawn: plots whose data are mapped to points, titles, ticks, names of rows and the legend.

Each panel is one matplotlib axes in points from its upper left corner. Axes and ticks of matplotlib's own take most of
the time of drawing, and here there are hundreds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from bench.reporting.drawing import INK, LINE, STYLE, TITLE, Panel, svg_text
from bench.reporting.layout import (
    LEADING,
    WIDTH,
    Rows,
    Sign,
    height_of,
    legend_height,
    legend_lines,
    text_width,
    wrap,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS = 352.0  # of a phone's page, which a panel of WIDTH fills
TICKS = 14.0  # points below a plot for the labels of its ticks
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
        _write(self.page, x, y, text, style)

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

    def ticks_x(self, apart: float = 24.0, labels: bool = True, suffix: str = "") -> None:
        """Draw the lower edge with round numbers, at least ``apart`` points from each other, and a grid."""
        bottom = self.top + self.height
        ticks = _ticks(self.across, self.width, apart, "x" in self.log, text_width, suffix)
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


def _write(page: "Axes", x: float, y: float, text: str, style: Mapping[str, Any]) -> None:
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
) -> list[tuple[float, str]]:
    """Return round numbers between the edges, ``apart`` points or more, and their texts, which do not touch."""
    low, high = sorted(edges)
    most = max(2, int(length / apart))
    choices = LOG_TICKS if log else [MaxNLocator(n).tick_values(low, high) for n in range(most, 0, -1)]
    for candidates in choices:
        inside = [float(value) for value in candidates if low <= value <= high]
        texts = [f"{value:.4g}{suffix}" for value in inside]
        room = length * np.diff(_share(inside, (low, high), log))
        widths = [max(apart, (size(one) + size(two)) / 2 + 5) for one, two in pairwise(texts)]
        if len(inside) > 1 and (room >= widths).all():
            return list(zip(inside, texts, strict=True))
    middle = float(f"{(low * high) ** 0.5 if log else (low + high) / 2:.2g}")
    return [(middle, f"{middle:.4g}{suffix}")] if low <= middle <= high else []


@dataclass(frozen=True)
class Canvas:
    """A panel being drawn; ``page`` covers it in points from its upper left corner."""

    figure: Figure
    page: "Axes"
    width: float
    height: float

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a text at a place in points."""
        _write(self.page, x, y, text, style)

    def shapes(
        self, corners: Sequence[Sequence[tuple[float, float]]], colours: Sequence | np.ndarray, line: str = "none"
    ) -> None:
        """Fill polygons given by their corners in points."""
        made = PolyCollection(
            corners, facecolors=colours, edgecolors=line, linewidth=0.5 if line != "none" else 0, zorder=0.7
        )
        self.page.add_collection(made, autolim=False)

    def legend(self, signs: Sequence[Sign], top: float) -> None:
        """Explain the signs from ``top`` downwards."""
        for row, line in enumerate(legend_lines(signs, self.width)):
            y = top + LEADING * (row + 0.5)
            for x, sign in line:
                self._sign(sign, x, y)
                self.text(x + 19, y, sign.label, va="center")

    def _sign(self, sign: Sign, x: float, y: float) -> None:
        if sign.marker:
            size = 8 if sign.marker == "*" else 5
            face = "none" if sign.hollow else sign.colour
            self.page.plot([x + 7], [y], sign.marker, color=sign.colour, markersize=size, markerfacecolor=face)
        elif sign.line:
            self.page.plot([x, x + 15], [y, y], linestyle=sign.line, color=sign.colour, linewidth=1.2)
        else:
            shape = Rectangle((x + 1, y - 3.5), 13, 7, color=sign.colour, alpha=sign.alpha, linewidth=0)
            shape.set(fill=not sign.hatch, hatch=sign.hatch)
            self.page.add_patch(shape)

    def finished(self, label: str, title: str, description: str) -> Panel:
        """Return the panel as SVG; one that is wider than a phone's page keeps a width at which it can be read."""
        told = f"{title}: {label}" if label else title
        least = 0.94 * self.width * PIXELS / WIDTH  # at which its text still has nine pixels, nearly
        return Panel(label, svg_text(self.figure, told, description, least if least > PIXELS else 0.0))


@contextmanager
def canvas(height: float, width: float = WIDTH) -> Iterator[Canvas]:
    """Give an empty panel of this size in points."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        page = figure.add_axes((0, 0, 1, 1))
        page.set_axis_off()
        page.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
        yield Canvas(figure, page, width, height)


@dataclass(frozen=True)
class Frame:
    """What stands around a panel's only plot: title, texts above and below, legend; sizes in points."""

    label: str
    below: str
    height: float
    left: float
    right: float
    signs: Sequence[Sign] = ()
    above: str = ""
    width: float = WIDTH


@contextmanager
def plotted(
    frame: Frame, across: tuple[float, float], up: tuple[float, float] | None = None, log: str = ""
) -> Iterator[tuple[Canvas, Plot]]:
    """Give a panel with one plot; without ``up``, its vertical values are points from its top."""
    width = frame.width
    head, foot = wrap(frame.label, width - 8, True, TITLE), wrap(frame.below, width - 8)
    top = 6 + 1.15 * height_of(head) + (height_of(frame.above) + 3 if frame.above else 3)
    bottom = top + frame.height + (TICKS + height_of(foot) if foot else 4)
    with canvas(bottom + 6 + legend_height(frame.signs, width), width) as made:
        made.text(4, 4, head, weight="bold", fontsize=TITLE, va="top")
        if frame.above:
            made.text(frame.left, top - 3 - height_of(frame.above) / 2, frame.above, va="center")
        if foot:
            edge = text_width(foot) / 2 + 4
            middle = min(max((frame.left + width - frame.right) / 2, edge), width - edge)
            made.text(middle, top + frame.height + TICKS, foot, ha="center", va="top")
        made.legend(frame.signs, bottom + 4)
        inner = width - frame.left - frame.right
        yield made, Plot(made.page, frame.left, top, inner, frame.height, across, up or (frame.height, 0), log)


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
