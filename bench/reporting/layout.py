"""How much room texts, rows and legends take in a panel, in points, reckoned from the widths of texts.

A panel is as wide as a phone's page, so that its text is still read there; several stand side by side on wider ones.
Reckoning the margins costs a tenth of what matplotlib's constrained layout takes to find them.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from bench.reporting.drawing import BAND, FONT, INK, LOOKS, TEXT

WIDTH = 330.0  # points
LEADING = 10.6  # points from line to line of text
NAMES = 104.0  # points for the names of techniques, which wrap


@functools.lru_cache(maxsize=8192)
def text_width(text: str, bold: bool = False, size: float = TEXT) -> float:
    """Return the width of a text's longest line in points, with a little to spare for other fonts."""
    font = FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")
    return 1.03 * max(
        text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] for line in text.split("\n")
    )


def wrap(text: str, limit: float, bold: bool = False, size: float = TEXT) -> str:
    """Return the text in lines of at most ``limit`` points; it breaks at spaces, at need after hyphens, or anywhere."""

    def fits(line: str) -> bool:
        return text_width(line.strip(), bold, size) <= limit

    lines = [""]
    for word in re.findall(r"\S+\s*|^\s+", text):
        for part in [word] if fits(word) else re.findall(r"[^\-_=,/]+[\-_=,/]*|[\-_=,/]+", word):
            for piece in [part] if fits(part) else part:
                if lines[-1] and not fits(lines[-1] + piece):
                    lines.append("")
                lines[-1] += piece
    return "\n".join(line.strip() for line in lines)


def height_of(text: str) -> float:
    """Return the height of a text's lines in points."""
    return LEADING * (1 + text.count("\n")) if text else 0.0


@dataclass(frozen=True)
class Rows:
    """Names of techniques one below the other: wrapped, with their centres and edges, and their width, in points."""

    names: tuple[str, ...]
    centres: np.ndarray
    edges: np.ndarray
    width: float

    @property
    def height(self) -> float:
        """Return the height of all rows."""
        return float(self.edges[-1])


def rows_of(names: Sequence[str], least: float = LEADING + 2, limit: float = NAMES) -> Rows:
    """Return rows that are at least ``least`` high and higher where a name wraps."""
    wrapped = tuple(wrap(name, limit) for name in names)
    edges = np.cumsum([0.0, *(max(least, height_of(name) + 2) for name in wrapped)])
    width = max((text_width(name) for name in wrapped), default=0.0)
    return Rows(wrapped, (edges[1:] + edges[:-1]) / 2, edges, width)


@dataclass(frozen=True)
class Sign:
    """One entry of a legend: a marker, a line or a patch, and what it stands for."""

    label: str
    colour: str = INK
    marker: str = ""
    line: str = ""
    alpha: float = 1.0
    hatch: str = ""
    hollow: bool = False


EQUIVALENT = Sign("practically equivalent", BAND, alpha=0.3)


def signs_of(words: set[str]) -> list[Sign]:
    """Return the legend of verdict words."""
    return [Sign(word, colour, marker) for word, (colour, marker) in LOOKS.items() if word in words]


def legend_lines(signs: Sequence[Sign], width: float) -> list[list[tuple[float, Sign]]]:
    """Return the legend's lines: the place of each entry from the left, in points, and the entry."""
    lines: list[list[tuple[float, Sign]]] = []
    at = width
    for sign in signs:
        needed = 20 + text_width(sign.label)
        if at + needed > width:
            lines.append([])
            at = 4.0
        lines[-1].append((at, sign))
        at += needed + 8
    return lines


def legend_height(signs: Sequence[Sign], width: float) -> float:
    """Return the height of a legend in points."""
    return LEADING * len(legend_lines(signs, width))
