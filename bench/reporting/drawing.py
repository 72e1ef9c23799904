"""What all figures share: colours, markers, and SVG text that is the same bytes each time.

A fixed hash salt, no date, and numbers that are rounded before they are drawn. Ink, lines and paper have colours of
their own, which the page replaces by those of its theme.
"""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from bench.reporting.csvs import csv_text
from bench.reporting.standing import Standing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
FONT = "DejaVu Sans"
TEXT, TITLE = 8.5, 9.5  # points
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "remedy-bench", "svg.fonttype": "none", "font.family": [FONT], "font.size": TEXT,
    "text.color": INK, "text.parse_math": False, "figure.facecolor": PAPER, "hatch.linewidth": 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """One part of a figure, as SVG: a dataset, or the whole figure where it has no parts (an empty label).

    wide: whether it takes the page's whole width, where others stand side by side.
    """

    label: str
    svg: str
    wide: bool = False


@dataclass(frozen=True)
class Drawing:
    """One figure: a name for its files, a title, a description in words, its panels, and its numbers."""

    name: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def csv(self) -> str:
        """Return the numbers as CSV."""
        return csv_text(self.headings, self.rows)

    @property
    def files(self) -> dict[str, Panel]:
        """Return the panels by the names of their files."""
        return {
            f"{self.name}-{file_stem(one.label)}.svg" if one.label else f"{self.name}.svg": one for one in self.panels
        }


def file_stem(label: str) -> str:
    """Return a dataset's label as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-.")


def svg_text(figure: "Figure", title: str, description: str, least: float) -> str:
    """Return a figure as SVG text with a title and a description, and without a date.

    least: the width in CSS pixels below which its text could not be read; 0 where it may shrink with the page.
    """
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    style = "stroke-linejoin: round; stroke-linecap: butt; font-family: 'DejaVu Sans', Verdana, sans-serif"
    style += f"; font-size: {TEXT}px; fill: {INK}"  # what text has, unless it says otherwise
    style += f"; min-width: {least:.0f}px" if least else ""
    told = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return re.sub(
        r"<svg ([^>]*)>",
        lambda found: f'<svg role="img" style="{style}" {found[1]}>{told}',
        _compact(out.getvalue()),
        count=1,
    )


def _compact(svg: str) -> str:
    """Return the SVG without what nobody reads: ids of groups, repeated styles, digits below a hundredth of a point."""
    svg = re.sub(r"<metadata>.*?</metadata>|<style type.*?</style>|<defs>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = svg.replace(f"font-family: '{FONT}'; ", "").replace(f"font-size: {TEXT}px; ", "")
    svg = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", svg)
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", tag[0]), svg)
    return re.sub(r"\s*\n\s*", "\n", svg)


def rounded(value: float) -> float:
    """Return a number with five significant digits."""
    return float(f"{value:.5g}")


def look(one: Standing) -> tuple[str, str]:
    """Return the colour and the marker of a standing."""
    return LOOKS[word_of(one)]


def word_of(one: Standing) -> str:
    """Return the word under which a standing's marker is explained."""
    return one.word if one.word in LOOKS else "incomplete"


def words_of(standings: Iterable[Standing]) -> set[str]:
    """Return the words that explain the markers of some standings."""
    return {word_of(one) for one in standings}
