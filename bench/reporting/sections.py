"""The sections of a report's page: a dataset, the gap on all of them, single splits, a figure."""

import math
from collections.abc import Callable
from html import escape
from typing import Literal

from bench.reporting import csvs, gaptables, gapwords, honesttables, honestwords, single, tables, words
from bench.reporting.drawing import INK, LINE, PAPER, Drawing, Panel
from bench.reporting.markup import table
from bench.reporting.standing import Analysis, DatasetAnalysis
from bench.reporting.summaries import slug
from bench.reporting.tables import WORDY

GAPS = "How each technique changed the gap between training and test rows"
MATRIX = (
    "Each cell: the verdict on test rows and, in parentheses, how the gap changed; 'training worse' where the score on "
    "training rows was shown to be worse. A smaller gap alone is no gain."
)

WORDS = frozenset(
    {"dataset", "technique", "class", "verdict", "setting", "label", "closing", "part", "metric", "measure"}
    | {"verdict before", "verdict after"}
)  # columns of words in the numbers of figures


Room = Literal["all", "figures", "figures that lead"]  # what a page holds beside its short tables
ROOMS: tuple[Room, ...] = ("all", "figures", "figures that lead")  # from the largest page to the smallest
LINKED = ("noise", "places", "per-class-f1", "cost-score")  # figures that a page can do without before others


def files_of(dataset: DatasetAnalysis) -> dict[str, Callable[[DatasetAnalysis], str]]:
    """Return the kinds of CSV that a dataset has, and what makes their text."""
    classes = {"classes": csvs.classes_csv} if dataset.facts["task"] == "classification" else {}
    honest = {"honest": honesttables.honest_csv, "calibration": honesttables.calibration_csv}
    return {
        "ranking": csvs.ranking_csv,
        **({} if dataset.adjusted is None else honest),
        "gaps": gaptables.gaps_csv,
        **classes,
        "trials": csvs.trials_csv,
    }


def gaps_section(analysis: Analysis) -> str:
    """Return techniques x datasets: who does better on test rows, and how the gap changed."""
    rows = gaptables.closing_matrix(analysis)
    shown = table(rows[0], rows[1:], frozenset(rows[0]), GAPS)
    lines = "".join(f"<li>{escape(line)}</li>" for line in gapwords.EXPLANATION)
    how = f"<details><summary>How to read this</summary><ul class='soft'>{lines}</ul></details>"
    return f"<section id='all-gaps'><h2>{GAPS}</h2>{shown}<p class='soft'>{MATRIX}</p>{how}</section>"


def splits_section(analysis: Analysis) -> str:
    """Return what single splits would have said; nothing where no baseline has a score."""
    shown = [dataset for dataset in analysis.datasets if dataset.scored]
    spread = single.spread_rows(shown)
    if not spread:
        return ""
    told = [(dataset.label, single.sentence(dataset)) for dataset in shown]
    lines = "".join(f"<li><strong>{escape(label)}</strong>: {escape(text)}</li>" for label, text in told if text)
    rows = single.rows_of(shown)
    each = table(single.HEADINGS, rows, single.WORDY, "Single splits against the verdicts") if rows else ""
    opened = f"<details><summary>Single splits of each technique</summary>{each}</details>" if rows else ""
    own = table(single.SPREAD_HEADINGS, spread, single.WORDY, "The baseline's own score over single splits")
    files = "<a href='single-splits.csv'>verdicts</a>, <a href='baseline-spread.csv'>baseline</a>"
    return (
        f"<section id='single-splits'><h2>{single.TITLE}</h2><ul class='told'>{lines}</ul>{own}{opened}"
        f"<p class='soft'>{single.NOTE} Files: {files}.</p></section>"
    )


def dataset_section(dataset: DatasetAnalysis, lead: bool, room: Room) -> str:
    """Return one dataset in words and numbers.

    lead: whether the gap comes first; room: where that is scarce, the scores of each class are in their file alone.
    """
    name = slug(dataset)
    lines = "".join(f"<li>{escape(line)}</li>" for line in tables.lacking(dataset))
    headings, ranking = honesttables.ranked(dataset)
    files = ", ".join(f"<a href='{name}-{kind}.csv'>{kind}</a>" for kind in files_of(dataset))
    told = gapwords.summary(dataset) if lead else [*honestwords.above(dataset), *words.summary(dataset)]
    ranked = table(headings, ranking, honesttables.WORDS, f"Ranking on {dataset.label}", "rank") if ranking else ""
    parts = [
        f"<section id='dataset-{name}'><h2>{escape(tables.title(dataset))}</h2>",
        "".join(f"<p>{escape(sentence)}</p>" for sentence in told),
        _gaps(dataset, lead) if lead else ranked,
        ranked if lead else "",
        f"<ul class='soft'>{lines}</ul>" if lines else "",
        _metrics(dataset) if ranking else "",
        "" if lead else _gaps(dataset, lead),
        _classes(dataset) if ranking and room == "all" else "",
        f"<p class='soft'>{escape(words.protocol(dataset))} Files: {files}.</p></section>",
    ]
    return "\n".join(part for part in parts if part)


