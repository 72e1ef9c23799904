"""A panel being drawn: one matplotlib axes in points from its upper left corner; title, texts around a plot, legend."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.reporting.drawing import STYLE, TITLE, Panel, svg_text
from bench.reporting.layout import LEADING, WIDTH, Sign, height_of, legend_height, legend_lines, text_width, wrap
from bench.reporting.plot import Plot, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS = 352.0  # of a phone's page, which a panel of WIDTH fills
TICKS = 14.0  # points below a plot for the labels of its ticks


@dataclass(frozen=True)
class Canvas:
    """A panel being drawn; ``page`` covers it in points from its upper left corner."""

    figure: Figure
    page: "Axes"
    width: float
    height: float

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a text at a place in points."""
        write(self.page, x, y, text, style)

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
