"""report/<suite>/: one self-contained HTML page, a README that a code host shows, SVG and CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bench.reporting import csvs, single, tables
from bench.reporting.analysis import analyse
from bench.reporting.besides import sections_of
from bench.reporting.drawing import Drawing
from bench.reporting.figures import draw
from bench.reporting.files import write_files
from bench.reporting.focus import Lead, focus_of
from bench.reporting.markup import card, document, table
from bench.reporting.readme import readme
from bench.reporting.sections import GAPS, ROOMS, Room, dataset_section, figure, files_of, gaps_section, splits_section
from bench.reporting.standing import Analysis
from bench.reporting.summaries import SUMMARY, Summary, slug, summarise, to_json
from bench.reporting.telling import Section
from bench.reporting.texts import EXPLANATION, GAINS, MEAN
from bench.store import Store

LARGEST = 2_900_000  # bytes of a page; above it, long tables and then some figures are left to their files


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
    drawings, besides, leads = draw(analysis), sections_of(analysis), focus_of(analysis).leads(analysis)
    page = ""
    for room in ROOMS:
        page = _page(analysis, summary, drawings, besides, leads, room)
        if len(page.encode()) <= LARGEST:
            break
    files = {"index.html": page, "README.md": readme(analysis, drawings, besides, leads)}
    files[SUMMARY] = to_json(summary)
    for dataset in analysis.datasets:
        files |= {f"{slug(dataset)}-{kind}.csv": text(dataset) for kind, text in files_of(dataset).items()}
    files["datasets.csv"] = csvs.datasets_csv(analysis)
    files |= {"single-splits.csv": single.misled_csv(analysis), "baseline-spread.csv": single.spread_csv(analysis)}
    for section in (*leads, *besides):
        files |= section.files
    for drawing in drawings:
        files |= {name: panel.svg for name, panel in drawing.files.items()} | {f"{drawing.name}.csv": drawing.csv}
    write_files(report, files)
    return Written(report / "index.html", analysis)


def _page(
    analysis: Analysis,
    summary: Summary,
    drawings: Sequence[Drawing],
    besides: Sequence[Section],
    leads: Sequence[Lead],
    room: Room,
) -> str:
    """Return the report as one HTML page that needs no network, and no JavaScript but for sorting."""
    lead = analysis.leads_with_gap
    first = [one for one in drawings if one.name in focus_of(analysis).figures]
    own = {one.name: one for one in drawings if one.name in {section.figure for section in besides}}
    later = [one for one in drawings if one not in first and one.name not in own]
    splits = splits_section(analysis)
    links = [("all-gaps", GAPS)] * lead + [(one.name, one.title) for one in (*leads, *first)]
    links += [("all-verdicts", "Verdicts"), ("all-gains", GAINS)]
    links += [(f"dataset-{slug(one)}", one.label) for one in analysis.datasets]
    links += [(one.name, one.title) for one in besides]
    links += [("single-splits", single.TITLE)] * bool(splits) + [(one.name, one.title) for one in later]
    body = [
        f"<header><p class='eyebrow'>Remedy Bench: {escape(summary.suite)}</p>",
        f"<h1>{escape(summary.question)}</h1></header>",
        _answers(analysis, summary),
        _contents(links),
        "<div>",
        *([gaps_section(analysis)] * lead),
        *(one.html for one in leads),
        *(figure(one, room) for one in first),
        _verdicts(analysis),
        _gains(analysis),
        *(dataset_section(dataset, lead, room) for dataset in analysis.datasets),
        *(one.html + (figure(own[one.figure], room) if one.figure in own else "") for one in besides),
        *([splits] * bool(splits)),
        *(figure(one, room) for one in later),
        "</div>",
        "<a class='up' href='#contents'>Contents</a>",
    ]
    return document(f"{summary.suite}: Remedy Bench report", "\n".join(body))


def _verdicts(analysis: Analysis) -> str:
    """Return the verdict on each technique, per dataset, and how to read the tables."""
    matrix = tables.verdict_matrix(analysis)
    explanation = "".join(f"<li>{escape(line)}</li>" for line in EXPLANATION)
    return (
        "<section id='all-verdicts'><h2>Verdicts</h2>\n"
        f"{table(matrix[0], matrix[1:], frozenset(matrix[0][:-3]), 'Verdict on each technique, per dataset')}\n"
        f"<details><summary>How to read the tables</summary><ul class='soft'>{explanation}</ul></details></section>"
    )


def _answers(analysis: Analysis, summary: Summary) -> str:
    """Return what was found, a card per dataset."""
    cards = []
    for one, dataset in zip(summary.outcomes, analysis.datasets, strict=True):
        told = focus_of(analysis).answers(analysis, dataset)
        content = "".join(f"<p>{escape(sentence)}</p>" for sentence in told)
        cards.append(card(one.label, f"#dataset-{one.name}", one.metric, content, one.counts))
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