def _gaps(dataset: DatasetAnalysis, lead: bool) -> str:
    """Return the table of the gap; nothing where nothing was measured on training rows."""
    rows = gaptables.gap_rows(dataset)
    if not any(math.isfinite(one.gap) for one in dataset.scored):
        return ""
    shown = table(gaptables.HEADINGS, rows, gaptables.WORDY, f"The gap on {dataset.label}")
    return shown if lead else f"<details><summary>{GAPS}</summary>{shown}</details>"


def _metrics(dataset: DatasetAnalysis) -> str:
    rows = tables.metric_rows(dataset)
    shown = table(rows[0], rows[1:], WORDY, f"All metrics on {dataset.label}")
    return f"<details><summary>All metrics on test rows</summary>{shown}</details>"


def _classes(dataset: DatasetAnalysis) -> str:
    """Return the scores of each class; nothing for a regression."""
    rows = tables.class_rows(dataset)
    if dataset.facts["task"] != "classification":
        return ""
    shown = table(rows[0], rows[1:], frozenset({"technique", "class"}), f"Scores of each class on {dataset.label}")
    note = "Exploratory: change is F1 minus the baseline's, q its p adjusted for false discoveries."
    title = "Precision, recall and F1 of each class"
    return f"<details><summary>{title}</summary><p class='soft'>{note}</p>{shown}</details>"


def figure(drawing: Drawing, room: Room) -> str:
    """Return a figure with its description and its numbers; its panels stand below one another on a phone."""
    panels = "".join(_panel(panel, f"{drawing.name}-{place}") for place, panel in enumerate(drawing.panels))
    shown = f"<div class='panels'>{panels}</div>"
    if room == "figures that lead" and drawing.name in LINKED:
        links = ", ".join(f"<a href='{name}'>{escape(one.label or name)}</a>" for name, one in drawing.files.items())
        shown = f"<p>Pictures: {links}</p>"
    return (
        f"<section id='{drawing.name}'><h2>{escape(drawing.title)}</h2><figure>{shown}"
        f"<figcaption>{escape(drawing.description)}</figcaption></figure>{_numbers(drawing, room)}</section>"
    )


def _numbers(drawing: Drawing, room: Room) -> str:
    """Return a figure's numbers as a table, or where they are."""
    if room != "all":
        return f"<p class='soft'>Numbers of this figure: <a href='{drawing.name}.csv'>{drawing.name}.csv</a></p>"
    rows = [[_shown(cell) for cell in row] for row in drawing.rows]
    shown = table(drawing.headings, rows, WORDS, drawing.title)
    return f"<details><summary>Numbers of this figure</summary>{shown}</details>"


def _panel(panel: Panel, name: str) -> str:
    """Return one panel; a wide one scrolls in a box of its own, also by keyboard."""
    label = escape(panel.label or "all datasets", quote=True)
    scrolls = f" tabindex='0' role='region' aria-label='{label}'" if "min-width" in panel.svg else ""
    across = " style='grid-column: 1 / -1'" if panel.wide else ""
    return f"<div class='panel'{scrolls}{across}>{_themed(panel.svg, name)}</div>"


def _shown(cell: object) -> str:
    """Return a number of a figure as printed; empty where there is none."""
    if isinstance(cell, float):
        return f"{cell:.4g}" if math.isfinite(cell) else ""
    return str(cell)


def _themed(svg: str, name: str) -> str:
    """Return an SVG to stand in the page: colours of the page's theme, and ids that no other panel has."""
    inline = svg[svg.index("<svg") :]
    for own, theme in ((INK, "currentColor"), (LINE, "var(--line)"), (PAPER, "var(--paper)")):
        inline = inline.replace(own, theme)
    for before, after in (('id="', f'id="{name}-'), ('href="#', f'href="#{name}-'), ("url(#", f"url(#{name}-")):
        inline = inline.replace(before, after)
    return inline
