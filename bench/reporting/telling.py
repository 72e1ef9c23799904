"""Sections that tell what stands beside the verdicts: sentences per dataset, one table, a note, files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bench.reporting.markup import table
from bench.reporting.tables import markdown

MOST = 4  # techniques named in a sentence; the table has all of them


@dataclass(frozen=True)
class Section:
    """One section: its id and title, sentences by dataset, a table, a note on how to read it, and CSV files by name.

    left: headings of columns of words; figure: the name of the drawing that belongs below it; long: whether the page
    folds the table away, and Markdown leaves it to the files.
    """

    name: str
    title: str
    told: Sequence[tuple[str, str]]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: frozenset[str]
    note: str
    files: Mapping[str, str]
    figure: str
    long: bool = False

    @property
    def html(self) -> str:
        """Return the section as HTML."""
        lines = "".join(f"<li><strong>{escape(label)}</strong>: {escape(text)}</li>" for label, text in self.told)
        shown = table(self.headings, self.rows, self.left, self.title) if self.rows else ""
        if shown and self.long:
            shown = f"<details><summary>Each technique</summary>{shown}</details>"
        files = ", ".join(f"<a href='{name}'>{escape(name)}</a>" for name in self.files)
        return (
            f"<section id='{self.name}'><h2>{escape(self.title)}</h2><ul class='told'>{lines}</ul>{shown}"
            f"<p class='soft'>{escape(self.note)} Files: {files}.</p></section>"
        )

    @property
    def markdown(self) -> str:
        """Return the section as Markdown."""
        lines = "\n".join(f"- {label}: {text}" for label, text in self.told)
        files = ", ".join(f"[{name}]({name})" for name in self.files)
        shown = [markdown(self.headings, self.rows, self.left)] if self.rows and not self.long else []
        return "\n".join([f"## {self.title}\n", f"{lines}\n", *shown, f"{self.note} Numbers: {files}.\n"])


def listed(names: Sequence[str]) -> str:
    """Return some names, and how many more there are."""
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
