"""report/<suite>/: one self-contained HTML page, a README that a code host shows, SVG and CSV."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bench.reporting import csvs, tables, words
from bench.reporting.analysis import analyse
from bench.reporting.drawing import INK, LINE, PAPER, Drawing, Panel
from bench.reporting.figures import draw
from bench.reporting.files import write_files
from bench.reporting.markup import card, document, table
from bench.reporting.standing import Analysis, DatasetAnalysis
from bench.reporting.summaries import SUMMARY, Summary, slug, summarise, to_json
from bench.reporting.tables import HEADINGS, WORDY, cells, markdown
from bench.store import Store

EXPLANATION = (
    "Every technique is compared with the baseline on the same data, splits and initial weights.",
    "Rank: 1 + the number of techniques that are significantly better. Place: where the score stands in 90 % of "
    "resamplings of the repeats.",
    "Verdict: better or worse (adjusted p below 5 %), equivalent (the difference is shown to lie within the margin), "
    "or undecided; a technique with trials missing has none.",
    "Detectable: the smallest effect that these repeats would have found with 80 % power, for undecided techniques; "
    "elsewhere it stands in parentheses.",
    "Gap: how much better the score on training rows is than on test rows. Cost: CPU time over the baseline's.",
)
GAINS = "Gains over the baseline"
MEAN = (
    "Positive is better. The mean is that of these datasets, variants of one dataset counted once, and says nothing of "
    "others; only verdicts, per dataset, are tested."
)


@dataclass(frozen=True)
class Written:
    """A report that was written: its page, and the analysis it shows."""

    page: Path
    analysis: Analysis


def write_report(results: Path, report: Path) -> Written:
    """Write the report of one results folder.

    Raises UsageError where the results cannot be read or the report cannot be written.
    """
    analysis = analyse(Store(results))
    summary = summarise(analysis)
    drawings = draw(analysis)
    files = {"index.html": _page(analysis, summary, drawings), "README.md": _readme(analysis, drawings)}
    files[SUMMARY] = to_json(summary)
    for dataset in analysis.datasets:
        files |= {f"{slug(dataset)}-{kind}.csv": text(dataset) for kind, text in _files(dataset).items()}
    files["datasets.csv"] = csvs.datasets_csv(analysis)
    for drawing in drawings:
        files |= {name: panel.svg for name, panel in drawing.files.items()} | {f"{drawing.name}.csv": drawing.csv}
    write_files(report, files)
    return Written(report / "index.html", analysis)


def _files(dataset: DatasetAnalysis) -> dict[str, Callable[[DatasetAnalysis], str]]:
    """Return the kinds of CSV that a dataset has, and what makes their text."""
    classes = {"classes": csvs.classes_csv} if dataset.facts["task"] == "classification" else {}
    return {"ranking": csvs.ranking_csv, **classes, "trials": csvs.trials_csv}


def _readme(analysis: Analysis, drawings: Sequence[Drawing]) -> str:
    """Return the report as Markdown."""
    matrix = tables.verdict_matrix(analysis)
    parts = [f"# {analysis.plan['suite']}\n", f"{analysis.plan['question']}\n", f"{' '.join(EXPLANATION)}\n"]
    parts += ["## Verdicts\n", markdown(matrix[0], matrix[1:], frozenset(matrix[0][:-3]))]
    gains = tables.across_datasets(analysis)
    parts += [f"## {GAINS}\n", markdown(gains[0], gains[1:]), f"{MEAN} Numbers: [datasets.csv](datasets.csv).\n"]
    for dataset in analysis.datasets:
        parts += [f"## {tables.title(dataset)}\n", f"{' '.join(words.summary(dataset))}\n"]
        if dataset.planned:
            parts.append(markdown(HEADINGS, [list(cells(one).values()) for one in dataset.planned]))
        parts += ["\n".join(f"- {line}" for line in tables.lacking(dataset)) + "\n"] if tables.lacking(dataset) else []
        name = slug(dataset)
        links = ", ".join(f"[{kind}]({name}-{kind}.csv)" for kind in _files(dataset))
        parts.append(f"{words.protocol(dataset)} Numbers: {links}.\n")
    for drawing in drawings:
        images = [f"![{drawing.title}: {panel.label}]({name})" for name, panel in drawing.files.items()]
        parts += [f"## {drawing.title}\n", "\n".join(images) + "\n"]
        parts.append(f"{drawing.description} Numbers: [{drawing.name}.csv]({drawing.name}.csv).\n")
    return "\n".join(parts)


def _page(analysis: Analysis, summary: Summary, drawings: Sequence[Drawing]) -> str:
    """Return the report as one HTML page that needs no network, and no JavaScript but for sorting."""
    matrix = tables.verdict_matrix(analysis)
    links = [("all-verdicts", "Verdicts"), ("all-gains", GAINS)]
    links += [(f"dataset-{slug(one)}", one.label) for one in analysis.datasets]
    links += [(one.name, one.title) for one in drawings]
    explanation = "".join(f"<li>{escape(line)}</li>" for line in EXPLANATION)
    body = [
        f"<header><p class='eyebrow'>Remedy Bench: {escape(summary.suite)}</p>",
        f"<h1>{escape(summary.question)}</h1></header>",
        _answers(summary),
        _contents(links),
        "<div>",
        "<section id='all-verdicts'><h2>Verdicts</h2>",
        table(matrix[0], matrix[1:], frozenset(matrix[0][:-3]), "Verdict on each technique, per dataset"),
        f"<details><summary>How to read the tables</summary><ul class='soft'>{explanation}</ul></details></section>",
        _gains(analysis),
        *(_dataset_section(dataset) for dataset in analysis.datasets),
        *map(_figure, drawings),
        "</div>",
        "<a class='up' href='#contents'>Contents</a>",
    ]
    return document(f"{summary.suite}: Remedy Bench report", "\n".join(body))


def _answers(summary: Summary) -> str:
    """Return what was found, a card per dataset."""
    cards = [
        card(one.label, f"#dataset-{one.name}", one.metric, f"<p>{escape(one.finding)}</p>", one.counts)
        for one in summary.outcomes
    ]
    return f"<section id='answers'><h2>Answers</h2><ul class='cards'>{''.join(cards)}</ul></section>"


def _gains(analysis: Analysis) -> str:
    """Return each technique's gain on all datasets, and their mean."""
    rows = tables.across_datasets(analysis)
    shown = table(rows[0], rows[1:], frozenset({"technique"}), GAINS)
    note = f"{MEAN} File: <a href='datasets.csv'>gains and counts</a>."
    return f"<section id='all-gains'><h2>{GAINS}</h2>{shown}<p class='soft'>{note}</p></section>"


