"""What all figures share: colours, markers, panels, and SVG text that is the same bytes each time.

A fixed hash salt, no date, and numbers that are rounded before they are drawn. Ink, lines and paper have colours of
their own, which the page replaces by those of its theme.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.reporting.csvs import csv_text
from bench.reporting.standing import Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, LINE, PAPER = "#1f2933", "#d5d9de", "#fffffe"
BAND = "#8a94a0"
# Okabe and Ito's colours, which colour-blind readers can tell apart; the marker says the same.
LOOKS = {
    "better": ("#009e73", "^"),
    "worse": ("#d55e00", "v"),
    "equivalent": ("#0072b2", "s"),
    "identical": ("#cc79a7", "D"),
    "undecided": ("#8a8f96", "o"),
    "baseline": (INK, "*"),
    "incomplete": ("#8a8f96", "x"),
    "not compared": ("#8a8f96", "P"),
}
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "remedy-bench", "svg.fonttype": "none", "font.family": ["DejaVu Sans"], "font.size": 8,
    "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "xtick.color": INK,
    "ytick.color": INK, "axes.facecolor": PAPER, "figure.facecolor": PAPER, "axes.spines.top": False,
    "axes.spines.right": False, "axes.linewidth": 0.6, "axes.titlesize": 9, "axes.titlelocation": "left",
    "axes.titleweight": "bold", "grid.color": LINE, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "hatch.linewidth": 0.5, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """One figure: a name for its files, a title, a description in words, the SVG, and its numbers."""

    name: str
    title: str
    description: str
    svg: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def csv(self) -> str:
        """Return the numbers as CSV."""
        return csv_text(self.headings, self.rows)


@contextmanager
def panels(count: int, height: float) -> "Iterator[tuple[Figure, list[Axes]]]":
    """Give a figure with panels in two columns, ``height`` inches each."""
    columns = min(2, count)
    lines = -(-count // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4 * columns, height * lines + 0.4), layout="constrained")
        axes = list(np.ravel(figure.subplots(lines, columns, squeeze=False)))
        for spare in axes[count:]:
            spare.remove()
        yield figure, axes[:count]


def svg_text(figure: Figure, title: str, description: str) -> str:
    """Return a figure as SVG text with a title and a description, and without a date."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    told = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return re.sub(r"<svg ([^>]*)>", lambda found: f'<svg role="img" {found[1]}>{told}', text, count=1)


def rounded(value: float) -> float:
    """Return a number with five significant digits."""
    return float(f"{value:.5g}")


def look(one: Standing) -> tuple[str, str]:
    """Return the colour and the marker of a standing."""
    return LOOKS.get(one.word, LOOKS["incomplete"])


def mark(axis: "Axes", x: float, y: float, one: Standing, size: float = 6) -> None:
    """Put a standing's marker at x, y; ``size`` in points."""
    colour, marker = look(one)
    grown = size + 3 if marker == "*" else size
    axis.plot([x], [y], marker=marker, color=colour, markersize=grown, linestyle="none", clip_on=False, zorder=3)


def legend(figure: Figure, words: set[str], extra: Sequence[Any] = ()) -> None:
    """Explain the markers below the panels."""
    shown = [word for word in LOOKS if word in words]
    handles: list[Any] = [
        Line2D([], [], color=LOOKS[word][0], marker=LOOKS[word][1], linestyle="none", label=word) for word in shown
    ]
    figure.legend(
        handles=[*handles, *extra], loc="outside lower center", ncols=len(handles) + len(extra), frameon=False
    )


def word_of(one: Standing) -> str:
    """Return the word under which a standing's marker is explained."""
    return one.word if one.word in LOOKS else "incomplete"
