"""Pieces of HTML that the pages share: the document itself, tables, verdicts, and a card per dataset."""

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from bench.reporting.tables import VERDICTS

TEMPLATES = Path(__file__).with_name("templates")
SORTED = " aria-sort='ascending'"
COLOURED = ("better", "equivalent", "identical", "undecided", "worse")
MARKED = {"baseline": "baseline", "noise floor": "noise"}  # rows that are no technique, and their look


def document(title: str, body: str) -> str:
    """Return a page that stands alone: its policy lets it fetch nothing and run no script but its own."""
    style, script, page = (
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "sort.js", "page.html")
    )
    script = f"\n{script}"
    checksum = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(page).substitute(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{checksum}'",
        title=escape(title),
        style=style,
        body=body,
        script=script,
    )


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    left: Collection[str],
    caption: str,
    ascending: str | None = None,
) -> str:
    """Return an HTML table in a box that scrolls; its headings become buttons that sort where JavaScript runs.

    left: headings of columns of words; the others are numbers. ascending: the heading by which the rows are sorted as
    they stand. The techniques (or else the first column) head their rows, and stay in sight while the rest scrolls.
    """
    names = headings.index("technique") if "technique" in headings else 0
    kinds = [
        " ".join(["name"] * (at == names) + ["number"] * (heading not in left)) for at, heading in enumerate(headings)
    ]
    classes = [f" class='{kind}'" if kind else "" for kind in kinds]
    head = "".join(
        f"<th scope='col'{kind}{SORTED * (text == ascending)}>{escape(text)}</th>"
        for text, kind in zip(headings, classes, strict=True)
    )
    lines = "".join(_row([str(cell) for cell in row], classes, names) for row in rows)
    name = escape(caption)
    opening = f"<div class='scroll' tabindex='0' role='group' aria-label='{name}'><table><caption>{name}</caption>"
    return f"{opening}<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"


def _row(cells: Sequence[str], classes: Sequence[str], names: int) -> str:
    """Return a table row, whose cell number ``names`` heads it; verdict words carry their look."""
    kind = next((f" class='{kind}'" for word, kind in MARKED.items() if word in cells), "")
    line = "".join(
        f"<th scope='row'{side}>{escape(text)}</th>" if at == names else f"<td{side}>{_cell(text)}</td>"
        for at, (text, side) in enumerate(zip(cells, classes, strict=True))
    )
    return f"<tr{kind}>{line}</tr>"


def _cell(text: str) -> str:
    word = text.split(" (")[0]
    return verdict(word, text) if word in VERDICTS else escape(text)


def verdict(word: str, text: str) -> str:
    """Return a text that carries the look of a verdict word."""
    return f"<span class='verdict {_look(word)}'>{escape(text)}</span>"


def _look(word: str) -> str:
    return word if word in COLOURED else "other"


def counts(found: Mapping[str, int]) -> str:
    """Return how many techniques have each verdict: a bar for the eye, and the same in words."""
    parts = "".join(f"<i class='{_look(word)}' style='flex-grow:{count}'></i>" for word, count in found.items())
    told = "".join(f"<li>{verdict(word, f'{count} {word}')}</li>" for word, count in found.items())
    return f"<div class='bar' aria-hidden='true'>{parts}</div><ul class='counts'>{told}</ul>" if found else ""


def card(label: str, target: str, metric: str, content: str, found: Mapping[str, int]) -> str:
    """Return a dataset's card: its label as a link, its metric, what is to be said, and the counts of verdicts."""
    heading = f"<h3><a href='{escape(target)}'>{escape(label)}</a></h3><p class='metric'>{escape(metric)}</p>"
    return f"<li class='card'>{heading}{content}{counts(found)}</li>"