def _contents(links: Sequence[tuple[str, str]]) -> str:
    """Return the list of sections; ``links``: ids with the texts that lead there."""
    lines = "".join(f"<li><a href='#{name}'>{escape(text)}</a></li>" for name, text in links)
    return f"<nav class='contents' id='contents' aria-labelledby='contents-title'>{_CONTENTS}<ul>{lines}</ul></nav>"


_CONTENTS = "<h2 id='contents-title'>Contents</h2>"


def _dataset_section(dataset: DatasetAnalysis) -> str:
    """Return the ranked table of one dataset, in words and numbers."""
    metrics = tables.metric_rows(dataset)
    name = slug(dataset)
    lines = "".join(f"<li>{escape(line)}</li>" for line in tables.lacking(dataset))
    ranking = [list(cells(one).values()) for one in dataset.planned]
    files = ", ".join(f"<a href='{name}-{kind}.csv'>{kind}</a>" for kind in _files(dataset))
    every = table(metrics[0], metrics[1:], WORDY, f"All metrics on {dataset.label}")
    parts = [
        f"<section id='dataset-{name}'><h2>{escape(tables.title(dataset))}</h2>",
        "".join(f"<p>{escape(sentence)}</p>" for sentence in words.summary(dataset)),
        table(HEADINGS, ranking, WORDY, f"Ranking on {dataset.label}", "rank") if ranking else "",
        f"<ul class='soft'>{lines}</ul>" if lines else "",
        f"<details><summary>All metrics on test rows</summary>{every}</details>" if ranking else "",
        _classes(dataset) if ranking else "",
        f"<p class='soft'>{escape(words.protocol(dataset))} Files: {files}.</p></section>",
    ]
    return "\n".join(part for part in parts if part)


def _classes(dataset: DatasetAnalysis) -> str:
    """Return the scores of each class; nothing for a regression."""
    rows = tables.class_rows(dataset)
    if dataset.facts["task"] != "classification":
        return ""
    shown = table(rows[0], rows[1:], frozenset({"technique", "class"}), f"Scores of each class on {dataset.label}")
    note = "Exploratory: change is F1 minus the baseline's, q its p adjusted for false discoveries."
    title = "Precision, recall and F1 of each class"
    return f"<details><summary>{title}</summary><p class='soft'>{note}</p>{shown}</details>"


def _figure(drawing: Drawing) -> str:
    """Return a figure with its description and its numbers; its panels stand below one another on a phone."""
    rows = [[_shown(cell) for cell in row] for row in drawing.rows]
    left = frozenset({"dataset", "technique", "class", "verdict"})
    panels = "".join(_panel(panel, f"{drawing.name}-{place}") for place, panel in enumerate(drawing.panels))
    return (
        f"<section id='{drawing.name}'><h2>{escape(drawing.title)}</h2><figure><div class='panels'>{panels}</div>"
        f"<figcaption>{escape(drawing.description)}</figcaption></figure>"
        "<details><summary>Numbers of this figure</summary>"
        f"{table(drawing.headings, rows, left, drawing.title)}</details></section>"
    )


def _panel(panel: Panel, name: str) -> str:
    """Return one panel; a wide one scrolls in a box of its own, also by keyboard."""
    label = escape(panel.label or "all datasets", quote=True)
    scrolls = f" tabindex='0' role='region' aria-label='{label}'" if "min-width" in panel.svg else ""
    return f"<div class='panel'{scrolls}>{_themed(panel.svg, name)}</div>"


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
