"""The index of all reports in a folder: which remedy, for which data, at what cost; as a page and as Markdown.

Every folder above a report, up to the report folder itself, has an index of all reports below it. Indexes are made from
the reports' summaries alone.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from bench.errors import UsageError
from bench.reporting.files import write_files
from bench.reporting.markup import card, document
from bench.reporting.summaries import MOST, SUMMARY, Gain, Outcome, Summary, from_json
from bench.reporting.tables import markdown

TITLE = "# Remedy Bench: reports"
QUESTION = "Which remedy, for which data, at what cost?"
EXPLANATION = (
    f"Per dataset, at most {MOST} of the techniques that were shown to be better than the baseline, the largest gain "
    "first: the difference in the ranking metric on test rows with its 95 % interval, and CPU time over the "
    "baseline's. All techniques are counted by verdict."
)
UNREADABLE = "The summary of this report cannot be read ({}). Make the report again with 'python -m bench report'."
HEADINGS = ("dataset", "metric", "better, largest gain first", "verdicts")


@dataclass(frozen=True)
class Entry:
    """One report of an index: its folder as seen from the index, and its summary or why that cannot be read."""

    folder: str
    summary: Summary | None
    trouble: str = ""

    @property
    def link(self) -> str:
        """Return the folder as part of an address."""
        return quote(self.folder)


def write_indexes(root: Path, reports: Collection[Path]) -> Path:
    """Refresh the index of every folder from ``root`` down to those that hold the reports; return the first page.

    root: the report folder. reports: folders of single suites below it. Raises UsageError where an index cannot be
    written.
    """
    check_indexes(root, reports)
    for folder in _above(root, reports):
        entries = _entries(folder)
        write_files(folder, {"index.html": _page(entries), "README.md": _readme(entries)})
    return root / "index.html"


def check_indexes(root: Path, reports: Iterable[Path]) -> None:
    """Raise UsageError where an index would overwrite something else, such as the README of a project."""
    for folder in _above(root, reports):
        readme = folder / "README.md"
        if readme.is_file() and not _starts(readme, TITLE):
            raise UsageError(
                f"'{readme}' is not an index of reports and is left alone; choose another folder with --report"
            )


def _starts(file: Path, text: str) -> bool:
    """Return whether a file starts with a text; one that cannot be read does not."""
    try:
        return file.read_bytes().startswith(text.encode())
    except OSError:
        return False


def _above(root: Path, reports: Iterable[Path]) -> list[Path]:
    """Return the folders from ``root`` down to those that hold the reports."""
    return sorted({one for report in reports for one in report.parents if one == root or root in one.parents})


def _entries(folder: Path) -> list[Entry]:
    """Return the reports below a folder, the nearest first, then by name."""
    found = [path.parent.relative_to(folder) for path in folder.rglob(SUMMARY) if path.parent != folder]
    return [_entry(folder, place) for place in sorted(found, key=lambda place: (len(place.parts), place.parts))]


def _entry(folder: Path, place: Path) -> Entry:
    try:
        return Entry(place.as_posix(), from_json((folder / place / SUMMARY).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        return Entry(place.as_posix(), None, getattr(error, "strerror", None) or str(error))


def _page(entries: Sequence[Entry]) -> str:
    """Return the index as one HTML page."""
    body = [
        f"<header><p class='eyebrow'>Remedy Bench</p><h1>{QUESTION}</h1><p class='soft'>{EXPLANATION}</p></header>",
        *(_section(entry) for entry in entries),
    ]
    return document("Remedy Bench: reports", "\n".join(body))


def _section(entry: Entry) -> str:
    """Return one suite: its name as a link, its question, and a card per dataset."""
    page = f"{entry.link}/index.html"
    heading = f"<section><h2><a href='{page}'>{escape(entry.folder)}</a></h2>"
    if entry.summary is None:
        return f"{heading}<p>{escape(UNREADABLE.format(entry.trouble))}</p></section>"
    cards = "".join(
        card(one.label, f"{page}#dataset-{one.name}", one.metric, _best(one), one.counts)
        for one in entry.summary.outcomes
    )
    return f"{heading}<p>{escape(entry.summary.question)}</p><ul class='cards'>{cards}</ul></section>"


def _best(outcome: Outcome) -> str:
    """Return the best techniques of a dataset, or the sentence that none was shown to be better."""
    if not outcome.best:
        return f"<p>{escape(outcome.finding)}</p>"
    lines = "".join(
        f"<li><strong>{escape(one.technique)}</strong><span>{escape(one.difference)}</span> "
        f"<span>cost {escape(one.cost)}</span></li>"
        for one in outcome.best
    )
    return f"<ol class='best'>{lines}</ol>"


def _readme(entries: Sequence[Entry]) -> str:
    """Return the index as Markdown."""
    parts = [f"{TITLE}\n", f"{QUESTION} {EXPLANATION}\n"]
    for entry in entries:
        parts.append(f"## [{entry.folder}]({entry.link}/README.md)\n")
        if entry.summary is None:
            parts.append(UNREADABLE.format(entry.trouble) + "\n")
        else:
            lines = [_line(one) for one in entry.summary.outcomes]
            parts += [f"{entry.summary.question}\n", markdown(HEADINGS, lines, frozenset(HEADINGS))]
    return "\n".join(parts)


def _line(outcome: Outcome) -> list[str]:
    """Return a dataset's line of the Markdown table."""
    best = "<br>".join(_told(one) for one in outcome.best) or outcome.finding
    return [outcome.label, outcome.metric, best, ", ".join(f"{count} {word}" for word, count in outcome.counts.items())]


def _told(gain: Gain) -> str:
    return f"{gain.technique} {gain.difference}, cost {gain.cost}"
